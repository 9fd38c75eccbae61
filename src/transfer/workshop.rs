//! What a method asks for before it meets the target: the source's images and its GAN, each trained, resumed or read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::plan::{Folders, Plan, Source, trained_on};
use super::rehearsal::Rehearsal;
use super::style::{Style, Styled};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::data::{Dataset, Spec, Split};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Discriminator, Generator, Recipe, Trainer, load_discriminator, load_generator};
use crate::run::{Ending, Observer, Pace, RunFolder, Settings};
use crate::tensor::Tensor;

/// Losses are read back every so many steps: each read waits for the device.
const READ_EVERY: u64 = 16;

/// The means of a run's preparation.
pub struct Workshop<'a> {
    /// Everything that determines the run.
    pub plan: &'a Plan,
    /// The target's training images.
    pub target: &'a Dataset,
    /// Where phases live.
    pub folders: &'a Folders,
    /// Where to compute.
    pub device: &'a Device,
    /// Who watches.
    pub observer: &'a mut dyn Observer,
    pub(super) source: Option<(Dataset, Style)>,
    /// In place of training and writing.
    pub(super) rehearsal: Option<Rehearsal>,
}

/// A source's networks: the generator's average and the discriminator.
#[derive(Debug)]
pub struct SourceGan {
    /// Their shapes.
    pub architecture: Architecture,
    /// The averaged generator.
    pub generator: Generator,
    /// The discriminator, where the checkpoint holds one.
    pub discriminator: Option<Discriminator>,
    /// The digest of the checkpoint that they are from.
    pub digest: String,
}

