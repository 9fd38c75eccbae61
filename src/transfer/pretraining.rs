//! The training of a network that is no GAN, from wherever its checkpoint stands: a feature extractor's, a label predictor's.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value as Json, json};

use super::shelf::{Kept, Shelf};
use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::{Checkpoint, differ_in_data_alone};
use crate::error::{Error, Result, Way};
use crate::nn::Parameter;
use crate::ranks;
use crate::run::{Event, RunFolder, SECONDS, Watcher};
use crate::tensor::Tensor;

/// Losses are read back every so many steps: each read waits for the device.
const READ_EVERY: u64 = 16;

/// A training that is no GAN's: a feature extractor's, a label predictor's.
pub trait Pretraining {
    /// What determines its results beside the number of steps.
    fn settings(&self) -> Json;
    /// Steps made so far.
    fn steps(&self) -> u64;
    /// One step; gives its loss, still on the device.
    ///
    /// # Errors
    /// The device's first failure, where a step reads something back.
    fn step(&mut self) -> Result<Tensor>;
    /// The steps that take most memory: one, and one that finds what a step leaves.
    ///
    /// # Errors
    /// Those of [`Pretraining::step`].
    fn rehearse(&mut self) -> Result<()> {
        (0..2).try_for_each(|_| self.step().map(drop))
    }
    /// The whole state, each part under its prefix in checkpoints: networks with their statistics, and moments.
    fn slots(&self) -> Vec<(String, Vec<Parameter>)>;
    /// Goes on as one that made so many steps, its slots being those of then.
    fn go_on_from(&mut self, step: u64);
    /// The seconds within its steps that were no training: those of looks.
    fn looking(&self) -> f64 {
        0.0
    }
    /// Adds the whole state to a checkpoint.
    ///
    /// # Errors
    /// The device's first failure.
    fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        self.slots().iter().try_for_each(|(prefix, slots)| checkpoint.insert_parameters(prefix, slots))
    }
    /// Continues at `step` from a state that [`Pretraining::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Invalid`] where tensors are missing or of other shapes.
    fn restore(&mut self, checkpoint: &Checkpoint, step: u64) -> Result<()> {
        self.slots().iter().try_for_each(|(prefix, slots)| checkpoint.load_parameters(prefix, slots))?;
        self.go_on_from(step);
        Ok(())
    }
}

/// What training of a phase took in its folder, stops and all, without looks; 0 where it was learned elsewhere.
///
/// # Errors
/// Where the file is not what was written there.
pub(crate) fn seconds_of(phase: &Path) -> Result<f64> {
    let path = phase.join(SECONDS);
    let text = atomic::if_there(std::fs::read(&path)).map_err(Error::io("read", &path))?;
    let read = text.map(|text| serde_json::from_slice(&text)).transpose();
    let seconds = read.map_err(|error| {
        Error::invalid(format!("{}: {error}; remove it, and what was counted is forgotten", path.display()))
    })?;
    Ok(seconds.unwrap_or(0.0))
}

/// A phase of a run in which something is learned before the target, or beside it.
pub(crate) struct Phase<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its folder.
    pub folder: &'a Path,
    /// The steps at which it ends.
    pub steps: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Whether images may be others than those from which it learned so far.
    pub changed: bool,
    /// Where it is looked for before it is learned, and kept.
    pub shelf: Option<&'a Shelf>,
}

/// Trains up to the phase's last step, from where its checkpoint stands. False where that was interrupted.
///
/// # Errors
/// [`Error::Diverged`] where a loss or a tensor is not finite; [`Error::Folder`] where the checkpoint is of another training; what writing says.
pub(crate) fn go_on(
    training: &mut dyn Pretraining,
    phase: &Phase<'_>,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<bool> {
    let Phase { name, steps, checkpoint_every, shelf, .. } = *phase;
    let begun = phase.folder.exists();
    let folder = RunFolder::prepare(phase.folder)?;
    let settings = json!({ "steps": steps, "of": training.settings() });
    let kept = Kept::new(shelf, &settings, device);
    kept.bring(&folder, name, watcher)?;
    let last = folder.last_checkpoint()?;
    if begun && last.is_none() {
        let _ = watcher(&Event::Note(&folder.beginning_again()))?;
    }
    if let Some(checkpoint) = last {
        let step = checkpoint.header.get("step").and_then(Json::as_u64).filter(|&step| step <= steps);
        let theirs = checkpoint.header.get("training").cloned().unwrap_or_default();
        let changed = differ_in_data_alone(&settings, &theirs);
        if changed && !phase.changed {
            let problem = format!(
                "{} learned from other images: some were added, removed or changed since",
                folder.checkpoint().display()
            );
            let ways = [Way::Do("put the images back as they were"), Way::GoOnChanged, Way::Replace];
            return Err(Error::folder(problem, ways));
        }
        let Some(step) = step.filter(|_| changed || theirs == settings) else {
            let problem = format!("{} is of another training than this run's", folder.checkpoint().display());
            return Err(Error::folder(problem, [Way::Elsewhere, Way::Replace]));
        };
        training.restore(&checkpoint, step)?;
    }
    if training.steps() == steps {
        return Ok(true);
    }
    let ranks = ranks::current();
    let mut wish = watcher(&Event::Phase { name, from: training.steps(), to: steps })?.is_break();
    let (start, first) = (Instant::now(), training.steps());
    // What a training took whose checkpoint is gone counts no more.
    let before = if first == 0 { 0.0 } else { seconds_of(phase.folder)? };
    while training.steps() < steps {
        let loss = training.step()?;
        let step = training.steps();
        wish |= watcher(&Event::Made(step))?.is_break();
        // Ranks make the same steps of what is no GAN, and stop together.
        let stop = ranks.any(wish);
        let write = stop || step == steps || step.is_multiple_of(checkpoint_every);
        // The first step is shown at once: people wait for it.
        if write || step == first + 1 || step.is_multiple_of(READ_EVERY) {
            let loss = loss.item()?;
            if !loss.is_finite() {
                return Err(Error::Diverged(format!(
                    "the training of {name} diverged at step {step}: its loss is {loss}"
                )));
            }
            let rate = (step - first) as f64 / start.elapsed().as_secs_f64();
            wish |= watcher(&Event::Losses { step, losses: &[("loss", loss)], rate })?.is_break();
        }
        if write {
            let header = json!({
                "graft": env!("CARGO_PKG_VERSION"),
                "step": step,
                "training": settings,
                "device": device.name(),
                "microkernel": device.backend().rounding(),
            });
            let Json::Object(header) = header else { unreachable!("the header is written as an object") };
            let mut checkpoint = Checkpoint::new(header);
            training.save(&mut checkpoint)?;
            if let Some(tensor) = checkpoint.first_broken() {
                return Err(Error::Diverged(format!(
                    "the training of {name} diverged: at step {step} {tensor} is the first tensor that is not finite"
                )));
            }
            folder.write_checkpoint(&checkpoint)?;
            let seconds = before + start.elapsed().as_secs_f64() - training.looking();
            atomic::write(&phase.folder.join(SECONDS), json!(seconds).to_string().as_bytes())?;
        }
        if stop && step < steps {
            return Ok(false);
        }
    }
    kept.keep(&folder.checkpoint(), name, start.elapsed(), watcher)?;
    Ok(true)
}
