// Running statistics, which are bound from TRACKED_FROM on, move towards those of the batch, as `lerp` would move them.
@group(0) @binding(TRACKED_FROM) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(TRACKED_FROM + 1) var<storage, read_write> running_variance: array<f32>;

fn track(channel: u32, batch_mean: f32, batch_variance: f32) {
    let share = parameters.momentum;
    let mean_before = running_mean[channel];
    let variance_before = running_variance[channel];
    running_mean[channel] = mean_before + share * (batch_mean - mean_before);
    running_variance[channel] = variance_before + share * (parameters.unbiased * batch_variance - variance_before);
}
