//! What products are asked for: their sizes, and how operands lie.

use super::tile::{TILES, Tile, USUAL};
use crate::backend::Geometry;

/// How an operand lies: its contiguous axis, and whether that is a multiple of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Whether the contiguous axis is the product's depth.
    pub along_depth: bool,
    /// The contiguous axis's size.
    pub contiguous: usize,
}

/// What is multiplied: sizes, and how operands lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The kernel's file.
    pub kernel: &'static str,
    /// How both operands lie.
    pub a: Layout,
    /// The right one.
    pub b: Layout,
    /// Rows and columns of the largest part, and its depth.
    pub rows: usize,
    /// See `rows`.
    pub columns: usize,
    /// See `rows`.
    pub depth: usize,
    /// Products side by side: batches of a matmul, phases of a convolution.
    pub parts: usize,
    /// Elements of the result.
    pub size: usize,
    /// Whether all parts have as many rows and the same depth.
    pub even: bool,
    /// Of the depth, in runs of so many: a step that divides them stays within a tap of the filter.
    pub run: usize,
    /// The sizes of a convolution.
    pub geometry: Option<Geometry>,
}

impl Shape {
    /// Multiply-adds.
    pub fn work(&self) -> usize {
        self.rows * self.columns * self.parts * self.depth
    }

    /// Elements of tiles of one kind, those past the end counted.
    pub fn covered(&self, tile: &Tile) -> usize {
        tile.count(self.rows, self.columns).iter().product::<usize>() * tile.rows * tile.columns
    }

    /// The tile that wastes least of those that suit every adapter; the squarest of those that waste nearly alike.
    pub fn usual(&self) -> Tile {
        // Longer ones read more for every product: the last of them twice as much as the first.
        const COSTS: [usize; USUAL] = [100, 104, 125];
        let cost = |&index: &usize| self.covered(&TILES[index]) * COSTS[index];
        TILES[(0..USUAL).min_by_key(cost).expect("there are tiles")]
    }
}

/// What the numbers of [`geometry_words`] are called in kernels.
pub const GEOMETRY: [&str; 13] = [
    "batch",
    "fine_height",
    "fine_width",
    "fine_channels",
    "coarse_height",
    "coarse_width",
    "coarse_channels",
    "kernel_height",
    "kernel_width",
    "stride_down",
    "stride_across",
    "padding_down",
    "padding_across",
];

/// The sizes of a convolution as kernels take them.
pub fn geometry_words(geometry: Option<&Geometry>) -> [u32; 13] {
    geometry.map_or([0; 13], |g| {
        [
            g.batch,
            g.fine[0],
            g.fine[1],
            g.fine_channels,
            g.coarse[0],
            g.coarse[1],
            g.coarse_channels,
            g.kernel[0],
            g.kernel[1],
            g.stride[0],
            g.stride[1],
            g.padding[0],
            g.padding[1],
        ]
        .map(|size| size as u32)
    })
}
