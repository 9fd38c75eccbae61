//! Features of images: the encoder F_s, the space that its features are brought to, and neighbours in it.

use rayon::prelude::*;

use crate::backend::Device;
use crate::classifier::{Design, FrozenTrunk, Input, Trunk};
use crate::data::Images;
use crate::error::Result;
use crate::gan::normalised;
use crate::nn::{Builder, Initialiser, Layout, Linear, Mode, Parameter};
use crate::random::Network;
use crate::tensor::{Tensor, no_grad};

/// The side of the maps between encoder and decoder.
pub(super) const MAP: usize = 4;
/// Images a forward pass, where nothing is trained.
const BATCH: usize = 100;

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
        Encoder { linear: linear(&mut builder, "linear", [inputs, length], 1.0), trunk }
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

    /// The convolutions as they are now, of which nothing is trained any more, to be shown images as they are.
    pub fn frozen(&self) -> FrozenTrunk {
        self.trunk.frozen(Input::Whole)
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

/// A linear map without bias, by He's rule for what `slope` makes of it.
pub(super) fn linear(builder: &mut Builder<'_>, name: &str, [inputs, outputs]: [usize; 2], slope: f64) -> Linear {
    let he = Initialiser::He { fan_in: inputs, slope };
    Linear { weight: builder.parameter(format!("{name}.weight"), Layout::Plain, &[inputs, outputs], he), bias: None }
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
}
