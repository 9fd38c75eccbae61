//! `graft transfer`: trains on a target with what was learned on a source.

use std::path::PathBuf;

use clap::{ArgMatches, Args};
use serde_json::json;

use super::advice::{advised_of_going_on, advised_of_rates};
use super::arguments::{Preset, Said, one_of};
use super::command::{default_folder, option, tell_command};
use super::method_options::MethodOptions;
use super::output::is_quiet;
use super::pace::Pace;
use super::presets::{
    OF_ARM, OfTransfer, QUICK_SOURCE, QUICK_STEPS, QUICK_SUBSET, QUICK_TARGET, STEPS, quick_learning,
};
use super::progress::Progress;
use super::ranks::Desk;
use super::reading::PairReading;
use super::resume::{self, Changeable, ChangedOption, check_place};
use super::signals::stop_after;
use super::source::follow;
use super::transfer_command::{compare_command, equivalent_command};
use super::{Compute, continued, count, guarded, named, steps, tell, warn};
use crate::backend::Device;
use crate::data::{Parts, Spec};
use crate::error::{Error, Result};
use crate::experiment::report::{self, Commands};
use crate::gan::{Loss, Recipe};
use crate::run::{OnNan, RunFolder};
use crate::transfer::{self, Arm, Findings, Learning, Plan, Ready, SCRATCH, SourceImages};

/// Points on the curve of the judge's distance behind that of step 0.
const CURVE_POINTS: u64 = 10;

/// Train on little data with what was learned on plenty; without options, a small transfer between digits drawn in code
#[derive(Args)]
#[command(
    after_help = "Examples:\n  graft transfer\n  graft transfer --source mnist:DIR --target svhn:DIR --subset 1000 --scratch\n  \
    graft transfer --method trgan --source runs/trgan-street-0/source --freeze-d 1\n  graft transfer --resume runs/trgan-street-0"
)]
pub struct Transfer {
    /// How to transfer: a method (trgan, tgan, ctgan), or an arm of one (trgan-mission, tgan-untrained, ..) [default: ctgan where the
    /// source has classes, else tgan; trgan from a checkpoint without its run]
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// What to learn from: a data set (`graft data --help` lists the kinds), a checkpoint of `graft train`, or its run's folder
    /// [default: synthetic:strokes]
    #[arg(long, value_name = "SPEC|CHECKPOINT")]
    source: Option<String>,
    /// What to transfer to; its size and channels become the networks' [default: synthetic:street]
    #[arg(long, value_name = "SPEC")]
    target: Option<String>,
    /// Train on N of the target's images only, chosen by seed, in the classes' natural proportions [default: all; 100 without
    /// --source and --target]
    #[arg(long, value_name = "N", value_parser = count)]
    subset: Option<usize>,
    /// Choose the subset without looking at labels
    #[arg(long, requires = "subset", hide_short_help = true)]
    subset_plain: bool,
    /// Steps on the target [default: 4000; 500 without --source and --target]
    #[arg(long, value_name = "S", value_parser = steps())]
    steps: Option<u64>,
    #[command(flatten)]
    learning: Said<OfTransfer, Learning>,
    /// Train the arm `scratch` beside it under the same budget, in DIR/scratch [default: only without --source and --target]
    #[arg(long)]
    scratch: bool,
    #[command(flatten)]
    recipe: Said<OfTransfer, Recipe>,
    #[command(flatten)]
    options: MethodOptions,
    #[command(flatten)]
    pace: Pace,
    /// Steps between points on the curve of the judge's distance to real images [default: a tenth of the steps]
    #[arg(long, value_name = "N", value_parser = steps(), hide_short_help = true)]
    evaluate_every: Option<u64>,
    /// Measure nothing, and train no judge
    #[arg(long, conflicts_with = "evaluate_every", hide_short_help = true)]
    no_judge: bool,
    /// Where a loss or a weight of a GAN is NaN or infinite
    #[arg(long, value_parser = one_of::<OnNan>(), default_value_t = OnNan::Stop, value_name = "WORD", hide_short_help = true)]
    on_nan: OnNan,
    /// Folder of the run [default: runs/METHOD-TARGET-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run that is in --out
    #[arg(long, requires = "out", hide_short_help = true)]
    overwrite: bool,
    /// Continue the run in DIR as it was configured, in whatever phase it is
    ///
    /// Beside it are taken: --steps, --minutes, --threads, --device, --on-nan,
    /// --data-memory, --json, -q, the new places of the same images as --source, --target and --held-out, and --data-changed
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    changed: ChangedOption,
    #[command(flatten)]
    reading: PairReading,
    #[command(flatten)]
    compute: Compute,
}

