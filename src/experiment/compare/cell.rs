//! One run of a comparison: it is trained, measured on its way against the validation block, and at its end against the held-out
//! images. What was measured stands in files, so that nothing is done twice. A search's runs are stopped at some steps, perhaps to go
//! on.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::images::RealData;
use super::{Cell, CellEvent, Comparison, Judging, Settings, Watcher};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::Made;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::engine::{Experiment, Jobs, Turn, read_json, write_json};
use crate::experiment::evaluation::accuracy_after;
use crate::gan::{Architecture, Generator, Scores, Trainer, load_generator, load_raw_generator, sample_asked};
use crate::metrics::{Distances, Evaluation, Floors, RealImages, Reference, largest_share};
use crate::run::{self, Ending, Event, RunFolder, overfitting};
use crate::transfer::{self, Folders, Plan, Shelf, Trained};

/// The figures of a run's end, in its folder.
const RECORD: &str = "evaluation.json";
/// The figures of its way.
const CURVE: &str = "curve";
/// What became of it at the steps where it was stopped.
const RUNGS: &str = "rungs";
/// The generator that was best on validation.
const BEST: &str = "best.safetensors";

/// The averaged generator at a step, against the validation block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The step.
    pub step: u64,
    /// Its distances and classes.
    #[serde(flatten)]
    pub distances: Distances,
    /// The discriminator's scores of training images, validation images and samples. None at a run's end, and in what was written before
    /// they were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// What measuring took.
    pub seconds: f64,
}

impl Look {
    /// What health is judged by, where it was looked at.
    fn seen(&self) -> Option<run::Look> {
        Some(run::Look { step: self.step, distance: self.distances.frechet.judge_fd, scores: self.scores? })
    }
}

/// The averaged generator at the step that was best on validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The step.
    pub step: u64,
    /// Against the held-out images.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// A run's figures against the held-out images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// Of the averaged weights after the last step: the headline.
    pub last: Evaluation,
    /// Of the averaged weights at the step that was best on validation.
    pub best: Best,
    /// Of the weights as they are after the last step.
    pub raw: Evaluation,
    /// The accuracy of a classifier trained on samples, where the generator has the judge's classes.
    pub gan_train: Option<f64>,
    /// What that would be by chance: the share of the largest class of the held-out images. None also in what was written before it
    /// was measured.
    pub gan_train_chance: Option<f64>,
    /// The share of the held-out images to which the arm's label predictor gives their class, where it has one. None also in what was
    /// written before it was measured.
    #[serde(default)]
    pub labels_right: Option<f64>,
}

/// What became of a run, at its end or where it was stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its figures; none where it diverged, or was stopped.
    pub readings: Option<Readings>,
    /// Where it diverged, in words.
    pub diverged: Option<String>,
    /// Against the validation block, from the first look to the last.
    pub curve: Vec<Look>,
    /// What the method says of the run: the accuracy of labels, say.
    pub notes: Vec<String>,
    /// What training on the target took, without measuring.
    pub seconds: f64,
}

impl Record {
    /// What became of a run; none where it has not ended.
    ///
    /// # Errors
    /// Where the file is not one that was written here.
    pub fn read(root: &Path, cell: &Cell) -> Result<Option<Record>> {
        Record::read_at(root, cell, None)
    }

    /// What became of a run up to a step where it was stopped, or to its end; none where it has not come there.
    ///
    /// # Errors
    /// Where the file is not one that was written here.
    pub(super) fn read_at(root: &Path, cell: &Cell, until: Option<u64>) -> Result<Option<Record>> {
        read_json(&record_path(&cell.folder(root), until))
    }

    /// The distance at the last look, against the validation block; none where it diverged.
    pub(super) fn last_look(&self) -> Option<f64> {
        self.curve.last().filter(|_| self.diverged.is_none()).map(|look| look.distances.frechet.judge_fd)
    }

    /// The headline: the distance at the end, or at the last look where it was stopped; none where it diverged.
    pub fn judge_fd(&self) -> Option<f64> {
        match &self.readings {
            Some(readings) => Some(readings.last.distances.frechet.judge_fd),
            None => self.last_look(),
        }
    }

