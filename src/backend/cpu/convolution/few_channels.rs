//! Layers of which one image has few channels (1 or 3): where they are the columns of a product they would leave most lanes empty, and in a
//! filter gradient they give few rows to a long contraction. All is written for a fine image with few channels; a coarse one with few is
//! [`exchanged`] for it where the stride is one.
//!
//! The transposed convolution is a product that gives, for every coarse pixel, its contribution to all taps and channels at once
//! (16 taps times 3 channels fill three vectors); each fine pixel then sums the few contributions that reach it, in a fixed order.
//!
//! The filter gradient's tasks own pixels instead of rows: both sides of some of them are packed where the L2 cache holds
//! them, all rows are computed, and the tasks' sums are added in order. So the coarse image comes from memory once.

use rayon::prelude::*;

use super::image::transpose;
use crate::backend::cpu::microkernel::{MAX_TILE, Panel, Panels, Product, Segment, TileJob, pack_column, panels};
use crate::backend::cpu::parallel::{Disjoint, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Scratch};

/// Whether it is faster than the direct way.
pub fn pays(simd: Simd, geometry: &Geometry) -> bool {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    2 * geometry.fine_channels <= simd.tile().lanes.max(8) && taps > 1
}

/// The convolution between the same images the other way round, if its fine image is the one with few channels: with stride one, a convolution is
/// the transpose of that with the [`turned`] filter, since `i + t - p = j` is `j + (k - 1 - t) - (k - 1 - p) = i`. (One coarse pixel is a score:
/// a product of a matrix and a vector.)
pub fn exchanged(simd: Simd, geometry: &Geometry) -> Option<Geometry> {
    let g = geometry;
    let fits = g.stride == [1, 1] && (0..2).all(|axis| g.padding[axis] < g.kernel[axis]) && g.coarse != [1, 1];
    let exchanged = Geometry {
        fine: g.coarse,
        coarse: g.fine,
        fine_channels: g.coarse_channels,
        coarse_channels: g.fine_channels,
        padding: [0, 1].map(|axis| g.kernel[axis] - 1 - g.padding[axis].min(g.kernel[axis] - 1)),
        ..*g
    };
    (fits && g.coarse_channels < g.fine_channels && pays(simd, &exchanged)).then_some(exchanged)
}

/// A filter `[kh, kw, c, k]` as `[kh, kw, k, c]`, its taps in opposite order.
pub fn turned(filter: &[f32], channels: [usize; 2]) -> Buffer {
    let [rows, columns] = channels;
    let mut out = Buffer::scratch(filter.len());
    for (out, matrix) in out.chunks_exact_mut(rows * columns).zip(filter.rchunks_exact(rows * columns)) {
        for (column, out) in out.chunks_exact_mut(rows).enumerate() {
            out.iter_mut().zip(matrix[column..].iter().step_by(columns)).for_each(|(out, &v)| *out = v);
        }
    }
    out
}

/// Columns of the product: all taps and channels.
fn columns(geometry: &Geometry) -> usize {
    geometry.kernel[0] * geometry.kernel[1] * geometry.fine_channels
}

/// Elements of one image's contributions, and of its sums.
fn image_lengths(geometry: &Geometry) -> [usize; 2] {
    let contributions = geometry.coarse[0] * geometry.coarse[1] * columns(geometry);
    [contributions, geometry.fine[0] * geometry.fine[1] * geometry.fine_channels]
}

/// What [`fine`] has beside its result.
pub fn fine_scratch(simd: Simd, geometry: &Geometry) -> Scratch {
    Scratch {
        shared: vec![Panels::length(simd.tile(), geometry.coarse_channels, columns(geometry))],
        task: image_lengths(geometry).into(),
        tasks: geometry.batch,
    }
}

/// The fine image from (filter, coarse image).
pub fn fine(simd: Simd, geometry: &Geometry, filter: &[f32], coarse: &[f32], activation: Activation) -> Buffer {
    let (depth, columns) = (geometry.coarse_channels, columns(geometry));
    let panels = Panels::pack(simd.tile(), depth, columns, |panel, out| transpose(filter, depth, panel, out));
    let mut output = Buffer::scratch(geometry.fine_shape().iter().product());
    let [contributions, fine_image] = image_lengths(geometry);
    let coarse_image = geometry.coarse[0] * geometry.coarse[1] * depth;
    if fine_image > 0 {
        output.par_chunks_exact_mut(fine_image).zip(coarse.par_chunks_exact(coarse_image)).for_each_init(
            || (Buffer::scratch(contributions), Buffer::scratch(fine_image)),
            |(contributions, sums), (out, coarse)| {
                contribute(simd, coarse, depth, &panels, columns, contributions);
                collect(geometry, contributions, sums);
                match activation.unary() {
                    None => out.copy_from_slice(sums),
                    Some(function) => simd.dispatch(
                        #[inline(always)]
                        || function.map_f32(sums, out),
                    ),
                }
            },
        );
    }
    output
}

