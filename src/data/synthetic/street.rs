//! Coloured house numbers on walls and plates, as a camera in the street sees them: a digit in the middle, parts of
//! its neighbours beside it, texture, uneven light, blur and noise. The lettering is that of signs, unlike the
//! handwriting of `strokes` in shape, weight, scale and place.

use std::f64::consts::TAU;
use std::ops::{Range, RangeInclusive};

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha12Rng;

use super::SIDE;
use super::canvas::{Canvas, Colour, mix, tint};
use super::drawing::{Affine, Cap, Field, Point, point};
use super::signs::{FACES, Face, outline};
use super::walls;
use crate::data::light::luma;

/// The height of a digit, in pixels.
const HEIGHT: Range<f64> = 18.5..26.0;
/// Its width against its height.
const ASPECT: Range<f64> = 0.46..0.68;
/// Half the width of a stroke, against the height.
const WEIGHT: Range<f64> = 0.055..0.095;
/// The space between digits, against the height.
const SPACING: Range<f64> = 0.1..0.24;
/// How far from the image's centre the digit's centre may be, in pixels.
const OFFSET: Range<f64> = -1.6..1.6;
/// In radians.
const ROTATION: Range<f64> = -0.11..0.11;
const ITALIC_SHARE: f64 = 0.15;
const ITALIC_SLANT: Range<f64> = 0.1..0.25;
/// The share of digits with a neighbour on a given side.
const NEIGHBOUR_SHARE: f64 = 0.55;

/// The least difference in luma between a digit and what it stands on.
const CONTRAST: f64 = 80.0;
/// More contrast than that is asked of an ink before it is tinted.
const CONTRAST_TO_SPARE: f64 = 20.0;
const OUTLINE_SHARE: f64 = 0.15;
/// In pixels.
const OUTLINE_WIDTH: Range<f64> = 0.9..1.5;
const SHADOW_SHARE: f64 = 0.25;
/// In pixels, to the right and below.
const SHADOW_OFFSET: RangeInclusive<usize> = 1..=2;
const SHADOW: Colour = [14.0, 14.0, 18.0];
const SHADOW_OPACITY: Range<f64> = 0.35..0.7;
/// The width of an edge before the blur, in pixels.
const SOFTNESS: f64 = 1.0;

const PLATE_SHARE: f64 = 0.4;
/// From the digits to the plate's edge, against the height.
const PLATE_MARGIN: Range<f64> = 0.08..0.3;
/// The margin at the sides against that above and below.
const PLATE_MARGIN_ASIDE: f64 = 1.6;
/// The radius of a plate's corners, in pixels.
const PLATE_CORNER: Range<f64> = 0.5..4.0;
const FRAME_SHARE: f64 = 0.4;
/// In pixels.
const FRAME_WIDTH: f64 = 1.2;
/// How much of an ink is in a frame, the rest being the plate's colour.
const FRAME_INK: f64 = 0.7;

/// The camera: brightness, uneven light from side to side, blur in pixels, noise in grey levels.
const EXPOSURE: Range<f64> = 0.62..1.05;
const UNEVENNESS: f64 = 0.22;
const SHADE_SHARE: f64 = 0.12;
const SHADE: Range<f64> = 0.55..0.8;
const BLUR: Range<f64> = 0.45..1.0;
const NOISE: Range<f64> = 1.0..4.5;

const WHITE: Colour = [240.0, 240.0, 238.0];
const BLACK: Colour = [24.0, 24.0, 28.0];
/// Luma halfway between black and white.
const MIDDLE: f64 = 128.0;
const INKS: [Colour; 10] = [
    WHITE,
    [236.0, 238.0, 244.0],
    BLACK,
    [34.0, 32.0, 34.0],
    [196.0, 164.0, 92.0],
    [186.0, 188.0, 192.0],
    [28.0, 40.0, 104.0],
    [72.0, 46.0, 32.0],
    [166.0, 42.0, 40.0],
    [32.0, 84.0, 60.0],
];
const PLATES: [Colour; 8] = [
    [28.0, 40.0, 108.0],
    [22.0, 26.0, 60.0],
    [40.0, 78.0, 158.0],
    [228.0, 230.0, 232.0],
    [232.0, 224.0, 196.0],
    [36.0, 36.0, 40.0],
    [34.0, 78.0, 58.0],
    [176.0, 148.0, 92.0],
];

