// The matrix `b` is contiguous across the depth: a block is four words, one a step of the depth.
fn four_b_lines(first: u32) -> vec4<i32> {
    return b_line(first);
}

fn b_block(line: vec4<i32>, k: u32) -> mat4x4<f32> {
    return mat4x4(b_four(line, k), b_four(line, k + 1u), b_four(line, k + 2u), b_four(line, k + 3u));
}
