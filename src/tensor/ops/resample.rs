//! Up-sampling and pooling of images `[n, h, w, c]`, composed of windows, expansions and reductions.

use super::super::Tensor;

/// The four sizes of an image.
#[track_caller]
fn image(name: &str, tensor: &Tensor) -> [usize; 4] {
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
        let [n, h, w, c] = image("upsample_bilinear", self);
        assert!(h * w * size[0] * size[1] > 0, "upsample_bilinear: {:?} to {size:?}", self.shape());
        let rows = self.interpolation(h, size[0]);
        let columns = self.interpolation(w, size[1]);
        // Columns last, so that one matrix serves all rows of all images.
        let tall = rows.matmul(&self.reshape([n, h, w * c])).reshape([n, size[0], w, c]).permute(&[0, 1, 3, 2]);
        tall.matmul_with(&columns, false, true).permute(&[0, 1, 3, 2])
    }

    /// The matrix `[to, from]` of linear interpolation along one axis.
    fn interpolation(&self, from: usize, to: usize) -> Tensor {
        let mut matrix = vec![0f64; to * from];
        for j in 0..to {
            let centre = ((j as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, (from - 1) as f64);
            let low = centre.floor() as usize;
            let share = centre - low as f64;
            matrix[j * from + low] += 1.0 - share;
            matrix[j * from + (low + 1).min(from - 1)] += share;
        }
        Tensor::from_slice(self.device(), &matrix, [to, from])
    }

    /// The mean of each `kernel x kernel` window; padding counts as zeros.
    ///
    /// # Panics
    /// Where this is no image or no window fits.
    #[track_caller]
    pub fn average_pool(&self, kernel: usize, stride: usize, padding: usize) -> Tensor {
        let [n, h, w, c] = image("average_pool", self);
        if stride == kernel && padding == 0 && kernel > 0 && h % kernel == 0 && w % kernel == 0 && h * w > 0 {
            // Windows that part the image are axes of their own, whose gradient is an expansion.
            return self.reshape([n, h / kernel, kernel, w / kernel, kernel, c]).mean_axes(&[2, 4], false);
        }
        let padded = self.pad(1, padding, padding).pad(2, padding, padding);
        let taps = padded.taps("average_pool", kernel, stride);
        taps.into_iter().reduce(|sum, tap| sum + tap).expect("a window has taps") * (1.0 / (kernel * kernel) as f64)
    }

    /// The largest of each `kernel x kernel` window; padding never is. Ties share the cotangent.
    ///
    /// # Panics
    /// Where this is no image, no window fits, or the padding is more than half of the kernel.
    #[track_caller]
    pub fn max_pool(&self, kernel: usize, stride: usize, padding: usize) -> Tensor {
        let [_, h, w, _] = image("max_pool", self);
        assert!(2 * padding <= kernel, "max_pool: padding {padding} for the kernel {kernel}");
        let pad = |x: &Tensor| x.pad(1, padding, padding).pad(2, padding, padding);
        let inside = pad(&Tensor::ones(self.device(), [1, h, w, 1]));
        // A zero of the padding counts as the smallest number there is.
        let lowest = Tensor::full(self.device(), [1], f64::from(f32::MIN));
        let padded = inside.where_(&pad(self), &lowest);
        let taps = padded.taps("max_pool", kernel, stride);
        let shape = taps[0].shape().to_vec();
        let stacked: Vec<Tensor> = taps.iter().map(|tap| tap.reshape([&[1][..], &shape].concat())).collect();
        Tensor::concat(&stacked.iter().collect::<Vec<_>>(), 0).max_axes(&[0], false)
    }

    /// The strided views of an image, one for each tap of a window.
    #[track_caller]
    fn taps(&self, name: &str, kernel: usize, stride: usize) -> Vec<Tensor> {
        let [_, h, w, _] = image(name, self);
        let fits = (1..=h.min(w)).contains(&kernel) && stride > 0;
        assert!(fits, "{name}: kernel {kernel}, stride {stride} for the shape {:?}", self.shape());
        let last = |size: usize| (size - kernel) / stride * stride;
        (0..kernel * kernel)
            .map(|tap| {
                let (p, q) = (tap / kernel, tap % kernel);
                self.slice_step(1, p, p + last(h) + 1, stride).slice_step(2, q, q + last(w) + 1, stride)
            })
            .collect()
    }
}
