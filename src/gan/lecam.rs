//! LeCam's regulariser (Tseng 2021): the discriminator's scores are drawn towards moving averages of the other side's, which
//! keeps it from memorising few images.

use crate::backend::Device;
use crate::nn::{Layout, Parameter};
use crate::tensor::{Tensor, no_grad};

/// The decay of the moving averages (Tseng 2021, section 5).
const DECAY: f64 = 0.99;

/// The weight and the moving averages of the discriminator's scores.
#[derive(Debug)]
pub(super) struct LeCam {
    weight: f64,
    real: Parameter,
    fake: Parameter,
}

impl LeCam {
    /// Averages that start at the first scores.
    pub fn new(device: &Device, weight: f64) -> LeCam {
        let average = |name: &str| Parameter::new(name, Layout::Plain, Tensor::zeros(device, [1]));
        LeCam { weight, real: average("real"), fake: average("fake") }
    }

    /// `weight * E (D(x) - a_F)^2`, of real scores.
    pub fn of_real(&self, scores: &Tensor) -> Tensor {
        (scores - self.fake.get()).powi(2).mean() * self.weight
    }

    /// `weight * E (D(G(z)) - a_R)^2`, of scores of generated images.
    pub fn of_fake(&self, scores: &Tensor) -> Tensor {
        (scores - self.real.get()).powi(2).mean() * self.weight
    }

    /// Moves the averages towards the mean scores of round `round` (from 0): all of the way in the first.
    pub fn update(&self, round: u64, real: &Tensor, fake: &Tensor) {
        let warm = round as f64 / (10.0 + round as f64);
        let share = 1.0 - DECAY.min(warm);
        no_grad(|| {
            for (average, mean) in [(&self.real, real), (&self.fake, fake)] {
                average.set(average.get().lerp(&mean.reshape([1]), share));
            }
        });
    }

    /// The averages, for checkpoints; none where the weight is 0.
    pub fn parameters(&self) -> Vec<Parameter> {
        if self.weight > 0.0 { vec![self.real.clone(), self.fake.clone()] } else { Vec::new() }
    }

    /// Whether it has a weight.
    pub fn is_on(&self) -> bool {
        self.weight > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_the_hand_computed_numbers() {
        let device = Device::reference();
        let tensor = |values: &[f64]| Tensor::from_slice(&device, values, [values.len()]);
        let lecam = LeCam::new(&device, 0.5);
        lecam.update(0, &tensor(&[2.0]), &tensor(&[-1.0]));
        // Real scores against the fake average -1: (4 + 1) / 2 * 0.5; fake ones against the real average 2: (4 + 9) / 2 * 0.5.
        assert_eq!(lecam.of_real(&tensor(&[1.0, 0.0])).item().unwrap(), 1.25);
        assert_eq!(lecam.of_fake(&tensor(&[0.0, -1.0])).item().unwrap(), 3.25);
        lecam.update(10, &tensor(&[4.0]), &tensor(&[-1.0]));
        // In round 10 the decay is 10 / 20: the real average is 3.
        assert_eq!(lecam.of_fake(&tensor(&[3.0])).item().unwrap(), 0.0);
    }
}
