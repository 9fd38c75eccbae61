//! The queue to the adapter: commands are recorded, and submitted when the host reads back or enough of them wait.

mod clock;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::adapter::Adapter;
use super::buffer::Buffer;
use super::commands::Commands;
use super::counters::Counters;
use super::dispatch::Dispatch;
use super::elementwise;
use super::failure::Failure;
use super::listed;
use super::pace::{Pace, Speed};
use super::pipeline::Pipelines;
use super::pool::Pool;
use super::recording::{Command, Recording};
use super::shader::Kernel;
use super::shape::Shape;
use super::tile::{Choice, Taste};
use super::trace::Resolved;
use super::tune::tune;
use super::tuning::Tuning;
#[cfg(feature = "gan")]
use super::tuning_store::TuningStore;
use super::underway::{PATIENCE, PATIENCE_WITH_SOFTWARE};
use super::{Bounds, Counted, DeviceTimes, Tuned};
use crate::error::{Error, Result};

/// Bytes of the uniform buffer: the parameters of all dispatches of one submission.
const UNIFORM_BYTES: usize = 64 << 10;
/// Submissions that may wait for the adapter before the host waits for the first of them.
const IN_FLIGHT: usize = 8;
/// Workgroups that a dispatch has on one dimension, at most (WebGPU's default limit).
const MOST_GROUPS: usize = 65_535;

/// So many workgroups in two dimensions, and a few more: across and down.
pub fn folded(groups: usize) -> [u32; 2] {
    let down = groups.div_ceil(MOST_GROUPS);
    [groups.div_ceil(down) as u32, down as u32]
}

/// A device of wgpu, what is recorded for it, and its first failure.
pub struct Engine {
    /// As `--device` takes it.
    pub name: String,
    /// The adapter, its driver and backend.
    pub adapter: Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pool: Arc<Pool<wgpu::Buffer>>,
    uniforms: wgpu::Buffer,
    alignment: usize,
    failure: Arc<Failure>,
    pipelines: Pipelines,
    pub(super) taste: Taste,
    pub(super) tuning: Mutex<Tuning>,
    #[cfg(feature = "gan")]
    tuning_store: Option<TuningStore>,
    recording: Mutex<Recording>,
    /// How long a submission may take once those before it have ended.
    patience: Duration,
    /// Whether memory is filled with what is no number before it is handed out.
    poisons: AtomicBool,
    counters: Counters,
}

impl Engine {
    /// A device of an adapter.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses.
    pub fn new(adapter: Adapter, name: String) -> Result<Engine> {
        #[cfg(feature = "gan")]
        let folder = crate::atomic::cache_folder().ok();
        #[cfg(not(feature = "gan"))]
        let folder: Option<std::path::PathBuf> = None;
        Engine::with_kernels_in(adapter, name, folder.as_deref())
    }

