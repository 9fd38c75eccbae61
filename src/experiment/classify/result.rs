//! What an experiment of classifiers found so far: `classify.json`, written anew after every run.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::Record;
use super::{Arm, Data, Design, Settings};
use crate::error::{Error, Result};
use crate::experiment::statistics::student_quantile;
use crate::experiment::verdict::{self, Candidate, Contrast, Finding, Measured, Protocol, Reading};
use crate::metrics::Confusion;

/// What was compared, with everything that determines it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// What all runs share.
    pub settings: Settings,
    /// The arms.
    pub arms: Vec<Arm>,
    /// Numbers of labelled images a class.
    pub shots: Vec<usize>,
    /// The arms that others have to beat.
    pub baselines: Vec<String>,
    /// The arms about which claims are made, and their controls.
    pub candidates: Vec<Candidate>,
    /// What the classes are called.
    pub classes: Vec<String>,
    /// How many images there are to learn from, labelled or not.
    pub training: usize,
    /// How many of these have labels to be drawn from.
    pub labelled: usize,
    /// How many images accuracy is measured on.
    pub held_out: usize,
    /// How many of these each class has; where an older version wrote it, empty as long as no run has ended.
    #[serde(default)]
    pub held_out_counts: Vec<usize>,
    /// The data set that they are of.
    pub held_out_of: String,
    /// How many images the validation block has.
    pub validation: usize,
    /// Whether classes are uneven among the held-out images, so that verdicts are of balanced accuracy.
    pub balanced: bool,
    /// The share of the largest class of the held-out images: accuracy by chance.
    pub chance: f64,
    /// What a person should know of these images.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What rounds ([`Backend::rounding`](crate::backend::Backend::rounding)) in those that computed.
    pub microkernel: String,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellReport {
    /// The arm's name.
    pub arm: String,
    /// Labelled images a class.
    pub shots: usize,
    /// The seed.
    pub seed: u64,
    /// What became of it; none where it has not ended.
    pub record: Option<Record>,
}

/// An arm of which nothing is claimed: a baseline against the other, or any against its control where there is no baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The arm's name.
    pub arm: String,
    /// Labelled images a class.
    pub shots: usize,
    /// Against each of these.
    pub contrasts: Vec<Contrast>,
}

/// A mean over seeds, and its 95 % t-interval where there are two or more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// The interval.
    pub interval: Option<[f64; 2]>,
    /// How many runs there are.
    pub seeds: usize,
}

/// The accuracy of an arm with a number of labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// The arm's name.
    pub arm: String,
    /// Labelled images a class.
    pub shots: usize,
    /// On the held-out images.
    pub accuracy: Mean,
    /// The mean over classes.
    pub balanced_accuracy: Mean,
    /// Of each class the mean over seeds of the share that is found; none of a class of which no image is held out.
    pub recalls: Vec<Option<f64>>,
}

/// Everything that an experiment found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The version of graft.
    pub graft: &'static str,
    /// What was compared.
    pub protocol: Described,
    /// Every run, ended or not.
    pub cells: Vec<CellReport>,
    /// Means over seeds.
    pub accuracies: Vec<Accuracy>,
    /// What may be claimed; `size` is labels a class, and ratios are of error rates.
    pub findings: Vec<Finding>,
    /// The ratios of error rates of which nothing is claimed.
    pub beside: Vec<Beside>,
}

impl Described {
    /// Of a design and its data.
    pub fn of(design: &Design, data: &Data, microkernel: &str) -> Described {
        let Protocol { baselines, candidates, .. } = design.protocol();
        let held_out = data.held_out();
        let labels = held_out.labels.as_deref().unwrap_or_default();
        let own = Confusion::of(data.classes().len(), labels, labels);
        Described {
            settings: design.settings.clone(),
            arms: design.arms.clone(),
            shots: design.shots(),
            baselines,
            candidates,
            classes: data.classes().names().to_vec(),
            training: data.count(),
            labelled: data.labelled(),
            held_out: held_out.len(),
            held_out_counts: held_out.class_counts(),
            held_out_of: held_out.name.clone(),
            validation: data.validation.len(),
            balanced: own.is_uneven(),
            chance: own.largest_share(),
            warnings: data.warnings().to_vec(),
            microkernel: microkernel.to_string(),
        }
    }

