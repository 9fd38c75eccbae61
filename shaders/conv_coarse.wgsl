// The convolution as a matrix product: a row is a coarse pixel, a column a coarse channel, and the depth runs over the filter's
// taps and the fine channels. `a` is the fine image, read in place; `b` the filter, a matrix already.

// Above every image, however far a tap reaches down.
const OUTSIDE = -0x40000000;

fn part_rows() -> u32 {
    return parameters.rows;
}

fn part_depth(number: u32) -> u32 {
    return parameters.depth;
}

fn b_before() -> u32 {
    return 0u;
}

fn address(row: u32, column: u32) -> u32 {
    return row * parameters.columns + column;
}

// Where the filter's first tap would find the fine image's first channel, and that pixel, down and across; outside past the last row.
fn a_line(row: u32) -> vec4<i32> {
    let j = row % parameters.coarse_width;
    let i = row / parameters.coarse_width % parameters.coarse_height;
    let n = row / parameters.coarse_width / parameters.coarse_height;
    let top = i32(i * parameters.stride_down) - i32(parameters.padding_down);
    let left = i32(j * parameters.stride_across) - i32(parameters.padding_across);
    let pixel = (i32(n * parameters.fine_height) + top) * i32(parameters.fine_width) + left;
    let inside = EXACT_ROWS || row < parameters.rows;
    return vec4(pixel * i32(parameters.fine_channels), select(OUTSIDE, top, inside), left, 0);
}

// Where a depth's element of the fine image is, or -1.
fn a_index(line: vec4<i32>, start: u32, k: u32) -> i32 {
    let at = tap_at(start, k, parameters.fine_channels);
    let p = i32(at.x / parameters.kernel_width);
    let q = i32(at.x % parameters.kernel_width);
    let beyond = (p * i32(parameters.fine_width) + q) * i32(parameters.fine_channels) + i32(at.y);
    // A negative number is a large one without a sign.
    let inside = u32(line.y + p) < parameters.fine_height && u32(line.z + q) < parameters.fine_width;
    return select(-1, line.x + beyond, inside && within_depth(start + k));
}
