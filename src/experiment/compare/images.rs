//! The real images of a comparison: what methods may learn from, and what is held out.

use std::collections::BTreeSet;

use super::{Design, Settings};
use crate::data::{Block, Dataset, Parts};
use crate::error::{Error, Result};
use crate::metrics::{HeldOut, flattery, flattery_of_source, seen, unjudged};
use crate::transfer::{Source, SourceImages};

/// The images of the target.
#[derive(Debug)]
pub struct RealData {
    /// The training split less the validation block, as it was read.
    native: Dataset,
    /// The validation block, in the networks' size.
    pub validation: Dataset,
    /// The test split in the networks' size; never read while settings are chosen.
    pub test: Option<Dataset>,
    /// Why nothing can be measured by them, if nothing can: too few are held out.
    pub unjudged: Option<String>,
    /// How many images are held out for validation, in a sentence.
    pub withheld: String,
    /// The source's images, which all runs share.
    pub source: SourceImages,
    size: usize,
    channels: usize,
    subset_plain: bool,
    block: Block,
}

impl RealData {
    /// Those of the target; its test split is read, now, only where the comparison is measured against that.
    ///
    /// # Errors
    /// [`Error::NoSplit`](crate::Error::NoSplit) where there is no such split; what reading it says.
    pub fn of(target: &Parts, settings: &Settings) -> Result<RealData> {
        let architecture = &settings.recipe.architecture;
        let (size, channels) = (architecture.size, architecture.channels);
        let unjudged = unjudged(target, settings.split)?;
        let of_few = |error| match &unjudged {
            Some(why) => Error::invalid(format!("nothing can be compared on {}: {why}", target.spec())),
            None => error,
        };
        let (native, validation) = target.split().map_err(of_few)?;
        let test = match settings.split {
            HeldOut::Test => Some(target.test()?.fit(size, channels)?),
            HeldOut::Validation => None,
        };
        let withheld = target.withheld()?;
        let (validation, subset_plain) = (validation.fit(size, channels)?, settings.subset_plain);
        let source = SourceImages::new(&settings.reading, architecture);
        let block = target.spec().block();
        Ok(RealData { native, validation, test, unjudged, withheld, size, channels, subset_plain, block, source })
    }

    /// What methods, and the judge, may learn from, as it was read.
    pub fn native(&self) -> &Dataset {
        &self.native
    }

    /// All that methods, and the judge, may learn from.
    ///
    /// # Errors
    /// Where the images do not fit the networks.
    pub fn training(&self) -> Result<Dataset> {
        self.native.clone().fit(self.size, self.channels)
    }

    /// What a person should know of headline figures, if some of the images that they are measured against may be learned from, as the target's
    /// or as a source's.
    ///
    /// # Errors
    /// Where the images do not fit the networks.
    pub fn warnings(&self, design: &Design) -> Result<Vec<String>> {
        let mut sources = BTreeSet::new();
        for arm in &design.arms {
            let source = arm.learning(design.settings.learning())?.source;
            let source = source.unwrap_or_else(|| design.settings.source.clone());
            // Of a checkpoint that is gone nothing is known.
            if let Ok(parsed) = Source::parse(&source)
                && parsed.is_read_by(arm)?
            {
                sources.insert(source);
            }
        }
        let held_out = self.held_out();
        let mut warnings = Vec::from_iter(flattery(seen(held_out, &self.training()?), held_out.len()));
        // Images of a checkpoint may be unknown.
        let images = sources.iter().filter_map(|source| self.source.images(source).ok());
        warnings.extend(images.filter_map(|(images, _)| flattery_of_source(held_out, &images)));
        Ok(warnings)
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
            None => self.validation.halves(self.block),
        }
    }
}
