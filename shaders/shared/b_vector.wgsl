// The matrix `b` where its contiguous axis is a multiple of four: read in words of four.
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

fn b_word(index: u32) -> vec4<f32> {
    return b[index / 4u];
}

fn b_one(index: u32) -> f32 {
    return b[index / 4u][index % 4u];
}

// The numbers from `index` of which there are `count`, four or more.
fn b_some(index: u32, count: u32) -> vec4<f32> {
    return b_word(index);
}
