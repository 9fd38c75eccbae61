//! The adapter's own clock, around work that is submitted at once.

use std::time::Duration;

use super::super::commands::Commands;
use super::super::recording::Command;
use super::Engine;
use crate::error::Result;

impl Engine {
    /// How long the adapter takes for the dispatches of `work`, by its own clock: at most 128 of them, without copies in
    /// between. None, and `work` is not called, where it has no clock.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn timed(&self, work: impl FnOnce()) -> Result<Option<Duration>> {
        if !self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        self.sync()?;
        const BYTES: u64 = 2 * size_of::<u64>() as u64;
        let times = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let buffer = |usage| {
            let descriptor = wgpu::BufferDescriptor { label: None, size: BYTES, usage, mapped_at_creation: false };
            self.device.create_buffer(&descriptor)
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        {
            let mut recording = self.recording();
            recording.timestamps = Some(times.clone());
            recording.pace.hold();
        }
        work();
        let mut recording = self.recording();
        recording.commands.push(Command::Resolve { times, count: 2, to: resolved.clone() });
        recording.copy(&resolved, (&staging, 0), BYTES);
        self.submit(&mut recording);
        drop(recording);
        let times: Vec<u64> = self.read(&staging)?;
        let nanoseconds = times[1].saturating_sub(times[0]) as f64 * f64::from(self.queue.get_timestamp_period());
        // A clock that says nonsense is none.
        Ok(Duration::try_from_secs_f64(nanoseconds * 1e-9).ok())
    }
}
