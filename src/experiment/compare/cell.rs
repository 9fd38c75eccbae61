//! One run of a comparison: it is trained, measured on its way against the validation block, and at its end against the held-out
//! images. What was measured stands in files, so that nothing is done twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::images::RealData;
use super::queue::Queue;
use super::{Cell, Jobs, Settings, Watch};
use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator, Trainer, load_generator, load_raw_generator, sample_asked};
use crate::metrics::{
    Distances, Evaluation, GAN_TRAIN_COUNT, GAN_TRAIN_SEED, Judge, RealImages, Reference, Samples, gan_train,
};
use crate::run::{Ending, Observer, RunFolder};
use crate::transfer;

/// The figures of a run's end, in its folder.
const RECORD: &str = "evaluation.json";
/// The figures of its way.
const CURVE: &str = "curve";
/// The generator that was best on validation.
const BEST: &str = "best.safetensors";

/// The averaged generator at a step, against the validation block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
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
    pub curve: Vec<Point>,
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
pub(super) struct Bench<'a> {
    pub root: &'a Path,
    pub settings: &'a Settings,
    pub real: &'a RealData,
    pub judge: Arc<Judge>,
    pub validation: Reference,
    pub device: &'a Device,
    pub jobs: Jobs,
    pub queue: &'a Queue,
    pub watch: &'a dyn Watch,
}

impl Bench<'_> {
    fn stop(&self) -> bool {
        self.queue.is_over() || self.watch.stop()
    }

    /// Trains and measures a run, from wherever it was left. None where it was stopped.
    pub fn run(&self, cell: &Cell) -> Result<Option<Record>> {
        let folder = cell.folder(self.root);
        let subset = self.real.subset(cell.size, cell.seed)?;
        let mut way = Way::new(self, cell, &folder)?;
        let plan = cell.plan(self.settings, self.jobs);
        let outcome = transfer::run(&plan, subset.clone(), &cell.folders(self.root)?, self.device, &mut way);
        let record = match outcome {
            Err(Error::Diverged(text)) => Record {
                readings: None,
                diverged: Some(text),
                curve: way.points.into_values().collect(),
                notes: Vec::new(),
                seconds: 0.0,
            },
            Err(error) => return Err(error),
            Ok(outcome) if outcome.ending == Ending::Interrupted => return Ok(None),
            Ok(outcome) => {
                let points = way.points;
                let Some(record) = self.measure(cell, &subset, points, outcome.notes)? else { return Ok(None) };
                record
            }
        };
        write_json(&folder.join(RECORD), &record)?;
        Ok(Some(record))
    }

    fn measure(
        &self,
        cell: &Cell,
        subset: &Dataset,
        mut points: BTreeMap<u64, Point>,
        notes: Vec<String>,
    ) -> Result<Option<Record>> {
        let folder = RunFolder::open(&cell.folder(self.root))?;
        let looking: f64 = points.values().filter(|point| point.step > 0).map(|point| point.seconds).sum();
        let reference = self.reference(subset)?;
        self.copy_floor(cell, &reference)?;
        let checkpoint = folder.read_checkpoint()?;
        let (architecture, network) = load_generator(&checkpoint, self.device)?;
        let last_step = self.settings.steps;
        points.insert(last_step, self.look(&network, &architecture, cell.seed, last_step)?);
        let last = self.evaluate(&reference, &network, &architecture, cell.seed)?;
        // Step 0 is no result of training; of equal ones the first.
        let trained = points.values().filter(|point| point.step > 0);
        let best = trained.min_by(|a, b| a.distances.judge_fd.total_cmp(&b.distances.judge_fd));
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
            self.evaluate(&reference, &network, &architecture, cell.seed)?
        };
        let (_, raw) = load_raw_generator(&checkpoint, self.device)?;
        let raw = self.evaluate(&reference, raw.network(), &architecture, cell.seed)?;
        let Some(gan_train) = self.gan_train(&network, &architecture, cell.seed)? else { return Ok(None) };
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

    fn look(&self, network: &Generator, architecture: &Architecture, seed: u64, step: u64) -> Result<Point> {
        let start = Instant::now();
        let (images, _) = sample_asked(network, architecture, seed, self.validation.count())?;
        let distances = self.validation.distances(&images)?;
        Ok(Point { step, distances, seconds: start.elapsed().as_secs_f64() })
    }

    fn evaluate(
        &self,
        reference: &Reference,
        network: &Generator,
        architecture: &Architecture,
        seed: u64,
    ) -> Result<Evaluation> {
        let (images, asked) = sample_asked(network, architecture, seed, reference.count())?;
        reference.evaluate(&Samples { images: &images, asked: asked.as_deref() })
    }

    /// GAN-train, where the generator is conditioned on the judge's classes. The outer None: it was stopped.
    fn gan_train(&self, network: &Generator, architecture: &Architecture, seed: u64) -> Result<Option<Option<f64>>> {
        let held_out = self.real.held_out();
        if held_out.labels.is_none() || architecture.classes != self.judge.classes() {
            return Ok(Some(None));
        }
        let (images, labels) = sample_asked(network, architecture, GAN_TRAIN_SEED + seed, GAN_TRAIN_COUNT)?;
        let samples = Dataset { labels, classes: held_out.classes.clone(), ..Dataset::unlabelled("samples", images) };
        let accuracy = gan_train(samples, held_out, self.judge.settings(), self.device, &mut Stopping(self))?;
        Ok(accuracy.map(Some))
    }
}

