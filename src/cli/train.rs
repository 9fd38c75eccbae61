//! `graft train`: trains a DCGAN.

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use serde_json::{Value as Json, json};

use super::arguments::{Preset, Said, one_of};
use super::progress::Progress;
use super::{Compute, DEVICE, advised, continued, count, named, say, steps, tell, warn};
use crate::backend::{Device, Profile};
use crate::data::{Dataset, Spec, Split};
use crate::error::{Error, Result};
use crate::experiment::report;
use crate::experiment::tensorboard::Recorder;
use crate::gan::{Recipe, Trainer};
use crate::run::{Ending, OnNan, RunFolder, Settings};

/// Steps that show digits on MNIST.
const STEPS: u64 = 3000;
/// The preset where no data set is named: digits within two minutes on two cores.
const PRESET_DATA: &str = "synthetic:strokes";
const PRESET_FEATURES: usize = 32;
const PRESET_STEPS: u64 = 2000;

/// What may be said beside --resume.
pub(super) const RESUME_TAKES: [&str; 8] =
    ["resume", "steps", "threads", "device", "on_nan", "quiet", "json", "profile"];

/// Train a DCGAN; without options, a small one on digits drawn in code
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
    recipe: Said<Train, Recipe>,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = steps(), hide_short_help = true)]
    checkpoint_every: u64,
    /// Steps between pictures
    #[arg(long, default_value_t = 250, value_name = "N", value_parser = steps(), hide_short_help = true)]
    sample_every: u64,
    /// Write event files for TensorBoard into the run's folder
    #[arg(long, hide_short_help = true)]
    tensorboard: bool,
    /// Where a loss or a weight is NaN or infinite
    #[arg(long, value_parser = one_of::<OnNan>(), default_value_t = OnNan::Stop, value_name = "WORD")]
    on_nan: OnNan,
    /// Folder of the run [default: runs/dcgan-DATA-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run that is in --out
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Continue the run in DIR as it was configured; takes only --steps, --threads, --device, --on-nan and -q beside
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Print, at the end, where the time went, a kernel a row; waits for each kernel
    #[arg(long, hide_short_help = true)]
    profile: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    compute: Compute,
}

impl Preset<Recipe> for Train {
    const SHOWN: &'static [&'static str] = &["seed", "loss", "r1", "augment", "size", "channels", "features"];
    const WITHOUT: &'static [&'static str] = &[];

    fn usual() -> Recipe {
        Recipe::default()
    }

    fn default(name: &str) -> Option<String> {
        match name {
            "d-lr" => Some("--lr".to_string()),
            "channels" => Some("the data's".to_string()),
            "features" => Some(format!("{}; {PRESET_FEATURES} without --data", Train::usual().architecture.features)),
            _ => None,
        }
    }
}

impl Train {
    pub fn run(self, matches: &ArgMatches) -> Result<()> {
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let options = matches.ids().map(|id| id.as_str()).filter(|id| given(id)).collect::<Vec<_>>();
        if let Some(folder) = &self.resume {
            if let Some(other) =
                options.iter().find(|id| !RESUME_TAKES.contains(id) && **id != "Train" && **id != "Compute")
            {
                return Err(Error::Usage(format!(
                    "--resume continues the run as it was configured: --{} cannot be changed; only --steps, --threads, --device, --on-nan, --profile, --json and -q can be given with it",
                    other.replace('_', "-")
                )));
            }
            return self.resume(&continued(folder, "train")?, &given);
        }
        let (data, settings) = self.settings()?;
        let out = self.out.clone().unwrap_or_else(|| default_folder(&settings));
        self.compute.run(|device| {
            settings.recipe.check_fits(device)?;
            let (device, profile) = self.profiled(device);
            let mut trainer = Trainer::new(&settings.recipe, data, &device)?;
            tell_command(&equivalent_command(&settings));
            let folder = RunFolder::create(&out, self.overwrite)?;
            folder.write_settings(&settings)?;
            train(&folder, &mut trainer, &settings, self.quiet)?;
            print_profile(profile);
            Ok(())
        })
    }

    fn resume(&self, folder: &RunFolder, given: &dyn Fn(&str) -> bool) -> Result<()> {
        let mut settings = folder.settings()?;
        let mut compute = Compute { device: settings.device.clone(), threads: settings.threads };
        if let Some(steps) = self.steps {
            settings.steps = steps;
        }
        if given("threads") {
            compute.threads = self.compute.threads;
        }
        if given("on_nan") {
            settings.on_nan = self.on_nan;
        }
        if given("device") {
            compute.device = self.compute.device.clone();
        }
        (settings.device, settings.threads) = (compute.device.clone(), compute.threads);
        settings.recipe.check()?;
        let data = settings.load()?;
        compute.run(|device| {
            settings.recipe.check_fits(device)?;
            // Where it was killed before its first one, it begins again.
            let checkpoint = folder.checkpoint().exists().then(|| folder.read_checkpoint()).transpose()?;
            let (device, profile) = self.profiled(device);
            let mut trainer = Trainer::new(&settings.recipe, data, &device)?;
            let restored = checkpoint.map(|checkpoint| trainer.restore(&checkpoint)).transpose().map_err(|error| {
                let path = folder.checkpoint();
                Error::invalid(format!(
                    "{}: {error}; put this run's own checkpoint there, or start again with --overwrite",
                    path.display()
                ))
            })?;
            if let Some(warning) = restored.flatten() {
                warn(format!("warning: {warning}"));
            }
            if trainer.steps() >= settings.steps {
                tell(
                    "finished",
                    ended_fields(folder, &trainer, &settings),
                    format!("{} is already at step {} of {}", folder.path().display(), trainer.steps(), settings.steps),
                );
                return Ok(());
            }
            folder.write_settings(&settings)?;
            train(folder, &mut trainer, &settings, self.quiet)?;
            print_profile(profile);
            Ok(())
        })
    }

