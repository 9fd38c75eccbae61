// The matrix `a` is contiguous along the depth: a block is four words of one row each, transposed.
alias ALines = array<vec4<i32>, 4>;

fn four_a_lines(first: u32) -> ALines {
    return array(a_line(first), a_line(first + 1u), a_line(first + 2u), a_line(first + 3u));
}

fn a_block(lines: ALines, start: u32, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4(
        a_four(lines[0], start, k),
        a_four(lines[1], start, k),
        a_four(lines[2], start, k),
        a_four(lines[3], start, k),
    ));
}