/// The product `[pixels, depth] x [depth, columns]`.
fn contribute(simd: Simd, coarse: &[f32], depth: usize, panels: &Panels, columns: usize, out: &mut [f32]) {
    let rows = simd.tile().rows;
    let segments = [Segment { left: 0, line: 0, length: depth }];
    let mut tile = [0f32; MAX_TILE];
    for (pixels, out) in coarse.chunks(rows * depth).zip(out.chunks_mut(rows * columns)) {
        let last = pixels.len() / depth - 1;
        for panel in &panels.panels {
            let job = TileJob {
                left: pixels,
                rows: &std::array::from_fn(|row| row.min(last) * depth),
                step: 1,
                segments: &segments,
                panel: panels.lines(panel),
                narrow: panel.narrow,
                out: &mut tile,
                accumulate: false,
            };
            // SAFETY: each pixel has `depth` elements, and each panel as many lines.
            simd.dispatch(unsafe { Product::new(simd, job) });
            for (out, sums) in out.chunks_exact_mut(columns).zip(tile.chunks_exact(panel.width)) {
                out[panel.column..panel.column + panel.used].copy_from_slice(&sums[..panel.used]);
            }
        }
    }
}

/// Sums what reaches each pixel of one fine image.
fn collect(geometry: &Geometry, contributions: &[f32], out: &mut [f32]) {
    let g = geometry;
    let (channels, columns) = (g.fine_channels, columns(g));
    out.fill(0.0);
    for i in 0..g.coarse[0] {
        for p in 0..g.kernel[0] {
            let Some(y) = (g.stride[0] * i + p).checked_sub(g.padding[0]).filter(|&y| y < g.fine[0]) else { continue };
            let out = &mut out[y * g.fine[1] * channels..(y + 1) * g.fine[1] * channels];
            for j in 0..g.coarse[1] {
                // A row of taps is contiguous, and so is the row of pixels that it meets.
                let origin = g.stride[1] * j;
                let first = g.padding[1].saturating_sub(origin).min(g.kernel[1]);
                let end = (g.fine[1] + g.padding[1]).saturating_sub(origin).clamp(first, g.kernel[1]);
                if first == end {
                    continue;
                }
                let from = (i * g.coarse[1] + j) * columns + (p * g.kernel[1] + first) * channels;
                let to = (origin + first - g.padding[1]) * channels;
                let run = (end - first) * channels;
                add_run(&contributions[from..from + run], &mut out[to..to + run]);
            }
        }
    }
}

/// Adds a run to another. The runs of a whole row of 3 or 4 taps have a constant length, and are a few vectors then.
#[inline(always)]
fn add_run(run: &[f32], out: &mut [f32]) {
    #[inline(always)]
    fn add<const N: usize>(run: &[f32], out: &mut [f32]) {
        let (run, out): (&[f32; N], &mut [f32; N]) = (run.try_into().expect("N"), out.try_into().expect("N"));
        out.iter_mut().zip(run).for_each(|(out, v)| *out += v);
    }
    match run.len() {
        12 => add::<12>(run, out),
        9 => add::<9>(run, out),
        4 => add::<4>(run, out),
        3 => add::<3>(run, out),
        _ => out.iter_mut().zip(run).for_each(|(out, v)| *out += v),
    }
}

/// The rows (p, q, c) of a filter up to which all of them are one task's.
const MOST_ROWS: usize = 64;
/// Pixels that are packed at a time: a panel's part and a tile's rows then share the L1 cache.
const PIXELS: usize = 128;
/// Parts that all pixels are cut into at most.
const PARTS: usize = 64;

/// Whether a filter gradient has few enough rows.
pub fn filter_pays(geometry: &Geometry) -> bool {
    geometry.filter_shape()[..3].iter().product::<usize>() <= MOST_ROWS
}

/// How a filter gradient is cut: rows into tiles, columns into panels, and pixels into parts.
pub struct Cut {
    rows: usize,
    tiles: usize,
    panels: Vec<Panel>,
    /// Pixels, those of a part, and parts.
    pixels: usize,
    span: usize,
    parts: usize,
    /// Elements of the filter, and of a task's rows, columns and sums.
    size: usize,
    task: [usize; 3],
}

