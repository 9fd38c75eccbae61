//! The training loop: one step is `d_steps` updates of the discriminator and one of the generator.

mod scores;
mod state;

use rand::RngExt;
use serde_json::Value as Json;

use super::ada::Ada;
use super::heads::Heads;
use super::lecam::LeCam;
use super::losses::{Penalty, Terms};
use super::resident::Resident;
use super::{
    Augmentation, Average, Discriminator, Generator, GeneratorUpdate, Method, PenaltyStep, Plain, Recipe, Role,
    Schedule,
};
use crate::backend::Device;
use crate::data::{Dataset, Sampler};
use crate::error::{Error, Result};
use crate::nn::{Adam, AdamOptions, Gradients, Mode, Optimiser, Parameter, minimise};
use crate::random::{Purpose, generator, normal};
use crate::ranks::{self, Ranks};
use crate::tensor::{Tensor, grad_graph, no_grad};

pub use scores::Scores;

/// The penalty is computed every so many updates of the discriminator, and weighted by as much (Karras 2020, appendix B).
const LAZY: u64 = 8;

/// Which images of a step an augmentation is drawn for.
#[derive(Clone, Copy)]
enum Seen {
    Real = 0,
    Fake,
    FakeByGenerator,
    Penalty,
    RealByHeads,
    FakeByHeads,
}

/// The losses of one step, still on the device.
#[derive(Clone, Debug)]
pub struct StepLosses {
    /// The step, from 1.
    pub step: u64,
    /// The discriminator's loss in its last update, without penalties.
    pub d_loss: Tensor,
    /// The generator's loss.
    pub g_loss: Tensor,
    /// The mean score of real images.
    pub real_score: Tensor,
    /// The mean score of generated images, before the discriminator's update.
    pub fake_score: Tensor,
    /// The latest gradient penalty, in steps that compute one.
    pub penalty: Option<Tensor>,
    /// The loss of the discriminators of a frozen network's maps, where the method has them.
    pub heads_loss: Option<Tensor>,
}

/// Both networks, their optimisers, the generator's average, and the data: the state of a run.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    method: Box<dyn Method>,
    schedule: Schedule,
    device: Device,
    data: Dataset,
    /// The data's images on the device, where it gains by them; not looked at before a batch is of them as they are.
    resident: Option<Option<Resident>>,
    digest: String,
    order: Sampler,
    generator: Generator,
    discriminator: Discriminator,
    average: Average,
    g_adam: Adam,
    d_adam: Adam,
    lecam: LeCam,
    heads: Option<Heads>,
    ada: Option<Ada>,
    step: u64,
    rollbacks: u32,
    /// The data that the run had before, as its checkpoints' headers have them.
    earlier: Vec<Json>,
    /// Those that train it together: each draws what is drawn for a whole batch, and computes its rows.
    ranks: Ranks,
}

impl Trainer {
    /// A fresh run on images of the recipe's size and channels.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the data do not fit the recipe: another size, or no labels for a conditional network.
    pub fn new(recipe: &Recipe, data: Dataset, device: &Device) -> Result<Trainer> {
        let classes = recipe.architecture.classes;
        if classes > 0 && (data.labels.is_none() || data.classes.len() != classes) {
            return Err(Error::invalid(format!(
                "{} has no labels to condition the networks on; name a labelled data set",
                data.name
            )));
        }
        Trainer::with_method(recipe, Box::new(Plain { classes }), data, device)
    }

