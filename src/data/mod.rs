//! Image data sets: where they come from ([`Spec`]), what they are ([`Dataset`]), the order in which training sees
//! them ([`Sampler`]), and pictures of them on disk ([`picture`]).
//!
//! A data set stays in memory as bytes, as it was read (images of any size are cut and resized while being read); only a batch becomes floating-point numbers.

mod cifar10;
mod fit;
mod folder;
pub mod idx;
pub(crate) mod light;
pub mod matlab;
mod mnist;
pub mod picture;
mod sampler;
mod spec;
mod subset;
mod svhn;
pub mod synthetic;
mod validation;

use sha2::{Digest, Sha256};

pub use sampler::Sampler;
pub use spec::Spec;

/// Half the range of a byte: `x / HALF_RANGE - 1` takes 0..=255 to [-1, 1], the range of the generator's tanh.
const HALF_RANGE: f32 = 127.5;

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

/// Images of one size, as bytes in the order `[count, height, width, channels]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// How many images.
    pub count: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// `count * height * width * channels` bytes; 0 is black.
    pub pixels: Vec<u8>,
}

impl Images {
    /// Images from values in [-1, 1] in the order `[count, height, width, channels]`, which `shape` gives: the way
    /// back from [`Images::batch`]. Values outside the range are clamped; NaN becomes black.
    ///
    /// # Panics
    /// Where `values` does not have as many elements as `shape`.
    #[track_caller]
    pub fn from_batch(values: &[f32], shape: [usize; 4]) -> Images {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values of images of shape {shape:?}");
        let [count, height, width, channels] = shape;
        // A float cast to u8 saturates, and takes NaN to 0.
        let pixels = values.iter().map(|value| ((value + 1.0) * HALF_RANGE).round() as u8).collect();
        Images { count, height, width, channels, pixels }
    }

    /// The bytes of one image.
    pub fn bytes_per_image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The pixels of one image, `[height, width, channels]`.
    ///
    /// # Panics
    /// Where `index` is not below `count`.
    #[track_caller]
    pub fn image(&self, index: usize) -> &[u8] {
        assert!(index < self.count, "image {index} of {}", self.count);
        let bytes = self.bytes_per_image();
        &self.pixels[index * bytes..][..bytes]
    }

    /// The named images as `[indices, height, width, channels]` in [-1, 1]: `x / 127.5 - 1`.
    ///
    /// # Panics
    /// Where an index is not below `count`.
    #[track_caller]
    pub fn batch(&self, indices: &[usize]) -> Vec<f32> {
        let mut values = Vec::with_capacity(indices.len() * self.bytes_per_image());
        for &index in indices {
            values.extend(self.image(index).iter().map(|&byte| f32::from(byte) / HALF_RANGE - 1.0));
        }
        values
    }

    /// The named images, in the order of `indices`.
    ///
    /// # Panics
    /// Where an index is not below `count`.
    #[track_caller]
    pub fn select(&self, indices: &[usize]) -> Images {
        let mut pixels = Vec::with_capacity(indices.len() * self.bytes_per_image());
        for &index in indices {
            pixels.extend_from_slice(self.image(index));
        }
        Images { count: indices.len(), pixels, ..*self }
    }
}

/// Images, with or without the class of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What a person calls it, as given in its [`Spec`].
    pub name: String,
    /// The images.
    pub images: Images,
    /// The class of each image, below `classes`.
    pub labels: Option<Vec<u8>>,
    /// The number of classes; 0 where there are no labels.
    pub classes: usize,
}

impl Dataset {
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
        let mut counts = vec![0; self.classes];
        for &label in self.labels.iter().flatten() {
            counts[usize::from(label)] += 1;
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
        Some(indices.iter().map(|&index| u32::from(labels[index])).collect())
    }

    /// SHA-256, in hexadecimal, of what training sees: sizes, pixels, classes and labels, but not the name. Equal
    /// digests mean equal data, wherever it lies.
    pub fn digest(&self) -> String {
        let Images { count, height, width, channels, ref pixels } = self.images;
        let mut hash = Sha256::new();
        for size in [count, height, width, channels, self.classes, usize::from(self.labels.is_some())] {
            hash.update((size as u64).to_le_bytes());
        }
        hash.update(pixels);
        if let Some(labels) = &self.labels {
            hash.update(labels);
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
            classes: self.classes,
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
        let images = Images { count: 2, height: 1, width: 2, channels: 1, pixels: vec![0, 255, 51, 204] };
        Dataset { name: "two".into(), images, labels: Some(vec![2, 0]), classes: 3 }
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
    fn every_byte_survives_the_way_to_a_batch_and_back() {
        let pixels: Vec<u8> = (0..=255).collect();
        let images = Images { count: 1, height: 16, width: 16, channels: 1, pixels };
        let dataset = Dataset { name: "bytes".into(), images, labels: None, classes: 0 };
        assert_eq!(Images::from_batch(&dataset.batch(&[0]), [1, 16, 16, 1]), dataset.images);
    }

    #[test]
    fn values_out_of_range_are_clamped() {
        let images = Images::from_batch(&[-9.0, 9.0, f32::NAN], [3, 1, 1, 1]);
        assert_eq!(images.pixels, [0, 255, 0]);
    }

    #[test]
    fn classes_are_counted() {
        assert_eq!(two_images().class_counts(), [1, 0, 1]);
        assert_eq!(Dataset { labels: None, classes: 0, ..two_images() }.class_counts(), [0; 0]);
    }

    #[test]
    fn the_digest_depends_on_the_content_and_not_on_the_name() {
        let digest = two_images().digest();
        assert_eq!(digest.len(), 64);
        assert_eq!(digest, Dataset { name: "other".into(), ..two_images() }.digest());
        let mut others = [two_images(), two_images(), two_images(), two_images()];
        others[0].images.pixels[3] ^= 1;
        (others[1].images.height, others[1].images.width) = (2, 1);
        others[2].labels = Some(vec![2, 1]);
        others[3].labels = None;
        for other in others {
            assert_ne!(digest, other.digest());
        }
    }
}
