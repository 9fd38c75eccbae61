//! What a judge learns by: the classes of its images, or, where there are none, which views are of one image.

use serde::{Deserialize, Serialize};

use super::class_free::ClassFreeSettings;
use super::judge_settings::JudgeSettings;
use crate::backend::Device;
use crate::classifier::Design;
use crate::data::Dataset;
use crate::error::Result;

/// What a judge learns by, and what determines it beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
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

    /// What a judge that learned so is called in files.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Supervision::Classes(_) => "judge",
            Supervision::Views(_) => "class-free",
        }
    }

    /// The steps that its training takes.
    pub fn steps(&self) -> u64 {
        match self {
            Supervision::Classes(settings) => settings.options.steps,
            Supervision::Views(settings) => settings.options.steps,
        }
    }

    /// The shapes of its network for images of `size` in `channels`.
    pub fn design(&self, images: [usize; 2]) -> Design {
        match self {
            Supervision::Classes(settings) => settings.design(images),
            Supervision::Views(settings) => settings.design(images),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_written_as_their_settings_alone_and_told_apart() {
        let judge = JudgeSettings::STANDARD;
        for settings in [Supervision::Classes(judge), Supervision::Views(ClassFreeSettings::beside(&judge))] {
            let written = serde_json::to_value(settings).unwrap();
            assert_eq!(written.as_object().unwrap().keys().collect::<Vec<_>>(), ["options", "width"]);
            assert_eq!(serde_json::from_value::<Supervision>(written).unwrap(), settings);
        }
    }
}
