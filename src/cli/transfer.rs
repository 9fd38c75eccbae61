//! `graft transfer`: trains on a target with what was learned on a source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde_json::json;

use super::judge::Real;
use super::progress::Progress;
use super::train::{DEFAULT_GP, RESUME_TAKES, quoted, tell_command};
use super::transfer_command::{compare_command, equivalent_command, word};
use super::{
    Compute, advised, continued, count, decay, evaluate, guarded, named, not_negative, positive, seed, steps, tell,
    warn,
};
use crate::backend::Device;
use crate::data::{Dataset, Spec, Split};
use crate::error::{Error, Result};
use crate::experiment::curve::{Curve, Point, Watch};
use crate::experiment::report::{Findings, Judged, Transferred, of_transfer};
use crate::gan::{Architecture, Augmentation, DiscriminatorNorm, Loss, Recipe, load_generator, sample_asked};
use crate::metrics::{RealImages, Reference, Samples};
use crate::run::{Ending, OnNan, RunFolder};
use crate::transfer::surgery::Row;
use crate::transfer::{self, Arm, Folders, METHODS, Outcome, Plan, Style, Takes, starting_recipe};

/// The comparison's numbers of steps.
const STEPS: u64 = 4000;
pub(super) const SOURCE_STEPS: u64 = 4000;
pub(super) const FEATURE_STEPS: u64 = 2000;

/// Points on the curve of the judge's distance behind that of step 0.
const CURVE_POINTS: u64 = 10;

/// The preset `quick`, where neither source nor target is named: a few minutes on two cores.
const QUICK_SOURCE: &str = "synthetic:strokes";
const QUICK_TARGET: &str = "synthetic:street";
const QUICK_SUBSET: usize = 500;
const QUICK_STEPS: u64 = 1500;
const QUICK_FEATURE_STEPS: u64 = 500;

/// The arm beside it, and its folder within the run's.
pub(super) const SCRATCH: &str = "scratch";

