//! Softmax and the losses made of logits.

use super::super::Tensor;
use crate::backend::Binary;

impl Tensor {
    /// `e^x / sum e^x` over one axis.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Tensor {
        let e = self.shifted(axis).exp();
        &e / e.sum_axes(&[axis], true)
    }

    /// `x - ln sum e^x` over one axis.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Tensor {
        let x = self.shifted(axis);
        &x - x.exp().sum_axes(&[axis], true).ln()
    }

    /// The elements less their largest along the axis, as a constant: softmax does not change, and nothing overflows.
    #[track_caller]
    fn shifted(&self, axis: usize) -> Tensor {
        assert!(axis < self.rank(), "softmax: axis {axis} of the shape {:?}", self.shape());
        self - self.detach().max_axes(&[axis], true).detach()
    }

    /// The mean over the batch of `-ln p(label)`, where `p` is the softmax of the logits `[n, classes]`: a scalar.
    ///
    /// # Panics
    /// Where there is not one label a row, or a label is not a class.
    #[track_caller]
    pub fn cross_entropy(&self, labels: &[u32]) -> Tensor {
        let &[rows, classes] = self.shape() else { panic!("cross_entropy: of logits {:?}", self.shape()) };
        assert_eq!(rows, labels.len(), "cross_entropy: {} labels for logits {:?}", labels.len(), self.shape());
        // Chosen, not multiplied: another class's logit may be -inf, and 0 times that is no number.
        let chosen = self.log_softmax(1).binary(Binary::Gate, &Tensor::one_hot(self.device(), labels, classes));
        chosen.sum() * (-1.0 / rows as f64)
    }

    /// The mean binary cross-entropy of logits against targets in [0, 1] of the same shape:
    /// `mean(softplus(x) - t x)`, a scalar.
    ///
    /// # Panics
    /// Where the shapes differ.
    #[track_caller]
    pub fn bce_with_logits(&self, targets: &Tensor) -> Tensor {
        let same = self.shape() == targets.shape();
        assert!(same, "bce_with_logits: logits {:?}, targets {:?}", self.shape(), targets.shape());
        // Of the two equal forms this one loses no digits where x is large and t is 1.
        (self.softplus() * (1.0 - targets) + (-self).softplus() * targets).mean()
    }
}
