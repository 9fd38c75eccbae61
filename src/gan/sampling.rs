//! Images from a generator: the moving average of its weights, with batch-norm statistics re-estimated for them.

use serde_json::Value as Json;

use super::{Architecture, Conditions, Discriminator, Generator};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::data::Images;
use crate::error::{Error, Result};
use crate::nn::{Layer, Mode, Parameter, slots};
use crate::random::{Purpose, generator, normal};
use crate::tensor::{Tensor, most_probable, no_grad};

/// The network's name in checkpoints.
pub(crate) const PREFIX: &str = "netG_ema";
/// That of the generator whose weights are averaged.
pub(crate) const RAW: &str = "netG";
/// That of the discriminator.
pub(crate) const DISCRIMINATOR: &str = "netD";
/// Images a forward pass.
pub(super) const BATCH: usize = 64;
/// Batches over which batch-norm statistics are averaged.
const STATISTICS_BATCHES: usize = 8;

/// The moving average of a generator's weights, which samples better than the weights themselves (Yazici 2019).
#[derive(Debug)]
pub struct Average {
    network: Generator,
    architecture: Architecture,
    decay: f64,
    seed: u64,
}

impl Average {
    /// Starts at the generator's weights. With a decay of 0 it has the very slots of the generator's weights, and moves with them.
    pub fn new(device: &Device, architecture: &Architecture, source: &Generator, decay: f64, seed: u64) -> Average {
        let average = |network| Average { network, architecture: *architecture, decay, seed };
        if decay == 0.0 {
            return average(source.twin(architecture));
        }
        let mut network = Generator::new(device, architecture, seed);
        network.set_conditions(source.conditions().clone());
        for (average, weight) in network.parameters().iter().zip(source.parameters()) {
            average.set(weight.get());
        }
        average(network)
    }

    /// The averaged generator.
    pub fn network(&self) -> &Generator {
        &self.network
    }

    /// The averaged generator, out of its average.
    pub fn into_network(self) -> Generator {
        self.network
    }

    /// Moves towards the generator's weights after step `step` (from 1): the decay is `min(decay, (1 + t) / (10 + t))`, so that
    /// the first steps are forgotten soon.
    pub fn update(&self, source: &Generator, step: u64) {
        if self.decay == 0.0 {
            return;
        }
        let warm = (1.0 + step as f64) / (10.0 + step as f64);
        let share = 1.0 - self.decay.min(warm);
        Parameter::lerp_each(&self.network.parameters(), &source.parameters(), share);
    }

    /// Sets the batch-norm statistics to their average over fixed batches of noise, keyed by (seed, step): those that
    /// the source tracked belong to other weights.
    pub fn estimate_statistics(&self, step: u64) {
        no_grad(|| {
            // From zero the first batch, of momentum 1, is taken exactly: what stood there before leaves no rounding.
            for statistic in self.network.statistics() {
                let tensor = statistic.get();
                statistic.set(Tensor::zeros(tensor.device(), tensor.shape()));
            }
            let conditions = self.network.conditions().of_batches();
            for batch in 0..STATISTICS_BATCHES {
                let mut random = generator(self.seed, Purpose::StatisticsLatents, step, batch as u64);
                let values = normal(&mut random, BATCH * self.architecture.latent);
                let device = self.network.parameters()[0].device();
                let latents = Tensor::from_slice(&device, &values, [BATCH, self.architecture.latent]);
                let key = (self.seed, Purpose::StatisticsLatents, step);
                let condition = conditions.draw(&device, key, batch * BATCH, BATCH, None);
                let momentum = 1.0 / (batch + 1) as f64;
                self.network.forward(&latents, condition.as_ref(), Mode::Train { momentum });
            }
        });
    }
}

/// Latents number `start..start + count` of a seed, `[count, latent]`: each keyed by its own number.
pub fn latents(device: &Device, length: usize, seed: u64, purpose: Purpose, start: usize, count: usize) -> Tensor {
    Tensor::from_slice(device, &Latents::Drawn.rows(length, (seed, purpose), start, count), [count, length])
}

/// Where the latents of samples come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latents<'a> {
    /// Each is drawn from N(0, 1) by its number.
    Drawn,
    /// As they are drawn, but that each component is drawn again until it is within so much of zero (the truncation trick, Brock 2019).
    Within(f64),
    /// These, `[n, latent]`.
    Given(&'a [f32]),
}

