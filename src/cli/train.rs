//! `graft train`: trains a GAN.

use std::path::PathBuf;

use clap::{ArgMatches, Args};
use serde_json::{Value as Json, json};

use super::advice::{advised_of_going_on, advised_of_rates};
use super::arguments::{Preset, Said, one_of};
use super::command::{default_folder, option, tell_command};
use super::output::is_quiet;
use super::pace::Pace;
use super::presets::{OfTrain, PRESET_FEATURES};
use super::progress::Progress;
use super::ranks::Desk;
use super::reading::ReadingOptions;
use super::resume::{self, Changeable, ChangedOption, check_place};
use super::signals::stop_after;
use super::train_command::{commands, equivalent_command};
use super::{Compute, continued, count, guarded, named, say, steps, tell, warn};
use crate::backend::{Device, Profile};
use crate::data::{Dataset, Parts, Spec, check_classes};
use crate::error::{Error, Result};
use crate::experiment::report;
use crate::experiment::tensorboard::Recorder;
use crate::gan::{Recipe, Trainer};
use crate::metrics::{HeldOut, unjudged};
use crate::run::{Ending, Event, OnNan, RunFolder, Settings};
use crate::transfer::curve::{Curve, Measuring, of_validation};

/// Steps that show digits on MNIST.
const STEPS: u64 = 3000;
/// The preset where no data set is named: digits within two minutes on two cores.
const PRESET_DATA: &str = "synthetic:strokes";
const PRESET_STEPS: u64 = 2000;

/// Train a GAN; without options, a small DCGAN on digits drawn in code
#[derive(Args)]
#[command(
    after_help = "Examples:\n  graft train\n  graft train --data mnist:DIR --size 32 --channels 3 --steps 3000\n  \
    graft train --data synthetic:street --loss hinge --d-norm spectral --conditional\n  graft train --resume runs/dcgan-strokes-0 --steps 6000"
)]
pub struct Train {
    /// What to train on; `graft data --help` lists the kinds [default: synthetic:strokes]
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// Train on N of its images only, chosen by seed, in the classes' natural proportions
    #[arg(long, value_name = "N", value_parser = count)]
    subset: Option<usize>,
    /// Choose the subset without looking at labels
    #[arg(long, requires = "subset", hide_short_help = true)]
    subset_plain: bool,
    /// Condition both networks on the data's labels
    #[arg(long)]
    conditional: bool,
    /// Steps to train for [default: 3000; 2000 without --data]
    #[arg(long, value_name = "N", value_parser = steps())]
    steps: Option<u64>,
    #[command(flatten)]
    recipe: Said<OfTrain, Recipe>,
    #[command(flatten)]
    pace: Pace,
    /// Steps between figures on the validation block, which is then held out: the judge's distance, and checkpoints/best.safetensors
    #[arg(long, value_name = "N", value_parser = steps(), hide_short_help = true)]
    evaluate_every: Option<u64>,
    /// Write event files for TensorBoard into the run's folder
    #[arg(long, hide_short_help = true)]
    tensorboard: bool,
    /// Where a loss or a weight is NaN or infinite
    #[arg(long, value_parser = one_of::<OnNan>(), default_value_t = OnNan::Stop, value_name = "WORD")]
    on_nan: OnNan,
    /// Folder of the run [default: runs/NETWORK-DATA-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run that is in --out
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Continue the run in DIR as it was configured
    ///
    /// Beside it are taken: --steps, --minutes, --threads, --device, --on-nan, --profile, --data-memory,
    /// --json, -q, the new place of the same images as --data, and --data-changed
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    changed: ChangedOption,
    /// Print, at the end, where the time went, a kernel a row; waits for each kernel where the device has no clock of its own
    #[arg(long, hide_short_help = true)]
    profile: bool,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    compute: Compute,
}

impl Train {
    pub fn run(self, matches: &ArgMatches) -> Result<()> {
        stop_after(self.pace.minutes);
        if let Some(folder) = &self.resume {
            resume::check::<Self>(matches)?;
            let (_desk, folder) = Desk::resumed(folder, |folder| continued(folder, "train"))?;
            return self.resume(&folder, matches);
        }
        let (parts, data, settings) = self.settings()?;
        let Settings { data: spec, recipe: Recipe { architecture, seed, .. }, .. } = &settings;
        let out = self.out.clone().unwrap_or_else(|| default_folder(architecture.network.name(), spec, *seed));
        let desk = Desk::new(out)?;
        self.compute.run(|device| {
            settings.recipe.check_fits(device)?;
            let (device, profile) = self.profiled(device);
            let mut trainer = Trainer::new(&settings.recipe, data, &device)?;
            tell_command(&equivalent_command(&settings));
            let folder = guarded(RunFolder::create(desk.path(), self.overwrite)?);
            folder.write_settings(&settings.absolute()?)?;
            train(&folder, &mut trainer, &settings, &parts, &device)?;
            profile.into_iter().for_each(say);
            Ok(())
        })
    }

