//! The one inner loop of convolutions: a tile of outputs held in registers over a whole contraction.
//!
//! Rows of the left operand are read in place through pointers (the indirect convolution algorithm, Dukhan
//! 2019), the right operand from panels packed once. Each step broadcasts one element of every row against one
//! line of the panel.

use pulp::Simd as Lanes;

use super::{Buffer, Simd};

/// The sizes of a tile for one instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Rows of the left operand.
    pub rows: usize,
    /// Elements of a vector, and columns of a narrow panel.
    pub lanes: usize,
    /// Columns of a wide panel.
    pub columns: usize,
}

/// The most rows and elements of any tile, for arrays on the stack.
pub const MAX_ROWS: usize = 12;
/// See [`MAX_ROWS`].
pub const MAX_TILE: usize = 12 * 32;

/// A run of the contraction whose left elements are contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts, in elements from a row's start.
    pub left: usize,
    /// The panel's line that its first element meets.
    pub line: usize,
    /// Elements.
    pub length: usize,
}

/// What a tile computes: `out[r][c] (+)= sum over segments and l of left[rows[r] + segment.left + l step] panel[line + l][c]`.
pub struct TileJob<'a> {
    /// What the rows lie in.
    pub left: &'a [f32],
    /// Where each of the tile's rows starts.
    pub rows: &'a [usize; MAX_ROWS],
    /// Elements between successive left elements of a row.
    pub step: usize,
    /// The contraction.
    pub segments: &'a [Segment],
    /// A packed panel, its lines `lanes` or `columns` wide.
    pub panel: &'a [f32],
    /// Whether the panel is narrow.
    pub narrow: bool,
    /// The tile, row-major, as wide as the panel's lines.
    pub out: &'a mut [f32],
    /// Whether the tile's old contents are added to.
    pub accumulate: bool,
}

impl Simd {
    /// The tile that fills this set's registers: accumulators, a panel line and a broadcast.
    pub fn tile(self) -> Tile {
        struct Size;
        impl pulp::WithSimd for Size {
            type Output = Tile;
            #[inline(always)]
            fn with_simd<S: Lanes>(self, _simd: S) -> Tile {
                let lanes = S::F32_LANES;
                match shape::<S>() {
                    Shape::Vectors12x2 => Tile { rows: 12, lanes, columns: 2 * lanes },
                    Shape::Vectors6x2 => Tile { rows: 6, lanes, columns: 2 * lanes },
                    Shape::Scalars4x8 => Tile { rows: 4, lanes, columns: 8 * lanes },
                }
            }
        }
        self.dispatch(Size)
    }
}

enum Shape {
    /// 32 registers: 24 accumulators.
    Vectors12x2,
    /// 16 registers: 12 accumulators.
    Vectors6x2,
    /// One lane, which the compiler vectorises along the eight columns.
    Scalars4x8,
}

#[inline(always)]
fn shape<S: Lanes>() -> Shape {
    if S::IS_SCALAR {
        Shape::Scalars4x8
    } else if S::REGISTER_COUNT >= 32 {
        Shape::Vectors12x2
    } else {
        Shape::Vectors6x2
    }
}

/// One tile, to be computed with the instructions that it was made for.
pub struct Product<'a>(TileJob<'a>);

impl<'a> Product<'a> {
    /// A job for the tiles of `simd`.
    ///
    /// # Safety
    /// The job's slices hold what it reads and writes: the left operand every row for all segments, the panel all of their lines, and `out` the
    /// tile. (Debug builds check it.)
    pub unsafe fn new(simd: Simd, job: TileJob<'a>) -> Product<'a> {
        if cfg!(debug_assertions) {
            let tile = simd.tile();
            let width = if job.narrow { tile.lanes } else { tile.columns };
            let last = job.rows[..tile.rows].iter().max().expect("a tile has rows");
            for segment in job.segments.iter().filter(|segment| segment.length > 0) {
                assert!(last + segment.left + (segment.length - 1) * job.step < job.left.len(), "a row is outside");
                assert!((segment.line + segment.length) * width <= job.panel.len(), "a line is outside the panel");
            }
            assert!(tile.rows * width <= job.out.len(), "the tile is larger than its place");
        }
        Product(job)
    }
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        let Product(job) = self;
        // SAFETY: as `new`'s caller promised; the constants are those of `Simd::tile`.
        unsafe {
            match (shape::<S>(), job.narrow) {
                (Shape::Vectors12x2, false) => product::<S, 12, 2>(simd, job),
                (Shape::Vectors12x2, true) => product::<S, 12, 1>(simd, job),
                (Shape::Vectors6x2, false) => product::<S, 6, 2>(simd, job),
                (Shape::Vectors6x2, true) => product::<S, 6, 1>(simd, job),
                (Shape::Scalars4x8, false) => product::<S, 4, 8>(simd, job),
                (Shape::Scalars4x8, true) => product::<S, 4, 1>(simd, job),
            }
        }
    }
}

