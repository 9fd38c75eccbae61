//! A device that times every kernel of another: for `--profile`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::*;

/// Passes every kernel on to another device's and keeps the time: the device's own clock says it where there is one, else it is waited for.
struct Profiler {
    inner: Device,
    records: Arc<Records>,
    by_device: bool,
}

/// What was measured so far.
#[derive(Default)]
struct Records {
    kernels: Mutex<Kernels>,
}

/// The kernels' measurements, and the place of each by its name.
#[derive(Default)]
struct Kernels {
    places: BTreeMap<String, usize>,
    records: Vec<Record>,
}

/// The measurements of one kernel.
#[derive(Clone, Copy, Default)]
struct Record {
    calls: u64,
    /// By the host's clock, where that is what is kept.
    time: Duration,
    /// Floating-point operations, of the kernels that are counted in them.
    work: f64,
}

/// The measurements of a device that [`Device::profiled`] made.
pub struct Profile {
    start: Instant,
    records: Arc<Records>,
    /// The device, where its own clock is what is kept.
    clock: Option<Device>,
}

impl Device {
    /// A device that computes as this one does and times every kernel, and the measurements. Where the device has a clock of its own, as a
    /// gpu with timestamps, nothing is waited for.
    pub fn profiled(&self) -> (Device, Profile) {
        let records = Arc::new(Records::default());
        let by_device = self.backend().probes().is_some_and(|probes| probes.note_under(None));
        let profiler = Profiler { inner: self.clone(), records: Arc::clone(&records), by_device };
        let clock = by_device.then(|| self.clone());
        (Device(Arc::new(profiler)), Profile { start: Instant::now(), records, clock })
    }
}

impl fmt::Display for Profile {
    /// A line that says whose clock it is, and a table, the longest first: calls, milliseconds, share of the time since the start, GFLOP/s; of
    /// a device's own clock also how long it had nothing to compute between kernels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a failed device noted is still worth reading.
        let times = self.clock.as_ref().and_then(|device| device.backend().probes()?.noted().ok());
        let total = self.start.elapsed().as_secs_f64();
        let kernels = self.records.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let time = |place: usize| match &times {
            Some(times) => times.busy.get(place).copied().unwrap_or_default(),
            None => kernels.records[place].time,
        };
        let mut rows: Vec<(&str, usize)> = kernels.places.iter().map(|(name, &place)| (name.as_str(), place)).collect();
        rows.sort_by_key(|&(_, place)| std::cmp::Reverse(time(place)));
        writeln!(
            f,
            "{}",
            match times {
                Some(_) => "times of kernels by the device's own clock, which nothing waits for",
                None => "times of kernels by the host's clock, each waited for",
            }
        )?;
        const IDLE: &str = "idle between kernels";
        const OUTSIDE: &str = "outside kernels";
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(IDLE.len());
        writeln!(f, "{:<width$} {:>9} {:>11} {:>7} {:>8}", "kernel", "calls", "ms", "share", "GFLOP/s")?;
        let mut inside = 0.0;
        for (name, place) in rows {
            let (Record { calls, work, .. }, seconds) = (kernels.records[place], time(place).as_secs_f64());
            inside += seconds;
            let rate = if work > 0.0 { format!("{:.1}", work / seconds / 1e9) } else { "-".to_string() };
            let (ms, share) = (seconds * 1e3, 100.0 * seconds / total);
            writeln!(f, "{name:<width$} {calls:>9} {ms:>11.1} {share:>6.1}% {rate:>8}")?;
        }
        let rest = |f: &mut fmt::Formatter<'_>, name: &str, seconds: f64| {
            let (ms, share) = (seconds * 1e3, 100.0 * seconds / total);
            write!(f, "{name:<width$} {:>9} {ms:>11.1} {share:>6.1}% {:>8}", "-", "-")
        };
        if let Some(times) = &times {
            inside += times.idle.as_secs_f64();
            rest(f, IDLE, times.idle.as_secs_f64())?;
            writeln!(f)?;
        }
        rest(f, OUTSIDE, total - inside)
    }
}

