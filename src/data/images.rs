//! Images of one size as bytes.

use std::borrow::Cow;
use std::sync::Arc;

use super::store::{Held, Store};

/// Half the range of a byte: `x / HALF_RANGE - 1` takes 0..=255 to [-1, 1], the range of the generator's tanh.
const HALF_RANGE: f32 = 127.5;

/// Images of one size, as bytes in the order `[count, height, width, channels]`.
#[derive(Clone, Debug)]
pub struct Images {
    /// How many images.
    pub count: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// The bytes of each image, `height * width * channels`; 0 is black.
    store: Store,
    /// Which of the stored images these are; all where missing.
    places: Option<Arc<[u32]>>,
}

impl Images {
    /// Images of a shape `[count, height, width, channels]` from their bytes in that order; 0 is black.
    ///
    /// # Panics
    /// Where there are not as many bytes as the shape says.
    #[track_caller]
    pub fn new(shape: [usize; 4], pixels: Vec<u8>) -> Images {
        assert_eq!(pixels.len(), shape.iter().product::<usize>(), "bytes of images of shape {shape:?}");
        Images::stored(shape, Store::Memory(Arc::new(Held::new(pixels))))
    }

    pub(super) fn stored(shape: [usize; 4], store: Store) -> Images {
        let [count, height, width, channels] = shape;
        Images { count, height, width, channels, store, places: None }
    }

    /// Images from values in [-1, 1] in the order `[count, height, width, channels]`, which `shape` gives: the way
    /// back from [`Images::batch`]. Values outside the range are clamped; NaN becomes black.
    ///
    /// # Panics
    /// Where `values` does not have as many elements as `shape`.
    #[track_caller]
    pub fn from_batch(values: &[f32], shape: [usize; 4]) -> Images {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values of images of shape {shape:?}");
        // A float cast to u8 saturates, and takes NaN to 0.
        let pixels = values.iter().map(|value| ((value + 1.0) * HALF_RANGE).round() as u8).collect();
        Images::new(shape, pixels)
    }

    /// `[count, height, width, channels]`
    pub fn shape(&self) -> [usize; 4] {
        [self.count, self.height, self.width, self.channels]
    }

    /// The bytes of one image.
    pub fn bytes_per_image(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The pixels of all images, in the order of [`shape`](Self::shape).
    pub fn pixels(&self) -> Cow<'_, [u8]> {
        match (&self.store, &self.places) {
            (Store::Memory(held), None) => Cow::Borrowed(&held.0[..self.count * self.bytes_per_image()]),
            _ => Cow::Owned((0..self.count).flat_map(|index| self.image(index).into_owned()).collect()),
        }
    }

    /// The pixels of all images.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels().into_owned()
    }

    /// The pixels of one image, `[height, width, channels]`.
    ///
    /// # Panics
    /// Where `index` is not below `count`.
    #[track_caller]
    pub fn image(&self, index: usize) -> Cow<'_, [u8]> {
        let place = self.place(index);
        let bytes = self.bytes_per_image();
        match &self.store {
            Store::Memory(held) => Cow::Borrowed(&held.0[place * bytes..][..bytes]),
            Store::Disk(spilled) => Cow::Owned(spilled.read(place)),
        }
    }

    #[track_caller]
    fn place(&self, index: usize) -> usize {
        assert!(index < self.count, "image {index} of {}", self.count);
        self.places.as_ref().map_or(index, |places| places[index] as usize)
    }

    /// What each byte is in a [batch](Images::batch).
    pub fn values() -> [f32; 256] {
        std::array::from_fn(|byte| value(byte as u8))
    }

    /// The named images as `[indices, height, width, channels]` in [-1, 1]: `x / 127.5 - 1`.
    ///
    /// # Panics
    /// Where an index is not below `count`.
    #[track_caller]
    pub fn batch(&self, indices: &[usize]) -> Vec<f32> {
        let value = |&byte: &u8| value(byte);
        if let Store::Disk(spilled) = &self.store {
            let places: Vec<usize> = indices.iter().map(|&index| self.place(index)).collect();
            return spilled.batch(&places).iter().map(value).collect();
        }
        let mut values = Vec::with_capacity(indices.len() * self.bytes_per_image());
        for &index in indices {
            values.extend(self.image(index).iter().map(value));
        }
        values
    }

    /// Says what the next [`batch`](Self::batch) will be, which is asked for where images are on disk, so that it can be read in
    /// the background.
    ///
    /// # Panics
    /// Where an index is not below `count`.
    #[track_caller]
    pub fn prefetch(&self, next: impl FnOnce() -> Vec<usize>) {
        if let Store::Disk(spilled) = &self.store {
            spilled.begin(next().into_iter().map(|index| self.place(index)).collect());
        }
    }

    /// Whether they are on disk.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.store, Store::Disk(_))
    }

    #[cfg(test)]
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The named images, in the order of `indices`.
    ///
    /// # Panics
    /// Where an index is not below `count`.
    #[track_caller]
    pub fn select(&self, indices: &[usize]) -> Images {
        // A few of many are copied, so that the many need not stay; else they are shared, so that nothing is in memory twice.
        if matches!(self.store, Store::Memory(_)) && indices.len() <= self.count / 2 {
            let pixels = indices.iter().flat_map(|&index| self.image(index).into_owned()).collect();
            return Images::new([indices.len(), self.height, self.width, self.channels], pixels);
        }
        let places = indices.iter().map(|&index| self.place(index) as u32).collect();
        Images { count: indices.len(), store: self.store.clone(), places: Some(places), ..*self }
    }
}

/// What a byte is in [-1, 1].
fn value(byte: u8) -> f32 {
    f32::from(byte) / HALF_RANGE - 1.0
}

impl PartialEq for Images {
    fn eq(&self, other: &Images) -> bool {
        self.shape() == other.shape() && (0..self.count).all(|index| self.image(index) == other.image(index))
    }
}

impl Eq for Images {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_to_a_batch_and_back() {
        let images = Images::new([1, 16, 16, 1], (0..=255).collect());
        assert_eq!(Images::from_batch(&images.batch(&[0]), [1, 16, 16, 1]), images);
    }

    #[test]
    fn values_out_of_range_are_clamped() {
        let images = Images::from_batch(&[-9.0, 9.0, f32::NAN], [3, 1, 1, 1]);
        assert_eq!(*images.pixels(), [0, 255, 0]);
    }
}
