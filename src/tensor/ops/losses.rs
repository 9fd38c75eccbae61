//! Softmax, and losses of logits, probabilities and distances.

use super::super::Tensor;
use super::elementwise::zero;
use crate::backend::Binary;

impl Tensor {
    /// `e^x / sum e^x` over one axis; of an empty axis the empty tensor.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Tensor {
        let e = self.shifted("softmax", axis).exp();
        &e / e.sum_axes(&[axis], true)
    }

    /// `x - ln sum e^x` over one axis; of an empty axis the empty tensor.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Tensor {
        let x = self.shifted("log_softmax", axis);
        &x - x.exp().sum_axes(&[axis], true).ln()
    }

    /// The elements less their largest along the axis, as a constant: softmax does not change, and nothing overflows.
    #[track_caller]
    fn shifted(&self, name: &str, axis: usize) -> Tensor {
        self.check_axes(name, &[axis]);
        if self.shape()[axis] == 0 {
            return self.clone();
        }
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

    /// The mean over the batch of `-sum p ln softmax(x)` for the logits `[n, classes]` and rows of probabilities of their shape: a scalar.
    ///
    /// # Panics
    /// Where the shapes differ, or are not of rows.
    #[track_caller]
    pub fn cross_entropy_with(&self, probabilities: &Tensor) -> Tensor {
        let same = self.rank() == 2 && self.shape() == probabilities.shape();
        assert!(same, "cross_entropy_with: logits {:?}, probabilities {:?}", self.shape(), probabilities.shape());
        (self.log_softmax(1) * probabilities).sum() * (-1.0 / self.shape()[0] as f64)
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

    /// The mean binary cross-entropy of probabilities against targets in [0, 1] of the same shape, a scalar:
    /// `-mean(t ln p + (1 - t) ln(1 - p))`. Logarithms end at -100, as in PyTorch, and there their slope is 0. Nothing looks whether
    /// elements are probabilities: the logarithm of what is negative counts as -100, too.
    /// ([`Tensor::bce_with_logits`] has no such end.)
    ///
    /// # Panics
    /// Where the shapes differ.
    #[track_caller]
    pub fn bce(&self, targets: &Tensor) -> Tensor {
        let same = self.shape() == targets.shape();
        assert!(same, "bce: probabilities {:?}, targets {:?}", self.shape(), targets.shape());
        let terms = self.bounded_ln() * targets + (1.0 - self).bounded_ln() * (1.0 - targets);
        -terms.mean()
    }

    /// The logarithm, at least -100, and that of infinity a number, too: a target of 0 times another would be none.
    fn bounded_ln(&self) -> Tensor {
        const LEAST: f64 = -100.0;
        /// Above the logarithms of all numbers.
        const MOST: f64 = 710.0;
        let x = self.detach();
        // The logarithm of 0 is not taken: its slope is infinite, and 0 times that is no number.
        let without = (-&x).step() + zero(&x);
        (self.binary(Binary::GateNot, &without) + &without).ln().clamp(LEAST, MOST) + without * LEAST
    }

    /// The mean squared distance from targets of the same shape, a scalar.
    ///
    /// # Panics
    /// Where the shapes differ.
    #[track_caller]
    pub fn mse(&self, targets: &Tensor) -> Tensor {
        assert!(self.shape() == targets.shape(), "mse: of {:?} and {:?}", self.shape(), targets.shape());
        (self - targets).powi(2).mean()
    }

    /// The mean absolute distance from targets of the same shape, a scalar; its slope where both are equal is 0.
    ///
    /// # Panics
    /// Where the shapes differ.
    #[track_caller]
    pub fn l1(&self, targets: &Tensor) -> Tensor {
        assert!(self.shape() == targets.shape(), "l1: of {:?} and {:?}", self.shape(), targets.shape());
        (self - targets).abs().mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, grad};

    #[test]
    fn cross_entropy_is_the_hand_computed_number_and_labels_are_probabilities() {
        let device = Device::reference();
        let logits = Tensor::from_slice(&device, &[2.0f64.ln(), 0.0, 0.0, 3.0f64.ln()], [2, 2]);
        // Softmax rows are (2/3, 1/3) and (1/4, 3/4).
        let targets = Tensor::from_slice(&device, &[0.5, 0.5, 0.0, 1.0], [2, 2]);
        let expected = -0.5 * (0.5 * (2.0f64 / 3.0).ln() + 0.5 * (1.0f64 / 3.0).ln() + 0.75f64.ln());
        assert!((logits.cross_entropy_with(&targets).item().unwrap() - expected).abs() < 1e-15);
        let hard = logits.cross_entropy_with(&Tensor::one_hot(&device, &[1, 0], 2));
        let gap = hard.item().unwrap() - logits.cross_entropy(&[1, 0]).item().unwrap();
        assert!(gap.abs() < 1e-15, "{gap}");
    }

    #[test]
    fn softmax_along_an_empty_axis_is_empty_and_so_is_its_gradient() {
        for device in [Device::reference(), Device::cpu()] {
            for (shape, axis) in [([3, 0], 1), ([0, 3], 0), ([0, 3], 1)] {
                let x = Tensor::zeros(&device, shape);
                for y in [x.softmax(axis), x.log_softmax(axis)] {
                    assert_eq!((y.shape(), y.to_vec::<f64>().unwrap()), (&shape[..], Vec::new()));
                    assert_eq!(grad(y.sum(), &[&x])[0].shape(), shape);
                }
            }
        }
    }
}
