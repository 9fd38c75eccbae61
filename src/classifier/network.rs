//! A small convolutional classifier for images of every size that networks draw, and the trunk that encoders share with it.

use serde::{Deserialize, Serialize};

use crate::backend::{Activation, Device};
use crate::data::{Dataset, Images};
use crate::error::{Error, Result};
use crate::nn::{
    Builder, Filter, Initialiser, Layer, LayerKind, Layout, Linear, Mode, Module, NormKind, Parameter, Pass, Sequence,
    Slot, slots,
};
use crate::random::Network;
use crate::tensor::{Tensor, most_probable, no_grad};

/// The side of the feature map that a trunk ends in.
const MAP: usize = 4;
/// Halvings between the largest map that [`FrozenTrunk::maps`] gives and the last one.
const DEEPEST: usize = 2;
/// The name of the map from features to logits.
pub(crate) const LINEAR: &str = "linear";
/// Images a forward pass, where nothing is trained.
const BATCH: usize = 100;

/// What determines a trunk's shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Design {
    /// The side of the images: a power of two from 16 up.
    pub size: usize,
    /// Channels of the images: 1 or 3.
    pub channels: usize,
    /// The width: channels of the first 16x16 map. An even number.
    pub width: usize,
    /// The normalisation: batch for the judge; instance for what must not depend on a domain's contrast; layer or none.
    pub norm: NormKind,
    /// Whether each image is brought to mean 0 and variance 1 at the input, and over what.
    #[serde(default, skip_serializing_if = "Input::is_plain")]
    pub input: Input,
}

/// What becomes of an image before a trunk's first layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// Nothing.
    #[default]
    Plain,
    /// Each channel has mean 0 and variance 1 (instance norm): neither brightness nor contrast nor the colour of the light is left.
    Channels,
    /// The whole image has mean 0 and variance 1: colours stay apart.
    Whole,
}

impl Input {
    /// Below this variance an image is flat, and stays so: it is added to variances.
    pub const FLAT: f64 = 1e-6;

    fn is_plain(&self) -> bool {
        *self == Input::Plain
    }

    /// Images `[n, h, w, c]`, so changed.
    pub fn of(self, images: &Tensor) -> Tensor {
        match self {
            Input::Plain => images.clone(),
            Input::Channels => images.instance_norm(Input::FLAT),
            Input::Whole => images.layer_norm(Input::FLAT),
        }
    }
}

impl Design {
    /// Channels of the last map, and the length of a classifier's features.
    pub fn features(&self) -> usize {
        2 * self.width
    }

    /// Refuses shapes that the network does not have.
    ///
    /// # Errors
    /// [`Error::Invalid`] saying what it takes.
    pub fn check(&self) -> Result<()> {
        const MOST: usize = 1 << 12;
        const SMALLEST: usize = 16;
        let Design { size, channels, width, norm, .. } = *self;
        let wrong = |what: String| Err(Error::invalid(format!("a classifier takes {what}")));
        match () {
            () if !size.is_power_of_two() || !(SMALLEST..=MOST).contains(&size) => {
                wrong(format!("images whose side is a power of two from {SMALLEST} to {MOST}, not {size}"))
            }
            () if ![1, 3].contains(&channels) => wrong(format!("images of 1 or 3 channels, not {channels}")),
            () if !(2..=MOST).contains(&width) || width % 2 == 1 => {
                wrong(format!("an even width from 2 to {MOST}, not {width}"))
            }
            () if norm == NormKind::Spectral => wrong("batch, instance, layer or no normalisation".to_string()),
            () => Ok(()),
        }
    }
}

/// Convolutions from images to a feature map, each with its normalisation and ReLU: 4x4 with stride 2 down to 4x4, of which the last
/// have half, one, two and two widths, and where the image has not so many halvings, one of 3x3 before them.
#[derive(Debug)]
pub struct Trunk {
    design: Design,
    module: Module,
}

impl Trunk {
    /// A fresh trunk; filters by He's rule. Its parameters are named `trunk.0.weight`, `trunk.0.norm.weight`, ..
    pub fn new(builder: &mut Builder<'_>, design: &Design) -> Trunk {
        Trunk { design: *design, module: Module::new(builder, &trunk(design)) }
    }

    /// The filters of a trunk.
    pub fn slots(design: &Design) -> Vec<Slot> {
        slots(&trunk(design))
    }

