//! Checkpoints of a run that goes on: one that is gone is told from one that never was.
//!
//! Before the first checkpoint takes its place, a mark of that is on the disk. With the mark and without a checkpoint a run does not begin
//! again: what it had made would be cut off. Runs of version 0.1 have no mark; theirs are told by how far their losses go.

use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::{CLASSIFIER, FEATURES, RunFolder, SOURCE};
use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, Way};

/// The mark: a file in the run's folder, so that it does not go with the folder of the checkpoints.
pub(super) const MARK: &str = "begun";
/// What a person finds in it.
const WORDS: &str = "This run has had a checkpoint. Where that is gone, graft does not begin the run again.\n";
/// The setting of a run that says how often checkpoints are written.
const CHECKPOINT_EVERY: &str = "checkpoint-every";

impl RunFolder {
    fn mark(&self) -> PathBuf {
        self.path().join(MARK)
    }

    /// Writes the run's state in the place of the last checkpoint; before the first one stands there, a mark that says so is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk says no; the last checkpoint then stays.
    pub fn write_checkpoint(&self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.write_after(&self.checkpoint(), || self.mark_begun())
    }

    /// Writes the mark, where it is not there yet.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(crate) fn mark_begun(&self) -> Result<()> {
        if self.mark().exists() { Ok(()) } else { atomic::write(&self.mark(), WORDS.as_bytes()) }
    }

    /// The checkpoint from which the run goes on; None where it has had none yet, and begins again.
    ///
    /// # Errors
    /// [`Error::Folder`] where it had one that is gone; those of [`Checkpoint::read`].
    pub fn last_checkpoint(&self) -> Result<Option<Checkpoint>> {
        self.settle_first()?;
        self.check_there()?;
        if self.checkpoint().exists() { Checkpoint::read(&self.checkpoint()).map(Some) } else { Ok(None) }
    }

    /// Refuses a run of which a checkpoint is gone or damaged, its own or that of a phase or an arm within it; changes nothing.
    ///
    /// # Errors
    /// [`Error::Folder`] naming the first that is gone, and what may be done; those of [`Checkpoint::read`].
    pub fn check_checkpoints(&self) -> Result<()> {
        self.check_whole()?;
        let on_target = self.losses_reach()? > 0;
        for entry in fs::read_dir(self.path()).map_err(Error::io("read", self.path()))? {
            let entry = entry.map_err(Error::io("read", self.path()))?;
            let part = RunFolder::at(&entry.path());
            if !(part.mark().is_file() || part.config().is_file() || on_target && part.is_phase()) {
                continue;
            }
            part.check_whole()?;
            // What an earlier version learned of the source was there before the target's first step.
            if on_target && part.is_phase() && !part.checkpoint().exists() {
                return Err(part.gone("the run is behind it"));
            }
        }
        Ok(())
    }

    /// Refuses a run whose checkpoint is gone, or no longer what was written.
    fn check_whole(&self) -> Result<()> {
        self.check_there()?;
        if self.checkpoint().exists() { Checkpoint::read(&self.checkpoint()).map(drop) } else { Ok(()) }
    }

    /// Whether it is what a transfer learns of its source.
    fn is_phase(&self) -> bool {
        let name = self.path().file_name().and_then(|name| name.to_str());
        self.path().is_dir() && name.is_some_and(|name| [SOURCE, FEATURES, CLASSIFIER].contains(&name))
    }

    /// What a person is told where a run begins again.
    pub fn beginning_again(&self) -> String {
        format!("{} has no checkpoint yet: it begins again at step 0", self.path().display())
    }

    /// Whether training began there.
    pub(crate) fn has_losses(&self) -> bool {
        self.metrics().exists()
    }

    /// Refuses a run whose checkpoint is gone.
    pub(super) fn check_there(&self) -> Result<()> {
        if self.checkpoint().exists() || self.first_in_the_making().is_some() {
            return Ok(());
        }
        if self.mark().exists() {
            return Err(self.gone("the run had written it"));
        }
        let reach = self.losses_reach()?;
        match self.checkpoint_every() {
            Some(every) if reach > every => {
                let (losses, written) = (self.metrics(), "which had checkpoints by then");
                Err(self.gone(&format!("{} is at step {reach} of a run {written}", losses.display())))
            }
            _ => Ok(()),
        }
    }

    fn gone(&self, why: &str) -> Error {
        let ways = [Way::Do("put it back"), Way::Remove(self.path().to_path_buf())];
        Error::folder(format!("{} is gone ({why})", self.checkpoint().display()), ways)
    }

    /// The first checkpoint where it is whole and its process died just before it took its place.
    fn first_in_the_making(&self) -> Option<PathBuf> {
        if !self.mark().exists() || self.checkpoint().exists() {
            return None;
        }
        let left = atomic::unfinished(&self.checkpoint());
        left.into_iter().find(|path| Checkpoint::read(path).is_ok())
    }

    /// Gives the first checkpoint its place where its process died just before that.
    pub(super) fn settle_first(&self) -> Result<()> {
        match self.first_in_the_making() {
            Some(path) => fs::rename(&path, self.checkpoint()).map_err(Error::io("write", self.checkpoint())),
            None => Ok(()),
        }
    }

    /// The step of the last line of its losses; 0 where there is none.
    fn losses_reach(&self) -> Result<u64> {
        let path = self.metrics();
        let bytes = atomic::if_there(fs::read(&path)).map_err(Error::io("read", &path))?.unwrap_or_default();
        let step = |line: &str| serde_json::from_str::<Json>(line).ok()?.get("step")?.as_u64();
        Ok(String::from_utf8_lossy(&bytes).lines().rev().find_map(step).unwrap_or(0))
    }

    /// How often it writes checkpoints, whatever command it is of.
    fn checkpoint_every(&self) -> Option<u64> {
        let config: toml::Table = fs::read_to_string(self.config()).ok()?.parse().ok()?;
        config.get(CHECKPOINT_EVERY)?.as_integer()?.try_into().ok()
    }
}
