//! What a comparison of arms may claim.
//!
//! Arms are compared on the logarithm of their Fréchet distances' ratio, paired by seed, since a seed gives every arm the
//! same subset, source and latents. The claim about an arm at a size is about the best of the baselines that are compared there, scratch and
//! scratch with augmentation, which are what its user would otherwise train:
//!
//! - *helps*: better than every baseline (an intersection-union test: the largest p value counts);
//! - *hurts*: worse than a baseline (the smallest p value counts, times the number of baselines);
//! - *equivalent*: neither, and shown to be at most 10 % worse than any baseline and at most 10 % better than one of them (two
//!   one-sided tests, Schuirmann 1987: the largest p value of not being worse counts, and the smallest of not being better, times
//!   the number of baselines);
//! - *undecided*: none of these.
//!
//! Each of the three claims has a one-sided level of 2.5 %, held for all arms and sizes together by Holm's correction, so if no
//! arm differs, a whole comparison says *helps* anywhere in at most 2.5 % of cases. Its hypotheses are those of the protocol,
//! whether their runs are there or not: a half-finished comparison is corrected as the whole one.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::statistics::{Paired, holm, paired};
use crate::error::{Error, Result};
use crate::metrics::Measure;

/// Seeds below which there is no verdict. One seed is no evidence; of two, the interval spans 12.7 standard errors that
/// rest on a single difference.
pub const MINIMUM_SEEDS: usize = 3;

/// The one-sided level of *helps*, of *hurts* and of either side of *equivalent*.
const LEVEL: f64 = 0.025;

/// The ratio within which arms are equivalent.
const EQUIVALENT: f64 = 1.1;

/// Which of a run's networks a distance was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The averaged weights after the last step: the headline.
    Final,
    /// The averaged weights at the step that was best on validation.
    Best,
    /// The raw weights after the last step.
    Raw,
}

/// One measured distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The arm's name.
    pub arm: String,
    /// The number of target images.
    pub size: usize,
    /// The random seed, by which arms are paired.
    pub seed: u64,
    /// What it was measured on.
    pub reading: Reading,
    /// The Fréchet distance; none where the run diverged, which leaves its comparisons undecided rather than without the
    /// worst case.
    pub fd: Option<f64>,
    /// The variance that which images were held out gives its logarithm, where a verdict is to hold for others, too: no further seed lessens
    /// it. It is 0 where a verdict is of these images.
    #[serde(default)]
    pub sampling: f64,
}

/// An arm about which claims are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The arm's name.
    pub arm: String,
    /// The arms that have all of it but something of what is transferred, if those are none of the baselines.
    #[serde(default)]
    pub controls: Vec<String>,
}

/// What a comparison sets out to claim, fixed before its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// What an arm has to beat to help: scratch, and scratch with augmentation.
    pub baselines: Vec<String>,
    /// The arms about which claims are made.
    pub candidates: Vec<Candidate>,
    /// Which arm is compared at how many target images. A claim is made of an arm where it is, by the baselines and controls that are there, too.
    pub asked: Vec<(String, usize)>,
}

impl Protocol {
    fn asks(&self, arm: &str, size: usize) -> bool {
        self.asked.iter().any(|(other, of)| other == arm && *of == size)
    }

    fn sizes(&self) -> BTreeSet<usize> {
        self.asked.iter().map(|(_, size)| *size).collect()
    }
}

/// What is claimed about an arm at a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Better than every baseline.
    Helps,
    /// Worse than a baseline.
    Hurts,
    /// Within 10 % of the better baseline.
    Equivalent,
    /// Not known.
    Undecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Helps => "helps",
            Verdict::Hurts => "hurts",
            Verdict::Equivalent => "equivalent",
            Verdict::Undecided => "undecided",
        })
    }
}

/// An arm against another at a size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// The other arm.
    pub against: String,
    /// Seeds that both arms have, diverged ones included.
    pub seeds: usize,
    /// Those of them in which one of the two diverged.
    pub diverged: usize,
    /// The geometric mean of the ratio of distances, below 1 where the arm is better; none without pairs, or with
    /// diverged ones.
    pub ratio: Option<f64>,
    /// The t-test of the log ratios before correction; none where there are fewer than two pairs, or diverged ones.
    pub test: Option<Paired>,
}

