//! The Fréchet distance of infinitely many images (FID-infinity: Chong & Forsyth 2020, "Effectively Unbiased FID and Inception Score").
//!
//! Covariances of few images differ though their distributions are one, so a Fréchet distance is too large by about a constant over
//! the number of images: of n samples and m real images by `a / n + b / m`. Near the floor that is most of it. What it is for
//! several numbers of the same images lies on a line, whose value at zero is the distance of infinitely many.
//!
//! That holds for images drawn independently. Of sets in which each class has its exact share, as where classes come in turn, the whole is
//! nearer to its distribution than such a draw, its parts are not, and too much is taken off.

use rand::seq::SliceRandom;

use super::{Features, Gaussian, frechet_distance};
use crate::random::{self, Purpose};

/// Both sides are measured whole, in halves, thirds and quarters; all parts of a kind together take every image once, so that their
/// mean varies little more than the whole. (The paper draws 15 subsets, of samples only: its real images are 50,000.)
const PARTS: [usize; 4] = [1, 2, 3, 4];
/// The seed of the order in which images are dealt to parts.
const SEED: u64 = 0;

/// The Fréchet distance between two sets of images, by their features, extrapolated to infinitely many of both: at zero, the value of the line
/// through the mean distances of their halves, thirds and so on over `1 / n + 1 / m`. May be below zero by chance. None where a
/// quarter of either has no more images than there are features: their covariances are singular, and the line is none.
///
/// # Panics
/// Where the two differ in width.
#[track_caller]
pub fn frechet_infinity(real: &Features, samples: &Features) -> Option<f64> {
    let most = PARTS[PARTS.len() - 1];
    if real.count().min(samples.count()) / most <= real.width() {
        return None;
    }
    let points: Vec<[f64; 2]> = PARTS
        .iter()
        .map(|&parts| {
            let sides = dealt(real, parts, 0).into_iter().zip(dealt(samples, parts, 1));
            let distance = |(real, samples): (Features, Features)| {
                frechet_distance(&Gaussian::fit(&real), &Gaussian::fit(&samples))
            };
            let mean = sides.map(distance).sum::<f64>() / parts as f64;
            let [n, m] = [samples, real].map(|side| (side.count() / parts) as f64);
            [1.0 / n + 1.0 / m, mean]
        })
        .collect();
    Some(at_zero(&points))
}

/// A set dealt into so many parts of equal size, in an order drawn once; a remainder is left out.
fn dealt(features: &Features, parts: usize, side: u64) -> Vec<Features> {
    let mut order: Vec<usize> = (0..features.count()).collect();
    order.shuffle(&mut random::generator(SEED, Purpose::Extrapolation, 0, side));
    order.chunks_exact(features.count() / parts).take(parts).map(|part| features.select(part)).collect()
}

/// The value at zero of the line of least squares through points.
fn at_zero(points: &[[f64; 2]]) -> f64 {
    let count = points.len() as f64;
    let [x, y] = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / count);
    let slope = points.iter().map(|point| (point[0] - x) * (point[1] - y)).sum::<f64>()
        / points.iter().map(|point| (point[0] - x).powi(2)).sum::<f64>();
    y - slope * x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::features::tests::{gaussian, map};

    fn plain(real: &Features, samples: &Features) -> f64 {
        frechet_distance(&Gaussian::fit(real), &Gaussian::fit(samples))
    }

    #[test]
    fn a_line_is_followed_to_zero() {
        assert!((at_zero(&[[1.0, 3.0], [2.0, 5.0], [3.0, 7.0]]) - 1.0).abs() < 1e-14);
        // Means 2.5 and 2, slope 3 / 5.
        assert!((at_zero(&[[1.0, 1.0], [2.0, 2.0], [3.0, 2.0], [4.0, 3.0]]) - 0.5).abs() < 1e-14);
    }

    /// The first term of the bias, `a / n + b / m`, is gone: less than a tenth of it is left in the mean over a hundred pairs of sets, of
    /// one distribution and of two whose distance is known.
    #[test]
    fn the_bias_of_few_images_is_taken_out() {
        const SETS: u64 = 100;
        const WIDTH: usize = 16;
        // The means differ by 0.1 in each feature, the deviations too.
        for (shift, scale, truth) in [(0.0, 1.0, 0.0), (0.1, 1.1, WIDTH as f64 * 0.02)] {
            let (mut biased, mut extrapolated) = (0.0, 0.0);
            for set in 0..SETS {
                let real = gaussian(600, WIDTH, 2 * set);
                let samples = map(&gaussian(600, WIDTH, 2 * set + 1), |_, _, value| scale * value + shift);
                biased += (plain(&real, &samples) - truth) / SETS as f64;
                extrapolated += (frechet_infinity(&real, &samples).unwrap() - truth) / SETS as f64;
            }
            assert!(biased > 0.1 && extrapolated.abs() < 0.1 * biased, "{truth}: {biased} {extrapolated}");
        }
    }

    #[test]
    fn it_is_the_same_each_time_and_nothing_for_too_few_images() {
        let (real, samples) = (gaussian(80, 15, 1), gaussian(64, 15, 2));
        let found = frechet_infinity(&real, &samples).unwrap();
        assert_eq!(frechet_infinity(&real, &samples), Some(found));
        assert!(found < plain(&real, &samples));
        assert_eq!(frechet_infinity(&real, &gaussian(63, 15, 2)), None, "quarters of 15");
        assert_eq!(frechet_infinity(&gaussian(63, 15, 1), &samples), None);
    }

    #[test]
    fn parts_together_are_the_whole() {
        let features = gaussian(13, 2, 3);
        let parts = dealt(&features, 3, 0);
        assert_eq!(parts.iter().map(Features::count).collect::<Vec<_>>(), [4, 4, 4]);
        let mut rows: Vec<&[f64]> = parts.iter().flat_map(|part| (0..4).map(|row| part.row(row))).collect();
        rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
        rows.dedup();
        assert_eq!(rows.len(), 12, "no image is in two parts");
        assert!(rows.iter().all(|row| (0..13).any(|place| features.row(place) == *row)));
    }
}
