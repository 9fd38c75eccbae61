// The matrix `a` is contiguous across the depth: a block is four words, one a step of the depth.
alias ALines = vec4<i32>;

fn four_a_lines(first: u32) -> ALines {
    return a_line(first);
}

fn a_block(line: ALines, start: u32, k: u32) -> mat4x4<f32> {
    return mat4x4(
        a_four(line, start, k),
        a_four(line, start, k + 1u),
        a_four(line, start, k + 2u),
        a_four(line, start, k + 3u),
    );
}
