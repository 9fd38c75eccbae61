//! Pairs of two domains: what the source's generator and the transferred one make of the same latents, and of the same class where both have
//! classes; and how often judges of both sides see the same class in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::seq::SliceRandom;
use serde::Serialize;

use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::Predictions;
use crate::data::{Classes, Dataset, Images, Parts, Reading};
use crate::error::{Error, Result};
use crate::experiment::compare::Cell;
use crate::gan::{Architecture, Generator, Latents, load_generator, sample_of, sample_of_classes};
use crate::metrics::{
    COUNT, HeldOut, JudgeReport, Real, RealImages, Reference, conditional_accuracy, conditional_chance,
};
use crate::random::{Purpose, generator};
use crate::run::{self, Named, RunFolder, SOURCE, Watcher, split};
use crate::transfer::{Plan, Source, SourceImages, TrainedOn, began_from, styled};
use crate::words::words;

/// Two generators of one transfer.
#[derive(Debug)]
pub struct Translation {
    plan: Plan,
    source_reading: Reading,
    /// What the classes of the source's pictures are called here, one map behind another.
    renamed: Vec<BTreeMap<String, String>>,
    source: (Architecture, Generator),
    target: (Architecture, Generator),
    device: Device,
}

/// What both generators make of the same latents.
#[derive(Debug)]
pub struct Pairs {
    /// The source's side, in the target's size and channels.
    pub source: Images,
    /// The target's.
    pub target: Images,
    /// The class that each was asked for, by the target's classes; None where they have none.
    pub asked: Option<Vec<u32>>,
    /// What the classes are called.
    pub names: Classes,
}

/// The class of each pair, by the numbers of each side's generator; None where that has no classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Partners {
    /// On the source's side.
    pub source: Option<Vec<u32>>,
    /// On the target's.
    pub target: Option<Vec<u32>>,
}

words! {
    /// The sides of a translation.
    pub enum Side {
        /// What it learned from.
        Source = "source",
        /// What it was transferred to.
        Target = "target",
    }
}

/// The checkpoint of the generator from which a transfer's began, of which `own` is one. Runs of a comparison share what they learned of
/// the source, so that it may be there for a run that began without.
///
/// # Errors
/// [`Error::Invalid`] where the run began from none, or it is gone or holds other networks by now.
pub fn source_checkpoint(folder: &RunFolder, own: &Checkpoint) -> Result<PathBuf> {
    let run = folder.path().display();
    let begun =
        began_from(own).ok_or_else(|| Error::invalid(format!("{run} began with no generator of its source")))?;
    let plan = Plan::read(folder)?;
    let source = plan.of_arm()?.source;
    // What a run began with had a name then.
    let gone = |_| Error::invalid(format!("{run} began with the generator of {source}, which is gone"));
    let (place, file) = match Source::parse(&source).map_err(gone)? {
        Source::Checkpoint(path) => {
            let file = Named::find(&path)?.file;
            (path, file)
        }
        Source::Data(_) => {
            let place = Cell::learned_by(folder.path(), &plan)?.unwrap_or_else(|| folder.path().join(SOURCE));
            let written = RunFolder::open(&place).and_then(|source| source.written_checkpoint());
            let file = written.map_err(|error| {
                let place = place.display();
                Error::invalid(format!("there is no generator of the run's source in {place}: it was removed: {error}"))
            })?;
            (place, file)
        }
    };
    if begun != Checkpoint::read(&file)?.digest() {
        return Err(Error::invalid(format!(
            "{} holds other networks now than those that {run} began with: was it trained on since?",
            place.display()
        )));
    }
    Ok(file)
}

/// How far the sides of pairs agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// How many pairs.
    pub count: usize,
    /// The classes that they were asked for, in turn: those that both generators and both data sets have. Nothing where a generator has none.
    pub classes: Vec<String>,
    /// The share of pairs in which the source's judge and the target's see a class of the same name.
    pub agreement: f64,
    /// What that would be by chance: if both sides had the classes that they have independently of one another.
    pub chance: f64,
    /// What it is where each of the source's side stands beside the target's of any pair.
    pub shuffled: f64,
    /// The Fréchet distance of the target's side, in the features of the target's judge, from as many held-out images as `held_out`.
    pub judge_fd: f64,
    /// What fresh real images get.
    pub floor: f64,
    /// The share of the source's side of whose class the source's judge is surer than 0.9.
    pub source_sure: f64,
    /// The same of the source's held-out images.
    pub source_real_sure: f64,
    /// How many held-out images, and samples, were measured for that.
    pub held_out: usize,
    /// The judge of the source's side, which learned from images as the source's GAN was shown them.
    pub source_judge: JudgeReport,
    /// The target's.
    pub target_judge: JudgeReport,
}

