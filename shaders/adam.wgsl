// One update of Adam (Kingma & Ba 2015, algorithm 1) in place, four elements a thread.

struct Parameters {
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
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> second: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = group_index(group, groups) * 256u + lane;
    if i >= parameters.words {
        return;
    }
    let g = gradient[i];
    let m = parameters.beta1 * first[i] + parameters.share1 * g;
    let v = parameters.beta2 * second[i] + parameters.share2 * g * g;
    first[i] = m;
    second[i] = v;
    let root = sqrt(v / parameters.correction2);
    weight[i] -= parameters.rate * (m / parameters.correction1) / (root + parameters.epsilon);
}
