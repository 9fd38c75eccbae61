//! Instance normalisation with running statistics.

use super::layers::EPSILON;
use super::{Builder, Initialiser, Layout, Mode, Parameter};
use crate::tensor::{Tensor, no_grad};

/// Instance normalisation with a scale, a shift and running statistics, as PyTorch's `InstanceNorm2d(c, affine=True,
/// track_running_stats=True)`: it normalises each sample by its own statistics where it trains, by the running ones where it evaluates.
///
/// ```
/// use graft::nn::{Builder, InstanceNorm, Mode};
/// use graft::{Device, Tensor};
///
/// let device = Device::cpu();
/// let norm = InstanceNorm::new(&mut Builder::new(&device, 0, 0u64), "norm", 3);
/// assert_eq!(norm.forward(&Tensor::ones(&device, [2, 8, 8, 3]), Mode::TRAIN).shape(), [2, 8, 8, 3]);
/// ```
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    /// The scale, `[c]`, named `NAME.weight`.
    pub gamma: Parameter,
    /// The shift, `[c]`, named `NAME.bias`.
    pub beta: Parameter,
    /// The running mean, `[c]`, named `NAME.running_mean`: of the means of samples.
    pub running_mean: Parameter,
    /// The running variance, `[c]`, named `NAME.running_var`: of the unbiased variances of samples.
    pub running_variance: Parameter,
}

impl InstanceNorm {
    /// Scales of 1, shifts of 0, and the running statistics of a standard normal distribution.
    pub fn new(builder: &mut Builder<'_>, name: &str, channels: usize) -> InstanceNorm {
        let mut slot = |part: &str, value: f32| {
            builder.parameter(format!("{name}.{part}"), Layout::Plain, &[channels], Initialiser::Constant(value))
        };
        InstanceNorm {
            gamma: slot("weight", 1.0),
            beta: slot("bias", 0.0),
            running_mean: slot("running_mean", 0.0),
            running_variance: slot("running_var", 1.0),
        }
    }

    /// `gamma (x - mean) / sqrt(variance + 1e-5) + beta` of images `[n, h, w, c]`. Training moves the running statistics towards the mean over
    /// the batch of those of its samples.
    ///
    /// # Panics
    /// Where these are no images, or of other channels; in training where a sample has one pixel, whose variance is of nothing.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let channels = self.gamma.get().len();
        let fits = x.rank() == 4 && x.shape()[3] == channels;
        assert!(fits, "instance_norm: the shape {:?} for {channels} channels", x.shape());
        let standard = match mode {
            Mode::Train { momentum } => {
                assert!(x.shape()[1] * x.shape()[2] > 1, "instance_norm: training on the shape {:?}", x.shape());
                // Of no samples there are no means.
                if x.shape()[0] > 0 {
                    no_grad(|| self.track(x, momentum));
                }
                x.instance_norm(EPSILON)
            }
            Mode::Evaluate => (x - self.running_mean.get()) * (self.running_variance.get() + EPSILON).rsqrt(),
        };
        standard * self.gamma.get() + self.beta.get()
    }

    fn track(&self, x: &Tensor, momentum: f64) {
        let pixels = (x.shape()[1] * x.shape()[2]) as f64;
        let unbiased = x.var_axes(&[1, 2], false, 0) * (pixels / (pixels - 1.0));
        let of_samples = [(&self.running_mean, x.mean_axes(&[1, 2], false)), (&self.running_variance, unbiased)];
        for (running, samples) in of_samples {
            running.set(running.get().lerp(&samples.mean_axes(&[0], false), momentum));
        }
    }

    /// What training moves by gradients.
    pub fn parameters(&self) -> Vec<Parameter> {
        vec![self.gamma.clone(), self.beta.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::tensor::gradcheck::{GradCheck, gradcheck};

    #[test]
    fn derivatives_are_right_in_both_modes_and_nothing_is_learned_of_no_samples() {
        let device = Device::reference();
        let norm = InstanceNorm::new(&mut Builder::new(&device, 3, 0u64), "norm", 2);
        let values: Vec<f64> = (0..24).map(|i| ((i * 7) % 11) as f64 * 0.3 - 1.0).collect();
        let x = Tensor::from_slice(&device, &values, [2, 2, 3, 2]);
        for mode in [Mode::UNTRACKED, Mode::TRAIN, Mode::Evaluate] {
            // A pass in training moves what the next one would start from, but not what it gives.
            let report = gradcheck(|x| norm.forward(&x[0], mode), &[&x], &GradCheck::default());
            assert!(report.agrees(), "{mode:?}: {:?}", report.worst());
        }
        let running = || norm.running_mean.get().to_vec::<f64>().unwrap();
        let before = running();
        norm.forward(&Tensor::zeros(&device, [0, 2, 3, 2]), Mode::TRAIN);
        assert_eq!(running(), before);
    }

    #[test]
    #[should_panic(expected = "instance_norm: training on the shape [2, 1, 1, 2]")]
    fn one_pixel_has_no_variance() {
        let device = Device::cpu();
        let norm = InstanceNorm::new(&mut Builder::new(&device, 0, 0u64), "norm", 2);
        norm.forward(&Tensor::zeros(&device, [2, 1, 1, 2]), Mode::TRAIN);
    }
}
