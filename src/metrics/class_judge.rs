//! The judge of images that have classes: a classifier of them, whose features and labels score samples.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{self, Origin};
use super::judge_report::JudgeReport;
use crate::atomic::cache_folder;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::{Classifier, Design, Input, Jitter, Options, Predictions, Targets, Training, Watcher};
use crate::data::{Classes, Dataset, Images};
use crate::error::{Error, Result};
use crate::memory::{Amount, Limits, Need};
use crate::nn::NormKind;
use crate::random::Network;

/// The version of the judge's layout and training.
const FORMAT: u64 = 1;
/// The network's name in checkpoints.
const PREFIX: &str = "judge";

/// What determines a judge beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeSettings {
    /// The classifier's width; it has twice as many features.
    pub width: usize,
    /// Its normalisation. Files of judges that had no choice say nothing.
    #[serde(default = "batch_norm", skip_serializing_if = "is_batch_norm")]
    pub norm: NormKind,
    /// Its training.
    pub options: Options,
}

fn batch_norm() -> NormKind {
    NormKind::Batch
}

fn is_batch_norm(norm: &NormKind) -> bool {
    *norm == NormKind::Batch
}

impl JudgeSettings {
    /// 64 features and 1,000 steps: 99 % on MNIST and 88 % on 6,400 digits of SVHN, in less than 30 seconds on two cores.
    pub const STANDARD: JudgeSettings = JudgeSettings {
        width: 32,
        norm: NormKind::Batch,
        options: Options {
            seed: 0,
            steps: 1000,
            batch: 64,
            lr: 5e-3,
            weight_decay: 0.05,
            smoothing: 0.1,
            jitter: Jitter::SMALL,
        },
    };

    /// The shapes of its network for images of `size` in `channels`.
    pub fn design(&self, [size, channels]: [usize; 2]) -> Design {
        Design { size, channels, width: self.width, norm: self.norm, input: Input::Plain }
    }

    /// What the training takes on images of `size` in `channels` and so many classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the network is none.
    pub fn need(&self, [size, channels]: [usize; 2], classes: usize, device: &Device) -> Result<Need> {
        let design = self.design([size, channels]);
        // Where there are none, the training itself says so.
        let data = Dataset::blank(size, channels, classes.max(2));
        Need::of(device, |device| {
            let mut training = Training::new(&design, &self.options, data, &Targets::Labels, Network::Judge, device)?;
            for _ in 0..2 {
                drop(training.step());
            }
            Ok(0)
        })
    }

    /// Refuses a training that does not fit into a device: into its memory, where that is the host's, or its largest tensor.
    ///
    /// # Errors
    /// [`Error::Option`] where the batch is none; [`Error::Invalid`] naming what is needed and what there is.
    pub(crate) fn check_fits(&self, images: [usize; 2], classes: usize, device: &Device) -> Result<()> {
        /// As of a GAN's batch.
        const MOST_IMAGES: usize = 1 << 20;
        let JudgeSettings { width, options, .. } = *self;
        if !(1..=MOST_IMAGES).contains(&options.batch) {
            return Err(Error::option("batch", format!("takes a whole number from 1 to {MOST_IMAGES}")));
        }
        let what = format!("a judge of width {width} and batch {}", options.batch);
        let need =
            |batch| JudgeSettings { options: Options { batch, ..options }, ..*self }.need(images, classes, device);
        let amount = Amount::batch(options.batch, images[0].pow(2) * images[1]);
        Limits::of(device).check(&what, "use a smaller width or batch", amount, need)
    }
}

/// A trained judge of classes.
#[derive(Debug)]
pub struct ClassJudge {
    classifier: Classifier,
    header: Header,
    hash: String,
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
    settings: JudgeSettings,
    design: Design,
    classes: usize,
    /// What they are called, where those are not their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    class_names: Vec<String>,
    data: String,
    count: usize,
}

impl Header {
    fn new(settings: &JudgeSettings, training: &Dataset, device: &Device) -> Header {
        let Images { height, channels, count, .. } = training.images;
        Header {
            format: FORMAT,
            kind: PREFIX.to_string(),
            graft: env!("CARGO_PKG_VERSION").to_string(),
            device: device.name().to_string(),
            microkernel: device.backend().rounding().to_string(),
            settings: *settings,
            design: settings.design([height, channels]),
            classes: training.classes.len(),
            class_names: match training.classes == Classes::numbered(0..training.classes.len()) {
                true => Vec::new(),
                false => training.classes.names().to_vec(),
            },
            data: training.digest(),
            count,
        }
    }
}

