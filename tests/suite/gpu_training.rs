//! Training on the gpu: as on the cpu, the same bits twice, and no byte more at the last step than at the first.

use std::sync::Arc;

use graft::backend::Counted;
use graft::backend::gpu::{Choice, Gpu, choose};
use graft::data::{Dataset, Spec, Split};
use graft::gan::{Architecture, Loss, Recipe, StepLosses, Trainer, load_generator, sample};
use graft::memory::Limits;
use graft::nn::NormKind;
use graft::random::Purpose;
use graft::{Checkpoint, Device, Tensor};

use crate::gpu::gpu;
use crate::program::real_data;

fn recipe(features: usize, batch: usize) -> Recipe {
    Recipe {
        seed: 7,
        architecture: Architecture { features, ..Architecture::dcgan(32, 1) },
        batch,
        ..Recipe::default()
    }
}

/// MNIST where it is at hand, else digits drawn in code.
fn digits() -> Dataset {
    let spec =
        real_data("mnist").map_or("synthetic:strokes".to_string(), |folder| format!("mnist:{}", folder.display()));
    let digits = spec.parse::<Spec>().unwrap().load(Split::Train).unwrap();
    digits.subset(1000, 0, true).unwrap().fit(32, 1).unwrap()
}

/// The checkpoint after some steps.
fn trained(recipe: &Recipe, device: &Device, steps: u64) -> Checkpoint {
    let mut trainer = Trainer::new(recipe, digits(), device).unwrap();
    (0..steps).for_each(|_| drop(trainer.step()));
    trainer.checkpoint().unwrap()
}

/// A gpu of a test's own, where there is one: what other tests do on the shared one would be counted.
fn unshared_gpu() -> Option<Arc<Gpu>> {
    gpu()?;
    Some(Arc::new(Gpu::new(choose(&Choice::Best).unwrap()).unwrap()))
}

#[test]
fn a_hundred_steps_stay_finite_and_the_first_twenty_are_those_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let recipe = recipe(8, 8);
    let [mut on_gpu, mut on_cpu] =
        [&gpu, &Device::cpu()].map(|device| Trainer::new(&recipe, digits(), device).unwrap());
    for step in 1..=100 {
        let losses = on_gpu.step();
        let found = [&losses.d_loss, &losses.g_loss].map(|loss| loss.item().unwrap());
        assert!(found.iter().all(|loss| loss.is_finite()), "losses {found:?} at step {step}");
        if step <= 20 {
            let losses = on_cpu.step();
            for (found, truth) in found.iter().zip([&losses.d_loss, &losses.g_loss].map(|loss| loss.item().unwrap())) {
                let error = (found - truth).abs();
                assert!(error <= 0.02 * truth.abs().max(1.0), "step {step}: a loss of {found} on gpu, {truth} on cpu");
                println!("step {step}: {error:.1e} off");
            }
        }
    }
}

#[test]
fn a_step_tells_the_driver_no_more_than_it_did() {
    let Some(gpu) = unshared_gpu() else { return };
    let gpu = Device::new(gpu);
    let architecture = Architecture { features: 16, d_norm: NormKind::Batch, ..Architecture::dcgan(32, 3) };
    let recipe = Recipe { architecture, ..recipe(16, 16) };
    let data = digits().fit(32, 3).unwrap();
    let mut trainer = Trainer::new(&recipe, data, &gpu).unwrap();
    // As a run does: losses are read once for several steps.
    const STEPS: u64 = 16;
    let mut run = || {
        let losses: Vec<StepLosses> = (0..STEPS).map(|_| trainer.step()).collect();
        Tensor::items(&losses.iter().flat_map(StepLosses::each).collect::<Vec<_>>()).unwrap();
        gpu.backend().probes().expect("the gpu has probes").counted()
    };
    let (before, after) = (run(), run());
    let each = |of: fn(&Counted) -> u64| (of(&after) - of(&before)) as f64 / STEPS as f64;
    let dispatches = each(|counted| counted.dispatches);
    let (copies, submissions) = (each(|counted| counted.copies), each(|counted| counted.submissions));
    let uploaded = each(|counted| counted.uploaded);
    println!("{dispatches} dispatches, {copies} copies, {uploaded} bytes, {submissions} submissions a step");
    assert!(dispatches <= 116.0, "{dispatches} dispatches a step");
    assert!(copies <= 3.5 && submissions <= 1.25, "{copies} copies and {submissions} submissions a step");
    // The latents, the parameters of dispatches, and the batch, which stays on a card that has memory of its own.
    let (latents, parameters) = (16 * 100 * 4, 40_000);
    let batch = if gpu.backend().keeps_pixels() { 0 } else { 16 * 32 * 32 * 3 * 4 };
    assert!(uploaded <= f64::from(latents + parameters + batch), "{uploaded} bytes a step");
}

