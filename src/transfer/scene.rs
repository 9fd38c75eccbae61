//! Scenes of source images: what a feature extractor is shown of them, so that what it learns does not depend on how clean they are.
//!
//! A grey image is a mask of something bright on something dark. A scene thickens its strokes, moves, turns, sizes and bends it, puts a
//! neighbour beside it, and paints all of it in two colours of either polarity, both graded, the ground textured; then comes blur and
//! noise. An image that has colours keeps them, but for their light: it is moved, blurred and made noisy. [`view`] changes images of a
//! target, which are scenes already.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::style::{Colour, blurred, contrasting};
use crate::data::light::luma;
use crate::random::{Purpose, generator};

/// The largest rotation, in radians.
const ROTATION: f32 = 0.26;
/// The sizes of what is shown: a handwritten digit leaves a third of its picture free, a house number does not.
const SIZES: [f32; 2] = [0.95, 1.7];
/// The largest shift, in pixels of 32.
const SHIFT: f32 = 3.0;
/// The largest shear, and logarithm of the ratio of width to height.
const SHEAR: f32 = 0.2;
const STRETCH: f32 = 0.2;
/// The shares of images with a neighbour, with thicker strokes and with blur.
const NEIGHBOURS: f32 = 0.5;
const THICKENED: f32 = 0.5;
const BLURRED: f32 = 0.5;
/// A neighbour's distance, in sides of the picture.
const DISTANCE: [f32; 2] = [0.5, 0.8];
/// How far a colour changes across the picture, and by its texture.
const GRADIENT: f32 = 0.2;
const TEXTURE: f32 = 0.15;
/// Pixels of a texture a side, before it is smoothed.
const GRAINS: usize = 6;
/// The largest deviations of blur, in pixels, and of noise, in the range of pixels.
const BLUR: f32 = 1.2;
const NOISE: f32 = 0.075;

/// A picture `[side, side, channels]`, looked at through an affine map.
struct Affine {
    /// From a pixel's distance to the middle to the distance of what is seen there.
    matrix: [[f32; 2]; 2],
    shift: [f32; 2],
}

impl Affine {
    /// A random one that sizes what is seen by `sizes`.
    fn random(random: &mut ChaCha12Rng, side: usize, sizes: [f32; 2], shift: f32) -> Affine {
        let mut within = |most: f32| random.random_range(-most..=most);
        let (angle, shear, stretch) = (within(ROTATION), within(SHEAR), within(STRETCH).exp().sqrt());
        let shift = [within(shift), within(shift)].map(|pixels| pixels * side as f32 / 32.0);
        let size = random.random_range(sizes[0]..=sizes[1]);
        let (sin, cos) = angle.sin_cos();
        // The way back: turned, sheared, and made smaller by what the picture is made larger by.
        let [down, across] = [size * stretch, size / stretch];
        Affine { matrix: [[cos / down, -sin / down], [(sin + shear) / across, cos / across]], shift }
    }

    /// The same, but that the middle of what is seen stands elsewhere.
    fn moved(&self, across: f32) -> Affine {
        Affine { matrix: self.matrix, shift: [self.shift[0], self.shift[1] + across] }
    }

