//! All figures of one checkpoint's samples, beside the floors to read them by.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::data::{Dataset, Parts, Reading, Spec};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator, load_generator, sample_asked};
use crate::metrics::{
    Evaluation, Floors, GAN_TRAIN_COUNT, GAN_TRAIN_SEED, HeldOut, Judge, JudgeReport, JudgeSettings, Judges,
    PanelReport, PanelSettings, Real, RealImages, Reference, gan_train, largest_share, unjudged,
};
use crate::run::{self, Event, Named, Watcher, of_classifier};
use crate::transfer::TrainedOn;

/// A checkpoint and, where it lies in a run's folder, what that trained on.
pub struct Subject {
    path: PathBuf,
    checkpoint: Checkpoint,
    trained_on: Option<TrainedOn>,
}

/// How a checkpoint is measured.
#[derive(Clone, Debug)]
pub struct Protocol<'a> {
    /// The real images, by the name of their data set.
    pub data: &'a str,
    /// How they are read, and which are held out.
    pub reading: &'a Reading,
    /// The file of a judge; the images' own where none is named.
    pub judge: Option<&'a Path>,
    /// How many judges measure.
    pub judges: Judges,
    /// What samples are measured against.
    pub split: HeldOut,
    /// How many samples; as many as images are held out where nothing is said.
    pub count: Option<usize>,
    /// The seed of the latents, below [`GAN_TRAIN_SEED`].
    pub seed: u64,
}

/// What was found.
#[derive(Serialize)]
pub struct Report {
    /// The checkpoint's file.
    pub checkpoint: String,
    /// Its step.
    pub step: Option<u64>,
    /// The real images.
    pub data: String,
    /// What the judge's classes are called.
    pub class_names: Vec<String>,
    /// What samples are measured against.
    pub split: HeldOut,
    /// How many images are held out.
    pub held_out: usize,
    /// The data set that they are of.
    pub held_out_of: String,
    /// How many of them the run trained on.
    pub held_out_seen_in_training: usize,
    /// How many of the data set's training images are held out for validation, in a sentence.
    pub withheld: String,
    /// How many images the run trained on, where it is known.
    pub training_images: Option<usize>,
    /// The judge.
    pub judge: Judged,
    /// The judges beside it, where three measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panel: Option<PanelReport>,
    /// The samples' figures.
    pub samples: Evaluation,
    /// What real images get.
    #[serde(flatten)]
    pub floors: Floors,
    /// The accuracy of a classifier trained on samples, of conditional generators.
    pub gan_train: Option<f64>,
    /// What that would be by chance: the share of the largest class of the held-out images.
    pub gan_train_chance: Option<f64>,
    /// How many samples that classifier learned from: those of no class, or of one that the data lack, teach nothing.
    pub gan_train_samples: Option<usize>,
}

/// The judge of a [`Report`].
#[derive(Serialize)]
pub struct Judged {
    /// The judge.
    #[serde(flatten)]
    pub by: JudgeReport,
    /// Whether it was trained on this data set's images.
    pub of_this_data: bool,
}

/// Whether a run's settings name this data set.
fn is_named(run: &TrainedOn, data: &Spec) -> Result<bool> {
    Ok(run.data().parse::<Spec>()?.absolute() == data.absolute())
}

