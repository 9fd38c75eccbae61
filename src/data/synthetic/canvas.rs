//! A small colour picture that is painted in layers.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

use super::SIDE;
use crate::data::light::{Along, blur};

/// Red, green and blue, 0 to 255 each.
pub(super) type Colour = [f64; 3];

pub(super) fn mix(from: Colour, to: Colour, t: f64) -> Colour {
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * t)
}

/// A colour close to the one given.
pub(super) fn tint(colour: &Colour, random: &mut ChaCha12Rng) -> Colour {
    const SHARED: f64 = 18.0;
    const CHANNEL: f64 = 9.0;
    let shared = random.random_range(-SHARED..SHARED);
    colour.map(|value| (value + shared + random.random_range(-CHANNEL..CHANNEL)).clamp(0.0, 255.0))
}

/// An image of `SIDE` by `SIDE` colours.
pub(super) struct Canvas {
    pixels: Vec<Colour>,
}

impl Canvas {
    pub fn new(colour: Colour) -> Canvas {
        Canvas { pixels: vec![colour; SIDE * SIDE] }
    }

    /// Lays `colour` over each pixel with the opacity given for it, 0 to 1.
    pub fn paint(&mut self, opacity: impl Iterator<Item = f64>, colour: Colour) {
        for (pixel, opacity) in self.pixels.iter_mut().zip(opacity) {
            *pixel = mix(*pixel, colour, opacity);
        }
    }

    /// Multiplies each pixel by a function of its centre, in pixels.
    pub fn light(&mut self, brightness: impl Fn(f64, f64) -> f64) {
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let factor = brightness((index % SIDE) as f64 + 0.5, (index / SIDE) as f64 + 0.5);
            *pixel = pixel.map(|value| value * factor);
        }
    }

    /// A Gaussian blur of standard deviation `sigma` pixels, up to about 1.2; the edge repeats.
    pub fn blur(&mut self, sigma: f64) {
        const RADIUS: usize = 2;
        let weights: [f64; RADIUS + 1] = std::array::from_fn(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp());
        let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
        let mean = |at: &dyn Fn(isize) -> Colour| {
            let mut sum = at(0).map(|value| value * weights[0]);
            for (distance, weight) in (1..).zip(&weights[1..]) {
                let (before, after) = (at(-distance), at(distance));
                for channel in 0..3 {
                    sum[channel] += weight * (before[channel] + after[channel]);
                }
            }
            sum.map(|value| value / total)
        };
        self.pixels = blur(&blur(&self.pixels, SIDE, Along::Rows, mean), SIDE, Along::Columns, mean);
    }

    /// Writes `[SIDE, SIDE, 3]` bytes, with the noise of a camera of standard deviation `noise`, half of it shared by
    /// the channels.
    pub fn develop(&self, noise: f64, random: &mut ChaCha12Rng, image: &mut [u8]) {
        for (bytes, pixel) in image.chunks_exact_mut(3).zip(&self.pixels) {
            let mut grain = || -> f64 { StandardNormal.sample(&mut *random) };
            let shared = grain();
            for (byte, value) in bytes.iter_mut().zip(pixel) {
                // A float cast to u8 saturates.
                *byte = (value + noise * (shared + grain()) * std::f64::consts::FRAC_1_SQRT_2).round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};

    fn bytes(canvas: &Canvas) -> Vec<u8> {
        let mut bytes = vec![0; SIDE * SIDE * 3];
        canvas.develop(0.0, &mut generator(0, Purpose::Synthetic, 0, 0), &mut bytes);
        bytes
    }

    #[test]
    fn paint_covers_by_its_opacity() {
        let mut canvas = Canvas::new([100.0; 3]);
        canvas.paint((0..SIDE * SIDE).map(|index| index as f64 / 2.0).take(3), [200.0, 0.0, 100.0]);
        assert_eq!(bytes(&canvas)[..9], [100, 100, 100, 150, 50, 100, 200, 0, 100]);
    }

    #[test]
    fn a_blur_keeps_flat_colour_and_spreads_a_point_evenly() {
        let mut flat = Canvas::new([10.0, 20.0, 30.0]);
        flat.blur(0.8);
        assert!(bytes(&flat).chunks_exact(3).all(|pixel| pixel == [10, 20, 30]));

        let mut dot = Canvas::new([0.0; 3]);
        dot.pixels[16 * SIDE + 16] = [1000.0; 3];
        dot.blur(1.0);
        let at = |y: usize, x: usize| dot.pixels[y * SIDE + x][0];
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(at(15, 16), at(17, 16)) && close(at(16, 15), at(15, 16)) && at(16, 16) > at(16, 15));
        assert!(close(dot.pixels.iter().map(|pixel| pixel[0]).sum(), 1000.0));
    }
}
