//! Three judges in place of one, and a space without classes: a verdict that only one judge's features give is theirs, not the
//! samples'.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::class_free::ClassFreeSettings;
use super::features::Features;
use super::frechet::{Gaussian, frechet_distance};
use super::judge::{Judge, JudgeReport};
use super::judge_settings::JudgeSettings;
use crate::backend::Device;
use crate::classifier::{Classifier, Contrastive, Options};
use crate::data::{Dataset, Images};
use crate::error::{Error, Result};
use crate::memory::Need;
use crate::nn::NormKind;
use crate::random::Network;
use crate::words::words;

/// Images that are shown while memory is counted: more than go through a network at once.
const SOME: usize = 128;
/// The files of a panel in a folder.
const FILES: [&str; 3] =
    ["judge-other-seed.safetensors", "judge-other-architecture.safetensors", "class-free.safetensors"];

words! {
    /// How many judges measure.
    pub enum Judges {
        /// One.
        One = "1",
        /// Three of two architectures, and a space without classes.
        Three = "3",
    }
    default One
}

impl Judges {
    /// Whether it is what is where nothing is said.
    pub(crate) fn is_one(&self) -> bool {
        *self == Judges::One
    }
}

words! {
    /// By whose features a distance is.
    pub enum Measure {
        /// The judge's.
        Judge = "judge",
        /// Those of a judge that differs in its seed.
        OtherSeed = "other-seed",
        /// Those of a judge of another architecture.
        OtherArchitecture = "other-architecture",
        /// Those of the space without classes.
        ClassFree = "class-free",
    }
}

/// What determines a panel beside its data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PanelSettings {
    /// The judge of another seed, and that of another architecture.
    pub judges: [JudgeSettings; 2],
    /// The space without classes.
    pub class_free: ClassFreeSettings,
}

impl PanelSettings {
    /// What stands beside a judge: trained as it was, one with the next seed; one with the seed after that, half as wide again and with
    /// layer in place of batch norm; and a space without classes.
    pub fn beside(judge: &JudgeSettings) -> PanelSettings {
        let of_seed = |next: u64| Options { seed: judge.options.seed.wrapping_add(next), ..judge.options };
        // An even number.
        let wider = 2 * (3 * judge.width).div_ceil(4);
        let other_norm = if judge.norm == NormKind::Layer { NormKind::Batch } else { NormKind::Layer };
        PanelSettings {
            judges: [
                JudgeSettings { options: of_seed(1), ..*judge },
                JudgeSettings { width: wider, norm: other_norm, options: of_seed(2) },
            ],
            class_free: ClassFreeSettings::beside(judge),
        }
    }

    /// What stands beside a judge of these images, known or yet to be trained.
    ///
    /// # Errors
    /// [`Error::Usage`] where that learns without classes, as the two others cannot.
    pub fn of(known: Option<&Judge>, training: &Dataset) -> Result<PanelSettings> {
        if !training.tells_classes() {
            return Err(Error::Usage(format!(
                "three judges tell classes apart, and {} has not two: measure by one judge",
                training.name
            )));
        }
        match known.map_or(Some(JudgeSettings::STANDARD), Judge::class_settings) {
            Some(settings) => Ok(PanelSettings::beside(&settings)),
            None => Err(Error::Usage(
                "three judges tell classes apart, and the first one here learned without: measure by one, or name one of classes"
                    .to_string(),
            )),
        }
    }

    /// Refuses trainings that do not fit into a device, before the first.
    ///
    /// # Errors
    /// Those of the judges' and the space's own checks.
    pub fn check_fits(&self, images: [usize; 2], classes: usize, device: &Device) -> Result<()> {
        self.judges.iter().try_for_each(|judge| judge.check_fits(images, classes, device))?;
        self.class_free.check_fits(images, device)
    }

    /// What a panel takes while it measures images of `size` in `channels`.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where a network is none.
    pub fn need(&self, [size, channels]: [usize; 2], classes: usize, device: &Device) -> Result<Need> {
        Need::of(device, |device| {
            let images = Dataset::blank(size, channels, SOME).images;
            let networks = self.judges.map(|judge| {
                let design = judge.design([size, channels]);
                Classifier::new(device, &design, classes.max(2), judge.options.seed, Network::Judge)
            });
            let ClassFreeSettings { options, .. } = self.class_free;
            let space = Contrastive::new(device, &self.class_free.design([size, channels]), options.seed);
            for network in &networks {
                network.predict(&images)?;
            }
            space.features(&images)?;
            Ok(0)
        })
    }
}

/// Two judges beside the first, and a space without classes.
#[derive(Debug)]
pub struct Panel {
    /// One of another seed, and one of another architecture.
    pub judges: [Judge; 2],
    /// The space without classes.
    pub class_free: Judge,
}

/// What has to be known of a panel to read its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PanelReport {
    /// The judge of another seed.
    pub other_seed: JudgeReport,
    /// The judge of another architecture.
    pub other_architecture: JudgeReport,
    /// The hash of the space without classes.
    pub class_free: String,
}

/// Distances by a panel's features.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PanelDistances {
    /// The Fréchet distance in the features of the judge of another seed.
    pub other_seed: f64,
    /// That in those of the judge of another architecture.
    pub other_architecture: f64,
    /// The mean over these two and the judge.
    pub mean: f64,
    /// The standard deviation over the three, with two degrees of freedom.
    pub deviation: f64,
    /// The Fréchet distance in the space without classes.
    pub class_free: f64,
}