    /// A device that keeps compiled kernels in this folder, where its driver lets it.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses.
    pub fn with_kernels_in(adapter: Adapter, name: String, folder: Option<&Path>) -> Result<Engine> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("graft"),
            required_features: adapter.features,
            required_limits: adapter.limits.clone(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.adapter.request_device(&descriptor)).map_err(|error| {
            Error::Device { device: name.clone(), message: format!("{} refuses to open: {error}", adapter.info.name) }
        })?;
        let failure = Arc::new(Failure::default());
        let kept = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let advice = match error {
                wgpu::Error::OutOfMemory { .. } => "; use a smaller batch or fewer features",
                _ => "",
            };
            kept.keep(format!("{error}{advice}"));
        }));
        let kept = Arc::clone(&failure);
        device.set_device_lost_callback(move |_, message| {
            kept.lose(message);
        });
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: UNIFORM_BYTES as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let alignment = adapter.limits.min_uniform_buffer_offset_alignment as usize;
        let taste = if adapter.is_software() { Taste::SOFTWARE } else { Taste::CARD };
        let pipelines = Pipelines::new(&device, &adapter, folder);
        #[cfg_attr(not(feature = "gan"), expect(unused_mut))]
        let mut tuning = Tuning::default();
        #[cfg(feature = "gan")]
        let tuning_store = folder.map(|folder| TuningStore::new(&adapter, folder));
        #[cfg(feature = "gan")]
        tuning_store.iter().for_each(|store| store.read(&mut tuning));
        let patience = if adapter.is_software() { PATIENCE_WITH_SOFTWARE } else { PATIENCE };
        let speed = Speed::of(adapter.info.device_type);
        Ok(Engine {
            name,
            adapter,
            taste,
            tuning: Mutex::new(tuning),
            #[cfg(feature = "gan")]
            tuning_store,
            device,
            queue,
            pool: Arc::default(),
            uniforms,
            alignment,
            failure,
            pipelines,
            recording: Mutex::new(Recording { pace: Pace::new(speed), ..Recording::default() }),
            patience,
            poisons: AtomicBool::new(false),
            counters: Counters::default(),
        })
    }

    /// The bytes that the pool holds.
    pub fn pool(&self) -> &Pool<wgpu::Buffer> {
        &self.pool
    }

    /// Whether compiled kernels outlive the device, on disk.
    #[cfg(all(test, feature = "gan"))]
    pub fn keeps_kernels(&self) -> bool {
        self.pipelines.are_kept()
    }

    /// The bytes that wgpu allocated from the driver and has in use, where it tells.
    pub fn driver_bytes(&self) -> Option<u64> {
        self.device.generate_allocator_report().map(|report| report.total_allocated_bytes)
    }

    /// The first failure.
    ///
    /// # Errors
    /// That failure.
    pub fn check(&self) -> Result<()> {
        if !self.failed() {
            return Ok(());
        }
        // A poll calls back where the device was lost; what it returns is said by then.
        let _ = self.device.poll(wgpu::PollType::Poll);
        self.failure.error(&self.name).map_or(Ok(()), Err)
    }

    fn fail(&self, message: String) {
        self.failure.keep(message);
    }

    fn failed(&self) -> bool {
        self.failure.is_there()
    }

    fn tuning(&self) -> MutexGuard<'_, Tuning> {
        self.tuning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory of at least `bytes` bytes; None where that is refused, or the device has failed.
    fn allocate(&self, bytes: u64) -> Option<wgpu::Buffer> {
        const MIB: f64 = (1 << 20) as f64;
        if bytes > self.adapter.largest() {
            self.fail(format!(
                "a tensor of {:.1} MiB is more than the {:.1} MiB that {} takes at once; use a smaller batch",
                bytes as f64 / MIB,
                self.adapter.largest() as f64 / MIB,
                self.adapter.info.name
            ));
        }
        if self.failed() {
            return None;
        }
        let taken = self.pool.take(bytes, self.adapter.largest(), |size| self.create(size), || self.release_idle());
        if taken.is_none() {
            let held = self.pool.memory().in_use as f64 / MIB;
            self.fail(format!(
                "out of memory at a tensor of {:.1} MiB, beside {held:.1} MiB in use; use a smaller batch or fewer features",
                bytes as f64 / MIB
            ));
        }
        taken.map(|(buffer, _)| buffer)
    }

    /// A new buffer; None where there is no memory for it.
    fn create(&self, size: u64) -> Option<wgpu::Buffer> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        pollster::block_on(scope.pop()).is_none().then_some(buffer)
    }

    /// What the host finds in a mappable buffer, once all that was submitted is done.
    fn read<T: bytemuck::Pod>(&self, staging: &wgpu::Buffer) -> Result<Vec<T>> {
        let failure = Arc::clone(&self.failure);
        staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
            if let Err(error) = outcome {
                failure.keep(format!("memory cannot be mapped: {error}"));
            }
        });
        self.wait()?;
        match staging.get_mapped_range(..) {
            Ok(mapped) => Ok(bytemuck::pod_collect_to_vec(&mapped)),
            Err(error) => {
                self.fail(format!("memory cannot be mapped: {error}"));
                self.check().map(|()| Vec::new())
            }
        }
    }

    /// Waits for everything submitted so far.
    fn wait(&self) -> Result<()> {
        // One after the other: the limit is for each. What has failed already may never end.
        while let Some((number, index)) = self.oldest().filter(|_| !self.failed()) {
            if self.poll(Some(index), || self.recording().underway.hung(self.patience)) {
                self.recording().underway.ended(number);
            }
        }
        if !self.failed() {
            self.poll(None, || self.recording().underway.hung(self.patience));
        }
        self.recording().pace.waited();
        self.check()
    }

    /// The oldest submission that may not have ended.
    fn oldest(&self) -> Option<(u64, wgpu::SubmissionIndex)> {
        self.recording().underway.oldest()
    }

    /// Waits for a submission, or for the last, but not without end. Whether it has ended.
    fn poll(&self, submission_index: Option<wgpu::SubmissionIndex>, hung: impl FnOnce() -> String) -> bool {
        match self.device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(self.patience) }) {
            Ok(_) => return true,
            Err(wgpu::PollError::Timeout) => self.fail(hung()),
            Err(error) => self.fail(format!("waiting failed: {error}")),
        }
        false
    }

    fn submit(&self, recording: &mut Recording) {
        let kernels = recording.kernels();
        let Some(mut encoder) = recording.encode(&self.device, &self.pipelines, &self.uniforms) else { return };
        let stamps = recording.trace.resolve(&self.device, &mut encoder);
        // Written after the commands submitted before, and before those of this submission.
        if !recording.uniforms.is_empty() {
            self.queue.write_buffer(&self.uniforms, 0, &recording.uniforms);
            self.counters.copied(recording.uniforms.len() as u64, true);
        }
        let submission = self.queue.submit([encoder.finish()]);
        self.counters.submitted();
        stamps.into_iter().for_each(Resolved::read);
        recording.uniforms.clear();
        recording.pace.submitted();
        recording.underway.began(submission, kernels);
        // A poll frees what finished submissions held.
        match recording.underway.oldest().filter(|_| recording.underway.len() > IN_FLIGHT) {
            Some((number, index)) => {
                if self.poll(Some(index), || recording.underway.hung(self.patience)) {
                    recording.underway.ended(number);
                }
            }
            None => {
                if let Err(error) = self.device.poll(wgpu::PollType::Poll) {
                    self.fail(format!("waiting failed: {error}"));
                }
            }
        }
    }
}

