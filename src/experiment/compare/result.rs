//! What a comparison found so far: `compare.json`, written anew after every run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cell::{Record, copy_floor_path, fresh_path};
use super::halving::{self, Found};
use super::settings::{Design, Settings, run_folder};
use super::times::{EqualMinutes, MeanMinutes, Times, from_scratch, means};
use crate::error::Result;
use crate::experiment::engine::read_json;
use crate::experiment::verdict::{self, ByMeasure, Candidate, Contrast, Finding, Measured, Protocol, Reading};
use crate::metrics::{Copies, Evaluation, JudgeReport, Measure, PanelReport};
use crate::transfer::{Arm, Source};

/// What was compared, with everything that determines it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// What all runs share.
    pub settings: Settings,
    /// The arms.
    pub arms: Vec<Arm>,
    /// Numbers of target images.
    pub sizes: Vec<usize>,
    /// Which claims the comparison is to decide.
    #[serde(flatten)]
    pub claims: Claimed,
    /// How many images are held out, and as many samples measured.
    pub held_out: usize,
    /// How many images the validation block has, and as many samples are measured for a curve.
    pub validation: usize,
    /// The judge.
    pub judge: JudgeReport,
    /// The judges beside it, where three measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<PanelReport>,
    /// What rounds ([`Backend::rounding`](crate::backend::Backend::rounding)) in those that computed.
    pub microkernel: String,
}

/// The claims, as the verdicts know them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// What an arm has to beat.
    pub baselines: Vec<String>,
    /// The arms about which claims are made, and their controls.
    pub candidates: Vec<Candidate>,
}

/// What figures of real images would be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonFloors {
    /// Of fresh real images.
    pub real: Evaluation,
    /// Of the images that runs learn from, for each of their sets that was measured.
    pub copies: Vec<CopyFloor>,
}

/// The figures of a generator that copies what it learned from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CopyFloor {
    /// How many images.
    pub size: usize,
    /// The seed that chose them.
    pub seed: u64,
    /// Their figures; none of fewer than ten.
    pub evaluation: Option<Evaluation>,
    /// How many fresh real images count as copies of them; none where that says nothing, and in what was written before it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Copies>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellReport {
    /// The arm's name.
    pub arm: String,
    /// The number of target images.
    pub size: usize,
    /// The seed.
    pub seed: u64,
    /// What became of it; none where it has not ended.
    pub record: Option<Record>,
}

impl CellReport {
    /// The folder of its run.
    pub fn folder(&self, root: &Path) -> PathBuf {
        run_folder(root, &self.arm, self.size, self.seed)
    }
}

/// An arm that no claim is about, against a baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The arm's name.
    pub arm: String,
    /// The number of target images.
    pub size: usize,
    /// Against each baseline but itself.
    pub contrasts: Vec<Contrast>,
}

/// Everything that a comparison found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The version of graft.
    pub graft: &'static str,
    /// What was compared.
    pub protocol: Described,
    /// What real images get.
    pub floors: ComparisonFloors,
    /// Every run, ended or not.
    pub cells: Vec<CellReport>,
    /// What may be claimed, by arm, then size.
    pub findings: Vec<Finding>,
    /// The ratios of arms that no claim is about: baselines and controls.
    pub beside: Vec<Beside>,
    /// What a step of each arm takes, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// The runs that have ended beside scratch in as many minutes, where times were measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub equal_minutes: Vec<EqualMinutes>,
    /// Of a search, its trials and the best of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Found>,
}

impl Comparison {
    /// Whether a run's samples are flagged as copies, by a measure by which fresh real images are not.
    pub fn flagged(&self, cell: &CellReport) -> bool {
        let of = |copy: &&CopyFloor| (copy.size, copy.seed) == (cell.size, cell.seed);
        let fresh = self.floors.copies.iter().find(of).and_then(|copy| copy.fresh);
        let readings = cell.record.as_ref().and_then(|record| record.readings.as_ref());
        readings.and_then(|readings| readings.last.memorisation).is_some_and(|copies| copies.flagged_beyond(fresh))
    }