/// Train on little data with what was learned on plenty; without options, a small transfer between digits drawn in code
#[derive(Args)]
#[command(
    after_help = "Examples:\n  graft transfer\n  graft transfer --source mnist:DIR --target svhn:DIR --subset 1000 --scratch\n  \
    graft transfer --source runs/trgan-street-0/source --freeze-d 1\n  graft transfer --resume runs/trgan-street-0"
)]
pub struct Transfer {
    /// How to transfer: a method (trgan, tgan, ctgan), or an arm of one (trgan-mission, tgan-untrained, ..) [default: trgan]
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// What to learn from: a data set (`graft data --help` lists the kinds), a checkpoint of `graft train`, or its run's folder
    /// [default: synthetic:strokes]
    #[arg(long, value_name = "SPEC|CHECKPOINT")]
    source: Option<String>,
    /// What to transfer to; its size and channels become the networks' [default: synthetic:street]
    #[arg(long, value_name = "SPEC")]
    target: Option<String>,
    /// Train on N of the target's images only, chosen by seed, in the classes' natural proportions [default: all; 500 without
    /// --source and --target]
    #[arg(long, value_name = "N", value_parser = count)]
    subset: Option<usize>,
    /// Choose the subset without looking at labels
    #[arg(long, requires = "subset", hide_short_help = true)]
    subset_plain: bool,
    /// Steps on the target [default: 4000; 1500 without --source and --target]
    #[arg(long, value_name = "S", value_parser = steps())]
    steps: Option<u64>,
    /// Steps of the source's GAN, where this command trains it [default: 4000; 1500 without --source and --target]
    #[arg(long, value_name = "S", value_parser = steps(), hide_short_help = true)]
    source_steps: Option<u64>,
    /// Steps of a feature extractor or label predictor [default: 2000; 500 without --source and --target]
    #[arg(long, value_name = "S", value_parser = steps(), hide_short_help = true)]
    feature_steps: Option<u64>,
    /// Colours for the source's images [default: colour where a grey source meets a colour target, else none]
    #[arg(long, value_enum, value_name = "STYLE", hide_short_help = true)]
    source_style: Option<Style>,
    /// Train the arm `scratch` beside it under the same budget, in DIR/scratch [default: only without --source and --target]
    #[arg(long)]
    scratch: bool,
    /// Random seed of everything
    #[arg(long, default_value_t = 0, value_name = "K", value_parser = seed())]
    seed: u64,
    /// Width of the networks: channels of the layer next to the image
    #[arg(long, default_value_t = 32, value_name = "N", hide_short_help = true)]
    features: usize,
    /// Length of the latent
    #[arg(long, default_value_t = 100, value_name = "N", hide_short_help = true)]
    latent: usize,
    /// Images a batch
    #[arg(long, default_value_t = 64, value_name = "N", hide_short_help = true)]
    batch: usize,
    /// Adversarial loss
    #[arg(long, value_enum, default_value_t = Loss::NonSaturating, hide_short_help = true)]
    loss: Loss,
    /// Learning rate of the target's generator [default: 2e-4; 1e-4 of tgan that starts from the source's GAN]
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true, hide_short_help = true)]
    lr: Option<f64>,
    /// Learning rate of the discriminator
    #[arg(long, default_value_t = 2e-4, value_name = "RATE", value_parser = positive, allow_negative_numbers = true, hide_short_help = true)]
    d_lr: f64,
    /// Adam's decay of the first moment
    #[arg(long, default_value_t = 0.5, value_name = "BETA", value_parser = decay, allow_negative_numbers = true, hide_short_help = true)]
    beta1: f64,
    /// Updates of the discriminator a step
    #[arg(long, default_value_t = 1, value_name = "N", hide_short_help = true)]
    d_steps: usize,
    /// Weight of WGAN-GP's gradient penalty, with --loss wasserstein-gp [default: 10]
    #[arg(long, value_name = "WEIGHT", value_parser = not_negative, allow_negative_numbers = true, hide_short_help = true)]
    gp: Option<f64>,
    /// Gamma of the R1 penalty, gamma/2 E|grad D|^2, and of R2 with r3gan [default: 1; none with wasserstein-gp]
    #[arg(long, value_name = "GAMMA", value_parser = not_negative, allow_negative_numbers = true, hide_short_help = true)]
    r1: Option<f64>,
    /// Normalisation of the discriminator; auto: batch without a penalty, layer with wasserstein-gp, else none
    #[arg(long, value_enum, default_value_t = DiscriminatorNorm::Auto, hide_short_help = true)]
    d_norm: DiscriminatorNorm,
    /// Differentiable augmentations of all that the target's discriminator sees, comma-separated
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST", hide_short_help = true)]
    augment: Vec<Augmentation>,
    /// Decay of the generator's moving average, from which samples are drawn; 0 turns it off
    #[arg(long, default_value_t = 0.995, value_name = "DECAY", value_parser = decay, allow_negative_numbers = true, hide_short_help = true)]
    ema: f64,
    /// Weight of LeCam's regulariser of the target's discriminator; 0 for none
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT", value_parser = not_negative, allow_negative_numbers = true, hide_short_help = true)]
    lecam: f64,
    #[command(flatten)]
    options: MethodOptions,
    /// Steps between checkpoints
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = steps(), hide_short_help = true)]
    checkpoint_every: u64,
    /// Steps between pictures
    #[arg(long, default_value_t = 250, value_name = "N", value_parser = steps(), hide_short_help = true)]
    sample_every: u64,
    /// Steps between points on the curve of the judge's distance to real images [default: a tenth of the steps]
    #[arg(long, value_name = "N", value_parser = steps(), hide_short_help = true)]
    evaluate_every: Option<u64>,
    /// Measure nothing, and train no judge
    #[arg(long, conflicts_with = "evaluate_every", hide_short_help = true)]
    no_judge: bool,
    /// Where a loss or a weight of a GAN is NaN or infinite
    #[arg(long, value_enum, default_value_t = OnNan::Stop, hide_short_help = true)]
    on_nan: OnNan,
    /// Folder of the run [default: runs/METHOD-TARGET-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run that is in --out
    #[arg(long, requires = "out", hide_short_help = true)]
    overwrite: bool,
    /// Continue the run in DIR as it was configured, in whatever phase it is; takes only --steps, --threads, --device, --on-nan and -q beside
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    compute: Compute,
}

