//! The networks and their training: the step that a loop makes, losses, normalisations, conditioning, penalties, the moving
//! average, and the estimate of memory.

use graft::data::{Classes, Dataset, Images, Sampler, Spec, Split};
use graft::gan::{
    Architecture, Augmentation, Average, BatchConditions, Discriminator, Generator, GeneratorUpdate, Loss, Method,
    Plain, Recipe, Schedule, Trainer,
};
use graft::gradcheck::relative_error;
use graft::memory::Limits;
use graft::nn::{Adam, AdamOptions, Mode, NormKind, Parameter, minimise};
use graft::random::{Purpose, generator, normal};
use graft::{Checkpoint, Device, Tensor, grad, grad_graph};
use proptest::prelude::*;
use rand::RngExt;

use crate::case::{DOUBLE_ROUNDING, SINGLE_ROUNDING, elements};

const ARCHITECTURE: Architecture = Architecture { features: 4, latent: 6, ..Architecture::dcgan(32, 1) };

pub fn recipe(architecture: Architecture) -> Recipe {
    Recipe { seed: 5, architecture, batch: 8, ..Recipe::default() }
}

/// Images with pixels from `low` up, in three classes.
pub fn dataset(architecture: &Architecture, low: u8) -> Dataset {
    const COUNT: usize = 20;
    let [size, channels] = [architecture.size, architecture.channels];
    let mut random = generator(1, Purpose::Synthetic, 0, 0);
    let pixels = (0..COUNT * size * size * channels).map(|_| random.random_range(low..=255)).collect();
    let images = Images::new([COUNT, size, size, channels], pixels);
    Dataset::labelled("noise", images, (0..COUNT).map(|i| (i % 3) as u32).collect(), Classes::numbered(0..3))
}

/// `mean BCE(scores, target)`: `-log sigmoid(score)` for a target of 1.
pub fn bce(scores: &Tensor, target: f64) -> Tensor {
    scores.bce_with_logits(&Tensor::full(scores.device(), scores.shape(), target))
}

/// What a round of training sees, drawn as the loop draws it.
struct Round {
    real: Tensor,
    latents: Tensor,
    classes: Option<Tensor>,
}

fn round(recipe: &Recipe, data: &Dataset, device: &Device, round: u64) -> Round {
    let Architecture { size, channels, latent, classes, .. } = recipe.architecture;
    let indices = Sampler::new(data.len(), recipe.batch, recipe.seed).indices(round);
    let latents = normal(&mut generator(recipe.seed, Purpose::Latents, round, 0), recipe.batch * latent);
    Round {
        real: Tensor::from_slice(device, &data.batch(&indices), [recipe.batch, size, size, channels]),
        latents: Tensor::from_slice(device, &latents, [recipe.batch, latent]),
        classes: (classes > 0).then(|| Tensor::one_hot(device, &data.labels_of(&indices).unwrap(), classes)),
    }
}

