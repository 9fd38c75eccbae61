// One target.
@group(0) @binding(1) var<storage, read> source0: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> target0: array<vec4<f32>>;

fn update(group: u32, lane: u32) {
    if group < parameters.ends[0] {
        let i = group * 256u + lane;
        if i < parameters.words[0] {
            target0[i] = moved(target0[i], source0[i]);
        }
    }
}
