// Four targets.
@group(0) @binding(1) var<storage, read> source0: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> source1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> source2: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> source3: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> target0: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> target1: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> target2: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> target3: array<vec4<f32>>;

fn update(group: u32, lane: u32) {
    if group < parameters.ends[0] {
        let i = group * 256u + lane;
        if i < parameters.words[0] {
            target0[i] = moved(target0[i], source0[i]);
        }
    }
    if group >= parameters.ends[0] && group < parameters.ends[1] {
        let i = (group - parameters.ends[0]) * 256u + lane;
        if i < parameters.words[1] {
            target1[i] = moved(target1[i], source1[i]);
        }
    }
    if group >= parameters.ends[1] && group < parameters.ends[2] {
        let i = (group - parameters.ends[1]) * 256u + lane;
        if i < parameters.words[2] {
            target2[i] = moved(target2[i], source2[i]);
        }
    }
    if group >= parameters.ends[2] && group < parameters.ends[3] {
        let i = (group - parameters.ends[2]) * 256u + lane;
        if i < parameters.words[3] {
            target3[i] = moved(target3[i], source3[i]);
        }
    }
}
