//! What determines a judge of images that have classes: a classifier of them, whose features and labels score samples.

use serde::{Deserialize, Serialize};

use crate::backend::Device;
use crate::classifier::{Design, Input, Jitter, Options, Targets, Training};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::memory::{Amount, Limits, Need};
use crate::nn::NormKind;
use crate::random::Network;

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
