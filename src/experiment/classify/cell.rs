//! One run: what is learned of the source, the samples of a GAN where its arm has them, the classifier on the target, and how right that
//! is on the held-out images. What was measured stands in files, so that nothing is done twice.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::data::{Data, Drawn};
use super::{Cell, CellEvent, Classification, KeptClassifier, Settings, Teaching, Watcher};
use crate::backend::Device;
use crate::classifier::{Classifier, Design, Input};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::engine::{Experiment, Jobs, Turn, read_json, write_json};
use crate::metrics::Confusion;
use crate::nn::{NormKind, Parameter};
use crate::run::Event;
use crate::tensor::Tensor;
use crate::transfer::{
    self, ExtractorStyle, OfGenerator, OfTarget, Phase, Pretraining, Recogniser, Rise, Shelf, Shown, Teachers,
    go_on_learning, seconds_of,
};

/// The figures of a run's end, and of its way, in its folder.
const RECORD: &str = "record.json";
const LOOKS: &str = "looks.json";
/// The trained classifier.
const CLASSIFIER: &str = "classifier.safetensors";
/// The name of the phase on the target.
const TARGET: &str = "target";
/// When unlabelled images begin to teach: at once behind a source, else behind what the labelled ones teach first.
const BEHIND_SOURCE: Rise = Rise { alone: 0.0, over: 0.2 };
const FRESH: Rise = Rise { alone: 0.1, over: 0.3 };

/// The averaged classifier at a step, on the validation block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The step.
    pub step: u64,
    /// The share of images that are found to be of their class.
    pub accuracy: f64,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// On the held-out images; None where it diverged.
    pub confusion: Option<Confusion>,
    /// The share of them that are found to be of their class.
    pub accuracy: Option<f64>,
    /// The mean over classes of that share.
    pub balanced_accuracy: Option<f64>,
    /// Where it diverged, in words.
    pub diverged: Option<String>,
    /// On the validation block, from the first look to the last.
    pub curve: Vec<Look>,
    /// What training on the target took, without looks.
    pub seconds: f64,
    /// What the arm's GAN took, where it has one, with the GAN of its source and its label predictor, whichever run of this folder trained
    /// them; those are 0 where another experiment had learned them.
    pub gan_seconds: Option<f64>,
    /// What the classifier of the source took, where the arm starts from it; 0 where another experiment had learned it.
    pub source_seconds: Option<f64>,
    /// What else a person should read: how many samples were kept, say.
    pub notes: Vec<String>,
}

impl Record {
    /// What became of a run; None where it has not ended.
    ///
    /// # Errors
    /// Where the file is not one that was written here.
    pub fn read(root: &Path, cell: &Cell) -> Result<Option<Record>> {
        read_json(&cell.folder(root).join(RECORD))
    }
}

/// The file of a run's classifier.
pub fn classifier_path(folder: &Path) -> PathBuf {
    folder.join(CLASSIFIER)
}

/// What all runs share.
pub(super) struct Runs<'a> {
    pub root: &'a Path,
    pub settings: &'a Settings,
    pub data: &'a Data,
    pub device: &'a Device,
    pub jobs: Jobs,
    pub shelf: Option<Shelf>,
    /// Collects what was found so far, and writes it.
    pub gather: &'a (dyn Fn() -> Result<Classification> + Sync),
    pub watcher: &'a Watcher<'a>,
}

impl<'a> Runs<'a> {
    /// Of which none is carried out: their parts are timed, or counted.
    pub fn rehearsed(
        root: &'a Path,
        settings: &'a Settings,
        data: &'a Data,
        device: &'a Device,
        jobs: Jobs,
    ) -> Runs<'a> {
        fn nothing() -> Result<Classification> {
            Err(Error::invalid("of a rehearsal nothing is found"))
        }
        fn unwatched(_: &Cell, _: &CellEvent<'_>) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        Runs { root, settings, data, device, jobs, shelf: None, gather: &nothing, watcher: &unwatched }
    }
}

