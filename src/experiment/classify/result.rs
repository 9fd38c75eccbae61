//! What an experiment of classifiers found so far: `classify.json`, written anew after every run.

use std::path::Path;

use serde::Serialize;

use super::cell::Record;
use super::{Arm, Data, Design, Settings};
use crate::error::Result;
use crate::experiment::statistics::student_quantile;
use crate::experiment::verdict::{self, Candidate, Contrast, Finding, Measured, Protocol, Reading};
use crate::metrics::Confusion;

/// What was compared, with everything that determines it.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// The data set that they are of.
    pub held_out_of: String,
    /// How many images the validation block has.
    pub validation: usize,
    /// Whether classes are uneven among the held-out images, so that verdicts are of balanced accuracy.
    pub balanced: bool,
    /// The share of the largest class of the held-out images: accuracy by chance.
    pub chance: f64,
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

/// An arm that is no candidate against a baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The arm's name.
    pub arm: String,
    /// Labelled images a class.
    pub shots: usize,
    /// Against each baseline but itself.
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
    /// The ratios of error rates of baselines.
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
            held_out_of: held_out.name.clone(),
            validation: data.validation.len(),
            balanced: own.is_uneven(),
            chance: own.largest_share(),
            microkernel: microkernel.to_string(),
        }
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
        /// Below so many images it is said what one of them is.
        const FEW: usize = 200;
        let mut remarks = Vec::new();
        let Described { baselines, balanced, chance, held_out, .. } = &self.protocol;
        if *held_out < FEW {
            let one = 100.0 / (*held_out).max(1) as f64;
            remarks.push(format!(
                "accuracy is measured on {held_out} images, of which one is {one:.1} points: verdicts and their intervals allow for that, \
                 intervals of accuracies, which are over seeds, do not"
            ));
        }
        if baselines.len() < 2 {
            remarks
                .push("helps means better than scratch and selftrain: one of them is not among the arms".to_string());
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

fn beside(protocol: &Protocol, measured: &[Measured]) -> Result<Vec<Beside>> {
    let mut beside = Vec::new();
    for arm in &protocol.baselines {
        let baselines: Vec<String> = protocol.baselines.iter().filter(|name| *name != arm).cloned().collect();
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
}
