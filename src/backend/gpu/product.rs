//! The tiled matrix product that matmul and the convolutions share: which tile, and how the depth is split.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise;
use super::reduce::reduce;
use super::shader::{ACCESS, BLOCKS, FOUND, Kernel, arguments};
use crate::backend::{Activation, Geometry, Reduction};

/// Rows, columns, and depth of a step, of the tiles that 64 threads make: threads across times 8 columns.
const TILES: [Tile; 3] = [
    Tile { rows: 64, columns: 64, depth: 16 },
    Tile { rows: 128, columns: 32, depth: 16 },
    Tile { rows: 256, columns: 16, depth: 8 },
];
/// Columns of a thread.
const THREAD_COLUMNS: usize = 8;
/// Workgroups that keep a gpu busy, and a software adapter: where there are fewer, the depth is split.
const BUSY: usize = 1024;
const BUSY_SOFTWARE: usize = 16;
/// The least depth that is worth a split.
const LEAST_DEPTH: usize = 256;

struct Tile {
    rows: usize,
    columns: usize,
    depth: usize,
}

/// How an operand lies: its contiguous axis, and whether that is a multiple of four.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Whether the contiguous axis is the product's depth.
    pub along_depth: bool,
    /// The contiguous axis's size.
    pub contiguous: usize,
}

/// What a product is made of.
pub struct Product<'a> {
    /// The kernel's file.
    pub kernel: &'static str,
    /// Both operands and how they lie.
    pub a: (&'a Buffer, Layout),
    /// The right one.
    pub b: (&'a Buffer, Layout),
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
    /// The sizes of a convolution.
    pub geometry: Option<Geometry>,
    /// Applied to the result.
    pub activation: Activation,
}

/// The product.
pub fn product(commands: &dyn Commands, product: &Product<'_>) -> Buffer {
    let Product { rows, columns, depth, parts, size, activation, .. } = *product;
    // The tile that wastes least; the squarest of those that waste alike.
    let tiles = |tile: &Tile| [rows.div_ceil(tile.rows), columns.div_ceil(tile.columns)];
    let tile = TILES.iter().min_by_key(|tile| tiles(tile)[0] * tiles(tile)[1]).expect("there are tiles");
    let [row_tiles, column_tiles] = tiles(tile);
    let groups = row_tiles * column_tiles * parts;
    let busy = if commands.is_software() { BUSY_SOFTWARE } else { BUSY };
    let bytes = (size * size_of::<f32>()).max(1);
    let most = (depth / LEAST_DEPTH).min(commands.largest() as usize / bytes);
    let splits = (busy / groups.max(1)).clamp(1, most.max(1));
    let split_depth = depth.div_ceil(splits).next_multiple_of(tile.depth).max(tile.depth);
    let splits = depth.div_ceil(split_depth).max(1);
    let fused = if splits == 1 { activation } else { Activation::Identity };

    let kernel = kernel(product.kernel, tile, [product.a.1, product.b.1], columns, fused);
    let out = commands.buffer(splits * size);
    let mut parameters = arguments(&fused.unary().map_or_else(Vec::new, |function| function.parameters())).to_vec();
    parameters.extend(
        [rows, columns, depth, splits, split_depth, row_tiles, column_tiles, groups * splits, size]
            .map(|size| size as u32),
    );
    parameters.extend(geometry_words(product.geometry.as_ref()));
    commands.dispatch(&kernel, &parameters, &[product.a.0, product.b.0], &[&out], groups * splits);
    if splits == 1 {
        return out;
    }
    let out = reduce(commands, Reduction::Sum, &out, [1, splits, size]);
    match activation.unary() {
        None => out,
        Some(function) => elementwise::unary(commands, function, &out),
    }
}

/// Whether a file finds elements of its operands one at a time.
fn finds(name: &str) -> [bool; 2] {
    match name {
        "conv_coarse" => [true, false],
        "conv_fine" => [true, true],
        _ => [false, false],
    }
}

/// A file's kernel for a tile, operands and a result with so many columns.
fn kernel(name: &'static str, tile: &Tile, operands: [Layout; 2], columns: usize, activation: Activation) -> Kernel {
    let mut kernel = Kernel::new(name)
        .constant("COLUMN_THREADS", tile.columns / THREAD_COLUMNS)
        .constant("DEPTH", tile.depth)
        .activation(activation)
        .choice("OUT_VECTOR", columns.is_multiple_of(4), &ACCESS[2]);
    for (binding, (operand, layout)) in ["A", "B"].into_iter().zip(operands).enumerate() {
        let vector = layout.contiguous.is_multiple_of(4);
        kernel = kernel.choice(&format!("{operand}_VECTOR"), vector, &ACCESS[binding]).choice(
            &format!("{operand}_ALONG_DEPTH"),
            layout.along_depth,
            &BLOCKS[binding],
        );
        if finds(name)[binding] {
            kernel = kernel.also(vector, &FOUND[binding]);
        }
    }
    kernel
}

/// Every kernel that a product may ask for.
#[cfg(test)]
pub fn every_kernel() -> Vec<Kernel> {
    let layouts = |along: &[bool]| -> Vec<Layout> {
        let sizes = |&along_depth: &bool| [3, 4].map(|contiguous| Layout { along_depth, contiguous });
        along.iter().flat_map(sizes).collect()
    };
    let files: [(&'static str, &[bool], &[bool]); 4] = [
        ("matmul", &[false, true], &[false, true]),
        ("conv_coarse", &[true], &[false]),
        ("conv_fine", &[true], &[true]),
        ("conv_filter", &[false], &[false]),
    ];
    let mut kernels = Vec::new();
    for (name, a_along, b_along) in files {
        for a in layouts(a_along) {
            for b in layouts(b_along) {
                for tile in &TILES {
                    for columns in [3, 4] {
                        kernels.push(kernel(name, tile, [a, b], columns, Activation::Tanh));
                    }
                }
            }
        }
    }
    kernels
}

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
