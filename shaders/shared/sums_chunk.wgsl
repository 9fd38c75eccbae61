// What was found of a channel in a chunk of rows, to be added to the other chunks.
@group(0) @binding(6) var<storage, read_write> beta: array<f32>;
@group(0) @binding(7) var<storage, read_write> gamma: array<f32>;

fn finish(split: u32, channel: u32, total: vec2<f32>) {
    let at = split * parameters.channels + channel;
    beta[at] = total.x;
    gamma[at] = total.y;
}
