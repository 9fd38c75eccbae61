//! When the adapter began and ended each dispatch, by its own clock, while a profile asks for it: two timestamps a dispatch, resolved with the
//! submission and read in the background, so that nothing waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::DeviceTimes;

/// The most queries that WebGPU lets a set have: two a dispatch, far more than a submission holds.
const QUERIES: u32 = wgpu::QUERY_SET_MAX_QUERIES;

/// What is noted, and for whom.
#[derive(Default)]
pub struct Trace {
    /// Whose dispatches are recorded now.
    label: Option<usize>,
    /// Of the submission that is recorded now.
    open: Option<Stamps>,
    found: Arc<Mutex<Found>>,
}

/// The timestamps of one submission.
struct Stamps {
    queries: wgpu::QuerySet,
    /// Whose each pair is.
    labels: Vec<usize>,
}

/// The timestamps of a submission on their way to the host.
pub struct Resolved {
    staging: wgpu::Buffer,
    labels: Vec<usize>,
    found: Arc<Mutex<Found>>,
}

/// Ticks of the adapter's clock.
#[derive(Default)]
struct Found {
    busy: Vec<u64>,
    idle: u64,
    last: Option<u64>,
}

impl Trace {
    /// From now on, dispatches are this one's; of None they are not noted.
    pub fn note_under(&mut self, label: Option<usize>) {
        self.label = label;
    }

    /// Whether this submission can note no more.
    pub fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| 2 * open.labels.len() as u32 >= QUERIES)
    }

    /// Where the next dispatch's beginning is to be written, and in the place behind it its end; None where it is not noted.
    pub fn next(&mut self, device: &wgpu::Device) -> Option<(wgpu::QuerySet, u32)> {
        let label = self.label?;
        let open = self.open.get_or_insert_with(|| {
            let descriptor =
                wgpu::QuerySetDescriptor { label: Some("trace"), ty: wgpu::QueryType::Timestamp, count: QUERIES };
            Stamps { queries: device.create_query_set(&descriptor), labels: Vec::new() }
        });
        open.labels.push(label);
        Some((open.queries.clone(), 2 * (open.labels.len() as u32 - 1)))
    }

    /// Ends the submission that is recorded in `encoder`; call [`Resolved::read`] once it is submitted.
    pub fn resolve(&mut self, device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder) -> Option<Resolved> {
        let Stamps { queries, labels } = self.open.take()?;
        let count = 2 * labels.len() as u32;
        let size = u64::from(count) * size_of::<u64>() as u64;
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("trace"),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, size);
        Some(Resolved { staging, labels, found: Arc::clone(&self.found) })
    }

    /// What was read so far, a tick being `period` nanoseconds.
    pub fn found(&self, period: f32) -> DeviceTimes {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let time =
            |ticks: u64| Duration::try_from_secs_f64(ticks as f64 * f64::from(period) * 1e-9).unwrap_or_default();
        DeviceTimes { busy: found.busy.iter().copied().map(time).collect(), idle: time(found.idle) }
    }
}

impl Resolved {
    /// Takes the times in once the adapter is done.
    pub fn read(self) {
        let Resolved { staging, labels, found } = self;
        let mapped = staging.clone();
        // Where that fails, so does the next read-back, which says it.
        staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
            let Ok(Ok(view)) = outcome.map(|()| mapped.get_mapped_range(..)) else { return };
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
            found.lock().unwrap_or_else(PoisonError::into_inner).take(&labels, &ticks);
        });
    }
}

impl Found {
    /// Takes beginnings and ends in, in the order of the dispatches.
    fn take(&mut self, labels: &[usize], ticks: &[u64]) {
        for (&label, pair) in labels.iter().zip(ticks.chunks_exact(2)) {
            let (begin, end) = (pair[0], pair[1]);
            if self.busy.len() <= label {
                self.busy.resize(label + 1, 0);
            }
            let last = self.last.unwrap_or(begin);
            // Dispatches that overlap are counted once.
            self.busy[label] += end.saturating_sub(begin.max(last));
            self.idle += begin.saturating_sub(last);
            self.last = Some(last.max(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_idle_and_what_overlaps_is_counted_once() {
        let trace = Trace::default();
        let mut found = trace.found.lock().unwrap();
        found.take(&[1, 0], &[100, 150, 160, 200]);
        // The next submission, of which one began before the other had ended.
        found.take(&[1, 2], &[250, 300, 290, 310]);
        drop(found);
        let times = trace.found(2.0);
        assert_eq!(times.busy, [80, 200, 20].map(Duration::from_nanos));
        assert_eq!(times.idle, Duration::from_nanos(120));
    }
}
