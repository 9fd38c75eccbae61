//! Checkpoints beside the last one, and how they are named: `RUN@STEP`, `RUN@best`.

use std::path::{Path, PathBuf};

use super::RunFolder;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, did_you_mean};

/// What a checkpoint of a step is called, beside its step.
const STEP: &str = "step";
const ENDING: &str = ".safetensors";
/// The checkpoint that was best on validation.
pub const BEST: &str = "best";

/// Which checkpoints stay beside the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None.
    Nothing,
    /// So many of the latest.
    Latest(u64),
    /// Those of every multiple of so many steps.
    Every(u64),
}

impl Keep {
    /// What settings say, of which one alone may be said.
    pub fn of(latest: Option<u64>, every: Option<u64>) -> Keep {
        match (latest, every) {
            (_, Some(steps)) => Keep::Every(steps),
            (Some(count), None) => Keep::Latest(count),
            (None, None) => Keep::Nothing,
        }
    }

    /// Whether a step's checkpoint stays, which is written then; `is_written` where it is written anyway, as it is every so many steps.
    pub(super) fn keeps(self, step: u64, is_written: bool) -> bool {
        match self {
            Keep::Nothing => false,
            Keep::Latest(_) => is_written,
            Keep::Every(steps) => step.is_multiple_of(steps),
        }
    }
}

/// A checkpoint of a run's folder, or of none.
#[derive(Debug)]
pub struct Named {
    /// The file.
    pub file: PathBuf,
    /// The folder of its run, where it lies in one.
    pub folder: Option<RunFolder>,
}

impl Named {
    /// What a person names: a file, a run's folder for its last checkpoint, or `RUN@STEP` and `RUN@best` for others of its. A path that
    /// exists is what it is, whatever it is called.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is nothing of that name; [`Error::Folder`] where the run has no checkpoint yet.
    pub fn find(path: &Path) -> Result<Named> {
        if path.is_dir() {
            let folder = RunFolder::open(path)?;
            return Ok(Named { file: folder.written_checkpoint()?, folder: Some(folder) });
        }
        if path.exists() {
            return Ok(Named { file: path.to_path_buf(), folder: RunFolder::around(path) });
        }
        match split(path) {
            Some((run, which)) if run.is_dir() => {
                let folder = RunFolder::open(run)?;
                Ok(Named { file: folder.snapshot(which)?, folder: Some(folder) })
            }
            _ => Err(Error::invalid(format!(
                "there is no {}; name a checkpoint, or the folder of a run that `graft train` or `graft transfer` wrote",
                path.display()
            ))),
        }
    }
}

/// The run, and which of its checkpoints, where a path names both.
pub fn split(path: &Path) -> Option<(&Path, &str)> {
    let (run, which) = path.to_str()?.rsplit_once('@')?;
    (!run.is_empty() && !which.is_empty() && !which.contains(std::path::is_separator)).then(|| (Path::new(run), which))
}

impl RunFolder {
    /// The checkpoint that was best on validation, whether it is there or not.
    pub fn best(&self) -> PathBuf {
        self.checkpoint().with_file_name(format!("{BEST}{ENDING}"))
    }

    /// The checkpoint of a step, whether it is there or not.
    pub fn at_step(&self, step: u64) -> PathBuf {
        self.checkpoint().with_file_name(format!("{STEP}_{step:06}{ENDING}"))
    }

    /// The checkpoints that are kept by step, in the order of their steps.
    ///
    /// # Errors
    /// [`Error::Io`] where their folder cannot be read.
    pub fn snapshots(&self) -> Result<Vec<(u64, PathBuf)>> {
        let last = self.checkpoint();
        let folder = last.parent().expect("checkpoints lie in a folder");
        let step = |name: &String| {
            let digits = name.strip_prefix(STEP)?.strip_prefix('_')?.strip_suffix(ENDING)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let names = super::names(folder)?;
        let mut found: Vec<(u64, PathBuf)> =
            names.iter().filter_map(|name| Some((step(name)?, folder.join(name)))).collect();
        found.sort();
        Ok(found)
    }

    /// Keeps a state under its step, and of those that are kept the latest alone where `keep` says so.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk says no.
    pub(super) fn keep(&self, state: &Checkpoint, step: u64, keep: Keep) -> Result<()> {
        state.write(&self.at_step(step))?;
        if let Keep::Latest(count) = keep {
            // A run that went back has made later ones in another way.
            let kept: Vec<(u64, PathBuf)> = self.snapshots()?.into_iter().filter(|(other, _)| *other <= step).collect();
            for (_, path) in kept.iter().rev().skip(usize::try_from(count).unwrap_or(usize::MAX)) {
                std::fs::remove_file(path).map_err(Error::io("remove", path))?;
            }
        }
        Ok(())
    }

    /// The checkpoint of `best`, `last`, or a step.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming those that there are.
    fn snapshot(&self, which: &str) -> Result<PathBuf> {
        if which == "last" {
            return self.written_checkpoint();
        }
        let best = self.best();
        let mut there: Vec<String> = self.snapshots()?.iter().map(|(step, _)| step.to_string()).collect();
        let step: Option<u64> = which.parse().ok();
        let found = match step {
            _ if which == BEST => Some(best.clone()),
            Some(step) if self.checkpoint().exists() && self.step()? == step => Some(self.checkpoint()),
            Some(step) => Some(self.at_step(step)),
            None => None,
        };
        if let Some(found) = found.filter(|found| found.exists()) {
            return Ok(found);
        }
        if self.checkpoint().exists() {
            there.push(self.step()?.to_string());
        }
        there.dedup();
        there.extend(best.exists().then(|| BEST.to_string()));
        let meant = did_you_mean(which, there.iter().map(String::as_str));
        let there = if there.is_empty() { "none yet".to_string() } else { there.join(", ") };
        Err(Error::invalid(format!("{} has no checkpoint {which}{meant}; it has {there}", self.path().display())))
    }
}