impl Experiment for Runs<'_> {
    type Cell = Cell;
    type Record = Record;

    fn folder(&self, cell: &Cell) -> PathBuf {
        cell.folder(self.root)
    }

    fn record(&self, cell: &Cell) -> PathBuf {
        cell.folder(self.root).join(RECORD)
    }

    fn shares(&self, cell: &Cell) -> Option<PathBuf> {
        let teaching = cell.arm.teaching().ok()?;
        // A GAN that takes turns is its cell's own.
        match teaching.samples > 0.0 && teaching.rounds == 1 {
            true => Some(gan_folder(self.root, cell, &teaching)),
            false => teaching.source.then(|| cell.learned(self.root)),
        }
    }

    fn is_whole(&self, _record: &Record) -> bool {
        true
    }

    fn compute(&self, cell: &Cell, turn: &Turn<'_, Cell>) -> Result<Option<Record>> {
        match self.learn(cell, turn) {
            Err(Error::Diverged(text)) => Ok(Some(Record {
                confusion: None,
                accuracy: None,
                balanced_accuracy: None,
                diverged: Some(text),
                curve: looks(&cell.folder(self.root))?,
                seconds: 0.0,
                gan_seconds: None,
                source_seconds: None,
                notes: Vec::new(),
            })),
            other => other,
        }
    }

    fn ended(&self, cell: &Cell, record: &Record) -> Result<()> {
        let found = (self.gather)()?;
        let _ = (self.watcher)(cell, &CellEvent::Ended(record, &found));
        Ok(())
    }

    fn lost(&self, cell: &Cell, why: &Error) {
        let _ = (self.watcher)(cell, &CellEvent::Lost(why));
    }

    fn waits(&self, cell: &Cell, left: usize) -> ControlFlow<()> {
        (self.watcher)(cell, &CellEvent::Waiting(left))
    }
}

/// The folder of the GAN whose samples teach a cell's classifier; arms with the same labels share it.
pub(super) fn gan_folder(root: &Path, cell: &Cell, teaching: &Teaching) -> PathBuf {
    let kind = if teaching.transfer { "gan" } else { "gan-scratch" };
    cell.learned(root).join(format!("{kind}-{}", cell.shots))
}

/// The folder of the source's classifier that a cell starts from.
pub(super) fn source_classifier(root: &Path, cell: &Cell) -> PathBuf {
    cell.learned(root).join("classifier")
}

/// The networks' shapes.
pub(super) fn design(settings: &Settings) -> Design {
    let Settings { size, channels, width, .. } = *settings;
    Design { size, channels, width, norm: NormKind::Batch, input: Input::Channels }
}