impl Translation {
    /// The generators of a transfer's run.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the folder is of no transfer that has come to its target, or its source's checkpoint is gone.
    pub fn read(run: &Path, device: &Device) -> Result<Translation> {
        let named = split(run).map(|(folder, _)| folder).filter(|folder| !run.exists() && folder.is_dir());
        let folder = RunFolder::open(named.unwrap_or(run))?;
        if folder.command() != Some("transfer") {
            return Err(Error::invalid(format!(
                "{} is no run of a transfer, whose generators are two: name a folder that `graft transfer` wrote",
                run.display()
            )));
        }
        let plan = Plan::read(&folder)?.of_arm()?;
        let own = Checkpoint::read(&Named::find(run)?.file)?;
        let file = source_checkpoint(&folder, &own)?;
        let learned = RunFolder::around(&file).map(|source| TrainedOn::read(&source)).transpose()?;
        let mut source = load_generator(&Checkpoint::read(&file)?, device)?;
        let mut renamed = vec![plan.reading.map.clone()];
        if let Source::Checkpoint(_) = Source::parse(&plan.source)? {
            // Its networks were there before the map.
            let names = source.1.conditions().names();
            let names = names.renamed(&plan.reading.map).unwrap_or_else(|| names.clone());
            source.1.set_conditions(source.1.conditions().clone().with_names(names));
            if let Some(TrainedOn::Train(settings)) = &learned {
                renamed.insert(0, settings.reading.map.clone());
            }
        }
        let source_reading = learned.map_or_else(|| plan.reading.of_another(), |learned| learned.reading().of_more());
        let target = load_generator(&own, device)?;
        if source.0.latent != target.0.latent {
            return Err(Error::invalid(format!(
                "the source's generator takes {} latents and the target's {}: they have none in common",
                source.0.latent, target.0.latent
            )));
        }
        Ok(Translation { plan, source_reading, renamed, source, target, device: device.clone() })
    }

    /// Pictures of a side with their classes called as its generator's are.
    ///
    /// # Errors
    /// [`Error::Invalid`] where two classes would have one name.
    pub fn named(&self, side: Side, pictures: Dataset) -> Result<Dataset> {
        let maps = self.renamed.iter().filter(|_| side == Side::Source);
        maps.cloned().try_fold(pictures, |pictures, mut map| {
            // Pictures need not be of every class.
            map.retain(|name, _| pictures.classes.named(name).is_some());
            pictures.with_renamed(&map)
        })
    }

    /// How pictures of a side are to be read: as the networks of that side were shown those that they learned from.
    pub fn reading(&self, side: Side) -> Reading {
        match side {
            Side::Source => self.source_reading.clone(),
            Side::Target => self.plan.reading.of_more(),
        }
    }

    /// The length of a latent.
    pub fn latent(&self) -> usize {
        self.target.0.latent
    }