impl Contrast {
    /// The test, where it rests on enough seeds to decide anything.
    fn evidence(&self) -> Option<&Paired> {
        self.test.as_ref().filter(|_| self.seeds >= MINIMUM_SEEDS)
    }
}

/// What the comparison says of an arm at a size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The arm's name.
    pub arm: String,
    /// The number of target images.
    pub size: usize,
    /// The claim, from the final step.
    pub verdict: Verdict,
    /// Whether the arm helps and also beats its controls; none for an arm without controls of its own.
    pub transfer_helps: Option<bool>,
    /// Why there is no verdict, where there cannot be one; or what it is not held against at this size.
    pub caveat: Option<String>,
    /// The p value of *helps* after Holm's correction, held against 0.025.
    pub helps: f64,
    /// The p value of *hurts* after Holm's correction, held against 0.025.
    pub hurts: f64,
    /// The p value of *equivalent* after Holm's correction, held against 0.025.
    pub equivalent: f64,
    /// Against each baseline in the protocol's order, then against the controls.
    pub contrasts: Vec<Contrast>,
    /// The other readings measured that give the same verdict.
    pub stable_under: Vec<Reading>,
    /// Those that give another one, which a report has to say beside the verdict.
    pub changes_under: Vec<(Reading, Verdict)>,
    /// What distances by other features than the judge's say, each corrected by itself, where those measured every run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_measure: Vec<ByMeasure>,
    /// Whether all of them say the same; none where the judge alone measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_under_all: Option<bool>,
}

/// What distances by some features say of an arm at a size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ByMeasure {
    /// Whose features.
    pub measure: Measure,
    /// Their verdict, from the final step.
    pub verdict: Verdict,
    /// Whether by them the arm helps and also beats its controls; none for an arm without controls of its own.
    pub transfer_helps: Option<bool>,
}

impl Finding {
    /// With what other measures say of the same arm and size.
    pub fn beside(mut self, by_measure: Vec<ByMeasure>) -> Finding {
        let same = |other: &ByMeasure| {
            // That an arm is not shown to beat its controls is no claim, which could fail to hold.
            other.verdict == self.verdict
                && (self.transfer_helps != Some(true) || other.transfer_helps == self.transfer_helps)
        };
        self.holds_under_all = (!by_measure.is_empty()).then(|| by_measure.iter().all(same));
        self.by_measure = by_measure;
        self
    }

    /// Whether its verdict holds under every judge and in the space without classes, in words; none where the judge alone measured,
    /// and where all leave the arm undecided.
    pub fn agreement(&self) -> Option<String> {
        let claim = match (self.verdict, self.transfer_helps) {
            (Verdict::Undecided, _) => "undecided".to_string(),
            (verdict, Some(true)) => format!("{verdict}, transfer helps"),
            (verdict, _) => verdict.to_string(),
        };
        if self.holds_under_all? {
            let said = format!("{claim} under all three judges and in the space without classes");
            return (self.verdict != Verdict::Undecided).then_some(said);
        }
        let others: Vec<String> = self.by_measure.iter().filter_map(|other| self.against(other)).collect();
        Some(format!("{claim}, but not under every judge: {}", others.join("; ")))
    }

    /// What a measure says instead, in words; none where it says the same.
    fn against(&self, other: &ByMeasure) -> Option<String> {
        let whose = match other.measure {
            Measure::Judge => "the judge",
            Measure::OtherSeed => "a judge of another seed",
            Measure::OtherArchitecture => "a judge of another architecture",
            Measure::ClassFree => "the space without classes",
        };
        match () {
            _ if other.verdict != self.verdict => Some(format!("{whose} would say {}", other.verdict)),
            _ if self.transfer_helps == Some(true) && other.transfer_helps != Some(true) => {
                Some(format!("by {whose} it is not shown to beat its controls"))
            }
            _ => None,
        }
    }
}

/// A finding for each candidate at each size at which it is compared, by candidate, then size.
///
/// # Errors
/// [`Error::Invalid`] where a distance is not positive and finite, an outcome comes twice, or the protocol has no
/// baseline.
pub fn findings(protocol: &Protocol, measured: &[Measured]) -> Result<Vec<Finding>> {
    if protocol.baselines.is_empty() {
        return Err(Error::invalid("a comparison needs a baseline to hold its arms against; add the arm scratch"));
    }
    check(measured)?;
    let mut headline = findings_of(protocol, measured, Reading::Final);
    for reading in [Reading::Best, Reading::Raw] {
        if measured.iter().any(|outcome| outcome.reading == reading) {
            for (finding, other) in headline.iter_mut().zip(findings_of(protocol, measured, reading)) {
                if finding.verdict == other.verdict {
                    finding.stable_under.push(reading);
                } else {
                    finding.changes_under.push((reading, other.verdict));
                }
            }
        }
    }
    Ok(headline)
}

