//! The images of an experiment of classifiers: which are labelled, which are not, and what is held out.

use std::sync::Arc;

use super::Settings;
use crate::data::{Classes, Dataset, Parts};
use crate::error::{Error, Result};
use crate::gan::Architecture;
use crate::metrics::HeldOut;
use crate::random::{Purpose, generator};
use crate::transfer::{SourceImages, known};

use rand::seq::SliceRandom;

/// The images of the target and of the source.
#[derive(Debug)]
pub struct Data {
    /// The training split less the validation block, in the classifier's size.
    training: Dataset,
    /// The validation block.
    pub validation: Dataset,
    /// The test split; never read while settings are chosen.
    test: Option<Dataset>,
    /// How many images are held out for validation, in a sentence.
    pub withheld: String,
    /// The source's images with the target's classes, and whether they had no colours.
    pub source: Option<(Dataset, bool)>,
    /// Whether images are also shown with light and dark in each other's places.
    pub inverted: bool,
    /// The source for GANs, which all runs share.
    pub of_gan: SourceImages,
}

/// The training images of a seed, some of them labelled.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// All of them, in the order in which the seed draws them.
    pub all: Dataset,
    /// Those that are labelled, with their classes.
    pub known: Vec<(usize, u32)>,
}

impl Drawn {
    /// The labelled images alone, all of them known.
    pub fn labelled(&self) -> Drawn {
        let all = self.all.select(&self.known.iter().map(|(image, _)| *image).collect::<Vec<_>>());
        let known = self.known.iter().enumerate().map(|(place, (_, class))| (place, *class)).collect();
        Drawn { all, known }
    }
}

impl Data {
    /// Those of a target, and of the settings' source; the test split is read only where accuracy is measured on it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the target has no labels of two classes or nothing is held out, or the source no class of the target;
    /// [`Error::NoSplit`] where there is no such split; what reading says.
    pub fn of(target: &Parts, settings: &Settings) -> Result<Data> {
        let (size, channels) = (settings.size, settings.channels);
        let whole = target.whole();
        let name = &whole.name;
        let classes = whole.class_counts().iter().filter(|&&count| count > 0).count();
        if whole.labels.is_none() || classes < 2 {
            return Err(Error::invalid(format!(
                "{name} has labels of {classes} classes, and a classifier tells two or more apart: accuracy is measured on labelled images, \
                 also where few are learned from"
            )));
        }
        let (training, validation) = target.split()?;
        if validation.is_empty() {
            return Err(Error::invalid(format!("{name} has too few training images to hold some out for validation")));
        }
        let test = match settings.split {
            HeldOut::Test => Some(target.test()?.fit(size, channels)?.in_classes(&whole.classes)?),
            HeldOut::Validation => None,
        };
        let architecture = Architecture::dcgan(size, channels);
        let of_gan = SourceImages::new(&settings.reading, &architecture);
        let source = settings.source.as_ref().map(|source| {
            let (data, grey) = of_gan.images(source)?;
            of_classes(&data, &whole.classes).map(|data| (data, grey))
        });
        let source = source.transpose()?;
        let of_signs = source.as_ref().is_some_and(|(_, grey)| *grey && channels == 3);
        Ok(Data {
            inverted: settings.invert.unwrap_or(of_signs),
            training: training.fit(size, channels)?,
            validation: validation.fit(size, channels)?,
            test,
            withheld: target.withheld()?,
            source,
            of_gan,
        })
    }

    /// The classes of the target.
    pub fn classes(&self) -> &Classes {
        &self.training.classes
    }

    /// What accuracy is measured on.
    pub fn held_out(&self) -> &Dataset {
        self.test.as_ref().unwrap_or(&self.validation)
    }

    /// How many images are learned from, labelled or not.
    pub fn count(&self) -> usize {
        self.training.len()
    }

    /// The training images in the order of a seed, of which the first `shots` of each class are labelled: fewer labels are the first of more.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a class has fewer.
    pub fn drawn(&self, shots: usize, seed: u64) -> Result<Drawn> {
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        order.shuffle(&mut generator(seed, Purpose::Subset, 1, 0));
        let all = self.training.select(&order);
        let known = known(&all, &all.classes, shots).into_iter().enumerate();
        let known: Vec<(usize, u32)> = known.filter_map(|(image, class)| Some((image, class?))).collect();
        let counts = self.training.class_counts();
        let lacking = counts.iter().zip(self.classes().names()).find(|(count, _)| (1..shots).contains(*count));
        if let Some((count, class)) = lacking {
            return Err(Error::invalid(format!(
                "{} has {count} training images of class {class}, and {shots} labelled ones of each are asked for",
                self.training.name
            )));
        }
        Ok(Drawn { all, known })
    }
}

/// A source's images of the target's classes.
fn of_classes(source: &Arc<Dataset>, classes: &Classes) -> Result<Dataset> {
    let common = source.classes.names().iter().filter(|name| classes.named(name).is_some()).count();
    if source.labels.is_none() || common < 2 {
        let own = if source.labels.is_some() { source.classes.to_string() } else { "none".to_string() };
        return Err(Error::invalid(format!(
            "{} has {common} of the target's classes ({classes}; its own are {own}), and a classifier learns from two or more: map classes \
             of the source to their partners, or go without a source",
            source.name
        )));
    }
    source.of_classes(classes).in_classes(classes)
}
