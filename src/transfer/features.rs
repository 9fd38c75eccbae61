//! Features of images: the encoder F_s, which learns as half of an autoencoder of the source, the space that its features are
//! brought to, and neighbours in it.

use rayon::prelude::*;
use serde_json::{Value as Json, json};

use super::shown::Shown;
use super::workshop::Pretraining;
use crate::backend::{Activation, Device};
use crate::checkpoint::Checkpoint;
use crate::classifier::{Design, Trunk};
use crate::data::Images;
use crate::error::Result;
use crate::gan::normalised;
use crate::nn::{
    Adam, AdamOptions, Builder, Filter, Gradients, Initialiser, LayerKind, Layout, Linear, Mode, Module, Parameter,
    Pass, Sequence,
};
use crate::random::Network;
use crate::tensor::{Tensor, no_grad};

/// The side of the maps between encoder and decoder.
const MAP: usize = 4;
/// Images a forward pass, where nothing is trained.
const BATCH: usize = 100;
/// The names in checkpoints.
const F: &str = "netF";
const R: &str = "netR";

/// Brings each image of `side * side * channels` values to mean 0 and variance 1, so that features do not tell brightness.
pub fn standardise(values: &mut [f32], length: usize) {
    /// Below this deviation an image is flat, and stays so.
    const FLAT: f64 = 1e-3;
    for image in values.chunks_exact_mut(length) {
        let mean = image.iter().map(|&v| f64::from(v)).sum::<f64>() / length as f64;
        let variance = image.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / length as f64;
        let deviation = variance.sqrt().max(FLAT);
        image.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) / deviation) as f32);
    }
}

/// F_s: standardised images to vectors of `length`.
#[derive(Debug)]
pub struct Encoder {
    trunk: Trunk,
    linear: Linear,
}

impl Encoder {
    /// A fresh encoder, by He's rule.
    pub fn new(device: &Device, design: &Design, length: usize, seed: u64) -> Encoder {
        let mut builder = Builder::new(device, seed, Network::Encoder);
        let trunk = Trunk::new(&mut builder, design);
        let inputs = MAP * MAP * design.features();
        Encoder { linear: linear(&mut builder, "linear", [inputs, length]), trunk }
    }

    /// Features `[n, length]` of images that are standardised already.
    ///
    /// # Panics
    /// Where the images have another size.
    #[track_caller]
    pub fn forward(&self, images: &Tensor) -> Tensor {
        self.of_map(&self.trunk.forward(images, Mode::Evaluate))
    }

    /// As [`Encoder::forward`], of the map that the trunk makes of images.
    pub fn of_map(&self, map: &Tensor) -> Tensor {
        let count = map.shape()[0];
        self.linear.forward(&map.reshape([count, map.len() / count]))
    }

    /// The features of images as they are, row by row.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn encode(&self, images: &Images) -> Result<Vec<f32>> {
        let mut rows = Vec::new();
        for start in (0..images.count).step_by(BATCH) {
            let indices: Vec<usize> = (start..images.count.min(start + BATCH)).collect();
            let mut values = images.batch(&indices);
            standardise(&mut values, images.bytes_per_image());
            let shape = [indices.len(), images.height, images.width, images.channels];
            let batch = Tensor::from_slice(&self.linear.weight.device(), &values, shape);
            rows.extend(no_grad(|| self.forward(&batch)).to_vec::<f32>()?);
        }
        Ok(rows)
    }

    /// The convolutions.
    pub fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    /// The length of its features.
    pub fn length(&self) -> usize {
        self.linear.weight.stored_shape()[1]
    }

    /// The device that it is on.
    pub fn device(&self) -> Device {
        self.linear.weight.device()
    }

    /// The parameters that training moves; there are no statistics.
    pub fn parameters(&self) -> Vec<Parameter> {
        [self.trunk.parameters(), vec![self.linear.weight.clone()]].concat()
    }
}

fn linear(builder: &mut Builder<'_>, name: &str, [inputs, outputs]: [usize; 2]) -> Linear {
    let he = Initialiser::He { fan_in: inputs, slope: 1.0 };
    Linear { weight: builder.parameter(format!("{name}.weight"), Layout::Plain, &[inputs, outputs], he), bias: None }
}

