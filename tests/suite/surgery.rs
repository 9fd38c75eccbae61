//! What the networks of a target become of a source's: the same function where nothing is new, and sources that do not fit.

use graft::gan::{Architecture, Discriminator, Generator, Role};
use graft::gradcheck::relative_error;
use graft::nn::{Mode, NormKind, Parameter};
use graft::random::{Purpose, generator, normal};
use graft::transfer::surgery::{self, Change, Surgery};
use graft::{Device, Tensor};
use proptest::prelude::*;

use crate::case::{DOUBLE_ROUNDING, SINGLE_ROUNDING, elements};

const TARGET: Architecture =
    Architecture { features: 4, latent: 6, d_norm: NormKind::None, ..Architecture::dcgan(32, 3) };
pub const GREY: Architecture = Architecture { channels: 1, ..TARGET };

fn all(parameters: Vec<Parameter>, statistics: Vec<Parameter>) -> Vec<Parameter> {
    [parameters, statistics].concat()
}

fn of_generator(network: &Generator) -> Vec<Parameter> {
    all(network.parameters(), network.statistics())
}

fn of_discriminator(network: &Discriminator) -> Vec<Parameter> {
    all(network.parameters(), network.statistics())
}

/// Gives the parameters of one network of a target what they become of a source's.
fn transplant(role: Role, source: &Architecture, theirs: &[Parameter], target: &Architecture, own: &[Parameter]) {
    let surgery = Surgery::new(role, source, target).unwrap();
    surgery.tensors(theirs, &own[0].device()).unwrap().apply(own);
}

fn noise(device: &Device, shape: &[usize], seed: u64) -> Tensor {
    let values = normal(&mut generator(seed, Purpose::GradientCheck, 0, 0), shape.iter().product());
    Tensor::from_slice(device, &values, shape)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_grey_source_meets_a_colour_target_unchanged(
        seed in 0u64..1000,
        norm in prop::sample::select(vec![NormKind::Batch, NormKind::Layer, NormKind::Instance, NormKind::None]),
    ) {
        for (device, tolerance) in [(Device::cpu(), SINGLE_ROUNDING), (Device::reference(), DOUBLE_ROUNDING)] {
            let [grey, colour] = [GREY, TARGET].map(|architecture| Architecture { d_norm: norm, ..architecture });
            surgery::check(&grey, &colour).unwrap();
            let (g_s, g_t) = (Generator::new(&device, &grey, seed), Generator::new(&device, &colour, seed + 1));
            let (d_s, d_t) = (Discriminator::new(&device, &grey, seed), Discriminator::new(&device, &colour, seed + 1));
            transplant(Role::Generator, &grey, &of_generator(&g_s), &colour, &of_generator(&g_t));
            transplant(Role::Discriminator, &grey, &of_discriminator(&d_s), &colour, &of_discriminator(&d_t));

            let latents = noise(&device, &[3, TARGET.latent], seed);
            let made = g_s.forward(&latents, None, Mode::TRAIN);
            let repeated = made.expand([3, 32, 32, 3]);
            let coloured = g_t.forward(&latents, None, Mode::TRAIN);
            prop_assert!(relative_error(&elements(&coloured), &elements(&repeated)) < tolerance, "G_t(z) = rep(G_s(z))");

            let score = elements(&d_s.forward(&made, None, Mode::TRAIN).score);
            let found = elements(&d_t.forward(&repeated, None, Mode::TRAIN).score);
            prop_assert!(relative_error(&found, &score) < tolerance, "D_t(rep(x)) = D_s(x)");
        }
    }

    #[test]
    fn a_conditioned_target_starts_as_its_unconditional_source(
        seed in 0u64..1000, classes in 0usize..4, features in 1usize..5,
    ) {
        let conditioned = Architecture { classes, condition_features: features, ..TARGET };
        for (device, tolerance) in [(Device::cpu(), SINGLE_ROUNDING), (Device::reference(), DOUBLE_ROUNDING)] {
            surgery::check(&GREY, &conditioned).unwrap();
            let (g_s, g_t) = (Generator::new(&device, &TARGET, seed), Generator::new(&device, &conditioned, seed + 1));
            let (d_s, d_t) = (Discriminator::new(&device, &TARGET, seed), Discriminator::new(&device, &conditioned, seed + 1));
            transplant(Role::Generator, &TARGET, &of_generator(&g_s), &conditioned, &of_generator(&g_t));
            transplant(Role::Discriminator, &TARGET, &of_discriminator(&d_s), &conditioned, &of_discriminator(&d_t));
            let latents = noise(&device, &[3, TARGET.latent], seed);
            let condition = noise(&device, &[3, conditioned.condition_length()], seed + 2);
            for mode in [Mode::TRAIN, Mode::Evaluate] {
                let made = g_s.forward(&latents, None, mode);
                let found = g_t.forward(&latents, Some(&condition), mode);
                prop_assert!(relative_error(&elements(&found), &elements(&made)) < tolerance);
                let score = d_s.forward(&made, None, mode).score;
                let found = d_t.forward(&made, Some(&condition), mode).score;
                prop_assert!(relative_error(&elements(&found), &elements(&score)) < tolerance);
            }
        }
    }
}

#[test]
fn a_source_that_does_not_fit_is_refused_with_what_to_do() {
    let refused = |source: Architecture, target: Architecture, part: &str| {
        let error = surgery::check(&source, &target).unwrap_err().to_string();
        assert!(error.contains(part), "{error} lacks {part}");
    };
    refused(Architecture { size: 64, ..TARGET }, TARGET, "size");
    refused(Architecture { features: 8, ..TARGET }, TARGET, "take features 8");
    refused(Architecture { latent: 8, ..TARGET }, TARGET, "take latent 8");
    refused(Architecture { d_norm: NormKind::Batch, ..TARGET }, TARGET, "d-norm batch, loss non-saturating, r1 0");
    refused(Architecture { classes: 3, ..TARGET }, TARGET, "knows no classes");
    refused(TARGET, GREY, "channels");
    let spectral = |architecture| Architecture { d_norm: NormKind::Spectral, ..architecture };
    refused(spectral(GREY), spectral(TARGET), "spectral");
}

#[test]
fn new_conditions_are_zero_behind_the_old_ones() {
    let device = Device::reference();
    let (old, new) =
        (Architecture { classes: 2, ..TARGET }, Architecture { classes: 2, condition_features: 3, ..TARGET });
    let (source, target) = (Generator::new(&device, &old, 0), Generator::new(&device, &new, 1));
    let scale = |network: &Generator| {
        network.parameters().into_iter().find(|parameter| parameter.name() == "main.1.condition_scale.weight").unwrap()
    };
    let values = noise(&device, &scale(&source).stored_shape(), 1);
    scale(&source).set(values.clone());
    transplant(Role::Generator, &old, &of_generator(&source), &new, &of_generator(&target));
    let found = elements(&scale(&target).get());
    assert_eq!(found[..values.len()], elements(&values));
    assert!(found[values.len()..].iter().all(|&weight| weight == 0.0));
    let surgery = Surgery::new(Role::Generator, &old, &new).unwrap();
    let row = surgery.rows(|_| false).into_iter().find(|row| row.name == "main.1.condition_scale.weight").unwrap();
    assert_eq!(row.change, Change::Extended);
}
