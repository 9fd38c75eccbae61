//! Kernels that move elements without computing: windows, permutations, rows by index.

use super::axes::{Axis, MOST_AXES, merge, words};
use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise::THREADS;
use super::shader::Kernel;
use crate::backend::AxisMap;

/// An axis of a window with its input's size and stride.
#[derive(Clone, Copy)]
struct WindowAxis {
    map: AxisMap,
    size: usize,
    stride: usize,
}

impl WindowAxis {
    fn is_whole(&self) -> bool {
        self.map == AxisMap { size: self.size, multiplier: 1, offset: 0, divisor: 1 }
    }

    /// This axis and the whole axis inside of it as one, where this one neither steps nor dilates.
    fn with_whole(&self, inner: &WindowAxis) -> Option<WindowAxis> {
        let fits = self.map.multiplier == 1 && self.map.divisor == 1 && inner.is_whole();
        let map =
            AxisMap { size: self.map.size * inner.size, offset: self.map.offset * inner.size as isize, ..self.map };
        fits.then_some(WindowAxis { map, size: self.size * inner.size, stride: inner.stride })
    }
}

/// See [`Backend::window`](crate::backend::Backend::window).
pub fn window(commands: &dyn Commands, x: &Buffer, shape: &[usize], maps: &[AxisMap]) -> Buffer {
    let mut axes: Vec<WindowAxis> = Vec::new();
    let mut stride = 1;
    for (&map, &size) in maps.iter().zip(shape).rev() {
        let axis = WindowAxis { map, size, stride };
        stride *= size;
        match axes.last().and_then(|inner| axis.with_whole(inner)) {
            Some(both) => *axes.last_mut().expect("there is one") = both,
            None if size == 1 && axis.is_whole() => {}
            None => axes.push(axis),
        }
    }
    axes.reverse();
    assert!(axes.len() <= MOST_AXES, "window: the gpu takes up to {MOST_AXES} axes, not {}", axes.len());
    let out = commands.buffer(maps.iter().map(|map| map.size).product());
    let mut parameters = vec![out.len() as u32, axes.len() as u32, 0, 0];
    parameters.extend(words(&axes, |axis| axis.map.size as i64));
    parameters.extend(words(&axes, |axis| axis.map.multiplier as i64));
    parameters.extend(words(&axes, |axis| axis.map.offset as i64));
    parameters.extend(words(&axes, |axis| axis.map.divisor as i64));
    parameters.extend(words(&axes, |axis| axis.size as i64));
    parameters.extend(words(&axes, |axis| axis.stride as i64));
    commands.dispatch(&Kernel::new("window"), &parameters, &[x], &[&out], out.len().div_ceil(THREADS));
    out
}

/// See [`Backend::permute`](crate::backend::Backend::permute).
pub fn permute(commands: &dyn Commands, x: &Buffer, shape: &[usize], order: &[usize]) -> Buffer {
    let stride = |axis: usize| shape[axis + 1..].iter().product();
    let axes = merge(order.iter().map(|&axis| Axis { size: shape[axis], strides: [stride(axis)] }));
    let out = commands.buffer(x.len());
    let mut parameters = vec![out.len() as u32, axes.len() as u32, 0, 0];
    parameters.extend(words(&axes, |axis| axis.size as i64));
    parameters.extend(words(&axes, |axis| axis.strides[0] as i64));
    commands.dispatch(&Kernel::new("permute"), &parameters, &[x], &[&out], out.len().div_ceil(THREADS));
    out
}

/// Refuses indices beyond so many rows: a kernel reads where they say.
pub fn check(name: &str, indices: &[u32], rows: usize) {
    if let Some(index) = indices.iter().find(|&&index| index as usize >= rows) {
        panic!("{name}: index {index} of {rows}");
    }
}

fn indices_on(commands: &dyn Commands, indices: &[u32]) -> Buffer {
    let buffer = commands.buffer(indices.len());
    commands.upload(bytemuck::cast_slice(indices), &buffer);
    buffer
}

/// See [`Backend::gather`](crate::backend::Backend::gather).
pub fn gather(commands: &dyn Commands, x: &Buffer, width: usize, indices: &[u32]) -> Buffer {
    check("gather", indices, x.len().checked_div(width).unwrap_or(usize::MAX));
    let out = commands.buffer(indices.len() * width);
    let rows = indices_on(commands, indices);
    let parameters = [out.len() as u32, width as u32];
    commands.dispatch(&Kernel::new("gather"), &parameters, &[x, &rows], &[&out], out.len().div_ceil(THREADS));
    out
}

/// See [`Backend::scatter_add`](crate::backend::Backend::scatter_add).
pub fn scatter_add(commands: &dyn Commands, x: &Buffer, width: usize, indices: &[u32], rows: usize) -> Buffer {
    check("scatter_add", indices, rows);
    assert!(
        x.len() == indices.len() * width,
        "scatter_add: {} elements for {} rows of {width}",
        x.len(),
        indices.len()
    );
    // Where each output row's list starts, then the lists of input rows.
    let mut lists = vec![0u32; rows + 1];
    indices.iter().for_each(|&row| lists[row as usize + 1] += 1);
    for row in 0..rows {
        lists[row + 1] += lists[row];
    }
    let mut order: Vec<u32> = (0..indices.len() as u32).collect();
    order.sort_by_key(|&from| indices[from as usize]);
    lists.extend(order);
    let out = commands.buffer(rows * width);
    let lists = indices_on(commands, &lists);
    let parameters = [out.len() as u32, width as u32, rows as u32];
    commands.dispatch(&Kernel::new("scatter_add"), &parameters, &[x, &lists], &[&out], out.len().div_ceil(THREADS));
    out
}
