//! A device that times every kernel of another: for `--profile`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::*;

/// Passes every kernel on to another device's, waits for it, and keeps the time.
struct Profiler {
    inner: Device,
    records: Arc<Records>,
}

/// What was measured so far.
#[derive(Default)]
struct Records {
    kernels: Mutex<BTreeMap<String, Record>>,
}

/// The measurements of one kernel.
#[derive(Clone, Copy, Default)]
struct Record {
    calls: u64,
    time: Duration,
    /// Floating-point operations, of the kernels that are counted in them.
    work: f64,
}

/// The measurements of a device that [`Device::profiled`] made.
pub struct Profile {
    start: Instant,
    records: Arc<Records>,
}

impl Device {
    /// A device that computes as this one does and times every kernel, and the measurements.
    pub fn profiled(&self) -> (Device, Profile) {
        let records = Arc::new(Records::default());
        let profiler = Profiler { inner: self.clone(), records: Arc::clone(&records) };
        (Device(Arc::new(profiler)), Profile { start: Instant::now(), records })
    }
}

impl fmt::Display for Profile {
    /// A table, the longest first: calls, milliseconds, share of the time since the start, GFLOP/s.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.start.elapsed().as_secs_f64();
        let kernels = self.records.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> = kernels.iter().collect();
        rows.sort_by_key(|(_, record)| std::cmp::Reverse(record.time));
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("outside kernels".len());
        writeln!(f, "{:<width$} {:>9} {:>11} {:>7} {:>8}", "kernel", "calls", "ms", "share", "GFLOP/s")?;
        let mut inside = 0.0;
        for (name, record) in rows {
            let seconds = record.time.as_secs_f64();
            inside += seconds;
            let rate = if record.work > 0.0 { format!("{:.1}", record.work / seconds / 1e9) } else { "-".to_string() };
            let (ms, share) = (seconds * 1e3, 100.0 * seconds / total);
            writeln!(f, "{name:<width$} {:>9} {ms:>11.1} {share:>6.1}% {rate:>8}", record.calls)?;
        }
        let outside = total - inside;
        let (ms, share) = (outside * 1e3, 100.0 * outside / total);
        write!(f, "{:<width$} {:>9} {ms:>11.1} {share:>6.1}% {:>8}", "outside kernels", "-", "-")
    }
}

impl Profiler {
    fn timed<R>(&self, name: impl Into<String>, work: f64, kernel: impl FnOnce(&dyn Backend) -> R) -> R {
        let start = Instant::now();
        let result = kernel(self.inner.backend());
        // A failure is kept by the device, and comes with the next read-back.
        let _ = self.inner.sync();
        let elapsed = start.elapsed();
        let mut kernels = self.records.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let record = kernels.entry(name.into()).or_default();
        record.calls += 1;
        record.time += elapsed;
        record.work += work;
        result
    }
}

/// A convolution's name with its sides, and its multiplications and additions, padding included.
fn describe(role: Role, geometry: &Geometry) -> (String, f64) {
    let g = geometry;
    let name = match role {
        Role::Fine => "conv_transpose2d",
        Role::Filter => "conv_filter",
        Role::Coarse => "conv2d",
    };
    let (fine, coarse) = (g.fine_shape(), g.coarse_shape());
    let side = |shape: [usize; 4]| format!("{}x{}x{}", shape[1], shape[2], shape[3]);
    let products: usize = coarse.iter().product::<usize>() * g.kernel[0] * g.kernel[1] * g.fine_channels;
    (format!("{name} {} / {}", side(fine), side(coarse)), 2.0 * products as f64)
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

    fn reduce(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3]) -> Storage {
        self.timed("reduce", 0.0, |inner| inner.reduce(reduction, x, sizes))
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

    fn adam_each(&self, slots: Vec<AdamSlot<'_>>) -> Vec<AdamState> {
        let shared = slots.iter().any(|slot| slot.state.is_shared());
        let name = if shared { "adam of a copy" } else { "adam" };
        self.timed(name, 0.0, |inner| inner.adam_each(slots))
    }

    fn lerp_each(&self, targets: Vec<Arc<Storage>>, sources: &[&Storage], share: f64) -> Vec<Arc<Storage>> {
        self.timed("lerp", 0.0, |inner| inner.lerp_each(targets, sources, share))
    }

    fn gather(&self, x: &Storage, width: usize, indices: &[u32]) -> Storage {
        self.timed("gather", 0.0, |inner| inner.gather(x, width, indices))
    }

    fn scatter_add(&self, x: &Storage, width: usize, indices: &[u32], rows: usize) -> Storage {
        self.timed("scatter_add", 0.0, |inner| inner.scatter_add(x, width, indices, rows))
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
    }
}
