// The tiled matrix product that matmul and the convolutions share: out = activate(a b), where a kernel's file says what the
// elements of a and b are.
//
// THREADS threads make one tile. A thread keeps 8 x 8 sums in registers: rows 4 y to 4 y + 3 of either half of the tile, columns
// likewise, so that neighbours read neighbouring words of the tiles in workgroup memory. Each step along the depth stages DEPTH
// columns of a and rows of b, in blocks of 4 x 4: what is stored along the depth is transposed in registers. Where PREFETCH, the next
// step's blocks are on their way while this one's are multiplied. Every element is summed in the order of its depth, whatever the tile.
//
// A kernel's file gives
//   part_rows()                 the rows of the product number `part` (a batch of matmul, a phase of a convolution)
//   part_depth(number)          the depth of the product of that number
//   a_line(row), b_line(column) what of a row's or column's address does not depend on the depth
//   a_four(line, start, k)      and b_four: four elements at the depth start + k, of which `start` is the same for all threads: along the
//                               depth where *_ALONG_DEPTH, else along the row or column; zeros outside of the matrix and beyond
//                               `depth_end`, unless EXACT_ROWS, EXACT_COLUMNS or EXACT_DEPTH say that there is no such outside
//   address(row, column)        where an element of the product goes
//
// And the host, which writes loops of known length out where that pays (see `product.rs`):
//   fetch(start)                fetch_a and fetch_b of every block of a thread's
//   put()                       put_a and put_b of them
//   multiply_all(x, y)          multiply of every depth of a step

const ROW_THREADS = THREADS / COLUMN_THREADS;
const ROW_WORDS = 2u * ROW_THREADS;
const COLUMN_WORDS = 2u * COLUMN_THREADS;
// From a thread's block to its next, along the depth; and whether all threads have as many.
const A_STEP = THREADS / ROW_WORDS * 4u;
const B_STEP = THREADS / COLUMN_WORDS * 4u;
const A_EVEN = A_STEP <= DEPTH;
const B_EVEN = B_STEP <= DEPTH;

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
var<private> sums: array<vec4<f32>, 16>;

// A thread stages the same four rows of a and columns of b all along the depth: which word of the tile, from which depth of a step, and
// the blocks that it has fetched.
var<private> a_at: u32;
var<private> b_at: u32;
var<private> a_first: u32;
var<private> b_first: u32;
var<private> a_lines: ALines;
var<private> b_lines: BLines;
var<private> a_next: array<mat4x4<f32>, A_BLOCKS>;
var<private> b_next: array<mat4x4<f32>, B_BLOCKS>;

fn within_depth(k: u32) -> bool {
    return EXACT_DEPTH || k < depth_end;
}

fn within_columns(column: u32) -> bool {
    return EXACT_COLUMNS || column < parameters.columns;
}

fn fetch_a(block: u32, start: u32) {
    let k = a_first + block * A_STEP;
    if A_EVEN || k < DEPTH {
        a_next[block] = a_block(a_lines, start, k);
    }
}

fn fetch_b(block: u32, start: u32) {
    let k = b_first + block * B_STEP;
    if B_EVEN || k < DEPTH {
        b_next[block] = b_block(b_lines, start, k);
    }
}

fn put_a(block: u32) {
    let k = a_first + block * A_STEP;
    if A_EVEN || k < DEPTH {
        a_tile[k * ROW_WORDS + a_at] = a_next[block][0];
        a_tile[(k + 1u) * ROW_WORDS + a_at] = a_next[block][1];
        a_tile[(k + 2u) * ROW_WORDS + a_at] = a_next[block][2];
        a_tile[(k + 3u) * ROW_WORDS + a_at] = a_next[block][3];
    }
}

fn put_b(block: u32) {
    let k = b_first + block * B_STEP;
    if B_EVEN || k < DEPTH {
        b_tile[k * COLUMN_WORDS + b_at] = b_next[block][0];
        b_tile[(k + 1u) * COLUMN_WORDS + b_at] = b_next[block][1];
        b_tile[(k + 2u) * COLUMN_WORDS + b_at] = b_next[block][2];
        b_tile[(k + 3u) * COLUMN_WORDS + b_at] = b_next[block][3];
    }
}

fn multiply(k: u32, x: u32, y: u32) {
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

fn store(row: u32, column: u32, split: u32, value: vec4<f32>) {
    if row < part_rows() && within_columns(column) {
        let result = vec4(activate(value.x), activate(value.y), activate(value.z), activate(value.w));
        write(split * parameters.size + address(row, column), parameters.columns - column, result);
    }
}

@compute @workgroup_size(THREADS)
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

    a_at = lane % ROW_WORDS;
    a_first = lane / ROW_WORDS * 4u;
    // Where half of the threads have a block of a, the others have one of b.
    let b_lane = (lane + THREADS / 2u) % THREADS;
    b_at = b_lane % COLUMN_WORDS;
    b_first = b_lane / COLUMN_WORDS * 4u;
    a_lines = four_a_lines(first_row + 4u * a_at);
    b_lines = four_b_lines(first_column + 4u * b_at);
    let x = lane % COLUMN_THREADS;
    let y = lane / COLUMN_THREADS;

    if PREFETCH && depth_start < end {
        fetch(depth_start);
    }
    for (var start = depth_start; start < end; start += DEPTH) {
        if !PREFETCH {
            fetch(start);
        }
        put();
        workgroupBarrier();
        if PREFETCH && start + DEPTH < end {
            fetch(start + DEPTH);
        }
        multiply_all(x, y);
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
