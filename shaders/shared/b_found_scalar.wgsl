// Four elements along the depth of an operand `b` that a kernel finds by b_index(line, start, k), -1 where there is a zero; one by one.
fn b_element(line: vec4<i32>, start: u32, k: u32) -> f32 {
    let index = b_index(line, start, k);
    return select(0.0, b_one(u32(max(index, 0))), index >= 0);
}

fn b_four(line: vec4<i32>, start: u32, k: u32) -> vec4<f32> {
    return vec4(
        b_element(line, start, k),
        b_element(line, start, k + 1u),
        b_element(line, start, k + 2u),
        b_element(line, start, k + 3u),
    );
}
