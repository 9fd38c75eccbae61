// Adds up the partial cotangents of beta and gamma, and gathers what the input's cotangent needs of each channel.

const ROWS = 256u / LANES;

struct Parameters {
    rows: f32,
    epsilon: f32,
    channels: u32,
    splits: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> partial_beta: array<f32>;
@group(0) @binding(2) var<storage, read> partial_gamma: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> variance: array<f32>;
@group(0) @binding(5) var<storage, read_write> beta: array<f32>;
@group(0) @binding(6) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(7) var<storage, read_write> coefficients: array<vec4<f32>>;

var<workgroup> partial: array<vec2<f32>, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let channel = group_index(group, groups) * LANES + lane % LANES;
    let valid = channel < parameters.channels;
    var sums = vec2<f32>();
    if valid {
        for (var split = lane / LANES; split < parameters.splits; split += ROWS) {
            let at = split * parameters.channels + channel;
            sums += vec2(partial_beta[at], partial_gamma[at]);
        }
    }
    partial[lane] = sums;
    workgroupBarrier();
    for (var step = ROWS / 2u; step > 0u; step /= 2u) {
        if lane / LANES < step {
            partial[lane] += partial[lane + step * LANES];
        }
        workgroupBarrier();
    }
    if lane < LANES && valid {
        let total = partial[lane];
        beta[channel] = total.x;
        gamma[channel] = total.y;
        let inverse = 1.0 / sqrt(variance[channel] + parameters.epsilon);
        coefficients[channel] = vec4(mean[channel], inverse, total / parameters.rows);
    }
}
