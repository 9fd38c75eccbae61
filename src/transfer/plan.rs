//! A transfer run: everything that determines it, its folders, and the library function that trains or resumes all phases.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::surgery::LayerReport;
use super::workshop::continue_in;
use super::{Arm, RATE, Style, Workshop};
use crate::backend::Device;
use crate::data::{Dataset, Spec, Split};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Loss, Recipe, Trainer};
use crate::nn::NormKind;
use crate::run::{CLASSIFIER, Ending, FEATURES, Observer, OnNan, Pace, RunFolder, Settings};

/// The recipe from which all arms start, for 100 to 1,000 target images. Source and target share what is said here, so that
/// the discriminator transfers; a method sets the generator's rate after a transfer.
pub fn starting_recipe(seed: u64, size: usize, channels: usize) -> Recipe {
    Recipe {
        seed,
        architecture: Architecture { features: 32, d_norm: NormKind::None, ..Architecture::dcgan(size, channels) },
        batch: 64,
        lr: RATE,
        d_lr: 2e-4,
        beta1: 0.5,
        d_steps: 1,
        loss: Loss::NonSaturating,
        gp: 0.0,
        r1: 1.0,
        augment: Vec::new(),
        ema: 0.995,
        lecam: 0.0,
    }
}

/// What a transfer starts from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A data set, on which the run trains what the method needs.
    Data(Spec),
    /// A checkpoint of `graft train`, or the folder of its run.
    Checkpoint(PathBuf),
}

impl Source {
    /// Reads `--source`: the name of a data set, else a path.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is neither.
    pub fn parse(text: &str) -> Result<Source> {
        let path = Path::new(text);
        if path.exists() || path.extension().is_some_and(|extension| extension == "safetensors") {
            return Ok(Source::Checkpoint(path.to_path_buf()));
        }
        match text.parse() {
            Ok(spec) => Ok(Source::Data(spec)),
            Err(error) => Err(Error::Usage(format!("{error}, or a checkpoint that exists"))),
        }
    }
}

/// What a run of `graft train` or `graft transfer` trained on: the data set's name, and the images.
///
/// # Errors
/// Where its settings are none, or the images cannot be read.
pub fn trained_on(folder: &RunFolder) -> Result<(String, Dataset)> {
    if folder.command() == Some("transfer") {
        let plan: Plan = folder.read_settings()?;
        plan.check().map_err(|error| folder.broken_settings(&error))?;
        return Ok((plan.target.clone(), plan.load_target()?));
    }
    let settings: Settings = folder.settings()?;
    Ok((settings.data.clone(), settings.load()?))
}

/// Every setting of a transfer run, as its `config.toml` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// What it learns from, as `--source` takes it.
    pub source: String,
    /// What becomes of source images; where missing, colour where a grey source meets a colour target.
    pub source_style: Option<Style>,
    /// Steps of the source's GAN.
    pub source_steps: u64,
    /// Steps of a feature extractor or classifier.
    pub feature_steps: u64,
    /// What it transfers to, as `--target` takes it.
    pub target: String,
    /// How many of the target's images; all where missing.
    pub subset: Option<usize>,
    /// Whether the subset ignores labels.
    pub subset_plain: bool,
    /// Steps on the target.
    pub steps: u64,
    /// Whether the arm `scratch` is trained beside it.
    pub scratch: bool,
    /// Where to compute, as `--device` takes it.
    pub device: String,
    /// Threads; 0 for one a core.
    pub threads: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between pictures.
    pub sample_every: u64,
    /// What to do where numbers of a GAN are no longer finite.
    #[serde(default, skip_serializing_if = "OnNan::is_stop")]
    pub on_nan: OnNan,
    /// Steps between points on the curve of the judge's distances; no judge where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<u64>,
    /// The way of training on the target.
    pub arm: Arm,
    /// The source's recipe, from which the arm's is made.
    pub recipe: Recipe,
}

impl Plan {
    /// Refuses what no run can be made of.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option and what it takes.
    pub fn check(&self) -> Result<()> {
        self.recipe.check()?;
        self.arm.check()?;
        self.arm.recipe(&self.recipe)?;
        self.check_source()?;
        self.target.parse::<Spec>()?;
        if self.source_style == Some(Style::Colour) && self.recipe.architecture.channels == 1 {
            return Err(Error::Usage("--source-style colour needs a target of 3 channels".to_string()));
        }
        Ok(())
    }

    /// Refuses a checkpoint as the source of a method that learns from images where it lies in no run's folder.
    fn check_source(&self) -> Result<()> {
        let Source::Checkpoint(path) = Source::parse(&self.source)? else { return Ok(()) };
        if self.arm.learns_from_images()? && RunFolder::around(&path).is_none() {
            return Err(Error::Usage(format!(
                "--method {} learns from the source's images, and {} lies in no run's folder that names them: give the folder of \
                 its run as --source, or a data set",
                self.arm.method,
                path.display()
            )));
        }
        Ok(())
    }

