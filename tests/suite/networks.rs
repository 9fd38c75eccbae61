//! Networks as lists of layers: every kind at every size, what a list says before there is a network, and the whole way of a network that
//! is no DCGAN through the command line. What PyTorch computes of them is in `interchange`.

use std::collections::BTreeMap;

use graft::checkpoint::Checkpoint;
use graft::data::{Classes, Dataset, Images};
use graft::gan::{
    Architecture, Discriminator, Generator, Loss, NetworkKind, Recipe, Role, Trainer, load_raw_generator,
};
use graft::gradcheck::relative_error;
use graft::nn::{Mode, NormKind, maps};
use graft::random::{Purpose, generator, normal};
use graft::transfer::starting_recipe;
use graft::transfer::surgery::{self, Surgery};
use graft::{Device, Tensor, no_grad};
use proptest::prelude::*;

use crate::case::elements;
use crate::program::Desk;

const NORMS: [NormKind; 5] = [NormKind::Batch, NormKind::Instance, NormKind::Layer, NormKind::Spectral, NormKind::None];

fn noise(device: &Device, shape: &[usize], seed: u64) -> Tensor {
    let values = normal(&mut generator(seed, Purpose::GradientCheck, 0, 0), shape.iter().product());
    Tensor::from_slice(device, &values, shape)
}

fn residual(size: usize, channels: usize) -> Architecture {
    let network = "residual".parse().unwrap();
    Architecture { network, features: 2, latent: 5, ..Architecture::dcgan(size, channels) }
}

#[test]
fn every_network_draws_and_judges_images_of_each_of_its_sizes() {
    let sizes = |kind: &str| kind.parse::<NetworkKind>().unwrap().sizes().collect::<Vec<_>>();
    assert_eq!(sizes("dcgan"), [16, 32, 64, 128, 256]);
    assert_eq!(sizes("residual"), [32, 64, 128, 256]);
    let device = Device::cpu();
    for network in NetworkKind::all() {
        for size in network.sizes() {
            let architecture =
                Architecture { network, features: 2, latent: 3, classes: 2, ..Architecture::dcgan(size, 3) };
            architecture.check().unwrap();
            let condition = noise(&device, &[2, 2], 1);
            let g = Generator::new(&device, &architecture, 0);
            let d = Discriminator::new(&device, &architecture, 0);
            no_grad(|| {
                let latents = noise(&device, &[2, 3], 2);
                let (images, seen) = g.forward_with_maps(&latents, Some(&condition), Mode::TRAIN);
                assert_eq!(images.shape(), [2, size, size, 3], "{architecture:?}");
                assert_eq!(seen.len(), maps(&architecture.generator()));
                assert_eq!(
                    seen.last().unwrap().shape()[3],
                    2,
                    "--features is the number of channels next to the image"
                );
                let judged = d.forward(&images, Some(&condition), Mode::TRAIN);
                assert_eq!(judged.score.shape(), [2], "{architecture:?}");
                assert_eq!(judged.features().shape()[1], *judged.map.shape().last().unwrap());
            });
        }
        let smallest = network.sizes().next().unwrap();
        for size in [smallest / 2, 48, 512] {
            let text = Architecture { network, ..Architecture::dcgan(size, 3) }.check().unwrap_err().to_string();
            assert!(text.contains(&smallest.to_string()) && text.contains("256"), "{text}");
        }
    }
}