/// The options of all methods, from their tables.
#[derive(Debug, Default)]
struct MethodOptions(BTreeMap<String, String>);

impl Args for MethodOptions {
    fn augment_args(mut command: Command) -> Command {
        let mut seen = BTreeSet::new();
        for option in METHODS.iter().flat_map(|kind| kind.options) {
            if !seen.insert(option.name) {
                continue;
            }
            let of = |kind: &&&transfer::Kind| kind.options.iter().any(|own| own.name == option.name);
            let methods: Vec<String> = METHODS
                .iter()
                .filter(of)
                .map(|kind| {
                    let own = kind.options.iter().find(|own| own.name == option.name).expect("just filtered");
                    format!("{}: {}", kind.name, own.default)
                })
                .collect();
            let help = format!("{} [defaults: {}]", option.help, methods.join(", "));
            let arg = Arg::new(option.name).long(option.name).help(help).hide_short_help(true);
            command = command.arg(match option.takes {
                Takes::Flag => {
                    arg.value_name("true|false").num_args(0..=1).require_equals(true).default_missing_value("true")
                }
                Takes::OneOf(words) => arg.value_name("WORD").value_parser(PossibleValuesParser::new(words)),
                Takes::Count => arg.value_name("N"),
                Takes::Number | Takes::Share => arg.value_name("NUMBER"),
                Takes::Text(words) => arg.value_name("VALUE").long_help(format!("{}; takes {words}", option.help)),
            });
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        MethodOptions::augment_args(command)
    }
}

impl FromArgMatches for MethodOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<MethodOptions, clap::Error> {
        let mut options = MethodOptions::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for option in METHODS.iter().flat_map(|kind| kind.options) {
            if let Some(value) = matches.get_one::<String>(option.name) {
                self.0.insert(option.name.to_string(), value.clone());
            }
        }
        Ok(())
    }
}

impl Transfer {
    pub fn run(self, matches: &ArgMatches) -> Result<()> {
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        if let Some(folder) = &self.resume {
            let groups = ["Transfer", "Compute", "MethodOptions"];
            let ids = matches.ids().map(|id| id.as_str()).filter(|id| given(id) && !groups.contains(id));
            if let Some(other) = ids.into_iter().find(|id| !RESUME_TAKES.contains(id)) {
                return Err(Error::Usage(format!(
                    "--resume continues the run as it was configured: --{} cannot be changed; only --steps, --threads, --device, --on-nan, --json and -q can be given with it",
                    other.replace('_', "-")
                )));
            }
            return self.resume(&continued(folder, "transfer")?, &given);
        }
        let plan = self.plan()?;
        let target = plan.load_target()?;
        let out = self.out.clone().unwrap_or_else(|| default_folder(&plan));
        self.compute.run(|device| {
            check_fits(&plan, device)?;
            tell_command(&equivalent_command(&plan));
            let folder = guarded(RunFolder::create(&out, self.overwrite)?);
            // From here on it can be continued, even where it is stopped before its first phase.
            folder.write_settings(&plan)?;
            run(&plan, target, &out, device, self.quiet).inspect_err(|_| folder.discard_unbegun())
        })
    }

