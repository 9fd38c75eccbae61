//! Image data sets: where they come from ([`Spec`]), what they are ([`Dataset`]), the order in which training sees
//! them ([`Sampler`]), and pictures of them on disk ([`picture`]).
//!
//! A data set stays in memory, or on disk where it is too large for that, as bytes (pictures of any size become squares while they are read); only a
//! batch becomes floating-point numbers.

pub mod animation;
mod archive;
mod array;
mod cifar;
mod classes;
pub mod csv;
mod decode;
mod deflate;
mod emnist;
mod fit;
mod folder;
pub mod idx;
mod idx_files;
mod images;
mod kind;
mod layout;
pub(crate) mod light;
pub mod matlab;
mod mnist;
mod npy;
mod npz;
mod pair;
mod parts;
pub mod picture;
mod pictures;
mod reading;
mod sampler;
mod spec;
mod store;
mod subset;
mod svhn;
pub mod synthetic;
mod tree;
mod validation;
mod zip;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::random::{Purpose, generator};

pub use classes::Classes;
pub use folder::read_files;
pub use images::Images;
pub use kind::{Block, Split};
pub use npy::read_rows;
pub use parts::{Parts, check_classes};
pub use reading::{Background, Fit, Heard, Listener, Reading, Resample};
pub use sampler::Sampler;
pub use spec::{Spec, absolute, last_name, of_path};

/// The seed of the draws of one image out of each stretch.
const STRETCHES_SEED: u64 = 0;

/// Images, with or without the class of each.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What a person calls it, as given in its [`Spec`].
    pub name: String,
    /// The images.
    pub images: Images,
    /// The class of each image, a place in `classes`.
    pub labels: Option<Vec<u32>>,
    /// The names of the classes; none where there are no labels.
    pub classes: Classes,
    /// The file that each image came from, below the folder or archive of all; None where images are not files.
    pub files: Option<Vec<Arc<str>>>,
    /// The files that were left out, as readers were told to, since they cannot be read.
    pub left_out: Vec<Arc<str>>,
    /// The splits that the sub-folders of a folder or archive are; none where those are classes, or where there are none.
    pub splits: Vec<Split>,
    /// What tells the data from others', where images are files: their digest.
    pub(crate) key: Option<[u8; 32]>,
    /// How images become those of a network.
    pub(crate) reading: Reading,
}

impl PartialEq for Dataset {
    /// Whether name, images and classes are the same, wherever they are from.
    fn eq(&self, other: &Dataset) -> bool {
        (&self.name, &self.images, &self.labels, &self.classes)
            == (&other.name, &other.images, &other.labels, &other.classes)
    }
}

impl Dataset {
    /// One black image of each class, or one: where only shapes count.
    pub(crate) fn blank(side: usize, channels: usize, classes: usize) -> Dataset {
        let count = classes.max(1);
        let images = Images::new([count, side, side, channels], vec![0; count * side * side * channels]);
        match classes {
            0 => Dataset::unlabelled("blank", images),
            _ => Dataset::labelled("blank", images, (0..classes as u32).collect(), Classes::numbered(0..classes)),
        }
    }

    /// Images without classes.
    pub fn unlabelled(name: impl Into<String>, images: Images) -> Dataset {
        let (classes, reading) = (Classes::none(), Reading::default());
        Dataset {
            name: name.into(),
            images,
            labels: None,
            classes,
            files: None,
            left_out: Vec::new(),
            splits: Vec::new(),
            key: None,
            reading,
        }
    }

    /// Images of which each has a class.
    ///
    /// # Panics
    /// Where there is not one label an image, or a label is no place in `classes`.
    #[track_caller]
    pub fn labelled(name: impl Into<String>, images: Images, labels: Vec<u32>, classes: Classes) -> Dataset {
        assert_eq!(labels.len(), images.count, "one label an image");
        assert!(labels.iter().all(|&label| (label as usize) < classes.len()), "a label of {} classes", classes.len());
        Dataset { labels: Some(labels), classes, ..Dataset::unlabelled(name, images) }
    }

