//! A data set as one command uses it: its training split is read once, a validation block is held out of that, and its test split is
//! there or not.

use super::{Dataset, Spec, Split};
use crate::error::Result;

/// A data set whose training split is in memory, in its own size and channels.
#[derive(Clone, Debug)]
pub struct Parts {
    spec: Spec,
    whole: Dataset,
}

impl Parts {
    /// Reads the training split.
    ///
    /// # Errors
    /// Those of [`Spec::load`].
    pub fn read(spec: &Spec) -> Result<Parts> {
        Ok(Parts { whole: spec.load(Split::Train)?, spec: spec.clone() })
    }

    /// The data set's name.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The whole training split, the validation block included.
    pub fn whole(&self) -> &Dataset {
        &self.whole
    }

    /// The training split less the validation block, and that block: what methods and judges may learn from, and what is held out.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where there are fewer than five images.
    pub fn split(&self) -> Result<(Dataset, Dataset)> {
        self.whole.clone().split_validation()
    }

    /// Reads the test split, in its own size and channels.
    ///
    /// # Errors
    /// [`Error::NoSplit`](crate::Error::NoSplit) where the data set has none; any other where it has one that cannot be read.
    pub fn test(&self) -> Result<Dataset> {
        self.spec.load(Split::Test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::fs;

    /// The pixels of an IDX file of so many images of 8 x 8.
    fn images(count: u8) -> Vec<u8> {
        [&[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 8, 0, 0, 0, 8][..], &vec![7; usize::from(count) * 64]].concat()
    }

    #[test]
    fn a_test_split_that_is_not_there_and_one_that_is_broken_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let labels = |count: u8| [&[0, 0, 8, 1, 0, 0, 0, count][..], &vec![1; usize::from(count)]].concat();
        write("train-images-idx3-ubyte", &images(10));
        write("train-labels-idx1-ubyte", &labels(10));
        let parts = Parts::read(&format!("mnist:{}", folder.path().display()).parse().unwrap()).unwrap();
        assert!(matches!(parts.test(), Err(Error::NoSplit(_))));
        write("t10k-images-idx3-ubyte", &images(3));
        assert!(matches!(parts.test(), Err(Error::Invalid(_))), "images without labels");
        write("t10k-labels-idx1-ubyte", &labels(2));
        assert!(matches!(parts.test(), Err(Error::Format { .. })), "too few labels");
        write("t10k-labels-idx1-ubyte", &labels(3));
        assert_eq!(parts.test().unwrap().len(), 3);
        let (training, validation) = parts.split().unwrap();
        assert_eq!([parts.whole().len(), training.len(), validation.len()], [10, 8, 2]);
    }
}
