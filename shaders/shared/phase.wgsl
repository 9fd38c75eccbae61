// The phases of a transposed convolution: fine pixels that are equal modulo the stride meet the same taps of the filter, so each
// phase is a dense product without the zeros that lie between coarse pixels. Phase r holds the pixels h with
// h + padding = r modulo the stride, and the taps r, r + stride, ..

fn phase_of(part: u32) -> vec2<u32> {
    return vec2(part / parameters.stride_across, part % parameters.stride_across);
}

// Taps of a phase, down and across.
fn phase_taps(phase: vec2<u32>) -> vec2<u32> {
    let kernel = vec2(parameters.kernel_height, parameters.kernel_width);
    let stride = vec2(parameters.stride_down, parameters.stride_across);
    return select(vec2<u32>(), (kernel - phase + stride - 1u) / stride, phase < kernel);
}

// The first fine pixel of a phase, down and across.
fn phase_first(phase: vec2<u32>) -> vec2<u32> {
    let stride = vec2(parameters.stride_down, parameters.stride_across);
    let padding = vec2(parameters.padding_down, parameters.padding_across);
    return (phase + stride - padding % stride) % stride;
}

// Fine pixels of a phase, down and across.
fn phase_size(phase: vec2<u32>) -> vec2<u32> {
    let size = vec2(parameters.fine_height, parameters.fine_width);
    let stride = vec2(parameters.stride_down, parameters.stride_across);
    let first = phase_first(phase);
    return select(vec2<u32>(), (size - first + stride - 1u) / stride, first < size);
}
