//! `graft judge`: trains the network in whose features samples are measured, and keeps it in a file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::is_quiet;
use super::progress::Progress;
use super::reading::ReadingOptions;
use super::{Compute, count, named, seed, side, steps, tell};
use crate::classifier::{Made, Options};
use crate::data::{Dataset, Parts, Reading};
use crate::error::{Error, Result};
use crate::metrics::{Judge as Trained, JudgeSettings, Real, Supervision};

/// What it is trained on unless something is named.
const DATA: &str = "synthetic:street";

/// Train the judge of a data set: the network in whose features samples are measured
#[derive(Args)]
#[command(
    after_help = "It is a classifier, or for images without classes a network that learns to tell them apart, trained on the\n\
    training split less the validation block (docs/data.md). `graft evaluate` trains one by itself and keeps it in a\n\
    cache; with this command the same judge is made to be passed on.\n\n\
    Examples:\n  graft judge --data svhn:DIR --out judge.safetensors\n  graft evaluate runs/dcgan-svhn-0 --judge judge.safetensors"
)]
pub struct Judge {
    /// What to train on; `graft data --help` lists the kinds
    #[arg(long, default_value = DATA, value_name = "SPEC")]
    data: String,
    /// Side of the images, a power of two from 16 up [default: 32, or 64 for larger ones]
    #[arg(long, value_name = "PIXELS", value_parser = side)]
    size: Option<usize>,
    /// Channels of the images, 1 or 3 [default: the data's]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Width of the network, an even number; there are twice as many features
    #[arg(long, default_value_t = JudgeSettings::STANDARD.width, value_name = "N")]
    width: usize,
    /// Steps to train for; half as many of images without classes, each of two views of every image
    #[arg(long, default_value_t = JudgeSettings::STANDARD.options.steps, value_name = "N", value_parser = steps())]
    steps: u64,
    /// Images a batch; at most 256 of images without classes
    #[arg(long, default_value_t = JudgeSettings::STANDARD.options.batch, value_name = "N", value_parser = count)]
    batch: usize,
    /// Random seed of everything
    #[arg(long, default_value_t = 0, value_name = "K", value_parser = seed())]
    seed: u64,
    /// Where to write; nothing there is replaced
    #[arg(long, default_value = "judge.safetensors", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    compute: Compute,
}

impl Judge {
    pub fn run(&self) -> Result<()> {
        super::check_vacant("out", &self.out)?;
        let standard = JudgeSettings::STANDARD.options;
        let settings = JudgeSettings {
            width: self.width,
            norm: JudgeSettings::STANDARD.norm,
            options: Options { steps: self.steps, batch: self.batch, seed: self.seed, ..standard },
        };
        let reading = Reading { size: self.size, ..self.reading.reading() };
        let parts = Parts::read(&self.data.parse()?, &reading)?;
        let native = &parts.whole().images;
        let (size, channels) = (self.size.unwrap_or(native.fitting_size()), self.channels.unwrap_or(native.channels));
        let real = Real::of(&parts, size, channels)?;
        drop(parts);
        self.compute.run(|device| {
            let supervision = Supervision::of(&real.training, &settings);
            let mut progress = Progress::new("judge", supervision.steps(), is_quiet());
            let told = &mut |made: Made| progress.watch_classifier(made);
            let judge = Trained::train(real.training, supervision, device, told);
            progress.finish();
            let judge = judge?.ok_or_else(interrupted)?;
            judge.write(&self.out)?;
            let accuracy = |held_out: &Dataset| {
                let classifier = judge.classifier().filter(|_| held_out.labels.is_some());
                classifier.map(|classifier| classifier.accuracy(held_out)).transpose()
            };
            let is_class_free = judge.classifier().is_none();
            let validation = accuracy(&real.validation)?;
            let test = real.test.ok().map(|test| accuracy(&test)).transpose()?.flatten();
            let mut said: Vec<String> =
                validation.map(|share| format!("{} on the validation block", percent(share))).into_iter().collect();
            said.extend(test.map(|share| format!("{} on the test split", percent(share))));
            if is_class_free {
                said.push("learned without labels".to_string());
            }
            tell(
                "judge",
                json!({ "judge": named(&self.out), "validation_accuracy": validation, "test_accuracy": test, "hash": judge.hash(), "class_free": is_class_free }),
                format!("{}: {}; hash {}", self.out.display(), said.join(", "), judge.hash()),
            );
            Ok(())
        })
    }
}

pub fn interrupted() -> Error {
    Error::invalid("stopped: the judge was not trained to its end, and nothing was written; run the command again")
}

pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
