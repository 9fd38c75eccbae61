//! A step of training as programs of other frameworks time it: one update of the discriminator (real and fake) and one of the generator,
//! losses read every step.

use std::time::Instant;

use rand::RngExt;

use super::layers::Network;
use crate::backend::Device;
use crate::data::{Dataset, Images};
use crate::error::Result;
use crate::gan::{Architecture, Recipe, Trainer};
use crate::random::{Purpose, generator};

/// Trains a DCGAN on one batch of noise: the non-saturating loss and Adam at 2e-4, without penalties, augmentation or averages (Radford et
/// al. 2016).
///
/// # Errors
/// Where the networks cannot be made; the device's first failure.
pub fn trainer(network: &Network, device: &Device) -> Result<Trainer> {
    let &Network { size, features, channels, batch } = network;
    let recipe = Recipe {
        seed: 0,
        architecture: Architecture { features, ..Architecture::dcgan(size, channels) },
        batch,
        ema: 0.0,
        ..Recipe::default()
    };
    let mut random = generator(0, Purpose::Synthetic, 0, 0);
    let pixels = (0..batch * size * size * channels).map(|_| random.random()).collect();
    let data = Dataset::unlabelled("noise", Images::new([batch, size, size, channels], pixels));
    Trainer::new(&recipe, data, device)
}

/// The milliseconds of steps, as long as `goes_on` says so of those so far. The first few are slow: kernels are compiled and memory is taken.
///
/// # Errors
/// As [`trainer`].
pub fn training_steps(network: &Network, device: &Device, mut goes_on: impl FnMut(&[f64]) -> bool) -> Result<Vec<f64>> {
    let mut trainer = trainer(network, device)?;
    let mut times = Vec::new();
    while goes_on(&times) {
        let start = Instant::now();
        let losses = trainer.step();
        losses.d_loss.item()?;
        losses.g_loss.item()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
