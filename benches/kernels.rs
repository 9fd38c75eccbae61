//! The convolutions of DCGAN and of the residual networks, layer by layer and role by role: GFLOP/s, and the share of the machine's peak.
//!
//! The peak is a loop of multiply-adds in registers on all threads, measured in the same run. Throughput counts the
//! multiplications with padding too (2 x pixels x taps x channels x channels), as frameworks do.
//! `cargo bench --bench kernels -- 32/` measures the DCGAN of 32x32 images only, `-- residual/` the layers of residual networks (3x3 filters
//! and 1x1 shortcuts of stride 1), `-- parted/` grouped, depthwise and dilated ones; `-- --device gpu` those of a gpu, by the adapter's own clock where it has one, without a peak to compare with.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use criterion::{Criterion, Throughput};
use graft::Device;
use graft::backend::gpu::{Choice, Gpu, choose};
use graft::backend::{Activation, Backend, Geometry, HostSlice, Role, Storage};
use pulp::{Simd, WithSimd};

#[derive(Parser)]
struct Options {
    /// Only benches whose name contains this
    filter: Option<String>,
    /// Device: cpu, gpu or gpu:NAME
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// The best seconds of each bench, by name, for the table at the end.
static BEST: Mutex<BTreeMap<String, (f64, f64)>> = Mutex::new(BTreeMap::new());

/// A loop of independent multiply-adds that stay in registers.
struct Registers {
    rounds: usize,
}

impl WithSimd for Registers {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let factor = simd.splat_f32s(black_box(0.999_9));
        let mut sums = [simd.splat_f32s(black_box(1.0)); CHAINS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, factor);
            }
        }
        sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
    }
}

/// Independent chains: latency times throughput of any processor's multiply-add.
const CHAINS: usize = 12;

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;
    fn with_simd<S: Simd>(self, _simd: S) -> usize {
        S::F32_LANES
    }
}

fn record(name: &str, work: f64, iterations: u64, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64() / iterations as f64;
    let mut best = BEST.lock().expect("no bench panicked");
    let entry = best.entry(name.to_string()).or_insert((f64::INFINITY, work));
    entry.0 = entry.0.min(seconds);
}

fn measure(criterion: &mut Criterion, name: &str, work: f64, clock: Option<&Gpu>, mut run: impl FnMut()) {
    let mut group = criterion.benchmark_group("kernels");
    group.throughput(Throughput::Elements(work as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let elapsed = match clock {
                Some(gpu) => on_gpu(gpu, iterations, &mut run),
                None => {
                    let start = Instant::now();
                    (0..iterations).for_each(|_| run());
                    start.elapsed()
                }
            };
            record(name, work, iterations, elapsed);
            elapsed
        });
    });
    group.finish();
}

/// The time that a gpu takes, by its own clock, or the host's where it has none.
fn on_gpu(gpu: &Gpu, iterations: u64, run: &mut impl FnMut()) -> Duration {
    /// Runs whose dispatches, three at most each, fit into one pass.
    const RUNS: u64 = 40;
    let mut elapsed = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let runs = left.min(RUNS);
        left -= runs;
        let start = Instant::now();
        let time = gpu.timed(|| (0..runs).for_each(|_| run())).expect("the device works");
        elapsed += time.unwrap_or_else(|| {
            (0..runs).for_each(|_| run());
            gpu.sync().expect("the device works");
            start.elapsed()
        });
    }
    elapsed
}

fn peak(criterion: &mut Criterion) {
    const ROUNDS: usize = 1 << 18;
    let arch = pulp::Arch::new();
    let threads = rayon::current_num_threads();
    let work = 2.0 * (ROUNDS * CHAINS * arch.dispatch(Lanes) * threads) as f64;
    measure(criterion, "peak", work, None, || {
        rayon::broadcast(|_| black_box(arch.dispatch(Registers { rounds: ROUNDS })));
    });
}

/// A layer by its fine side, channels, filter, stride and padding.
fn geometry(batch: usize, fine: usize, channels: [usize; 2], [kernel, stride, padding]: [usize; 3]) -> Geometry {
    Geometry::of_fine(batch, [fine; 2], channels, [kernel; 2], [stride; 2], [padding; 2]).expect("the filter fits")
}

/// The layers of both networks of a DCGAN: those between feature maps serve both.
fn dcgan(size: usize, batch: usize, features: usize) -> Vec<(String, Geometry)> {
    let (halving, last) = ([4, 2, 1], [4, 1, 0]);
    let mut layers = vec![(format!("{size}/image"), geometry(batch, size, [3, features], halving))];
    let (mut side, mut width) = (size / 2, features);
    while side > 4 {
        layers.push((format!("{size}/{side}x{side}x{width}"), geometry(batch, side, [width, 2 * width], halving)));
        (side, width) = (side / 2, 2 * width);
    }
    layers.push((format!("{size}/score"), geometry(batch, 4, [width, 1], last)));
    layers.push((format!("{size}/latent"), geometry(batch, 4, [width, 100], last)));
    layers
}

