//! What a step of each arm takes, measured in turns so that a machine's moods meet all of them alike, and kept in the comparison's
//! folder; and what training from scratch came to in as many minutes as another arm had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Cell, CellReport, Design, Jobs, RealData};
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::experiment::engine::{read_json, write_json};
use crate::experiment::verdict::Candidate;
use crate::transfer::{Arm, Folders, Learned, OF_LENGTH, Paces, SCRATCH, Timed};

const FILE: &str = "times.json";

/// Of each eight steps one computes a penalty; what is kept of real images fills in the first ones.
const MEASURED: Paces = Paces { warm: 8, timed: 16 };
/// The share of a run's steps that its figure does not show; measured steps differ by less.
const UNSEEN: f64 = 0.05;
/// How often all arms take turns.
const ROUNDS: usize = 5;

/// What a step of an arm takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmTime {
    /// The arm's name.
    pub arm: String,
    /// The seconds of a step on the target.
    pub step: f64,
    /// The seconds of all that it learns of its source.
    pub learned: f64,
}

/// What a step of each arm takes on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The device, as it names itself.
    pub device: String,
    /// Its microkernel.
    pub microkernel: String,
    /// The threads of the run that was timed.
    pub threads: usize,
    /// The number of target images of which the runs were.
    pub size: usize,
    /// The arms.
    pub arms: Vec<ArmTime>,
}

/// Training from scratch by the time at which another arm had ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScratchThen {
    /// The arm from scratch, the best one that was then.
    pub arm: String,
    /// The step up to which it had come, at its last look.
    pub step: u64,
    /// Its distance there, against the validation block.
    pub judge_fd: f64,
    /// Whether every arm from scratch had ended long before: there would have been time for more.
    pub had_ended: bool,
}

/// A run's minutes, and what scratch came to in as many.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EqualMinutes {
    /// The arm's name.
    pub arm: String,
    /// The number of target images.
    pub size: usize,
    /// The seed.
    pub seed: u64,
    /// The distance at the end, against the validation block.
    pub judge_fd: f64,
    /// Its minutes on the target.
    pub on_target: f64,
    /// Its minutes, with all that was learned of its source.
    pub in_all: f64,
    /// Scratch after as many minutes as it had on the target; none where scratch was not measured by then.
    pub scratch_on_target: Option<ScratchThen>,
    /// Scratch after as many minutes as it had in all.
    pub scratch_in_all: Option<ScratchThen>,
}

impl Times {
    /// Those that were kept in a comparison's folder.
    ///
    /// # Errors
    /// Where the file is not what was written there.
    pub fn read(root: &Path) -> Result<Option<Times>> {
        read_json(&root.join(FILE))
    }

