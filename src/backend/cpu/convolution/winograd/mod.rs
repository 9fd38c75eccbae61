//! Convolutions with 4x4 filters and stride 2 as matrix products, with 25 or 36 multiplications where the direct way has 64.
//!
//! Along an axis, the even taps of such a filter meet the odd fine pixels and the odd taps the even ones: two phases, each a
//! convolution with 2 taps and stride 1. m neighbouring outputs `y` of one phase have the trilinear form (Winograd 1980; Lavin & Gray 2016)
//!
//! `sum over i, t of y[i] d[i + t] g[t] = sum over a of (A y)[a] (B d)[a] (G g)[a]`
//!
//! with m + 1 products instead of 2m; [`scheme`] has the matrices for m = 2 and m = 4. On both axes a tile of m x m coarse pixels, and the
//! fine pixels that reach it, become (m + 1)^2 components, and the convolution's trilinear form (see [`Geometry`]) as many forms without any
//! neighbourhood:
//!
//! `T(x, w, y) = sum over components, tiles, phases, c, k of  B x[tile, phase, c]  G w[phase, c, k]  A y[tile, k]`
//!
//! The three roles are its derivatives: each is a matrix product a component, between two of the transforms and the adjoint of the third.
//! A number that overflows spoils its tile instead of its pixels.

mod filter;
mod images;
mod scheme;
mod transform;

use std::marker::PhantomData;

use crate::backend::cpu::microkernel::{MAX_ROWS, Segment, TileJob};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};
use scheme::{Four, MOST, Scheme, Two};
use transform::{Patch, Pixels};

use super::image::Product;

/// Phases along an axis, and of a pixel.
const AXIS_PHASES: usize = 2;
const PHASES: usize = AXIS_PHASES * AXIS_PHASES;
/// The most coarse pixels along an axis of a tile, and the most fine pixels that reach it.
const MOST_SIDE: usize = MOST - 1;
const MOST_PATCH: usize = AXIS_PHASES * MOST;

/// Channels are multiples of any panel's width.
const CHANNELS: usize = 32;
/// Fewer tiles do not pay for the filter's transform.
const LEAST_TILES: usize = 16;
/// Elements between lines, so that the lines of a tile of rows do not all fall into one set of the L1 cache.
const SPACE: usize = 16;

/// Whether this way exists for a convolution, and is the faster one.
pub fn pays(geometry: &Geometry) -> bool {
    let Geometry { batch, fine, coarse, fine_channels, coarse_channels, kernel, stride, padding } = *geometry;
    let shape = kernel == [4, 4] && stride == [2, 2] && padding == [1, 1] && fine == coarse.map(|size| 2 * size);
    let whole = coarse.iter().all(|size| size.is_multiple_of(Two::SIDE));
    let channels = [fine_channels, coarse_channels].iter().all(|&channels| channels.is_multiple_of(CHANNELS));
    shape && whole && channels && batch * coarse[0] * coarse[1] >= LEAST_TILES * Two::SIDE * Two::SIDE
}

/// Whether larger tiles are the faster ones: their filters are larger, too, and want more tiles.
fn large_tiles_pay(geometry: &Geometry) -> bool {
    let [height, width] = geometry.coarse;
    let whole = height.is_multiple_of(Four::SIDE) && width.is_multiple_of(Four::SIDE);
    whole && geometry.batch * height * width >= LARGE_TILES * Four::SIDE * Four::SIDE
}

/// See [`large_tiles_pay`].
const LARGE_TILES: usize = 192;

/// The coarse image from (fine image, filter).
pub fn coarse(simd: Simd, geometry: &Geometry, fine: &[f32], filter: &[f32], activation: Activation) -> Buffer {
    if large_tiles_pay(geometry) {
        images::coarse::<Four>(simd, geometry, fine, filter, activation)
    } else {
        images::coarse::<Two>(simd, geometry, fine, filter, activation)
    }
}

