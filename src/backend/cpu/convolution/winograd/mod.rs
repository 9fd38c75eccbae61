//! Convolutions as matrix products, with fewer multiplications than the direct way has: 4x4 filters of stride 2 (25 or 36 products for 64) and
//! 3x3 filters of stride 1 (36 for 144).
//!
//! Along an axis, the even taps of a filter of stride 2 meet the odd fine pixels and the odd taps the even ones: two phases, each a
//! convolution with 2 taps and stride 1. A filter of stride 1 is one phase of all its taps. m neighbouring outputs `y` of one phase of r taps
//! have the trilinear form (Winograd 1980; Lavin & Gray 2016)
//!
//! `sum over i, t of y[i] d[i + t] g[t] = sum over a of (A y)[a] (B d)[a] (G g)[a]`
//!
//! with m + r - 1 products instead of m r; [`scheme`] has the matrices. On both axes a tile of m x m coarse pixels, and the
//! fine pixels that reach it, become (m + r - 1)^2 components, and the convolution's trilinear form (see [`Geometry`]) as many forms without any
//! neighbourhood:
//!
//! `T(x, w, y) = sum over components, tiles, phases, c, k of  B x[tile, phase, c]  G w[phase, c, k]  A y[tile, k]`
//!
//! The three roles are its derivatives: each is a matrix product a component, between two of the transforms and the adjoint of the third.
//! Where tiles reach beyond the coarse image its pixels there are zeros. A number that overflows spoils its tile instead of its pixels.

mod filter;
mod images;
mod narrow;
mod scheme;
mod transform;

use std::marker::PhantomData;
use std::ops::Range;

use super::Part;
use crate::backend::cpu::microkernel::{Product, Segment, TileJob};
use crate::backend::cpu::parallel::Disjoint;
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};
use scheme::{F22, F42, F43, MOST, Scheme};
use transform::{Patch, Pixels};

/// The most coarse pixels along an axis of a tile, and the most fine pixels that reach it.
const MOST_SIDE: usize = 4;
const MOST_PATCH: usize = F42::AXIS_PHASES * F42::AXIS;
/// Elements that a filter reaches beyond the image at each border.
const PADDING: usize = 1;

/// Channels are multiples of any panel's width.
const CHANNELS: usize = 32;
/// Elements between lines and between components, so that those of a tile do not all fall into one set of a cache.
const SPACE: usize = 16;

/// A scheme, chosen by shape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    F22,
    F42,
    F43,
}

/// Calls a function of a scheme.
macro_rules! by_scheme {
    ($way:expr, $($function:ident)::+ ($($argument:expr),*)) => {
        match $way {
            Way::F22 => $($function)::+::<F22>($($argument),*),
            Way::F42 => $($function)::+::<F42>($($argument),*),
            Way::F43 => $($function)::+::<F43>($($argument),*),
        }
    };
}

/// The way that is faster than the direct one, if there is any: larger tiles have larger filters, which enough tiles have to pay for.
pub fn way(role: Role, geometry: &Geometry) -> Option<Way> {
    let Geometry { batch, fine, coarse, fine_channels, coarse_channels, kernel, stride, padding, .. } = *geometry;
    let channels = [fine_channels, coarse_channels].iter().all(|&channels| channels.is_multiple_of(CHANNELS));
    if !channels || padding != [PADDING; 2] {
        return None;
    }
    let whole = |side: usize| coarse.iter().all(|size| size.is_multiple_of(side));
    let tiles = |side: usize| batch * coarse[0].div_ceil(side) * coarse[1].div_ceil(side);
    match (kernel, stride) {
        ([4, 4], [2, 2]) if fine == coarse.map(|size| 2 * size) => {
            if whole(F42::SIDE) && tiles(F42::SIDE) >= 192 {
                Some(Way::F42)
            } else {
                (whole(F22::SIDE) && tiles(F22::SIDE) >= 16).then_some(Way::F22)
            }
        }
        ([3, 3], [1, 1]) => {
            // A filter's transform costs as much as a few tiles' products; an image's role reads it once a task, too.
            let least = (fine_channels * coarse_channels).isqrt() / if role == Role::Filter { 4 } else { 1 };
            (tiles(F43::SIDE) >= least).then_some(Way::F43)
        }
        _ => None,
    }
}

impl Way {
    /// The coarse image from (fine image, filter).
    pub fn coarse(
        self,
        simd: Simd,
        part: &Part,
        fine: &[f32],
        filter: &[f32],
        activation: Activation,
        out: &mut [f32],
    ) {
        by_scheme!(self, images::coarse(simd, part, fine, filter, activation, out));
    }

