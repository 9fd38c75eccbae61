//! The filter's side: `G` in panels for the products of images, and the filter gradient through its adjoint.

use super::transform::{CoarseLines, FineLines};
use super::{AXIS, AXIS_PHASES, COMPONENTS, Lines, PHASES, SPACE, Tiling};
use crate::backend::Geometry;
use crate::backend::cpu::convolution::image::Product;
use crate::backend::cpu::microkernel::{MAX_ROWS, Panel, Panels, Segment, TileJob, pack_column};
use crate::backend::cpu::parallel::{Disjoint, blocks, tasks};
use crate::backend::cpu::{Buffer, Simd};

/// The taps of a phase that a component sums, along an axis: `G`.
const TAPS: [&[usize]; AXIS] = [&[0], &[0, 1], &[1]];

/// Where the one, two or four taps `[c, k]` start that a component of a phase sums.
fn summands(geometry: &Geometry, component: usize, phase: usize) -> Vec<usize> {
    let matrix = geometry.fine_channels * geometry.coarse_channels;
    let across = |p: usize| {
        let p = phase / AXIS_PHASES + AXIS_PHASES * p;
        let taps = TAPS[component % AXIS].iter().map(move |&q| phase % AXIS_PHASES + AXIS_PHASES * q);
        taps.map(move |q| (p * geometry.kernel[1] + q) * matrix)
    };
    TAPS[component / AXIS].iter().flat_map(|&p| across(p)).collect()
}

/// `out = sum over starts of values[start + offset..]`, of one, two or four lines.
#[inline(always)]
fn add_up(values: &[f32], starts: &[usize], offset: usize, out: &mut [f32]) {
    let line = |start: usize| &values[start + offset..][..out.len()];
    match *starts {
        [a] => out.copy_from_slice(line(a)),
        [a, b] => {
            let (a, b) = (line(a), line(b));
            out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out = a + b);
        }
        [a, b, c, d] => {
            let (a, b, c, d) = (line(a), line(b), line(c), line(d));
            let lines = a.iter().zip(b).zip(c.iter().zip(d));
            out.iter_mut().zip(lines).for_each(|(out, ((a, b), (c, d)))| *out = (a + b) + (c + d));
        }
        _ => unreachable!("a component sums one, two or four lines"),
    }
}

/// `G w` for the coarse role: lines (phase, c), columns (component, k).
pub fn pack(simd: Simd, geometry: &Geometry, w: &[f32]) -> Panels {
    let (channels, columns) = (geometry.fine_channels, geometry.coarse_channels);
    Panels::pack(simd.tile(), PHASES * channels, COMPONENTS * columns, |panel, out| {
        let (component, column) = (panel.column / columns, panel.column % columns);
        for (phase, out) in out.chunks_exact_mut(channels * panel.width).enumerate() {
            let starts = summands(geometry, component, phase);
            simd.dispatch(
                #[inline(always)]
                || {
                    for (c, out) in out.chunks_exact_mut(panel.width).enumerate() {
                        add_up(w, &starts, c * columns + column, out);
                    }
                },
            );
        }
    })
}

/// `G w` for the fine role: lines k, columns (component, phase, c).
pub fn pack_transposed(simd: Simd, geometry: &Geometry, w: &[f32]) -> Panels {
    let (channels, depth) = (geometry.fine_channels, geometry.coarse_channels);
    Panels::pack(simd.tile(), depth, COMPONENTS * PHASES * channels, |panel, out| {
        let (component, column) = (panel.column / (PHASES * channels), panel.column % (PHASES * channels));
        let starts = summands(geometry, component, column / channels);
        simd.dispatch(
            #[inline(always)]
            || transpose_sums(w, &starts, column % channels, depth, panel, out),
        );
    })
}

