//! The kernel distance, KID where the features are Inception's (Bińkowski et al. 2018).

use super::Features;
use super::pairs::{map_rows, product};

/// The unbiased estimate of the squared maximum mean discrepancy under the kernel `(x.y / width + 1)^3`, over all pairs.
///
/// Being unbiased it is below zero about half the time where the two come from one distribution.
///
/// # Panics
/// Where the two differ in width, or one has a single sample.
#[track_caller]
pub fn kernel_distance(first: &Features, second: &Features) -> f64 {
    assert!(first.count() > 1 && second.count() > 1, "kernel_distance: one sample has no pairs");
    let across = sum_of_kernels(first, second, |_, _| true) / (first.count() * second.count()) as f64;
    let within = |features: &Features| {
        let pairs = features.count() * (features.count() - 1);
        sum_of_kernels(features, features, |i, j| i != j) / pairs as f64
    };
    within(first) + within(second) - 2.0 * across
}

/// The sum of the kernel over those pairs (i, j) of rows that `counts` takes.
#[track_caller]
fn sum_of_kernels(left: &Features, right: &Features, counts: impl Fn(usize, usize) -> bool + Sync) -> f64 {
    let width = left.width() as f64;
    let rows = map_rows(left, right, product, |i, products| {
        let counted = products.iter().enumerate().filter(|&(j, _)| counts(i, j));
        counted.map(|(_, product)| (product / width + 1.0).powi(3)).sum::<f64>()
    });
    rows.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::features::tests::{gaussian, map};

    /// One feature, samples 0 and 1 against 2 and 3: kernels 1 within, 7^3 within, and 1, 1, 3^3, 4^3 across.
    #[test]
    fn it_is_what_a_hand_computes() {
        let [first, second] = [[0.0, 1.0], [2.0, 3.0]].map(|values| Features::from_slice(&values, 1).unwrap());
        assert_eq!(kernel_distance(&first, &second), 1.0 + 343.0 - 2.0 * (1.0 + 1.0 + 27.0 + 64.0) / 4.0);
    }

    /// Over 200 pairs of sets of one distribution the mean lies within three standard errors of 0, and both signs occur.
    #[test]
    fn it_is_unbiased() {
        let found: Vec<f64> =
            (0..200).map(|i| kernel_distance(&gaussian(20, 8, 2 * i), &gaussian(30, 8, 2 * i + 1))).collect();
        let mean = found.iter().sum::<f64>() / 200.0;
        let deviation = (found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
        assert!(mean.abs() < 3.0 * deviation / 200f64.sqrt(), "{mean} {deviation}");
        assert!(found.iter().any(|&x| x < 0.0) && found.iter().any(|&x| x > 0.0));
    }

    #[test]
    fn it_falls_as_noise_is_removed() {
        let (real, clean, noise) = (gaussian(300, 16, 1), gaussian(300, 16, 2), gaussian(300, 16, 3));
        let distances = [4.0, 2.0, 1.0, 0.0].map(|level| {
            kernel_distance(&real, &map(&clean, |sample, feature, value| value + level * noise.row(sample)[feature]))
        });
        assert!(distances.is_sorted_by(|more, less| more > less), "{distances:?}");
    }
}
