//! The real images of a data set, in the size and channels of a network: what may be learned from, and what is held out.

use super::HeldOut;
use crate::data::{Block, Dataset, Parts};
use crate::error::{Error, Result};

/// A data set's images.
#[derive(Debug)]
pub struct Real {
    /// What methods, and the judge, may learn from.
    pub training: Dataset,
    /// The block that is held out of it.
    pub validation: Dataset,
    /// The test split, or why the data set has none.
    pub test: Result<Dataset, String>,
    /// How the kind of data set holds images out.
    block: Block,
}

impl Real {
    /// The images of a data set; its test split is read now.
    ///
    /// # Errors
    /// Where the images do not fit, or are too few; where there is a test split that cannot be read.
    pub fn of(parts: &Parts, size: usize, channels: usize) -> Result<Real> {
        let (training, validation) = parts.split()?;
        let test = match parts.test() {
            Ok(test) => Ok(test.fit(size, channels)?),
            Err(Error::NoSplit(why)) => Err(why),
            Err(error) => return Err(error),
        };
        let (training, validation) = (training.fit(size, channels)?, validation.fit(size, channels)?);
        Ok(Real { training, validation, test, block: parts.spec().block() })
    }

    /// What samples are measured against, and the other of test split and validation block. Without a test split, the halves of the
    /// block stand against each other.
    ///
    /// # Errors
    /// [`Error::NoSplit`] where the test split is asked for and there is none.
    pub fn sides(self, against: HeldOut) -> Result<(Dataset, Dataset)> {
        match (against, self.test) {
            (HeldOut::Test, Ok(test)) => Ok((test, self.validation)),
            (HeldOut::Test, Err(why)) => Err(Error::NoSplit(why)),
            (HeldOut::Validation, Ok(test)) => Ok((self.validation, test)),
            (HeldOut::Validation, Err(_)) => Ok(self.validation.halves(self.block)),
        }
    }
}