#[test]
fn headers_name_a_network_only_where_it_is_no_dcgan() {
    let dcgan = r#"{"size":64,"channels":1,"features":8,"latent":100,"classes":0,"d_norm":"batch"}"#;
    let architecture: Architecture = serde_json::from_str(dcgan).unwrap();
    assert_eq!(architecture, Architecture { features: 8, ..Architecture::dcgan(64, 1) });
    assert_eq!(serde_json::to_string(&architecture).unwrap(), dcgan);
    let other = serde_json::to_string(&residual(32, 1)).unwrap();
    assert!(other.starts_with(r#"{"network":"residual","size":32,"#), "{other}");
    assert_eq!(serde_json::from_str::<Architecture>(&other).unwrap(), residual(32, 1));
    assert!(serde_json::from_str::<Architecture>(&other.replace("residual", "unet")).is_err());
}

/// Trains, and fails unless every loss is finite and every weight has moved.
fn trains(recipe: &Recipe) {
    let Architecture { size, channels, classes, .. } = recipe.architecture;
    let mut random = generator(1, Purpose::Synthetic, 0, 0);
    let pixels = normal(&mut random, 16 * size * size * channels).iter().map(|v| (v * 60.0 + 128.0) as u8).collect();
    let images = Images::new([16, size, size, channels], pixels);
    let labels = (0..16).map(|image| image % classes.max(1) as u32).collect();
    let data = Dataset::labelled("noise", images, labels, Classes::numbered(0..classes.max(1)));
    let mut trainer = Trainer::new(recipe, data, &Device::cpu()).unwrap();
    let start = trainer.checkpoint().unwrap();
    for _ in 0..9 {
        let losses = trainer.step();
        for loss in [&losses.d_loss, &losses.g_loss].into_iter().chain(&losses.penalty) {
            assert!(loss.item().unwrap().is_finite(), "{recipe:?}");
        }
    }
    let end = trainer.checkpoint().unwrap();
    for name in start.names().filter(|name| ["netG.", "netD."].iter().any(|network| name.starts_with(network))) {
        let [start, end] = [&start, &end].map(|checkpoint| elements(&checkpoint.tensor(name, &Device::cpu()).unwrap()));
        assert_ne!(start, end, "{name} stands still: {recipe:?}");
    }
}

#[test]
fn the_residual_pair_trains_with_every_norm_loss_penalty_and_condition() {
    let recipe = |d_norm, loss, classes| {
        let wasserstein = loss == Loss::WassersteinGp;
        let penalised = d_norm != NormKind::Batch && !wasserstein;
        Recipe {
            // Of two channels a ReLU could cut both off for good.
            architecture: Architecture { d_norm, classes, features: 8, ..residual(32, 1) },
            batch: 4,
            loss,
            r1: if penalised { 1.0 } else { 0.0 },
            gp: if wasserstein { 10.0 } else { 0.0 },
            lr: 2e-3,
            d_lr: 2e-3,
            ..starting_recipe(3, 32, 1)
        }
    };
    for d_norm in NORMS {
        trains(&recipe(d_norm, Loss::NonSaturating, 0));
        trains(&recipe(d_norm, Loss::Hinge, 3));
    }
    for loss in [Loss::LeastSquares, Loss::WassersteinGp, Loss::R3gan] {
        trains(&recipe(NormKind::Layer, loss, 3));
    }
}

/// Nine dark images to a light one: what the batch norm of G sees in training is mostly dark.
#[test]
fn statistics_of_a_generator_of_uneven_classes_are_of_what_its_batches_had() {
    let device = Device::cpu();
    let images = |count: usize| {
        let pixels = (0..count * 32 * 32).map(|place| if place / 1024 % 10 == 0 { 220 } else { 30 }).collect();
        let labels = (0..count).map(|image| u32::from(image % 10 == 0)).collect();
        Dataset::labelled("uneven", Images::new([count, 32, 32, 1], pixels), labels, Classes::numbered(0..2))
    };
    let architecture = Architecture { classes: 2, features: 4, d_norm: NormKind::None, ..Architecture::dcgan(32, 1) };
    let recipe = Recipe { architecture, batch: 20, ema: 0.0, ..starting_recipe(1, 32, 1) };
    let mut trainer = Trainer::new(&recipe, images(100), &device).unwrap();
    (0..60).for_each(|_| drop(trainer.step()));
    let checkpoint = trainer.checkpoint().unwrap();
    assert_eq!(checkpoint.header["class_counts"], serde_json::json!([90.0, 10.0]));
    // Without an average both generators have the same weights, and statistics that were tracked, or estimated.
    let of = |prefix: &str| -> BTreeMap<String, Vec<f64>> {
        let names = checkpoint.names().filter_map(|name| Some((name, name.strip_prefix(prefix)?)));
        let means = names.filter(|(_, own)| own.ends_with("running_mean"));
        means.map(|(name, own)| (own.to_string(), elements(&checkpoint.tensor(name, &device).unwrap()))).collect()
    };
    let raw = |checkpoint: &Checkpoint| -> BTreeMap<String, Vec<f64>> {
        let (_, raw) = load_raw_generator(checkpoint, &device).unwrap();
        let means = raw.network().statistics().into_iter().filter(|own| own.name().ends_with("running_mean"));
        means.map(|own| (own.name().to_string(), elements(&own.get()))).collect()
    };
    let estimated = of("netG_ema.");
    assert_eq!(raw(&checkpoint), estimated, "a checkpoint's generator is measured as its run's");
    // The same weights with classes in equal parts, and by their frequencies.
    let mut other = checkpoint.clone();
    other.header.remove("class_counts");
    assert_ne!(raw(&other), estimated);
    other.header.insert("conditions".into(), serde_json::json!({ "frequencies": [0.9, 0.1], "labels": null }));
    assert_eq!(raw(&other), estimated);
    // Of nearly even classes nothing is said, and statistics are of classes in turn, as ever.
    let mut even = images(100);
    even.labels = Some((0..100).map(|image| image % 5 / 3).collect());
    let header = Trainer::new(&recipe, even, &device).unwrap().checkpoint().unwrap().header;
    assert!(!header.contains_key("class_counts"));
}

#[test]
fn what_is_evaluated_moves_nothing_and_is_scored_alike_twice() {
    let device = Device::cpu();
    for network in NetworkKind::all() {
        for d_norm in [NormKind::Spectral, NormKind::Batch] {
            let architecture = Architecture { network, d_norm, ..residual(32, 3) };
            let d = Discriminator::new(&device, &architecture, 1);
            let images = noise(&device, &[3, 32, 32, 3], 1);
            let state =
                || -> Vec<Vec<f64>> { d.statistics().iter().map(|parameter| elements(&parameter.get())).collect() };
            let fresh = state();
            no_grad(|| d.forward(&images, None, Mode::TRAIN));
            let trained = state();
            assert!(fresh.iter().zip(&trained).all(|(before, after)| before != after), "{architecture:?}");
            let scores = || no_grad(|| elements(&d.forward(&images, None, Mode::Evaluate).score));
            assert_eq!(scores(), scores(), "{architecture:?}");
            assert_eq!(state(), trained, "{architecture:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_grey_residual_source_meets_a_colour_target_unchanged(
        seed in 0u64..1000, norm in prop::sample::select(vec![NormKind::Batch, NormKind::Layer, NormKind::None]),
    ) {
        let device = Device::reference();
        let [grey, colour] = [1, 3].map(|channels| Architecture { d_norm: norm, ..residual(32, channels) });
        surgery::check(&grey, &colour).unwrap();
        let (g_s, g_t) = (Generator::new(&device, &grey, seed), Generator::new(&device, &colour, seed + 1));
        let (d_s, d_t) = (Discriminator::new(&device, &grey, seed), Discriminator::new(&device, &colour, seed + 1));
        let plant = |role, theirs: &[_], own: &[_]| {
            Surgery::new(role, &grey, &colour).unwrap().tensors(theirs, &device).unwrap().apply(own);
        };
        plant(Role::Generator, &[g_s.parameters(), g_s.statistics()].concat(), &[g_t.parameters(), g_t.statistics()].concat());
        plant(Role::Discriminator, &[d_s.parameters(), d_s.statistics()].concat(), &[d_t.parameters(), d_t.statistics()].concat());
        no_grad(|| {
            let latents = noise(&device, &[3, grey.latent], seed);
            let made = g_s.forward(&latents, None, Mode::TRAIN);
            let repeated = made.expand([3, 32, 32, 3]);
            let coloured = g_t.forward(&latents, None, Mode::TRAIN);
            assert!(relative_error(&elements(&coloured), &elements(&repeated)) < 1e-12, "G_t(z) = rep(G_s(z))");
            let score = elements(&d_s.forward(&made, None, Mode::TRAIN).score);
            let found = elements(&d_t.forward(&repeated, None, Mode::TRAIN).score);
            assert!(relative_error(&found, &score) < 1e-11, "D_t(rep(x)) = D_s(x): {found:?} {score:?}");
        });
    }
}

#[test]
fn sources_of_other_networks_and_sizes_are_refused_with_what_to_do() {
    let refused = |source: Architecture, target: Architecture, part: &str| {
        let error = surgery::check(&source, &target).unwrap_err().to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    };
    let dcgan = Architecture { network: NetworkKind::DCGAN, ..residual(32, 3) };
    refused(dcgan, residual(32, 3), "take network dcgan");
    refused(residual(64, 3), residual(32, 3), "take size 64");
}

#[test]
fn networks_and_sizes_that_are_new_go_the_whole_way() {
    let desk = Desk::new();
    let small = "--features 2 --latent 4 --batch 4 --seed 3 -q";
    let data = "--source idx:images,labels --target idx:images,labels --subset 12 --source-steps 2 --feature-steps 2 --steps 2 --no-judge";
    for (name, options) in [
        ("residual", "--network residual"),
        ("small", "--size 16"),
        ("large", "--size 128"),
        ("wide", "--network residual --size 64"),
    ] {
        let train = format!("train --data idx:images,labels {options} {small} --channels 3 --checkpoint-every 2");
        desk.graft(&format!("{train} --steps 4 --out {name}")).ok();
        desk.graft(&format!("{train} --steps 2 --out {name}.split")).ok();
        desk.graft(&format!("train --resume {name}.split --steps 4 -q")).ok();
        assert!(desk.checkpoint(name) == desk.checkpoint(&format!("{name}.split")), "{name}: resumed bit for bit");

        desk.graft(&format!("export {name} --out {name}.torch")).ok();
        desk.graft(&format!("export {name} --format onnx --out {name}.onnx")).ok();
        let import = format!("import {name}.torch/netG.safetensors --discriminator {name}.torch/netD.safetensors");
        desk.graft(&format!("{import} --out {name}.safetensors")).ok();
        for from in [name, &format!("{name}.safetensors")] {
            desk.graft(&format!("sample {from} --count 2 --format npy --out {name}.{}.npy", from.len())).ok();
        }
        let drawn = |from: &str| desk.read(format!("{name}.{}.npy", from.len()));
        assert!(drawn(name) == drawn(&format!("{name}.safetensors")), "{name}: there and back again");

        for method in ["trgan{anchor=cdc,freeze-d=1}", "tgan", "ctgan"] {
            desk.graft(&format!("transfer --method m={method} {options} {small} {data} --out {name}.{method}")).ok();
        }
    }
    desk.refuses(
        1,
        &format!(
            "transfer --method trgan --source small --target idx:images,labels --subset 12 {small} --size 32 --out no"
        ),
        &["size is 16", "take size 16"],
    );
}
