//! The tiled matrix product that matmul and the convolutions share: which tile, and how the depth is split.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise;
use super::reduce::reduce;
use super::shader::{ACCESS, BLOCKS, FOUND, Kernel, MATRIX, TAP, arguments};
use crate::backend::{Activation, Geometry, Reduction};

/// A tile of the result, which `threads` threads make: 8 x 8 elements each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Its rows.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// The depth of a step.
    depth: usize,
}

const fn tile(rows: usize, columns: usize, depth: usize) -> Tile {
    Tile { rows, columns, depth }
}

/// Every tile. The first three are of 64 threads, and of any shape one of them wastes little.
pub const TILES: [Tile; 6] =
    [tile(64, 64, 16), tile(128, 32, 16), tile(256, 16, 8), tile(64, 32, 16), tile(128, 64, 16), tile(128, 128, 16)];
/// How many of them are of 64 threads.
const USUAL: usize = 3;
/// Rows, or columns, of a thread.
const THREAD: usize = 8;
/// What every step's depth divides.
const STEP: usize = 16;
/// The least depth that is worth a split.
const LEAST_DEPTH: usize = 256;

impl Tile {
    /// Threads of a workgroup.
    fn threads(&self) -> usize {
        self.rows * self.columns / (THREAD * THREAD)
    }

    /// Tiles down and across a product.
    fn count(&self, rows: usize, columns: usize) -> [usize; 2] {
        [rows.div_ceil(self.rows), columns.div_ceil(self.columns)]
    }

    /// Blocks of 4 x 4 that a thread stages of an operand with so many lines in the tile.
    fn blocks(&self, lines: usize) -> usize {
        (lines / 4 * self.depth / 4).div_ceil(self.threads())
    }
}

/// How an adapter likes its products. Nothing of it changes a bit of them but `busy`, which splits the depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taste {
    /// Workgroups of 64 threads that keep it busy: where there are fewer, the depth is split.
    pub busy: usize,
    /// Multiply-adds from which a product has a kernel of its own, with its sizes as constants.
    pub fixed_from: usize,
    /// Whether loops of known length are written out, in such a kernel.
    pub unrolled: bool,
    /// Whether a step's operands are fetched while the last one's are multiplied, in such a kernel.
    pub prefetch: bool,
    /// The tile, where it suits the shape; else the usual one.
    pub tile: Option<Tile>,
}

impl Taste {
    /// Of a card.
    pub const CARD: Taste = Taste { busy: 1024, fixed_from: 1 << 22, unrolled: true, prefetch: true, tile: None };
    /// Of an adapter in software, which a few workgroups keep busy.
    pub const SOFTWARE: Taste = Taste { busy: 16, fixed_from: 1 << 27, unrolled: false, prefetch: false, tile: None };
    /// Of who takes notes for other adapters, some of which compile slowly: one kernel serves every size.
    pub const NOTES: Taste = Taste { fixed_from: usize::MAX, ..Taste::CARD };
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
    /// Whether all parts have as many rows and the same depth.
    pub even: bool,
    /// Of the depth, in runs of so many: a step that divides them stays within a tap of the filter.
    pub run: usize,
    /// The sizes of a convolution.
    pub geometry: Option<Geometry>,
    /// Applied to the result.
    pub activation: Activation,
}

/// The product.
pub fn product(commands: &dyn Commands, product: &Product<'_>) -> Buffer {
    let Product { rows, columns, depth, parts, size, activation, .. } = *product;
    let taste = commands.taste();
    // The tile that wastes least; the squarest of those that waste alike.
    let waste = |tile: &&Tile| tile.count(rows, columns).iter().product::<usize>();
    let usual = TILES[..USUAL].iter().min_by_key(waste).expect("there are tiles");
    // By the shape alone, so that no tile changes a bit.
    let groups = waste(&usual) * parts;
    let bytes = (size * size_of::<f32>()).max(1);
    let most = (depth / LEAST_DEPTH).min(commands.largest() as usize / bytes);
    let splits = (taste.busy / groups.max(1)).clamp(1, most.max(1));
    let split_depth = depth.div_ceil(splits).next_multiple_of(STEP).max(STEP);
    let splits = depth.div_ceil(split_depth).max(1);
    let fused = if splits == 1 { activation } else { Activation::Identity };

    let fixed = rows * columns * parts * depth >= taste.fixed_from;
    let tile = taste.tile.filter(|_| fixed).unwrap_or(*usual);
    let [row_tiles, column_tiles] = tile.count(rows, columns);
    let groups = row_tiles * column_tiles * parts * splits;
    let sizes = Sizes { fixed: fixed.then_some(&taste), ..Sizes::of(product) };
    let kernel = kernel(product.kernel, &tile, [product.a.1, product.b.1], &sizes, fused);
    let out = commands.buffer(splits * size);
    let mut parameters = arguments(&fused.unary().map_or_else(Vec::new, |function| function.parameters())).to_vec();
    parameters.extend(
        [rows, columns, depth, splits, split_depth, row_tiles, column_tiles, groups, size].map(|size| size as u32),
    );
    parameters.extend(geometry_words(product.geometry.as_ref()));
    commands.dispatch(&kernel, &parameters, &[product.a.0, product.b.0], &[&out], groups);
    if splits == 1 {
        return out;
    }
    let out = reduce(commands, Reduction::Sum, &out, [1, splits, size]);
    match activation.unary() {
        None => out,
        Some(function) => elementwise::unary(commands, function, &out),
    }
}

