//! What an experiment of classifiers would take, before it runs: from a few steps of each of its parts now, as all jobs make them at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::cell::{Runs, gan_folder, source_classifier};
use super::turns::turns_folder;
use super::{Cell, Data, Design, Record};
use crate::backend::Device;
use crate::error::Result;
use crate::experiment::engine::Jobs;
use crate::run::RunFolder;
use crate::tensor::Tensor;
use crate::transfer::{OfGenerator, Paces, Pretraining, Recogniser, Timed};

/// Steps before any is timed, and those that are: of each eight of a GAN one computes a penalty.
const FEW: Paces = Paces { warm: 1, timed: 8 };

/// What is left of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Seconds of a step of the classifier while all jobs are at work, by arm.
    pub seconds_per_step: BTreeMap<String, f64>,
    /// Steps of classifiers on the target, and of what else is learned, GANs and of sources, that are left.
    pub steps: [u64; 2],
    /// What all of it takes.
    pub seconds: f64,
}

/// Steps that are left, and the seconds of one, by what they are for.
type Work = BTreeMap<PathBuf, (u64, f64)>;

/// Estimates what is left; trains and writes nothing.
///
/// # Errors
/// What reading the folder, or a few steps, say.
pub fn estimate(root: &Path, design: &Design, data: &Data, device: &Device, jobs: Jobs) -> Result<Estimate> {
    let mut left = Vec::new();
    for cell in design.cells() {
        if Record::read(root, &cell)?.is_none() {
            left.push(cell);
        }
    }
    let settings = &design.settings;
    let runs = Runs::rehearsed(root, settings, data, device, jobs);
    let measured = jobs.each(|| Rates::measure(&runs, &left))?;
    let rates = Rates::mean(&measured);
    let (mut seconds, mut others) = (0.0, Work::new());
    for cell in &left {
        let rate = rates.classifiers.get(&cell.arm.name).copied().unwrap_or(0.0);
        seconds += settings.steps as f64 * rate;
        rates.others(&runs, cell, &mut others)?;
    }
    for (folder, (steps, _)) in &mut others {
        *steps = steps.saturating_sub(RunFolder::reached(folder)?);
    }
    seconds += others.values().map(|(steps, seconds)| *steps as f64 * seconds).sum::<f64>();
    let steps = [left.len() as u64 * settings.steps, others.values().map(|(steps, _)| steps).sum()];
    let at_once = jobs.count.min(left.len().max(1)) as f64;
    Ok(Estimate { seconds_per_step: rates.classifiers, steps, seconds: seconds / at_once })
}

/// Seconds of a step.
#[derive(Clone, Default)]
struct Rates {
    /// Of an arm's classifier.
    classifiers: BTreeMap<String, f64>,
    /// Of the source's classifier.
    source: f64,
    /// Of a GAN of the labelled images alone.
    alone: f64,
    /// Of a CTGAN on the target, of its source's GAN, and of its label predictor.
    transferred: f64,
    gan_of_source: f64,
    predictor: f64,
}

impl Rates {
    /// Makes a few steps of each part of some runs.
    fn measure(runs: &Runs<'_>, cells: &[Cell]) -> Result<Rates> {
        let mut rates = Rates::default();
        for cell in cells {
            if rates.classifiers.contains_key(&cell.arm.name) {
                continue;
            }
            let (teaching, drawn) = (cell.arm.teaching()?, runs.data.drawn(cell.shots, cell.seed)?);
            if teaching.source && rates.source == 0.0 {
                rates.source = of_training(&mut runs.training_of_source(cell)?, runs.settings.source_steps)?;
            }
            let mut made = None;
            if teaching.samples > 0.0 {
                // Samples are as many to a batch as they are, whatever they show.
                let own = drawn.labelled();
                let labels = own.known.iter().map(|(_, class)| *class).collect();
                made = Some(OfGenerator { images: own.all.images, labels, weight: teaching.samples });
                if teaching.transfer && rates.transferred == 0.0 {
                    let (plan, folders) = (runs.plan(cell, &drawn)?, runs.folders(cell, Path::new("gan"))?);
                    let target = drawn.for_transfer(runs.data.classes());
                    let known = &mut BTreeMap::new();
                    let mut timed = Timed::new(&plan, &target, &runs.data.of_gan, &folders, runs.device, (FEW, known))?;
                    rates.transferred = timed.step(FEW)?;
                    for learned in timed.learned() {
                        match learned.folder == folders.source {
                            true => rates.gan_of_source = learned.step,
                            false => rates.predictor = learned.step,
                        }
                    }
                }
                if !teaching.transfer && rates.alone == 0.0 {
                    let mut trainer = runs.alone(cell.seed, &drawn)?;
                    rates.alone = seconds(&mut || Ok(trainer.step().g_loss))?;
                }
            }
            let mut training = runs.training(cell, &teaching, drawn, made, None)?;
            rates.classifiers.insert(cell.arm.name.clone(), of_training(&mut training, runs.settings.steps)?);
        }
        Ok(rates)
    }

    /// The means of what several jobs measured.
    fn mean(measured: &[Rates]) -> Rates {
        let mean = |of: &dyn Fn(&Rates) -> f64| measured.iter().map(of).sum::<f64>() / measured.len().max(1) as f64;
        let first = measured.first().cloned().unwrap_or_default();
        let by_arm = first.classifiers.keys().map(|arm| (arm.clone(), mean(&|rates| rates.classifiers[arm])));
        Rates {
            classifiers: by_arm.collect(),
            source: mean(&|rates| rates.source),
            alone: mean(&|rates| rates.alone),
            transferred: mean(&|rates| rates.transferred),
            gan_of_source: mean(&|rates| rates.gan_of_source),
            predictor: mean(&|rates| rates.predictor),
        }
    }

    /// Notes what a run needs beside its classifier's steps on the target.
    fn others(&self, runs: &Runs<'_>, cell: &Cell, work: &mut Work) -> Result<()> {
        let (teaching, settings) = (cell.arm.teaching()?, runs.settings);
        if teaching.source {
            work.insert(source_classifier(runs.root, cell), (settings.source_steps, self.source));
        }
        if teaching.samples == 0.0 {
            return Ok(());
        }
        let takes_turns = teaching.rounds > 1;
        let folder = match takes_turns {
            true => turns_folder(runs.root, cell),
            false => gan_folder(runs.root, cell, &teaching),
        };
        if teaching.transfer {
            let folders = runs.folders(cell, &folder)?;
            work.insert(folders.source, (settings.gan_source_steps, self.gan_of_source));
            // One that takes turns is labelled by the classifier.
            if !takes_turns {
                work.insert(folders.classifier, (settings.source_steps, self.predictor));
            }
        }
        work.insert(folder, (settings.gan_steps, if teaching.transfer { self.transferred } else { self.alone }));
        Ok(())
    }
}

/// The seconds of a training's step with all that teaches it.
fn of_training(training: &mut Recogniser, steps: u64) -> Result<f64> {
    seconds(&mut || {
        training.go_on_from(steps.saturating_sub(1));
        training.step()
    })
}

/// The seconds of a step that gives a number on the device.
fn seconds(step: &mut dyn FnMut() -> Result<Tensor>) -> Result<f64> {
    let mut several = |count: u64| (0..count).try_for_each(|_| step()?.item().map(drop));
    several(FEW.warm)?;
    let start = Instant::now();
    several(FEW.timed)?;
    Ok(start.elapsed().as_secs_f64() / FEW.timed as f64)
}
