//! `graft evaluate`: all figures of one checkpoint, each beside its floor.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::judge::{Real, interrupted, percent};
use super::progress::Progress;
use super::{Compute, named, tell, warn};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::data::{Dataset, Spec, Split};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Conditions, Generator, load_generator, sample_asked};
use crate::metrics::{
    Evaluation, Floors, GAN_TRAIN_COUNT, GAN_TRAIN_SEED, HeldOut, Judge, JudgeSettings, Origin, RealImages, Reference,
    Samples, gan_train,
};
use crate::run::RunFolder;
use crate::transfer::trained_on;

/// Measure the samples of a checkpoint against held-out real images
#[derive(Args)]
#[command(after_help = "docs/evaluation.md explains every figure and key of --json.\n\n\
    Examples:\n  graft evaluate runs/dcgan-strokes-0\n  graft evaluate last.safetensors --data svhn:DIR --json\n  \
    graft evaluate runs/trgan-svhn-0 --judge judge.safetensors --split validation")]
pub struct Evaluate {
    /// A checkpoint, or the folder of a run
    checkpoint: PathBuf,
    /// The real images to measure against; `graft data --help` lists the kinds [default: those of the run]
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// A judge that `graft judge` wrote [default: the one of these images, from the cache or trained now]
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
    /// What to measure against: the test split, or the validation block while settings are chosen
    #[arg(long, value_enum, default_value_t = HeldOut::Test)]
    split: HeldOut,
    /// How many samples [default: as many as images are held out, at most 2000]. Figures of different counts do not compare
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    count: Option<u32>,
    /// Seed of the latents
    #[arg(long, default_value_t = 0, value_name = "S", value_parser = clap::value_parser!(u64).range(..GAN_TRAIN_SEED))]
    seed: u64,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    compute: Compute,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    checkpoint: String,
    step: Option<u64>,
    data: String,
    split: HeldOut,
    held_out: usize,
    held_out_seen_in_training: usize,
    training_images: Option<usize>,
    judge: JudgeReport,
    samples: Evaluation,
    #[serde(flatten)]
    floors: Floors,
    gan_train: Option<f64>,
}

#[derive(Serialize)]
struct JudgeReport {
    hash: String,
    accuracy: Option<f64>,
    trained_on: usize,
    of_this_data: bool,
}

/// A checkpoint and, where it lies in a run's folder, what that trained on.
struct Subject {
    path: PathBuf,
    checkpoint: Checkpoint,
    run: Option<OfRun>,
}

struct OfRun {
    data: String,
    training: Dataset,
}

impl Evaluate {
    pub fn run(&self) -> Result<()> {
        let subject = Subject::read(&self.checkpoint)?;
        self.compute.run(|device| {
            let report = self.evaluate(&subject, device)?;
            tell("evaluation", serde_json::to_value(&report).expect("figures are JSON"), table(&report));
            Ok(())
        })
    }

