//! Figures along a run: what measures samples at some of its steps, and `evaluations.jsonl`, which keeps them.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator, sample};
use crate::metrics::{Distances, FrechetDistances, Reference};
use crate::random::Purpose;
use crate::run::{Event, RunFolder};

/// The samples of one step, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The step, 0 before the first.
    pub step: u64,
    /// How far they are from real images.
    #[serde(flatten)]
    pub frechet: FrechetDistances,
    /// How many samples were measured.
    pub count: usize,
    /// The judge's hash: figures of different judges do not compare.
    pub judge: String,
}

impl Point {
    /// A point of figures that a reference gave of `count` samples.
    pub fn new(step: u64, distances: &Distances, count: usize, reference: &Reference) -> Point {
        let judge = reference.judge().hash().to_string();
        Point { step, frechet: distances.frechet, count, judge }
    }

    fn measure(
        step: u64,
        network: &Generator,
        architecture: &Architecture,
        seed: u64,
        reference: &Reference,
    ) -> Result<Point> {
        let count = reference.count();
        let images = sample(network, architecture, seed, Purpose::SampleLatents, count, None)?;
        Ok(Point::new(step, &reference.distances(&images)?, count, reference))
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

    /// The curve of a run that goes on behind `step` under a judge: points of later steps, and of other judges, are dropped.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read or written.
    pub fn resume(folder: &RunFolder, step: u64, reference: &Reference) -> Result<Curve> {
        let mut curve = Curve::read(folder)?;
        curve.points.retain(|point| point.judge == reference.judge().hash());
        curve.cut(step)?;
        Ok(curve)
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

/// What measures the averaged generator of a run at every so many steps.
pub struct Measuring<'a> {
    /// Where points go.
    pub curve: Curve,
    /// What they are measured against.
    pub reference: &'a Reference,
    /// Steps between points; the first is of step 0.
    pub every: u64,
}

impl Measuring<'_> {
    /// Measures where it is time to.
    ///
    /// # Errors
    /// Where samples cannot be measured, or the curve cannot be written.
    pub fn watch(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::RolledBack(step) => self.curve.cut(*step),
            Event::State(state) if state.step().is_multiple_of(self.every) && !self.curve.has(state.step()) => {
                let (recipe, network) = (state.trainer().recipe(), state.trainer().average().network());
                self.curve.add(Point::measure(
                    state.step(),
                    network,
                    &recipe.architecture,
                    recipe.seed,
                    self.reference,
                )?)
            }
            _ => Ok(()),
        }
    }
}
