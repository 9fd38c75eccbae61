//! Colours for a grey source, so that what is learned of it fits coloured images: random foreground and background with a
//! least contrast, gradients, and blur. Either side may be the lighter one, so inversion is among them.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value as Json, json};

use crate::checkpoint::Checkpoint;
use crate::data::Dataset;
use crate::data::light::{Along, blur, luma};
use crate::gan::{Architecture, BatchConditions, Method, Plain};
use crate::random::{Purpose, generator};
use crate::run::SOURCE;
use crate::words::words;

/// The least distance in luma (0 to 1) between foreground and background.
pub const LEAST_CONTRAST: f32 = 0.25;
/// How far a colour changes across the image, at most, in each of red, green and blue.
const GRADIENT: f32 = 0.2;
/// The share of images that are blurred, and the largest standard deviation in pixels.
const BLURRED: f32 = 0.5;
const LARGEST_BLUR: f32 = 1.2;

words! {
    /// What becomes of source images before a network sees them.
    pub enum Style {
        /// Nothing.
        None = "none",
        /// Random colours: brightness selects between a background and a foreground.
        Colour = "colour",
    }
}

/// Red, green and blue, in 0..1.
pub(super) type Colour = [f32; 3];

impl Style {
    /// Colour where a grey source meets a colour target, else none.
    pub fn between(source_channels: usize, target_channels: usize) -> Style {
        if source_channels == 1 && target_channels == 3 { Style::Colour } else { Style::None }
    }

    /// Of the images that the networks of a checkpoint learned from, where they are the source of a transfer and had one. A method on a target
    /// names the style of its own source, which is not the target's.
    pub(super) fn seen_by(checkpoint: &Checkpoint) -> Option<Style> {
        let method = checkpoint.header.get("method")?;
        let style = method.get("style").filter(|_| method.get("name").is_some_and(|name| name == SOURCE))?;
        serde_json::from_value(style.clone()).ok()
    }

    /// Restyles a batch `[n, side, side, 3]` in [-1, 1]; image i by draws keyed by (seed, step, i).
    ///
    /// # Panics
    /// Where `values` is no whole number of such images and there is something to do.
    #[track_caller]
    pub fn apply(self, values: &mut [f32], side: usize, seed: u64, step: u64) {
        if self == Style::None {
            return;
        }
        assert!(values.len().is_multiple_of(side * side * 3), "a batch of colour images of side {side}");
        for (index, image) in values.chunks_exact_mut(side * side * 3).enumerate() {
            colour(image, side, &mut generator(seed, Purpose::Style, step, index as u64));
        }
    }
}

/// Paints an image in random colours, its brightness in 0..1 being what selects between them, blurred or not.
fn colour(image: &mut [f32], side: usize, random: &mut ChaCha12Rng) {
    let (background, foreground) = contrasting(random);
    let mut gradient = || -> [Colour; 2] {
        let mut slopes = || std::array::from_fn(|_| random.random_range(-GRADIENT..=GRADIENT));
        [slopes(), slopes()]
    };
    let slopes = [gradient(), gradient()];
    let blur = if random.random::<f32>() < BLURRED { random.random_range(0.0..LARGEST_BLUR) } else { 0.0 };
    let mut mask: Vec<f32> = image.as_chunks().0.iter().map(|&rgb| (luma::<f32>(rgb) + 1.0) / 2.0).collect();
    if blur > 0.0 {
        mask = blurred(&mask, side, blur);
    }
    paint(image, side, &mask, (background, slopes[0]), (foreground, slopes[1]));
}

/// `x = (1 - m) background + m foreground`, m the mask; each a colour and its slopes down and across, linear in the position, which
/// is 0 in the middle and 1/2 at the last row and column.
fn paint(
    image: &mut [f32],
    side: usize,
    mask: &[f32],
    background: (Colour, [Colour; 2]),
    foreground: (Colour, [Colour; 2]),
) {
    let last = (side.max(2) - 1) as f32;
    for (place, (pixel, m)) in image.chunks_exact_mut(3).zip(mask).enumerate() {
        let (down, across) = ((place / side) as f32 / last - 0.5, (place % side) as f32 / last - 0.5);
        for channel in 0..3 {
            let at = |(colour, [vertical, horizontal]): (Colour, [Colour; 2])| {
                colour[channel] + vertical[channel] * down + horizontal[channel] * across
            };
            let value = (1.0 - m) * at(background) + m * at(foreground);
            pixel[channel] = (2.0 * value - 1.0).clamp(-1.0, 1.0);
        }
    }
}

/// Two colours, components in 0..1, at least [`LEAST_CONTRAST`] apart.
pub(super) fn contrasting(random: &mut ChaCha12Rng) -> (Colour, Colour) {
    let mut colour = || -> Colour { std::array::from_fn(|_| random.random()) };
    loop {
        let (background, foreground) = (colour(), colour());
        if (luma(background) - luma(foreground)).abs() >= LEAST_CONTRAST {
            return (background, foreground);
        }
    }
}

