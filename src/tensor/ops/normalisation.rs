//! Batch norm as one fused op; layer, instance, group and spectral norm as compositions.

use std::sync::{Mutex, PoisonError};

use super::super::{Context, Forward, Keep, Op, Tensor, Value, count, kernels};
use crate::backend::{Activation, Backend, BatchNormBackward, BatchNormForward, BatchNormShape, Running};

/// `activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)` by the batch's own statistics.
struct BatchNormOp {
    shape: BatchNormShape,
    /// What was computed already, with running statistics beside.
    done: Mutex<Option<BatchNormForward>>,
}

impl Op for BatchNormOp {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        let [x, gamma, beta] = [0, 1, 2].map(|index| &*inputs[index].storage);
        let forward = done.unwrap_or_else(|| backend.batch_norm(x, gamma, beta, &self.shape));
        let channels = [self.shape.channels];
        Forward {
            value: Value::new(forward.output, &inputs[0].shape),
            saved: vec![Value::new(forward.mean, channels), Value::new(forward.variance, channels)],
        }
    }

    fn keep(&self) -> Keep {
        Keep::only(&[0, 1]).and_output()
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        if context.recording() {
            return self.composite_vjp(context, g);
        }
        let (input, gamma, output) = (context.input(0), context.input(1), context.output());
        let (mean, variance) = (context.saved(0), context.saved(1));
        let saved = BatchNormBackward {
            input: input.storage(),
            gamma: gamma.storage(),
            mean: mean.storage(),
            variance: variance.storage(),
            output: output.storage(),
            cotangent: g.storage(),
        };
        let cotangents = kernels(context.device(), |backend| backend.batch_norm_backward(&saved, &self.shape));
        let tensor =
            |storage, index| Some(Tensor::leaf(context.device(), Value::new(storage, context.input_shape(index))));
        vec![tensor(cotangents.input, 0), tensor(cotangents.gamma, 1), tensor(cotangents.beta, 2)]
    }
}

impl BatchNormOp {
    /// The same cotangents in differentiable ops, from the inputs alone.
    fn composite_vjp(&self, context: &Context<'_>, g: &Tensor) -> Vec<Option<Tensor>> {
        let BatchNormShape { rows, channels, epsilon, activation } = self.shape;
        let g = g.through(activation, || context.output()).reshape([rows, channels]);
        let x = context.input(0).reshape([rows, channels]);
        let (hat, inverse) = x.standardise(&[0], epsilon);
        let d_beta = g.sum_axes(&[0], false);
        let d_gamma = (&g * &hat).sum_axes(&[0], false);
        let centred = g - (&d_beta + hat * &d_gamma) * (1.0 / rows as f64);
        let d_x = centred * inverse * context.input(1);
        vec![Some(d_x.reshape(context.input_shape(0))), Some(d_gamma), Some(d_beta)]
    }
}

/// What [`Tensor::batch_norm`] gives.
pub struct BatchNorm {
    /// The normalised tensor, in the input's shape.
    pub output: Tensor,
    /// The batch's mean, `[c]`; a constant.
    pub mean: Tensor,
    /// The batch's biased variance, `[c]`; a constant.
    pub variance: Tensor,
}

impl Tensor {
    /// Batch normalisation over all axes but the last (Ioffe & Szegedy 2015), with the batch's own biased variance:
    /// `activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`.
    ///
    /// # Panics
    /// Where `gamma` and `beta` are not `[c]`, c being the last axis, or there are no samples.
    #[track_caller]
    pub fn batch_norm(&self, gamma: &Tensor, beta: &Tensor, epsilon: f64, activation: Activation) -> BatchNorm {
        let shape = self.batch_norm_shape(gamma, beta, epsilon, activation);
        self.batch_normed(gamma, beta, shape, None)
    }

    /// As [`Tensor::batch_norm`]; also moves running statistics `[mean, variance]`, `[c]` each, towards the batch's mean and unbiased
    /// variance: `running <- running + momentum (batch - running)`, in place where nothing else holds them.
    ///
    /// # Panics
    /// As [`Tensor::batch_norm`], and where the running statistics are not `[c]`.
    #[track_caller]
    pub fn batch_norm_tracked(
        &self,
        gamma: &Tensor,
        beta: &Tensor,
        epsilon: f64,
        activation: Activation,
        running: [Tensor; 2],
        momentum: f64,
    ) -> (BatchNorm, [Tensor; 2]) {
        let shape = self.batch_norm_shape(gamma, beta, epsilon, activation);
        let fits =
            running.iter().all(|running| running.shape() == [shape.channels] && running.device() == self.device());
        assert!(fits, "batch_norm: running statistics are not [{}]", shape.channels);
        let rows = shape.rows as f64;
        let [mean, variance] = running.map(Tensor::into_storage);
        let running = Running { mean, variance, momentum, unbiased: rows / (rows - 1.0).max(1.0) };
        let device = self.device().clone();
        let (x, gamma_storage, beta_storage) = (self.storage(), gamma.storage(), beta.storage());
        let (done, moved) =
            kernels(&device, |backend| backend.batch_norm_tracked(x, gamma_storage, beta_storage, &shape, running));
        let moved = moved.map(|storage| Tensor::leaf(&device, Value::new(storage, [shape.channels])));
        (self.batch_normed(gamma, beta, shape, Some(done)), moved)
    }

