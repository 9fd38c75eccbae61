//! Checks of derivatives against central finite differences, for the ops of this crate and for anybody's functions.
//!
//! A function of tensors with a result of any shape is projected on a fixed random direction; the gradient
//! of that scalar is compared with central differences. The second order is the same check of the function's
//! own gradient, projected on random directions, and so on for every order. Run it on
//! [`Device::reference`](crate::Device::reference): f64 makes the differences accurate.
//!
//! ```
//! use graft::gradcheck::{GradCheck, gradcheck};
//! use graft::{Device, Tensor};
//!
//! let x = Tensor::from_slice(&Device::reference(), &[0.3, -1.2, 0.7], [3]);
//! let report = gradcheck(|x| x[0].tanh() * &x[1], &[&x, &x.exp()], &GradCheck::default());
//! assert!(report.is_ok(), "{}", report.unwrap_err());
//! ```

use rand::RngExt;

use super::{Tensor, grad, grad_graph};
use crate::random::{Purpose, generator};

/// How a check is made.
#[derive(Clone, Debug, PartialEq)]
pub struct GradCheck {
    /// Half of the distance between the two evaluations of a central difference. The default, 1e-4, suits inputs of order one:
    /// truncation and rounding are both near 1e-9. For a function that is linear in each input alone, 1 makes differences exact.
    pub step: f64,
    /// The largest relative error of each order, from the first on; as many orders are checked as stand here.
    pub tolerances: Vec<f64>,
    /// Differences whose 2-norm is at most this agree, whatever the relative error: what rounding makes of a derivative that is
    /// zero. The default is 1e-10, a hundred times the rounding of a difference of numbers of order one.
    pub floor: f64,
    /// Seeds the random directions.
    pub seed: u64,
}

impl Default for GradCheck {
    fn default() -> GradCheck {
        GradCheck { step: 1e-4, tolerances: vec![1e-6, 1e-4], floor: 1e-10, seed: 0 }
    }
}

/// A derivative that differs from its finite differences.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "derivative of order {order} with respect to input {input}: relative error {error:.3e} is above {tolerance:.0e} \
     (largest difference at element {element}: {analytic} by differentiation, {numeric} by finite differences)"
)]
pub struct Mismatch {
    /// 1 for the gradient.
    pub order: usize,
    /// Which of the inputs.
    pub input: usize,
    /// `|analytic - numeric| / |numeric|` in the 2-norm; infinite where only the latter is zero.
    pub error: f64,
    /// What was allowed.
    pub tolerance: f64,
    /// The element of the input where both differ most.
    pub element: usize,
    /// The derivative there by differentiation.
    pub analytic: f64,
    /// The derivative there by finite differences.
    pub numeric: f64,
}

/// The largest relative error of each order that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// From the first order on.
    pub errors: Vec<f64>,
}

/// `|a - b| / |b|` in the 2-norm: 0 where both are zero, infinite where only `b` is, or where anything is not a number.
pub fn relative_error(a: &[f64], b: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
    let size = norm(&mut b.iter().copied());
    if difference == 0.0 {
        0.0
    } else if difference.is_nan() || size == 0.0 {
        f64::INFINITY
    } else {
        difference / size
    }
}

/// Compares the derivatives of `f` at `inputs` with central finite differences, order by order.
///
/// # Errors
/// The first derivative that differs by more than its tolerance.
///
/// # Panics
/// Where there are no inputs, `f` panics, or the device fails.
pub fn gradcheck(
    f: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[&Tensor],
    options: &GradCheck,
) -> Result<Agreement, Mismatch> {
    assert!(!inputs.is_empty(), "gradcheck: no inputs");
    let inputs: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    let mut agreement = Agreement { errors: Vec::new() };
    check(&f, &inputs, options, 1, &mut agreement)?;
    Ok(agreement)
}

