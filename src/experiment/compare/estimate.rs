//! What a comparison would take, before it runs: from runs that have ended, and a few steps of each arm now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::cell::Record;
use super::search::Search;
use super::times::{learned_by, of_each_arm, timed};
use super::{Cell, Design, Jobs, RealData, halving};
use crate::backend::Device;
use crate::error::Result;
use crate::gan::sample_asked;
use crate::run::RunFolder;
use crate::transfer::{Learned, Paces};

/// Of each eight steps one computes a penalty.
const FEW: Paces = Paces { warm: 1, timed: 8 };
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
    /// What a step of one run takes while all jobs are at work; 0 where none is left.
    pub seconds_per_step: f64,
}

/// What would run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// All runs.
    pub rows: Vec<Planned>,
    /// Steps on the target, and on sources, that are left.
    pub steps: [u64; 2],
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
    /// What a step of one run takes while all jobs are at work; 0 where none is left.
    pub seconds_per_step: f64,
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
    /// What all that is left takes.
    pub seconds: f64,
}

impl SearchEstimate {
    /// How many runs may go on at once, at most: all trials come to a halving before any goes on.
    pub fn at_once(&self) -> usize {
        let mut left: BTreeMap<u64, usize> = BTreeMap::new();
        for row in &self.rows {
            *left.entry(row.step).or_default() += row.runs - row.ended;
        }
        left.into_values().max().unwrap_or(0)
    }
}

