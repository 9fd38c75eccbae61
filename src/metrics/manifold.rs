//! How much of the samples lies among the real images, and how much of the real images among the samples.
//!
//! A set's manifold is the union of the balls around its members that reach to their k-th nearest neighbour in the set,
//! themselves not counted. A ball holds its surface, so a point at exactly its radius is inside.

use serde::{Deserialize, Serialize};

use super::Features;
use super::pairs::{SquaredDifference, map_rows};

/// The neighbour that bounds a ball for precision and recall (Kynkäänniemi 2019).
const PRECISION_NEIGHBOUR: usize = 3;

/// The neighbour that bounds a ball for density and coverage (Naeem 2020).
const COVERAGE_NEIGHBOUR: usize = 5;

/// The figures of [`precision_recall`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// The share of samples inside at least one ball of the real images, k = 3.
    pub precision: f64,
    /// The share of real images inside at least one ball of the samples, k = 3.
    pub recall: f64,
    /// The mean number of balls of the real images, k = 5, that hold a sample, over k. It may exceed 1.
    pub density: f64,
    /// The share of real images whose ball, k = 5, holds at least one sample.
    pub coverage: f64,
}

/// Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).
///
/// Precision, density and coverage change with the number of real images, recall with that of samples: compare only figures
/// of the same counts.
///
/// # Panics
/// Where the two differ in width, or one has fewer than six members.
#[track_caller]
pub fn precision_recall(real: &Features, samples: &Features) -> PrecisionRecall {
    let least = real.count().min(samples.count());
    assert!(
        least > COVERAGE_NEIGHBOUR,
        "precision_recall: {least} members have no neighbour number {COVERAGE_NEIGHBOUR}"
    );
    let real_radii = radii(real, [PRECISION_NEIGHBOUR, COVERAGE_NEIGHBOUR]);
    let sample_radii = radii(samples, [PRECISION_NEIGHBOUR]);

    let of_samples = map_rows(samples, real, SquaredDifference, |_, distances| {
        let inside =
            |k: usize| distances.iter().zip(&real_radii).filter(|(distance, radii)| **distance <= radii[k]).count();
        (inside(0) > 0, inside(1))
    });
    let of_real = map_rows(real, samples, SquaredDifference, |i, distances| {
        let recalled = distances.iter().zip(&sample_radii).any(|(distance, [radius])| distance <= radius);
        (recalled, distances.iter().any(|distance| *distance <= real_radii[i][1]))
    });
    let share = |count: usize, of: usize| count as f64 / of as f64;
    PrecisionRecall {
        precision: share(of_samples.iter().filter(|(inside, _)| *inside).count(), samples.count()),
        recall: share(of_real.iter().filter(|(recalled, _)| *recalled).count(), real.count()),
        density: share(of_samples.iter().map(|(_, balls)| balls).sum(), COVERAGE_NEIGHBOUR * samples.count()),
        coverage: share(of_real.iter().filter(|(_, covered)| *covered).count(), real.count()),
    }
}

/// For each member, its squared distances to the given nearest neighbours, itself not counted.
fn radii<const K: usize>(features: &Features, neighbours: [usize; K]) -> Vec<[f64; K]> {
    map_rows(features, features, SquaredDifference, |i, distances| {
        // The member's distance to itself comes first, before any duplicate of it.
        distances[i] = -1.0;
        neighbours.map(|k| *distances.select_nth_unstable_by(k, f64::total_cmp).1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::features::tests::{gaussian, map};

    fn line(places: &[f64]) -> Features {
        Features::from_slice(places, 1).unwrap()
    }

    #[test]
    fn radii_reach_to_the_kth_neighbour() {
        let found = radii(&line(&[0.0, 1.0, 3.0, 3.0, 10.0]), [1, 3]);
        assert_eq!(found, [[1.0, 9.0], [1.0, 4.0], [0.0, 9.0], [0.0, 9.0], [49.0, 81.0]]);
    }

    /// Real images at 0 to 5: radii 3, 2, 2, 2, 2, 3 for k = 3 and 5, 4, 3, 3, 4, 5 for k = 5. Samples at 8 (on the ball of
    /// 5 for k = 3; on those of 4 and 5 and no other for k = 5), and around 100, whose radii are 92 and at most 5.
    #[test]
    fn figures_are_what_a_hand_computes() {
        let real = line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let samples = line(&[8.0, 100.0, 101.0, 102.0, 103.0, 104.0]);
        let found = precision_recall(&real, &samples);
        assert_eq!(found.precision, 1.0 / 6.0);
        assert_eq!(found.density, 2.0 / 30.0);
        assert_eq!(found.coverage, 2.0 / 6.0);
        assert_eq!(found.recall, 1.0);
    }

    #[test]
    fn a_set_compared_with_itself_is_whole() {
        let features = gaussian(60, 5, 1);
        let found = precision_recall(&features, &features);
        assert_eq!((found.precision, found.recall, found.coverage), (1.0, 1.0, 1.0));
    }

    /// Half of the real images' modes dropped costs recall and coverage, not precision; noise costs precision.
    #[test]
    fn dropped_modes_cost_recall_and_noise_costs_precision() {
        let two_modes = |features: &Features| {
            map(features, |sample, feature, value| if sample % 2 == 0 && feature == 0 { value + 30.0 } else { value })
        };
        let (real, fresh) = (two_modes(&gaussian(400, 4, 1)), gaussian(400, 4, 2));
        let [good, one_mode, noisy] =
            [two_modes(&fresh), fresh.clone(), two_modes(&map(&fresh, |_, _, value| 3.0 * value))]
                .map(|samples| precision_recall(&real, &samples));
        assert!(good.precision > 0.9 && good.recall > 0.9 && good.coverage > 0.9, "{good:?}");
        assert!(one_mode.precision > 0.9 && one_mode.recall < 0.55 && one_mode.coverage < 0.55, "{one_mode:?}");
        assert!(noisy.precision < 0.6 && noisy.recall > 0.8 && noisy.density < 0.5 * good.density, "{noisy:?}");
    }
}
