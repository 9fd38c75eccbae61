// Functions that WGSL lacks, or has without accuracy near 0 or with overflow far from it.

// Whether x is not a number, by its bits: a compiler may take x != x for false.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// The hyperbolic tangent: near 0 the polynomial of Cephes' tanhf (Moshier), elsewhere from the exponential that does not overflow.
fn tanh_stable(x: f32) -> f32 {
    let z = x * x;
    let series = ((((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z
        - 3.33332819422e-1) * z * x + x;
    let e = exp(-2.0 * abs(x));
    let far = (1.0 - e) / (1.0 + e);
    return select(select(far, -far, x < 0.0), series, abs(x) < 0.625);
}

// ln(1 + y) for 0 <= y <= 1, as 2 artanh(y / (2 + y)), whose argument is at most a third: nothing cancels, so no compiler
// can lose the digits of a small y.
fn ln_1p(y: f32) -> f32 {
    let s = y / (2.0 + y);
    let z = s * s;
    let series = ((((((z / 15.0 + 1.0 / 13.0) * z + 1.0 / 11.0) * z + 1.0 / 9.0) * z + 1.0 / 7.0) * z + 1.0 / 5.0) * z
        + 1.0 / 3.0) * z + 1.0;
    return 2.0 * s * series;
}

// x to a whole power, by repeated squaring.
fn powi(x: f32, exponent: f32) -> f32 {
    var rest = u32(abs(exponent));
    var square = x;
    var product = 1.0;
    while rest > 0u {
        if (rest & 1u) == 1u {
            product *= square;
        }
        square *= square;
        rest >>= 1u;
    }
    return select(product, 1.0 / product, exponent < 0.0);
}

// x to a power. Of a negative x only whole powers are numbers; `pow` knows none of them.
fn power(x: f32, exponent: f32) -> f32 {
    if exponent == 0.0 || x == 1.0 {
        return 1.0;
    }
    if x == 0.0 {
        return select(1.0 / abs(x), 0.0, exponent > 0.0);
    }
    let size = pow(abs(x), exponent);
    if x > 0.0 || is_nan(x) {
        return select(size, x, is_nan(x));
    }
    let half = 0.5 * exponent;
    let signed = select(size, -size, floor(half) != half);
    // Made of a value, since no constant may be not a number.
    return bitcast<f32>(select(0x7fc00000u, bitcast<u32>(signed), floor(exponent) == exponent));
}

// x less a multiple of pi / 2, within pi / 4 of 0, and which multiple. The subtrahend comes in three parts (Cody & Waite 1980),
// the first two with so few digits that their multiples are exact up to |x| of about 8,000.
fn quarter_turns(x: f32) -> vec2<f32> {
    let turns = round(x * 0.63661977);
    return vec2(((x - turns * 1.5703125) - turns * 4.837512969970703e-4) - turns * 7.54978995489188e-8, turns);
}

// Sine and cosine between -pi / 4 and pi / 4: the polynomials of Cephes' sinf (Moshier).
fn small_sine(x: f32) -> f32 {
    let z = x * x;
    return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x;
}

fn small_cosine(x: f32) -> f32 {
    let z = x * x;
    return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
}

// WGSL's own sine may be off by 2^-11.
fn sine_after(rest: f32, turns: i32) -> f32 {
    let value = select(small_sine(rest), small_cosine(rest), (turns & 1) == 1);
    return select(value, -value, (turns & 2) == 2);
}

fn sine(x: f32) -> f32 {
    let reduced = quarter_turns(x);
    return sine_after(reduced.x, i32(reduced.y));
}

fn cosine(x: f32) -> f32 {
    let reduced = quarter_turns(x);
    return sine_after(reduced.x, i32(reduced.y) + 1);
}

// The error function: up to 1 its Taylor series, beyond 1 less the complement by the polynomial of Press et al. 1992 (`erfcc`),
// which is exact to 1.2e-7 of itself.
fn error_function(x: f32) -> f32 {
    let z = x * x;
    // 1 less the sum over n of (-z)^n / (n! (2 n + 1)), from the last term on.
    var rest = 0.0;
    for (var n = 11; n > 0; n -= 1) {
        rest = (1.0 / f32(2 * n + 1) - rest) * z / f32(n);
    }
    let near = 1.1283792 * x * (1.0 - rest);
    let t = 1.0 / (1.0 + 0.5 * abs(x));
    let polynomial = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
        + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
    let far = 1.0 - t * exp(polynomial - z);
    return select(select(far, -far, x < 0.0), near, z < 1.0);
}