    /// The device, timed where that was asked for.
    fn profiled(&self, device: &Device) -> (Device, Option<Profile>) {
        if !self.profile {
            return (device.clone(), None);
        }
        let (device, profile) = device.profiled();
        (device, Some(profile))
    }

    /// The settings that the options stand for, and the data.
    fn settings(&self) -> Result<(Dataset, Settings)> {
        let spec: Spec = self.data.as_deref().unwrap_or(PRESET_DATA).parse()?;
        let steps = if self.data.is_some() { STEPS } else { PRESET_STEPS };
        let mut recipe = Train::usual();
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
            checkpoint_every: self.checkpoint_every,
            sample_every: self.sample_every,
            tensorboard: self.tensorboard,
            on_nan: self.on_nan,
            recipe,
        };
        settings.recipe.check()?;
        let native = spec.load(Split::Train)?;
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
        Ok((settings.choose(native)?, settings))
    }
}

fn print_profile(profile: Option<Profile>) {
    if let Some(profile) = profile {
        say(profile);
    }
}

fn train(folder: &RunFolder, trainer: &mut Trainer, settings: &Settings, quiet: bool) -> Result<()> {
    let mut progress = Progress::new("train", settings.steps, quiet);
    let ending = if settings.tensorboard {
        Recorder::new(folder.path(), trainer.steps(), &mut progress)
            .and_then(|mut recorder| folder.train(trainer, &settings.pace(), &mut recorder))
    } else {
        folder.train(trainer, &settings.pace(), &mut progress)
    };
    progress.finish();
    let reported = write_report(folder, settings);
    match ending.map_err(|error| advised(error, settings.on_nan))? {
        Ending::Finished => {
            let text = format!(
                "{}: {} steps; last grid {}; report {}",
                folder.path().display(),
                trainer.steps(),
                folder.picture(trainer.steps()).display(),
                folder.report().display()
            );
            tell("finished", ended_fields(folder, trainer, settings), text);
        }
        Ending::Interrupted => {
            let resume = format!("graft train --resume {}", quoted(&folder.path().display().to_string()));
            let text = format!("stopped at step {} of {}; continue with: {resume}", trainer.steps(), settings.steps);
            let mut fields = ended_fields(folder, trainer, settings);
            fields["resume"] = json!(resume);
            tell("stopped", fields, text);
        }
    }
    reported
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

/// Says the command that stands for all settings.
pub(super) fn tell_command(command: &str) {
    tell("command", json!({ "command": command }), command);
}

/// Writes the report of a run as far as it got.
pub fn write_report(folder: &RunFolder, settings: &Settings) -> Result<()> {
    report::of_run(folder, &equivalent_command(settings))?.write(&folder.report())
}

/// The command that names every setting that determines the results.
fn equivalent_command(settings: &Settings) -> String {
    let Settings { data, steps, recipe, .. } = settings;
    let mut command = format!("graft train --data {} --steps {steps}{}", quoted(data), Train::words(recipe, &[]));
    if let Some(subset) = settings.subset {
        command += &format!(" --subset {subset}{}", if settings.subset_plain { " --subset-plain" } else { "" });
    }
    if recipe.architecture.classes > 0 {
        command += " --conditional";
    }
    if settings.on_nan == OnNan::Rollback {
        command += " --on-nan rollback";
    }
    if settings.device != DEVICE {
        command += &format!(" --device {}", settings.device);
    }
    command
}

/// A word as a POSIX shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-+=:,./@%".contains(character);
    if word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// `runs/dcgan-DATA-SEED`, with a number behind it where that is taken.
fn default_folder(settings: &Settings) -> PathBuf {
    let data = settings.data.split_once(':').map_or(settings.data.as_str(), |(kind, rest)| match kind {
        "synthetic" => rest,
        kind => kind,
    });
    free_folder(&format!("dcgan-{data}-{}", settings.recipe.seed))
}

/// A folder of `runs` that is not there yet: `runs/NAME`, or with the first number from 2 behind it that is free.
pub(super) fn free_folder(name: &str) -> PathBuf {
    let candidates = std::iter::once(name.to_string()).chain((2..).map(|k| format!("{name}-{k}")));
    let free = |path: &PathBuf| !Path::exists(path);
    candidates.map(|name| Path::new("runs").join(name)).find(free).expect("numbers do not run out")
}
