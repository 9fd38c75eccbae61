//! What a comparison would take, before it runs: from runs that have ended, else from a few steps now.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::cell::Record;
use super::{Design, Jobs, RealData};
use crate::backend::Device;
use crate::error::Result;
use crate::gan::{Trainer, sample_asked};
use crate::transfer::Source;

/// Steps before and while the time is taken; of each eight, one computes a penalty.
const WARM: u64 = 2;
const TIMED: u64 = 16;
/// Samples whose making is timed.
const SAMPLES: usize = 128;
/// Measuring takes about as long again as making the samples; the last step's figures as long as so many looks.
const MEASURING: f64 = 2.0;
const LAST_LOOKS: f64 = 6.0;

/// The runs of an arm at a number of target images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// The arm's name.
    pub arm: String,
    /// The number of target images.
    pub size: usize,
    /// The seeds whose runs have ended.
    pub ended: Vec<u64>,
    /// The seeds whose runs have not.
    pub left: Vec<u64>,
}

/// What would run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// All runs.
    pub rows: Vec<Planned>,
    /// Steps on the target, and on sources, that are left.
    pub steps: [u64; 2],
    /// What a step of one run takes while all jobs are at work.
    pub seconds_per_step: f64,
    /// What all of it takes.
    pub seconds: f64,
}

/// Estimates what is left of a comparison; writes nothing.
///
/// # Errors
/// What reading its folder, or a few steps, say.
pub fn estimate(root: &Path, design: &Design, real: &RealData, device: &Device, jobs: Jobs) -> Result<Estimate> {
    let settings = &design.settings;
    let (mut rows, mut sources) = (Vec::<Planned>::new(), HashMap::new());
    let (mut left, mut taken) = (0u64, Vec::new());
    for cell in design.cells() {
        let record = Record::read(root, &cell)?;
        let (arm, size) = (cell.arm.name.clone(), cell.size);
        let place = rows.iter().position(|row| (&row.arm, row.size) == (&arm, size)).unwrap_or_else(|| {
            rows.push(Planned { arm, size, ended: Vec::new(), left: Vec::new() });
            rows.len() - 1
        });
        match record {
            Some(record) => {
                rows[place].ended.push(cell.seed);
                let looks: f64 = record.curve.iter().map(|point| point.seconds).sum();
                taken.extend(record.readings.is_some().then_some((record.seconds, looks)));
            }
            None => {
                rows[place].left.push(cell.seed);
                left += 1;
                let of_data = matches!(Source::parse(&settings.source)?, Source::Data(_));
                if let Some(source) = cell.learned(root)?.filter(|source| of_data && !source.exists()) {
                    let learning = cell.arm.learning(settings.learning())?;
                    sources.insert(source, learning.source_steps.max(learning.feature_steps));
                }
            }
        }
    }
    rows.sort_by_key(|row| row.size);
    let looks = settings.looks.len() as f64 + LAST_LOOKS;
    let (seconds_per_step, measuring) = match (taken.len(), left) {
        (0, 0) => (0.0, 0.0),
        (0, _) => {
            let (step, sampling) = calibrate(design, real, device, jobs)?;
            (step, MEASURING * looks * sampling)
        }
        (count, _) => {
            let mean = |part: fn(&(f64, f64)) -> f64| taken.iter().map(part).sum::<f64>() / count as f64;
            let each = mean(|taken| taken.1) / (settings.looks.len() + 1) as f64;
            (mean(|taken| taken.0) / settings.steps as f64, each * looks)
        }
    };
    let steps = [left * settings.steps, sources.values().sum()];
    let work = steps.iter().sum::<u64>() as f64 * seconds_per_step + left as f64 * measuring;
    let at_once = (jobs.count as u64).min(left.max(1)) as f64;
    Ok(Estimate { rows, steps, seconds_per_step, seconds: work / at_once })
}

/// What a step takes, and making a look's samples, while all jobs do the same.
fn calibrate(design: &Design, real: &RealData, device: &Device, jobs: Jobs) -> Result<(f64, f64)> {
    let size = design.sizes().into_iter().min().unwrap_or(1);
    let recipe = &design.settings.recipe;
    let subset = real.subset(size, recipe.seed)?;
    let times = jobs.each(|| {
        let mut trainer = Trainer::new(recipe, subset.clone(), device)?;
        let mut run = |steps: u64| {
            let losses = (0..steps).map(|_| trainer.step()).last();
            losses.map_or(Ok(0.0), |losses| losses.g_loss.item())
        };
        run(WARM)?;
        let start = Instant::now();
        run(TIMED)?;
        let step = start.elapsed().as_secs_f64() / TIMED as f64;
        let start = Instant::now();
        sample_asked(trainer.average().network(), &recipe.architecture, recipe.seed, SAMPLES)?;
        let samples = real.validation.len().min(crate::metrics::COUNT) as f64;
        Ok((step, start.elapsed().as_secs_f64() * samples / SAMPLES as f64))
    })?;
    let mean = |part: fn(&(f64, f64)) -> f64| times.iter().map(part).sum::<f64>() / times.len() as f64;
    Ok((mean(|time| time.0), mean(|time| time.1)))
}
