//! Layers that compute: normalisations.

use super::{Initialiser, Layout, Parameter, Slot};
use crate::backend::{Activation, Device};
use crate::ranks;
use crate::tensor::{Tensor, no_grad};
use crate::words::words;

/// Added to variances, as PyTorch's default.
pub(super) const EPSILON: f64 = 1e-5;

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
    shared: Vec<Parameter>,
}

impl<'a> Builder<'a> {
    /// For one network, which a number tells from the others of a seed: one of [`random::Network`](crate::random::Network), or another.
    pub fn new(device: &'a Device, seed: u64, network: impl Into<u64>) -> Builder<'a> {
        Builder { device, seed, network: network.into(), index: 0, shared: Vec::new() }
    }

    /// Takes the slots of these parameters where it is asked for parameters of their names: two networks then move as one.
    pub fn sharing(self, shared: Vec<Parameter>) -> Builder<'a> {
        Builder { shared, ..self }
    }

    /// The next parameter.
    pub fn parameter(&mut self, name: String, layout: Layout, shape: &[usize], by: Initialiser) -> Parameter {
        if let Some(parameter) = self.shared.iter().find(|parameter| parameter.name() == name) {
            return parameter.clone();
        }
        let tensor = by.draw(self.device, shape, self.seed, self.network, self.index);
        self.index += 1;
        Parameter::new(name, layout, tensor)
    }

    /// The next parameter, as a network's description has it.
    pub(super) fn draw(&mut self, Slot { name, shape, layout, start, .. }: Slot) -> Parameter {
        self.parameter(name, layout, &shape, start)
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
    /// By the batch's own statistics, as in training, that leaves running ones as they are.
    pub const UNTRACKED: Mode = Mode::Train { momentum: 0.0 };
}

/// Batch normalisation with running statistics.
#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
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
                let Some(ranks) = ranks::shared() else {
                    return self.normalise_alone(x, gamma, beta, momentum, activation);
                };
                let normalised = x.batch_norm_over(&ranks, gamma, beta, EPSILON, activation);
                let rows = (x.len() / gamma.len() * ranks.count()) as f64;
                let unbiased = normalised.variance * (rows / (rows - 1.0).max(1.0));
                let track = |running: &Parameter, batch: &Tensor| running.set(running.get().lerp(batch, momentum));
                no_grad(|| {
                    track(&self.running_mean, &normalised.mean);
                    track(&self.running_variance, &unbiased);
                });
                normalised.output
            }
            Mode::Evaluate => {
                let (scale, shift) = self.running(gamma, beta);
                (x * scale + shift).activate(activation)
            }
        }
    }

    /// By the statistics of the batch, which no ranks share.
    fn normalise_alone(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        momentum: f64,
        activation: Activation,
    ) -> Tensor {
        if momentum == 0.0 {
            return x.batch_norm(gamma, beta, EPSILON, activation).output;
        }
        let slots = [&self.running_mean, &self.running_variance];
        let running = slots.map(Parameter::take);
        let (normalised, moved) = x.batch_norm_tracked(gamma, beta, EPSILON, activation, running, momentum);
        slots.into_iter().zip(moved).for_each(|(slot, moved)| slot.put(moved));
        normalised.output
    }

    /// What a pass that evaluates multiplies by and adds, `[c]` each.
    fn running(&self, gamma: &Tensor, beta: &Tensor) -> (Tensor, Tensor) {
        let scale = gamma * (self.running_variance.get() + EPSILON).rsqrt();
        let shift = beta - self.running_mean.get() * &scale;
        (scale, shift)
    }

    /// A filter `[kh, kw, c, k]` before this norm as it is where it evaluates: with its scales within, and its shifts as biases `[k]`.
    pub fn folded(&self, filter: &Tensor) -> (Tensor, Tensor) {
        let (scale, shift) = self.running(&self.gamma.get(), &self.beta.get());
        (filter * scale, shift)
    }
}

words! {
    /// The normalisations that a discriminator may have.
    pub enum NormKind {
        /// Over the batch; mixes samples.
        Batch = "batch",
        /// Over each sample's channels and pixels.
        Layer = "layer",
        /// Over each sample's pixels, a channel.
        Instance = "instance",
        /// Of the filters: divided by their largest singular value (Miyato 2018).
        Spectral = "spectral",
        /// None; a discriminator's filters start by He's rule.
        None = "none",
    }
}

impl NormKind {
    /// Whether it normalises activations, and so has a shift for each channel.
    pub fn normalises_maps(self) -> bool {
        !matches!(self, NormKind::Spectral | NormKind::None)
    }
}

/// A normalisation of activations.
#[derive(Clone, Debug)]
pub(super) enum Norm {
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
}

impl Norm {
    /// Normalises and activates.
    pub fn forward(&self, x: &Tensor, mode: Mode, activation: Activation) -> Tensor {
        match self {
            Norm::Batch(norm) => norm.forward(x, mode, activation),
            Norm::Sample { each_channel, gamma, beta } => {
                let standard = if *each_channel { x.instance_norm(EPSILON) } else { x.layer_norm(EPSILON) };
                (standard * gamma.get() + beta.get()).activate(activation)
            }
        }
    }
}
