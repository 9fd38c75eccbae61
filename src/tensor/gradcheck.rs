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
//! assert!(report.agrees(), "{report}");
//! println!("{report}"); // a row an order and input: the relative error, and the element that is worst
//! ```

use std::fmt;

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

/// One derivative beside its finite differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// 1 for the gradient.
    pub order: usize,
    /// Which of the inputs the derivative is with respect to.
    pub input: usize,
    /// `|analytic - numeric| / |numeric|` in the 2-norm; 0 below the floor, infinite where only the latter is zero.
    pub error: f64,
    /// What is allowed.
    pub tolerance: f64,
    /// The index, an axis each, of the element of the input where both differ most.
    pub index: Vec<usize>,
    /// The derivative there by differentiation.
    pub analytic: f64,
    /// The derivative there by finite differences.
    pub numeric: f64,
}

impl Comparison {
    /// Whether the error is within what is allowed.
    pub fn agrees(&self) -> bool {
        self.error <= self.tolerance
    }
}

/// What a check found: a comparison for each order and each input that has elements, up to the first order in which one differs.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a report is to be looked at: `assert!(report.agrees(), \"{report}\")`"]
pub struct Report {
    /// Order by order, in each the inputs in their order.
    pub comparisons: Vec<Comparison>,
}

impl Report {
    /// Whether every derivative agrees with its finite differences.
    pub fn agrees(&self) -> bool {
        self.comparisons.iter().all(Comparison::agrees)
    }

    /// The comparison whose error is the largest share of its tolerance; none where no input has elements.
    pub fn worst(&self) -> Option<&Comparison> {
        let share = |comparison: &Comparison| comparison.error / comparison.tolerance;
        self.comparisons.iter().max_by(|a, b| share(a).total_cmp(&share(b)))
    }

    /// The largest relative error of each order that was checked, from the first on.
    pub fn errors(&self) -> Vec<f64> {
        let orders = self.comparisons.chunk_by(|a, b| a.order == b.order);
        orders.map(|order| order.iter().map(|comparison| comparison.error).fold(0.0, f64::max)).collect()
    }
}

impl fmt::Display for Report {
    /// One sentence, and a row a comparison.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differ = self.comparisons.iter().filter(|comparison| !comparison.agrees()).count();
        match differ {
            0 => writeln!(f, "all derivatives agree with finite differences")?,
            _ => writeln!(f, "{differ} of {} derivatives differ from finite differences", self.comparisons.len())?,
        }
        write!(f, "order  input  relative error  allowed  worst at      by differentiation   by differences")?;
        for Comparison { order, input, error, tolerance, index, analytic, numeric } in &self.comparisons {
            let (place, mark) = (format!("{index:?}"), if error <= tolerance { "" } else { "  differs" });
            write!(f, "\n{order:>5}  {input:>5}  {error:>14.3e}  {tolerance:>7.0e}  {place:<12}")?;
            write!(f, "  {analytic:>18.10e}  {numeric:>15.8e}{mark}")?;
        }
        Ok(())
    }
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

/// Compares the derivatives of `f` at `inputs` with central finite differences, order by order, up to the first order in which one
/// differs: what comes after would be derivatives of the wrong function.
///
/// # Panics
/// Where there are no inputs, `f` panics, or the device fails.
pub fn gradcheck(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[&Tensor], options: &GradCheck) -> Report {
    assert!(!inputs.is_empty(), "gradcheck: no inputs");
    let inputs: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    let mut comparisons = Vec::new();
    check(&f, &inputs, options, 1, &mut comparisons);
    Report { comparisons }
}

fn check(
    f: &dyn Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    options: &GradCheck,
    order: usize,
    comparisons: &mut Vec<Comparison>,
) {
    let Some(&tolerance) = options.tolerances.get(order - 1) else { return };
    let project = |x: &[Tensor]| {
        let y = f(x);
        let direction = random_like(&y, options.seed, order, inputs.len());
        (y * direction).sum()
    };
    let analytic = grad(project(inputs), &inputs.iter().collect::<Vec<_>>());
    for (input, derivative) in analytic.iter().enumerate().filter(|(_, derivative)| !derivative.is_empty()) {
        let analytic = derivative.to_vec::<f64>().expect("the device works");
        let numeric = central_differences(&project, inputs, input, options.step);
        let far = |i: usize| (analytic[i] - numeric[i]).abs();
        let difference = (0..numeric.len()).map(|i| far(i) * far(i)).sum::<f64>().sqrt();
        let error = if difference <= options.floor { 0.0 } else { relative_error(&analytic, &numeric) };
        let worst = (0..numeric.len()).max_by(|&a, &b| far(a).total_cmp(&far(b))).expect("there is an element");
        let index = index_of(worst, derivative.shape());
        let (analytic, numeric) = (analytic[worst], numeric[worst]);
        comparisons.push(Comparison { order, input, error, tolerance, index, analytic, numeric });
    }
    if !comparisons.iter().all(Comparison::agrees) {
        return;
    }
    let directional = |x: &[Tensor]| {
        let slopes = grad_graph(&project(x), &x.iter().collect::<Vec<_>>());
        let terms = slopes.iter().enumerate().map(|(i, slope)| {
            let direction = random_like(slope, options.seed, order, i);
            (slope * direction).sum()
        });
        terms.reduce(|sum, term| sum + term).expect("there is an input")
    };
    check(&directional, inputs, options, order + 1, comparisons);
}

