//! Latents of pictures: descent through a generator, whoever asks for it.

use std::ops::ControlFlow;

use super::{Architecture, Generator, Latents};
use crate::backend::Device;
use crate::data::Images;
use crate::error::{Error, Result};
use crate::nn::{Adam, AdamOptions, Layout, Mode, Optimiser, Parameter, minimise};
use crate::random::Purpose;
use crate::tensor::{Tensor, no_grad};

/// Losses are told every so many steps: each read waits for the device.
pub(super) const TOLD_EVERY: u64 = 16;

/// How latents are sought: Adam on the mean squared error of each picture and `prior` times the mean square of its latent's components,
/// which keeps that where the generator has learned; the rate falls to nothing along half a cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// Steps.
    pub steps: u64,
    /// Adam's rate at the start.
    pub rate: f64,
    /// The weight of the latent.
    pub prior: f64,
}

impl Descent {
    /// Pictures that descend at once.
    pub const BATCH: usize = 64;
}

impl Default for Descent {
    fn default() -> Descent {
        Descent { steps: 300, rate: 0.1, prior: 1e-3 }
    }
}

/// What latents were found.
#[derive(Clone, Debug)]
pub struct Found {
    /// `[n, latent]`, row-major.
    pub latents: Vec<f32>,
    /// What the generator makes of them.
    pub images: Images,
    /// The root of the mean squared error of each picture, of pixels from 0 to 1.
    pub errors: Vec<f64>,
}

/// Finds latents for pictures of the generator's size and channels, from a start for each, `[n, latent]`, under conditions for each,
/// `[n, classes + features]`, where the generator is conditioned. A picture whose start was better than what the descent came to keeps it.
/// `watcher` is told of steps, of all pictures together, and of the mean error; None where it stops the descent.
///
/// # Errors
/// The device's first failure; [`Error::Diverged`] where an error is not finite.
///
/// # Panics
/// Where the pictures are of another size, or starts or conditions are not one a picture.
pub fn invert(
    network: &Generator,
    architecture: &Architecture,
    pictures: &Images,
    conditions: Option<&[f32]>,
    start: &[f32],
    descent: &Descent,
    watcher: &mut dyn FnMut(u64, f64) -> ControlFlow<()>,
) -> Result<Option<Found>> {
    let Architecture { size, channels, latent, .. } = *architecture;
    let count = pictures.count;
    assert_eq!(pictures.shape(), [count, size, size, channels], "invert: pictures of the generator's form");
    assert_eq!(start.len(), count * latent, "invert: a start a picture");
    let length = architecture.condition_length();
    assert_eq!(conditions.map(<[f32]>::len), (length > 0).then_some(count * length), "invert: a condition a picture");
    let device = network.parameters()[0].device();
    let mut found =
        Found { latents: Vec::new(), images: Images::new([0, size, size, channels], Vec::new()), errors: Vec::new() };
    let mut pixels = Vec::new();
    for (number, first) in (0..count).step_by(Descent::BATCH).enumerate() {
        let batch = Descent::BATCH.min(count - first);
        let target = shown(pictures, first, batch, &device);
        let condition = conditions
            .map(|rows| Tensor::from_slice(&device, &rows[first * length..][..batch * length], [batch, length]));
        let begin = Tensor::from_slice(&device, &start[first * latent..][..batch * latent], [batch, latent]);
        let make = |latents: &Tensor| network.forward(latents, condition.as_ref(), Mode::Evaluate);
        let squares = |latents: &Tensor| no_grad(|| squared_errors(&make(latents), &target)).to_vec::<f64>();

        let sought = Parameter::new("latents", Layout::Plain, begin.clone());
        let mut adam = Adam::new(vec![sought.clone()], AdamOptions { rate: descent.rate, ..AdamOptions::default() });
        for step in 1..=descent.steps {
            adam.set_rate(descent.rate * half_cosine(step, descent.steps));
            let latents = sought.get();
            let error = squared_errors(&make(&latents), &target);
            let prior = latents.powi(2).mean_axes(&[1], false) * descent.prior;
            let mean = error.detach().mean();
            // A sum: how fast one picture descends does not depend on how many do.
            minimise((error + prior).sum(), &mut adam);
            if step.is_multiple_of(TOLD_EVERY) || step == descent.steps {
                let mean = mean.item()?;
                if !mean.is_finite() {
                    return Err(Error::Diverged(format!("the descent diverged at step {step}: its error is {mean}")));
                }
                let made = number as u64 * descent.steps + step;
                if watcher(made, 0.5 * mean.sqrt()).is_break() {
                    return Ok(None);
                }
            }
        }
        let (before, after) = (squares(&begin)?, squares(&sought.get())?);
        let rows = sought.get().to_vec::<f32>()?;
        for picture in 0..batch {
            let is_better = after[picture] <= before[picture];
            let row = if is_better { &rows[picture * latent..] } else { &start[(first + picture) * latent..] };
            found.latents.extend_from_slice(&row[..latent]);
            // From -1 to 1 a difference is twice what it is from 0 to 1.
            found.errors.push(0.5 * after[picture].min(before[picture]).sqrt());
        }
        let kept = Tensor::from_slice(&device, &found.latents[first * latent..], [batch, latent]);
        pixels.extend(no_grad(|| make(&kept)).to_vec::<f32>()?);
    }
    found.images = Images::from_batch(&pixels, pictures.shape());
    Ok(Some(found))
}

