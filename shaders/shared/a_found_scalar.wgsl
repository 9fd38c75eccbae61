// Four elements along the depth of an operand `a` that a kernel finds by a_index(line, start, k), -1 where there is a zero; one by one.
fn a_element(line: vec4<i32>, start: u32, k: u32) -> f32 {
    let index = a_index(line, start, k);
    return select(0.0, a_one(u32(max(index, 0))), index >= 0);
}

fn a_four(line: vec4<i32>, start: u32, k: u32) -> vec4<f32> {
    return vec4(
        a_element(line, start, k),
        a_element(line, start, k + 1u),
        a_element(line, start, k + 2u),
        a_element(line, start, k + 3u),
    );
}