    /// As a folder's `classify.json` has it, of the arms and runs that its design has by now; None where there is none yet.
    ///
    /// # Errors
    /// What files say; [`Error::Invalid`](crate::Error::Invalid) where the file is not what was written there.
    pub fn kept(path: &Path, design: &Design) -> Result<Option<Described>> {
        #[derive(Deserialize)]
        struct Kept {
            protocol: Described,
        }
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read(path).map_err(Error::io("read", path))?;
        let kept: Kept = serde_json::from_slice(&text)
            .map_err(|error| Error::invalid(format!("{} is not what was written there: {error}", path.display())))?;
        let Protocol { baselines, candidates, .. } = design.protocol();
        let (arms, shots) = (design.arms.clone(), design.shots());
        Ok(Some(Described { arms, shots, baselines, candidates, ..kept.protocol }))
    }

    /// The arms that others stand beside: the baselines or, where there are none, the controls.
    pub fn held_against(&self) -> Vec<&String> {
        if !self.baselines.is_empty() {
            return self.baselines.iter().collect();
        }
        let controls = self.candidates.iter().flat_map(|candidate| &candidate.controls).collect::<Vec<_>>();
        self.arms.iter().map(|arm| &arm.name).filter(|name| controls.contains(name)).collect()
    }

    /// What is right by chance, as verdicts count: with one class for all images.
    pub fn by_chance(&self) -> f64 {
        let classes = self.held_out_counts.iter().filter(|&&count| count > 0).count();
        match self.balanced {
            true if classes > 0 => 1.0 / classes as f64,
            true => 1.0 / self.classes.len() as f64,
            false => self.chance,
        }
    }

    /// What one held-out image is in points, as verdicts count: of the smallest class where that is the mean over classes.
    fn one_image(&self) -> f64 {
        let counts = self.held_out_counts.iter().filter(|&&count| count > 0);
        let images = match counts.clone().min() {
            Some(smallest) if self.balanced => smallest * counts.count(),
            _ => self.held_out,
        };
        100.0 / images.max(1) as f64
    }

    /// What an arm is told by here: balanced accuracy where verdicts are of that.
    pub fn told_by<'a>(&self, of: &'a Accuracy) -> &'a Mean {
        if self.balanced { &of.balanced_accuracy } else { &of.accuracy }
    }
}

impl Mean {
    /// Of some shares; None of none.
    pub fn of(values: &[f64]) -> Option<Mean> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let interval = (count > 1).then(|| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
            let reach = student_quantile(0.975, count - 1) * (variance / count as f64).sqrt();
            // Shares are between none and all.
            [(mean - reach).max(0.0), (mean + reach).min(1.0)]
        });
        (count > 0).then_some(Mean { mean, interval, seeds: count })
    }
}

impl Classification {
    /// Collects what runs left in a folder.
    ///
    /// # Errors
    /// Where a file is not what was written there.
    pub fn gather(root: &Path, design: &Design, described: Described) -> Result<Classification> {
        let cells: Vec<CellReport> = design
            .cells()
            .into_iter()
            .map(|cell| {
                let record = Record::read(root, &cell)?;
                Ok(CellReport { arm: cell.arm.name, shots: cell.shots, seed: cell.seed, record })
            })
            .collect::<Result<_>>()?;
        let mut described = described;
        if described.held_out_counts.is_empty() {
            let confusion = cells.iter().find_map(|cell| cell.record.as_ref()?.confusion.as_ref());
            let rows = confusion.iter().flat_map(|confusion| confusion.counts());
            described.held_out_counts = rows.map(|row| row.iter().sum()).collect();
        }
        let protocol = design.protocol();
        let measured = measured(&cells, described.balanced, described.held_out);
        let findings = match protocol.baselines.is_empty() {
            true => Vec::new(),
            false => verdict::findings(&protocol, &measured)?,
        };
        let beside = beside(&protocol, &measured)?;
        let accuracies = accuracies(design, &cells);
        let graft = env!("CARGO_PKG_VERSION");
        Ok(Classification { graft, protocol: described, cells, accuracies, findings, beside })
    }