/// For each picture the nearest of so many samples of a seed, under its condition, as a start: `[n, latent]`.
///
/// # Errors
/// The device's first failure.
///
/// # Panics
/// As [`invert`]; where there are no samples.
pub fn nearest_samples(
    network: &Generator,
    architecture: &Architecture,
    pictures: &Images,
    conditions: Option<&[f32]>,
    (seed, samples): (u64, usize),
) -> Result<Vec<f32>> {
    assert!(samples > 0, "nearest_samples: of no samples");
    let (latent, length) = (architecture.latent, architecture.condition_length());
    let device: Device = network.parameters()[0].device();
    let rows = Latents::Drawn.rows(latent, (seed, Purpose::SampleLatents), 0, samples);
    let mut start = Vec::new();
    for picture in 0..pictures.count {
        let target = shown(pictures, picture, 1, &device);
        let mut errors: Vec<f64> = Vec::new();
        for first in (0..samples).step_by(Descent::BATCH) {
            let batch = Descent::BATCH.min(samples - first);
            let latents = Tensor::from_slice(&device, &rows[first * latent..][..batch * latent], [batch, latent]);
            let condition = conditions.map(|rows| {
                let row = &rows[picture * length..][..length];
                Tensor::from_slice(&device, &row.repeat(batch), [batch, length])
            });
            let made = no_grad(|| network.forward(&latents, condition.as_ref(), Mode::Evaluate));
            errors.extend(no_grad(|| squared_errors(&made, &target)).to_vec::<f64>()?);
        }
        let nearest = (0..samples).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).expect("some samples");
        start.extend_from_slice(&rows[nearest * latent..][..latent]);
    }
    Ok(start)
}

/// For each picture the one of two starts, `[n, latent]` each, of which the generator makes what is nearer to it.
///
/// # Errors
/// The device's first failure.
///
/// # Panics
/// As [`invert`].
pub fn nearer(
    network: &Generator,
    architecture: &Architecture,
    pictures: &Images,
    conditions: Option<&[f32]>,
    starts: [&[f32]; 2],
) -> Result<Vec<f32>> {
    let latent = architecture.latent;
    let (length, device) = (architecture.condition_length(), network.parameters()[0].device());
    let mut nearer = Vec::new();
    for first in (0..pictures.count).step_by(Descent::BATCH) {
        let batch = Descent::BATCH.min(pictures.count - first);
        let rows = |all: &[f32], length: usize| {
            Tensor::from_slice(&device, &all[first * length..][..batch * length], [batch, length])
        };
        let target = shown(pictures, first, batch, &device);
        let condition = conditions.map(|all| rows(all, length));
        let errors = |start: &[f32]| {
            let made = || network.forward(&rows(start, latent), condition.as_ref(), Mode::Evaluate);
            no_grad(|| squared_errors(&made(), &target)).to_vec::<f64>()
        };
        let (ones, others) = (errors(starts[0])?, errors(starts[1])?);
        for (picture, (one, other)) in ones.into_iter().zip(others).enumerate() {
            // What is no number is nearer to nothing.
            let start = if one <= other { starts[0] } else { starts[1] };
            nearer.extend_from_slice(&start[(first + picture) * latent..][..latent]);
        }
    }
    Ok(nearer)
}

