// The matrix `b` is contiguous across the depth: a block is four words, one a step of the depth.
alias BLines = vec4<i32>;

fn four_b_lines(first: u32) -> BLines {
    return b_line(first);
}

fn b_block(line: BLines, start: u32, k: u32) -> mat4x4<f32> {
    return mat4x4(
        b_four(line, start, k),
        b_four(line, start, k + 1u),
        b_four(line, start, k + 2u),
        b_four(line, start, k + 3u),
    );
}
