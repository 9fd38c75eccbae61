//! Products of matrices.

use std::sync::Arc;

use super::buffer::Buffer;
use super::engine::Engine;
use super::product::{Layout, Product, product};
use crate::backend::{Activation, MatMul};

/// See [`Backend::matmul`](crate::backend::Backend::matmul); then `activation`.
pub fn matmul(engine: &Arc<Engine>, a: &Buffer, b: &Buffer, sizes: &MatMul, activation: Activation) -> Buffer {
    let MatMul { batch, rows, inner, columns, transpose_a, transpose_b } = *sizes;
    let layout =
        |along_depth, across: usize| Layout { along_depth, contiguous: if along_depth { inner } else { across } };
    product(
        engine,
        &Product {
            kernel: "matmul",
            a: (a, layout(!transpose_a, rows)),
            b: (b, layout(transpose_b, columns)),
            rows,
            columns,
            depth: inner,
            parts: batch,
            size: batch * rows * columns,
            geometry: None,
            activation,
        },
    )
}
