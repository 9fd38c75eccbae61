// The matrix `b` where its contiguous axis is no multiple of four: read one by one.
@group(0) @binding(2) var<storage, read> b: array<f32>;

fn b_word(index: u32) -> vec4<f32> {
    return vec4(b[index], b[index + 1u], b[index + 2u], b[index + 3u]);
}

fn b_one(index: u32) -> f32 {
    return b[index];
}
