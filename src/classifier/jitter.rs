//! Small random changes of training images that leave their class as it is.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};

/// How far images are changed. There are no flips, which would turn digits into other signs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Jitter {
    /// The largest shift, down and across, in whole pixels: no pixel is blurred. The border's pixels are repeated.
    pub shift: usize,
    /// The largest change of contrast: an image's distance from its mean is multiplied by 1 - this to 1 + this.
    pub contrast: f64,
    /// The largest change of brightness: this is added or subtracted, in units of half the range of pixels.
    pub brightness: f64,
}

impl Jitter {
    /// No change.
    pub const NONE: Jitter = Jitter { shift: 0, contrast: 0.0, brightness: 0.0 };
    /// What suits digits.
    pub const SMALL: Jitter = Jitter { shift: 2, contrast: 0.3, brightness: 0.2 };

    /// Changes one image `[height, width, channels]` of values in [-1, 1], by its own draws; values stay in the range.
    ///
    /// # Panics
    /// Where `image` does not have that many values.
    #[track_caller]
    pub fn apply(&self, image: &mut [f32], [height, width, channels]: [usize; 3], random: &mut ChaCha12Rng) {
        assert_eq!(image.len(), height * width * channels, "Jitter::apply: the values of one image");
        let most = self.shift as i64;
        let (down, across) = (random.random_range(-most..=most), random.random_range(-most..=most));
        if (down, across) != (0, 0) {
            let original = image.to_vec();
            let from = |place: usize, by: i64, side: usize| (place as i64 - by).clamp(0, side as i64 - 1) as usize;
            for (place, pixel) in image.chunks_exact_mut(channels).enumerate() {
                let (y, x) = (from(place / width, down, height), from(place % width, across, width));
                pixel.copy_from_slice(&original[(y * width + x) * channels..][..channels]);
            }
        }
        let mut within = |most: f64| if most > 0.0 { random.random_range(-most..most) } else { 0.0 };
        let (factor, offset) = ((1.0 + within(self.contrast)) as f32, within(self.brightness) as f32);
        if (factor, offset) != (1.0, 0.0) {
            let mean = image.iter().sum::<f32>() / image.len() as f32;
            image.iter_mut().for_each(|value| *value = ((*value - mean) * factor + mean + offset).clamp(-1.0, 1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};

    const SHAPE: [usize; 3] = [6, 5, 3];

    fn changed(jitter: Jitter, index: u64) -> Vec<f32> {
        let mut image: Vec<f32> = (0..90).map(|i| (i as f32 * 0.37).sin()).collect();
        jitter.apply(&mut image, SHAPE, &mut generator(1, Purpose::ClassifierJitter, 0, index));
        image
    }

    #[test]
    fn no_change_is_none() {
        assert_eq!(changed(Jitter::NONE, 0), (0..90).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>());
    }

    #[test]
    fn a_shift_moves_whole_pixels_and_repeats_the_border() {
        let original = changed(Jitter::NONE, 0);
        let at = |image: &[f32], y: i64, x: i64| {
            let place = y.clamp(0, 5) * 5 + x.clamp(0, 4);
            image[place as usize * 3..][..3].to_vec()
        };
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..200 {
            let shifted = changed(Jitter { shift: 2, ..Jitter::NONE }, index);
            let fits = |(down, across): &(i64, i64)| {
                (0..6).all(|y| (0..5).all(|x| at(&shifted, y, x) == at(&original, y - down, x - across)))
            };
            let shift = (-2..=2).flat_map(|down| (-2..=2).map(move |across| (down, across))).find(fits);
            seen.insert(shift.expect("a shift of at most two pixels"));
        }
        assert_eq!(seen.len(), 25, "every shift occurs");
    }

    #[test]
    fn contrast_and_brightness_change_spread_and_mean_and_stay_in_range() {
        let mean = |image: &[f32]| image.iter().sum::<f32>() / image.len() as f32;
        let original = changed(Jitter::NONE, 0);
        let contrast = changed(Jitter { contrast: 0.3, ..Jitter::NONE }, 4);
        let factor = (contrast[1] - contrast[0]) / (original[1] - original[0]);
        assert!((0.7..1.3).contains(&factor) && factor != 1.0, "{factor}");
        let bright = changed(Jitter { brightness: 0.2, ..Jitter::NONE }, 4);
        assert!((mean(&bright) - mean(&original)).abs() > 1e-3);
        let extreme = changed(Jitter { contrast: 0.9, brightness: 0.9, shift: 2 }, 5);
        assert!(extreme.iter().all(|value| (-1.0..=1.0).contains(value)));
    }
}
