// The transposed convolution to at most four channels, such as a generator's picture: no tile is that narrow, so each thread makes
// all CHANNELS of one fine pixel.

struct Parameters {
    arguments: vec4<f32>,
    pixels: u32,
    batch: u32,
    fine_height: u32,
    fine_width: u32,
    fine_channels: u32,
    coarse_height: u32,
    coarse_width: u32,
    coarse_channels: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_down: u32,
    stride_across: u32,
    padding_down: u32,
    padding_across: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let pixel = group_index(group, groups) * 256u + lane;
    if pixel >= parameters.pixels {
        return;
    }
    let down = pixel / parameters.fine_width % parameters.fine_height + parameters.padding_down;
    let across = pixel % parameters.fine_width + parameters.padding_across;
    let image = pixel / parameters.fine_width / parameters.fine_height;
    let channels = parameters.coarse_channels;
    var sums = vec4<f32>();
    for (var p = down % parameters.stride_down; p < parameters.kernel_height && p <= down; p += parameters.stride_down) {
        let i = (down - p) / parameters.stride_down;
        if i >= parameters.coarse_height {
            continue;
        }
        for (
            var q = across % parameters.stride_across;
            q < parameters.kernel_width && q <= across;
            q += parameters.stride_across
        ) {
            let j = (across - q) / parameters.stride_across;
            if j >= parameters.coarse_width {
                continue;
            }
            let coarse = ((image * parameters.coarse_height + i) * parameters.coarse_width + j) * channels;
            let taps = (p * parameters.kernel_width + q) * CHANNELS * channels;
            if A_VECTOR {
                for (var k = 0u; k < channels; k += 4u) {
                    let value = a_word(coarse + k);
                    sums.x += dot(value, b_word(taps + k));
                    if CHANNELS > 1u {
                        sums.y += dot(value, b_word(taps + channels + k));
                    }
                    if CHANNELS > 2u {
                        sums.z += dot(value, b_word(taps + 2u * channels + k));
                    }
                    if CHANNELS > 3u {
                        sums.w += dot(value, b_word(taps + 3u * channels + k));
                    }
                }
            } else {
                for (var k = 0u; k < channels; k++) {
                    let value = a_one(coarse + k);
                    sums.x += value * b_one(taps + k);
                    if CHANNELS > 1u {
                        sums.y += value * b_one(taps + channels + k);
                    }
                    if CHANNELS > 2u {
                        sums.z += value * b_one(taps + 2u * channels + k);
                    }
                    if CHANNELS > 3u {
                        sums.w += value * b_one(taps + 3u * channels + k);
                    }
                }
            }
        }
    }
    for (var c = 0u; c < CHANNELS; c++) {
        out[pixel * CHANNELS + c] = activate(sums[c]);
    }
}
