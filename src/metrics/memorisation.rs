//! Whether samples are copies of training images.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::Features;
use super::pairs::{SquaredDifference, map_rows};
use crate::error::{Error, Result};
use crate::random::{self, Purpose};

/// Draws of held-out images.
const DRAWS: usize = 20;

/// The copied share above which a verdict is marked.
const FLAG: f64 = 0.3;

/// The figures of [`memorisation`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memorisation {
    /// P: the share of samples nearer to the training images than to as many held-out ones.
    pub nearer: f64,
    /// The share of samples that are copies, `max(0, 2P - 1)`: fresh ones are nearer to either side as often.
    pub copied: f64,
    /// Whether the copied share is above 0.3.
    pub flagged: bool,
}

/// How many samples are nearer to the N training images than to N held-out images, averaged over 20 draws of those by
/// `seed`. Features may be any, pixels too. A sample as near to either side counts half.
///
/// # Errors
/// [`Error::Invalid`] where there are fewer held-out images than training images: the two sides must be as many, and of
/// fewer training images than there are some copies would go unseen.
///
/// # Panics
/// Where the sets differ in width.
#[track_caller]
pub fn memorisation(samples: &Features, training: &Features, held_out: &Features, seed: u64) -> Result<Memorisation> {
    if held_out.count() < training.count() {
        return Err(Error::invalid(format!(
            "memorisation cannot be measured with {} held-out images against {} training images; name a data set that holds \
             out as many, or train on a subset",
            held_out.count(),
            training.count()
        )));
    }
    let draws: Vec<Vec<usize>> = (0..DRAWS)
        .map(|draw| {
            let mut order: Vec<usize> = (0..held_out.count()).collect();
            order.shuffle(&mut random::generator(seed, Purpose::Memorisation, draw as u64, 0));
            order.truncate(training.count());
            order
        })
        .collect();
    let least = |distances: &mut dyn Iterator<Item = f64>| distances.fold(f64::INFINITY, f64::min);
    let to_training =
        map_rows(samples, training, SquaredDifference, |_, distances| least(&mut distances.iter().copied()));
    // In half draws, so that sums are exact.
    let halves = map_rows(samples, held_out, SquaredDifference, |i, distances| {
        let wins = draws.iter().map(|draw| {
            let to_held_out = least(&mut draw.iter().map(|&j| distances[j]));
            1 + usize::from(to_training[i] < to_held_out) - usize::from(to_training[i] > to_held_out)
        });
        wins.sum::<usize>()
    });
    let nearer = halves.iter().sum::<usize>() as f64 / (2 * DRAWS * samples.count()) as f64;
    let copied = (2.0 * nearer - 1.0).max(0.0);
    Ok(Memorisation { nearer, copied, flagged: copied > FLAG })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::features::tests::{gaussian, map};

    /// 500 samples: the first `copies` are noisy copies of training images, the others fresh.
    fn samples(training: &Features, copies: usize) -> Features {
        map(&gaussian(500, training.width(), 11), |sample, feature, value| {
            if sample < copies { training.row(sample % training.count())[feature] + 0.3 * value } else { value }
        })
    }

    #[test]
    fn planted_copies_are_found_and_fresh_samples_cleared() {
        let (training, held_out) = (gaussian(100, 64, 1), gaussian(2000, 64, 2));
        for (copies, expected) in [(500, 1.0), (250, 0.5), (0, 0.0)] {
            let found = memorisation(&samples(&training, copies), &training, &held_out, 0).unwrap();
            assert!((found.copied - expected).abs() < 0.1, "{copies}: {found:?}");
            assert_eq!(found.flagged, copies > 0, "{found:?}");
        }
    }

    #[test]
    fn fewer_held_out_images_than_training_images_are_an_error() {
        let error = memorisation(&gaussian(10, 4, 0), &gaussian(30, 4, 1), &gaussian(29, 4, 2), 0).unwrap_err();
        assert!(error.to_string().contains("29 held-out images against 30 training images"), "{error}");
    }

    #[test]
    fn a_tie_counts_half() {
        let [training, held_out, samples] = [&[0.0, 10.0][..], &[2.0, 10.0], &[1.0, 10.0, 0.0, 2.0, -3.0, 0.5]]
            .map(|places| Features::from_slice(places, 1).unwrap());
        let found = memorisation(&samples, &training, &held_out, 0).unwrap();
        // 1 and 10 are ties, 2 is nearer to the held-out images, the others to the training images.
        assert_eq!(found.nearer, 4.0 / 6.0);
        assert!((found.copied - 1.0 / 3.0).abs() < 1e-15 && found.flagged);
    }

    #[test]
    fn draws_are_those_of_the_seed() {
        let (training, held_out) = (gaussian(50, 8, 1), gaussian(300, 8, 2));
        let [first, again, other] =
            [0, 0, 1].map(|seed| memorisation(&samples(&training, 100), &training, &held_out, seed).unwrap());
        assert_eq!(first, again);
        assert_ne!(first.nearer, other.nearer);
    }
}