impl Subject {
    /// Reads a checkpoint, or that of a run's folder.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is none; those of [`Checkpoint::read`].
    pub fn read(path: &Path) -> Result<Subject> {
        let Named { file, folder } = Named::find(path)?;
        let checkpoint = Checkpoint::read(&file)?;
        Architecture::of(&checkpoint).map_err(|error| Error::invalid(format!("{}: {error}", file.display())))?;
        Ok(Subject { path: file, checkpoint, trained_on: folder.as_ref().map(TrainedOn::read).transpose()? })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The data set that its run trained on.
    pub fn data(&self) -> Option<&str> {
        self.trained_on.as_ref().map(TrainedOn::data)
    }

    /// How images of a data set are to be read: as its run read its own. Another data set's classes and held-out images are its own.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such data set.
    pub fn reading_of(&self, data: &str) -> Result<Reading> {
        let Some(run) = &self.trained_on else { return Ok(Reading::default()) };
        Ok(if is_named(run, &data.parse()?)? { run.reading() } else { run.reading().of_more() })
    }

    /// Whether a run trained on images of these data, wherever they lie now.
    fn is_of(&self, run: &TrainedOn, parts: &Parts) -> Result<bool> {
        let digest = self.checkpoint.header.get("data").and_then(|data| data.get("digest")?.as_str());
        Ok(is_named(run, parts.spec())? || run.images(parts).is_ok_and(|images| digest == Some(&images.digest())))
    }

    /// Measures its samples. None where the watcher stopped the training of a classifier.
    ///
    /// # Errors
    /// [`Error::NoSplit`] where the test split is asked for and there is none; where anything does not fit, or cannot be read.
    pub fn evaluate(
        &self,
        protocol: &Protocol<'_>,
        device: &Device,
        watcher: &mut Watcher<'_>,
    ) -> Result<Option<Report>> {
        let (architecture, mut network) = load_generator(&self.checkpoint, device)
            .map_err(|error| Error::invalid(format!("{}: {error}", self.path.display())))?;
        let Protocol { data, reading, split, seed, .. } = *protocol;
        let parts = Parts::read(&data.parse()?, &reading.of_size(architecture.size))?;
        let training =
            self.trained_on.as_ref().map(|run| match (self.is_of(run, &parts)?, run.reading() == *reading) {
                (true, true) => run.images(&parts),
                // Its own images, wherever they lie now, beside other held-out ones.
                (true, false) => run.images(&Parts::read(&data.parse()?, &run.reading())?),
                (false, _) => run.images(&run.read_parts()?),
            });
        let training = training.transpose()?;
        if let Some(why) = unjudged(&parts, HeldOut::Test)?.filter(|_| protocol.judge.is_none()) {
            return Err(Error::invalid(format!(
                "nothing can be measured by {data}: {why}; name other held-out images, or a judge's file"
            )));
        }
        let real = Real::of(&parts, architecture.size, architecture.channels)?;
        let withheld = parts.withheld()?;
        drop(parts);
        // Before a judge is trained for nothing.
        if let (HeldOut::Test, Err(why)) = (split, &real.test) {
            return Err(Error::NoSplit(why.clone()));
        }
        let known = protocol.judge.map(|path| Judge::read(path, device)).transpose()?;
        let beside = (protocol.judges == Judges::Three).then(|| PanelSettings::of(known.as_ref(), &real.training));
        let beside = beside.transpose()?;
        if let Some(settings) = &beside {
            let (images, classes) = ([architecture.size, architecture.channels], real.training.classes.len());
            settings.check_fits(images, classes, device)?;
        }
        let judge = known.map_or_else(|| run::judge(&real.training, device, watcher), |known| Ok(Some(known)))?;
        let Some(judge) = judge else { return Ok(None) };
        let panel = match beside {
            None => None,
            Some(settings) => match run::panel(&real.training, &settings, device, watcher)? {
                Some(panel) => Some(Arc::new(panel)),
                None => return Ok(None),
            },
        };
        let of_this_data = judge.knows(&real.training);
        if !of_this_data {
            let text = format!("the judge was trained on other images than the training images of {data}");
            let _ = watcher(&Event::Warning(&text))?;
        }
        let (held_out, other) = real.sides(split)?;
        let real = RealImages { held_out: &held_out, other: &other, training: training.as_ref() };
        let reference = Reference::under(Arc::new(judge), panel.as_ref(), &real)?;
        if let Some(warning) = reference.warning() {
            let _ = watcher(&Event::Warning(&warning))?;
        }
        let count = protocol.count.unwrap_or(reference.count());
        if network.conditions().is_in_turn() && architecture.classes > 0 && !reference.classes().is_empty() {
            if reference.classes() != network.conditions().names() {
                return Err(Error::invalid(format!(
                    "the generator has the classes {} and the judge {}: name the data that the generator was trained on",
                    network.conditions().names(),
                    reference.classes()
                )));
            }
            // As frequent as among real images, or the distances would measure that.
            let frequencies = reference.class_shares().to_vec();
            network.set_conditions(network.conditions().clone().with_frequencies(frequencies));
        }
        let samples = reference.evaluate_generator(&network, &architecture, seed, count)?;
        let gan_train = if let Some(settings) = reference.judge().class_settings() {
            let mut told = of_classifier("GAN-train", settings.options.steps, watcher);
            let found = accuracy_after(&network, &architecture, seed, &held_out, &settings, device, &mut told)?;
            let Some(found) = found else { return Ok(None) };
            found
        } else {
            None
        };
        Ok(Some(Report {
            checkpoint: self.path.display().to_string(),
            step: self.checkpoint.header.get("step").and_then(serde_json::Value::as_u64),
            data: data.to_string(),
            class_names: reference.classes().names().to_vec(),
            split,
            held_out: reference.count(),
            held_out_of: held_out.name.clone(),
            withheld,
            held_out_seen_in_training: reference.seen(),
            training_images: training.as_ref().map(Dataset::len),
            judge: Judged { by: reference.judged_by(), of_this_data },
            panel: reference.panel().cloned(),
            samples,
            floors: reference.floors_of(count)?,
            gan_train: gan_train.map(|found| found.accuracy),
            gan_train_chance: gan_train.and(held_out.labels.as_deref()).map(largest_share),
            gan_train_samples: gan_train.map(|found| found.samples),
        }))
    }
}

/// A classifier that was trained on samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GanTrained {
    /// Its accuracy on real images.
    pub accuracy: f64,
    /// How many samples it was trained on.
    pub samples: usize,
}

