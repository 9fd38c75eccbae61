//! Layers of which one image has few channels (1 or 3): where they are the columns of a product they would leave most lanes empty, and in a
//! filter gradient they give few rows to a long contraction. All is written for a fine image with few channels; a coarse one with few is
//! [`exchanged`] for it where the stride is one.
//!
//! The transposed convolution is a product that gives, for every coarse pixel, its contribution to all taps and channels at once
//! (16 taps times 3 channels fill three vectors); each fine pixel then sums the few contributions that reach it, in a fixed order.
//!
//! The filter gradient's tasks own pixels instead of rows: a fine image is copied with its padding, which the L1 cache holds, and read there in
//! place; all rows are computed, and the tasks' sums are added in order. So the coarse image comes from memory once.

use std::ops::Range;

use rayon::prelude::*;

use super::image::transpose;
use crate::backend::cpu::microkernel::{MAX_TILE, Panel, Panels, Product, Segment, TileJob, copy_line, panels};
use crate::backend::cpu::parallel::{Disjoint, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Scratch};

/// Channels that fill at most half of the widest vector. (Not of the machine's: sums must not depend on the instructions that compute them.)
const FEW: usize = 8;

/// Whether it is faster than the direct way.
pub fn pays(geometry: &Geometry) -> bool {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    geometry.fine_channels <= FEW && taps > 1
}

