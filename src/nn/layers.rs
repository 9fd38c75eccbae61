//! Layers: convolutions, normalisations, a linear map.

use super::{Initialiser, Layout, Parameter, Slot};
use crate::backend::{Activation, Device};
use crate::tensor::ops::Convolution;
use crate::tensor::{Tensor, no_grad};

/// Added to variances, as PyTorch's default.
const EPSILON: f64 = 1e-5;

/// The share of a new batch in running statistics, as PyTorch's default.
pub const MOMENTUM: f64 = 0.1;

/// Draws the parameters of one network: each gets the next index of the network's stream.
pub struct Builder<'a> {
    /// Where the parameters will live.
    pub device: &'a Device,
    /// The seed of the weights.
    pub seed: u64,
    /// Tells networks of one seed apart.
    pub network: u64,
    index: u64,
}

impl<'a> Builder<'a> {
    /// For one network.
    pub fn new(device: &'a Device, seed: u64, network: u64) -> Builder<'a> {
        Builder { device, seed, network, index: 0 }
    }

    /// The next parameter.
    pub fn parameter(&mut self, name: String, layout: Layout, shape: &[usize], by: Initialiser) -> Parameter {
        let tensor = by.draw(self.device, shape, self.seed, self.network, self.index);
        self.index += 1;
        Parameter::new(name, layout, tensor)
    }

    /// The next parameter, as a network's description has it.
    pub(super) fn draw(&mut self, Slot { name, shape, layout, start, .. }: Slot) -> Parameter {
        self.parameter(name, layout, &shape, start)
    }
}

/// A filter `[kh, kw, c, k]` that works as a convolution (c to k channels) or as a transposed one (k to c).
#[derive(Debug)]
pub struct Convolution2d {
    /// The filter, named `NAME.weight`.
    pub weight: Parameter,
    by: Convolution,
}

impl Convolution2d {
    /// A square filter.
    pub fn new(
        builder: &mut Builder<'_>,
        name: &str,
        shape: [usize; 4],
        by: Convolution,
        initialiser: Initialiser,
    ) -> Convolution2d {
        let weight = builder.parameter(format!("{name}.weight"), Layout::Filter, &shape, initialiser);
        Convolution2d { weight, by }
    }

    /// The convolution of `[n, h, w, c]` with this filter, or with `filter` in its place (a normalised form of it).
    pub fn down(&self, x: &Tensor, filter: &Tensor, activation: Activation) -> Tensor {
        x.conv2d(filter, self.by.with(activation))
    }

    /// The transposed convolution of `[n, i, j, k]`, to the smallest image that convolves to this one.
    pub fn up(&self, x: &Tensor, activation: Activation) -> Tensor {
        let weight = self.weight.get();
        let size = |axis: usize| {
            (x.shape()[axis + 1] - 1) * self.by.stride[axis] + weight.shape()[axis] - 2 * self.by.padding[axis]
        };
        x.conv_transpose2d(&weight, [size(0), size(1)], self.by.with(activation))
    }
}

/// `x W` without bias.
#[derive(Debug)]
pub struct Linear {
    /// `[inputs, outputs]`, named `NAME.weight`.
    pub weight: Parameter,
}

impl Linear {
    /// A matrix of zeros: conditioning starts as no conditioning.
    pub fn zeros(builder: &mut Builder<'_>, name: &str, inputs: usize, outputs: usize) -> Linear {
        let (name, zero) = (format!("{name}.weight"), Initialiser::Constant(0.0));
        Linear { weight: builder.parameter(name, Layout::Plain, &[inputs, outputs], zero) }
    }

    /// `[n, inputs]` to `[n, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.weight.get())
    }
}

/// How normalisation finds its statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// The batch's own; running statistics move towards them by `momentum`.
    Train {
        /// The share of the batch in the running statistics.
        momentum: f64,
    },
    /// The running statistics.
    Evaluate,
}

impl Mode {
    /// Training with PyTorch's momentum.
    pub const TRAIN: Mode = Mode::Train { momentum: MOMENTUM };
}

/// Batch normalisation with running statistics.
#[derive(Debug)]
pub struct BatchNorm {
    /// The scale, `[c]`, named `NAME.weight`.
    pub gamma: Parameter,
    /// The shift, `[c]`, named `NAME.bias`.
    pub beta: Parameter,
    /// The running mean, `[c]`.
    pub running_mean: Parameter,
    /// The running variance, unbiased, `[c]`.
    pub running_variance: Parameter,
}

impl BatchNorm {
    /// Scales N(1, 0.02), shifts 0, statistics of a standard normal.
    pub fn new(builder: &mut Builder<'_>, name: &str, channels: usize) -> BatchNorm {
        let mut parameter =
            |suffix: &str, by| builder.parameter(format!("{name}.{suffix}"), Layout::Plain, &[channels], by);
        BatchNorm {
            gamma: parameter("weight", Initialiser::DcganScale),
            beta: parameter("bias", Initialiser::Constant(0.0)),
            running_mean: parameter("running_mean", Initialiser::Constant(0.0)),
            running_variance: parameter("running_var", Initialiser::Constant(1.0)),
        }
    }