    /// The shapes it was made for.
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// Images `[n, size, size, channels]` to a feature map `[n, 4, 4, features]`, of values from 0 up.
    ///
    /// # Panics
    /// Where the images have another size.
    #[track_caller]
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        let Design { size, channels, .. } = self.design;
        assert_eq!(images.shape()[1..], [size, size, channels], "Trunk::forward: images of another size");
        let x = self.module.forward(&self.design.input.of(images), &mut Pass::new(mode));
        debug_assert_eq!(x.shape()[1..3], [MAP, MAP]);
        x
    }

    /// The side and the channels of each map that a frozen one gives.
    fn shapes(&self) -> Vec<[usize; 2]> {
        let Design { size, width, .. } = self.design;
        let halvings = (size / MAP).ilog2() as usize;
        let level = |level: usize| [MAP << level, widths(level, width)];
        (0..=halvings.min(DEEPEST)).rev().map(level).collect()
    }

    /// The trunk as it is now, of which nothing is trained any more, to be shown images that are brought to `input`: what its design says,
    /// or what somebody had done to the images that it learned from.
    pub fn frozen(&self, input: Input) -> FrozenTrunk {
        let design = Design { input, ..self.design };
        FrozenTrunk { design, shapes: self.shapes(), module: self.module.frozen() }
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.module.parameters()
    }

    /// The statistics that forward passes move.
    pub fn statistics(&self) -> Vec<Parameter> {
        self.module.statistics()
    }
}

/// A trunk as it makes maps when nothing is trained: by the statistics that it had, so that each map is its image's alone.
#[derive(Debug)]
pub struct FrozenTrunk {
    design: Design,
    shapes: Vec<[usize; 2]>,
    module: Module,
}

impl FrozenTrunk {
    /// The side and the channels of each map.
    pub fn shapes(&self) -> &[[usize; 2]] {
        &self.shapes
    }

    /// The feature maps of sides 16, 8 and 4, of those that there are, `[n, side, side, channels]`.
    ///
    /// # Panics
    /// Where the images have another size.
    #[track_caller]
    pub fn maps(&self, images: &Tensor) -> Vec<Tensor> {
        let Design { size, channels, input, .. } = self.design;
        assert_eq!(images.shape()[1..], [size, size, channels], "FrozenTrunk::maps: images of another size");
        let mut maps: Vec<Tensor> = Vec::new();
        let mut keep = |map: &Tensor| {
            // Of two maps of a side the later one.
            if maps.last().is_some_and(|last| last.shape()[1] == map.shape()[1]) {
                maps.pop();
            }
            if map.shape()[1] <= MAP << DEEPEST {
                maps.push(map.clone());
            }
        };
        self.module.forward(&input.of(images), &mut Pass { seen: Some(&mut keep), ..Pass::new(Mode::Evaluate) });
        maps
    }
}

/// Channels of the map `level` halvings above the last.
fn widths(level: usize, width: usize) -> usize {
    match level {
        0 | 1 => 2 * width,
        2 => width,
        _ => width / 2,
    }
}

fn trunk(design: &Design) -> Vec<Layer> {
    let Design { size, channels, width, norm, .. } = *design;
    let halvings = (size / MAP).ilog2() as usize;
    let stem = usize::from(halvings <= 3);
    let mut inputs = channels;
    let mut layers = Sequence::new("trunk");
    for (place, level) in (0..halvings + stem).rev().enumerate() {
        let (side, stride) = if level < halvings { (4, 2) } else { (3, 1) };
        let start = Initialiser::He { fan_in: side * side * inputs, slope: 0.0 };
        let filter = Filter::new([inputs, widths(level, width)], side, stride, 1, start);
        stage(&mut layers, &format!("trunk.{place}"), filter, norm);
        inputs = widths(level, width);
    }
    layers.into_layers()
}

/// From the map that a trunk ends in to features.
fn dense(design: &Design) -> Vec<Layer> {
    let features = design.features();
    let start = Initialiser::He { fan_in: MAP * MAP * features, slope: 0.0 };
    // Over the one pixel that is left, instance norm would leave nothing.
    let kind = if design.norm == NormKind::Instance { NormKind::Layer } else { design.norm };
    let mut layers = Sequence::new("dense");
    stage(&mut layers, "dense", Filter::new([features, features], MAP, 1, 0, start), kind);
    layers.into_layers()
}