    /// Keeps them in a comparison's folder.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        write_json(&root.join(FILE), self)
    }

    /// Measures the arms of a design in turns, one run at a time on all threads; `told` hears of each arm. Trains nothing.
    ///
    /// # Errors
    /// Those of [`Timed::new`].
    pub fn measure(design: &Design, real: &RealData, device: &Device, told: &dyn Fn(&str)) -> Result<Times> {
        let mut learned = BTreeMap::new();
        let cells = of_each_arm(design, &design.cells());
        let size = cells.iter().map(|cell| cell.size).max().unwrap_or_default();
        let mut runs = Vec::new();
        for cell in &cells {
            told(&format!("{}: its networks, and what it learns of its source", cell.arm.name));
            runs.push((cell.arm.name.clone(), timed(cell, design, real, device, (MEASURED, &mut learned))?));
        }
        let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); runs.len()];
        for round in 0..ROUNDS {
            told(&format!("round {} of {ROUNDS}", round + 1));
            for ((_, run), steps) in runs.iter_mut().zip(&mut rounds) {
                steps.push(run.step(MEASURED)?);
            }
        }
        let arms = runs.iter().zip(rounds).map(|((arm, run), mut steps)| {
            steps.sort_by(f64::total_cmp);
            // A sum of no floats is -0.
            let learned = run
                .learned()
                .iter()
                .map(|learned| learned.steps as f64 * learned.step)
                .fold(0.0, |sum, seconds| sum + seconds);
            ArmTime { arm: arm.clone(), step: steps[ROUNDS / 2], learned }
        });
        Ok(Times {
            device: device.name().to_string(),
            microkernel: device.backend().microkernel().to_string(),
            threads: rayon::current_num_threads(),
            size,
            arms: arms.collect(),
        })
    }

    /// With arms that differ from one that was timed in how many steps they make alone, as `scratch-minutes`: a step of theirs is one of its.
    pub fn with_longer(mut self, arms: &[Arm]) -> Times {
        let per_step = |arm: &Arm| {
            let mut options = arm.options.clone();
            options.retain(|name, _| !OF_LENGTH.contains(&name.as_str()));
            (arm.method.clone(), options)
        };
        for arm in arms {
            let alike = arms.iter().filter(|other| per_step(other) == per_step(arm));
            let timed = alike.filter_map(|other| self.of(&other.name)).next().cloned();
            if let (false, Some(timed)) = (self.knows(&arm.name), timed) {
                self.arms.push(ArmTime { arm: arm.name.clone(), ..timed });
            }
        }
        self
    }

    /// Whether an arm's steps were timed.
    pub fn knows(&self, arm: &str) -> bool {
        self.of(arm).is_some()
    }

    fn of(&self, arm: &str) -> Option<&ArmTime> {
        self.arms.iter().find(|time| time.arm == arm)
    }

    /// The minutes of each run that has ended, and what scratch came to in as many; `scratch` names the arms from scratch.
    pub fn equal_minutes(&self, cells: &[CellReport], scratch: &[&str]) -> Vec<EqualMinutes> {
        let ended = |cell: &CellReport| cell.record.clone().filter(|record| record.diverged.is_none());
        let mut rows = Vec::new();
        for cell in cells.iter().filter(|cell| !scratch.contains(&cell.arm.as_str())) {
            let (Some(time), Some(record)) = (self.of(&cell.arm), ended(cell)) else { continue };
            let Some(last) = record.curve.last() else { continue };
            let on_target = last.step as f64 * time.step;
            let in_all = on_target + time.learned;
            let paired = |other: &&CellReport| {
                scratch.contains(&other.arm.as_str()) && (other.size, other.seed) == (cell.size, cell.seed)
            };
            let then = |seconds: f64| {
                let of_arm = |other: &CellReport| {
                    let (step, record) = (self.of(&other.arm)?.step, ended(other)?);
                    let is_by_then =
                        |look: &&super::Look| look.step > 0 && look.step as f64 * step <= (1.0 + UNSEEN) * seconds;
                    let look = record.curve.iter().rfind(is_by_then)?;
                    let is_last = record.curve.last().is_some_and(|last| last.step == look.step);
                    let had_ended = is_last && (look.step as f64 * step) < (1.0 - UNSEEN) * seconds;
                    let judge_fd = look.distances.frechet.judge_fd;
                    Some(ScratchThen { arm: other.arm.clone(), step: look.step, judge_fd, had_ended })
                };
                let all: Vec<ScratchThen> = cells.iter().filter(paired).filter_map(of_arm).collect();
                // Where all had ended before, more steps might have made scratch better, whichever of them is best.
                let had_ended = all.iter().all(|then| then.had_ended);
                let best = all.into_iter().min_by(|a, b| a.judge_fd.total_cmp(&b.judge_fd));
                best.map(|then| ScratchThen { had_ended, ..then })
            };
            rows.push(EqualMinutes {
                arm: cell.arm.clone(),
                size: cell.size,
                seed: cell.seed,
                judge_fd: last.distances.frechet.judge_fd,
                on_target: on_target / 60.0,
                in_all: in_all / 60.0,
                scratch_on_target: then(on_target),
                scratch_in_all: then(in_all),
            });
        }
        rows
    }

    /// The steps that scratch would make in the minutes of that arm of which something may be claimed that takes most, with what it learns of
    /// its source, and that arm; none where no such arm is timed beside scratch.
    pub fn of_most_expensive(&self, steps: u64, baselines: &[String], candidates: &[Candidate]) -> Option<(u64, &str)> {
        let own = baselines.iter().find_map(|name| self.of(name))?;
        let others = self.arms.iter().filter(|time| candidates.iter().any(|of| of.arm == time.arm));
        let seconds = |time: &ArmTime| steps as f64 * time.step + time.learned;
        let most = others.max_by(|a, b| seconds(a).total_cmp(&seconds(b)))?;
        Some(((seconds(most) / own.step).ceil() as u64, &most.arm))
    }
}

