// What was found of a channel in a chunk of rows, to be joined with the other chunks.
@group(0) @binding(2) var<storage, read_write> means: array<f32>;
@group(0) @binding(3) var<storage, read_write> squares: array<f32>;

fn finish(split: u32, channel: u32, all: Moments) {
    means[split * parameters.channels + channel] = all.mean;
    squares[split * parameters.channels + channel] = all.square;
}
