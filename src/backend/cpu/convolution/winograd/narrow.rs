//! The filter gradient of layers with few channels on both sides: their products are small, and what is transformed for them would come from
//! memory twice.
//!
//! A task owns some tiles and a block of channels on either side. It transforms a few tiles at a time and adds their products to its block's
//! sums of all components, which meanwhile stay in its L2 cache with the lines. The parts of a block are added in order.

use super::filter::taps;
use super::scheme::{MOST, Scheme};
use super::transform::{CoarseLines, FilterTaps, FineLines};
use super::{Lines, Part, SPACE, Tiling, Way};
use crate::backend::cpu::microkernel::{Product, Segment, TileJob};
use crate::backend::cpu::parallel::{Disjoint, blocks, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Geometry, Scratch};

/// Channels of a block, at most.
const BLOCK: usize = 64;
/// Channels on both sides, multiplied, up to which blocks are few: each transforms its images again.
const NARROW: usize = 4 * BLOCK * BLOCK;
/// Tiles that are transformed at a time, at most.
const TILES: usize = 48;
/// How many tasks are worth having, and how many parts of a block are, of how many tiles at least: they have to be added.
const TASKS: usize = 16;
const MOST_PARTS: usize = 8;
const PART: usize = 64;

/// Whether it is faster than to share all transformed tiles.
pub fn pays(way: Way, geometry: &Geometry) -> bool {
    way == Way::F43 && geometry.fine_channels * geometry.coarse_channels <= NARROW
}

/// The cut into blocks and parts, and the order of a part: block by block, component by component, panel by panel, row by row.
struct Cut {
    components: usize,
    /// Blocks of each side, and channels of each.
    blocks: [usize; 2],
    channels: [usize; 2],
    /// Elements from one tile's line to the next.
    line: usize,
    /// Rows of a block with those that fill tiles of the microkernel, and columns of a panel.
    rows: usize,
    width: usize,
    /// Tiles of a part, those of it that are transformed at a time, and parts.
    span: usize,
    stretch: usize,
    parts: usize,
}

impl Cut {
    fn new<K: Scheme>(simd: Simd, geometry: &Geometry) -> Cut {
        let sides = [geometry.fine_channels, geometry.coarse_channels];
        let channels = sides.map(|channels| channels.min(BLOCK));
        let blocks = sides.map(|channels| channels.div_ceil(BLOCK));
        let tiles = Tiling::<K>::new(&Part::whole(geometry)).count();
        let parts = TASKS.div_ceil(blocks[0] * blocks[1]).min(MOST_PARTS).min((tiles / PART).max(2));
        let span = tiles.div_ceil(parts);
        Cut {
            components: K::COMPONENTS,
            blocks,
            channels,
            line: K::PHASES * channels[0] + SPACE,
            rows: (K::PHASES * channels[0]).next_multiple_of(simd.tile().rows),
            width: simd.tile().columns,
            span,
            stretch: span.div_ceil(span.div_ceil(TILES)),
            parts: tiles.div_ceil(span),
        }
    }

    fn count(&self) -> usize {
        self.blocks[0] * self.blocks[1]
    }

    /// Elements of a block's component, of a block, and of a part.
    fn component(&self) -> usize {
        self.rows * self.channels[1]
    }

    fn block(&self) -> usize {
        self.components * self.component()
    }

    fn part(&self) -> usize {
        self.count() * self.block()
    }

    /// Elements of a task's transformed coarse pixels of a component.
    fn right(&self) -> usize {
        self.stretch * self.channels[1] + SPACE
    }
}

/// What [`filter`] has beside its result.
pub fn scratch<K: Scheme>(simd: Simd, geometry: &Geometry) -> Scratch {
    let cut = Cut::new::<K>(simd, geometry);
    let left = Lines::elements::<K>(cut.stretch, K::PHASES * cut.channels[0]);
    Scratch {
        shared: vec![cut.parts * cut.part()],
        task: vec![left, K::COMPONENTS * cut.right()],
        tasks: cut.parts * cut.count(),
    }
}

