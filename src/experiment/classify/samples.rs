//! The samples that teach: a CTGAN that knows a cell's labels, or a conditional GAN of the labelled images alone, and what is drawn of it.

use std::path::Path;

use serde_json::json;

use super::cell::{Runs, gan_folder};
use super::data::Drawn;
use super::{Cell, Settings, Teaching};
use crate::checkpoint::Checkpoint;
use crate::data::{Dataset, Images};
use crate::error::{Error, Result};
use crate::gan::{Plain, Recipe, Trainer, load_generator, sample};
use crate::random::Purpose;
use crate::run::{Ending, Keep, OnNan, Pace, RunFolder};
use crate::transfer::{self, Folders, Labeller, OfGenerator, Plan, seconds_of, starting_recipe};

/// What a GAN gives an arm.
pub(super) struct Samples {
    /// None where its label predictor was sure of no sample.
    pub teach: Option<OfGenerator>,
    /// What it took here.
    pub seconds: f64,
    /// How many of its samples teach, in a sentence.
    pub note: String,
}

impl Runs<'_> {
    /// The samples of the arm's GAN that teach. None where its training was stopped.
    pub(super) fn samples(
        &self,
        cell: &Cell,
        teaching: &Teaching,
        drawn: &Drawn,
        tell: &mut crate::run::Watcher<'_>,
    ) -> Result<Option<Samples>> {
        let folder = gan_folder(self.root, cell, teaching);
        let made = transfer::in_turn(&folder, tell, |tell| {
            Ok(match teaching.transfer {
                true => {
                    let (plan, folders) = (self.plan(cell, drawn)?, self.folders(cell, &folder)?);
                    let (target, of_gan) = (drawn.for_transfer(self.data.classes()), &self.data.of_gan);
                    let trained = transfer::go_on(&plan, target, of_gan, &folders, self.device, tell)?;
                    (trained.ending == Ending::Finished).then_some(trained.labeller)
                }
                false => (self.train_alone(cell, &folder, drawn, tell)? == Ending::Finished).then_some(None),
            })
        })?;
        let Some(labeller) = made.flatten() else { return Ok(None) };
        let run = RunFolder::open(&folder)?;
        let mut seconds = run.seconds()?;
        if teaching.transfer {
            seconds += self.seconds_of_source(cell)? + seconds_of(&self.folders(cell, &folder)?.classifier)?;
        }
        let checkpoint = run.read_checkpoint()?;
        let (teach, note) = self.draw(cell.seed, teaching, &checkpoint, labeller.as_ref(), drawn)?;
        Ok(Some(Samples { teach, seconds, note }))
    }

    /// What the GAN of a cell's source took in this folder, whichever run trained it.
    pub(super) fn seconds_of_source(&self, cell: &Cell) -> Result<f64> {
        RunFolder::open(&self.folders(cell, self.root)?.source)?.seconds()
    }

    /// Samples of every class, those that a label predictor is sure of where there is one, and how many there are in words. None where it is
    /// sure of none.
    pub(super) fn draw(
        &self,
        seed: u64,
        teaching: &Teaching,
        checkpoint: &Checkpoint,
        labeller: Option<&Labeller>,
        drawn: &Drawn,
    ) -> Result<(Option<OfGenerator>, String)> {
        let (architecture, network) = load_generator(checkpoint, self.device)?;
        let classes = self.data.classes();
        let (mut labels, mut values, mut asked) = (Vec::new(), Vec::new(), 0);
        let names = network.conditions().names();
        for (class, name) in classes.names().iter().enumerate() {
            // A class that the source lacks has no samples, and a GAN of the labelled images alone has learned none of a class without one.
            let Some(theirs) = names.named(name) else { continue };
            if !teaching.transfer && drawn.known.iter().all(|(_, known)| *known as usize != class) {
                continue;
            }
            let seed = seed.wrapping_mul(classes.len() as u64).wrapping_add(class as u64);
            let count = teaching.per_class;
            let images = sample(&network, &architecture, seed, Purpose::SampleLatents, count, Some(theirs))?;
            asked += count;
            let sure = match labeller {
                Some(labeller) => labeller.probabilities(&images, name)?,
                None => vec![1.0; count],
            };
            for (image, sure) in sure.into_iter().enumerate() {
                if f64::from(sure) >= teaching.filter {
                    labels.push(class as u32);
                    values.extend_from_slice(&images.image(image));
                }
            }
        }
        if labels.is_empty() {
            let note = format!(
                "of {asked} samples none is of its class with a probability of {}: they teach nothing",
                teaching.filter
            );
            return Ok((None, note));
        }
        let (size, channels) = (self.settings.size, self.settings.channels);
        let note = format!("{} of {asked} samples teach", labels.len());
        let images = Images::new([labels.len(), size, size, channels], values);
        Ok((Some(OfGenerator { images, labels, weight: teaching.samples }), note))
    }

    fn recipe(&self, seed: u64) -> Recipe {
        let Settings { size, channels, width, .. } = *self.settings;
        let mut recipe = starting_recipe(seed, size, channels);
        recipe.architecture.features = width;
        recipe
    }

    /// A CTGAN that knows the same labels.
    pub(super) fn plan(&self, cell: &Cell, drawn: &Drawn) -> Result<Plan> {
        let settings = self.settings;
        let arm = transfer::Arm::parse(&format!("ctgan{{labels=fewshot:{}}}", cell.shots))?;
        Ok(Plan {
            source: settings.source.clone().ok_or_else(|| Error::invalid("there is no source"))?,
            source_style: None,
            source_steps: settings.gan_source_steps,
            feature_steps: settings.source_steps,
            target: settings.target.clone(),
            subset: Some(drawn.all.len()),
            subset_plain: false,
            steps: settings.gan_steps,
            scratch: false,
            source_changed: None,
            device: settings.device.clone(),
            threads: self.jobs.threads_each(),
            checkpoint_every: self.jobs.checkpoint_every,
            sample_every: settings.gan_steps,
            on_nan: OnNan::Stop,
            keep: None,
            keep_every: None,
            evaluate_every: None,
            class_free: false,
            reading: settings.reading.clone(),
            arm: arm.resolved()?,
            recipe: self.recipe(cell.seed),
        })
    }

    pub(super) fn folders(&self, cell: &Cell, run: &Path) -> Result<Folders> {
        let arm = transfer::Arm::parse(&format!("ctgan{{labels=fewshot:{}}}", cell.shots))?;
        let folders = Folders::shared(run, &cell.learned(self.root), &arm, None)?;
        Ok(Folders { shelf: self.shelf.clone(), ..folders })
    }

    /// A conditional GAN of the labelled images alone.
    fn train_alone(
        &self,
        cell: &Cell,
        path: &Path,
        drawn: &Drawn,
        tell: &mut crate::run::Watcher<'_>,
    ) -> Result<Ending> {
        let steps = self.settings.gan_steps;
        let pace = Pace {
            steps,
            checkpoint_every: self.jobs.checkpoint_every,
            sample_every: steps,
            on_nan: OnNan::Stop,
            keep: Keep::of(None, None),
        };
        let folder = RunFolder::prepare(path)?;
        let mut trainer = self.alone(cell.seed, drawn)?;
        let settings = json!({ "recipe": trainer.recipe(), "shots": cell.shots });
        folder.go_on("gan", &mut trainer, &settings, &pace, tell)
    }

    /// The training of that, before its first step.
    pub(super) fn alone(&self, seed: u64, drawn: &Drawn) -> Result<Trainer> {
        let mut recipe = self.recipe(seed);
        let Drawn { all, known } = drawn.labelled();
        let labels = known.iter().map(|(_, class)| *class).collect();
        let data = Dataset::labelled(all.name.clone(), all.images.clone(), labels, self.data.classes().clone());
        recipe.architecture.classes = data.classes.len();
        recipe.augment = vec![crate::gan::Augmentation::Translation];
        let method = Box::new(Plain { classes: data.classes.len() });
        Trainer::with_method(&recipe, method, data, self.device)
    }
}
