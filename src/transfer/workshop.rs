//! What a method asks for before it meets the target: the source's images and its GAN, each trained, resumed or read.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use serde_json::json;

use super::plan::{Folders, Plan, Source, TrainedOn};
use super::pretraining::{self, Phase, Pretraining};
use super::rehearsal::SOME_OF_SOURCE;
use super::shelf::Kept;
use super::style::{Style, Styled};
use super::timing::Stopwatch;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::claims;
use crate::data::{Classes, Dataset, Reading, Spec, Split};
use crate::error::{Error, Result};
use crate::gan::{
    Architecture, Discriminator, Generator, Recipe, Trainer, class_names, load_discriminator, load_generator,
};
use crate::run::{Ending, Event, Named, RunFolder, SOURCE, Settings, Watcher};

/// The means of a run's preparation.
pub struct Workshop<'a> {
    /// Everything that determines the run.
    pub plan: &'a Plan,
    /// The target's training images.
    pub target: &'a Dataset,
    /// Where phases live.
    pub folders: &'a Folders,
    /// Where to compute.
    pub device: &'a Device,
    /// Who watches.
    pub watcher: &'a mut Watcher<'a>,
    source: &'a SourceImages,
    /// The bytes of the largest checkpoint that a rehearsal would have made: none is made, and nothing trained, where there is such.
    pub(super) rehearsed: Option<u64>,
    /// Takes the time of a rehearsal's steps, where that is what it is for.
    pub(super) stopwatch: Option<Stopwatch<'a>>,
}

/// A source as it was read.
#[derive(Clone, Debug)]
struct Read {
    /// Its images in the target's size and channels.
    data: Arc<Dataset>,
    /// Their usual style.
    usual: Style,
    /// Whether they had no colours before.
    grey: bool,
    /// Of a checkpoint whose networks know classes what these are called, in their order.
    classes: Option<Classes>,
}

/// The source's images in the target's size and channels, and their usual style: read when they are first asked for, once for all runs
/// that have this.
#[derive(Debug)]
pub struct SourceImages {
    map: BTreeMap<String, String>,
    /// Where a source has these classes, in whatever order, it gets them in this one.
    order: Classes,
    reading: Reading,
    form: (usize, usize),
    /// By the source's name: arms may have one of their own.
    read: Mutex<BTreeMap<String, Read>>,
    /// The digests of checkpoints that are sources, when each was first asked for.
    networks: Mutex<BTreeMap<PathBuf, String>>,
}

impl SourceImages {
    /// Those of sources that are read in one way, for networks.
    pub fn new(reading: &Reading, architecture: &Architecture) -> SourceImages {
        let form = (architecture.size, architecture.channels);
        let (map, reading) = (reading.map.clone(), reading.of_another().of_size(architecture.size));
        SourceImages { map, order: Classes::none(), reading, form, read: Mutex::default(), networks: Mutex::default() }
    }

    /// With the classes of sources in the order of these, where they are the same.
    pub fn in_order_of(self, order: Classes) -> SourceImages {
        SourceImages { order, ..self }
    }

    /// Those of a run.
    pub fn of(plan: &Plan) -> SourceImages {
        let changed = plan.reading.changed || plan.source_changed.is_some();
        SourceImages::new(&Reading { changed, ..plan.reading.clone() }, &plan.recipe.architecture)
    }

    /// The digest of a source: of its images, or of the checkpoint that it is.
    ///
    /// # Errors
    /// Those of [`SourceImages::images`]; [`Error::Invalid`] where the checkpoint is another than when it was first asked for.
    pub fn digest(&self, source: &str) -> Result<String> {
        match Source::parse(source)? {
            Source::Data(_) => Ok(self.images(source)?.0.digest()),
            Source::Checkpoint(path) => {
                let digest = digest_of(&path)?;
                self.check_still(&path, &digest)?;
                Ok(digest)
            }
        }
    }