/// The fine image from (filter, coarse image).
pub fn fine(simd: Simd, geometry: &Geometry, filter: &[f32], coarse: &[f32], activation: Activation) -> Buffer {
    if large_tiles_pay(geometry) {
        images::fine::<Four>(simd, geometry, filter, coarse, activation)
    } else {
        images::fine::<Two>(simd, geometry, filter, coarse, activation)
    }
}

/// The filter from (fine image, coarse image).
pub fn filter(simd: Simd, geometry: &Geometry, fine: &[f32], coarse: &[f32]) -> Buffer {
    if large_tiles_pay(geometry) {
        filter::filter::<Four>(simd, geometry, fine, coarse)
    } else {
        filter::filter::<Two>(simd, geometry, fine, coarse)
    }
}

/// What the roles have beside their results.
pub fn scratch(simd: Simd, role: Role, geometry: &Geometry) -> Scratch {
    if large_tiles_pay(geometry) {
        scratch_of::<Four>(simd, role, geometry)
    } else {
        scratch_of::<Two>(simd, role, geometry)
    }
}

fn scratch_of<K: Scheme>(simd: Simd, role: Role, geometry: &Geometry) -> Scratch {
    match role {
        Role::Filter => filter::scratch::<K>(simd, geometry),
        _ => images::scratch::<K>(simd, geometry, role),
    }
}

/// The tiles of a batch.
#[derive(Clone, Copy)]
struct Tiling<K> {
    scheme: PhantomData<K>,
    geometry: Geometry,
    down: usize,
    across: usize,
}

/// One tile of the batch.
#[derive(Clone, Copy)]
struct Place {
    image: usize,
    down: usize,
    across: usize,
}

impl<K: Scheme> Tiling<K> {
    fn new(geometry: &Geometry) -> Tiling<K> {
        let [down, across] = geometry.coarse.map(|size| size / K::SIDE);
        Tiling { scheme: PhantomData, geometry: *geometry, down, across }
    }

    /// Tiles of an image.
    fn each(&self) -> usize {
        self.down * self.across
    }

    fn count(&self) -> usize {
        self.geometry.batch * self.each()
    }

    fn place(&self, tile: usize) -> Place {
        let (row, across) = (tile / self.across, tile % self.across);
        Place { image: row / self.down, down: row % self.down, across }
    }

    /// Calls `at` with where each fine pixel that reaches a tile starts, unless it is off the image.
    #[inline(always)]
    fn patch<P: Copy>(&self, place: Place, outside: P, at: impl Fn(usize) -> P) -> Patch<P> {
        let ([height, width], channels) = (self.geometry.fine, self.geometry.fine_channels);
        let mut patch = [[outside; MOST_PATCH]; MOST_PATCH];
        let (top, left) = (AXIS_PHASES * K::SIDE * place.down, AXIS_PHASES * K::SIDE * place.across);
        let reach = AXIS_PHASES * K::AXIS;
        for (row, pixels) in patch.iter_mut().enumerate().take(reach) {
            let Some(y) = (top + row).checked_sub(1).filter(|&y| y < height) else { continue };
            let line = (place.image * height + y) * width;
            for (column, pixel) in pixels.iter_mut().enumerate().take(reach) {
                if let Some(x) = (left + column).checked_sub(1).filter(|&x| x < width) {
                    *pixel = at((line + x) * channels);
                }
            }
        }
        patch
    }

    /// Calls `at` with where each of a tile's coarse pixels starts.
    #[inline(always)]
    fn pixels<P: Copy>(&self, place: Place, none: P, at: impl Fn(usize) -> P) -> Pixels<P> {
        let ([height, width], channels) = (self.geometry.coarse, self.geometry.coarse_channels);
        let mut pixels = [[none; MOST_SIDE]; MOST_SIDE];
        for (row, pixels) in pixels.iter_mut().enumerate().take(K::SIDE) {
            let line = (place.image * height + K::SIDE * place.down + row) * width;
            for (column, pixel) in pixels.iter_mut().enumerate().take(K::SIDE) {
                *pixel = at((line + K::SIDE * place.across + column) * channels);
            }
        }
        pixels
    }
}

/// The left operands of the products: a line a tile.
struct Lines {
    values: Buffer,
    tiles: usize,
    length: usize,
}