/// Watches a classifier's training for nothing but a wish to stop.
struct Stopping<'a>(&'a Bench<'a>);

impl classifier::Observer for Stopping<'_> {
    fn step(&mut self, _step: u64, _loss: f64, _rate: f64) {}

    fn stop(&mut self) -> bool {
        self.0.stop()
    }
}

/// Watches a run on its way.
struct Way<'a> {
    bench: &'a Bench<'a>,
    cell: &'a Cell,
    folder: PathBuf,
    phase: String,
    steps: u64,
    points: BTreeMap<u64, Point>,
}

impl<'a> Way<'a> {
    fn new(bench: &'a Bench<'a>, cell: &'a Cell, folder: &Path) -> Result<Way<'a>> {
        let points = bench.settings.looks.iter().filter_map(|&step| {
            let point: Result<Option<Point>> = read_json(&point_path(folder, step));
            point.transpose().map(|point| point.map(|point| (step, point)))
        });
        let points = points.collect::<Result<_>>()?;
        let (phase, steps) = (String::new(), bench.settings.steps);
        Ok(Way { bench, cell, folder: folder.to_path_buf(), phase, steps, points })
    }
}

impl Observer for Way<'_> {
    fn step(&mut self, step: u64, _losses: &[(&str, f64)], rate: f64) {
        self.bench.watch.step(self.cell, &self.phase, (step, self.steps), rate);
    }

    fn stop(&mut self) -> bool {
        self.bench.stop()
    }

    fn phase(&mut self, name: &str, _from: u64, to: u64) {
        if name == self.cell.arm.name {
            self.bench.queue.prepared(self.cell);
        }
        (self.phase, self.steps) = (name.to_string(), to);
    }

    fn looks_at(&self, step: u64) -> bool {
        let settings = self.bench.settings;
        step < settings.steps && settings.looks.contains(&step) && !self.points.contains_key(&step)
    }

    fn look(&mut self, trainer: &Trainer) -> Result<()> {
        let (step, architecture) = (trainer.steps(), &trainer.recipe().architecture);
        let point = self.bench.look(trainer.average().network(), architecture, self.cell.seed, step)?;
        let before = self.points.values().filter(|other| other.step > 0 && other.step < step);
        let least = before.map(|other| other.distances.judge_fd).fold(f64::INFINITY, f64::min);
        let folder = RunFolder::prepare(&self.folder)?;
        if step > 0 && point.distances.judge_fd < least {
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

/// What [`write_json`] wrote; none where there is no file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let read = serde_json::from_slice(&text);
    read.map(Some).map_err(|error| {
        Error::invalid(format!("{}: {error}; remove it, and it will be measured again", path.display()))
    })
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
    text.push(b'\n');
    atomic::write(path, &text)
}
