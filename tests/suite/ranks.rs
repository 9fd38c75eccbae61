//! Ranks that train together compute what one computes: for every norm, loss and penalty, on both devices, whether threads or processes.

use graft::data::Dataset;
use graft::gan::{
    Architecture, Augmentation, BatchConditions, FeatureMaps, Loss, Method, NetworkKind, PenaltyStep, Plain, Recipe,
    Trainer,
};
use graft::nn::NormKind;
use graft::ranks::{Ranks, threads};
use graft::words::Words;
use graft::{Checkpoint, Device, Result, Tensor};

use crate::gan::dataset;

const STEPS: usize = 20;
const CLASSES: usize = 3;

fn small(channels: usize) -> Architecture {
    Architecture { features: 2, latent: 4, ..Architecture::dcgan(16, channels) }
}

/// Faster than the others' tests: twenty steps are to show.
fn recipe(architecture: Architecture) -> Recipe {
    Recipe { lr: 1e-3, d_lr: 1e-3, ema: 0.9, ..crate::gan::recipe(architecture) }
}

/// Plain training with heads on what a fixed network sees.
#[derive(Debug)]
struct Headed(Pooled);

#[derive(Debug)]
struct Pooled;

impl FeatureMaps for Pooled {
    fn shapes(&self) -> &[[usize; 2]] {
        &[[8, 1], [4, 1]]
    }

    fn maps(&self, images: &Tensor) -> Vec<Tensor> {
        [2, 4].into_iter().map(|factor| images.average_pool(factor, factor, 0)).collect()
    }
}

impl Method for Headed {
    fn conditions(&self, _round: u64, _indices: &[usize], _data: &Dataset) -> BatchConditions {
        BatchConditions::default()
    }

    fn heads(&self) -> Option<(&dyn FeatureMaps, f64)> {
        Some((&self.0, 0.5))
    }
}

/// What a rank finds: the losses of each step, and the state after the last.
struct Found {
    losses: Vec<Vec<f64>>,
    state: Checkpoint,
}

fn method(has_heads: bool, classes: usize) -> Box<dyn Method> {
    if has_heads { Box::new(Headed(Pooled)) } else { Box::new(Plain { classes }) }
}

fn train(recipe: &Recipe, has_heads: bool, device: &Device, steps: usize, from: Option<&Checkpoint>) -> Result<Found> {
    let method = method(has_heads, recipe.architecture.classes);
    let mut trainer = Trainer::with_method(recipe, method, dataset(&recipe.architecture, 0), device)?;
    if let Some(state) = from {
        trainer.restore(state)?;
    }
    let losses = (0..steps).map(|_| {
        let losses = trainer.step();
        let [one, two, three, four] = [&losses.d_loss, &losses.g_loss, &losses.real_score, &losses.fake_score];
        let all = [Some(one), Some(two), Some(three), Some(four), losses.penalty.as_ref(), losses.heads_loss.as_ref()];
        all.into_iter().flatten().map(|loss| loss.item().unwrap()).collect()
    });
    let losses = losses.collect();
    Ok(Found { losses, state: trainer.checkpoint()? })
}

