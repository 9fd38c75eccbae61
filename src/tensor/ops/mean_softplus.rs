//! The mean of softplus as one op: what the logistic losses of a GAN are made of, which are a few scores and many small kernels otherwise.

use super::super::{Context, Forward, Keep, Op, Tensor, Value};
use crate::backend::Backend;

/// The mean of `ln(1 + e^(sign x))`, the sign being 1 or -1.
struct MeanSoftplus {
    sign: f64,
}

impl Op for MeanSoftplus {
    fn name(&self) -> &'static str {
        "mean_softplus"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let (mean, slopes) = backend.mean_softplus(&inputs[0].storage, self.sign);
        Forward { value: Value::new(mean, []), saved: vec![Value::new(slopes, &inputs[0].shape)] }
    }

    fn keep(&self) -> Keep {
        Keep::only(&[0])
    }

    fn gradient(&self, context: &Context<'_>) -> Option<Vec<Option<Tensor>>> {
        Some(vec![Some(context.saved(0))])
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        if !context.recording() {
            return vec![Some(g * context.saved(0))];
        }
        let x = context.input(0);
        vec![Some((&x * self.sign).sigmoid() * (self.sign / x.len() as f64) * g)]
    }
}

impl Tensor {
    /// The mean of `ln(1 + e^x)` over all elements, a scalar of shape `[]`: `softplus().mean()` in one op.
    ///
    /// # Panics
    /// Where there is no element.
    #[track_caller]
    pub fn mean_softplus(&self) -> Tensor {
        self.mean_softplus_of(1.0)
    }

    /// The mean of `ln(1 + e^-x)` over all elements, a scalar of shape `[]`: minus the mean logarithm of the sigmoid.
    ///
    /// # Panics
    /// Where there is no element.
    #[track_caller]
    pub fn mean_softplus_negated(&self) -> Tensor {
        self.mean_softplus_of(-1.0)
    }

    #[track_caller]
    fn mean_softplus_of(&self, sign: f64) -> Tensor {
        assert!(!self.is_empty(), "mean_softplus: of a tensor of shape {:?}", self.shape());
        Tensor::apply(MeanSoftplus { sign }, &[self])
    }
}