    #[track_caller]
    fn batch_norm_shape(&self, gamma: &Tensor, beta: &Tensor, epsilon: f64, activation: Activation) -> BatchNormShape {
        activation.check();
        let channels = *self.shape().last().unwrap_or_else(|| panic!("batch_norm: of a scalar"));
        let fits = gamma.shape() == [channels] && beta.shape() == [channels] && !self.is_empty();
        assert!(fits, "batch_norm: {:?} with gamma {:?} and beta {:?}", self.shape(), gamma.shape(), beta.shape());
        BatchNormShape { rows: self.len() / channels, channels, epsilon, activation }
    }

    #[track_caller]
    fn batch_normed(
        &self,
        gamma: &Tensor,
        beta: &Tensor,
        shape: BatchNormShape,
        done: Option<BatchNormForward>,
    ) -> BatchNorm {
        let op = BatchNormOp { shape, done: Mutex::new(done) };
        let (output, mut saved) = Tensor::apply_with_saved(op, &[self, gamma, beta]);
        let variance = saved.pop().expect("forward saves two");
        let mean = saved.pop().expect("forward saves two");
        BatchNorm { output, mean, variance }
    }

    /// Layer normalisation of each sample over all its axes but the first (Ba 2016), without scale and shift.
    ///
    /// # Panics
    /// Where there is no axis beside the first.
    #[track_caller]
    pub fn layer_norm(&self, epsilon: f64) -> Tensor {
        assert!(self.rank() > 1, "layer_norm: of the shape {:?}", self.shape());
        self.standardise(&(1..self.rank()).collect::<Vec<_>>(), epsilon).0
    }

    /// Instance normalisation of each sample and channel of an image `[n, h, w, c]` (Ulyanov 2016), without scale and shift.
    ///
    /// # Panics
    /// Where this is no image.
    #[track_caller]
    pub fn instance_norm(&self, epsilon: f64) -> Tensor {
        assert!(self.rank() == 4, "instance_norm: of the shape {:?}", self.shape());
        self.standardise(&[1, 2], epsilon).0
    }

    /// Group normalisation of each sample over its pixels and each of `groups` groups of neighbouring channels (Wu & He 2018), without
    /// scale and shift: of `[n, .., c]`.
    ///
    /// # Panics
    /// Where there is no axis beside the first, or the groups do not part the last.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, epsilon: f64) -> Tensor {
        let fits = self.rank() > 1 && groups > 0 && self.shape()[self.rank() - 1].is_multiple_of(groups);
        assert!(fits, "group_norm: {groups} groups of the shape {:?}", self.shape());
        let (n, c) = (self.shape()[0], self.shape()[self.rank() - 1]);
        let pixels = count(&self.shape()[1..self.rank() - 1]);
        let grouped = self.reshape([n, pixels, groups, c / groups]);
        grouped.standardise(&[1, 3], epsilon).0.reshape(self.shape())
    }

    /// `(x - mean) / sqrt(variance + epsilon)` over `axes`, and the factor `1 / sqrt(variance + epsilon)`.
    fn standardise(&self, axes: &[usize], epsilon: f64) -> (Tensor, Tensor) {
        let centred = self - self.mean_axes(axes, true);
        let variance = (&centred * &centred).mean_axes(axes, true);
        let inverse = (variance + epsilon).rsqrt();
        (centred * &inverse, inverse)
    }

    /// A filter `[kh, kw, c, k]` divided by its largest singular value as a matrix `[kh kw c, k]` (Miyato 2018).
    ///
    /// `direction` approximates the right singular vector, `[k]`; `rounds` of power iteration improve it, and the improved one
    /// is returned as a constant to be passed in next time. Without rounds it is taken as it is.
    ///
    /// # Panics
    /// Where `direction` is not `[k]`, or the filter has no elements.
    #[track_caller]
    pub fn spectral_norm(&self, direction: &Tensor, rounds: usize) -> (Tensor, Tensor) {
        let columns = *self.shape().last().unwrap_or_else(|| panic!("spectral_norm: of a scalar"));
        let fits = direction.shape() == [columns] && !self.is_empty();
        assert!(fits, "spectral_norm: {:?} with a direction {:?}", self.shape(), direction.shape());
        /// Keeps a zero filter zero.
        const TINY: f64 = f32::MIN_POSITIVE as f64;
        // Squares of 1e-30 would vanish in f32, so the largest element comes out first.
        let unit = |x: Tensor| {
            let x = &x / (x.abs().max() + TINY);
            &x * ((&x * &x).sum() + TINY).rsqrt()
        };
        let matrix = self.reshape([self.len() / columns, columns]);
        let mut right = direction.detach().reshape([columns, 1]);
        if rounds == 0 {
            // The rounds bring what they start from to its length.
            right = crate::tensor::no_grad(|| unit(right));
        }
        let mut left = crate::tensor::no_grad(|| unit(matrix.matmul(&right)));
        for _ in 0..rounds {
            (left, right) = crate::tensor::no_grad(|| {
                let right = unit(matrix.matmul_with(&left, true, false));
                (unit(matrix.matmul(&right)), right)
            });
        }
        let (left, right) = (left.detach(), right.detach());
        let sigma = left.matmul_with(&matrix.matmul(&right), true, false).reshape([]);
        (self / (sigma + TINY), right.reshape([columns]))
    }
}