fn check(measured: &[Measured]) -> Result<()> {
    for (place, outcome) in measured.iter().enumerate() {
        let Measured { arm, size, seed, reading, fd, .. } = outcome;
        if fd.is_some_and(|fd| !fd.is_finite() || fd <= 0.0) {
            return Err(Error::invalid(format!(
                "the distance of arm {arm} at {size} images, seed {seed}, is {}, which has no logarithm; mark the run as \
                 diverged or run it again",
                fd.unwrap_or_default()
            )));
        }
        let same =
            |other: &&Measured| (&other.arm, other.size, other.seed, other.reading) == (arm, *size, *seed, *reading);
        if measured[..place].iter().any(|other| same(&other)) {
            return Err(Error::invalid(format!(
                "arm {arm} at {size} images, seed {seed}, is there twice; leave one of the two runs out"
            )));
        }
    }
    Ok(())
}

/// A candidate at a size, against what there is to hold it against.
struct Claim<'p> {
    candidate: &'p Candidate,
    size: usize,
    baselines: Vec<Contrast>,
    controls: Vec<Contrast>,
}

/// The findings of one reading, without the other readings.
fn findings_of(protocol: &Protocol, measured: &[Measured], reading: Reading) -> Vec<Finding> {
    let sizes = protocol.sizes();
    let cells = protocol.candidates.iter().flat_map(|arm| sizes.iter().map(move |&size| (arm, size)));
    let cells: Vec<Claim<'_>> = cells
        .filter(|(candidate, size)| protocol.asks(&candidate.arm, *size))
        .map(|(candidate, size)| {
            let against = |others: &[String]| -> Vec<Contrast> {
                let there = others.iter().filter(|other| protocol.asks(other, size));
                there.map(|other| contrast(measured, reading, size, &candidate.arm, other)).collect()
            };
            Claim { candidate, size, baselines: against(&protocol.baselines), controls: against(&candidate.controls) }
        })
        .collect();
    // A contrast that cannot decide anything has a p value of 1.
    let p = |contrast: &Contrast, side: fn(&Paired) -> f64| contrast.evidence().map_or(1.0, side);
    let worst = |contrasts: &[Contrast]| contrasts.iter().map(|c| p(c, |test| test.below)).fold(0.0, f64::max);
    // Without a baseline there is nothing to claim, and nothing to correct others for.
    let corrected = |of: &dyn Fn(&Claim<'_>) -> bool, claim: &dyn Fn(&Claim<'_>) -> f64| -> Vec<Option<f64>> {
        let counts = |cell: &Claim<'_>| !cell.baselines.is_empty() && of(cell);
        let mut found = holm(&cells.iter().filter(|cell| counts(cell)).map(claim).collect::<Vec<_>>()).into_iter();
        cells.iter().map(|cell| if counts(cell) { found.next() } else { None }).collect()
    };
    let claimed = |claim: &dyn Fn(&Claim<'_>) -> f64| -> Vec<f64> {
        corrected(&|_| true, claim).into_iter().map(|p| p.unwrap_or(1.0)).collect()
    };

    let helps = claimed(&|cell| worst(&cell.baselines));
    let hurts = claimed(&|cell| {
        let least = cell.baselines.iter().map(|c| p(c, |test| test.above)).fold(1.0, f64::min);
        (least * cell.baselines.len() as f64).min(1.0)
    });
    let equivalent = claimed(&|cell| equivalent(&cell.baselines));
    let is_controlled = |cell: &Claim<'_>| !cell.controls.is_empty();
    let transfers = corrected(&is_controlled, &|cell| worst(&cell.baselines).max(worst(&cell.controls)));

    let each = cells.into_iter().enumerate().map(|(i, Claim { candidate, size, baselines, controls })| {
        let of_baselines = baselines.len();
        let contrasts: Vec<Contrast> = baselines.into_iter().chain(controls).collect();
        let verdict = match () {
            _ if helps[i] <= LEVEL => Verdict::Helps,
            _ if hurts[i] <= LEVEL => Verdict::Hurts,
            _ if equivalent[i] <= LEVEL => Verdict::Equivalent,
            _ => Verdict::Undecided,
        };
        let others = protocol.baselines.iter().chain(&candidate.controls);
        let absent: Vec<&str> = others.filter(|other| !protocol.asks(other, size)).map(String::as_str).collect();
        let transfer = transfers[i].map(|p| p <= LEVEL);
        Finding {
            arm: candidate.arm.clone(),
            size,
            verdict,
            transfer_helps: transfer.map(|beats_all| beats_all && verdict == Verdict::Helps),
            caveat: caveat(&contrasts[..of_baselines]).or_else(|| {
                let of_arms = || {
                    format!("at this size it is not held against {}, which nobody asked for there", absent.join(", "))
                };
                let controls = &contrasts[of_baselines..];
                let of_controls = || {
                    let why = (!controls.is_empty()).then(|| caveat(controls)).flatten()?;
                    Some(format!("whether transfer helps cannot be told: {why}"))
                };
                (!absent.is_empty()).then(of_arms).or_else(of_controls)
            }),
            helps: helps[i],
            hurts: hurts[i],
            equivalent: equivalent[i],
            contrasts,
            stable_under: Vec::new(),
            changes_under: Vec::new(),
            by_measure: Vec::new(),
            holds_under_all: None,
        }
    });
    each.collect()
}