/// Estimates what is left of a comparison; writes nothing.
///
/// # Errors
/// What reading its folder, or a few steps, say.
pub fn estimate(root: &Path, design: &Design, real: &RealData, device: &Device, jobs: Jobs) -> Result<Estimate> {
    let settings = &design.settings;
    let (mut rows, mut left, mut known) = (Vec::<Planned>::new(), Vec::new(), Known::default());
    for cell in design.cells() {
        let record = Record::read(root, &cell)?;
        let (arm, size) = (cell.arm.name.clone(), cell.size);
        let place = rows.iter().position(|row| (&row.arm, row.size) == (&arm, size)).unwrap_or_else(|| {
            rows.push(Planned { arm, size, ended: Vec::new(), left: Vec::new(), seconds_per_step: 0.0 });
            rows.len() - 1
        });
        match record {
            Some(record) => {
                rows[place].ended.push(cell.seed);
                known.take(&cell.arm.name, &record, cell.steps(settings));
            }
            None => {
                rows[place].left.push(cell.seed);
                left.push(cell);
            }
        }
    }
    rows.sort_by_key(|row| row.size);
    let rates = Rates::measure(design, &of_each_arm(design, &left), known, real, device, jobs)?;
    for row in rows.iter_mut().filter(|row| !row.left.is_empty()) {
        row.seconds_per_step = rates.step(&row.arm);
    }
    let (mut steps, mut work, mut learned) = ([0, 0], 0.0, BTreeMap::new());
    for cell in &left {
        let own = cell.steps(settings);
        let looks = settings.looks_of(own).len() as f64 + LAST_LOOKS;
        steps[0] += own;
        work += own as f64 * rates.step(&cell.arm.name) + looks * rates.look;
        rates.learn(cell, &cell.arm.name, root, &mut learned)?;
    }
    steps[1] = learned.values().map(|(steps, _)| steps).sum();
    work += learned.values().map(|(steps, seconds)| *steps as f64 * seconds).sum::<f64>();
    let at_once = jobs.count.min(left.len().max(1)) as f64;
    Ok(Estimate { rows, steps, seconds: work / at_once })
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
    let cells = design.cells();
    let of_base = |ranking: &halving::Ranking| -> Vec<&Cell> {
        let of_trial = |cell: &Cell| ranking.trials.iter().any(|trial| trial.arm == cell.arm.name);
        let here = |cell: &&Cell| of_trial(cell) && cell.size == ranking.size && search.seeds.contains(&cell.seed);
        cells.iter().filter(here).collect()
    };
    let (mut rows, mut known) = (Vec::new(), Known::default());
    // Of each base arm, the trial of which a few steps are made.
    let mut shown: Vec<(&str, &Cell)> = Vec::new();
    let (mut target_steps, mut left) = (0, 0u64);
    // Of each row the number of its rung, and the looks of what is left.
    let mut of_rows: Vec<(usize, f64)> = Vec::new();
    for ranking in &found.rankings {
        let runs_of_base = of_base(ranking);
        let mut before = 0;
        for (number, (rung, &trials)) in found.rungs.iter().zip(&ranking.counts).enumerate() {
            let until = halving::until(rung);
            let end = match until {
                Some(step) => step,
                // An arm may have steps of its own beyond the others'.
                None => runs_of_base.first().map_or(rung.step, |cell| cell.steps(settings)),
            };
            let records = runs_of_base.iter().map(|cell| Record::read_at(root, cell, until));
            let records: Vec<Record> = records.filter_map(Result::transpose).collect::<Result<_>>()?;
            records.iter().for_each(|record| known.take(&ranking.base, record, end));
            // Of trials that others have displaced since, some came here, too.
            let runs = trials * search.seeds.len();
            let ended = records.len().min(runs);
            let to_go = (runs - ended) as u64;
            let is_here = |step: &&u64| (**step > before || before == 0) && **step <= end;
            let looks = settings.looks.iter().filter(is_here).count() as f64;
            let last = if until.is_none() { LAST_LOOKS } else { 0.0 };
            of_rows.push((number, to_go as f64 * (looks + last)));
            left += to_go * (end - before);
            let steps = runs as u64 * (end - before);
            target_steps += steps;
            let (base, size) = (ranking.base.clone(), ranking.size);
            rows.push(PlannedSearch { base, size, step: end, trials, runs, ended, steps, seconds_per_step: 0.0 });
            before = end;
            if let (1.., Some(cell)) = (to_go, runs_of_base.first())
                && !shown.iter().any(|(base, _)| *base == ranking.base)
            {
                shown.push((&ranking.base, cell));
            }
        }
    }
    let named = shown.iter().map(|(base, cell)| {
        let mut cell = (*cell).clone();
        cell.arm.name = base.to_string();
        cell
    });
    let rates = Rates::measure(design, &named.collect::<Vec<_>>(), known, real, device, jobs)?;
    // Of each rung, which all base arms and sizes come to together: its work, and the runs that are left of it.
    let mut of_rungs = vec![(0.0, 0); found.rungs.len()];
    for (row, (number, looks)) in rows.iter_mut().zip(of_rows).filter(|(row, _)| row.ended < row.runs) {
        row.seconds_per_step = rates.step(&row.base);
        let left = row.runs - row.ended;
        let steps = row.steps as f64 * left as f64 / row.runs as f64;
        let (work, runs) = &mut of_rungs[number];
        *work += steps * row.seconds_per_step + looks * rates.look;
        *runs += left;
    }
    let at_once = |runs: usize| jobs.count.min(runs).max(1) as f64;
    let mut learned = BTreeMap::new();
    for ranking in &found.rankings {
        of_base(ranking).into_iter().try_for_each(|cell| rates.learn(cell, &ranking.base, root, &mut learned))?;
    }
    let of_sources =
        learned.values().map(|(steps, seconds)| *steps as f64 * seconds).sum::<f64>() / at_once(learned.len());
    let seconds = of_sources + of_rungs.into_iter().map(|(work, runs)| work / at_once(runs)).sum::<f64>();
    let steps = [left, learned.values().map(|(steps, _)| steps).sum()];
    Ok(SearchEstimate { rows, target_steps, steps, seconds })
}

/// What runs that have ended took.
#[derive(Default)]
struct Known {
    /// Seconds of a step, by arm.
    steps: BTreeMap<String, Vec<f64>>,
    /// Seconds of a look.
    looks: Vec<f64>,
}