impl Latents<'_> {
    /// The nearest bound that is taken: nearer ones would be drawn for a long time.
    pub const LEAST_BOUND: f64 = 0.01;

    /// Those number `start..start + count` of a seed, `[count * length]`.
    ///
    /// # Panics
    /// Where there are not so many, or a bound is below the least.
    #[track_caller]
    pub(super) fn rows(self, length: usize, (seed, purpose): (u64, Purpose), start: usize, count: usize) -> Vec<f32> {
        let drawn = |index: usize| normal(&mut generator(seed, purpose, 0, index as u64), length);
        match self {
            Latents::Drawn => (start..start + count).flat_map(drawn).collect(),
            Latents::Within(bound) => {
                assert!(bound >= Self::LEAST_BOUND, "latents within {bound} of zero");
                let truncated = |index: usize| {
                    let mut random = generator(seed, purpose, 0, index as u64);
                    let mut latent = normal(&mut random, length);
                    for component in &mut latent {
                        while f64::from(component.abs()) > bound {
                            *component = normal(&mut random, 1)[0];
                        }
                    }
                    latent
                };
                (start..start + count).flat_map(truncated).collect()
            }
            Latents::Given(rows) => rows[start * length..(start + count) * length].to_vec(),
        }
    }
}

/// `count` images of a generator; where it is conditioned, of `class`, or by its own distribution of conditions.
///
/// # Errors
/// The device's first failure.
///
/// # Panics
/// Where the network is conditioned and has no such class.
pub fn sample(
    network: &Generator,
    architecture: &Architecture,
    seed: u64,
    purpose: Purpose,
    count: usize,
    class: Option<u32>,
) -> Result<Images> {
    sample_of(network, architecture, (seed, purpose), Latents::Drawn, count, class)
}

/// As [`sample`], of latents of one's choice.
///
/// # Errors
/// The device's first failure.
///
/// # Panics
/// As [`sample`]; where there are not so many latents.
pub fn sample_of(
    network: &Generator,
    architecture: &Architecture,
    (seed, purpose): (u64, Purpose),
    latents: Latents<'_>,
    count: usize,
    class: Option<u32>,
) -> Result<Images> {
    let device = network.parameters()[0].device();
    let length = architecture.latent;
    render(network, architecture, count, |start, batch| {
        let rows = latents.rows(length, (seed, purpose), start, batch);
        let latents = Tensor::from_slice(&device, &rows, [batch, length]);
        (latents, network.conditions().draw(&device, (seed, purpose, 0), start, batch, class))
    })
}

/// As [`sample_of`], but that image number i is of class `classes[i]`.
///
/// # Errors
/// The device's first failure.
///
/// # Panics
/// As [`sample_of`]; where there are not so many classes.
#[track_caller]
pub fn sample_of_classes(
    network: &Generator,
    architecture: &Architecture,
    (seed, purpose): (u64, Purpose),
    latents: Latents<'_>,
    classes: &[u32],
) -> Result<Images> {
    let device = network.parameters()[0].device();
    let length = architecture.latent;
    render(network, architecture, classes.len(), |start, batch| {
        let rows = latents.rows(length, (seed, purpose), start, batch);
        let of =
            |number: usize| network.conditions().draw(&device, (seed, purpose, 0), number, 1, Some(classes[number]));
        let conditions: Option<Vec<Tensor>> = (start..start + batch).map(of).collect();
        let conditions = conditions.map(|rows| Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0));
        (Tensor::from_slice(&device, &rows, [batch, length]), conditions)
    })
}

/// `count` samples of a seed, and the class that each was asked for where the network has classes; None of a sample of no class.
///
/// # Errors
/// The device's first failure.
pub fn sample_asked(
    network: &Generator,
    architecture: &Architecture,
    seed: u64,
    count: usize,
) -> Result<(Images, Option<Vec<Option<u32>>>)> {
    let purpose = Purpose::SampleLatents;
    let images = sample(network, architecture, seed, purpose, count, None)?;
    if architecture.classes == 0 {
        return Ok((images, None));
    }
    let device = Device::cpu();
    let condition = network.conditions().draw(&device, (seed, purpose, 0), 0, count, None);
    let rows = condition.expect("a network with classes has conditions").to_vec::<f32>()?;
    let class = |row: &[f32]| row.iter().any(|&share| share != 0.0).then(|| most_probable(row) as u32);
    let asked = rows.chunks_exact(rows.len() / count).map(|row| class(&row[..architecture.classes])).collect();
    Ok((images, Some(asked)))
}

