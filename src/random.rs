//! Random numbers without state: every draw is a pure function of (seed, purpose, step, index).
//!
//! Nothing here is carried from step to step, so a resumed run has no generator to restore and every
//! device sees the same noise.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

/// What a draw is for; two purposes never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights; the index is the parameter's.
    Weights = 1,
    /// The latents of a training step.
    Latents,
    /// The latents of the grids that a run writes.
    GridLatents,
    /// The latents of `graft sample`.
    SampleLatents,
    /// The latents on which batch-norm statistics are re-estimated.
    StatisticsLatents,
    /// The order of the training images in an epoch; the step is the epoch.
    Shuffle = 7,
    /// Which images a subset holds.
    Subset,
    /// Differentiable augmentation.
    Augmentation,
    /// Points between real and fake images, for the gradient penalty.
    Interpolation,
    /// Synthetic images; the step is the split, the index the image.
    Synthetic,
    /// Directions of the gradient checks.
    GradientCheck,
    /// Which elements a dropout drops; the step is the batch, the index the layer's.
    Dropout,
    /// Colours of a styled source image; the step is the batch, the index the image's place in it.
    Style = 32,
    /// Which neighbour's features a target image is paired with.
    Neighbours,
    /// The latents, or images, that a method draws for a term or a condition of its own.
    Method,
    /// The permutation of shuffled labels.
    Labels,
    /// How a classifier's training images are changed.
    ClassifierJitter = 40,
    /// A scene of a source image; the step is the batch, the index the image's place in it.
    Scene,
    /// How an image is changed that is shown without its label; the step is the batch, the index the image's place in it and which
    /// change it is.
    Views,
    /// Which held-out images stand against the training images; the step is the draw.
    Memorisation = 48,
    /// Which images of a data set its validation block holds; the seed is of the data's digest.
    Validation = 56,
    /// Which of many real images samples are measured against.
    RealImages,
    /// The parts of sets of images by which a distance is extrapolated; the index is the side.
    Extrapolation,
    /// The values of an option that a search tries; the step is the trial, the index is of the option's name.
    Search,
    /// The latents and conditions of the samples on which an encoder of latents learns.
    Inversion,
}

/// Whose initial weights are drawn: the step of a [`Purpose::Weights`] draw. Two networks of one seed never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Network {
    /// A GAN's generator.
    Generator = 0,
    /// A GAN's discriminator.
    Discriminator,
    /// The classifier that judges samples, or measures what they teach.
    Judge,
    /// The random convolution whose features stand beside the judge's.
    RandomConvolution,
    /// C_s, the label predictor.
    Predictor = 5,
    /// F_s, the feature extractor.
    Encoder,
    /// R_s, its decoder.
    Decoder,
    /// Discriminators of a frozen network's maps.
    Heads,
    /// The projection in which a contrastive encoder's views are compared.
    Projector,
    /// The network that learns without labels, beside the judge or in its place.
    ClassFree,
    /// The encoder that guesses latents.
    Inversion,
}

impl From<Network> for u64 {
    fn from(network: Network) -> u64 {
        network as u64
    }
}

/// A generator for one draw: ChaCha12 keyed by all four numbers.
pub fn generator(seed: u64, purpose: Purpose, step: u64, index: u64) -> ChaCha12Rng {
    let mut key = [0u8; 32];
    for (slot, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, step, index]) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha12Rng::from_seed(key)
}

/// `count` draws from N(0, 1), rounded to f32 so that every device sees the same numbers.
pub fn normal(generator: &mut ChaCha12Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| StandardNormal.sample(generator)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_each_of_its_four_numbers() {
        let draw = |seed, purpose, step, index| normal(&mut generator(seed, purpose, step, index), 4);
        let first = draw(1, Purpose::Latents, 2, 3);
        assert_eq!(first, draw(1, Purpose::Latents, 2, 3));
        for other in [
            draw(2, Purpose::Latents, 2, 3),
            draw(1, Purpose::Shuffle, 2, 3),
            draw(1, Purpose::Latents, 3, 3),
            draw(1, Purpose::Latents, 2, 4),
        ] {
            assert_ne!(first, other);
        }
    }
}
