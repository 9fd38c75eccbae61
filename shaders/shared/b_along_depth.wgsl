// The matrix `b` is contiguous along the depth: a block is four words of one column each, transposed.
alias BLines = array<vec4<i32>, 4>;

fn four_b_lines(first: u32) -> BLines {
    return array(b_line(first), b_line(first + 1u), b_line(first + 2u), b_line(first + 3u));
}

fn b_block(lines: BLines, start: u32, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4(
        b_four(lines[0], start, k),
        b_four(lines[1], start, k),
        b_four(lines[2], start, k),
        b_four(lines[3], start, k),
    ));
}