/// The transpose of a panel's sums, in square blocks that stay in registers and the L1 cache.
#[inline(always)]
fn transpose_sums(w: &[f32], starts: &[usize], channel: usize, depth: usize, panel: Panel, out: &mut [f32]) {
    const SQUARE: usize = 8;
    for (k, out) in out.chunks_exact_mut(SQUARE * panel.width).enumerate() {
        for c in (0..panel.width).step_by(SQUARE) {
            let mut square = [[0f32; SQUARE]; SQUARE];
            for (row, line) in square.iter_mut().enumerate() {
                add_up(w, starts, (channel + c + row) * depth + k * SQUARE, line);
            }
            for (column, out) in out.chunks_exact_mut(panel.width).enumerate() {
                let out: &mut [f32; SQUARE] = (&mut out[c..c + SQUARE]).try_into().expect("a row of the square");
                *out = std::array::from_fn(|row| square[row][column]);
            }
        }
    }
}

/// Tiles whose products are added at a time: a panel of `A y` and a tile of rows of `B x` then share the L1 cache.
const STRETCH: usize = 128;
/// Microkernel tiles of rows a task: each part of a panel is read so many times from the L1 cache.
const BLOCK: usize = 8;
/// Tiles of the batch that are transformed before the products take them.
const HELD: usize = 512;

/// The filter from (fine image, coarse image).
pub fn filter(simd: Simd, geometry: &Geometry, fine: &[f32], coarse: &[f32]) -> Buffer {
    let tiling = Tiling::new(geometry);
    let length = PHASES * geometry.fine_channels;
    let cut =
        Cut { tile_rows: simd.tile().rows, width: simd.tile().columns, length, columns: geometry.coarse_channels };
    let outside = Buffer::full(geometry.fine_channels, 0.0);
    let mut sums = Buffer::scratch(cut.size());
    for first in (0..tiling.count()).step_by(HELD) {
        let tiles = HELD.min(tiling.count() - first);
        let mut left = Lines::new(tiles, length);
        let mut right = Buffer::scratch(COMPONENTS * tiles * cut.columns);
        transform(simd, &tiling, fine, &outside, coarse, first, &mut left, &mut right);
        let out = Disjoint::new(&mut sums);
        tasks(cut.blocks(), |block| {
            // SAFETY: each block has its own part of the sums.
            let out = unsafe { out.slice(block * cut.block(), cut.block()) };
            add_products(simd, cut, block, &left, &right, first > 0, out);
        });
    }
    collect(simd, geometry, cut, &sums)
}

/// `B x` of some tiles as lines `[phase, c]`, and `A y` in panels: lines tiles, columns (component, k).
#[expect(clippy::too_many_arguments, reason = "both images and both results")]
fn transform(
    simd: Simd,
    tiling: &Tiling,
    fine: &[f32],
    outside: &[f32],
    coarse: &[f32],
    first: usize,
    left: &mut Lines,
    right: &mut [f32],
) {
    /// Tiles a task.
    const TILES: usize = 32;
    let (channels, columns, width) =
        (tiling.geometry.fine_channels, tiling.geometry.coarse_channels, simd.tile().columns);
    let (tiles, component) = (left.tiles, left.component());
    let (left, right) = (Disjoint::new(&mut left.values), Disjoint::new(right));
    tasks(tiles.div_ceil(TILES), |task| {
        for tile in (task * TILES..tiles).take(TILES) {
            let place = tiling.place(first + tile);
            let patch = tiling.patch(fine, outside, place);
            // SAFETY: a tile is in one task, and writes its own lines only.
            let out = unsafe { left.slice(tile * (PHASES * channels + SPACE), 0) }.as_mut_ptr();
            simd.dispatch(FineLines { patch, channels, out, component });
            let pixels = tiling.coarse_pixels(place).map(|row| row.map(|start| coarse[start..][..columns].as_ptr()));
            // SAFETY: as above.
            let out = unsafe { right.slice(tile * width, 0) }.as_mut_ptr();
            let (component, panel) = (tiles * columns, tiles * width);
            simd.dispatch(CoarseLines { pixels, channels: columns, out, component, width, panel });
        }
    });
}

/// How the sums of a filter gradient are cut: component by component into blocks of rows (phase, c), those into panels of columns,
/// and those into tiles of the microkernel.
#[derive(Clone, Copy)]
struct Cut {
    tile_rows: usize,
    /// Columns of a panel.
    width: usize,
    /// Rows and columns of a component.
    length: usize,
    columns: usize,
}

