// Reorders axes: each axis of the output has its own stride in the input.

struct Parameters {
    length: u32,
    rank: u32,
    sizes: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let j = group_index(group, groups) * 256u + lane;
    if j >= parameters.length {
        return;
    }
    var rest = j;
    var at = 0u;
    for (var axis = parameters.rank; axis > 0u; axis--) {
        let word = (axis - 1u) / 4u;
        let component = (axis - 1u) % 4u;
        let size = parameters.sizes[word][component];
        at += rest % size * parameters.strides[word][component];
        rest /= size;
    }
    out[j] = x[at];
}
