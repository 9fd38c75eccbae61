// Mean and sum of squared deviations of each channel over chunks of rows: two passes within a thread's few rows, then a tree. What comes of
// it is a snippet's, `finish(split, channel, all)`: where there is but one chunk, nothing is left to be joined.

struct Parameters {
    rows: u32,
    channels: u32,
    chunk: u32,
    splits: u32,
    channel_groups: u32,
    // Of running statistics, where some are tracked: the share of the batch, and what makes its variance unbiased.
    momentum: f32,
    unbiased: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = group_index(group, groups);
    let split = index / parameters.channel_groups;
    let channel = index % parameters.channel_groups * LANES + lane % LANES;
    let valid = channel < parameters.channels && split < parameters.splits;
    var own = Moments();
    if valid {
        let start = split * parameters.chunk + lane / LANES;
        let end = min((split + 1u) * parameters.chunk, parameters.rows);
        for (var row = start; row < end; row += ROWS) {
            own.count += 1.0;
            own.mean += x[row * parameters.channels + channel];
        }
        own.mean /= max(own.count, 1.0);
        for (var row = start; row < end; row += ROWS) {
            let difference = x[row * parameters.channels + channel] - own.mean;
            own.square += difference * difference;
        }
    }
    let all = merge_rows(lane, own);
    if lane < LANES && valid {
        finish(split, channel, all);
    }
}
