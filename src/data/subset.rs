//! Subsets for experiments on little data: nested, and in proportion to the classes.

use rand::seq::SliceRandom;

use super::Dataset;
use crate::error::{Error, Result};
use crate::random::{self, Purpose};

impl Dataset {
    /// `n` images drawn by `seed`. Subsets of one seed are nested: the first 100 of a subset of 1,000 are the subset
    /// of 100.
    ///
    /// Each class gets its natural share of every subset, rounded: of k classes one with a share of p is off by at
    /// most (1 + k p) / 2 images. Where `plain` is set or there are no labels, labels play no part.
    ///
    /// # Errors
    /// [`Error::Invalid`] where `n` is zero or larger than the data set.
    pub fn subset(&self, n: usize, seed: u64, plain: bool) -> Result<Dataset> {
        if n == 0 || n > self.len() {
            return Err(Error::invalid(format!(
                "a subset of {n} images cannot be taken from the {} of {}; take 1 to {}",
                self.len(),
                self.name,
                self.len()
            )));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut random::generator(seed, Purpose::Subset, 0, 0));
        if let (false, Some(labels)) = (plain, &self.labels) {
            order = interleave(&order, labels, &self.class_counts());
        }
        Ok(self.select(&order[..n]))
    }
}

/// Reorders images so that every beginning has each class in proportion: the r-th of a class of m images stands at
/// (r + 1/2) / m of the way, so up to a point t a class has t * m images, rounded. Equal places keep the order given.
pub(super) fn interleave(order: &[usize], labels: &[u32], counts: &[usize]) -> Vec<usize> {
    let mut seen = vec![0u128; counts.len()];
    let mut places: Vec<(u128, u128, usize)> = order
        .iter()
        .map(|&index| {
            let class = labels[index] as usize;
            seen[class] += 1;
            (2 * seen[class] - 1, 2 * counts[class] as u128, index)
        })
        .collect();
    // Cross-multiplied, so that fractions compare exactly.
    places.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
    places.into_iter().map(|(.., index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Classes, Images};
    use proptest::prelude::*;

    /// Images of two pixels that hold their own index, so that a subset shows what it took.
    fn numbered(labels: Vec<u32>) -> Dataset {
        let count = labels.len();
        let pixels = (0..count).flat_map(|index| (index as u16).to_le_bytes()).collect();
        Dataset::labelled("numbered", Images::new([count, 1, 2, 1], pixels), labels, Classes::numbered(0..10))
    }

    proptest! {
        #[test]
        fn subsets_are_nested_and_without_repetition(
            labels in prop::collection::vec(0u32..4, 2..300), seed: u64, plain: bool, cut in 0.0f64..1.0,
        ) {
            let dataset = numbered(labels);
            let all = dataset.subset(dataset.len(), seed, plain).unwrap();
            let n = 1 + (cut * (dataset.len() - 1) as f64) as usize;
            let some = dataset.subset(n, seed, plain).unwrap();
            prop_assert_eq!(&some.images.pixels()[..], &all.images.pixels()[..2 * n]);
            prop_assert_eq!(&some.labels.unwrap()[..], &all.labels.unwrap()[..n]);
            let pixels = all.images.pixels();
            let mut taken: Vec<_> = pixels.chunks_exact(2).collect();
            taken.sort_unstable();
            taken.dedup();
            prop_assert_eq!(taken.len(), dataset.len());
        }

        #[test]
        fn a_class_has_its_natural_share_of_every_subset(
            labels in prop::collection::vec(0u32..4, 2..300), seed: u64, cut in 0.0f64..1.0,
        ) {
            let dataset = numbered(labels);
            let n = 1 + (cut * (dataset.len() - 1) as f64) as usize;
            let subset = dataset.subset(n, seed, false).unwrap();
            for (taken, whole) in subset.class_counts().into_iter().zip(dataset.class_counts()) {
                let share = n as f64 * whole as f64 / dataset.len() as f64;
                // Half an image for rounding this class, and its part of the half images by which each of the four
                // rounds.
                let tolerance = 0.5 + 4.0 * 0.5 * whole as f64 / dataset.len() as f64 + 1e-9;
                prop_assert!((taken as f64 - share).abs() <= tolerance, "{} of {}, share {}", taken, n, share);
            }
        }
    }

    #[test]
    fn a_hundred_of_ten_equal_classes_has_ten_of_each() {
        let dataset = numbered((0..1000).map(|index| index % 10).collect());
        assert_eq!(dataset.subset(100, 3, false).unwrap().class_counts(), [10; 10]);
    }

    #[test]
    fn a_plain_subset_ignores_labels() {
        let labelled = numbered((0..200).map(|index| index % 4).collect());
        let unlabelled = Dataset::unlabelled("numbered", labelled.images.clone());
        let plain = labelled.subset(50, 5, true).unwrap();
        assert_eq!(plain.images, unlabelled.subset(50, 5, true).unwrap().images);
        assert_eq!(plain.images, unlabelled.subset(50, 5, false).unwrap().images);
        assert_ne!(plain.images, labelled.subset(50, 6, true).unwrap().images);
    }

    #[test]
    fn a_subset_of_nothing_or_of_too_many_is_an_error() {
        let dataset = numbered(vec![0, 1, 2]);
        for n in [0, 4] {
            let error = dataset.subset(n, 0, false).unwrap_err();
            assert!(matches!(&error, Error::Invalid(text) if text.contains("take 1 to 3")), "{error}");
        }
    }
}