#[test]
fn the_training_loop_makes_the_golden_step() {
    let device = Device::reference();
    let plain = Recipe { ema: 0.0, ..recipe(ARCHITECTURE) };
    let conditioned = Architecture { classes: 3, ..ARCHITECTURE };
    for recipe in [
        plain.clone(),
        Recipe { architecture: conditioned, ..plain.clone() },
        Recipe { architecture: conditioned, d_steps: 2, lr: 1e-4, d_lr: 3e-4, beta1: 0.25, ..plain },
    ] {
        let data = dataset(&recipe.architecture, 0);
        let mut trainer = Trainer::new(&recipe, data.clone(), &device).unwrap();
        let network = Generator::new(&device, &recipe.architecture, recipe.seed);
        let critic = Discriminator::new(&device, &recipe.architecture, recipe.seed);
        let options = |rate| AdamOptions { rate, beta1: recipe.beta1, ..AdamOptions::DCGAN };
        let mut g_adam = Adam::new(network.parameters(), options(recipe.lr));
        let mut d_adam = Adam::new(critic.parameters(), options(recipe.d_lr));
        for step in 0..3 {
            let mut last = None;
            for index in 0..recipe.d_steps as u64 {
                let round = round(&recipe, &data, &device, step * recipe.d_steps as u64 + index);
                let score = |images: &Tensor| critic.forward(images, round.classes.as_ref(), Mode::TRAIN).score;
                let fake = network.forward(&round.latents, round.classes.as_ref(), Mode::TRAIN);
                let loss = bce(&score(&round.real), 1.0) + bce(&score(&fake.detach()), 0.0);
                last = Some((minimise(loss, &mut d_adam), fake, round.classes));
            }
            let (d_loss, fake, classes) = last.unwrap();
            let g_loss = bce(&critic.forward(&fake, classes.as_ref(), Mode::TRAIN).score, 1.0);
            let value = minimise(g_loss, &mut g_adam);

            let losses = trainer.step();
            assert!(relative_error(&elements(&losses.d_loss), &elements(&d_loss)) < DOUBLE_ROUNDING);
            assert!(relative_error(&elements(&losses.g_loss), &elements(&value)) < DOUBLE_ROUNDING);
        }
        let checkpoint = trainer.checkpoint().unwrap();
        let trained =
            [("netG", network.parameters()), ("netD", critic.parameters()), ("netG_ema", network.parameters())];
        let tracked = [("netG", network.statistics()), ("netD", critic.statistics())];
        for (prefix, parameters) in trained.into_iter().chain(tracked) {
            for parameter in parameters {
                let name = format!("{prefix}.{}", parameter.name());
                let found = elements(&checkpoint.tensor(&name, &device).unwrap());
                // Gradients that were added up in another order move weights by Adam's nearly constant steps.
                assert!(relative_error(&found, &elements(&parameter.stored())) < 1e-9, "{name}");
            }
        }
    }
}

#[test]
fn penalties_enter_the_update_with_their_weights() {
    /// R1 and R2 are computed in every eighth update, with eight times the weight.
    const LAZY: f64 = 8.0;
    let device = Device::reference();
    let plain = recipe(Architecture { classes: 3, d_norm: NormKind::Layer, ..ARCHITECTURE });
    let data = dataset(&plain.architecture, 0);
    for recipe in [
        Recipe { r1: 3.0, ..plain.clone() },
        Recipe { r1: 3.0, loss: Loss::R3gan, ..plain.clone() },
        Recipe { gp: 10.0, loss: Loss::WassersteinGp, ..plain },
    ] {
        let network = Generator::new(&device, &recipe.architecture, recipe.seed);
        let critic = Discriminator::new(&device, &recipe.architecture, recipe.seed);
        let Round { real, latents, classes } = round(&recipe, &data, &device, 0);
        let fake = network.forward(&latents, classes.as_ref(), Mode::TRAIN).detach();
        let score = |images: &Tensor| critic.forward(images, classes.as_ref(), Mode::TRAIN).score;
        let squared_slope = |images: &Tensor| {
            let slope = grad_graph(&score(images).sum(), &[images]).remove(0);
            (&slope * &slope).sum_axes(&[1, 2, 3], false)
        };
        let loss = match recipe.loss {
            Loss::WassersteinGp => {
                let mut random = generator(recipe.seed, Purpose::Interpolation, 0, 0);
                let shares: Vec<f32> = (0..recipe.batch).map(|_| random.random()).collect();
                let shares = Tensor::from_slice(&device, &shares, [recipe.batch, 1, 1, 1]);
                let between = (&real * &shares + &fake * (1.0 - &shares)).detach();
                let excess = squared_slope(&between).sqrt() - 1.0;
                score(&fake).mean() - score(&real).mean() + excess.powi(2).mean() * recipe.gp
            }
            Loss::R3gan => {
                let penalty = squared_slope(&real).mean() + squared_slope(&fake).mean();
                (score(&fake) - score(&real)).softplus().mean() + penalty * (recipe.r1 / 2.0 * LAZY)
            }
            _ => {
                let penalty = squared_slope(&real).mean();
                bce(&score(&real), 1.0) + bce(&score(&fake), 0.0) + penalty * (recipe.r1 / 2.0 * LAZY)
            }
        };
        let weights: Vec<Tensor> = critic.parameters().iter().map(Parameter::get).collect();
        let gradients = grad(loss, &weights.iter().collect::<Vec<_>>());

        let mut trainer = Trainer::new(&recipe, data.clone(), &device).unwrap();
        trainer.step();
        let state = trainer.checkpoint().unwrap();
        for (parameter, gradient) in critic.parameters().iter().zip(gradients) {
            // Adam's first moment after one update is (1 - beta1) times the gradient.
            let name = format!("adam.netD.{}.exp_avg", parameter.name());
            let found = elements(&state.tensor(&name, &device).unwrap());
            let expected = elements(&(parameter.to_stored(&gradient) * (1.0 - recipe.beta1)));
            let error = relative_error(&found, &expected);
            assert!(error < 1e-9, "{:?}: {name} is {error:.1e} off", recipe.loss);
        }
    }
}

