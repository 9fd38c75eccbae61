//! The judge: a network that learned from the target's real images, in whose features samples are measured.
//!
//! Where images have classes it is a classifier, whose labels count, too; where they have none, or one for all, a network that tells
//! views of one image from those of others. It learns from the training images less the validation block, with fixed settings, and is
//! never used by a method. A judge that was trained once is kept in a cache, under a name made of all that determines it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{self, Origin};
use super::judge_settings::JudgeSettings;
use super::supervision::Supervision;
use crate::atomic::cache_folder;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::{
    Classifier, Contrastive, ContrastiveTraining, Design, Predictions, Targets, Training, Watcher,
};
use crate::data::{Classes, Dataset, Images};
use crate::error::{Error, Result};
use crate::nn::{Parameter, Slot};
use crate::random::Network;

/// The version of the judge's layout and training.
const FORMAT: u64 = 1;

/// A trained judge.
#[derive(Debug)]
pub struct Judge {
    eye: Eye,
    header: Header,
    hash: String,
}

/// What has to be known of a judge to read its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeReport {
    /// The hash of its weights.
    pub hash: String,
    /// Its accuracy on the held-out images; None of one that learned without classes, and where those have no labels.
    pub accuracy: Option<f64>,
    /// How many images it was trained on.
    pub trained_on: usize,
    /// Whether it learned without classes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub class_free: bool,
}

impl JudgeReport {
    /// It in a few words, whose shares are written by `percent`: what it is right on, and from how many images it learned.
    pub fn text(&self, percent: impl Fn(f64) -> String) -> String {
        let right = self.accuracy.map_or(String::new(), |accuracy| format!("{} right, ", percent(accuracy)));
        let how = if self.class_free { "without labels " } else { "" };
        format!("{right}trained {how}on {} images", self.trained_on)
    }
}

/// What determines a judge, as its checkpoint's header has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Header {
    format: u64,
    kind: String,
    graft: String,
    device: String,
    microkernel: String,
    settings: Supervision,
    design: Design,
    /// None that it tells apart where it learned without.
    #[serde(default, skip_serializing_if = "is_zero")]
    classes: usize,
    /// What they are called, where those are not their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    class_names: Vec<String>,
    data: String,
    count: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Header {
    fn new(settings: Supervision, training: &Dataset, device: &Device) -> Header {
        let Images { height, channels, count, .. } = training.images;
        let classes = match settings {
            Supervision::Classes(_) => training.classes.clone(),
            Supervision::Views(_) => Classes::numbered(0..0),
        };
        Header {
            format: FORMAT,
            kind: settings.kind().to_string(),
            graft: env!("CARGO_PKG_VERSION").to_string(),
            device: device.name().to_string(),
            microkernel: device.backend().rounding().to_string(),
            settings,
            design: settings.design([height, channels]),
            classes: classes.len(),
            class_names: match classes == Classes::numbered(0..classes.len()) {
                true => Vec::new(),
                false => classes.names().to_vec(),
            },
            data: training.digest(),
            count,
        }
    }

    /// The filters and matrices that a checkpoint of it holds.
    fn slots(&self) -> Vec<Slot> {
        match self.settings {
            Supervision::Classes(_) => Classifier::slots(&self.design, self.classes),
            Supervision::Views(_) => Contrastive::slots(&self.design),
        }
    }
}

/// The network of a judge.
#[derive(Debug)]
enum Eye {
    Classifier(Classifier),
    Contrastive(Contrastive),
}

impl Eye {
    /// A fresh network, into which a checkpoint's parameters go.
    fn new(header: &Header, device: &Device) -> Eye {
        match header.settings {
            Supervision::Classes(_) => {
                Eye::Classifier(Classifier::new(device, &header.design, header.classes, 0, Network::Judge))
            }
            Supervision::Views(settings) => {
                Eye::Contrastive(Contrastive::new(device, &header.design, settings.options.seed))
            }
        }
    }

    /// A network that learned from images; None where the watcher stopped it.
    fn train(header: &Header, training: Dataset, device: &Device, watcher: &mut Watcher<'_>) -> Result<Option<Eye>> {
        Ok(match header.settings {
            Supervision::Classes(JudgeSettings { options, .. }) => {
                let mut run =
                    Training::new(&header.design, &options, training, &Targets::Labels, Network::Judge, device)?;
                run.run(watcher)?.then(|| Eye::Classifier(run.into_classifier()))
            }
            Supervision::Views(settings) => {
                let mut run = ContrastiveTraining::new(&header.design, &settings.options, training, device)?;
                run.run(watcher)?.then(|| Eye::Contrastive(run.into_network()))
            }
        })
    }

    /// What determines what it says: parameters and statistics.
    fn state(&self) -> Vec<Parameter> {
        match self {
            Eye::Classifier(network) => [network.parameters(), network.statistics()].concat(),
            Eye::Contrastive(network) => network.state(),
        }
    }
}

