//! The filter gradient: `dw[p, q, c, k] = sum over pixels of x[pixel's row p, column q][c] dy[pixel][k]`.
//!
//! The contraction runs over pixels. `dy` is packed once in panels, pixel after pixel in the order of the plan's groups; a
//! task owns a block of filter rows, packs the matching elements of `x` for a few hundred pixels at a time so that they stay
//! in cache, and adds their product to its block. Long contractions are also split, and the parts added in order.

use super::image::Product;
use super::plan::{Group, Plan};
use crate::backend::Geometry;
use crate::backend::cpu::microkernel::{MAX_ROWS, Panels, Segment, TileJob};
use crate::backend::cpu::parallel::{Disjoint, blocks, tasks};
use crate::backend::cpu::{Buffer, Simd};

/// Pixels that are packed at a time: a panel of `dy` and a tile's rows of `x` then share the L1 cache.
const PIXELS: usize = 256;
/// Tiles of rows a task: each part of a `dy` panel is read so many times from the L1 cache.
const TILES: usize = 6;
/// How many tasks are worth having; fewer blocks of rows are split over pixels.
const TASKS: usize = 16;

/// A stretch of a group's pixels.
struct Stretch<'a> {
    group: &'a Group,
    /// Index of the first in the group.
    first: usize,
    /// How many.
    count: usize,
    /// Line of the first in the packed `dy`.
    line: usize,
}

/// The filter from (fine image, coarse image).
pub fn filter(simd: Simd, geometry: &Geometry, fine: &[f32], coarse: &[f32]) -> Buffer {
    let plan = Plan::coarse(geometry);
    let columns = geometry.coarse_channels;
    let mut filter = Buffer::scratch(geometry.filter_shape().iter().product());
    if filter.is_empty() {
        return filter;
    }
    let stretches = stretches(&plan);
    let lines = stretches.last().map_or(0, |last| last.line + last.count);
    let panels = Panels::pack(simd.tile(), lines, columns, |panel, out| {
        for stretch in &stretches {
            let out = out[stretch.line * panel.width..].chunks_exact_mut(panel.width);
            for (index, out) in (stretch.first..stretch.first + stretch.count).zip(out) {
                let from = plan.pixel(stretch.group, index).output + panel.column;
                out[..panel.used].copy_from_slice(&coarse[from..from + panel.used]);
            }
        }
    });

    // A block of rows lies inside one row of taps, whose elements of x are contiguous.
    let tap_row = geometry.kernel[1] * geometry.fine_channels;
    let block = TILES * simd.tile().rows;
    let owned: Vec<(usize, usize)> =
        (0..geometry.kernel[0]).flat_map(|p| (0..tap_row).step_by(block).map(move |row| (p, row))).collect();
    let splits = TASKS.div_ceil(owned.len()).min(stretches.len()).max(1);
    let size = filter.len();
    let mut partial = Buffer::scratch(if splits > 1 { splits * size } else { 0 });
    let out = Disjoint::new(if splits > 1 { &mut partial } else { &mut filter });
    tasks(owned.len() * splits, |task| {
        let ((p, row), split) = (owned[task % owned.len()], task / owned.len());
        let rows = block.min(tap_row - row);
        let start = split * size + (p * tap_row + row) * columns;
        // SAFETY: a task's rows of its split are no other's, and lie inside.
        let out = unsafe { out.slice(start, rows * columns) };
        let share = |split: usize| split * stretches.len() / splits;
        let mine = &stretches[share(split)..share(split + 1)];
        block_of_rows(simd, geometry, &plan, mine, fine, &panels, [p, row, rows], out);
    });
    if splits > 1 {
        blocks(&mut filter, 1 << 12, |start, out| {
            out.copy_from_slice(&partial[start..start + out.len()]);
            for split in 1..splits {
                let part = &partial[split * size + start..];
                out.iter_mut().zip(part).for_each(|(out, &v)| *out += v);
            }
        });
    }
    filter
}