/// Draws `digit` into `[SIDE, SIDE, 3]` bytes.
pub(super) fn draw(digit: usize, random: &mut ChaCha12Rng, image: &mut [u8]) {
    let number = Number::new(digit, random);
    let (mut canvas, mut ground) = walls::paint(random);
    if random.random_bool(PLATE_SHARE) {
        ground = tint(PLATES.choose(random).expect("not empty"), random);
        number.paint_plate(&mut canvas, ground, random);
    }
    number.paint(&mut canvas, ground, random);
    photograph(canvas, random, image);
}

/// A colour that can be read on `ground`.
fn ink(ground: Colour, random: &mut ChaCha12Rng) -> Colour {
    let readable: Vec<&Colour> =
        INKS.iter().filter(|ink| (luma(**ink) - luma(ground)).abs() > CONTRAST + CONTRAST_TO_SPARE).collect();
    let ink = tint(readable.choose(random).expect("white or black differs from any colour"), random);
    // The tint may have eaten up some of the contrast.
    if (luma(ink) - luma(ground)).abs() >= CONTRAST {
        ink
    } else if luma(ground) < MIDDLE {
        WHITE
    } else {
        BLACK
    }
}

/// The digit and its neighbours.
struct Number {
    field: Field,
    height: f64,
    left: f64,
    right: f64,
    centre: Point,
}

impl Number {
    fn new(digit: usize, random: &mut ChaCha12Rng) -> Number {
        let face = FACES.choose(random).expect("not empty");
        let height = random.random_range(HEIGHT);
        let radius = height * random.random_range(WEIGHT);
        let width = height * random.random_range(ASPECT);
        let gap = height * random.random_range(SPACING);
        let middle = SIDE as f64 / 2.0;
        let centre = point(middle + random.random_range(OFFSET), middle + random.random_range(OFFSET));
        let slant = if random.random_bool(ITALIC_SHARE) { random.random_range(ITALIC_SLANT) } else { 0.0 };
        let angle = random.random_range(ROTATION);
        let place = Affine::new([1.0, 1.0], slant, angle, centre);
        let mut lettering = Lettering { face, height, width, radius, place, field: Field::new() };

        let half = |digit: usize| face.digits[digit].width * width / 2.0;
        lettering.draw(digit, 0.0);
        let mut edges = [-half(digit), half(digit)];
        for (edge, side) in edges.iter_mut().zip([-1.0, 1.0]) {
            if random.random_bool(NEIGHBOUR_SHARE) {
                let neighbour = random.random_range(0..10);
                let across = *edge + side * (gap + half(neighbour));
                lettering.draw(neighbour, across);
                *edge = across + side * half(neighbour);
            }
        }
        Number { field: lettering.field, height, left: edges[0], right: edges[1], centre }
    }

    /// A plate behind the whole number, of which the image may show a part.
    fn paint_plate(&self, canvas: &mut Canvas, colour: Colour, random: &mut ChaCha12Rng) {
        let margin = self.height * random.random_range(PLATE_MARGIN);
        let half = [(self.right - self.left) / 2.0 + PLATE_MARGIN_ASIDE * margin, self.height / 2.0 + margin];
        let centre = point(self.centre.x + (self.left + self.right) / 2.0, self.centre.y);
        let mut field = Field::new();
        field.rounded_rectangle(centre, half, random.random_range(PLATE_CORNER));
        canvas.paint(field.coverage(0.0, SOFTNESS), colour);
        if random.random_bool(FRAME_SHARE) {
            let frame = mix(colour, ink(colour, random), FRAME_INK);
            let ring = field
                .coverage(0.0, SOFTNESS)
                .zip(field.coverage(-FRAME_WIDTH, SOFTNESS))
                .map(|(all, inner)| all - inner);
            canvas.paint(ring, frame);
        }
    }

