// Four elements along the depth of an operand `a` that a kernel finds by a_index(line, k), -1 where there is a zero; one by one.
fn a_at(line: vec4<i32>, k: u32) -> f32 {
    let index = a_index(line, k);
    if index < 0 {
        return 0.0;
    }
    return a_one(u32(index));
}

fn a_four(line: vec4<i32>, k: u32) -> vec4<f32> {
    return vec4(a_at(line, k), a_at(line, k + 1u), a_at(line, k + 2u), a_at(line, k + 3u));
}