    /// A fresh run by a method, on the [ranks](crate::ranks) of this thread.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the data do not fit the recipe, a batch is not split evenly over ranks, or a rank has something else.
    pub fn with_method(recipe: &Recipe, method: Box<dyn Method>, data: Dataset, device: &Device) -> Result<Trainer> {
        recipe.check()?;
        let architecture = &recipe.architecture;
        let images = &data.images;
        let fits = [images.height, images.width, images.channels]
            == [architecture.size, architecture.size, architecture.channels];
        if !fits || data.is_empty() {
            return Err(Error::invalid(format!(
                "{} holds {} images of {}x{}x{}, and the networks are for {}x{}x{}",
                data.name,
                images.count,
                images.height,
                images.width,
                images.channels,
                architecture.size,
                architecture.size,
                architecture.channels
            )));
        }
        let (ranks, digest) = (ranks::current(), data.digest());
        check_same(&ranks, recipe, &digest, &*method, device)?;
        let mut generator = Generator::new(device, architecture, recipe.seed);
        let names = method.classes(architecture.classes, &data);
        let sampling = method.sampling(architecture.classes, architecture.condition_features);
        let learned = if names == data.classes { data.class_counts() } else { Vec::new() };
        generator.set_conditions(sampling.with_names(names).with_trained_on(&learned));
        let discriminator = Discriminator::new(device, architecture, recipe.seed);
        method.initialise(&generator, &discriminator);
        let group = |role: Role, parameters: Vec<Parameter>| -> Vec<(Parameter, f64)> {
            let rated = |parameter: Parameter| {
                let factor = method.rate(role, parameter.name());
                (parameter, factor)
            };
            parameters.into_iter().map(rated).collect()
        };
        let options = |rate| AdamOptions { rate, beta1: recipe.beta1, ..AdamOptions::DCGAN };
        Ok(Trainer {
            average: Average::new(device, architecture, &generator, recipe.ema, recipe.seed),
            g_adam: Adam::grouped(group(Role::Generator, generator.parameters()), options(recipe.lr)),
            d_adam: Adam::grouped(group(Role::Discriminator, discriminator.parameters()), options(recipe.d_lr)),
            order: Sampler::new(images.count, recipe.batch, recipe.seed),
            digest,
            lecam: LeCam::new(device, recipe.lecam),
            heads: method.heads().map(|(maps, weight)| Heads::new(device, recipe, maps, weight)),
            ada: (recipe.ada > 0.0).then(|| Ada::new(device, recipe.ada, recipe.batch)),
            schedule: method.schedule(),
            method,
            recipe: recipe.clone(),
            device: device.clone(),
            resident: None,
            data,
            generator,
            discriminator,
            step: 0,
            rollbacks: 0,
            earlier: Vec::new(),
            ranks,
        })
    }

    /// Those that train it together.
    pub fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The averaged generator, for sampling; its statistics are those of the last [`Average::estimate_statistics`].
    pub fn average(&self) -> &Average {
        &self.average
    }

    /// The generator's weights as they are, without averaging, with statistics estimated for them at this step.
    pub fn raw(&self) -> Average {
        let Recipe { architecture, seed, .. } = &self.recipe;
        let raw = Average::new(&self.device, architecture, &self.generator, 0.0, *seed);
        raw.estimate_statistics(self.step);
        raw
    }

    /// The method.
    pub fn method(&self) -> &dyn Method {
        &*self.method
    }

    /// What it learns from.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// One step, which all ranks make together.
    pub fn step(&mut self) -> StepLosses {
        match self.ranks.is_alone() {
            true => self.step_of_rows(),
            false => self.ranks.clone().sharing(|| self.step_of_rows().mean_over_ranks()),
        }
    }

