//! All figures of a set of samples, against real images that nothing was trained on, and the floors to read them by.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::judge::{Judge, JudgeReport};
use super::judge_settings::JudgeSettings;
use super::panel::{Measure, Panel, PanelDistances, PanelReport, PanelSide};
use super::random_convolution::RandomConvolution;
use super::{
    Features, Gaussian, Memorisation, PrecisionRecall, class_shares, conditional_accuracy, conditional_chance,
    frechet_distance, frechet_infinity, kernel_distance, memorisation, precision_recall, total_variation,
};
use crate::backend::Device;
use crate::classifier::{Predictions, Targets, Training, Watcher};
use crate::data::{Classes, Dataset, Images, Parts};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator, sample_asked};
use crate::random::Network;
use crate::words::words;

/// Samples, and real images, that are compared: always as many, since most figures change with the count.
pub const COUNT: usize = 2000;
/// Samples that a classifier is trained on for GAN-train.
pub const GAN_TRAIN_COUNT: usize = 5000;
/// What is added to the seed of the measured samples for the latents of those, so that they are others.
pub const GAN_TRAIN_SEED: u64 = 1 << 32;
/// Fewer members have no fifth neighbour, or hardly a covariance.
const LEAST: usize = 10;
/// The seed of the draws of images against which copies are counted.
const DRAW_SEED: u64 = 0;

words! {
    /// What samples are measured against.
    pub enum HeldOut {
        /// The test split.
        Test = "test",
        /// The validation block of the training split, while settings are chosen.
        Validation = "validation",
    }
}

/// Real images of the judge's size and channels.
#[derive(Clone, Copy, Debug)]
pub struct RealImages<'a> {
    /// What samples are measured against: the test split, or the validation block while settings are chosen.
    pub held_out: &'a Dataset,
    /// The other of the two, whose distance to the first is the floor.
    pub other: &'a Dataset,
    /// The N images that the generator was trained on, where they are known: samples may be copies of them.
    pub training: Option<&'a Dataset>,
}

/// Samples to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// The samples.
    pub images: &'a Images,
    /// The class that each was asked for, of a generator conditioned on one, and what its classes are called.
    pub asked: Option<(&'a [Option<u32>], &'a Classes)>,
}

/// How far the features of samples are from those of real images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrechetDistances {
    /// The Fréchet distance in the judge's features.
    pub judge_fd: f64,
    /// The Fréchet distance in the features of a fixed random convolution.
    pub random_fd: f64,
}

/// The figures that a curve over training steps needs: quick to compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Of the features.
    #[serde(flatten)]
    pub frechet: FrechetDistances,
    /// The share of each class among the samples, as the judge sees them; empty of a judge without classes.
    pub class_shares: Vec<f64>,
    /// The share of samples that would have to change class for the held-out images' histogram; None of a judge without classes.
    pub class_distance: Option<f64>,
}

/// Copies of training images, by two measures of nearness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copies {
    /// In the judge's features.
    pub judge: Memorisation,
    /// In pixels.
    pub pixels: Memorisation,
}

impl Copies {
    /// Whether by either measure too many samples look like copies.
    pub fn flagged(&self) -> bool {
        self.judge.flagged || self.pixels.flagged
    }

    /// Whether samples are flagged by a measure by which fresh real images are not: where those are, too, it says nothing.
    pub fn flagged_beyond(&self, real: Option<Copies>) -> bool {
        let real = real.map_or([false; 2], |real| [real.judge.flagged, real.pixels.flagged]);
        [self.judge.flagged, self.pixels.flagged].into_iter().zip(real).any(|(own, real)| own && !real)
    }
}

/// All figures of one set of samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How many samples were measured.
    pub count: usize,
    /// Distances and classes.
    #[serde(flatten)]
    pub distances: Distances,
    /// The Fréchet distance in the judge's features, extrapolated to infinitely many images ([`frechet_infinity`]); None of too few, and
    /// in what was written before it was measured.
    pub judge_fd_infinity: Option<f64>,
    /// Distances by the features of two more judges and of a space without classes, where those measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<PanelDistances>,
    /// The kernel distance (KID) in the judge's features.
    pub kid: f64,
    /// Precision, recall, density and coverage in the judge's features.
    #[serde(flatten)]
    pub manifold: PrecisionRecall,
    /// The share of samples in which the judge sees the class that was asked for.
    pub conditional_accuracy: Option<f64>,
    /// What that would be by chance ([`conditional_chance`]); None also in what was written before it was measured.
    pub conditional_chance: Option<f64>,
    /// Copies of the training images, where those are known and no more than are held out.
    pub memorisation: Option<Copies>,
}