impl Commands for Engine {
    fn name(&self) -> &str {
        &self.name
    }

    fn buffer(&self, len: usize) -> Buffer {
        let buffer = Buffer::new(&self.pool, self.allocate((len * size_of::<f32>()) as u64), len);
        if self.poisons.load(Ordering::Relaxed) {
            elementwise::fill(self, &buffer, f64::NAN);
        }
        buffer
    }

    fn buffer_if_there_is_room(&self, len: usize) -> Option<Buffer> {
        let (bytes, largest) = ((len * size_of::<f32>()) as u64, self.adapter.largest());
        if bytes > largest || self.failed() {
            return None;
        }
        let taken = self.pool.take(bytes, largest, |size| self.create(size), || self.release_idle());
        taken.map(|(raw, _)| Buffer::new(&self.pool, Some(raw), len))
    }

    fn poison(&self, on: bool) {
        self.poisons.store(on, Ordering::Relaxed);
    }

    fn owns(&self, buffer: &Buffer) -> bool {
        buffer.is_of(&self.pool)
    }

    fn release_idle(&self) {
        // A failure is kept, and comes with the next read-back.
        let _ = self.sync();
        self.pipelines.keep();
        self.recording().groups.clear();
        drop(self.pool.clear());
        // What nothing uses any more is freed by a poll.
        let _ = self.device.poll(wgpu::PollType::Poll);
    }

    fn dispatch(&self, kernel: &Kernel, parameters: &[u32], reads: &[&Buffer], writes: &[&Buffer], groups: usize) {
        let storages: Option<Vec<&wgpu::Buffer>> = reads.iter().chain(writes).map(|buffer| buffer.raw()).collect();
        let Some(storages) = storages.filter(|_| groups > 0 && !self.failed()) else { return };
        let pipeline = self.pipelines.get(kernel, [reads.len(), writes.len()]);
        let size = size_of_val(parameters).next_multiple_of(16);
        let moved = reads.iter().chain(writes).map(|buffer| buffer.bytes()).sum();
        let mut recording = self.recording();
        if recording.uniforms.len().next_multiple_of(self.alignment) + size > UNIFORM_BYTES
            || recording.pace.is_full(moved)
            || recording.trace.is_full()
        {
            self.submit(&mut recording);
        }
        let offset = recording.uniforms.len().next_multiple_of(self.alignment);
        recording.uniforms.resize(offset, 0);
        recording.uniforms.extend_from_slice(bytemuck::cast_slice(parameters));
        recording.uniforms.resize(offset + size, 0);
        let dispatch = Dispatch {
            pipeline,
            storages: storages.into_iter().cloned().collect(),
            parameters: (offset as u32, size),
            groups: folded(groups),
            stamps: recording.trace.next(&self.device),
        };
        recording.commands.push(Command::Dispatch(dispatch));
        recording.pace.dispatched(moved);
        self.counters.dispatched();
    }

