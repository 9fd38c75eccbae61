//! The convolutions of DCGAN and of the residual networks, layer by layer and role by role: GFLOP/s, and the share of the machine's peak.
//!
//! The peak is a loop of multiply-adds in registers on the whole device, measured in the same run. Throughput counts the
//! multiplications with padding too (2 x pixels x taps x channels x channels), as frameworks do.
//! `cargo bench --bench kernels -- 32/` measures the DCGAN of 32x32 images only, `-- residual/` the layers of residual networks (3x3 filters
//! and 1x1 shortcuts of stride 1), `-- parted/` grouped, depthwise and dilated ones; `-- --device gpu` those of a gpu, by the adapter's own clock where it has one. Users have `graft devices --bench`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use criterion::{Criterion, Throughput};
use graft::Device;
use graft::backend::gpu::{Choice, Gpu, choose};
use graft::backend::{Activation, Backend, Geometry, HostSlice, Probes, Role, Storage, convolve};
use graft::benchmark::{Network, geometry};

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

fn record(name: &str, work: f64, iterations: u64, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64() / iterations as f64;
    let mut best = BEST.lock().expect("no bench panicked");
    let entry = best.entry(name.to_string()).or_insert((f64::INFINITY, work));
    entry.0 = entry.0.min(seconds);
}

/// By what a bench is timed.
#[derive(Clone, Copy)]
enum Clock<'a> {
    /// The host's: what it times is done when it returns.
    Host,
    /// A gpu's own; the host's where it has none.
    Gpu(&'a Gpu),
    /// The host's, which waits for the gpu: the gpu's own holds few dispatches, and no copies between them.
    HostOfGpu(&'a Gpu),
}

fn measure(criterion: &mut Criterion, name: &str, work: f64, clock: Clock<'_>, mut run: impl FnMut()) {
    let mut group = criterion.benchmark_group("kernels");
    group.throughput(Throughput::Elements(work as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let elapsed = match clock {
                Clock::Host => by_host(None, iterations, &mut run),
                Clock::Gpu(gpu) => by_gpu(gpu, iterations, &mut run),
                Clock::HostOfGpu(gpu) => by_host(Some(gpu), iterations, &mut run),
            };
            record(name, work, iterations, elapsed);
            elapsed
        });
    });
    group.finish();
}

/// The time by the host's clock, until a gpu is done, too.
fn by_host(gpu: Option<&Gpu>, iterations: u64, run: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..iterations).for_each(|_| run());
    if let Some(gpu) = gpu {
        gpu.sync().expect("the device works");
    }
    start.elapsed()
}

/// The time that a gpu takes, by its own clock, or the host's where it has none.
fn by_gpu(gpu: &Gpu, iterations: u64, run: &mut impl FnMut()) -> Duration {
    /// Runs whose dispatches, three at most each, fit into one pass.
    const RUNS: u64 = 40;
    let mut elapsed = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let runs = left.min(RUNS);
        left -= runs;
        let time = gpu.timed(|| (0..runs).for_each(|_| run())).expect("the device works");
        elapsed += time.unwrap_or_else(|| by_host(Some(gpu), runs, run));
    }
    elapsed
}

fn peak(criterion: &mut Criterion, probes: &dyn Probes, clock: Clock<'_>) {
    const ROUNDS: usize = 256;
    let work = probes.multiply_adds(ROUNDS);
    measure(criterion, "peak", work, clock, || {
        black_box(probes.multiply_adds(ROUNDS));
    });
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
    if let Some(probes) = backend.probes() {
        peak(&mut criterion, probes, gpu.as_deref().map_or(Clock::Host, Clock::Gpu));
    }
    let [small, large] = Network::USUAL.map(|network| network.layers());
    for (name, g) in [small, large, residual(64), parted(64)].concat() {
        let (fine, filter, coarse) = (storage(g.fine_shape()), storage(g.filter_shape()), storage(g.coarse_shape()));
        let clock = match gpu.as_deref() {
            None => Clock::Host,
            Some(gpu) if backend.convolves(&g) => Clock::Gpu(gpu),
            Some(gpu) => Clock::HostOfGpu(gpu),
        };
        for (role, a, b) in
            [(Role::Coarse, &fine, &filter), (Role::Fine, &filter, &coarse), (Role::Filter, &fine, &coarse)]
        {
            let label = format!("{name}/{role:?}").to_lowercase();
            measure(&mut criterion, &label, g.operations(), clock, || {
                black_box(convolve(backend, role, &g, a, b, Activation::Identity));
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
