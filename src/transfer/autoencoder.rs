//! An encoder that learns as half of an autoencoder: the mission text's features.

use serde_json::{Value as Json, json};

use super::features::{Encoder, MAP, linear, standardise};
use super::shown::Shown;
use super::unlabelled::{Objective, Unlabelled};
use crate::backend::{Activation, Device};
use crate::classifier::Design;
use crate::nn::{Builder, Filter, Initialiser, LayerKind, Linear, Mode, Module, Parameter, Pass, Sequence};
use crate::random::Network;
use crate::tensor::Tensor;

/// R_s: features back to standardised images.
#[derive(Debug)]
pub(super) struct Decoder {
    linear: Linear,
    ups: Module,
    first: usize,
}

impl Decoder {
    fn new(device: &Device, design: &Design, length: usize, seed: u64) -> Decoder {
        let mut builder = Builder::new(device, seed, Network::Decoder);
        let first = design.features();
        // Named apart from the encoder's: one optimiser holds the moments of both.
        let linear = linear(&mut builder, "first", [length, MAP * MAP * first], 1.0);
        let ups = (design.size / MAP).ilog2() as usize;
        let mut inputs = first;
        let mut layers = Sequence::new("up");
        for level in 0..ups {
            let outputs = if level + 1 == ups { design.channels } else { (first >> (level + 1)).max(1) };
            // A transposed convolution of stride 2 has a quarter of its taps on each output.
            let start = Initialiser::He { fan_in: 4 * inputs, slope: 0.0 };
            let filter = Filter { transposed: true, ..Filter::new([inputs, outputs], 4, 2, 1, start) };
            layers.beside(&format!("up.{level}"), LayerKind::Convolution(filter));
            if level + 1 < ups {
                layers.beside("", LayerKind::Activation(Activation::Relu));
            }
            inputs = outputs;
        }
        Decoder { linear, ups: Module::new(&mut builder, &layers.into_layers()), first }
    }

    fn forward(&self, features: &Tensor) -> Tensor {
        let count = features.shape()[0];
        let x = self.linear.forward(features).relu().reshape([count, MAP, MAP, self.first]);
        self.ups.forward(&x, &mut Pass::new(Mode::TRAIN))
    }
}

impl Objective for Decoder {
    const PREFIX: &'static str = "netR";

    fn parameters(&self) -> Vec<Parameter> {
        [vec![self.linear.weight.clone()], self.ups.parameters()].concat()
    }

    fn loss(
        &self,
        encoder: &Encoder,
        mut values: Vec<f32>,
        [height, width, channels]: [usize; 3],
        _: [u64; 3],
    ) -> Tensor {
        let length = height * width * channels;
        standardise(&mut values, length);
        let images = Tensor::from_slice(&encoder.device(), &values, [values.len() / length, height, width, channels]);
        reconstruction_loss(&images, &self.forward(&encoder.forward(&images)))
    }
}

/// `E_x ||x - R_s(F_s(x))||^2`, the mean over a batch of images.
fn reconstruction_loss(images: &Tensor, reconstructions: &Tensor) -> Tensor {
    (images - reconstructions).powi(2).sum() * (1.0 / images.shape()[0] as f64)
}

/// A fresh training of encoder and decoder for features of `length` on the images of these domains.
pub(super) fn autoencoder(device: &Device, design: &Design, length: usize, domains: Vec<Shown>) -> Unlabelled<Decoder> {
    let (batch, seed) = (domains[0].batch(), domains[0].seed());
    let mut settings =
        json!({ "name": "autoencoder", "design": design, "length": length, "batch": batch, "seed": seed });
    for (name, domain) in ["", "-of-target"].into_iter().zip(&domains) {
        let Json::Object(mut shown) = domain.settings() else { unreachable!("settings are an object") };
        settings[format!("style{name}")] = shown.remove("style").unwrap_or_default();
        settings[format!("data{name}")] = Json::Object(shown);
    }
    let decoder = Decoder::new(device, design, length, seed);
    Unlabelled::new(Encoder::new(device, design, length, seed), decoder, domains, settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images;
    use crate::nn::NormKind;
    use crate::transfer::Pretraining;
    use crate::transfer::features::bank_of;
    use crate::transfer::shown::ExtractorStyle;

    #[test]
    fn the_autoencoders_loss_is_the_hand_computed_number() {
        let tensor = |values: &[f64]| Tensor::from_slice(&Device::reference(), values, [2, 1, 2, 1]);
        let loss = reconstruction_loss(&tensor(&[1.0, 2.0, 0.0, -1.0]), &tensor(&[0.0, 2.0, 2.0, 1.0]));
        // ||(1, 0)||^2 = 1 and ||(-2, -2)||^2 = 8.
        assert_eq!(loss.item().unwrap(), 4.5);
    }

    #[test]
    fn the_autoencoder_learns_and_its_features_tell_nothing_of_brightness() {
        let design = Design { size: 32, channels: 1, width: 4, norm: NormKind::Layer, input: Default::default() };
        let strokes =
            "synthetic:strokes".parse::<crate::data::Spec>().unwrap().load(crate::data::Split::Train).unwrap();
        let data = strokes.select(&(0..64).collect::<Vec<_>>()).fit(32, 1).unwrap();
        let shown = Shown::new(&Device::cpu(), data.clone(), true, ExtractorStyle::None, (16, 1));
        let mut training = autoencoder(&Device::cpu(), &design, 16, vec![shown]);
        let mut loss = || training.step().unwrap().item().unwrap();
        let first = loss();
        let last = (0..120).map(|_| loss()).fold(0.0, |_, loss| loss);
        // Of an image of 1,024 standardised pixels, mean alone explains nothing: 1,024 is the start for features of no use.
        assert!(last < 0.8 * first, "{first} to {last}");

        let encoder = training.into_encoder();
        let darker = data.images.pixels().iter().map(|pixel| pixel / 2 + 20).collect();
        let dark = Images::new(data.images.shape(), darker);
        let [a, b] = [&data.images, &dark].map(|images| bank_of(&encoder.encode(images).unwrap(), 16));
        let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Halving bytes rounds them, at most by half of 255 levels.
        assert!(far < 0.1, "{far}");
    }
}