/// What of a product's sizes its kernel is made for.
struct Sizes<'a> {
    rows: usize,
    columns: usize,
    depth: usize,
    even: bool,
    run: usize,
    geometry: Option<Geometry>,
    /// How, where there is a kernel for these very sizes.
    fixed: Option<&'a Taste>,
}

impl Sizes<'_> {
    fn of(product: &Product<'_>) -> Sizes<'static> {
        let Product { rows, columns, depth, even, run, geometry, .. } = *product;
        Sizes { rows, columns, depth, even, run, geometry, fixed: None }
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

/// A file's kernel for a tile, operands and sizes.
fn kernel(name: &'static str, tile: &Tile, operands: [Layout; 2], sizes: &Sizes<'_>, activation: Activation) -> Kernel {
    let blocks = [tile.blocks(tile.rows), tile.blocks(tile.columns)];
    let fixed = sizes.fixed.is_some();
    let mut kernel = Kernel::new(name)
        .constant("THREADS", tile.threads())
        .constant("COLUMN_THREADS", tile.columns / THREAD)
        .constant("DEPTH", tile.depth)
        .constant("A_BLOCKS", blocks[0])
        .constant("B_BLOCKS", blocks[1])
        .flag("PREFETCH", sizes.fixed.is_some_and(|taste| taste.prefetch))
        .flag("EXACT_ROWS", fixed && sizes.even && sizes.rows.is_multiple_of(tile.rows))
        .flag("EXACT_COLUMNS", fixed && sizes.columns.is_multiple_of(tile.columns))
        .flag("EXACT_DEPTH", fixed && sizes.even && sizes.depth.is_multiple_of(tile.depth))
        .activation(activation)
        .choice("OUT_VECTOR", sizes.columns.is_multiple_of(4), &ACCESS[2]);
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
    if finds(name)[0] {
        kernel = kernel.choice("UNIFORM_TAP", fixed && sizes.run.is_multiple_of(tile.depth), &TAP);
    }
    if !finds(name)[1] {
        kernel = kernel.also(operands[1].along_depth, &MATRIX);
    }
    if fixed {
        // All but what counts images and workgroups.
        kernel = kernel.fixed("columns", sizes.columns);
        kernel = match sizes.geometry.as_ref() {
            None => kernel.fixed("rows", sizes.rows).fixed("depth", sizes.depth),
            Some(_) => GEOMETRY
                .iter()
                .zip(geometry_words(sizes.geometry.as_ref()))
                .skip(1)
                .fold(kernel, |kernel, (name, size)| kernel.fixed(name, size as usize)),
        };
    }
    kernel.loops(&loops(blocks, tile.depth, sizes.fixed.is_some_and(|taste| taste.unrolled)))
}

/// The loops over a thread's blocks and a step's depths, which `shared/gemm.wgsl` leaves to the host.
fn loops(blocks: [usize; 2], depth: usize, unrolled: bool) -> String {
    let calls = |count: usize, of: &dyn Fn(String) -> String| -> String {
        (0..count).map(|index| format!(" {}", of(format!("{index}u")))).collect()
    };
    let fetch = calls(blocks[0], &|block| format!("fetch_a({block}, start);"))
        + &calls(blocks[1], &|block| format!("fetch_b({block}, start);"));
    let put =
        calls(blocks[0], &|block| format!("put_a({block});")) + &calls(blocks[1], &|block| format!("put_b({block});"));
    let multiply = match unrolled {
        true => calls(depth, &|k| format!("multiply({k}, x, y);")),
        false => " for (var k = 0u; k < DEPTH; k++) { multiply(k, x, y); }".to_string(),
    };
    format!("fn fetch(start: u32) {{{fetch} }}\nfn put() {{{put} }}\nfn multiply_all(x: u32, y: u32) {{{multiply} }}\n")
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
    let geometry = Geometry::of_fine(2, [8, 8], [16, 64], [4, 4], [2, 2], [1, 1]);
    let cards = Taste { unrolled: false, ..Taste::CARD };
    let mut kernels = Vec::new();
    for (name, a_along, b_along) in files {
        for a in layouts(a_along) {
            for b in layouts(b_along) {
                for tile in &TILES {
                    for (columns, fixed) in [(3, None), (4, None), (64, Some(&cards))] {
                        let geometry = geometry.filter(|_| name != "matmul");
                        let sizes = Sizes { rows: 128, columns, depth: 256, even: true, run: 16, geometry, fixed };
                        kernels.push(kernel(name, tile, [a, b], &sizes, Activation::Tanh));
                    }
                }
            }
        }
        // Writing loops out changes no other text: once is enough, since it is long.
        let (a, b) = (layouts(a_along)[1], layouts(b_along)[1]);
        let sizes =
            Sizes { rows: 128, columns: 64, depth: 256, even: true, run: 16, geometry, fixed: Some(&Taste::CARD) };
        kernels.extend(TILES.iter().map(|tile| kernel(name, tile, [a, b], &sizes, Activation::Identity)));
    }
    kernels
}

/// What the numbers of [`geometry_words`] are called in kernels.
const GEOMETRY: [&str; 13] = [
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
