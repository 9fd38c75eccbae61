//! What happens in a run, told to whoever watches it through one function.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value as Json;

use super::RunFolder;
use crate::backend::Device;
use crate::classifier::Made;
use crate::data::Dataset;
use crate::error::Result;
use crate::gan::Trainer;
use crate::metrics::{Judge, JudgeSettings, Origin, Panel, PanelSettings, Supervision};

/// One thing that happens in a run.
pub enum Event<'a> {
    /// A phase begins at step `from` and goes to step `to`.
    Phase {
        /// Its name.
        name: &'a str,
        /// Where it stands.
        from: u64,
        /// Where it ends.
        to: u64,
    },
    /// A classifier begins to learn: a judge, say, for so many steps.
    Classifier {
        /// Its name.
        name: &'a str,
        /// Its last step.
        steps: u64,
    },
    /// A step was made; told of every one, at once.
    Made(u64),
    /// The losses of a step, read back: of some steps, or a few steps behind.
    Losses {
        /// The step.
        step: u64,
        /// The losses by name.
        losses: &'a [(&'a str, f64)],
        /// Steps a second over the phase so far.
        rate: f64,
    },
    /// Every number of a step, as `metrics.jsonl` has it, before its losses.
    Numbers {
        /// The step.
        step: u64,
        /// The numbers by name.
        numbers: &'a Json,
    },
    /// The grid of a step lies at a path.
    Picture {
        /// The step.
        step: u64,
        /// The file.
        path: &'a Path,
    },
    /// The whole state behind a step, after what the step writes is on disk: at step 0 before the first, and where a run continues
    /// from a checkpoint, also at the checkpoint's.
    State(&'a State<'a>),
    /// The run diverged and went back to this step: what was told of later ones is void.
    RolledBack(u64),
    /// Another process makes what lies in a folder, and this one needs: told now and then until it is there.
    Waiting(&'a Path),
    /// Something to be read by a person: a layer report, the accuracy of labels.
    Note(&'a str),
    /// Something that changes how results are to be read.
    Warning(&'a str),
    /// There is a judge; where it came from.
    Judge(&'a Origin),
    /// An arm of a run has ended at its last step.
    Trained {
        /// Its name.
        arm: &'a str,
        /// Its folder.
        run: &'a RunFolder,
        /// Its last step.
        steps: u64,
    },
}

/// What a watcher is told through: it gives whether to go on, or to stop behind the step. An error ends the run.
pub type Watcher<'w> = dyn FnMut(&Event<'_>) -> Result<ControlFlow<()>> + 'w;

/// A watcher that wants to know nothing and to stop nothing.
pub fn unwatched(_event: &Event<'_>) -> Result<ControlFlow<()>> {
    Ok(ControlFlow::Continue(()))
}

/// Tells a watcher of a classifier's training of so many steps, where that begins, and of its steps.
pub fn of_classifier<'w>(
    name: &'w str,
    steps: u64,
    watcher: &'w mut Watcher<'_>,
) -> impl FnMut(Made) -> Result<ControlFlow<()>> + 'w {
    let mut begun = false;
    move |made| {
        if !std::mem::replace(&mut begun, true) {
            let _ = watcher(&Event::Classifier { name, steps })?;
        }
        if let Some((loss, rate)) = made.read
            && watcher(&Event::Losses { step: made.step, losses: &[("loss", loss)], rate })?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        watcher(&Event::Made(made.step))
    }
}

/// The judge of these training images, out of the cache or trained now. None where its training was stopped.
///
/// # Errors
/// Those of [`Judge::cached`].
pub fn judge(training: &Dataset, device: &Device, watcher: &mut Watcher<'_>) -> Result<Option<Judge>> {
    judge_named("judge", Supervision::of(training, &JudgeSettings::STANDARD), training, device, watcher)
}

/// The judge that learns so, called by a name while it does.
fn judge_named(
    name: &str,
    settings: Supervision,
    training: &Dataset,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Option<Judge>> {
    let found = {
        let mut told = of_classifier(name, settings.steps(), watcher);
        Judge::cached(training.clone(), settings, device, &mut told)?
    };
    let Some((judge, origin)) = found else { return Ok(None) };
    let _ = watcher(&Event::Judge(&origin))?;
    Ok(Some(judge))
}

/// The panel that stands beside a judge, out of the cache or trained now on the images that the judge of a target learns from. None
/// where a training was stopped.
///
/// # Errors
/// Those of [`PanelSettings::check_fits`] and [`Judge::cached`].
pub fn panel(
    training: &Dataset,
    settings: &PanelSettings,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Option<Panel>> {
    settings.check_fits([training.images.height, training.images.channels], training.classes.len(), device)?;
    let mut train = |name, settings| judge_named(name, settings, training, device, watcher);
    let [seed, architecture] = settings.judges.map(Supervision::Classes);
    let Some(seed) = train("judge of another seed", seed)? else { return Ok(None) };
    let Some(architecture) = train("judge of another architecture", architecture)? else { return Ok(None) };
    let class_free = train("space without classes", Supervision::Views(settings.class_free))?;
    Ok(class_free.map(|class_free| Panel { judges: [seed, architecture], class_free }))
}

/// A trainer between two steps.
pub struct State<'a> {
    trainer: &'a Trainer,
    has_statistics: Cell<bool>,
}

impl<'a> State<'a> {
    /// The state of a trainer whose average has statistics for it, or not yet.
    pub(super) fn new(trainer: &'a Trainer, has_statistics: bool) -> State<'a> {
        State { trainer, has_statistics: Cell::new(has_statistics) }
    }

    /// The steps made so far.
    pub fn step(&self) -> u64 {
        self.trainer.steps()
    }

    /// The trainer; its average has statistics for this step, which are estimated now where nobody asked before.
    pub fn trainer(&self) -> &'a Trainer {
        if !self.has_statistics.replace(true) {
            self.trainer.average().estimate_statistics(self.step());
        }
        self.trainer
    }
}