/// An arm against another, over the seeds that both have.
fn contrast(measured: &[Measured], reading: Reading, size: usize, arm: &str, against: &str) -> Contrast {
    let of = |name: &str| {
        let name = name.to_owned();
        measured.iter().filter(move |o| o.reading == reading && o.size == size && o.arm == name)
    };
    let found: Vec<(&Measured, &Measured)> = of(arm)
        .filter_map(|first| of(against).find(|second| second.seed == first.seed).map(|second| (first, second)))
        .collect();
    let pairs: Vec<Option<f64>> = found.iter().map(|(first, second)| Some((first.fd? / second.fd?).ln())).collect();
    // As if both erred on images of their own: how far they err on the same ones is not known, and would make it less.
    let sampling = found.iter().map(|(first, second)| first.sampling + second.sampling).sum::<f64>();
    let shared = sampling / found.len().max(1) as f64;
    let whole: Option<Vec<f64>> = pairs.iter().copied().collect();
    let mean = |ratios: &Vec<f64>| ratios.iter().sum::<f64>() / ratios.len() as f64;
    Contrast {
        against: against.to_owned(),
        seeds: pairs.len(),
        diverged: pairs.iter().filter(|pair| pair.is_none()).count(),
        ratio: whole.as_ref().filter(|ratios| !ratios.is_empty()).map(|ratios| mean(ratios).exp()),
        test: whole.and_then(|ratios| paired(&ratios, shared)),
    }
}

/// The p value of being within 10 % of the better baseline: not worse than any, and not better than all, by more.
fn equivalent(contrasts: &[Contrast]) -> f64 {
    let margin = EQUIVALENT.ln();
    let Some(tests) = contrasts.iter().map(Contrast::evidence).collect::<Option<Vec<_>>>() else { return 1.0 };
    let not_worse = tests.iter().map(|test| test.p_below(margin)).fold(0.0, f64::max);
    let not_better = tests.iter().map(|test| test.p_above(-margin)).fold(1.0, f64::min) * tests.len() as f64;
    not_worse.max(not_better).min(1.0)
}

/// Why contrasts cannot decide, in words.
fn caveat(contrasts: &[Contrast]) -> Option<String> {
    let Some(fewest) = contrasts.iter().min_by_key(|contrast| contrast.seeds) else {
        return Some("no arm from scratch was asked for at this size to hold it against".to_owned());
    };
    let against = &fewest.against;
    if let Some(contrast) = contrasts.iter().find(|contrast| contrast.diverged > 0) {
        return Some(format!("{} of {} pairs with {} diverged", contrast.diverged, contrast.seeds, contrast.against));
    }
    match fewest.seeds {
        0 => Some(format!("there are no runs that pair with {against}")),
        1 => Some("one seed is no evidence".to_owned()),
        seeds if seeds < MINIMUM_SEEDS => {
            Some(format!("{seeds} seeds paired with {against} are too few; a verdict takes {MINIMUM_SEEDS}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
