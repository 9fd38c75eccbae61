//! DCGAN's generator and discriminator (Radford 2016) for 32x32 and 64x64 images, plain or conditioned on classes and features.
//!
//! Parameters are named as PyTorch's DCGAN example names them (`main.0.weight`, ..), which counts activations as modules too.

use serde::{Deserialize, Serialize};

use super::Conditions;
use crate::backend::{Activation, Device};
use crate::nn::{BatchNorm, Builder, Convolution2d, Initialiser, Layout, Linear, Mode, Norm, NormKind, Parameter};
use crate::random::Network;
use crate::tensor::Tensor;
use crate::tensor::ops::Convolution;

/// The slope of the discriminator's leaky ReLU (Radford 2016, section 4).
const SLOPE: f64 = 0.2;
const LEAKY: Activation = Activation::LeakyRelu { slope: SLOPE };
/// The side of the smallest feature map, and of every filter.
const BASE: usize = 4;
/// Rounds of power iteration a forward pass (Miyato 2018, section 2.1).
const SPECTRAL_ROUNDS: usize = 1;

/// What determines the shapes of both networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// The side of the images: 32 or 64.
    pub size: usize,
    /// Channels of the images: 1 or 3.
    pub channels: usize,
    /// The width: the channels of the layer next to the image.
    pub features: usize,
    /// The length of the latent.
    pub latent: usize,
    /// The number of classes where both networks are conditioned on one, else 0.
    pub classes: usize,
    /// The length of the feature vector on which both networks are conditioned, behind the classes; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub condition_features: usize,
    /// The discriminator's normalisation.
    pub d_norm: NormKind,
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl Architecture {
    /// The length of a condition, `[classes | features]`; 0 where the networks have none.
    pub fn condition_length(&self) -> usize {
        self.classes + self.condition_features
    }

    /// The channels of each feature map, from the 4x4 one up to the one next to the image.
    pub fn widths(&self) -> Vec<usize> {
        let levels = (self.size / BASE).ilog2();
        (0..levels).rev().map(|level| self.features << level).collect()
    }
}

/// The generator: `[n, latent]` to images `[n, size, size, channels]` in (-1, 1).
#[derive(Debug)]
pub struct Generator {
    latent: usize,
    conditions: Conditions,
    layers: Vec<Layer>,
    image: Convolution2d,
}

#[derive(Debug)]
struct Layer {
    convolution: Convolution2d,
    norm: BatchNorm,
    /// The condition's part in scale and shift, zero at the start.
    condition: Option<(Linear, Linear)>,
}

impl Generator {
    /// A fresh generator; filters N(0, 0.02), scales N(1, 0.02).
    pub fn new(device: &Device, architecture: &Architecture, seed: u64) -> Generator {
        let mut builder = Builder::new(device, seed, Network::Generator);
        let mut layers = Vec::new();
        let mut inputs = architecture.latent;
        for (level, width) in architecture.widths().into_iter().enumerate() {
            let by = if level == 0 { Convolution::new(1, 0) } else { Convolution::new(2, 1) };
            let name = |offset: usize| format!("main.{}", 3 * level + offset);
            let shape = [BASE, BASE, width, inputs];
            let convolution = Convolution2d::new(&mut builder, &name(0), shape, by, Initialiser::Dcgan);
            let norm = BatchNorm::new(&mut builder, &name(1), width);
            let mut linear = |what: &str| {
                Linear::zeros(&mut builder, &format!("{}.{what}", name(1)), architecture.condition_length(), width)
            };
            let condition =
                (architecture.condition_length() > 0).then(|| (linear("condition_scale"), linear("condition_shift")));
            layers.push(Layer { convolution, norm, condition });
            inputs = width;
        }
        let shape = [BASE, BASE, architecture.channels, inputs];
        let name = format!("main.{}", 3 * layers.len());
        let image = Convolution2d::new(&mut builder, &name, shape, Convolution::new(2, 1), Initialiser::Dcgan);
        let conditions = Conditions::in_turn(architecture.classes, architecture.condition_features);
        Generator { latent: architecture.latent, conditions, layers, image }
    }

    /// Where the conditions of its samples come from.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Draws the conditions of its samples from elsewhere.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Images from latents, and conditions `[n, classes + features]` where the network has them: a class is one-hot, or
    /// probabilities, or zeros where it is unknown.
    ///
    /// # Panics
    /// Where the latents have another length, or a condition is missing or superfluous.
    #[track_caller]
    pub fn forward(&self, latents: &Tensor, condition: Option<&Tensor>, mode: Mode) -> Tensor {
        self.image.up(&self.trunk(latents, condition, mode, |_| ()), Activation::Tanh)
    }

