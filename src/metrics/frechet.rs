//! The Fréchet distance between Gaussians (Dowson & Landau 1982; Heusel et al. 2017 for generated images).

use nalgebra::{DMatrix, DVector};

use super::Features;

/// A Gaussian fitted to features: made once for the real images, it serves any number of comparisons.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
    /// L with L L^T = covariance, one column for each eigenvalue above rounding.
    root: DMatrix<f64>,
}

impl Gaussian {
    /// The mean and the unbiased covariance of features. There may be fewer samples than features.
    ///
    /// # Panics
    /// Where there is one sample only.
    #[track_caller]
    pub fn fit(features: &Features) -> Gaussian {
        assert!(features.count() > 1, "Gaussian::fit: one sample has no covariance");
        // Row-major [count, width] is column-major [width, count].
        let mut samples = DMatrix::from_column_slice(features.width(), features.count(), features.values());
        let mean = samples.column_mean();
        for mut sample in samples.column_iter_mut() {
            sample -= &mean;
        }
        let covariance = &samples * samples.transpose() / (features.count() - 1) as f64;
        Gaussian::from_moments(mean, covariance)
    }

    /// The Gaussian of a mean `[width]` and a covariance `[width, width]`, of which the lower triangle is read.
    ///
    /// # Panics
    /// Where the two differ in width, or an eigenvalue of the covariance is negative by more than rounding.
    #[track_caller]
    pub fn new(mean: &[f64], covariance: &[f64]) -> Gaussian {
        let width = mean.len();
        assert_eq!(covariance.len(), width * width, "Gaussian::new: a mean of {width} has a covariance of its square");
        let covariance = DMatrix::from_row_slice(width, width, covariance);
        Gaussian::from_moments(DVector::from_column_slice(mean), covariance)
    }

    #[track_caller]
    fn from_moments(mean: DVector<f64>, covariance: DMatrix<f64>) -> Gaussian {
        let eigen = covariance.clone().symmetric_eigen();
        let rounding = eigen.eigenvalues.amax() * mean.len() as f64 * f64::EPSILON;
        let least = eigen.eigenvalues.min();
        assert!(least >= -rounding, "Gaussian: a covariance has no negative eigenvalue, but this has {least:e}");
        let columns: Vec<DVector<f64>> = eigen
            .eigenvalues
            .iter()
            .zip(eigen.eigenvectors.column_iter())
            .filter(|(value, _)| **value > rounding)
            .map(|(value, vector)| vector * value.sqrt())
            .collect();
        let root = if columns.is_empty() { DMatrix::zeros(mean.len(), 0) } else { DMatrix::from_columns(&columns) };
        Gaussian { mean, covariance, root }
    }

    /// The mean, `[width]`.
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// The covariance, `[width, width]`.
    pub fn covariance(&self) -> &[f64] {
        self.covariance.as_slice()
    }
}

/// `|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1^1/2 S2 S1^1/2)^1/2)`, never negative.
///
/// With S1 = L1 L1^T and S2 = L2 L2^T the last trace is the sum of the singular values of L1^T L2. No root of a
/// computed eigenvalue near 0 is taken on the way, which would turn a rounding of 1e-16 into an error of 1e-8.
///
/// # Panics
/// Where the two differ in width.
#[track_caller]
pub fn frechet_distance(first: &Gaussian, second: &Gaussian) -> f64 {
    assert_eq!(first.mean.len(), second.mean.len(), "frechet_distance: Gaussians of two widths cannot be compared");
    let means = (&first.mean - &second.mean).norm_squared();
    let overlap = sum_of_singular_values(&first.root.tr_mul(&second.root));
    (means + first.covariance.trace() + second.covariance.trace() - 2.0 * overlap).max(0.0)
}

