//! What the steps of a run take: those on the target, and of what is learned of the source, before anything of it is learned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Folders, Plan, SourceImages, Workshop};
use crate::backend::Device;
use crate::data::Dataset;
use crate::error::Result;
use crate::gan::Trainer;
use crate::run::unwatched;
use crate::tensor::Tensor;

/// What a run learns of its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Its folder.
    pub folder: PathBuf,
    /// The steps that it takes.
    pub steps: u64,
    /// The seconds of one.
    pub step: f64,
}

/// Steps that are made before any is timed, and those that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    /// Those before.
    pub warm: u64,
    /// Those that are timed.
    pub timed: u64,
}

/// Times steps of what a run learns of its source.
pub(super) struct Stopwatch<'a> {
    paces: Paces,
    /// Seconds of a step by folder, of this run and of others.
    known: &'a mut BTreeMap<PathBuf, f64>,
    learned: Vec<Learned>,
}

impl Stopwatch<'_> {
    /// Whether the time of what is in a folder is known already.
    pub(super) fn knows(&self, folder: &Path) -> bool {
        self.known.contains_key(folder)
    }

    /// Takes the time of steps, each of which gives a number on the device, where it is not known.
    pub(super) fn time(&mut self, folder: &Path, steps: u64, step: &mut dyn FnMut() -> Result<Tensor>) -> Result<()> {
        if !self.knows(folder) {
            self.known.insert(folder.to_path_buf(), seconds(self.paces, step)?);
        }
        self.note(folder, steps);
        Ok(())
    }

    /// Notes what a run learns, whose time is known.
    pub(super) fn note(&mut self, folder: &Path, steps: u64) {
        if let Some(&step) = self.known.get(folder)
            && !self.learned.iter().any(|learned| learned.folder == folder)
        {
            self.learned.push(Learned { folder: folder.to_path_buf(), steps, step });
        }
    }
}

/// The seconds of a step; the device has ended each that is counted.
fn seconds(paces: Paces, step: &mut dyn FnMut() -> Result<Tensor>) -> Result<f64> {
    let mut several = |count: u64| -> Result<()> {
        let mut last = None;
        for _ in 0..count {
            last = Some(step()?);
        }
        last.map_or(Ok(()), |last| last.item().map(drop))
    };
    several(paces.warm)?;
    let start = Instant::now();
    several(paces.timed)?;
    Ok(start.elapsed().as_secs_f64() / paces.timed.max(1) as f64)
}

/// A run at its first step on the target. Its networks are as they are drawn, where they would be the source's: no step takes longer or
/// shorter for that.
pub struct Timed {
    trainer: Trainer,
    learned: Vec<Learned>,
}

impl Timed {
    /// Makes a run ready, and takes the time of what it learns of its source where `known`, seconds of a step by folder, has none of it.
    ///
    /// # Errors
    /// Those of [`train`](super::train), but for files.
    pub fn new(
        plan: &Plan,
        target: &Dataset,
        source: &SourceImages,
        folders: &Folders,
        device: &Device,
        (paces, known): (Paces, &mut BTreeMap<PathBuf, f64>),
    ) -> Result<Timed> {
        let (own, mut watcher) = (plan.of_arm()?, unwatched);
        let mut workshop = Workshop::new(&own, target, source, folders, device, &mut watcher);
        workshop.rehearsed = Some(0);
        workshop.stopwatch = Some(Stopwatch { paces, known, learned: Vec::new() });
        let trainer = workshop.rehearsed_trainer(plan.arm.recipe(&plan.recipe)?.batch)?;
        let learned = workshop.stopwatch.map(|watch| watch.learned).unwrap_or_default();
        Ok(Timed { trainer, learned })
    }

    /// What it learns of its source.
    pub fn learned(&self) -> &[Learned] {
        &self.learned
    }

    /// The seconds of a step on the target.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn step(&mut self, paces: Paces) -> Result<f64> {
        seconds(paces, &mut || Ok(self.trainer.step().g_loss))
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }
}
