//! `graft evaluate`: all figures of one checkpoint, each beside its floor.

use std::path::PathBuf;

use clap::Args;

use super::advice::advised_to_hold_out;
use super::arguments::one_of;
use super::judge::{interrupted, percent};
use super::output::is_quiet;
use super::progress::Progress;
use super::reading::{HeldOutOption, ReadingOptions};
use super::{Compute, tell};
use crate::error::{Error, Result};
use crate::experiment::evaluation::{Protocol, Report, Subject};
use crate::metrics::{Evaluation, FIGURES, Figure, GAN_TRAIN_SEED, HeldOut, Judges};

/// The row below a figure of what it would be by chance.
const BY_CHANCE: &str = "  by chance";

/// Measure the samples of a checkpoint against held-out real images
#[derive(Args)]
#[command(after_help = "docs/evaluation.md explains every figure and key of --json.\n\n\
    Examples:\n  graft evaluate runs/dcgan-strokes-0\n  graft evaluate last.safetensors --data svhn:DIR --json\n  \
    graft evaluate runs/trgan-svhn-0 --judge judge.safetensors --split validation")]
pub struct Evaluate {
    /// A checkpoint, the folder of a run, or RUN@STEP or RUN@best
    checkpoint: PathBuf,
    /// The real images to measure against; `graft data --help` lists the kinds [default: those of the run]
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// A judge that `graft judge` wrote [default: the one of these images, from the cache or trained now]
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
    /// How many judges measure, of images with classes: three are of two seeds and two architectures, and a space that was learned
    /// without classes stands beside them, all trained on the images that the judge learns from
    #[arg(long, value_parser = one_of::<Judges>(), default_value_t = Judges::One, value_name = "N")]
    judges: Judges,
    /// What to measure against: the test split, or the validation block while settings are chosen
    #[arg(long, value_parser = one_of::<HeldOut>(), default_value_t = HeldOut::Test, value_name = "SPLIT")]
    split: HeldOut,
    /// How many samples [default: as many as images are held out, at most 2000]. Figures of different counts do not compare
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    count: Option<u32>,
    /// Seed of the latents
    #[arg(long, default_value_t = 0, value_name = "S", value_parser = clap::value_parser!(u64).range(..GAN_TRAIN_SEED))]
    seed: u64,
    #[command(flatten)]
    held_out: HeldOutOption,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    compute: Compute,
}

impl Evaluate {
    pub fn run(&self) -> Result<()> {
        let subject = Subject::read(&self.checkpoint)?;
        let data = self.data.as_deref().or(subject.data()).ok_or_else(|| {
            Error::Usage(format!(
                "{} is in no run's folder that says what it was trained on: name the real images with --data",
                subject.path().display()
            ))
        })?;
        let (judge, count) = (self.judge.as_deref(), self.count.map(|count| count as usize));
        let reading = self.held_out.of(self.reading.over(subject.reading_of(data)?))?;
        let protocol =
            Protocol { data, reading: &reading, judge, judges: self.judges, split: self.split, count, seed: self.seed };
        self.compute.run(|device| {
            let mut progress = Progress::new("judge", 0, is_quiet());
            let report = subject.evaluate(&protocol, device, &mut |event| progress.watch(event));
            progress.finish();
            let report = report.map_err(advised_to_hold_out)?.ok_or_else(interrupted)?;
            tell("evaluation", serde_json::to_value(&report).expect("figures are JSON"), table(&report));
            Ok(())
        })
    }
}

/// The report as a person reads it: a figure a row, its floors beside it.
fn table(report: &Report) -> String {
    let Report { samples, floors, .. } = report;
    let mut lines = vec![format!(
        "{}{}: {} samples against {} held-out images ({split}) of {}",
        report.checkpoint,
        report.step.map_or(String::new(), |step| format!(", step {step}")),
        samples.count,
        report.held_out,
        report.held_out_of,
        split = report.split,
    )];
    lines.push(report.withheld.clone());
    lines.push(format!("judge {}: {}", &report.judge.by.hash[..12], report.judge.by.text(percent)));
    if let Some(panel) = &report.panel {
        for (name, judge) in
            [("of another seed", &panel.other_seed), ("of another architecture", &panel.other_architecture)]
        {
            let right = judge.accuracy.map_or(String::new(), |accuracy| format!(": {} right", percent(accuracy)));
            lines.push(format!("judge {name} {}{right}", &judge.hash[..12]));
        }
        lines.push(format!("space without classes {}", &panel.class_free[..12]));
    }
    let copies = floors.copy.as_ref().map(|copy| match report.training_images {
        Some(all) if all > copy.count => format!("{} of {all} training ones", copy.count),
        _ => format!("the {} training images", copy.count),
    });
    lines.push(format!(
        "\n{:22}{:>12}{:>18}{}",
        "",
        "samples",
        format!("{} real ones", floors.real.count),
        copies.map_or(String::new(), |copies| format!("{copies:>30}"))
    ));
    let line = |name: &str, own: String, real: Option<String>, copy: Option<String>| {
        let [real, copy] = [real, copy].map(Option::unwrap_or_default);
        format!("{name:22}{own:>12}{real:>18}{copy:>30}").trim_end().to_string()
    };
    for figure in FIGURES {
        let shown = |evaluation: &Evaluation| (figure.of)(evaluation).map(|value| figure.text(value));
        let Some(own) = shown(samples) else { continue };
        lines.push(line(figure.name, own, shown(&floors.real), floors.copy.as_ref().and_then(shown)));
        let chance = |evaluation: &Evaluation| (figure.chance)(evaluation).map(|value| figure.text(value));
        if let Some(own) = chance(samples) {
            lines.push(line(BY_CHANCE, own, chance(&floors.real), floors.copy.as_ref().and_then(chance)));
        }
    }
    match samples.memorisation {
        Some(copies) if copies.flagged_beyond(floors.real.memorisation) => {
            lines.push("flagged as copies: more than 30 % of the samples are too near to training images".to_string());
        }
        Some(copies) if copies.flagged() => {
            lines.push("as many fresh real images count as copies: that figure says nothing here".to_string());
        }
        _ => {}
    }
    let figure = Figure::gan_train(|report: &Report| report.gan_train, |report| report.gan_train_chance);
    if let Some(accuracy) = (figure.of)(report) {
        let of_real = report.judge.by.accuracy.map(|accuracy| figure.text(accuracy));
        lines.push(line(figure.name, figure.text(accuracy), of_real, None));
        lines.extend((figure.chance)(report).map(|chance| line(BY_CHANCE, figure.text(chance), None, None)));
    }
    let shares = report.class_names.iter().zip(&samples.distances.class_shares);
    let shares: Vec<String> = shares.map(|(class, share)| format!("{class}: {}", percent(*share))).collect();
    if !shares.is_empty() {
        lines.push(format!("\nclasses: {}", shares.join(", ")));
    }
    match (report.training_images, samples.memorisation) {
        (None, _) => lines.push("no run's folder says what it was trained on: copies were not looked for".to_string()),
        (Some(count), None) => lines.push(format!(
            "copies were not looked for: {count} training images, and only {} held-out ones to compare with",
            report.held_out
        )),
        (Some(_), Some(_)) => {}
    }
    lines.join("\n")
}