impl ClassJudge {
    /// Trains a judge on labelled images of a network's size and channels, those that methods may learn from: the training
    /// split less its validation block. None where the watcher stopped it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are no labels, or the training diverged; the device's first failure.
    pub fn train(
        training: Dataset,
        settings: &JudgeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<ClassJudge>> {
        let Images { height, channels, .. } = training.images;
        settings.check_fits([height, channels], training.classes.len(), device)?;
        let header = Header::new(settings, &training, device);
        let mut run =
            Training::new(&header.design, &settings.options, training, &Targets::Labels, Network::Judge, device)?;
        if !run.run(watcher)? {
            return Ok(None);
        }
        let classifier = run.into_classifier();
        device.release_idle();
        ClassJudge::new(classifier, header).map(Some)
    }

    /// The judge that [`ClassJudge::train`] would train: out of the cache in [`cache_folder`] where it is there, else trained and put
    /// there. None where the watcher stopped it.
    ///
    /// # Errors
    /// As [`ClassJudge::train`]; a cache that cannot be read or written is none.
    pub fn cached(
        training: Dataset,
        settings: &JudgeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<(ClassJudge, Origin)>> {
        ClassJudge::cached_in(cache_folder(), training, settings, device, watcher)
    }

    /// As [`ClassJudge::cached`], in another folder, or in none for a reason.
    ///
    /// # Errors
    /// As [`ClassJudge::cached`].
    pub fn cached_in(
        folder: Result<PathBuf>,
        training: Dataset,
        settings: &JudgeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<(ClassJudge, Origin)>> {
        let header = Header::new(settings, &training, device);
        let file = folder.map(|folder| folder.join(cache::file_name(PREFIX, &header)));
        let read = |path: &Path| ClassJudge::read(path, device).ok().filter(|judge| judge.header == header);
        cache::cached(file, read, || ClassJudge::train(training, settings, device, watcher), ClassJudge::write)
    }

    fn new(classifier: Classifier, header: Header) -> Result<ClassJudge> {
        let mut judge = ClassJudge { classifier, header, hash: String::new() };
        let checkpoint = judge.checkpoint()?;
        if let Some(name) = checkpoint.first_broken() {
            return Err(Error::invalid(format!(
                "the judge diverged: at step {} {name} is the first tensor that is not finite; train one with `graft judge` and another \
                 seed",
                judge.header.settings.options.steps
            )));
        }
        judge.hash = checkpoint.digest();
        Ok(judge)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new(cache::as_header(&self.header));
        let (parameters, statistics) = (self.classifier.parameters(), self.classifier.statistics());
        checkpoint.insert_parameters(PREFIX, parameters.iter().chain(&statistics))?;
        Ok(checkpoint)
    }

    /// Writes it as a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; the device's first failure.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.checkpoint()?.write(path)
    }

    /// Reads what [`ClassJudge::write`] wrote.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`Error::Invalid`] where the checkpoint holds no judge.
    pub fn read(path: &Path, device: &Device) -> Result<ClassJudge> {
        ClassJudge::of(&Checkpoint::read(path)?, path, device)
    }

    /// As [`ClassJudge::read`], of a checkpoint that was read from a file.
    pub(super) fn of(checkpoint: &Checkpoint, path: &Path, device: &Device) -> Result<ClassJudge> {
        let none = |why: &dyn std::fmt::Display| {
            Error::invalid(format!("{} holds no judge ({why}); name a file that `graft judge` wrote", path.display()))
        };
        let header: Header = cache::header(checkpoint, PREFIX, FORMAT).map_err(|why| none(&why))?;
        header.design.check().map_err(|error| none(&error))?;
        let slots = Classifier::slots(&header.design, header.classes);
        checkpoint.check_slots(PREFIX, &slots).map_err(|error| none(&error))?;
        let classifier = Classifier::new(device, &header.design, header.classes, 0, Network::Judge);
        let (parameters, statistics) = (classifier.parameters(), classifier.statistics());
        checkpoint.load_parameters(PREFIX, parameters.iter().chain(&statistics)).map_err(|error| none(&error))?;
        ClassJudge::new(classifier, header).map_err(|error| none(&error))
    }

    /// SHA-256, in hexadecimal, of its weights and all that determined them: equal hashes are equal judges.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The classes that it tells apart.
    pub fn classes(&self) -> usize {
        self.header.classes
    }

    /// What the classes are called, where its file says so.
    pub fn class_names(&self) -> Option<Classes> {
        Classes::distinct(self.header.class_names.clone()).filter(|names| names.len() == self.header.classes)
    }

    /// The shapes of its network.
    pub fn design(&self) -> &Design {
        &self.header.design
    }

    /// Its settings.
    pub fn settings(&self) -> &JudgeSettings {
        &self.header.settings
    }

    /// Its network.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// How many images it was trained on.
    pub fn trained_on(&self) -> usize {
        self.header.count
    }

    /// Whether it was trained on exactly these images and labels.
    pub fn knows(&self, training: &Dataset) -> bool {
        self.header.data == training.digest()
    }

    /// It in a few words, with its accuracy on held-out images where that is known.
    pub(crate) fn report(&self, accuracy: Option<f64>) -> JudgeReport {
        let (hash, trained_on) = (self.hash.clone(), self.header.count);
        JudgeReport { hash, accuracy, trained_on, class_free: false }
    }

    /// Refuses images that it was not made for.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming both sizes.
    pub fn check(&self, images: &Images) -> Result<()> {
        check_images(&self.header.design, images)
    }

    /// What it says of images.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are of another size; the device's first failure.
    pub fn predict(&self, images: &Images) -> Result<Predictions> {
        self.check(images)?;
        self.classifier.predict(images)
    }
}

/// Refuses images that a judge of such a design was not made for.
///
/// # Errors
/// [`Error::Invalid`] naming both sizes.
pub(super) fn check_images(design: &Design, images: &Images) -> Result<()> {
    let Design { size, channels, .. } = *design;
    if [images.height, images.width, images.channels] == [size, size, channels] {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the judge is for images of {size}x{size}x{channels}, not {}x{}x{}; train one for size {} and channels {} with `graft judge`",
        images.height, images.width, images.channels, images.height, images.channels
    )))
}
