//! The filter's side: `G` in panels for the products of images, and the filter gradient through its adjoint.

use super::scheme::{MOST, MOST_TAPS, Scheme};
use super::transform::{CoarseLines, FilterLines, FilterTaps, FineLines, Taps};
use super::{CHANNELS, Lines, Panels, Part, SPACE, Tiling};
use crate::backend::cpu::microkernel::{Product, Segment, TileJob, pack_column};
use crate::backend::cpu::parallel::{Disjoint, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Geometry, Scratch};

/// Calls `at` with where the matrix `[c, k]` of each of a phase's taps starts.
pub fn taps<K: Scheme, P: Copy>(geometry: &Geometry, phase: usize, none: P, at: impl Fn(usize) -> P) -> Taps<P> {
    let matrix = geometry.fine_channels * geometry.coarse_channels;
    let mut taps = [[none; MOST_TAPS]; MOST_TAPS];
    for (p, taps) in taps.iter_mut().enumerate().take(K::TAPS) {
        for (q, tap) in taps.iter_mut().enumerate().take(K::TAPS) {
            let row = phase / K::AXIS_PHASES + K::AXIS_PHASES * p;
            *tap = at((row * geometry.kernel[1] + phase % K::AXIS_PHASES + K::AXIS_PHASES * q) * matrix);
        }
    }
    taps
}

/// `G w` for the coarse role: lines (phase, c), columns k.
pub fn pack<K: Scheme>(simd: Simd, geometry: &Geometry, w: &[f32]) -> Panels {
    let (lines, columns) = (geometry.fine_channels, geometry.coarse_channels);
    let mut panels = Panels::new::<K>(simd, K::PHASES * lines, columns);
    let (component, width) = (panels.component(), panels.width);
    let out = Disjoint::new(&mut panels.values);
    tasks(K::PHASES * (columns / width), |task| {
        let (phase, column) = (task % K::PHASES, task / K::PHASES * width);
        let first = |start| w[start + column..][..(lines - 1) * columns + width].as_ptr();
        let taps = taps::<K, _>(geometry, phase, std::ptr::null(), first);
        let out = out.skip(column * K::PHASES * lines + phase * lines * width);
        // SAFETY: a phase's lines of a panel are one task's in every component, and its taps slices with all lines.
        simd.dispatch(unsafe { FilterLines::<K>::new(taps, [lines, width, columns], out, component) });
    });
    panels
}

/// `G w` for the fine role: lines k, columns (phase, c).
pub fn pack_transposed<K: Scheme>(simd: Simd, geometry: &Geometry, w: &[f32]) -> Panels {
    let (channels, depth) = (geometry.fine_channels, geometry.coarse_channels);
    let mut panels = Panels::new::<K>(simd, depth, K::PHASES * channels);
    let (component, width) = (panels.component(), panels.width);
    let out = Disjoint::new(&mut panels.values);
    tasks(K::PHASES * (channels / width), |task| {
        let (phase, channel) = (task % K::PHASES, task / K::PHASES * width);
        let matrices = taps::<K, _>(geometry, phase, &[][..], |start| &w[start + channel * depth..][..width * depth]);
        // A few lines of each tap at a time, transposed where the L1 cache holds them.
        let mut strips = [[[0f32; STRIP * CHANNELS]; MOST_TAPS]; MOST_TAPS];
        for first in (0..depth).step_by(STRIP) {
            let pairs = strips.as_flattened_mut().iter_mut().zip(matrices.as_flattened());
            for (strip, matrix) in pairs.filter(|(_, matrix)| !matrix.is_empty()) {
                simd.dispatch(
                    #[inline(always)]
                    || transpose_strip(&matrix[first..], depth, width, strip),
                );
            }
            let taps = strips.each_ref().map(|row| row.each_ref().map(|strip| strip.as_ptr()));
            let out = out.skip((phase * channels + channel) * depth + first * width);
            // SAFETY: a phase's panel is one task's in every component, and a strip has `STRIP` lines.
            simd.dispatch(unsafe { FilterLines::<K>::new(taps, [STRIP, width, width], out, component) });
        }
    });
    panels
}