impl Lines {
    fn new<K: Scheme>(tiles: usize, length: usize) -> Lines {
        Lines { values: Buffer::scratch(Lines::elements::<K>(tiles, length)), tiles, length }
    }

    fn elements<K: Scheme>(tiles: usize, length: usize) -> usize {
        K::COMPONENTS * tiles * (length + SPACE)
    }

    /// Elements from one component to the next.
    fn component(&self) -> usize {
        self.tiles * (self.length + SPACE)
    }

    /// A tile's line of the first component.
    fn line(&mut self, tile: usize) -> *mut f32 {
        self.values[tile * (self.length + SPACE)..].as_mut_ptr()
    }
}

/// The right operands of the products: each cut into panels of columns, as the microkernel reads them.
struct Panels {
    values: Buffer,
    /// Lines of a panel, columns of a component, and of a panel.
    lines: usize,
    columns: usize,
    width: usize,
}

impl Panels {
    fn new<K: Scheme>(simd: Simd, lines: usize, columns: usize) -> Panels {
        let values = Buffer::scratch(Panels::elements::<K>(lines, columns));
        Panels { values, lines, columns, width: simd.tile().columns }
    }

    fn elements<K: Scheme>(lines: usize, columns: usize) -> usize {
        K::COMPONENTS * lines * columns
    }

    /// Elements from one component to the next.
    fn component(&self) -> usize {
        self.lines * self.columns
    }
}

/// The products, each cut into panels of columns and those into tiles of rows, as the microkernel writes them.
struct Products {
    values: Buffer,
    /// Rows, rounded up to whole tiles of the microkernel.
    padded: usize,
    /// Columns of a panel, and of a component.
    width: usize,
    columns: usize,
}

impl Products {
    fn of<K: Scheme>(simd: Simd, lines: &Lines, panels: &Panels) -> Products {
        let (rows, width, columns) = (simd.tile().rows, panels.width, panels.columns);
        let padded = lines.tiles.next_multiple_of(rows);
        let mut values = Buffer::scratch(Products::elements::<K>(simd, lines.tiles, columns));
        let segments = [Segment { left: 0, line: 0, length: lines.length }];
        let mut blocks = values.chunks_exact_mut(rows * width);
        let components =
            lines.values.chunks_exact(lines.component()).zip(panels.values.chunks_exact(panels.component()));
        for (lines_of, panels_of) in components {
            for panel in panels_of.chunks_exact(panels.lines * width) {
                for first in (0..lines.tiles).step_by(rows) {
                    // The last tile's missing rows repeat its last line, and nobody reads their products.
                    let line = |row: usize| (first + row).min(lines.tiles - 1) * (lines.length + SPACE);
                    let pointers: [*const f32; MAX_ROWS] = std::array::from_fn(|row| lines_of[line(row)..].as_ptr());
                    let job = TileJob {
                        rows: &pointers,
                        step: 1,
                        segments: &segments,
                        panel: panel.as_ptr(),
                        narrow: false,
                        out: blocks.next().expect("a block for each panel and tile").as_mut_ptr(),
                        accumulate: false,
                    };
                    simd.dispatch(Product { job });
                }
            }
        }
        Products { values, padded, width, columns }
    }

    fn elements<K: Scheme>(simd: Simd, tiles: usize, columns: usize) -> usize {
        K::COMPONENTS * tiles.next_multiple_of(simd.tile().rows) * columns
    }

    /// Where a row of each component stands from `column`, the first of a panel, on.
    #[inline(always)]
    fn lines<K: Scheme>(&self, row: usize, column: usize) -> [[*const f32; MOST]; MOST] {
        let mut lines = [[std::ptr::null(); MOST]; MOST];
        for (v, lines) in lines.iter_mut().enumerate().take(K::AXIS) {
            for (h, line) in lines.iter_mut().enumerate().take(K::AXIS) {
                let block = ((v * K::AXIS + h) * self.columns + column) * self.padded;
                *line = self.values[block + row * self.width..][..self.width].as_ptr();
            }
        }
        lines
    }
}