    /// The same with other names for some classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no class of a name, or two would have one name.
    pub fn with_renamed(self, names: &BTreeMap<String, String>) -> Result<Dataset> {
        if let Some(unknown) = names.keys().find(|name| self.classes.named(name).is_none()) {
            let own = if self.classes.is_empty() { "none".to_string() } else { self.classes.to_string() };
            return Err(Error::invalid(format!(
                "{} has no class {unknown} to be mapped; its classes: {own}",
                self.name
            )));
        }
        let classes = self.classes.renamed(names).ok_or_else(|| {
            Error::invalid(format!("two classes of {} would have one name; map each to another", self.name))
        })?;
        Ok(Dataset { classes, ..self })
    }

    /// Those of its images whose class is in another list, by name.
    pub fn of_classes(&self, classes: &Classes) -> Dataset {
        let known: Vec<bool> = self.classes.names().iter().map(|name| classes.named(name).is_some()).collect();
        if known.iter().all(|&known| known) {
            return self.clone();
        }
        let labels = self.labels.as_deref().unwrap_or_default();
        self.select(
            &(0..self.len())
                .filter(|&index| labels.get(index).is_none_or(|&label| known[label as usize]))
                .collect::<Vec<_>>(),
        )
    }

    /// The same with labels that are places in another list of classes, by name. Images without labels stay without.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are images of a class that is not in the list.
    pub fn in_classes(self, classes: &Classes) -> Result<Dataset> {
        let Some(labels) = &self.labels else { return Ok(self) };
        let places: Vec<Option<u32>> = self.classes.names().iter().map(|name| classes.named(name)).collect();
        let counts = self.class_counts();
        let strange = self.classes.names().iter().zip(&counts).zip(&places);
        let strange: Vec<&str> = strange
            .filter(|((_, count), place)| **count > 0 && place.is_none())
            .map(|((name, _), _)| name.as_str())
            .collect();
        if !strange.is_empty() {
            return Err(Error::invalid(format!(
                "{} has images of {}, and the classes here are {}",
                self.name,
                classes::counted("class", "classes", &strange),
                classes::counted("only", "", &classes.names().iter().map(String::as_str).collect::<Vec<_>>()).trim(),
            )));
        }
        let labels = labels.iter().map(|&label| places[label as usize].expect("each has a place")).collect();
        Ok(Dataset { labels: Some(labels), classes: classes.clone(), ..self })
    }

    /// Whether it may be other than the data with which a run began.
    pub(crate) fn may_have_changed(&self) -> bool {
        self.reading.changed
    }

    fn read_by(self, reading: &Reading) -> Dataset {
        Dataset { reading: reading.clone(), ..self }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.count
    }

    /// Whether there are no images; a loaded data set always has some.
    pub fn is_empty(&self) -> bool {
        self.images.count == 0
    }

    /// How many images each class has, `[classes]`; empty where there are no labels.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in self.labels.iter().flatten() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Whether two or more classes have images, so that something can be learned of what tells them apart.
    pub fn tells_classes(&self) -> bool {
        self.class_counts().iter().filter(|&&count| count > 0).count() >= 2
    }

    /// The named images as [`Images::batch`] gives them.
    ///
    /// # Panics
    /// Where an index is not below [`len`](Self::len).
    #[track_caller]
    pub fn batch(&self, indices: &[usize]) -> Vec<f32> {
        self.images.batch(indices)
    }

    /// The classes of the named images, or `None` where there are no labels.
    ///
    /// # Panics
    /// Where an index is not below [`len`](Self::len).
    #[track_caller]
    pub fn labels_of(&self, indices: &[usize]) -> Option<Vec<u32>> {
        let labels = self.labels.as_ref()?;
        Some(indices.iter().map(|&index| labels[index]).collect())
    }

