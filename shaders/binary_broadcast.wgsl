// out = apply(a, b) with NumPy's broadcasting: a stride of 0 repeats an operand along an axis.

struct Parameters {
    arguments: vec4<f32>,
    length: u32,
    rank: u32,
    sizes: array<vec4<u32>, 2>,
    a_strides: array<vec4<u32>, 2>,
    b_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
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
    var rest = i;
    var at_a = 0u;
    var at_b = 0u;
    for (var axis = parameters.rank; axis > 0u; axis--) {
        let word = (axis - 1u) / 4u;
        let component = (axis - 1u) % 4u;
        let size = parameters.sizes[word][component];
        let index = rest % size;
        rest /= size;
        at_a += index * parameters.a_strides[word][component];
        at_b += index * parameters.b_strides[word][component];
    }
    out[i] = apply(a[at_a], b[at_b]);
}
