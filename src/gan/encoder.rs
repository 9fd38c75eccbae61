//! First guesses of latents: a network that learns from what a generator makes which latents it was made of.

use std::ops::ControlFlow;

use super::inversion::{TOLD_EVERY, half_cosine, shown};
use super::{Architecture, Descent, Generator};
use crate::backend::Activation;
use crate::data::Images;
use crate::error::{Error, Result};
use crate::nn::{
    Adam, AdamOptions, Builder, Filter, Initialiser, Layer, LayerKind, Mode, Module, Optimiser, Pass, Sequence,
    minimise,
};
use crate::random::{Network, Purpose, generator, normal};
use crate::tensor::{Tensor, no_grad};

/// The side of every filter, and of the last map.
const BASE: usize = 4;
/// The slope of leaky ReLUs.
const SLOPE: f64 = 0.2;
/// Samples a step.
const BATCH: usize = 64;
/// Adam's rate at the start; it falls to nothing along half a cosine.
const RATE: f64 = 1e-3;
/// The weight of the pictures' error beside the latents'.
const PICTURES: f64 = 4.0;

/// Convolutions of stride 2 down to a 4x4 map, of DCGAN's widths, and one from all of that to a latent.
fn layers(architecture: &Architecture) -> Vec<Layer> {
    let halvings = (architecture.size / BASE).ilog2();
    let filter = |[inputs, outputs]: [usize; 2], stride, padding, slope| {
        let start = Initialiser::He { fan_in: BASE * BASE * inputs, slope };
        LayerKind::Convolution(Filter { bias: true, ..Filter::new([inputs, outputs], BASE, stride, padding, start) })
    };
    let mut main = Sequence::new("encoder");
    let mut inputs = architecture.channels;
    for level in 0..halvings {
        let width = architecture.features << level;
        main.module(filter([inputs, width], 2, 1, SLOPE));
        main.module(LayerKind::Activation(Activation::LeakyRelu { slope: SLOPE }));
        inputs = width;
    }
    main.module(filter([inputs, architecture.latent], 1, 0, 1.0));
    main.into_layers()
}

/// Guesses latents of pictures of the generator's form, `[n, latent]`: an encoder E learns for so many steps, on samples under conditions as they
/// are drawn, to make `E |E(G(z)) - z|^2 + w E |G(E(G(z))) - G(z)|^2` small, each a mean over components, and is then shown the pictures. `watcher` is told of steps and of the
/// root of the latents' mean squared error (1 is that of no idea at all); None where it stops the training.
///
/// # Errors
/// The device's first failure; [`Error::Diverged`] where an error is not finite.
///
/// # Panics
/// Where the pictures are of another size.
pub fn guessed(
    network: &Generator,
    architecture: &Architecture,
    pictures: &Images,
    (seed, steps): (u64, u64),
    watcher: &mut dyn FnMut(u64, f64) -> ControlFlow<()>,
) -> Result<Option<Vec<f32>>> {
    let Architecture { size, channels, latent, .. } = *architecture;
    assert_eq!(pictures.shape(), [pictures.count, size, size, channels], "guessed: pictures of the generator's form");
    let device = network.parameters()[0].device();
    let module = Module::new(&mut Builder::new(&device, seed, Network::Inversion), &layers(architecture));
    let encode =
        |images: &Tensor| module.forward(images, &mut Pass::new(Mode::TRAIN)).reshape([images.shape()[0], latent]);
    let mut adam = Adam::new(module.parameters(), AdamOptions { rate: RATE, ..AdamOptions::default() });
    for step in 1..=steps {
        adam.set_rate(RATE * half_cosine(step, steps));
        let rows = normal(&mut generator(seed, Purpose::Inversion, step, 0), BATCH * latent);
        let latents = Tensor::from_slice(&device, &rows, [BATCH, latent]);
        let condition = network.conditions().draw(&device, (seed, Purpose::Inversion, step), 0, BATCH, None);
        let made = |latents: &Tensor| network.forward(latents, condition.as_ref(), Mode::Evaluate);
        let images = no_grad(|| made(&latents));
        let guess = encode(&images);
        let error = (&guess - &latents).powi(2).mean();
        let value = error.detach();
        minimise(error + (made(&guess) - &images).powi(2).mean() * PICTURES, &mut adam);
        if step.is_multiple_of(TOLD_EVERY) || step == steps {
            let error = value.item()?;
            if !error.is_finite() {
                return Err(Error::Diverged(format!("the encoder diverged at step {step}: its error is {error}")));
            }
            if watcher(step, error.sqrt()).is_break() {
                return Ok(None);
            }
        }
    }
    let mut latents = Vec::new();
    for first in (0..pictures.count).step_by(Descent::BATCH) {
        let batch = Descent::BATCH.min(pictures.count - first);
        let pictures = shown(pictures, first, batch, &device);
        latents.extend(no_grad(|| encode(&pictures)).to_vec::<f32>()?);
    }
    Ok(Some(latents))
}
