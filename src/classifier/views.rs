//! Views of an image: strong random changes that leave what it shows, of which a network without labels learns what two of one image
//! have in common (SimCLR, Chen 2020).

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};

use super::Jitter;

/// How far views differ. As of [`Jitter`], there are no flips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Views {
    /// The least share of an image's area that a view shows; it is a square of the image's, enlarged.
    pub area: f64,
    /// The largest change of one channel's contrast against the others': its distance from its mean is multiplied by 1 - this to 1 +
    /// this.
    pub colour: f64,
    /// What becomes of all channels alike.
    pub jitter: Jitter,
}

impl Views {
    /// What suits digits: less than SimCLR cuts off, of which a digit would not remain.
    pub const STRONG: Views =
        Views { area: 0.5, colour: 0.3, jitter: Jitter { shift: 0, contrast: 0.5, brightness: 0.3 } };

    /// Changes one image `[side, side, channels]` of values in [-1, 1], by its own draws; values stay in the range.
    ///
    /// # Panics
    /// Where `image` does not have that many values.
    #[track_caller]
    pub fn apply(&self, image: &mut [f32], [side, channels]: [usize; 2], random: &mut ChaCha12Rng) {
        assert_eq!(image.len(), side * side * channels, "Views::apply: the values of one image");
        let share = if self.area < 1.0 { random.random_range(self.area..1.0) } else { 1.0 };
        let shown = side as f64 * share.sqrt();
        let mut within = |most: f64| if most > 0.0 { random.random_range(0.0..most) } else { 0.0 };
        let place = [within(side as f64 - shown), within(side as f64 - shown)];
        enlarge(image, [side, channels], place, shown / side as f64);
        for channel in 0..channels {
            let factor = if self.colour > 0.0 { random.random_range(-self.colour..self.colour) } else { 0.0 };
            let mean = image.iter().skip(channel).step_by(channels).sum::<f32>() / (side * side) as f32;
            for value in image.iter_mut().skip(channel).step_by(channels) {
                *value = ((*value - mean) * (1.0 + factor as f32) + mean).clamp(-1.0, 1.0);
            }
        }
        self.jitter.apply(image, [side, side, channels], random);
    }
}

/// The part of an image from `place` (down, across) on, of which `scale` pixels become one: bilinear, the border's pixels repeated.
fn enlarge(image: &mut [f32], [side, channels]: [usize; 2], place: [f64; 2], scale: f64) {
    let original = image.to_vec();
    // The two pixels around the centre of an output's pixel, and the share of the second.
    let around = |output: usize, from: f64| {
        let centre = (from + (output as f64 + 0.5) * scale - 0.5).clamp(0.0, (side - 1) as f64);
        let first = centre as usize;
        (first, (first + 1).min(side - 1), (centre - first as f64) as f32)
    };
    for (pixel, values) in image.chunks_exact_mut(channels).enumerate() {
        let (top, bottom, down) = around(pixel / side, place[0]);
        let (left, right, across) = around(pixel % side, place[1]);
        for (channel, value) in values.iter_mut().enumerate() {
            let at = |y: usize, x: usize| original[(y * side + x) * channels + channel];
            let row = |y: usize| at(y, left) + (at(y, right) - at(y, left)) * across;
            *value = row(top) + (row(bottom) - row(top)) * down;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};

    const SIDE: usize = 8;
    const NONE: Views = Views { area: 1.0, colour: 0.0, jitter: Jitter::NONE };

    /// Three channels that rise down, across and along the diagonal.
    fn slopes() -> Vec<f32> {
        let value = |pixel: usize| [pixel / SIDE, pixel % SIDE, pixel / SIDE + pixel % SIDE];
        (0..SIDE * SIDE).flat_map(|pixel| value(pixel).map(|rise| rise as f32 / 20.0 - 0.5)).collect()
    }

    fn view(views: Views, index: u64) -> Vec<f32> {
        let mut image = slopes();
        views.apply(&mut image, [SIDE, 3], &mut generator(2, Purpose::ClassifierJitter, 0, index));
        image
    }

    #[test]
    fn the_whole_image_unchanged_is_a_view() {
        let found = view(NONE, 0);
        assert!(found.iter().zip(slopes()).all(|(found, own)| (found - own).abs() < 1e-6));
    }

    #[test]
    fn a_part_is_enlarged_and_stays_within_the_image() {
        for index in 0..50 {
            let found = view(Views { area: 0.25, ..NONE }, index);
            // Down the middle column the first channel rises evenly by the scale, once the borders are passed.
            let at = |y: usize| found[(y * SIDE + SIDE / 2) * 3];
            let scale = (at(4) - at(3)) * 20.0;
            assert!((0.49..=1.0).contains(&scale), "{scale}");
            assert!((at(5) - at(4) - (at(4) - at(3))).abs() < 1e-5, "evenly");
            assert!(at(0) >= -0.5 && at(SIDE - 1) <= (SIDE - 1) as f32 / 20.0 - 0.5 + 1e-6);
        }
    }

    #[test]
    fn colours_change_against_each_other() {
        let found = view(Views { colour: 0.3, ..NONE }, 1);
        let factor = |channel: usize| {
            let [low, high] = [0, 9 * (SIDE - 1)].map(|pixel: usize| pixel.min(SIDE * SIDE - 1) * 3 + channel);
            (found[high] - found[low]) / (slopes()[high] - slopes()[low])
        };
        let factors = [factor(0), factor(1), factor(2)];
        assert!(factors.iter().all(|factor| (0.7..1.3).contains(factor)), "{factors:?}");
        assert!((factors[0] - factors[1]).abs() > 1e-3, "{factors:?}");
    }
}