#[test]
fn a_checkpoint_of_one_device_makes_the_same_images_on_the_other() {
    let Some(gpu) = gpu() else { return };
    let recipe = recipe(8, 16);
    for from in [&gpu, &Device::cpu()] {
        // After as many steps the images are no longer grey, which rounds alike everywhere.
        let checkpoint = trained(&recipe, from, 60);
        let [on_gpu, on_cpu] = [&gpu, &Device::cpu()].map(|device| {
            let (architecture, network) = load_generator(&checkpoint, device).unwrap();
            sample(&network, &architecture, 3, Purpose::SampleLatents, 16, None).unwrap().into_pixels()
        });
        let contrast = on_cpu.iter().max().unwrap() - on_cpu.iter().min().unwrap();
        assert!(contrast > 50, "the images show nothing: a contrast of {contrast}");
        let differences = on_gpu.iter().zip(&on_cpu).map(|(&a, &b)| f64::from(a.abs_diff(b)));
        let mean = differences.sum::<f64>() / on_cpu.len() as f64;
        println!("from {}: pixels differ by {mean:.1e} of 255, contrast {contrast}", from.name());
        assert!(mean < 1.0, "pixels differ by {mean} of 255");
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    let Some(gpu) = gpu() else { return };
    // Relativistic, with both penalties: convolutions, normalisations and reductions to the second order.
    let mut recipe = Recipe { r1: 1.0, loss: Loss::R3gan, ..recipe(4, 8) };
    recipe.architecture.d_norm = NormKind::Layer;
    let run = || trained(&recipe, &gpu, 3);
    assert_eq!(run(), run());
}

#[test]
fn memory_does_not_grow_with_steps() {
    let Some(gpu) = unshared_gpu() else { return };
    let device = Device::new(gpu.clone());
    let mut trainer = Trainer::new(&recipe(4, 8), digits(), &device).unwrap();
    let mut held = Vec::new();
    for step in 1..=100 {
        let losses = trainer.step();
        if step % 10 == 0 {
            losses.g_loss.item().unwrap();
            drop(losses);
            device.sync().unwrap();
            held.push((gpu.memory(), gpu.driver_bytes()));
        }
    }
    println!("{:?} after 10 steps", held[0]);
    assert_eq!(held[0], held[9], "bytes held after 10 and after 100 steps");
    drop(trainer);
    assert_eq!(gpu.memory().in_use, 0, "bytes in use after the trainer is gone");
}

#[test]
fn idle_memory_goes_back_to_the_driver_and_changes_no_bit() {
    let Some(gpu) = unshared_gpu() else { return };
    let device = Device::new(gpu.clone());
    let train = || trained(&recipe(4, 8), &device, 2);
    let first = train();
    let (held, of_driver) = (gpu.memory(), gpu.driver_bytes());
    assert!(held.idle > 0 && held.in_use == 0, "{held:?}");
    device.release_idle();
    assert_eq!((gpu.memory().in_use, gpu.memory().idle), (0, 0));
    if let (Some(before), Some(after)) = (of_driver, gpu.driver_bytes()) {
        assert!(after + held.idle / 2 < before, "{before} bytes of the driver's, then {after}");
    }
    assert!(train() == first);
}

#[test]
fn a_batch_that_makes_too_large_a_tensor_is_refused_with_the_one_that_fits() {
    // The largest map of 32x32 images at width 64 is 16x16x64: 64 KiB an image.
    let recipe = recipe(64, 4096);
    let refusal = |recipe: &Recipe, largest: u64| {
        let limits = Limits { available: None, largest: Some(largest) };
        recipe.check_within(&limits, &Device::cpu()).map_err(|error| error.to_string())
    };
    let error = refusal(&recipe, 128 << 20).unwrap_err();
    assert!(error.contains("256.0 MiB") && error.ends_with(": batch 2048 fits"), "{error}");
    assert_eq!(refusal(&Recipe { batch: 2048, ..recipe.clone() }, 128 << 20), Ok(()));
    let error = refusal(&recipe, 1 << 20).unwrap_err();
    assert!(error.contains("use fewer features than 64"), "{error}");
}
