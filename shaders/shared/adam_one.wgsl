// One parameter.
@group(0) @binding(1) var<storage, read> gradient0: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> weight0: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> first0: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> second0: array<vec4<f32>>;

fn update(group: u32, lane: u32) {
    let slot = parameters.slots[0];
    let i = (group - slot.first_group) * 256u + lane;
    if i < slot.words {
        let state = updated(slot, State(weight0[i], first0[i], second0[i]), gradient0[i]);
        weight0[i] = state.weight;
        first0[i] = state.first;
        second0[i] = state.second;
    }
}
