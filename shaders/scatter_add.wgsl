// The transpose of gather: each element of the output adds up the rows that go there, in their order. `lists` holds, for each
// output row, where its list starts, then where the last list ends, then the lists of input rows.

struct Parameters {
    length: u32,
    width: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> lists: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = group_index(group, groups) * 256u + lane;
    if i >= parameters.length {
        return;
    }
    let row = i / parameters.width;
    let column = i % parameters.width;
    var sum = 0.0;
    for (var at = lists[row]; at < lists[row + 1u]; at++) {
        sum += x[lists[parameters.rows + 1u + at] * parameters.width + column];
    }
    out[i] = sum;
}
