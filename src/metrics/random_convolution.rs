//! Features that nobody trained: a fixed random convolution.
//!
//! A classifier may ignore what does not tell classes apart, colour above all; random filters ignore nothing.

use crate::backend::{Activation, Device};
use crate::data::Images;
use crate::error::Result;
use crate::nn::{Builder, Filter, Initialiser, LayerKind, Mode, Module, Pass, Sequence};
use crate::random::Network;
use crate::tensor::{Tensor, no_grad};

use super::Features;

/// Any seed serves, so long as it is always the same.
const SEED: u64 = 0;
/// Channels of the two layers; the features are the means of both.
const CHANNELS: [usize; 2] = [32, 64];
/// Images a forward pass.
const BATCH: usize = 100;

/// Two layers of random 4x4 filters with stride 2 and ReLU, and the mean of each of their 96 channels over its map: how much of
/// a colour, of an edge, of a texture there is in an image.
#[derive(Debug)]
pub struct RandomConvolution {
    device: Device,
    module: Module,
}

impl RandomConvolution {
    /// For images of 1 or 3 channels. The weights are always the same.
    pub fn new(device: &Device, channels: usize) -> RandomConvolution {
        let mut layers = Sequence::new("random");
        let mut inputs = channels;
        for (level, outputs) in CHANNELS.into_iter().enumerate() {
            let start = Initialiser::He { fan_in: 16 * inputs, slope: 0.0 };
            let filter = Filter::new([inputs, outputs], 4, 2, 1, start);
            layers.beside(&format!("random.{level}"), LayerKind::Convolution(filter));
            layers.beside("", LayerKind::Activation(Activation::Relu));
            layers.beside("", LayerKind::Map);
            inputs = outputs;
        }
        let module = Module::new(&mut Builder::new(device, SEED, Network::RandomConvolution), &layers.into_layers());
        RandomConvolution { device: device.clone(), module }
    }

    /// The features of images.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where there are no images, or they have other channels.
    #[track_caller]
    pub fn features(&self, images: &Images) -> Result<Features> {
        let mut values: Vec<f32> = Vec::new();
        for start in (0..images.count).step_by(BATCH) {
            let indices: Vec<usize> = (start..images.count.min(start + BATCH)).collect();
            let shape = [indices.len(), images.height, images.width, images.channels];
            let batch = Tensor::from_slice(&self.device, &images.batch(&indices), shape);
            values.extend(no_grad(|| self.forward(&batch)).to_vec::<f32>()?);
        }
        Features::from_slice(&values, CHANNELS.iter().sum())
    }

    fn forward(&self, images: &Tensor) -> Tensor {
        let mut means = Vec::new();
        let mut seen = |map: &Tensor| means.push(map.mean_axes(&[1, 2], false));
        self.module.forward(images, &mut Pass { seen: Some(&mut seen), ..Pass::new(Mode::Evaluate) });
        Tensor::concat(&means.iter().collect::<Vec<_>>(), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Gaussian, frechet_distance};
    use crate::random::{Purpose, generator};
    use rand::RngExt;

    #[test]
    fn it_sees_colours_that_a_grey_copy_has_not() {
        let mut random = generator(1, Purpose::GradientCheck, 0, 0);
        let mut images = |tint: [u8; 3]| {
            let pixels = (0..60 * 32 * 32).flat_map(|_| {
                let grey: u8 = random.random_range(0..128);
                tint.map(|tint| grey + tint)
            });
            Images::new([60, 32, 32, 3], pixels.collect())
        };
        let network = RandomConvolution::new(&Device::cpu(), 3);
        let fit = |images: &Images| Gaussian::fit(&network.features(images).unwrap());
        let (grey, other_grey, red) = (images([30; 3]), images([30; 3]), images([70, 10, 10]));
        let reference = fit(&grey);
        let (same, tinted) =
            (frechet_distance(&reference, &fit(&other_grey)), frechet_distance(&reference, &fit(&red)));
        // What two sets of the same kind differ by is chance; colour must be an order of magnitude beyond it.
        assert!(tinted > 10.0 * same, "{same} {tinted}");
    }
}
