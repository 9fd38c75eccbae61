//! Layers of one matrix or filter, a bias, and one `forward`.

use super::{Builder, Initialiser, Layout, Parameter, Slot, SlotKind};
use crate::backend::Activation;
use crate::tensor::Tensor;
use crate::tensor::ops::Convolution;

/// `x W + b`, or `x W` without a bias.
///
/// ```
/// use graft::nn::{Builder, Linear};
/// use graft::{Device, Tensor};
///
/// let device = Device::cpu();
/// let layer = Linear::new(&mut Builder::new(&device, 0, 0u64), "first", 3, 2);
/// assert_eq!(layer.forward(&Tensor::ones(&device, [5, 3])).shape(), [5, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`, named `NAME.weight`.
    pub weight: Parameter,
    /// `[outputs]`, named `NAME.bias`.
    pub bias: Option<Parameter>,
}

impl Linear {
    /// A matrix by He's rule for what ReLU follows, and a bias of zeros.
    pub fn new(builder: &mut Builder<'_>, name: &str, inputs: usize, outputs: usize) -> Linear {
        let he = Initialiser::He { fan_in: inputs, slope: 0.0 };
        let weight = builder.parameter(format!("{name}.weight"), Layout::Plain, &[inputs, outputs], he);
        Linear { weight, bias: Some(bias(builder, name, outputs)) }
    }

    /// A matrix of zeros without a bias: conditioning starts as no conditioning.
    pub fn zeros(builder: &mut Builder<'_>, name: &str, inputs: usize, outputs: usize) -> Linear {
        Linear { weight: builder.draw(Linear::zeros_slot(name, inputs, outputs)), bias: None }
    }

    /// The matrix of [`Linear::zeros`].
    pub fn zeros_slot(name: &str, inputs: usize, outputs: usize) -> Slot {
        Slot {
            name: format!("{name}.weight"),
            shape: vec![inputs, outputs],
            layout: Layout::Plain,
            start: Initialiser::Constant(0.0),
            kind: SlotKind::Weight,
        }
    }

    /// `[n, inputs]` to `[n, outputs]`.
    ///
    /// # Panics
    /// Where `x` has another width.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        shifted(x.matmul(&self.weight.get()), self.bias.as_ref())
    }

    /// What training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        [&self.weight].into_iter().chain(&self.bias).cloned().collect()
    }
}

/// A convolution with a bias, and the activation that its [`Convolution`] names.
///
/// ```
/// use graft::nn::{Builder, Conv2d};
/// use graft::tensor::ops::Convolution;
/// use graft::{Device, Tensor};
///
/// let device = Device::cpu();
/// let halving = Convolution::new(2, 1);
/// let layer = Conv2d::new(&mut Builder::new(&device, 0, 0u64), "first", [4, 4, 3, 16], halving);
/// assert_eq!(layer.forward(&Tensor::ones(&device, [5, 32, 32, 3])).shape(), [5, 16, 16, 16]);
/// ```
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// `[kh, kw, c, k]`, named `NAME.weight`.
    pub weight: Parameter,
    /// `[k]`, named `NAME.bias`.
    pub bias: Parameter,
    by: Convolution,
}

impl Conv2d {
    /// A filter `[kh, kw, c, k]` by He's rule for what ReLU follows, and a bias of zeros.
    pub fn new(builder: &mut Builder<'_>, name: &str, shape: [usize; 4], by: Convolution) -> Conv2d {
        let [height, width, inputs, outputs] = shape;
        let he = Initialiser::He { fan_in: height * width * inputs, slope: 0.0 };
        let weight = builder.parameter(format!("{name}.weight"), Layout::Filter, &shape, he);
        Conv2d { weight, bias: bias(builder, name, outputs), by }
    }

    /// Images `[n, h, w, c]` to `[n, i, j, k]`, activated.
    ///
    /// # Panics
    /// Where the images have other channels, or are smaller than the filter.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let plain = self.by.with(Activation::Identity);
        shifted(x.conv2d(&self.weight.get(), plain), Some(&self.bias)).activate(self.by.activation)
    }

    /// What training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        vec![self.weight.clone(), self.bias.clone()]
    }
}

fn bias(builder: &mut Builder<'_>, name: &str, outputs: usize) -> Parameter {
    builder.parameter(format!("{name}.bias"), Layout::Plain, &[outputs], Initialiser::Constant(0.0))
}

fn shifted(x: Tensor, bias: Option<&Parameter>) -> Tensor {
    match bias {
        Some(bias) => x + bias.get(),
        None => x,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn both_give_the_hand_computed_numbers() {
        let device = Device::reference();
        let mut builder = Builder::new(&device, 0, 0u64);
        let tensor = |values: &[f64], shape: &[usize]| Tensor::from_slice(&device, values, shape);

        let linear = Linear::new(&mut builder, "linear", 2, 2);
        linear.weight.set(tensor(&[1.0, 2.0, 3.0, 4.0], &[2, 2]));
        linear.bias.as_ref().unwrap().set(tensor(&[0.5, -1.0], &[2]));
        // (1, 2) W = (1 + 6, 2 + 8).
        assert_eq!(linear.forward(&tensor(&[1.0, 2.0], &[1, 2])).to_vec::<f64>().unwrap(), [7.5, 9.0]);

        let relu = Convolution::new(1, 0).with(Activation::Relu);
        let conv = Conv2d::new(&mut builder, "conv", [1, 2, 1, 1], relu);
        conv.weight.set(tensor(&[2.0, -1.0], &[1, 2, 1, 1]));
        conv.bias.set(tensor(&[-2.5], &[1]));
        // 2 a - b of the neighbours (3, 2) and (2, 4): 4 and 0, before the bias and ReLU.
        assert_eq!(conv.forward(&tensor(&[3.0, 2.0, 4.0], &[1, 1, 3, 1])).to_vec::<f64>().unwrap(), [1.5, 0.0]);

        let names: Vec<String> =
            [linear.parameters(), conv.parameters()].concat().iter().map(|p| p.name().into()).collect();
        assert_eq!(names, ["linear.weight", "linear.bias", "conv.weight", "conv.bias"]);
    }
}
