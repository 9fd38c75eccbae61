// Joins the moments of chunks of rows to the mean and biased variance of each channel.

struct Parameters {
    rows: u32,
    channels: u32,
    chunk: u32,
    splits: u32,
    // Of running statistics, where some are tracked: the share of the batch, and what makes its variance unbiased.
    momentum: f32,
    unbiased: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> means: array<f32>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> variance: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let channel = group_index(group, groups) * LANES + lane % LANES;
    let valid = channel < parameters.channels;
    var own = Moments();
    if valid {
        for (var split = lane / LANES; split < parameters.splits; split += ROWS) {
            let count = min(parameters.chunk, parameters.rows - split * parameters.chunk);
            let at = split * parameters.channels + channel;
            own = merge(own, Moments(f32(count), means[at], squares[at]));
        }
    }
    let all = merge_rows(lane, own);
    if lane < LANES && valid {
        mean[channel] = all.mean;
        let biased = all.square / f32(parameters.rows);
        variance[channel] = biased;
        track(channel, all.mean, biased);
    }
}