    fn resume(&self, folder: &RunFolder, given: &dyn Fn(&str) -> bool) -> Result<()> {
        let mut plan: Plan = folder.read_settings()?;
        plan.check().map_err(|error| folder.broken_settings(&error))?;
        let mut compute = Compute { device: plan.device.clone(), threads: plan.threads };
        if let Some(steps) = self.steps {
            plan.steps = steps;
        }
        if given("threads") {
            compute.threads = self.compute.threads;
        }
        if given("on_nan") {
            plan.on_nan = self.on_nan;
        }
        if given("device") {
            compute.device = self.compute.device.clone();
        }
        (plan.device, plan.threads) = (compute.device.clone(), compute.threads);
        let reached = steps_of(folder)?;
        if reached > plan.steps {
            let text = format!("{} is already at step {reached} of {}", folder.path().display(), plan.steps);
            let findings = Findings::read(folder)?;
            tell(
                "finished",
                json!({ "run": named(folder.path()), "report": named(folder.report()), "findings": findings }),
                text,
            );
            return Ok(());
        }
        let target = plan.load_target()?;
        compute.run(|device| {
            check_fits(&plan, device)?;
            // What was said now holds for whoever continues from here.
            folder.write_settings(&plan)?;
            if reached < plan.steps {
                // The figures of an earlier, shorter end are not those of this run.
                match fs::remove_file(folder.outcome()) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(Error::io("remove", folder.outcome())(error));
                    }
                    _ => {}
                }
            }
            run(&plan, target, folder.path(), device, self.quiet)
        })
    }

    /// The plan that the options stand for.
    pub(super) fn plan(&self) -> Result<Plan> {
        let quick = self.source.is_none() && self.target.is_none();
        let preset = |quickly: u64, else_: u64| if quick { quickly } else { else_ };
        let target: Spec = self.target.as_deref().unwrap_or(QUICK_TARGET).parse()?;
        let steps = self.steps.unwrap_or(preset(QUICK_STEPS, STEPS));
        let wasserstein = self.loss == Loss::WassersteinGp;
        if !wasserstein && self.gp.is_some() {
            return Err(Error::Usage("--gp goes with --loss wasserstein-gp; other losses have --r1".to_string()));
        }
        let base = starting_recipe(self.seed, 32, 3);
        let r1 = self.r1.unwrap_or(if wasserstein { 0.0 } else { base.r1 });
        let mut recipe = Recipe {
            batch: self.batch,
            d_lr: self.d_lr,
            beta1: self.beta1,
            d_steps: self.d_steps,
            loss: self.loss,
            gp: if wasserstein { self.gp.unwrap_or(DEFAULT_GP) } else { 0.0 },
            r1,
            ema: self.ema,
            ..base
        };
        recipe.architecture.features = self.features;
        recipe.architecture.latent = self.latent;
        recipe.architecture.d_norm = self.d_norm.resolve(self.loss, r1)?;
        let arm = self.arm()?;
        let mut plan = Plan {
            source: self.source.clone().unwrap_or_else(|| QUICK_SOURCE.to_string()),
            source_style: self.source_style,
            source_steps: self.source_steps.unwrap_or(preset(QUICK_STEPS, SOURCE_STEPS)),
            feature_steps: self.feature_steps.unwrap_or(preset(QUICK_FEATURE_STEPS, FEATURE_STEPS)),
            target: target.to_string(),
            subset: self.subset.or(quick.then_some(QUICK_SUBSET)),
            subset_plain: self.subset_plain,
            steps,
            scratch: self.scratch || quick && arm.method != SCRATCH,
            device: self.compute.device.clone(),
            threads: self.compute.threads,
            checkpoint_every: self.checkpoint_every,
            sample_every: self.sample_every,
            on_nan: self.on_nan,
            evaluate_every: (!self.no_judge).then(|| self.evaluate_every.unwrap_or(steps.div_ceil(CURVE_POINTS))),
            arm,
            recipe,
        };
        plan.check()?;
        let trained = matches!(transfer::Source::parse(&plan.source)?, transfer::Source::Checkpoint(_));
        if trained && plan.source_style.is_some() && !plan.arm.learns_from_images()? {
            return Err(Error::Usage(
                "--source-style changes images that a source is trained on; a checkpoint is trained already"
                    .to_string(),
            ));
        }
        if self.scratch && plan.arm.method == SCRATCH {
            return Err(Error::Usage(
                "--scratch trains scratch beside a transfer: leave one of the two out".to_string(),
            ));
        }
        let native = target.load(Split::Train)?.images;
        /// The smaller of the sizes that networks have.
        const SMALL: usize = 32;
        plan.recipe.architecture.size = if native.height.max(native.width) > SMALL { 2 * SMALL } else { SMALL };
        plan.recipe.architecture.channels = native.channels;
        plan.check()?;
        Ok(plan)
    }

    /// The arm: what --method names, with the options that are given beside it.
    fn arm(&self) -> Result<Arm> {
        let named = Arm::parse(self.method.as_deref().unwrap_or("trgan"))?;
        let mut options = named.options;
        options.extend(self.options.0.clone());
        if let Some(lr) = self.lr {
            options.insert("lr".into(), lr.to_string());
        }
        if self.lecam > 0.0 {
            options.insert("lecam".into(), self.lecam.to_string());
        }
        if !self.augment.is_empty() {
            options.insert("augment".into(), names(&self.augment));
        }
        Arm::new(&named.name, &named.method, options)?.resolved()
    }
}

