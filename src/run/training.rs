//! The training of a run: steps, and what is written between them; where numbers are no longer finite, the way back.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::health::Health;
use super::metrics::{Metrics, Numbers};
use super::{Ending, Event, Pace, RunFolder, State, Watcher};
use crate::checkpoint::Checkpoint;
use crate::data::{Images, picture};
use crate::error::{Error, Result, Way};
use crate::gan::{StepLosses, Trainer, sample};
use crate::random::Purpose;
use crate::words::words;

/// The grids that a run writes: rows and columns of images, and pixels between them.
const GRID: usize = 10;
const GRID_MARGIN: usize = 2;

/// Losses are read back, and written, every so many steps, or seconds where steps are slow: each read waits for the device. Ranks read at the
/// same steps, so that they find what is not finite together.
const READ_EVERY: u64 = 16;
const READ_AFTER: Duration = Duration::from_secs(2);

/// The rates are then a thousandth of what they were, and something else is wrong.
const MOST_ROLLBACKS: u32 = 10;
/// Steps from which on a device finds out how it computes them best, and how long that takes at most.
const LONG: u64 = 500;
const TUNING: Duration = Duration::from_secs(20);

words! {
    /// What to do where a loss or a parameter is no longer finite.
    pub enum OnNan {
        /// Stop with an error; the last checkpoint stays.
        Stop = "stop",
        /// Go back to the last checkpoint, halve both learning rates, and go on.
        Rollback = "rollback",
    }
    default Stop
}

impl OnNan {
    /// Whether it is what happens where nothing is said.
    pub(crate) fn is_stop(&self) -> bool {
        *self == OnNan::Stop
    }
}

impl RunFolder {
    /// Brings a trainer to the last checkpoint, where there is one: a run that was killed before its first one begins again. Gives
    /// what has to be known of that.
    ///
    /// # Errors
    /// [`Error::Folder`] where the checkpoint is of another run, or gone; those of [`Checkpoint::read`].
    pub fn restore(&self, trainer: &mut Trainer) -> Result<Option<String>> {
        let Some(checkpoint) = self.last_checkpoint()? else { return Ok(None) };
        trainer.restore(&checkpoint).map_err(|error| {
            let ways = match error {
                Error::Changed(_) => vec![Way::Do("put the images back as they were"), Way::GoOnChanged, Way::Replace],
                _ => vec![Way::Do("put this run's own checkpoint there"), Way::Elsewhere, Way::Replace],
            };
            Error::folder(format!("{}: {error}", self.checkpoint().display()), ways)
        })
    }

    /// Continues a phase from the last checkpoint, else from its start, up to the pace's last step. The settings are written once
    /// the checkpoint is found to be of this run.
    ///
    /// # Errors
    /// Those of [`RunFolder::restore`] and [`RunFolder::train`]; [`Error::Folder`] where the checkpoint is beyond the last step.
    pub fn go_on(
        &self,
        phase: &str,
        trainer: &mut Trainer,
        settings: &impl Serialize,
        pace: &Pace,
        watcher: &mut Watcher<'_>,
    ) -> Result<Ending> {
        let begun = self.has_losses();
        let warning = self.restore(trainer)?;
        if begun && !self.checkpoint().exists() {
            let _ = watcher(&Event::Note(&self.beginning_again()))?;
        }
        let changed = trainer.went_on_changed();
        if let Some(warning) = warning.filter(|_| trainer.steps() < pace.steps || changed) {
            let _ = watcher(&Event::Note(&format!("warning: {warning}")))?;
        }
        if trainer.steps() > pace.steps {
            let (checkpoint, step) = (self.checkpoint(), trainer.steps());
            let beyond = format!("is at step {step} already, beyond the {} that are asked for", pace.steps);
            return Err(Error::folder(format!("{} {beyond}", checkpoint.display()), [Way::Elsewhere]));
        }
        self.write_settings(settings)?;
        if trainer.steps() < pace.steps || trainer.steps() == 0 {
            let _ = watcher(&Event::Phase { name: phase, from: trainer.steps(), to: pace.steps })?;
        }
        self.train(trainer, pace, watcher)
    }

