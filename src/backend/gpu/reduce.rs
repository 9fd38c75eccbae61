//! Sums and maxima over the middle of three axes.

use super::buffer::Buffer;
use super::commands::Commands;
use super::shader::{Kernel, arguments};
use crate::backend::{Reduction, Unary};

/// Threads of a workgroup.
const THREADS: usize = 256;
/// Neighbouring outputs that a workgroup should take where there are as many, so that reads of the memory join.
const JOINED: usize = 32;
/// Elements that a thread should fold before more threads share the axis.
const SHORT: usize = 8;
/// Elements that a thread folds at most, before workgroups share the axis.
const LONG: usize = 64;

/// See [`Backend::reduce`](crate::backend::Backend::reduce) and [`Backend::reduce_then`](crate::backend::Backend::reduce_then).
pub fn reduce(
    commands: &dyn Commands,
    reduction: Reduction,
    x: &Buffer,
    [outer, length, inner]: [usize; 3],
    then: Option<Unary>,
) -> Buffer {
    let outputs = outer * inner;
    let most_rows = THREADS / inner.next_power_of_two().clamp(1, JOINED);
    let rows = length.div_ceil(SHORT).next_power_of_two().clamp(1, most_rows);
    let (lanes, chunk) = (THREADS / rows, rows * LONG);
    let splits = length.div_ceil(chunk).max(1);
    let out = commands.buffer(outer * splits * inner);
    // Of an axis without elements alone: what compilers make of infinities is theirs to say.
    let empty = match reduction {
        Reduction::Sum => 0.0,
        Reduction::Max => f32::NEG_INFINITY,
    };
    let output_groups = outputs.div_ceil(lanes);
    let sizes = [outputs, length, inner, chunk, splits, output_groups].map(|size| size as u32);
    let last = then.filter(|_| splits == 1);
    let mut parameters = arguments(&last.map_or_else(Vec::new, |function| function.parameters())).to_vec();
    parameters.push(empty.to_bits());
    parameters.extend(sizes);
    commands.dispatch(&kernel(lanes, reduction, last), &parameters, &[x], &[&out], output_groups * splits);
    if splits == 1 { out } else { reduce(commands, reduction, &out, [outer, splits, inner], then) }
}

/// The kernel of which a workgroup takes so many neighbouring outputs.
pub fn kernel(lanes: usize, reduction: Reduction, then: Option<Unary>) -> Kernel {
    Kernel::new("reduce").constant("LANES", lanes).finish(then).fold(reduction)
}
