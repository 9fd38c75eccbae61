//! Times training steps and prints one line of JSON, with the keys that the programs of other frameworks print for the same step: of a DCGAN one
//! update of the discriminator (real and fake) and one of the generator, of a classifier a labelled and an unlabelled batch; losses read every step.

use clap::Parser;
use graft::Device;
use graft::benchmark::{Network, classifier_steps, training_steps};

#[derive(Parser)]
#[command(about = "Times training steps of a DCGAN or a classifier; prints one line of JSON")]
struct Options {
    /// Time a classifier that learns from labelled and unlabelled images, of --features as its width
    #[arg(long)]
    classifier: bool,
    /// Side of the images: 32 or 64
    #[arg(long, default_value_t = 32)]
    size: usize,
    /// Width of the networks
    #[arg(long, default_value_t = 64)]
    features: usize,
    /// Channels of the images: 1 or 3
    #[arg(long, default_value_t = 3)]
    channels: usize,
    /// Images a batch
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Steps that are timed
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Steps before those
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Threads; 0 for one a core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Device: cpu, gpu, gpu:NAME or reference
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> graft::Result<()> {
    let options = Options::parse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build().expect("threads can be started");
    pool.install(|| run(&options))
}

fn run(options: &Options) -> graft::Result<()> {
    let &Options { size, features, channels, batch, steps, warmup, .. } = options;
    let device: Device = options.device.parse()?;
    let network = Network { size, features, channels, batch };
    let goes_on = |times: &[f64]| times.len() < warmup + steps.max(1);
    let mut times = match options.classifier {
        true => classifier_steps((size, features, batch), &device, goes_on)?,
        false => training_steps(&network, &device, goes_on)?,
    };
    times.drain(..warmup);
    times.sort_by(f64::total_cmp);
    let (min, median) = (times[0], times[times.len() / 2]);
    let line = serde_json::json!({
        "peer": format!("graft {}", env!("CARGO_PKG_VERSION")),
        "network": if options.classifier { "classifier" } else { "dcgan" },
        "device": device.name(),
        "microkernel": device.backend().microkernel(),
        "threads": rayon::current_num_threads(),
        "size": size,
        "features": features,
        "channels": if options.classifier { 3 } else { channels },
        "batch": batch,
        "ms_per_step": (median * 100.0).round() / 100.0,
        "min_ms": (min * 100.0).round() / 100.0,
        "images_per_s": (batch as f64 / median * 1e4).round() / 10.0,
        "peak_rss_mib": peak_rss_mib(),
    });
    println!("{line}");
    Ok(())
}

/// The process's peak resident memory, where the system tells (Linux).
fn peak_rss_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}