impl Kernels {
    fn place(&mut self, name: String) -> usize {
        let place = *self.places.entry(name).or_insert(self.records.len());
        if place == self.records.len() {
            self.records.push(Record::default());
        }
        place
    }
}

impl Profiler {
    fn timed<R>(&self, name: impl Into<String>, work: f64, kernel: impl FnOnce(&dyn Backend) -> R) -> R {
        self.timed_calls(name, 1, work, kernel)
    }

    /// Of what counts as so many calls.
    fn timed_calls<R>(
        &self,
        name: impl Into<String>,
        calls: usize,
        work: f64,
        kernel: impl FnOnce(&dyn Backend) -> R,
    ) -> R {
        let backend = self.inner.backend();
        let start = Instant::now();
        let kernels = || self.records.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let (result, mut kernels, place) = match backend.probes().filter(|_| self.by_device) {
            Some(probes) => {
                // Held meanwhile: what another thread asked for would be noted under this name.
                let mut kernels = kernels();
                let place = kernels.place(name.into());
                probes.note_under(Some(place));
                let result = kernel(backend);
                probes.note_under(None);
                (result, kernels, place)
            }
            None => {
                let result = kernel(backend);
                // A failure is kept by the device, and comes with the next read-back.
                let _ = self.inner.sync();
                let mut kernels = kernels();
                let place = kernels.place(name.into());
                (result, kernels, place)
            }
        };
        let record = &mut kernels.records[place];
        record.calls += calls as u64;
        record.time += start.elapsed();
        record.work += work;
        result
    }
}

/// A convolution's name with its sides, and its multiplications and additions.
fn describe(role: Role, geometry: &Geometry) -> (String, f64) {
    let g = geometry;
    let name = match role {
        Role::Fine => "conv_transpose2d",
        Role::Filter => "conv_filter",
        Role::Coarse => "conv2d",
    };
    let side = |shape: [usize; 4]| format!("{}x{}x{}", shape[1], shape[2], shape[3]);
    (format!("{name} {} / {}", side(g.fine_shape()), side(g.coarse_shape())), g.operations())
}

impl Backend for Profiler {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn is_double(&self) -> bool {
        self.inner.is_double()
    }

    fn microkernel(&self) -> &str {
        self.inner.backend().microkernel()
    }

    fn rounding(&self) -> &str {
        self.inner.backend().rounding()
    }

    fn upload(&self, host: HostSlice<'_>) -> Storage {
        self.timed("upload", 0.0, |inner| inner.upload(host))
    }

    fn download(&self, storage: &Storage) -> Result<HostVec> {
        self.timed("download", 0.0, |inner| inner.download(storage))
    }

    fn download_each(&self, storages: &[&Storage]) -> Result<Vec<HostVec>> {
        self.timed("download", 0.0, |inner| inner.download_each(storages))
    }

    fn full(&self, length: usize, value: f64) -> Storage {
        self.timed("full", 0.0, |inner| inner.full(length, value))
    }

    fn unary(&self, function: Unary, x: &Storage) -> Storage {
        self.timed(function.name(), 0.0, |inner| inner.unary(function, x))
    }

    fn binary(&self, function: Binary, a: (&Storage, &[usize]), b: (&Storage, &[usize]), shape: &[usize]) -> Storage {
        self.timed(function.name(), 0.0, |inner| inner.binary(function, a, b, shape))
    }

    fn mean_softplus(&self, x: &Storage, sign: f64) -> (Storage, Storage) {
        self.timed("mean_softplus", 0.0, |inner| inner.mean_softplus(x, sign))
    }