/// All pixels, group after group, in stretches of at most [`PIXELS`].
fn stretches(plan: &Plan) -> Vec<Stretch<'_>> {
    let mut stretches = Vec::new();
    let mut line = 0;
    for group in plan.groups.iter().filter(|group| !group.segments.is_empty()) {
        let pixels = plan.pixels(group);
        for first in (0..pixels).step_by(PIXELS) {
            let count = PIXELS.min(pixels - first);
            stretches.push(Stretch { group, first, count, line });
            line += count;
        }
    }
    stretches
}

/// Computes rows `row..row + rows` of tap row `p`, all columns, over some stretches of pixels.
#[allow(clippy::too_many_arguments)]
fn block_of_rows(
    simd: Simd,
    geometry: &Geometry,
    plan: &Plan,
    stretches: &[Stretch<'_>],
    fine: &[f32],
    panels: &Panels,
    [p, row, rows]: [usize; 3],
    out: &mut [f32],
) {
    let (tile, columns) = (simd.tile(), geometry.coarse_channels);
    let tiles = rows.div_ceil(tile.rows);
    let mut left = Buffer::scratch(tiles * tile.rows * PIXELS);
    let padded: usize = panels.panels.iter().map(|panel| panel.width).sum();
    let mut sums = Buffer::full(tiles * tile.rows * padded, 0.0);
    for stretch in stretches.iter().filter(|stretch| stretch.group.down.taps.contains(&p)) {
        pack_rows(geometry, plan, stretch, fine, [p, row, rows], tile.rows, &mut left);
        let mut at = 0;
        for panel in &panels.panels {
            for index in 0..tiles {
                let packed = &left[index * tile.rows * PIXELS..];
                let pointers: [*const f32; MAX_ROWS] = std::array::from_fn(|r| packed[r.min(tile.rows - 1)..].as_ptr());
                let segments = [Segment { left: 0, line: stretch.line, length: stretch.count }];
                let sums = &mut sums[at..at + tile.rows * panel.width];
                let job = TileJob {
                    rows: &pointers,
                    step: tile.rows,
                    segments: &segments,
                    panel: panels.lines(panel),
                    narrow: panel.narrow,
                    out: sums.as_mut_ptr(),
                    accumulate: true,
                };
                simd.dispatch(Product { job });
                at += tile.rows * panel.width;
            }
        }
    }
    let mut at = 0;
    for panel in &panels.panels {
        for r in 0..tiles * tile.rows {
            if r < rows {
                let out = &mut out[r * columns + panel.column..][..panel.used];
                out.copy_from_slice(&sums[at..at + panel.used]);
            }
            at += panel.width;
        }
    }
}

/// Packs the elements of x that a stretch's pixels meet in some rows of one row of taps: tile after tile, pixel after pixel.
/// Rows whose tap lies on padding for this group are zeros.
fn pack_rows(
    geometry: &Geometry,
    plan: &Plan,
    stretch: &Stretch<'_>,
    fine: &[f32],
    [p, row, rows]: [usize; 3],
    tile_rows: usize,
    out: &mut [f32],
) {
    let group = stretch.group;
    let channels = geometry.fine_channels;
    let met = group.across.taps.start * channels..group.across.taps.end * channels;
    let down = (p - group.down.taps.start) * geometry.fine[1] * channels;
    for (tile, out) in out.chunks_exact_mut(tile_rows * PIXELS).enumerate() {
        let start = row + tile * tile_rows;
        let wanted = start.max(met.start)..(start + tile_rows).min(row + rows).min(met.end);
        let pixels = (stretch.first..stretch.first + stretch.count).map(|index| plan.pixel(group, index).input + down);
        for (pixel, out) in pixels.zip(out.chunks_exact_mut(tile_rows)) {
            if wanted.len() < tile_rows {
                out.fill(0.0);
            }
            if !wanted.is_empty() {
                let from = pixel + wanted.start - met.start;
                out[wanted.start - start..wanted.end - start].copy_from_slice(&fine[from..from + wanted.len()]);
            }
        }
    }
}