/// What each of so many ranks finds.
fn each<R: Send>(count: usize, work: impl Fn() -> R + Sync) -> Vec<R> {
    let ranks = threads(count);
    std::thread::scope(|scope| {
        let running: Vec<_> = ranks.iter().map(|ranks: &Ranks| scope.spawn(|| ranks.within(&work))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn distance(found: &[f64], truth: &[f64]) -> f64 {
    assert_eq!(found.len(), truth.len());
    found.iter().zip(truth).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

fn bytes(state: &Checkpoint) -> Vec<(String, Vec<f64>)> {
    let device = Device::reference();
    let names: Vec<String> = state.names().map(str::to_string).collect();
    names.iter().map(|name| (name.clone(), state.tensor(name, &device).unwrap().to_vec().unwrap())).collect()
}

/// Every norm, loss and penalty, and what else a step has: each with another recipe.
fn recipes() -> Vec<(String, Recipe, bool)> {
    let mut rows = Vec::new();
    for (norm, ..) in NormKind::WORDS {
        let architecture = Architecture { d_norm: *norm, ..small(1) };
        rows.push((format!("norm {norm}"), recipe(architecture), false));
    }
    for (loss, ..) in Loss::WORDS {
        let mut row = recipe(Architecture { d_norm: NormKind::Layer, ..small(1) });
        row.loss = *loss;
        if *loss == Loss::WassersteinGp {
            (row.gp, row.d_steps) = (10.0, 2);
        } else {
            row.r1 = 0.5;
        }
        rows.push((format!("loss {loss} with its penalty"), row, false));
    }
    let layer = Architecture { d_norm: NormKind::Layer, ..small(1) };
    rows.push((
        "a penalty's own step".into(),
        Recipe { r1: 1.0, penalty_step: PenaltyStep::Own, ..recipe(layer) },
        false,
    ));
    let changed = Recipe {
        augment: vec![Augmentation::Color, Augmentation::Translation, Augmentation::Cutout],
        ada: 0.6,
        lecam: 0.1,
        ..recipe(small(3))
    };
    rows.push(("all images changed".into(), Recipe { ada: 0.0, ..changed.clone() }, false));
    rows.push(("augmentation, ADA and LeCam".into(), changed, false));
    let conditional = Architecture { classes: CLASSES, ..small(1) };
    rows.push(("classes".into(), recipe(conditional), false));
    let residual = Architecture { network: "residual".parse::<NetworkKind>().unwrap(), size: 32, ..small(1) };
    rows.push(("residual networks".into(), recipe(residual), false));
    rows.push(("heads".into(), recipe(small(1)), true));
    rows.push((
        "heads and changed images".into(),
        Recipe { augment: vec![Augmentation::Translation], ..recipe(small(1)) },
        true,
    ));
    rows
}

#[test]
fn twenty_steps_in_double_precision_are_those_of_one_for_every_norm_loss_and_penalty() {
    let device = Device::reference();
    for (name, recipe, has_heads) in recipes() {
        let alone = train(&recipe, has_heads, &device, STEPS, None).unwrap();
        for count in [2, 4] {
            let found = each(count, || train(&recipe, has_heads, &device, STEPS, None).unwrap());
            for (rank, found) in found.iter().enumerate() {
                for (step, (found, truth)) in found.losses.iter().zip(&alone.losses).enumerate() {
                    let off = distance(found, truth);
                    assert!(off < 1e-9, "{name}, rank {rank} of {count}, step {}: {off:e} off", step + 1);
                }
            }
            let first = bytes(&found[0].state);
            assert!(found.iter().all(|found| bytes(&found.state) == first), "{name}: ranks are at the same state");
            for ((tensor, found), (_, truth)) in first.iter().zip(&bytes(&alone.state)) {
                let off = distance(found, truth);
                assert!(off < 1e-7, "{name}, {count} ranks: {tensor} is {off:e} off");
            }
        }
    }
}

#[test]
fn steps_in_single_precision_are_those_of_one_to_rounding_and_the_same_bits_again() {
    let device = Device::cpu();
    let recipe = recipe(Architecture { d_norm: NormKind::Batch, ..small(1) });
    let alone = train(&recipe, false, &device, STEPS, None).unwrap();
    for count in [1, 2, 4] {
        let [one, two] =
            [(); 2].map(|()| each(count, || train(&recipe, false, &device, STEPS, None).unwrap()).swap_remove(0));
        assert!(bytes(&one.state) == bytes(&two.state), "{count} ranks have the same bits twice");
        if count == 1 {
            assert!(bytes(&one.state) == bytes(&alone.state), "one rank has the bits of none");
        }
        for (step, (found, truth)) in one.losses.iter().zip(&alone.losses).enumerate() {
            let (off, allowed) = (distance(found, truth), if step == 0 { 1e-5 } else { 1e-3 });
            assert!(off < allowed, "{count} ranks, step {}: {off:e} off", step + 1);
        }
    }
}

#[test]
fn any_number_of_ranks_goes_on_from_a_checkpoint_of_any_other() {
    let device = Device::reference();
    let recipe = Recipe { r1: 0.5, lecam: 0.1, ..recipe(Architecture { d_norm: NormKind::Layer, ..small(1) }) };
    let whole = train(&recipe, false, &device, 8, None).unwrap();
    for (before, after) in [(2, 4), (4, 1), (1, 2)] {
        let half = each(before, || train(&recipe, false, &device, 4, None).unwrap()).swap_remove(0);
        assert_eq!(
            half.state.header.get("ranks").and_then(|count| count.as_u64()),
            (before > 1).then_some(before as u64)
        );
        let rest = each(after, || train(&recipe, false, &device, 4, Some(&half.state)).unwrap()).swap_remove(0);
        for (found, truth) in rest.losses.iter().zip(&whole.losses[4..]) {
            assert!(distance(found, truth) < 1e-9, "{before} ranks, then {after}");
        }
    }
}

#[test]
fn what_ranks_cannot_share_is_refused_before_the_first_step_by_all() {
    let device = Device::reference();
    let refused = |count: usize, work: &(dyn Fn() -> Result<Found> + Sync), part: &str| {
        for found in each(count, work) {
            let error = found.err().expect("it is refused").to_string();
            assert!(error.contains(part), "{error}");
        }
    };
    let usual = recipe(small(1));
    refused(3, &|| train(&usual, false, &device, 1, None), "8 images is not split evenly over 3 ranks");
    let odd = || {
        let seed = if graft::ranks::current().rank() == 1 { 6 } else { 5 };
        train(&Recipe { seed, ..usual.clone() }, false, &device, 1, None)
    };
    refused(2, &odd, "rank 1 has another recipe than rank 0");
    let devices = || {
        let own = if graft::ranks::current().rank() == 2 { Device::cpu() } else { Device::reference() };
        train(&Recipe { batch: 12, ..usual.clone() }, false, &own, 1, None)
    };
    refused(3, &devices, "rank 2 has another microkernel than rank 0");
}