    /// Refuses a checkpoint of another digest than when it was first asked for: runs that share a source would have several.
    fn check_still(&self, path: &Path, digest: &str) -> Result<()> {
        let mut known = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        match known.entry(path.to_path_buf()).or_insert_with(|| digest.to_string()) == digest {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "the source {} is another checkpoint now than when this began: was it trained on meanwhile? Name one that stays, as RUN@STEP",
                path.display()
            ))),
        }
    }

    /// Whether a source can teach classes: it has images of two or more, and its networks, if they are trained already, know them. None where
    /// its images are not known.
    ///
    /// # Errors
    /// What reading the source says.
    pub fn teach_classes(&self, source: &str) -> Result<Option<bool>> {
        if let Source::Checkpoint(path) = Source::parse(source)? {
            if Named::find(&path)?.folder.is_none() {
                return Ok(None);
            }
            if read_checkpoint(&path, Architecture::of)?.classes == 0 {
                return Ok(Some(false));
            }
        }
        Ok(Some(self.get(source)?.data.tells_classes()))
    }

    /// A source's images in the target's size and channels, and whether they had no colours before.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a checkpoint lies in no run's folder; what reading the data says.
    pub fn images(&self, source: &str) -> Result<(Arc<Dataset>, bool)> {
        self.get(source).map(|read| (read.data, read.grey))
    }

    /// The usual style of a source's images; of a checkpoint what it learned from.
    ///
    /// # Errors
    /// Those of [`SourceImages::images`].
    pub fn style(&self, source: &str) -> Result<Style> {
        self.get(source).map(|read| read.usual)
    }

    /// The images; of a checkpoint those that its run trained on, with its networks' classes in their order where they are of these.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a checkpoint lies in no run's folder; what reading the data says.
    fn get(&self, source: &str) -> Result<Read> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Source::parse(source)?.absolute();
        if let Some(images) = read.get(&key) {
            return Ok(images.clone());
        }
        let (data, seen, was_grey, classes) = match Source::parse(source)? {
            Source::Data(spec) => (spec.read(Split::Train, &self.reading)?, None, false, None),
            Source::Checkpoint(path) => {
                let unknown = || Error::invalid(format!("{} lies in no run's folder", path.display()));
                let Named { file, folder } = Named::find(&path)?;
                let folder = folder.ok_or_else(unknown)?;
                let (checkpoint, trained_on) = (Checkpoint::read(&file)?, TrainedOn::read(&folder)?);
                let parts = trained_on.read_parts()?;
                // Networks of colours may have learned from grey images.
                let was_grey = parts.whole().images.channels == 1;
                let classes = class_names(&checkpoint).flatten().filter(|classes| !classes.is_empty());
                (trained_on.images(&parts)?, Style::seen_by(&checkpoint), was_grey, classes)
            }
        };
        let mut data = data.with_renamed(&self.map)?;
        // Those of a run that was mapped itself are called so already.
        let classes = classes.map(|classes| classes.renamed(&self.map).unwrap_or(classes));
        let order = classes.as_ref().unwrap_or(&self.order);
        if order.are_those_of(&data.classes) {
            data = data.in_classes(order)?;
        }
        let (size, channels) = self.form;
        let grey = was_grey || data.images.channels == 1;
        let usual = seen.unwrap_or(Style::between(data.images.channels, channels));
        let images = Read { data: Arc::new(data.fit(size, channels)?), usual, grey, classes };
        read.insert(key, images.clone());
        Ok(images)
    }
}

/// A source's networks: the generator's average and the discriminator.
#[derive(Debug)]
pub struct SourceGan {
    /// Their shapes.
    pub architecture: Architecture,
    /// The averaged generator.
    pub generator: Generator,
    /// The discriminator, where the checkpoint holds one.
    pub discriminator: Option<Discriminator>,
    /// The digest of the checkpoint that they are from.
    pub digest: String,
}

