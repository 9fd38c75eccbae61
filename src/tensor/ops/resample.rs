//! Images `[n, h, w, c]` in other sizes: repeated pixels, and products with a matrix an axis.

use super::super::Tensor;

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

    /// The image in another height and width. Nothing is blurred before it shrinks: but for the area's mean, pixels that lie between
    /// those that a new one meets are lost.
    ///
    /// # Panics
    /// Where this is no image, or it or the size is empty.
    #[track_caller]
    pub fn resize(&self, size: [usize; 2], interpolation: Interpolation) -> Tensor {
        let [n, h, w, c] = image("resize", self);
        assert!(h * w * size[0] * size[1] > 0, "resize: {:?} to {size:?}", self.shape());
        let matrix = |from, to| Tensor::from_slice(self.device(), &interpolation.matrix(from, to), [to, from]);
        let (rows, columns) = (matrix(h, size[0]), matrix(w, size[1]));
        // Columns last, so that one matrix serves all rows of all images.
        let tall = rows.matmul(&self.reshape([n, h, w * c])).reshape([n, size[0], w, c]).permute(&[0, 1, 3, 2]);
        tall.matmul_with(&columns, false, true).permute(&[0, 1, 3, 2])
    }
}
