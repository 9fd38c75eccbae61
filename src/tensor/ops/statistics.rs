//! Variances, norms and products over axes, composed of sums and elementwise functions.

use super::super::Tensor;

impl Tensor {
    /// The variance over `axes`, which stay with size 1 where `keep`: the sum of squared distances from the mean over `n - correction`.
    /// A correction of 1 (PyTorch's default) makes the estimate of a population's variance unbiased. Where `n` is not above the
    /// correction it is infinite, or not a number, as in PyTorch.
    ///
    /// # Panics
    /// Where an axis does not exist.
    #[track_caller]
    pub fn var_axes(&self, axes: &[usize], keep: bool, correction: usize) -> Tensor {
        self.check_axes("var_axes", axes);
        let centred = self - self.mean_axes(axes, true);
        let squares = (&centred * &centred).sum_axes(axes, keep);
        let samples: usize =
            (0..self.rank()).filter(|axis| axes.contains(axis)).map(|axis| self.shape()[axis]).product();
        squares * (1.0 / samples.saturating_sub(correction) as f64)
    }

    /// The root of [`Tensor::var_axes`]; where that is 0, so is the slope. The squares must be numbers: in f32 elements beyond 1.8e19 from
    /// their mean make it infinite, and of those within 1e-23 it is 0.
    ///
    /// # Panics
    /// Where an axis does not exist.
    #[track_caller]
    pub fn std_axes(&self, axes: &[usize], keep: bool, correction: usize) -> Tensor {
        self.check_axes("std_axes", axes);
        self.var_axes(axes, keep, correction).root_of_squares()
    }

    /// The Euclidean norm of all elements, a scalar of shape `[]`; its slope at the zero vector is 0. The squares must be numbers: in f32
    /// elements beyond 1.8e19 make it infinite, and of those below 1e-23 it is 0.
    pub fn norm(&self) -> Tensor {
        (self * self).sum().root_of_squares()
    }

    /// The Euclidean norm over `axes`, which stay with size 1 where `keep`; its slope at a zero vector is 0. Of very large and very small
    /// elements see [`Tensor::norm`].
    ///
    /// # Panics
    /// Where an axis does not exist.
    #[track_caller]
    pub fn norm_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.check_axes("norm_axes", axes);
        (self * self).sum_axes(axes, keep).root_of_squares()
    }

    /// Vectors along an axis brought to Euclidean norm 1: `x / max(|x|, epsilon)`. (PyTorch's epsilon is 1e-12.) In f32 one with elements
    /// beyond 1.8e19 becomes 0, as its norm is infinite.
    ///
    /// # Panics
    /// Where the axis does not exist, or `epsilon` is not a number.
    #[track_caller]
    pub fn normalize(&self, axis: usize, epsilon: f64) -> Tensor {
        assert!(!epsilon.is_nan(), "normalize: by an epsilon that is not a number");
        self.check_axes("normalize", &[axis]);
        self / self.norm_axes(&[axis], true).clamp(epsilon, f64::INFINITY)
    }

    /// The root of a sum of squares. The root's slope at 0 is infinite and that of the squares 0: their product is taken as 0.
    fn root_of_squares(&self) -> Tensor {
        let zero = 1.0 - self.detach().step();
        (self + &zero).sqrt() - zero
    }

    /// The product of all elements, a scalar of shape `[]`; 1 where there are none.
    pub fn prod(&self) -> Tensor {
        self.reshape([self.len()]).prod_axis(0, false)
    }

    /// The product over an axis, which stays with size 1 where `keep`; 1 where it is empty. Derivatives are right at zeros, too: nothing
    /// is divided by.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn prod_axis(&self, axis: usize, keep: bool) -> Tensor {
        assert!(axis < self.rank(), "prod: axis {axis} of the shape {:?}", self.shape());
        let mut shape = self.shape().to_vec();
        shape[axis] = 1;
        // Halves are multiplied with each other until one element is left; what does not halve waits for the end.
        let mut product = self.clone();
        let mut rest: Option<Tensor> = None;
        while product.shape()[axis] > 1 {
            let (size, half) = (product.shape()[axis], product.shape()[axis] / 2);
            if size % 2 == 1 {
                let last = product.slice(axis, size - 1, size);
                rest = Some(match rest {
                    Some(rest) => last * rest,
                    None => last,
                });
            }
            product = product.slice(axis, 0, half) * product.slice(axis, half, 2 * half);
        }
        if product.shape()[axis] == 0 {
            product = Tensor::ones(self.device(), &shape);
        }
        if let Some(rest) = rest {
            product = product * rest;
        }
        if !keep {
            shape.remove(axis);
        }
        product.reshape(shape)
    }
}