/// A convolution, its normalisation and ReLU.
fn stage(layers: &mut Sequence, name: &str, filter: Filter, norm: NormKind) {
    layers.beside(name, LayerKind::Convolution(filter));
    if let Some(norm) = LayerKind::norm(norm, filter.outputs, Initialiser::DcganScale) {
        layers.beside(&format!("{name}.norm"), norm);
    }
    layers.beside("", LayerKind::Activation(Activation::Relu));
    layers.beside("", LayerKind::Map);
}

/// A trunk, a dense layer from its whole map to features (where in the image something stands matters: SVHN's
/// neighbouring digits are no evidence), and a linear map from those to one logit a class.
#[derive(Debug)]
pub struct Classifier {
    trunk: Trunk,
    dense: Module,
    linear: Linear,
    bias: Parameter,
}

/// What a classifier says of a batch, on the device.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// `[n, classes]`
    pub logits: Tensor,
    /// What the classes are told from, `[n, features]`, of values from 0 up.
    pub features: Tensor,
}

/// What a classifier says of images, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// The number of classes.
    pub classes: usize,
    /// The length of the features.
    pub dimensions: usize,
    /// The most probable class of each image.
    pub labels: Vec<u32>,
    /// `[n, classes]`, row by row; a row sums to 1.
    pub probabilities: Vec<f32>,
    /// `[n, dimensions]`, row by row.
    pub features: Vec<f32>,
}

impl Predictions {
    /// The share of images whose most probable class is the given one; 0 of none.
    ///
    /// # Panics
    /// Where there is not one label an image.
    #[track_caller]
    pub fn accuracy(&self, labels: &[u32]) -> f64 {
        assert_eq!(self.labels.len(), labels.len(), "accuracy: one label an image");
        let right = self.labels.iter().zip(labels).filter(|(a, b)| a == b).count();
        right as f64 / labels.len().max(1) as f64
    }
}

impl Classifier {
    /// A fresh classifier: filters by He's rule, the linear map zero, so that all classes are equally probable. Beside the trunk's,
    /// its parameters are named `dense.weight`, `dense.norm.weight`, .., `linear.weight` and `linear.bias`.
    pub fn new(device: &Device, design: &Design, classes: usize, seed: u64, network: Network) -> Classifier {
        let mut builder = Builder::new(device, seed, network);
        let trunk = Trunk::new(&mut builder, design);
        let dense = Module::new(&mut builder, &dense(design));
        let linear = Linear::zeros(&mut builder, LINEAR, design.features(), classes);
        let bias = builder.parameter(format!("{LINEAR}.bias"), Layout::Plain, &[classes], Initialiser::Constant(0.0));
        Classifier { trunk, dense, linear, bias }
    }

    /// The filters and matrices of a classifier, and the parameters beside them, but the last bias.
    pub fn slots(design: &Design, classes: usize) -> Vec<Slot> {
        let linear = Linear::zeros_slot(LINEAR, design.features(), classes);
        slots(&Classifier::layers(design)).into_iter().chain([linear]).collect()
    }

    /// Its layers from images, standardised where its design says so, to features as maps of one pixel. A linear map follows.
    pub fn layers(design: &Design) -> Vec<Layer> {
        [trunk(design), dense(design)].concat()
    }

    /// The convolutions.
    pub fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    /// Its trunk as it is now, of which nothing is trained any more.
    pub fn frozen(&self) -> FrozenTrunk {
        self.trunk.frozen(self.trunk.design.input)
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.bias.stored_shape()[0]
    }

    /// The device that it is on.
    pub fn device(&self) -> Device {
        self.bias.device()
    }

    /// Logits and features of images `[n, size, size, channels]`.
    ///
    /// # Panics
    /// Where the images have another size.
    #[track_caller]
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Outputs {
        self.of_map(&self.trunk.forward(images, mode), mode)
    }

    /// As [`Classifier::forward`], of the map that the trunk makes of images, `[n, 4, 4, features]`.
    pub fn of_map(&self, map: &Tensor, mode: Mode) -> Outputs {
        let features = self.dense.forward(map, &mut Pass::new(mode));
        let features = features.reshape([map.shape()[0], self.trunk.design.features()]);
        Outputs { logits: self.linear.forward(&features) + self.bias.get(), features }
    }

