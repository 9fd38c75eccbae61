//! Image data sets: where they come from ([`Spec`]), what they are ([`Dataset`]), the order in which training sees
//! them ([`Sampler`]), and pictures of them on disk ([`picture`]).
//!
//! A data set stays in memory as bytes, as it was read (images of any size are cut and resized while being read); only a batch becomes floating-point numbers.

mod cifar10;
mod classes;
mod fit;
mod folder;
pub mod idx;
mod images;
pub(crate) mod light;
pub mod matlab;
mod mnist;
mod parts;
pub mod picture;
mod sampler;
mod spec;
mod subset;
mod svhn;
pub mod synthetic;
mod validation;

use sha2::{Digest, Sha256};

pub use classes::Classes;
pub use images::Images;
pub use parts::Parts;
pub use sampler::Sampler;
pub use spec::Spec;

/// Which part of a data set: methods learn from one and are judged on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What training may see.
    Train,
    /// What is held out.
    Test,
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
        })
    }
}

/// Images, with or without the class of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What a person calls it, as given in its [`Spec`].
    pub name: String,
    /// The images.
    pub images: Images,
    /// The class of each image, a place in `classes`.
    pub labels: Option<Vec<u32>>,
    /// The names of the classes; none where there are no labels.
    pub classes: Classes,
}

impl Dataset {
    /// Images without classes.
    pub fn unlabelled(name: impl Into<String>, images: Images) -> Dataset {
        Dataset { name: name.into(), images, labels: None, classes: Classes::none() }
    }

    /// Images of which each has a class.
    ///
    /// # Panics
    /// Where there is not one label an image, or a label is no place in `classes`.
    #[track_caller]
    pub fn labelled(name: impl Into<String>, images: Images, labels: Vec<u32>, classes: Classes) -> Dataset {
        assert_eq!(labels.len(), images.count, "one label an image");
        assert!(labels.iter().all(|&label| (label as usize) < classes.len()), "a label of {} classes", classes.len());
        Dataset { name: name.into(), images, labels: Some(labels), classes }
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
        let [count, height, width, channels] = self.images.shape();
        let mut hash = Sha256::new();
        for size in [count, height, width, channels, self.classes.len(), usize::from(self.labels.is_some())] {
            hash.update((size as u64).to_le_bytes());
        }
        hash.update(self.images.pixels());
        for label in self.labels.iter().flatten() {
            // A byte where that is enough, as ever.
            hash.update(&label.to_le_bytes()[..if self.classes.len() <= 256 { 1 } else { 4 }]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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
