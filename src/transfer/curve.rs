//! Figures along a run: what measures samples at some of its steps, and `evaluations.jsonl`, which keeps them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::data::Parts;
use crate::error::{Error, Result, Way};
use crate::gan::{Scores, Trainer, sample};
use crate::metrics::{Distances, FrechetDistances, HeldOut, RealImages, Reference, unjudged};
use crate::random::Purpose;
use crate::run::{self, Event, Look, RunFolder, State, Watcher, overfitting};

/// The samples of one step, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The step, 0 before the first.
    pub step: u64,
    /// How far they are from real images.
    #[serde(flatten)]
    pub frechet: FrechetDistances,
    /// The judge's distance to the validation block, or to the half of it that stands against no figure where there is no test split: by that
    /// the best is chosen. None in points of earlier versions, and of ends that nothing was chosen at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_fd: Option<f64>,
    /// The discriminator's scores of real images that it has seen and not, and of the samples. None in points of earlier versions, and of
    /// ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// How many samples were measured.
    pub count: usize,
    /// The judge's hash: figures of different judges do not compare.
    pub judge: String,
    /// The digest of the real images that it is measured against. None in points of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<String>,
}

impl Point {
    /// A point of figures that a reference gave of `count` samples.
    pub fn new(step: u64, distances: &Distances, count: usize, reference: &Reference) -> Point {
        let judge = reference.judge().hash().to_string();
        let held_out = Some(reference.held_out_digest().to_string());
        Point { step, frechet: distances.frechet, validation_fd: None, scores: None, count, judge, held_out }
    }

    /// A point of a trainer whose average has statistics.
    fn measure(trainer: &Trainer, reference: &Reference) -> Result<Point> {
        let (count, recipe) = (reference.count(), trainer.recipe());
        let network = trainer.average().network();
        let images = sample(network, &recipe.architecture, recipe.seed, Purpose::SampleLatents, count, None)?;
        let (distances, validation_fd) = reference.distances_to_both(&images)?;
        let scores = trainer.scores(reference.other(), &images)?;
        Ok(Point {
            validation_fd: Some(validation_fd),
            scores: scores.finite(),
            ..Point::new(trainer.steps(), &distances, count, reference)
        })
    }

    /// Whether it is known to be measured against other images.
    fn is_of_other_images(&self, reference: &Reference) -> bool {
        self.held_out.as_deref().is_some_and(|digest| digest != reference.held_out_digest())
    }

    /// What health is judged by, where it was measured.
    fn seen(&self) -> Option<Look> {
        Some(Look { step: self.step, distance: self.validation_fd?, scores: self.scores? })
    }
}

/// The points of a run in the order of their steps, as its `evaluations.jsonl` has them, one object a line.
#[derive(Debug)]
pub struct Curve {
    path: PathBuf,
    points: Vec<Point>,
}

impl Curve {
    /// The curve of a run in a folder; empty where none is written.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    pub fn read(folder: &RunFolder) -> Result<Curve> {
        let path = folder.evaluations();
        let bytes = atomic::if_there(fs::read(&path)).map_err(Error::io("read", &path))?.unwrap_or_default();
        let points =
            String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Curve { path, points })
    }

    /// Refuses a run that was measured against other images than a reference has.
    ///
    /// # Errors
    /// [`Error::Folder`] where it was; [`Error::Io`] where it cannot be read.
    pub(super) fn check(folder: &RunFolder, reference: &Reference) -> Result<()> {
        match Curve::read(folder)?.points.iter().any(|point| point.is_of_other_images(reference)) {
            false => Ok(()),
            true => {
                let path = folder.evaluations();
                let problem = format!(
                    "{}: the images that the run is measured against are others now: some were added, removed or changed",
                    path.display()
                );
                Err(Error::folder(problem, [Way::Do("put the images back as they were"), Way::GoOnChanged]))
            }
        }
    }

    /// The curve of a run that goes on behind `step` under a judge: points of later steps, of other judges and of other images are dropped.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read or written.
    pub fn resume(folder: &RunFolder, step: u64, reference: &Reference) -> Result<Curve> {
        let mut curve = Curve::read(folder)?;
        let same = |point: &Point| point.judge == reference.judge().hash() && !point.is_of_other_images(reference);
        curve.points.retain(same);
        curve.cut(step)?;
        Ok(curve)
    }

    /// The step that was best on validation so far, behind step 0, which is no result of training; of equal ones the first.
    pub fn best(&self) -> Option<&Point> {
        let measured = self.points.iter().filter(|point| point.step > 0 && point.validation_fd.is_some());
        measured.min_by(|a, b| {
            a.validation_fd.unwrap_or(f64::INFINITY).total_cmp(&b.validation_fd.unwrap_or(f64::INFINITY))
        })
    }

    /// Drops the points behind a step.
    fn cut(&mut self, step: u64) -> Result<()> {
        self.points.retain(|point| point.step <= step);
        self.write()
    }

    /// The points.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Whether there is a point of this step.
    pub fn has(&self, step: u64) -> bool {
        self.points.iter().any(|point| point.step == step)
    }

    /// Adds a point unless there is one of its step, and writes the file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn add(&mut self, point: Point) -> Result<()> {
        if self.has(point.step) {
            return Ok(());
        }
        self.points.push(point);
        self.points.sort_by_key(|point| point.step);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let line = |point: &Point| serde_json::to_string(point).expect("a point is JSON") + "\n";
        atomic::write(&self.path, self.points.iter().map(line).collect::<String>().as_bytes())
    }
}

