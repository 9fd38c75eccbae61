//! Derivatives of every row against finite differences in f64, and what a row's form says of them.

use graft::Device;
use graft::conformance::{Case, Form, table::all};
use graft::gradcheck::relative_error;

use crate::case::{Largest, each_family, elements, truth, verify};

/// Of numbers that are equal but for the order of f64 operations.
const ROUNDING: f64 = 1e-12;

fn agrees_with_finite_differences(case: &Case, largest: &mut Largest) -> Result<(), String> {
    if case.large {
        return Ok(());
    }
    let report = case.check();
    if !report.agrees() {
        return Err(report.to_string());
    }
    for (order, error) in report.errors().into_iter().enumerate() {
        largest.note(&format!("order {}", order + 1), error, &case.name);
    }
    Ok(())
}

each_family!(agrees_with_finite_differences);

#[test]
fn a_recorded_gradient_equals_one_that_frees_its_graph() {
    verify(all(), |case, largest| {
        if case.large {
            return Ok(());
        }
        let derivatives = case.derivatives(&Device::reference());
        for (input, (recorded, freed)) in derivatives.recorded.iter().zip(&derivatives.gradient).enumerate() {
            let error = relative_error(recorded, freed);
            largest.note("recorded gradients", error, &case.name);
            if error > ROUNDING {
                return Err(format!("recorded and freed gradients by input {input} differ by {error:.1e}"));
            }
        }
        Ok(())
    });
}

#[test]
fn derivatives_are_exactly_zero_where_a_row_says_so_and_nowhere_else() {
    let zero = |lists: &[Vec<f64>]| lists.iter().flatten().all(|&v| v == 0.0);
    let some = |lists: &[Vec<f64>]| lists.iter().all(|list| list.iter().any(|&v| v != 0.0));
    verify(all(), |case, _| {
        let derivatives = truth(case);
        let (first, second) = (&derivatives.gradient, &derivatives.second);
        let vanish = match case.form {
            Form::Constant => zero(first) && zero(second),
            // An input may be flat between two kinks.
            Form::Affine => !zero(first) && zero(second),
            Form::Linear => some(first) && zero(second),
            Form::Multilinear | Form::Smooth => some(first) && (case.orders == 1 || !zero(second)),
        };
        if vanish { Ok(()) } else { Err(format!("is not {:?}: gradient {first:?}, second {second:?}", case.form)) }
    });
}

#[test]
fn a_linear_row_and_its_vjp_are_each_others_transpose() {
    verify(all(), |case, largest| {
        if !matches!(case.form, Form::Linear | Form::Multilinear) {
            return Ok(());
        }
        let (inputs, constants) = case.draw(&Device::reference());
        let value = case.apply(&inputs, &constants);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let forward = dot(&elements(&value), &elements(&case.direction(&value, inputs.len())));
        let truth = truth(case);
        let backward: Vec<f64> =
            inputs.iter().zip(&truth.gradient).map(|(x, slope)| dot(&elements(x), slope)).collect();
        let backward = if case.form == Form::Linear { vec![backward.iter().sum()] } else { backward };
        for backward in backward {
            let error = relative_error(&[forward], &[backward]);
            largest.note("<Ax, y> - <x, A'y>", error, &case.name);
            // The products cancel, so that their sum is less exact than each of them.
            if error > 1e-10 {
                return Err(format!("<Ax, y> is {forward}, <x, A'y> is {backward}: {error:.1e} apart"));
            }
        }
        Ok(())
    });
}