impl Runs<'_> {
    /// All phases; None where it was stopped.
    fn learn(&self, cell: &Cell, turn: &Turn<'_, Cell>) -> Result<Option<Record>> {
        let (teaching, folder) = (cell.arm.teaching()?, cell.folder(self.root));
        let drawn = self.data.drawn(cell.shots, cell.seed)?;
        let mut tell = |event: &Event<'_>| -> Result<ControlFlow<()>> {
            let wish = (self.watcher)(cell, &CellEvent::Of(event));
            Ok(if turn.is_over() { ControlFlow::Break(()) } else { wish })
        };
        let start = match teaching.source {
            true => match self.classifier_of_source(cell, &mut tell)? {
                Some(start) => Some(start),
                None => return Ok(None),
            },
            false => None,
        };
        let (start, source_seconds) = start.unzip();
        let learned = match &start {
            Some(start) if teaching.rounds > 1 => {
                turn.made();
                self.in_turns(cell, &teaching, &drawn, start, &mut tell)?
            }
            _ => self.one_after_the_other(cell, &teaching, drawn, start.as_ref(), turn, &mut tell)?,
        };
        let Some(Learned { classifier, seconds, gan_seconds, notes }) = learned else { return Ok(None) };
        let classes = self.data.classes().clone();
        let held_out = self.data.held_out();
        let confusion = confusion(&classifier, held_out)?;
        KeptClassifier { classifier, classes, reading: self.settings.reading.clone() }
            .write(&classifier_path(&folder))?;
        Ok(Some(Record {
            accuracy: Some(confusion.accuracy()),
            balanced_accuracy: Some(confusion.balanced_accuracy()),
            confusion: Some(confusion),
            diverged: None,
            curve: looks(&folder)?,
            seconds,
            gan_seconds,
            source_seconds,
            notes,
        }))
    }

    /// The GAN, where there is one, then the classifier. None where it was stopped.
    fn one_after_the_other(
        &self,
        cell: &Cell,
        teaching: &Teaching,
        drawn: Drawn,
        start: Option<&Classifier>,
        turn: &Turn<'_, Cell>,
        tell: &mut crate::run::Watcher<'_>,
    ) -> Result<Option<Learned>> {
        let made = match teaching.samples > 0.0 {
            true => match self.samples(cell, teaching, &drawn, tell)? {
                Some(made) => Some(made),
                None => return Ok(None),
            },
            false => None,
        };
        turn.made();
        let gan_seconds = made.as_ref().map(|made| made.seconds);
        let notes = made.iter().map(|made| made.note.clone()).collect();
        let folder = cell.folder(self.root);
        let training = self.training(cell, teaching, drawn, made.and_then(|made| made.teach), start)?;
        let taught = self.teach(training, &folder, &folder, self.settings.steps, tell)?;
        let learned = |(training, seconds): (Recogniser, f64)| Learned {
            classifier: training.into_classifier(),
            seconds,
            gan_seconds,
            notes,
        };
        Ok(taught.map(learned))
    }

    /// The training of a cell's classifier, before its first step.
    pub(super) fn training(
        &self,
        cell: &Cell,
        teaching: &Teaching,
        drawn: Drawn,
        made: Option<OfGenerator>,
        start: Option<&Classifier>,
    ) -> Result<Recogniser> {
        let target = match teaching.unlabelled || teaching.adversarial > 0.0 {
            true => {
                let rise = if teaching.source { BEHIND_SOURCE } else { FRESH };
                let (images, known, unlabelled) = (drawn.all, drawn.known, teaching.unlabelled.then_some(rise));
                OfTarget { images, known, unlabelled, known_at_once: true }
            }
            false => {
                let Drawn { all: images, known } = drawn.labelled();
                OfTarget { images, known, unlabelled: None, known_at_once: true }
            }
        };
        let teachers = Teachers {
            classes: self.data.classes().len(),
            source: teaching.source.then(|| self.shown(cell.seed)).transpose()?,
            target: Some(target),
            made,
            adversarial: teaching.adversarial,
            inverted: self.data.inverted,
        };
        let Settings { steps, batch, .. } = *self.settings;
        Recogniser::taught(self.device, &design(self.settings), teachers, (batch, cell.seed), steps, start)
    }

    /// Goes on with a training up to a step, its state in `phase` and its looks in `folder`; gives it with the seconds that this took, without
    /// looks. None where it was stopped.
    pub(super) fn teach(
        &self,
        training: Recogniser,
        phase: &Path,
        folder: &Path,
        steps: u64,
        tell: &mut crate::run::Watcher<'_>,
    ) -> Result<Option<(Recogniser, f64)>> {
        let mut watched = Watched { training, runs: self, folder, looking: 0.0 };
        let of_phase = Phase {
            name: TARGET,
            folder: phase,
            steps,
            checkpoint_every: self.jobs.checkpoint_every,
            changed: false,
            shelf: None,
        };
        let done = go_on_learning(&mut watched, &of_phase, self.device, tell)?;
        let seconds = seconds_of(phase)?;
        Ok(done.then_some((watched.training, seconds)))
    }

    /// The source's images in scenes.
    fn shown(&self, seed: u64) -> Result<Shown> {
        let (source, grey) = self.data.source.as_ref().ok_or_else(|| Error::invalid("there is no source"))?;
        let by = (self.settings.batch, seed);
        Ok(Shown::new(self.device, source.clone(), *grey, ExtractorStyle::Scene, by))
    }

    /// The classifier of the source's scenes, and the seconds that it took here. None where its training was stopped.
    fn classifier_of_source(
        &self,
        cell: &Cell,
        tell: &mut crate::run::Watcher<'_>,
    ) -> Result<Option<(Classifier, f64)>> {
        let (folder, steps) = (source_classifier(self.root, cell), self.settings.source_steps);
        let mut training = self.training_of_source(cell)?;
        let phase = Phase {
            name: "source",
            folder: &folder,
            steps,
            checkpoint_every: self.jobs.checkpoint_every,
            changed: false,
            shelf: self.shelf.as_ref(),
        };
        // Arms with a GAN take turns by that, and share this with arms that have none.
        let seconds = transfer::in_turn(&folder, tell, |tell| {
            let done = go_on_learning(&mut training, &phase, self.device, tell)?;
            Ok(done.then_some(seconds_of(&folder)?))
        })?;
        Ok(seconds.flatten().map(|seconds| (training.into_classifier(), seconds)))
    }

    /// The training of that, before its first step.
    pub(super) fn training_of_source(&self, cell: &Cell) -> Result<Recogniser> {
        let teachers = Teachers {
            classes: self.data.classes().len(),
            source: Some(self.shown(cell.seed)?),
            target: None,
            made: None,
            adversarial: 0.0,
            inverted: self.data.inverted,
        };
        let (by, steps) = ((self.settings.batch, cell.seed), self.settings.source_steps);
        Recogniser::taught(self.device, &design(self.settings), teachers, by, steps, None)
    }
}

