//! The tiles that products are made of, and which of them an adapter likes.

use std::fmt;

/// A tile of the result, which `threads` threads make: 8 x 8 elements each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Its rows.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// The depth of a step.
    pub depth: usize,
}

const fn tile(rows: usize, columns: usize, depth: usize) -> Tile {
    Tile { rows, columns, depth }
}

/// Every tile. The first three are of 64 threads, and of any shape one of them wastes little.
pub const TILES: [Tile; 6] =
    [tile(64, 64, 16), tile(128, 32, 16), tile(256, 16, 8), tile(64, 32, 16), tile(128, 64, 16), tile(128, 128, 16)];
/// How many of them are of 64 threads.
pub const USUAL: usize = 3;
/// Rows, or columns, of a thread.
pub const THREAD: usize = 8;
/// What every step's depth divides.
pub const STEP: usize = 16;
impl Tile {
    /// Threads of a workgroup.
    pub fn threads(&self) -> usize {
        self.rows * self.columns / (THREAD * THREAD)
    }

    /// Tiles down and across a product.
    pub fn count(&self, rows: usize, columns: usize) -> [usize; 2] {
        [rows.div_ceil(self.rows), columns.div_ceil(self.columns)]
    }

    /// Blocks of 4 x 4 that a thread stages of an operand with so many lines in the tile.
    pub fn blocks(&self, lines: usize) -> usize {
        (lines / 4 * self.depth / 4).div_ceil(self.threads())
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

/// How a product of some shape is computed: whatever is chosen, every element is the same sum in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The tile.
    pub tile: Tile,
    /// Whether a step's operands are fetched while the last one's are multiplied.
    pub prefetch: bool,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.tile, if self.prefetch { " fetched ahead" } else { "" })
    }
}

/// How an adapter likes its products. `busy`, `least_depth` and `few_columns` say in which order products are added up; the rest changes no
/// bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taste {
    /// Workgroups of 64 threads that keep it busy: where there are fewer, the depth is split.
    pub busy: usize,
    /// The least depth that is worth a split.
    pub least_depth: usize,
    /// Columns up to which a product goes without tiles.
    pub few_columns: usize,
    /// Multiply-adds from which a product has a kernel of its own, with its sizes as constants.
    pub fixed_from: usize,
    /// Whether loops of known length are written out, in such a kernel.
    pub unrolled: bool,
    /// Whether a step's operands are fetched while the last one's are multiplied, in such a kernel, where nothing was measured.
    pub prefetch: bool,
}

impl Taste {
    /// Of a card.
    pub const CARD: Taste =
        Taste { busy: 2048, least_depth: 128, few_columns: 4, fixed_from: 1 << 22, unrolled: true, prefetch: true };
    /// Of an adapter in software, which a few workgroups keep busy.
    pub const SOFTWARE: Taste =
        Taste { busy: 16, least_depth: 256, few_columns: 4, fixed_from: 1 << 27, unrolled: false, prefetch: false };
    /// Of who takes notes for other adapters, some of which compile slowly: one kernel serves every size.
    pub const NOTES: Taste =
        Taste { busy: 1024, least_depth: 256, few_columns: 0, fixed_from: usize::MAX, ..Taste::CARD };
}
