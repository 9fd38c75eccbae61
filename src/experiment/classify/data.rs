//! The images of an experiment of classifiers: which are labelled, which are not, and what is held out.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::labels::{FileLabels, hold_out};
use super::{Design, Digests, Settings};
use crate::data::{Block, Classes, Dataset, Parts, Reading, Spec, Split};
use crate::error::{Error, Result};
use crate::gan::Architecture;
use crate::metrics::{HeldOut, flattery, flattery_of_source, seen};
use crate::random::{Purpose, generator};
use crate::transfer::{SourceImages, without_partner};

use rand::seq::SliceRandom;

/// What GANs are told that images without labels are of: a class that the target has not, nor any source.
fn unlabelled(classes: &Classes) -> String {
    let mut name = "(unlabelled)".to_string();
    while classes.named(&name).is_some() {
        name = format!("({name})");
    }
    name
}

/// The images of the target and of the source.
#[derive(Debug)]
pub struct Data {
    /// The training split less what is held out of it, in the classifier's size.
    training: Dataset,
    /// The class of each of these images that may be labelled.
    labels: Vec<Option<u32>>,
    /// What the classes are called.
    classes: Classes,
    /// More images without labels.
    more: Option<Dataset>,
    /// The validation block.
    pub validation: Dataset,
    /// The test split; never read while settings are chosen.
    test: Option<Dataset>,
    /// How many images are held out, in a sentence.
    pub withheld: String,
    /// The source's images with the target's classes, and whether they had no colours.
    pub source: Option<(Dataset, bool)>,
    /// Whether images are also shown with light and dark in each other's places.
    pub inverted: bool,
    /// The source for GANs, which all runs share.
    pub of_gan: SourceImages,
    /// What a person should know of classes, in sentences.
    noticed: Vec<String>,
    warnings: OnceLock<Vec<String>>,
}

/// A target's images by what they are for, in the size in which they were read.
struct Held {
    training: Dataset,
    labels: Vec<Option<u32>>,
    classes: Classes,
    validation: Dataset,
    test: Option<Dataset>,
    /// What the test would be measured on, while settings are chosen: nothing may learn from it.
    unseen: Option<Dataset>,
    withheld: String,
}

/// The training images of a seed, some of them labelled.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// All of them, in the order in which the seed draws them, and behind them those of another data set. Without labels where some have
    /// none.
    pub all: Dataset,
    /// Those that are labelled, with their classes.
    pub known: Vec<(usize, u32)>,
}

impl Drawn {
    /// The labelled images alone, all of them known.
    pub fn labelled(&self) -> Drawn {
        let all = self.all.select(&self.known.iter().map(|(image, _)| *image).collect::<Vec<_>>());
        let known = self.known.iter().enumerate().map(|(place, (_, class))| (place, *class)).collect();
        Drawn { all, known }
    }

    /// All of them with the labels that there are, as a transfer takes them; where some have none, those that are known, and the rest is of
    /// a class of its own, which has no partner in a source.
    pub fn for_transfer(&self, classes: &Classes) -> Dataset {
        if self.all.labels.is_some() {
            return self.all.clone();
        }
        let unlabelled = unlabelled(classes);
        let names = classes.names().iter().map(String::as_str).chain([unlabelled.as_str()]);
        let mut labels = vec![classes.len() as u32; self.all.len()];
        self.known.iter().for_each(|&(image, class)| labels[image] = class);
        Dataset { labels: Some(labels), classes: Classes::new(names), ..self.all.clone() }
    }
}

