//! Sums and maxima over an axis, in a fixed order of addition.

use super::parallel::{BLOCK, blocks};
use super::{Buffer, Simd};
use crate::backend::Reduction;

/// Independent partial results along a contiguous axis: one a lane of the widest vector, so that the compiler can use it.
const LANES: usize = 16;

/// Rows that are folded together, so that errors do not grow with their number.
const MOST_GROUP: usize = 256;
/// Fewer where rows are wide.
const LEAST_GROUP: usize = 16;

fn fold(reduction: Reduction, a: f32, b: f32) -> f32 {
    match reduction {
        Reduction::Sum => a + b,
        Reduction::Max => {
            if a > b || a.is_nan() {
                a
            } else {
                b
            }
        }
    }
}

fn identity(reduction: Reduction) -> f32 {
    match reduction {
        Reduction::Sum => 0.0,
        Reduction::Max => f32::NEG_INFINITY,
    }
}

/// Rows, or elements of a contiguous axis, that are folded into one partial result.
fn group(length: usize, inner: usize) -> usize {
    // Long lines are cut at fixed places, so that a sum over everything is parallel and its error small.
    if inner == 1 { BLOCK } else { (BLOCK / inner).clamp(LEAST_GROUP, MOST_GROUP).min(length.max(1)) }
}

/// The lengths of the partial results of [`reduce`].
pub fn scratch([outer, mut length, inner]: [usize; 3]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while outer * inner > 0 && length > group(length, inner) {
        length = length.div_ceil(group(length, inner));
        lengths.push(outer * length * inner);
    }
    lengths
}

/// Reduces the middle axis of `[outer, length, inner]` away.
pub fn reduce(simd: Simd, reduction: Reduction, x: &[f32], [outer, length, inner]: [usize; 3]) -> Buffer {
    if outer * inner == 0 {
        return Buffer::scratch(0);
    }
    let group = group(length, inner);
    let groups = length.div_ceil(group).max(1);
    if inner == 1 {
        if groups > 1 {
            let mut partial = Buffer::scratch(outer * groups);
            blocks(&mut partial, 1, |index, out| {
                let line = &x[index / groups * length..][..length];
                let piece = &line[index % groups * group..];
                out[0] = line_fold(simd, reduction, &piece[..piece.len().min(group)]);
            });
            return reduce(simd, reduction, &partial, [outer, groups, 1]);
        }
        let mut out = Buffer::scratch(outer);
        blocks(&mut out, (BLOCK / length.max(1)).max(1), |start, out| {
            for (index, out) in out.iter_mut().enumerate() {
                *out = line_fold(simd, reduction, &x[(start + index) * length..][..length]);
            }
        });
        return out;
    }
    // Rows are folded in groups of fixed size, each into a row of partial results.
    let mut partial = Buffer::scratch(outer * groups * inner);
    blocks(&mut partial, inner, |start, out| {
        let (o, first) = (start / inner / groups, start / inner % groups * group);
        let rows = &x[(o * length + first) * inner..(o * length + (first + group).min(length)) * inner];
        fold_rows(simd, reduction, rows, out);
    });
    if groups == 1 { partial } else { reduce(simd, reduction, &partial, [outer, groups, inner]) }
}

/// Folds a contiguous line in lanes, and the lanes in order.
fn line_fold(simd: Simd, reduction: Reduction, line: &[f32]) -> f32 {
    simd.dispatch(
        #[inline(always)]
        || {
            let mut lanes = [identity(reduction); LANES];
            let (chunks, rest) = line.as_chunks::<LANES>();
            for chunk in chunks {
                for (lane, &v) in lanes.iter_mut().zip(chunk) {
                    *lane = fold(reduction, *lane, v);
                }
            }
            let lanes = lanes.iter().fold(identity(reduction), |a, &b| fold(reduction, a, b));
            rest.iter().fold(lanes, |a, &b| fold(reduction, a, b))
        },
    )
}

/// Folds rows of `out.len()` elements into `out`.
fn fold_rows(simd: Simd, reduction: Reduction, rows: &[f32], out: &mut [f32]) {
    simd.dispatch(
        #[inline(always)]
        || {
            out.fill(identity(reduction));
            for row in rows.chunks_exact(out.len().max(1)) {
                for (out, &v) in out.iter_mut().zip(row) {
                    *out = fold(reduction, *out, v);
                }
            }
        },
    );
}