/// Rows of `steps` images each; row r goes from sample number r's latent to the next sample's along the great circle (White 2016), under
/// sample number r's condition.
///
/// # Errors
/// The device's first failure.
///
/// # Panics
/// Where `steps` is below 2, the network is conditioned and has no such class, or there are not as many latents as rows and one.
pub fn interpolate(
    network: &Generator,
    architecture: &Architecture,
    (seed, purpose): (u64, Purpose),
    latents: Latents<'_>,
    [rows, steps]: [usize; 2],
    class: Option<u32>,
) -> Result<Images> {
    assert!(steps >= 2, "interpolate: a way of {steps} steps");
    let device = network.parameters()[0].device();
    let length = architecture.latent;
    let ends = latents.rows(length, (seed, purpose), 0, rows + 1);
    render(network, architecture, rows * steps, |start, batch| {
        let of_row = |row: usize| &ends[row * length..][..length];
        let point = |image: usize| {
            let share = (image % steps) as f64 / (steps - 1) as f64;
            between(of_row(image / steps), of_row(image / steps + 1), share)
        };
        let points: Vec<f32> = (start..start + batch).flat_map(point).collect();
        let condition = |image: usize| network.conditions().draw(&device, (seed, purpose, 0), image / steps, 1, class);
        let conditions: Option<Vec<Tensor>> = (start..start + batch).map(condition).collect();
        let condition = conditions.map(|rows| Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0));
        (Tensor::from_slice(&device, &points, [batch, length]), condition)
    })
}

/// The point at `share` of the way from a to b along the great circle: the angle between them is divided, and so are their norms'
/// weights.
fn between(a: &[f32], b: &[f32], share: f64) -> Vec<f32> {
    /// Below this angle the circle is a line.
    const SMALL: f64 = 1e-4;
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let angle = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0).acos();
    // A point of zeros has no angle to any other, and is met on a line, too.
    let is_round = angle.sin() >= SMALL;
    let weight = |share: f64| if is_round { (share * angle).sin() / angle.sin() } else { share };
    let (of_a, of_b) = (weight(1.0 - share), weight(share));
    a.iter().zip(b).map(|(&a, &b)| (of_a * f64::from(a) + of_b * f64::from(b)) as f32).collect()
}

/// `count` images in batches, whose latents and conditions `inputs` gives by start and count.
fn render(
    network: &Generator,
    architecture: &Architecture,
    count: usize,
    inputs: impl Fn(usize, usize) -> (Tensor, Option<Tensor>),
) -> Result<Images> {
    let mut values: Vec<f32> = Vec::new();
    for start in (0..count).step_by(BATCH) {
        let (latents, condition) = inputs(start, BATCH.min(count - start));
        let images = no_grad(|| network.forward(&latents, condition.as_ref(), Mode::Evaluate));
        values.extend(images.to_vec::<f32>()?);
    }
    Ok(Images::from_batch(&values, [count, architecture.size, architecture.size, architecture.channels]))
}

/// The averaged generator of a training checkpoint, and its architecture.
///
/// # Errors
/// [`Error::Invalid`] where the checkpoint is none of graft's, or its tensors do not fit its header.
pub fn load_generator(checkpoint: &Checkpoint, device: &Device) -> Result<(Architecture, Generator)> {
    load_network(PREFIX, checkpoint, device)
}

/// The generator of a training checkpoint without averaging, as [`Trainer::raw`](super::Trainer::raw) gives it of the run, and its
/// architecture.
///
/// # Errors
/// As [`load_generator`].
pub fn load_raw_generator(checkpoint: &Checkpoint, device: &Device) -> Result<(Architecture, Average)> {
    let (architecture, network) = load_network(RAW, checkpoint, device)?;
    let header = |key: &str| checkpoint.header.get(key);
    let seed = header("recipe").and_then(|recipe| recipe.get("seed")).and_then(Json::as_u64);
    let step = header("step").and_then(Json::as_u64);
    let (Some(seed), Some(step)) = (seed, step) else {
        return Err(Error::invalid("the checkpoint's header names no step and seed; use one that `graft train` wrote"));
    };
    let raw = Average::new(device, &architecture, &network, 0.0, seed);
    raw.estimate_statistics(step);
    Ok((architecture, raw))
}