impl Cut {
    /// Of a geometry for which [`filter_pays`].
    pub fn new(simd: Simd, geometry: &Geometry) -> Cut {
        let (tile, columns) = (simd.tile(), geometry.coarse_channels);
        let rows: usize = geometry.filter_shape()[..3].iter().product();
        let tiles = rows.div_ceil(tile.rows);
        let panels = panels(tile, PIXELS, columns);
        let last = panels.last().expect("a coarse image has channels");
        let width = last.column + last.width;
        let pixels = geometry.batch * geometry.coarse[0] * geometry.coarse[1];
        let span = pixels.div_ceil(PARTS).next_multiple_of(PIXELS);
        let (parts, padded) = (pixels.div_ceil(span), tiles * tile.rows);
        Cut {
            rows,
            tiles,
            panels,
            pixels,
            span,
            parts,
            size: rows * columns,
            task: [padded * PIXELS, width * PIXELS, padded * width],
        }
    }

    /// What [`filter`] has beside its result.
    pub fn scratch(&self) -> Scratch {
        Scratch { shared: vec![self.parts * self.size], task: self.task.into(), tasks: self.parts }
    }
}

/// The filter from (fine image, coarse image).
pub fn filter(simd: Simd, geometry: &Geometry, fine: &[f32], coarse: &[f32]) -> Buffer {
    let (tile, columns) = (simd.tile(), geometry.coarse_channels);
    let Cut { rows, tiles, panels, pixels, span, parts, size, task } = Cut::new(simd, geometry);
    let mut partial = Buffer::scratch(parts * size);
    let out = Disjoint::new(&mut partial);
    tasks(parts, |part| {
        let [mut left, mut right, mut sums] = task.map(|length| Buffer::full(length, 0.0));
        let end = pixels.min((part + 1) * span);
        for first in (part * span..end).step_by(PIXELS) {
            let length = PIXELS.min(end - first);
            for pixel in 0..length {
                let mut line = [0f32; MOST_ROWS];
                gather_taps(geometry, fine, first + pixel, &mut line);
                pack_column(&line[..rows], tile.rows, PIXELS, pixel, &mut left);
                let coarse = &coarse[(first + pixel) * columns..][..columns];
                for panel in &panels {
                    right[panel.start + pixel * panel.width..][..panel.used]
                        .copy_from_slice(&coarse[panel.column..][..panel.used]);
                }
            }
            let segments = [Segment { left: 0, line: 0, length }];
            let mut at = 0;
            for panel in &panels {
                for packed in left.chunks_exact(tile.rows * PIXELS) {
                    let job = TileJob {
                        left: packed,
                        rows: &std::array::from_fn(|row| row.min(tile.rows - 1)),
                        step: tile.rows,
                        segments: &segments,
                        panel: &right[panel.start..],
                        narrow: panel.narrow,
                        out: &mut sums[at..at + tile.rows * panel.width],
                        accumulate: true,
                    };
                    // SAFETY: both sides were packed for `PIXELS` pixels.
                    simd.dispatch(unsafe { Product::new(simd, job) });
                    at += tile.rows * panel.width;
                }
            }
        }
        // SAFETY: each part has its own sums.
        let out = unsafe { out.slice(part * size, size) };
        let mut at = 0;
        for panel in &panels {
            for (out, line) in out.chunks_exact_mut(columns).zip(sums[at..].chunks_exact(panel.width)) {
                out[panel.column..][..panel.used].copy_from_slice(&line[..panel.used]);
            }
            at += tiles * tile.rows * panel.width;
        }
    });
    let mut filter = Buffer::full(size, 0.0);
    for part in partial.chunks_exact(size) {
        filter.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
    filter
}

/// The fine elements that a coarse pixel meets, in the order of the filter's rows; those on padding are left as they are.
fn gather_taps(geometry: &Geometry, fine: &[f32], pixel: usize, line: &mut [f32]) {
    let g = geometry;
    let (rest, j) = (pixel / g.coarse[1], pixel % g.coarse[1]);
    let (n, i) = (rest / g.coarse[0], rest % g.coarse[0]);
    let origin = g.stride[1] * j;
    let first = g.padding[1].saturating_sub(origin).min(g.kernel[1]);
    let end = (g.fine[1] + g.padding[1]).saturating_sub(origin).clamp(first, g.kernel[1]);
    if first == end {
        return;
    }
    let run = (end - first) * g.fine_channels;
    for p in 0..g.kernel[0] {
        let Some(y) = (g.stride[0] * i + p).checked_sub(g.padding[0]).filter(|&y| y < g.fine[0]) else { continue };
        let from = ((n * g.fine[0] + y) * g.fine[1] + origin + first - g.padding[1]) * g.fine_channels;
        let to = (p * g.kernel[1] + first) * g.fine_channels;
        copy_run(&fine[from..from + run], &mut line[to..to + run]);
    }
}

/// Copies a run; see [`add_run`].
#[inline(always)]
fn copy_run(run: &[f32], out: &mut [f32]) {
    match run.len() {
        12 => out[..12].copy_from_slice(&run[..12]),
        9 => out[..9].copy_from_slice(&run[..9]),
        4 => out[..4].copy_from_slice(&run[..4]),
        _ => out.copy_from_slice(run),
    }
}