    /// Collects what the runs of a comparison left in its folder.
    ///
    /// # Errors
    /// Where a file is not what was written there.
    pub fn gather(root: &Path, design: &Design, described: Described, real: Evaluation) -> Result<Comparison> {
        let cells: Vec<CellReport> = design
            .cells()
            .into_iter()
            .map(|cell| {
                let record = Record::read(root, &cell)?;
                Ok(CellReport { arm: cell.arm.name, size: cell.size, seed: cell.seed, record })
            })
            .collect::<Result<_>>()?;
        let mut copies: Vec<CopyFloor> = Vec::new();
        for CellReport { size, seed, .. } in &cells {
            let known = copies.iter().any(|copy| (copy.size, copy.seed) == (*size, *seed));
            if let (false, Some(evaluation)) = (known, read_json(&copy_floor_path(root, *size, *seed))?) {
                let fresh = read_json(&fresh_path(root, *size, *seed))?;
                copies.push(CopyFloor { size: *size, seed: *seed, evaluation, fresh });
            }
        }
        copies.sort_by_key(|copy| (copy.size, copy.seed));
        let protocol = design.protocol();
        let measured = measured(&cells, Measure::Judge);
        let findings = match protocol.baselines.is_empty() {
            true => Vec::new(),
            false => findings(&protocol, &cells, &measured)?,
        };
        let floors = ComparisonFloors { real, copies };
        let beside = beside(design, &protocol, &measured)?;
        let search = design.search.as_ref().map(|search| halving::found(root, design, search)).transpose()?;
        let graft = env!("CARGO_PKG_VERSION");
        let times = Times::read(root)?.map(|times| times.with_longer(&design.arms));
        let equal_minutes = times.iter().flat_map(|times| times.equal_minutes(&cells, &from_scratch(&design.arms)));
        let equal_minutes = equal_minutes.collect();
        Ok(Comparison { graft, protocol: described, floors, cells, findings, beside, times, equal_minutes, search })
    }

    /// What a reader of its verdicts has to know of its arms.
    pub fn remarks(&self) -> Vec<String> {
        let Described { settings, arms, claims, .. } = &self.protocol;
        let mut remarks = Vec::new();
        let augments = |arm: &&Arm| claims.baselines.contains(&arm.name) && arm.options.contains_key("augment");
        match claims.baselines.len() {
            _ if self.search.is_some() => remarks.push(
                "these figures chose the best trials, and flatter them: compare the best on seeds that no trial had, against the test \
                 split"
                    .into(),
            ),
            0 => {
                remarks.push("no arm trains from scratch: there is nothing to hold arms against, and no verdict".into())
            }
            _ if !arms.iter().any(|arm| augments(&arm)) => remarks.push(
                "no arm trains from scratch with augmentation: helps means better than scratch without it only".into(),
            ),
            _ => {}
        }
        let copies = |copy: &&CopyFloor| copy.fresh.is_some_and(|fresh| fresh.flagged());
        if let Some(copy) = self.floors.copies.iter().find(copies) {
            remarks.push(format!(
                "of {} images, seed {}, fresh real images count as copies, too: there a share of copies says nothing",
                copy.size, copy.seed
            ));
        }
        let ended = || self.cells.iter().filter_map(|cell| cell.record.as_ref());
        let by_one = ended().filter(|record| record.lacks_panel()).count();
        if self.protocol.panel.is_some() && by_one > 0 {
            remarks.push(format!(
                "one judge measured {by_one} of {} runs: whether verdicts hold under three is not said; ask for all arms, sizes and seeds",
                ended().count()
            ));
        }
        if let Some(times) = &self.times {
            let unknown = arms.iter().map(|arm| arm.name.as_str()).filter(|name| !times.knows(name));
            let unknown: Vec<&str> = unknown.collect();
            if !unknown.is_empty() {
                remarks
                    .push(format!("the steps of {} were not timed: their minutes are not known", unknown.join(", ")));
            }
            let claims = &self.protocol.claims;
            let is_claimed = |mean: &MeanMinutes<'_>| claims.candidates.iter().any(|of| of.arm == mean.arm);
            let least =
                |mean: &MeanMinutes<'_>| is_claimed(mean) && mean.in_all.1.is_some_and(|against| against.had_ended);
            if let Some((steps, arm)) = times.of_most_expensive(settings.steps, &claims.baselines, &claims.candidates)
                && means(&self.equal_minutes).iter().any(least)
            {
                remarks.push(format!(
                    "arms from scratch ended before the minutes of others were over: in those of {arm} scratch would make {steps} steps, as \
                     scratch-minutes=scratch{{more-steps={}}} does",
                    steps.saturating_sub(settings.steps)
                ));
            }
        }
        for arm in arms.iter().filter(|arm| arm.is_oracle()) {
            remarks.push(format!("{} is an oracle, which sees the true labels: nothing is claimed of it", arm.name));
        }
        if matches!(Source::parse(&settings.source), Ok(Source::Checkpoint(_))) {
            remarks.push(
                "all seeds share one source, a checkpoint: intervals do not hold what another source would give".into(),
            );
        }
        remarks
    }