    /// The picture through it, bilinearly; `outside` is what lies beyond the edge: a value, or None for the edge's own.
    fn apply(&self, picture: &[f32], side: usize, channels: usize, outside: Option<f32>) -> Vec<f32> {
        let middle = (side as f32 - 1.0) / 2.0;
        let last = side as isize - 1;
        let at = |y: isize, x: isize, channel: usize| {
            let inside = (0..=last).contains(&y) && (0..=last).contains(&x);
            let place = |y: isize, x: isize| (y as usize * side + x as usize) * channels + channel;
            match outside {
                Some(value) if !inside => value,
                _ => picture[place(y.clamp(0, last), x.clamp(0, last))],
            }
        };
        let mut seen = Vec::with_capacity(picture.len());
        for place in 0..side * side {
            let (y, x) = ((place / side) as f32, (place % side) as f32);
            let (y, x) = (y - middle - self.shift[0], x - middle - self.shift[1]);
            let [from_y, from_x] = self.matrix.map(|[down, across]| down * y + across * x + middle);
            let (low_y, low_x) = (from_y.floor(), from_x.floor());
            let (part_y, part_x) = (from_y - low_y, from_x - low_x);
            let (y, x) = (low_y as isize, low_x as isize);
            for channel in 0..channels {
                let above = at(y, x, channel) * (1.0 - part_x) + at(y, x + 1, channel) * part_x;
                let below = at(y + 1, x, channel) * (1.0 - part_x) + at(y + 1, x + 1, channel) * part_x;
                seen.push(above * (1.0 - part_y) + below * part_y);
            }
        }
        seen
    }
}

/// Makes a scene of each image of a batch `[n, side, side, channels]` in [-1, 1]; image i by draws keyed by (seed, step, i). `grey`: the
/// images have no colours, though they may have three equal channels.
///
/// # Panics
/// Where `values` is no whole number of such images.
#[track_caller]
pub fn scenes(values: &mut [f32], side: usize, channels: usize, grey: bool, seed: u64, step: u64) {
    let length = side * side * channels;
    assert!(values.len().is_multiple_of(length), "a batch of images of side {side}");
    let draws = |index: usize| generator(seed, Purpose::Scene, step, index as u64);
    if !grey {
        values.par_chunks_exact_mut(length).enumerate().for_each(|(index, image)| {
            let mut random = draws(index);
            let moved = Affine::random(&mut random, side, [0.85, 1.2], SHIFT).apply(image, side, channels, None);
            image.copy_from_slice(&moved);
            relight(image, channels, &mut random);
            soften(image, side, channels, &mut random);
        });
        return;
    }
    let mask = |image: &[f32]| -> Vec<f32> {
        let level = |pixel: &[f32]| match pixel {
            &[red, green, blue] => luma([red, green, blue]),
            pixel => pixel[0],
        };
        image.chunks_exact(channels).map(|pixel| (level(pixel) + 1.0) / 2.0).collect()
    };
    let masks: Vec<Vec<f32>> = values.par_chunks_exact(length).map(mask).collect();
    values.par_chunks_exact_mut(length).enumerate().for_each(|(index, image)| {
        let mut random = draws(index);
        let shown = arranged(&masks, index, side, &mut random);
        painted(image, &shown, side, channels, &mut random);
        soften(image, side, channels, &mut random);
    });
}

/// The mask of a scene: the image's own, thicker or not, in its place, and perhaps another's beside it.
fn arranged(masks: &[Vec<f32>], index: usize, side: usize, random: &mut ChaCha12Rng) -> Vec<f32> {
    let thickness = if random.random::<f32>() < THICKENED { random.random::<f32>() } else { 0.0 };
    let place = Affine::random(random, side, SIZES, SHIFT);
    let mut shown = place.apply(&thickened(&masks[index], side, thickness), side, 1, Some(0.0));
    if random.random::<f32>() < NEIGHBOURS {
        let other = &masks[random.random_range(0..masks.len())];
        let distance = side as f32 * random.random_range(DISTANCE[0]..=DISTANCE[1]);
        let across = if random.random() { distance } else { -distance };
        let beside = place.moved(across).apply(&thickened(other, side, thickness), side, 1, Some(0.0));
        shown.iter_mut().zip(beside).for_each(|(shown, beside)| *shown = shown.max(beside));
    }
    shown
}

