//! Successive halving: which trials of a search go on from rung to rung, from what their runs left in its folder. Nothing else is kept:
//! the same figures give the same trials, however often a search is stopped.

use std::path::Path;

use serde::Serialize;

use super::cell::Record;
use super::search::{Search, Trial};
use super::settings::{Cell, Design};
use crate::error::Result;
use crate::options::Texts;
use crate::words::words;

/// A step to which trials are trained, and what becomes of them there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rung {
    /// The step; the last rung's is the runs' end.
    pub step: u64,
    /// The share of the trials that goes on; none at the last one.
    pub keep: Option<f64>,
}

words! {
    /// What became of a trial.
    pub enum Fate {
        /// It goes on.
        Open = "open",
        /// Others were better at a rung.
        Dropped = "dropped",
        /// A run of it diverged.
        Diverged = "diverged",
        /// It came to the end.
        Ended = "ended",
    }
}

/// A trial and its figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The arm's name.
    pub arm: String,
    /// The options that are tried in it.
    pub options: Texts,
    /// Judge-FD against the validation block at each rung to which it came, the mean over seeds; null where it is not known or diverged.
    pub judge_fd: Vec<Option<f64>>,
    /// What became of it.
    pub fate: Fate,
}

/// The trials of a base arm at a number of target images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// The base arm's name.
    pub base: String,
    /// The number of target images.
    pub size: usize,
    /// How many trials come to each rung, as far as is known: fewer do where some diverge.
    pub counts: Vec<usize>,
    /// All trials, the best first: those that came further, then by the figure at the last rung to which they came.
    pub trials: Vec<Tried>,
    /// The best trial in the notation of arms; null until the last rung is done.
    pub best: Option<String>,
}

/// What a search found so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The rungs.
    pub rungs: Vec<Rung>,
    /// By size, then base arm.
    pub rankings: Vec<Ranking>,
    /// The stretches of runs from rung to rung that are done.
    pub done: usize,
    /// All of them, as far as is known.
    pub of: usize,
}

/// How a trial stands at a rung.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    /// Some of its runs have not come there.
    Open,
    /// A run has diverged.
    Diverged,
    /// The mean over its seeds.
    At(f64),
}

impl Standing {
    fn figure(self) -> Option<f64> {
        match self {
            Standing::At(fd) => Some(fd),
            _ => None,
        }
    }
}

/// How many of so many trials go on: the share, rounded up, so that one always does.
fn kept(count: usize, keep: f64) -> usize {
    /// A share of a count that is whole comes out above it by the rounding of decimals.
    const ROUNDING: f64 = 1e-9;
    (count as f64 * keep - ROUNDING).ceil() as usize
}

/// The places of the trials that go on, in their order; of equal ones the first. One that diverged has no figure and never does.
fn survivors(figures: &[Option<f64>], keep: f64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..figures.len()).filter(|&place| figures[place].is_some()).collect();
    places.sort_by(|&a, &b| figures[a].unwrap_or(f64::INFINITY).total_cmp(&figures[b].unwrap_or(f64::INFINITY)));
    places.truncate(kept(figures.len(), keep));
    places.sort_unstable();
    places
}

/// The trials of each rung by their places, and how they stand there; as far as it is decided who comes to it.
fn climb(
    count: usize,
    rungs: &[Rung],
    mut standing: impl FnMut(usize, usize) -> Result<Standing>,
) -> Result<Vec<Vec<(usize, Standing)>>> {
    let mut taking: Vec<usize> = (0..count).collect();
    let mut found = Vec::new();
    for (number, rung) in rungs.iter().enumerate() {
        let at = |&trial: &usize| Ok((trial, standing(number, trial)?));
        let standings: Vec<(usize, Standing)> = taking.iter().map(at).collect::<Result<_>>()?;
        found.push(standings.clone());
        let Some(keep) = rung.keep else { break };
        if standings.iter().any(|(_, standing)| *standing == Standing::Open) {
            break;
        }
        let figures: Vec<Option<f64>> = standings.iter().map(|(_, standing)| standing.figure()).collect();
        taking = survivors(&figures, keep).into_iter().map(|place| taking[place]).collect();
    }
    Ok(found)
}

/// The trials of a base arm at a size, and their way.
struct Ladder {
    base: String,
    size: usize,
    trials: Vec<Trial>,
    rungs: Vec<Vec<(usize, Standing)>>,
}

/// The rungs of a search whose runs end at a step.
pub(super) fn rungs(search: &Search, steps: u64) -> Vec<Rung> {
    let halvings = search.halvings.iter().map(|halving| Rung { step: halving.step, keep: Some(halving.keep) });
    halvings.chain([Rung { step: steps, keep: None }]).collect()
}

/// Where runs stop at a rung; none where they go to their end.
pub(super) fn until(rung: &Rung) -> Option<u64> {
    rung.keep.map(|_| rung.step)
}

