// The filter gradient as a matrix product: a row is a tap and a fine channel, a column a coarse channel, and the depth runs over
// the coarse pixels of all images. `a` is the fine image, `b` the coarse image, a matrix already.

fn part_rows() -> u32 {
    return parameters.rows;
}

fn part_depth(number: u32) -> u32 {
    return parameters.depth;
}

fn address(row: u32, column: u32) -> u32 {
    return row * parameters.columns + column;
}

// A row's tap, down and across, less the padding, and its channel.
fn tap_of(row: u32) -> vec3<i32> {
    let tap = row / parameters.fine_channels;
    let down = i32(tap / parameters.kernel_width) - i32(parameters.padding_down);
    let across = i32(tap % parameters.kernel_width) - i32(parameters.padding_across);
    return vec3(down, across, i32(row % parameters.fine_channels));
}

fn a_line(row: u32) -> vec4<i32> {
    return vec4(tap_of(row), i32(row));
}

// Where a row's element of the fine image is for a coarse pixel, or -1.
fn a_index(tap: vec3<i32>, pixel: vec3<u32>) -> i32 {
    let h = i32(pixel.y * parameters.stride_down) + tap.x;
    let w = i32(pixel.z * parameters.stride_across) + tap.y;
    let size = vec2(i32(parameters.fine_height), i32(parameters.fine_width));
    let inside = h >= 0 && h < size.x && w >= 0 && w < size.y;
    let at = (i32(pixel.x) * size.x + h) * size.y + w;
    return select(-1, at * i32(parameters.fine_channels) + tap.z, inside);
}

fn a_at(row: u32, pixel: vec3<u32>) -> f32 {
    if row >= parameters.rows {
        return 0.0;
    }
    let index = a_index(tap_of(row), pixel);
    if index < 0 {
        return 0.0;
    }
    return a_one(u32(index));
}

fn a_four(line: vec4<i32>, k: u32) -> vec4<f32> {
    let row = u32(line.w);
    if row >= parameters.rows || k >= depth_end {
        return vec4<f32>();
    }
    let j = k % parameters.coarse_width;
    let i = k / parameters.coarse_width % parameters.coarse_height;
    let pixel = vec3(k / parameters.coarse_width / parameters.coarse_height, i, j);
    if A_VECTOR {
        let index = a_index(line.xyz, pixel);
        if index < 0 {
            return vec4<f32>();
        }
        return a_word(u32(index));
    }
    return vec4(a_at(row, pixel), a_at(row + 1u, pixel), a_at(row + 2u, pixel), a_at(row + 3u, pixel));
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