impl Held {
    /// Those of a target whose images all have labels. Folders, archives and arrays without a test split have a part of their images held out in
    /// its place; of others it is read only where accuracy is measured on it, or images that may be the same join those that are learned from.
    fn by_labels(target: &Parts, settings: &Settings) -> Result<Held> {
        let whole = target.whole();
        let name = &whole.name;
        let classes = whole.class_counts().iter().filter(|&&count| count > 0).count();
        if whole.labels.is_none() || classes < 2 {
            return Err(Error::invalid(format!(
                "{name} has labels of {classes} classes, and a classifier tells two or more apart: accuracy is measured on labelled images, \
                 also where few are learned from"
            )));
        }
        let (training, validation) = target.split()?;
        if validation.is_empty() {
            return Err(Error::invalid(format!("{name} has too few training images to hold some out for validation")));
        }
        let mut withheld = target.withheld()?;
        // As the validation block is drawn of what lies in folders. It is held out of validation's runs, too: they choose what is then measured on it.
        let draws = target.spec().block() == Block::Drawn && training.can_hold_out();
        let (training, drawn) = match draws && !target.has_test()? {
            true => {
                let (training, test) = training.hold_out(Block::Drawn)?;
                withheld += &format!(", and {} for the test, since there is no test split", test.len());
                (training, Some(test))
            }
            false => (training, None),
        };
        let (test, unseen) = match (settings.split, drawn) {
            (HeldOut::Validation, Some(drawn)) => (None, Some(drawn)),
            (HeldOut::Validation, None) if settings.unlabelled.is_some() && target.has_test()? => {
                (None, Some(target.test()?))
            }
            (HeldOut::Validation, None) => (None, None),
            (HeldOut::Test, Some(drawn)) => (Some(drawn), None),
            (HeldOut::Test, None) => (Some(target.test()?.in_classes(&whole.classes)?), None),
        };
        for (part, held_out) in [(Split::Validation, Some(&validation)), (Split::Test, test.as_ref())] {
            if held_out.is_some_and(|held_out| held_out.labels.is_none()) {
                return Err(Error::invalid(format!(
                    "the {part} split of {name} has no labels, and accuracy is measured on it: put its images into folders of their classes"
                )));
            }
        }
        Ok(Held {
            labels: training.labels.iter().flatten().map(|&label| Some(label)).collect(),
            classes: training.classes.clone(),
            training,
            validation,
            test,
            unseen,
            withheld,
        })
    }

    /// Those of a target of which a file says some labels. What other splits have lines of is held out; else a part of what the training split
    /// has.
    fn by_file(target: &Parts, given: &FileLabels, settings: &Settings) -> Result<Held> {
        let (whole, classes) = (target.whole(), given.classes());
        let Some(files) = &whole.files else {
            return Err(Error::invalid(format!(
                "{} has no files that labels could name: it takes images in a folder or an archive",
                whole.name
            )));
        };
        let is_own = settings.reading.held_out.is_none();
        // Lines may be of any of its images, also of those that others stand in for.
        let own_test = match target.own_test() {
            Err(Error::NoSplit(_)) => None,
            read => Some(read?),
        };
        let own_validation = target.validation()?;
        given.check([whole].into_iter().chain(&own_test).chain(&own_validation))?;
        let labels = given.of(whole);
        let labelled = |part: &Option<Dataset>| part.as_ref().and_then(|part| chosen(part, &given.of(part), classes));
        let (test, validation) = match is_own {
            true => (labelled(&own_test), labelled(&own_validation)),
            false => (Some(target.test()?.in_classes(classes)?), labelled(&own_validation)),
        };
        let missing = [validation.is_none(), test.is_none()].iter().filter(|&&missing| missing).count();
        let places = hold_out(&labels, files, classes.len(), missing);
        for (class, name) in classes.names().iter().enumerate() {
            let count = |labels: &[Option<u32>]| labels.iter().filter(|&&label| label == Some(class as u32)).count();
            if count(&places.pool) == 0 {
                return Err(Error::invalid(format!(
                    "{} has {} labelled training images of class {name}, and it takes {} or more: one to learn from, and one for each of \
                     validation and test that is held out of them",
                    whole.name,
                    count(&labels),
                    missing + 1
                )));
            }
        }
        let mut drawn = places.held_out.iter().map(|part| {
            let labels: Vec<u32> = part.iter().filter_map(|&image| labels[image]).collect();
            Dataset { labels: Some(labels), classes: classes.clone(), ..whole.select(part) }
        });
        let mut next = |there: Option<Dataset>| there.or_else(|| drawn.next()).expect("as many parts as are missing");
        let (validation, test) = (next(validation), next(test));
        let out: HashSet<usize> = places.held_out.concat().into_iter().collect();
        let left: Vec<usize> = (0..whole.len()).filter(|image| !out.contains(image)).collect();
        let pool: Vec<Option<u32>> = left.iter().map(|&image| places.pool[image]).collect();
        let withheld = format!(
            "of {} {} training images have labels; {} labelled ones are held out for validation, and {} for the test",
            whole.name,
            pool.iter().flatten().count(),
            validation.len(),
            test.len()
        );
        let (test, unseen) = match settings.split {
            HeldOut::Test => (Some(test), None),
            HeldOut::Validation => (None, Some(test)),
        };
        let training = whole.select(&left);
        Ok(Held { training, labels: pool, classes: classes.clone(), validation, test, unseen, withheld })
    }
}