    /// The runs that have ended, and all of them.
    pub fn progress(&self) -> (usize, usize) {
        (self.cells.iter().filter(|cell| cell.record.is_some()).count(), self.cells.len())
    }

    /// What a reader of its verdicts has to know.
    pub fn remarks(&self) -> Vec<String> {
        /// From so many points on it is said what one image is.
        const MUCH: f64 = 0.5;
        let mut remarks = Vec::new();
        let Described { balanced, chance, held_out, .. } = &self.protocol;
        let one = self.protocol.one_image();
        if one > MUCH {
            let (what, which) =
                if *balanced { ("balanced accuracy", " of the smallest class") } else { ("accuracy", "") };
            remarks.push(format!(
                "{what} is measured on {held_out} images, of which one{which} is {one:.1} points: verdicts and their intervals allow for \
                 that, intervals of accuracies, which are over seeds, do not"
            ));
        }
        let known = self.protocol.settings.baselines();
        let lacking = known.iter().filter(|known| self.protocol.arms.iter().all(|arm| arm.options != known.options));
        match lacking.map(|arm| arm.name.as_str()).collect::<Vec<_>>()[..] {
            [] => {}
            [one] => {
                remarks.push(format!("helps means better than scratch and selftrain: {one} is not among the arms"))
            }
            _ => remarks.push(
                "helps means better than scratch and selftrain, none of which is among the arms: there are no verdicts"
                    .to_string(),
            ),
        }
        if *balanced {
            let share = 100.0 * chance;
            remarks.push(format!(
                "classes are uneven (the largest has {share:.0} % of {held_out} images): verdicts are of balanced accuracy"
            ));
        }
        remarks
    }
}

/// The error rates of runs that have ended, as verdicts take distances; a diverged one has none. One that makes no error counts as
/// making half of one. What few images leave open no seed closes, and is part of them.
fn measured(cells: &[CellReport], balanced: bool, held_out: usize) -> Vec<Measured> {
    let least = 0.5 / held_out.max(1) as f64;
    let of = |CellReport { arm, shots, seed, record }: &CellReport| {
        let record = record.as_ref()?;
        let right = if balanced { record.balanced_accuracy } else { record.accuracy };
        let fd = right.map(|right| (1.0 - right).max(least));
        let sampling = record.confusion.as_ref().map_or(0.0, |confusion| confusion.sampling_variance(balanced));
        Some(Measured { arm: arm.clone(), size: *shots, seed: *seed, reading: Reading::Final, fd, sampling })
    };
    cells.iter().filter_map(of).collect()
}

/// Baselines against one another or, where there are none, arms against their controls.
fn beside(protocol: &Protocol, measured: &[Measured]) -> Result<Vec<Beside>> {
    let others = |arm: &String| protocol.baselines.iter().filter(|name| *name != arm).cloned().collect();
    let pairs: Vec<(&String, Vec<String>)> = match protocol.baselines.is_empty() {
        true => protocol.candidates.iter().map(|candidate| (&candidate.arm, candidate.controls.clone())).collect(),
        false => protocol.baselines.iter().map(|arm| (arm, others(arm))).collect(),
    };
    let mut beside = Vec::new();
    for (arm, baselines) in pairs {
        if baselines.is_empty() {
            continue;
        }
        let candidates = vec![Candidate { arm: arm.clone(), controls: Vec::new() }];
        let alone = Protocol { baselines, candidates, asked: protocol.asked.clone() };
        let found = verdict::findings(&alone, measured)?;
        beside.extend(found.into_iter().map(|f| Beside { arm: f.arm, shots: f.size, contrasts: f.contrasts }));
    }
    Ok(beside)
}