impl Transfer {
    pub fn run(mut self, matches: &ArgMatches) -> Result<()> {
        stop_after(self.pace.minutes);
        if let Some(folder) = &self.resume {
            resume::check::<Self>(matches)?;
            let (_desk, folder) = Desk::resumed(folder, |folder| continued(folder, "transfer"))?;
            return self.resume(&folder, matches);
        }
        if let Some(source) = &self.source {
            follow(source, &mut self.recipe.0)?;
        }
        let (plan, parts, source) = self.plan()?;
        if self.source.is_none() && !self.is_quick() && plan.arm.method != SCRATCH {
            warn(format!(
                "note: without --source it learns from {QUICK_SOURCE}, digits drawn in code; name images akin to the target's"
            ));
        }
        let out = self.out.clone().unwrap_or_else(|| default_folder(&plan.arm.name, &plan.target, plan.recipe.seed));
        let kept = plan.absolute()?;
        let desk = Desk::new(out)?;
        self.compute.run(|device| {
            let ready = Ready::with_source(&kept, &parts, source, device)?;
            tell_command(&equivalent_command(&plan));
            let folder = guarded(RunFolder::create(desk.path(), self.overwrite)?);
            // From here on it can be continued, even where it is stopped before its first phase.
            folder.write_settings(&kept)?;
            run(&plan, &ready, &folder, device).inspect_err(|_| folder.discard_unbegun())
        })
    }

    fn resume(&self, folder: &RunFolder, matches: &ArgMatches) -> Result<()> {
        let mut plan = Plan::read(folder)?;
        folder.check_checkpoints()?;
        if let Some(source) = &self.source {
            let named = transfer::Source::parse(source)?;
            let is_data = |source: &transfer::Source| matches!(source, transfer::Source::Data(_));
            // What is no data set's name and is gone was a checkpoint.
            let was_data = transfer::Source::parse(&plan.source).is_ok_and(|known| is_data(&known));
            if is_data(&named) != was_data {
                return Err(Error::Usage(format!(
                    "--source says where the run's own source lies now, and that is {}: {source} is another kind of source",
                    plan.source
                )));
            }
            plan.source = named.absolute();
        }
        if let Some(target) = &self.target {
            plan.target = target.parse::<Spec>()?.to_string();
        }
        plan.reading = self.reading.moved(plan.reading)?;
        let [source, target] = plan.missing()?;
        check_place(folder.path(), "source", source, "--source")?;
        check_place(folder.path(), "target", target, "--target")?;
        let held_out = plan.reading.held_out.as_deref().map(str::parse::<Spec>).transpose()?;
        check_place(folder.path(), "held-out images", held_out.and_then(|spec| spec.missing()), "--held-out")?;
        plan.check().map_err(|error| folder.broken_settings(&error))?;
        plan = plan.absolute()?;
        let Plan { steps, device, threads, on_nan, .. } = &mut plan;
        let compute =
            Changeable { steps, device, threads, on_nan }.take(matches, self.steps, self.on_nan, &self.compute);
        let reached = folder.step()?;
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
        plan.reading = self.changed.of(self.reading.listening(plan.reading));
        let parts = plan.read_target().map_err(advised_of_going_on)?;
        plan.reading.classes = parts.reading().classes;
        let images = SourceImages::of(&plan);
        plan.source_changed = transfer::accepted_source(&plan, folder, &images)?;
        compute.run(|device| {
            let ready = Ready::with_source(&plan, &parts, images, device)?;
            ready.check_same(folder)?;
            // What was said now holds for whoever continues from here.
            folder.write_settings(&plan)?;
            run(&plan, &ready, folder, device)
        })
    }

    /// The plan that the options stand for, its target, and its source's images.
    pub(super) fn plan(&self) -> Result<(Plan, Parts, SourceImages)> {
        let quick = self.is_quick();
        let target: Spec = self.target.as_deref().unwrap_or(QUICK_TARGET).parse()?;
        let steps = self.steps.unwrap_or(if quick { QUICK_STEPS } else { STEPS });
        let base = self.recipe.settings(OfTransfer::usual())?;
        let learning = self.learning.settings(if quick { quick_learning() } else { Learning::default() })?;
        let recipe = Recipe { lr: learning.source_lr, augment: Vec::new(), lecam: 0.0, ada: 0.0, ..base };
        let arm = match &self.method {
            Some(method) => self.arm(method, recipe.loss)?,
            None => self.arm_to_be(recipe.loss)?,
        };
        let mut plan = Plan {
            source: self.source.clone().unwrap_or_else(|| QUICK_SOURCE.to_string()),
            source_style: learning.source_style,
            source_steps: learning.source_steps,
            feature_steps: learning.feature_steps,
            target: target.to_string(),
            subset: self.subset.or(quick.then_some(QUICK_SUBSET)),
            subset_plain: self.subset_plain,
            steps,
            scratch: self.scratch || quick && self.method.as_deref() != Some(SCRATCH),
            source_changed: None,
            device: self.compute.device.clone(),
            threads: self.compute.threads,
            checkpoint_every: self.pace.checkpoint_every,
            sample_every: self.pace.sample_every,
            keep: self.pace.keep,
            keep_every: self.pace.keep_every,
            on_nan: self.on_nan,
            evaluate_every: (!self.no_judge).then(|| self.evaluate_every.unwrap_or(steps.div_ceil(CURVE_POINTS))),
            class_free: false,
            reading: self.reading.reading()?,
            arm,
            recipe,
        };
        plan.check()?;
        plan.reading.size = self.recipe.get("size");
        let parts = Parts::read(&target, &plan.reading)?;
        plan.reading = parts.reading();
        plan.class_free = plan.evaluate_every.is_some() && !parts.whole().tells_classes();
        let native = &parts.whole().images;
        plan.recipe.architecture.size = self.recipe.get("size").unwrap_or(native.fitting_size());
        plan.recipe.architecture.channels = native.channels;
        let images = SourceImages::of(&plan);
        if self.method.is_none() {
            plan.arm = self.arm(transfer::suited(&plan.source, &images, parts.whole())?, plan.recipe.loss)?;
        }
        plan.check()?;
        let trained = matches!(transfer::Source::parse(&plan.source)?, transfer::Source::Checkpoint(_));
        if trained && plan.learning()?.source_style.is_some() && !plan.arm.shows_source_style()? {
            return Err(Error::Usage(
                "--source-style changes images that a source is trained on; a checkpoint is trained already"
                    .to_string(),
            ));
        }
        if plan.arm.choices()?.extra_steps(&plan.learning()?) > 0 {
            return Err(Error::Usage(format!(
                "{} trains for longer than the arms beside it, and here is none: use --method scratch with more --steps",
                plan.arm.name
            )));
        }
        if self.scratch && plan.arm.method == SCRATCH {
            return Err(Error::Usage(
                "--scratch trains scratch beside a transfer: leave one of the two out".to_string(),
            ));
        }
        Ok((plan, parts, images))
    }

