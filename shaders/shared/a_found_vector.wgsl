// Four elements along the depth of an operand `a` that a kernel finds by a_index(line, start, k), -1 where there is a zero; they lie
// next to each other. A text of its own: some browsers are slow with the branch that is not taken. The load stands in no branch, so that
// others go on while it is on its way.
fn a_four(line: vec4<i32>, start: u32, k: u32) -> vec4<f32> {
    let index = a_index(line, start, k);
    return select(vec4<f32>(), a_word(u32(max(index, 0))), index >= 0);
}