fn check(
    f: &dyn Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    options: &GradCheck,
    order: usize,
    agreement: &mut Agreement,
) -> Result<(), Mismatch> {
    let Some(&tolerance) = options.tolerances.get(order - 1) else { return Ok(()) };
    let project = |x: &[Tensor]| {
        let y = f(x);
        let direction = random_like(&y, options.seed, order, inputs.len());
        (y * direction).sum()
    };
    let analytic = grad(project(inputs), &inputs.iter().collect::<Vec<_>>());
    let mut worst = 0.0f64;
    for (input, derivative) in analytic.iter().enumerate() {
        let analytic = derivative.to_vec::<f64>().expect("the device works");
        let numeric = central_differences(&project, inputs, input, options.step);
        let difference = analytic.iter().zip(&numeric).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        let error = if difference <= options.floor { 0.0 } else { relative_error(&analytic, &numeric) };
        worst = worst.max(error);
        if error > tolerance {
            let difference = |&i: &usize| (analytic[i] - numeric[i]).abs();
            let element = (0..numeric.len()).max_by(|a, b| difference(a).total_cmp(&difference(b))).unwrap_or(0);
            let (analytic, numeric) = (analytic[element], numeric[element]);
            return Err(Mismatch { order, input, error, tolerance, element, analytic, numeric });
        }
    }
    agreement.errors.push(worst);
    let directional = |x: &[Tensor]| {
        let slopes = grad_graph(&project(x), &x.iter().collect::<Vec<_>>());
        let terms = slopes.iter().enumerate().map(|(i, slope)| {
            let direction = random_like(slope, options.seed, order, i);
            (slope * direction).sum()
        });
        terms.reduce(|sum, term| sum + term).expect("there is an input")
    };
    check(&directional, inputs, options, order + 1, agreement)
}

/// A constant of `tensor`'s shape, uniform in [-1, 1], rounded to f32.
fn random_like(tensor: &Tensor, seed: u64, order: usize, index: usize) -> Tensor {
    let mut generator = generator(seed, Purpose::GradientCheck, order as u64, index as u64);
    let values: Vec<f32> = (0..tensor.len()).map(|_| generator.random_range(-1.0..1.0)).collect();
    Tensor::from_slice(tensor.device(), &values, tensor.shape())
}

/// `(f(x + step e_i) - f(x - step e_i)) / (2 step)` for every element of one input.
fn central_differences(f: &dyn Fn(&[Tensor]) -> Tensor, inputs: &[Tensor], which: usize, step: f64) -> Vec<f64> {
    let x = inputs[which].to_vec::<f64>().expect("the device works");
    let at = |i: usize, offset: f64| {
        let mut moved = x.clone();
        moved[i] += offset;
        let mut inputs = inputs.to_vec();
        inputs[which] = Tensor::from_slice(inputs[which].device(), &moved, inputs[which].shape());
        f(&inputs).item().expect("the device works")
    };
    (0..x.len()).map(|i| (at(i, step) - at(i, -step)) / (2.0 * step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn a_wrong_derivative_is_found_and_named() {
        let x = Tensor::from_slice(&Device::reference(), &[0.5, 2.0], [2]);
        // The constant hides one factor of the product from differentiation.
        let mismatch = gradcheck(|x| &x[0] * x[0].detach(), &[&x], &GradCheck::default()).unwrap_err();
        assert_eq!((mismatch.order, mismatch.input), (1, 0));
        assert!((mismatch.error - 0.5).abs() < 1e-6, "{mismatch}");
    }

    #[test]
    fn a_derivative_that_is_zero_up_to_rounding_agrees() {
        let x = Tensor::from_slice(&Device::reference(), &[0.5, 2.0], [2]);
        gradcheck(|x| x[0].ln().exp(), &[&x], &GradCheck::default()).unwrap();
    }

    #[test]
    fn three_orders_of_a_product_of_powers_agree() {
        let x = Tensor::from_slice(&Device::reference(), &[0.5, -1.5], [2]);
        let options = GradCheck { tolerances: vec![1e-6, 1e-5, 1e-4], ..GradCheck::default() };
        let agreement = gradcheck(|x| x[0].powi(4) * x[0].exp(), &[&x], &options).unwrap();
        assert_eq!(agreement.errors.len(), 3);
    }

    #[test]
    fn relative_error_is_infinite_where_only_the_truth_is_zero() {
        assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_error(&[1e-30], &[0.0]), f64::INFINITY);
        assert_eq!(relative_error(&[f64::NAN], &[1.0]), f64::INFINITY);
    }
}
