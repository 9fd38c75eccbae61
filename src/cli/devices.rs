//! `graft devices`: where this machine can compute.

use clap::Args;
use serde_json::json;

use super::device_bench::bench;
use super::device_check::check;
use super::{Compute, tell};
use crate::backend::gpu::{Adapter, adapters, automatic};
use crate::backend::{cpu, gpu};
use crate::error::Result;

/// Show where this machine can compute, and what --device takes
#[derive(Args)]
#[command(
    group = clap::ArgGroup::new("work").args(["check", "bench"]),
    after_help = "Examples:\n  graft devices\n  graft devices --check --device gpu\n  graft devices --bench --device gpu\n  graft train --device gpu:nvidia"
)]
pub struct Devices {
    /// Hold a device's kernels against the reference: every op, its derivatives, odd sizes, the same bits twice
    #[arg(long)]
    check: bool,
    /// Measure a device: each layer beside its own peak, and ms a training step, beside the cpu's; under a minute on a card
    #[arg(long)]
    bench: bool,
    /// Which device to check or measure: cpu, gpu, gpu:N or gpu:NAME [default: the gpu where there is one, else the cpu]
    #[arg(long, value_name = "DEVICE", requires = "work")]
    device: Option<String>,
}

impl Devices {
    pub fn run(&self) -> Result<()> {
        match (self.check, self.bench) {
            (true, _) => self.compute().run(check),
            (_, true) => self.compute().run(bench),
            _ => self.list(),
        }
    }

    fn compute(&self) -> Compute {
        let usual = || if adapters().iter().any(Adapter::is_enough) { "gpu" } else { "cpu" }.to_string();
        Compute { device: self.device.clone().unwrap_or_else(usual), threads: 0 }
    }

    fn list(&self) -> Result<()> {
        let simd = cpu::Simd::from_environment()?.name();
        let adapters = adapters();
        // The order is that of choice, so `--device gpu` takes the first that is usable.
        let chosen = adapters.iter().position(Adapter::is_enough);
        let auto = if automatic().is_some() { "gpu" } else { "cpu" };
        let row = |(index, adapter): (usize, &Adapter)| {
            json!({
                "number": index,
                "name": adapter.info.name,
                "kind": adapter.kind(),
                "backend": adapter.info.backend.to_str(),
                "driver": adapter.driver(),
                "tensor_bytes": adapter.largest(),
                "buffer_bytes": adapter.limits.max_buffer_size,
                "usable": adapter.is_enough(),
                "chosen": chosen == Some(index),
            })
        };
        let gpus: Vec<_> = adapters.iter().enumerate().map(row).collect();
        let line = |(index, adapter): (usize, &Adapter)| {
            const MIB: u64 = 1 << 20;
            let name = match (adapter.is_enough(), chosen == Some(index)) {
                (_, true) => "gpu".to_string(),
                (true, false) => format!("gpu:{index}"),
                (false, false) => "too small".to_string(),
            };
            format!("{name:<10} {adapter}, driver {}, tensors up to {} MiB", adapter.driver(), adapter.largest() / MIB)
        };
        let mut lines: Vec<String> = adapters.iter().enumerate().map(line).collect();
        if adapters.is_empty() {
            lines.push(format!("gpu        none: {}", gpu::ADVICE));
        }
        lines.push(format!("cpu        {simd}"));
        lines.push("reference  f64, one thread, slow".to_string());
        lines.push(format!("auto       {auto}"));
        tell("devices", json!({ "auto": auto, "cpu": simd, "gpus": gpus }), lines.join("\n"));
        Ok(())
    }
}