/// R_s: features back to standardised images.
#[derive(Debug)]
struct Decoder {
    linear: Linear,
    ups: Module,
    first: usize,
}

impl Decoder {
    fn new(device: &Device, design: &Design, length: usize, seed: u64) -> Decoder {
        let mut builder = Builder::new(device, seed, Network::Decoder);
        let first = design.features();
        // Named apart from the encoder's: one optimiser holds the moments of both.
        let linear = linear(&mut builder, "first", [length, MAP * MAP * first]);
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

    fn parameters(&self) -> Vec<Parameter> {
        [vec![self.linear.weight.clone()], self.ups.parameters()].concat()
    }
}

/// `E_x ||x - R_s(F_s(x))||^2`, the mean over a batch of images.
fn reconstruction_loss(images: &Tensor, reconstructions: &Tensor) -> Tensor {
    (images - reconstructions).powi(2).sum() * (1.0 / images.shape()[0] as f64)
}

/// The training of encoder and decoder on the images of one domain, or of two.
#[derive(Debug)]
pub(super) struct Autoencoder {
    encoder: Encoder,
    decoder: Decoder,
    adam: Adam,
    domains: Vec<Shown>,
    settings: Json,
    step: u64,
}

impl Autoencoder {
    pub fn new(device: &Device, design: &Design, length: usize, domains: Vec<Shown>) -> Self {
        let (batch, seed) = (domains[0].batch(), domains[0].seed());
        let encoder = Encoder::new(device, design, length, seed);
        let decoder = Decoder::new(device, design, length, seed);
        let mut settings =
            json!({ "name": "autoencoder", "design": design, "length": length, "batch": batch, "seed": seed });
        for (name, domain) in ["", "-of-target"].into_iter().zip(&domains) {
            let Json::Object(mut shown) = domain.settings() else { unreachable!("settings are an object") };
            settings[format!("style{name}")] = shown.remove("style").unwrap_or_default();
            settings[format!("data{name}")] = Json::Object(shown);
        }
        Autoencoder {
            adam: Adam::new([encoder.parameters(), decoder.parameters()].concat(), AdamOptions::default()),
            encoder,
            decoder,
            domains,
            settings,
            step: 0,
        }
    }

    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }

    fn slots(&self) -> [(&'static str, Vec<Parameter>); 3] {
        let moments = self.adam.moments().cloned().collect();
        [(F, self.encoder.parameters()), (R, self.decoder.parameters()), ("adam", moments)]
    }
}

impl Pretraining for Autoencoder {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn steps(&self) -> u64 {
        self.step
    }

    fn step(&mut self) -> Result<Tensor> {
        let device = self.encoder.device();
        let mut gradients = Gradients::of(&self.adam);
        let mut value: Option<Tensor> = None;
        for shown in &mut self.domains {
            let (indices, mut values) = shown.values_of(self.step, self.step);
            let [height, width, channels] = shown.form();
            standardise(&mut values, height * width * channels);
            let images = Tensor::from_slice(&device, &values, [indices.len(), height, width, channels]);
            let loss = reconstruction_loss(&images, &self.decoder.forward(&self.encoder.forward(&images)));
            let own = gradients.add(loss);
            value = Some(value.map_or_else(|| own.clone(), |sum| sum + &own));
        }
        gradients.step(&mut self.adam);
        self.step += 1;
        Ok(value.expect("a domain"))
    }

    fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        self.slots().iter().try_for_each(|(prefix, slots)| checkpoint.insert_parameters(prefix, slots))
    }

    fn restore(&mut self, checkpoint: &Checkpoint, step: u64) -> Result<()> {
        self.slots().iter().try_for_each(|(prefix, slots)| checkpoint.load_parameters(prefix, slots))?;
        self.adam.set_updates(step);
        self.step = step;
        Ok(())
    }
}

