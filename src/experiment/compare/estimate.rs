//! What a comparison would take, before it runs: from runs that have ended, else from a few steps now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::cell::Record;
use super::search::Search;
use super::{Cell, Design, Jobs, RealData, halving};
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

/// The trials of a base arm that come to a rung of a search, at a number of target images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedSearch {
    /// The base arm's name.
    pub base: String,
    /// The number of target images.
    pub size: usize,
    /// The step to which they are trained.
    pub step: u64,
    /// How many trials.
    pub trials: usize,
    /// Their runs: one a seed.
    pub runs: usize,
    /// Of these, those that have come there.
    pub ended: usize,
    /// The steps of all of them, from the rung before.
    pub steps: u64,
}

/// What a search would run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchEstimate {
    /// By size, base arm and rung; where trials diverge, fewer come to later rungs.
    pub rows: Vec<PlannedSearch>,
    /// All steps on the target.
    pub target_steps: u64,
    /// Steps on the target, and on sources, that are left.
    pub steps: [u64; 2],
    /// What a step of one run takes while all jobs are at work.
    pub seconds_per_step: f64,
    /// What all that is left takes.
    pub seconds: f64,
}

/// Estimates what is left of a comparison; writes nothing.
///
/// # Errors
/// What reading its folder, or a few steps, say.
pub fn estimate(root: &Path, design: &Design, real: &RealData, device: &Device, jobs: Jobs) -> Result<Estimate> {
    let settings = &design.settings;
    let (mut rows, mut sources) = (Vec::<Planned>::new(), HashMap::new());
    let (mut left, mut steps_left, mut taken) = (0u64, 0u64, Vec::new());
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
                let each = record.seconds / cell.steps(settings) as f64;
                taken.extend(record.readings.is_some().then_some((each, looks)));
            }
            None => {
                rows[place].left.push(cell.seed);
                left += 1;
                steps_left += cell.steps(settings);
                sources.extend(source_steps(root, design, &cell)?);
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
            (mean(|taken| taken.0), each * looks)
        }
    };
    let steps = [steps_left, sources.values().sum()];
    let work = steps.iter().sum::<u64>() as f64 * seconds_per_step + left as f64 * measuring;
    let at_once = (jobs.count as u64).min(left.max(1)) as f64;
    Ok(Estimate { rows, steps, seconds_per_step, seconds: work / at_once })
}

/// Estimates what is left of a search; writes nothing.
///
/// # Errors
/// What reading its folder, or a few steps, say.
pub fn estimate_search(
    root: &Path,
    design: &Design,
    search: &Search,
    real: &RealData,
    device: &Device,
    jobs: Jobs,
) -> Result<SearchEstimate> {
    let settings = &design.settings;
    let found = halving::found(root, design, search)?;
    let (mut rows, mut sources) = (Vec::new(), HashMap::new());
    let (mut target_steps, mut left, mut looks_left) = (0, 0u64, 0.0);
    let mut taken = Vec::new();
    let cells = design.cells();
    for cell in &cells {
        sources.extend(source_steps(root, design, cell)?);
    }
    for ranking in &found.rankings {
        let of_base = |cell: &&Cell| {
            let of_trial = ranking.trials.iter().any(|trial| trial.arm == cell.arm.name);
            of_trial && cell.size == ranking.size && search.seeds.contains(&cell.seed)
        };
        let runs_of_base: Vec<&Cell> = cells.iter().filter(of_base).collect();
        let mut before = 0;
        for (rung, &trials) in found.rungs.iter().zip(&ranking.counts) {
            let until = halving::until(rung);
            let end = match until {
                Some(step) => step,
                // An arm may have steps of its own beyond the others'.
                None => runs_of_base.first().map_or(rung.step, |cell| cell.steps(settings)),
            };
            let records = runs_of_base.iter().map(|cell| Record::read_at(root, cell, until));
            let records: Vec<Record> = records.filter_map(Result::transpose).collect::<Result<_>>()?;
            for record in records.iter().filter(|record| record.diverged.is_none()) {
                let looks: f64 = record.curve.iter().map(|point| point.seconds).sum();
                taken.push((record.seconds / end as f64, looks / record.curve.len() as f64));
            }
            let (runs, ended) = (trials * search.seeds.len(), records.len());
            let to_go = runs.saturating_sub(ended) as u64;
            let is_here = |step: &&u64| (**step > before || before == 0) && **step <= end;
            let looks = settings.looks.iter().filter(is_here).count() as f64;
            let last = if until.is_none() { LAST_LOOKS } else { 0.0 };
            looks_left += to_go as f64 * (looks + last);
            left += to_go * (end - before);
            let steps = runs as u64 * (end - before);
            target_steps += steps;
            let (base, size) = (ranking.base.clone(), ranking.size);
            rows.push(PlannedSearch { base, size, step: end, trials, runs, ended, steps });
            before = end;
        }
    }
    let steps = [left, sources.values().sum()];
    let (seconds_per_step, look) = match (taken.len(), steps) {
        (_, [0, 0]) => (0.0, 0.0),
        (0, _) => {
            let (step, sampling) = calibrate(design, real, device, jobs)?;
            (step, MEASURING * sampling)
        }
        (count, _) => {
            let mean = |part: fn(&(f64, f64)) -> f64| taken.iter().map(part).sum::<f64>() / count as f64;
            (mean(|taken| taken.0), mean(|taken| taken.1))
        }
    };
    let work = steps.iter().sum::<u64>() as f64 * seconds_per_step + looks_left * look;
    Ok(SearchEstimate { rows, target_steps, steps, seconds_per_step, seconds: work / jobs.count as f64 })
}

/// The folder of what a run learns of its source and the steps of that, where it is not there yet.
fn source_steps(root: &Path, design: &Design, cell: &Cell) -> Result<Option<(PathBuf, u64)>> {
    let settings = &design.settings;
    let of_data = matches!(Source::parse(&settings.source)?, Source::Data(_));
    let Some(source) = cell.learned(root)?.filter(|source| of_data && !source.exists()) else { return Ok(None) };
    let learning = cell.arm.learning(settings.learning())?;
    Ok(Some((source, learning.source_steps.max(learning.feature_steps))))
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
