// out = activate((x - mean) gamma / sqrt(variance + epsilon) + beta), four elements a thread.

struct Parameters {
    arguments: vec4<f32>,
    words: u32,
    channels: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

fn normalise(value: f32, index: u32) -> f32 {
    let channel = index % parameters.channels;
    let scale = gamma[channel] / sqrt(variance[channel] + parameters.epsilon);
    return activate((value - mean[channel]) * scale + beta[channel]);
}

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
    let v = x[i];
    let first = 4u * i;
    out[i] = vec4(
        normalise(v.x, first),
        normalise(v.y, first + 1u),
        normalise(v.z, first + 2u),
        normalise(v.w, first + 3u),
    );
}