/// Features brought to a common space: `f = normalise(F_s(x) - bank mean) * sqrt(length)`, row by row. Without it neighbours match
/// what all features share.
///
/// # Panics
/// Where the rows are none of `length`.
#[track_caller]
pub fn bank_of(features: &[f32], length: usize) -> Vec<f32> {
    let rows = features.chunks_exact(length);
    assert!(rows.remainder().is_empty() && rows.len() > 0, "a bank of rows of {length}");
    let count = rows.len() as f64;
    let mean: Vec<f64> =
        (0..length).map(|axis| rows.clone().map(|row| f64::from(row[axis])).sum::<f64>() / count).collect();
    let centred = |row: &[f32]| row.iter().zip(&mean).map(|(&v, mean)| (f64::from(v) - mean) as f32).collect();
    rows.flat_map(|row| normalised(centred(row))).collect()
}

/// The `count` nearest rows of a bank to each of its rows, the row itself first; of equal distances the smaller index.
pub fn neighbours(bank: &[f32], length: usize, count: usize) -> Vec<Vec<usize>> {
    let rows: Vec<&[f32]> = bank.chunks_exact(length).collect();
    let nearest = |row: &&[f32]| {
        let squared = |other: &&[f32]| row.iter().zip(*other).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let mut order: Vec<(f32, usize)> = rows.iter().map(squared).zip(0..).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.into_iter().take(count.min(rows.len())).map(|(_, index)| index).collect()
    };
    rows.par_iter().map(nearest).collect()
}

/// How many neighbours an instance is drawn from: 5 of 100 images, 10 of 1,000, and so on, twice as many for each ten times.
pub fn neighbourhood(images: usize) -> usize {
    let k = 5.0 * (images as f64 / 100.0).powf(std::f64::consts::LOG10_2);
    (k.round() as usize).clamp(1, images.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::NormKind;
    use crate::transfer::shown::ExtractorStyle;

    #[test]
    fn the_autoencoders_loss_is_the_hand_computed_number() {
        let tensor = |values: &[f64]| Tensor::from_slice(&Device::reference(), values, [2, 1, 2, 1]);
        let loss = reconstruction_loss(&tensor(&[1.0, 2.0, 0.0, -1.0]), &tensor(&[0.0, 2.0, 2.0, 1.0]));
        // ||(1, 0)||^2 = 1 and ||(-2, -2)||^2 = 8.
        assert_eq!(loss.item().unwrap(), 4.5);
    }

    #[test]
    fn features_are_centred_and_have_the_norm_of_their_length() {
        // Rows (4, 1), (0, 1), (2, 4): mean (2, 2), differences (2, -1), (-2, -1), (0, 2), of norms sqrt(5), sqrt(5), 2.
        let bank = bank_of(&[4.0, 1.0, 0.0, 1.0, 2.0, 4.0], 2);
        let root = (2f32 / 5.0).sqrt();
        let expected = [2.0 * root, -root, -2.0 * root, -root, 0.0, 2f32.sqrt()];
        assert!(bank.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{bank:?}");
        // Squared distances: 3.2 * 2 between the first two, 2 + 2 + 2 sqrt(2) sqrt(2/5) from either to the third.
        assert_eq!(neighbours(&bank, 2, 2), [[0, 2], [1, 2], [2, 0]]);
        assert_eq!(neighbours(&bank, 2, 9)[1], [1, 2, 0], "no more than there are");
    }

    #[test]
    fn neighbourhoods_grow_with_the_data() {
        assert_eq!([1, 100, 500, 1000, 10_000].map(neighbourhood), [1, 5, 8, 10, 20]);
    }

    #[test]
    fn a_standardised_image_has_neither_brightness_nor_contrast() {
        let mut values = vec![1.0, 3.0, 0.5, 0.5];
        standardise(&mut values, 2);
        assert_eq!(values, [-1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_autoencoder_learns_and_its_features_tell_nothing_of_brightness() {
        let design = Design { size: 32, channels: 1, width: 4, norm: NormKind::Layer, input: Default::default() };
        let strokes =
            "synthetic:strokes".parse::<crate::data::Spec>().unwrap().load(crate::data::Split::Train).unwrap();
        let data = strokes.select(&(0..64).collect::<Vec<_>>()).fit(32, 1).unwrap();
        let shown = Shown::new(&Device::cpu(), data.clone(), true, ExtractorStyle::None, (16, 1));
        let mut training = Autoencoder::new(&Device::cpu(), &design, 16, vec![shown]);
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
