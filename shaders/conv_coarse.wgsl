// The convolution as a matrix product: a row is a coarse pixel, a column a coarse channel, and the depth runs over the filter's
// taps and the fine channels. `a` is the fine image, read in place; `b` the filter, a matrix already.

fn part_rows() -> u32 {
    return parameters.rows;
}

fn part_depth(number: u32) -> u32 {
    return parameters.depth;
}

fn address(row: u32, column: u32) -> u32 {
    return row * parameters.columns + column;
}

// The image, and the fine pixel that the filter's first tap meets; the image is -1 past the last row.
fn a_line(row: u32) -> vec4<i32> {
    if row >= parameters.rows {
        return vec4(-1);
    }
    let j = row % parameters.coarse_width;
    let i = row / parameters.coarse_width % parameters.coarse_height;
    let n = row / parameters.coarse_width / parameters.coarse_height;
    let top = i32(i * parameters.stride_down) - i32(parameters.padding_down);
    let left = i32(j * parameters.stride_across) - i32(parameters.padding_across);
    return vec4(i32(n), top, left, 0);
}

// Where a depth's element of the fine image is, or -1.
fn a_index(line: vec4<i32>, k: u32) -> i32 {
    let tap = k / parameters.fine_channels;
    let h = line.y + i32(tap / parameters.kernel_width);
    let w = line.z + i32(tap % parameters.kernel_width);
    let size = vec2(i32(parameters.fine_height), i32(parameters.fine_width));
    let inside = line.x >= 0 && k < depth_end && h >= 0 && h < size.x && w >= 0 && w < size.y;
    let pixel = (line.x * size.x + h) * size.y + w;
    return select(-1, pixel * i32(parameters.fine_channels) + i32(k % parameters.fine_channels), inside);
}

fn b_line(column: u32) -> vec4<i32> {
    return vec4(i32(column), 0, 0, 0);
}

fn b_four(line: vec4<i32>, k: u32) -> vec4<f32> {
    let column = u32(line.x);
    if column >= parameters.columns || k >= depth_end {
        return vec4<f32>();
    }
    let index = k * parameters.columns + column;
    let count = parameters.columns - column;
    if B_VECTOR || count >= 4u {
        return b_word(index);
    }
    var word = vec4(b_one(index), 0.0, 0.0, 0.0);
    if count > 1u {
        word.y = b_one(index + 1u);
    }
    if count > 2u {
        word.z = b_one(index + 2u);
    }
    return word;
}