impl Known {
    /// Takes a run that came to a step.
    fn take(&mut self, arm: &str, record: &Record, step: u64) {
        if record.diverged.is_none() && !record.curve.is_empty() {
            self.steps.entry(arm.to_string()).or_default().push(record.seconds / step as f64);
            let looks: f64 = record.curve.iter().map(|look| look.seconds).sum();
            self.looks.push(looks / record.curve.len() as f64);
        }
    }
}

/// Seconds of a step of a run, and what it learns of its source.
type Stepped = (f64, Vec<Learned>);

/// What runs take while all jobs are at work.
struct Rates {
    /// Seconds of a step on the target, and the run that was timed with what it learns of its source, by arm.
    arms: BTreeMap<String, (f64, Cell, Vec<Learned>)>,
    /// Seconds of a look.
    look: f64,
}

impl Rates {
    /// Makes a few steps of each of some runs, in every job at once; the times of runs that have ended take their place.
    fn measure(
        design: &Design,
        cells: &[Cell],
        known: Known,
        real: &RealData,
        device: &Device,
        jobs: Jobs,
    ) -> Result<Rates> {
        let measured = jobs.each(|| {
            let (mut seconds, mut arms, mut sampling) = (BTreeMap::new(), Vec::new(), 0.0);
            for cell in cells {
                let mut run = timed(cell, design, real, device, (FEW, &mut seconds))?;
                let step = run.step(FEW)?;
                if arms.is_empty() {
                    let (trainer, start) = (run.trainer(), Instant::now());
                    trainer.average().estimate_statistics(trainer.steps());
                    sample_asked(trainer.average().network(), &trainer.recipe().architecture, cell.seed, SAMPLES)?;
                    let samples = real.validation.len().min(crate::metrics::COUNT) as f64;
                    sampling = start.elapsed().as_secs_f64() * samples / SAMPLES as f64;
                }
                arms.push((step, run.learned().to_vec()));
            }
            Ok((arms, sampling))
        })?;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let over_jobs =
            |of: &dyn Fn(&[Stepped]) -> f64| mean(&measured.iter().map(|(arms, _)| of(arms)).collect::<Vec<_>>());
        let arms = cells.iter().enumerate().map(|(place, cell)| {
            let step = match known.steps.get(&cell.arm.name) {
                Some(steps) => mean(steps),
                None => over_jobs(&|arms| arms[place].0),
            };
            let learned = measured[0].0[place].1.iter().enumerate().map(|(part, learned)| {
                let step = over_jobs(&|arms| arms[place].1[part].step);
                Learned { step, ..learned.clone() }
            });
            (cell.arm.name.clone(), (step, cell.clone(), learned.collect()))
        });
        let arms = arms.collect();
        let look = match known.looks.is_empty() {
            true => MEASURING * mean(&measured.iter().map(|(_, sampling)| *sampling).collect::<Vec<_>>()),
            false => mean(&known.looks),
        };
        Ok(Rates { arms, look })
    }

    /// Seconds of a step on the target; 0 of an arm that was not timed.
    fn step(&self, arm: &str) -> f64 {
        self.arms.get(arm).map_or(0.0, |(step, ..)| *step)
    }

    /// Notes the steps and seconds of what a cell of a timed arm learns of its source, by folder, where that is not there yet.
    fn learn(&self, cell: &Cell, arm: &str, root: &Path, learned: &mut BTreeMap<PathBuf, (u64, f64)>) -> Result<()> {
        let Some((_, timed, parts)) = self.arms.get(arm) else { return Ok(()) };
        for Learned { folder, steps, step } in learned_by(cell, root, timed, parts)? {
            let left = steps.saturating_sub(RunFolder::reached(&folder)?);
            if left > 0 {
                learned.insert(folder, (left, step));
            }
        }
        Ok(())
    }
}
