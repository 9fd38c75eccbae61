//! A transfer from its first phase to its figures: what is needed of the source, the target, and, where that is asked for, the arm
//! `scratch` beside it and a judge's figures of both.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::curve::{Curve, Measuring, Point};
use super::findings::{Findings, Judged};
use super::plan::{Folders, Plan, Source};
use super::rehearsal::check_fits;
use super::surgery::{LayerReport, Row};
use super::workshop::{SourceImages, Workshop, began_from, digest_of};
use super::{Arm, Labeller, SCRATCH};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::Classifier;
use crate::data::{Block, Dataset, Parts};
use crate::error::{Error, Result, Way};
use crate::gan::{Architecture, Trainer, load_generator};
use crate::metrics::{HeldOut, JudgeSettings, Real, RealImages, Reference, Supervision, flattery_of_source};
use crate::ranks;
use crate::run::{self, Ending, Event, RunFolder, Watcher};

/// How versions begin that held out other images of folders.
const OLD: &str = "0.1.";

/// A training on the target.
#[derive(Clone, Debug)]
pub struct Trained {
    /// At its last step, or before.
    pub ending: Ending,
    /// What became of each layer; empty where it ended before the target.
    pub report: LayerReport,
    /// What else a person should read.
    pub notes: Vec<String>,
    /// What labels the target's images, where the method has that.
    pub labeller: Option<Labeller>,
}

/// A transfer of which nothing is known beforehand that would keep it from its end: its arms, the target's images to train on, and the
/// source's.
#[derive(Debug)]
pub struct Ready<'a> {
    plan: &'a Plan,
    parts: &'a Parts,
    /// The arm `scratch`, where it trains beside the plan's.
    scratch: Option<Plan>,
    unjudged: Option<String>,
    target: Dataset,
    source: SourceImages,
}

impl<'a> Ready<'a> {
    /// Looks at a plan before any folder is touched: what fails here leaves a run that is to be replaced as it was.
    ///
    /// `parts` is the plan's target.
    ///
    /// # Errors
    /// Those of [`inspect`]; a run that memory cannot hold.
    pub fn of(plan: &'a Plan, parts: &'a Parts, device: &Device) -> Result<Ready<'a>> {
        Ready::with_source(plan, parts, SourceImages::of(plan), device)
    }

    /// As [`Ready::of`], of a plan whose source's images were looked at already.
    ///
    /// # Errors
    /// Those of [`Ready::of`].
    pub fn with_source(plan: &'a Plan, parts: &'a Parts, source: SourceImages, device: &Device) -> Result<Ready<'a>> {
        let target = plan.choose(parts)?;
        let scratch = plan.scratch.then(|| beside(plan)).transpose()?;
        for arm in [plan].into_iter().chain(&scratch) {
            // First the networks alone: where those are too large, nothing else need be made.
            arm.check_fits(device)?;
            inspect(arm, &target, &source, device)?;
            check_fits(arm, &target, &source, device)?;
        }
        let unjudged = plan.unjudged(parts)?;
        if unjudged.is_none() {
            let Architecture { size, channels, .. } = plan.recipe.architecture;
            let judge = Supervision::of(parts.whole(), &JudgeSettings::STANDARD);
            judge.check_fits([size, channels], target.classes.len(), device)?;
        }
        Ok(Ready { plan, parts, scratch, unjudged, target, source })
    }

    /// Refuses a source or a target whose images are others than those that the run in `folder` learned from: as far as it has come, its
    /// checkpoints tell. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Folder`] where one is another; what reading them says.
    pub fn check_same(&self, folder: &RunFolder) -> Result<()> {
        let of_data = |checkpoint: &Checkpoint| {
            checkpoint.header.get("data").and_then(|data| data.get("digest")?.as_str().map(str::to_string))
        };
        let (written, own) = (folder.last_checkpoint()?, self.plan.of_arm()?);
        if let Source::Checkpoint(path) = Source::parse(&own.source)?
            && let Some(known) = written.as_ref().and_then(began_from)
            && digest_of(&path)? != known
        {
            let problem = format!(
                "{} was begun with other networks than {} has now: was that trained on since?",
                folder.checkpoint().display(),
                path.display()
            );
            let back = "put back the checkpoint that it was begun with, or name its place as the source";
            return Err(Error::folder(problem, [Way::Do(back), Way::Replace]));
        }
        if self.plan.reading.changed {
            return Ok(());
        }
        let other = |checkpoint: &RunFolder, what: &str| {
            let file = checkpoint.checkpoint();
            let writer = checkpoint.read_checkpoint()?.header.get("graft").and_then(Json::as_str).map(str::to_string);
            if let Some(writer) = writer.filter(|writer| writer.starts_with(OLD)) {
                let problem = format!(
                    "{} was written by graft {writer}, which held other images of the {what} out, or the {what} has changed since: the run can \
                     be sampled, measured and exported, and goes on with that version alone",
                    file.display()
                );
                return Err(Error::folder(problem, [Way::GoOnChanged, Way::Elsewhere, Way::Replace]));
            }
            let problem = format!(
                "{} learned from other images than the {what} has now: some were added, removed or changed, or another {what} is named",
                file.display()
            );
            let ways =
                [Way::Do("put the images back as they were, or name their place"), Way::GoOnChanged, Way::Replace];
            Err(Error::folder(problem, ways))
        };
        if let Some(written) = &written
            && of_data(written) != Some(self.target.digest())
        {
            return other(folder, "target");
        }
        if let Source::Checkpoint(_) = Source::parse(&own.source)? {
            return Ok(());
        }
        let phase = RunFolder::open(&Folders::within(folder.path()).source);
        let Some(phase) = phase.ok().filter(|phase| phase.checkpoint().exists()) else { return Ok(()) };
        let digest = Some(self.source.images(&own.source)?.0.digest());
        match of_data(&phase.read_checkpoint()?) == digest || self.plan.source_changed == digest {
            true => Ok(()),
            false => other(&phase, "source"),
        }
    }

    /// The images that the run trains on.
    pub fn target(&self) -> &Dataset {
        &self.target
    }

    /// Why nothing will measure the run, if nothing will.
    pub fn unjudged(&self) -> Option<&str> {
        self.unjudged.as_deref()
    }
}