    /// The runs that have ended, and all of them; of a search, their stretches from halving to halving.
    pub fn progress(&self) -> (usize, usize) {
        if let Some(Found { done, of, .. }) = self.search {
            return (done, of);
        }
        (self.cells.iter().filter(|cell| cell.record.is_some()).count(), self.cells.len())
    }
}

/// What may be claimed by the judge's features, each with what a panel's say of the same, once that has measured every run that has ended.
fn findings(protocol: &Protocol, cells: &[CellReport], by_judge: &[Measured]) -> Result<Vec<Finding>> {
    let found = verdict::findings(protocol, by_judge)?;
    let mut ended = cells.iter().filter_map(|cell| cell.record.as_ref()?.readings.as_ref());
    if ended.clone().next().is_none() || ended.any(|readings| readings.last.panel.is_none()) {
        return Ok(found);
    }
    let mut by_measure: Vec<Vec<ByMeasure>> = vec![Vec::new(); found.len()];
    for measure in [Measure::OtherSeed, Measure::OtherArchitecture, Measure::ClassFree] {
        let others = verdict::findings(protocol, &measured(cells, measure))?;
        for (all, Finding { verdict, transfer_helps, .. }) in by_measure.iter_mut().zip(others) {
            all.push(ByMeasure { measure, verdict, transfer_helps });
        }
    }
    Ok(found.into_iter().zip(by_measure).map(|(finding, others)| finding.beside(others)).collect())
}

/// The distances, by some features, of the runs that have ended; a diverged one has none, and by a panel's features there are those of the last
/// step alone.
fn measured(cells: &[CellReport], measure: Measure) -> Vec<Measured> {
    let mut measured = Vec::new();
    for CellReport { arm, size, seed, record } in cells {
        let Some(record) = record else { continue };
        let readings: &[Reading] = match measure {
            Measure::Judge => &[Reading::Final, Reading::Best, Reading::Raw],
            _ => &[Reading::Final],
        };
        for &reading in readings {
            let figures = record.readings.as_ref().map(|readings| match reading {
                Reading::Final => &readings.last,
                Reading::Best => &readings.best.evaluation,
                Reading::Raw => &readings.raw,
            });
            let fd = figures.and_then(|figures| figures.fd(measure));
            measured.push(Measured { arm: arm.clone(), size: *size, seed: *seed, reading, fd, sampling: 0.0 });
        }
    }
    measured
}