    /// SHA-256, in hexadecimal, of what training sees: sizes, pixels, classes and labels, but not the name. Equal
    /// digests mean equal data, wherever it lies.
    pub fn digest(&self) -> String {
        /// Images that are read from disk between two words on how far it is.
        const CHUNK: usize = 4096;
        let [count, height, width, channels] = self.images.shape();
        let mut hash = Sha256::new();
        for size in [count, height, width, channels, self.classes.len(), usize::from(self.labels.is_some())] {
            hash.update((size as u64).to_le_bytes());
        }
        for index in 0..count {
            hash.update(self.images.image(index));
            if self.images.is_on_disk() && (index + 1 == count || index.is_multiple_of(CHUNK)) {
                self.reading.listener.tell(Heard::Progress { done: index + 1, of: count, images: count });
            }
        }
        for label in self.labels.iter().flatten() {
            // A byte where that is enough, as ever.
            hash.update(&label.to_le_bytes()[..if self.classes.len() <= 256 { 1 } else { 4 }]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// These images, and behind them others of the same size and channels; without labels.
    ///
    /// # Errors
    /// [`Error::Io`] where there are too many for memory and for the disk.
    ///
    /// # Panics
    /// Where sizes or channels differ.
    #[track_caller]
    pub fn joined(&self, others: &Dataset) -> Result<Dataset> {
        let [count, height, width, channels] = self.images.shape();
        assert_eq!(others.images.shape()[1..], [height, width, channels], "images of one size are joined");
        let mut sink = store::Sink::new([count + others.len(), height, width, channels], &self.reading)?;
        for images in [&self.images, &others.images] {
            (0..images.count).try_for_each(|index| sink.push(&images.image(index)))?;
        }
        Ok(Dataset::unlabelled(self.name.clone(), sink.finish()?).read_by(&self.reading))
    }

    /// The same without labels.
    pub fn without_labels(self) -> Dataset {
        Dataset { labels: None, classes: Classes::none(), ..self }
    }

    /// At most so many of them, evenly spaced: files may hold one class after the other, and some begin with what is easy. Where classes come
    /// in turn, even steps may meet a few alone: what must not depend on that takes [`Dataset::all_over`].
    pub fn spaced(&self, most: usize) -> Dataset {
        let count = self.len().min(most);
        self.select(&(0..count).map(|index| index * self.len() / count).collect::<Vec<_>>())
    }

    /// At most so many of them, one drawn out of each of as many equal stretches, by a fixed draw.
    pub fn all_over(&self, most: usize) -> Dataset {
        let count = self.len().min(most);
        let mut random = generator(STRETCHES_SEED, Purpose::RealImages, 0, 0);
        let place = |index: usize| {
            let (from, to) = (index * self.len() / count, (index + 1) * self.len() / count);
            if to - from > 1 { random.random_range(from..to) } else { from }
        };
        self.select(&(0..count).map(place).collect::<Vec<_>>())
    }

    /// At most so many of them, the first ones.
    pub fn first(&self, most: usize) -> Dataset {
        self.select(&(0..self.len().min(most)).collect::<Vec<_>>())
    }

    /// The named images with their labels, in the order of `indices`; name and number of classes stay.
    ///
    /// # Panics
    /// Where an index is not below [`len`](Self::len).
    #[track_caller]
    pub fn select(&self, indices: &[usize]) -> Dataset {
        Dataset {
            name: self.name.clone(),
            images: self.images.select(indices),
            labels: self.labels.as_ref().map(|labels| indices.iter().map(|&index| labels[index]).collect()),
            classes: self.classes.clone(),
            files: self.files.as_ref().map(|files| indices.iter().map(|&index| files[index].clone()).collect()),
            left_out: self.left_out.clone(),
            splits: self.splits.clone(),
            key: self.key,
            reading: self.reading.clone(),
        }
    }
}

/// The folder of real data sets that are not part of the project, `$GRAFT_DATA` or `../shared/data`; `None`, said
/// aloud, where it lacks `name`.
///
/// # Panics
/// Where it lacks `name` and `$GRAFT_REQUIRE` contains "data".
#[cfg(test)]
fn real_data(name: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("GRAFT_DATA")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").into(), std::path::PathBuf::from)
        .join(name);
    if folder.exists() {
        return Some(folder);
    }
    let required = std::env::var("GRAFT_REQUIRE").is_ok_and(|required| required.contains("data"));
    assert!(!required, "GRAFT_REQUIRE asks for data, but there is no {}", folder.display());
    println!("skipped: there is no {}", folder.display());
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_images() -> Dataset {
        let images = Images::new([2, 1, 2, 1], vec![0, 255, 51, 204]);
        Dataset::labelled("two", images, vec![2, 0], Classes::numbered(0..3))
    }

    #[test]
    fn a_batch_spans_minus_one_to_one_in_the_order_asked_for() {
        let batch = two_images().batch(&[1, 0]);
        let expected = [-0.6, 0.6, -1.0, 1.0];
        // One rounding of the division and one of the subtraction.
        assert!(batch.iter().zip(expected).all(|(value, wanted)| (value - wanted).abs() <= f32::EPSILON), "{batch:?}");
        assert_eq!(two_images().labels_of(&[1, 0]), Some(vec![0, 2]));
    }

    #[test]
    fn classes_are_counted() {
        assert_eq!(two_images().class_counts(), [1, 0, 1]);
        assert_eq!(Dataset::unlabelled("two", two_images().images).class_counts(), [0; 0]);
    }

    #[test]
    fn images_are_drawn_from_all_over_a_set_whose_classes_come_in_turn() {
        let labels: Vec<u32> = (0..20_000).map(|image| image % 10).collect();
        let images = Images::new([labels.len(), 1, 1, 1], (0..20_000).map(|image| (image / 100) as u8).collect());
        let set = Dataset::labelled("set", images, labels, Classes::numbered(0..10));
        let drawn = set.all_over(2000);
        assert!(drawn.class_counts().iter().all(|count| (150..250).contains(count)), "{:?}", drawn.class_counts());
        let stretches = (0..2000).map(|index| drawn.images.image(index)[0]);
        assert!(stretches.enumerate().all(|(index, stretch)| usize::from(stretch) == index / 10));
        assert_eq!(drawn.all_over(2000).images.pixels(), drawn.images.pixels(), "all of a set that is no larger");
    }

    #[test]
    fn labels_go_by_names() {
        let ours = Dataset { classes: Classes::new(["ant", "bee", "cat"]), ..two_images() };
        let theirs = Classes::new(["cat", "dodo", "ant"]);
        assert_eq!(ours.clone().in_classes(&theirs).unwrap().labels, Some(vec![0, 2]));
        let text = ours.clone().in_classes(&Classes::new(["ant", "bee"])).unwrap_err().to_string();
        assert!(text.contains("two has images of class cat"), "{text}");
        assert_eq!(ours.of_classes(&Classes::new(["ant"])).labels, Some(vec![0]));
        let map = |source: &str, target: &str| BTreeMap::from([(source.to_string(), target.to_string())]);
        let renamed = ours.clone().with_renamed(&map("bee", "wasp")).unwrap();
        assert_eq!(renamed.classes, Classes::new(["ant", "wasp", "cat"]));
        assert!(ours.clone().with_renamed(&map("dodo", "ant")).unwrap_err().to_string().contains("has no class dodo"));
        assert!(ours.with_renamed(&map("ant", "bee")).unwrap_err().to_string().contains("would have one name"));
    }

    #[test]
    fn the_digest_depends_on_the_content_and_not_on_the_name() {
        let digest = two_images().digest();
        assert_eq!(digest.len(), 64);
        assert_eq!(digest, Dataset { name: "other".into(), ..two_images() }.digest());
        let mut others = [two_images(), two_images(), two_images(), two_images()];
        others[0].images = Images::new([2, 1, 2, 1], vec![0, 255, 51, 205]);
        (others[1].images.height, others[1].images.width) = (2, 1);
        others[2].labels = Some(vec![2, 1]);
        others[3].labels = None;
        for other in others {
            assert_ne!(digest, other.digest());
        }
    }
}
