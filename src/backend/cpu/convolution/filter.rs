//! The filter gradient: `dw[p, q, c, k] = sum over pixels of x[pixel's row p, column q][c] dy[pixel][k]`.
//!
//! The contraction runs over pixels. `dy` is packed once in panels, pixel after pixel in the order of the plan's groups; a
//! task owns a block of filter rows, packs the matching elements of `x` for a few hundred pixels at a time so that they stay
//! in cache, and adds their product to its block. Long contractions are also split, and the parts added in order.

use super::Part;
use super::plan::{Group, Pixel, Plan};
use crate::backend::cpu::microkernel::{Panels, Product, Segment, TileJob, panels};
use crate::backend::cpu::parallel::{Disjoint, blocks, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Geometry, Scratch};

/// Pixels that are packed at a time: a panel of `dy` and a tile's rows of `x` then share the L1 cache.
const PIXELS: usize = 256;
/// Tiles of rows a task: each part of a `dy` panel is read so many times from the L1 cache.
const TILES: usize = 6;
/// How many tasks are worth having; fewer blocks of rows are split over pixels.
const TASKS: usize = 16;
/// Rows of a block by which splits are counted. A task's block has as many or fewer, as its tiles are tall; counted by it, sums would depend on
/// the instructions that compute them.
const SPLIT_ROWS: usize = 72;

/// A stretch of a group's pixels.
struct Stretch<'a> {
    group: &'a Group,
    pixels: Vec<Pixel>,
    /// Line of the first in the packed `dy`.
    line: usize,
}

/// Rows of the filter that a task computes: `start..start + count` of the taps `p`, counted over (q, c).
#[derive(Clone, Copy)]
struct Rows {
    p: usize,
    start: usize,
    count: usize,
}

/// What all tasks read.
struct Contraction<'a> {
    simd: Simd,
    geometry: &'a Geometry,
    fine: &'a [f32],
    /// The coarse image, a line a pixel.
    panels: Panels,
}

/// How the work is cut: blocks of rows, each inside one row of taps, whose elements of x are contiguous; and, where those are few,
/// parts of the pixels.
struct Cut {
    /// Rows that are contiguous.
    tap_row: usize,
    /// Most rows of a task.
    block: usize,
    splits: usize,
}

impl Cut {
    fn new(simd: Simd, geometry: &Geometry, stretches: usize) -> Cut {
        let tap_row = geometry.kernel[1] * geometry.fine_channels;
        let block = TILES * simd.tile().rows;
        let blocks = geometry.kernel[0] * tap_row.div_ceil(SPLIT_ROWS);
        Cut { tap_row, block, splits: TASKS.div_ceil(blocks).min(stretches).max(1) }
    }

    /// Elements of the partial results of a filter of so many.
    fn partial(&self, size: usize) -> usize {
        if self.splits > 1 { self.splits * size } else { 0 }
    }
}

/// Elements of a task's rows of x and of its sums, where the panels are so wide together.
fn task_lengths(simd: Simd, rows: usize, padded: usize) -> [usize; 2] {
    let rows = rows.next_multiple_of(simd.tile().rows);
    [rows * PIXELS, rows * padded]
}

/// What [`filter`] has beside its result.
pub fn scratch(simd: Simd, geometry: &Geometry) -> Scratch {
    let (plan, columns) = (Plan::coarse(&Part::whole(geometry)), geometry.coarse_channels);
    let met = plan.groups.iter().filter(|group| !group.segments.is_empty());
    let pixels: Vec<usize> = met.map(|group| plan.pixels(group)).collect();
    let (lines, stretches) = (pixels.iter().sum(), pixels.iter().map(|pixels| pixels.div_ceil(PIXELS)).sum());
    let cut = Cut::new(simd, geometry, stretches);
    let partial = cut.partial(geometry.filter_shape().iter().product());
    let padded = panels(simd.tile(), 0, columns).iter().map(|panel| panel.width).sum();
    Scratch {
        shared: vec![Panels::length(simd.tile(), lines, columns), partial],
        task: task_lengths(simd, cut.block.min(cut.tap_row), padded).into(),
        tasks: usize::MAX,
    }
}