fn ladders(root: &Path, design: &Design, search: &Search) -> Result<Vec<Ladder>> {
    let rungs = rungs(search, design.settings.steps);
    let trials = search.trials()?;
    let mut bases: Vec<&str> = trials.iter().map(|trial| trial.base.as_str()).collect();
    bases.dedup();
    let mut ladders = Vec::new();
    for size in design.sizes() {
        for base in &bases {
            let trials: Vec<Trial> = trials.iter().filter(|trial| trial.base == *base).cloned().collect();
            let climbed = climb(trials.len(), &rungs, |rung, trial| {
                standing(&runs(search, &trials[trial], size), root, until(&rungs[rung]))
            })?;
            ladders.push(Ladder { base: base.to_string(), size, trials, rungs: climbed });
        }
    }
    Ok(ladders)
}

fn runs(search: &Search, trial: &Trial, size: usize) -> Vec<Cell> {
    search.seeds.iter().map(|&seed| Cell { arm: trial.arm.clone(), size, seed }).collect()
}

fn standing(runs: &[Cell], root: &Path, until: Option<u64>) -> Result<Standing> {
    let mut sum = 0.0;
    for run in runs {
        let Some(record) = Record::read_at(root, run, until)? else { return Ok(Standing::Open) };
        match record.last_look() {
            Some(fd) => sum += fd,
            None => return Ok(Standing::Diverged),
        }
    }
    Ok(Standing::At(sum / runs.len() as f64))
}

/// The runs that come to a rung, of those of a design; the rungs before it are done.
pub(super) fn runs_of_rung(root: &Path, design: &Design, search: &Search, number: usize) -> Result<Vec<Cell>> {
    let ladders = ladders(root, design, search)?;
    let mut names: Vec<(usize, &str)> = Vec::new();
    for ladder in &ladders {
        let here = ladder.rungs.get(number).into_iter().flatten();
        names.extend(here.map(|(trial, _)| (ladder.size, ladder.trials[*trial].arm.name.as_str())));
    }
    let comes = |cell: &Cell| search.seeds.contains(&cell.seed) && names.contains(&(cell.size, cell.arm.name.as_str()));
    Ok(design.cells().into_iter().filter(comes).collect())
}

/// What the runs of a search left in its folder, ranked.
///
/// # Errors
/// Where a file is not what was written there.
pub(super) fn found(root: &Path, design: &Design, search: &Search) -> Result<Found> {
    let rungs = rungs(search, design.settings.steps);
    let mut found = Found { rungs: rungs.clone(), rankings: Vec::new(), done: 0, of: 0 };
    for ladder in ladders(root, design, search)? {
        let ranking = ladder.ranking(&rungs)?;
        found.of += ranking.counts.iter().sum::<usize>() * search.seeds.len();
        for (rung, standings) in rungs.iter().zip(&ladder.rungs) {
            for (trial, _) in standings {
                for run in runs(search, &ladder.trials[*trial], ladder.size) {
                    found.done += usize::from(Record::read_at(root, &run, until(rung))?.is_some());
                }
            }
        }
        found.rankings.push(ranking);
    }
    Ok(found)
}

impl Ladder {
    /// How many trials come to each rung.
    fn counts(&self, rungs: &[Rung]) -> Vec<usize> {
        let mut counts: Vec<usize> = self.rungs.iter().map(Vec::len).collect();
        while let Some((count, keep)) = counts.last().zip(rungs[counts.len() - 1].keep) {
            counts.push(kept(*count, keep));
        }
        counts
    }