impl Evaluation {
    /// The Fréchet distance by some features; None where they did not measure.
    pub fn fd(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Judge => Some(self.distances.frechet.judge_fd),
            Measure::OtherSeed => self.panel.map(|panel| panel.other_seed),
            Measure::OtherArchitecture => self.panel.map(|panel| panel.other_architecture),
            Measure::ClassFree => self.panel.map(|panel| panel.class_free),
        }
    }
}

/// What the figures of real images would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floors {
    /// Of fresh real images (the validation block measured against the test split): no generator can be expected to do better.
    /// Its conditional accuracy is the judge's own; copies are not counted where some of these images are among those trained on.
    pub real: Evaluation,
    /// Of the N training images, by turns as many as are held out: what a generator that copies them gets. Its count is N, or how
    /// many are held out, where those are fewer; by turns it has no FD-infinity.
    pub copy: Option<Evaluation>,
}

/// The real side of all comparisons, computed once.
#[derive(Debug)]
pub struct Reference {
    classes: Classes,
    judge: Arc<Judge>,
    random: RandomConvolution,
    held_out: Side,
    held_out_digest: String,
    judge_gaussian: Gaussian,
    random_gaussian: Gaussian,
    shares: Vec<f64>,
    accuracy: Option<f64>,
    other: Dataset,
    /// What the judge sees in the other images, once it is asked for.
    other_gaussian: OnceLock<Gaussian>,
    training: Option<TrainingSet>,
    seen: usize,
    panel: Option<PanelSide>,
}

/// What the generator was trained on.
#[derive(Debug)]
struct TrainingSet {
    drawn: Dataset,
    side: Side,
    /// Whether these are all of its images, and no more than are held out: else copies cannot be counted.
    whole: bool,
    /// Whether some of the other real images are among them: those are copies by themselves, and no floor.
    has_other: bool,
}

/// A set of images as rows of numbers.
#[derive(Debug)]
struct Side {
    judge: Features,
    /// Its pixels, by which copies are looked for where there are training images for it: they are many times as many numbers.
    pixels: Option<Features>,
}

impl Side {
    fn new(images: &Images, said: &Predictions, is_searched: bool) -> Result<Side> {
        let pixels = is_searched.then(|| Features::from_slice(&images.pixels(), images.bytes_per_image()));
        Ok(Side { judge: Features::from_slice(&said.features, said.dimensions)?, pixels: pixels.transpose()? })
    }
}

impl Reference {
    /// Measures the real images. Of more than [`COUNT`] images of a set, that many are drawn, one out of each of as many equal stretches; of a set
    /// of training images too.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the images or their classes do not fit the judge, or fewer than ten are held out; the device's first
    /// failure.
    pub fn new(judge: Arc<Judge>, real: &RealImages<'_>) -> Result<Reference> {
        Reference::under(judge, None, real)
    }

    /// As [`Reference::new`], with a panel that measures beside the judge.
    ///
    /// # Errors
    /// As [`Reference::new`].
    pub fn under(judge: Arc<Judge>, panel: Option<&Arc<Panel>>, real: &RealImages<'_>) -> Result<Reference> {
        let classes = classes_of(&judge, real.held_out)?;
        let held_out = real.held_out.all_over(COUNT);
        enough(&held_out.images, &format!("{} has", held_out.name))?;
        let other = real.other.all_over(COUNT);
        enough(&other.images, &format!("{} has", other.name))?;
        judge.check(&other.images)?;
        let said = judge.predict(&held_out.images)?;
        let random = RandomConvolution::new(&judge.device(), held_out.images.channels);
        let is_searched = |all: &Dataset| all.len() <= held_out.len();
        let side = Side::new(&held_out.images, &said, real.training.is_some_and(is_searched))?;
        let seen = real.training.map_or(0, |training| seen(&held_out, training));
        let training = real.training.map(|all| {
            let drawn = all.all_over(COUNT);
            let whole = is_searched(all);
            let side = Side::new(&drawn.images, &judge.predict(&drawn.images)?, whole)?;
            let has_other = self::seen(&other, all) > 0;
            Ok(TrainingSet { whole, has_other, drawn, side })
        });
        Ok(Reference {
            classes,
            judge_gaussian: Gaussian::fit(&side.judge),
            random_gaussian: Gaussian::fit(&random.features(&held_out.images)?),
            shares: shares(&said),
            accuracy: held_out.labels.as_ref().filter(|_| said.classes > 0).map(|labels| said.accuracy(labels)),
            held_out: side,
            held_out_digest: real.held_out.digest(),
            other,
            other_gaussian: OnceLock::new(),
            training: training.transpose()?,
            panel: panel.map(|panel| PanelSide::new(panel.clone(), &held_out)).transpose()?,
            random,
            judge,
            seen,
        })
    }

