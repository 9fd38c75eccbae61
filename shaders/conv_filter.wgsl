// The filter gradient as a matrix product: a row is a tap and a fine channel, a column a coarse channel, and the depth runs over
// the coarse pixels of all images. `a` is the fine image, `b` the coarse image, a matrix already.

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

// A row's tap, down and across, less the padding, its channel, and the row.
fn a_line(row: u32) -> vec4<i32> {
    let tap = row / parameters.fine_channels;
    let down = i32(tap / parameters.kernel_width) - i32(parameters.padding_down);
    let across = i32(tap % parameters.kernel_width) - i32(parameters.padding_across);
    return vec4(down, across, i32(row % parameters.fine_channels), i32(row));
}

// Where a row's element of the fine image is for a coarse pixel, or -1.
fn a_index(line: vec4<i32>, k: u32) -> i32 {
    let j = k % parameters.coarse_width;
    let i = k / parameters.coarse_width % parameters.coarse_height;
    let n = k / parameters.coarse_width / parameters.coarse_height;
    let h = i32(i * parameters.stride_down) + line.x;
    let w = i32(j * parameters.stride_across) + line.y;
    // A negative number is a large one without a sign.
    let inside = u32(h) < parameters.fine_height && u32(w) < parameters.fine_width
        && (EXACT_ROWS || u32(line.w) < parameters.rows) && within_depth(k);
    let pixel = (i32(n * parameters.fine_height) + h) * i32(parameters.fine_width) + w;
    return select(-1, pixel * i32(parameters.fine_channels) + line.z, inside);
}

fn a_element(row: u32, k: u32) -> f32 {
    let index = a_index(a_line(row), k);
    return select(0.0, a_one(u32(max(index, 0))), index >= 0);
}

fn a_four(line: vec4<i32>, start: u32, k: u32) -> vec4<f32> {
    if A_VECTOR {
        let index = a_index(line, start + k);
        return select(vec4<f32>(), a_word(u32(max(index, 0))), index >= 0);
    }
    let row = u32(line.w);
    return vec4(a_element(row, start + k), a_element(row + 1u, start + k), a_element(row + 2u, start + k), a_element(row + 3u, start + k));
}