    fn ranking(&self, rungs: &[Rung]) -> Result<Ranking> {
        let is_last = |rung: usize| rung + 1 == rungs.len();
        let mut ranked: Vec<(usize, f64, Tried)> = Vec::new();
        for (place, trial) in self.trials.iter().enumerate() {
            let here = |standings: &Vec<(usize, Standing)>| {
                standings.iter().find(|(trial, _)| *trial == place).map(|(_, standing)| *standing)
            };
            let way: Vec<Standing> = self.rungs.iter().map_while(here).collect();
            let last = way.last().copied().unwrap_or(Standing::Open);
            let is_decided = way.len() < self.rungs.len();
            let fate = match last {
                Standing::Diverged => Fate::Diverged,
                Standing::At(_) if is_decided => Fate::Dropped,
                Standing::At(_) if is_last(way.len() - 1) => Fate::Ended,
                _ => Fate::Open,
            };
            let judge_fd: Vec<Option<f64>> = way.iter().map(|standing| standing.figure()).collect();
            let tried = Tried { arm: trial.arm.name.clone(), options: trial.options.clone(), judge_fd, fate };
            ranked.push((way.len(), last.figure().unwrap_or(f64::INFINITY), tried));
        }
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)));
        let trials: Vec<Tried> = ranked.into_iter().map(|(_, _, tried)| tried).collect();
        let is_over = !trials.iter().any(|tried| tried.fate == Fate::Open);
        let best = trials.first().filter(|tried| is_over && tried.fate == Fate::Ended);
        let best = best.and_then(|best| self.trials.iter().find(|trial| trial.arm.name == best.arm));
        let best = best.map(|trial| trial.arm.notation()).transpose()?;
        Ok(Ranking { base: self.base.clone(), size: self.size, counts: self.counts(rungs), trials, best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_trials_is_rounded_up() {
        let cases =
            [(16, 0.25, 4), (5, 0.5, 3), (1, 0.01, 1), (30, 0.1, 3), (10, 0.3, 3), (7, 1.0 / 7.0, 1), (0, 0.5, 0)];
        for (count, keep, expected) in cases {
            assert_eq!(kept(count, keep), expected, "{keep} of {count}");
        }
    }

    #[test]
    fn the_best_go_on_in_their_order_and_what_diverged_never_does() {
        assert_eq!(survivors(&[Some(5.0), Some(2.0), Some(4.0), Some(3.0)], 0.5), [1, 3]);
        assert_eq!(survivors(&[Some(2.0), Some(2.0), Some(2.0)], 0.3), [0], "of equal ones the first");
        assert_eq!(survivors(&[None, Some(9.0), None, None], 0.5), [1], "fewer than the share");
        assert!(survivors(&[None, None], 0.5).is_empty());
    }

    /// Four trials to step 10, half of them to 20, half of those to the end.
    const RUNGS: [Rung; 3] =
        [Rung { step: 10, keep: Some(0.5) }, Rung { step: 20, keep: Some(0.5) }, Rung { step: 40, keep: None }];

    fn ladder(figures: &[&[Standing]]) -> Ladder {
        let trial = |number: usize| Trial {
            base: "scratch".to_string(),
            arm: crate::transfer::Arm::parse(&format!("t{number}=scratch{{lr=0.00{}}}", number + 1)).unwrap(),
            options: Texts::new(),
        };
        let trials: Vec<Trial> = (0..figures.len()).map(trial).collect();
        let standing = |rung: usize, trial: usize| Ok(figures[trial].get(rung).copied().unwrap_or(Standing::Open));
        let rungs = climb(trials.len(), &RUNGS, standing).unwrap();
        Ladder { base: "scratch".to_string(), size: 100, trials, rungs }
    }

    fn told(ranking: &Ranking) -> Vec<(&str, Vec<Option<f64>>, Fate)> {
        ranking.trials.iter().map(|tried| (tried.arm.as_str(), tried.judge_fd.clone(), tried.fate)).collect()
    }

    #[test]
    fn trials_are_ranked_by_how_far_they_came_and_the_figure_there() {
        use Standing::{At, Diverged};
        let ranking = ladder(&[&[At(9.0)], &[At(8.0), At(4.0), At(3.5)], &[At(5.0), At(6.0)], &[Diverged]]);
        let ranking = ranking.ranking(&RUNGS).unwrap();
        let expected = [
            ("t1", vec![Some(8.0), Some(4.0), Some(3.5)], Fate::Ended),
            ("t2", vec![Some(5.0), Some(6.0)], Fate::Dropped),
            ("t0", vec![Some(9.0)], Fate::Dropped),
            ("t3", vec![None], Fate::Diverged),
        ];
        assert_eq!(told(&ranking), expected);
        assert_eq!(ranking.counts, [4, 2, 1]);
        assert_eq!(ranking.best.as_deref(), Some("t1=scratch{lr=0.002}"));
    }

    #[test]
    fn nobody_goes_on_before_all_of_a_rung_have_come_there() {
        use Standing::{At, Diverged, Open};
        let ranking = ladder(&[&[At(9.0), At(1.0)], &[Open], &[At(5.0)], &[At(7.0)]]).ranking(&RUNGS).unwrap();
        let names: Vec<&str> = ranking.trials.iter().map(|tried| tried.arm.as_str()).collect();
        assert_eq!(names, ["t2", "t3", "t0", "t1"]);
        assert!(ranking.trials.iter().all(|tried| tried.fate == Fate::Open && tried.judge_fd.len() == 1));
        assert_eq!((ranking.counts.as_slice(), ranking.best), ([4, 2, 1].as_slice(), None));
        // Where all but one diverge, one goes on; where that does too, there is no best.
        let ranking = ladder(&[&[Diverged], &[Diverged], &[At(5.0), Diverged], &[Diverged]]).ranking(&RUNGS).unwrap();
        assert_eq!((ranking.counts.as_slice(), ranking.best), ([4, 1, 0].as_slice(), None));
        assert!(ranking.trials.iter().all(|tried| tried.fate == Fate::Diverged));
    }
}