/// A mask whose strokes are wider by up to a pixel on each side.
fn thickened(mask: &[f32], side: usize, by: f32) -> Vec<f32> {
    if by == 0.0 {
        return mask.to_vec();
    }
    let at = |y: usize, x: usize| mask[y * side + x];
    let wider = |place: usize| {
        let (y, x) = (place / side, place % side);
        let (above, below) = (y.saturating_sub(1), (y + 1).min(side - 1));
        let (left, right) = (x.saturating_sub(1), (x + 1).min(side - 1));
        let around = at(above, x).max(at(below, x)).max(at(y, left)).max(at(y, right));
        mask[place].max(by * around)
    };
    (0..mask.len()).map(wider).collect()
}

/// Paints a mask in two colours, each graded, the darker side of the mask textured.
fn painted(image: &mut [f32], mask: &[f32], side: usize, channels: usize, random: &mut ChaCha12Rng) {
    let (background, foreground) = contrasting(random);
    let mut slopes = || -> [Colour; 2] {
        let mut slope = || std::array::from_fn(|_| random.random_range(-GRADIENT..=GRADIENT));
        [slope(), slope()]
    };
    let [of_background, of_foreground] = [slopes(), slopes()];
    let strength = random.random_range(0.0..=TEXTURE);
    let grains: Vec<f32> = (0..GRAINS * GRAINS).map(|_| random.random_range(-strength..=strength)).collect();
    let scale = (GRAINS - 1) as f32 / (side.max(2) - 1) as f32;
    let texture = |y: usize, x: usize| {
        let (y, x) = (y as f32 * scale, x as f32 * scale);
        let (low_y, low_x) = ((y as usize).min(GRAINS - 2), (x as usize).min(GRAINS - 2));
        let (part_y, part_x) = (y - low_y as f32, x - low_x as f32);
        let at = |y: usize, x: usize| grains[y * GRAINS + x];
        let row = |y: usize| at(y, low_x) * (1.0 - part_x) + at(y, low_x + 1) * part_x;
        row(low_y) * (1.0 - part_y) + row(low_y + 1) * part_y
    };
    let last = (side.max(2) - 1) as f32;
    for (place, (pixel, m)) in image.chunks_exact_mut(channels).zip(mask).enumerate() {
        let (y, x) = (place / side, place % side);
        let (down, across) = (y as f32 / last - 0.5, x as f32 / last - 0.5);
        let ground = texture(y, x);
        let colour: Colour = std::array::from_fn(|channel| {
            let at = |colour: Colour, slopes: [Colour; 2]| {
                colour[channel] + slopes[0][channel] * down + slopes[1][channel] * across
            };
            (1.0 - m) * (at(background, of_background) + ground) + m * at(foreground, of_foreground)
        });
        let colour = colour.map(|value| (2.0 * value - 1.0).clamp(-1.0, 1.0));
        match pixel {
            [grey] => *grey = luma(colour),
            pixel => pixel.copy_from_slice(&colour),
        }
    }
}

/// Blurs an image or not, and makes it noisy.
fn soften(image: &mut [f32], side: usize, channels: usize, random: &mut ChaCha12Rng) {
    if random.random::<f32>() < BLURRED {
        let deviation = random.random_range(0.0..BLUR).max(1e-3);
        for channel in 0..channels {
            let plane: Vec<f32> = image.iter().skip(channel).step_by(channels).copied().collect();
            let plane = blurred(&plane, side, deviation);
            image.iter_mut().skip(channel).step_by(channels).zip(plane).for_each(|(value, soft)| *value = soft);
        }
    }
    let noise = 2.0 * random.random_range(0.0..=NOISE);
    for value in image {
        let draw: f32 = StandardNormal.sample(random);
        *value = (*value + noise * draw).clamp(-1.0, 1.0);
    }
}

