//! Convolutions with 4x4 filters and stride 2 as nine matrix products, with 9 multiplications where the direct way has 16.
//!
//! Along an axis, the even taps of such a filter meet the odd fine pixels and the odd taps the even ones: two phases, each a
//! convolution with 2 taps and stride 1. Two neighbouring outputs `y` of one phase have the trilinear form (Winograd 1980; Lavin & Gray 2016)
//!
//! `y0 (d0 g0 + d1 g1) + y1 (d1 g0 + d2 g1) = y0 (d0 - d1) g0 + (y0 + y1) d1 (g0 + g1) + y1 (d2 - d1) g1`
//!
//! with three products instead of four. On both axes a tile of 2x2 coarse pixels, and the 6x6 fine pixels that reach it, become
//! nine components, and the convolution's trilinear form (see [`Geometry`]) nine forms without any neighbourhood:
//!
//! `T(x, w, y) = sum over components, tiles, phases, c, k of  B x[tile, phase, c]  G w[phase, c, k]  A y[tile, k]`
//!
//! where `B` takes `d` to `(d0 - d1, d1, d2 - d1)`, `G` takes `g` to `(g0, g0 + g1, g1)` and `A` takes `y` to `(y0, y0 + y1, y1)`, on
//! each axis. The three roles are its derivatives: each is nine matrix products between two of the transforms and the adjoint of the third.
//! All factors are 0 and 1 up to sign, so hardly any accuracy is lost; a number that overflows spoils its tile instead of its pixels.

mod filter;
mod transform;

pub use filter::filter;

use crate::backend::cpu::microkernel::{MAX_ROWS, Panels, Segment, TileJob};
use crate::backend::cpu::parallel::{Disjoint, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry};
use transform::{CoarseLines, CoarsePixels, FineLines, FinePixels, Term};

use super::image::Product;

/// The pixels that reach a tile, each of as many elements as the image has channels.
type Patch = [[*const f32; PATCH]; PATCH];

/// Components along an axis, and of a tile.
const AXIS: usize = 3;
const COMPONENTS: usize = AXIS * AXIS;
/// Phases along an axis, and of a pixel.
const AXIS_PHASES: usize = 2;
const PHASES: usize = AXIS_PHASES * AXIS_PHASES;
/// The side of a tile in coarse pixels, and in the fine pixels that reach it.
const SIDE: usize = 2;
const PATCH: usize = 6;

/// Tiles a task: their lines of one component stay in the L2 cache while the filter passes by.
const TILES: usize = 48;
/// How many tasks are worth having.
const TASKS: usize = 10;
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
    let whole = coarse.iter().all(|size| size.is_multiple_of(SIDE));
    let channels = [fine_channels, coarse_channels].iter().all(|&channels| channels.is_multiple_of(CHANNELS));
    shape && whole && channels && batch * coarse[0] * coarse[1] >= LEAST_TILES * SIDE * SIDE
}