/// Plain training by a schedule, with a term of the generator's loss that is so many times the sum of its weights.
#[derive(Debug)]
struct Pulled {
    classes: usize,
    schedule: Schedule,
    strength: f64,
}

impl Method for Pulled {
    fn schedule(&self) -> Schedule {
        self.schedule
    }

    fn conditions(&self, round: u64, indices: &[usize], data: &Dataset) -> BatchConditions {
        Plain { classes: self.classes }.conditions(round, indices, data)
    }

    fn generator_term(&self, update: &GeneratorUpdate<'_>) -> Option<Tensor> {
        let sums = update.generator.parameters().into_iter().map(|parameter| parameter.get().sum());
        sums.reduce(|a, b| a + b).map(|sum| sum * self.strength)
    }
}

#[test]
fn a_methods_term_joins_the_generators_loss_and_nothing_else() {
    let device = Device::reference();
    let recipe = recipe(ARCHITECTURE);
    let after_a_step = |strength: f64| {
        let method = Pulled { classes: 0, schedule: Schedule::default(), strength };
        let data = dataset(&recipe.architecture, 0);
        let mut trainer = Trainer::with_method(&recipe, Box::new(method), data, &device).unwrap();
        let losses = trainer.step();
        (trainer.checkpoint().unwrap(), elements(&losses.g_loss))
    };
    let ((plain, plain_loss), (pulled, pulled_loss)) = (after_a_step(0.0), after_a_step(3.0));
    assert_eq!(plain_loss, pulled_loss, "the loss that is told is the adversarial one");
    for name in plain.names().filter(|name| name.starts_with("adam.") && name.ends_with(".exp_avg")) {
        let [plain, pulled] = [&plain, &pulled].map(|state| elements(&state.tensor(name, &device).unwrap()));
        // Adam's first moment after one update is (1 - beta1) times the gradient, and the term's is 3 at every weight.
        let more = if name.starts_with("adam.netG.") { 0.5 * 3.0 } else { 0.0 };
        // Of f64 numbers near 1.
        let same = plain.iter().zip(&pulled).all(|(plain, pulled)| (pulled - plain - more).abs() < 1e-14);
        assert!(same, "{name}");
    }
}

#[test]
fn the_generator_moves_at_the_rate_of_its_schedule() {
    let device = Device::reference();
    // Without averaging, the average is the generator.
    let recipe = Recipe { ema: 0.0, ..recipe(ARCHITECTURE) };
    let schedule = Schedule { discriminator_only: 2, rate_ramp: 4, projection_ramp: 0 };
    // A gradient that is the same in every step, since nothing counts beside it, makes each of Adam's updates the rate itself.
    let method = Pulled { classes: 0, schedule, strength: 1e9 };
    let data = dataset(&recipe.architecture, 0);
    let mut trainer = Trainer::with_method(&recipe, Box::new(method), data, &device).unwrap();
    let weights = |trainer: &Trainer| -> Vec<f64> {
        trainer.average().network().parameters().iter().flat_map(|parameter| elements(&parameter.get())).collect()
    };
    for (step, factor) in [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0].into_iter().enumerate() {
        let before = weights(&trainer);
        trainer.step();
        for (before, after) in before.into_iter().zip(weights(&trainer)) {
            // What counts for a billionth moves a weight by no millionth of the rate.
            let gap = (before - after - recipe.lr * factor).abs();
            assert!(
                gap <= 1e-6 * recipe.lr * factor,
                "step {}: {} is not {factor} of the rate",
                step + 1,
                before - after
            );
        }
    }
}