    fn resume(&self, folder: &RunFolder, matches: &ArgMatches) -> Result<()> {
        let mut settings = folder.settings()?;
        if let Some(data) = &self.data {
            settings.data = data.parse::<Spec>()?.to_string();
        }
        let settings = &mut settings.absolute()?;
        check_place(folder.path(), "data set", settings.data.parse::<Spec>()?.missing(), "--data")?;
        let Settings { steps, device, threads, on_nan, .. } = settings;
        let compute =
            Changeable { steps, device, threads, on_nan }.take(matches, self.steps, self.on_nan, &self.compute);
        settings.recipe.check()?;
        settings.reading = self.changed.of(self.reading.listening(settings.reading.clone()));
        let parts = settings.read().map_err(advised_of_going_on)?;
        if settings.recipe.architecture.classes > 0 {
            check_classes(parts.spec(), &settings.reading, parts.whole())?;
        }
        settings.reading.classes = parts.reading().classes;
        let data = settings.choose(&parts)?;
        compute.run(|device| {
            settings.recipe.check_fits(device)?;
            let (device, profile) = self.profiled(device);
            let mut trainer = Trainer::new(&settings.recipe, data, &device)?;
            if let Some(warning) = folder.restore(&mut trainer)? {
                warn(format!("warning: {warning}"));
            }
            if !folder.checkpoint().exists() {
                say(folder.beginning_again());
            }
            if trainer.steps() < settings.steps {
                folder.write_settings(settings)?;
            } else {
                // Where its images lie now holds for whoever takes them from here, and where it ends.
                let written = folder.settings()?;
                let steps = if trainer.steps() == settings.steps { settings.steps } else { written.steps };
                let (data, reading) = (settings.data.clone(), settings.reading.clone());
                folder.write_settings(&Settings { data, reading, steps, ..written })?;
            }
            if trainer.steps() > settings.steps {
                tell("finished", ended_fields(folder, &trainer, settings), already(folder, &trainer, settings));
                return Ok(());
            }
            train(folder, &mut trainer, settings, &parts, &device)?;
            profile.into_iter().for_each(say);
            Ok(())
        })
    }

    /// The device, timed where that was asked for.
    fn profiled(&self, device: &Device) -> (Device, Option<Profile>) {
        match self.profile.then(|| device.profiled()) {
            Some((device, profile)) => (device, Some(profile)),
            None => (device.clone(), None),
        }
    }

    /// The settings that the options stand for, and the data.
    pub(super) fn settings(&self) -> Result<(Parts, Dataset, Settings)> {
        let spec: Spec = self.data.as_deref().unwrap_or(PRESET_DATA).parse()?;
        let steps = if self.data.is_some() { STEPS } else { PRESET_STEPS };
        let mut recipe = OfTrain::usual();
        if self.data.is_none() {
            recipe.architecture.features = PRESET_FEATURES;
        }
        let mut recipe = self.recipe.settings(recipe)?;
        if !self.recipe.0.contains_key("d-lr") {
            recipe.d_lr = recipe.lr;
        }
        let mut settings = Settings {
            data: spec.to_string(),
            subset: self.subset,
            subset_plain: self.subset_plain,
            steps: self.steps.unwrap_or(steps),
            device: self.compute.device.clone(),
            threads: self.compute.threads,
            checkpoint_every: self.pace.checkpoint_every,
            sample_every: self.pace.sample_every,
            keep: self.pace.keep,
            keep_every: self.pace.keep_every,
            evaluate_every: self.evaluate_every,
            tensorboard: self.tensorboard,
            on_nan: self.on_nan,
            reading: self.reading.reading(),
            recipe,
        };
        settings.recipe.check()?;
        let parts = settings.read()?;
        settings.reading = parts.reading();
        let native = parts.whole();
        let architecture = &mut settings.recipe.architecture;
        architecture.channels = self.recipe.get("channels").unwrap_or(native.images.channels);
        if self.conditional {
            if native.labels.is_none() {
                return Err(Error::invalid(format!(
                    "{} has no labels for --conditional; name a labelled data set",
                    native.name
                )));
            }
            architecture.classes = native.classes.len();
        }
        settings.recipe.check()?;
        let data = settings.choose(&parts)?;
        if let Some(why) = settings.evaluate_every.map(|_| unjudged(&parts, HeldOut::Validation)).transpose()?.flatten()
        {
            return Err(Error::invalid(format!("--evaluate-every has too little to measure by: {why}")));
        }
        Ok((parts, data, settings))
    }
}