    /// The judge's classes, by their names.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The digest of the images that are held out.
    pub fn held_out_digest(&self) -> &str {
        &self.held_out_digest
    }

    /// The other real images, of which nothing was trained on either.
    pub fn other(&self) -> &Dataset {
        &self.other
    }

    /// The judge.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// How many images are held out: as many samples should be measured.
    pub fn count(&self) -> usize {
        self.held_out.judge.count()
    }

    /// The judge in a few words.
    pub fn judged_by(&self) -> JudgeReport {
        self.judge.report(self.accuracy)
    }

    /// The panel in a few words, where one measures.
    pub fn panel(&self) -> Option<&PanelReport> {
        self.panel.as_ref().map(PanelSide::report)
    }

    /// The judge's accuracy on the held-out images, where they have labels and it has classes.
    pub fn accuracy(&self) -> Option<f64> {
        self.accuracy
    }

    /// The share of each class among the held-out images, as the judge sees them; empty of a judge without classes.
    pub fn class_shares(&self) -> &[f64] {
        &self.shares
    }

    /// How many of the held-out images are among the training images, byte for byte: they are held out only where it is none.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// What a person should know of these figures, if some of the held-out images were trained on.
    pub fn warning(&self) -> Option<String> {
        flattery(self.seen, self.count())
    }

    /// The figures of a point on a curve.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than ten samples, or of another size than the judge's; the device's first failure.
    pub fn distances(&self, images: &Images) -> Result<Distances> {
        enough(images, "there are")?;
        self.distances_of(images, &self.judge.predict(images)?)
    }

    /// As [`Reference::distances`], and the judge's distance to the other set of real images: by that a best generator can be chosen without the
    /// held-out ones.
    ///
    /// # Errors
    /// As [`Reference::distances`].
    pub fn distances_to_both(&self, images: &Images) -> Result<(Distances, f64)> {
        enough(images, "there are")?;
        let said = self.judge.predict(images)?;
        let samples = Gaussian::fit(&Features::from_slice(&said.features, said.dimensions)?);
        let other = match self.other_gaussian.get() {
            Some(other) => other,
            None => {
                let said = self.judge.predict(&self.other.images)?;
                let other = Gaussian::fit(&Features::from_slice(&said.features, said.dimensions)?);
                self.other_gaussian.get_or_init(|| other)
            }
        };
        Ok((self.distances_of(images, &said)?, frechet_distance(other, &samples)))
    }

    fn distances_of(&self, images: &Images, said: &Predictions) -> Result<Distances> {
        let features = Features::from_slice(&said.features, said.dimensions)?;
        let class_shares = shares(said);
        Ok(Distances {
            frechet: FrechetDistances {
                judge_fd: frechet_distance(&self.judge_gaussian, &Gaussian::fit(&features)),
                random_fd: frechet_distance(&self.random_gaussian, &Gaussian::fit(&self.random.features(images)?)),
            },
            class_distance: (said.classes > 0).then(|| total_variation(&class_shares, &self.shares)),
            class_shares,
        })
    }

