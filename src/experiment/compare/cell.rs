//! One run of a comparison: it is trained, measured on its way against the validation block, and at its end against the held-out
//! images. What was measured stands in files, so that nothing is done twice.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::images::RealData;
use super::{Cell, CellEvent, Comparison, Settings, Watcher};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::Made;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::engine::{Experiment, Jobs, Turn, read_json, write_json};
use crate::experiment::evaluation::accuracy_after;
use crate::gan::{Architecture, Generator, Trainer, load_generator, load_raw_generator, sample_asked};
use crate::metrics::{Distances, Evaluation, Judge, RealImages, Reference};
use crate::run::{Ending, Event, RunFolder};
use crate::transfer;

/// The figures of a run's end, in its folder.
const RECORD: &str = "evaluation.json";
/// The figures of its way.
const CURVE: &str = "curve";
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
    /// What measuring took.
    pub seconds: f64,
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
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its figures; none where it diverged.
    pub readings: Option<Readings>,
    /// Where it diverged, in words.
    pub diverged: Option<String>,
    /// Against the validation block, from step 0 to the last.
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
        read_json(&cell.folder(root).join(RECORD))
    }
}

/// What the runs of a comparison share.
pub(super) struct Runs<'a> {
    pub root: &'a Path,
    pub settings: &'a Settings,
    pub real: &'a RealData,
    pub judge: Arc<Judge>,
    pub validation: Reference,
    pub device: &'a Device,
    pub jobs: Jobs,
    /// Collects what was found so far, and writes it.
    pub gather: &'a (dyn Fn() -> Result<Comparison> + Sync),
    pub watcher: &'a Watcher<'a>,
}

impl Experiment for Runs<'_> {
    type Cell = Cell;
    type Record = Record;

    fn record(&self, cell: &Cell) -> PathBuf {
        cell.folder(self.root).join(RECORD)
    }

    fn shares(&self, cell: &Cell) -> Option<PathBuf> {
        cell.learned(self.root).ok().flatten()
    }

    fn compute(&self, cell: &Cell, turn: &Turn<'_, Cell>) -> Result<Option<Record>> {
        let subset = self.real.subset(cell.size, cell.seed)?;
        let mut way = Way::new(self, cell, turn)?;
        let plan = cell.plan(self.settings, self.jobs);
        let folders = cell.folders(self.root)?;
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
            Ok(trained) if trained.ending == Ending::Interrupted => Ok(None),
            Ok(trained) => self.measure(way, &subset, trained.notes),
        }
    }

    fn ended(&self, cell: &Cell, record: &Record) -> Result<()> {
        let comparison = (self.gather)()?;
        let _ = (self.watcher)(cell, &CellEvent::Ended(record, &comparison));
        Ok(())
    }
}