/// A Gaussian blur along both axes; the edge's pixel stands for what is outside.
pub(super) fn blurred(mask: &[f32], side: usize, deviation: f32) -> Vec<f32> {
    let radius = (3.0 * deviation).ceil() as isize;
    let weights: Vec<f32> = (-radius..=radius).map(|d| (-0.5 * (d as f32 / deviation).powi(2)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let mean = |at: &dyn Fn(isize) -> f32| {
        (-radius..=radius).zip(&weights).map(|(distance, weight)| at(distance) * weight).sum::<f32>() / total
    };
    blur(&blur(mask, side, Along::Columns, mean), side, Along::Rows, mean)
}

/// Training on styled source images: plain training but for what the images look like.
#[derive(Debug)]
pub struct Styled {
    plain: Plain,
    style: Style,
    side: usize,
    seed: u64,
}

impl Styled {
    /// For networks of these shapes.
    pub fn new(architecture: Architecture, style: Style, seed: u64) -> Styled {
        Styled { plain: Plain { classes: architecture.classes }, style, side: architecture.size, seed }
    }
}

impl Method for Styled {
    fn settings(&self) -> Json {
        match self.style {
            Style::None => Json::Null,
            style => json!({ "name": SOURCE, "style": style }),
        }
    }

    fn images(&self, round: u64, indices: &[usize], data: &Dataset) -> Option<Vec<f32>> {
        let styled = || {
            let mut images = data.batch(indices);
            self.style.apply(&mut images, self.side, self.seed, round);
            images
        };
        (self.style != Style::None).then(styled)
    }

    fn conditions(&self, round: u64, indices: &[usize], data: &Dataset) -> BatchConditions {
        self.plain.conditions(round, indices, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_depends_on_seed_step_and_place_alone() {
        let digit: Vec<f32> = (0..8 * 8).flat_map(|i| [if i % 8 > 3 { 1.0 } else { -1.0 }; 3]).collect();
        let styled = |seed, step, images: usize| {
            let mut batch = digit.repeat(images);
            Style::Colour.apply(&mut batch, 8, seed, step);
            batch
        };
        let batch = styled(1, 2, 2);
        assert_eq!(batch[..digit.len()], styled(1, 2, 1));
        assert_ne!(batch[..digit.len()], batch[digit.len()..]);
        assert_ne!(batch, styled(2, 2, 2));
        assert_ne!(batch, styled(1, 3, 2));
        let mut untouched = digit.clone();
        Style::None.apply(&mut untouched, 8, 1, 2);
        assert_eq!(untouched, digit);
    }

    #[test]
    fn foreground_and_background_are_told_apart_and_either_is_the_lighter() {
        let mut lighter = [0; 2];
        for index in 0..200 {
            let (background, foreground) = contrasting(&mut generator(0, Purpose::Style, 0, index));
            let contrast = luma(foreground) - luma(background);
            assert!(contrast.abs() >= LEAST_CONTRAST);
            lighter[usize::from(contrast > 0.0)] += 1;
        }
        assert!(lighter.iter().all(|&count| count > 60), "{lighter:?}");
    }

    #[test]
    fn the_mask_mixes_background_and_foreground_to_the_hand_computed_colours() {
        let background = ([0.25, 0.5, 0.75], [[0.5, 0.0, 0.0], [0.0, 0.25, 0.0]]);
        let foreground = ([1.0, 0.5, 0.0], [[0.5, 0.0, 0.0], [0.0; 3]]);
        let mut image = [0.0; 2 * 2 * 3];
        paint(&mut image, 2, &[0.0, 0.25, 0.5, 1.0], background, foreground);
        // In 0..1 the background is (0, 3/8, 3/4), (0, 5/8, 3/4) above (1/2, 3/8, 3/4), (1/2, 5/8, 3/4), and the foreground (3/4, 1/2, 0) twice
        // above (5/4, 1/2, 0) twice. The mixtures are (0, 3/8, 3/4), (3/16, 19/32, 9/16), (7/8, 7/16, 3/8) and (5/4, 1/2, 0), and what is
        // above 1 is cut off. All are exact in f32.
        let expected = [[-1.0, -0.25, 0.5], [-0.625, 0.1875, 0.125], [0.75, -0.125, -0.25], [1.0, 0.0, -1.0]];
        assert_eq!(image[..], *expected.as_flattened());
    }

    #[test]
    fn a_blur_keeps_the_mean_of_what_is_inside_and_smooths() {
        let mut mask = vec![0.0; 15 * 15];
        mask[7 * 15 + 7] = 1.0;
        let blurred = blurred(&mask, 15, 1.0);
        // The weights sum to one; f32 rounding over 49 terms.
        assert!((blurred.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(blurred[7 * 15 + 7] < 0.2 && blurred[7 * 15 + 7] > blurred[7 * 15 + 8]);
    }
}