    fn paint(&self, canvas: &mut Canvas, ground: Colour, random: &mut ChaCha12Rng) {
        let colour = ink(ground, random);
        if random.random_bool(SHADOW_SHARE) {
            let offset = random.random_range(SHADOW_OFFSET);
            let opacity = random.random_range(SHADOW_OPACITY);
            // A shadow as dark as the digit would hide its shape.
            if luma(colour) > luma(ground) {
                canvas.paint(self.field.shadow(offset, SOFTNESS).map(|coverage| coverage * opacity), SHADOW);
            }
        }
        if random.random_bool(OUTLINE_SHARE) {
            let width = random.random_range(OUTLINE_WIDTH);
            let edge = if luma(colour) > MIDDLE { BLACK } else { WHITE };
            canvas.paint(self.field.coverage(width, SOFTNESS), edge);
        }
        canvas.paint(self.field.coverage(0.0, SOFTNESS), colour);
    }
}

/// A pen that draws the digits of one number.
struct Lettering {
    face: &'static Face,
    height: f64,
    width: f64,
    radius: f64,
    /// From positions relative to the middle of the number's digit, in pixels, to the image.
    place: Affine,
    field: Field,
}

impl Lettering {
    /// Draws a digit whose middle is `across` pixels to the right of the number's.
    fn draw(&mut self, digit: usize, across: f64) {
        let glyph = &self.face.digits[digit];
        let width = self.width * glyph.width - 2.0 * self.radius;
        let height = self.height - 2.0 * self.radius;
        for stroke in glyph.strokes {
            let points: Vec<Point> = outline(stroke)
                .into_iter()
                .map(|p| point((p.x - 0.5) * width + across, (p.y - 0.5) * height))
                .collect();
            let inked: Vec<(Point, f64)> = (0..points.len())
                .map(|index| {
                    let (before, after) = (points[index.saturating_sub(1)], points[(index + 1).min(points.len() - 1)]);
                    let (x, y) = (after.x - before.x, after.y - before.y);
                    let level = x * x / (x * x + y * y);
                    (self.place.apply(points[index]), self.radius * (1.0 - self.face.contrast * level))
                })
                .collect();
            self.field.stroke(&inked, Cap::Square);
        }
    }
}

/// Uneven light, the edge of a shade, blur, noise.
fn photograph(mut canvas: Canvas, random: &mut ChaCha12Rng, image: &mut [u8]) {
    let exposure = random.random_range(EXPOSURE);
    let (sin, cos) = random.random_range(0.0..TAU).sin_cos();
    let uneven = random.random_range(0.0..UNEVENNESS);
    let shade = if random.random_bool(SHADE_SHARE) { random.random_range(SHADE) } else { 1.0 };
    let edge = random.random_range(-0.6..0.6);
    canvas.light(|x, y| {
        // From -1 to 1 along the direction of the light, in halves of the image.
        let across = (cos * x + sin * y) / (SIDE as f64 / 2.0) - cos - sin;
        let shaded = if across > edge { shade } else { 1.0 };
        exposure * shaded * (1.0 + uneven * across)
    });
    canvas.blur(random.random_range(BLUR));
    canvas.develop(random.random_range(NOISE), random, image);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};

    #[test]
    fn a_digit_always_stands_out_from_its_ground() {
        let mut random = generator(0, Purpose::Synthetic, 0, 0);
        for level in 0..=255 {
            let ground = tint(&[f64::from(level); 3], &mut random);
            let ink = ink(ground, &mut random);
            assert!((luma(ink) - luma(ground)).abs() >= CONTRAST, "{ink:?} on {ground:?}");
        }
    }
}
