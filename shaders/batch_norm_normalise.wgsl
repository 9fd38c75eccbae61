// out = activate((x - mean) gamma / sqrt(variance + epsilon) + beta), four elements a thread: of one
// word of channels where these are a multiple of four.

struct Parameters {
    arguments: vec4<f32>,
    words: u32,
    channels: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> variance: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

fn normalise(value: f32, index: u32) -> f32 {
    let channel = index % parameters.channels;
    let word = channel / 4u;
    let part = channel % 4u;
    let scale = gamma[word][part] / sqrt(variance[word][part] + parameters.epsilon);
    return activate((value - mean[word][part]) * scale + beta[word][part]);
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
    if parameters.channels % 4u == 0u {
        let word = first % parameters.channels / 4u;
        let scale = gamma[word] / sqrt(variance[word] + parameters.epsilon);
        let y = (v - mean[word]) * scale + beta[word];
        out[i] = vec4(activate(y.x), activate(y.y), activate(y.z), activate(y.w));
        return;
    }
    out[i] = vec4(
        normalise(v.x, first),
        normalise(v.y, first + 1u),
        normalise(v.z, first + 2u),
        normalise(v.w, first + 3u),
    );
}
