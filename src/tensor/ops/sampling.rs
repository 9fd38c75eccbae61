//! Images read at places that a tensor says: the spatial transformer (Jaderberg 2015). Differentiable in the image and in the places.

use super::super::Tensor;
use super::resample::image;
use crate::backend::Binary;

/// What is read between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// The four neighbours, bilinearly.
    Bilinear,
    /// The nearest pixel, of two that are as near the one with the even index. The slope by the place is 0.
    Nearest,
}

/// What is read outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The outermost pixels.
    Border,
    /// The image mirrored at its corners, again and again.
    Reflection,
}

/// What -1 and 1 are the places of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corners {
    /// The image's edges, half a pixel beyond the outermost centres (PyTorch's `align_corners=False`).
    Edges,
    /// The centres of the outermost pixels (PyTorch's `align_corners=True`).
    Centres,
}

impl Corners {
    /// Places in [-1, 1] as pixels along an axis, the first one's centre at 0.
    fn pixels(self, places: &Tensor, size: usize) -> Tensor {
        let size = size as f64;
        match self {
            Corners::Edges => places * (size / 2.0) + (size - 1.0) / 2.0,
            Corners::Centres => (places + 1.0) * ((size - 1.0) / 2.0),
        }
    }

    /// Where the centres of `size` pixels are in [-1, 1].
    fn places(self, size: usize) -> Vec<f64> {
        let place = |j: usize| match (self, size) {
            (Corners::Edges, _) => (2 * j + 1) as f64 / size as f64 - 1.0,
            (Corners::Centres, 1) => 0.0,
            (Corners::Centres, _) => 2.0 * j as f64 / (size - 1) as f64 - 1.0,
        };
        (0..size).map(place).collect()
    }

    /// Pixels mirrored at the image's corners until they are inside. At a corner the slope is that inside.
    fn reflected(self, pixels: &Tensor, size: usize) -> Tensor {
        let (low, span) = match self {
            Corners::Edges => (-0.5, size as f64),
            Corners::Centres => (0.0, size as f64 - 1.0),
        };
        if span == 0.0 {
            return pixels * 0.0;
        }
        let beyond = pixels - low;
        let distance = &beyond * (1.0 - (-&beyond).step() * 2.0);
        // One less than the quotient rounded up: at a corner nothing has turned yet.
        let turns = (-((&distance * (-1.0 / span)).floor()) - 1.0).clamp(0.0, f64::INFINITY);
        let rest = distance - &turns * span;
        // Every other turn runs backwards.
        let odd = &turns - (&turns * 0.5).floor() * 2.0;
        &rest + odd * (span - &rest * 2.0) + low
    }
}

/// One of the pixels on an axis that a place is read from: its indices, its shares, and where it is inside, if not everywhere.
struct Neighbour {
    indices: Vec<usize>,
    share: Option<Tensor>,
    inside: Option<Tensor>,
}

impl Neighbour {
    /// Pixels at whole places, `offset` further. Where there are zeros outside, shares of what is there are 0: chosen, not multiplied, as
    /// that of a place that is infinitely far is no number.
    fn new(whole: &Tensor, offset: i64, size: usize, share: Option<Tensor>, outside: Outside) -> Neighbour {
        // A device that failed says so where its elements are read next.
        let places = whole.to_vec::<f64>().unwrap_or_else(|_| vec![0.0; whole.len()]);
        let at = |place: &f64| (*place as i64).saturating_add(offset);
        let inside = (outside == Outside::Zeros).then(|| {
            let inside = places.iter().map(|place| f32::from((0..size as i64).contains(&at(place))));
            Tensor::from_slice(whole.device(), &inside.collect::<Vec<_>>(), whole.shape())
        });
        let share = share.map(|share| match &inside {
            Some(inside) => share.binary(Binary::Gate, inside),
            None => share,
        });
        let indices = places.iter().map(|place| at(place).clamp(0, size as i64 - 1) as usize).collect();
        Neighbour { indices, share, inside }
    }
}