    fn reduce(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3]) -> Storage {
        self.timed("reduce", 0.0, |inner| inner.reduce(reduction, x, sizes))
    }

    fn reduce_then(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3], function: Unary) -> Storage {
        self.timed("reduce", 0.0, |inner| inner.reduce_then(reduction, x, sizes, function))
    }

    fn window(&self, x: &Storage, shape: &[usize], axes: &[AxisMap]) -> Storage {
        self.timed("window", 0.0, |inner| inner.window(x, shape, axes))
    }

    fn permute(&self, x: &Storage, shape: &[usize], order: &[usize]) -> Storage {
        self.timed("permute", 0.0, |inner| inner.permute(x, shape, order))
    }

    fn matmul(&self, a: &Storage, b: &Storage, sizes: &MatMul) -> Storage {
        let work = 2.0 * (sizes.batch * sizes.rows * sizes.inner * sizes.columns) as f64;
        self.timed("matmul", work, |inner| inner.matmul(a, b, sizes))
    }

    fn convolves(&self, geometry: &Geometry) -> bool {
        self.inner.backend().convolves(geometry)
    }

    fn convolution(
        &self,
        role: Role,
        geometry: &Geometry,
        a: &Storage,
        b: &Storage,
        activation: Activation,
    ) -> Storage {
        let (name, work) = describe(role, geometry);
        self.timed(name, work, |inner| inner.convolution(role, geometry, a, b, activation))
    }

    fn batch_norm(&self, x: &Storage, gamma: &Storage, beta: &Storage, shape: &BatchNormShape) -> BatchNormForward {
        self.timed("batch_norm", 0.0, |inner| inner.batch_norm(x, gamma, beta, shape))
    }

    fn batch_norm_tracked(
        &self,
        x: &Storage,
        gamma: &Storage,
        beta: &Storage,
        shape: &BatchNormShape,
        running: Running,
    ) -> (BatchNormForward, [Arc<Storage>; 2]) {
        self.timed("batch_norm", 0.0, |inner| inner.batch_norm_tracked(x, gamma, beta, shape, running))
    }

    fn batch_norm_backward(&self, saved: &BatchNormBackward<'_>, shape: &BatchNormShape) -> BatchNormCotangents {
        self.timed("batch_norm_backward", 0.0, |inner| inner.batch_norm_backward(saved, shape))
    }

    fn adam(&self, step: &AdamStep, state: AdamState, gradient: &Storage) -> AdamState {
        let name = if state.is_shared() { "adam of a copy" } else { "adam" };
        self.timed(name, 0.0, |inner| inner.adam(step, state, gradient))
    }

    fn adam_each(&self, slots: Vec<AdamSlot>) -> Vec<AdamState> {
        let shared = slots.iter().any(|slot| slot.state.is_shared());
        let name = if shared { "adam of a copy" } else { "adam" };
        self.timed_calls(name, slots.len(), 0.0, |inner| inner.adam_each(slots))
    }

    fn lerp_each(&self, targets: Vec<Arc<Storage>>, sources: &[&Storage], share: f64) -> Vec<Arc<Storage>> {
        self.timed_calls("lerp", sources.len(), 0.0, |inner| inner.lerp_each(targets, sources, share))
    }

    fn gather(&self, x: &Storage, width: usize, indices: &[u32]) -> Storage {
        self.timed("gather", 0.0, |inner| inner.gather(x, width, indices))
    }

    fn scatter_add(&self, x: &Storage, width: usize, indices: &[u32], rows: usize) -> Storage {
        self.timed("scatter_add", 0.0, |inner| inner.scatter_add(x, width, indices, rows))
    }

    fn shift(&self, x: &Storage, shape: [usize; 4], by: &[[i32; 2]]) -> Storage {
        self.timed("shift", 0.0, |inner| inner.shift(x, shape, by))
    }

    fn keeps_pixels(&self) -> bool {
        self.inner.backend().keeps_pixels()
    }

    fn upload_pixels(&self, pixels: &[u8], values: &[f32; 256]) -> Option<Storage> {
        self.timed("upload", 0.0, |inner| inner.upload_pixels(pixels, values))
    }

    fn gather_pixels(&self, kept: &Storage, pixels: usize, indices: &[u32]) -> Storage {
        self.timed("gather_pixels", 0.0, |inner| inner.gather_pixels(kept, pixels, indices))
    }

    fn poison(&self, on: bool) {
        self.inner.backend().poison(on);
    }

    fn bounds(&self) -> Bounds {
        self.inner.backend().bounds()
    }

    fn release_idle(&self) {
        self.inner.release_idle();
    }

    fn scratch(&self, call: &KernelCall<'_>) -> Scratch {
        self.inner.backend().scratch(call)
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        self.inner.backend().ledger()
    }

    fn counts_only(&self) -> bool {
        self.inner.backend().counts_only()
    }

    fn tune(&self, limit: Duration, all: bool) -> Result<Vec<Tuned>> {
        self.inner.backend().tune(limit, all)
    }

    fn tunes_itself(&self) -> bool {
        self.inner.backend().tunes_itself()
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tensor, grad};

    #[test]
    fn a_profiled_device_computes_the_same_bits_and_counts_its_kernels() {
        let slope = |device: &Device| {
            let x = Tensor::from_slice(device, &[0.5f32, -2.0, 3.0], [3]);
            grad((x.tanh() * &x).sum(), &[&x]).remove(0).to_vec::<f32>().unwrap()
        };
        let (device, profile) = Device::cpu().profiled();
        assert_eq!(slope(&device), slope(&Device::cpu()));
        let table = profile.to_string();
        let tanh = table.lines().find(|line| line.starts_with("tanh ")).expect("a row for tanh");
        assert_eq!(tanh.split_whitespace().nth(1), Some("1"), "{table}");
        assert!(table.starts_with("times of kernels by the host's clock"), "{table}");
    }

    #[test]
    fn channels_of_other_groups_are_no_work() {
        let plain = Geometry::of_fine(2, [4, 4], [8, 16], [3, 3], [1, 1], [1, 1]).unwrap();
        for (groups, operations) in [(1, 73_728.0), (8, 9_216.0)] {
            for role in [Role::Fine, Role::Filter, Role::Coarse] {
                assert_eq!(describe(role, &plain.grouped(groups)).1, operations);
            }
        }
    }

    #[test]
    #[cfg(feature = "gpu")]
    fn a_gpu_with_timestamps_is_profiled_by_them() {
        let device = match Device::gpu(&gpu::Choice::Best) {
            Ok(device) => device,
            Err(error) => return println!("skipped: {error}"),
        };
        if !device.backend().probes().is_some_and(|probes| probes.note_under(None)) {
            return println!("skipped: the adapter has no timestamps");
        }
        let steps = |device: &Device| {
            let x = Tensor::from_slice(device, &[0.25f32; 4096], [64, 64]);
            // More dispatches than one submission holds.
            let y = (0..200).fold(x.clone(), |y, _| x.matmul(&y).tanh());
            y.to_vec::<f32>().unwrap()
        };
        let (profiled, profile) = device.profiled();
        assert_eq!(steps(&profiled), steps(&device));
        let table = profile.to_string();
        assert!(table.starts_with("times of kernels by the device's own clock"), "{table}");
        let row = |name: &str| {
            let line =
                table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {table}"));
            line[name.len()..].split_whitespace().map(str::to_string).collect::<Vec<_>>()
        };
        let number = |name: &str, place: usize| row(name)[place].trim_end_matches('%').parse::<f64>().unwrap();
        assert_eq!((number("matmul", 0), number("tanh", 0)), (200.0, 200.0), "{table}");
        assert!(number("matmul", 1) > 0.0 && number("idle between kernels", 1) >= 0.0, "{table}");
        // Busy and idle are within the time that there was.
        assert!((0.0..100.0).contains(&number("outside kernels", 2)), "{table}");
        assert!(number("matmul", 3) > 0.0, "{table}");
    }
}