fn train(folder: &RunFolder, trainer: &mut Trainer, settings: &Settings, parts: &Parts, device: &Device) -> Result<()> {
    let begun = trainer.steps();
    let is_over = begun == settings.steps;
    let is_measured = is_over && Curve::read(folder)?.has(begun);
    let is_there = folder.picture(begun).exists() && folder.report().exists();
    if is_over && is_there && (is_measured || settings.evaluate_every.is_none()) {
        tell("finished", ended_fields(folder, trainer, settings), already(folder, trainer, settings));
        return Ok(());
    }
    let mut progress = Progress::new("train", settings.steps, is_quiet());
    let evaluate_every = settings.evaluate_every.filter(|_| !is_measured);
    let reference = match evaluate_every {
        None => None,
        Some(_) => {
            let form = (settings.recipe.architecture.size, settings.recipe.architecture.channels);
            let mut of_judge = Progress::new("judge", 0, is_quiet());
            let reference = of_validation(parts, form, device, &mut |event| of_judge.watch(event));
            of_judge.finish();
            let reference = reference?;
            // Ranks find a judge each by itself, and stop together.
            let is_stopped = trainer.ranks().any(reference.is_none());
            let Some(reference) = reference.filter(|_| !is_stopped) else {
                // Nothing of the run itself was made.
                return stopped(folder, trainer, settings);
            };
            Some(reference)
        }
    };
    let mut measuring = match (&reference, evaluate_every) {
        (Some(reference), Some(every)) => {
            let (steps, changed) = ((trainer.steps(), settings.steps), trainer.went_on_changed());
            Some(Measuring::resume(folder, steps, reference, every, changed)?)
        }
        _ => None,
    };
    let recorder = settings.tensorboard.then(|| Recorder::new(folder.path(), trainer.steps())).transpose();
    let ending = recorder.and_then(|mut recorder| {
        folder.train(trainer, &settings.pace(), &mut |event| {
            recorder.as_mut().map_or(Ok(()), |recorder| recorder.watch(event))?;
            if let Some(warning) = measuring.as_mut().map_or(Ok(None), |measuring| measuring.watch(event))? {
                let _ = progress.watch(&Event::Warning(&warning))?;
            }
            progress.watch(event)
        })
    });
    progress.finish();
    let reported = report::write(folder, &commands(settings), None);
    match ending.map_err(|error| advised_of_rates(error, settings.on_nan))? {
        Ending::Finished => {
            let (path, steps, report) = (folder.path().display(), trainer.steps(), folder.report());
            let grid = folder.picture(steps);
            let text = match is_over {
                true => already(folder, trainer, settings),
                false => format!("{path}: {steps} steps; last grid {}; report {}", grid.display(), report.display()),
            };
            tell("finished", ended_fields(folder, trainer, settings), text);
        }
        Ending::Interrupted => stopped(folder, trainer, settings)?,
    }
    reported.map(drop)
}

/// What is said of a run that stands where it was to go.
fn already(folder: &RunFolder, trainer: &Trainer, settings: &Settings) -> String {
    format!("{} is already at step {} of {}", folder.path().display(), trainer.steps(), settings.steps)
}

/// Says that a run was stopped, and how it goes on.
fn stopped(folder: &RunFolder, trainer: &Trainer, settings: &Settings) -> Result<()> {
    let resume = format!("graft train{}", option("resume", &named(folder.path())));
    let text = format!("stopped at step {} of {}; continue with: {resume}", trainer.steps(), settings.steps);
    let mut fields = ended_fields(folder, trainer, settings);
    fields["resume"] = resume.into();
    tell("stopped", fields, text);
    Ok(())
}

/// What scripts learn of a run that ended.
fn ended_fields(folder: &RunFolder, trainer: &Trainer, settings: &Settings) -> Json {
    json!({
        "run": named(folder.path()),
        "step": trainer.steps(),
        "steps": settings.steps,
        "checkpoint": named(folder.checkpoint()),
        "report": named(folder.report()),
    })
}
