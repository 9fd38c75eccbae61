//! Products of matrices on `matrixmultiply`, rows in parallel.

use rayon::prelude::*;

use super::Buffer;
use crate::backend::MatMul;

/// Multiply-adds a task.
const WORK: usize = 1 << 20;

/// See [`Backend::matmul`](crate::backend::Backend::matmul).
pub fn matmul(a: &[f32], b: &[f32], sizes: &MatMul) -> Buffer {
    let MatMul { rows, inner, columns, transpose_a, transpose_b, .. } = *sizes;
    let mut out = Buffer::scratch(sizes.batch * rows * columns);
    if inner == 0 || out.is_empty() {
        out.fill(0.0);
        return out;
    }
    let (row_a, column_a) = if transpose_a { (1, rows) } else { (inner, 1) };
    let (row_b, column_b) = if transpose_b { (1, inner) } else { (columns, 1) };
    // Blocks of rows are fixed by the shape; each is one serial product.
    let block = (WORK / (inner * columns)).clamp(1, rows);
    let product = |(n, index, out): (usize, usize, &mut [f32])| {
        let a = &a[n * rows * inner + index * block * row_a..];
        let b = &b[n * inner * columns..];
        // SAFETY: `out` holds the block's rows of `columns`; a and b hold, from here on, every element that the strides reach,
        // since the slices start at the block and the shapes were checked.
        unsafe {
            matrixmultiply::sgemm(
                out.len() / columns,
                inner,
                columns,
                1.0,
                a.as_ptr(),
                row_a as isize,
                column_a as isize,
                b.as_ptr(),
                row_b as isize,
                column_b as isize,
                0.0,
                out.as_mut_ptr(),
                columns as isize,
                1,
            );
        }
    };
    let mut work = Vec::new();
    for (n, matrix) in out.chunks_exact_mut(rows * columns).enumerate() {
        work.extend(matrix.chunks_mut(block * columns).enumerate().map(|(index, out)| (n, index, out)));
    }
    if work.len() == 1 {
        work.into_iter().for_each(product);
    } else {
        work.into_par_iter().with_max_len(1).for_each(product);
    }
    out
}
