//! Which images each training step sees.

use rand::seq::SliceRandom;

use crate::random::{self, Purpose};

/// Batches from an endless row of epochs, each a permutation of all images.
///
/// Batch t is a pure function of (count, batch size, seed, t), so a resumed run has no sampler to restore.
#[derive(Clone, Debug)]
pub struct Sampler {
    count: usize,
    batch: usize,
    seed: u64,
    /// The permutation used last, since consecutive batches mostly share an epoch; never changes a result.
    current: Option<(u64, Vec<usize>)>,
}

impl Sampler {
    /// Batches of `batch` indices below `count`. A batch may be larger than the data set: it then spans epochs.
    ///
    /// # Panics
    /// Where `count` or `batch` is zero.
    #[track_caller]
    pub fn new(count: usize, batch: usize, seed: u64) -> Sampler {
        assert!(count > 0 && batch > 0, "a sampler of batches of {batch} from {count} images");
        Sampler { count, batch, seed, current: None }
    }

    /// The indices of batch `step`: positions `[step * batch, (step + 1) * batch)` of the row of epochs.
    pub fn indices(&mut self, step: u64) -> Vec<usize> {
        let mut indices = Vec::with_capacity(self.batch);
        // In 128 bits no step overflows.
        let mut position = u128::from(step) * self.batch as u128;
        while indices.len() < self.batch {
            let epoch = (position / self.count as u128) as u64;
            let start = (position % self.count as u128) as usize;
            let end = self.count.min(start + self.batch - indices.len());
            indices.extend_from_slice(&self.permutation(epoch)[start..end]);
            position += (end - start) as u128;
        }
        indices
    }

    fn permutation(&mut self, epoch: u64) -> &[usize] {
        if self.current.as_ref().is_none_or(|(cached, _)| *cached != epoch) {
            let mut permutation: Vec<usize> = (0..self.count).collect();
            permutation.shuffle(&mut random::generator(self.seed, Purpose::Shuffle, epoch, 0));
            self.current = Some((epoch, permutation));
        }
        &self.current.as_ref().expect("just set").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_epoch_holds_every_image_once() {
        let (count, batch) = (10, 4);
        let mut sampler = Sampler::new(count, batch, 7);
        let row: Vec<usize> = (0..5).flat_map(|step| sampler.indices(step)).collect();
        let epochs: Vec<Vec<usize>> = row.chunks_exact(count).map(<[usize]>::to_vec).collect();
        assert_eq!(epochs.len(), 2);
        assert_ne!(epochs[0], epochs[1]);
        for mut epoch in epochs {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn another_seed_gives_another_order() {
        assert_ne!(Sampler::new(100, 100, 1).indices(0), Sampler::new(100, 100, 2).indices(0));
    }

    #[test]
    fn the_last_step_of_all_does_not_overflow() {
        assert_eq!(Sampler::new(3, 7, 0).indices(u64::MAX).len(), 7);
    }

    proptest! {
        #[test]
        fn a_batch_does_not_depend_on_what_was_asked_before(
            count in 1usize..40, batch in 1usize..100, seed: u64, steps in prop::collection::vec(0u64..50, 1..20),
        ) {
            let mut used = Sampler::new(count, batch, seed);
            for step in steps {
                prop_assert_eq!(used.indices(step), Sampler::new(count, batch, seed).indices(step));
            }
        }
    }
}