    /// As [`Generator::forward`], with the feature map of each layer before the image, `[n, h, w, c]`.
    ///
    /// # Panics
    /// As [`Generator::forward`].
    #[track_caller]
    pub fn forward_with_maps(&self, latents: &Tensor, condition: Option<&Tensor>, mode: Mode) -> (Tensor, Vec<Tensor>) {
        let mut maps = Vec::new();
        let last = self.trunk(latents, condition, mode, |map| maps.push(map.clone()));
        (self.image.up(&last, Activation::Tanh), maps)
    }

    #[track_caller]
    fn trunk(&self, latents: &Tensor, given: Option<&Tensor>, mode: Mode, mut seen: impl FnMut(&Tensor)) -> Tensor {
        let count = latents.shape()[0];
        let mut x = latents.reshape([count, 1, 1, self.latent]);
        for Layer { convolution, norm, condition } in &self.layers {
            x = convolution.up(&x, Activation::Identity);
            x = match (condition, given) {
                (None, None) => norm.forward(&x, mode, Activation::Relu),
                (Some((scale, shift)), Some(given)) => {
                    norm.forward_conditioned(&x, &scale.forward(given), &shift.forward(given), mode, Activation::Relu)
                }
                _ => panic!("Generator::forward: a condition for a network without, or none for one that has it"),
            };
            seen(&x);
        }
        x
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        let of_layer = |layer: &Layer| {
            let mut parameters =
                vec![layer.convolution.weight.clone(), layer.norm.gamma.clone(), layer.norm.beta.clone()];
            parameters
                .extend(layer.condition.iter().flat_map(|(scale, shift)| [scale.weight.clone(), shift.weight.clone()]));
            parameters
        };
        self.layers.iter().flat_map(of_layer).chain([self.image.weight.clone()]).collect()
    }

    /// The running statistics of its batch norms.
    pub fn statistics(&self) -> Vec<Parameter> {
        self.layers
            .iter()
            .flat_map(|layer| [layer.norm.running_mean.clone(), layer.norm.running_variance.clone()])
            .collect()
    }
}

/// The discriminator: images to scores and features.
#[derive(Debug)]
pub struct Discriminator {
    layers: Vec<Stage>,
    score: Filter,
    /// The condition's projection on the pooled features (Miyato & Koyama 2018), zero at the start.
    projection: Option<Linear>,
}

#[derive(Debug)]
struct Stage {
    filter: Filter,
    norm: Norm,
}

impl Stage {
    fn parameters(&self) -> Vec<Parameter> {
        self.filter.parameters().chain(self.norm.trained()).collect()
    }
}

/// A convolution whose filter may be normalised by its largest singular value.
#[derive(Debug)]
struct Filter {
    convolution: Convolution2d,
    direction: Option<Parameter>,
    /// The shift of each channel, where no layer of the network has another.
    bias: Option<Parameter>,
}

/// What the discriminator says of a batch.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// One score an image, `[n]`: a logit, or a critic's value.
    pub score: Tensor,
    /// The last feature map, `[n, 4, 4, c]`.
    pub map: Tensor,
}

impl Judgement {
    /// The features, pooled by summation: `[n, c]`.
    pub fn features(&self) -> Tensor {
        self.map.sum_axes(&[1, 2], false)
    }
}

impl Discriminator {
    /// A fresh discriminator. Without a normalisation of activations, filters start by He's rule, and every layer
    /// below the score has biases: without a shift anywhere, `D(a x) = a D(x)` for all `a > 0`, so that the score of mid-grey images is 0 whatever D
    /// learns, and a generator that starts there has no reason to leave.
    pub fn new(device: &Device, architecture: &Architecture, seed: u64) -> Discriminator {
        let mut builder = Builder::new(device, seed, Network::Discriminator);
        let kind = architecture.d_norm;
        let mut layers = Vec::new();
        let mut inputs = architecture.channels;
        let mut module = 0;
        for (level, width) in architecture.widths().into_iter().rev().enumerate() {
            let filter =
                Filter::new(&mut builder, &format!("main.{module}"), [inputs, width], Convolution::new(2, 1), kind);
            let norm_kind = if level == 0 { NormKind::None } else { kind };
            let norm = Norm::new(&mut builder, &format!("main.{}", module + 1), norm_kind, width);
            module += if norm.is_none() { 2 } else { 3 };
            layers.push(Stage { filter, norm });
            inputs = width;
        }
        // A shift of all scores would be nothing to a relativistic loss.
        let by = Convolution::new(1, 0);
        let score =
            Filter { bias: None, ..Filter::new(&mut builder, &format!("main.{module}"), [inputs, 1], by, kind) };
        let conditions = architecture.condition_length();
        let projection = (conditions > 0).then(|| Linear::zeros(&mut builder, "projection", conditions, inputs));
        Discriminator { layers, score, projection }
    }

