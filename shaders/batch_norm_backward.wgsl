// The input's cotangent: gamma / sqrt(variance + epsilon) (g - mean of g - x_hat mean of g x_hat), g being the cotangent before
// the activation; four elements a thread.

struct Parameters {
    arguments: vec4<f32>,
    words: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
// Of each channel: mean, 1 / sqrt(variance + epsilon), mean of g, mean of g x_hat.
@group(0) @binding(3) var<storage, read> coefficients: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> cotangent: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

fn backward(value: f32, g: f32, index: u32) -> f32 {
    let channel = index % parameters.channels;
    let coefficient = coefficients[channel];
    return gamma[channel] * coefficient.y * (g - (coefficient.z + (value - coefficient.x) * coefficient.y * coefficient.w));
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
    let y = output[i];
    let g = cotangent[i];
    let first = 4u * i;
    out[i] = vec4(
        backward(v.x, gate(g.x, y.x), first),
        backward(v.y, gate(g.y, y.y), first + 1u),
        backward(v.z, gate(g.z, y.z), first + 2u),
        backward(v.w, gate(g.w, y.w), first + 3u),
    );
}
