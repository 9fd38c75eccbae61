// Two parameters, one after the other.
@group(0) @binding(1) var<storage, read> gradient0: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradient1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> weight0: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> first0: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> second0: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> weight1: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> first1: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> second1: array<vec4<f32>>;

fn update(group: u32, lane: u32) {
    if group < parameters.slots[1].first_group {
        let slot = parameters.slots[0];
        let i = (group - slot.first_group) * 256u + lane;
        if i < slot.words {
            let state = updated(slot, State(weight0[i], first0[i], second0[i]), gradient0[i]);
            weight0[i] = state.weight;
            first0[i] = state.first;
            second0[i] = state.second;
        }
    } else {
        let slot = parameters.slots[1];
        let i = (group - slot.first_group) * 256u + lane;
        if i < slot.words {
            let state = updated(slot, State(weight1[i], first1[i], second1[i]), gradient1[i]);
            weight1[i] = state.weight;
            first1[i] = state.first;
            second1[i] = state.second;
        }
    }
}
