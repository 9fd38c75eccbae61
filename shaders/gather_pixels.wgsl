// Images by index from their bytes, as what the bytes stand for: one of the 256 values that the storage begins with.

struct Parameters {
    // Of the first image's first element.
    start: u32,
    length: u32,
    // Of an image.
    pixels: u32,
    // Four a word.
    images: array<vec4<u32>, LIST>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> kept: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = group_index(group, groups) * 256u + lane;
    if i < parameters.length {
        let listed = i / parameters.pixels;
        let image = parameters.images[listed / 4u][listed % 4u];
        let place = image * parameters.pixels + i % parameters.pixels;
        let byte = extractBits(kept[256u + place / 4u], 8u * (place % 4u), 8u);
        out[parameters.start + i] = bitcast<f32>(kept[byte]);
    }
}
