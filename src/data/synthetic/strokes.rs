//! Grey digits on black that look written by hand: pen strokes over a few skeletons a digit, bent, slanted and
//! pressed differently each time, framed as in MNIST (a digit of 20 pixels, centred by its mass).

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::SIDE;
use super::drawing::{Affine, Cap, Field, Point, length, point, spline};
use super::skeletons::{HANDWRITTEN, Variant};

/// The longer side of a digit with its ink, in pixels: MNIST's 20, with a little play.
const SIZE: std::ops::Range<f64> = 19.0..21.0;
/// Half the width of the pen, in pixels.
const PEN: std::ops::Range<f64> = 1.0..1.75;
/// How much a digit leans to the right, as the tangent; people lean right more than left.
const SLANT: std::ops::Range<f64> = -0.12..0.38;
/// In radians.
const ROTATION: std::ops::Range<f64> = -0.1..0.1;
/// Width against the skeleton's.
const STRETCH: std::ops::Range<f64> = 0.85..1.2;
/// How far the hand strays from the skeleton, in heights of a digit.
const STRAY: f64 = 0.05;
/// The least of it, as a share.
const LEAST_STRAY: f64 = 0.3;
/// The frequencies, in waves a height at most, of the two waves by which it strays; the faster one is lower.
const STRAY_WAVES: [f64; 2] = [0.8, 1.5];
/// How much the pen's width varies along a stroke, and in how many waves.
const PRESSURE: f64 = 0.16;
const PRESSURE_WAVES: f64 = 0.8;
/// The width of a stroke's edge, in pixels: MNIST's, which was scaled down from black and white.
const SOFTNESS: f64 = 1.2;
/// The brightness of full ink.
const INK: std::ops::Range<f64> = 245.0..256.0;

/// Draws `digit` into `[SIDE, SIDE, 1]` bytes.
pub(super) fn draw(digit: usize, random: &mut ChaCha12Rng, image: &mut [u8]) {
    let variant = pick(HANDWRITTEN[digit], random);
    let hand = Hand::new(random);
    let strokes: Vec<Vec<Point>> = variant
        .strokes
        .iter()
        .map(|stroke| {
            let strayed: Vec<Point> = stroke.iter().map(|&(x, y)| hand.stray(point(x, y))).collect();
            spline(&strayed).into_iter().map(|p| hand.lean.apply(p)).collect()
        })
        .collect();
    let pen = random.random_range(PEN);
    let frame = frame(&strokes, random.random_range(SIZE) - 2.0 * pen);

    let mut field = Field::new();
    for stroke in strokes {
        let phase = random.random_range(0.0..TAU);
        let last = stroke.len() - 1;
        let inked: Vec<(Point, f64)> = stroke
            .into_iter()
            .enumerate()
            .map(|(index, p)| {
                let swell = PRESSURE * (phase + TAU * PRESSURE_WAVES * index as f64 / last as f64).sin();
                (frame.apply(p), pen * (1.0 + swell))
            })
            .collect();
        field.stroke(&inked, Cap::Round);
    }
    let ink = random.random_range(INK);
    for (pixel, coverage) in image.iter_mut().zip(field.coverage(0.0, SOFTNESS)) {
        *pixel = (coverage * ink) as u8;
    }
}

fn pick(variants: &'static [Variant], random: &mut ChaCha12Rng) -> &'static Variant {
    let total: u32 = variants.iter().map(|variant| variant.weight).sum();
    let mut left = random.random_range(0..total);
    for variant in variants {
        if left < variant.weight {
            return variant;
        }
        left -= variant.weight;
    }
    unreachable!("a draw below the sum of the weights")
}

/// What one writing of a digit makes different from all others.
struct Hand {
    /// Stretch, slant and rotation.
    lean: Affine,
    /// Two waves that move points along x, and two along y. Points that lie together move together, so that loops
    /// stay closed, which they would not if each point strayed on its own.
    waves: [[Wave; 2]; 2],
}

/// height * sin(x * p.x + y * p.y + phase).
struct Wave {
    x: f64,
    y: f64,
    phase: f64,
    height: f64,
}

impl Hand {
    fn new(random: &mut ChaCha12Rng) -> Hand {
        let stretch = random.random_range(STRETCH);
        let slant = random.random_range(SLANT);
        let rotation = random.random_range(ROTATION);
        let mut wave = |frequency: f64| Wave {
            x: random.random_range(-1.0..1.0) * frequency * TAU,
            y: random.random_range(-1.0..1.0) * frequency * TAU,
            phase: random.random_range(0.0..TAU),
            height: random.random_range(LEAST_STRAY..1.0) * STRAY / frequency,
        };
        let waves = [STRAY_WAVES.map(&mut wave), STRAY_WAVES.map(&mut wave)];
        Hand { lean: Affine::new([stretch, 1.0], slant, rotation, point(0.0, 0.0)), waves }
    }

    fn stray(&self, p: Point) -> Point {
        let shift = |waves: &[Wave; 2]| -> f64 {
            waves.iter().map(|wave| wave.height * (wave.x * p.x + wave.y * p.y + wave.phase).sin()).sum()
        };
        point(p.x + shift(&self.waves[0]), p.y + shift(&self.waves[1]))
    }
}

/// Scales so that the longer side becomes `size` pixels and the centre of mass comes to the image's centre.
fn frame(strokes: &[Vec<Point>], size: f64) -> Affine {
    let (mut low, mut high) = (point(f64::INFINITY, f64::INFINITY), point(f64::NEG_INFINITY, f64::NEG_INFINITY));
    let (mut mass, mut moment) = (0.0, point(0.0, 0.0));
    for stroke in strokes {
        for &p in stroke {
            (low.x, low.y) = (low.x.min(p.x), low.y.min(p.y));
            (high.x, high.y) = (high.x.max(p.x), high.y.max(p.y));
        }
        for pair in stroke.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let length = length(b.x - a.x, b.y - a.y);
            let middle = a.lerp(b, 0.5);
            mass += length;
            (moment.x, moment.y) = (moment.x + length * middle.x, moment.y + length * middle.y);
        }
    }
    let scale = size / (high.x - low.x).max(high.y - low.y);
    let centre = SIDE as f64 / 2.0;
    let offset = point(centre - scale * moment.x / mass, centre - scale * moment.y / mass);
    Affine { matrix: [[scale, 0.0], [0.0, scale]], offset }
}