    /// All figures of samples.
    ///
    /// # Errors
    /// As [`Reference::distances`].
    ///
    /// # Panics
    /// Where there is not one class a sample.
    #[track_caller]
    pub fn evaluate(&self, samples: &Samples<'_>) -> Result<Evaluation> {
        enough(samples.images, "there are")?;
        let said = self.judge.predict(samples.images)?;
        let side = Side::new(samples.images, &said, self.held_out.pixels.is_some())?;
        let copies = |training: &TrainingSet| -> Result<Option<Copies>> {
            let judge = memorisation(&side.judge, &training.side.judge, &self.held_out.judge, DRAW_SEED)?;
            let [Some(own), Some(learned), Some(unseen)] =
                [&side, &training.side, &self.held_out].map(|side| side.pixels.as_ref())
            else {
                return Ok(None);
            };
            Ok(Some(Copies { judge, pixels: memorisation(own, learned, unseen, DRAW_SEED)? }))
        };
        let asked_and_found = samples.asked.map(|(asked, names)| -> (Vec<u32>, Vec<u32>) {
            let named = |asked: &Option<u32>| self.classes.named(&names.names()[(*asked)? as usize]);
            asked.iter().zip(&said.labels).filter_map(|(asked, &found)| Some((named(asked)?, found))).unzip()
        });
        let asked_and_found = asked_and_found.filter(|(asked, _)| !asked.is_empty());
        let distances = self.distances_of(samples.images, &said)?;
        let searched = self.training.as_ref().filter(|training| training.whole);
        Ok(Evaluation {
            count: samples.images.count,
            panel: self.by_panel(samples.images, distances.frechet.judge_fd)?,
            distances,
            judge_fd_infinity: frechet_infinity(&self.held_out.judge, &side.judge),
            kid: kernel_distance(&self.held_out.judge, &side.judge),
            manifold: precision_recall(&self.held_out.judge, &side.judge),
            conditional_accuracy: asked_and_found.as_ref().map(|(asked, found)| conditional_accuracy(asked, found)),
            conditional_chance: asked_and_found.as_ref().map(|(asked, found)| conditional_chance(asked, found)),
            memorisation: searched.map(copies).transpose()?.flatten(),
        })
    }

    /// What the panel says of images whose judge-FD is known; None where no panel measures.
    ///
    /// # Errors
    /// As [`Reference::distances`].
    pub fn by_panel(&self, images: &Images, judge_fd: f64) -> Result<Option<PanelDistances>> {
        self.panel.as_ref().map(|panel| panel.distances(images, judge_fd)).transpose()
    }

    /// All figures of so many samples of a generator, each as the class that it was asked for where the generator has classes.
    ///
    /// # Errors
    /// As [`Reference::distances`].
    pub fn evaluate_generator(
        &self,
        network: &Generator,
        architecture: &Architecture,
        seed: u64,
        count: usize,
    ) -> Result<Evaluation> {
        let (images, asked) = sample_asked(network, architecture, seed, count)?;
        let asked = asked.as_deref().map(|asked| (asked, network.conditions().names()));
        self.evaluate(&Samples { images: &images, asked })
    }

    /// The floors of [`Reference::count`] samples.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn floors(&self) -> Result<Floors> {
        self.floors_of(self.count())
    }

    /// The figures of fresh real images, as many as samples where there are so many, and of the training images where there are ten or more: as
    /// many, by turns, since a generator that copies them repeats them.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn floors_of(&self, count: usize) -> Result<Floors> {
        // Labels are places in their own data set's list of classes, which need not be the judge's.
        let evaluate = |data: &Dataset| {
            let asked: Option<Vec<Option<u32>>> =
                data.labels.as_ref().map(|labels| labels.iter().copied().map(Some).collect());
            let asked = asked.as_deref().map(|labels| (labels, &data.classes));
            self.evaluate(&Samples { images: &data.images, asked })
        };
        let copied = |training: &TrainingSet| {
            let drawn = training.drawn.all_over(count);
            let by_turns: Vec<usize> = (0..count).map(|sample| sample % drawn.len()).collect();
            let mut copied = evaluate(&drawn.select(&by_turns))?;
            if drawn.len() < count {
                // The extrapolation takes images to be drawn independently.
                copied.judge_fd_infinity = None;
            }
            Ok(Evaluation { count: drawn.len(), ..copied })
        };
        let mut real = evaluate(&self.other.all_over(count))?;
        if self.training.as_ref().is_some_and(|training| training.has_other) {
            real.memorisation = None;
        }
        let training = self.training.as_ref().filter(|training| training.drawn.len() >= LEAST);
        Ok(Floors { real, copy: training.map(copied).transpose()? })
    }
}