    /// Trains up to `pace.steps`, from wherever `trainer` stands, and writes as it goes; where it stands there, what belongs to the last
    /// step and is missing. With [`OnNan::Rollback`], a training that
    /// diverges goes on from the last checkpoint at half the learning rates, ten times at most; there is a
    /// checkpoint from the start then.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a loss or a weight is no longer finite; the last checkpoint then stays. [`Error::Io`] where
    /// something cannot be written; the device's first failure.
    pub fn train(&self, trainer: &mut Trainer, pace: &Pace, watcher: &mut Watcher<'_>) -> Result<Ending> {
        self.create_parts()?;
        if pace.on_nan == OnNan::Rollback && !self.checkpoint().exists() {
            self.write_checkpoint(&trainer.checkpoint()?)?;
        }
        let mut health = Health::of(self, trainer.steps())?;
        loop {
            match self.advance(trainer, pace, &mut health, watcher) {
                Err(Error::Diverged(what)) if pace.on_nan == OnNan::Rollback => {
                    if trainer.rollbacks() == MOST_ROLLBACKS {
                        return Err(Error::Diverged(format!(
                            "{what}; that was after {MOST_ROLLBACKS} rollbacks, each of which halved the learning rates"
                        )));
                    }
                    trainer.roll_back(&Checkpoint::read(&self.checkpoint())?)?;
                    let _ = watcher(&Event::RolledBack(trainer.steps()))?;
                    let (lr, d_lr) = trainer.rates();
                    let _ = watcher(&Event::Note(&format!(
                        "{what}; back to step {} with the learning rates {lr:e} (generator) and {d_lr:e} (discriminator)",
                        trainer.steps()
                    )))?;
                }
                other => return other,
            }
        }
    }