    /// The generator of a side.
    pub fn generator(&self, side: Side) -> (&Architecture, &Generator) {
        let (architecture, network) = match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        };
        (architecture, network)
    }

    /// The classes of both sides, by each side's own numbers, that go with those of one side's generator: on the other side those of the same
    /// names, where it has classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it has classes, but not one of these.
    pub fn partners(&self, side: Side, classes: Option<Vec<u32>>) -> Result<Partners> {
        let [source, target] = [&self.source, &self.target].map(|(_, network)| network.conditions().names());
        let (own, other) = match side {
            Side::Source => (source, target),
            Side::Target => (target, source),
        };
        let partner = |&class: &u32| {
            let name = &own.names()[class as usize];
            other
                .named(name)
                .ok_or_else(|| Error::invalid(format!("there is no class {name} on the other side: {other}")))
        };
        let others = classes.as_ref().filter(|_| !other.is_empty());
        let others = others.map(|classes| classes.iter().map(partner).collect::<Result<Vec<u32>>>()).transpose()?;
        Ok(match side {
            Side::Source => Partners { source: classes, target: others },
            Side::Target => Partners { source: others, target: classes },
        })
    }

    /// Pairs of given latents, `[count, latent]`, of these classes; features of conditions are those of a seed.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where latents and classes are not as many.
    pub fn pairs_of(&self, seed: u64, latents: &[f32], classes: Partners) -> Result<Pairs> {
        let count = latents.len() / self.latent();
        self.made((seed, Purpose::SampleLatents), Latents::Given(latents), count, classes)
    }

    /// `count` pairs of a seed, or of given latents; of `class`, by the target's name or number, or of all classes in turn where both have such.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a class is asked for that one of both has not; the device's first failure.
    ///
    /// # Panics
    /// Where fewer latents are given.
    #[track_caller]
    pub fn pairs(&self, seed: u64, latents: Latents<'_>, count: usize, class: Option<&str>) -> Result<Pairs> {
        self.pairs_among(seed, latents, count, class, |_| true)
    }

    /// As [`Translation::pairs`]; classes in turn are of those of these names alone.
    #[track_caller]
    fn pairs_among(
        &self,
        seed: u64,
        latents: Latents<'_>,
        count: usize,
        class: Option<&str>,
        has: impl Fn(&str) -> bool,
    ) -> Result<Pairs> {
        let (of_source, of_target) = (&self.source, &self.target);
        let names = of_target.1.conditions().names().clone();
        let theirs = of_source.1.conditions().names();
        let partner =
            |label: u32| names.names().get(label as usize).filter(|name| has(name)).and_then(|name| theirs.named(name));
        let common: Vec<(u32, u32)> = (0..names.len() as u32).filter_map(|own| Some((own, partner(own)?))).collect();
        let asked: Option<Vec<u32>> = match class {
            Some(class) => {
                let label = names.find(class).filter(|&label| partner(label).is_some());
                let label = label.ok_or_else(|| {
                    let both: Vec<&str> = common.iter().map(|(own, _)| names.names()[*own as usize].as_str()).collect();
                    Error::invalid(format!(
                        "there is no class {class} that both generators know; they have in common: {}",
                        if both.is_empty() { "none".to_string() } else { both.join(", ") }
                    ))
                })?;
                Some(vec![label; count])
            }
            None if common.is_empty() => None,
            None => Some((0..count).map(|number| common[number % common.len()].0).collect()),
        };
        let of_theirs = asked.as_ref().filter(|_| of_source.0.classes > 0);
        let of_theirs = of_theirs.map(|asked| asked.iter().filter_map(|&own| partner(own)).collect());
        self.made((seed, Purpose::SampleLatents), latents, count, Partners { source: of_theirs, target: asked })
    }

    fn made(
        &self,
        key: (u64, Purpose),
        latents: Latents<'_>,
        count: usize,
        Partners { source: of_source, target: asked }: Partners,
    ) -> Result<Pairs> {
        let made = |(architecture, network): &(Architecture, Generator), classes: Option<&Vec<u32>>| match classes {
            Some(classes) => sample_of_classes(network, architecture, key, latents, classes),
            None => sample_of(network, architecture, key, latents, count, None),
        };
        let Architecture { size, channels, .. } = self.target.0;
        let source = Dataset::unlabelled("pairs", made(&self.source, of_source.as_ref())?).fit(size, channels)?.images;
        let target = made(&self.target, asked.as_ref())?;
        Ok(Pairs { source, target, asked, names: self.target.1.conditions().names().clone() })
    }

    /// How far `count` pairs of a seed agree; None where the watcher stopped a judge's training.
    ///
    /// # Errors
    /// [`Error::Invalid`] where source and target have no labels of common classes, or nothing is held out; what reading them says.
    pub fn agreement(&self, seed: u64, count: usize, watcher: &mut Watcher<'_>) -> Result<Option<Agreement>> {
        let (plan, (architecture, _)) = (&self.plan, &self.target);
        let (size, channels) = (architecture.size, architecture.channels);
        let images = SourceImages::of(plan);
        let ((data, _), style) = (images.images(&plan.source)?, images.style(&plan.source)?);
        let parts: Parts = plan.read_target()?;
        let common =
            |classes: &Classes| data.classes.names().iter().filter(|name| classes.named(name).is_some()).count();
        let none = || {
            let problem = "have no two classes or more, some of them in common, by which pairs could agree";
            Error::invalid(format!("{} and {} {problem}", plan.source, plan.target))
        };
        if !data.tells_classes() || common(&parts.whole().classes) == 0 {
            return Err(none());
        }
        let real = Real::of(&parts, size, channels)?;
        // What a checkpoint's generator was shown is settled.
        let asked = plan.source_style.filter(|_| matches!(Source::parse(&plan.source), Ok(Source::Data(_))));
        let shown = styled(&data, asked.unwrap_or(style), plan.recipe.seed);
        let (training, of_source_held_out) = without_a_tenth(&shown)?;
        let Some(of_source) = run::judge(&training, &self.device, watcher)? else { return Ok(None) };
        let Some(of_target) = run::judge(&real.training, &self.device, watcher)? else { return Ok(None) };
        let (Some(by_source), Some(_)) = (of_source.classifier(), of_target.classifier()) else {
            return Err(none());
        };
        let (classes, theirs) = (real.training.classes.clone(), training.classes.clone());
        let against = if real.test.is_ok() { HeldOut::Test } else { HeldOut::Validation };
        let (held_out, other) = real.sides(against)?;

        // A target's generator knows the classes of its source; by those that the target has none of no pair could agree.
        let drawn = |count| {
            self.pairs_among(seed, Latents::Drawn, count, None, |name| {
                [&classes, &theirs].iter().all(|classes| classes.named(name).is_some())
            })
        };
        let pairs = drawn(count)?;
        let asked: BTreeSet<u32> = pairs.asked.iter().flatten().copied().collect();
        let asked = asked.into_iter().map(|label| pairs.names.names()[label as usize].clone()).collect();
        // Classes that one side alone knows have numbers of their own behind the target's.
        let name = |label: u32| &theirs.names()[label as usize];
        let number = |label: u32| classes.named(name(label)).unwrap_or(classes.len() as u32 + label);
        let said = by_source.predict(&pairs.source)?;
        let source_sure = sure(&said);
        let left: Vec<u32> = said.labels.into_iter().map(number).collect();
        let right = of_target.predict(&pairs.target)?.labels;
        let mut shuffled = right.clone();
        // Classes are asked for in turn, so that the pair before is always of another.
        shuffled.shuffle(&mut generator(seed, Purpose::Shuffle, 0, 0));
        let source_judge = of_source.report(Some(by_source.accuracy(&of_source_held_out)?));
        let real = RealImages { held_out: &held_out, other: &other, training: None };
        let judged = Reference::new(Arc::new(of_target), &real)?;
        let of_count = drawn(judged.count().min(COUNT))?.target;
        Ok(Some(Agreement {
            count,
            classes: asked,
            agreement: conditional_accuracy(&left, &right),
            chance: conditional_chance(&left, &right),
            shuffled: conditional_accuracy(&left, &shuffled),
            judge_fd: judged.distances(&of_count)?.frechet.judge_fd,
            floor: judged.floors()?.real.distances.frechet.judge_fd,
            held_out: judged.count(),
            source_sure,
            source_real_sure: sure(&by_source.predict(&of_source_held_out.spaced(COUNT).images)?),
            source_judge,
            target_judge: judged.judged_by(),
        }))
    }
}

/// The share of images of whose class a judge is surer than 0.9.
fn sure(said: &Predictions) -> f64 {
    const SURE: f32 = 0.9;
    let rows = said.probabilities.chunks_exact(said.classes);
    rows.filter(|row| row.iter().any(|&share| share > SURE)).count() as f64 / said.labels.len().max(1) as f64
}

/// Nine tenths of a data set, with its classes in proportion, and the rest.
fn without_a_tenth(data: &Dataset) -> Result<(Dataset, Dataset)> {
    let (count, drawn) = (data.len(), data.subset(data.len(), 0, false)?);
    let most = count - (count / 10).max(1);
    let of = |range: std::ops::Range<usize>| drawn.select(&range.collect::<Vec<_>>());
    Ok((of(0..most), of(most..count)))
}
