//! Products of matrices.

use super::buffer::Buffer;
use super::commands::Commands;
use super::product::{Layout, Shape, product};
use crate::backend::{Activation, MatMul};

/// See [`Backend::matmul`](crate::backend::Backend::matmul); then `activation`.
pub fn matmul(commands: &dyn Commands, a: &Buffer, b: &Buffer, sizes: &MatMul, activation: Activation) -> Buffer {
    let MatMul { batch, rows, inner, columns, transpose_a, transpose_b } = *sizes;
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