/// The arms that train from scratch.
pub(super) fn from_scratch(arms: &[Arm]) -> Vec<&str> {
    arms.iter().filter(|arm| arm.method == SCRATCH).map(|arm| arm.name.as_str()).collect()
}

/// An arm at a number of target images, and scratch in as many minutes: over seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanMinutes<'a> {
    /// The arm's name.
    pub arm: &'a str,
    /// The number of target images.
    pub size: usize,
    /// Its minutes on the target, and scratch by then.
    pub on_target: (f64, Option<AgainstScratch>),
    /// Its minutes in all, and scratch by then.
    pub in_all: (f64, Option<AgainstScratch>),
}

/// An arm against the best arm from scratch that had as many minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgainstScratch {
    /// The ratio of distances, a geometric mean over seeds: below 1 the arm is better.
    pub ratio: f64,
    /// Whether, for some seed, scratch had ended before.
    pub had_ended: bool,
}

/// The means over seeds of runs with as many minutes.
pub fn means(rows: &[EqualMinutes]) -> Vec<MeanMinutes<'_>> {
    let mut means: Vec<MeanMinutes<'_>> = Vec::new();
    for first in rows {
        if means.iter().any(|mean| (mean.arm, mean.size) == (first.arm.as_str(), first.size)) {
            continue;
        }
        let own: Vec<&EqualMinutes> =
            rows.iter().filter(|row| (&row.arm, row.size) == (&first.arm, first.size)).collect();
        let against = |then: fn(&EqualMinutes) -> Option<&ScratchThen>| {
            let pairs: Vec<(f64, bool)> = own
                .iter()
                .filter_map(|row| then(row).map(|then| ((row.judge_fd / then.judge_fd).ln(), then.had_ended)))
                .collect();
            let mean = pairs.iter().map(|(log, _)| log).sum::<f64>() / pairs.len() as f64;
            let had_ended = pairs.iter().any(|(_, had_ended)| *had_ended);
            (!pairs.is_empty()).then(|| AgainstScratch { ratio: mean.exp(), had_ended })
        };
        means.push(MeanMinutes {
            arm: &first.arm,
            size: first.size,
            on_target: (first.on_target, against(|row| row.scratch_on_target.as_ref())),
            in_all: (first.in_all, against(|row| row.scratch_in_all.as_ref())),
        });
    }
    means
}

/// Of each arm that has a cell the one of most target images.
pub(super) fn of_each_arm(design: &Design, cells: &[Cell]) -> Vec<Cell> {
    let of_arm = |name: &str| cells.iter().filter(|cell| cell.arm.name == name).max_by_key(|cell| cell.size).cloned();
    design.arms.iter().filter_map(|arm| of_arm(&arm.name)).collect()
}

/// A run of a cell at its first step on the target, and the folders, by [`Cell::folders`] in an empty path, of what it learns.
pub(super) fn timed(
    cell: &Cell,
    design: &Design,
    real: &RealData,
    device: &Device,
    paces: (Paces, &mut BTreeMap<PathBuf, f64>),
) -> Result<Timed> {
    let (plan, subset) = (cell.plan(&design.settings, Jobs::ONE), real.subset(cell.size, cell.seed)?);
    let folders: Folders = cell.folders(Path::new(""))?;
    Timed::new(&plan, &subset, &real.source, &folders, device, paces)
}