    /// The fine image from (filter, coarse image).
    pub fn fine(
        self,
        simd: Simd,
        part: &Part,
        filter: &[f32],
        coarse: &[f32],
        activation: Activation,
        out: &mut [f32],
    ) {
        by_scheme!(self, images::fine(simd, part, filter, coarse, activation, out));
    }

    /// The filter from (fine image, coarse image).
    pub fn filter(self, simd: Simd, part: &Part, fine: &[f32], coarse: &[f32]) -> Buffer {
        if narrow::pays(self, &part.geometry) {
            narrow::filter::<F43>(simd, part, fine, coarse)
        } else {
            by_scheme!(self, filter::filter(simd, part, fine, coarse))
        }
    }

    /// What a role has beside its result.
    pub fn scratch(self, simd: Simd, role: Role, geometry: &Geometry) -> Scratch {
        match role {
            Role::Filter if narrow::pays(self, geometry) => narrow::scratch::<F43>(simd, geometry),
            Role::Filter => by_scheme!(self, filter::scratch(simd, geometry)),
            _ => by_scheme!(self, images::scratch(simd, geometry, role)),
        }
    }
}

/// The tiles of a batch.
#[derive(Clone, Copy)]
struct Tiling<K> {
    scheme: PhantomData<K>,
    part: Part,
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
    fn new(part: &Part) -> Tiling<K> {
        let [down, across] = part.geometry.coarse.map(|size| size.div_ceil(K::SIDE));
        Tiling { scheme: PhantomData, part: *part, down, across }
    }

    /// Tiles of an image.
    fn each(&self) -> usize {
        self.down * self.across
    }

    fn count(&self) -> usize {
        self.part.geometry.batch * self.each()
    }

    /// The tiles of some images, as far as there are so many.
    fn of_images(&self, first: usize, images: usize) -> Range<usize> {
        first * self.each()..(first + images).min(self.part.geometry.batch) * self.each()
    }

    fn place(&self, tile: usize) -> Place {
        let (row, across) = (tile / self.across, tile % self.across);
        Place { image: row / self.down, down: row % self.down, across }
    }

    /// Calls `at` with where each fine pixel that reaches a tile starts, unless it is off the image.
    #[inline(always)]
    fn patch<P: Copy>(&self, place: Place, outside: P, at: impl Fn(usize) -> P) -> Patch<P> {
        let ([height, width], elements) = (self.part.geometry.fine, self.part.pixel[0]);
        let mut patch = [[outside; MOST_PATCH]; MOST_PATCH];
        let [top, left] = [place.down, place.across].map(|tile| K::AXIS_PHASES * K::SIDE * tile);
        let reach = K::AXIS_PHASES * K::AXIS;
        for (row, pixels) in patch.iter_mut().enumerate().take(reach) {
            let Some(y) = (top + row).checked_sub(PADDING).filter(|&y| y < height) else { continue };
            let line = (place.image * height + y) * width;
            for (column, pixel) in pixels.iter_mut().enumerate().take(reach) {
                if let Some(x) = (left + column).checked_sub(PADDING).filter(|&x| x < width) {
                    *pixel = at((line + x) * elements);
                }
            }
        }
        patch
    }

    /// Calls `at` with where each of a tile's coarse pixels starts, unless it is off the image.
    #[inline(always)]
    fn pixels<P: Copy>(&self, place: Place, outside: P, at: impl Fn(usize) -> P) -> Pixels<P> {
        let ([height, width], elements) = (self.part.geometry.coarse, self.part.pixel[1]);
        let mut pixels = [[outside; MOST_SIDE]; MOST_SIDE];
        let (top, left) = (K::SIDE * place.down, K::SIDE * place.across);
        for (row, pixels) in pixels.iter_mut().enumerate().take(K::SIDE.min(height - top)) {
            let line = (place.image * height + top + row) * width;
            for (column, pixel) in pixels.iter_mut().enumerate().take(K::SIDE.min(width - left)) {
                *pixel = at((line + left + column) * elements);
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
        K::COMPONENTS * (tiles * (length + SPACE) + SPACE)
    }

    /// Elements from one component to the next.
    fn component(&self) -> usize {
        self.tiles * (self.length + SPACE) + SPACE
    }

    /// From a tile's line of the first component on.
    fn from(&mut self, tile: usize) -> Disjoint {
        Disjoint::new(&mut self.values).skip(tile * (self.length + SPACE))
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
                    let job = TileJob {
                        left: lines_of,
                        rows: &std::array::from_fn(line),
                        step: 1,
                        segments: &segments,
                        panel,
                        narrow: false,
                        out: blocks.next().expect("a block for each panel and tile"),
                        accumulate: false,
                    };
                    // SAFETY: a panel has as many lines as a line of the left operand has elements.
                    simd.dispatch(unsafe { Product::new(simd, job) });
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