    /// Classes, probabilities and features of images, in batches, as it classifies when it is not trained.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the images have another size.
    #[track_caller]
    pub fn predict(&self, images: &Images) -> Result<Predictions> {
        let device = self.device();
        let (classes, dimensions) = (self.classes(), self.trunk.design.features());
        let mut all = Predictions {
            classes,
            dimensions,
            labels: Vec::with_capacity(images.count),
            probabilities: Vec::with_capacity(images.count * classes),
            features: Vec::with_capacity(images.count * dimensions),
        };
        for start in (0..images.count).step_by(BATCH) {
            let indices: Vec<usize> = (start..images.count.min(start + BATCH)).collect();
            let shape = [indices.len(), images.height, images.width, images.channels];
            let batch = Tensor::from_slice(&device, &images.batch(&indices), shape);
            let outputs = no_grad(|| self.forward(&batch, Mode::Evaluate));
            all.probabilities.extend(outputs.logits.softmax(1).to_vec::<f32>()?);
            all.features.extend(outputs.features.to_vec::<f32>()?);
        }
        all.labels.extend(all.probabilities.chunks_exact(classes).map(|row| most_probable(row) as u32));
        Ok(all)
    }

    /// The share of a labelled data set that it classifies right.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are no labels; the device's first failure.
    ///
    /// # Panics
    /// Where the images have another size.
    #[track_caller]
    pub fn accuracy(&self, data: &Dataset) -> Result<f64> {
        let labels = data.labels.as_ref().ok_or_else(|| {
            Error::invalid(format!("{} has no labels to count right ones by; name a labelled data set", data.name))
        })?;
        Ok(self.predict(&data.images)?.accuracy(labels))
    }

    /// Its shapes.
    pub fn design(&self) -> &Design {
        self.trunk.design()
    }

    /// Takes the weights and statistics of another of the same shapes.
    ///
    /// # Panics
    /// Where its shapes are others.
    #[track_caller]
    pub fn copy_from(&self, other: &Classifier) {
        assert!(
            self.design() == other.design() && self.classes() == other.classes(),
            "Classifier::copy_from: a classifier of the same shapes"
        );
        let all = |of: &Classifier| [of.parameters(), of.statistics()].concat();
        all(self).iter().zip(all(other)).for_each(|(own, theirs)| own.set(theirs.get()));
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.trunk.parameters();
        parameters.extend(self.dense.parameters());
        parameters.extend([self.linear.weight.clone(), self.bias.clone()]);
        parameters
    }

