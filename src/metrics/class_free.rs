//! A space without classes: the features of a network that learned on the target's training images by telling views of one image from
//! those of others (SimCLR, Chen 2020), without a label.
//!
//! Features of a classifier flatter samples that a classifier's features helped to make, and are blind to what tells no classes
//! apart (Kynkäänniemi 2023, "The Role of ImageNet Classes in Fréchet Inception Distance"). In this space a distance has no such cause.
//! It stands beside three judges, and is the judge where images have no classes.

use serde::{Deserialize, Serialize};

use super::judge_settings::JudgeSettings;
use crate::backend::Device;
use crate::classifier::{ContrastiveOptions, ContrastiveTraining, Design, Input, Views};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::memory::{Amount, Limits, Need};
use crate::nn::NormKind;

/// Images of a batch at most: memory grows with the square of their number.
const MOST_IMAGES: usize = 256;

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
        // As many images as a batch has: it holds each once.
        let data = Dataset::blank(images[0], images[1], self.options.batch);
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