#[test]
fn the_projection_enters_scores_with_the_weight_of_its_step() {
    const PROJECTION: &str = "netD.projection.weight";
    let device = Device::reference();
    let recipe = recipe(Architecture { classes: 3, d_norm: NormKind::Layer, ..ARCHITECTURE });
    let data = dataset(&recipe.architecture, 0);
    let schedule = Schedule { projection_ramp: 4, ..Schedule::default() };
    let method = Pulled { classes: 3, schedule, strength: 0.0 };
    let mut trainer = Trainer::with_method(&recipe, Box::new(method), data.clone(), &device).unwrap();
    // V is zero at the start, and then there is nothing to weight.
    let mut state = trainer.checkpoint().unwrap();
    let shape = state.shape(PROJECTION).unwrap().to_vec();
    let values = normal(&mut generator(2, Purpose::Weights, 0, 0), shape.iter().product());
    let matrix = Tensor::from_slice(&device, &values, shape);
    state.insert(PROJECTION, &matrix).unwrap();
    let network = Generator::new(&device, &recipe.architecture, recipe.seed);
    let critic = Discriminator::new(&device, &recipe.architecture, recipe.seed);
    state.load_parameters("netD", &critic.parameters()).unwrap();
    for (step, weight) in [(1u64, 0.25), (2, 0.5), (3, 0.75), (4, 1.0), (5, 1.0)] {
        state.header.insert("step".into(), (step - 1).into());
        trainer.restore(&state).unwrap();
        let losses = trainer.step();
        let Round { real, latents, classes } = round(&recipe, &data, &device, step - 1);
        let classes = classes.unwrap();
        let fake = network.forward(&latents, Some(&classes), Mode::TRAIN);
        for (images, found) in [(real, losses.real_score), (fake, losses.fake_score)] {
            // D(x) + w <V c, h>: what is said under the null condition, and the projection.
            let judged = critic.forward(&images, Some(&(&classes * 0.0)), Mode::TRAIN);
            let projection = (classes.matmul(&matrix) * judged.features()).sum_axes(&[1], false);
            let expected = elements(&(judged.score + projection * weight).mean());
            let error = relative_error(&elements(&found), &expected);
            assert!(error < DOUBLE_ROUNDING, "step {step}: {found:?} is {error:.1e} off {expected:?}");
        }
    }
}

/// Trains and fails unless every loss is finite and every weight has moved.
fn trains(recipe: &Recipe, data: Dataset, steps: usize) {
    let mut trainer = Trainer::new(recipe, data, &Device::cpu()).unwrap();
    let start = trainer.checkpoint().unwrap();
    for _ in 0..steps {
        let losses = trainer.step();
        let [d_loss, g_loss] = [&losses.d_loss, &losses.g_loss].map(|loss| loss.item().unwrap());
        assert!(d_loss.is_finite() && g_loss.is_finite(), "step {}: {d_loss}, {g_loss}", losses.step);
        if let Some(penalty) = losses.penalty {
            assert!(penalty.item().unwrap() >= 0.0 && penalty.item().unwrap().is_finite());
        }
    }
    // A checkpoint of anything that is not finite is an error.
    let end = trainer.checkpoint().unwrap();
    for name in start.names().filter(|name| ["netG.", "netD.", "netG_ema."].iter().any(|net| name.starts_with(net))) {
        let [start, end] = [&start, &end].map(|checkpoint| elements(&checkpoint.tensor(name, &Device::cpu()).unwrap()));
        assert_ne!(start, end, "{name} stands still");
    }
}

