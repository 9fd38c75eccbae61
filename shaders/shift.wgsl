// Images moved down and across, each by its own number of pixels; zeros move in.

struct Parameters {
    // Of the first image's first element.
    start: u32,
    length: u32,
    height: i32,
    width: i32,
    channels: u32,
    // Down and across, of two images a word.
    by: array<vec4<i32>, LIST>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = group_index(group, groups) * 256u + lane;
    if i < parameters.length {
        let pixel = i32(i / parameters.channels);
        let image = pixel / (parameters.height * parameters.width);
        let pair = parameters.by[image / 2];
        let moved = select(pair.xy, pair.zw, image % 2 == 1);
        let place = vec2<i32>(pixel / parameters.width % parameters.height, pixel % parameters.width) - moved;
        let is_inside = all(place >= vec2<i32>(0)) && all(place < vec2<i32>(parameters.height, parameters.width));
        let back = (moved.x * parameters.width + moved.y) * i32(parameters.channels);
        let i_in = i32(parameters.start + i);
        let element = x[select(i_in, i_in - back, is_inside)];
        out[i_in] = select(0.0, element, is_inside);
    }
}
