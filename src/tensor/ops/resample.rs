//! Images `[n, h, w, c]` in other sizes: repeated pixels, and sums of shares of pixels, an axis at a time.

use super::super::Tensor;
use crate::backend::Binary;

/// What stands between pixels, or for many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Of the two neighbours on each axis, linearly.
    Bilinear {
        /// Whether the centres of the outermost pixels stay where they are, else the image's edges.
        align_corners: bool,
    },
    /// Of the four neighbours on each axis by Keys' cubic convolution (1981) with a = -0.75; pixels beyond the edge are the outermost.
    Bicubic {
        /// Whether the centres of the outermost pixels stay where they are, else the image's edges.
        align_corners: bool,
    },
    /// The mean of all pixels that a new pixel meets: [`Tensor::adaptive_average_pool`].
    Area,
}

impl Interpolation {
    /// The shares `[to, from]` of an axis's pixels in the new ones.
    fn matrix(self, from: usize, to: usize) -> Vec<f64> {
        let mut matrix = vec![0f64; to * from];
        let mut add = |j: usize, pixel: isize, share: f64| {
            matrix[j * from + pixel.clamp(0, from as isize - 1) as usize] += share;
        };
        for j in 0..to {
            match self {
                Interpolation::Bilinear { align_corners } => {
                    let centre = source(j, from, to, align_corners).clamp(0.0, (from - 1) as f64);
                    let share = centre - centre.floor();
                    add(j, centre as isize, 1.0 - share);
                    add(j, centre as isize + 1, share);
                }
                Interpolation::Bicubic { align_corners } => {
                    let centre = source(j, from, to, align_corners);
                    let low = centre.floor();
                    (-1..3).for_each(|tap| add(j, low as isize + tap, cubic((low + tap as f64 - centre).abs())));
                }
                Interpolation::Area => {
                    let window = adaptive(from, to).nth(j).expect("there are so many windows");
                    let share = 1.0 / window.len() as f64;
                    window.for_each(|pixel| add(j, pixel as isize, share));
                }
            }
        }
        matrix
    }

    /// The shares of the matrix that are not 0, as taps of each new pixel: the first of all, the second of all, and so on.
    fn taps(self, from: usize, to: usize) -> Vec<Tap> {
        let matrix = self.matrix(from, to);
        let met = |j: usize| (0..from).filter(|pixel| matrix[j * from + pixel] != 0.0).collect::<Vec<_>>();
        let met: Vec<Vec<usize>> = (0..to).map(met).collect();
        let most = met.iter().map(Vec::len).max().unwrap_or(0);
        let tap = |number: usize| {
            let of = |(j, pixels): (usize, &Vec<usize>)| match pixels.get(number) {
                Some(pixel) => (*pixel as u32, matrix[j * from + pixel]),
                None => (0, 0.0),
            };
            let (pixels, shares) = met.iter().enumerate().map(of).unzip();
            Tap { pixels, shares }
        };
        (0..most).map(tap).collect()
    }
}

/// A pixel for each new one, and its share in it; a share of 0 where there is none.
struct Tap {
    pixels: Vec<u32>,
    shares: Vec<f64>,
}

/// Where among an axis's pixels, counted from the first one's centre, the centre of a new pixel is.
fn source(j: usize, from: usize, to: usize, align_corners: bool) -> f64 {
    match (align_corners, to) {
        (true, 1) => 0.0,
        (true, _) => j as f64 * (from - 1) as f64 / (to - 1) as f64,
        (false, _) => (j as f64 + 0.5) * from as f64 / to as f64 - 0.5,
    }
}

/// The share of a pixel at a distance up to 2, of all the smooth piecewise cubics the one with slope -0.75 at 1.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    if x <= 1.0 { ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0 } else { ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A }
}

/// The pixels `start..end` of each of `to` windows that part an axis of `from` pixels as evenly as whole pixels allow; neighbours overlap
/// where that does not divide.
pub(super) fn adaptive(from: usize, to: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..to).map(move |i| i * from / to..((i + 1) * from).div_ceil(to))
}

/// The four sizes of an image.
#[track_caller]
pub(super) fn image(name: &str, tensor: &Tensor) -> [usize; 4] {
    tensor.shape().try_into().unwrap_or_else(|_| panic!("{name}: the shape {:?} is no image", tensor.shape()))
}

impl Tensor {
    /// Repeats each pixel `factor` times on both axes.
    ///
    /// # Panics
    /// Where this is no image or the factor is 0.
    #[track_caller]
    pub fn upsample_nearest(&self, factor: usize) -> Tensor {
        let [n, h, w, c] = image("upsample_nearest", self);
        assert!(factor > 0, "upsample_nearest: by 0");
        self.reshape([n, h, 1, w, 1, c]).expand([n, h, factor, w, factor, c]).reshape([n, h * factor, w * factor, c])
    }

    /// Bilinear interpolation to `size`, pixel centres aligned as areas (`align_corners = false`).
    ///
    /// # Panics
    /// Where this is no image, or it or the size is empty.
    #[track_caller]
    pub fn upsample_bilinear(&self, size: [usize; 2]) -> Tensor {
        self.resize(size, Interpolation::Bilinear { align_corners: false })
    }

    /// The image in another height and width, `[n, size[0], size[1], c]`. Nothing is blurred before it shrinks: but for the area's mean, pixels that lie between
    /// those that a new one meets are lost.
    ///
    /// # Panics
    /// Where this is no image, or it or the size is empty.
    #[track_caller]
    pub fn resize(&self, size: [usize; 2], interpolation: Interpolation) -> Tensor {
        self.resized("resize", size, interpolation)
    }

    /// [`Tensor::resize`] under the name of what is asked for.
    #[track_caller]
    pub(super) fn resized(&self, name: &str, size: [usize; 2], interpolation: Interpolation) -> Tensor {
        let [n, h, w, c] = image(name, self);
        let [down, across] = size;
        assert!(h * w * down * across > 0, "{name}: {:?} to {size:?}", self.shape());
        if interpolation == Interpolation::Area && h.is_multiple_of(down) && w.is_multiple_of(across) {
            return self.reshape([n, down, h / down, across, w / across, c]).mean_axes(&[2, 4], false);
        }
        self.along(1, &interpolation.taps(h, down)).along(2, &interpolation.taps(w, across))
    }

    /// The sum of an axis's taps times their shares. What has no share is not read: it may be infinite.
    fn along(&self, axis: usize, taps: &[Tap]) -> Tensor {
        let part = |Tap { pixels, shares }: &Tap| {
            let mut shape = vec![1; self.rank()];
            shape[axis] = shares.len();
            let weights = Tensor::from_slice(self.device(), shares, &shape);
            let read = self.index_select(axis, pixels);
            let read = if shares.contains(&0.0) { read.binary(Binary::Gate, &weights.abs()) } else { read };
            read * weights
        };
        taps.iter().map(part).reduce(|sum, part| sum + part).expect("a new pixel has a tap")
    }
}