    /// `activation(gamma (x - mean) / sqrt(variance + 1e-5) + beta)`
    pub fn forward(&self, x: &Tensor, mode: Mode, activation: Activation) -> Tensor {
        self.normalise(x, &self.gamma.get(), &self.beta.get(), mode, activation)
    }

    /// As [`BatchNorm::forward`], with each sample's own scale `gamma + scale` and shift `beta + shift` (both `[n, c]`).
    pub fn forward_conditioned(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        mode: Mode,
        activation: Activation,
    ) -> Tensor {
        let gamma = self.gamma.get();
        let (one, zero) = (Tensor::ones(gamma.device(), gamma.shape()), Tensor::zeros(gamma.device(), gamma.shape()));
        let standard = self.normalise(x, &one, &zero, mode, Activation::Identity);
        let each = |parameter: &Tensor, offset: &Tensor| {
            let [n, c] = [offset.shape()[0], offset.shape()[1]];
            (offset + parameter).reshape([n, 1, 1, c])
        };
        (standard * each(&gamma, scale) + each(&self.beta.get(), shift)).activate(activation)
    }

    fn normalise(&self, x: &Tensor, gamma: &Tensor, beta: &Tensor, mode: Mode, activation: Activation) -> Tensor {
        match mode {
            Mode::Train { momentum } => {
                let normalised = x.batch_norm(gamma, beta, EPSILON, activation);
                let rows = (x.len() / gamma.len()) as f64;
                let unbiased = normalised.variance * (rows / (rows - 1.0).max(1.0));
                let track = |running: &Parameter, batch: &Tensor| running.set(running.get().lerp(batch, momentum));
                no_grad(|| {
                    track(&self.running_mean, &normalised.mean);
                    track(&self.running_variance, &unbiased);
                });
                normalised.output
            }
            Mode::Evaluate => {
                let scale = gamma * (self.running_variance.get() + EPSILON).rsqrt();
                let shift = beta - self.running_mean.get() * &scale;
                (x * scale + shift).activate(activation)
            }
        }
    }
}

/// The normalisations that a discriminator may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Over the batch; mixes samples.
    Batch,
    /// Over each sample's channels and pixels.
    Layer,
    /// Over each sample's pixels, a channel.
    Instance,
    /// Of the filters: divided by their largest singular value (Miyato 2018).
    Spectral,
    /// None.
    None,
}

/// A normalisation of activations.
#[derive(Debug)]
pub enum Norm {
    /// Batch normalisation.
    Batch(BatchNorm),
    /// Statistics of each sample, then a scale and a shift a channel.
    Sample {
        /// Whether each channel by itself (else all together).
        each_channel: bool,
        /// The scale, `[c]`.
        gamma: Parameter,
        /// The shift, `[c]`.
        beta: Parameter,
    },
    /// None.
    None,
}

impl Norm {
    /// The normalisation of activations that a kind asks for; spectral norm is none.
    pub fn new(builder: &mut Builder<'_>, name: &str, kind: NormKind, channels: usize) -> Norm {
        match kind {
            NormKind::Batch => Norm::Batch(BatchNorm::new(builder, name, channels)),
            NormKind::Layer | NormKind::Instance => {
                let mut parameter =
                    |suffix: &str, by| builder.parameter(format!("{name}.{suffix}"), Layout::Plain, &[channels], by);
                let gamma = parameter("weight", Initialiser::DcganScale);
                let beta = parameter("bias", Initialiser::Constant(0.0));
                Norm::Sample { each_channel: kind == NormKind::Instance, gamma, beta }
            }
            NormKind::Spectral | NormKind::None => Norm::None,
        }
    }

    /// Whether it is none, so that the layer before may carry the activation.
    pub fn is_none(&self) -> bool {
        matches!(self, Norm::None)
    }

    /// Normalises and activates.
    pub fn forward(&self, x: &Tensor, mode: Mode, activation: Activation) -> Tensor {
        match self {
            Norm::Batch(norm) => norm.forward(x, mode, activation),
            Norm::Sample { each_channel, gamma, beta } => {
                let standard = if *each_channel { x.instance_norm(EPSILON) } else { x.layer_norm(EPSILON) };
                (standard * gamma.get() + beta.get()).activate(activation)
            }
            Norm::None => x.activate(activation),
        }
    }

    /// The parameters that training moves.
    pub fn trained(&self) -> Vec<Parameter> {
        match self {
            Norm::Batch(BatchNorm { gamma, beta, .. }) | Norm::Sample { gamma, beta, .. } => {
                vec![gamma.clone(), beta.clone()]
            }
            Norm::None => Vec::new(),
        }
    }

    /// The statistics that forward passes move.
    pub fn statistics(&self) -> Vec<Parameter> {
        match self {
            Norm::Batch(norm) => vec![norm.running_mean.clone(), norm.running_variance.clone()],
            Norm::Sample { .. } | Norm::None => Vec::new(),
        }
    }
}