/// The names of augmentations, separated by commas.
fn names(augment: &[Augmentation]) -> String {
    augment.iter().map(word).collect::<Vec<_>>().join(",")
}

/// Refuses a run that memory cannot hold, before anything is trained.
fn check_fits(plan: &Plan, device: &Device) -> Result<()> {
    plan.arm.recipe(&plan.recipe)?.check_fits(device)
}

/// The arm, and scratch beside it where that is wanted; then what came out.
fn run(plan: &Plan, target: Dataset, out: &Path, device: &Device, quiet: bool) -> Result<()> {
    let scratch = plan.with_arm(Arm::parse(SCRATCH)?.resolved()?);
    let arms = [(plan, out.to_path_buf()), (&scratch, out.join(SCRATCH))];
    let arms = &arms[..if plan.scratch { 2 } else { 1 }];
    let stopped = || stopped(plan, &target, out);
    let Some(reference) = reference(plan, &target, device, quiet)? else { return stopped() };
    let mut progress = Progress::new(&plan.arm.name, plan.steps, quiet);
    let mut outcomes = Vec::new();
    for (plan, folder) in arms {
        let outcome = train(plan, target.clone(), folder, reference.as_ref().ok(), device, &mut progress);
        progress.pause();
        let outcome = outcome.map_err(|error| advised(error, plan.on_nan))?;
        match outcome.ending {
            Ending::Finished => {
                let run = RunFolder::open(folder)?;
                let grid = run.picture(plan.steps);
                tell(
                    "trained",
                    json!({ "arm": plan.arm.name, "run": named(folder), "steps": plan.steps, "checkpoint": named(run.checkpoint()) }),
                    format!("{}: {} steps of {}; last grid {}", folder.display(), plan.steps, plan.arm, grid.display()),
                );
            }
            Ending::Interrupted => return stopped(),
        }
        outcomes.push(outcome);
    }
    let judged = match &reference {
        Ok(reference) => judge(arms, reference, plan, device)?,
        Err(why) => Judged::Not(why.clone()),
    };
    let folder = RunFolder::open(out)?;
    let Outcome { report, notes, .. } = outcomes.swap_remove(0);
    let findings = Findings { layers: report.0.iter().map(Row::words).collect(), notes, judged };
    findings.write(&folder)?;
    report_on(&folder, plan, &target)?;
    let fields = json!({ "run": named(out), "report": named(folder.report()), "findings": findings });
    tell("finished", fields, format!("report: {}", folder.report().display()));
    Ok(())
}

/// Reports a run that was stopped as far as it got, and says how to continue it.
fn stopped(plan: &Plan, target: &Dataset, out: &Path) -> Result<()> {
    let folder = RunFolder::open(out)?;
    let reported = report_on(&folder, plan, target);
    let resume = format!("graft transfer --resume {}", quoted(&named(out)));
    let text = format!("stopped; continue with: {resume}");
    tell("stopped", json!({ "run": named(out), "report": named(folder.report()), "resume": resume }), text);
    reported
}

/// The step of a run's last checkpoint; 0 where there is none.
fn steps_of(run: &RunFolder) -> Result<u64> {
    match run.checkpoint().exists() {
        true => Ok(run.read_checkpoint()?.header.get("step").and_then(serde_json::Value::as_u64).unwrap_or(0)),
        false => Ok(0),
    }
}