/// The ratios of the arms that are no candidates.
fn beside(design: &Design, protocol: &Protocol, measured: &[Measured]) -> Result<Vec<Beside>> {
    let is_candidate = |arm: &Arm| protocol.candidates.iter().any(|candidate| candidate.arm == arm.name);
    let mut beside = Vec::new();
    for arm in design.arms.iter().filter(|arm| !is_candidate(arm)) {
        let baselines: Vec<String> = protocol.baselines.iter().filter(|name| **name != arm.name).cloned().collect();
        if baselines.is_empty() {
            continue;
        }
        let alone = Protocol {
            baselines,
            candidates: vec![Candidate { arm: arm.name.clone(), controls: Vec::new() }],
            asked: protocol.asked.clone(),
        };
        let found = verdict::findings(&alone, measured)?;
        beside.extend(found.into_iter().map(|f| Beside { arm: f.arm, size: f.size, contrasts: f.contrasts }));
    }
    Ok(beside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::verdict::Verdict;
    use serde_json::{Value as Json, json};

    /// A run that ended at such distances by the judge, the others and without classes; by the judge alone where there is one.
    fn ended(arm: &str, seed: u64, fds: &[f64]) -> CellReport {
        let mut figures = json!({
            "count": 2000, "judge_fd": fds[0], "random_fd": 1, "class_shares": [1.0], "class_distance": 0, "kid": 0,
            "precision": 0, "recall": 0, "density": 0, "coverage": 0, "conditional_accuracy": null, "memorisation": null
        });
        if let [_, other_seed, other_architecture, class_free] = *fds {
            let (mean, deviation) = (1, 1);
            figures["panel"] = json!({
                "other_seed": other_seed, "other_architecture": other_architecture, "class_free": class_free, "mean": mean,
                "deviation": deviation
            });
        }
        let mut best = figures.clone();
        best["step"] = Json::from(10);
        let readings = json!({ "last": figures, "best": best, "raw": figures, "gan_train": null });
        let record = json!({ "readings": readings, "diverged": null, "curve": [], "notes": [], "seconds": 1 });
        let record = serde_json::from_value(record).expect("a record as 0.1 wrote it, and with a panel");
        CellReport { arm: arm.into(), size: 100, seed, record: Some(record) }
    }

    #[test]
    fn each_measure_gives_a_verdict_of_its_own_once_all_runs_have_it() {
        let protocol = Protocol {
            baselines: vec!["scratch".into()],
            candidates: vec![Candidate { arm: "tgan".into(), controls: Vec::new() }],
            asked: ["scratch", "tgan"].map(|arm| (arm.to_string(), 100)).to_vec(),
        };
        // Half of scratch's distances by all judges, and twice those without classes.
        let scale = |seed: u64| 10.0 + seed as f64 + 0.1 * (seed * seed) as f64;
        let mut cells: Vec<CellReport> = (0..5)
            .flat_map(|seed| {
                let fd = scale(seed);
                let jitter = 1.0 + 0.01 * (seed % 2) as f64;
                let own = [0.5, 0.5, 0.5, 2.0].map(|factor| factor * fd * jitter);
                [ended("scratch", seed, &[fd; 4]), ended("tgan", seed, &own)]
            })
            .collect();
        let found =
            |cells: &[CellReport]| findings(&protocol, cells, &measured(cells, Measure::Judge)).unwrap().remove(0);
        let finding = found(&cells);
        assert_eq!((finding.verdict, finding.holds_under_all), (Verdict::Helps, Some(false)));
        let verdicts: Vec<(Measure, Verdict)> = finding.by_measure.iter().map(|by| (by.measure, by.verdict)).collect();
        use Measure::{ClassFree, OtherArchitecture, OtherSeed};
        let (helps, hurts) = (Verdict::Helps, Verdict::Hurts);
        assert_eq!(verdicts, [(OtherSeed, helps), (OtherArchitecture, helps), (ClassFree, hurts)]);
        assert_eq!(finding.stable_under, [Reading::Best, Reading::Raw]);

        cells[3] = ended("tgan", 1, &[5.5]);
        let finding = found(&cells);
        assert_eq!((finding.verdict, finding.holds_under_all, finding.by_measure.len()), (Verdict::Helps, None, 0));
    }
}