/// The digest of the source's images with which a run in a folder goes on, to be kept with it, where they are others than those it learned
/// from: as its settings have it, or as it is where images may have changed now.
///
/// # Errors
/// What reading the images or the checkpoint says.
pub fn accepted_source(plan: &Plan, folder: &RunFolder, source: &SourceImages) -> Result<Option<String>> {
    let (own, phase) = (plan.of_arm()?, RunFolder::open(&Folders::within(folder.path()).source));
    let phase = phase.ok().filter(|phase| phase.checkpoint().exists());
    let (true, Source::Data(_), Some(phase)) = (plan.reading.changed, Source::parse(&own.source)?, phase) else {
        return Ok(plan.source_changed.clone());
    };
    let header = phase.read_checkpoint()?.header;
    let learned = header.get("data").and_then(|data| data.get("digest")?.as_str());
    let digest = source.images(&own.source)?.0.digest();
    Ok((learned != Some(digest.as_str())).then_some(digest))
}

/// The arm `scratch` beside a plan's: where the plan's has a rate that is not its method's own, scratch has it too.
fn beside(plan: &Plan) -> Result<Plan> {
    const RATE: &str = "lr";
    let (said, mut scratch) = (plan.arm.resolved()?, Arm::parse(SCRATCH)?);
    let usual = Arm::parse(&plan.arm.name).and_then(|arm| arm.resolved()).ok();
    let rate = said.options.get(RATE).filter(|rate| usual.is_none_or(|usual| usual.options.get(RATE) != Some(rate)));
    scratch.options.extend(rate.map(|rate| (RATE.to_string(), rate.clone())));
    Ok(plan.with_arm(scratch.resolved()?))
}