impl<'a> Workshop<'a> {
    /// A workshop of a run.
    pub fn new(
        plan: &'a Plan,
        target: &'a Dataset,
        source: &'a SourceImages,
        folders: &'a Folders,
        device: &'a Device,
        watcher: &'a mut Watcher<'a>,
    ) -> Workshop<'a> {
        Workshop { plan, target, folders, device, watcher, source, rehearsed: None, stopwatch: None }
    }

    /// The networks' shapes, unconditional.
    pub fn architecture(&self) -> Architecture {
        self.plan.recipe.architecture
    }

    /// The random seed of the run.
    pub fn seed(&self) -> u64 {
        self.plan.recipe.seed
    }

    /// The source's images in the target's size and channels, and their style; of a checkpoint those that its run trained on.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a checkpoint lies in no run's folder; what reading the data says.
    pub fn source_data(&self) -> Result<(Arc<Dataset>, Style)> {
        let Read { data, usual, .. } = self.source.get(&self.plan.source)?;
        let data = if self.rehearsed.is_some() { Arc::new(data.spaced(SOME_OF_SOURCE)) } else { data };
        Ok((data, self.plan.source_style.unwrap_or(usual)))
    }

    /// Whether the source's images have no colours, though they may have got three channels.
    ///
    /// # Errors
    /// Those of [`Workshop::source_data`].
    pub fn source_is_grey(&self) -> Result<bool> {
        self.source.get(&self.plan.source).map(|read| read.grey)
    }

    /// Whether the source's images are of two or more classes: all of them, of which a rehearsal sees a few.
    ///
    /// # Errors
    /// Those of [`Workshop::source_data`].
    pub fn source_tells_classes(&self) -> Result<bool> {
        self.source.get(&self.plan.source).map(|read| read.data.tells_classes())
    }

    /// The shapes of the source's GAN, before it is read or trained.
    ///
    /// # Errors
    /// What reading the checkpoint or the data says.
    pub fn source_architecture(&self) -> Result<Architecture> {
        match Source::parse(&self.plan.source)? {
            Source::Checkpoint(path) => read_checkpoint(&path, Architecture::of),
            Source::Data(_) => Ok(self.source_recipe()?.architecture),
        }
    }

    /// The recipe of the source's GAN where the run trains it.
    fn source_recipe(&self) -> Result<Recipe> {
        let plan = self.plan;
        let mut recipe: Recipe = plan.recipe.clone();
        if plan.arm.kind()?.labelled_source {
            let (data, _) = self.source_data()?;
            if data.labels.is_none() {
                let method = &plan.arm.method;
                return Err(Error::invalid(format!("{} has no labels, which {method} needs", data.name)));
            }
            recipe.architecture.classes = data.classes.len();
        }
        Ok(recipe)
    }

    /// The source's GAN: read from a checkpoint, or trained on the source's images in the phase's folder. None where that was
    /// interrupted. Both networks are conditioned on the source's labels where the method's [`Kind`](super::Kind) says so.
    ///
    /// # Errors
    /// What training or reading says.
    pub fn source_gan(&mut self) -> Result<Option<SourceGan>> {
        let path = match Source::parse(&self.plan.source)? {
            Source::Checkpoint(path) => {
                if self.plan.arm.kind()?.labelled_source {
                    self.check_classes(&path)?;
                }
                let gan = read_checkpoint(&path, |checkpoint| SourceGan::load(checkpoint, self.device))?;
                self.source.check_still(&path, &gan.digest)?;
                return Ok(Some(gan));
            }
            Source::Data(_) if self.rehearsed.is_some() => return self.rehearse_source().map(Some),
            Source::Data(spec) => {
                if self.train_source(&spec)? == Ending::Interrupted {
                    return Ok(None);
                }
                self.folders.source.clone()
            }
        };
        read_checkpoint(&path, |checkpoint| SourceGan::load(checkpoint, self.device)).map(Some)
    }

    /// The style of the source's images as headers of checkpoints name it; none where the arm learns from none.
    ///
    /// # Errors
    /// What reading the data says.
    pub fn style_name(&self) -> Result<Option<Style>> {
        let learns = self.plan.arm.learns_from_images()?;
        match Source::parse(&self.plan.source)? {
            Source::Checkpoint(_) if !learns => Ok(None),
            _ => self.source_data().map(|(_, style)| Some(style)),
        }
    }

    /// Refuses a checkpoint whose networks know other classes than the images have from which a method learns the labels.
    fn check_classes(&self, path: &Path) -> Result<()> {
        let Read { data, classes, .. } = self.source.get(&self.plan.source)?;
        match classes {
            Some(classes) if classes != data.classes => Err(Error::invalid(format!(
                "the networks of {} know the classes {classes}, and the images of its run have {}: name images of such classes as the source, \
                 or map one to the other",
                path.display(),
                data.classes
            ))),
            _ => Ok(()),
        }
    }

    /// Trains a network for `--feature-steps`, or continues where its folder's checkpoint stands. False where that was
    /// interrupted.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a loss or a tensor is not finite; [`Error::Folder`] where the checkpoint is of another training, or gone; what
    /// writing says.
    pub fn pretrain(&mut self, folder: &Path, phase: &str, training: &mut dyn Pretraining) -> Result<bool> {
        if self.rehearsed.is_some() {
            match &mut self.stopwatch {
                Some(watch) => watch.time(folder, self.plan.feature_steps, &mut || training.step())?,
                None => training.rehearse()?,
            }
            return Ok(true);
        }
        let Plan { feature_steps: steps, checkpoint_every, .. } = *self.plan;
        let phase = Phase {
            name: phase,
            folder,
            steps,
            checkpoint_every,
            changed: self.plan.reading.changed || self.plan.source_changed.is_some(),
            shelf: self.folders.shelf.as_ref(),
        };
        let device = self.device;
        let done = in_turn(folder, self.watcher, |watcher| pretraining::go_on(training, &phase, device, watcher))?;
        Ok(done.unwrap_or(false))
    }

    /// The recipe, the method and the data of the source's training.
    pub(super) fn source_training(&self) -> Result<(Recipe, Styled, Dataset)> {
        let recipe = self.source_recipe()?;
        let (data, style) = self.source_data()?;
        let method = Styled::new(recipe.architecture, style, recipe.seed);
        Ok((recipe, method, (*data).clone()))
    }

    fn train_source(&mut self, spec: &Spec) -> Result<Ending> {
        let plan = self.plan;
        let (recipe, method, data) = self.source_training()?;
        let settings = Settings {
            data: spec.to_string(),
            subset: None,
            subset_plain: false,
            steps: plan.source_steps,
            device: plan.device.clone(),
            threads: plan.threads,
            checkpoint_every: plan.checkpoint_every,
            sample_every: plan.sample_every,
            keep: None,
            keep_every: None,
            evaluate_every: None,
            tensorboard: false,
            on_nan: plan.on_nan,
            reading: Reading { small: data.reading.small, map: plan.reading.map.clone(), ..plan.reading.of_another() },
            recipe: recipe.clone(),
        };
        let (folders, device) = (self.folders, self.device);
        let ending = in_turn(&folders.source, self.watcher, |watcher| {
            let folder = RunFolder::prepare(&folders.source)?;
            let mut trainer = Trainer::with_method(&recipe, Box::new(method), data, device)?;
            let determined = json!({ "steps": plan.source_steps, "of": trainer.identity() });
            let kept = Kept::new(folders.shelf.as_ref(), &determined, device);
            kept.bring(&folder, SOURCE, watcher)?;
            let start = Instant::now();
            let ending = folder.go_on(SOURCE, &mut trainer, &settings, &settings.pace(), &mut |event| match event {
                // These are for the target alone.
                Event::State(_) | Event::Numbers { .. } | Event::Picture { .. } => Ok(ControlFlow::Continue(())),
                event => watcher(event),
            });
            drop(trainer);
            device.release_idle();
            if matches!(ending, Ok(Ending::Finished)) {
                kept.keep(&folder.checkpoint(), SOURCE, start.elapsed(), watcher)?;
            }
            ending
        })?;
        Ok(ending.unwrap_or(Ending::Interrupted))
    }
}

