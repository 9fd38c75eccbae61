// The output where its rows are a multiple of four: written in words of four.
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

fn write(index: u32, count: u32, value: vec4<f32>) {
    out[index / 4u] = value;
}