    fn weigh(&self, multiply_adds: u64) {
        self.recording().pace.weigh(multiply_adds);
    }

    fn upload(&self, bytes: &[u8], to: &Buffer) {
        let Some(to) = to.raw().filter(|_| !bytes.is_empty() && !self.failed()) else { return };
        // Not by `Queue::write_buffer`: that would come before the commands recorded so far, which may still read what the
        // pooled buffer held before.
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("upload"),
            size: bytes.len() as u64,
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        });
        match staging.get_mapped_range_mut(..) {
            Ok(mut mapped) => mapped.copy_from_slice(bytes),
            Err(error) => return self.fail(format!("memory cannot be mapped: {error}")),
        }
        staging.unmap();
        let mut recording = self.recording();
        recording.copy(&staging, (to, 0), bytes.len() as u64);
        self.counters.copied(bytes.len() as u64, true);
        if recording.pace.uploaded(bytes.len() as u64) {
            self.submit(&mut recording);
        }
    }

    fn copy(&self, from: &Buffer, to: &Buffer, bytes: u64) {
        if let (Some(from), Some(to), false) = (from.raw(), to.raw(), bytes == 0 || self.failed()) {
            self.recording().copy(from, (to, 0), bytes);
            self.counters.copied(bytes, false);
        }
    }

    fn download(&self, from: &[&Buffer]) -> Result<Vec<Vec<f32>>> {
        self.check()?;
        let bytes: u64 = from.iter().map(|buffer| buffer.bytes()).sum();
        if bytes == 0 {
            return Ok(from.iter().map(|_| Vec::new()).collect());
        }
        // Numbers that stand alone are put together first: a copy each would take longer.
        if from.len() > 1 && from.iter().all(|buffer| buffer.len() == 1) {
            let joined = self.download(&[&listed::join(self, from)])?.remove(0);
            return Ok(joined.into_iter().map(|number| vec![number]).collect());
        }
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("download"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut recording = self.recording();
        let mut at = 0;
        for buffer in from {
            if let Some(raw) = buffer.raw().filter(|_| buffer.bytes() > 0) {
                recording.copy(raw, (&staging, at), buffer.bytes());
                self.counters.copied(buffer.bytes(), false);
            }
            at += buffer.bytes();
        }
        self.submit(&mut recording);
        drop(recording);
        let mut read: Vec<f32> = self.read(&staging)?;
        // From the last to the first, whose part is not copied once more.
        let part = |buffer: &&Buffer| read.split_off(read.len().saturating_sub(buffer.len()));
        let mut parts: Vec<Vec<f32>> = from[1..].iter().rev().map(part).collect();
        parts.push(read);
        parts.reverse();
        Ok(parts)
    }

    fn sync(&self) -> Result<()> {
        self.submit(&mut self.recording());
        self.wait()
    }

    fn timed(&self, work: &mut dyn FnMut()) -> Result<Option<Duration>> {
        Engine::timed(self, work)
    }

    fn counted(&self) -> Counted {
        self.counters.counted()
    }

    fn note_under(&self, label: Option<usize>) -> bool {
        let has_clock = self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        if has_clock {
            self.recording().trace.note_under(label);
        }
        has_clock
    }

    fn noted(&self) -> Result<DeviceTimes> {
        self.sync()?;
        Ok(self.recording().trace.found(self.queue.get_timestamp_period()))
    }

    fn largest(&self) -> u64 {
        self.adapter.largest()
    }

    fn taste(&self) -> Taste {
        self.taste
    }

    fn tune(&self, limit: Duration, all: bool) -> Result<Vec<Tuned>> {
        let tuned = tune(self, &self.tuning, limit, all)?;
        #[cfg(feature = "gan")]
        if let Some(store) = self.tuning_store.as_ref().filter(|_| !tuned.is_empty()) {
            store.write(&mut self.tuning());
        }
        Ok(tuned)
    }

    fn tunes_itself(&self) -> bool {
        !self.adapter.is_software()
    }

    fn choice(&self, shape: &Shape, operands: [usize; 2]) -> Option<Choice> {
        self.tuning().choice(shape, operands)
    }

    fn bounds(&self) -> Bounds {
        let adapter = &self.adapter;
        let shares = adapter.is_software() || adapter.info.device_type == wgpu::DeviceType::IntegratedGpu;
        Bounds { largest_storage: Some(adapter.largest()), shares_host_memory: shares, idle: self.pool.memory().idle }
    }
}

