//! Holding images out of a training set, to choose settings and to train a judge without touching the test split.

use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use super::Dataset;
use super::kind::Block;
use super::subset::interleave;
use crate::error::{Error, Result};
use crate::random::{self, Purpose};

/// The block is one of this many parts.
const PARTS: usize = 5;
/// The seed of the draw of halves.
const HALVES_SEED: u64 = 0;

impl Dataset {
    /// How many images a validation block would have: a fifth, rounded down.
    pub(super) fn held_out(&self) -> usize {
        self.len() / PARTS
    }

    /// Whether there are enough images to hold some out.
    pub fn can_hold_out(&self) -> bool {
        self.held_out() > 0
    }

    /// The training part and the validation block, each in the order that it had. Take a [`subset`](Self::subset) of the training part,
    /// and it holds nothing of the block.
    ///
    /// Neighbours may show one thing: SVHN's digits of one house number follow each other, and drawn at random they would stand on both
    /// sides; so a block may be the contiguous last fifth. Files that are sorted by class would then give a block of the last
    /// classes alone; so a block may be drawn, of each class in proportion, by the digest of the data and by no seed: a judge's
    /// training images are never another run's held-out ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are fewer than five images.
    pub fn hold_out(&self, block: Block) -> Result<(Dataset, Dataset)> {
        if !self.can_hold_out() {
            return Err(Error::invalid(format!(
                "{} has {} training images, of which no fifth can be held out for validation; name a data set of {PARTS} or more",
                self.name,
                self.len()
            )));
        }
        let kept = self.len() - self.held_out();
        let mut order: Vec<usize> = (0..self.len()).collect();
        if block == Block::Drawn {
            let mut seed = [0; 8];
            seed.copy_from_slice(&self.content()[..8]);
            order.shuffle(&mut random::generator(u64::from_le_bytes(seed), Purpose::Validation, 0, 0));
            if let Some(labels) = &self.labels {
                order = interleave(&order, labels, &self.class_counts());
            }
            order[..kept].sort_unstable();
            order[kept..].sort_unstable();
        }
        Ok((self.select(&order[..kept]), self.select(&order[kept..])))
    }

    /// What tells the data from others', whatever the size of the networks and wherever it lies: the digest of the files, or of the images and
    /// labels as they were read.
    fn content(&self) -> [u8; 32] {
        self.key.unwrap_or_else(|| {
            let mut hash = Sha256::new();
            for index in 0..self.len() {
                hash.update(self.images.image(index));
            }
            for label in self.labels.iter().flatten() {
                hash.update(label.to_le_bytes());
            }
            hash.finalize().into()
        })
    }