/// The accuracy on real images of a classifier trained on samples as the judge was on real ones (GAN-train); `seed` is that of the
/// measured samples, from which these differ. The outer None: the watcher stopped it. The inner one: no sample is of a class of those images.
///
/// # Errors
/// Those of [`gan_train`].
pub(super) fn accuracy_after(
    network: &Generator,
    architecture: &Architecture,
    seed: u64,
    held_out: &Dataset,
    judge: &JudgeSettings,
    device: &Device,
    watcher: &mut crate::classifier::Watcher<'_>,
) -> Result<Option<Option<GanTrained>>> {
    let (conditions, classes) = (network.conditions(), &held_out.classes);
    let is_known = |name: &String| classes.named(name).is_some();
    if held_out.labels.is_none() || !conditions.asks_for_classes() || !conditions.names().names().iter().any(is_known) {
        return Ok(Some(None));
    }
    let (images, asked) = sample_asked(network, architecture, GAN_TRAIN_SEED + seed, GAN_TRAIN_COUNT)?;
    // Samples of no class teach nothing.
    let of_class: Vec<(usize, u32)> =
        asked.into_iter().flatten().enumerate().filter_map(|(sample, class)| Some((sample, class?))).collect();
    let images = images.select(&of_class.iter().map(|(sample, _)| *sample).collect::<Vec<_>>());
    let labels = Some(of_class.into_iter().map(|(_, class)| class).collect());
    let samples = Dataset { labels, classes: conditions.names().clone(), ..Dataset::unlabelled("samples", images) };
    let samples = samples.of_classes(classes).in_classes(classes)?;
    let count = samples.len();
    // A class may have a name of theirs and be asked for never.
    if count == 0 {
        return Ok(Some(None));
    }
    let accuracy = gan_train(samples, held_out, judge, device, watcher)?;
    Ok(accuracy.map(|accuracy| Some(GanTrained { accuracy, samples: count })))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::classifier::Options;
    use crate::data::{Classes, Images};
    use crate::gan::Conditions;

    /// What a classifier learns from samples of classes of these names, of which the second alone is ever asked for, `null` of them of none.
    fn learned(names: [&str; 2], null: f64) -> Option<GanTrained> {
        let device = Device::cpu();
        let architecture = Architecture { features: 1, latent: 2, classes: 2, ..Architecture::dcgan(32, 1) };
        let mut network = Generator::new(&device, &architecture, 0);
        let conditions = Conditions::in_turn(2, 0).with_names(Classes::new(names));
        network.set_conditions(conditions.with_frequencies(vec![0.0, 1.0]).with_null(null));
        let images = Images::new([20, 32, 32, 1], vec![0; 20 * 32 * 32]);
        let held_out =
            Dataset::labelled("real", images, (0..20).map(|i| i % 2).collect(), Classes::new(["ant", "bee"]));
        let options = Options { steps: 1, batch: 8, ..JudgeSettings::STANDARD.options };
        let judge = JudgeSettings { width: 4, options, ..JudgeSettings::STANDARD };
        let watcher = &mut |_| Ok(ControlFlow::Continue(()));
        accuracy_after(&network, &architecture, 0, &held_out, &judge, &device, watcher).unwrap().expect("it ends")
    }

    #[test]
    fn a_classifier_learns_from_samples_of_classes_that_real_images_have_if_there_are_any() {
        assert_eq!(learned(["cluster-0", "cluster-1"], 0.0), None, "no name of theirs");
        assert_eq!(learned(["ant", "cluster-1"], 0.0), None, "a name of theirs that is never asked for");
        assert_eq!(learned(["ant", "bee"], 1.0), None, "no sample of any class");
        assert_eq!(learned(["cluster-0", "bee"], 0.0).unwrap().samples, GAN_TRAIN_COUNT);
        let samples = learned(["ant", "bee"], 0.5).unwrap().samples;
        // Three standard deviations of a share of 1/2 among 5,000.
        assert!(samples.abs_diff(GAN_TRAIN_COUNT / 2) < 107, "{samples}");
    }
}
