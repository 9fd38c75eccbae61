// out[j] = x[i] where, on every axis, i divisor = j multiplier + offset with i inside the axis; zero where there is no such i.

struct Parameters {
    length: u32,
    rank: u32,
    sizes: array<vec4<i32>, 2>,
    multipliers: array<vec4<i32>, 2>,
    offsets: array<vec4<i32>, 2>,
    divisors: array<vec4<i32>, 2>,
    x_sizes: array<vec4<i32>, 2>,
    x_strides: array<vec4<i32>, 2>,
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
    var rest = i32(j);
    var at = 0;
    var inside = true;
    for (var axis = parameters.rank; axis > 0u; axis--) {
        let word = (axis - 1u) / 4u;
        let component = (axis - 1u) % 4u;
        let size = parameters.sizes[word][component];
        let divisor = parameters.divisors[word][component];
        let scaled = rest % size * parameters.multipliers[word][component] + parameters.offsets[word][component];
        rest /= size;
        let i = scaled / divisor;
        inside = inside && scaled % divisor == 0 && i >= 0 && i < parameters.x_sizes[word][component];
        at += i * parameters.x_strides[word][component];
    }
    var value = 0.0;
    if inside {
        value = x[at];
    }
    out[j] = value;
}
