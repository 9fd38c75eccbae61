//! Sums and maxima over the middle of three axes.

use std::sync::Arc;

use super::buffer::Buffer;
use super::engine::Engine;
use super::shader::Kernel;
use crate::backend::Reduction;

/// Threads of a workgroup.
const THREADS: usize = 256;
/// Neighbouring outputs that a workgroup should take where there are as many, so that reads of the memory join.
const JOINED: usize = 32;
/// The larger, or what is not a number, which is found by its bits: a compiler may take x != x for false.
pub(super) const LARGER: &str = "select(y, x, x > y || (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u)";
/// Elements that a thread should fold before more threads share the axis.
const SHORT: usize = 8;
/// Elements that a thread folds at most, before workgroups share the axis.
const LONG: usize = 64;

/// See [`Backend::reduce`](crate::backend::Backend::reduce).
pub fn reduce(engine: &Arc<Engine>, reduction: Reduction, x: &Buffer, [outer, length, inner]: [usize; 3]) -> Buffer {
    let outputs = outer * inner;
    let most_rows = THREADS / inner.next_power_of_two().clamp(1, JOINED);
    let rows = length.div_ceil(SHORT).next_power_of_two().clamp(1, most_rows);
    let (lanes, chunk) = (THREADS / rows, rows * LONG);
    let splits = length.div_ceil(chunk).max(1);
    let out = engine.buffer(outer * splits * inner);
    let (initial, fold) = match reduction {
        Reduction::Sum => (0.0, "x + y"),
        Reduction::Max => (f32::NEG_INFINITY, LARGER),
    };
    let output_groups = outputs.div_ceil(lanes);
    let sizes = [outputs, length, inner, chunk, splits, output_groups].map(|size| size as u32);
    let parameters = [&[f32::to_bits(initial)], &sizes[..]].concat();
    let kernel = Kernel::new("reduce").constant("LANES", lanes).fold(fold);
    engine.dispatch(&kernel, &parameters, &[x], &[&out], output_groups * splits);
    if splits == 1 { out } else { reduce(engine, reduction, &out, [outer, splits, inner]) }
}