impl Cut {
    fn rows(self) -> usize {
        BLOCK * self.tile_rows
    }

    fn row_blocks(self) -> usize {
        self.length.div_ceil(self.rows())
    }

    fn blocks(self) -> usize {
        COMPONENTS * self.row_blocks()
    }

    /// Elements of a block.
    fn block(self) -> usize {
        self.rows() * self.columns
    }

    fn size(self) -> usize {
        self.blocks() * self.block()
    }

    /// Where a row of a component has its first panel.
    fn place(self, component: usize, row: usize) -> usize {
        let (block, row) = (row / self.rows(), row % self.rows());
        (component * self.row_blocks() + block) * self.block() + row * self.width
    }

    /// Elements from one panel of a block to the next.
    fn panel(self) -> usize {
        self.rows() * self.width
    }
}

/// Computes some tiles' products of one block, or adds them to `out`.
fn add_products(simd: Simd, cut: Cut, block: usize, left: &Lines, right: &[f32], add: bool, out: &mut [f32]) {
    let (component, start) = (block / cut.row_blocks(), block % cut.row_blocks() * cut.rows());
    let count = cut.rows().min(cut.length - start);
    let mut packed = Buffer::full(cut.rows() * STRETCH, 0.0);
    let right = &right[component * left.tiles * cut.columns..][..left.tiles * cut.columns];
    for line in (0..left.tiles).step_by(STRETCH) {
        let length = STRETCH.min(left.tiles - line);
        for tile in 0..length {
            let at = component * left.component() + (line + tile) * (left.length + SPACE) + start;
            pack_column(&left.values[at..at + count], cut.tile_rows, STRETCH, tile, &mut packed);
        }
        let segments = [Segment { left: 0, line, length }];
        for (panel, out) in right.chunks_exact(left.tiles * cut.width).zip(out.chunks_exact_mut(cut.panel())) {
            let tiles = out.chunks_exact_mut(cut.tile_rows * cut.width).take(count.div_ceil(cut.tile_rows));
            for (packed, out) in packed.chunks_exact(cut.tile_rows * STRETCH).zip(tiles) {
                let pointers: [*const f32; MAX_ROWS] =
                    std::array::from_fn(|row| packed[row.min(cut.tile_rows - 1)..].as_ptr());
                let job = TileJob {
                    rows: &pointers,
                    step: cut.tile_rows,
                    segments: &segments,
                    panel: panel.as_ptr(),
                    narrow: false,
                    out: out.as_mut_ptr(),
                    accumulate: add || line > 0,
                };
                simd.dispatch(Product { job });
            }
        }
    }
}

/// The adjoint of `G`: the filter from its components' sums.
fn collect(simd: Simd, geometry: &Geometry, cut: Cut, sums: &[f32]) -> Buffer {
    let channels = geometry.fine_channels;
    let mut filter = Buffer::scratch(geometry.filter_shape().iter().product());
    blocks(&mut filter, channels * cut.columns, |start, out| {
        let tap = start / (channels * cut.columns);
        let (p, q) = (tap / geometry.kernel[1], tap % geometry.kernel[1]);
        let phase = p % AXIS_PHASES * AXIS_PHASES + q % AXIS_PHASES;
        // Tap 0 of a phase is in components 0 and 1, tap 1 in 1 and 2.
        let components: [usize; 4] =
            std::array::from_fn(|i| (p / AXIS_PHASES + i / 2) * AXIS + q / AXIS_PHASES + i % 2);
        simd.dispatch(
            #[inline(always)]
            || {
                for (c, out) in out.chunks_exact_mut(cut.columns).enumerate() {
                    let places = components.map(|component| cut.place(component, phase * channels + c));
                    for (panel, out) in out.chunks_exact_mut(cut.width).enumerate() {
                        add_up(sums, &places, panel * cut.panel(), out);
                    }
                }
            },
        );
    });
    filter
}