    /// One step on this rank's rows.
    fn step_of_rows(&mut self) -> StepLosses {
        self.step += 1;
        let rounds = self.recipe.d_steps as u64;
        let (mut last, mut latest_penalty, mut heads_loss) = (None, None, None);
        for round in (self.step - 1) * rounds..self.step * rounds {
            // The last round's fake images serve the generator's update too, so their graph is kept.
            let keep = round + 1 == self.step * rounds && self.schedule.generator_rate(self.step) > 0.0;
            let batch = self.batch(round);
            let latents = self.latents(round);
            let forward = || self.generator.forward(&latents, batch.generator.as_ref(), Mode::TRAIN);
            let fake = if keep { forward() } else { no_grad(forward) };
            let losses = self.update_discriminator(round, &batch, &fake.detach());
            latest_penalty = losses.penalty.clone().or(latest_penalty);
            let maps = self.maps(round, &batch, &fake, keep);
            if let (Some(heads), Some(maps)) = (&mut self.heads, &maps) {
                heads_loss = Some(heads.update(self.recipe.loss, &maps.real, &maps.fake));
            }
            last = Some((round, batch, latents, fake, maps, losses));
        }
        let (round, batch, latents, fake, maps, losses) = last.expect("a step has a round");
        let g_loss = self.update_generator(round, &batch, &latents, fake, maps);
        self.average.update(&self.generator, self.step);
        let DiscriminatorLosses { loss: d_loss, real_score, fake_score, .. } = losses;
        StepLosses { step: self.step, d_loss, g_loss, real_score, fake_score, penalty: latest_penalty, heads_loss }
    }

    /// Where the generator has been waiting, goes to the step with a penalty in which it waits no longer; whether it had.
    pub(super) fn go_on_from_waiting(&mut self) -> bool {
        let waited = self.schedule.generator_rate(self.step) == 0.0;
        if waited {
            self.step = self.schedule.discriminator_only.next_multiple_of(LAZY);
        }
        waited
    }

    /// The bytes of the tensors of a checkpoint, each.
    pub(super) fn state_bytes(&self) -> Vec<u64> {
        let element = if self.device.is_double() { size_of::<f64>() } else { size_of::<f32>() } as u64;
        let bytes = |parameter: &Parameter| parameter.get().len() as u64 * element;
        self.slots().iter().flat_map(|(_, parameters)| parameters).map(bytes).collect()
    }

    fn batch(&mut self, round: u64) -> Batch {
        let all = self.order.indices(round);
        let architecture = &self.recipe.architecture;
        let conditions = self.method.conditions(round, &all, &self.data);
        let tensor = |values: &[f32]| self.rows(values, &[architecture.condition_length()]);
        // <V (w c), h> = w <V c, h>: the projection is weighted through its condition.
        let weight = self.schedule.projection(self.step);
        let weighted = |tensor: Tensor| if weight == 1.0 { tensor } else { tensor * weight };
        let generator = conditions.generator.as_deref().map(tensor);
        let discriminator = conditions.discriminator.as_deref().map(tensor).map(weighted);
        let shape = [architecture.size, architecture.size, architecture.channels];
        let indices = all[self.ranks.rows(all.len())].to_vec();
        let images = match self.method.images(round, &all, &self.data) {
            Some(images) => self.rows(&images, &shape),
            None => match self.resident.get_or_insert_with(|| Resident::of(&self.device, &self.data.images)) {
                Some(resident) => resident.batch(&indices),
                None => self.rows(&self.data.batch(&all), &shape),
            },
        };
        self.data.images.prefetch(|| self.order.indices(round + 1));
        Batch { indices, images, generator, discriminator }
    }

    /// This rank's rows of a batch's values, of so many each.
    fn rows(&self, values: &[f32], shape: &[usize]) -> Tensor {
        let (own, each) = (self.ranks.rows(self.recipe.batch), shape.iter().product::<usize>());
        let shape: Vec<usize> = [own.len()].iter().chain(shape).copied().collect();
        Tensor::from_slice(&self.device, &values[own.start * each..own.end * each], shape)
    }

    fn latents(&self, round: u64) -> Tensor {
        let length = self.recipe.architecture.latent;
        let mut random = generator(self.recipe.seed, Purpose::Latents, round, 0);
        self.rows(&normal(&mut random, self.recipe.batch * length), &[length])
    }

    fn augmented(&self, images: &Tensor, round: u64, seen: Seen) -> Tensor {
        let mut random = generator(self.recipe.seed, Purpose::Augmentation, round, seen as u64);
        let changed = |images: Tensor, by: &Augmentation| {
            let changed = by.apply(&images, &mut random);
            match &self.ada {
                None => changed,
                Some(ada) => ada.some_of(&images, &changed, &mut random),
            }
        };
        self.recipe.augment.iter().fold(images.clone(), changed)
    }