/// The filter from (fine image, coarse image).
pub fn filter<K: Scheme>(simd: Simd, part: &Part, fine: &[f32], coarse: &[f32]) -> Buffer {
    let geometry = &part.geometry;
    let (tiling, cut) = (Tiling::<K>::new(part), Cut::new::<K>(simd, geometry));
    let outside = [0f32; BLOCK];
    let mut sums = Buffer::scratch(cut.parts * cut.part());
    let out = Disjoint::new(&mut sums);
    tasks(cut.parts * cut.count(), |task| {
        let (share, block) = (task / cut.count(), task % cut.count());
        let first = [block / cut.blocks[1] * BLOCK, block % cut.blocks[1] * BLOCK];
        let rows = BLOCK.min(geometry.fine_channels - first[0]);
        let columns = BLOCK.min(geometry.coarse_channels - first[1]);
        let mut left = Lines::new::<K>(cut.stretch, K::PHASES * cut.channels[0]);
        let component = cut.right();
        let mut right = Buffer::scratch(K::COMPONENTS * component);
        // SAFETY: each task has its own sums.
        let sums = unsafe { out.slice(task * cut.block(), cut.block()) };
        let end = tiling.count().min((share + 1) * cut.span);
        for start in (share * cut.span..end).step_by(cut.stretch) {
            let tiles = cut.stretch.min(end - start);
            for tile in 0..tiles {
                let place = tiling.place(start + tile);
                let pixel = |at: usize| fine[at + first[0]..][..rows].as_ptr();
                let patch = tiling.patch(place, outside.as_ptr(), pixel);
                let (apart, out) = (left.component(), left.from(tile));
                // SAFETY: the pixels are slices of as many elements, and the lines this task's.
                simd.dispatch(unsafe { FineLines::<K>::new(patch, rows, out, apart) });
                let pixel = |at: usize| coarse[at + first[1]..][..columns].as_ptr();
                let pixels = tiling.pixels(place, outside.as_ptr(), pixel);
                let (out, panel) = (Disjoint::new(&mut right).skip(tile * cut.width), cut.stretch * cut.width);
                // SAFETY: as above.
                simd.dispatch(unsafe { CoarseLines::<K>::new(pixels, columns, out, component, [cut.width, panel]) });
            }
            let lefts = left.values.chunks_exact(left.component());
            let operands = lefts.zip(right.chunks_exact(component));
            for ((left_of, right), sums) in operands.zip(sums.chunks_exact_mut(cut.component())) {
                let add = start > share * cut.span;
                add_products(simd, &cut, [left_of, right], [K::PHASES * rows, columns, tiles], add, sums);
            }
        }
    });
    add_parts(&mut sums, cut.part());
    collect::<K>(simd, geometry, &cut, &sums)
}

/// Computes some tiles' products of one component of a block, or adds them to `out`.
fn add_products(
    simd: Simd,
    cut: &Cut,
    [left, right]: [&[f32]; 2],
    [length, columns, tiles]: [usize; 3],
    accumulate: bool,
    out: &mut [f32],
) {
    let rows = simd.tile().rows;
    let segments = [Segment { left: 0, line: 0, length: tiles }];
    let panels = right.chunks_exact(cut.stretch * cut.width).zip(out.chunks_exact_mut(cut.rows * cut.width));
    for (panel, out) in panels.take(columns / cut.width) {
        for (first, out) in (0..length).step_by(rows).zip(out.chunks_exact_mut(rows * cut.width)) {
            let job = TileJob {
                left,
                // Rows of the contraction are columns of the lines; the last tile's missing ones repeat the last, and nobody reads their sums.
                rows: &std::array::from_fn(|row| (first + row).min(length - 1)),
                step: cut.line,
                segments: &segments,
                panel,
                narrow: false,
                out,
                accumulate,
            };
            // SAFETY: both sides have `stretch` lines, and no more are taken.
            simd.dispatch(unsafe { Product::new(simd, job) });
        }
    }
}

/// Adds all parts to the first, in order.
fn add_parts(sums: &mut [f32], part: usize) {
    let (first, rest) = sums.split_at_mut(part);
    blocks(first, 1 << 12, |start, out| {
        for part in rest.chunks_exact(part) {
            out.iter_mut().zip(&part[start..]).for_each(|(out, &v)| *out += v);
        }
    });
}

/// The adjoint of `G`: the filter from its components' sums.
fn collect<K: Scheme>(simd: Simd, geometry: &Geometry, cut: &Cut, sums: &[f32]) -> Buffer {
    let (channels, columns) = (geometry.fine_channels, geometry.coarse_channels);
    let mut filter = Buffer::scratch(geometry.filter_shape().iter().product());
    let out = Disjoint::new(&mut filter);
    tasks(K::PHASES * channels, |row| {
        let (phase, c) = (row / channels, row % channels);
        let held = BLOCK.min(channels - c / BLOCK * BLOCK);
        for column in (0..columns).step_by(cut.width) {
            let block = c / BLOCK * cut.blocks[1] + column / BLOCK;
            let place = block * cut.block() + column % BLOCK * cut.rows + (phase * held + c % BLOCK) * cut.width;
            let mut lines = [[std::ptr::null(); MOST]; MOST];
            for (v, lines) in lines.iter_mut().enumerate().take(K::AXIS) {
                for (h, line) in lines.iter_mut().enumerate().take(K::AXIS) {
                    *line = sums[place + (v * K::AXIS + h) * cut.component()..][..cut.width].as_ptr();
                }
            }
            let taps = taps::<K, _>(geometry, phase, std::ptr::null_mut(), |start| {
                // SAFETY: a channel of a phase's taps is one task's, and lies inside the filter.
                unsafe { out.slice(start + c * columns + column, cut.width) }.as_mut_ptr()
            });
            // SAFETY: all are slices of `width` elements.
            simd.dispatch(unsafe { FilterTaps::<K>::new(lines, cut.width, taps) });
        }
    });
    filter
}