    /// Whether its figures are one judge's alone.
    pub fn lacks_panel(&self) -> bool {
        self.readings.as_ref().is_some_and(|readings| readings.last.panel.is_none())
    }
}

/// What the runs of a comparison share.
pub(super) struct Runs<'a> {
    pub root: &'a Path,
    pub settings: &'a Settings,
    pub real: &'a RealData,
    pub judging: &'a Judging,
    pub validation: Reference,
    pub device: &'a Device,
    pub jobs: Jobs,
    /// What other comparisons learned of sources.
    pub shelf: Option<Shelf>,
    /// The step where runs stop, with a checkpoint from which they may go on; none where they go to their end.
    pub until: Option<u64>,
    /// Collects what was found so far, and writes it.
    pub gather: &'a (dyn Fn() -> Result<Comparison> + Sync),
    pub watcher: &'a Watcher<'a>,
}

impl Experiment for Runs<'_> {
    type Cell = Cell;
    type Record = Record;

    fn folder(&self, cell: &Cell) -> PathBuf {
        cell.folder(self.root)
    }

    fn record(&self, cell: &Cell) -> PathBuf {
        record_path(&cell.folder(self.root), self.until)
    }

    fn shares(&self, cell: &Cell) -> Option<PathBuf> {
        cell.learned(self.root).ok().flatten()
    }

    fn is_whole(&self, record: &Record) -> bool {
        self.judging.panel.is_none() || !record.lacks_panel()
    }

    fn compute(&self, cell: &Cell, turn: &Turn<'_, Cell>) -> Result<Option<Record>> {
        if let Some(record) = Record::read(self.root, cell)?.filter(|_| self.until.is_none()) {
            return self.completed(cell, record).map(Some);
        }
        let subset = self.real.subset(cell.size, cell.seed)?;
        let mut way = Way::new(self, cell, turn)?;
        if let Some(stopped) = way.stopped()? {
            return Ok(Some(stopped));
        }
        let class_free = !self.real.native().tells_classes();
        let plan = Plan { class_free, ..cell.plan(self.settings, self.jobs) };
        let folders = Folders { shelf: self.shelf.clone(), ..cell.folders(self.root)? };
        let watcher = &mut |event: &Event<'_>| way.watch(event);
        match transfer::go_on(&plan, subset.clone(), &self.real.source, &folders, self.device, watcher) {
            Err(Error::Diverged(text)) => Ok(Some(Record {
                readings: None,
                diverged: Some(text),
                curve: way.points.into_values().collect(),
                notes: Vec::new(),
                seconds: 0.0,
            })),
            Err(error) => Err(error),
            Ok(trained) if trained.ending == Ending::Finished && self.until.is_none() => {
                self.measure(way, &subset, trained)
            }
            Ok(trained) => match way.stopped()? {
                None if way.has_come || trained.ending == Ending::Finished => Err(Error::invalid(format!(
                    "{} is behind step {} and was not measured there; remove it and run again",
                    cell.folder(self.root).display(),
                    self.until.unwrap_or_default()
                ))),
                stopped => Ok(stopped),
            },
        }
    }

    fn ended(&self, cell: &Cell, record: &Record) -> Result<()> {
        let comparison = (self.gather)()?;
        let _ = (self.watcher)(cell, &CellEvent::Ended(record, &comparison));
        Ok(())
    }

    fn lost(&self, cell: &Cell, why: &Error) {
        let _ = (self.watcher)(cell, &CellEvent::Lost(why));
    }

    fn waits(&self, cell: &Cell, left: usize) -> ControlFlow<()> {
        (self.watcher)(cell, &CellEvent::Waiting(left))
    }
}