    /// The discriminator's score of augmented images.
    fn score(&self, images: &Tensor, batch: &Batch, round: u64, seen: Seen) -> Tensor {
        let augmented = self.augmented(images, round, seen);
        self.discriminator.forward(&augmented, batch.discriminator.as_ref(), Mode::TRAIN).score
    }

    /// What the frozen network makes of a round's real and generated images, changed as the discriminator's are. One pass over the generated
    /// ones serves both updates.
    fn maps(&mut self, round: u64, batch: &Batch, fake: &Tensor, keep: bool) -> Option<Maps> {
        let heads = self.heads.as_mut()?;
        let (network, _) = self.method.heads()?;
        let kept = match self.recipe.augment.is_empty() {
            true => heads.kept(network, &self.data, &batch.indices),
            false => None,
        };
        let of_real = || no_grad(|| network.maps(&self.augmented(&batch.images, round, Seen::RealByHeads)));
        let of_fake = || network.maps(&self.augmented(fake, round, Seen::FakeByHeads));
        Some(Maps { real: kept.unwrap_or_else(of_real), fake: if keep { of_fake() } else { no_grad(of_fake) } })
    }

    fn update_discriminator(&mut self, round: u64, batch: &Batch, fake: &Tensor) -> DiscriminatorLosses {
        let mut gradients = Gradients::of(&self.d_adam);
        let mean = |score: &Tensor| score.detach().mean().detach();
        let mut losses = match self.recipe.loss.terms() {
            Terms::Apart { real: real_term, fake: fake_term, .. } => {
                let score = self.score(&batch.images, batch, round, Seen::Real);
                let (real_score, loss) = (mean(&score), real_term(&score));
                let signs = self.ada.is_some().then(|| score.detach() - self.recipe.loss.neutral().unwrap_or(0.0));
                let real_loss = loss.detach();
                let loss = if self.lecam.is_on() { loss + self.lecam.of_real(&score) } else { loss };
                drop(score);
                gradients.add(loss);
                let score = self.score(fake, batch, round, Seen::Fake);
                // Both pass the same augmentation.
                if let (Some(ada), Some(signs)) = (&self.ada, &signs) {
                    ada.steer(round, signs);
                }
                let (fake_score, loss) = (mean(&score), fake_term(&score));
                let loss_sum = &real_loss + loss.detach();
                let loss = if self.lecam.is_on() { loss + self.lecam.of_fake(&score) } else { loss };
                drop(score);
                gradients.add(loss);
                DiscriminatorLosses { loss: loss_sum, real_score, fake_score, penalty: None }
            }
            Terms::Paired { discriminator, .. } => {
                let real = self.score(&batch.images, batch, round, Seen::Real);
                let fake = self.score(fake, batch, round, Seen::Fake);
                let (real_score, fake_score, loss) = (mean(&real), mean(&fake), discriminator(&real, &fake));
                let value = loss.detach();
                if let Some(ada) = &self.ada {
                    ada.steer(round, &(real.detach() - fake.detach()));
                }
                let lecam = self.lecam.is_on().then(|| self.lecam.of_real(&real) + self.lecam.of_fake(&fake));
                let loss = lecam.map_or(loss.clone(), |lecam| loss + lecam);
                drop((real, fake));
                gradients.add(loss);
                DiscriminatorLosses { loss: value, real_score, fake_score, penalty: None }
            }
        };
        let penalised = self.penalised(round, batch, fake);
        let own = self.recipe.penalty_step == PenaltyStep::Own;
        let usual = self.d_adam.options();
        if own {
            // Of every LAZY + 1 updates one is the penalty's: together they are to move as LAZY updates do (Karras 2020, appendix B).
            let share = LAZY as f64 / (LAZY + 1) as f64;
            let AdamOptions { rate, beta1, beta2, epsilon } = usual;
            let (rate, beta1, beta2) = (rate * share, beta1.powf(share), beta2.powf(share));
            self.d_adam.set_options(AdamOptions { rate, beta1, beta2, epsilon });
            if !penalised.is_empty() {
                gradients.step(&mut self.d_adam);
                gradients = Gradients::of(&self.d_adam);
            }
        }
        // One after the other, so that their graphs never live together.
        for (images, weight) in penalised {
            let penalty = self.penalty(&images, batch, round);
            let value = penalty.detach();
            losses.penalty = Some(losses.penalty.take().map_or_else(|| value.clone(), |sum| sum + &value));
            gradients.add(penalty * weight);
        }
        gradients.step(&mut self.d_adam);
        self.d_adam.set_options(usual);
        if self.lecam.is_on() {
            let means = [&losses.real_score, &losses.fake_score].map(Tensor::mean_over_shared);
            self.lecam.update(round, &means[0], &means[1]);
        }
        losses
    }