impl Judge {
    /// Trains a judge on images of a network's size and channels, those that methods may learn from: the training split less its
    /// validation block. None where the watcher stopped it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it learns by classes and there are no labels, the images are too few, or the training diverged; the
    /// device's first failure.
    pub fn train(
        training: Dataset,
        settings: Supervision,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<Judge>> {
        let Images { height, channels, .. } = training.images;
        settings.check_fits([height, channels], training.classes.len(), device)?;
        let header = Header::new(settings, &training, device);
        let Some(eye) = Eye::train(&header, training, device, watcher)? else { return Ok(None) };
        device.release_idle();
        Judge::new(eye, header).map(Some)
    }

    /// The judge that [`Judge::train`] would train: out of the cache in [`cache_folder`] where it is there, else trained and put
    /// there. None where the watcher stopped it.
    ///
    /// # Errors
    /// As [`Judge::train`]; a cache that cannot be read or written is none.
    pub fn cached(
        training: Dataset,
        settings: Supervision,
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
        settings: Supervision,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<(Judge, Origin)>> {
        let header = Header::new(settings, &training, device);
        let file = folder.map(|folder| folder.join(cache::file_name(settings.kind(), &header)));
        let read = |path: &Path| Judge::read(path, device).ok().filter(|judge| judge.header == header);
        cache::cached(file, read, || Judge::train(training, settings, device, watcher), Judge::write)
    }

    fn new(eye: Eye, header: Header) -> Result<Judge> {
        let mut judge = Judge { eye, header, hash: String::new() };
        let checkpoint = judge.checkpoint()?;
        if let Some(name) = checkpoint.first_broken() {
            return Err(Error::invalid(format!(
                "the judge diverged: at step {} {name} is the first tensor that is not finite; train one with `graft judge` and another \
                 seed",
                judge.header.settings.steps()
            )));
        }
        judge.hash = checkpoint.digest();
        Ok(judge)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new(cache::as_header(&self.header));
        checkpoint.insert_parameters(self.header.settings.kind(), &self.eye.state())?;
        Ok(checkpoint)
    }

    /// Writes it as a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; the device's first failure.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.checkpoint()?.write(path)
    }

    /// Reads what [`Judge::write`] wrote.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`Error::Invalid`] where the checkpoint holds no judge.
    pub fn read(path: &Path, device: &Device) -> Result<Judge> {
        let checkpoint = Checkpoint::read(path)?;
        let none = |why: &dyn std::fmt::Display| {
            Error::invalid(format!("{} holds no judge ({why}); name a file that `graft judge` wrote", path.display()))
        };
        let header: Header = cache::header(&checkpoint, FORMAT).map_err(|why| none(&why))?;
        let kind = header.settings.kind();
        if header.kind != kind {
            return Err(none(&format!("it is a {}", header.kind)));
        }
        header.design.check().map_err(|error| none(&error))?;
        checkpoint.check_slots(kind, &header.slots()).map_err(|error| none(&error))?;
        let eye = Eye::new(&header, device);
        checkpoint.load_parameters(kind, &eye.state()).map_err(|error| none(&error))?;
        Judge::new(eye, header).map_err(|error| none(&error))
    }

    /// SHA-256, in hexadecimal, of its weights and all that determined them: equal hashes are equal judges.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The classes that it tells apart: 0 of one that learned without any.
    pub fn classes(&self) -> usize {
        self.header.classes
    }

    /// What the classes are called, where its file says so.
    pub fn class_names(&self) -> Option<Classes> {
        let names = Classes::distinct(self.header.class_names.clone()).filter(|_| self.header.classes > 0);
        names.filter(|names| names.len() == self.header.classes)
    }

    /// The shapes of its network.
    pub fn design(&self) -> &Design {
        &self.header.design
    }

    /// The settings of one that learned by classes.
    pub fn class_settings(&self) -> Option<JudgeSettings> {
        match self.header.settings {
            Supervision::Classes(settings) => Some(settings),
            Supervision::Views(_) => None,
        }
    }

    /// The network of one that learned by classes.
    pub fn classifier(&self) -> Option<&Classifier> {
        match &self.eye {
            Eye::Classifier(classifier) => Some(classifier),
            Eye::Contrastive(_) => None,
        }
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        match &self.eye {
            Eye::Classifier(network) => network.device(),
            Eye::Contrastive(network) => network.device(),
        }
    }

    /// How many images it was trained on.
    pub fn trained_on(&self) -> usize {
        self.header.count
    }

    /// Whether it was trained on exactly these images, and, where it learned by classes, labels.
    pub fn knows(&self, training: &Dataset) -> bool {
        // Labels are in a digest, also where they taught nothing.
        let blind = || self.classifier().is_none().then(|| training.clone().without_labels().digest());
        self.header.data == training.digest() || blind().is_some_and(|digest| digest == self.header.data)
    }

    /// Refuses images that it was not made for.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming both sizes.
    pub fn check(&self, images: &Images) -> Result<()> {
        let Design { size, channels, .. } = self.header.design;
        if [images.height, images.width, images.channels] == [size, size, channels] {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the judge is for images of {size}x{size}x{channels}, not {}x{}x{}; train one for size {} and channels {} with `graft judge`",
            images.height, images.width, images.channels, images.height, images.channels
        )))
    }

    /// What it says of images; one without classes gives features alone.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are of another size; the device's first failure.
    pub fn predict(&self, images: &Images) -> Result<Predictions> {
        self.check(images)?;
        match &self.eye {
            Eye::Classifier(network) => network.predict(images),
            Eye::Contrastive(network) => Ok(Predictions {
                classes: 0,
                dimensions: self.header.design.features(),
                labels: Vec::new(),
                probabilities: Vec::new(),
                features: network.features(images)?,
            }),
        }
    }

    /// It in a few words, with its accuracy on held-out images where that is known.
    pub(crate) fn report(&self, accuracy: Option<f64>) -> JudgeReport {
        let class_free = self.classifier().is_none();
        JudgeReport { hash: self.hash.clone(), accuracy, trained_on: self.header.count, class_free }
    }
}
