//! The real images of a comparison: what methods may learn from, and what is held out.

use super::Settings;
use crate::data::{Dataset, Parts, Reading};
use crate::error::{Error, Result};
use crate::metrics::HeldOut;
use crate::metrics::unjudged;

/// The images of the target.
#[derive(Debug)]
pub struct RealData {
    /// The training split less the validation block, as it was read.
    native: Dataset,
    /// The validation block, in the networks' size.
    pub validation: Dataset,
    /// The test split in the networks' size; never read while settings are chosen.
    pub test: Option<Dataset>,
    size: usize,
    channels: usize,
    subset_plain: bool,
}

impl RealData {
    /// Reads the target's images; of its test split only where the comparison is measured against that.
    ///
    /// # Errors
    /// What reading the data says.
    pub fn load(settings: &Settings) -> Result<RealData> {
        let architecture = &settings.recipe.architecture;
        let (size, channels) = (architecture.size, architecture.channels);
        let reading = Reading { size: Some(size), ..Reading::default() };
        let parts = Parts::read(&settings.target.parse()?, &reading)?;
        if let Some(why) = unjudged(&parts)? {
            return Err(Error::invalid(format!("nothing can be compared on {}: {why}", settings.target)));
        }
        let (native, validation) = parts.split()?;
        let test = match settings.split {
            HeldOut::Test => Some(parts.test()?.fit(size, channels)?),
            HeldOut::Validation => None,
        };
        let (validation, subset_plain) = (validation.fit(size, channels)?, settings.subset_plain);
        Ok(RealData { native, validation, test, size, channels, subset_plain })
    }

    /// All that methods, and the judge, may learn from.
    ///
    /// # Errors
    /// Where the images do not fit the networks.
    pub fn training(&self) -> Result<Dataset> {
        self.native.clone().fit(self.size, self.channels)
    }

    /// The images that the runs of a seed learn from.
    ///
    /// # Errors
    /// Where there are not as many.
    pub fn subset(&self, count: usize, seed: u64) -> Result<Dataset> {
        self.native.subset(count, seed, self.subset_plain)?.fit(self.size, self.channels)
    }

    /// What the headline figures are measured against.
    pub fn held_out(&self) -> &Dataset {
        self.test.as_ref().unwrap_or(&self.validation)
    }

    /// The two sets of fresh real images whose distance is the floor: what samples are measured against and the validation block,
    /// or the halves of that.
    pub fn floor(&self) -> (Dataset, Dataset) {
        match &self.test {
            Some(test) => (test.clone(), self.validation.clone()),
            None => self.validation.halves(),
        }
    }
}