/// What is left of a rate in step `step` of `steps`, from 1: half a cosine from 1 down to 0.
pub(super) fn half_cosine(step: u64, steps: u64) -> f64 {
    let along = (step - 1) as f64 / steps as f64;
    0.5 * (1.0 + (std::f64::consts::PI * along).cos())
}

/// So many pictures from one on, `[n, height, width, channels]`.
pub(super) fn shown(pictures: &Images, first: usize, count: usize, device: &Device) -> Tensor {
    let [_, height, width, channels] = pictures.shape();
    let batch = pictures.batch(&(first..first + count).collect::<Vec<_>>());
    Tensor::from_slice(device, &batch, [count, height, width, channels])
}

/// The mean squared error of each image, `[n]`.
fn squared_errors(images: &Tensor, target: &Tensor) -> Tensor {
    (images - target).powi(2).mean_axes(&[1, 2, 3], false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::sample;
    use crate::nn::NormKind;

    const SMALL: Architecture =
        Architecture { features: 4, latent: 6, d_norm: NormKind::None, ..Architecture::dcgan(16, 1) };

    fn goes_on(_: u64, _: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// A generator whose weights are large enough for images to differ.
    fn generator() -> Generator {
        let network = Generator::new(&Device::cpu(), &SMALL, 3);
        for parameter in network.parameters().iter().filter(|parameter| parameter.get().shape().len() > 1) {
            parameter.set(no_grad(|| parameter.get() * 12.0));
        }
        network
    }

    #[test]
    fn a_picture_that_the_generator_made_is_found_again() {
        let network = generator();
        let pictures = sample(&network, &SMALL, 7, Purpose::SampleLatents, 3, None).unwrap();
        let start = nearest_samples(&network, &SMALL, &pictures, None, (0, 64)).unwrap();
        let of_start = Descent { steps: 0, ..Descent::default() };
        let run = |descent: &Descent| {
            invert(&network, &SMALL, &pictures, None, &start, descent, &mut goes_on).unwrap().unwrap()
        };
        let (before, found) = (run(&of_start), run(&Descent { prior: 0.0, ..Descent::default() }));
        assert_eq!(before.latents, start);
        for (before, after) in before.errors.iter().zip(&found.errors) {
            // Pictures are bytes: a 255th is as near as they tell.
            assert!(*after < 0.02 && *after < before / 2.0, "{before} to {after}");
        }
        // The errors are those of the images that are given.
        let difference = |place: usize| {
            let (a, b) = (found.images.image(place), pictures.image(place));
            let sum: f64 = a.iter().zip(b.iter()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            (sum / a.len() as f64).sqrt() / 255.0
        };
        for (place, error) in found.errors.iter().enumerate() {
            assert!((difference(place) - error).abs() < 0.004, "{} and {error}", difference(place));
        }
        // One picture alone comes to the same.
        let alone = pictures.select(&[1]);
        let latent = SMALL.latent;
        let descent = Descent { prior: 0.0, ..Descent::default() };
        let one = invert(&network, &SMALL, &alone, None, &start[latent..2 * latent], &descent, &mut goes_on);
        let one = one.unwrap().unwrap();
        let apart = one.latents.iter().zip(&found.latents[latent..2 * latent]).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-3, "rounding alone: {:?}", one.latents);
    }

    #[test]
    fn a_picture_keeps_a_start_that_the_descent_made_worse_and_a_watcher_stops_it() {
        let network = generator();
        let pictures = sample(&network, &SMALL, 0, Purpose::SampleLatents, 1, None).unwrap();
        // The very latent, and a prior that pulls away from it.
        let start = nearest_samples(&network, &SMALL, &pictures, None, (0, 4)).unwrap();
        let pulled = Descent { prior: 100.0, steps: 50, ..Descent::default() };
        let found = invert(&network, &SMALL, &pictures, None, &start, &pulled, &mut goes_on).unwrap().unwrap();
        assert_eq!(found.latents, start);
        assert!(found.errors[0] < 0.003, "{:?}", found.errors);
        let stopped = invert(&network, &SMALL, &pictures, None, &start, &pulled, &mut |_, _| ControlFlow::Break(()));
        assert!(stopped.unwrap().is_none());
    }
}