impl Runs<'_> {
    /// The record of a run that one judge measured, with what the panel says of its generators.
    fn completed(&self, cell: &Cell, mut record: Record) -> Result<Record> {
        let Some(readings) = &mut record.readings else { return Ok(record) };
        let folder = RunFolder::open(&cell.folder(self.root))?;
        let subset = self.real.subset(cell.size, cell.seed)?;
        let reference = self.reference(&subset)?;
        self.copy_floor(cell, &reference, &subset)?;
        let measure = |network: &Generator, architecture: &Architecture, figures: &mut Evaluation| -> Result<()> {
            let (images, _) = sample_asked(network, architecture, cell.seed, reference.count())?;
            figures.panel = reference.by_panel(&images, figures.distances.frechet.judge_fd)?;
            Ok(())
        };
        let checkpoint = of_step(&folder.written_checkpoint()?, cell.steps(self.settings), "the run's last")?;
        let (architecture, network) = load_generator(&checkpoint, self.device)?;
        measure(&network, &architecture, &mut readings.last)?;
        let (_, raw) = load_raw_generator(&checkpoint, self.device)?;
        measure(raw.network(), &architecture, &mut readings.raw)?;
        let Best { step, evaluation } = &mut readings.best;
        if *step == cell.steps(self.settings) {
            evaluation.panel = readings.last.panel;
        } else if best_path(&folder).exists() {
            let (architecture, network) = load_generator(&best_checkpoint(&folder, *step)?, self.device)?;
            measure(&network, &architecture, evaluation)?;
        }
        Ok(record)
    }

    /// What training took, without the looks on its way. Where a run was stopped it was looked at behind its last step, which no time of a
    /// step has in it.
    fn training_seconds(&self, folder: &RunFolder, points: &BTreeMap<u64, Look>) -> Result<f64> {
        let was_stopped = |step: u64| self.until == Some(step) || record_path(folder.path(), Some(step)).exists();
        let on_its_way = points.values().filter(|point| point.step > 0 && !was_stopped(point.step));
        let looking: f64 = on_its_way.map(|point| point.seconds).sum();
        Ok((folder.seconds()? - looking).max(0.0))
    }

    fn measure(&self, way: Way<'_>, subset: &Dataset, trained: Trained) -> Result<Option<Record>> {
        let Way { cell, turn, mut points, .. } = way;
        let folder = RunFolder::open(&cell.folder(self.root))?;
        let seconds = self.training_seconds(&folder, &points)?;
        let reference = self.reference(subset)?;
        self.copy_floor(cell, &reference, subset)?;
        let checkpoint = folder.read_checkpoint()?;
        let (architecture, network) = load_generator(&checkpoint, self.device)?;
        let last_step = cell.steps(self.settings);
        points.insert(last_step, self.look(&network, &architecture, cell.seed, last_step, None)?);
        let last = reference.evaluate_generator(&network, &architecture, cell.seed, reference.count())?;
        // Step 0 is no result of training; of equal ones the first.
        let behind = points.values().filter(|point| point.step > 0);
        let best = behind.min_by(|a, b| a.distances.frechet.judge_fd.total_cmp(&b.distances.frechet.judge_fd));
        let best = best.map_or(last_step, |point| point.step);
        let of_best = if best == last_step {
            last.clone()
        } else {
            let (architecture, network) = load_generator(&best_checkpoint(&folder, best)?, self.device)?;
            reference.evaluate_generator(&network, &architecture, cell.seed, reference.count())?
        };
        let (_, raw) = load_raw_generator(&checkpoint, self.device)?;
        let raw = reference.evaluate_generator(raw.network(), &architecture, cell.seed, reference.count())?;
        let Some(gan_train) = self.gan_train(&network, &architecture, cell, turn)? else { return Ok(None) };
        let labels = self.real.held_out().labels.as_deref();
        let gan_train_chance = gan_train.and(labels).map(largest_share);
        let labeller = trained.labeller.as_ref().map(|labeller| labeller.accuracy(self.real.held_out()));
        let readings = Readings {
            last,
            best: Best { step: best, evaluation: of_best },
            raw,
            gan_train,
            gan_train_chance,
            labels_right: labeller.transpose()?.flatten(),
        };
        Ok(Some(Record {
            readings: Some(readings),
            diverged: None,
            curve: points.into_values().collect(),
            notes: trained.notes,
            seconds,
        }))
    }

    /// The real side of a run's figures.
    fn reference(&self, subset: &Dataset) -> Result<Reference> {
        let (held_out, other) = (self.real.held_out(), &self.real.validation);
        self.judging.reference(&RealImages { held_out, other, training: Some(subset) })
    }

    /// Measures the training images themselves, once a subset, and by a panel where that came later.
    fn copy_floor(&self, cell: &Cell, reference: &Reference, subset: &Dataset) -> Result<()> {
        let path = copy_floor_path(self.root, cell.size, cell.seed);
        let known: Option<Option<Evaluation>> = read_json(&path)?;
        let lacks_panel = |known: &Evaluation| known.panel.is_none() && reference.panel().is_some();
        match known {
            None => {
                let Floors { real, copy } = reference.floors()?;
                let fresh = match self.real.test {
                    Some(_) => real.memorisation,
                    // What is measured against the validation block has no others that are fresh beside it than its halves.
                    None => {
                        let (one, other) = self.real.floor();
                        let halves = RealImages { held_out: &one, other: &other, training: Some(subset) };
                        self.judging.alone(&halves)?.floors()?.real.memorisation
                    }
                };
                if let Some(fresh) = fresh {
                    write_json(&fresh_path(self.root, cell.size, cell.seed), &fresh)?;
                }
                write_json(&path, &copy)
            }
            Some(Some(known)) if lacks_panel(&known) => {
                let panel = reference.floors()?.copy.and_then(|copy| copy.panel);
                write_json(&path, &Evaluation { panel, ..known })
            }
            Some(_) => Ok(()),
        }
    }

    fn look(
        &self,
        network: &Generator,
        architecture: &Architecture,
        seed: u64,
        step: u64,
        trainer: Option<&Trainer>,
    ) -> Result<Look> {
        let start = Instant::now();
        let (images, _) = sample_asked(network, architecture, seed, self.validation.count())?;
        let distances = self.validation.distances(&images)?;
        let scores = trainer.map(|trainer| trainer.scores(&self.real.validation, &images)).transpose()?;
        let scores = scores.and_then(Scores::finite);
        Ok(Look { step, distances, scores, seconds: start.elapsed().as_secs_f64() })
    }

    /// Tells the watcher; gives whether to go on.
    fn tell(&self, cell: &Cell, turn: &Turn<'_, Cell>, event: &Event<'_>) -> ControlFlow<()> {
        let wish = (self.watcher)(cell, &CellEvent::Of(event));
        if turn.is_over() { ControlFlow::Break(()) } else { wish }
    }

    /// GAN-train, where the generator makes images of the judge's classes. The outer None: it was stopped.
    fn gan_train(
        &self,
        network: &Generator,
        architecture: &Architecture,
        cell: &Cell,
        turn: &Turn<'_, Cell>,
    ) -> Result<Option<Option<f64>>> {
        let Some(settings) = self.judging.judge.class_settings() else { return Ok(Some(None)) };
        let told = &mut |made: Made| Ok(self.tell(cell, turn, &Event::Made(made.step)));
        let held_out = self.real.held_out();
        let found = accuracy_after(network, architecture, cell.seed, held_out, &settings, self.device, told)?;
        Ok(found.map(|found| found.map(|found| found.accuracy)))
    }
}

