//! What determines a transfer, and where its phases live.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Arm, Learning, RATE, SCRATCH, Shelf, Style};
use crate::backend::Device;
use crate::data::{Block, Dataset, Parts, Reading, Spec, absolute, last_name, of_path};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Loss, Recipe};
use crate::metrics::{HeldOut, unjudged};
use crate::run::{CLASSIFIER, FEATURES, Keep, Named, OnNan, Pace, RunFolder, SOURCE, Settings, split};

/// Letters of a source's name in a folder's, at most.
const LONGEST: usize = 60;

/// SHA-256, in hexadecimal.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Gamma of R1 and R2, where nothing is said.
const GAMMA: f64 = 0.1;

/// The recipe from which all arms start, for 100 to 1,000 target images: the table's, with narrower networks and R1. Source and
/// target share what is said here, so that the discriminator transfers; the generator's rate and the augmentation are the target's alone.
pub fn starting_recipe(seed: u64, size: usize, channels: usize) -> Recipe {
    let mut recipe = Recipe { seed, lr: RATE, d_lr: RATE, loss: Loss::R3gan, r1: GAMMA, ..Recipe::default() };
    let d_norm = recipe.loss.norm(recipe.r1);
    recipe.architecture = Architecture { size, channels, features: 32, d_norm, ..recipe.architecture };
    recipe
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
    /// Whether its images are read for an arm: those of a data set teach the source's GAN at least.
    ///
    /// # Errors
    /// [`Error::Usage`] where the method or an option is unknown.
    pub(crate) fn is_read_by(&self, arm: &Arm) -> Result<bool> {
        Ok(arm.method != SCRATCH && (matches!(self, Source::Data(_)) || arm.learns_from_images()?))
    }

    /// Reads `--source`: the name of a data set, else a path.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is neither.
    pub fn parse(text: &str) -> Result<Source> {
        let path = Path::new(text);
        if let Some(form) = of_path(text).filter(|_| RunFolder::open(path).is_err()) {
            let problem = "holds no run, and is no checkpoint";
            return Err(Error::Usage(format!("`{text}` {problem} (did you mean `{form}`?)")));
        }
        let of_run = split(path).is_some_and(|(run, _)| RunFolder::open(run).is_ok());
        if path.exists() || of_run || path.extension().is_some_and(|extension| extension == "safetensors") {
            return Ok(Source::Checkpoint(path.to_path_buf()));
        }
        match text.parse() {
            Ok(spec) => Ok(Source::Data(spec)),
            Err(error) => Err(Error::Usage(format!("{error}, or a checkpoint that exists"))),
        }
    }
}

impl Source {
    /// As `--source` takes it, with paths that do not depend on the working folder.
    pub fn absolute(&self) -> String {
        match self {
            Source::Data(spec) => spec.absolute().to_string(),
            Source::Checkpoint(path) => match path.to_str() {
                Some(text) => absolute(text),
                None => path.display().to_string(),
            },
        }
    }

    /// In short, for a title.
    pub fn short(&self) -> String {
        match self {
            Source::Data(spec) => spec.short(),
            Source::Checkpoint(path) => last_name(&path.display().to_string()),
        }
    }
}

/// What a run of `graft train` or `graft transfer` trained on, by its settings.
#[derive(Clone, Debug)]
pub enum TrainedOn {
    /// Those of `graft train`.
    Train(Box<Settings>),
    /// Those of `graft transfer`.
    Transfer(Box<Plan>),
}

impl TrainedOn {
    /// Reads a run's settings.
    ///
    /// # Errors
    /// Where they are none.
    pub fn read(folder: &RunFolder) -> Result<TrainedOn> {
        match folder.command() {
            Some("transfer") => Plan::read(folder).map(|plan| TrainedOn::Transfer(Box::new(plan))),
            _ => folder.settings().map(|settings| TrainedOn::Train(Box::new(settings))),
        }
    }

    /// The data set's name.
    pub fn data(&self) -> &str {
        match self {
            TrainedOn::Train(settings) => &settings.data,
            TrainedOn::Transfer(plan) => &plan.target,
        }
    }

    /// The images, of that data set.
    ///
    /// # Errors
    /// Where they are too few, or do not fit.
    pub fn images(&self, data: &Parts) -> Result<Dataset> {
        match self {
            TrainedOn::Train(settings) => settings.choose(data),
            TrainedOn::Transfer(plan) => plan.choose(data),
        }
    }

    /// How they were read.
    pub fn reading(&self) -> Reading {
        match self {
            TrainedOn::Train(settings) => settings.reading.of_size(settings.recipe.architecture.size),
            TrainedOn::Transfer(plan) => plan.reading.of_size(plan.recipe.architecture.size),
        }
    }