impl<'a> Workshop<'a> {
    /// A workshop of a run.
    pub fn new(
        plan: &'a Plan,
        target: &'a Dataset,
        folders: &'a Folders,
        device: &'a Device,
        observer: &'a mut dyn Observer,
    ) -> Workshop<'a> {
        Workshop { plan, target, folders, device, observer, source: None, rehearsal: None }
    }

    /// The networks' shapes, unconditional.
    pub fn architecture(&self) -> Architecture {
        self.plan.recipe.architecture
    }

    /// The random seed of the run.
    pub fn seed(&self) -> u64 {
        self.plan.recipe.seed
    }

    /// The source's images in the target's size and channels, and their style; of a checkpoint those that its run trained on.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a checkpoint lies in no run's folder; what reading the data says.
    pub fn source_data(&mut self) -> Result<(&Dataset, Style)> {
        if self.source.is_none() {
            let Architecture { size, channels, .. } = self.architecture();
            let (data, seen) = match Source::parse(&self.plan.source)? {
                Source::Data(spec) => (spec.load(Split::Train)?, None),
                Source::Checkpoint(path) => {
                    let unknown = || Error::invalid(format!("{} lies in no run's folder", path.display()));
                    let folder = RunFolder::around(&path).ok_or_else(unknown)?;
                    // The source of another transfer has learned from images in a style.
                    let header = folder.read_checkpoint()?.header;
                    let style = header.get("method").and_then(|method| method.get("style")).cloned();
                    (trained_on(&folder)?.1, style.and_then(|style| serde_json::from_value(style).ok()))
                }
            };
            let usual = seen.unwrap_or(Style::between(data.images.channels, channels));
            let style = self.plan.source_style.unwrap_or(usual);
            self.source = Some((data.fit(size, channels)?, style));
        }
        let (data, style) = self.source.as_ref().expect("just read");
        Ok((self.rehearsal.as_mut().map_or(data, |rehearsal| rehearsal.some_of(data)), *style))
    }

    /// The shapes of the source's GAN, before it is read or trained.
    ///
    /// # Errors
    /// What reading the checkpoint or the data says.
    pub fn source_architecture(&mut self) -> Result<Architecture> {
        match Source::parse(&self.plan.source)? {
            Source::Checkpoint(path) => read_checkpoint(&path, |checkpoint| Architecture::of(checkpoint)),
            Source::Data(_) => Ok(self.source_recipe()?.architecture),
        }
    }

    /// The recipe of the source's GAN where the run trains it.
    fn source_recipe(&mut self) -> Result<Recipe> {
        let plan = self.plan;
        let mut recipe: Recipe = plan.recipe.clone();
        if plan.arm.kind()?.labelled_source {
            let (data, _) = self.source_data()?;
            if data.labels.is_none() {
                let method = &plan.arm.method;
                return Err(Error::invalid(format!("{} has no labels, which --method {method} needs", data.name)));
            }
            recipe.architecture.classes = data.classes.len();
        }
        Ok(recipe)
    }

    /// The source's GAN: read from a checkpoint, or trained on the source's images in the phase's folder. None where that was
    /// interrupted. Both networks are conditioned on the source's labels where the method's [`Kind`](super::Kind) says so.
    ///
    /// # Errors
    /// What training or reading says.
    pub fn source_gan(&mut self) -> Result<Option<SourceGan>> {
        let path = match Source::parse(&self.plan.source)? {
            Source::Checkpoint(path) => path,
            Source::Data(_) if self.rehearsal.is_some() => return self.rehearse_source().map(Some),
            Source::Data(spec) => {
                if self.train_source(&spec)? == Ending::Interrupted {
                    return Ok(None);
                }
                self.folders.source.clone()
            }
        };
        read_checkpoint(&path, |checkpoint| SourceGan::load(checkpoint, self.device)).map(Some)
    }

    /// The style of the source's images as headers of checkpoints name it; none where the arm learns from none.
    ///
    /// # Errors
    /// What reading the data says.
    pub fn style_name(&mut self) -> Result<Option<Style>> {
        let learns = self.plan.arm.learns_from_images()?;
        match Source::parse(&self.plan.source)? {
            Source::Checkpoint(_) if !learns => Ok(None),
            _ => self.source_data().map(|(_, style)| Some(style)),
        }
    }

    /// Trains a network for `--feature-steps`, or continues where its folder's checkpoint stands. False where that was
    /// interrupted.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a loss or a tensor is not finite; [`Error::Invalid`] where the checkpoint is of another training; what writing says.
    pub fn pretrain(&mut self, folder: &Path, phase: &str, training: &mut dyn Pretraining) -> Result<bool> {
        if self.rehearsal.is_some() {
            // One step, and one that finds what a step leaves.
            (0..2).for_each(|_| drop(training.step()));
            return Ok(true);
        }
        let turn = turn(folder);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = RunFolder::prepare(folder)?.checkpoint();
        let Plan { feature_steps: steps, checkpoint_every, .. } = *self.plan;
        let settings = json!({ "steps": steps, "of": training.settings() });
        if path.exists() {
            let checkpoint = Checkpoint::read(&path)?;
            let step = checkpoint.header.get("step").and_then(Json::as_u64).filter(|&step| step <= steps);
            let same = checkpoint.header.get("training") == Some(&settings);
            let Some(step) = step.filter(|_| same) else {
                return Err(Error::invalid(format!(
                    "{} is of another training than this run's; choose another --out, or start again with --overwrite",
                    path.display()
                )));
            };
            training.restore(&checkpoint, step)?;
        }
        if training.steps() == steps {
            return Ok(true);
        }
        self.observer.phase(phase, training.steps(), steps);
        let (start, first) = (Instant::now(), training.steps());
        while training.steps() < steps {
            let loss = training.step();
            let step = training.steps();
            let stop = self.observer.stop();
            let write = stop || step == steps || step.is_multiple_of(checkpoint_every);
            // The first step is shown at once: people wait for it.
            if write || step == first + 1 || step.is_multiple_of(READ_EVERY) {
                let loss = loss.item()?;
                if !loss.is_finite() {
                    return Err(Error::Diverged(format!(
                        "the training of {phase} diverged at step {step}: its loss is {loss}"
                    )));
                }
                self.observer.step(step, &[("loss", loss)], (step - first) as f64 / start.elapsed().as_secs_f64());
            }
            if write {
                let header = json!({
                    "graft": env!("CARGO_PKG_VERSION"),
                    "step": step,
                    "training": settings,
                    "device": self.device.name(),
                    "microkernel": self.device.backend().microkernel(),
                });
                let Json::Object(header) = header else { unreachable!("the header is written as an object") };
                let mut checkpoint = Checkpoint::new(header);
                training.save(&mut checkpoint)?;
                if let Some(name) = checkpoint.first_broken() {
                    return Err(Error::Diverged(format!(
                        "the training of {phase} diverged: at step {step} {name} is the first tensor that is not finite"
                    )));
                }
                checkpoint.write(&path)?;
            }
            if stop && step < steps {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The recipe, the method and the data of the source's training.
    pub(super) fn source_training(&mut self) -> Result<(Recipe, Styled, Dataset)> {
        let recipe = self.source_recipe()?;
        let (data, style) = self.source_data()?;
        let method = Styled::new(recipe.architecture, style, recipe.seed);
        Ok((recipe, method, data.clone()))
    }

    fn train_source(&mut self, spec: &Spec) -> Result<Ending> {
        let plan = self.plan;
        let (recipe, method, data) = self.source_training()?;
        let settings = Settings {
            data: spec.to_string(),
            subset: None,
            subset_plain: false,
            steps: plan.source_steps,
            device: plan.device.clone(),
            threads: plan.threads,
            checkpoint_every: plan.checkpoint_every,
            sample_every: plan.sample_every,
            tensorboard: false,
            on_nan: plan.on_nan,
            recipe: recipe.clone(),
        };
        let turn = turn(&self.folders.source);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = RunFolder::prepare(&self.folders.source)?;
        let mut trainer = Trainer::with_method(&recipe, Box::new(method), data, self.device)?;
        continue_in(&folder, "source", &mut trainer, &settings, &settings.pace(), &mut Unwatched(self.observer))
    }
}

/// What is made of a checkpoint, or of a run's last; an error names the file.
fn read_checkpoint<T>(path: &Path, make: impl FnOnce(&Checkpoint) -> Result<T>) -> Result<T> {
    let path = if path.is_dir() { RunFolder::open(path)?.checkpoint() } else { path.to_path_buf() };
    make(&Checkpoint::read(&path)?).map_err(|error| Error::invalid(format!("{}: {error}", path.display())))
}

/// A training that is no GAN's: a feature extractor's, a label predictor's.
pub trait Pretraining {
    /// What determines its results beside the number of steps.
    fn settings(&self) -> Json;
    /// Steps made so far.
    fn steps(&self) -> u64;
    /// One step; gives its loss, still on the device.
    fn step(&mut self) -> Tensor;
    /// Adds the whole state to a checkpoint.
    ///
    /// # Errors
    /// The device's first failure.
    fn save(&self, checkpoint: &mut Checkpoint) -> Result<()>;
    /// Continues at `step` from a state that [`Pretraining::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Invalid`] where tensors are missing or of other shapes.
    fn restore(&mut self, checkpoint: &Checkpoint, step: u64) -> Result<()>;
}

impl SourceGan {
    /// The networks of a training checkpoint.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is none of graft's, or its tensors do not fit its header.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<SourceGan> {
        let (architecture, generator) = load_generator(checkpoint, device)?;
        let discriminator = load_discriminator(checkpoint, &architecture, device)?;
        Ok(SourceGan { architecture, generator, discriminator, digest: checkpoint.digest() })
    }
}

/// Continues a run from its last checkpoint where it has one, else from its start, up to the pace's last step. The settings are
/// written once the checkpoint is found to be of this run.
///
/// # Errors
/// [`Error::Invalid`] where the checkpoint is of another run, or beyond the last step; those of [`RunFolder::train`].
pub(super) fn continue_in(
    folder: &RunFolder,
    phase: &str,
    trainer: &mut Trainer,
    settings: &impl Serialize,
    pace: &Pace,
    observer: &mut dyn Observer,
) -> Result<Ending> {
    let path = folder.checkpoint();
    if path.exists() {
        let restored = trainer.restore(&Checkpoint::read(&path)?);
        let warning = restored.map_err(|error| {
            let advice = "choose another --out, or start again with --overwrite";
            Error::invalid(format!("{}: {error}; {advice}", path.display()))
        })?;
        if let Some(warning) = warning.filter(|_| trainer.steps() < pace.steps) {
            observer.note(&format!("warning: {warning}"));
        }
        if trainer.steps() > pace.steps {
            return Err(Error::invalid(format!(
                "{} is at step {} already, beyond the {} that are asked for; choose another --out",
                path.display(),
                trainer.steps(),
                pace.steps
            )));
        }
    }
    folder.write_settings(settings)?;
    if trainer.steps() == pace.steps && trainer.steps() > 0 {
        return Ok(Ending::Finished);
    }
    observer.phase(phase, trainer.steps(), pace.steps);
    folder.train(trainer, pace, observer)
}

/// The turn at a phase's folder: of runs of one process that share it, one trains and the others then find what it left.
fn turn(folder: &Path) -> Arc<Mutex<()>> {
    static TURNS: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);
    TURNS.lock().unwrap_or_else(PoisonError::into_inner).entry(folder.to_path_buf()).or_default().clone()
}

/// Hands everything on but looks, numbers and pictures, which are for the target alone.
pub(super) struct Unwatched<'a>(pub &'a mut dyn Observer);

impl Observer for Unwatched<'_> {
    fn step(&mut self, step: u64, losses: &[(&str, f64)], rate: f64) {
        self.0.step(step, losses, rate);
    }

    fn stop(&mut self) -> bool {
        self.0.stop()
    }

    fn rolled_back(&mut self, step: u64) -> Result<()> {
        self.0.rolled_back(step)
    }

    fn phase(&mut self, name: &str, from: u64, to: u64) {
        self.0.phase(name, from, to);
    }

    fn note(&mut self, text: &str) {
        self.0.note(text);
    }
}
