//! DCGAN's generator and discriminator (Radford 2016) for 32x32 and 64x64 images, plain or conditioned on a class.
//!
//! Parameters are named as PyTorch's DCGAN example names them (`main.0.weight`, ..), which counts activations as modules too.

use serde::{Deserialize, Serialize};

use crate::backend::{Activation, Device};
use crate::nn::{BatchNorm, Builder, Convolution2d, Initialiser, Layout, Linear, Mode, Norm, NormKind, Parameter};
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
    /// The discriminator's normalisation.
    pub d_norm: NormKind,
}

impl Architecture {
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
    layers: Vec<Layer>,
    image: Convolution2d,
}

#[derive(Debug)]
struct Layer {
    convolution: Convolution2d,
    norm: BatchNorm,
    /// The class's part in scale and shift, zero at the start.
    condition: Option<(Linear, Linear)>,
}

impl Generator {
    /// A fresh generator; filters N(0, 0.02), scales N(1, 0.02).
    pub fn new(device: &Device, architecture: &Architecture, seed: u64) -> Generator {
        let mut builder = Builder::new(device, seed, 0);
        let mut layers = Vec::new();
        let mut inputs = architecture.latent;
        for (level, width) in architecture.widths().into_iter().enumerate() {
            let by = if level == 0 { Convolution::new(1, 0) } else { Convolution::new(2, 1) };
            let name = |offset: usize| format!("main.{}", 3 * level + offset);
            let shape = [BASE, BASE, width, inputs];
            let convolution = Convolution2d::new(&mut builder, &name(0), shape, by, Initialiser::Dcgan);
            let norm = BatchNorm::new(&mut builder, &name(1), width);
            let mut linear =
                |what: &str| Linear::zeros(&mut builder, &format!("{}.{what}", name(1)), architecture.classes, width);
            let condition = (architecture.classes > 0).then(|| (linear("condition_scale"), linear("condition_shift")));
            layers.push(Layer { convolution, norm, condition });
            inputs = width;
        }
        let shape = [BASE, BASE, architecture.channels, inputs];
        let name = format!("main.{}", 3 * layers.len());
        let image = Convolution2d::new(&mut builder, &name, shape, Convolution::new(2, 1), Initialiser::Dcgan);
        Generator { latent: architecture.latent, layers, image }
    }

    /// Images from latents, and classes `[n, classes]` (one-hot, or probabilities) where the network is conditioned.
    ///
    /// # Panics
    /// Where the latents have another length, or a condition is missing or superfluous.
    #[track_caller]
    pub fn forward(&self, latents: &Tensor, classes: Option<&Tensor>, mode: Mode) -> Tensor {
        let count = latents.shape()[0];
        let mut x = latents.reshape([count, 1, 1, self.latent]);
        for Layer { convolution, norm, condition } in &self.layers {
            x = convolution.up(&x, Activation::Identity);
            x = match (condition, classes) {
                (None, None) => norm.forward(&x, mode, Activation::Relu),
                (Some((scale, shift)), Some(classes)) => norm.forward_conditioned(
                    &x,
                    &scale.forward(classes),
                    &shift.forward(classes),
                    mode,
                    Activation::Relu,
                ),
                _ => panic!("Generator::forward: classes for a network without, or none for one with a condition"),
            };
        }
        self.image.up(&x, Activation::Tanh)
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
    /// The class's projection on the pooled features (Miyato & Koyama 2018), zero at the start.
    projection: Option<Linear>,
}

#[derive(Debug)]
struct Stage {
    filter: Filter,
    norm: Norm,
}

/// A convolution whose filter may be normalised by its largest singular value.
#[derive(Debug)]
struct Filter {
    convolution: Convolution2d,
    direction: Option<Parameter>,
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
    /// A fresh discriminator. Without a normalisation of activations, filters start by He's rule.
    pub fn new(device: &Device, architecture: &Architecture, seed: u64) -> Discriminator {
        let mut builder = Builder::new(device, seed, 1);
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
        let score = Filter::new(&mut builder, &format!("main.{module}"), [inputs, 1], Convolution::new(1, 0), kind);
        let projection =
            (architecture.classes > 0).then(|| Linear::zeros(&mut builder, "projection", architecture.classes, inputs));
        Discriminator { layers, score, projection }
    }

    /// Scores images, given their classes `[n, classes]` where the network is conditioned.
    ///
    /// # Panics
    /// Where the images have another size, or a condition is missing or superfluous.
    #[track_caller]
    pub fn forward(&self, images: &Tensor, classes: Option<&Tensor>, mode: Mode) -> Judgement {
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
        match (&self.projection, classes) {
            (None, None) => {}
            (Some(projection), Some(classes)) => {
                let agreement = (projection.forward(classes) * judgement.features()).sum_axes(&[1], false);
                judgement.score = judgement.score + agreement;
            }
            _ => panic!("Discriminator::forward: classes for a network without, or none for one with a condition"),
        }
        judgement
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        let stage = |stage: &Stage| [vec![stage.filter.convolution.weight.clone()], stage.norm.trained()].concat();
        let last = [self.score.convolution.weight.clone()];
        let projection = self.projection.iter().map(|linear| linear.weight.clone());
        self.layers.iter().flat_map(stage).chain(last).chain(projection).collect()
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
        Filter { convolution, direction }
    }

    fn forward(&self, x: &Tensor, activation: Activation) -> Tensor {
        let weight = self.convolution.weight.get();
        let Some(direction) = &self.direction else { return self.convolution.down(x, &weight, activation) };
        let (filter, improved) = weight.spectral_norm(&direction.get(), SPECTRAL_ROUNDS);
        direction.set(improved);
        self.convolution.down(x, &filter, activation)
    }
}
