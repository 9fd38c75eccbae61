//! Adam (Kingma & Ba 2015) over a network's parameters, and its form with decoupled weight decay (Loshchilov & Hutter 2019).

use super::{Optimiser, Parameter};
use crate::backend::{AdamSlot, AdamState, AdamStep};
use crate::tensor::{Tensor, Value, kernels, no_grad};

/// Adam's constants. The default is its authors': rate 1e-3, decays 0.9 and 0.999, epsilon 1e-8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamOptions {
    /// The learning rate.
    pub rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

impl AdamOptions {
    /// DCGAN's: rate 2e-4, betas 0.5 and 0.999 (Radford 2016, section 4); epsilon 1e-8.
    pub const DCGAN: AdamOptions = AdamOptions { rate: 2e-4, beta1: 0.5, beta2: 0.999, epsilon: 1e-8 };
}

impl Default for AdamOptions {
    fn default() -> AdamOptions {
        AdamOptions { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// The optimiser's state: parameters with their two moments, and the number of updates.
#[derive(Debug)]
pub struct Adam {
    options: AdamOptions,
    slots: Vec<Slot>,
    updates: u64,
}

#[derive(Debug)]
struct Slot {
    parameter: Parameter,
    /// Times the optimiser's rate.
    factor: f64,
    first: Parameter,
    second: Parameter,
}

impl Adam {
    /// An optimiser of `parameters`, its moments zero.
    pub fn new(parameters: Vec<Parameter>, options: AdamOptions) -> Adam {
        Adam::grouped(parameters.into_iter().map(|parameter| (parameter, 1.0)).collect(), options)
    }

    /// An optimiser in which each parameter has a factor on the rate; one of factor 0 is left out: it is frozen.
    pub fn grouped(parameters: Vec<(Parameter, f64)>, options: AdamOptions) -> Adam {
        let slot = |(parameter, factor): (Parameter, f64)| {
            let tensor = parameter.get();
            let zeros = || Tensor::zeros(tensor.device(), tensor.shape());
            let moment = |name: &str| parameter.alike(&format!("{}.{name}", parameter.name()), zeros());
            Slot { first: moment("exp_avg"), second: moment("exp_avg_sq"), parameter: parameter.clone(), factor }
        };
        let moved = parameters.into_iter().filter(|(_, factor)| *factor != 0.0);
        Adam { options, slots: moved.map(slot).collect(), updates: 0 }
    }

    /// How many updates were made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The constants, as they are now.
    pub fn options(&self) -> AdamOptions {
        self.options
    }

    /// Goes on with other constants.
    pub fn set_options(&mut self, options: AdamOptions) {
        self.options = options;
    }

    /// Sets the number of updates, as a resumed run finds it.
    pub fn set_updates(&mut self, updates: u64) {
        self.updates = updates;
    }

    #[track_caller]
    fn update(&mut self, gradients: Vec<Tensor>, also: Option<Vec<Tensor>>) {
        for gradients in [Some(&gradients), also.as_ref()].into_iter().flatten() {
            assert_eq!(gradients.len(), self.slots.len(), "Adam::step: one gradient a parameter");
            for (slot, gradient) in self.slots.iter().zip(gradients) {
                let shape = slot.parameter.get().shape().to_vec();
                assert_eq!(gradient.shape(), shape, "Adam::step: the gradient of {}", slot.parameter.name());
            }
        }
        self.updates += 1;
        let AdamOptions { rate, beta1, beta2, epsilon } = self.options;
        let correction = |beta: f64| 1.0 - beta.powf(self.updates as f64);
        let (correction1, correction2) = (correction(beta1), correction(beta2));
        let Some(device) = self.slots.first().map(|slot| slot.parameter.device()) else { return };
        let shapes: Vec<Vec<usize>> = gradients.iter().map(|gradient| gradient.shape().to_vec()).collect();
        let mut also = also.map(Vec::into_iter);
        let slot = |(slot, gradient): (&Slot, Tensor)| {
            let [parameter, first_moment, second_moment] =
                [&slot.parameter, &slot.first, &slot.second].map(|slot| slot.take().into_storage());
            AdamSlot {
                step: AdamStep { rate: rate * slot.factor, beta1, beta2, epsilon, correction1, correction2 },
                state: AdamState { parameter, first_moment, second_moment },
                gradient: gradient.into_storage(),
                also: also.as_mut().and_then(Iterator::next).map(Tensor::into_storage),
            }
        };
        let slots = self.slots.iter().zip(gradients).map(slot).collect();
        let updated = kernels(&device, |backend| backend.adam_each(slots));
        for ((slot, state), shape) in self.slots.iter().zip(updated).zip(shapes) {
            let put = |slot: &Parameter, storage| slot.put(Tensor::leaf(&device, Value::new(storage, &shape[..])));
            put(&slot.parameter, state.parameter);
            put(&slot.first, state.first_moment);
            put(&slot.second, state.second_moment);
        }
    }

    /// The moments, named after their parameters as PyTorch names them (`exp_avg`, `exp_avg_sq`).
    pub fn moments(&self) -> impl Iterator<Item = &Parameter> {
        self.slots.iter().flat_map(|slot| [&slot.first, &slot.second])
    }
}

impl Optimiser for Adam {
    fn parameters(&self) -> Vec<Parameter> {
        self.slots.iter().map(|slot| slot.parameter.clone()).collect()
    }

    /// The parameters are written in place where nothing else holds their tensors.
    #[track_caller]
    fn step(&mut self, gradients: Vec<Tensor>) {
        self.update(gradients, None);
    }

    #[track_caller]
    fn step_sum(&mut self, gradients: Vec<Tensor>, also: Vec<Tensor>) {
        self.update(gradients, Some(also));
    }

    fn set_rate(&mut self, rate: f64) {
        self.options.rate = rate;
    }
}

/// Adam with weight decay apart from the gradient: `x <- (1 - rate decay) x` before each of Adam's updates.
///
/// Every parameter decays; biases and scales that should not are for an [`Adam`] of their own.
#[derive(Debug)]
pub struct AdamW {
    adam: Adam,
    weight_decay: f64,
}

impl AdamW {
    /// An optimiser of `parameters`, its moments zero. PyTorch's default decay is 0.01.
    pub fn new(parameters: Vec<Parameter>, options: AdamOptions, weight_decay: f64) -> AdamW {
        AdamW { adam: Adam::new(parameters, options), weight_decay }
    }

    /// Adam's part of it, with the state that a checkpoint keeps.
    pub fn adam(&mut self) -> &mut Adam {
        &mut self.adam
    }
}

impl Optimiser for AdamW {
    fn parameters(&self) -> Vec<Parameter> {
        self.adam.parameters()
    }

    #[track_caller]
    fn step(&mut self, gradients: Vec<Tensor>) {
        let share = self.adam.options.rate * self.weight_decay;
        if share != 0.0 {
            no_grad(|| {
                for Slot { parameter, .. } in &self.adam.slots {
                    parameter.set(parameter.get() * (1.0 - share));
                }
            });
        }
        self.adam.step(gradients);
    }

    fn set_rate(&mut self, rate: f64) {
        self.adam.set_rate(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::nn::{Layout, minimise};

    #[test]
    fn three_steps_with_and_without_decay_are_those_of_the_formula() {
        let options = AdamOptions { rate: 0.1, ..AdamOptions::default() };
        for weight_decay in [0.0, 0.3] {
            let start = Tensor::from_slice(&Device::reference(), &[1.5, -0.5], [2]);
            let x = Parameter::new("x", Layout::Plain, start);
            let mut adam = AdamW::new(vec![x.clone()], options, weight_decay);
            let mut by_hand = [(1.5f64, 0.0f64, 0.0f64), (-0.5, 0.0, 0.0)];
            for t in 1..=3 {
                minimise(x.get().powi(4).sum(), &mut adam);
                for (x, m, v) in &mut by_hand {
                    let g = 4.0 * x.powi(3);
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    let (m, v) = (*m / (1.0 - 0.9f64.powi(t)), *v / (1.0 - 0.999f64.powi(t)));
                    *x = *x * (1.0 - 0.1 * weight_decay) - 0.1 * m / (v.sqrt() + 1e-8);
                }
            }
            let found = x.get().to_vec::<f64>().unwrap();
            let far = found.iter().zip(by_hand).map(|(a, (b, ..))| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-13, "decay {weight_decay}: {found:?}, by hand {by_hand:?}");
        }
    }
}
