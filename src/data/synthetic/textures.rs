//! Grey noise textures without any shape in them: an unrelated source, from which nothing of digits can be learned. They are the
//! negative control of a transfer between digits.
//!
//! A texture is a sum of plane waves of random phases whose frequencies lie in one of five octave-like bands, in directions that are
//! either all alike or spread out: that makes ten classes.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{CLASSES, SIDE};
use crate::data::Classes;

/// Waves of a texture: enough for its values to be nearly normal.
const WAVES: usize = 24;
/// The lowest frequency, in waves a side, and the width of a band as a ratio. The highest band ends below the Nyquist frequency.
const LOWEST: f64 = 1.5;
const BAND: f64 = 1.6;
/// How far from the common direction a wave of a directed texture runs, in radians.
const SPREAD: f64 = PI / 12.0;
/// How hard values are pressed towards black and white.
const CONTRAST: f64 = 1.5;

/// The names of the kinds of texture, which are no digits.
pub(super) fn classes() -> Classes {
    Classes::new((0..CLASSES).map(|class| format!("{} {}", ["even", "directed"][class % 2], class / 2)))
}

/// Draws a texture of a class into `[SIDE, SIDE, 1]` bytes.
pub(super) fn draw(class: usize, random: &mut ChaCha12Rng, image: &mut [u8]) {
    let (band, directed) = (class / 2, class % 2 == 1);
    let lowest = LOWEST * BAND.powi(band as i32);
    let common = random.random_range(0.0..PI);
    let waves: Vec<[f64; 3]> = (0..WAVES)
        .map(|_| {
            let frequency = random.random_range(lowest..lowest * BAND) / SIDE as f64;
            let direction =
                if directed { common + random.random_range(-SPREAD..SPREAD) } else { random.random_range(0.0..PI) };
            [frequency * direction.cos(), frequency * direction.sin(), random.random_range(0.0..1.0)]
        })
        .collect();
    // Each cosine has the variance 1/2.
    let scale = (2.0 / WAVES as f64).sqrt();
    for (index, pixel) in image.iter_mut().enumerate() {
        let (x, y) = ((index % SIDE) as f64, (index / SIDE) as f64);
        let sum: f64 = waves.iter().map(|[across, down, phase]| (TAU * (across * x + down * y + phase)).cos()).sum();
        *pixel = (127.5 * (1.0 + (CONTRAST * scale * sum).tanh())).round() as u8;
    }
}
