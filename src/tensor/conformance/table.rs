//! The one table of ops. A new op is a row here; gradient checks and the parity of devices follow from it.

mod convolutions;
mod images;
mod lines;
mod not_finite;

pub use convolutions::{convolutions, fused_convolutions, grouped_convolutions, large_convolutions};
pub use images::{pooling, sampling};
pub use lines::{ordering, padding, statistics};
pub use not_finite::not_finite;

use super::{Case, Domain, Input};
use crate::backend::{Activation, Binary};
use crate::tensor::ops::{Convolution, Interpolation};
use crate::tensor::{Tensor, grad_graph};

const ANY: Domain = Domain::Intervals(&[(-2.0, 2.0)]);
const UNIT: Domain = Domain::Intervals(&[(-1.0, 1.0)]);
const POSITIVE: Domain = Domain::Intervals(&[(0.25, 2.5)]);
const SHARE: Domain = Domain::Intervals(&[(0.1, 0.9)]);
/// Clear of 0.
const SIGNED: Domain = Domain::Intervals(&[(-2.0, -0.5), (0.5, 2.0)]);
/// Clear of [`MIDDLE`], below and above it.
const OUTSIDE: Domain = Domain::Intervals(&[(-2.0, -1.0), (1.0, 2.0)]);
const MIDDLE: Domain = Domain::Intervals(&[(-0.5, 0.5)]);
/// Clear of -0.5 and 0.75.
const BETWEEN_BOUNDS: Domain = Domain::Intervals(&[(-2.0, -0.75), (-0.25, 0.5), (1.0, 2.0)]);
/// Clear of numbers and a half, and of whole numbers.
const BETWEEN_HALVES: Domain =
    Domain::Intervals(&[(-2.25, -1.75), (-1.25, -0.75), (-0.25, 0.25), (0.75, 1.25), (1.75, 2.25)]);
const BETWEEN_WHOLES: Domain = Domain::Intervals(&[(-1.75, -1.25), (-0.75, -0.25), (0.25, 0.75), (1.25, 1.75)]);
/// Conditions: zero or not.
const CONDITION: Domain = Domain::Choice(&[0.0, 1.0, -2.0]);

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };
const EPSILON: f64 = 1e-5;

