//! Kernels that move elements without computing: windows, permutations, rows by index.

use super::Buffer;
use super::parallel::{BLOCK, blocks};
use crate::backend::AxisMap;

/// See [`Backend::window`](crate::backend::Backend::window).
pub fn window(x: &[f32], shape: &[usize], axes: &[AxisMap]) -> Buffer {
    let mut out = Buffer::scratch(axes.iter().map(|map| map.size).product());
    // Trailing axes that are copied whole move as one run; the axis before them is the innermost that is mapped.
    let identity = |axis: usize| axes[axis] == AxisMap { size: shape[axis], multiplier: 1, offset: 0, divisor: 1 };
    let whole = (0..axes.len()).rev().take_while(|&axis| identity(axis)).count();
    let mapped = axes.len() - whole;
    let run: usize = shape[mapped..].iter().product();
    if out.is_empty() {
        return out;
    }
    let block = (BLOCK / run).max(1) * run;
    blocks(&mut out, block, |start, out| {
        for (index, out) in out.chunks_mut(run).enumerate() {
            let (mut rest, mut from, mut step) = (start / run + index, Some(0), run);
            for (map, &size) in axes[..mapped].iter().zip(shape).rev() {
                let source = map.source(rest % map.size, size);
                rest /= map.size;
                from = from.zip(source).map(|(from, i)| from + i * step);
                step *= size;
            }
            match from {
                Some(from) => out.copy_from_slice(&x[from..from + run]),
                None => out.fill(0.0),
            }
        }
    });
    out
}

/// See [`Backend::permute`](crate::backend::Backend::permute).
pub fn permute(x: &[f32], shape: &[usize], order: &[usize]) -> Buffer {
    let mut out = Buffer::scratch(x.len());
    if out.is_empty() {
        return out;
    }
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    let (&last, outer) = order.split_last().expect("a permutation that is no identity has axes");
    let (run, stride) = (shape[last], strides[last]);
    blocks(&mut out, (BLOCK / run).max(1) * run, |start, out| {
        for (index, out) in out.chunks_mut(run).enumerate() {
            let (mut rest, mut from) = (start / run + index, 0);
            for &axis in outer.iter().rev() {
                from += rest % shape[axis] * strides[axis];
                rest /= shape[axis];
            }
            if stride == 1 {
                out.copy_from_slice(&x[from..from + run]);
            } else {
                for (out, &v) in out.iter_mut().zip(x[from..].iter().step_by(stride)) {
                    *out = v;
                }
            }
        }
    });
    out
}

/// See [`Backend::shift`](crate::backend::Backend::shift).
pub fn shift(x: &[f32], [images, height, width, channels]: [usize; 4], by: &[[i32; 2]]) -> Buffer {
    let mut out = Buffer::scratch(images * height * width * channels);
    let line = width * channels;
    if out.is_empty() {
        return out;
    }
    blocks(&mut out, (BLOCK / line).max(1) * line, |start, out| {
        for (index, out) in out.chunks_mut(line).enumerate() {
            let (image, y) = ((start / line + index) / height, (start / line + index) % height);
            let [down, across] = by[image];
            let Some(from) = y.checked_add_signed(-down as isize).filter(|&y| y < height) else {
                out.fill(0.0);
                continue;
            };
            let from = &x[(image * height + from) * line..][..line];
            let moved = across.unsigned_abs() as usize * channels;
            match across >= 0 {
                true => {
                    out[..moved].fill(0.0);
                    out[moved..].copy_from_slice(&from[..line - moved]);
                }
                false => {
                    out[..line - moved].copy_from_slice(&from[moved..]);
                    out[line - moved..].fill(0.0);
                }
            }
        }
    });
    out
}

/// Rows by index.
pub fn gather(x: &[f32], width: usize, indices: &[u32]) -> Buffer {
    let mut out = Buffer::scratch(indices.len() * width);
    for (out, &i) in out.chunks_exact_mut(width.max(1)).zip(indices) {
        out.copy_from_slice(&x[i as usize * width..][..width]);
    }
    out
}

/// The transpose of [`gather`].
pub fn scatter_add(x: &[f32], width: usize, indices: &[u32], rows: usize) -> Buffer {
    let mut out = Buffer::full(rows * width, 0.0);
    for (x, &i) in x.chunks_exact(width.max(1)).zip(indices) {
        for (out, &v) in out[i as usize * width..][..width].iter_mut().zip(x) {
            *out += v;
        }
    }
    out
}
