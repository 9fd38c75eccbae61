//! Classes of images that nobody named: clusters of their features (k-means, Lloyd 1982; started by k-means++, Arthur & Vassilvitskii 2007).
//!
//! With an encoder that learned on a target's images alone they stand in for a source's labels: CTGAN's control of what the source gave.

use rand::RngExt;
use rayon::prelude::*;

use super::features::{Encoder, bank_of};
use crate::classifier::Predictions;
use crate::data::Images;
use crate::error::Result;
use crate::gan::normalised;
use crate::random::{Purpose, generator};
use crate::tensor::{Tensor, most_probable};

/// Rounds of Lloyd's, which end before where nothing moves.
const ROUNDS: usize = 50;
/// How much a cosine counts in the softmax over clusters, as over prototypes.
const SCALE: f64 = 10.0;

/// An encoder, and the directions from the mean of its features to each cluster: `p(c | x) = softmax over c of 10 cos(f(x) - m, c - m)`.
#[derive(Debug)]
pub(super) struct Clusters {
    encoder: Encoder,
    /// `[length]`
    mean: Vec<f32>,
    /// `[clusters, length]`, each of norm sqrt(length).
    centres: Vec<f32>,
    count: usize,
}

impl Clusters {
    /// So many clusters of the features of some images.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn of(encoder: Encoder, images: &Images, count: usize, seed: u64) -> Result<Clusters> {
        let length = encoder.length();
        let features = encoder.encode(images)?;
        let rows = (features.len() / length) as f64;
        let mean = |axis: usize| features.iter().skip(axis).step_by(length).map(|&v| f64::from(v)).sum::<f64>() / rows;
        let mean = (0..length).map(|axis| mean(axis) as f32).collect();
        let centres = k_means(&bank_of(&features, length), length, count, seed);
        let centres = centres.chunks_exact(length).flat_map(|centre| normalised(centre.to_vec())).collect();
        Ok(Clusters { encoder, mean, centres, count })
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Logits `[n, clusters]` of the maps that the encoder's trunk makes of images, differentiable by these.
    pub fn logits(&self, maps: &Tensor) -> Tensor {
        /// Keeps a feature that is the mean from dividing by its norm.
        const TINY: f64 = 1e-12;
        let length = self.mean.len();
        let device = maps.device();
        let features = self.encoder.of_map(maps);
        let centred = features - Tensor::from_slice(device, &self.mean, [1, length]);
        let squared = (&centred * &centred).sum_axes(&[1], true) + TINY;
        // The centres have the norm sqrt(length).
        let centres = Tensor::from_slice(device, &self.centres, [self.count, length]) * (1.0 / (length as f64).sqrt());
        (centred * squared.rsqrt()).matmul_with(&centres, false, true) * SCALE
    }

