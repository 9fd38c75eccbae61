//! `graft devices`: where this machine can compute.

use clap::Args;
use serde_json::json;

use super::say;
use crate::backend::gpu::{Adapter, adapters, automatic};
use crate::backend::{cpu, gpu};
use crate::error::Result;

/// Show where this machine can compute, and what --device takes
#[derive(Args)]
#[command(after_help = "Examples:\n  graft devices\n  graft train --device gpu:nvidia")]
pub struct Devices {
    /// One JSON object: `auto`, `cpu`, and `gpus` with name, kind, backend, driver, tensor_bytes, buffer_bytes, usable, chosen
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub fn run(&self) -> Result<()> {
        let simd = cpu::Simd::from_environment()?.name();
        let adapters = adapters();
        // The order is that of choice, so `--device gpu` takes the first that is usable.
        let chosen = adapters.iter().position(Adapter::is_enough);
        let auto = if automatic().is_some() { "gpu" } else { "cpu" };
        if self.json {
            let row = |(index, adapter): (usize, &Adapter)| {
                json!({
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
            say(json!({ "auto": auto, "cpu": simd, "gpus": gpus }));
            return Ok(());
        }
        for (index, adapter) in adapters.iter().enumerate() {
            const MIB: u64 = 1 << 20;
            let name = match (adapter.is_enough(), chosen == Some(index)) {
                (_, true) => "gpu",
                (true, false) => "gpu:NAME",
                (false, false) => "too small",
            };
            say(format!(
                "{name:<10} {adapter}, driver {}, tensors up to {} MiB",
                adapter.driver(),
                adapter.largest() / MIB
            ));
        }
        if adapters.is_empty() {
            say(format!("gpu        none: {}", gpu::ADVICE));
        }
        say(format!("cpu        {simd}"));
        say("reference  f64, one thread, slow");
        say(format!("auto       {auto}"));
        Ok(())
    }
}
