//! The one seam for an update: losses become gradients, which are summed and may be looked at, and an optimiser steps.

use super::Parameter;
use crate::ranks;
use crate::tensor::{Tensor, grad, no_grad};

/// What moves parameters by their gradients.
pub trait Optimiser {
    /// The parameters that it moves, in order: what gradients are asked of.
    fn parameters(&self) -> Vec<Parameter>;

    /// One update by one gradient a parameter, in the order of [`Optimiser::parameters`].
    ///
    /// # Panics
    /// Where there is not one gradient of the right shape a parameter.
    fn step(&mut self, gradients: Vec<Tensor>);

    /// One update by gradients that come in two summands each.
    ///
    /// # Panics
    /// As [`Optimiser::step`].
    #[track_caller]
    fn step_sum(&mut self, gradients: Vec<Tensor>, also: Vec<Tensor>) {
        self.step(added(gradients, also));
    }

    /// Sets the learning rate of the updates to come.
    fn set_rate(&mut self, rate: f64);
}

/// The gradients of an optimiser's parameters, summed over the losses of one update.
///
/// Each loss is differentiated, and its graph freed, as it is added: those of several losses never live together. No tensor of a
/// parameter is held between the calls, so that an optimiser may write in place.
#[derive(Debug)]
pub struct Gradients {
    parameters: Vec<Parameter>,
    sum: Vec<Tensor>,
    /// Of the last loss but the first, which the optimiser may add as it steps.
    last: Vec<Tensor>,
}

fn added(sum: Vec<Tensor>, gradients: Vec<Tensor>) -> Vec<Tensor> {
    no_grad(|| sum.into_iter().zip(gradients).map(|(sum, gradient)| sum + gradient).collect())
}

impl Gradients {
    /// Those of what `optimiser` moves, of no loss yet.
    pub fn of(optimiser: &impl Optimiser) -> Gradients {
        Gradients { parameters: optimiser.parameters(), sum: Vec::new(), last: Vec::new() }
    }

    /// Adds the gradient of a scalar and frees its graph; gives the scalar's value.
    ///
    /// # Panics
    /// Where the loss is no scalar.
    #[track_caller]
    pub fn add(&mut self, loss: Tensor) -> Tensor {
        let value = loss.detach();
        let tensors: Vec<Tensor> = self.parameters.iter().map(Parameter::get).collect();
        let gradients = grad(loss, &tensors.iter().collect::<Vec<_>>());
        self.add_up();
        match self.sum.is_empty() {
            true => self.sum = gradients,
            false => self.last = gradients,
        }
        value
    }

    fn add_up(&mut self) {
        let last = std::mem::take(&mut self.last);
        if !last.is_empty() {
            self.sum = added(std::mem::take(&mut self.sum), last);
        }
    }

    /// The sum of each parameter, in the optimiser's order; empty before a loss was added.
    pub fn tensors(&mut self) -> &[Tensor] {
        self.add_up();
        &self.sum
    }

    /// Steps the optimiser that they are of; where [ranks](crate::ranks) share a batch, by the mean of theirs.
    ///
    /// # Panics
    /// Where no loss was added.
    #[track_caller]
    pub fn step(self, optimiser: &mut impl Optimiser) {
        let Gradients { parameters, sum, last } = self;
        assert_eq!(sum.len(), parameters.len(), "Gradients::step: no loss was added");
        match ranks::shared() {
            Some(ranks) => {
                let sum = if last.is_empty() { sum } else { added(sum, last) };
                optimiser.step(Tensor::means_over(&ranks, &sum));
            }
            None if last.is_empty() => optimiser.step(sum),
            None => optimiser.step_sum(sum, last),
        }
    }
}

/// One update by the gradient of one loss, a scalar; gives its value.
///
/// ```
/// use graft::nn::{Layout, Parameter, Sgd, SgdOptions, minimise};
/// use graft::{Device, Tensor};
///
/// let x = Parameter::new("x", Layout::Plain, Tensor::from_slice(&Device::reference(), &[3.0], [1]));
/// let mut sgd = Sgd::new(vec![x.clone()], SgdOptions { rate: 0.25, ..SgdOptions::default() });
/// let loss = minimise(x.get().powi(2).sum(), &mut sgd);
/// assert_eq!(loss.item()?, 9.0);
/// assert_eq!(x.get().item()?, 3.0 - 0.25 * 6.0);
/// # Ok::<(), graft::Error>(())
/// ```
///
/// # Panics
/// Where the loss is no scalar.
#[track_caller]
pub fn minimise(loss: Tensor, optimiser: &mut impl Optimiser) -> Tensor {
    let mut gradients = Gradients::of(optimiser);
    let value = gradients.add(loss);
    gradients.step(optimiser);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::nn::{Layout, Sgd, SgdOptions};

    fn parameter(values: &[f64]) -> Parameter {
        Parameter::new("x", Layout::Plain, Tensor::from_slice(&Device::reference(), values, [values.len()]))
    }

    #[test]
    fn losses_that_are_added_one_by_one_step_as_their_sum() {
        let terms: [fn(Tensor) -> Tensor; 3] = [|x| x.exp().sum(), |x| x.powi(3).sum(), |x| (x * 4.0).sum()];
        let (apart, together) = (parameter(&[0.5, -1.0]), parameter(&[0.5, -1.0]));
        let options = SgdOptions { rate: 0.1, ..SgdOptions::default() };
        let mut sgd = Sgd::new(vec![apart.clone()], options);
        let mut gradients = Gradients::of(&sgd);
        for term in terms {
            gradients.add(term(apart.get()));
        }
        gradients.step(&mut sgd);
        let x = together.get();
        minimise(
            terms.iter().map(|term| term(x.clone())).reduce(|a, b| a + b).unwrap(),
            &mut Sgd::new(vec![together.clone()], options),
        );
        let [a, b] = [apart, together].map(|x| x.get().to_vec::<f64>().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-15), "{a:?} {b:?}");
    }
}