/// What a cell learns of its source, in the folders of its own seed and size in `root`, given what the timed cell of its arm learns.
pub(super) fn learned_by(cell: &Cell, root: &Path, timed: &Cell, learned: &[Learned]) -> Result<Vec<Learned>> {
    let (theirs, own) = (timed.folders(Path::new(""))?, cell.folders(root)?);
    let places = [(theirs.source, own.source), (theirs.features, own.features), (theirs.classifier, own.classifier)];
    let moved = learned.iter().map(|learned| {
        let place = places.iter().find(|(theirs, _)| *theirs == learned.folder);
        let (_, folder) = place.ok_or_else(|| Error::invalid("a run learned where it has no folder for it"))?;
        Ok(Learned { folder: folder.clone(), ..learned.clone() })
    });
    moved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::compare::Record;
    use serde_json::json;

    fn ended(arm: &str, seed: u64, curve: &[(u64, f64)]) -> CellReport {
        let look = |&(step, judge_fd): &(u64, f64)| {
            json!({
                "step": step, "judge_fd": judge_fd, "random_fd": 1, "class_shares": [1.0], "class_distance": 0, "seconds": 1
            })
        };
        let curve: Vec<_> = curve.iter().map(look).collect();
        let record = json!({ "readings": null, "diverged": null, "curve": curve, "notes": [], "seconds": 1 });
        let record: Record = serde_json::from_value(record).expect("a record");
        CellReport { arm: arm.into(), size: 100, seed, record: Some(record) }
    }

    fn times() -> Times {
        let time = |arm: &str, step, learned| ArmTime { arm: arm.into(), step, learned };
        let arms = vec![time("scratch", 1.0, 0.0), time("long", 1.0, 0.0), time("tgan", 2.0, 250.0)];
        Times { device: "cpu".into(), microkernel: "avx2".into(), threads: 2, size: 100, arms }
    }

    #[test]
    fn runs_are_held_against_the_best_of_scratch_by_then() {
        let curve = [(0, 30.0), (100, 20.0), (200, 10.0)];
        let mut cells = vec![ended("scratch", 0, &curve), ended("tgan", 0, &[(0, 30.0), (100, 8.0)])];
        let scratch = ["scratch", "long"];
        let row = times().equal_minutes(&cells, &scratch).remove(0);
        assert_eq!((row.on_target, row.in_all, row.judge_fd), (200.0 / 60.0, 450.0 / 60.0, 8.0));
        let then = |arm: &str, step, judge_fd, had_ended| ScratchThen { arm: arm.into(), step, judge_fd, had_ended };
        assert_eq!(row.scratch_on_target, Some(then("scratch", 200, 10.0, false)));
        assert_eq!(row.scratch_in_all, Some(then("scratch", 200, 10.0, true)));

        // One that goes on has what it had by then, and nothing from later; what comes as good as then counts.
        cells.push(ended("long", 0, &[(100, 21.0), (200, 11.0), (440, 9.5), (460, 9.0), (480, 1.0)]));
        let row = times().equal_minutes(&cells, &scratch).remove(0);
        assert_eq!(row.scratch_in_all, Some(then("long", 460, 9.0, false)));
        // One that had ended before may be the best all the same: another had time for more, and was worse.
        cells.pop();
        cells.push(ended("long", 0, &[(100, 21.0), (200, 11.0), (450, 12.0)]));
        let row = times().equal_minutes(&cells, &scratch).remove(0);
        assert_eq!(row.scratch_in_all, Some(then("scratch", 200, 10.0, false)));
        // Another seed's are no pair, and before its first look scratch has nothing.
        cells.push(ended("tgan", 1, &[(10, 8.0)]));
        cells.push(ended("scratch", 1, &curve));
        let rows = times().equal_minutes(&cells, &scratch);
        assert_eq!((rows.len(), rows[1].scratch_on_target.clone()), (2, None));
        let means = means(&rows);
        assert_eq!(means.len(), 1);
        let on_target = means[0].on_target.1.unwrap();
        assert!((on_target.ratio - 0.8).abs() < 1e-12 && !on_target.had_ended, "{on_target:?}");
    }

    #[test]
    fn an_arm_that_is_longer_alone_takes_as_long_a_step() {
        let arm = |text: &str| Arm::parse(text).and_then(|arm| arm.resolved()).expect("an arm");
        let arms = [
            arm("scratch"),
            arm("scratch-minutes=scratch{more-steps=9}"),
            arm("other=scratch{lr=0.1,more-steps=9}"),
            arm("tgan"),
        ];
        let times = times().with_longer(&arms);
        assert_eq!(times.of("scratch-minutes").map(|time| time.step), Some(1.0));
        assert_eq!((times.knows("other"), times.arms.len()), (false, 4));
        assert_eq!(times.clone().with_longer(&arms), times);
    }

    #[test]
    fn scratch_is_told_how_far_it_would_come() {
        let (baselines, tgan) =
            (["scratch".into(), "long".into()], Candidate { arm: "tgan".into(), controls: Vec::new() });
        assert_eq!(times().of_most_expensive(100, &baselines, &[tgan]), Some((450, "tgan")));
        // Nothing is claimed of controls, whatever they take.
        assert_eq!(times().of_most_expensive(100, &baselines, &[]), None);
    }
}