impl PanelDistances {
    fn new(judge_fd: f64, [other_seed, other_architecture, class_free]: [f64; 3]) -> PanelDistances {
        let three = [judge_fd, other_seed, other_architecture];
        let mean = three.iter().sum::<f64>() / 3.0;
        let deviation = (three.iter().map(|fd| (fd - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        PanelDistances { other_seed, other_architecture, mean, deviation, class_free }
    }
}

impl Panel {
    /// Whether a folder holds a panel.
    pub fn is_in(folder: &Path) -> bool {
        Panel::files(folder).iter().all(|path| path.exists())
    }

    /// The files of a panel in a folder.
    fn files(folder: &Path) -> [PathBuf; 3] {
        FILES.map(|name| folder.join(name))
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    /// As [`Judge::write`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        let [seed, architecture, class_free] = Panel::files(folder);
        self.judges[0].write(&seed)?;
        self.judges[1].write(&architecture)?;
        self.class_free.write(&class_free)
    }

    /// Reads what [`Panel::write`] wrote.
    ///
    /// # Errors
    /// Those of [`Judge::read`]; [`Error::Invalid`] where one learned by what another should have.
    pub fn read(folder: &Path, device: &Device) -> Result<Panel> {
        let [seed, architecture, class_free] = Panel::files(folder);
        let read = |path: &Path, by_classes: bool| {
            let judge = Judge::read(path, device)?;
            if judge.classifier().is_some() == by_classes {
                return Ok(judge);
            }
            Err(Error::invalid(format!(
                "{} holds a judge of another kind; remove it, and it is made again",
                path.display()
            )))
        };
        Ok(Panel { judges: [read(&seed, true)?, read(&architecture, true)?], class_free: read(&class_free, false)? })
    }

    fn features(&self, images: &Images) -> Result<[Features; 3]> {
        let of = |judge: &Judge| {
            let said = judge.predict(images)?;
            Features::from_slice(&said.features, said.dimensions)
        };
        Ok([of(&self.judges[0])?, of(&self.judges[1])?, of(&self.class_free)?])
    }
}

/// A panel and the real side of its distances, computed once.
#[derive(Debug)]
pub(super) struct PanelSide {
    panel: Arc<Panel>,
    gaussians: [Gaussian; 3],
    report: PanelReport,
}

impl PanelSide {
    pub fn new(panel: Arc<Panel>, held_out: &Dataset) -> Result<PanelSide> {
        let gaussians = panel.features(&held_out.images)?.each_ref().map(Gaussian::fit);
        let report = |judge: &Judge| -> Result<JudgeReport> {
            let said = judge.predict(&held_out.images)?;
            let accuracy = held_out.labels.as_ref().map(|labels| said.accuracy(labels));
            Ok(judge.report(accuracy))
        };
        let report = PanelReport {
            other_seed: report(&panel.judges[0])?,
            other_architecture: report(&panel.judges[1])?,
            class_free: panel.class_free.hash().to_string(),
        };
        Ok(PanelSide { panel, gaussians, report })
    }

    pub fn report(&self) -> &PanelReport {
        &self.report
    }

    /// The distances of images whose distance by the judge's features is known.
    pub fn distances(&self, images: &Images, judge_fd: f64) -> Result<PanelDistances> {
        let features = self.panel.features(images)?;
        let distance = |place: usize| frechet_distance(&self.gaussians[place], &Gaussian::fit(&features[place]));
        Ok(PanelDistances::new(judge_fd, [0, 1, 2].map(distance)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_spread_are_those_of_three_judges() {
        // 4, 6 and 11: mean 7, squares 9, 1 and 16, of which half is 13.
        let found = PanelDistances::new(4.0, [6.0, 11.0, 100.0]);
        assert_eq!((found.mean, found.deviation, found.class_free), (7.0, 13f64.sqrt(), 100.0));
    }

    /// So that judges in caches and files are still found and read.
    #[test]
    fn settings_of_the_usual_judge_are_written_as_they_were() {
        let written = serde_json::to_value(JudgeSettings::STANDARD).unwrap();
        assert_eq!(written.as_object().unwrap().keys().collect::<Vec<_>>(), ["options", "width"]);
        assert_eq!(serde_json::from_value::<JudgeSettings>(written).unwrap(), JudgeSettings::STANDARD);
    }

    #[test]
    fn the_others_differ_from_the_judge_in_what_they_are_for() {
        let standard = JudgeSettings::STANDARD;
        let PanelSettings { judges: [seed, architecture], class_free } = PanelSettings::beside(&standard);
        assert_eq!(JudgeSettings { options: standard.options, ..seed }, standard);
        assert_eq!((seed.options.seed, architecture.options.seed), (1, 2));
        assert_eq!((architecture.width, architecture.norm), (48, NormKind::Layer));
        assert_eq!((class_free.width, class_free.options.steps), (32, 500));
        let layered = JudgeSettings { norm: NormKind::Layer, width: 6, ..standard };
        let [_, other] = PanelSettings::beside(&layered).judges;
        assert_eq!((other.norm, other.width), (NormKind::Batch, 10), "another norm, and an even width");
    }
}