    fn evaluate(&self, subject: &Subject, device: &Device) -> Result<Report> {
        let (architecture, mut network) = load_generator(&subject.checkpoint, device)
            .map_err(|error| Error::invalid(format!("{}: {error}", subject.path.display())))?;
        let data = self.data.as_ref().or(subject.run.as_ref().map(|run| &run.data)).ok_or_else(|| {
            Error::Usage(format!(
                "{} is in no run's folder that says what it was trained on: name the real images with --data",
                subject.path.display()
            ))
        })?;
        let spec: Spec = data.parse()?;
        let real = Real::new(&spec, spec.load(Split::Train)?, architecture.size, Some(architecture.channels))?;
        let Real { training, validation, test } = real;
        let (held_out, other) = match (self.split, test) {
            (HeldOut::Test, test) => (test?, validation),
            (HeldOut::Validation, Ok(test)) => (validation, test),
            // Without a test split, the block's halves stand against each other.
            (HeldOut::Validation, Err(Error::Invalid(_))) => validation.halves(),
            (HeldOut::Validation, Err(error)) => return Err(error),
        };
        let judge = self::judge(self.judge.as_deref(), &training, device, self.quiet)?.ok_or_else(interrupted)?;
        let of_this_data = judge.knows(&training);
        if !of_this_data {
            warn(format!("warning: the judge was trained on other images than the training images of {data}"));
        }
        drop(training);
        let of_run = subject.run.as_ref().map(|run| &run.training);
        let real = RealImages { held_out: &held_out, other: &other, training: of_run };
        let reference = Reference::new(Arc::new(judge), &real)?;
        if reference.seen() > 0 {
            warn(format!(
                "warning: {} of the {} held-out images are among the run's training images: these figures flatter it",
                reference.seen(),
                reference.count()
            ));
        }
        let count = self.count.map_or(reference.count(), |count| count as usize);
        if network.conditions() == &Conditions::in_turn(architecture.classes, 0) && architecture.classes > 0 {
            if reference.class_shares().len() != architecture.classes {
                return Err(Error::invalid(format!(
                    "the generator has {} classes and the judge {}: name the data that the generator was trained on",
                    architecture.classes,
                    reference.class_shares().len()
                )));
            }
            // As frequent as among real images, or the distances would measure that.
            let frequencies = reference.class_shares().to_vec();
            network.set_conditions(network.conditions().clone().with_frequencies(frequencies));
        }
        let (images, asked) = sample_asked(&network, &architecture, self.seed, count)?;
        let measured = reference.evaluate(&Samples { images: &images, asked: asked.as_deref() })?;
        let gan_train = match asked {
            Some(_) => self.gan_train(&network, &architecture, &held_out, reference.judge(), device)?,
            None => None,
        };
        Ok(Report {
            checkpoint: named(&subject.path),
            step: subject.checkpoint.header.get("step").and_then(serde_json::Value::as_u64),
            data: data.clone(),
            split: self.split,
            held_out: reference.count(),
            held_out_seen_in_training: reference.seen(),
            training_images: of_run.map(Dataset::len),
            judge: JudgeReport {
                hash: reference.judge().hash().to_string(),
                accuracy: reference.accuracy(),
                trained_on: reference.judge().trained_on(),
                of_this_data,
            },
            samples: measured,
            floors: reference.floors()?,
            gan_train,
        })
    }

    /// The accuracy on real images of a classifier trained on samples as the judge was on real ones; None where the held-out images
    /// have no labels.
    fn gan_train(
        &self,
        network: &Generator,
        architecture: &Architecture,
        held_out: &Dataset,
        judge: &Judge,
        device: &Device,
    ) -> Result<Option<f64>> {
        if held_out.labels.is_none() {
            return Ok(None);
        }
        let (images, labels) = sample_asked(network, architecture, GAN_TRAIN_SEED + self.seed, GAN_TRAIN_COUNT)?;
        let data = Dataset { labels, classes: held_out.classes.clone(), ..Dataset::unlabelled("samples", images) };
        let settings = judge.settings();
        self.note("GAN-train: a classifier learns from samples");
        let mut progress = Progress::new("GAN-train", settings.options.steps, self.quiet);
        let accuracy = gan_train(data, held_out, settings, device, &mut progress);
        progress.finish();
        accuracy?.ok_or_else(interrupted).map(Some)
    }

    fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            warn(text);
        }
    }
}

/// The judge in a file, or of these training images, from the cache or trained now. None where that was interrupted.
pub fn judge(file: Option<&Path>, training: &Dataset, device: &Device, quiet: bool) -> Result<Option<Judge>> {
    if let Some(path) = file {
        return Judge::read(path, device).map(Some);
    }
    let settings = JudgeSettings::STANDARD;
    let mut progress = Progress::new("judge", settings.options.steps, quiet);
    let found = Judge::cached(training.clone(), &settings, device, &mut progress);
    progress.finish();
    let Some((judge, origin)) = found? else { return Ok(None) };
    let note = |text: String| {
        if !quiet {
            warn(text)
        }
    };
    match origin {
        Origin::Cache(path) => note(format!("judge: {}", path.display())),
        Origin::Trained(Ok(path)) => note(format!("judge: trained now, and kept in {}", path.display())),
        Origin::Trained(Err(error)) => {
            warn(format!("warning: the judge was trained now and could not be kept: {error}"))
        }
    }
    Ok(Some(judge))
}

