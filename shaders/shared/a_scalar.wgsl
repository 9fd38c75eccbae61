// The matrix `a` where its contiguous axis is no multiple of four: read one by one.
@group(0) @binding(1) var<storage, read> a: array<f32>;

fn a_word(index: u32) -> vec4<f32> {
    return vec4(a[index], a[index + 1u], a[index + 2u], a[index + 3u]);
}

fn a_one(index: u32) -> f32 {
    return a[index];
}