fn accuracies(design: &Design, cells: &[CellReport]) -> Vec<Accuracy> {
    let mut all = Vec::new();
    for shots in design.shots() {
        for arm in &design.arms {
            let here = cells.iter().filter(|cell| cell.arm == arm.name && cell.shots == shots);
            let records: Vec<&Record> = here.filter_map(|cell| cell.record.as_ref()).collect();
            let mean = |of: fn(&Record) -> Option<f64>| {
                Mean::of(&records.iter().filter_map(|record| of(record)).collect::<Vec<_>>())
            };
            if let (Some(accuracy), Some(balanced_accuracy)) =
                (mean(|record| record.accuracy), mean(|record| record.balanced_accuracy))
            {
                all.push(Accuracy {
                    arm: arm.name.clone(),
                    shots,
                    accuracy,
                    balanced_accuracy,
                    recalls: recalls(&records),
                });
            }
        }
    }
    all
}

/// The mean over runs of each class's recall.
fn recalls(records: &[&Record]) -> Vec<Option<f64>> {
    let each: Vec<Vec<Option<f64>>> =
        records.iter().filter_map(|record| record.confusion.as_ref().map(Confusion::recalls)).collect();
    let of_class = |class| Mean::of(&each.iter().filter_map(|recalls| recalls[class]).collect::<Vec<_>>());
    (0..each.first().map_or(0, Vec::len)).map(|class| of_class(class).map(|mean| mean.mean)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_student() {
        let mean = Mean::of(&[0.5, 0.6, 0.7]).unwrap();
        // t of two degrees of freedom at 97.5 % is 4.3027, and the standard error 0.1 / sqrt(3).
        let reach = 4.302_652_73 * 0.1 / 3f64.sqrt();
        let [low, high] = mean.interval.unwrap();
        assert!((low - (0.6 - reach)).abs() < 1e-6 && (high - (0.6 + reach)).abs() < 1e-6, "{mean:?}");
        assert_eq!(Mean::of(&[0.5]).unwrap().interval, None);
        assert_eq!(
            Mean::of(&[0.1, 0.9]).unwrap().interval,
            Some([0.0, 1.0]),
            "two say nothing, and nothing beyond all"
        );
        assert_eq!(Mean::of(&[]), None);
    }

    #[test]
    fn arms_stand_beside_their_controls_where_there_is_no_baseline() {
        let measured = |arm: &str, seed: u64, fd: f64| Measured {
            arm: arm.to_string(),
            size: 5,
            seed,
            reading: Reading::Final,
            fd: Some(fd),
            sampling: 0.0,
        };
        let runs: Vec<Measured> = (0..3)
            .flat_map(|seed| [measured("mine", seed, 0.2), measured("control", seed, 0.4 + 0.01 * seed as f64)])
            .collect();
        let candidate = |arm: &str, controls: &[&str]| Candidate {
            arm: arm.to_string(),
            controls: controls.iter().map(|name| name.to_string()).collect(),
        };
        let candidates = vec![candidate("mine", &["control"]), candidate("control", &[])];
        let asked = ["mine", "control"].map(|arm| (arm.to_string(), 5)).to_vec();
        let found = beside(&Protocol { baselines: Vec::new(), candidates, asked }, &runs).unwrap();
        let [Beside { arm, shots: 5, contrasts }] = &found[..] else { panic!("{found:?}") };
        assert!(arm == "mine" && contrasts[0].against == "control" && contrasts[0].test.is_some(), "{contrasts:?}");
    }
}
