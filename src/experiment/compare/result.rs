//! What a comparison found so far: `compare.json`, written anew after every run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cell::{Record, copy_floor_path};
use super::settings::{Design, Settings, run_folder};
use crate::error::Result;
use crate::experiment::engine::read_json;
use crate::experiment::verdict::{self, Candidate, Contrast, Finding, Measured, Protocol, Reading};
use crate::metrics::{Evaluation, JudgeReport};
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
    pub claims: Claims,
    /// How many images are held out, and as many samples measured.
    pub held_out: usize,
    /// How many images the validation block has, and as many samples are measured for a curve.
    pub validation: usize,
    /// The judge.
    pub judge: JudgeReport,
    /// The device's microkernel.
    pub microkernel: String,
}

/// The claims, as the verdicts know them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
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
}

impl Comparison {
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
                copies.push(CopyFloor { size: *size, seed: *seed, evaluation });
            }
        }
        copies.sort_by_key(|copy| (copy.size, copy.seed));
        let protocol = design.protocol();
        let measured = measured(&cells);
        let findings = match protocol.baselines.is_empty() {
            true => Vec::new(),
            false => verdict::findings(&protocol, &measured)?,
        };
        let floors = ComparisonFloors { real, copies };
        let beside = beside(design, &protocol, &measured)?;
        Ok(Comparison { graft: env!("CARGO_PKG_VERSION"), protocol: described, floors, cells, findings, beside })
    }

    /// What a reader of its verdicts has to know of its arms.
    pub fn remarks(&self) -> Vec<String> {
        let Described { settings, arms, claims, .. } = &self.protocol;
        let mut remarks = Vec::new();
        let augments = |arm: &&Arm| claims.baselines.contains(&arm.name) && arm.options.contains_key("augment");
        match claims.baselines.len() {
            0 => {
                remarks.push("no arm trains from scratch: there is nothing to hold arms against, and no verdict".into())
            }
            _ if !arms.iter().any(|arm| augments(&arm)) => remarks.push(
                "no arm trains from scratch with augmentation: helps means better than scratch without it only".into(),
            ),
            _ => {}
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

    /// The runs that have ended, and all of them.
    pub fn progress(&self) -> (usize, usize) {
        (self.cells.iter().filter(|cell| cell.record.is_some()).count(), self.cells.len())
    }
}

/// The distances of the runs that have ended; a diverged one has none.
fn measured(cells: &[CellReport]) -> Vec<Measured> {
    let mut measured = Vec::new();
    for CellReport { arm, size, seed, record } in cells {
        let Some(record) = record else { continue };
        for reading in [Reading::Final, Reading::Best, Reading::Raw] {
            let fd = record.readings.as_ref().map(|readings| match reading {
                Reading::Final => readings.last.distances.frechet.judge_fd,
                Reading::Best => readings.best.evaluation.distances.frechet.judge_fd,
                Reading::Raw => readings.raw.distances.frechet.judge_fd,
            });
            measured.push(Measured { arm: arm.clone(), size: *size, seed: *seed, reading, fd });
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
            candidates: vec![Candidate { arm: arm.name.clone(), control: None }],
            sizes: protocol.sizes.clone(),
        };
        let found = verdict::findings(&alone, measured)?;
        beside.extend(found.into_iter().map(|f| Beside { arm: f.arm, size: f.size, contrasts: f.contrasts }));
    }
    Ok(beside)
}