    /// The target's images in the networks' size and channels: of its training split less the validation block.
    ///
    /// # Errors
    /// Where they cannot be read, are too few, or do not fit.
    pub fn load_target(&self) -> Result<Dataset> {
        let (data, _) = self.target.parse::<Spec>()?.load(Split::Train)?.split_validation()?;
        let data = match self.subset {
            Some(count) => data.subset(count, self.recipe.seed, self.subset_plain)?,
            None => data,
        };
        data.fit(self.recipe.architecture.size, self.recipe.architecture.channels)
    }

    /// The same run of another arm.
    pub fn with_arm(&self, arm: Arm) -> Plan {
        Plan { arm, scratch: false, ..self.clone() }
    }

    fn pace(&self) -> Pace {
        let Plan { steps, checkpoint_every, sample_every, on_nan, .. } = *self;
        Pace { steps, checkpoint_every, sample_every, on_nan }
    }
}

/// Where the phases of a run live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The target's run.
    pub run: PathBuf,
    /// The source's GAN.
    pub source: PathBuf,
    /// The feature extractor.
    pub features: PathBuf,
    /// The label predictor.
    pub classifier: PathBuf,
}

impl Folders {
    /// Everything within one folder: `source/`, `features/` and `classifier/` beside the target's own files.
    pub fn within(run: &Path) -> Folders {
        Folders {
            run: run.to_path_buf(),
            source: run.join("source"),
            features: run.join(FEATURES),
            classifier: run.join(CLASSIFIER),
        }
    }

    /// The target's run in one folder, what is learned of the source on a shelf that arms of the same seed and recipe share. A
    /// source whose networks are conditioned on classes stands beside the plain one, and so do features of each length.
    ///
    /// # Errors
    /// [`Error::Usage`] where the arm's method is unknown.
    pub fn shared(run: &Path, shelf: &Path, arm: &Arm) -> Result<Folders> {
        let source = if arm.kind()?.labelled_source { "source-conditional" } else { "source" };
        let features = match arm.choices()?.values().get("feature-length") {
            Some(length) => format!("{FEATURES}-{length}"),
            None => FEATURES.to_string(),
        };
        let (source, features) = (shelf.join(source), shelf.join(features));
        Ok(Folders { run: run.to_path_buf(), source, features, ..Folders::within(shelf) })
    }
}

/// How a transfer run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// At its last step, or before.
    pub ending: Ending,
    /// What became of each layer; empty where it ended before the target.
    pub report: LayerReport,
    /// What else a person should read.
    pub notes: Vec<String>,
}

/// Trains or resumes all phases of an arm: what it needs of the source, then the target. Each phase continues from its own last
/// checkpoint, so that a run that was split equals the unbroken one byte for byte.
///
/// `target` holds the images to train on, in the networks' size and channels; its labels are used by nothing but what says
/// so. The observer is shown the target's trainer at the steps that it names.
///
/// # Errors
/// Those of each phase: data that do not fit, a source that does not, a state that is not finite, a file that cannot be written.
pub fn run(
    plan: &Plan,
    target: Dataset,
    folders: &Folders,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    plan.check()?;
    let kind = plan.arm.kind()?;
    let mut workshop = Workshop::new(plan, &target, folders, device, observer);
    workshop.check_fits()?;
    let folder = RunFolder::prepare(&folders.run)?;
    if !folder.config().exists() {
        folder.write_settings(plan)?;
    }
    let Some(grafted) = (kind.prepare)(&plan.arm.choices()?, &mut workshop)? else {
        return Ok(Outcome { ending: Ending::Interrupted, report: LayerReport::default(), notes: Vec::new() });
    };
    let mut recipe = plan.arm.recipe(&plan.recipe)?;
    recipe.architecture.classes = grafted.classes;
    recipe.architecture.condition_features = grafted.condition_features;
    if !grafted.report.0.is_empty() {
        observer.note(&grafted.report.to_string());
    }
    let beside: Vec<&str> = grafted.method.networks().into_iter().map(|(name, _)| name).collect();
    if !beside.is_empty() {
        observer.note(&format!("frozen beside the target's networks: {}", beside.join(", ")));
    }
    for note in &grafted.notes {
        observer.note(note);
    }
    device.release_idle();
    let mut trainer = Trainer::with_method(&recipe, grafted.method, target, device)?;
    let ending = continue_in(&folder, &plan.arm.name, &mut trainer, plan, &plan.pace(), observer)?;
    Ok(Outcome { ending, report: grafted.report, notes: grafted.notes })
}