    /// Trains on until the end, an interruption, or numbers that are not finite.
    fn advance(
        &self,
        trainer: &mut Trainer,
        pace: &Pace,
        health: &mut Health,
        watcher: &mut Watcher<'_>,
    ) -> Result<Ending> {
        let mut stop = false;
        let mut tell = |event: &Event<'_>| -> Result<bool> {
            stop |= watcher(event)?.is_break();
            Ok(stop)
        };
        // A run that was killed behind its checkpoint's writing has not been looked at there, and one that was stopped at what is its last step
        // now has no picture of it.
        let state = State::new(trainer, false);
        let step = state.step();
        if step > 0 && step == pace.steps && !self.picture(step).exists() {
            self.write_picture(state.trainer())?;
            tell(&Event::Picture { step, path: &self.picture(step) })?;
        }
        tell(&Event::State(&state))?;
        let (mut metrics, before) = Metrics::open(&self.metrics(), trainer.steps())?;
        let mut pending: Vec<(StepLosses, f64)> = Vec::new();
        let (start, first) = (Instant::now(), trainer.steps());
        let mut read = start;
        let mut ending = Ending::Finished;
        while trainer.steps() < pace.steps && ending == Ending::Finished {
            let losses = trainer.step();
            pending.push((losses, before + start.elapsed().as_secs_f64()));
            let step = trainer.steps();
            if step == first + 1 && pace.steps - step >= LONG {
                tune(trainer, &mut tell)?;
            }
            // Whoever asks at the last step gets what they would have got. Ranks stop together.
            let wish = tell(&Event::Made(step))?;
            if trainer.ranks().any(wish) && step < pace.steps {
                ending = Ending::Interrupted;
            }
            let last = step == pace.steps || ending == Ending::Interrupted;
            let (picture, checkpoint) =
                (step.is_multiple_of(pace.sample_every), step.is_multiple_of(pace.checkpoint_every));
            // The first step is shown at once: people wait for it.
            let late = trainer.ranks().is_alone() && read.elapsed() >= READ_AFTER;
            let due = step == first + 1 || step.is_multiple_of(READ_EVERY) || late;
            let due = due || pace.keep.keeps(step, checkpoint);
            if last || picture || checkpoint || due {
                read = Instant::now();
                for numbers in Numbers::read(&std::mem::take(&mut pending), trainer.rollbacks())? {
                    if let Some(broken) = numbers.broken() {
                        return Err(diverged(&broken, trainer)?);
                    }
                    let json = metrics.write(&numbers)?;
                    tell(&Event::Numbers { step: numbers.step, numbers: &json })?;
                    let named = [("d_loss", numbers.d_loss), ("g_loss", numbers.g_loss)];
                    let rate = (numbers.step - first) as f64 / (numbers.seconds - before);
                    tell(&Event::Losses { step: numbers.step, losses: &named, rate })?;
                    if let Some(warning) = health.of_numbers(&numbers) {
                        health.keep(self)?;
                        tell(&Event::Warning(&warning))?;
                    }
                }
            }
            let kept = pace.keep.keeps(step, checkpoint || step == pace.steps);
            let saved = (last || checkpoint || kept).then(|| trainer.checkpoint()).transpose()?;
            let state = State::new(trainer, saved.is_some());
            // Before the checkpoint is there: a run that is killed in between makes the step, and its picture, again.
            if picture || step == pace.steps {
                let samples = self.write_picture(state.trainer())?;
                tell(&Event::Picture { step, path: &self.picture(step) })?;
                if let Some(warning) = health.of_samples(step, &samples, state.trainer().data()) {
                    health.keep(self)?;
                    tell(&Event::Warning(&warning))?;
                }
            }
            if let Some(saved) = saved {
                metrics.sync()?;
                if kept {
                    self.keep(&saved, step, pace.keep)?;
                }
                self.write_checkpoint(&saved)?;
            }
            tell(&Event::State(&state))?;
        }
        Ok(ending)
    }

    /// Writes the grid of the step at which the trainer stands, for which the average has statistics; gives its images.
    fn write_picture(&self, trainer: &Trainer) -> Result<Images> {
        let (average, recipe) = (trainer.average(), trainer.recipe());
        let count = GRID * GRID;
        let images = sample(average.network(), &recipe.architecture, recipe.seed, Purpose::GridLatents, count, None)?;
        picture::write_png(&self.picture(trainer.steps()), &picture::grid(&images, GRID, GRID_MARGIN), 0)?;
        let Some(counterpart) = trainer.method().counterpart() else { return Ok(images) };
        let above = sample(counterpart, &recipe.architecture, recipe.seed, Purpose::GridLatents, count, None)?;
        picture::write_png(
            &self.pairs(trainer.steps()),
            &picture::grid(&alternate(&above, &images), GRID, GRID_MARGIN),
            0,
        )?;
        Ok(images)
    }
}

/// Lets the device find out how the products of a step are computed best, where a run is long enough for it to pay: the numbers stay the
/// same to the bit.
fn tune(trainer: &Trainer, tell: &mut dyn FnMut(&Event<'_>) -> Result<bool>) -> Result<()> {
    let backend = trainer.device().backend();
    if !backend.tunes_itself() {
        return Ok(());
    }
    let tuned = backend.tune(TUNING, false)?;
    if !tuned.is_empty() {
        let sum = |index: usize| tuned.iter().map(|found| found.gain()[index].as_secs_f64()).sum::<f64>();
        tell(&Event::Note(&format!(
            "measured how {} products of a step are computed best: {:.2} times as fast, with the same bits",
            tuned.len(),
            sum(0) / sum(1)
        )))?;
    }
    Ok(())
}

/// The error of a number of some step that is not finite, with the first tensor that is not by now.
fn diverged(broken: &str, trainer: &Trainer) -> Result<Error> {
    let by_now = match trainer.first_broken()? {
        Some(name) => format!("{name} is the first tensor that is not finite"),
        None => "all tensors are finite".to_string(),
    };
    Ok(Error::Diverged(format!("training diverged: {broken}; at step {} {by_now}", trainer.steps())))
}

/// Rows of a grid by turns: the first half of `above`'s over the first half of `below`'s.
fn alternate(above: &Images, below: &Images) -> Images {
    let row =
        |images: &Images, row: usize| images.select(&(row * GRID..(row + 1) * GRID).collect::<Vec<_>>()).into_pixels();
    let pixels = (0..GRID / 2).flat_map(|index| [row(above, index), row(below, index)].concat()).collect();
    Images::new(below.shape(), pixels)
}
