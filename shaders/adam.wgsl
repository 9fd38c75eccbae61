// One update of Adam (Kingma & Ba 2015, algorithm 1) in place, four elements a thread, of SLOTS parameters. The host writes the
// storages and `update(group, lane)`, which updates the one that the workgroup belongs to (`optimise.rs`).

struct Slot {
    rate: f32,
    beta1: f32,
    beta2: f32,
    // 1 - beta1 and 1 - beta2, rounded from f64: from beta2 in f32 they would lose four digits.
    share1: f32,
    share2: f32,
    epsilon: f32,
    correction1: f32,
    correction2: f32,
    words: u32,
    // The first of its workgroups.
    first_group: u32,
    padding1: u32,
    padding2: u32,
}

struct Parameters {
    slots: array<Slot, SLOTS>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;

struct State {
    weight: vec4<f32>,
    first: vec4<f32>,
    second: vec4<f32>,
}

fn updated(slot: Slot, state: State, g: vec4<f32>) -> State {
    let m = slot.beta1 * state.first + slot.share1 * g;
    let v = slot.beta2 * state.second + slot.share2 * g * g;
    let root = sqrt(v / slot.correction2);
    return State(state.weight - slot.rate * (m / slot.correction1) / (root + slot.epsilon), m, v);
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
