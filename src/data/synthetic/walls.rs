//! What house numbers hang on: plaster, bricks, boards, with a door frame or a corner at the side.

use std::f64::consts::TAU;
use std::ops::Range;

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha12Rng;

use super::SIDE;
use super::canvas::{Canvas, Colour, tint};

const WALLS: [Colour; 11] = [
    [196.0, 184.0, 164.0],
    [172.0, 160.0, 146.0],
    [142.0, 142.0, 140.0],
    [104.0, 104.0, 106.0],
    [72.0, 72.0, 78.0],
    [146.0, 92.0, 74.0],
    [104.0, 78.0, 60.0],
    [220.0, 214.0, 198.0],
    [112.0, 124.0, 140.0],
    [104.0, 116.0, 98.0],
    [48.0, 46.0, 50.0],
];

/// How much plaster is lighter or darker from place to place, as a share of its brightness.
const ROUGHNESS: Range<f64> = 0.01..0.08;
const BRICKS_SHARE: f64 = 0.2;
const BRICK_HEIGHT: Range<f64> = 5.5..9.0;
/// The length of a brick against its height.
const BRICK_ASPECT: Range<f64> = 1.8..2.6;
/// How much lighter or darker joints are, as a share of the wall's brightness.
const JOINT_CONTRAST: Range<f64> = 0.12..0.35;
const BOARDS_SHARE: f64 = 0.2;
const BOARD_WIDTH: Range<f64> = 7.0..15.0;
/// The brightness of the gap between boards against the wall's.
const GAP: Range<f64> = 0.6..0.85;
/// Half the width of joints and gaps, in pixels.
const JOINT_WIDTH: f64 = 0.6;
const SIDE_STRIP_SHARE: f64 = 0.25;
/// How far the strip reaches into the image, in pixels.
const SIDE_STRIP: Range<f64> = 1.5..6.5;

/// A wall, and its colour where the number will be.
pub(super) fn paint(random: &mut ChaCha12Rng) -> (Canvas, Colour) {
    let colour = tint(WALLS.choose(random).expect("not empty"), random);
    let mut canvas = Canvas::new(colour);
    roughen(&mut canvas, random);
    let style = random.random_range(0.0..1.0);
    if style < BRICKS_SHARE {
        lay_bricks(&mut canvas, random);
    } else if style < BRICKS_SHARE + BOARDS_SHARE {
        nail_boards(&mut canvas, random);
    }
    if random.random_bool(SIDE_STRIP_SHARE) {
        let strip = tint(WALLS.choose(random).expect("not empty"), random);
        let reach = random.random_range(SIDE_STRIP);
        let from_right = random.random_bool(0.5);
        let lean = random.random_range(-0.08..0.08);
        let opacity = (0..SIDE * SIDE).map(|index| {
            let (x, y) = ((index % SIDE) as f64 + 0.5, (index / SIDE) as f64 + 0.5);
            let inwards = if from_right { SIDE as f64 - x } else { x };
            (0.5 + reach + lean * (y - SIDE as f64 / 2.0) - inwards).clamp(0.0, 1.0)
        });
        canvas.paint(opacity, strip);
    }
    (canvas, colour)
}

/// A broad and a narrow wave of random directions, the narrow one half as high so that it does not look woven.
fn roughen(canvas: &mut Canvas, random: &mut ChaCha12Rng) {
    let roughness = random.random_range(ROUGHNESS);
    let mut wave = |frequency: Range<f64>| {
        let (sin, cos) = random.random_range(0.0..TAU).sin_cos();
        let frequency = random.random_range(frequency) * TAU / SIDE as f64;
        (cos * frequency, sin * frequency, random.random_range(0.0..TAU))
    };
    let (broad, narrow) = (wave(0.5..2.0), wave(2.0..4.5));
    let height = |(a, b, phase): (f64, f64, f64), x: f64, y: f64| (a * x + b * y + phase).sin();
    canvas.light(|x, y| 1.0 + roughness * (height(broad, x, y) + 0.5 * height(narrow, x, y)));
}

/// How near a position is to the joints that lie `period` pixels apart: 1 on a joint, 0 beside it.
fn joint(position: f64, period: f64) -> f64 {
    let distance = position.rem_euclid(period);
    (JOINT_WIDTH + 0.5 - distance.min(period - distance)).clamp(0.0, 1.0)
}

fn lay_bricks(canvas: &mut Canvas, random: &mut ChaCha12Rng) {
    let height = random.random_range(BRICK_HEIGHT);
    let length = height * random.random_range(BRICK_ASPECT);
    let (left, top) = (random.random_range(0.0..length), random.random_range(0.0..height));
    let contrast = random.random_range(JOINT_CONTRAST) * if random.random_bool(0.5) { 1.0 } else { -1.0 };
    canvas.light(|x, y| {
        let row = ((y + top) / height).floor();
        // Every second course is laid half a brick further.
        let level = joint(y + top, height);
        let upright = joint(x + left + row * length / 2.0, length);
        1.0 + contrast * level.max(upright)
    });
}

fn nail_boards(canvas: &mut Canvas, random: &mut ChaCha12Rng) {
    let width = random.random_range(BOARD_WIDTH);
    let offset = random.random_range(0.0..width);
    let depth = random.random_range(GAP) - 1.0;
    let upright = random.random_bool(0.4);
    canvas.light(|x, y| 1.0 + depth * joint(if upright { x } else { y } + offset, width));
}
