//! The tiled matrix product that matmul and the convolutions share: which kernel, and how the depth is split.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::buffer::Buffer;
use super::commands::Commands;
use super::reduce::reduce;
use super::shader::{ACCESS, BLOCKS, FOUND, Kernel, MATRIX, TAP, arguments};
use super::shape::{GEOMETRY, Shape, geometry_words};
use super::tile::{Choice, STEP, THREAD, Tile};
use crate::backend::{Activation, Reduction, Unary};

/// The product of two operands, to which `activation` is applied.
pub fn product(commands: &dyn Commands, shape: &Shape, [a, b]: [&Buffer; 2], activation: Activation) -> Buffer {
    let Shape { rows, columns, depth, parts, size, .. } = *shape;
    let taste = commands.taste();
    let usual = shape.usual();
    // By the shape alone, so that no tile changes a bit.
    let groups = shape.covered(&usual) / (usual.rows * usual.columns) * parts;
    let bytes = (size * size_of::<f32>()).max(1);
    let most = (depth / taste.least_depth).min(commands.largest() as usize / bytes);
    let splits = (taste.busy / groups.max(1)).clamp(1, most.max(1));
    let split_depth = depth.div_ceil(splits).next_multiple_of(STEP).max(STEP);
    let splits = depth.div_ceil(split_depth).max(1);
    let fused = if splits == 1 { activation } else { Activation::Identity };

    let own = (shape.work() >= taste.fixed_from).then(|| {
        commands.choice(shape, [a.len(), b.len()]).unwrap_or(Choice { tile: usual, prefetch: taste.prefetch })
    });
    let tile = own.map_or(usual, |choice| choice.tile);
    let [row_tiles, column_tiles] = tile.count(rows, columns);
    let groups = row_tiles * column_tiles * parts * splits;
    let kernel = kept_kernel(shape, &tile, own.map(|choice| (choice.prefetch, taste.unrolled)), fused);
    let out = commands.buffer(splits * size);
    let mut parameters = arguments(&fused.unary().map_or_else(Vec::new, |function| function.parameters())).to_vec();
    parameters.extend(
        [rows, columns, depth, splits, split_depth, row_tiles, column_tiles, groups, size].map(|size| size as u32),
    );
    parameters.extend(geometry_words(shape.geometry.as_ref()));
    commands.weigh(shape.work() as u64);
    commands.dispatch(&kernel, &parameters, &[a, b], &[&out], groups);
    if splits == 1 {
        return out;
    }
    reduce(commands, Reduction::Sum, &out, [1, splits, size], activation.unary())
}

/// Whether a file finds elements of its operands one at a time.
fn finds(name: &str) -> [bool; 2] {
    match name {
        "conv_coarse" => [true, false],
        "conv_fine" => [true, true],
        _ => [false, false],
    }
}

type Made = (Shape, Tile, Option<(bool, bool)>, Option<&'static str>);

/// As [`kernel`], made once: its text is long, and a step asks for it again and again.
fn kept_kernel(shape: &Shape, tile: &Tile, own: Option<(bool, bool)>, activation: Activation) -> Arc<Kernel> {
    static KERNELS: LazyLock<Mutex<HashMap<Made, Arc<Kernel>>>> = LazyLock::new(Mutex::default);
    let mut kernels = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    let made = (*shape, *tile, own, activation.unary().map(Unary::name));
    Arc::clone(kernels.entry(made).or_insert_with(|| Arc::new(kernel(shape, tile, own, activation))))
}

/// A shape's kernel for a tile: for these very sizes where it is told whether it fetches ahead and whether its loops are written out, else
/// for all of its kind.
fn kernel(shape: &Shape, tile: &Tile, own: Option<(bool, bool)>, activation: Activation) -> Kernel {
    let blocks = [tile.blocks(tile.rows), tile.blocks(tile.columns)];
    let (fixed, (prefetch, unrolled)) = (own.is_some(), own.unwrap_or_default());
    let mut kernel = Kernel::new(shape.kernel)
        .constant("THREADS", tile.threads())
        .constant("COLUMN_THREADS", tile.columns / THREAD)
        .constant("DEPTH", tile.depth)
        .constant("A_BLOCKS", blocks[0])
        .constant("B_BLOCKS", blocks[1])
        .flag("PREFETCH", prefetch)
        .flag("EXACT_ROWS", fixed && shape.even && shape.rows.is_multiple_of(tile.rows))
        .flag("EXACT_COLUMNS", fixed && shape.columns.is_multiple_of(tile.columns))
        .flag("EXACT_DEPTH", fixed && shape.even && shape.depth.is_multiple_of(tile.depth))
        .activation(activation)
        .choice("OUT_VECTOR", shape.columns.is_multiple_of(4), &ACCESS[2]);
    let finds = finds(shape.kernel);
    for (binding, (operand, layout)) in [("A", shape.a), ("B", shape.b)].into_iter().enumerate() {
        let vector = layout.contiguous.is_multiple_of(4);
        kernel = kernel.choice(&format!("{operand}_VECTOR"), vector, &ACCESS[binding]).choice(
            &format!("{operand}_ALONG_DEPTH"),
            layout.along_depth,
            &BLOCKS[binding],
        );
        if finds[binding] {
            kernel = kernel.with(FOUND[binding][usize::from(vector)]);
        }
    }
    if finds[0] {
        kernel = kernel.choice("UNIFORM_TAP", fixed && shape.run.is_multiple_of(tile.depth), &TAP);
    }
    if !finds[1] {
        kernel = kernel.with(MATRIX[usize::from(shape.b.along_depth)]);
    }
    if fixed {
        // All but what counts images and workgroups.
        kernel = kernel.fixed("columns", shape.columns);
        kernel = match shape.geometry.as_ref() {
            None => kernel.fixed("rows", shape.rows).fixed("depth", shape.depth),
            Some(geometry) => {
                let sizes = GEOMETRY.iter().zip(geometry_words(Some(geometry))).skip(1);
                sizes.fold(kernel, |kernel, (name, size)| kernel.fixed(name, size as usize))
            }
        };
    }
    kernel.written(loops(blocks, tile.depth, unrolled))
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
    use super::shape::Layout;
    use super::tile::TILES;
    use crate::backend::Geometry;

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
    let mut kernels = Vec::new();
    for (name, a_along, b_along) in files {
        let shape = |a, b, columns| Shape {
            kernel: name,
            a,
            b,
            rows: 128,
            columns,
            depth: 256,
            parts: 1,
            size: 128 * columns,
            even: true,
            run: 16,
            geometry: geometry.filter(|_| name != "matmul"),
        };
        for a in layouts(a_along) {
            for b in layouts(b_along) {
                for tile in &TILES {
                    for (columns, own) in [(3, None), (4, None), (64, Some((false, false))), (64, Some((true, false)))]
                    {
                        kernels.push(kernel(&shape(a, b, columns), tile, own, Activation::Tanh));
                    }
                }
            }
        }
        // Writing loops out changes no other text: once is enough, since it is long.
        let shape = shape(layouts(a_along)[1], layouts(b_along)[1], 64);
        kernels.extend(TILES.iter().map(|tile| kernel(&shape, tile, Some((true, true)), Activation::Identity)));
    }
    kernels
}