/// Measures a run on its way.
struct Way<'a> {
    runs: &'a Runs<'a>,
    cell: &'a Cell,
    turn: &'a Turn<'a, Cell>,
    folder: PathBuf,
    /// The steps at which it is looked at, and what was seen.
    looks: Vec<u64>,
    points: BTreeMap<u64, Look>,
    /// Whether it is in its phase on the target, and whether it has come to where it is to stop.
    on_target: bool,
    has_come: bool,
}

impl<'a> Way<'a> {
    fn new(runs: &'a Runs<'a>, cell: &'a Cell, turn: &'a Turn<'a, Cell>) -> Result<Way<'a>> {
        let folder = cell.folder(runs.root);
        let looks = runs.settings.looks_of(cell.steps(runs.settings));
        let points = looks.iter().filter_map(|&step| {
            let point: Result<Option<Look>> = read_json(&point_path(&folder, step));
            point.transpose().map(|point| point.map(|point| (step, point)))
        });
        let points = points.collect::<Result<_>>()?;
        Ok(Way { runs, cell, turn, folder, looks, points, on_target: false, has_come: false })
    }

    fn watch(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        match *event {
            Event::Phase { name, .. } if name == self.cell.arm.name => {
                self.turn.made();
                self.on_target = true;
            }
            Event::Made(step) if self.on_target => self.has_come = self.runs.until.is_some_and(|until| step >= until),
            Event::State(state) if self.is_due(state.step()) => {
                self.look(state.trainer())?;
                let looks: Vec<run::Look> = self.points.values().filter_map(Look::seen).collect();
                if let Some(warning) = overfitting(&looks) {
                    let _ = self.runs.tell(self.cell, self.turn, &Event::Warning(&warning));
                }
            }
            _ => {}
        }
        let wish = self.runs.tell(self.cell, self.turn, event);
        Ok(if self.has_come { ControlFlow::Break(()) } else { wish })
    }

    /// What became of the run up to the step where it is to stop; none where it has none, or has not come there.
    fn stopped(&self) -> Result<Option<Record>> {
        let Some(until) = self.runs.until.filter(|until| self.points.contains_key(until)) else { return Ok(None) };
        let points: BTreeMap<u64, Look> =
            self.points.range(..=until).map(|(step, look)| (*step, look.clone())).collect();
        let seconds = self.runs.training_seconds(&RunFolder::open(&self.folder)?, &points)?;
        let curve = points.into_values().collect();
        Ok(Some(Record { readings: None, diverged: None, curve, notes: Vec::new(), seconds }))
    }

    /// Whether to measure the generator at a step.
    fn is_due(&self, step: u64) -> bool {
        self.looks.contains(&step) && !self.points.contains_key(&step)
    }

    fn look(&mut self, trainer: &Trainer) -> Result<()> {
        let (step, architecture) = (trainer.steps(), &trainer.recipe().architecture);
        let network = trainer.average().network();
        let point = self.runs.look(network, architecture, self.cell.seed, step, Some(trainer))?;
        let before = self.points.values().filter(|other| other.step > 0 && other.step < step);
        let least = before.map(|other| other.distances.frechet.judge_fd).fold(f64::INFINITY, f64::min);
        let folder = RunFolder::prepare(&self.folder)?;
        if step > 0 && point.distances.frechet.judge_fd < least {
            trainer.average_checkpoint()?.write(&best_path(&folder))?;
        }
        // Behind the generator, so that no point stands for one that was not kept.
        write_json(&point_path(&self.folder, step), &point)?;
        self.points.insert(step, point);
        Ok(())
    }
}

pub(super) fn record_path(folder: &Path, until: Option<u64>) -> PathBuf {
    match until {
        Some(step) => folder.join(RUNGS).join(format!("step_{step:06}.json")),
        None => folder.join(RECORD),
    }
}

fn best_path(folder: &RunFolder) -> PathBuf {
    folder.checkpoint().with_file_name(BEST)
}

/// The generator of the step that was best on validation.
fn best_checkpoint(folder: &RunFolder, step: u64) -> Result<Checkpoint> {
    of_step(&best_path(folder), step, "best on validation")
}

/// A checkpoint of this step, which is known to be what the words say.
fn of_step(path: &Path, step: u64, what: &str) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::read(path)?;
    if checkpoint.header.get("step").and_then(serde_json::Value::as_u64) == Some(step) {
        return Ok(checkpoint);
    }
    // The run's folder has it among its checkpoints.
    let run = path.parent().and_then(Path::parent).unwrap_or(path);
    let problem =
        format!("{} is not of step {step}, which was {what}; remove {} and run again", path.display(), run.display());
    Err(Error::invalid(problem))
}

fn point_path(folder: &Path, step: u64) -> PathBuf {
    folder.join(CURVE).join(format!("step_{step:06}.json"))
}

/// Where it stands how many fresh real images count as copies of a subset's.
pub(super) fn fresh_path(root: &Path, size: usize, seed: u64) -> PathBuf {
    root.join("floors").join(format!("fresh-{size}-seed{seed}.json"))
}

/// Where the figures of a subset's images themselves stand.
pub(super) fn copy_floor_path(root: &Path, size: usize, seed: u64) -> PathBuf {
    root.join("floors").join(format!("copy-{size}-seed{seed}.json"))
}