/// Layers of residual networks: 3x3 filters of stride 1 and 1x1 shortcuts.
fn residual(batch: usize) -> Vec<(String, Geometry)> {
    let (three, one) = ([3, 1, 1], [1, 1, 0]);
    let square = |(side, width): (usize, usize)| {
        (format!("residual/{side}x{side}x{width}"), geometry(batch, side, [width; 2], three))
    };
    let mut layers: Vec<_> =
        [(32, 64), (16, 64), (16, 128), (8, 64), (8, 128), (8, 256), (4, 64), (4, 256)].map(square).into();
    layers.push(("residual/7x7x64".to_string(), geometry(batch, 7, [64; 2], three)));
    layers.push(("residual/image".to_string(), geometry(batch, 32, [3, 64], three)));
    layers.push(("residual/to-image".to_string(), geometry(batch, 32, [64, 3], three)));
    layers.push(("residual/grey-image".to_string(), geometry(batch, 32, [1, 64], three)));
    layers.push(("residual/to-grey-image".to_string(), geometry(batch, 32, [64, 1], three)));
    layers.push(("residual/shortcut".to_string(), geometry(batch, 16, [64, 128], one)));
    layers.push(("residual/shortcut-of-image".to_string(), geometry(batch, 16, [3, 64], one)));
    layers
}

/// Layers of DCGAN's sizes in groups, as many as channels (depthwise), and dilated; throughput counts what their own taps multiply.
fn parted(batch: usize) -> Vec<(String, Geometry)> {
    let mut layers = Vec::new();
    for (side, channels, form) in [(16, [64, 128], [4, 2, 1]), (16, [64, 64], [3, 1, 1]), (8, [128, 128], [3, 1, 1])] {
        let plain = geometry(batch, side, channels, form);
        let [kernel, ..] = form;
        let name = format!("parted/{side}x{side}x{}to{} {kernel}x{kernel}", channels[0], channels[1]);
        layers.extend([1, 2, 4, 8, channels[0]].map(|groups| (format!("{name} in {groups}"), plain.grouped(groups))));
        let wider = geometry(batch, side, channels, [kernel, form[1], form[2] + 1]);
        layers.extend(wider.dilated([2; 2]).map(|dilated| (format!("{name} dilated"), dilated)));
    }
    layers
}

fn main() -> graft::Result<()> {
    let options = Options::parse();
    let choice = match options.device.as_str() {
        "gpu" => Some(Choice::Best),
        name => name.strip_prefix("gpu:").map(|part| Choice::Named(part.to_string())),
    };
    let gpu = choice.map(|choice| Gpu::new(choose(&choice)?)).transpose()?.map(Arc::new);
    let device = match &gpu {
        Some(gpu) => Device::new(gpu.clone()),
        None => options.device.parse()?,
    };
    println!("{} {}", device.name(), device.backend().microkernel());
    let backend = device.backend();
    let storage = |shape: [usize; 4]| -> Storage {
        let values: Vec<f32> =
            (0..shape.iter().product()).map(|i: usize| ((i * 7919) % 1000) as f32 * 2e-3 - 1.0).collect();
        backend.upload(HostSlice::F32(&values))
    };
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(600))
        .sample_size(10)
        .without_plots();
    if let Some(filter) = options.filter {
        criterion = criterion.with_filter(filter);
    }
    if gpu.is_none() {
        peak(&mut criterion);
    }
    for (name, g) in [dcgan(32, 64, 64), dcgan(64, 128, 64), residual(64), parted(64)].concat() {
        let (fine, filter, coarse) = (storage(g.fine_shape()), storage(g.filter_shape()), storage(g.coarse_shape()));
        let taps = g.kernel[0] * g.kernel[1];
        let work = 2.0 * (g.batch * g.coarse[0] * g.coarse[1] * taps * g.fine_channels * g.coarse_channels) as f64;
        for (role, a, b) in
            [(Role::Coarse, &fine, &filter), (Role::Fine, &filter, &coarse), (Role::Filter, &fine, &coarse)]
        {
            let label = format!("{name}/{role:?}").to_lowercase();
            measure(&mut criterion, &label, work, gpu.as_deref(), || {
                black_box(backend.convolution(role, &g, a, b, Activation::Identity));
            });
        }
    }
    criterion.final_summary();
    table();
    Ok(())
}

/// What was measured, best of all samples.
fn table() {
    let best = BEST.lock().expect("no bench panicked");
    let rate = |(seconds, work): &(f64, f64)| work / seconds / 1e9;
    let peak = best.get("peak").map(rate);
    println!("\n{:<36} {:>9} {:>8} {:>6}", "bench", "us", "GFLOP/s", "peak");
    for (name, entry) in best.iter() {
        let share = peak.map_or("-".to_string(), |peak| format!("{:.0}%", 100.0 * rate(entry) / peak));
        println!("{name:<36} {:>9.1} {:>8.1} {share:>6}", entry.0 * 1e6, rate(entry));
    }
}