/// The convolution between the same images the other way round, if its fine image is the one with few channels: with stride one, a convolution is
/// the transpose of that with the [`turned`] filter, since `i + t - p = j` is `j + (k - 1 - t) - (k - 1 - p) = i`. (One coarse pixel is a score:
/// a product of a matrix and a vector.)
pub fn exchanged(geometry: &Geometry) -> Option<Geometry> {
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
    (fits && g.coarse_channels < g.fine_channels && pays(&exchanged)).then_some(exchanged)
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

/// Elements of a line of panels, and of one image's contributions and sums. A line of contributions is as wide as all panels.
fn image_lengths(simd: Simd, geometry: &Geometry) -> [usize; 3] {
    let width = width(&panels(simd.tile(), geometry.coarse_channels, columns(geometry)));
    let contributions = geometry.coarse[0] * geometry.coarse[1] * width;
    [width, contributions, geometry.fine[0] * geometry.fine[1] * geometry.fine_channels]
}

/// Columns of all panels, with those that are not used.
fn width(panels: &[Panel]) -> usize {
    panels.last().map_or(0, |last| last.column + last.width)
}

/// What [`fine`] has beside its result.
pub fn fine_scratch(simd: Simd, geometry: &Geometry) -> Scratch {
    let [_, contributions, sums] = image_lengths(simd, geometry);
    Scratch {
        shared: vec![Panels::length(simd.tile(), geometry.coarse_channels, columns(geometry))],
        task: vec![contributions, sums],
        tasks: geometry.batch,
    }
}

/// The fine image from (filter, coarse image).
pub fn fine(simd: Simd, geometry: &Geometry, filter: &[f32], coarse: &[f32], activation: Activation) -> Buffer {
    let (depth, columns) = (geometry.coarse_channels, columns(geometry));
    let panels = Panels::pack(simd.tile(), depth, columns, |panel, out| transpose(filter, depth, panel, out));
    let mut output = Buffer::scratch(geometry.fine_shape().iter().product());
    let [width, contributions, fine_image] = image_lengths(simd, geometry);
    let coarse_image = geometry.coarse[0] * geometry.coarse[1] * depth;
    if fine_image > 0 {
        output.par_chunks_exact_mut(fine_image).zip(coarse.par_chunks_exact(coarse_image)).for_each_init(
            || (Buffer::scratch(contributions), Buffer::scratch(fine_image)),
            |(contributions, sums), (out, coarse)| {
                contribute(simd, coarse, depth, &panels, width, contributions);
                collect(geometry, contributions, width, sums);
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

/// The product `[pixels, depth] x [depth, columns]`, as lines of `width` elements.
fn contribute(simd: Simd, coarse: &[f32], depth: usize, panels: &Panels, width: usize, out: &mut [f32]) {
    let rows = simd.tile().rows;
    let segments = [Segment { left: 0, line: 0, length: depth }];
    let mut tile = [0f32; MAX_TILE];
    for (pixels, out) in coarse.chunks(rows * depth).zip(out.chunks_mut(rows * width)) {
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
            for (out, sums) in out.chunks_exact_mut(width).zip(tile.chunks_exact(panel.width)) {
                copy_line(sums, &mut out[panel.column..][..panel.width]);
            }
        }
    }
}

/// The coarse pixels along an axis that reach a fine one: the first of them, the tap that meets it, and how many there are. A tap is `stride`
/// below that of the pixel before.
fn reach(geometry: &Geometry, axis: usize, fine: usize) -> [usize; 3] {
    let at = fine + geometry.padding[axis];
    let (kernel, stride) = (geometry.kernel[axis], geometry.stride[axis]);
    let first = (at + 1).saturating_sub(kernel).div_ceil(stride);
    let end = (at / stride + 1).min(geometry.coarse[axis]).max(first);
    [first, at.saturating_sub(stride * first), end - first]
}

/// Sums what reaches each pixel of one fine image.
fn collect(geometry: &Geometry, contributions: &[f32], width: usize, out: &mut [f32]) {
    match geometry.fine_channels {
        1 => collect_each::<1>(geometry, contributions, width, out),
        2 => collect_each::<2>(geometry, contributions, width, out),
        3 => collect_each::<3>(geometry, contributions, width, out),
        4 => collect_each::<4>(geometry, contributions, width, out),
        5 => collect_each::<5>(geometry, contributions, width, out),
        6 => collect_each::<6>(geometry, contributions, width, out),
        7 => collect_each::<7>(geometry, contributions, width, out),
        8 => collect_each::<8>(geometry, contributions, width, out),
        channels => unreachable!("{channels} channels are not few"),
    }
}

/// The same for a number of channels that the compiler knows: a pixel's sums stay in registers.
fn collect_each<const C: usize>(geometry: &Geometry, contributions: &[f32], width: usize, out: &mut [f32]) {
    let across: Vec<[usize; 3]> = (0..geometry.fine[1]).map(|x| reach(geometry, 1, x)).collect();
    for (y, out) in out.chunks_exact_mut(geometry.fine[1] * C).enumerate() {
        let [first_row, top, rows] = reach(geometry, 0, y);
        for (&[first, left, columns], out) in across.iter().zip(out.as_chunks_mut::<C>().0) {
            let mut sums = [0f32; C];
            for row in 0..rows {
                let line = (first_row + row) * geometry.coarse[1] + first;
                let tap = (top - geometry.stride[0] * row) * geometry.kernel[1] + left;
                for column in 0..columns {
                    let from = (line + column) * width + (tap - geometry.stride[1] * column) * C;
                    sums.iter_mut().zip(&contributions[from..from + C]).for_each(|(sum, v)| *sum += v);
                }
            }
            *out = sums;
        }
    }
}

/// The rows (p, q, c) of a filter up to which all of them are one task's.
const MOST_ROWS: usize = 64;
/// Pixels that are packed at a time: a panel's part and a tile's rows then share the L1 cache.
const PIXELS: usize = 128;
/// Parts that all pixels are cut into at most.
const PARTS: usize = 64;

/// Whether a filter gradient has few enough rows, and an image with its padding is little more than the image.
pub fn filter_pays(geometry: &Geometry) -> bool {
    let g = geometry;
    let near = |axis: usize| {
        let (padding, stride) = (g.padding[axis], g.stride[axis]);
        // Anything else multiplies to sizes beyond all numbers, and is nothing but padding.
        padding < g.kernel[axis] && stride <= g.fine[axis].saturating_add(2 * padding)
    };
    g.filter_shape()[..3].iter().product::<usize>() <= MOST_ROWS && (0..2).all(near)
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
    /// Rows and columns of a fine image with what is read of its padding.
    padded: [usize; 2],
    /// Elements of the filter, and of a task's image, columns and sums.
    size: usize,
    task: [usize; 3],
}

impl Cut {
    /// Of a geometry for which [`filter_pays`].
    pub fn new(simd: Simd, geometry: &Geometry) -> Cut {
        let (g, tile, columns) = (geometry, simd.tile(), geometry.coarse_channels);
        let rows: usize = g.filter_shape()[..3].iter().product();
        let tiles = rows.div_ceil(tile.rows);
        let panels = panels(tile, PIXELS, columns);
        let width = width(&panels);
        let pixels = g.batch * g.coarse[0] * g.coarse[1];
        let span = pixels.div_ceil(PARTS).next_multiple_of(PIXELS);
        let padded = [0, 1].map(|axis| g.stride[axis] * (g.coarse[axis] - 1) + g.kernel[axis]);
        let image = padded[0] * padded[1] * g.fine_channels;
        Cut {
            rows,
            tiles,
            panels,
            pixels,
            span,
            parts: pixels.div_ceil(span),
            padded,
            size: rows * columns,
            task: [image, width * PIXELS, tiles * tile.rows * width],
        }
    }

    /// What [`filter`] has beside its result.
    pub fn scratch(&self) -> Scratch {
        Scratch { shared: vec![self.parts * self.size], task: self.task.into(), tasks: self.parts }
    }
}

/// The filter from (fine image, coarse image).
pub fn filter(simd: Simd, geometry: &Geometry, fine: &[f32], coarse: &[f32]) -> Buffer {
    let (g, tile, columns) = (geometry, simd.tile(), geometry.coarse_channels);
    let cut = Cut::new(simd, geometry);
    let each = g.coarse[0] * g.coarse[1];
    let fine_image = g.fine[0] * g.fine[1] * g.fine_channels;
    // Where a row (p, q, c) of the filter starts to read a padded image.
    let start = |row: usize| {
        let (tap, channel) = (row / g.fine_channels, row % g.fine_channels);
        (tap / g.kernel[1] * cut.padded[1] + tap % g.kernel[1]) * g.fine_channels + channel
    };
    let mut partial = Buffer::scratch(cut.parts * cut.size);
    let out = Disjoint::new(&mut partial);
    tasks(cut.parts, |part| {
        let [mut image, mut right, mut sums] = cut.task.map(|length| Buffer::full(length, 0.0));
        let (mut first, end) = (part * cut.span, cut.pixels.min((part + 1) * cut.span));
        let mut held = None;
        while first < end {
            let (n, from) = (first / each, first % each);
            if held.replace(n) != Some(n) {
                pad(geometry, &fine[n * fine_image..][..fine_image], cut.padded[1], &mut image);
            }
            let length = PIXELS.min(end - first).min(each - from);
            for (pixel, coarse) in coarse[first * columns..][..length * columns].chunks_exact(columns).enumerate() {
                for panel in &cut.panels {
                    let line = &mut right[panel.start + pixel * panel.width..][..panel.used];
                    copy_line(&coarse[panel.column..][..panel.used], line);
                }
            }
            let segments = row_pieces(geometry, cut.padded[1], from..from + length);
            let mut at = 0;
            for panel in &cut.panels {
                for tile_row in 0..cut.tiles {
                    let job = TileJob {
                        left: &image,
                        rows: &std::array::from_fn(|row| start((tile_row * tile.rows + row).min(cut.rows - 1))),
                        step: g.stride[1] * g.fine_channels,
                        segments: &segments,
                        panel: &right[panel.start..],
                        narrow: panel.narrow,
                        out: &mut sums[at..at + tile.rows * panel.width],
                        accumulate: true,
                    };
                    // SAFETY: every tap of a pixel is inside the padded image, and `PIXELS` lines are in every panel.
                    simd.dispatch(unsafe { Product::new(simd, job) });
                    at += tile.rows * panel.width;
                }
            }
            first += length;
        }
        // SAFETY: each part has its own sums.
        let out = unsafe { out.slice(part * cut.size, cut.size) };
        let mut at = 0;
        for panel in &cut.panels {
            for (out, line) in out.chunks_exact_mut(columns).zip(sums[at..].chunks_exact(panel.width)) {
                out[panel.column..][..panel.used].copy_from_slice(&line[..panel.used]);
            }
            at += cut.tiles * tile.rows * panel.width;
        }
    });
    let mut filter = Buffer::full(cut.size, 0.0);
    for part in partial.chunks_exact(cut.size) {
        filter.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
    filter
}

/// Copies an image into one with its padding, rows of `width` pixels, as far as that is read; what is around it stays as it is.
fn pad(geometry: &Geometry, image: &[f32], width: usize, out: &mut [f32]) {
    let (g, channels) = (geometry, geometry.fine_channels);
    let used = g.fine[1].min(width.saturating_sub(g.padding[1])) * channels;
    let rows = out.chunks_exact_mut(width * channels).skip(g.padding[0]);
    for (out, row) in rows.zip(image.chunks_exact(g.fine[1] * channels)) {
        if used > 0 {
            out[g.padding[1] * channels..][..used].copy_from_slice(&row[..used]);
        }
    }
}

/// The rows of some of a coarse image's pixels: where their windows start in a padded image of rows of `width` pixels.
fn row_pieces(geometry: &Geometry, width: usize, pixels: Range<usize>) -> Vec<Segment> {
    let g = geometry;
    let rows = pixels.start / g.coarse[1]..pixels.end.div_ceil(g.coarse[1]);
    let piece = |row: usize| {
        let from = pixels.start.max(row * g.coarse[1]);
        let left = (g.stride[0] * row * width + g.stride[1] * (from - row * g.coarse[1])) * g.fine_channels;
        let length = pixels.end.min((row + 1) * g.coarse[1]) - from;
        Segment { left, line: from - pixels.start, length }
    };
    rows.map(piece).collect()
}
