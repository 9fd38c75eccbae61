//! What a transfer takes: all of its phases on a device that counts, each with the steps that take most.

use std::path::Path;

use super::{Folders, Plan, SourceGan, SourceImages, Workshop};
use crate::backend::Device;
use crate::classifier::Classifier;
use crate::data::Dataset;
use crate::error::Result;
use crate::gan::{Architecture, Discriminator, Generator, Trainer};
use crate::memory::{Limits, Need};
use crate::metrics::JudgeSettings;
use crate::random::Network;
use crate::run::unwatched;

/// Images of the target at most: their neighbours are looked for, and each class needs some.
const SOME_OF_TARGET: usize = 2000;
/// Images of the source at most, and those that a judge is shown: more than go through a network at once.
pub(super) const SOME_OF_SOURCE: usize = 128;
/// Classes of a judge, where the target says none; one without classes takes less.
const CLASSES: usize = 10;

/// The bytes of a data set's images that are in memory.
fn bytes(data: &Dataset) -> u64 {
    if data.images.is_on_disk() { 0 } else { (data.len() * data.images.bytes_per_image()) as u64 }
}

/// Refuses a run that does not fit into the device, before anything is trained.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) naming what is needed, what there is, and the batch that fits; those of [`need`].
pub(super) fn check_fits(plan: &Plan, target: &Dataset, source: &SourceImages, device: &Device) -> Result<()> {
    let recipe = plan.arm.recipe(&plan.recipe)?;
    recipe.check_need(&Limits::of(device), |batch| need_at(batch, plan, target, source, device))
}

/// What a run takes: all of its phases, with the networks that a method has beside the target's, and the judge that measures along
/// the way.
///
/// # Errors
/// Data that cannot be read, a source that does not fit.
pub fn need(plan: &Plan, target: &Dataset, source: &SourceImages, device: &Device) -> Result<Need> {
    need_at(plan.arm.recipe(&plan.recipe)?.batch, plan, target, source, device)
}

fn need_at(batch: usize, plan: &Plan, target: &Dataset, source: &SourceImages, device: &Device) -> Result<Need> {
    let mut own = plan.of_arm()?;
    own.recipe.batch = batch;
    let (folders, bytes) = (Folders::within(Path::new("")), bytes(target));
    let rehearsed = |target: &Dataset| {
        Need::of(device, |device| {
            let mut watcher = unwatched;
            let mut workshop = Workshop::new(&own, target, source, &folders, device, &mut watcher);
            workshop.rehearsed = Some(0);
            Ok(workshop.rehearse(batch)? + bytes)
        })
    };
    // A class that has too few images for what is asked of it among some may have enough among all.
    match rehearsed(&target.spaced(SOME_OF_TARGET)) {
        Err(_) if target.len() > SOME_OF_TARGET => rehearsed(target),
        need => need,
    }
}

impl Workshop<'_> {
    /// All phases; gives the bytes that the largest checkpoint has on the host.
    fn rehearse(&mut self, batch: usize) -> Result<u64> {
        let mut trainer = self.rehearsed_trainer(batch)?;
        let judge = self.plan.evaluate_every.map(|_| {
            let Architecture { size, channels, .. } = trainer.recipe().architecture;
            let design = JudgeSettings::STANDARD.design([size, channels]);
            Classifier::new(self.device, &design, self.target.classes.len().max(CLASSES), 0, Network::Judge)
        });
        let host = trainer.rehearse()?;
        if let Some(judge) = judge {
            judge.predict(&self.target.spaced(SOME_OF_SOURCE).images)?;
        }
        Ok(host.max(self.rehearsed.unwrap_or_default()))
    }

    /// The trainer of the phase on the target.
    pub(super) fn rehearsed_trainer(&mut self, batch: usize) -> Result<Trainer> {
        let plan = self.plan;
        let Some(grafted) = plan.arm.choices()?.prepare(self)? else { unreachable!("nobody interrupts a rehearsal") };
        let mut recipe = plan.arm.recipe(&plan.recipe)?;
        recipe.batch = batch;
        recipe.architecture.classes = grafted.classes;
        recipe.architecture.condition_features = grafted.condition_features;
        Trainer::with_method(&recipe, grafted.method, self.target.clone(), self.device)
    }

    /// The source's GAN as it is drawn, after steps in place of its training.
    pub(super) fn rehearse_source(&mut self) -> Result<SourceGan> {
        let (recipe, method, data) = self.source_training()?;
        let (bytes, folder, steps) = (bytes(&data), &self.folders.source, self.plan.source_steps);
        let trainer = || Trainer::with_method(&recipe, Box::new(method), data, self.device);
        match &mut self.stopwatch {
            Some(watch) if watch.knows(folder) => watch.note(folder, steps),
            Some(watch) => {
                let mut trainer = trainer()?;
                watch.time(folder, steps, &mut || Ok(trainer.step().g_loss))?;
            }
            None => {
                let host = bytes + trainer()?.rehearse()?;
                self.rehearsed = self.rehearsed.max(Some(host));
            }
        }
        let architecture = recipe.architecture;
        Ok(SourceGan {
            generator: Generator::new(self.device, &architecture, recipe.seed),
            discriminator: Some(Discriminator::new(self.device, &architecture, recipe.seed)),
            architecture,
            digest: String::new(),
        })
    }
}
