//! `graft train`: trains a DCGAN.

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use serde_json::{Value as Json, json};

use super::progress::Progress;
use super::{
    Compute, DEVICE, advised, continued, count, decay, guarded, named, not_negative, positive, say, seed, steps, tell,
    warn,
};
use crate::backend::{Device, Profile};
use crate::data::{Dataset, Spec, Split};
use crate::error::{Error, Result};
use crate::experiment::report;
use crate::experiment::tensorboard::Recorder;
use crate::gan::{Architecture, Augmentation, DiscriminatorNorm, Loss, Recipe, Trainer};
use crate::run::{Ending, OnNan, RunFolder, Settings};

/// WGAN-GP's weight of the penalty (Gulrajani 2017, section 4).
pub(super) const DEFAULT_GP: f64 = 10.0;
/// R3GAN's gamma for small images (Huang 2024 uses 0.05 to 1 there); the loss does not converge without a penalty.
const DEFAULT_R3GAN_R1: f64 = 1.0;

/// DCGAN's width (Radford 2016), and steps that show digits on MNIST.
const FEATURES: usize = 64;
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
    /// Side of the images: 32 or 64
    #[arg(long, default_value_t = 32, value_name = "PIXELS")]
    size: usize,
    /// Channels of the images, 1 or 3 [default: the data's]
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Width of the networks: channels of the layer next to the image [default: 64; 32 without --data]
    #[arg(long, value_name = "N")]
    features: Option<usize>,
    /// Length of the latent
    #[arg(long, default_value_t = 100, value_name = "N", hide_short_help = true)]
    latent: usize,
    /// Condition both networks on the data's labels
    #[arg(long)]
    conditional: bool,
    /// Steps to train for [default: 3000; 2000 without --data]
    #[arg(long, value_name = "N", value_parser = steps())]
    steps: Option<u64>,
    /// Images a batch
    #[arg(long, default_value_t = 64, value_name = "N", hide_short_help = true)]
    batch: usize,
    /// Random seed of everything
    #[arg(long, default_value_t = 0, value_name = "K", value_parser = seed())]
    seed: u64,
    /// Adversarial loss
    #[arg(long, value_enum, default_value_t = Loss::NonSaturating)]
    loss: Loss,
    /// Learning rate of the generator, and of the discriminator unless --d-lr says otherwise
    #[arg(long, default_value_t = 2e-4, value_name = "RATE", value_parser = positive, allow_negative_numbers = true, hide_short_help = true)]
    lr: f64,
    /// Learning rate of the discriminator [default: --lr]
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true, hide_short_help = true)]
    d_lr: Option<f64>,
    /// Adam's decay of the first moment
    #[arg(long, default_value_t = 0.5, value_name = "BETA", value_parser = decay, allow_negative_numbers = true, hide_short_help = true)]
    beta1: f64,
    /// Updates of the discriminator a step
    #[arg(long, default_value_t = 1, value_name = "N", hide_short_help = true)]
    d_steps: usize,
    /// Weight of WGAN-GP's gradient penalty, with --loss wasserstein-gp [default: 10]
    #[arg(long, value_name = "WEIGHT", value_parser = not_negative, allow_negative_numbers = true, hide_short_help = true)]
    gp: Option<f64>,
    /// Gamma of the R1 penalty, gamma/2 E|grad D|^2, and of R2 with r3gan [default: 0; 1 with r3gan]
    #[arg(long, value_name = "GAMMA", value_parser = not_negative, allow_negative_numbers = true)]
    r1: Option<f64>,
    /// Normalisation of the discriminator; auto: batch, none with R1 or r3gan, layer with wasserstein-gp
    #[arg(long, value_enum, default_value_t = DiscriminatorNorm::Auto, hide_short_help = true)]
    d_norm: DiscriminatorNorm,
    /// Differentiable augmentations of all that the discriminator sees, comma-separated
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    augment: Vec<Augmentation>,
    /// Decay of the generator's moving average, from which samples are drawn; 0 turns it off
    #[arg(long, default_value_t = 0.995, value_name = "DECAY", value_parser = decay, allow_negative_numbers = true, hide_short_help = true)]
    ema: f64,
    /// Weight of LeCam's regulariser of the discriminator; 0 for none
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT", value_parser = not_negative, allow_negative_numbers = true, hide_short_help = true)]
    lecam: f64,
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
    #[arg(long, value_enum, default_value_t = OnNan::Stop)]
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
            let folder = guarded(RunFolder::create(&out, self.overwrite)?);
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
        let gp = match (self.loss, self.gp) {
            (Loss::WassersteinGp, gp) => gp.unwrap_or(DEFAULT_GP),
            (_, Some(_)) => {
                return Err(Error::Usage("--gp goes with --loss wasserstein-gp; other losses have --r1".to_string()));
            }
            (_, None) => 0.0,
        };
        let r1 = match (self.loss, self.r1) {
            (Loss::WassersteinGp, Some(_)) => {
                return Err(Error::Usage("--r1 does not go with --loss wasserstein-gp, which has --gp".to_string()));
            }
            (Loss::R3gan, r1) => r1.unwrap_or(DEFAULT_R3GAN_R1),
            (_, r1) => r1.unwrap_or(0.0),
        };
        let spec: Spec = self.data.as_deref().unwrap_or(PRESET_DATA).parse()?;
        let (features, steps) = if self.data.is_some() { (FEATURES, STEPS) } else { (PRESET_FEATURES, PRESET_STEPS) };
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
            recipe: Recipe {
                seed: self.seed,
                architecture: Architecture {
                    features: self.features.unwrap_or(features),
                    latent: self.latent,
                    d_norm: self.d_norm.resolve(self.loss, r1)?,
                    ..Architecture::dcgan(self.size, self.channels.unwrap_or(1))
                },
                batch: self.batch,
                lr: self.lr,
                d_lr: self.d_lr.unwrap_or(self.lr),
                beta1: self.beta1,
                d_steps: self.d_steps,
                loss: self.loss,
                gp,
                r1,
                augment: self.augment.clone(),
                ema: self.ema,
                lecam: self.lecam,
            },
        };
        settings.recipe.check()?;
        let native = spec.load(Split::Train)?;
        let architecture = &mut settings.recipe.architecture;
        architecture.channels = self.channels.unwrap_or(native.images.channels);
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
    let Recipe { architecture: a, .. } = recipe;
    let name = |value: &dyn Fn() -> Json| value().as_str().unwrap_or_default().to_string();
    let loss = name(&|| json!(recipe.loss));
    let norm = name(&|| json!(a.d_norm));
    let mut command = format!(
        "graft train --data {} --size {} --channels {} --features {} --latent {} --steps {steps} --batch {} --seed {} \
         --loss {loss} --lr {} --d-lr {} --beta1 {} --d-steps {} --d-norm {norm} --ema {}",
        quoted(data),
        a.size,
        a.channels,
        a.features,
        a.latent,
        recipe.batch,
        recipe.seed,
        recipe.lr,
        recipe.d_lr,
        recipe.beta1,
        recipe.d_steps,
        recipe.ema
    );
    if let Some(subset) = settings.subset {
        command += &format!(" --subset {subset}{}", if settings.subset_plain { " --subset-plain" } else { "" });
    }
    // These two have a default above 0 with one loss.
    if recipe.loss == Loss::WassersteinGp {
        command += &format!(" --gp {}", recipe.gp);
    }
    if recipe.r1 > 0.0 || recipe.loss == Loss::R3gan {
        command += &format!(" --r1 {}", recipe.r1);
    }
    if !recipe.augment.is_empty() {
        let names: Vec<String> = recipe.augment.iter().map(|augment| name(&|| json!(augment))).collect();
        command += &format!(" --augment {}", names.join(","));
    }
    if recipe.lecam > 0.0 {
        command += &format!(" --lecam {}", recipe.lecam);
    }
    if a.classes > 0 {
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
