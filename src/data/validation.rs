//! Holding images out of a training set, to choose settings and to train a judge without touching the test split.

use super::Dataset;
use crate::error::{Error, Result};

/// The block is one of this many parts.
const PARTS: usize = 5;

impl Dataset {
    /// The training part and the validation block: the first four fifths, and the last fifth (rounded down), each in the
    /// order that it had.
    ///
    /// The block is contiguous because neighbours may show one thing: SVHN's digits of one house number follow each
    /// other, and drawn at random they would stand on both sides. Take a [`subset`](Self::subset) of the training part,
    /// and it holds nothing of the block. Files that are sorted by class give a block of the last classes alone;
    /// `folder:` data sets are not, their classes take turns.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are fewer than five images.
    pub fn split_validation(self) -> Result<(Dataset, Dataset)> {
        let held_out = self.len() / PARTS;
        if held_out == 0 {
            return Err(Error::invalid(format!(
                "{} has {} images, of which no fifth can be held out for validation; name a data set of {PARTS} or more",
                self.name,
                self.len()
            )));
        }
        let kept = self.len() - held_out;
        let (training, block): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&index| index < kept);
        Ok((self.select(&training), self.select(&block)))
    }

    /// Its later half, and its first: they stand against each other where there is no other held-out set.
    pub fn halves(&self) -> (Dataset, Dataset) {
        let (first, later): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&index| index < self.len() / 2);
        (self.select(&later), self.select(&first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Classes, Images};
    use proptest::prelude::*;

    /// Images of two pixels that hold their own index.
    fn numbered(count: usize) -> Dataset {
        let pixels = (0..count).flat_map(|index| (index as u16).to_le_bytes()).collect();
        let labels = (0..count).map(|index| (index % 3) as u32).collect();
        Dataset::labelled("numbered", Images::new([count, 2, 1, 1], pixels), labels, Classes::numbered(0..3))
    }

    fn numbers(dataset: &Dataset) -> Vec<usize> {
        dataset.images.pixels().chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]).into()).collect()
    }

    #[test]
    fn the_block_is_the_last_fifth() {
        for (count, kept) in [(5, 4), (9, 8), (10, 8), (10_000, 8_000), (73, 59)] {
            let (training, block) = numbered(count).split_validation().unwrap();
            assert_eq!(training, numbered(count).select(&(0..kept).collect::<Vec<_>>()));
            assert_eq!(block, numbered(count).select(&(kept..count).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn no_fifth_of_four_images_is_an_error() {
        let error = numbered(4).split_validation().unwrap_err();
        assert!(matches!(&error, Error::Invalid(text) if text.contains("numbered has 4 images")), "{error}");
    }

    proptest! {
        #[test]
        fn no_subset_of_the_training_part_holds_an_image_of_the_block(
            count in 5usize..300, seed: u64, plain: bool, cut in 0.0f64..1.0,
        ) {
            let (training, block) = numbered(count).split_validation().unwrap();
            let n = 1 + (cut * (training.len() - 1) as f64) as usize;
            let subset = numbers(&training.subset(n, seed, plain).unwrap());
            prop_assert_eq!(subset.len(), n);
            prop_assert!(numbers(&block).iter().all(|number| !subset.contains(number)));
        }
    }
}
