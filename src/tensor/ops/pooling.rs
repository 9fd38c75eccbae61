//! Pooling of images `[n, h, w, c]`, composed of windows, expansions and reductions.

use super::super::Tensor;
use super::resample::{adaptive, image};

/// The windows of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// Pixels from one window to the next, down and across.
    pub stride: [usize; 2],
    /// Pixels around the image, above and below, left and right.
    pub padding: [usize; 2],
    /// Whether there is a last window where the stride leaves a rest, which reaches beyond the padding (PyTorch's `ceil_mode`).
    pub ceil: bool,
}

impl Pool {
    /// The same on both axes, without a last window of a rest.
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Pool {
        Pool { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], ceil: false }
    }

    /// With a last window where the stride leaves a rest.
    pub fn ceil(self) -> Pool {
        Pool { ceil: true, ..self }
    }

    /// How many windows there are along an axis of an image so large; None where none fits.
    fn windows(&self, axis: usize, size: usize) -> Option<usize> {
        let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
        let padded = padding.checked_mul(2)?.checked_add(size)?;
        let whole = match padded.checked_sub(kernel) {
            Some(rest) => rest.checked_div(stride)? + 1,
            // A kernel that is larger than the padded image by less than a stride has a rest, and no whole window.
            None if self.ceil && kernel - padded < stride => 0,
            None => return None,
        };
        let is_rest = whole == 0 || !(padded - kernel).is_multiple_of(stride);
        // A last window starts inside the image or the padding before it.
        let another = self.ceil && is_rest && whole * stride < size + padding;
        let count = whole + usize::from(another);
        (kernel > 0 && count > 0).then_some(count)
    }

    /// How many windows there are down and across.
    #[track_caller]
    fn count(&self, name: &str, tensor: &Tensor) -> [usize; 2] {
        let [_, h, w, _] = image(name, tensor);
        let counts = self.windows(0, h).zip(self.windows(1, w));
        let (down, across) = counts.unwrap_or_else(|| panic!("{name}: {self:?} of the shape {:?}", tensor.shape()));
        [down, across]
    }

    /// The image with its padding, as far as windows reach.
    fn padded(&self, x: &Tensor, counts: [usize; 2]) -> Tensor {
        let pad = |x: &Tensor, axis: usize| {
            let (size, padding) = (x.shape()[axis + 1], self.padding[axis]);
            let reach = (counts[axis] - 1) * self.stride[axis] + self.kernel[axis];
            x.pad(axis + 1, padding, reach.saturating_sub(size + padding))
        };
        pad(&pad(x, 0), 1)
    }

    /// The strided views of a padded image, one for each tap of a window.
    fn taps(&self, padded: &Tensor, counts: [usize; 2]) -> Vec<Tensor> {
        let view = |x: &Tensor, axis: usize, tap: usize| {
            x.slice_step(axis + 1, tap, tap + (counts[axis] - 1) * self.stride[axis] + 1, self.stride[axis])
        };
        let taps = (0..self.kernel[0]).flat_map(|p| (0..self.kernel[1]).map(move |q| (p, q)));
        taps.map(|(p, q)| view(&view(padded, 0, p), 1, q)).collect()
    }

    /// How many pixels of the image and its padding each window along an axis has.
    fn covered(&self, axis: usize, size: usize, count: usize) -> Vec<usize> {
        let end = size + 2 * self.padding[axis];
        let start = |window: usize| window * self.stride[axis];
        (0..count).map(|window| end.min(start(window) + self.kernel[axis]) - start(window)).collect()
    }
}

impl Tensor {
    /// The mean of each `kernel x kernel` window; padding counts as zeros.
    ///
    /// # Panics
    /// Where this is no image or no window fits.
    #[track_caller]
    pub fn average_pool(&self, kernel: usize, stride: usize, padding: usize) -> Tensor {
        self.average_pool_by(Pool::new(kernel, stride, padding))
    }