/// Lines that are transposed at a time, and the side of the squares that stay in registers meanwhile.
const STRIP: usize = 8;

/// The first `STRIP` columns of a matrix of `width` rows as lines.
#[inline(always)]
fn transpose_strip(matrix: &[f32], depth: usize, width: usize, strip: &mut [f32]) {
    for first in (0..width).step_by(STRIP) {
        let mut square = [[0f32; STRIP]; STRIP];
        for (row, line) in square.iter_mut().enumerate() {
            line.copy_from_slice(&matrix[(first + row) * depth..][..STRIP]);
        }
        for (column, out) in strip.chunks_exact_mut(width).take(STRIP).enumerate() {
            let out: &mut [f32; STRIP] = (&mut out[first..first + STRIP]).try_into().expect("a row of the square");
            *out = std::array::from_fn(|row| square[row][column]);
        }
    }
}

/// Tiles whose products are added at a time: a panel of `A y` and a tile of rows of `B x` then share the L1 cache.
const STRETCH: usize = 128;
/// Microkernel tiles of rows a task: each part of a panel is read so many times from the L1 cache.
const BLOCK: usize = 8;

/// What [`filter`] has beside its result.
pub fn scratch<K: Scheme>(simd: Simd, geometry: &Geometry) -> Scratch {
    let cut = Cut::new::<K>(simd, geometry);
    let tiles = K::HELD.min(Tiling::<K>::new(&Part::whole(geometry)).count());
    let held = [Lines::elements::<K>(tiles, cut.length), cut.right(tiles)];
    let outside = geometry.fine_channels.max(geometry.coarse_channels);
    let shared = [[outside, cut.size()], held].concat();
    Scratch { shared, task: vec![cut.packed()], tasks: cut.blocks() }
}

/// The filter from (fine image, coarse image).
pub fn filter<K: Scheme>(simd: Simd, part: &Part, fine: &[f32], coarse: &[f32]) -> Buffer {
    let (tiling, geometry) = (Tiling::<K>::new(part), &part.geometry);
    let cut = Cut::new::<K>(simd, geometry);
    let outside = Buffer::full(geometry.fine_channels.max(geometry.coarse_channels), 0.0);
    let mut sums = Buffer::scratch(cut.size());
    for first in (0..tiling.count()).step_by(K::HELD) {
        let tiles = K::HELD.min(tiling.count() - first);
        let mut left = Lines::new::<K>(tiles, cut.length);
        let mut right = Buffer::scratch(cut.right(tiles));
        transform(simd, &tiling, fine, &outside, coarse, first, &mut left, &mut right);
        let out = Disjoint::new(&mut sums);
        tasks(cut.blocks(), |block| {
            // SAFETY: each block has its own part of the sums.
            let out = unsafe { out.slice(block * cut.block(), cut.block()) };
            add_products(simd, cut, block, &left, &right, first > 0, out);
        });
    }
    collect::<K>(simd, geometry, cut, &sums)
}

/// `B x` of some tiles as lines `[phase, c]`, and `A y` in panels: lines tiles, columns (component, k).
#[expect(clippy::too_many_arguments, reason = "both images and both results")]
fn transform<K: Scheme>(
    simd: Simd,
    tiling: &Tiling<K>,
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
        (tiling.part.geometry.fine_channels, tiling.part.geometry.coarse_channels, simd.tile().columns);
    let (tiles, component, component_right) = (left.tiles, left.component(), right.len() / K::COMPONENTS);
    let (left, right) = (Disjoint::new(&mut left.values), Disjoint::new(right));
    tasks(tiles.div_ceil(TILES), |task| {
        for tile in (task * TILES..tiles).take(TILES) {
            let place = tiling.place(first + tile);
            let patch = tiling.patch(place, outside.as_ptr(), |start| fine[start..][..channels].as_ptr());
            let out = left.skip(tile * (K::PHASES * channels + SPACE));
            // SAFETY: a tile is in one task, and writes its own lines only; the pixels are slices of `channels` elements.
            simd.dispatch(unsafe { FineLines::<K>::new(patch, channels, out, component) });
            let pixels = tiling.pixels(place, outside.as_ptr(), |start| coarse[start..][..columns].as_ptr());
            let (out, panel) = (right.skip(tile * width), tiles * width);
            // SAFETY: as above.
            simd.dispatch(unsafe { CoarseLines::<K>::new(pixels, columns, out, component_right, [width, panel]) });
        }
    });
}

