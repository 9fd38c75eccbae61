// The cotangents of a channel's beta and gamma, and what the input's needs of the channel: there is but one chunk.
@group(0) @binding(6) var<storage, read_write> beta: array<f32>;
@group(0) @binding(7) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(8) var<storage, read_write> coefficients: array<vec4<f32>>;

fn finish(split: u32, channel: u32, total: vec2<f32>) {
    beta[channel] = total.x;
    gamma[channel] = total.y;
    let inverse = 1.0 / sqrt(variance[channel] + parameters.epsilon);
    coefficients[channel] = vec4(mean[channel], inverse, total / f32(parameters.rows));
}
