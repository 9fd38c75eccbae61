// Products of a matrix with one to four columns, such as the scores of a batch: no tile is that narrow. A workgroup of 256 threads makes
// ROWS rows: 256 / ROWS threads share a row, each adds every so manieth element of the depth, then they join in a tree, always in the same
// order. `a` is [rows, depth] where A_ALONG_DEPTH, else [depth, rows]; `b` [depth, COLUMNS] or, where B_ALONG_DEPTH, [COLUMNS, depth].

const SHARES = 256u / ROWS;

struct Parameters {
    arguments: vec4<f32>,
    rows: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<vec4<f32>, 256>;

fn b_at(k: u32) -> vec4<f32> {
    var word: vec4<f32>;
    for (var column = 0u; column < COLUMNS; column++) {
        word[column] = b[select(k * COLUMNS + column, column * parameters.depth + k, B_ALONG_DEPTH)];
    }
    return word;
}

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    // Neighbouring threads read neighbours: along the depth, or else along the rows.
    let own = select(lane % ROWS, lane / SHARES, A_ALONG_DEPTH);
    let share = select(lane / ROWS, lane % SHARES, A_ALONG_DEPTH);
    let row = group_index(group, groups) * ROWS + own;
    var sums: vec4<f32>;
    if row < parameters.rows {
        for (var k = share; k < parameters.depth; k += SHARES) {
            sums += a[select(k * parameters.rows + row, row * parameters.depth + k, A_ALONG_DEPTH)] * b_at(k);
        }
    }
    let at = own * SHARES + share;
    partial[at] = sums;
    workgroupBarrier();
    for (var step = SHARES / 2u; step > 0u; step /= 2u) {
        if share < step {
            partial[at] += partial[at + step];
        }
        workgroupBarrier();
    }
    if share == 0u && row < parameters.rows {
        for (var column = 0u; column < COLUMNS; column++) {
            out[row * COLUMNS + column] = activate(partial[at][column]);
        }
    }
}
