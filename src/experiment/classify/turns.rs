//! Classifier and GAN in one loop: the classifier labels the target's images for a conditional GAN, whose samples that it is sure of teach the
//! classifier, then images are labelled anew (Triple-GAN, Li 2017; generative pseudo-label refinement, Morerio 2020). Its heads, its labels and
//! its auxiliary term are the classifier's of each turn.
//!
//! Both have as many steps in all as where one comes after the other: the classifier a share in each turn, the GAN one between two of them.
//! Each share is a phase with a folder of its own, and goes on from the state of the one before.

use std::path::{Path, PathBuf};

use super::cell::{Learned, Runs};
use super::{Arm, Cell, Data, Drawn, Settings, Teaching};
use crate::classifier::Classifier;
use crate::error::{Error, Result};
use crate::run::{Ending, RunFolder, Watcher};
use crate::transfer::{self, Handover, Plan, Pretraining};

/// The folder of the turns in a cell's, and what they are called there.
const TURNS: &str = "turns";

/// The folder of a cell's turns.
pub(super) fn turns_folder(root: &Path, cell: &Cell) -> PathBuf {
    cell.folder(root).join(TURNS)
}

impl Runs<'_> {
    /// A cell's phases on the target, from a classifier of the source. None where it was stopped.
    pub(super) fn in_turns(
        &self,
        cell: &Cell,
        teaching: &Teaching,
        drawn: &Drawn,
        start: &Classifier,
        tell: &mut Watcher<'_>,
    ) -> Result<Option<Learned>> {
        let (rounds, folder) = (teaching.rounds, cell.folder(self.root));
        let turns = turns_folder(self.root, cell);
        let (mut before, mut gan, mut made) = (None, None, None);
        let (mut seconds, mut gan_seconds, mut notes) = (0.0, 0.0, Vec::new());
        for round in 1..=rounds {
            let mut training = self.training(cell, teaching, drawn.clone(), made.take(), Some(start))?;
            if let Some((state, step)) = &before {
                training.restore(state, *step)?;
            }
            let (phase, steps) = (turns.join(format!("classifier-{round}")), share(self.settings.steps, round, rounds));
            let Some((mut training, took)) = self.teach(training, &phase, &folder, steps, tell)? else {
                return Ok(None);
            };
            seconds += took;
            if round == rounds {
                let gan_seconds = Some(gan_seconds + self.seconds_of_source(cell)?);
                let classifier = training.into_classifier();
                return Ok(Some(Learned { classifier, seconds, gan_seconds, notes }));
            }
            before = Some((RunFolder::prepare(&phase)?.read_checkpoint()?, steps));

            let run = turns.join(format!("gan-{round}"));
            let steps = share(self.settings.gan_steps, round, rounds - 1);
            let plan = Plan { steps, sample_every: steps, ..self.plan(cell, drawn)? };
            let given = Handover { predictor: training.average(), before: gan.take() };
            let (target, folders) = (drawn.for_transfer(self.data.classes()), self.folders(cell, &run)?);
            let trained =
                transfer::go_on_with(&plan, target, &self.data.of_gan, &folders, self.device, Some(given), tell)?;
            if trained.ending == Ending::Interrupted {
                return Ok(None);
            }
            let made_in = RunFolder::open(&run)?;
            gan_seconds += made_in.seconds()?;
            let state = made_in.read_checkpoint()?;
            let (teach, note) = self.draw(cell.seed, teaching, &state, trained.labeller.as_ref(), drawn)?;
            notes.push(format!("turn {round}: {note}"));
            (made, gan) = (teach, Some(state));
        }
        Err(Error::invalid("there are no turns"))
    }
}

/// Refuses an arm with a turn that has no steps, and one whose classifier, of the target's classes, could not label images for a GAN of the
/// source's.
///
/// # Errors
/// [`Error::Invalid`] naming both.
pub(super) fn check(arm: &Arm, settings: &Settings, data: &Data) -> Result<()> {
    let (rounds, Settings { steps, gan_steps, .. }) = (arm.teaching()?.rounds, settings);
    if *steps < rounds || *gan_steps < rounds - 1 {
        return Err(Error::invalid(format!(
            "the arm {arm} takes {rounds} turns of a classifier, which has {steps} steps, and {} of a GAN, which has {gan_steps}: each turn \
             takes one or more",
            rounds - 1
        )));
    }
    let (theirs, _) = data.of_gan.images(settings.source.as_deref().unwrap_or_default())?;
    if theirs.classes.names() == data.classes().names() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the arm {arm} takes turns with a GAN, which needs a source of the target's very classes: the source's are {}, the target's {}",
        theirs.classes,
        data.classes()
    )))
}

/// The step at which a turn ends, of `all` in equal shares.
fn share(all: u64, turn: u64, turns: u64) -> u64 {
    all * turn / turns
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn turns_share_all_steps() {
        let ends = |all, turns| (1..=turns).map(|turn| share(all, turn, turns)).collect::<Vec<_>>();
        assert_eq!(ends(10, 4), [2, 5, 7, 10]);
        assert_eq!(ends(3, 1), [3]);
        assert_eq!(ends(4, 4), [1, 2, 3, 4], "as few as are let in");
    }
}