/// What a cell's phases on the target come to.
pub(super) struct Learned {
    pub classifier: Classifier,
    /// What training the classifier took.
    pub seconds: f64,
    /// What the GAN took.
    pub gan_seconds: Option<f64>,
    /// What else a person should read.
    pub notes: Vec<String>,
}

/// A training that is looked at on its way.
struct Watched<'a> {
    training: Recogniser,
    runs: &'a Runs<'a>,
    folder: &'a Path,
    /// Seconds of looks.
    looking: f64,
}

impl Watched<'_> {
    fn look(&mut self) -> Result<()> {
        let (step, began) = (self.training.steps(), Instant::now());
        let Settings { look_every, steps, .. } = *self.runs.settings;
        if step != steps && !step.is_multiple_of(look_every) {
            return Ok(());
        }
        let classifier = self.training.average();
        let accuracy = confusion(&classifier, &self.runs.data.validation)?.accuracy();
        let path = self.folder.join(LOOKS);
        let mut known: BTreeMap<u64, f64> = read_json(&path)?.unwrap_or_default();
        known.retain(|other, _| *other < step);
        known.insert(step, accuracy);
        write_json(&path, &known)?;
        self.looking += began.elapsed().as_secs_f64();
        Ok(())
    }
}

impl Pretraining for Watched<'_> {
    fn settings(&self) -> serde_json::Value {
        self.training.settings()
    }

    fn steps(&self) -> u64 {
        self.training.steps()
    }

    fn step(&mut self) -> Result<Tensor> {
        let loss = self.training.step()?;
        self.look()?;
        Ok(loss)
    }

    fn slots(&self) -> Vec<(String, Vec<Parameter>)> {
        self.training.slots()
    }

    fn go_on_from(&mut self, step: u64) {
        self.training.go_on_from(step);
    }

    fn looking(&self) -> f64 {
        self.looking
    }
}

/// What a classifier finds images to be.
fn confusion(classifier: &Classifier, data: &Dataset) -> Result<Confusion> {
    let labels = data.labels.as_ref().ok_or_else(|| Error::invalid(format!("{} has no labels", data.name)))?;
    let found = classifier.predict(&data.images)?.labels;
    Ok(Confusion::of(classifier.classes(), labels, &found))
}

/// The looks of a run so far.
fn looks(folder: &Path) -> Result<Vec<Look>> {
    let known: BTreeMap<u64, f64> = read_json(&folder.join(LOOKS))?.unwrap_or_default();
    Ok(known.into_iter().map(|(step, accuracy)| Look { step, accuracy }).collect())
}