/// The index on each axis of the element that stands at `place` in row-major order.
fn index_of(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, size) in index.iter_mut().zip(shape).rev() {
        (*at, place) = (place % size, place / size);
    }
    index
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
        let tensor = |values: &[f64]| Tensor::from_slice(&Device::reference(), values, [values.len() / 2, 2]);
        let (right, wrong) = (tensor(&[1.0, 3.0]), tensor(&[0.5, 2.0, 0.25, 0.125]));
        // The constant hides one factor of the square from differentiation.
        let report = gradcheck(|x| &x[0] * &x[1] * x[1].detach(), &[&right, &wrong], &GradCheck::default());
        let [first, second] = &report.comparisons[..] else { panic!("no second order after a wrong first: {report}") };
        assert!(first.agrees() && !second.agrees() && !report.agrees());
        assert_eq!((second.order, second.input), (1, 1));
        assert!((second.error - 0.5).abs() < 1e-6 && report.worst() == Some(second), "{report}");
        assert!(second.index[0] < 2 && (second.analytic * 2.0 - second.numeric).abs() < 1e-6, "{report}");
        let text = report.to_string();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("1 of 2 derivatives differ from finite differences"));
        assert!(lines.next_back().is_some_and(|row| row.ends_with("  differs")), "{text}");
    }

    #[test]
    fn the_worst_element_has_its_index() {
        let x = Tensor::zeros(&Device::reference(), [2, 3, 2]);
        // One element's slope is hidden: 1 by differences, 0 by differentiation.
        let hide = |x: &[Tensor]| x[0].slice(0, 1, 2).slice(1, 2, 3).slice(2, 0, 1).detach().sum() + x[0].sum() * 1e-9;
        let report = gradcheck(hide, &[&x], &GradCheck { step: 1.0, ..GradCheck::default() });
        assert_eq!(report.worst().map(|worst| &worst.index[..]), Some(&[1, 2, 0][..]), "{report}");
        assert_eq!(index_of(0, &[]), [0; 0]);
    }

    #[test]
    fn a_derivative_that_is_zero_up_to_rounding_agrees() {
        let x = Tensor::from_slice(&Device::reference(), &[0.5, 2.0], [2]);
        let report = gradcheck(|x| x[0].ln().exp(), &[&x], &GradCheck::default());
        assert!(report.agrees(), "{report}");
    }

    #[test]
    fn three_orders_of_a_product_of_powers_agree() {
        let x = Tensor::from_slice(&Device::reference(), &[0.5, -1.5], [2]);
        let options = GradCheck { tolerances: vec![1e-6, 1e-5, 1e-4], ..GradCheck::default() };
        let report = gradcheck(|x| x[0].powi(4) * x[0].exp(), &[&x], &options);
        assert!(report.agrees() && report.errors().len() == 3, "{report}");
        assert!(report.to_string().starts_with("all derivatives agree"));
    }

    #[test]
    fn an_input_without_elements_has_no_comparison() {
        let [x, empty] = [[2], [0]].map(|shape| Tensor::ones(&Device::reference(), shape));
        let report = gradcheck(|x| x[0].sum() + x[1].sum(), &[&x, &empty], &GradCheck::default());
        assert!(report.agrees() && report.comparisons.iter().all(|comparison| comparison.input == 0), "{report}");
    }

    #[test]
    fn relative_error_is_infinite_where_only_the_truth_is_zero() {
        assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_error(&[1e-30], &[0.0]), f64::INFINITY);
        assert_eq!(relative_error(&[f64::NAN], &[1.0]), f64::INFINITY);
    }
}