/// Trains or resumes a transfer, and the arm `scratch` in `folder/scratch` where the plan says so, from wherever they stand. Where the
/// plan says so, a judge, out of the cache or trained now, measures both on their way and at their end. What came out is written into the folder
/// and returned; None where the watcher stopped it.
///
/// A run that was split equals the unbroken one byte for byte.
///
/// # Errors
/// Those of [`train`]; those of a test split that cannot be read; what files say.
pub fn run(
    ready: &Ready<'_>,
    folder: &RunFolder,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Option<Findings>> {
    let Ready { plan, parts, scratch, target, source, .. } = ready;
    let Some(reference) = reference(ready, device, watcher)? else { return Ok(None) };
    if reference.is_ok() || parts.spec().block() == Block::LastFifth {
        let _ = watcher(&Event::Note(&parts.withheld()?))?;
    }
    let places = [folder.path().to_path_buf(), folder.path().join(SCRATCH)];
    let arms: Vec<(&Plan, PathBuf)> = [*plan].into_iter().chain(scratch).zip(places).collect();
    if let Ok(reference) = &reference
        && !plan.reading.changed
    {
        // An arm may not be there yet.
        let there = arms.iter().filter_map(|(_, path)| RunFolder::open(path).ok());
        there.into_iter().try_for_each(|arm| Curve::check(&arm, reference))?;
    }
    if folder.step()? < plan.steps {
        Findings::remove(folder)?;
    }
    let mut findings = Findings { layers: Vec::new(), notes: Vec::new(), judged: Judged::Not(String::new()) };
    for (plan, path) in &arms {
        let arm = RunFolder::prepare(path)?;
        let mut measuring = match (&reference, plan.evaluate_every) {
            (Ok(reference), Some(every)) => {
                let steps = (arm.step()?, plan.steps);
                Some(Measuring::resume(&arm, steps, reference, every, plan.reading.changed)?)
            }
            _ => None,
        };
        let trained = go_on(plan, target.clone(), source, &Folders::within(path), device, &mut |event| {
            if let Some(warning) = measuring.as_mut().map_or(Ok(None), |measuring| measuring.watch(event))? {
                let _ = watcher(&Event::Warning(&warning))?;
            }
            watcher(event)
        })?;
        if trained.ending == Ending::Interrupted {
            return Ok(None);
        }
        let _ = watcher(&Event::Trained { arm: &plan.arm.name, run: &arm, steps: plan.steps })?;
        if findings.layers.is_empty() && findings.notes.is_empty() {
            findings.layers = trained.report.0.iter().map(Row::words).collect();
            findings.notes = trained.notes;
        }
    }
    findings.judged = match &reference {
        Ok(reference) => judge(&arms, reference, device)?,
        Err(why) => Judged::Not(why.clone()),
    };
    findings.write(folder)?;
    Ok(Some(findings))
}

/// Refuses what would fail only behind the training of what the arm needs of its source.
///
/// # Errors
/// Labels that cannot be had, layers that cannot be frozen, a source that does not fit; what reading it says.
pub fn inspect(plan: &Plan, target: &Dataset, source: &SourceImages, device: &Device) -> Result<()> {
    plan.check()?;
    let (folders, mut watcher) = (Folders::within(Path::new("")), run::unwatched);
    let own = plan.of_arm()?;
    let mut workshop = Workshop::new(&own, target, source, &folders, device, &mut watcher);
    plan.arm.choices()?.inspect(&mut workshop)
}

/// Trains or resumes all phases of an arm: what it needs of the source, then the target. Each phase continues from its own last
/// checkpoint, so that a run that was split equals the unbroken one byte for byte.
///
/// `target` holds the images to train on, in the networks' size and channels; its labels are used by nothing but what says
/// so. The watcher is told of the states of the target's trainer, and of no other's.
///
/// # Errors
/// Those of each phase: data that do not fit, a source that does not, a state that is not finite, a file that cannot be written.
pub fn train(
    plan: &Plan,
    target: Dataset,
    source: &SourceImages,
    folders: &Folders,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Trained> {
    plan.check()?;
    plan.check_fits(device)?;
    check_fits(plan, &target, source, device)?;
    go_on(plan, target, source, folders, device, watcher)
}

/// As [`train`], of a plan that was found to fit.
///
/// # Errors
/// Those of [`train`].
pub(crate) fn go_on(
    plan: &Plan,
    target: Dataset,
    source: &SourceImages,
    folders: &Folders,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Trained> {
    go_on_with(plan, target, source, folders, device, None, watcher)
}

/// What a CTGAN is given that takes turns with a classifier.
#[derive(Debug)]
pub(crate) struct Handover {
    /// What labels the target's images in this turn: it tells the source's classes.
    pub predictor: Classifier,
    /// The state in which the turn before left the networks; none in the first.
    pub before: Option<Checkpoint>,
}

/// As [`go_on`]; where something is handed over, by that.
///
/// # Errors
/// Those of [`train`].
pub(crate) fn go_on_with(
    plan: &Plan,
    target: Dataset,
    source: &SourceImages,
    folders: &Folders,
    device: &Device,
    given: Option<Handover>,
    watcher: &mut Watcher<'_>,
) -> Result<Trained> {
    let folder = RunFolder::prepare(&folders.run)?;
    if !folder.config().exists() {
        folder.write_settings(plan)?;
    }
    let own = plan.of_arm()?;
    let mut workshop = Workshop::new(&own, &target, source, folders, device, &mut *watcher);
    let (predictor, before) = given.map_or((None, None), |given| (Some(given.predictor), given.before));
    let grafted = match predictor {
        Some(predictor) => super::ctgan::with_predictor(&mut workshop, predictor)?,
        None => plan.arm.choices()?.prepare(&mut workshop)?,
    };
    let Some(grafted) = grafted else {
        return Ok(Trained {
            ending: Ending::Interrupted,
            report: LayerReport::default(),
            notes: Vec::new(),
            labeller: None,
        });
    };
    let mut recipe = plan.arm.recipe(&plan.recipe)?;
    recipe.architecture.classes = grafted.classes;
    recipe.architecture.condition_features = grafted.condition_features;
    let mut notes = Vec::new();
    if !grafted.report.0.is_empty() {
        notes.push(grafted.report.to_string());
    }
    let beside: Vec<&str> = grafted.method.networks().into_iter().map(|(name, _)| name).collect();
    if !beside.is_empty() {
        notes.push(format!("frozen beside the target's networks: {}", beside.join(", ")));
    }
    for note in notes.iter().chain(&grafted.notes) {
        let _ = watcher(&Event::Note(note))?;
    }
    device.release_idle();
    let mut trainer = Trainer::with_method(&recipe, grafted.method, target, device)?;
    if let Some(before) = before {
        trainer.take_over(&before)?;
    }
    let ending = folder.go_on(&plan.arm.name, &mut trainer, plan, &plan.pace(), watcher)?;
    Ok(Trained { ending, report: grafted.report, notes: grafted.notes, labeller: grafted.labeller })
}

/// What samples are measured against: the test split, or half of the validation block where there is none. Else why not. None where
/// the judge's training was stopped.
fn reference(
    ready: &Ready<'_>,
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Option<Result<Reference, String>>> {
    let Ready { plan, parts, target, source, .. } = ready;
    if let Some(why) = plan.unjudged(parts)? {
        return Ok(Some(Err(why)));
    }
    let Architecture { size, channels, .. } = plan.recipe.architecture;
    let real = Real::of(parts, size, channels)?;
    let against = match &real.test {
        Ok(_) => HeldOut::Test,
        Err(why) => {
            let half = "half of the validation block stands in for it";
            let _ = watcher(&Event::Warning(&format!("there is no test split ({why}): {half}")))?;
            HeldOut::Validation
        }
    };
    let judge = run::judge(&real.training, device, watcher)?;
    // Ranks find a judge each by itself, and stop together.
    let is_stopped = ranks::current().any(judge.is_none());
    let Some(judge) = judge.filter(|_| !is_stopped) else { return Ok(None) };
    let (held_out, other) = real.sides(against)?;
    let real = RealImages { held_out: &held_out, other: &other, training: Some(target) };
    let reference = match Reference::new(Arc::new(judge), &real) {
        Err(Error::Invalid(why)) => return Ok(Some(Err(why))),
        reference => reference?,
    };
    let own = plan.of_arm()?.source;
    // Images of a checkpoint may be unknown.
    let of_source = if Source::parse(&own)?.is_read_by(&plan.arm)? { source.images(&own).ok() } else { None };
    let of_source = of_source.and_then(|(images, _)| flattery_of_source(&held_out, &images));
    for warning in reference.warning().into_iter().chain(of_source) {
        let _ = watcher(&Event::Warning(&warning))?;
    }
    Ok(Some(Ok(reference)))
}

/// The figures of each arm's last step, which end its curve, too.
fn judge(arms: &[(&Plan, PathBuf)], reference: &Reference, device: &Device) -> Result<Judged> {
    let mut figures = Vec::new();
    for (plan, folder) in arms {
        let folder = RunFolder::open(folder)?;
        let (architecture, network) = load_generator(&folder.read_checkpoint()?, device)?;
        let count = reference.count();
        let evaluation = reference.evaluate_generator(&network, &architecture, plan.recipe.seed, count)?;
        let point = Point::new(plan.steps, &evaluation.distances, count, reference);
        Curve::resume(&folder, plan.steps, reference)?.add(point)?;
        figures.push((plan.arm.name.clone(), evaluation));
    }
    Ok(Judged::Figures {
        against: format!("{} held-out images of {}", reference.count(), arms[0].0.measured_on()),
        accuracy: reference.accuracy(),
        arms: figures,
        floors: Box::new(reference.floors()?),
    })
}