/// The tiles of a batch.
#[derive(Clone, Copy)]
struct Tiling {
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

impl Tiling {
    fn new(geometry: &Geometry) -> Tiling {
        Tiling { geometry: *geometry, down: geometry.coarse[0] / SIDE, across: geometry.coarse[1] / SIDE }
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

    /// Images a task, so that no row of the last product is left empty where that can be.
    fn images(&self, rows: usize) -> usize {
        let unit = (1..=rows).find(|unit| (unit * self.each()).is_multiple_of(rows)).unwrap_or(1);
        let wanted = (TILES / self.each()).min(self.geometry.batch / TASKS);
        (wanted / unit).max(1) * unit
    }

    /// The fine pixels that reach a tile; `outside` stands for those off the image.
    fn patch(&self, fine: &[f32], outside: &[f32], place: Place) -> Patch {
        let ([height, width], channels) = (self.geometry.fine, self.geometry.fine_channels);
        let mut patch = [[outside[..channels].as_ptr(); PATCH]; PATCH];
        let (top, left) = (2 * SIDE * place.down, 2 * SIDE * place.across);
        for (row, pixels) in patch.iter_mut().enumerate() {
            let Some(y) = (top + row).checked_sub(1).filter(|&y| y < height) else { continue };
            let line = &fine[(place.image * height + y) * width * channels..][..width * channels];
            for (column, pixel) in pixels.iter_mut().enumerate() {
                if let Some(x) = (left + column).checked_sub(1).filter(|&x| x < width) {
                    *pixel = line[x * channels..][..channels].as_ptr();
                }
            }
        }
        patch
    }

    /// Where a tile's coarse pixels start.
    fn coarse_pixels(&self, place: Place) -> [[usize; SIDE]; SIDE] {
        let ([height, width], channels) = (self.geometry.coarse, self.geometry.coarse_channels);
        std::array::from_fn(|row| {
            std::array::from_fn(|column| {
                let (y, x) = (SIDE * place.down + row, SIDE * place.across + column);
                ((place.image * height + y) * width + x) * channels
            })
        })
    }
}

/// The coarse image from (fine image, filter).
pub fn coarse(simd: Simd, geometry: &Geometry, fine: &[f32], filter: &[f32], activation: Activation) -> Buffer {
    let tiling = Tiling::new(geometry);
    let (channels, columns) = (geometry.fine_channels, geometry.coarse_channels);
    let panels = filter::pack(simd, geometry, filter);
    let outside = Buffer::full(channels, 0.0);
    let mut output = Buffer::scratch(geometry.coarse_shape().iter().product());
    let out = Disjoint::new(&mut output);
    let images = tiling.images(simd.tile().rows);
    tasks(geometry.batch.div_ceil(images), |task| {
        let first = task * images * tiling.each();
        let tiles = tiling.count().min(first + images * tiling.each()) - first;
        let mut lines = Lines::new(tiles, PHASES * channels);
        for tile in 0..tiles {
            let patch = tiling.patch(fine, &outside, tiling.place(first + tile));
            let (out, component) = (lines.line(tile), lines.component());
            simd.dispatch(FineLines { patch, channels, out, component });
        }
        let products = Products::of(simd, &lines, &panels, columns);
        for tile in 0..tiles {
            let pixels = tiling.coarse_pixels(tiling.place(first + tile));
            // SAFETY: a pixel is in one tile, and a tile in one task; they lie inside `output`.
            let pixels = pixels.map(|row| row.map(|start| unsafe { out.slice(start, columns) }));
            let out = pixels.each_ref().map(|row| row.each_ref().map(|pixel| pixel.as_ptr().cast_mut()));
            simd.dispatch(CoarsePixels { products: &products, tile, columns, out });
            pixels.into_iter().flatten().for_each(|pixel| activate(simd, activation, pixel));
        }
    });
    output
}

/// The fine image from (filter, coarse image).
pub fn fine(simd: Simd, geometry: &Geometry, filter: &[f32], coarse: &[f32], activation: Activation) -> Buffer {
    let tiling = Tiling::new(geometry);
    let (channels, depth) = (geometry.fine_channels, geometry.coarse_channels);
    let panels = filter::pack_transposed(simd, geometry, filter);
    let mut output = Buffer::scratch(geometry.fine_shape().iter().product());
    let out = Disjoint::new(&mut output);
    let images = tiling.images(simd.tile().rows);
    let [height, width] = geometry.fine;
    tasks(geometry.batch.div_ceil(images), |task| {
        let first = task * images;
        let count = images.min(geometry.batch - first);
        let mut lines = Lines::new(count * tiling.each(), depth);
        for tile in 0..count * tiling.each() {
            let pixels = tiling.coarse_pixels(tiling.place(first * tiling.each() + tile));
            let pixels = pixels.map(|row| row.map(|start| coarse[start..start + depth].as_ptr()));
            let (out, component) = (lines.line(tile), lines.component());
            simd.dispatch(CoarseLines { pixels, channels: depth, out, component, width: depth, panel: depth });
        }
        let products = Products::of(simd, &lines, &panels, PHASES * channels);
        let mut terms = Vec::new();
        for (image, y, x) in (0..count).flat_map(|n| (0..height).flat_map(move |y| (0..width).map(move |x| (n, y, x))))
        {
            terms.clear();
            for (down, v) in reaching(y, tiling.down) {
                for (across, h) in reaching(x, tiling.across) {
                    let tile = (image * tiling.down + down) * tiling.across + across;
                    let column = (v.phase * AXIS_PHASES + h.phase) * channels;
                    let offset = products.offset(v.component * AXIS + h.component, tile, column);
                    terms.push(Term { offset, sign: v.sign * h.sign });
                }
            }
            let start = (((first + image) * height + y) * width + x) * channels;
            // SAFETY: an image is in one task; its pixels lie inside `output`.
            let pixel = unsafe { out.slice(start, channels) };
            simd.dispatch(FinePixels { products: &products, terms: &terms, out: pixel });
            activate(simd, activation, pixel);
        }
    });
    output
}

/// What a fine pixel takes from a tile along one axis.
#[derive(Clone, Copy)]
struct Reach {
    phase: usize,
    component: usize,
    sign: f32,
}

/// The tiles and components that reach a fine pixel along an axis of `tiles` tiles: the adjoint of `B` on the patches that hold it.
fn reaching(pixel: usize, tiles: usize) -> impl Iterator<Item = (usize, Reach)> + Clone {
    let inner = |phase| [(0, phase, 1, 1.0), (0, phase, 0, -1.0), (0, phase, 2, -1.0)];
    // Offset of the tile, phase, component, sign; pixel 0 of a tile is its patch's pixel 1.
    let (terms, used) = match pixel % (2 * SIDE) {
        0 => ([(0, 1, 0, 1.0), (-1, 1, 2, 1.0), (0, 0, 0, 0.0)], 2),
        1 => (inner(0), 3),
        2 => (inner(1), 3),
        _ => ([(0, 0, 2, 1.0), (1, 0, 0, 1.0), (0, 0, 0, 0.0)], 2),
    };
    terms.into_iter().take(used).filter_map(move |(offset, phase, component, sign)| {
        let tile = (pixel / (2 * SIDE)).checked_add_signed(offset).filter(|&tile| tile < tiles)?;
        Some((tile, Reach { phase, component, sign }))
    })
}

fn activate(simd: Simd, activation: Activation, pixel: &mut [f32]) {
    let Some(function) = activation.unary() else { return };
    let mut copy = [0f32; CHANNELS];
    for part in pixel.chunks_exact_mut(CHANNELS) {
        copy.copy_from_slice(part);
        simd.dispatch(
            #[inline(always)]
            || function.map_f32(&copy, part),
        );
    }
}

/// The left operands of the nine products: a line a tile.
struct Lines {
    values: Buffer,
    tiles: usize,
    length: usize,
}

impl Lines {
    fn new(tiles: usize, length: usize) -> Lines {
        Lines { values: Buffer::scratch(COMPONENTS * tiles * (length + SPACE)), tiles, length }
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

/// The nine products, each cut into panels of columns and those into tiles of rows, as the microkernel writes them.
struct Products {
    values: Buffer,
    /// Rows, rounded up to whole tiles of the microkernel.
    padded: usize,
    /// Columns of a panel, and of a component.
    width: usize,
    columns: usize,
}

impl Products {
    fn of(simd: Simd, lines: &Lines, panels: &Panels, columns: usize) -> Products {
        let (rows, width) = (simd.tile().rows, simd.tile().columns);
        let padded = lines.tiles.next_multiple_of(rows);
        let mut values = Buffer::scratch(COMPONENTS * padded * columns);
        let segments = [Segment { left: 0, line: 0, length: lines.length }];
        let mut blocks = values.chunks_exact_mut(rows * width);
        for panel in &panels.panels {
            let component = &lines.values[panel.column / columns * lines.component()..][..lines.component()];
            for first in (0..lines.tiles).step_by(rows) {
                // The last tile's missing rows repeat its last line, and nobody reads their products.
                let line = |row: usize| (first + row).min(lines.tiles - 1) * (lines.length + SPACE);
                let pointers: [*const f32; MAX_ROWS] = std::array::from_fn(|row| component[line(row)..].as_ptr());
                let job = TileJob {
                    rows: &pointers,
                    step: 1,
                    segments: &segments,
                    panel: panels.lines(panel),
                    narrow: panel.narrow,
                    out: blocks.next().expect("a block for each panel and tile").as_mut_ptr(),
                    accumulate: false,
                };
                simd.dispatch(Product { job });
            }
        }
        Products { values, padded, width, columns }
    }

    /// Where a row of a component stands from `column`, the first of a panel, on.
    fn offset(&self, component: usize, row: usize, column: usize) -> usize {
        let block = (component * self.columns + column) * self.padded;
        block + row * self.width
    }

    /// Elements from one panel to the next.
    fn panel(&self) -> usize {
        self.padded * self.width
    }
}