/// How the sums of a filter gradient are cut: component by component into blocks of rows (phase, c), those into panels of columns,
/// and those into tiles of the microkernel.
#[derive(Clone, Copy)]
struct Cut {
    components: usize,
    tile_rows: usize,
    /// Columns of a panel.
    width: usize,
    /// Rows and columns of a component.
    length: usize,
    columns: usize,
}

impl Cut {
    fn new<K: Scheme>(simd: Simd, geometry: &Geometry) -> Cut {
        let (tile_rows, width, length) = (simd.tile().rows, simd.tile().columns, K::PHASES * geometry.fine_channels);
        Cut { components: K::COMPONENTS, tile_rows, width, length, columns: geometry.coarse_channels }
    }

    /// Elements of the transformed coarse image of some tiles, and from one component of it to the next.
    fn right(self, tiles: usize) -> usize {
        self.components * self.right_component(tiles)
    }

    fn right_component(self, tiles: usize) -> usize {
        tiles * self.columns + SPACE
    }

    /// Elements of a task's rows of some tiles.
    fn packed(self) -> usize {
        self.rows() * STRETCH
    }

    fn rows(self) -> usize {
        BLOCK * self.tile_rows
    }

    fn row_blocks(self) -> usize {
        self.length.div_ceil(self.rows())
    }

    fn blocks(self) -> usize {
        self.components * self.row_blocks()
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
    let mut packed = Buffer::full(cut.packed(), 0.0);
    let right = &right[component * cut.right_component(left.tiles)..][..left.tiles * cut.columns];
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
                let job = TileJob {
                    left: packed,
                    rows: &std::array::from_fn(|row| row.min(cut.tile_rows - 1)),
                    step: cut.tile_rows,
                    segments: &segments,
                    panel,
                    narrow: false,
                    out,
                    accumulate: add || line > 0,
                };
                // SAFETY: `STRETCH` tiles are packed, and the panel has all tiles' lines.
                simd.dispatch(unsafe { Product::new(simd, job) });
            }
        }
    }
}

/// The adjoint of `G`: the filter from its components' sums.
fn collect<K: Scheme>(simd: Simd, geometry: &Geometry, cut: Cut, sums: &[f32]) -> Buffer {
    /// Channels a task.
    const PART: usize = 16;
    let (channels, columns, width) = (geometry.fine_channels, cut.columns, cut.width);
    let mut filter = Buffer::scratch(geometry.filter_shape().iter().product());
    let out = Disjoint::new(&mut filter);
    tasks(K::PHASES * (channels / PART), |task| {
        let (phase, first) = (task % K::PHASES, task / K::PHASES * PART);
        for (c, panel) in (first..first + PART).flat_map(|c| (0..columns / width).map(move |panel| (c, panel))) {
            let mut lines = [[std::ptr::null(); MOST]; MOST];
            for (v, lines) in lines.iter_mut().enumerate().take(K::AXIS) {
                for (h, line) in lines.iter_mut().enumerate().take(K::AXIS) {
                    let place = cut.place(v * K::AXIS + h, phase * channels + c) + panel * cut.panel();
                    *line = sums[place..place + width].as_ptr();
                }
            }
            let taps = taps::<K, _>(geometry, phase, std::ptr::null_mut(), |start| {
                // SAFETY: a channel of a phase's taps is one task's, and lies inside the filter.
                unsafe { out.slice(start + c * columns + panel * width, width) }.as_mut_ptr()
            });
            // SAFETY: all are slices of `width` elements.
            simd.dispatch(unsafe { FilterTaps::<K>::new(lines, width, taps) });
        }
    });
    filter
}