/// The filter from (fine image, coarse image).
pub fn filter(simd: Simd, geometry: &Geometry, fine: &[f32], coarse: &[f32]) -> Buffer {
    let plan = Plan::coarse(&Part::whole(geometry));
    let columns = geometry.coarse_channels;
    let mut filter = Buffer::scratch(geometry.filter_shape().iter().product());
    if filter.is_empty() {
        return filter;
    }
    let stretches = stretches(&plan);
    let panels = pack_coarse(simd, &stretches, columns, coarse);
    let contraction = Contraction { simd, geometry, fine, panels };

    let cut = Cut::new(simd, geometry, stretches.len());
    let Cut { tap_row, block, splits } = cut;
    let rows = |p| {
        let cut = (0..tap_row).step_by(block);
        cut.map(move |start| Rows { p, start, count: block.min(tap_row - start) })
    };
    let owned: Vec<Rows> = (0..geometry.kernel[0]).flat_map(rows).collect();
    let size = filter.len();
    let mut partial = Buffer::scratch(cut.partial(size));
    let out = Disjoint::new(if splits > 1 { &mut partial } else { &mut filter });
    tasks(owned.len() * splits, |task| {
        let (rows, split) = (owned[task % owned.len()], task / owned.len());
        let start = split * size + (rows.p * tap_row + rows.start) * columns;
        // SAFETY: a task's rows of its split are no other's, and lie inside.
        let out = unsafe { out.slice(start, rows.count * columns) };
        let share = |split: usize| split * stretches.len() / splits;
        contraction.rows(rows, &stretches[share(split)..share(split + 1)], out);
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

/// The coarse image's pixels as lines of panels, in the order of the stretches.
fn pack_coarse(simd: Simd, stretches: &[Stretch<'_>], columns: usize, coarse: &[f32]) -> Panels {
    let lines = stretches.last().map_or(0, |last| last.line + last.pixels.len());
    Panels::pack(simd.tile(), lines, columns, |panel, out| {
        for stretch in stretches {
            let out = out[stretch.line * panel.width..].chunks_exact_mut(panel.width);
            for (pixel, out) in stretch.pixels.iter().zip(out) {
                let from = pixel.output + panel.column;
                out[..panel.used].copy_from_slice(&coarse[from..from + panel.used]);
            }
        }
    })
}

/// All pixels, group after group, in stretches of at most [`PIXELS`].
fn stretches(plan: &Plan) -> Vec<Stretch<'_>> {
    let mut stretches = Vec::new();
    let mut line = 0;
    for group in plan.groups.iter().filter(|group| !group.segments.is_empty()) {
        let pixels = plan.pixels(group);
        for first in (0..pixels).step_by(PIXELS) {
            let pixels: Vec<Pixel> = plan.from(group, first).take(PIXELS).collect();
            let start = line;
            line += pixels.len();
            stretches.push(Stretch { group, pixels, line: start });
        }
    }
    stretches
}

impl Contraction<'_> {
    /// Computes some rows, all columns, over some stretches of pixels.
    fn rows(&self, rows: Rows, stretches: &[Stretch<'_>], out: &mut [f32]) {
        let (tile, columns, panels) = (self.simd.tile(), self.geometry.coarse_channels, &self.panels);
        let tiles = rows.count.div_ceil(tile.rows);
        let padded = panels.panels.iter().map(|panel| panel.width).sum();
        let [of_left, of_sums] = task_lengths(self.simd, rows.count, padded);
        let (mut left, mut sums) = (Buffer::scratch(of_left), Buffer::full(of_sums, 0.0));
        for stretch in stretches.iter().filter(|stretch| stretch.group.down.taps.contains(&rows.p)) {
            self.pack_fine(rows, stretch, &mut left);
            let segments = [Segment { left: 0, line: stretch.line, length: stretch.pixels.len() }];
            let mut at = 0;
            for panel in &panels.panels {
                for packed in left.chunks_exact(tile.rows * PIXELS).take(tiles) {
                    let job = TileJob {
                        left: packed,
                        rows: &std::array::from_fn(|row| row.min(tile.rows - 1)),
                        step: tile.rows,
                        segments: &segments,
                        panel: panels.lines(panel),
                        narrow: panel.narrow,
                        out: &mut sums[at..at + tile.rows * panel.width],
                        accumulate: true,
                    };
                    // SAFETY: a stretch has at most `PIXELS` pixels, and its lines are in every panel.
                    self.simd.dispatch(unsafe { Product::new(self.simd, job) });
                    at += tile.rows * panel.width;
                }
            }
        }
        let mut at = 0;
        for panel in &panels.panels {
            let lines = sums[at..].chunks_exact(panel.width).take(rows.count);
            for (out, line) in out.chunks_exact_mut(columns).zip(lines) {
                out[panel.column..panel.column + panel.used].copy_from_slice(&line[..panel.used]);
            }
            at += tiles * tile.rows * panel.width;
        }
    }

    /// Packs the elements of x that a stretch's pixels meet in some rows: tile after tile, pixel after pixel. Rows whose tap
    /// lies on padding for this group are zeros.
    fn pack_fine(&self, rows: Rows, stretch: &Stretch<'_>, out: &mut [f32]) {
        let (group, channels, tile_rows) = (stretch.group, self.geometry.fine_channels, self.simd.tile().rows);
        let met = group.across.taps.start * channels..group.across.taps.end * channels;
        let down = (rows.p - group.down.taps.start) * self.geometry.fine[1] * channels;
        for (tile, out) in out.chunks_exact_mut(tile_rows * PIXELS).enumerate() {
            let start = rows.start + tile * tile_rows;
            let wanted = start.max(met.start)..(start + tile_rows).min(rows.start + rows.count).min(met.end);
            let sources = stretch.pixels.iter().map(|pixel| pixel.input + down);
            if wanted.len() == tile_rows {
                let sources = sources.map(|source| &self.fine[source + start - met.start..]);
                // The sizes of `Simd::tile`: a copy of constant length is a few moves.
                match tile_rows {
                    12 => copy_each::<12>(sources, out),
                    6 => copy_each::<6>(sources, out),
                    4 => copy_each::<4>(sources, out),
                    rows => unreachable!("no tile has {rows} rows"),
                }
                continue;
            }
            for (source, out) in sources.zip(out.chunks_exact_mut(tile_rows)) {
                out.fill(0.0);
                if !wanted.is_empty() {
                    let from = source + wanted.start - met.start;
                    out[wanted.start - start..wanted.end - start]
                        .copy_from_slice(&self.fine[from..from + wanted.len()]);
                }
            }
        }
    }
}

/// Writes the first `N` elements of each source, one after the other.
fn copy_each<'a, const N: usize>(sources: impl Iterator<Item = &'a [f32]>, out: &mut [f32]) {
    for (out, source) in out.as_chunks_mut::<N>().0.iter_mut().zip(sources) {
        out.copy_from_slice(&source[..N]);
    }
}