    /// Reads that data set.
    ///
    /// # Errors
    /// Those of [`Parts::read`].
    pub fn read_parts(&self) -> Result<Parts> {
        Parts::read(&self.data().parse()?, &self.reading())
    }
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
    /// The digest of the source's images with which the run went on, where they are others than those it learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_changed: Option<String>,
    /// Where to compute, as `--device` takes it.
    pub device: String,
    /// Threads; 0 for one a core.
    pub threads: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between pictures.
    pub sample_every: u64,
    /// How many of the latest checkpoints stay, each under its step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u64>,
    /// Steps of which every multiple's checkpoint stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_every: Option<u64>,
    /// What to do where numbers of a GAN are no longer finite.
    #[serde(default, skip_serializing_if = "OnNan::is_stop")]
    pub on_nan: OnNan,
    /// Steps between points on the curve of the judge's distances; no judge where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<u64>,
    /// Whether the target's images have no classes and are measured by a judge without. Runs that were begun before there was one say
    /// nothing: they go on with all of their images, unmeasured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub class_free: bool,
    /// How images are read, the source's and the target's, and which are held out.
    #[serde(default, skip_serializing_if = "Reading::is_usual")]
    pub reading: Reading,
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
        self.check_options()?;
        self.check_source()
    }

    /// As [`Plan::check`], wherever the source is.
    pub(crate) fn check_options(&self) -> Result<()> {
        self.recipe.check()?;
        self.arm.check()?;
        self.arm.recipe(&self.recipe)?;
        self.target.parse::<Spec>()?;
        let own = self.of_arm()?;
        if own.source_style == Some(Style::Colour) && self.recipe.architecture.channels == 1 {
            return Err(Error::option("source-style", "colour needs a target of 3 channels"));
        }
        if self.arm.method == SCRATCH { Ok(()) } else { own.recipe.check() }
    }

    /// The same with paths that do not depend on the working folder.
    ///
    /// # Errors
    /// [`Error::Usage`] where something is no data set's name.
    pub fn absolute(&self) -> Result<Plan> {
        let mut plan = self.clone();
        plan.source = Source::parse(&self.source)?.absolute();
        plan.target = self.target.parse::<Spec>()?.absolute().to_string();
        plan.reading = self.reading.absolute()?;
        if let Some(source) = self.learning()?.source {
            plan.arm.options.insert("source".to_string(), Source::parse(&source)?.absolute());
        }
        Ok(plan)
    }

    /// How the source is learned where the arm says nothing else.
    pub fn base_learning(&self) -> Learning {
        let Plan { source_steps, feature_steps, source_style, .. } = *self;
        Learning { source: None, source_steps, feature_steps, source_lr: self.recipe.lr, source_style }
    }

    /// How the arm learns of its source.
    ///
    /// # Errors
    /// [`Error::Usage`] where the arm says what cannot be.
    pub fn learning(&self) -> Result<Learning> {
        self.arm.learning(self.base_learning())
    }

    /// The run with the settings of its source as the arm has them: how it is learned, and the networks that both share.
    ///
    /// # Errors
    /// [`Error::Usage`] where the arm says what cannot be.
    pub fn of_arm(&self) -> Result<Plan> {
        let Learning { source, source_steps, feature_steps, source_lr, source_style } = self.learning()?;
        let source = source.unwrap_or_else(|| self.source.clone());
        let architecture = self.arm.recipe(&self.recipe)?.architecture;
        let recipe = Recipe { architecture, lr: source_lr, ..self.recipe.clone() };
        Ok(Plan { source, source_steps, feature_steps, source_style, recipe, ..self.clone() })
    }

    /// Refuses a checkpoint as the source of a method that learns from images where it lies in no run's folder.
    fn check_source(&self) -> Result<()> {
        let Source::Checkpoint(path) = Source::parse(&self.of_arm()?.source)? else { return Ok(()) };
        if self.arm.learns_from_images()? && Named::find(&path)?.folder.is_none() {
            return Err(Error::Usage(format!(
                "{} learns from the source's images, and {} lies in no run's folder that names them: give the folder of its run as \
                 the source, or a data set",
                self.arm.method,
                path.display()
            )));
        }
        Ok(())
    }

    /// The settings that a run's folder holds. Whether its source is still there is not looked at.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no run can be made of them; [`Error::Io`] where they cannot be read.
    pub fn read(folder: &RunFolder) -> Result<Plan> {
        let plan: Plan = folder.read_settings()?;
        plan.check_options().map_err(|error| folder.broken_settings(&error))?;
        Ok(plan)
    }

    /// The paths of its source and its target at which there is nothing any more.
    ///
    /// # Errors
    /// [`Error::Usage`] where the arm says what cannot be.
    pub fn missing(&self) -> Result<[Option<String>; 2]> {
        let of = |text: &str| text.parse::<Spec>().ok().and_then(|spec| spec.missing());
        let source = self.of_arm()?.source;
        let source = match Source::parse(&source) {
            Ok(Source::Data(spec)) => spec.missing(),
            Ok(Source::Checkpoint(path)) => Named::find(&path).is_err().then_some(source),
            Err(_) => Some(source),
        };
        Ok([source, of(&self.target)])
    }

    /// Refuses a run that memory cannot hold.
    ///
    /// # Errors
    /// Those of [`Recipe::check_fits`].
    pub fn check_fits(&self, device: &Device) -> Result<()> {
        self.arm.recipe(&self.recipe)?.check_fits(device)
    }

    /// Reads the target.
    ///
    /// # Errors
    /// Those of [`Parts::read`].
    pub fn read_target(&self) -> Result<Parts> {
        Parts::read(&self.target.parse()?, &self.reading.of_size(self.recipe.architecture.size))
    }

    /// Why nothing measures the run, if nothing does: no judge is asked for, or too few of the target's images would be held out.
    ///
    /// # Errors
    /// Where a part of the target cannot be read.
    pub fn unjudged(&self, target: &Parts) -> Result<Option<String>> {
        match self.evaluate_every {
            None => Ok(Some("the run was started without a judge".to_string())),
            Some(_) if !self.class_free && !target.whole().tells_classes() => {
                Ok(Some("the run was begun when images without classes were not measured".to_string()))
            }
            Some(_) => unjudged(target, HeldOut::Test),
        }
    }

    /// The target's images that the run trains on, in the networks' size and channels: of its training split, less the validation block
    /// where a judge measures by that, or where the kind of data set always has one.
    ///
    /// # Errors
    /// Where they are too few, or do not fit.
    pub fn choose(&self, target: &Parts) -> Result<Dataset> {
        let judged = target.spec().block() == Block::Drawn && self.unjudged(target)?.is_none();
        let data = if judged { target.split()?.0 } else { target.unjudged()? };
        let subset = self.subset.map(|count| data.subset(count, self.recipe.seed, self.subset_plain)).transpose()?;
        subset.unwrap_or(data).fit(self.recipe.architecture.size, self.recipe.architecture.channels)
    }

    /// The data set whose images it is measured against.
    pub fn measured_on(&self) -> &str {
        self.reading.held_out.as_deref().unwrap_or(&self.target)
    }

    /// The same run of another arm.
    pub fn with_arm(&self, arm: Arm) -> Plan {
        Plan { arm, scratch: false, ..self.clone() }
    }

    /// How far its phase on the target goes, and how often it writes.
    pub fn pace(&self) -> Pace {
        let Plan { steps, checkpoint_every, sample_every, on_nan, keep, keep_every, .. } = *self;
        Pace { steps, checkpoint_every, sample_every, on_nan, keep: Keep::of(keep, keep_every) }
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
    /// Where what is learned of sources is looked for before it is learned, and kept.
    pub shelf: Option<Shelf>,
}

