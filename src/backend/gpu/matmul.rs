//! Products of matrices.

use super::buffer::Buffer;
use super::commands::Commands;
use super::product::product;
use super::shader::{Kernel, arguments};
use super::shape::{Layout, Shape};
use crate::backend::{Activation, MatMul};

/// Threads of a workgroup where columns are few.
const THREADS: usize = 256;
/// Elements of the depth that a thread adds before more threads share a row.
const OWN_DEPTH: usize = 8;
/// The depth beyond which a workgroup takes too long for its rows, and tiles with a split depth go instead.
const LONGEST_DEPTH: usize = 1 << 14;
/// Rows of a workgroup at most, where rows lie next to each other.
const MOST_ROWS: usize = 64;

/// See [`Backend::matmul`](crate::backend::Backend::matmul); then `activation`.
pub fn matmul(commands: &dyn Commands, a: &Buffer, b: &Buffer, sizes: &MatMul, activation: Activation) -> Buffer {
    let MatMul { batch, rows, inner, columns, transpose_a, transpose_b } = *sizes;
    if batch == 1 && inner <= LONGEST_DEPTH && (1..=commands.taste().few_columns).contains(&columns) {
        return few_columns(commands, a, b, sizes, activation);
    }
    let layout =
        |along_depth, across: usize| Layout { along_depth, contiguous: if along_depth { inner } else { across } };
    let shape = Shape {
        kernel: "matmul",
        a: layout(!transpose_a, rows),
        b: layout(transpose_b, columns),
        rows,
        columns,
        depth: inner,
        parts: batch,
        size: batch * rows * columns,
        even: true,
        run: inner,
        geometry: None,
    };
    product(commands, &shape, [a, b], activation)
}

/// A matrix times one to four columns.
fn few_columns(commands: &dyn Commands, a: &Buffer, b: &Buffer, sizes: &MatMul, activation: Activation) -> Buffer {
    let MatMul { rows, inner, columns, transpose_a, transpose_b, .. } = *sizes;
    let shares = inner.div_ceil(OWN_DEPTH).next_power_of_two().clamp(THREADS / MOST_ROWS, THREADS);
    let group_rows = THREADS / shares;
    let out = commands.buffer(rows * columns);
    let mut parameters =
        arguments(&activation.unary().map_or_else(Vec::new, |function| function.parameters())).to_vec();
    parameters.extend([rows as u32, inner as u32]);
    let kernel = few_columns_kernel(group_rows, columns, [!transpose_a, transpose_b], activation);
    commands.dispatch(&kernel, &parameters, &[a, b], &[&out], rows.div_ceil(group_rows));
    out
}

/// The kernel for so many rows a workgroup, and columns, of operands that lie along the depth or not.
pub fn few_columns_kernel(rows: usize, columns: usize, along: [bool; 2], activation: Activation) -> Kernel {
    Kernel::new("matvec")
        .constant("ROWS", rows)
        .constant("COLUMNS", columns)
        .flag("A_ALONG_DEPTH", along[0])
        .flag("B_ALONG_DEPTH", along[1])
        .activation(activation)
}