/// The images of a data set that have a label; None where none has.
fn chosen(data: &Dataset, labels: &[Option<u32>], classes: &Classes) -> Option<Dataset> {
    let (images, labels): (Vec<usize>, Vec<u32>) =
        labels.iter().enumerate().filter_map(|(image, label)| Some((image, (*label)?))).unzip();
    (!images.is_empty()).then(|| Dataset { labels: Some(labels), classes: classes.clone(), ..data.select(&images) })
}

impl Data {
    /// What a person should know of accuracies: whether some of the held-out images may be learned from, which classes are not measured, and of
    /// which the source teaches nothing.
    pub fn warnings(&self) -> &[String] {
        self.warnings.get_or_init(|| self.warned_of())
    }

    fn warned_of(&self) -> Vec<String> {
        let held_out = self.held_out();
        let of_source = self.source.iter().filter_map(|(source, _)| flattery_of_source(held_out, source));
        let measured = held_out.class_counts();
        let is_lost = |class: &usize| measured[*class] == 0 && self.labels.contains(&Some(*class as u32));
        let lost: Vec<&str> =
            (0..self.classes.len()).filter(is_lost).map(|class| self.classes.names()[class].as_str()).collect();
        let unmeasured = (!lost.is_empty()).then(|| {
            format!("of {} no image is held out: how well such images are told is not measured", lost.join(", "))
        });
        let copies = flattery(seen(held_out, &self.training), held_out.len());
        copies.into_iter().chain(of_source).chain(unmeasured).chain(self.noticed.clone()).collect()
    }

    /// Those of a target, of which all images have labels or the settings' file says some, of the settings' source, and more unlabelled ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the target has no labels of two classes or nothing is held out, a file of labels does not go with it, or the
    /// source has no class of the target; [`Error::NoSplit`] where there is no such split; what reading says.
    pub fn of(target: &Parts, settings: &Settings) -> Result<Data> {
        let (size, channels) = (settings.size, settings.channels);
        let held = match &settings.labels_file {
            None => Held::by_labels(target, settings)?,
            Some(file) => Held::by_file(target, &FileLabels::read(Path::new(&file.path))?, settings)?,
        };
        let Held { training, labels, classes, validation, test, unseen, mut withheld } = held;
        let validation = validation.fit(size, channels)?;
        let [test, unseen] = [test, unseen].map(|part| part.map(|part| part.fit(size, channels)).transpose());
        let (test, unseen) = (test?, unseen?);
        let measured_on = test.as_ref().unwrap_or(&validation);
        if !measured_on.tells_classes() {
            return Err(Error::invalid(format!(
                "accuracy would be measured on {} held-out images of {}, all of one class, which tells nothing: hold out images of two or more",
                measured_on.len(),
                measured_on.name
            )));
        }
        let architecture = Architecture::dcgan(size, channels);
        // A GAN that takes turns with a classifier has its classes.
        let of_gan = SourceImages::new(&settings.reading, &architecture).in_order_of(classes.clone());
        let source = settings.source.as_ref().map(|source| {
            let (data, grey) = of_gan.images(source)?;
            let taken = unlabelled(&classes);
            if data.classes.named(&taken).is_some() {
                return Err(Error::invalid(format!("{} has a class called {taken}; give it another name", data.name)));
            }
            Ok((of_classes(&data, &classes)?, grey, without_partner(&data.classes, &classes)))
        });
        let more = settings.unlabelled.as_ref().map(|spec| -> Result<Dataset> {
            let reading = Reading { unlabelled: true, ..target.reading().of_more().of_size(size) };
            let all = spec.parse::<Spec>()?.read(Split::Train, &reading)?.without_labels().fit(size, channels)?;
            let held_out: HashSet<Vec<u8>> = [Some(&validation), test.as_ref(), unseen.as_ref()]
                .into_iter()
                .flatten()
                .flat_map(|part| (0..part.len()).map(move |image| part.images.image(image).to_vec()))
                .collect();
            let kept: Vec<usize> =
                (0..all.len()).filter(|&image| !held_out.contains(&all.images.image(image)[..])).collect();
            withheld += &format!("; {} unlabelled images of {spec} join them", kept.len());
            if kept.len() < all.len() {
                withheld += &format!(", and {} that are held out do not", all.len() - kept.len());
            }
            Ok(all.select(&kept))
        });
        // Folders have been told of as they were read.
        let mut noticed = if settings.labels_file.is_some() { classes.alike() } else { Vec::new() };
        let source = source.transpose()?.map(|(source, grey, lonely)| {
            noticed.extend(lonely);
            (source, grey)
        });
        let of_signs = source.as_ref().is_some_and(|(_, grey)| *grey && channels == 3);
        Ok(Data {
            inverted: settings.invert.unwrap_or(of_signs),
            training: training.fit(size, channels)?,
            labels,
            more: more.transpose()?,
            classes,
            validation,
            test,
            withheld,
            source,
            of_gan,
            noticed,
            warnings: OnceLock::new(),
        })
    }