/// Trains or resumes one arm, and measures it along the way where there is a reference.
fn train(
    plan: &Plan,
    target: Dataset,
    folder: &Path,
    reference: Option<&Reference>,
    device: &Device,
    progress: &mut Progress,
) -> Result<Outcome> {
    let folders = Folders::within(folder);
    let (Some(reference), Some(every)) = (reference, plan.evaluate_every) else {
        return transfer::run(plan, target, &folders, device, progress);
    };
    let run = RunFolder::prepare(folder)?;
    let mut curve = Curve::resume(&run, steps_of(&run)?, reference)?;
    transfer::run(plan, target, &folders, device, &mut Watch { curve: &mut curve, reference, every, inner: progress })
}

/// What samples are measured against: the test split, or half of the validation block where there is none. Else why not. None where
/// the judge's training was interrupted.
fn reference(plan: &Plan, target: &Dataset, device: &Device, quiet: bool) -> Result<Option<Result<Reference, String>>> {
    if plan.evaluate_every.is_none() {
        return Ok(Some(Err("the run was started with --no-judge".to_string())));
    }
    if target.labels.is_none() {
        return Ok(Some(Err(format!("{} has no labels, from which a judge could learn", plan.target))));
    }
    let spec: Spec = plan.target.parse()?;
    let Architecture { size, channels, .. } = plan.recipe.architecture;
    let Real { training, validation, test } = Real::new(&spec, spec.load(Split::Train)?, size, Some(channels))?;
    let (held_out, other) = match test {
        Ok(test) => (test, validation),
        Err(Error::Invalid(why)) => {
            warn(format!("warning: there is no test split ({why}): half of the validation block stands in for it"));
            validation.halves()
        }
        Err(error) => return Err(error),
    };
    let Some(judge) = evaluate::judge(None, &training, device, quiet)? else { return Ok(None) };
    let real = RealImages { held_out: &held_out, other: &other, training: Some(target) };
    match Reference::new(Arc::new(judge), &real) {
        Err(Error::Invalid(why)) => Ok(Some(Err(why))),
        reference => reference.map(|reference| Some(Ok(reference))),
    }
}

/// The figures of each arm's last step, which end its curve, too.
fn judge(arms: &[(&Plan, PathBuf)], reference: &Reference, plan: &Plan, device: &Device) -> Result<Judged> {
    let mut figures = Vec::new();
    for (arm, folder) in arms {
        let folder = RunFolder::open(folder)?;
        let (architecture, network) = load_generator(&folder.read_checkpoint()?, device)?;
        let count = reference.count();
        let (images, asked) = sample_asked(&network, &architecture, plan.recipe.seed, count)?;
        let evaluation = reference.evaluate(&Samples { images: &images, asked: asked.as_deref() })?;
        let point = Point::new(plan.steps, &evaluation.distances, count, reference);
        Curve::resume(&folder, plan.steps, reference)?.add(point)?;
        figures.push((arm.arm.name.clone(), evaluation));
    }
    let against = format!("{} held-out images of {}", reference.count(), plan.target);
    Ok(Judged::figures(against, reference.accuracy(), &figures, &reference.floors()?))
}

/// Writes the report of a transfer, as far as it got.
pub fn write_report(folder: &RunFolder, plan: &Plan) -> Result<()> {
    plan.check().map_err(|error| folder.broken_settings(&error))?;
    report_on(folder, plan, &plan.load_target()?)
}

fn report_on(folder: &RunFolder, plan: &Plan, target: &Dataset) -> Result<()> {
    let scratch = RunFolder::open(&folder.path().join(SCRATCH)).ok().filter(|_| plan.scratch);
    let run = Transferred {
        command: equivalent_command(plan),
        compare: compare_command(plan)?,
        arm: &plan.arm.name,
        source: &plan.source,
        target: &plan.target,
        steps: plan.steps,
        real: &target.images,
    };
    of_transfer(folder, scratch.as_ref(), &run)?.write(&folder.report())
}

/// `runs/ARM-TARGET-SEED`, with a number behind it where that is taken.
fn default_folder(plan: &Plan) -> PathBuf {
    let data = plan.target.split_once(':').map_or(plan.target.as_str(), |(kind, rest)| match kind {
        "synthetic" => rest,
        kind => kind,
    });
    super::train::free_folder(&format!("{}-{data}-{}", plan.arm, plan.recipe.seed))
}
