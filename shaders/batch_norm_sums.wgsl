// The sums over chunks of rows of the cotangent before the activation, and of it times the normalised input: the partial
// cotangents of beta and gamma. Rows of threads add every so manieth row, then a tree joins them, always in the same order. What comes of
// it is a snippet's, `finish(split, channel, total)`: where there is but one chunk, nothing is left to be joined.

const ROWS = 256u / LANES;

struct Parameters {
    arguments: vec4<f32>,
    rows: u32,
    channels: u32,
    chunk: u32,
    splits: u32,
    channel_groups: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> output: array<f32>;
@group(0) @binding(5) var<storage, read> cotangent: array<f32>;

var<workgroup> partial: array<vec2<f32>, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = group_index(group, groups);
    let split = index / parameters.channel_groups;
    let channel = index % parameters.channel_groups * LANES + lane % LANES;
    let first = lane / LANES;
    let valid = channel < parameters.channels && split < parameters.splits;
    var sums = vec2<f32>();
    if valid {
        let end = min((split + 1u) * parameters.chunk, parameters.rows);
        let inverse = 1.0 / sqrt(variance[channel] + parameters.epsilon);
        let centre = mean[channel];
        for (var row = split * parameters.chunk + first; row < end; row += ROWS) {
            let at = row * parameters.channels + channel;
            let g = gate(cotangent[at], output[at]);
            sums += vec2(g, g * ((x[at] - centre) * inverse));
        }
    }
    partial[lane] = sums;
    workgroupBarrier();
    for (var step = ROWS / 2u; step > 0u; step /= 2u) {
        if first < step {
            partial[lane] += partial[lane + step * LANES];
        }
        workgroupBarrier();
    }
    if lane < LANES && valid {
        finish(split, channel, partial[lane]);
    }
}
