// The output where its rows are no multiple of four: written one by one.
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn write(index: u32, count: u32, value: vec4<f32>) {
    out[index] = value.x;
    if count > 1u {
        out[index + 1u] = value.y;
    }
    if count > 2u {
        out[index + 2u] = value.z;
    }
    if count > 3u {
        out[index + 3u] = value.w;
    }
}
