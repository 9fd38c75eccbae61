// The transposed convolution as matrix products, one a phase: a row is a fine pixel of the phase, a column a fine channel, and
// the depth runs over the phase's taps and the coarse channels. `a` is the coarse image, `b` the filter.

// Above every image, however far a tap reaches up.
const OUTSIDE = -0x40000000;

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
    // A phase without pixels has no rows, and none of it is written: but nothing may be divided by 0.
    let size = max(phase_size(phase), vec2(1u));
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

// Where the phase's first tap would find the coarse image's first channel, and that pixel, down and across; outside past the last row.
fn a_line(row: u32) -> vec4<i32> {
    let at = pixel_of(row);
    let phase = vec2<i32>(phase_of(part));
    // A phase without taps may stand before its first pixel, but then there is no depth to read.
    let i = (i32(at.y + parameters.padding_down) - phase.x) / i32(parameters.stride_down);
    let j = (i32(at.z + parameters.padding_across) - phase.y) / i32(parameters.stride_across);
    let pixel = (i32(at.x * parameters.coarse_height) + i) * i32(parameters.coarse_width) + j;
    let inside = EXACT_ROWS || row < part_rows();
    return vec4(pixel * i32(parameters.coarse_channels), select(OUTSIDE, i, inside), j, 0);
}

// Where a depth's element of the coarse image is, or -1.
fn a_index(line: vec4<i32>, start: u32, k: u32) -> i32 {
    let at = tap_at(start, k, parameters.coarse_channels);
    let across = phase_taps(phase_of(part)).y;
    let p = i32(at.x / across);
    let q = i32(at.x % across);
    let before = (p * i32(parameters.coarse_width) + q) * i32(parameters.coarse_channels) - i32(at.y);
    // A negative number is a large one without a sign.
    let inside = u32(line.y - p) < parameters.coarse_height && u32(line.z - q) < parameters.coarse_width;
    return select(-1, line.x - before, inside && within_depth(start + k));
}

fn b_line(column: u32) -> vec4<i32> {
    return vec4(i32(column), 0, 0, 0);
}

// Where a depth's element of the filter is, or -1.
fn b_index(line: vec4<i32>, start: u32, k: u32) -> i32 {
    let at = tap_at(start, k, parameters.coarse_channels);
    let phase = phase_of(part);
    let across = phase_taps(phase).y;
    let p = phase.x + at.x / across * parameters.stride_down;
    let q = phase.y + at.x % across * parameters.stride_across;
    let column = u32(line.x);
    let first = (p * parameters.kernel_width + q) * parameters.fine_channels;
    let index = (first + column) * parameters.coarse_channels + at.y;
    return select(-1, i32(index), within_columns(column) && within_depth(start + k));
}