/// Other light: contrast, brightness, and a share of each colour's own.
fn relight(image: &mut [f32], channels: usize, random: &mut ChaCha12Rng) {
    /// The largest changes of contrast, of brightness, and of one channel's brightness.
    const LIGHT: [f32; 3] = [0.4, 0.3, 0.15];
    let mut within = |most: f32| random.random_range(-most..=most);
    let (contrast, brightness) = (1.0 + within(LIGHT[0]), within(LIGHT[1]));
    let own: Vec<f32> = (0..channels).map(|_| brightness + within(LIGHT[2])).collect();
    let mean = image.iter().sum::<f32>() / image.len() as f32;
    for pixel in image.chunks_exact_mut(channels) {
        for (value, light) in pixel.iter_mut().zip(&own) {
            *value = ((*value - mean) * contrast + mean + light).clamp(-1.0, 1.0);
        }
    }
}

/// How much a view differs from its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// By a shift of at most two pixels.
    Weak,
    /// By place, size, shape, light and polarity.
    Strong,
    /// The same, but that what is dark stays dark.
    Upright,
}

/// A view of each image of a batch `[n, side, side, channels]` in [-1, 1]; image i by draws keyed by (seed, step, `number`, i).
///
/// # Panics
/// Where `values` is no whole number of such images.
#[track_caller]
pub fn views(values: &mut [f32], side: usize, channels: usize, view: View, seed: u64, (step, number): (u64, u64)) {
    let length = side * side * channels;
    assert!(values.len().is_multiple_of(length), "a batch of images of side {side}");
    values.par_chunks_exact_mut(length).enumerate().for_each(|(index, image)| {
        let mut random = generator(seed, Purpose::Views, step, (number + 1) << 32 | index as u64);
        if view == View::Weak {
            const SMALL: crate::classifier::Jitter =
                crate::classifier::Jitter { shift: 2, contrast: 0.0, brightness: 0.0 };
            return SMALL.apply(image, [side, side, channels], &mut random);
        }
        let moved = Affine::random(&mut random, side, [0.8, 1.25], SHIFT).apply(image, side, channels, None);
        image.copy_from_slice(&moved);
        relight(image, channels, &mut random);
        if view == View::Strong && random.random() {
            image.iter_mut().for_each(|value| *value = -*value);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 16;

    /// A bar on nothing, as a mask in [-1, 1] of so many channels.
    fn bar(channels: usize) -> Vec<f32> {
        (0..SIDE * SIDE)
            .flat_map(|place| vec![if (6..9).contains(&(place % SIDE)) { 1.0 } else { -1.0 }; channels])
            .collect()
    }

    fn scene(grey: bool, channels: usize, images: usize, seed: u64, step: u64) -> Vec<f32> {
        let mut batch = bar(channels).repeat(images);
        scenes(&mut batch, SIDE, channels, grey, seed, step);
        batch
    }

    #[test]
    fn a_scene_depends_on_seed_step_and_place_and_stays_in_range() {
        for (grey, channels) in [(true, 3), (true, 1), (false, 3)] {
            let batch = scene(grey, channels, 3, 1, 2);
            let length = SIDE * SIDE * channels;
            assert_eq!(batch, scene(grey, channels, 3, 1, 2));
            assert_ne!(batch[..length], batch[length..2 * length]);
            assert_ne!(batch, scene(grey, channels, 3, 2, 2));
            assert_ne!(batch, scene(grey, channels, 3, 1, 3));
            assert!(batch.iter().all(|value| (-1.0..=1.0).contains(value)));
        }
    }

    #[test]
    fn grey_digits_become_the_lighter_or_the_darker_part_of_a_coloured_scene() {
        let (mut lighter, mut coloured) = (0, 0);
        for step in 0..100 {
            let scene = scene(true, 3, 1, 5, step);
            let pixels = scene.as_chunks::<3>().0;
            let mean = |shown: &dyn Fn(usize) -> bool| {
                let of: Vec<f32> =
                    pixels.iter().enumerate().filter(|(place, _)| shown(*place)).map(|(_, &rgb)| luma(rgb)).collect();
                of.iter().sum::<f32>() / of.len() as f32
            };
            // What is turned, moved and bent little stays in the middle, and the middle's edges do not.
            let middle = |place: usize| place % SIDE == 7 && (6..10).contains(&(place / SIDE));
            let beside = |place: usize| [1, 14].contains(&(place % SIDE)) && (6..10).contains(&(place / SIDE));
            lighter += usize::from(mean(&middle) > mean(&beside));
            coloured += usize::from(pixels.iter().any(|[red, _, blue]| (red - blue).abs() > 0.2));
        }
        assert!((25..=75).contains(&lighter), "{lighter}");
        assert!(coloured > 70, "{coloured}");
    }

    #[test]
    fn an_affine_map_moves_turns_and_sizes_what_is_seen() {
        let picture: Vec<f32> = (0..25).map(|place| place as f32).collect();
        let through = |matrix, shift, outside| Affine { matrix, shift }.apply(&picture, 5, 1, outside);
        let same = [[1.0, 0.0], [0.0, 1.0]];
        assert_eq!(through(same, [0.0, 0.0], Some(0.0)), picture);
        let moved = through(same, [0.0, 1.0], Some(-1.0));
        assert_eq!((moved[0], moved[1], moved[12]), (-1.0, 0.0, 11.0), "one pixel to the right");
        assert_eq!(through(same, [0.0, 1.0], None)[5], 5.0, "the edge stands for what is outside");
        // A quarter turn: what is seen down is taken from across.
        let turned = through([[0.0, 1.0], [-1.0, 0.0]], [0.0, 0.0], Some(0.0));
        assert_eq!((turned[12], turned[13], turned[7]), (12.0, 17.0, 13.0));
        // Twice as large: between two pixels their mean.
        let larger = through([[0.5, 0.0], [0.0, 0.5]], [0.0, 0.0], Some(0.0));
        assert_eq!((larger[12], larger[13], larger[14]), (12.0, 12.5, 13.0));
    }

    #[test]
    fn strokes_get_thicker_by_one_pixel_at_most() {
        let mut mask = vec![0.0; SIDE * SIDE];
        mask[5 * SIDE + 5] = 1.0;
        let thick = thickened(&mask, SIDE, 0.5);
        let lit: Vec<usize> = (0..thick.len()).filter(|&place| thick[place] > 0.0).collect();
        assert_eq!(lit, [4 * SIDE + 5, 5 * SIDE + 4, 5 * SIDE + 5, 5 * SIDE + 6, 6 * SIDE + 5]);
        assert_eq!((thick[5 * SIDE + 5], thick[5 * SIDE + 4]), (1.0, 0.5));
    }

    #[test]
    fn a_weak_view_moves_pixels_and_a_strong_one_may_turn_dark_to_light() {
        let view = |view: View, number: u64| {
            let mut image = bar(3);
            views(&mut image, SIDE, 3, view, 1, (0, number));
            image
        };
        let changed = (0..20).map(|number| view(View::Weak, number));
        assert!(changed.flatten().all(|value| value.abs() == 1.0), "no value is new");
        let dark = |image: &[f32]| image.iter().sum::<f32>() < 0.0;
        let darks = (0..100).filter(|&number| dark(&view(View::Strong, number))).count();
        // The bar is light on dark, and so is half of its views.
        assert!((25..=75).contains(&darks), "{darks}");
    }

    #[test]
    fn what_is_dark_stays_dark_in_upright_views_alone() {
        let batch = bar(3).iter().map(|value| value * 0.2 - 0.6).collect::<Vec<f32>>().repeat(40);
        let bright = |view: View| {
            let mut values = batch.clone();
            views(&mut values, SIDE, 3, view, 1, (0, 1));
            let mean = |image: &[f32]| image.iter().sum::<f32>() / image.len() as f32;
            values.chunks_exact(SIDE * SIDE * 3).filter(|image| mean(image) > 0.0).count()
        };
        assert_eq!(bright(View::Upright), 0);
        assert!((10..=30).contains(&bright(View::Strong)), "half of them: {}", bright(View::Strong));
    }
}