/// What a run is measured against that has the validation block of its data set alone, by a judge of its other images, out of the cache or
/// trained now. None where that was stopped.
///
/// # Errors
/// [`Error::Invalid`] where too few images are held out; what reading the data says.
pub fn of_validation(
    parts: &Parts,
    (size, channels): (usize, usize),
    device: &Device,
    watcher: &mut Watcher<'_>,
) -> Result<Option<Reference>> {
    if let Some(why) = unjudged(parts, HeldOut::Validation)? {
        return Err(Error::invalid(format!(
            "nothing can be measured on the validation block of {}: {why}",
            parts.spec()
        )));
    }
    let (training, validation) = parts.split()?;
    let (training, validation) = (training.fit(size, channels)?, validation.fit(size, channels)?);
    let Some(judge) = run::judge(&training, device, watcher)? else { return Ok(None) };
    let real = RealImages { held_out: &validation, other: &validation, training: None };
    Reference::new(Arc::new(judge), &real).map(Some)
}

/// What measures the averaged generator of a run at every so many steps, and at its last, and keeps the state that was best on validation.
pub struct Measuring<'a> {
    /// The run's folder.
    folder: &'a RunFolder,
    /// Where points go.
    curve: Curve,
    /// What they are measured against.
    reference: &'a Reference,
    /// Steps between points; the first is of step 0.
    every: u64,
    /// The run's last step.
    last: u64,
}

impl<'a> Measuring<'a> {
    /// What measures a run that goes on behind `step`, up to `last`. With other images than before (`changed`), a best state behind the step is
    /// none of the run, and is removed.
    ///
    /// # Errors
    /// Those of [`Curve::resume`]; [`Error::Io`] where a best state cannot be removed.
    pub fn resume(
        folder: &'a RunFolder,
        (step, last): (u64, u64),
        reference: &'a Reference,
        every: u64,
        changed: bool,
    ) -> Result<Measuring<'a>> {
        let curve = Curve::resume(folder, step, reference)?;
        let measuring = Measuring { folder, curve, reference, every, last };
        if changed {
            measuring.forget_best_behind(step)?;
        }
        Ok(measuring)
    }

    /// Measures where it is time to; gives what a person should know of what was found.
    ///
    /// # Errors
    /// Where samples cannot be measured, or the curve cannot be written.
    pub fn watch(&mut self, event: &Event<'_>) -> Result<Option<String>> {
        match event {
            Event::RolledBack(step) => {
                self.curve.cut(*step)?;
                self.forget_best_behind(*step)?;
                Ok(None)
            }
            Event::State(state) if self.is_due(state.step()) => {
                self.measure(state)?;
                Ok(overfitting(&self.curve.points().iter().filter_map(Point::seen).collect::<Vec<_>>()))
            }
            _ => Ok(None),
        }
    }

    fn is_due(&self, step: u64) -> bool {
        (step.is_multiple_of(self.every) || step == self.last) && !self.curve.has(step)
    }

    fn measure(&mut self, state: &State<'_>) -> Result<()> {
        let (trainer, step) = (state.trainer(), state.step());
        let point = Point::measure(trainer, self.reference)?;
        let least = self.curve.best().and_then(|best| best.validation_fd).unwrap_or(f64::INFINITY);
        // Before the point, so that none stands for a state that was not kept.
        if step > 0 && point.validation_fd.is_some_and(|fd| fd < least) {
            trainer.checkpoint()?.write(&self.folder.best())?;
        }
        self.curve.add(point)
    }

    /// Removes a best state of steps that are void now.
    fn forget_best_behind(&self, step: u64) -> Result<()> {
        let path = self.folder.best();
        let of_step = |best: &Checkpoint| best.header.get("step").and_then(Json::as_u64);
        match path.exists() && of_step(&Checkpoint::read(&path)?).is_none_or(|best| best > step) {
            true => fs::remove_file(&path).map_err(Error::io("remove", &path)),
            false => Ok(()),
        }
    }
}
