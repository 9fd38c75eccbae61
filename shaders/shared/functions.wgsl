// Functions that WGSL lacks, or has without accuracy near 0 or with overflow far from it.

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