/// The digest of the source's checkpoint from which a run began, as a checkpoint of it says; None of one that began from none.
pub fn began_from(checkpoint: &Checkpoint) -> Option<&str> {
    checkpoint.header.get("method")?.get("source")?.as_str()
}

/// The digest of a checkpoint, or of a run's last.
pub(super) fn digest_of(path: &Path) -> Result<String> {
    read_checkpoint(path, |checkpoint| Ok(checkpoint.digest()))
}

/// What is made of a checkpoint, or of a run's last; an error names the file.
fn read_checkpoint<T>(path: &Path, make: impl FnOnce(&Checkpoint) -> Result<T>) -> Result<T> {
    let path = Named::find(path)?.file;
    make(&Checkpoint::read(&path)?).map_err(|error| Error::invalid(format!("{}: {error}", path.display())))
}

impl SourceGan {
    /// The networks of a training checkpoint.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is none of graft's, or its tensors do not fit its header.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<SourceGan> {
        let (architecture, generator) = load_generator(checkpoint, device)?;
        let discriminator = load_discriminator(checkpoint, &architecture, device)?;
        Ok(SourceGan { architecture, generator, discriminator, digest: checkpoint.digest() })
    }
}

/// Does `work` in a phase's folder in turn with all that share it, threads and processes: one trains and the others then find what it left.
/// None where it was stopped while another process was at it.
pub(crate) fn in_turn<R>(
    folder: &Path,
    watcher: &mut Watcher<'_>,
    work: impl FnOnce(&mut Watcher<'_>) -> Result<R>,
) -> Result<Option<R>> {
    static TURNS: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);
    let turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner).entry(folder.to_path_buf()).or_default().clone();
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    let mut go_on = || Ok(watcher(&Event::Waiting(folder))?.is_continue());
    let Some(_turn) = claims::turn(folder, &mut go_on)? else { return Ok(None) };
    work(watcher).map(Some)
}