impl Tensor {
    /// The image `[n, h, w, c]` read at the places `grid [n, i, j, 2]`, across and down in [-1, 1]: `[n, i, j, c]`. (PyTorch's
    /// `grid_sample`.) A place that is not a number gives what is none; by the nearest pixel, the first one.
    ///
    /// The places are read back to the host, which waits for the device.
    ///
    /// # Panics
    /// Where this is no image, is empty, or the grid is not `[n, i, j, 2]`.
    #[track_caller]
    pub fn grid_sample(&self, grid: &Tensor, sampling: Sampling, outside: Outside, corners: Corners) -> Tensor {
        let [n, h, w, c] = image("grid_sample", self);
        let &[images, i, j, 2] = grid.shape() else {
            panic!("grid_sample: a grid of the shape {:?}", grid.shape());
        };
        assert!(images == n && h * w > 0, "grid_sample: the shape {:?}, the grid {:?}", self.shape(), grid.shape());
        let count = n * i * j;
        let neighbours = |axis: usize, size: usize| {
            let places = grid.reshape([count, 2]).slice(1, axis, axis + 1);
            let pixels = corners.pixels(&places, size);
            let last = (size - 1) as f64;
            let pixels = match outside {
                Outside::Zeros => pixels,
                Outside::Border => pixels.clamp(0.0, last),
                Outside::Reflection => corners.reflected(&pixels, size).clamp(0.0, last),
            };
            match sampling {
                Sampling::Nearest => vec![Neighbour::new(&pixels.round(), 0, size, None, outside)],
                Sampling::Bilinear => {
                    let whole = match outside {
                        Outside::Zeros => pixels.floor(),
                        // The last pixel is the second of its pair, so that slopes there are of what is inside.
                        Outside::Border | Outside::Reflection => pixels.floor().clamp(0.0, (last - 1.0).max(0.0)),
                    };
                    let share = pixels - &whole;
                    vec![
                        Neighbour::new(&whole, 0, size, Some(1.0 - &share), outside),
                        Neighbour::new(&whole, 1, size, Some(share), outside),
                    ]
                }
            }
        };
        let (across, down) = (neighbours(0, w), neighbours(1, h));
        let pixels = self.reshape([n * h * w, c]);
        let read = |row: &Neighbour, column: &Neighbour| {
            let places = row.indices.iter().zip(&column.indices).enumerate();
            let index = |(place, (row, column)): (usize, (&usize, &usize))| {
                let index = (place / (i * j) * h + row) * w + column;
                u32::try_from(index).expect("grid_sample: there are more than 2^32 pixels")
            };
            let pixels = pixels.gather(&places.map(index).collect::<Vec<_>>());
            let weighted = match (&row.share, &column.share) {
                (Some(row), Some(column)) => pixels * (row * column),
                _ => pixels,
            };
            // Chosen, not multiplied: a pixel that is not read may be infinite.
            match (&row.inside, &column.inside) {
                (Some(row), Some(column)) => weighted.binary(Binary::Gate, &(row * column)),
                _ => weighted,
            }
        };
        let parts = down.iter().flat_map(|row| across.iter().map(move |column| read(row, column)));
        parts.reduce(|sum, part| sum + part).expect("a place has a neighbour").reshape([n, i, j, c])
    }

    /// The places `[n, h, w, 2]` that affine maps `self [n, 2, 3]` take the pixels of an image of that size to: a grid for
    /// [`Tensor::grid_sample`], `(across, down) = A (across, down, 1)`. (PyTorch's `affine_grid`.)
    ///
    /// # Panics
    /// Where this is not `[n, 2, 3]`.
    #[track_caller]
    pub fn affine_grid(&self, size: [usize; 2], corners: Corners) -> Tensor {
        let &[n, 2, 3] = self.shape() else { panic!("affine_grid: maps of the shape {:?}", self.shape()) };
        let [down, across] = size.map(|size| corners.places(size));
        let places: Vec<f64> = down.iter().flat_map(|y| across.iter().flat_map(|x| [*x, *y, 1.0])).collect();
        let places = Tensor::from_slice(self.device(), &places, [size[0] * size[1], 3]);
        places.matmul_with(self, false, true).reshape([n, size[0], size[1], 2])
    }
}
