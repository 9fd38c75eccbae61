//! A space without classes: the features of a network that learned on the target's training images by telling views of one image from
//! those of others (SimCLR, Chen 2020), without a label.
//!
//! Features of a classifier flatter samples that a classifier's features helped to make, and are blind to what tells no classes
//! apart (Kynkäänniemi 2023, "The Role of ImageNet Classes in Fréchet Inception Distance"). In this space a distance has no such cause.
//! It stands beside three judges, and is the judge where images have no classes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{self, Origin};
use super::class_judge::{JudgeSettings, check_images};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::{
    Contrastive, ContrastiveOptions, ContrastiveTraining, Design, Input, Predictions, Views, Watcher,
};
use crate::data::{Dataset, Images};
use crate::error::{Error, Result};
use crate::memory::{Amount, Limits, Need};
use crate::nn::NormKind;

/// The version of its layout and training.
const FORMAT: u64 = 1;
/// Images of a batch at most: memory grows with the square of their number.
const MOST_IMAGES: usize = 256;
/// What it is, and the network's name, in checkpoints.
pub(super) const KIND: &str = "class-free";

/// What determines a space beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClassFreeSettings {
    /// The network's width; there are twice as many features.
    pub width: usize,
    /// Its training.
    pub options: ContrastiveOptions,
}

impl ClassFreeSettings {
    /// What stands beside a judge: of its width, seed and, up to 256 images, batch. A step has two views of each image, so half of the
    /// judge's steps take as long.
    pub fn beside(judge: &JudgeSettings) -> ClassFreeSettings {
        let crate::classifier::Options { seed, steps, batch, .. } = judge.options;
        let options = ContrastiveOptions {
            seed,
            steps: steps.div_ceil(2),
            batch: batch.min(MOST_IMAGES),
            lr: 2e-3,
            temperature: 0.5,
            views: Views::STRONG,
        };
        ClassFreeSettings { width: judge.width, options }
    }

    pub(super) fn design(&self, [size, channels]: [usize; 2]) -> Design {
        Design { size, channels, width: self.width, norm: NormKind::Batch, input: Input::Plain }
    }

    /// What the training takes on images of `size` in `channels`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the network is none.
    pub fn need(&self, images: [usize; 2], device: &Device) -> Result<Need> {
        let data = Dataset::blank(images[0], images[1], 2);
        Need::of(device, |device| {
            let mut training = ContrastiveTraining::new(&self.design(images), &self.options, data, device)?;
            for _ in 0..2 {
                drop(training.step());
            }
            Ok(0)
        })
    }

    /// Refuses a training that does not fit into a device.
    ///
    /// # Errors
    /// [`Error::Option`] where the batch is none; [`Error::Invalid`] naming what is needed and what there is.
    pub(crate) fn check_fits(&self, images: [usize; 2], device: &Device) -> Result<()> {
        let ClassFreeSettings { width, options } = *self;
        if options.batch < 2 {
            return Err(Error::option("batch", "takes 2 or more where images have no classes: views are told apart"));
        }
        let what = format!("a space without classes of width {width} and batch {}", options.batch);
        let need = |batch: usize| {
            let options = ContrastiveOptions { batch: batch.max(2), ..options };
            ClassFreeSettings { options, ..*self }.need(images, device)
        };
        // Two views of each image.
        let amount = Amount::batch(options.batch, 2 * images[0].pow(2) * images[1]);
        Limits::of(device).check(&what, "use a judge of a smaller width or batch", amount, need)
    }
}

/// A space that was learned.
#[derive(Debug)]
pub struct ClassFree {
    network: Contrastive,
    header: Header,
    hash: String,
}

/// What determines a space, as its checkpoint's header has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Header {
    format: u64,
    kind: String,
    graft: String,
    device: String,
    microkernel: String,
    settings: ClassFreeSettings,
    design: Design,
    data: String,
    count: usize,
}

impl Header {
    fn new(settings: &ClassFreeSettings, training: &Dataset, device: &Device) -> Header {
        let Images { height, channels, count, .. } = training.images;
        Header {
            format: FORMAT,
            kind: KIND.to_string(),
            graft: env!("CARGO_PKG_VERSION").to_string(),
            device: device.name().to_string(),
            microkernel: device.backend().rounding().to_string(),
            settings: *settings,
            design: settings.design([height, channels]),
            data: training.digest(),
            count,
        }
    }
}

