// Products of matrices, each optionally stored transposed; a part is one of the batch.

fn part_rows() -> u32 {
    return parameters.rows;
}

fn part_depth(number: u32) -> u32 {
    return parameters.depth;
}

fn address(row: u32, column: u32) -> u32 {
    return (part * parameters.rows + row) * parameters.columns + column;
}

fn a_line(row: u32) -> vec4<i32> {
    return vec4(i32(row), 0, 0, 0);
}

fn b_line(column: u32) -> vec4<i32> {
    return vec4(i32(column), 0, 0, 0);
}

// The numbers from `index` of `count`, zeros behind.
fn a_some(index: u32, count: u32) -> vec4<f32> {
    var word = vec4(a_one(index), 0.0, 0.0, 0.0);
    if count > 1u {
        word.y = a_one(index + 1u);
    }
    if count > 2u {
        word.z = a_one(index + 2u);
    }
    return word;
}

fn b_some(index: u32, count: u32) -> vec4<f32> {
    var word = vec4(b_one(index), 0.0, 0.0, 0.0);
    if count > 1u {
        word.y = b_one(index + 1u);
    }
    if count > 2u {
        word.z = b_one(index + 2u);
    }
    return word;
}

fn a_four(line: vec4<i32>, k: u32) -> vec4<f32> {
    let row = u32(line.x);
    if row >= parameters.rows || k >= depth_end {
        return vec4<f32>();
    }
    let matrix = part * parameters.rows * parameters.depth;
    let index = matrix + select(row * parameters.depth + k, k * parameters.rows + row, !A_ALONG_DEPTH);
    let count = select(depth_end - k, parameters.rows - row, !A_ALONG_DEPTH);
    if A_VECTOR || count >= 4u {
        return a_word(index);
    }
    return a_some(index, count);
}

fn b_four(line: vec4<i32>, k: u32) -> vec4<f32> {
    let column = u32(line.x);
    if column >= parameters.columns || k >= depth_end {
        return vec4<f32>();
    }
    let matrix = part * parameters.depth * parameters.columns;
    let index = matrix + select(column * parameters.depth + k, k * parameters.columns + column, !B_ALONG_DEPTH);
    let count = select(depth_end - k, parameters.columns - column, !B_ALONG_DEPTH);
    if B_VECTOR || count >= 4u {
        return b_word(index);
    }
    return b_some(index, count);
}
