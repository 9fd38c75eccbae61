// The mean of ln(1 + e^(sign x)) and its slopes by each x, of as few elements as a batch has scores: one workgroup, whose threads each add
// every 256th element, and then join in a tree, always in the same order.

struct Parameters {
    length: u32,
    sign: f32,
    // One over the length.
    share: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> slopes: array<f32>;

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var total = 0.0;
    for (var i = lane; i < parameters.length; i += 256u) {
        let z = parameters.sign * x[i];
        let e = exp(-abs(z));
        total += max(z, 0.0) + ln_1p(e);
        slopes[i] = parameters.sign * parameters.share * select(e / (1.0 + e), 1.0 / (1.0 + e), z >= 0.0);
        if is_nan(z) {
            total = z;
            slopes[i] = z;
        }
    }
    partial[lane] = total;
    workgroupBarrier();
    for (var step = 128u; step > 0u; step /= 2u) {
        if lane < step {
            partial[lane] += partial[lane + step];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        mean[0] = partial[0] * parameters.share;
    }
}
