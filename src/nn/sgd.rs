//! Stochastic gradient descent with momentum.

use super::{Optimiser, Parameter};
use crate::tensor::{Tensor, no_grad};

/// The constants of gradient descent; the default is plain descent at rate 0.01.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// The learning rate.
    pub rate: f64,
    /// The share of the last velocity that stays; 0 for none.
    pub momentum: f64,
    /// Whether the gradient is met where the velocity leads (Nesterov 1983, in the form of Sutskever 2013 that PyTorch has).
    pub nesterov: bool,
    /// Times the parameter, added to its gradient: half the squared norm of the parameters joins the loss with this weight.
    pub weight_decay: f64,
}

impl Default for SgdOptions {
    fn default() -> SgdOptions {
        SgdOptions { rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

/// The optimiser's state: parameters and their velocities. With `g' = g + decay x`, `v <- momentum v + g'` and
/// `x <- x - rate v`, or `x <- x - rate (g' + momentum v)` with Nesterov's momentum.
#[derive(Debug)]
pub struct Sgd {
    options: SgdOptions,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    parameter: Parameter,
    velocity: Parameter,
}

impl Sgd {
    /// An optimiser of `parameters`, at rest.
    pub fn new(parameters: Vec<Parameter>, options: SgdOptions) -> Sgd {
        let slot = |parameter: Parameter| {
            let tensor = parameter.get();
            let zeros = Tensor::zeros(tensor.device(), tensor.shape());
            Slot { velocity: parameter.alike(&format!("{}.momentum_buffer", parameter.name()), zeros), parameter }
        };
        Sgd { options, slots: parameters.into_iter().map(slot).collect() }
    }

    /// The velocities, named after their parameters as PyTorch names them (`momentum_buffer`): with the parameters, all of its state.
    pub fn velocities(&self) -> impl Iterator<Item = &Parameter> {
        self.slots.iter().map(|slot| &slot.velocity)
    }
}

impl Optimiser for Sgd {
    fn parameters(&self) -> Vec<Parameter> {
        self.slots.iter().map(|slot| slot.parameter.clone()).collect()
    }

    #[track_caller]
    fn step(&mut self, gradients: Vec<Tensor>) {
        assert_eq!(gradients.len(), self.slots.len(), "Sgd::step: one gradient a parameter");
        let SgdOptions { rate, momentum, nesterov, weight_decay } = self.options;
        no_grad(|| {
            for (Slot { parameter, velocity }, gradient) in self.slots.iter().zip(gradients) {
                let x = parameter.get();
                assert_eq!(gradient.shape(), x.shape(), "Sgd::step: the gradient of {}", parameter.name());
                let gradient = if weight_decay == 0.0 { gradient } else { gradient + &x * weight_decay };
                let step = if momentum == 0.0 {
                    gradient
                } else {
                    velocity.set(velocity.get() * momentum + &gradient);
                    if nesterov { gradient + velocity.get() * momentum } else { velocity.get() }
                };
                parameter.set(x - step * rate);
            }
        });
    }

    fn set_rate(&mut self, rate: f64) {
        self.options.rate = rate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::nn::{Layout, minimise};

    #[test]
    fn three_steps_are_those_of_the_formula() {
        for momentum in [0.0, 0.9] {
            for nesterov in [false, true] {
                let options = SgdOptions { rate: 0.1, momentum, nesterov, weight_decay: 0.2 };
                let start = Tensor::from_slice(&Device::reference(), &[1.5, -0.5], [2]);
                let x = Parameter::new("x", Layout::Plain, start);
                let mut sgd = Sgd::new(vec![x.clone()], options);
                let mut by_hand = [(1.5f64, 0.0f64), (-0.5, 0.0)];
                for _ in 0..3 {
                    minimise(x.get().powi(4).sum(), &mut sgd);
                    for (x, v) in &mut by_hand {
                        let g = 4.0 * x.powi(3) + 0.2 * *x;
                        *v = momentum * *v + g;
                        *x -= 0.1 * if nesterov { g + momentum * *v } else { *v };
                    }
                }
                let found = x.get().to_vec::<f64>().unwrap();
                let far = found.iter().zip(by_hand).map(|(a, (b, _))| (a - b).abs()).fold(0.0, f64::max);
                assert!(far < 1e-14, "{options:?}: {found:?}, by hand {by_hand:?}");
            }
        }
    }
}
