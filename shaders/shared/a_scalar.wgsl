// The matrix `a` where its contiguous axis is no multiple of four: read one by one.
@group(0) @binding(1) var<storage, read> a: array<f32>;

fn a_word(index: u32) -> vec4<f32> {
    return vec4(a[index], a[index + 1u], a[index + 2u], a[index + 3u]);
}

fn a_one(index: u32) -> f32 {
    return a[index];
}

// The numbers from `index` of which there are `count`, zeros behind.
fn a_some(index: u32, count: u32) -> vec4<f32> {
    if count >= 4u {
        return a_word(index);
    }
    var word = vec4(a_one(index), 0.0, 0.0, 0.0);
    if count > 1u {
        word.y = a_one(index + 1u);
    }
    if count > 2u {
        word.z = a_one(index + 2u);
    }
    return word;
}