/// The accuracy on held-out real images of a classifier that was trained on samples and the classes they were asked for
/// (GAN-train, Shmelkov 2018); by chance it is the [`largest_share`](super::largest_share) of those images' labels. None where the
/// watcher stopped it.
///
/// # Errors
/// [`Error::Invalid`] where samples or held-out images have no classes, or the training diverged; the device's first failure.
///
/// # Panics
/// Where the two are of different sizes.
pub fn gan_train(
    samples: Dataset,
    held_out: &Dataset,
    settings: &JudgeSettings,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Option<f64>> {
    let Images { height, channels, .. } = samples.images;
    let design = settings.design([height, channels]);
    let mut training = Training::new(&design, &settings.options, samples, &Targets::Labels, Network::Judge, device)?;
    if !training.run(watcher)? {
        return Ok(None);
    }
    training.classifier().accuracy(held_out).map(Some)
}

/// Why nothing can be measured by a data set, if nothing can, known before a judge is trained: too few images are held out. The test split
/// is not read where nothing is measured against it.
///
/// # Errors
/// Where a part of the data set cannot be read.
pub fn unjudged(parts: &Parts, against: HeldOut) -> Result<Option<String>> {
    let whole = parts.whole();
    // Where there is no test split, halves of the block stand against each other.
    let test = match against {
        HeldOut::Test => parts.test(),
        HeldOut::Validation => Err(Error::NoSplit(String::new())),
    };
    let (test, needed) = match test {
        Ok(test) => (Some(test.len()), LEAST),
        Err(Error::NoSplit(_)) => (None, 2 * LEAST),
        Err(error) => return Err(error),
    };
    if let Some(count) = test.filter(|&count| count < LEAST) {
        return Ok(Some(format!("{} has {count} test images, and figures need {LEAST} or more", whole.name)));
    }
    let held_out = parts.held_out()?;
    Ok((held_out < needed).then(|| {
        format!(
            "of the {} training images of {} {held_out} would be held out, and figures need {needed} or more",
            whole.len(),
            whole.name
        )
    }))
}

/// What a judge's classes are called: none where it learned without. Its file says it, or else they are those of the data set.
fn classes_of(judge: &Judge, data: &Dataset) -> Result<Classes> {
    if judge.classifier().is_none() {
        return Ok(Classes::numbered(0..0));
    }
    let own = judge.class_names();
    let classes = own.clone().unwrap_or_else(|| data.classes.clone());
    if !data.classes.is_empty() && (classes != data.classes || classes.len() != judge.classes()) {
        let own = own.map_or(format!("{} classes", judge.classes()), |names| format!("the classes {names}"));
        return Err(Error::invalid(format!(
            "the judge knows {own}, and {} has {}: name a judge of these classes, or none",
            data.name, data.classes
        )));
    }
    Ok(if classes.is_empty() { Classes::numbered(0..judge.classes()) } else { classes })
}

/// What a person should know of figures where so many of the held-out images were trained on.
pub fn flattery(seen: usize, count: usize) -> Option<String> {
    (seen > 0).then(|| {
        format!("{seen} of the {count} held-out images are among the training images: these figures flatter what learned from them")
    })
}

/// The same where they are among the images of a source, which teaches what it knows of them, its labels too.
pub fn flattery_of_source(held_out: &Dataset, source: &Dataset) -> Option<String> {
    let (seen, count) = (seen(held_out, source), held_out.len());
    (seen > 0).then(|| {
        format!(
            "{seen} of the {count} held-out images are among the source's: these figures flatter what learned from that"
        )
    })
}

/// How many of the held-out images are among training images, byte for byte.
pub fn seen(held_out: &Dataset, training: &Dataset) -> usize {
    // Of the held-out ones, which are few, so that many training images need not be in memory together.
    let mut unseen: HashMap<_, usize> = HashMap::new();
    for index in 0..held_out.len() {
        *unseen.entry(held_out.images.image(index)).or_default() += 1;
    }
    (0..training.len()).filter_map(|index| unseen.remove(&training.images.image(index))).sum()
}

fn enough(images: &Images, who: &str) -> Result<()> {
    if images.count >= LEAST {
        return Ok(());
    }
    Err(Error::invalid(format!("{who} {} images to compare, and figures need {LEAST} or more", images.count)))
}

fn shares(said: &Predictions) -> Vec<f64> {
    if said.classes == 0 { Vec::new() } else { class_shares(&said.labels, said.classes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fresh_real_images_are_flagged_by_says_nothing_of_samples() {
        let of = |copied: f64| Memorisation { nearer: (1.0 + copied) / 2.0, copied, flagged: copied > 0.3 };
        let copies = |judge, pixels| Copies { judge: of(judge), pixels: of(pixels) };
        assert!(copies(0.0, 1.0).flagged_beyond(None) && copies(0.0, 1.0).flagged_beyond(Some(copies(1.0, 0.1))));
        assert!(!copies(0.0, 1.0).flagged_beyond(Some(copies(0.0, 0.9))));
        assert!(!copies(0.1, 0.2).flagged_beyond(None));
    }
}