impl Folders {
    /// Everything within one folder: `source/`, `features/` and `classifier/` beside the target's own files.
    pub fn within(run: &Path) -> Folders {
        Folders {
            run: run.to_path_buf(),
            source: run.join(SOURCE),
            features: run.join(FEATURES),
            classifier: run.join(CLASSIFIER),
            shelf: None,
        }
    }

    /// The target's run in one folder, what is learned of the source on a shelf that arms of the same seed and recipe share. A
    /// source whose networks are conditioned on classes stands beside the plain one, and so does what an arm learns in its own way, or
    /// from `images` of the target, too.
    ///
    /// # Errors
    /// [`Error::Usage`] where the arm's method is unknown.
    pub fn shared(run: &Path, shelf: &Path, arm: &Arm, images: Option<usize>) -> Result<Folders> {
        // A source may be a path.
        let plain = |letter: char| if letter.is_alphanumeric() || "._".contains(letter) { letter } else { '-' };
        let word = |text: &String| {
            let word: String = text.chars().map(plain).take(LONGEST).collect();
            if word == *text { word } else { format!("{word}-{}", &digest(text)[..8]) }
        };
        let own: String = arm.of_source().map(|(name, text)| format!("-{name}={}", word(text))).collect();
        let source = if arm.kind()?.labelled_source { "source-conditional" } else { "source" };
        let key = arm.choices()?.extractor_key(images);
        let [source, features, classifier] =
            [source.to_string(), format!("{FEATURES}{key}"), format!("{CLASSIFIER}{key}")]
                .map(|name| shelf.join(format!("{name}{own}")));
        Ok(Folders { run: run.to_path_buf(), source, features, classifier, shelf: None })
    }
}
