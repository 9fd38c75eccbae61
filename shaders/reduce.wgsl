// Folds the middle axis of [outer, length, inner]. A workgroup takes LANES neighbouring outputs and one chunk of the axis;
// its 256 / LANES rows of threads each fold every so manieth element, beginning with their first, then a tree joins those that have any,
// always in the same order; what comes of it is `finish`ed.

const ROWS = 256u / LANES;

struct Parameters {
    arguments: vec4<f32>,
    // What comes of an axis without elements.
    empty: f32,
    outputs: u32,
    length: u32,
    inner: u32,
    chunk: u32,
    splits: u32,
    // Workgroups side by side over the outputs.
    output_groups: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = group_index(group, groups);
    let split = index / parameters.output_groups;
    let output = index % parameters.output_groups * LANES + lane % LANES;
    let row = lane / LANES;
    let outer = output / parameters.inner;
    let i = output % parameters.inner;
    let valid = output < parameters.outputs && split < parameters.splits;
    let first = split * parameters.chunk;
    // Rows with an element: the first ones. Past the last chunk it does not matter.
    let filled = min(parameters.length - min(first, parameters.length), min(parameters.chunk, ROWS));
    if valid && row < filled {
        let end = min(first + parameters.chunk, parameters.length);
        var total = x[(outer * parameters.length + first + row) * parameters.inner + i];
        for (var l = first + row + ROWS; l < end; l += ROWS) {
            total = fold(total, x[(outer * parameters.length + l) * parameters.inner + i]);
        }
        partial[lane] = total;
    }
    workgroupBarrier();
    for (var step = ROWS / 2u; step > 0u; step /= 2u) {
        if row < step && row + step < filled {
            partial[lane] = fold(partial[lane], partial[lane + step * LANES]);
        }
        workgroupBarrier();
    }
    if row == 0u && valid {
        var total = parameters.empty;
        if filled > 0u {
            total = partial[lane];
        }
        out[(outer * parameters.splits + split) * parameters.inner + i] = finish(total);
    }
}
