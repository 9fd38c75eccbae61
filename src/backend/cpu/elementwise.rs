//! Elementwise kernels: unary, binary with broadcasting, Adam.

use rayon::prelude::*;

use super::parallel::{BLOCK, blocks};
use super::{Buffer, Simd};
use crate::backend::{AdamStep, Binary, Unary};

/// `function` of every element.
pub fn unary(simd: Simd, function: Unary, x: &[f32]) -> Buffer {
    let mut out = Buffer::scratch(x.len());
    blocks(&mut out, BLOCK, |start, out| {
        let x = &x[start..start + out.len()];
        simd.dispatch(
            #[inline(always)]
            || function.map_f32(x, out),
        );
    });
    out
}

/// `function` of every pair; see [`Backend::binary`](crate::backend::Backend::binary).
pub fn binary(simd: Simd, function: Binary, a: (&[f32], &[usize]), b: (&[f32], &[usize]), shape: &[usize]) -> Buffer {
    let mut out = Buffer::scratch(shape.iter().product());
    let axes = merge_axes(a.1, b.1, shape);
    // The innermost run is one call of the function; the axes outside of it are walked by an index.
    let (inner, outer) = axes.split_last().expect("there is always an axis");
    let runs_a_block = (BLOCK / inner.size.max(1)).max(1);
    let length = |stride: usize| if stride > 0 { inner.size } else { 1 };
    blocks(&mut out, runs_a_block * inner.size.max(1), |start, out| {
        for (index, out) in out.chunks_mut(inner.size.max(1)).enumerate() {
            let (mut rest, mut at_a, mut at_b) = (start / inner.size + index, 0, 0);
            for axis in outer.iter().rev() {
                let i = rest % axis.size;
                rest /= axis.size;
                at_a += i * axis.stride_a;
                at_b += i * axis.stride_b;
            }
            let (x, y) = (&a.0[at_a..][..length(inner.stride_a)], &b.0[at_b..][..length(inner.stride_b)]);
            simd.dispatch(
                #[inline(always)]
                || function.map_f32(x, y, out),
            );
        }
    });
    out
}

/// An axis of a broadcast pair, with each operand's stride, 0 where it is repeated.
struct Axis {
    size: usize,
    stride_a: usize,
    stride_b: usize,
}

/// The axes of `shape`, neighbours merged where both operands walk, or both repeat, across them.
fn merge_axes(a: &[usize], b: &[usize], shape: &[usize]) -> Vec<Axis> {
    let (mut step_a, mut step_b) = (1, 1);
    let mut axes: Vec<Axis> = Vec::new();
    for axis in (0..shape.len()).rev() {
        let size = shape[axis];
        let stride = |from: usize, step: usize| if from == 1 && size != 1 { 0 } else { step };
        let (stride_a, stride_b) = (stride(a[axis], step_a), stride(b[axis], step_b));
        step_a *= a[axis];
        step_b *= b[axis];
        if size == 1 {
            continue;
        }
        match axes.last_mut() {
            Some(inner) if stride_a == inner.stride_a * inner.size && stride_b == inner.stride_b * inner.size => {
                inner.size *= size;
            }
            _ => axes.push(Axis { size, stride_a, stride_b }),
        }
    }
    if axes.is_empty() {
        axes.push(Axis { size: shape.iter().product(), stride_a: 1, stride_b: 1 });
    }
    axes.reverse();
    axes
}

/// One update of Adam in one pass over the parameter and both moments.
pub fn adam(
    simd: Simd,
    step: &AdamStep,
    parameter: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: &[f32],
) {
    let [beta1, beta2, rest1, rest2] = [step.beta1, step.beta2, 1.0 - step.beta1, 1.0 - step.beta2].map(|v| v as f32);
    let rate = (step.rate / step.correction1) as f32;
    let root_scale = (1.0 / step.correction2.sqrt()) as f32;
    let epsilon = step.epsilon as f32;
    let update = |[p, m, v]: [&mut [f32]; 3], g: &[f32]| {
        simd.dispatch(
            #[inline(always)]
            || {
                for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                    *m = beta1 * *m + rest1 * g;
                    *v = beta2 * *v + rest2 * g * g;
                    *p -= rate * *m / (v.sqrt() * root_scale + epsilon);
                }
            },
        );
    };
    if parameter.len() <= BLOCK {
        update([parameter, first, second], gradient);
    } else {
        let moments = first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK));
        let all = parameter.par_chunks_mut(BLOCK).zip(moments).zip(gradient.par_chunks(BLOCK));
        all.for_each(|((p, (m, v)), g)| update([p, m, v], g));
    }
}