#[inline(always)]
unsafe fn product<S: Lanes, const ROWS: usize, const VECTORS: usize>(simd: S, job: TileJob<'_>) {
    let lanes = S::F32_LANES;
    let (base, panel, out) = (job.left.as_ptr(), job.panel.as_ptr(), job.out.as_mut_ptr());
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    // SAFETY: the caller promises that all of these addresses are valid; vectors are read unaligned.
    unsafe {
        if job.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = out.add((r * VECTORS + v) * lanes).cast::<S::f32s>().read_unaligned();
                }
            }
        }
        for segment in job.segments {
            let mut left = [std::ptr::null::<f32>(); ROWS];
            for (left, row) in left.iter_mut().zip(job.rows) {
                *left = base.add(row + segment.left);
            }
            let mut line = panel.add(segment.line * VECTORS * lanes);
            let mut offset = 0;
            for _ in 0..segment.length {
                let mut right = [simd.splat_f32s(0.0); VECTORS];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = line.add(v * lanes).cast::<S::f32s>().read_unaligned();
                }
                for r in 0..ROWS {
                    let broadcast = simd.splat_f32s(*left[r].add(offset));
                    for v in 0..VECTORS {
                        sums[r][v] = simd.mul_add_e_f32s(broadcast, right[v], sums[r][v]);
                    }
                }
                line = line.add(VECTORS * lanes);
                offset += job.step;
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                out.add((r * VECTORS + v) * lanes).cast::<S::f32s>().write_unaligned(*sum);
            }
        }
    }
}

/// One panel of a [`Panels`].
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Its first column.
    pub column: usize,
    /// How many columns are real; the rest of the line is zeros.
    pub used: usize,
    /// Columns of a line.
    pub width: usize,
    /// Where its lines start.
    pub start: usize,
    /// Whether it is as wide as one vector.
    pub narrow: bool,
}

/// The cut of `columns` columns into panels of `lines` lines each; the last is narrow where one vector is enough.
pub fn panels(tile: Tile, lines: usize, columns: usize) -> Vec<Panel> {
    let mut panels = Vec::new();
    let (mut column, mut start) = (0, 0);
    while column < columns {
        let narrow = columns - column <= tile.lanes && tile.lanes < tile.columns;
        let width = if narrow { tile.lanes } else { tile.columns };
        let used = width.min(columns - column);
        panels.push(Panel { column, used, width, start, narrow });
        column += used;
        start += lines * width;
    }
    panels
}

/// Elements of all panels.
fn elements(panels: &[Panel], lines: usize) -> usize {
    panels.last().map_or(0, |last| last.start + lines * last.width)
}

/// A right operand packed for [`Product`].
pub struct Panels {
    /// The panels, in the order of their columns.
    pub panels: Vec<Panel>,
    lines: Buffer,
}

impl Panels {
    /// Packs `lines x columns` elements; `fill` writes those of one panel (zeroed before where it is not full).
    pub fn pack(tile: Tile, lines: usize, columns: usize, fill: impl Fn(Panel, &mut [f32]) + Sync) -> Panels {
        use rayon::prelude::*;
        let panels = panels(tile, lines, columns);
        let mut buffer = Buffer::scratch(elements(&panels, lines));
        let mut slices = Vec::new();
        let mut rest = &mut *buffer;
        for panel in &panels {
            let (slice, tail) = rest.split_at_mut(lines * panel.width);
            slices.push(slice);
            rest = tail;
        }
        panels.par_iter().zip(slices).for_each(|(&panel, slice)| {
            if panel.used < panel.width {
                slice.fill(0.0);
            }
            fill(panel, slice);
        });
        Panels { panels, lines: buffer }
    }

    /// The elements that [`Panels::pack`] takes.
    pub fn length(tile: Tile, lines: usize, columns: usize) -> usize {
        elements(&panels(tile, lines, columns), lines)
    }

    /// A panel's lines, and what follows.
    pub fn lines(&self, panel: &Panel) -> &[f32] {
        &self.lines[panel.start..]
    }
}

/// Copies a panel's line, or the part of it that is used. Whole lines have one of a few lengths, and are a few moves then.
#[inline(always)]
pub fn copy_line(from: &[f32], to: &mut [f32]) {
    match from.len() {
        32 => to[..32].copy_from_slice(&from[..32]),
        16 => to[..16].copy_from_slice(&from[..16]),
        8 => to[..8].copy_from_slice(&from[..8]),
        _ => to.copy_from_slice(from),
    }
}

/// Writes a line's elements as one column of each tile of rows, in tiles of `columns` columns, so that a job of step `tile_rows` reads them.
/// Missing rows of the last tile are left as they are.
///
/// # Panics
/// Where no instruction set has tiles of `tile_rows` rows.
pub fn pack_column(line: &[f32], tile_rows: usize, columns: usize, column: usize, packed: &mut [f32]) {
    let parts = packed.chunks_exact_mut(tile_rows * columns).map(|tile| &mut tile[column * tile_rows..][..tile_rows]);
    // The sizes of `Simd::tile`: a copy of constant length is a few moves.
    match tile_rows {
        12 => copy_parts::<12>(line, parts),
        6 => copy_parts::<6>(line, parts),
        4 => copy_parts::<4>(line, parts),
        rows => unreachable!("no tile has {rows} rows"),
    }
}

/// Copies a line's parts of `N` elements, and what is left.
#[inline(always)]
fn copy_parts<'a, const N: usize>(line: &[f32], mut parts: impl Iterator<Item = &'a mut [f32]>) {
    let (whole, rest) = line.as_chunks::<N>();
    for (line, out) in whole.iter().zip(&mut parts) {
        out[..N].copy_from_slice(line);
    }
    if let Some(out) = parts.next().filter(|_| !rest.is_empty()) {
        out[..rest.len()].copy_from_slice(rest);
    }
}
