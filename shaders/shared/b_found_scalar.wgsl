// Four elements along the depth of an operand `b` that a kernel finds by b_index(line, k), -1 where there is a zero; one by one.
fn b_at(line: vec4<i32>, k: u32) -> f32 {
    let index = b_index(line, k);
    if index < 0 {
        return 0.0;
    }
    return b_one(u32(index));
}

fn b_four(line: vec4<i32>, k: u32) -> vec4<f32> {
    return vec4(b_at(line, k), b_at(line, k + 1u), b_at(line, k + 2u), b_at(line, k + 3u));
}
