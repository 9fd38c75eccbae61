//! Elementwise kernels: fill, unary, binary with broadcasting, and the mean of one of a few elements.

use super::axes::{Axis, merge, words};
use super::buffer::Buffer;
use super::commands::Commands;
use super::shader::{Kernel, arguments};
use crate::backend::{Binary, Unary};

/// Threads of a workgroup that take one item each.
pub const THREADS: usize = 256;

/// `length` elements of one value.
pub fn full(commands: &dyn Commands, length: usize, value: f64) -> Buffer {
    let out = commands.buffer(length);
    fill(commands, &out, value);
    out
}

/// Writes one value to all elements, and to what fills up the last word.
pub fn fill(commands: &dyn Commands, out: &Buffer, value: f64) {
    let parameters = [(value as f32).to_bits(), out.words() as u32];
    commands.dispatch(&Kernel::new("fill"), &parameters, &[], &[out], out.words().div_ceil(THREADS));
}

/// `function` of every element.
pub fn unary(commands: &dyn Commands, function: Unary, x: &Buffer) -> Buffer {
    let out = commands.buffer(x.len());
    let mut parameters = arguments(&function.parameters()).to_vec();
    parameters.push(x.words() as u32);
    commands.dispatch(&Kernel::new("unary").unary(function), &parameters, &[x], &[&out], x.words().div_ceil(THREADS));
    out
}

/// `function` of every pair; see [`Backend::binary`](crate::backend::Backend::binary).
pub fn binary(
    commands: &dyn Commands,
    function: Binary,
    a: (&Buffer, &[usize]),
    b: (&Buffer, &[usize]),
    shape: &[usize],
) -> Buffer {
    let out = commands.buffer(shape.iter().product());
    let (mut step_a, mut step_b) = (1, 1);
    let axes: Vec<Axis<2>> = (0..shape.len())
        .rev()
        .map(|axis| {
            let stride = |from: usize, step: usize| if from == 1 { 0 } else { step };
            let strides = [stride(a.1[axis], step_a), stride(b.1[axis], step_b)];
            (step_a, step_b) = (step_a * a.1[axis], step_b * b.1[axis]);
            Axis { size: shape[axis], strides }
        })
        .collect();
    let axes = merge(axes.into_iter().rev());
    let mut parameters = arguments(&function.parameters()).to_vec();
    if let [] | [_] = axes[..] {
        let steps = axes.first().map_or([0, 0], |axis| axis.strides);
        parameters.extend([out.words() as u32, steps[0] as u32, steps[1] as u32]);
        let kernel = Kernel::new("binary").binary(function);
        commands.dispatch(&kernel, &parameters, &[a.0, b.0], &[&out], out.words().div_ceil(THREADS));
    } else {
        parameters.extend([out.len() as u32, axes.len() as u32, 0, 0]);
        parameters.extend(words(&axes, |axis| axis.size as i64));
        parameters.extend(words(&axes, |axis| axis.strides[0] as i64));
        parameters.extend(words(&axes, |axis| axis.strides[1] as i64));
        let kernel = Kernel::new("binary_broadcast").binary(function);
        commands.dispatch(&kernel, &parameters, &[a.0, b.0], &[&out], out.len().div_ceil(THREADS));
    }
    out
}

/// The mean of `ln(1 + e^(sign x))`, and its slopes.
pub fn mean_softplus(commands: &dyn Commands, x: &Buffer, sign: f64) -> (Buffer, Buffer) {
    let (mean, slopes) = (commands.buffer(1), commands.buffer(x.len()));
    let parameters = [x.len() as u32, (sign as f32).to_bits(), ((1.0 / x.len() as f64) as f32).to_bits()];
    commands.dispatch(&Kernel::new("mean_softplus"), &parameters, &[x], &[&mean, &slopes], 1);
    (mean, slopes)
}