/// 300 steps with width 8 on digits drawn in code.
fn trains_on_strokes(loss: Loss) {
    let r1 = if loss == Loss::R3gan { 1.0 } else { 0.0 };
    let gp = if loss == Loss::WassersteinGp { 10.0 } else { 0.0 };
    let d_norm = loss.norm(r1);
    let architecture = Architecture { features: 8, latent: 32, d_norm, ..ARCHITECTURE };
    let strokes = "synthetic:strokes".parse::<Spec>().unwrap().load(Split::Train).unwrap();
    trains(&Recipe { batch: 16, loss, r1, gp, ..recipe(architecture) }, strokes, 300);
}

#[test]
fn non_saturating_trains() {
    trains_on_strokes(Loss::NonSaturating);
}

#[test]
fn hinge_trains() {
    trains_on_strokes(Loss::Hinge);
}

#[test]
fn least_squares_trains() {
    trains_on_strokes(Loss::LeastSquares);
}

#[test]
fn wasserstein_gp_trains() {
    trains_on_strokes(Loss::WassersteinGp);
}

#[test]
fn r3gan_trains() {
    trains_on_strokes(Loss::R3gan);
}

#[test]
fn every_norm_trains_plain_conditioned_augmented_and_penalised() {
    let norms = [NormKind::Batch, NormKind::Instance, NormKind::Layer, NormKind::Spectral, NormKind::None];
    let augment = vec![Augmentation::Color, Augmentation::Translation, Augmentation::Cutout];
    for d_norm in norms {
        let architecture = Architecture { channels: 3, d_norm, ..ARCHITECTURE };
        let data = || dataset(&architecture, 0);
        trains(&recipe(architecture), data(), 10);
        let conditioned = recipe(Architecture { classes: 3, ..architecture });
        trains(&Recipe { augment: augment.clone(), d_steps: 2, ..conditioned.clone() }, data(), 10);
        if d_norm != NormKind::Batch {
            trains(&Recipe { r1: 1.0, ..conditioned.clone() }, data(), 10);
            trains(&Recipe { loss: Loss::WassersteinGp, gp: 10.0, ..conditioned }, data(), 10);
        }
    }
}

#[test]
fn the_norm_that_is_chosen_keeps_samples_apart_where_a_penalty_needs_it() {
    assert_eq!(Loss::NonSaturating.norm(0.0), NormKind::Batch);
    assert_eq!(Loss::Hinge.norm(1.0), NormKind::None);
    assert_eq!(Loss::R3gan.norm(0.0), NormKind::None);
    assert_eq!(Loss::WassersteinGp.norm(0.0), NormKind::Layer);
    for (loss, r1) in [(Loss::NonSaturating, 0.1), (Loss::R3gan, 0.0), (Loss::WassersteinGp, 0.0)] {
        let error = Recipe { loss, r1, ..recipe(ARCHITECTURE) }.check().unwrap_err();
        assert!(error.is_usage() && error.to_string().starts_with("d-norm batch"), "{error}");
    }
}