/// A family's name, and its rows.
pub type Family = (&'static str, fn() -> Vec<Case>);

/// The table's families.
pub fn families() -> [Family; 20] {
    [
        ("elementwise", elementwise),
        ("broadcasting", broadcasting),
        ("reductions", reductions),
        ("shapes", shapes),
        ("products", products),
        ("convolutions", convolutions),
        ("fused convolutions", fused_convolutions),
        ("grouped convolutions", grouped_convolutions),
        ("normalisation", normalisation),
        ("losses", losses),
        ("resampling", resampling),
        ("statistics", statistics),
        ("ordering", ordering),
        ("padding", padding),
        ("pooling", pooling),
        ("sampling", sampling),
        ("penalties", penalties),
        ("not finite", not_finite),
        ("large", large),
        ("large convolutions", large_convolutions),
    ]
}

/// The whole table.
pub fn all() -> Vec<Case> {
    families().iter().flat_map(|(_, family)| family()).collect()
}

fn input(shape: impl AsRef<[usize]>, domain: Domain) -> Input {
    (shape.as_ref().to_vec(), domain)
}

/// A function of one tensor.
fn one(
    name: impl Into<String>,
    shape: impl AsRef<[usize]>,
    domain: Domain,
    function: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
) -> Case {
    Case::new(name, [input(shape, domain)], move |x| function(&x[0]))
}

/// A function of two tensors.
fn two(name: impl Into<String>, a: Input, b: Input, function: fn(&Tensor, &Tensor) -> Tensor) -> Case {
    Case::new(name, [a, b], move |x| function(&x[0], &x[1]))
}

/// Functions of each element, on one shape.
pub fn elementwise() -> Vec<Case> {
    let unary = |name: &str, domain, function: fn(&Tensor) -> Tensor| one(name, [3, 7], domain, function);
    let binary = |name: &str, a, b, function| two(name, input([3, 7], a), input([3, 7], b), function);
    // `function(x, y)` of which the second argument has no derivative.
    let gate = |name: &str, function: Binary| {
        Case::new(name, [input([3, 7], ANY)], move |x| x[0].binary(function, &x[1]))
            .constants([input([3, 7], CONDITION)])
            .linear()
    };
    vec![
        unary("neg", ANY, |x| -x).linear().exact(),
        unary("x + 2.5", ANY, |x| x + 2.5).affine(),
        unary("x - 2.5", ANY, |x| x - 2.5).affine(),
        unary("2.5 - x", ANY, |x| 2.5 - x).affine(),
        unary("2.5 x", ANY, |x| 2.5 * x).linear(),
        unary("x / 2.5", ANY, |x| x / 2.5).linear(),
        unary("2.5 / x", SIGNED, |x| 2.5 / x),
        unary("exp", ANY, Tensor::exp).transcendental(),
        unary("ln", POSITIVE, Tensor::ln).transcendental(),
        unary("sqrt", POSITIVE, Tensor::sqrt),
        unary("rsqrt", POSITIVE, Tensor::rsqrt),
        unary("abs", SIGNED, Tensor::abs).affine().exact(),
        unary("tanh", ANY, Tensor::tanh).transcendental(),
        unary("sigmoid", ANY, Tensor::sigmoid).transcendental(),
        unary("softplus", ANY, Tensor::softplus).transcendental(),
        unary("relu", SIGNED, Tensor::relu).affine().exact(),
        unary("leaky_relu", SIGNED, |x| x.leaky_relu(0.2)).affine(),
        unary("activate", SIGNED, |x| x.activate(LEAKY)).affine(),
        unary("step", SIGNED, Tensor::step).constant().exact(),
        unary("powi 0", SIGNED, |x| x.powi(0)).constant().exact(),
        unary("powi 1", SIGNED, |x| x.powi(1)).linear().exact(),
        unary("powi 2", SIGNED, |x| x.powi(2)),
        unary("powi 5", SIGNED, |x| x.powi(5)),
        unary("powi -1", SIGNED, |x| x.powi(-1)),
        unary("powi -3", SIGNED, |x| x.powi(-3)),
        unary("clamp", BETWEEN_BOUNDS, |x| x.clamp(-0.5, 0.75)).affine().exact(),
        unary("sin", ANY, Tensor::sin).transcendental(),
        unary("cos", ANY, Tensor::cos).transcendental(),
        unary("erf", ANY, Tensor::erf).transcendental(),
        unary("powf 2.5", POSITIVE, |x| x.powf(2.5)).transcendental(),
        unary("powf -0.3", POSITIVE, |x| x.powf(-0.3)).transcendental(),
        unary("powf 0.5", POSITIVE, |x| x.powf(0.5)).transcendental(),
        unary("powf 3", SIGNED, |x| x.powf(3.0)),
        unary("sign", SIGNED, Tensor::sign).constant().exact(),
        unary("round", BETWEEN_HALVES, Tensor::round).constant().exact(),
        unary("floor", BETWEEN_WHOLES, Tensor::floor).constant().exact(),
        unary("gelu", ANY, Tensor::gelu).transcendental(),
        unary("silu", ANY, Tensor::silu).transcendental(),
        binary("minimum", OUTSIDE, MIDDLE, Tensor::minimum).affine().exact(),
        binary("pow", POSITIVE, ANY, Tensor::pow).transcendental(),
        two("prelu", input([3, 7], SIGNED), input([7], ANY), Tensor::prelu),
        two("prelu of one slope", input([3, 7], SIGNED), input([1], ANY), Tensor::prelu),
        binary("add", ANY, ANY, |a, b| a + b).linear(),
        binary("sub", ANY, ANY, |a, b| a - b).linear(),
        binary("mul", ANY, ANY, |a, b| a * b).multilinear(),
        binary("div", ANY, SIGNED, |a, b| a / b),
        binary("maximum", OUTSIDE, MIDDLE, Tensor::maximum).affine().exact(),
        binary("lerp", ANY, ANY, |a, b| a.lerp(b, 0.3)).linear(),
        binary("tanh_gate", ANY, UNIT, |a, b| a.binary(Binary::TanhGate, b)),
        gate("gate", Binary::Gate).exact(),
        gate("gate_not", Binary::GateNot).exact(),
        gate("leaky_gate", Binary::LeakyGate { slope: 0.2 }),
        Case::new("where_", [input([3, 7], ANY), input([3, 7], ANY)], |x| x[2].where_(&x[0], &x[1]))
            .constants([input([3, 7], CONDITION)])
            .linear()
            .exact(),
        unary("one tensor on both sides", SIGNED, |x| x * x / (x + 5.0)),
    ]
}

/// Every way in which two shapes broadcast, with ops that keep their inputs and ops that do not.
pub fn broadcasting() -> Vec<Case> {
    let patterns: [(&[usize], &[usize]); 11] = [
        (&[], &[2, 3]),
        (&[1], &[3]),
        (&[1, 1], &[2, 3]),
        (&[3], &[2, 3]),
        (&[2, 1], &[2, 3]),
        (&[2, 1], &[3]),
        (&[4, 1, 3], &[4, 2, 3]),
        (&[2, 1, 3], &[1, 4, 1]),
        (&[3, 1, 2, 1], &[2, 1, 5]),
        (&[1, 2, 1, 3], &[4, 1, 2, 1]),
        (&[], &[]),
    ];
    let mut rows = Vec::new();
    for (small, large) in patterns {
        for (a, b) in [(small, large), (large, small)] {
            let row = |name: &str, a_domain, b_domain, function| {
                two(format!("{name} {a:?} {b:?}"), input(a, a_domain), input(b, b_domain), function)
            };
            rows.push(row("add", ANY, ANY, |a, b| a + b).linear());
            rows.push(row("sub", ANY, ANY, |a, b| a - b).linear());
            rows.push(row("mul", ANY, ANY, |a, b| a * b).multilinear());
            rows.push(row("div", ANY, SIGNED, |a, b| a / b));
            rows.push(row("maximum", OUTSIDE, MIDDLE, Tensor::maximum).affine());
            rows.push(row("pow", POSITIVE, ANY, Tensor::pow).transcendental());
        }
    }
    rows.push(
        Case::new("where_ [2, 1] [3] by [4, 1, 1]", [input([2, 1], ANY), input([3], ANY)], |x| {
            x[2].where_(&x[0], &x[1])
        })
        .constants([input([4, 1, 1], Domain::Choice(&[0.0, 1.0]))])
        .linear(),
    );
    rows
}

/// Sums, means and maxima over every run of axes, and over two runs.
pub fn reductions() -> Vec<Case> {
    let mut rows = vec![
        one("sum", [3, 4, 2], ANY, Tensor::sum).linear(),
        one("mean", [3, 4, 2], ANY, Tensor::mean).linear(),
        one("max", [3, 4, 2], Domain::Distinct, Tensor::max).affine().exact(),
        one("sum of a scalar", [], ANY, Tensor::sum).linear(),
        one("sum along 40", [3, 40], ANY, |x| x.sum_axes(&[1], false)).linear(),
    ];
    let axes: [&'static [usize]; 9] = [&[], &[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 2], &[2, 0], &[0, 1, 2]];
    for axes in axes {
        for keep in [false, true] {
            let row = |name: &str, domain, function: fn(&Tensor, &[usize], bool) -> Tensor| {
                one(format!("{name} over {axes:?}, keep {keep}"), [3, 4, 2], domain, move |x| function(x, axes, keep))
            };
            rows.push(row("sum", ANY, Tensor::sum_axes).linear());
            rows.push(row("mean", ANY, Tensor::mean_axes).linear());
            rows.push(row("max", Domain::Distinct, Tensor::max_axes).affine().exact());
        }
    }
    rows.push(one("sum over [1, 3]", [2, 3, 2, 4], ANY, |x| x.sum_axes(&[1, 3], false)).linear());
    rows.push(one("max over [0, 2]", [2, 3, 4, 3], Domain::Distinct, |x| x.max_axes(&[0, 2], true)).affine());
    rows
}

/// Ops that move elements.
pub fn shapes() -> Vec<Case> {
    let row = |name: &str, shape: &[usize], function: fn(&Tensor) -> Tensor| {
        one(format!("{name} of {shape:?}"), shape, ANY, function).linear().exact()
    };
    let concat = |axis: usize, shapes: &[&[usize]]| {
        let inputs: Vec<Input> = shapes.iter().map(|shape| input(shape, ANY)).collect();
        Case::new(format!("concat {shapes:?} along {axis}"), inputs, move |x| {
            Tensor::concat(&x.iter().collect::<Vec<_>>(), axis)
        })
        .linear()
        .exact()
    };
    let mut rows = vec![
        row("reshape", &[3, 4], |x| x.reshape([2, 1, 6])),
        row("slice", &[5, 4], |x| x.slice(0, 1, 4)),
        row("slice of the last axis", &[3, 6], |x| x.slice(1, 2, 5)),
        row("slice to nothing missing", &[3, 6], |x| x.slice(1, 0, 6)),
        row("slice_step 2", &[7, 2], |x| x.slice_step(0, 1, 7, 2)),
        row("slice_step 3 where it does not divide", &[2, 8], |x| x.slice_step(1, 0, 8, 3)),
        row("slice_step past the end", &[2, 5], |x| x.slice_step(1, 1, 4, 9)),
        row("pad", &[2, 3, 2], |x| x.pad(1, 2, 1)),
        row("pad of the last axis", &[2, 3], |x| x.pad(1, 0, 2)),
        row("flip", &[2, 5, 2], |x| x.flip(1)),
        row("flip of the last axis", &[2, 5], |x| x.flip(1)),
        row("expand of a scalar", &[], |x| x.expand([2, 3])),
        row("expand", &[2, 1, 3], |x| x.expand([2, 4, 3])),
        row("expand of the last axis", &[2, 1], |x| x.expand([2, 5])),
        row("expand with new axes", &[3, 1], |x| x.expand([2, 3, 4])),
        row("gather", &[4, 3], |x| x.gather(&[2, 0, 2, 3, 2])),
        row("gather of one column", &[4, 1], |x| x.gather(&[3, 3, 0])),
        row("index_select", &[2, 4, 3], |x| x.index_select(1, &[3, 0, 3, 3, 1])),
        row("index_select of the last axis", &[2, 5], |x| x.index_select(1, &[4, 4, 0])),
        row("take_along_axis", &[2, 3, 2], |x| x.take_along_axis(1, &[2, 0, 2, 1, 1, 1, 0, 2])),
        row("shift", &[3, 4, 5, 2], |x| x.shift(&[[1, -2], [0, 0], [-4, 5]])),
        // More images than a dispatch of a gpu takes.
        row("shift of many", &[520, 1, 2, 1], |x| {
            x.shift(&(0..520).map(|image| [0, image % 3 - 1]).collect::<Vec<_>>())
        }),
        row("repeat", &[2, 3], |x| x.repeat(&[2, 1, 3])),
        // A gpu's kernel would have to walk ten axes.
        row("repeat along five axes", &[2, 2, 2, 2, 2], |x| x.repeat(&[2, 3, 2, 2, 2])),
        row("repeat along four of five axes", &[2, 2, 2, 2, 2], |x| x.repeat(&[1, 2, 2, 2, 2])),
        row("roll", &[2, 5, 2], |x| x.roll(1, 2)),
        row("roll backwards past the end", &[2, 5], |x| x.roll(1, -8)),
        row("split", &[2, 7], |x| Tensor::concat(&x.split(1, &[2, 4, 1]).iter().rev().collect::<Vec<_>>(), 1)),
        row("chunk", &[7, 2], |x| Tensor::concat(&x.chunk(0, 3).iter().rev().collect::<Vec<_>>(), 0)),
        row("pixel_shuffle 2", &[2, 3, 2, 8], |x| x.pixel_shuffle(2)),
        row("pixel_shuffle 3", &[1, 2, 1, 9], |x| x.pixel_shuffle(3)),
        row("a window of a window", &[6, 6], |x| x.slice_step(0, 1, 6, 2).pad(1, 1, 1).flip(1).slice(1, 2, 7)),
        concat(0, &[&[2, 3], &[1, 3], &[3, 3]]),
        concat(1, &[&[2, 1, 2], &[2, 3, 2]]),
        concat(2, &[&[1, 2, 2], &[1, 2, 1]]),
        Case::new("stack", [input([2, 3], ANY), input([2, 3], ANY)], |x| Tensor::stack(&[&x[0], &x[1]], 1))
            .linear()
            .exact(),
        Case::new("concat of a tensor with itself", [input([2, 3], ANY)], |x| Tensor::concat(&[&x[0], &x[0]], 0))
            .linear()
            .exact(),
    ];
    let orders: [&'static [usize]; 9] = [
        &[1, 0],
        &[0, 2, 1],
        &[1, 0, 2],
        &[1, 2, 0],
        &[2, 0, 1],
        &[2, 1, 0],
        &[0, 3, 1, 2],
        &[0, 2, 3, 1],
        &[3, 2, 1, 0],
    ];
    for order in orders {
        let shape = &[2, 3, 4, 2][..order.len()];
        rows.push(one(format!("permute {order:?}"), shape, ANY, move |x| x.permute(order)).linear().exact());
    }
    rows
}

/// Matrix products, with all transposes and leading axes.
pub fn products() -> Vec<Case> {
    let product = |a: &[usize], b: &[usize], transpose_a: bool, transpose_b: bool| {
        let name = |shape: &[usize], transposed| format!("{shape:?}{}", if transposed { "'" } else { "" });
        Case::new(
            format!("matmul {} {}", name(a, transpose_a), name(b, transpose_b)),
            [input(a, UNIT), input(b, UNIT)],
            move |x| x[0].matmul_with(&x[1], transpose_a, transpose_b),
        )
        .multilinear()
    };
    vec![
        product(&[3, 4], &[4, 5], false, false),
        product(&[4, 3], &[4, 5], true, false),
        product(&[3, 4], &[5, 4], false, true),
        product(&[4, 3], &[5, 4], true, true),
        product(&[2, 3, 4], &[2, 4, 5], false, false),
        product(&[2, 4, 3], &[2, 5, 4], true, true),
        product(&[3, 4], &[2, 4, 2], false, false),
        product(&[2, 3, 4], &[4, 2], false, false),
        product(&[2, 1, 3, 2], &[3, 2, 2], false, false),
        product(&[2, 1, 2, 3], &[3, 2, 2], true, true),
        product(&[1, 1], &[1, 1], false, false),
        product(&[1, 7], &[7, 1], false, false),
        product(&[5, 1], &[1, 4], false, false),
        Case::new("linear", [input([2, 3, 4], UNIT), input([4, 5], UNIT), input([5], UNIT)], |x| {
            x[0].linear(&x[1], Some(&x[2]))
        }),
        two("linear without a bias", input([3, 4], UNIT), input([4, 2], UNIT), |x, w| x.linear(w, None)).multilinear(),
        one("matmul of a tensor with its transpose", [3, 4], UNIT, |x| x.matmul_with(x, false, true)),
    ]
}

/// Normalisations, in training.
pub fn normalisation() -> Vec<Case> {
    let batch_norm = |shape: &[usize], activation: Activation| {
        let channels = [shape[shape.len() - 1]];
        let inputs = [input(shape, ANY), input(channels, SIGNED), input(channels, ANY)];
        let compute = |x: &[Tensor], activation| x[0].batch_norm(&x[1], &x[2], EPSILON, activation).output;
        let row = Case::new(format!("batch_norm {shape:?}, {activation:?}"), inputs, move |x| compute(x, activation));
        match activation {
            Activation::Identity => row,
            Activation::Tanh => row.transcendental(),
            _ => row.kinks(move |x| compute(x, Activation::Identity)),
        }
    };
    // The derivative holds the singular vectors constant, which the first order alone allows.
    let spectral = |shape: [usize; 4]| {
        const ROUNDS: usize = 300;
        Case::new(format!("spectral_norm {shape:?}"), [input(shape, ANY)], |x| x[0].spectral_norm(&x[1], ROUNDS).0)
            .constants([input([shape[3]], POSITIVE)])
            .orders(1)
    };
    vec![
        batch_norm(&[6, 3], Activation::Identity),
        batch_norm(&[2, 3, 2, 4], Activation::Identity),
        batch_norm(&[2, 3, 2, 3], Activation::Relu),
        batch_norm(&[2, 3, 2, 3], LEAKY),
        batch_norm(&[2, 3, 2, 3], Activation::Tanh),
        one("layer_norm [3, 5]", [3, 5], ANY, |x| x.layer_norm(EPSILON)),
        one("layer_norm [2, 3, 2, 4]", [2, 3, 2, 4], ANY, |x| x.layer_norm(EPSILON)),
        one("dropout", [3, 5], ANY, |x| x.dropout(0.4, 7, 3, 1)).linear(),
        one("instance_norm", [2, 3, 4, 2], ANY, |x| x.instance_norm(EPSILON)),
        one("group_norm in 3", [2, 3, 2, 6], ANY, |x| x.group_norm(3, EPSILON)),
        one("group_norm in 1", [2, 3, 2, 3], ANY, |x| x.group_norm(1, EPSILON)),
        one("group_norm of rows", [3, 10], ANY, |x| x.group_norm(2, EPSILON)),
        spectral([3, 2, 2, 4]),
        spectral([1, 1, 2, 5]),
    ]
}

/// Softmax and the losses.
pub fn losses() -> Vec<Case> {
    let of_logits = |name: &str, shape: &[usize], function: fn(&Tensor) -> Tensor| {
        one(format!("{name} of {shape:?}"), shape, ANY, function).transcendental()
    };
    vec![
        of_logits("softmax over 0", &[4, 3], |x| x.softmax(0)),
        of_logits("softmax over 1", &[4, 3], |x| x.softmax(1)),
        of_logits("softmax over the middle", &[2, 5, 3], |x| x.softmax(1)),
        of_logits("log_softmax over 0", &[4, 3], |x| x.log_softmax(0)),
        of_logits("log_softmax over 1", &[4, 3], |x| x.log_softmax(1)),
        of_logits("cross_entropy", &[5, 4], |x| x.cross_entropy(&[3, 0, 0, 2, 1])),
        of_logits("cross_entropy_with", &[2, 3], |x| {
            x.cross_entropy_with(&Tensor::from_slice(x.device(), &[0.5, 0.25, 0.25, 0.0, 0.125, 0.875], [2, 3]))
        }),
        one("mean_softplus", [5, 61], ANY, Tensor::mean_softplus).transcendental(),
        one("mean_softplus_negated", [7], ANY, Tensor::mean_softplus_negated).transcendental(),
        two("bce_with_logits", input([3, 4], ANY), input([3, 4], SHARE), Tensor::bce_with_logits).transcendental(),
        two("bce", input([3, 4], SHARE), input([3, 4], SHARE), Tensor::bce).transcendental(),
        two("mse", input([3, 4], ANY), input([3, 4], ANY), Tensor::mse),
        two("l1", input([3, 4], OUTSIDE), input([3, 4], MIDDLE), Tensor::l1).affine(),
        one("products with one_hot", [3, 4], ANY, |x| x * Tensor::one_hot(x.device(), &[2, 0, 2], 4)).linear().exact(),
    ]
}

/// Up-sampling and pooling.
pub fn resampling() -> Vec<Case> {
    let row = |name: &str, function: fn(&Tensor) -> Tensor| one(name, [2, 5, 6, 2], ANY, function).linear();
    let max_pool = |name: &str, function: fn(&Tensor) -> Tensor| {
        one(name, [1, 5, 6, 2], Domain::Distinct, function).affine().exact()
    };
    vec![
        row("upsample_nearest 1", |x| x.upsample_nearest(1)).exact(),
        row("upsample_nearest 2", |x| x.upsample_nearest(2)).exact(),
        row("upsample_nearest 3", |x| x.upsample_nearest(3)).exact(),
        row("upsample_bilinear to twice the size", |x| x.upsample_bilinear([10, 12])),
        row("upsample_bilinear to no multiple", |x| x.upsample_bilinear([7, 8])),
        row("upsample_bilinear to a smaller size", |x| x.upsample_bilinear([3, 1])),
        row("resize, bilinear, corners", |x| x.resize([9, 4], Interpolation::Bilinear { align_corners: true })),
        row("resize to one pixel, corners", |x| x.resize([1, 1], Interpolation::Bilinear { align_corners: true })),
        row("resize, bicubic", |x| x.resize([8, 11], Interpolation::Bicubic { align_corners: false })),
        row("resize, bicubic, corners", |x| x.resize([3, 7], Interpolation::Bicubic { align_corners: true })),
        row("resize by area", |x| x.resize([3, 4], Interpolation::Area)),
        row("resize by area to a larger size", |x| x.resize([7, 6], Interpolation::Area)),
        row("average_pool 2, stride 2", |x| x.average_pool(2, 2, 0)),
        row("average_pool 2 of whole windows", |x| x.slice(1, 0, 4).average_pool(2, 2, 0)),
        row("average_pool 3, stride 2, padding 1", |x| x.average_pool(3, 2, 1)),
        row("average_pool 3, stride 1", |x| x.average_pool(3, 1, 0)),
        max_pool("max_pool 2, stride 2", |x| x.max_pool(2, 2, 0)),
        max_pool("max_pool 3, stride 2, padding 1", |x| x.max_pool(3, 2, 1)),
        max_pool("max_pool 2, stride 1, padding 1", |x| x.max_pool(2, 1, 1)),
    ]
}

/// What stands between a discriminator's layers.
#[derive(Clone, Copy, Debug)]
enum Norm {
    None,
    Layer,
    Instance,
    Batch,
}

/// A small whole discriminator of k4 s2 p1 layers: its scores, one an image, and what meets leaky ReLU on the way.
fn discriminator(norm: Norm, x: &[Tensor]) -> (Tensor, [Tensor; 2]) {
    let [first, second, last, scale @ .., shift, images] = x else { panic!("three filters, a shift and images") };
    let down = Convolution::new(2, 1);
    let before = images.conv2d(first, down);
    let hidden = before.leaky_relu(0.2).conv2d(second, down);
    let hidden = match norm {
        Norm::None => hidden + shift,
        Norm::Layer => hidden.layer_norm(EPSILON) * &scale[0] + shift,
        Norm::Instance => hidden.instance_norm(EPSILON) * &scale[0] + shift,
        Norm::Batch => hidden.batch_norm(&scale[0], shift, EPSILON, Activation::Identity).output,
    };
    (hidden.leaky_relu(0.2).conv2d(last, Convolution::new(1, 0)), [before, hidden])
}

/// The R1 penalty (Mescheder 2018), half the mean over images of `|grad_x D|^2`, by the parameters of a discriminator. It is
/// made of a gradient itself, so its gradient is of the second order. (The shift moves nothing but kinks.)
pub fn penalties() -> Vec<Case> {
    let row = |norm: Norm| {
        let filters = [input([4, 4, 2, 3], UNIT), input([4, 4, 3, 4], UNIT), input([2, 2, 4, 1], UNIT)];
        let scale = (!matches!(norm, Norm::None)).then(|| input([4], SIGNED));
        let penalty = move |x: &[Tensor]| {
            let images = &x[x.len() - 1];
            let slopes = grad_graph(&discriminator(norm, x).0.sum(), &[images]).remove(0);
            (&slopes * &slopes).sum() * (0.5 / images.shape()[0] as f64)
        };
        let kinks = move |x: &[Tensor]| {
            let [first, second] = discriminator(norm, x).1;
            Tensor::concat(&[&first.reshape([first.len()]), &second.reshape([second.len()])], 0)
        };
        Case::new(format!("R1 of a discriminator, norm {norm:?}"), filters.into_iter().chain(scale), penalty)
            .constants([input([4], UNIT), input([2, 8, 8, 2], UNIT)])
            .kinks(kinks)
            .orders(1)
    };
    [Norm::None, Norm::Layer, Norm::Instance, Norm::Batch].map(row).into()
}

/// Beyond one block, group or task of a kernel.
pub fn large() -> Vec<Case> {
    let rows = vec![
        one("tanh of 40000", [40_000], ANY, Tensor::tanh).transcendental(),
        two("mul [200, 1, 30] [1, 170, 30]", input([200, 1, 30], ANY), input([1, 170, 30], ANY), |a, b| a * b),
        two("sub [300, 1] [1, 300]", input([300, 1], ANY), input([1, 300], ANY), |a, b| a - b),
        two("mul [100, 1, 1] [7, 50]", input([100, 1, 1], ANY), input([7, 50], ANY), |a, b| a * b),
        one("sum of 70000", [70_000], ANY, Tensor::sum),
        one("sum along 40000", [2, 40_000], ANY, |x| x.sum_axes(&[1], false)),
        one("sum along 33", [1000, 33], ANY, |x| x.sum_axes(&[1], false)),
        one("sum over 1000 rows", [1000, 48], ANY, |x| x.sum_axes(&[0], false)),
        one("sum over 2 wide rows", [2, 40_000], ANY, |x| x.sum_axes(&[0], false)),
        one("sum over the middle", [3, 700, 5], ANY, |x| x.sum_axes(&[1], false)),
        one("max of 70000", [70_000], Domain::Distinct, Tensor::max).exact(),
        one("max over 1000 rows", [1000, 48], Domain::Distinct, |x| x.max_axes(&[0], false)).exact(),
        one("permute [40, 30, 20]", [40, 30, 20], ANY, |x| x.permute(&[2, 0, 1])).exact(),
        one("permute [8, 1200, 3]", [8, 1200, 3], ANY, |x| x.permute(&[1, 0, 2])).exact(),
        one("slice_step of [9, 130, 40]", [9, 130, 40], ANY, |x| x.slice_step(1, 1, 130, 2)).exact(),
        one("flip of [300, 70]", [300, 70], ANY, |x| x.flip(1)).exact(),
        two("matmul [150, 300] [300, 200]", input([150, 300], UNIT), input([300, 200], UNIT), Tensor::matmul),
        two("matmul [150, 300]' [200, 150]'", input([150, 130], UNIT), input([90, 150], UNIT), |a, b| {
            a.matmul_with(b, true, true)
        }),
        one("batch_norm [3, 20, 11, 48]", [3, 20, 11, 48], ANY, |x| {
            let channels = Tensor::full(x.device(), [48], 0.75);
            x.batch_norm(&channels, &channels, EPSILON, Activation::Tanh).output
        })
        .transcendental(),
        one("layer_norm [4, 20, 20, 16]", [4, 20, 20, 16], ANY, |x| x.layer_norm(EPSILON)),
        one("instance_norm [4, 20, 20, 16]", [4, 20, 20, 16], ANY, |x| x.instance_norm(EPSILON)),
        one("sin of 40000", [40_000], ANY, Tensor::sin).transcendental(),
        one("prod_axis [7, 301, 5]", [7, 301, 5], Domain::Intervals(&[(0.9, 1.1)]), |x| x.prod_axis(1, false)),
        one("roll [60, 50, 30]", [60, 50, 30], ANY, |x| x.roll(1, 17)).exact(),
        one("group_norm [4, 20, 20, 16]", [4, 20, 20, 16], ANY, |x| x.group_norm(4, EPSILON)),
        one("softmax [300, 100]", [300, 100], ANY, |x| x.softmax(1)).transcendental(),
    ];
    rows.into_iter().map(Case::large).collect()
}