    /// The images at which this round penalises the discriminator's gradient, and the weight of each.
    fn penalised(&self, round: u64, batch: &Batch, fake: &Tensor) -> Vec<(Tensor, f64)> {
        let recipe = &self.recipe;
        match recipe.loss.row().penalty {
            Penalty::One { .. } if recipe.gp > 0.0 => {
                let mut random = generator(recipe.seed, Purpose::Interpolation, round, 0);
                let shares: Vec<f32> = (0..recipe.batch).map(|_| random.random()).collect();
                let shares = self.rows(&shares, &[1, 1, 1]);
                vec![(fake.detach() + (&batch.images - fake) * shares, recipe.gp)]
            }
            Penalty::Zero { fake: also_fake, .. } if recipe.r1 > 0.0 && round.is_multiple_of(LAZY) => {
                let weight = recipe.r1 / 2.0 * LAZY as f64;
                let images = [Some(&batch.images), Some(fake).filter(|_| also_fake)];
                images.into_iter().flatten().map(|images| (images.clone(), weight)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The penalty on the gradient of the score at some images: `E (||g|| - 1)^2` or `E ||g||^2`, by the loss.
    fn penalty(&self, images: &Tensor, batch: &Batch, round: u64) -> Tensor {
        /// Keeps the slope of the root finite where a gradient vanishes.
        const TINY: f64 = 1e-12;
        let images = images.detach();
        let score = self.score(&images, batch, round, Seen::Penalty).sum();
        let gradient = grad_graph(&score, &[&images]).remove(0);
        let squared = (&gradient * &gradient).sum_axes(&[1, 2, 3], false);
        match self.recipe.loss.row().penalty {
            Penalty::One { .. } => ((squared + TINY).sqrt() - 1.0).powi(2).mean(),
            Penalty::Zero { .. } => squared.mean(),
        }
    }

    /// One update of the generator, or where its rate is 0 only its loss.
    fn update_generator(
        &mut self,
        round: u64,
        batch: &Batch,
        latents: &Tensor,
        fake: Tensor,
        maps: Option<Maps>,
    ) -> Tensor {
        let score = self.score(&fake, batch, round, Seen::FakeByGenerator);
        let loss = match self.recipe.loss.terms() {
            Terms::Apart { generator, .. } => generator(&score),
            Terms::Paired { generator, .. } => {
                let real = no_grad(|| self.score(&batch.images, batch, round, Seen::Real));
                generator(&real, &score)
            }
        };
        drop(score);
        let value = loss.detach();
        let rate = self.schedule.generator_rate(self.step);
        if rate == 0.0 {
            return value;
        }
        let condition = batch.generator.as_ref();
        let of_fake = maps.as_ref().map_or(&[][..], |maps| &maps.fake);
        let update =
            GeneratorUpdate { round, generator: &self.generator, images: &fake, maps: of_fake, latents, condition };
        let term = self.method.generator_term(&update);
        drop(fake);
        let of_heads = self.heads.as_ref().zip(maps);
        let of_heads = of_heads.map(|(heads, maps)| heads.of_generator(self.recipe.loss, &maps.real, &maps.fake));
        let loss = [term, of_heads].into_iter().flatten().fold(loss, |loss, term| loss + term);
        self.g_adam.set_rate(self.rates().0 * rate);
        minimise(loss, &mut self.g_adam);
        value
    }
}

impl StepLosses {
    /// All of them, those that there always are first: the losses of discriminator and generator, the scores of real and made images, then
    /// the penalty and the heads' loss, where there are.
    pub fn each(&self) -> Vec<&Tensor> {
        let always = [&self.d_loss, &self.g_loss, &self.real_score, &self.fake_score];
        always.into_iter().chain(self.penalty.as_ref()).chain(self.heads_loss.as_ref()).collect()
    }

    /// Of the whole batch, where these are of a rank's rows.
    fn mean_over_ranks(self) -> StepLosses {
        let flat: Vec<Tensor> = self.each().into_iter().map(|loss| loss.detach().reshape([1])).collect();
        let mean = no_grad(|| Tensor::concat(&flat.iter().collect::<Vec<_>>(), 0).mean_over_shared());
        let mut place = 0;
        let mut next = |loss: &Tensor| {
            place += 1;
            no_grad(|| mean.slice(0, place - 1, place).reshape(loss.shape()))
        };
        let [d_loss, g_loss, real_score, fake_score] =
            [&self.d_loss, &self.g_loss, &self.real_score, &self.fake_score].map(&mut next);
        let penalty = self.penalty.as_ref().map(&mut next);
        let heads_loss = self.heads_loss.as_ref().map(&mut next);
        StepLosses { step: self.step, d_loss, g_loss, real_score, fake_score, penalty, heads_loss }
    }
}

/// Refuses, before the first step, ranks that would not compute parts of one training: every one gets the same error.
fn check_same(ranks: &Ranks, recipe: &Recipe, digest: &str, method: &dyn Method, device: &Device) -> Result<()> {
    if ranks.is_alone() {
        return Ok(());
    }
    let (batch, count) = (recipe.batch, ranks.count());
    if !batch.is_multiple_of(count) {
        return Err(Error::invalid(format!(
            "a batch of {batch} images is not split evenly over {count} ranks: give a batch that is a multiple of {count}"
        )));
    }
    if let Some(what) = method.needs_whole_batches() {
        return Err(Error::invalid(format!("{what} is not trained by several ranks: start one process")));
    }
    /// Of two texts that a person can compare.
    const READABLE: usize = 80;
    let recipe = format!("{recipe:?}");
    for (what, own) in [
        ("version of graft", env!("CARGO_PKG_VERSION")),
        ("microkernel", device.backend().rounding()),
        ("set of images", digest),
        ("method", &method.settings().to_string()),
        ("recipe", &recipe),
    ] {
        if let Some(rank) = ranks.odd_one(own) {
            let [first, theirs] = [0, rank].map(|rank| ranks.texts(own).swap_remove(rank));
            let both =
                if theirs.len() + first.len() < READABLE { format!(" ({theirs}, not {first})") } else { String::new() };
            return Err(Error::invalid(format!(
                "rank {rank} has another {what} than rank 0{both}: ranks train one network, each on its part of every batch"
            )));
        }
    }
    Ok(())
}

/// What a round of training sees of the data.
struct Batch {
    indices: Vec<usize>,
    images: Tensor,
    /// The condition of either network.
    generator: Option<Tensor>,
    discriminator: Option<Tensor>,
}

/// What a frozen network makes of a round's images.
struct Maps {
    real: Vec<Tensor>,
    /// With their graph where the generator is to be updated.
    fake: Vec<Tensor>,
}

struct DiscriminatorLosses {
    loss: Tensor,
    real_score: Tensor,
    fake_score: Tensor,
    penalty: Option<Tensor>,
}
