// The matrix `b` where its contiguous axis is no multiple of four: read one by one.
@group(0) @binding(2) var<storage, read> b: array<f32>;

fn b_word(index: u32) -> vec4<f32> {
    return vec4(b[index], b[index + 1u], b[index + 2u], b[index + 3u]);
}

fn b_one(index: u32) -> f32 {
    return b[index];
}

// The numbers from `index` of which there are `count`, zeros behind.
fn b_some(index: u32, count: u32) -> vec4<f32> {
    if count >= 4u {
        return b_word(index);
    }
    var word = vec4(b_one(index), 0.0, 0.0, 0.0);
    if count > 1u {
        word.y = b_one(index + 1u);
    }
    if count > 2u {
        word.z = b_one(index + 2u);
    }
    return word;
}