/// A conditioned generator and discriminator, and plain ones with the same weights.
fn conditioned_and_plain(device: &Device, d_norm: NormKind, seed: u64) -> [(Generator, Discriminator); 2] {
    let plain = Architecture { channels: 3, d_norm, ..ARCHITECTURE };
    let make = |classes: usize, seed: u64| {
        let architecture = Architecture { classes, ..plain };
        (Generator::new(device, &architecture, seed), Discriminator::new(device, &architecture, seed))
    };
    let (conditioned, plain) = (make(5, seed), make(0, seed + 1));
    let mut weights = Checkpoint::new(serde_json::Map::new());
    weights.insert_parameters("g", &conditioned.0.parameters()).unwrap();
    weights.insert_parameters("d", &conditioned.1.parameters()).unwrap();
    weights.insert_parameters("d", &conditioned.1.statistics()).unwrap();
    weights.load_parameters("g", &plain.0.parameters()).unwrap();
    weights.load_parameters("d", &plain.1.parameters()).unwrap();
    weights.load_parameters("d", &plain.1.statistics()).unwrap();
    [conditioned, plain]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_conditioned_network_starts_as_the_plain_one(
        seed in 0u64..1000,
        labels in prop::collection::vec(0u32..5, 2..9),
        norm in prop::sample::select(vec![NormKind::Batch, NormKind::Layer, NormKind::Spectral, NormKind::None]),
    ) {
        let count = labels.len();
        for (device, tolerance) in [(Device::cpu(), SINGLE_ROUNDING), (Device::reference(), DOUBLE_ROUNDING)] {
            let [conditioned, plain] = conditioned_and_plain(&device, norm, seed);
            let latents = normal(&mut generator(seed, Purpose::Latents, 0, 0), count * ARCHITECTURE.latent);
            let latents = Tensor::from_slice(&device, &latents, [count, ARCHITECTURE.latent]);
            let classes = Tensor::one_hot(&device, &labels, 5);
            // Evaluated with the batch's own statistics: with fresh ones nearly every ReLU may be closed, and what is left of an
            // image is the rounding of sums that cancel.
            for mode in [Mode::Train { momentum: 1.0 }, Mode::Evaluate] {
                let images = plain.0.forward(&latents, None, mode);
                let found = conditioned.0.forward(&latents, Some(&classes), mode);
                prop_assert!(relative_error(&elements(&found), &elements(&images)) < tolerance);
                let score = plain.1.forward(&images, None, mode).score;
                let found = conditioned.1.forward(&images, Some(&classes), mode).score;
                prop_assert!(relative_error(&elements(&found), &elements(&score)) < tolerance);
            }
        }
    }
}

/// A trainer whose discriminator has only positive weights and sees only positive images. Its leaky ReLUs then change
/// nothing: it is linear, `D(x) = <g, x>`. Gives `|g|^2` too.
fn linear_trainer(recipe: &Recipe) -> (Trainer, f64) {
    let device = Device::reference();
    let mut trainer = Trainer::new(recipe, dataset(&recipe.architecture, 128), &device).unwrap();
    let mut state = trainer.checkpoint().unwrap();
    let mut random = generator(2, Purpose::Weights, 0, 0);
    let mut fill = |state: &mut Checkpoint, name: &str, low: f32, high: f32| {
        let shape = state.shape(name).unwrap().to_vec();
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.random_range(low..high)).collect();
        state.insert(name, &Tensor::from_slice(&device, &values, shape)).unwrap();
    };
    let names: Vec<String> = state.names().map(str::to_owned).collect();
    for name in names.iter().filter(|name| name.starts_with("netD.")) {
        fill(&mut state, name, 0.01, 0.1);
    }
    // Shifted so far that no ReLU is closed, and then through a positive filter: generated images are positive as well.
    fill(&mut state, "netG.main.7.bias", 5.0, 6.0);
    fill(&mut state, "netG.main.9.weight", 0.01, 0.1);
    trainer.restore(&state).unwrap();

    // An affine function's gradient has as elements its values at the unit images, less that at zero.
    let critic = Discriminator::new(&device, &recipe.architecture, 0);
    state.load_parameters("netD", &critic.parameters()).unwrap();
    let pixels = recipe.architecture.size * recipe.architecture.size;
    let mut units = vec![0f32; pixels * pixels];
    units.iter_mut().step_by(pixels + 1).for_each(|pixel| *pixel = 1.0);
    let units = Tensor::from_slice(&device, &units, [pixels, recipe.architecture.size, recipe.architecture.size, 1]);
    let score = |images: &Tensor| elements(&critic.forward(images, None, Mode::TRAIN).score);
    let zero = score(&(&units * 0.0))[0];
    (trainer, score(&units).iter().map(|v| (v - zero).powi(2)).sum())
}