    /// As [`Data::of`], held against what the experiment in a folder was begun with; what is asked for has their digests from then on.
    ///
    /// # Errors
    /// Those of [`Data::of`]; [`Error::Folder`] where the experiment was begun with others.
    pub fn as_begun(root: &Path, asked: &mut Design, target: &Parts) -> Result<Data> {
        let data = Data::of(target, &asked.settings)?;
        asked.images = Some(data.digests());
        Design::joined(root, asked)?;
        Ok(data)
    }

    /// The digests by which changed images and labels are known.
    pub fn digests(&self) -> Digests {
        Digests {
            training: self.training.digest(),
            validation: self.validation.digest(),
            test: self.test.as_ref().map(Dataset::digest),
            source: self.source.as_ref().map(|(source, _)| source.digest()),
            unlabelled: self.more.as_ref().map(Dataset::digest),
        }
    }

    /// The classes of the target.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// What accuracy is measured on.
    pub fn held_out(&self) -> &Dataset {
        self.test.as_ref().unwrap_or(&self.validation)
    }

    /// How many images are learned from, labelled or not.
    pub fn count(&self) -> usize {
        self.training.len() + self.more.as_ref().map_or(0, Dataset::len)
    }

    /// How many of these labelled ones are drawn from.
    pub fn labelled(&self) -> usize {
        self.labels.iter().flatten().count()
    }

    /// The training images in the order of a seed, of which the first `shots` of each class are labelled: fewer labels are the first of more.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a class has fewer.
    pub fn drawn(&self, shots: usize, seed: u64) -> Result<Drawn> {
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        order.shuffle(&mut generator(seed, Purpose::Subset, 1, 0));
        let mut counts = vec![0; self.classes.len()];
        let mut known = Vec::new();
        for (place, &image) in order.iter().enumerate() {
            let Some(class) = self.labels[image] else { continue };
            counts[class as usize] += 1;
            if counts[class as usize] <= shots {
                known.push((place, class));
            }
        }
        let lacking = counts.iter().zip(self.classes().names()).find(|(count, _)| (1..shots).contains(*count));
        if let Some((count, class)) = lacking {
            return Err(Error::invalid(format!(
                "{} has {count} training images of class {class} whose labels may be learned from, and {shots} of each are asked for",
                self.training.name
            )));
        }
        let all = self.training.select(&order);
        let all = match &self.more {
            Some(more) => all.joined(more)?,
            None => all,
        };
        Ok(Drawn { all, known })
    }
}

/// A source's images of the target's classes.
fn of_classes(source: &Arc<Dataset>, classes: &Classes) -> Result<Dataset> {
    let common = source.classes.names().iter().filter(|name| classes.named(name).is_some()).count();
    if source.labels.is_none() || common < 2 {
        let own = if source.labels.is_some() { source.classes.to_string() } else { "none".to_string() };
        return Err(Error::invalid(format!(
            "{} has {common} of the target's classes ({classes}; its own are {own}), and a classifier learns from two or more: map classes \
             of the source to their partners, or go without a source",
            source.name
        )));
    }
    source.of_classes(classes).in_classes(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_labels_are_of_a_class_that_no_target_has() {
        assert_eq!(unlabelled(&Classes::new(["a", "b"])), "(unlabelled)");
        assert_eq!(unlabelled(&Classes::new(["(unlabelled)", "b"])), "((unlabelled))");
    }
}
