// The matrix `a` is contiguous along the depth: a block is four words of one row each, transposed.
fn four_a_lines(first: u32) -> array<vec4<i32>, 4> {
    return array(a_line(first), a_line(first + 1u), a_line(first + 2u), a_line(first + 3u));
}

fn a_block(lines: array<vec4<i32>, 4>, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4(a_four(lines[0], k), a_four(lines[1], k), a_four(lines[2], k), a_four(lines[3], k)));
}