#[test]
fn penalties_on_a_linear_discriminator_have_their_closed_form() {
    let architecture = Architecture { features: 1, d_norm: NormKind::None, ..ARCHITECTURE };
    let plain = recipe(architecture);
    let rows = [
        ("R1", Recipe { r1: 3.0, ..plain.clone() }),
        ("R1 + R2", Recipe { r1: 3.0, loss: Loss::R3gan, ..plain.clone() }),
        ("gradient penalty", Recipe { gp: 10.0, loss: Loss::WassersteinGp, ..plain }),
    ];
    for (name, recipe) in rows {
        let (mut trainer, square) = linear_trainer(&recipe);
        let expected = match recipe.loss {
            Loss::WassersteinGp => (square.sqrt() - 1.0).powi(2),
            Loss::R3gan => 2.0 * square,
            _ => square,
        };
        let penalty = trainer.step().penalty.expect("the first step has one").item().unwrap();
        assert!(relative_error(&[penalty], &[expected]) < 1e-10, "{name}: {penalty}, {expected}");
    }
}

#[test]
fn r1_is_computed_in_every_eighth_update() {
    let recipe = Recipe { r1: 1.0, ..recipe(Architecture { d_norm: NormKind::None, ..ARCHITECTURE }) };
    let mut trainer = Trainer::new(&recipe, dataset(&ARCHITECTURE, 0), &Device::cpu()).unwrap();
    let steps: Vec<usize> = (1..=20).filter(|_| trainer.step().penalty.is_some()).collect();
    assert_eq!(steps, [1, 9, 17]);
}

#[test]
fn optimisers_write_in_place_and_copy_nothing() {
    let architecture = Architecture { d_norm: NormKind::None, ..ARCHITECTURE };
    let plain = Recipe { r1: 0.1, lecam: 0.1, d_steps: 2, ..recipe(architecture) };
    for (loss, ema) in [(Loss::NonSaturating, 0.0), (Loss::R3gan, 0.0), (Loss::NonSaturating, 0.5)] {
        let (device, profile) = Device::cpu().profiled();
        let recipe = Recipe { loss, ema, ..plain.clone() };
        let mut trainer = Trainer::new(&recipe, dataset(&architecture, 0), &device).unwrap();
        for _ in 0..3 {
            trainer.step();
            trainer.checkpoint().unwrap();
        }
        let table = profile.to_string();
        let calls = |kernel: &str| {
            let row = table.lines().find_map(|line| line.strip_prefix(kernel)?.split_whitespace().next());
            row.map_or(0, |calls| calls.parse::<usize>().unwrap())
        };
        let generator = trainer.average().network().parameters().len();
        // An average starts as the very tensors of the generator, which stay its own in the first update.
        let copies = if ema == 0.0 { 0 } else { generator };
        assert_eq!(calls("adam of a copy  "), copies, "{loss:?}, {ema}:\n{table}");
        let discriminator = Discriminator::new(&device, &architecture, 0).parameters().len();
        assert_eq!(copies + calls("adam  "), 3 * (generator + 2 * discriminator), "{loss:?}, {ema}:\n{table}");
    }
}

#[test]
fn the_moving_average_forgets_its_first_steps_soon() {
    let device = Device::reference();
    let source = Generator::new(&device, &ARCHITECTURE, 0);
    let fill = |value: f64| {
        for parameter in source.parameters() {
            parameter.set(Tensor::full(&device, parameter.get().shape(), value));
        }
    };
    // The first is 1, and then come 0 and 5: with a share of 1 - min(decay, (1 + t) / (10 + t)) for what is new.
    for (decay, expected) in [
        (0.995, [2.0 / 11.0, 2.0 / 11.0 * 0.25 + 5.0 * 0.75]),
        (0.2, [2.0 / 11.0, 2.0 / 11.0 * 0.2 + 5.0 * 0.8]),
        (0.1, [0.1, 0.1 * 0.1 + 5.0 * 0.9]),
        (0.0, [0.0, 5.0]),
    ] {
        fill(1.0);
        let average = Average::new(&device, &ARCHITECTURE, &source, decay, 0);
        for (step, (value, expected)) in [0.0, 5.0].into_iter().zip(expected).enumerate() {
            fill(value);
            average.update(&source, step as u64 + 1);
            for parameter in average.network().parameters() {
                let found = elements(&parameter.get());
                assert!(
                    found.iter().all(|v| (v - expected).abs() < 1e-14),
                    "decay {decay}: {} is not {expected}",
                    found[0]
                );
            }
        }
    }
    // After 2,000 steps it is the decay that was asked for.
    fill(1.0);
    let average = Average::new(&device, &ARCHITECTURE, &source, 0.995, 0);
    fill(0.0);
    average.update(&source, 2000);
    assert!((elements(&average.network().parameters()[0].get())[0] - 0.995).abs() < 1e-14);
}

