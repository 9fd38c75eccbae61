// The matrix `a` where its contiguous axis is a multiple of four: read in words of four.
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;

fn a_word(index: u32) -> vec4<f32> {
    return a[index / 4u];
}

fn a_one(index: u32) -> f32 {
    return a[index / 4u][index % 4u];
}

// The numbers from `index` of which there are `count`, four or more.
fn a_some(index: u32, count: u32) -> vec4<f32> {
    return a_word(index);
}
