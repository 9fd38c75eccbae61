// The operand `b` is a matrix of `columns` columns, contiguous along them, whose rows are the depth.
fn b_line(column: u32) -> vec4<i32> {
    return vec4(i32(column), 0, 0, 0);
}

fn b_four(line: vec4<i32>, start: u32, k: u32) -> vec4<f32> {
    let column = u32(line.x);
    let inside = within_columns(column) && within_depth(start + k);
    let index = (b_before() + start + k) * parameters.columns + column;
    if B_VECTOR {
        return select(vec4<f32>(), b_word(select(0u, index, inside)), inside);
    }
    if !inside {
        return vec4<f32>();
    }
    return b_some(index, parameters.columns - column);
}
