// Four elements along the depth of an operand `b` that a kernel finds by b_index(line, k), -1 where there is a zero; they lie next to
// each other. A text of its own: some browsers are slow with the branch that is not taken.
fn b_four(line: vec4<i32>, k: u32) -> vec4<f32> {
    let index = b_index(line, k);
    if index < 0 {
        return vec4<f32>();
    }
    return b_word(u32(index));
}
