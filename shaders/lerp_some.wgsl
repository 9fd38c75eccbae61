// Moves SLOTS targets each by a share towards its source, in place, four elements a thread. The host writes the storages and
// `update(group, lane)`, which moves the one that the workgroup belongs to (`optimise.rs`).

struct Parameters {
    words: vec4<u32>,
    // Behind each target's last workgroup.
    ends: vec4<u32>,
    share: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;

fn moved(x: vec4<f32>, goal: vec4<f32>) -> vec4<f32> {
    return x + parameters.share * (goal - x);
}

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = group_index(group, groups);
    update(index, lane);
}
