//! TrGAN from handwriting-like digits to street-like ones, both drawn in code, with its report: `cargo run --example transfer [FOLDER]`.
//! So few steps show how it is done; docs/results.md shows what it is good for.

use std::ops::ControlFlow;
use std::path::PathBuf;

use graft::data::Reading;
use graft::experiment::report::{self, Commands};
use graft::gan::{Architecture, Recipe};
use graft::run::{Event, OnNan, RunFolder};
use graft::transfer::{self, Arm, Plan, Ready, starting_recipe};
use graft::{Device, Result};

fn main() -> Result<()> {
    let fresh = || std::env::temp_dir().join(format!("graft-transfer-{}", std::process::id()));
    let place = std::env::args_os().nth(1).map_or_else(fresh, PathBuf::from);
    let base = starting_recipe(0, 32, 3);
    let plan = Plan {
        source: "synthetic:strokes".into(),
        source_style: None,
        source_steps: 20,
        feature_steps: 20,
        target: "synthetic:street".into(),
        subset: Some(100),
        subset_plain: false,
        steps: 20,
        scratch: true,
        source_changed: None,
        device: "cpu".into(),
        threads: 0,
        checkpoint_every: 10,
        sample_every: 10,
        keep: None,
        keep_every: None,
        on_nan: OnNan::Stop,
        evaluate_every: None,
        class_free: false,
        reading: Reading::default(),
        arm: Arm::parse("trgan")?,
        recipe: Recipe { batch: 16, architecture: Architecture { features: 8, ..base.architecture }, ..base },
    };
    let target = plan.read_target()?;
    let ready = Ready::of(&plan, &target, &Device::cpu())?;
    // Continued where it was stopped, unless another run lies there.
    let folder = RunFolder::resume(&place).or_else(|_| RunFolder::create(&place, false))?;
    folder.write_settings(&plan)?;
    let findings = transfer::run(&ready, &folder, &Device::cpu(), &mut |event| {
        match event {
            Event::Phase { name, from, to } => println!("{name}: step {from} to {to}"),
            Event::Losses { step, losses, .. } => println!("step {step}: {losses:?}"),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for [network, layer, shape, start] in findings.iter().flat_map(|findings| &findings.layers) {
        println!("{network} {layer} {shape}: {start}");
    }
    println!("{}", report::write(&folder, &Commands::default(), Some(&ready.target().images))?.display());
    Ok(())
}