    /// The statistics that forward passes move.
    pub fn statistics(&self) -> Vec<Parameter> {
        [self.trunk.statistics(), self.dense.statistics()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use crate::random::{Purpose, generator, normal};

    fn noise(device: &Device, shape: [usize; 4]) -> Tensor {
        let values = normal(&mut generator(3, Purpose::GradientCheck, 0, 0), shape.iter().product());
        Tensor::from_slice(device, &values, shape)
    }

    #[test]
    fn a_frozen_trunk_makes_the_maps_of_the_trunk_that_evaluates() {
        for (norm, input) in
            [(NormKind::Batch, Input::Channels), (NormKind::Layer, Input::Whole), (NormKind::None, Input::Plain)]
        {
            for (size, sides) in [(16, vec![16, 8, 4]), (32, vec![16, 8, 4]), (64, vec![16, 8, 4])] {
                let device = Device::reference();
                let design = Design { size, channels: 3, width: 4, norm, input };
                let trunk = Trunk::new(&mut Builder::new(&device, 1, Network::Judge), &design);
                let values: Vec<f64> = (0..2 * size * size * 3).map(|place| (place as f64 * 0.37).sin()).collect();
                let images = Tensor::from_slice(&device, &values, [2, size, size, 3]);
                // Statistics and scales that are not those of the start.
                no_grad(|| drop(trunk.forward(&images, Mode::Train { momentum: 0.7 })));
                let frozen = trunk.frozen(input);
                let maps = frozen.maps(&images);
                let shapes: Vec<[usize; 2]> = maps.iter().map(|map| [map.shape()[1], map.shape()[3]]).collect();
                assert_eq!(shapes, frozen.shapes());
                assert_eq!(shapes.iter().map(|[side, _]| *side).collect::<Vec<_>>(), sides);
                let (last, whole) = (maps.last().unwrap(), trunk.forward(&images, Mode::Evaluate));
                let (last, whole) = (last.to_vec::<f64>().unwrap(), whole.to_vec::<f64>().unwrap());
                assert!(last.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-10), "{norm:?} {size}");
            }
        }
    }

    #[test]
    fn every_size_ends_in_a_map_of_four_by_four_under_every_norm() {
        let device = Device::reference();
        for size in [16, 32, 64, 128] {
            for norm in [NormKind::Batch, NormKind::Instance, NormKind::Layer, NormKind::None] {
                let design = Design { size, channels: 3, width: 2, norm, input: Default::default() };
                design.check().unwrap();
                let classifier = Classifier::new(&device, &design, 5, 1, Network::Judge);
                let images = noise(&device, [2, size, size, 3]);
                assert_eq!(classifier.trunk().forward(&images, Mode::Evaluate).shape(), [2, 4, 4, 4]);
                let outputs = classifier.forward(&images, Mode::TRAIN);
                assert_eq!((outputs.logits.shape(), outputs.features.shape()), (&[2, 5][..], &[2, 4][..]));
                assert!(outputs.features.to_vec::<f64>().unwrap().iter().any(|&feature| feature > 0.0));
            }
        }
    }

    #[test]
    fn the_gradient_of_the_loss_agrees_with_finite_differences() {
        /// So small that hardly any ReLU's input changes its sign on the way; in f64, rounding stays below 1e-7 of a slope.
        const STEP: f64 = 1e-7;
        let device = Device::reference();
        for norm in [NormKind::Batch, NormKind::Instance] {
            let design = Design { size: 32, channels: 1, width: 2, norm, input: Default::default() };
            let classifier = Classifier::new(&device, &design, 3, 1, Network::Judge);
            classifier.linear.weight.set(noise(&device, [1, 1, 4, 3]).reshape([4, 3]));
            let images = noise(&device, [2, 32, 32, 1]);
            let loss = || classifier.forward(&images, Mode::TRAIN).logits.cross_entropy(&[2, 0]);
            let parameters = classifier.parameters();
            let tensors: Vec<Tensor> = parameters.iter().map(Parameter::get).collect();
            let gradients = grad(loss(), &tensors.iter().collect::<Vec<_>>());
            for ((parameter, start), gradient) in parameters.iter().zip(tensors).zip(gradients) {
                let random = &mut generator(4, Purpose::GradientCheck, 0, 0);
                let direction = Tensor::from_slice(&device, &normal(random, start.len()), start.shape());
                let moved = |by: f64| {
                    parameter.set(&start + &direction * by);
                    loss().item().unwrap()
                };
                let numeric = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                parameter.set(start.clone());
                let analytic = (gradient * &direction).sum().item().unwrap();
                let (name, gap) = (parameter.name(), (numeric - analytic).abs());
                assert!(gap < 1e-5 * analytic.abs().max(0.01), "{norm:?} {name}: {numeric} and {analytic}");
            }
        }
    }

    #[test]
    fn fresh_classes_are_equally_probable_and_the_first_wins() {
        let design = Design { size: 32, channels: 1, width: 2, norm: NormKind::Batch, input: Default::default() };
        let classifier = Classifier::new(&Device::cpu(), &design, 4, 1, Network::Judge);
        let pixels: Vec<u8> = (0..3 * 32 * 32).map(|i| (i * 37 % 256) as u8).collect();
        let images = Images::new([3, 32, 32, 1], pixels);
        let said = classifier.predict(&images).unwrap();
        assert_eq!((said.labels.as_slice(), said.probabilities), (&[0, 0, 0][..], vec![0.25; 12]));
        assert_eq!(said.features.len(), 3 * 4);
    }

    #[test]
    fn shapes_that_it_does_not_have_are_refused() {
        let good = Design { size: 32, channels: 1, width: 2, norm: NormKind::Batch, input: Default::default() };
        for bad in [
            Design { size: 28, ..good },
            Design { channels: 2, ..good },
            Design { width: 3, ..good },
            Design { width: 0, ..good },
            Design { norm: NormKind::Spectral, ..good },
        ] {
            assert!(bad.check().unwrap_err().to_string().starts_with("a classifier takes "), "{bad:?}");
        }
    }
}