/// The discriminator of a training checkpoint whose generator has this architecture; `None` where it holds none, as the
/// checkpoints that `graft compare` keeps.
///
/// # Errors
/// [`Error::Invalid`] where its tensors do not fit the architecture.
pub fn load_discriminator(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    device: &Device,
) -> Result<Option<Discriminator>> {
    if !checkpoint.names().any(|name| name.split('.').next() == Some(DISCRIMINATOR)) {
        return Ok(None);
    }
    check_shapes(checkpoint, DISCRIMINATOR, &architecture.discriminator())?;
    let network = Discriminator::new(device, architecture, 0);
    checkpoint.load_parameters(DISCRIMINATOR, network.parameters().iter().chain(&network.statistics()))?;
    Ok(Some(network))
}

impl Architecture {
    /// That of a training checkpoint's networks.
    ///
    /// # Errors
    /// [`Error::Invalid`] where its header describes none; [`Error::Usage`] where there are no such networks.
    pub fn of(checkpoint: &Checkpoint) -> Result<Architecture> {
        let architecture = checkpoint.header.get("recipe").and_then(|recipe| recipe.get("architecture"));
        let architecture = architecture.cloned().unwrap_or(Json::Null);
        let architecture: Architecture = serde_json::from_value(architecture).map_err(|_| {
            Error::invalid(
                "the checkpoint's header describes no generator of graft; use one that `graft train` wrote, or make one of PyTorch's state \
                 dicts with `graft import`",
            )
        })?;
        architecture.check().map(|()| architecture)
    }
}

fn load_network(prefix: &str, checkpoint: &Checkpoint, device: &Device) -> Result<(Architecture, Generator)> {
    let architecture = Architecture::of(checkpoint)?;
    check_shapes(checkpoint, prefix, &architecture.generator())?;
    let conditions = Conditions::load(&architecture, checkpoint)?;
    let mut network = Generator::new(device, &architecture, 0);
    network.set_conditions(conditions);
    checkpoint.load_parameters(prefix, network.parameters().iter().chain(&network.statistics()))?;
    Ok((architecture, network))
}

/// Refuses a checkpoint that holds other networks than its header says.
fn check_shapes(checkpoint: &Checkpoint, prefix: &str, layers: &[Layer]) -> Result<()> {
    let checked = checkpoint.check_slots(prefix, &slots(layers));
    checked.map_err(|error| Error::invalid(format!("{error}; use one that `graft train` wrote")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_changes_the_components_that_are_beyond_it_alone() {
        let rows = |latents: Latents<'_>| latents.rows(50, (3, Purpose::SampleLatents), 2, 4);
        let (drawn, within) = (rows(Latents::Drawn), rows(Latents::Within(0.7)));
        assert!(within.iter().all(|component| component.abs() <= 0.7));
        let kept = drawn.iter().zip(&within).filter(|(a, b)| a == b).count();
        assert_eq!(kept, drawn.iter().filter(|component| component.abs() <= 0.7).count());
        assert_eq!(rows(Latents::Within(100.0)), drawn);
        assert_eq!(Latents::Given(&drawn).rows(50, (9, Purpose::Latents), 1, 2), drawn[50..150]);
    }

    #[test]
    fn the_way_between_latents_starts_and_ends_at_them_and_keeps_their_norm() {
        let (a, b) = ([3.0, 0.0], [0.0, 3.0]);
        assert_eq!(between(&a, &b, 0.0), a);
        assert!(between(&a, &b, 1.0).iter().zip(b).all(|(found, b)| (found - b).abs() < 1e-6));
        let half = 3.0 * std::f32::consts::FRAC_1_SQRT_2;
        assert!(between(&a, &b, 0.5).iter().all(|found| (found - half).abs() < 1e-6));
        assert_eq!(between(&a, &a, 0.25), a);
        // The mean latent has no direction.
        assert_eq!(between(&[0.0, 0.0], &b, 0.0), [0.0, 0.0]);
        assert_eq!(between(&[0.0, 0.0], &b, 0.5), [0.0, 1.5]);
    }
}