    /// Scores images, given their conditions `[n, classes + features]` where the network has them.
    ///
    /// # Panics
    /// Where the images have another size, or a condition is missing or superfluous.
    #[track_caller]
    pub fn forward(&self, images: &Tensor, condition: Option<&Tensor>, mode: Mode) -> Judgement {
        let mut x = images.clone();
        for Stage { filter, norm } in &self.layers {
            x = if norm.is_none() {
                filter.forward(&x, LEAKY)
            } else {
                norm.forward(&filter.forward(&x, Activation::Identity), mode, LEAKY)
            };
        }
        let count = images.shape()[0];
        let score = self.score.forward(&x, Activation::Identity).reshape([count]);
        let mut judgement = Judgement { score, map: x };
        match (&self.projection, condition) {
            (None, None) => {}
            (Some(projection), Some(condition)) => {
                let agreement = (projection.forward(condition) * judgement.features()).sum_axes(&[1], false);
                judgement.score = judgement.score + agreement;
            }
            _ => panic!("Discriminator::forward: a condition for a network without, or none for one that has it"),
        }
        judgement
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        let projection = self.projection.iter().map(|linear| linear.weight.clone());
        self.layers.iter().flat_map(Stage::parameters).chain(self.score.parameters()).chain(projection).collect()
    }

    /// The number of layers below the score.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// The parameters of the `layers` lowest layers: filters, scales and shifts (FreezeD, Mo 2020).
    pub fn lowest(&self, layers: usize) -> Vec<Parameter> {
        self.layers.iter().take(layers).flat_map(Stage::parameters).collect()
    }

    /// The running statistics of its batch norms, and the directions of its spectral norms.
    pub fn statistics(&self) -> Vec<Parameter> {
        let norms = self.layers.iter().flat_map(|stage| stage.norm.statistics());
        let filters = self.layers.iter().map(|stage| &stage.filter).chain([&self.score]);
        norms.chain(filters.filter_map(|filter| filter.direction.clone())).collect()
    }
}

impl Filter {
    fn new(
        builder: &mut Builder<'_>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        by: Convolution,
        kind: NormKind,
    ) -> Filter {
        let initialiser = match kind {
            NormKind::None => Initialiser::He { fan_in: BASE * BASE * inputs, slope: SLOPE },
            _ => Initialiser::Dcgan,
        };
        let convolution = Convolution2d::new(builder, name, [BASE, BASE, inputs, outputs], by, initialiser);
        let direction = (kind == NormKind::Spectral).then(|| {
            let by = Initialiser::He { fan_in: outputs, slope: 0.0 };
            builder.parameter(format!("{name}.weight_u"), Layout::Plain, &[outputs], by)
        });
        let shifted = matches!(kind, NormKind::None | NormKind::Spectral);
        let bias = shifted
            .then(|| builder.parameter(format!("{name}.bias"), Layout::Plain, &[outputs], Initialiser::Constant(0.0)));
        Filter { convolution, direction, bias }
    }

    /// The parameters that training moves.
    fn parameters(&self) -> impl Iterator<Item = Parameter> {
        [self.convolution.weight.clone()].into_iter().chain(self.bias.clone())
    }

    fn forward(&self, x: &Tensor, activation: Activation) -> Tensor {
        let mut weight = self.convolution.weight.get();
        if let Some(direction) = &self.direction {
            let (filter, improved) = weight.spectral_norm(&direction.get(), SPECTRAL_ROUNDS);
            direction.set(improved);
            weight = filter;
        }
        match &self.bias {
            None => self.convolution.down(x, &weight, activation),
            Some(bias) => (self.convolution.down(x, &weight, Activation::Identity) + bias.get()).activate(activation),
        }
    }
}