    /// Whether it is the small transfer between digits drawn in code.
    fn is_quick(&self) -> bool {
        self.source.is_none() && self.target.is_none()
    }

    /// What stands for the arm until the source can be looked at and says which method suits. Options that none of these takes are refused
    /// before, as the first of them says that knows them all.
    fn arm_to_be(&self, loss: Loss) -> Result<Arm> {
        if transfer::SUITED.iter().any(|kind| self.arm(kind.name, loss).is_ok()) {
            return Arm::parse(SCRATCH);
        }
        let knows = |kind: &&transfer::Kind| {
            let abouts = (kind.new)().abouts();
            self.options.0.keys().all(|name| abouts.iter().any(|about| about.name == name))
        };
        let kind = transfer::SUITED.into_iter().find(knows).unwrap_or(transfer::SUITED[0]);
        self.arm(kind.name, loss)
    }

    /// The arm of this name or notation, with the options that are given beside it.
    fn arm(&self, method: &str, loss: Loss) -> Result<Arm> {
        let named = Arm::parse(method)?;
        let mut options = named.options;
        options.extend(self.options.0.clone());
        // What an arm has by its name is replaced by what is said, which the source is trained by, too; what stands in braces holds.
        let braced = method.contains('{');
        let is_of_arm = |name: &String| OF_ARM.contains(&name.as_str()) || !braced && options.contains_key(name);
        let said: Vec<_> = self.recipe.0.iter().filter(|(name, _)| is_of_arm(name)).collect();
        options.extend(said.into_iter().map(|(name, text)| (name.clone(), text.clone())));
        // Scores of that loss steer no augmentation, and the preset's few steps are over before they do.
        if loss.neutral().is_none() || self.is_quick() {
            options.entry("ada".to_string()).or_insert("0".to_string());
        }
        Arm::new(&named.name, &named.method, options)?.resolved()
    }
}

/// The transfer, and what came out.
fn run(plan: &Plan, ready: &Ready<'_>, folder: &RunFolder, device: &Device) -> Result<()> {
    if let Some(why) = ready.unjudged().filter(|_| plan.evaluate_every.is_some()) {
        // A run that was begun unmeasured stays so, however many images are held out.
        let began_unmeasured = !plan.class_free && !ready.target().tells_classes();
        let advice = if began_unmeasured { "" } else { "; name other held-out images with --held-out SPEC" };
        warn(format!("warning: nothing will be measured: {why}{advice}"));
    }
    let mut progress = Progress::new(&plan.arm.name, plan.steps, is_quiet());
    let findings = transfer::run(ready, folder, device, &mut |event| progress.watch(event));
    progress.finish();
    let findings = findings.map_err(|error| advised_of_rates(error, plan.on_nan))?;
    report::write(folder, &commands(plan)?, Some(&ready.target().images))?;
    let (run, report) = (named(folder.path()), named(folder.report()));
    match findings {
        Some(findings) => {
            let fields = json!({ "run": run, "report": report, "findings": findings });
            tell("finished", fields, format!("report: {report}"));
        }
        None => {
            let resume = format!("graft transfer{}", option("resume", &run));
            let text = format!("stopped; continue with: {resume}");
            tell("stopped", json!({ "run": run, "report": report, "resume": resume }), text);
        }
    }
    Ok(())
}

/// The commands that the report of a transfer shows.
pub(super) fn commands(plan: &Plan) -> Result<Commands> {
    Ok(Commands { again: Some(equivalent_command(plan)), compare: Some(compare_command(plan)?) })
}
