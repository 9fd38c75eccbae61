// out = apply(a, b) for operands of one shape, four elements a thread; a step of 0 repeats an operand's only element.

struct Parameters {
    arguments: vec4<f32>,
    words: u32,
    a_step: u32,
    b_step: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = group_index(group, groups) * 256u + lane;
    if i >= parameters.words {
        return;
    }
    var x = a[i * parameters.a_step];
    var y = b[i * parameters.b_step];
    if parameters.a_step == 0u {
        x = vec4(x.x);
    }
    if parameters.b_step == 0u {
        y = vec4(y.x);
    }
    out[i] = vec4(apply(x.x, y.x), apply(x.y, y.y), apply(x.z, y.z), apply(x.w, y.w));
}