impl Subject {
    fn read(path: &Path) -> Result<Subject> {
        if !path.exists() {
            return Err(Error::invalid(format!(
                "there is no {}; name a checkpoint, or the folder of a run",
                path.display()
            )));
        }
        let (file, folder) = if path.is_dir() {
            let folder = RunFolder::open(path)?;
            (folder.checkpoint(), Some(folder))
        } else {
            (path.to_path_buf(), RunFolder::around(path))
        };
        let checkpoint = Checkpoint::read(&file)?;
        let run = folder.as_ref().map(trained_on).transpose()?;
        Ok(Subject { path: file, checkpoint, run: run.map(|(data, training)| OfRun { data, training }) })
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
        report.data,
        split = report.split,
    )];
    lines.push(format!(
        "judge {}: {}trained on {} images",
        &report.judge.hash[..12],
        report.judge.accuracy.map_or(String::new(), |accuracy| format!("{} right, ", percent(accuracy))),
        report.judge.trained_on
    ));
    let copies = floors.copy.as_ref().map(|copy| format!("the {} training images", copy.count));
    lines.push(format!(
        "\n{:22}{:>12}{:>18}{}",
        "",
        "samples",
        format!("{} real ones", floors.real.count),
        copies.map_or(String::new(), |copies| format!("{copies:>26}"))
    ));
    let mut row = |name: &str, figure: &dyn Fn(&Evaluation) -> Option<String>| {
        let Some(own) = figure(samples) else { return };
        let beside = |evaluation: &Evaluation| figure(evaluation).unwrap_or_default();
        let copy = floors.copy.as_ref().map_or(String::new(), |copy| format!("{:>26}", beside(copy)));
        lines.push(format!("{name:22}{own:>12}{:>18}{copy}", beside(&floors.real)).trim_end().to_string());
    };
    row("judge-FD", &|e| Some(format!("{:.2}", e.distances.judge_fd)));
    row("random-FD", &|e| Some(format!("{:.4}", e.distances.random_fd)));
    row("KID", &|e| Some(format!("{:.4}", e.kid)));
    row("precision", &|e| Some(format!("{:.3}", e.manifold.precision)));
    row("recall", &|e| Some(format!("{:.3}", e.manifold.recall)));
    row("density", &|e| Some(format!("{:.3}", e.manifold.density)));
    row("coverage", &|e| Some(format!("{:.3}", e.manifold.coverage)));
    row("class distance", &|e| Some(format!("{:.3}", e.distances.class_distance)));
    if samples.conditional_accuracy.is_some() {
        row("class as asked", &|e| e.conditional_accuracy.map(percent));
    }
    let copied = |share: f64, flagged: bool| format!("{}{}", percent(share), if flagged { " !" } else { "" });
    row("copied, by judge", &|e| e.memorisation.map(|m| copied(m.judge.copied, m.judge.flagged)));
    row("copied, by pixels", &|e| e.memorisation.map(|m| copied(m.pixels.copied, m.pixels.flagged)));
    if let Some(accuracy) = report.gan_train {
        lines.push(format!(
            "{:22}{:>12}{:>18}",
            "GAN-train",
            percent(accuracy),
            report.judge.accuracy.map_or(String::new(), percent)
        ));
    }
    let shares = samples.distances.class_shares.iter().enumerate();
    let shares: Vec<String> = shares.map(|(class, share)| format!("{class}: {}", percent(*share))).collect();
    lines.push(format!("\nclasses: {}", shares.join(", ")));
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