    /// Two halves, each in the order that it had, which stand against each other where there is no other held-out set.
    ///
    /// Neighbours stay together, as in the block: the later half and the first. So they do among labelled files, whose classes come in turn.
    /// Others of a person's own may be sorted: they are dealt out by a fixed draw, those of each class by turns.
    pub fn halves(&self, block: Block) -> (Dataset, Dataset) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        let first = self.len() / 2;
        if block == Block::Drawn && (self.files.is_none() || self.labels.is_none()) {
            order.shuffle(&mut random::generator(HALVES_SEED, Purpose::Validation, 0, 1));
            if let Some(labels) = &self.labels {
                order.sort_by_key(|&index| labels[index]);
            }
            order = order.iter().skip(1).step_by(2).chain(order.iter().step_by(2)).copied().collect();
            order[..first].sort_unstable();
            order[first..].sort_unstable();
        }
        (self.select(&order[first..]), self.select(&order[..first]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Classes, Images};
    use proptest::prelude::*;

    /// Images of two pixels that hold their own index, sorted by class.
    fn numbered(count: usize) -> Dataset {
        let pixels = (0..count).flat_map(|index| (index as u16).to_le_bytes()).collect();
        let labels = (0..count).map(|index| (index * 3 / count) as u32).collect();
        Dataset::labelled("numbered", Images::new([count, 2, 1, 1], pixels), labels, Classes::numbered(0..3))
    }

    fn numbers(dataset: &Dataset) -> Vec<usize> {
        dataset.images.pixels().chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]).into()).collect()
    }

    #[test]
    fn the_contiguous_block_is_the_last_fifth() {
        for (count, kept) in [(5, 4), (9, 8), (10, 8), (10_000, 8_000), (73, 59)] {
            let (training, block) = numbered(count).hold_out(Block::LastFifth).unwrap();
            assert_eq!(training, numbered(count).select(&(0..kept).collect::<Vec<_>>()));
            assert_eq!(block, numbered(count).select(&(kept..count).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn a_drawn_block_has_each_class_in_proportion_and_depends_on_the_content_alone() {
        let (training, block) = numbered(150).hold_out(Block::Drawn).unwrap();
        assert_eq!((training.class_counts(), block.class_counts()), (vec![40; 3], vec![10; 3]));
        let mut elsewhere = numbered(150);
        elsewhere.name = "elsewhere".into();
        assert_eq!(numbers(&elsewhere.hold_out(Block::Drawn).unwrap().1), numbers(&block));
        assert_ne!(numbers(&block), (120..150).collect::<Vec<_>>());
        let mut others = numbered(150);
        others.images = Images::new([150, 2, 1, 1], numbered(150).images.pixels().iter().map(|p| p ^ 128).collect());
        let other = numbers(&others.hold_out(Block::Drawn).unwrap().1);
        assert_ne!(other.iter().map(|number| number ^ 0x8080).collect::<Vec<_>>(), numbers(&block));
    }

    #[test]
    fn a_drawn_block_of_images_without_labels_is_taken_from_everywhere() {
        let data = numbered(50);
        let (training, block) = Dataset::unlabelled("plain", data.images).hold_out(Block::Drawn).unwrap();
        assert_eq!((training.len(), block.len()), (40, 10));
        // Of the ten last, as of those before, about a fifth.
        let late = numbers(&block).into_iter().filter(|&number| number >= 40).count();
        assert!((1..=5).contains(&late), "{late} of the last ten");
    }

    #[test]
    fn halves_of_sorted_arrays_have_each_class_and_those_of_neighbours_are_contiguous() {
        let halves = |data: &Dataset, block| {
            let (later, first) = data.halves(block);
            (numbers(&first), numbers(&later))
        };
        let contiguous = ((0..30).collect::<Vec<_>>(), (30..61).collect::<Vec<_>>());
        let sorted = numbered(61);
        assert_eq!(halves(&sorted, Block::LastFifth), contiguous);
        let (later, first) = sorted.halves(Block::Drawn);
        assert_eq!((first.len(), later.len()), (30, 31));
        assert!(first.class_counts().iter().zip(later.class_counts()).all(|(&a, b)| a.abs_diff(b) <= 1));
        let (first, later) = halves(&sorted, Block::Drawn);
        assert!(first.is_sorted() && later.is_sorted(), "each in the order that it had");
        let mut all = [first, later].concat();
        all.sort_unstable();
        assert_eq!(all, (0..61).collect::<Vec<_>>());

        let plain = sorted.clone().without_labels();
        let early = |numbers: Vec<usize>| numbers.iter().filter(|&&number| number < 30).count();
        let (first, later) = halves(&plain, Block::Drawn);
        // Of the 30 early ones about half.
        assert!((8..=22).contains(&early(first.clone())) && first.len() + later.len() == 61, "{first:?}");
        assert_eq!(halves(&plain, Block::Drawn), (first, later), "the draw is fixed");
        // The classes of labelled files come in turn already.
        let files = Some((0..61).map(|file| format!("{file}.png").into()).collect());
        let of_files = Dataset { files, ..sorted };
        assert_eq!(halves(&of_files, Block::Drawn), contiguous);
        assert_eq!(halves(&of_files.without_labels(), Block::Drawn), halves(&plain, Block::Drawn));
    }

    #[test]
    fn no_fifth_of_four_images_is_an_error() {
        for block in [Block::LastFifth, Block::Drawn] {
            let error = numbered(4).hold_out(block).unwrap_err();
            assert!(
                matches!(&error, Error::Invalid(text) if text.contains("numbered has 4 training images")),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_subset_of_the_training_part_holds_an_image_of_the_block(
            count in 5usize..300, seed: u64, plain: bool, drawn: bool, cut in 0.0f64..1.0,
        ) {
            let block = if drawn { Block::Drawn } else { Block::LastFifth };
            let (training, block) = numbered(count).hold_out(block).unwrap();
            prop_assert_eq!(training.len() + block.len(), count);
            let n = 1 + (cut * (training.len() - 1) as f64) as usize;
            let subset = numbers(&training.subset(n, seed, plain).unwrap());
            prop_assert_eq!(subset.len(), n);
            prop_assert!(numbers(&block).iter().all(|number| !subset.contains(number)));
        }
    }
}