#[cfg(test)]
mod tests {
    use super::super::adapter::{Choice, choose};
    use super::super::{elementwise, probes};
    use super::*;

    #[test]
    fn a_lost_device_is_an_error_and_no_panic() {
        let adapter = match choose(&Choice::Best) {
            Ok(adapter) => adapter,
            Err(error) => return println!("skipped: {error}"),
        };
        let engine = Arc::new(Engine::new(adapter, "gpu".to_string()).unwrap());
        let before = elementwise::full(&*engine, 1000, 1.0);
        engine.sync().unwrap();
        engine.device.destroy();
        // Nobody may know yet: kernels go on, and the read-back says it.
        let after = elementwise::full(&*engine, 1000, 2.0);
        engine.upload(&[0; 4000], &after);
        engine.copy(&before, &after, 4000);
        let error = engine.download(&[&after]).unwrap_err();
        assert!(matches!(&error, Error::Lost { device, .. } if device == "gpu"), "{error}");
        assert!(error.to_string().contains("last checkpoint is good"), "{error}");
        assert!(engine.sync().is_err());
        assert!(elementwise::full(&*engine, 10, 1.0).raw().is_none(), "a failed device allocates");
    }

    #[test]
    fn dispatches_are_timed_within_a_pass_or_each_in_its_own_or_not_at_all() {
        const NONE: wgpu::Features = wgpu::Features::empty();
        const INSIDE: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
        const ANY: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(INSIDE);
        for without in [NONE, INSIDE, ANY] {
            let mut adapter = match choose(&Choice::Best) {
                Ok(adapter) => adapter,
                Err(error) => return println!("skipped: {error}"),
            };
            adapter.features.remove(without);
            let engine = Engine::new(adapter, "gpu".to_string()).unwrap();
            let has_clock = engine.note_under(Some(1));
            assert!(!has_clock || without != ANY);
            // More than one submission holds.
            let filled: Vec<Buffer> =
                (0..300).map(|value| elementwise::full(&engine, 5000, f64::from(value))).collect();
            engine.note_under(None);
            elementwise::full(&engine, 5000, 1.0);
            let times = engine.noted().unwrap();
            let expected = if has_clock { 2 } else { 0 };
            assert_eq!(times.busy.len(), expected, "{times:?}");
            assert!(
                times.busy.iter().map(|time| !time.is_zero()).eq([false, true].into_iter().take(expected)),
                "{times:?}"
            );
            assert_eq!(engine.download(&[&filled[299]]).unwrap()[0][0], 299.0);
        }
    }

    #[test]
    fn a_wait_that_takes_too_long_says_for_what() {
        let adapter = match choose(&Choice::Best) {
            Ok(adapter) => adapter,
            Err(error) => return println!("skipped: {error}"),
        };
        let mut engine = Engine::new(adapter, "gpu".to_string()).unwrap();
        let x = elementwise::full(&engine, 10, 1.0);
        assert_eq!(engine.download(&[&x]).unwrap(), [[1.0; 10]], "a wait that does not take long is none the worse");
        engine.patience = Duration::from_millis(1);
        // Tens of milliseconds of a card, a second of a processor.
        let rounds = if engine.adapter.is_software() { 64 } else { 1 << 14 };
        probes::multiply_adds(&engine, rounds);
        let error = engine.download(&[&x]).unwrap_err().to_string();
        assert!(error.contains("has ended nothing for 0.001 s") && error.contains("multiply_adds"), "{error}");
        // What comes after does not wait again.
        assert_eq!(engine.sync().unwrap_err().to_string(), error);
    }
}
