// The transposed convolution as matrix products, one a phase: a row is a fine pixel of the phase, a column a fine channel, and
// the depth runs over the phase's taps and the coarse channels. `a` is the coarse image, `b` the filter.

fn part_rows() -> u32 {
    let size = phase_size(phase_of(part));
    return parameters.batch * size.x * size.y;
}

fn part_depth(number: u32) -> u32 {
    let taps = phase_taps(phase_of(number));
    return taps.x * taps.y * parameters.coarse_channels;
}

// The image and the fine pixel of a row.
fn pixel_of(row: u32) -> vec3<u32> {
    let phase = phase_of(part);
    let size = phase_size(phase);
    let first = phase_first(phase);
    let across = row % size.y;
    let down = row / size.y % size.x;
    let stride = vec2(parameters.stride_down, parameters.stride_across);
    return vec3(row / size.y / size.x, first + vec2(down, across) * stride);
}

fn address(row: u32, column: u32) -> u32 {
    let at = pixel_of(row);
    return ((at.x * parameters.fine_height + at.y) * parameters.fine_width + at.z) * parameters.columns + column;
}

// The image, and the coarse pixel that the phase's first tap meets; the image is -1 past the last row.
fn a_line(row: u32) -> vec4<i32> {
    if row >= part_rows() {
        return vec4(-1);
    }
    let at = pixel_of(row);
    let phase = vec2<i32>(phase_of(part));
    let down = i32(at.y + parameters.padding_down) - phase.x;
    let across = i32(at.z + parameters.padding_across) - phase.y;
    // A phase without taps may stand before its first pixel, but then there is no depth to read.
    return vec4(i32(at.x), down / i32(parameters.stride_down), across / i32(parameters.stride_across), 0);
}

// Where a depth's element of the coarse image is, or -1.
fn a_index(line: vec4<i32>, k: u32) -> i32 {
    let taps = phase_taps(phase_of(part));
    let tap = k / parameters.coarse_channels;
    let i = line.y - i32(tap / taps.y);
    let j = line.z - i32(tap % taps.y);
    let size = vec2(i32(parameters.coarse_height), i32(parameters.coarse_width));
    let inside = line.x >= 0 && k < depth_end && i >= 0 && i < size.x && j >= 0 && j < size.y;
    let pixel = (line.x * size.x + i) * size.y + j;
    return select(-1, pixel * i32(parameters.coarse_channels) + i32(k % parameters.coarse_channels), inside);
}

fn b_line(column: u32) -> vec4<i32> {
    return vec4(i32(column), 0, 0, 0);
}

// Where a depth's element of the filter is, or -1.
fn b_index(line: vec4<i32>, k: u32) -> i32 {
    let column = u32(line.x);
    if column >= parameters.columns || k >= depth_end {
        return -1;
    }
    let phase = phase_of(part);
    let taps = phase_taps(phase);
    let tap = k / parameters.coarse_channels;
    let p = phase.x + tap / taps.y * parameters.stride_down;
    let q = phase.y + tap % taps.y * parameters.stride_across;
    let row = (p * parameters.kernel_width + q) * parameters.fine_channels + column;
    return i32(row * parameters.coarse_channels + k % parameters.coarse_channels);
}
