// The matrix `a` is contiguous across the depth: a block is four words, one a step of the depth.
fn four_a_lines(first: u32) -> vec4<i32> {
    return a_line(first);
}

fn a_block(line: vec4<i32>, k: u32) -> mat4x4<f32> {
    return mat4x4(a_four(line, k), a_four(line, k + 1u), a_four(line, k + 2u), a_four(line, k + 3u));
}
