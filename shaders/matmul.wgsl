// Products of matrices, each optionally stored transposed; a part is one of the batch.

fn part_rows() -> u32 {
    return parameters.rows;
}

fn part_depth(number: u32) -> u32 {
    return parameters.depth;
}

// Rows of `b` before this part's.
fn b_before() -> u32 {
    return part * parameters.depth;
}

fn address(row: u32, column: u32) -> u32 {
    return (part * parameters.rows + row) * parameters.columns + column;
}

fn a_line(row: u32) -> vec4<i32> {
    return vec4(i32(row), 0, 0, 0);
}

fn a_four(line: vec4<i32>, start: u32, offset: u32) -> vec4<f32> {
    let row = u32(line.x);
    let k = start + offset;
    let inside = (EXACT_ROWS || row < parameters.rows) && within_depth(k);
    let matrix = part * parameters.rows * parameters.depth;
    let index = matrix + select(k * parameters.rows + row, row * parameters.depth + k, A_ALONG_DEPTH);
    if A_VECTOR {
        return select(vec4<f32>(), a_word(select(0u, index, inside)), inside);
    }
    if !inside {
        return vec4<f32>();
    }
    return a_some(index, select(parameters.rows - row, depth_end - k, A_ALONG_DEPTH));
}