    /// Which cluster each image is of, and how surely.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn predict(&self, images: &Images) -> Result<Predictions> {
        let (length, classes) = (self.mean.len(), self.count);
        let features = self.encoder.encode(images)?;
        let mut said =
            Predictions { classes, dimensions: length, labels: Vec::new(), probabilities: Vec::new(), features };
        for row in said.features.chunks_exact(length) {
            let centred = normalised(row.iter().zip(&self.mean).map(|(value, mean)| value - mean).collect());
            let cosine = |centre: &[f32]| centre.iter().zip(&centred).map(|(a, b)| a * b).sum::<f32>() / length as f32;
            let powers: Vec<f32> =
                self.centres.chunks_exact(length).map(|centre| (SCALE as f32 * cosine(centre)).exp()).collect();
            let total: f32 = powers.iter().sum();
            said.labels.push(most_probable(&powers) as u32);
            said.probabilities.extend(powers.iter().map(|power| power / total));
        }
        Ok(said)
    }
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// The centres `[count, length]` of clusters of rows; one that loses all its rows stays where it was.
fn k_means(rows: &[f32], length: usize, count: usize, seed: u64) -> Vec<f32> {
    let rows: Vec<&[f32]> = rows.chunks_exact(length).collect();
    let mut random = generator(seed, Purpose::Method, 0, 1);
    let mut centres: Vec<Vec<f32>> = vec![rows[random.random_range(0..rows.len())].to_vec()];
    while centres.len() < count {
        let far = |row: &&[f32]| centres.iter().map(|centre| squared(row, centre)).fold(f64::INFINITY, f64::min);
        let distances: Vec<f64> = rows.iter().map(far).collect();
        let mut point = random.random::<f64>() * distances.iter().sum::<f64>();
        let next = distances.iter().position(|distance| {
            point -= distance;
            point < 0.0
        });
        centres.push(rows[next.unwrap_or(rows.len() - 1)].to_vec());
    }
    for _ in 0..ROUNDS {
        let nearest = |row: &&[f32]| {
            let of = |centre: usize| squared(row, &centres[centre]);
            (0..count).reduce(|best, centre| if of(centre) < of(best) { centre } else { best }).expect("a centre")
        };
        let members: Vec<usize> = rows.par_iter().map(nearest).collect();
        let mean = |(centre, old): (usize, &Vec<f32>)| {
            let own: Vec<&&[f32]> =
                rows.iter().zip(&members).filter(|(_, of)| **of == centre).map(|(row, _)| row).collect();
            let along = |axis: usize| own.iter().map(|row| f64::from(row[axis])).sum::<f64>() / own.len() as f64;
            if own.is_empty() { old.clone() } else { (0..length).map(|axis| along(axis) as f32).collect() }
        };
        let moved: Vec<Vec<f32>> = centres.iter().enumerate().map(mean).collect();
        if moved == centres {
            break;
        }
        centres = moved;
    }
    centres.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::classifier::{Design, Input};
    use crate::nn::{Mode, NormKind};

    #[test]
    fn clusters_that_lie_apart_are_found() {
        // Around (0, 0), (10, 0) and (0, 10).
        let around = |[x, y]: [f32; 2]| [[x - 1.0, y], [x + 1.0, y], [x, y - 2.0], [x, y + 2.0]].concat();
        let rows: Vec<f32> = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]].into_iter().flat_map(around).collect();
        for seed in 0..5 {
            let mut centres: Vec<Vec<f32>> = k_means(&rows, 2, 3, seed).chunks(2).map(<[f32]>::to_vec).collect();
            centres.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert_eq!(centres, [[0.0, 0.0], [0.0, 10.0], [10.0, 0.0]], "seed {seed}");
        }
        assert_eq!(k_means(&[1.0, 3.0], 1, 1, 0), [2.0]);
    }

    #[test]
    fn what_is_said_of_images_on_the_device_is_what_is_predicted() {
        let design = Design { size: 16, channels: 1, width: 4, norm: NormKind::Layer, input: Input::Plain };
        let pixels = (0..12 * 256).map(|place| (place * place % 253) as u8).collect();
        let images = Images::new([12, 16, 16, 1], pixels);
        let device = Device::cpu();
        let clusters = Clusters::of(Encoder::new(&device, &design, 6, 1), &images, 3, 1).unwrap();
        let said = clusters.predict(&images).unwrap();
        let batch = Tensor::from_slice(&device, &images.batch(&(0..12).collect::<Vec<_>>()), [12, 16, 16, 1]);
        let map = clusters.encoder().trunk().forward(&Input::Whole.of(&batch), Mode::Evaluate);
        let logits = clusters.logits(&map);
        let rows = logits.to_vec::<f32>().unwrap();
        let labels: Vec<u32> = rows.chunks_exact(3).map(|row| most_probable(row) as u32).collect();
        assert_eq!(labels, said.labels);
        let probabilities = logits.softmax(1).to_vec::<f32>().unwrap();
        // The flatness of an image is cut off at another place.
        assert!(probabilities.iter().zip(&said.probabilities).all(|(a, b)| (a - b).abs() < 1e-3));
        assert!(said.labels.iter().collect::<std::collections::BTreeSet<_>>().len() > 1);
    }
}
