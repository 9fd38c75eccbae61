// The tiled matrix product that matmul and the convolutions share: out = activate(a b), where a kernel's file says what the
// elements of a and b are.
//
// 64 threads make one tile. A thread keeps 8 x 8 sums in registers: rows 4 y to 4 y + 3 of either half of the tile, columns
// likewise, so that neighbours read neighbouring words of the tiles in workgroup memory. COLUMN_THREADS (8, 4, 2) gives tiles
// of 64 x 64, 128 x 32 and 256 x 16. Each step along the depth stages DEPTH columns of a and rows of b, in blocks of 4 x 4:
// what is stored along the depth is transposed in registers.
//
// A kernel's file gives
//   part_rows()                 the rows of the product number `part` (a batch of matmul, a phase of a convolution)
//   part_depth(number)          the depth of the product of that number
//   a_line(row), b_line(column) what of a row's or column's address does not depend on the depth
//   a_word(..), b_word(..)      through `a_four(line, k)` and `b_four(line, k)`: four elements along the depth where *_ALONG_DEPTH,
//                               else along the row or column; zeros outside of the matrix and from `depth_end` on
//   address(row, column)        where an element of the product goes

const THREADS = 64u;
const ROW_THREADS = THREADS / COLUMN_THREADS;
const ROW_WORDS = 2u * ROW_THREADS;
const COLUMN_WORDS = 2u * COLUMN_THREADS;

struct Parameters {
    arguments: vec4<f32>,
    rows: u32,
    columns: u32,
    depth: u32,
    // The depth may be split among workgroups, whose partial products lie one after the other.
    splits: u32,
    split_depth: u32,
    row_tiles: u32,
    column_tiles: u32,
    groups: u32,
    // Elements of one partial product.
    size: u32,
    batch: u32,
    fine_height: u32,
    fine_width: u32,
    fine_channels: u32,
    coarse_height: u32,
    coarse_width: u32,
    coarse_channels: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_down: u32,
    stride_across: u32,
    padding_down: u32,
    padding_across: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;

var<workgroup> a_tile: array<vec4<f32>, ROW_WORDS * DEPTH>;
var<workgroup> b_tile: array<vec4<f32>, COLUMN_WORDS * DEPTH>;

var<private> part: u32;
var<private> depth_end: u32;

fn store(row: u32, column: u32, split: u32, value: vec4<f32>) {
    if row < part_rows() && column < parameters.columns {
        let result = vec4(activate(value.x), activate(value.y), activate(value.z), activate(value.w));
        write(split * parameters.size + address(row, column), parameters.columns - column, result);
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = group_index(group, groups);
    if index >= parameters.groups {
        return;
    }
    let first_column = index % parameters.column_tiles * COLUMN_WORDS * 4u;
    let above = index / parameters.column_tiles;
    let first_row = above % parameters.row_tiles * ROW_WORDS * 4u;
    let split = above / parameters.row_tiles % parameters.splits;
    let number = above / parameters.row_tiles / parameters.splits;
    part = number;
    let depth_start = split * parameters.split_depth;
    // A barrier must be met by all threads alike, which browsers do not believe of a loop that ends by a private variable.
    let end = min(depth_start + parameters.split_depth, part_depth(number));
    depth_end = end;

    // Each thread stages the same four rows of a and columns of b all along the depth.
    let a_at = lane % ROW_WORDS;
    let b_at = lane % COLUMN_WORDS;
    let a_lines = four_a_lines(first_row + 4u * a_at);
    let b_lines = four_b_lines(first_column + 4u * b_at);
    let x = lane % COLUMN_THREADS;
    let y = lane / COLUMN_THREADS;
    var sums: array<vec4<f32>, 16>;

    for (var start = depth_start; start < end; start += DEPTH) {
        for (var k = lane / ROW_WORDS * 4u; k < DEPTH; k += THREADS / ROW_WORDS * 4u) {
            let words = a_block(a_lines, start + k);
            a_tile[k * ROW_WORDS + a_at] = words[0];
            a_tile[(k + 1u) * ROW_WORDS + a_at] = words[1];
            a_tile[(k + 2u) * ROW_WORDS + a_at] = words[2];
            a_tile[(k + 3u) * ROW_WORDS + a_at] = words[3];
        }
        for (var k = lane / COLUMN_WORDS * 4u; k < DEPTH; k += THREADS / COLUMN_WORDS * 4u) {
            let words = b_block(b_lines, start + k);
            b_tile[k * COLUMN_WORDS + b_at] = words[0];
            b_tile[(k + 1u) * COLUMN_WORDS + b_at] = words[1];
            b_tile[(k + 2u) * COLUMN_WORDS + b_at] = words[2];
            b_tile[(k + 3u) * COLUMN_WORDS + b_at] = words[3];
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let top = a_tile[k * ROW_WORDS + y];
            let bottom = a_tile[k * ROW_WORDS + ROW_THREADS + y];
            let left = b_tile[k * COLUMN_WORDS + x];
            let right = b_tile[k * COLUMN_WORDS + COLUMN_THREADS + x];
            sums[0] += top.x * left;
            sums[1] += top.x * right;
            sums[2] += top.y * left;
            sums[3] += top.y * right;
            sums[4] += top.z * left;
            sums[5] += top.z * right;
            sums[6] += top.w * left;
            sums[7] += top.w * right;
            sums[8] += bottom.x * left;
            sums[9] += bottom.x * right;
            sums[10] += bottom.y * left;
            sums[11] += bottom.y * right;
            sums[12] += bottom.z * left;
            sums[13] += bottom.z * right;
            sums[14] += bottom.w * left;
            sums[15] += bottom.w * right;
        }
        workgroupBarrier();
    }

    let row = first_row + 4u * y;
    let below = row + 4u * ROW_THREADS;
    let column = first_column + 4u * x;
    let across = column + 4u * COLUMN_THREADS;
    store(row, column, split, sums[0]);
    store(row, across, split, sums[1]);
    store(row + 1u, column, split, sums[2]);
    store(row + 1u, across, split, sums[3]);
    store(row + 2u, column, split, sums[4]);
    store(row + 2u, across, split, sums[5]);
    store(row + 3u, column, split, sums[6]);
    store(row + 3u, across, split, sums[7]);
    store(below, column, split, sums[8]);
    store(below, across, split, sums[9]);
    store(below + 1u, column, split, sums[10]);
    store(below + 1u, across, split, sums[11]);
    store(below + 2u, column, split, sums[12]);
    store(below + 2u, across, split, sums[13]);
    store(below + 3u, column, split, sums[14]);
    store(below + 3u, across, split, sums[15]);
}