#[test]
fn statistics_for_sampling_depend_on_weights_and_step_alone() {
    let average = |device: &Device| {
        let source = Generator::new(device, &ARCHITECTURE, 0);
        Average::new(device, &ARCHITECTURE, &source, 0.9, 7)
    };
    let statistics = |average: &Average| -> Vec<Vec<f64>> {
        average.network().statistics().iter().map(|parameter| elements(&parameter.get())).collect()
    };
    for device in [Device::cpu(), Device::reference()] {
        let (fresh, used) = (average(&device), average(&device));
        used.estimate_statistics(3);
        used.estimate_statistics(4);
        fresh.estimate_statistics(4);
        assert_eq!(statistics(&fresh), statistics(&used), "what stood there before plays no part");
        used.estimate_statistics(5);
        assert_ne!(statistics(&fresh), statistics(&used));
    }
}

#[test]
fn a_state_that_is_not_finite_is_never_a_checkpoint() {
    let data = dataset(&ARCHITECTURE, 0);
    let mut trainer = Trainer::new(&recipe(ARCHITECTURE), data, &Device::cpu()).unwrap();
    let mut state = trainer.checkpoint().unwrap();
    let shape = state.shape("netD.main.0.weight").unwrap().to_vec();
    state.insert("netD.main.0.weight", &Tensor::full(&Device::cpu(), shape, f64::NAN)).unwrap();
    trainer.restore(&state).unwrap();
    let error = trainer.checkpoint().unwrap_err().to_string();
    assert!(error.contains("at step 0 netD.main.0.weight is the first tensor that is not finite"), "{error}");
}

#[test]
fn data_that_do_not_fit_the_networks_are_refused() {
    let data = dataset(&ARCHITECTURE, 0);
    let refused = |architecture: Architecture, data: &Dataset| {
        Trainer::new(&recipe(architecture), data.clone(), &Device::cpu()).unwrap_err().to_string()
    };
    let error = refused(Architecture { channels: 3, ..ARCHITECTURE }, &data);
    assert!(error.contains("32x32x1, and the networks are for 32x32x3"), "{error}");
    let unlabelled = Dataset::unlabelled("noise", data.images);
    let error = refused(Architecture { classes: 3, ..ARCHITECTURE }, &unlabelled);
    assert!(error.contains("has no labels to condition the networks on"), "{error}");
}

#[test]
fn the_batch_that_a_refusal_names_is_about_the_largest_that_fits() {
    for (size, r1, available) in [(32, 0.0, 1 << 26), (32, 1.0, 1 << 27), (64, 0.0, 1 << 28)] {
        let d_norm = Loss::NonSaturating.norm(r1);
        let recipe = Recipe { r1, ..recipe(Architecture { size, features: 16, d_norm, ..ARCHITECTURE }) };
        let need = |batch: usize| Recipe { batch, ..recipe.clone() }.need(&Device::cpu()).unwrap().total();
        let limits = Limits { available: Some(available), largest: None };
        let refused =
            Recipe { batch: 100_000, ..recipe.clone() }.check_within(&limits, &Device::cpu()).unwrap_err().to_string();
        let named = refused.strip_suffix(" fits").and_then(|text| text.rsplit_once(": batch ")).expect("a batch").1;
        let named: usize = named.parse().unwrap();
        assert!(need(named) <= available && need(2 * named) > available, "{refused}: {} of {available}", need(named));
        Recipe { batch: named, ..recipe.clone() }.check_within(&limits, &Device::cpu()).unwrap();
    }
}
