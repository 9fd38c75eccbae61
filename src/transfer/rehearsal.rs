//! What a transfer takes: all of its phases on a device that counts, each with the steps that take most.

use std::path::Path;

use super::{Folders, Plan, SourceGan, Workshop};
use crate::backend::Device;
use crate::classifier::{Classifier, Design};
use crate::data::Dataset;
use crate::error::Result;
use crate::gan::{Discriminator, Generator, Recipe, Trainer};
use crate::memory::{Limits, Need};
use crate::metrics::JudgeSettings;
use crate::nn::NormKind;
use crate::run::Observer;

/// Images of the target at most: their neighbours are looked for, and each class needs some.
const MOST_TARGET: usize = 2000;
/// Images of the source at most, and those that a judge is shown: more than go through a network at once.
const MOST_SOURCE: usize = 128;
/// Classes of a judge, where the target says none.
const CLASSES: usize = 10;

/// What a workshop has in which nothing is trained or written.
#[derive(Default)]
pub(super) struct Rehearsal {
    some: Option<Dataset>,
    /// The bytes of the largest checkpoint on the host.
    host: u64,
}

impl Rehearsal {
    /// Some of the source's images in place of all.
    pub fn some_of(&mut self, source: &Dataset) -> &Dataset {
        self.some.get_or_insert_with(|| some_of(source, MOST_SOURCE))
    }
}

struct Nobody;

impl Observer for Nobody {
    fn step(&mut self, _step: u64, _losses: &[(&str, f64)], _rate: f64) {}

    fn stop(&mut self) -> bool {
        false
    }
}

/// Evenly spaced images, at most so many: a file may hold one class after the other.
fn some_of(data: &Dataset, most: usize) -> Dataset {
    let count = data.len().min(most);
    data.select(&(0..count).map(|index| index * data.len() / count).collect::<Vec<_>>())
}

fn bytes(data: &Dataset) -> u64 {
    data.images.pixels().len() as u64
}

impl Workshop<'_> {
    /// Refuses a run that does not fit into the device, before anything is trained.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming what is needed, what there is, and the batch that fits.
    pub(super) fn check_fits(&mut self) -> Result<()> {
        let recipe = self.plan.arm.recipe(&self.plan.recipe)?;
        // First without what is beside the networks: if those are too large already, nothing else need be made.
        recipe.check_fits(self.device)?;
        recipe.check_need(&Limits::of(self.device), |batch| self.need(batch))
    }

    /// What the whole run takes at a batch.
    fn need(&mut self, batch: usize) -> Result<Need> {
        let plan = Plan { recipe: Recipe { batch, ..self.plan.recipe.clone() }, ..self.plan.clone() };
        // A class that has too few images for what is asked of it among some may have enough among all.
        match self.need_with(&plan, &some_of(self.target, MOST_TARGET)) {
            Err(_) if self.target.len() > MOST_TARGET => self.need_with(&plan, self.target),
            need => need,
        }
    }

    fn need_with(&mut self, plan: &Plan, target: &Dataset) -> Result<Need> {
        Need::of(self.device, |device| {
            let mut nobody = Nobody;
            let mut workshop = Workshop::new(plan, target, self.folders, device, &mut nobody);
            (workshop.source, workshop.rehearsal) = (self.source.take(), Some(Rehearsal::default()));
            let host = workshop.rehearse();
            self.source = workshop.source.take();
            // The training on the source has a copy of its own.
            let source = self.source.as_ref().map_or(0, |(data, _)| 2 * bytes(data));
            host.map(|host| host + bytes(self.target) + source)
        })
    }

    /// All phases; gives the bytes of the largest checkpoint on the host.
    fn rehearse(&mut self) -> Result<u64> {
        let plan = self.plan;
        let Some(grafted) = (plan.arm.kind()?.prepare)(&plan.arm.choices()?, self)? else {
            unreachable!("nobody interrupts a rehearsal")
        };
        let mut recipe = plan.arm.recipe(&plan.recipe)?;
        recipe.architecture.classes = grafted.classes;
        recipe.architecture.condition_features = grafted.condition_features;
        let judge = plan.evaluate_every.map(|_| {
            let (size, channels) = (recipe.architecture.size, recipe.architecture.channels);
            let design = Design { size, channels, width: JudgeSettings::STANDARD.width, norm: NormKind::Batch };
            Classifier::new(self.device, &design, self.target.classes.len().max(CLASSES), 0)
        });
        let mut trainer = Trainer::with_method(&recipe, grafted.method, self.target.clone(), self.device)?;
        let host = trainer.rehearse();
        if let Some(judge) = judge {
            judge.predict(&some_of(self.target, MOST_SOURCE).images)?;
        }
        Ok(host.max(self.rehearsal.as_ref().map_or(0, |rehearsal| rehearsal.host)))
    }

    /// The source's GAN as it is drawn, after steps in place of its training.
    pub(super) fn rehearse_source(&mut self) -> Result<SourceGan> {
        let (recipe, method, data) = self.source_training()?;
        let host = Trainer::with_method(&recipe, Box::new(method), data, self.device)?.rehearse();
        if let Some(rehearsal) = &mut self.rehearsal {
            rehearsal.host = rehearsal.host.max(host);
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

/// What runs take that go on one after the other: all phases of each, with the networks that a method has beside the target's, and
/// the judge that measures along the way. Sources that are the same are read once.
///
/// # Errors
/// Data that cannot be read, a source that does not fit.
pub fn need<'a>(runs: impl IntoIterator<Item = (&'a Plan, &'a Dataset)>, device: &Device) -> Result<Need> {
    let folders = Folders::within(Path::new(""));
    let (mut most, mut last) = (Need::default(), None);
    for (plan, target) in runs {
        let mut nobody = Nobody;
        let mut workshop = Workshop::new(plan, target, &folders, device, &mut nobody);
        let key = (plan.source.clone(), plan.source_style, plan.recipe.architecture);
        workshop.source = last.take().filter(|(other, _)| *other == key).and_then(|(_, source)| source);
        most = most.or(workshop.need(plan.arm.recipe(&plan.recipe)?.batch)?);
        last = Some((key, workshop.source.take()));
    }
    Ok(most)
}
