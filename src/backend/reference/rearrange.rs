//! Kernels that move elements without computing: windows and permutations.

use super::{AxisMap, broadcast_strides, for_each_index};

/// See [`Backend::window`](super::Backend::window).
pub fn window(x: &[f64], shape: &[usize], axes: &[AxisMap]) -> Vec<f64> {
    let strides = broadcast_strides(shape);
    let out_shape: Vec<usize> = axes.iter().map(|map| map.size).collect();
    let mut out = Vec::new();
    for_each_index(&out_shape, |index| {
        let source =
            (0..shape.len()).try_fold(0, |sum, a| Some(sum + axes[a].source(index[a], shape[a])? * strides[a]));
        out.push(source.map_or(0.0, |i| x[i]));
    });
    out
}

/// See [`Backend::permute`](super::Backend::permute).
pub fn permute(x: &[f64], shape: &[usize], order: &[usize]) -> Vec<f64> {
    let strides = broadcast_strides(shape);
    let out_shape: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let mut out = Vec::with_capacity(x.len());
    for_each_index(&out_shape, |index| {
        out.push(x[index.iter().zip(order).map(|(i, &axis)| i * strides[axis]).sum::<usize>()]);
    });
    out
}