    /// The mean of each window, `[n, windows down, windows across, c]`; padding counts as zeros, and what is beyond it not at all.
    ///
    /// # Panics
    /// Where this is no image or no window fits.
    #[track_caller]
    pub fn average_pool_by(&self, pool: Pool) -> Tensor {
        let [n, h, w, c] = image("average_pool", self);
        let counts = pool.count("average_pool", self);
        let ([kh, kw], sizes) = (pool.kernel, [h, w]);
        let parts = |axis: usize| sizes[axis] > 0 && sizes[axis].is_multiple_of(pool.kernel[axis]);
        if pool.stride == pool.kernel && pool.padding == [0, 0] && parts(0) && parts(1) {
            // Windows that part the image are axes of their own, whose gradient is an expansion.
            return self.reshape([n, h / kh, kh, w / kw, kw, c]).mean_axes(&[2, 4], false);
        }
        let taps = pool.taps(&pool.padded(self, counts), counts);
        let sum = taps.into_iter().reduce(|sum, tap| sum + tap).expect("a window has taps");
        let [down, across] = [0, 1].map(|axis| pool.covered(axis, sizes[axis], counts[axis]));
        if down.iter().all(|&pixels| pixels == kh) && across.iter().all(|&pixels| pixels == kw) {
            return sum * (1.0 / (kh * kw) as f64);
        }
        let shares = down.iter().flat_map(|down| across.iter().map(move |across| 1.0 / (down * across) as f64));
        sum * Tensor::from_slice(self.device(), &shares.collect::<Vec<_>>(), [counts[0], counts[1], 1])
    }

    /// The largest of each `kernel x kernel` window; padding never is. Ties share the cotangent.
    ///
    /// # Panics
    /// Where this is no image, no window fits, or the padding is more than half of the kernel.
    #[track_caller]
    pub fn max_pool(&self, kernel: usize, stride: usize, padding: usize) -> Tensor {
        self.max_pool_by(Pool::new(kernel, stride, padding))
    }

    /// The largest of each window, `[n, windows down, windows across, c]`; padding never is. Ties share the cotangent.
    ///
    /// # Panics
    /// Where this is no image, no window fits, or the padding is more than half of the kernel.
    #[track_caller]
    pub fn max_pool_by(&self, pool: Pool) -> Tensor {
        let [_, h, w, _] = image("max_pool", self);
        let counts = pool.count("max_pool", self);
        let half = (0..2).all(|axis| 2 * pool.padding[axis] <= pool.kernel[axis]);
        assert!(half, "max_pool: padding {:?} for the kernel {:?}", pool.padding, pool.kernel);
        let inside = pool.padded(&Tensor::ones(self.device(), [1, h, w, 1]), counts);
        let padded = pool.padded(self, counts).or_lowest(&inside);
        Tensor::stack(&pool.taps(&padded, counts).iter().collect::<Vec<_>>(), 0).max_axes(&[0], false)
    }

    /// The elements where `inside` is not zero, elsewhere what is smaller than every number.
    fn or_lowest(&self, inside: &Tensor) -> Tensor {
        inside.where_(self, &Tensor::full(self.device(), [1], f64::NEG_INFINITY))
    }

    /// The means `[n, size[0], size[1], c]` of windows that part the image as evenly as whole pixels allow, overlapping where that does not divide:
    /// window i of m has the pixels from `i h / m`, rounded down, to `(i + 1) h / m`, rounded up (as in PyTorch). With `[1, 1]` the mean of
    /// all pixels.
    ///
    /// # Panics
    /// Where this is no image, or it or the size is empty.
    #[track_caller]
    pub fn adaptive_average_pool(&self, size: [usize; 2]) -> Tensor {
        self.resized("adaptive_average_pool", size, super::Interpolation::Area)
    }

    /// The largest of each of the windows of [`Tensor::adaptive_average_pool`], `[n, size[0], size[1], c]`. Ties share the cotangent.
    ///
    /// # Panics
    /// Where this is no image, or it or the size is empty.
    #[track_caller]
    pub fn adaptive_max_pool(&self, size: [usize; 2]) -> Tensor {
        let [n, h, w, c] = image("adaptive_max_pool", self);
        assert!(h * w * size[0] * size[1] > 0, "adaptive_max_pool: {:?} to {size:?}", self.shape());
        // Windows of one length: the shorter ones repeat their last pixel, which then is masked.
        let windows = |from: usize, to: usize| {
            let longest = adaptive(from, to).map(|window| window.len()).max().expect("there are windows");
            let places =
                adaptive(from, to).flat_map(|window| (0..longest).map(move |i| (window.start + i, window.end)));
            let (indices, inside): (Vec<u32>, Vec<f32>) =
                places.map(|(at, end)| (at.min(end - 1) as u32, f32::from(at < end))).unzip();
            (longest, indices, inside)
        };
        let ((kh, rows, rows_inside), (kw, columns, columns_inside)) = (windows(h, size[0]), windows(w, size[1]));
        let [m, o] = size;
        let apart = self.index_select(1, &rows).index_select(2, &columns).reshape([n, m, kh, o, kw, c]);
        let inside = Tensor::from_slice(self.device(), &rows_inside, [m, kh, 1, 1, 1])
            * Tensor::from_slice(self.device(), &columns_inside, [o, kw, 1]);
        apart.or_lowest(&inside).permute(&[0, 1, 3, 2, 4, 5]).max_axes(&[3, 4], false)
    }
}
