//! How weights start.

use crate::backend::Device;
use crate::random::{Purpose, generator, normal};
use crate::tensor::Tensor;

/// The standard deviation of DCGAN's initial weights (Radford 2016, section 4).
const DCGAN_DEVIATION: f32 = 0.02;

/// The distribution of a tensor's initial elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialiser {
    /// N(0, 0.02): DCGAN's filters.
    Dcgan,
    /// N(1, 0.02): DCGAN's batch-norm scales.
    DcganScale,
    /// N(0, 2 / ((1 + slope^2) fan-in)) (He 2015, equation 15), which keeps variance through leaky ReLU.
    He {
        /// Inputs of one output.
        fan_in: usize,
        /// The slope of the leaky ReLU after it.
        slope: f64,
    },
    /// One value.
    Constant(f32),
}

impl Initialiser {
    /// A tensor drawn for (seed, network, index of the parameter); the same numbers on every device.
    pub fn draw(self, device: &Device, shape: &[usize], seed: u64, network: u64, index: u64) -> Tensor {
        let (mean, deviation) = match self {
            Initialiser::Dcgan => (0.0, DCGAN_DEVIATION),
            Initialiser::DcganScale => (1.0, DCGAN_DEVIATION),
            Initialiser::He { fan_in, slope } => (0.0, (2.0 / ((1.0 + slope * slope) * fan_in as f64)).sqrt() as f32),
            Initialiser::Constant(value) => return Tensor::full(device, shape, f64::from(value)),
        };
        if device.backend().counts_only() {
            return Tensor::zeros(device, shape);
        }
        let mut generator = generator(seed, Purpose::Weights, network, index);
        let mut values = normal(&mut generator, shape.iter().product());
        values.iter_mut().for_each(|value| *value = mean + deviation * *value);
        Tensor::from_slice(device, &values, shape)
    }
}
