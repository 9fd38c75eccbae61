// The statistics of a channel go where they are read: there is but one chunk.
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> variance: array<f32>;

fn finish(split: u32, channel: u32, all: Moments) {
    let biased = all.square / f32(parameters.rows);
    mean[channel] = all.mean;
    variance[channel] = biased;
    track(channel, all.mean, biased);
}
