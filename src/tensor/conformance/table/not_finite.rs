//! Rows of what devices make of infinities and of what is not a number. Such elements are constants of a row; what they lead to is told in finite
//! numbers, by which an input is multiplied.

use super::{ANY, input};
use crate::backend::Binary;
use crate::tensor::Tensor;
use crate::tensor::conformance::{Case, Domain};

const LOWEST: Domain = Domain::Choice(&[f32::NEG_INFINITY]);
const HIGHEST: Domain = Domain::Choice(&[f32::INFINITY, -1.0, 2.0]);
const INFINITE: Domain = Domain::Choice(&[f32::INFINITY, f32::NEG_INFINITY]);
const HOLES: Domain = Domain::Choice(&[f32::NAN, -1.0, 2.0, f32::NEG_INFINITY]);
const NO_NUMBER: Domain = Domain::Choice(&[f32::NAN]);
const EVERYTHING: Domain = Domain::Choice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.5, 0.0, 2.0]);

/// A function of one tensor.
type OfOne = fn(&Tensor) -> Tensor;

/// A number as it is, up to a bound; a number beyond the bound for what is none.
fn told(x: &Tensor) -> Tensor {
    const BOUND: f64 = 8.0;
    const NONE: f64 = 16.0;
    let one = Tensor::full(x.device(), x.shape(), 1.0);
    let is_number = x.step() + (-x).step() + one.binary(Binary::GateNot, x);
    // What a clamp leaves as no number, the gate drops.
    x.clamp(-BOUND, BOUND).binary(Binary::Gate, &is_number) + NONE * (1.0 - is_number)
}

/// A function of constants.
fn row(
    name: impl Into<String>,
    constants: Vec<(Vec<usize>, Domain)>,
    function: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static,
) -> Case {
    Case::new(name, [input([1], ANY)], move |x| &x[0] * told(&function(&x[1..]))).constants(constants).linear()
}

/// Reductions and functions of elements that are infinite or not numbers.
pub fn not_finite() -> Vec<Case> {
    let mut rows = Vec::new();
    // One element, fewer than a workgroup has threads, and lines that several workgroups share.
    for shape in [vec![1], vec![7], vec![301], vec![40_003], vec![3, 301, 5], vec![2, 1, 33], vec![5, 700]] {
        let axis = if shape.len() == 3 { 1 } else { shape.len() - 1 };
        let mut reduction = |name: &str, domain, function: fn(&Tensor, &[usize], bool) -> Tensor| {
            let constants = vec![input(&shape, domain)];
            rows.push(row(format!("{name} over {axis} of {shape:?}"), constants, move |x| {
                function(&x[0], &[axis], false)
            }));
        };
        reduction("max of minus infinities", LOWEST, Tensor::max_axes);
        reduction("max with infinities", HIGHEST, Tensor::max_axes);
        reduction("max with what is no number", HOLES, Tensor::max_axes);
        reduction("max of what is no number", NO_NUMBER, Tensor::max_axes);
        reduction("sum of minus infinities", LOWEST, Tensor::sum_axes);
        reduction("sum of infinities of both signs", INFINITE, Tensor::sum_axes);
        reduction("sum with what is no number", HOLES, Tensor::sum_axes);
    }
    // A number alone at the end of a line.
    rows.push(row("max of a number that comes last", vec![input([2, 514], LOWEST), input([2, 1], ANY)], |x| {
        Tensor::concat(&[&x[0], &x[1]], 1).max_axes(&[1], false)
    }));
    rows.push(row(
        "max of what is no number and comes last",
        vec![input([2, 514], ANY), input([2, 1], NO_NUMBER)],
        |x| Tensor::concat(&[&x[0], &x[1]], 1).max_axes(&[1], false),
    ));
    let of_one: [(&str, OfOne); 7] = [
        ("relu", Tensor::relu),
        ("leaky_relu", |x| x.leaky_relu(0.2)),
        ("abs", Tensor::abs),
        ("step", Tensor::step),
        ("sign", Tensor::sign),
        ("clamp", |x| x.clamp(-0.5, 0.75)),
        ("negation", |x| -x),
    ];
    for (name, function) in of_one {
        rows.push(row(format!("{name} of anything"), vec![input([3, 41], EVERYTHING)], move |x| function(&x[0])));
    }
    let of_two = [
        Binary::Add,
        Binary::Mul,
        Binary::Maximum,
        Binary::Minimum,
        Binary::Gate,
        Binary::GateNot,
        Binary::LeakyGate { slope: 0.2 },
    ];
    for function in of_two {
        let constants = vec![input([3, 41], EVERYTHING), input([3, 41], EVERYTHING)];
        let name = format!("{} of anything", function.name());
        rows.push(row(name, constants, move |x| x[0].binary(function, &x[1])));
        let constants = vec![input([3, 1, 5], EVERYTHING), input([4, 1], EVERYTHING)];
        let name = format!("{} of anything, broadcast", function.name());
        rows.push(row(name, constants, move |x| x[0].binary(function, &x[1])));
    }
    rows.push(row("where_ by anything", vec![input([5, 23], EVERYTHING), input([23], ANY)], |x| {
        x[0].where_(&x[1], &(2.0 * &x[1]))
    }));
    rows
}