impl Runs<'_> {
    fn measure(&self, way: Way<'_>, subset: &Dataset, notes: Vec<String>) -> Result<Option<Record>> {
        let Way { cell, turn, mut points, .. } = way;
        let folder = RunFolder::open(&cell.folder(self.root))?;
        let looking: f64 = points.values().filter(|point| point.step > 0).map(|point| point.seconds).sum();
        let reference = self.reference(subset)?;
        self.copy_floor(cell, &reference)?;
        let checkpoint = folder.read_checkpoint()?;
        let (architecture, network) = load_generator(&checkpoint, self.device)?;
        let last_step = self.settings.steps;
        points.insert(last_step, self.look(&network, &architecture, cell.seed, last_step)?);
        let last = reference.evaluate_generator(&network, &architecture, cell.seed, reference.count())?;
        // Step 0 is no result of training; of equal ones the first.
        let trained = points.values().filter(|point| point.step > 0);
        let best = trained.min_by(|a, b| a.distances.frechet.judge_fd.total_cmp(&b.distances.frechet.judge_fd));
        let best = best.map_or(last_step, |point| point.step);
        let of_best = if best == last_step {
            last.clone()
        } else {
            let path = best_path(&folder);
            let checkpoint = Checkpoint::read(&path)?;
            if checkpoint.header.get("step").and_then(serde_json::Value::as_u64) != Some(best) {
                return Err(Error::invalid(format!(
                    "{} is not of step {best}, which was best on validation; remove {} and run again",
                    path.display(),
                    folder.path().display()
                )));
            }
            let (architecture, network) = load_generator(&checkpoint, self.device)?;
            reference.evaluate_generator(&network, &architecture, cell.seed, reference.count())?
        };
        let (_, raw) = load_raw_generator(&checkpoint, self.device)?;
        let raw = reference.evaluate_generator(raw.network(), &architecture, cell.seed, reference.count())?;
        let Some(gan_train) = self.gan_train(&network, &architecture, cell, turn)? else { return Ok(None) };
        let readings = Readings { last, best: Best { step: best, evaluation: of_best }, raw, gan_train };
        Ok(Some(Record {
            readings: Some(readings),
            diverged: None,
            curve: points.into_values().collect(),
            notes,
            seconds: (folder.seconds()? - looking).max(0.0),
        }))
    }

    /// The real side of a run's figures.
    fn reference(&self, subset: &Dataset) -> Result<Reference> {
        let (held_out, other) = (self.real.held_out(), &self.real.validation);
        Reference::new(self.judge.clone(), &RealImages { held_out, other, training: Some(subset) })
    }

    /// Measures the training images themselves, once a subset.
    fn copy_floor(&self, cell: &Cell, reference: &Reference) -> Result<()> {
        let path = copy_floor_path(self.root, cell.size, cell.seed);
        if path.exists() {
            return Ok(());
        }
        write_json(&path, &reference.floors()?.copy)
    }

    fn look(&self, network: &Generator, architecture: &Architecture, seed: u64, step: u64) -> Result<Look> {
        let start = Instant::now();
        let (images, _) = sample_asked(network, architecture, seed, self.validation.count())?;
        let distances = self.validation.distances(&images)?;
        Ok(Look { step, distances, seconds: start.elapsed().as_secs_f64() })
    }

    /// Tells the watcher; gives whether to go on.
    fn tell(&self, cell: &Cell, turn: &Turn<'_, Cell>, event: &Event<'_>) -> ControlFlow<()> {
        let wish = (self.watcher)(cell, &CellEvent::Of(event));
        if turn.is_over() { ControlFlow::Break(()) } else { wish }
    }

    /// GAN-train, where the generator is conditioned on the judge's classes. The outer None: it was stopped.
    fn gan_train(
        &self,
        network: &Generator,
        architecture: &Architecture,
        cell: &Cell,
        turn: &Turn<'_, Cell>,
    ) -> Result<Option<Option<f64>>> {
        let held_out = self.real.held_out();
        let named = |name: &String| held_out.classes.named(name).is_some();
        if held_out.labels.is_none() || !network.conditions().names().names().iter().any(named) {
            return Ok(Some(None));
        }
        let told = &mut |made: Made| Ok(self.tell(cell, turn, &Event::Made(made.step)));
        Ok(accuracy_after(network, architecture, cell.seed, held_out, &self.judge, self.device, told)?.map(Some))
    }
}

/// Measures a run on its way.
struct Way<'a> {
    runs: &'a Runs<'a>,
    cell: &'a Cell,
    turn: &'a Turn<'a, Cell>,
    folder: PathBuf,
    points: BTreeMap<u64, Look>,
}

impl<'a> Way<'a> {
    fn new(runs: &'a Runs<'a>, cell: &'a Cell, turn: &'a Turn<'a, Cell>) -> Result<Way<'a>> {
        let folder = cell.folder(runs.root);
        let points = runs.settings.looks.iter().filter_map(|&step| {
            let point: Result<Option<Look>> = read_json(&point_path(&folder, step));
            point.transpose().map(|point| point.map(|point| (step, point)))
        });
        let points = points.collect::<Result<_>>()?;
        Ok(Way { runs, cell, turn, folder, points })
    }

    fn watch(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        match *event {
            Event::Phase { name, .. } if name == self.cell.arm.name => self.turn.made(),
            Event::State(state) if self.is_due(state.step()) => self.look(state.trainer())?,
            _ => {}
        }
        Ok(self.runs.tell(self.cell, self.turn, event))
    }

    /// Whether to measure the generator at a step.
    fn is_due(&self, step: u64) -> bool {
        let settings = self.runs.settings;
        step < settings.steps && settings.looks.contains(&step) && !self.points.contains_key(&step)
    }

    fn look(&mut self, trainer: &Trainer) -> Result<()> {
        let (step, architecture) = (trainer.steps(), &trainer.recipe().architecture);
        let point = self.runs.look(trainer.average().network(), architecture, self.cell.seed, step)?;
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

fn best_path(folder: &RunFolder) -> PathBuf {
    folder.checkpoint().with_file_name(BEST)
}

fn point_path(folder: &Path, step: u64) -> PathBuf {
    folder.join(CURVE).join(format!("step_{step:06}.json"))
}

/// Where the figures of a subset's images themselves stand.
pub(super) fn copy_floor_path(root: &Path, size: usize, seed: u64) -> PathBuf {
    root.join("floors").join(format!("copy-{size}-seed{seed}.json"))
}