/// The eigenvalues of `[[0, A], [A^T, 0]]` are the singular values of A, once with each sign, and zeros (Jordan, Wielandt).
fn sum_of_singular_values(matrix: &DMatrix<f64>) -> f64 {
    let (rows, columns) = matrix.shape();
    if rows == 0 || columns == 0 {
        return 0.0;
    }
    let mut dilation = DMatrix::zeros(rows + columns, rows + columns);
    dilation.view_mut((rows, 0), (columns, rows)).tr_copy_from(matrix);
    // Only the lower triangle is read.
    dilation.symmetric_eigenvalues().abs().sum() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::features::tests::{gaussian, map};

    fn distance(first: &Features, second: &Features) -> f64 {
        frechet_distance(&Gaussian::fit(first), &Gaussian::fit(second))
    }

    /// Correlated features, with more of the variance in some than in others.
    fn correlated(count: usize, width: usize, seed: u64) -> Features {
        let independent = gaussian(count, width, seed);
        map(&independent, |sample, feature, value| {
            let neighbour = independent.row(sample)[(feature + 1) % width];
            0.3 * feature as f64 + (value + 0.7 * neighbour) * (1.0 + feature as f64).sqrt()
        })
    }

    #[test]
    fn features_are_at_distance_zero_from_themselves() {
        for (count, width) in [(200, 12), (10, 40), (2, 7)] {
            let gaussian = Gaussian::fit(&correlated(count, width, 1));
            let found = frechet_distance(&gaussian, &gaussian);
            let scale = gaussian.covariance.trace();
            assert!(found <= 1e-12 * scale, "{count} samples of {width}: {found:e} of {scale:e}");
        }
        let constant = Features::from_slice(&[3.0; 20], 4).unwrap();
        assert!(distance(&constant, &constant) < 1e-28);
    }

    #[test]
    fn it_is_symmetric() {
        for (first, second) in [(200, 150), (10, 300), (8, 9)] {
            let [a, b] = [correlated(first, 24, 1), gaussian(second, 24, 2)];
            let (there, back) = (distance(&a, &b), distance(&b, &a));
            assert!((there - back).abs() <= 1e-12 * there, "{there} {back}");
        }
    }

    #[test]
    fn it_is_the_same_in_a_rotated_basis() {
        let width = 10;
        let rotation = DMatrix::from_column_slice(width, width, gaussian(width, width, 7).values()).qr().q();
        let rotate = |features: &Features| {
            map(features, |sample, feature, _| {
                rotation.row(feature).iter().zip(features.row(sample)).map(|(a, b)| a * b).sum()
            })
        };
        for count in [300, 6] {
            let [a, b] = [correlated(count, width, 1), gaussian(count, width, 2)];
            let (plain, rotated) = (distance(&a, &b), distance(&rotate(&a), &rotate(&b)));
            assert!((plain - rotated).abs() <= 1e-11 * plain, "{plain} {rotated}");
        }
    }

    /// Diagonal Gaussians: the sum over features of `(m1 - m2)^2 + (s1 - s2)^2`.
    #[test]
    fn it_has_a_closed_form_for_diagonal_gaussians() {
        let diagonal =
            |deviations: [f64; 4]| DMatrix::from_diagonal(&DVector::from(deviations.to_vec()).map(|s| s * s));
        let first = Gaussian::new(&[0.0, 1.0, -2.0, 0.5], diagonal([1.0, 2.0, 0.5, 0.0]).as_slice());
        let second = Gaussian::new(&[1.0, 1.0, 0.0, 0.0], diagonal([3.0, 2.0, 0.0, 0.0]).as_slice());
        let found = frechet_distance(&first, &second);
        assert!((found - (1.0 + 4.0 + 0.25 + 4.0 + 0.25)).abs() < 1e-13, "{found}");
    }

    #[test]
    fn it_falls_as_noise_is_removed() {
        let (real, clean, noise) = (correlated(500, 16, 1), correlated(400, 16, 2), gaussian(400, 16, 3));
        let real = Gaussian::fit(&real);
        let distances = [4.0, 2.0, 1.0, 0.5, 0.0].map(|level| {
            let noisy = map(&clean, |sample, feature, value| value + level * noise.row(sample)[feature]);
            frechet_distance(&real, &Gaussian::fit(&noisy))
        });
        assert!(distances.is_sorted_by(|more, less| more > less), "{distances:?}");
    }

    #[test]
    #[should_panic = "no negative eigenvalue"]
    fn a_covariance_that_is_none_panics() {
        Gaussian::new(&[0.0, 0.0], &[1.0, 2.0, 2.0, 1.0]);
    }
}