impl ClassFree {
    /// Learns on images of a network's size and channels, those that methods may learn from. None where the watcher stopped it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the images are too few, or the training diverged; the device's first failure.
    pub fn train(
        training: Dataset,
        settings: &ClassFreeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<ClassFree>> {
        let Images { height, channels, .. } = training.images;
        settings.check_fits([height, channels], device)?;
        let header = Header::new(settings, &training, device);
        let mut run = ContrastiveTraining::new(&header.design, &settings.options, training, device)?;
        if !run.run(watcher)? {
            return Ok(None);
        }
        let network = run.into_network();
        device.release_idle();
        ClassFree::new(network, header).map(Some)
    }

    /// What [`ClassFree::train`] would give, out of a folder of the cache where it is there, else trained and put there. None where the
    /// watcher stopped it.
    ///
    /// # Errors
    /// As [`ClassFree::train`]; a cache that cannot be read or written is none.
    pub fn cached_in(
        folder: Result<PathBuf>,
        training: Dataset,
        settings: &ClassFreeSettings,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<(ClassFree, Origin)>> {
        let header = Header::new(settings, &training, device);
        let file = folder.map(|folder| folder.join(cache::file_name(KIND, &header)));
        let read = |path: &Path| ClassFree::read(path, device).ok().filter(|space| space.header == header);
        cache::cached(file, read, || ClassFree::train(training, settings, device, watcher), ClassFree::write)
    }

    fn new(network: Contrastive, header: Header) -> Result<ClassFree> {
        let mut space = ClassFree { network, header, hash: String::new() };
        let checkpoint = space.checkpoint()?;
        if let Some(name) = checkpoint.first_broken() {
            return Err(Error::invalid(format!(
                "the space without classes diverged: {name} is the first tensor that is not finite; use a judge of another seed"
            )));
        }
        space.hash = checkpoint.digest();
        Ok(space)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new(cache::as_header(&self.header));
        checkpoint.insert_parameters(KIND, &self.network.state())?;
        Ok(checkpoint)
    }

    /// Writes it as a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; the device's first failure.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.checkpoint()?.write(path)
    }

    /// Reads what [`ClassFree::write`] wrote.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`Error::Invalid`] where the checkpoint holds something else.
    pub fn read(path: &Path, device: &Device) -> Result<ClassFree> {
        ClassFree::of(&Checkpoint::read(path)?, path, device)
    }

    /// As [`ClassFree::read`], of a checkpoint that was read from a file.
    pub(super) fn of(checkpoint: &Checkpoint, path: &Path, device: &Device) -> Result<ClassFree> {
        let none = |why: &dyn std::fmt::Display| {
            Error::invalid(format!(
                "{} holds no space without classes ({why}); name a file that `graft judge` wrote, or remove that of a comparison, which is made again",
                path.display()
            ))
        };
        let header: Header = cache::header(checkpoint, KIND, FORMAT).map_err(|why| none(&why))?;
        header.design.check().map_err(|error| none(&error))?;
        checkpoint.check_slots(KIND, &Contrastive::slots(&header.design)).map_err(|error| none(&error))?;
        let network = Contrastive::new(device, &header.design, header.settings.options.seed);
        checkpoint.load_parameters(KIND, &network.state()).map_err(|error| none(&error))?;
        ClassFree::new(network, header).map_err(|error| none(&error))
    }

    /// SHA-256, in hexadecimal, of its weights and all that determined them.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How many images it learned from.
    pub fn trained_on(&self) -> usize {
        self.header.count
    }

    /// The shapes of its network.
    pub fn design(&self) -> &Design {
        &self.header.design
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.network.device()
    }

    /// Whether it learned from exactly these images, whatever their labels.
    pub fn knows(&self, training: &Dataset) -> bool {
        // Labels, which it never saw, are in a digest.
        self.header.data == training.digest() || self.header.data == training.clone().without_labels().digest()
    }

    /// Refuses images that it was not made for.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming both sizes.
    pub fn check(&self, images: &Images) -> Result<()> {
        check_images(&self.header.design, images)
    }

    /// Where images lie in it: features, and no classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are of another size than those it learned from; the device's first failure.
    pub fn predict(&self, images: &Images) -> Result<Predictions> {
        self.check(images)?;
        Ok(Predictions {
            classes: 0,
            dimensions: self.header.design.features(),
            labels: Vec::new(),
            probabilities: Vec::new(),
            features: self.network.features(images)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_learning_takes_grows_with_the_batch_and_the_network() {
        let need = |width: usize, batch: usize| {
            let settings = ClassFreeSettings::beside(&JudgeSettings::STANDARD);
            let options = ContrastiveOptions { batch, ..settings.options };
            ClassFreeSettings { width, options }.need([32, 3], &Device::cpu()).unwrap().total()
        };
        // Maps dominate: twice the images or channels are nearly twice the bytes.
        let grows = |more: u64, less: u64| more > less + less / 2 && more < 3 * less;
        assert!(grows(need(32, 64), need(32, 32)) && grows(need(32, 64), need(16, 64)));
        assert!(need(32, 64) > 2 * 64 * 16 * 16 * 32 * 4, "more than one of its maps");
    }

    #[test]
    fn a_batch_is_bounded() {
        let judge = JudgeSettings::STANDARD;
        let options = crate::classifier::Options { batch: 5000, ..judge.options };
        assert_eq!(ClassFreeSettings::beside(&JudgeSettings { options, ..judge }).options.batch, 256);
    }
}
