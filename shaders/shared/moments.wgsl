// Count, mean and sum of squared deviations of a set, joined by the formula of Chan, Golub and LeVeque (1979).

struct Moments {
    count: f32,
    mean: f32,
    square: f32,
}

fn merge(a: Moments, b: Moments) -> Moments {
    if b.count == 0.0 {
        return a;
    }
    let count = a.count + b.count;
    let difference = b.mean - a.mean;
    let share = b.count / count;
    return Moments(count, a.mean + difference * share, a.square + b.square + difference * difference * a.count * share);
}

const ROWS = 256u / LANES;

var<workgroup> moments: array<Moments, 256>;

// Joins the moments of the threads of one channel, LANES apart, in a tree.
fn merge_rows(lane: u32, own: Moments) -> Moments {
    moments[lane] = own;
    workgroupBarrier();
    for (var step = ROWS / 2u; step > 0u; step /= 2u) {
        if lane / LANES < step {
            moments[lane] = merge(moments[lane], moments[lane + step * LANES]);
        }
        workgroupBarrier();
    }
    return moments[lane];
}
