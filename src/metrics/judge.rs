//! The judge: a network that learned from the target's real images, in whose features samples are measured.
//!
//! Where images have classes it is a classifier, whose labels count, too; where they have none, or one for all, a network that tells
//! views of one image from those of others. It learns from the training images less the validation block, with fixed settings, and is
//! never used by a method. A judge that was trained once is kept in a cache, under a name made of all that determines it.

use std::path::{Path, PathBuf};

use super::cache::Origin;
use super::class_free::{self, ClassFree, ClassFreeSettings};
use super::class_judge::{ClassJudge, JudgeSettings};
use super::judge_report::JudgeReport;
use crate::atomic::cache_folder;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::{Design, Predictions, Watcher};
use crate::data::{Classes, Dataset, Images};
use crate::error::Result;

/// What a judge learns by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Supervision {
    /// The classes of its images.
    Classes(JudgeSettings),
    /// Which views are of one image.
    Views(ClassFreeSettings),
}

impl Supervision {
    /// By what a judge of these images learns: by classes where two or more have images, else by views, with what stands beside a judge
    /// of such settings.
    pub fn of(training: &Dataset, settings: &JudgeSettings) -> Supervision {
        match training.tells_classes() {
            true => Supervision::Classes(*settings),
            false => Supervision::Views(ClassFreeSettings::beside(settings)),
        }
    }

    /// The steps that its training takes.
    pub fn steps(&self) -> u64 {
        match self {
            Supervision::Classes(settings) => settings.options.steps,
            Supervision::Views(settings) => settings.options.steps,
        }
    }

    /// Refuses a training that does not fit into a device: into its memory, where that is the host's, or its largest tensor.
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) where the batch is none; [`Error::Invalid`](crate::Error::Invalid) naming what is needed
    /// and what there is.
    pub(crate) fn check_fits(&self, images: [usize; 2], classes: usize, device: &Device) -> Result<()> {
        match self {
            Supervision::Classes(settings) => settings.check_fits(images, classes, device),
            Supervision::Views(settings) => settings.check_fits(images, device),
        }
    }
}

/// A trained judge.
#[derive(Debug)]
pub enum Judge {
    /// One that learned the classes of its images.
    Classes(ClassJudge),
    /// One that learned without any.
    ClassFree(ClassFree),
}

impl Judge {
    /// Trains a judge on images of a network's size and channels, those that methods may learn from: the training split less its
    /// validation block. None where the watcher stopped it.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where the images are too few, or the training diverged; the device's first failure.
    pub fn train(
        training: Dataset,
        settings: &JudgeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<Judge>> {
        Ok(match Supervision::of(&training, settings) {
            Supervision::Classes(settings) => {
                ClassJudge::train(training, &settings, device, watcher)?.map(Judge::Classes)
            }
            Supervision::Views(settings) => {
                ClassFree::train(training, &settings, device, watcher)?.map(Judge::ClassFree)
            }
        })
    }

    /// The judge that [`Judge::train`] would train: out of the cache in [`cache_folder`] where it is there, else trained and put
    /// there. None where the watcher stopped it.
    ///
    /// # Errors
    /// As [`Judge::train`]; a cache that cannot be read or written is none.
    pub fn cached(
        training: Dataset,
        settings: &JudgeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<(Judge, Origin)>> {
        Judge::cached_in(cache_folder(), training, settings, device, watcher)
    }

    /// As [`Judge::cached`], in another folder, or in none for a reason.
    ///
    /// # Errors
    /// As [`Judge::cached`].
    pub fn cached_in(
        folder: Result<PathBuf>,
        training: Dataset,
        settings: &JudgeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<(Judge, Origin)>> {
        Ok(match Supervision::of(&training, settings) {
            Supervision::Classes(settings) => ClassJudge::cached_in(folder, training, &settings, device, watcher)?
                .map(|(judge, origin)| (Judge::Classes(judge), origin)),
            Supervision::Views(settings) => ClassFree::cached_in(folder, training, &settings, device, watcher)?
                .map(|(judge, origin)| (Judge::ClassFree(judge), origin)),
        })
    }

    /// Writes it as a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where it cannot be written; the device's first failure.
    pub fn write(&self, path: &Path) -> Result<()> {
        match self {
            Judge::Classes(judge) => judge.write(path),
            Judge::ClassFree(judge) => judge.write(path),
        }
    }

    /// Reads what [`Judge::write`] wrote.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`Error::Invalid`](crate::Error::Invalid) where the checkpoint holds no judge.
    pub fn read(path: &Path, device: &Device) -> Result<Judge> {
        let checkpoint = Checkpoint::read(path)?;
        match checkpoint.header.get("kind").and_then(|kind| kind.as_str()) {
            Some(class_free::KIND) => ClassFree::of(&checkpoint, path, device).map(Judge::ClassFree),
            _ => ClassJudge::of(&checkpoint, path, device).map(Judge::Classes),
        }
    }

    /// SHA-256, in hexadecimal, of its weights and all that determined them: equal hashes are equal judges.
    pub fn hash(&self) -> &str {
        match self {
            Judge::Classes(judge) => judge.hash(),
            Judge::ClassFree(judge) => judge.hash(),
        }
    }

    /// The one of classes, where it is that.
    pub fn of_classes(&self) -> Option<&ClassJudge> {
        match self {
            Judge::Classes(judge) => Some(judge),
            Judge::ClassFree(_) => None,
        }
    }

    /// The classes that it tells apart: 0 of one that learned without any.
    pub fn classes(&self) -> usize {
        self.of_classes().map_or(0, ClassJudge::classes)
    }

    /// What the classes are called, where its file says so.
    pub fn class_names(&self) -> Option<Classes> {
        self.of_classes().and_then(ClassJudge::class_names)
    }

    /// The shapes of its network.
    pub fn design(&self) -> &Design {
        match self {
            Judge::Classes(judge) => judge.design(),
            Judge::ClassFree(judge) => judge.design(),
        }
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        match self {
            Judge::Classes(judge) => judge.classifier().device(),
            Judge::ClassFree(judge) => judge.device(),
        }
    }

    /// How many images it was trained on.
    pub fn trained_on(&self) -> usize {
        match self {
            Judge::Classes(judge) => judge.trained_on(),
            Judge::ClassFree(judge) => judge.trained_on(),
        }
    }

    /// Whether it was trained on exactly these images and labels.
    pub fn knows(&self, training: &Dataset) -> bool {
        match self {
            Judge::Classes(judge) => judge.knows(training),
            Judge::ClassFree(judge) => judge.knows(training),
        }
    }

    /// Refuses images that it was not made for.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming both sizes.
    pub fn check(&self, images: &Images) -> Result<()> {
        match self {
            Judge::Classes(judge) => judge.check(images),
            Judge::ClassFree(judge) => judge.check(images),
        }
    }

    /// What it says of images; one without classes gives features alone.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where they are of another size; the device's first failure.
    pub fn predict(&self, images: &Images) -> Result<Predictions> {
        match self {
            Judge::Classes(judge) => judge.predict(images),
            Judge::ClassFree(judge) => judge.predict(images),
        }
    }

    /// It in a few words, with its accuracy on held-out images where that is known.
    pub(crate) fn report(&self, accuracy: Option<f64>) -> JudgeReport {
        match self {
            Judge::Classes(judge) => judge.report(accuracy),
            Judge::ClassFree(judge) => JudgeReport {
                hash: judge.hash().to_string(),
                accuracy: None,
                trained_on: judge.trained_on(),
                class_free: true,
            },
        }
    }
}
