//! The table of elementwise functions: one row each, with its name, its expression for f64 and f32, and
//! the same expression in WGSL.
//!
//! The Rust expression is compiled twice, with `T` as f64 and as f32.

/// Declares an enum of functions of `$x` (and `$y`) and the loops over slices that apply them.
macro_rules! table {
    (
        $(#[$doc:meta])* $family:ident($($argument:ident),+), $map_f64:ident, $map_f32:ident;
        $( $(#[$row_doc:meta])* $row:ident $({ $($field:ident: $kind:ty),+ })? = $name:literal, $rust:expr, $wgsl:literal; )+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum $family {
            $( $(#[$row_doc])* $row $({
                $(#[doc = concat!("The function's `", stringify!($field), "`.")] $field: $kind),+
            })?, )+
        }

        impl $family {
            /// Every function, its parameters 0.
            pub fn all() -> Vec<$family> {
                vec![$( $family::$row $({ $($field: Default::default()),+ })?, )+]
            }

            /// The function's name.
            pub fn name(self) -> &'static str {
                match self { $( $family::$row $({ $($field: _),+ })? => $name, )+ }
            }

            /// The function as a WGSL expression of its arguments, its parameters bound by name.
            pub fn wgsl(self) -> &'static str {
                match self { $( $family::$row $({ $($field: _),+ })? => $wgsl, )+ }
            }

            /// The function's parameters with their names, for shaders.
            pub fn parameters(self) -> Vec<(&'static str, f64)> {
                match self { $( $family::$row $({ $($field),+ })? => vec![$($((stringify!($field), f64::from($field))),+)?], )+ }
            }

            table!(@map $map_f64, f64, $family($($argument),+), $($row $({ $($field),+ })? = $rust;)+);
            table!(@map $map_f32, f32, $family($($argument),+), $($row $({ $($field),+ })? = $rust;)+);
        }
    };
    (@map $map:ident, $type:ident, $family:ident($x:ident), $($row:ident $({ $($field:ident),+ })? = $rust:expr;)+) => {
        #[doc = concat!("Writes the function of each of `x` to `out`, in ", stringify!($type), ".")]
        #[inline(always)]
        pub fn $map(self, x: &[$type], out: &mut [$type]) {
            type T = $type;
            match self { $(
                $family::$row $({ $($field),+ })? => for (out, &$x) in out.iter_mut().zip(x) { *out = $rust; },
            )+ }
        }
    };
    (@map $map:ident, $type:ident, $family:ident($x:ident, $y:ident), $($row:ident $({ $($field:ident),+ })? = $rust:expr;)+) => {
        #[doc = concat!("Writes the function of each pair to `out`, in ", stringify!($type),
            ". An operand of length 1 stands for that value throughout.")]
        #[inline(always)]
        pub fn $map(self, x: &[$type], y: &[$type], out: &mut [$type]) {
            type T = $type;
            match self { $(
                $family::$row $({ $($field),+ })? => match (x, y) {
                    (&[$x], &[$y]) => out.fill($rust),
                    (&[$x], y) => for (out, &$y) in out.iter_mut().zip(y) { *out = $rust; },
                    (x, &[$y]) => for (out, &$x) in out.iter_mut().zip(x) { *out = $rust; },
                    (x, y) => for (out, (&$x, &$y)) in out.iter_mut().zip(x.iter().zip(y)) { *out = $rust; },
                },
            )+ }
        }
    };
}

/// The error function, in both precisions.
trait Erf {
    fn erf(self) -> Self;
}

impl Erf for f32 {
    fn erf(self) -> f32 {
        libm::erff(self)
    }
}

impl Erf for f64 {
    fn erf(self) -> f64 {
        libm::erf(self)
    }
}

table! {
    /// A function of one element.
    Unary(x), map_f64, map_f32;
    /// `-x`
    Neg = "neg", -x, "-x";
    /// `scale x + shift`
    Affine { scale: f64, shift: f64 } = "affine", x * (scale as T) + (shift as T), "x * scale + shift";
    /// `e^x`
    Exp = "exp", x.exp(), "exp(x)";
    /// The natural logarithm.
    Ln = "ln", x.ln(), "log(x)";
    /// The square root.
    Sqrt = "sqrt", x.sqrt(), "sqrt(x)";
    /// `1 / sqrt(x)`
    Rsqrt = "rsqrt", 1.0 / x.sqrt(), "inverseSqrt(x)";
    /// `|x|`
    Abs = "abs", x.abs(), "abs(x)";
    /// The hyperbolic tangent.
    Tanh = "tanh", x.tanh(), "tanh_stable(x)";
    /// `1 / (1 + e^-x)`, from the side that does not overflow.
    Sigmoid = "sigmoid", {
        let e = (-x.abs()).exp();
        if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
    }, "select(1.0, exp(-abs(x)), x < 0.0) / (1.0 + exp(-abs(x)))";
    /// `ln(1 + e^x)` as `max(x, 0) + ln(1 + e^-|x|)`.
    Softplus = "softplus", x.max(0.0) + (-x.abs()).exp().ln_1p(), "max(x, 0.0) + ln_1p(exp(-abs(x)))";
    /// `max(x, 0)`; what is not a number stays so.
    Relu = "relu", if x < 0.0 { 0.0 } else { x }, "select(select(x, 0.0, x < 0.0), x, is_nan(x))";
    /// `x` where positive, else `slope x`.
    LeakyRelu { slope: f64 } = "leaky_relu", if x > 0.0 { x } else { x * (slope as T) }, "select(x * slope, x, x > 0.0)";
    /// 1 where `x > 0`, else 0.
    Step = "step", if x > 0.0 { 1.0 } else { 0.0 }, "select(0.0, 1.0, x > 0.0)";
    /// `x` to a whole power.
    Powi { exponent: i32 } = "powi", x.powi(exponent), "powi(x, exponent)";
    /// `x` held between two bounds.
    Clamp { low: f64, high: f64 } = "clamp", x.clamp(low as T, high as T), "select(select(select(x, low, x < low), high, x > high), x, is_nan(x))";
    /// The sine of radians.
    Sin = "sin", x.sin(), "sine(x)";
    /// The cosine of radians.
    Cos = "cos", x.cos(), "cosine(x)";
    /// The error function, `2 / sqrt(pi)` times the integral of `e^(-t t)` from 0 to `x`.
    Erf = "erf", Erf::erf(x), "error_function(x)";
    /// `x` to a power that is no whole number; not a number where `x` is negative.
    Powf { exponent: f64 } = "powf", x.powf(exponent as T), "power(x, exponent)";
    /// 1 where positive, -1 where negative, else 0.
    Sign = "sign", T::from(i8::from(x > 0.0) - i8::from(x < 0.0)), "select(0.0, 1.0, x > 0.0) - select(0.0, 1.0, x < 0.0)";
    /// The nearest whole number; of two that are as near, the even one.
    Round = "round", x.round_ties_even(), "round(x)";
    /// The largest whole number that is not above `x`.
    Floor = "floor", x.floor(), "floor(x)";
}

table! {
    /// A function of two elements.
    Binary(x, y), map_f64, map_f32;
    /// `x + y`
    Add = "add", x + y, "x + y";
    /// `x - y`
    Sub = "sub", x - y, "x - y";
    /// `x y`
    Mul = "mul", x * y, "x * y";
    /// `x / y`
    Div = "div", x / y, "x / y";
    /// The larger of both; not a number where either is none.
    Maximum = "maximum", if x > y || x.is_nan() { x } else { y }, "select(y, x, x > y || is_nan(x))";
    /// The smaller of both; not a number where either is none.
    Minimum = "minimum", if x < y || x.is_nan() { x } else { y }, "select(y, x, x < y || is_nan(x))";
    /// `x` to the power `y`; not a number where `x` is negative and `y` not whole.
    Pow = "pow", x.powf(y), "power(x, y)";
    /// `x` where `y` is not zero, else 0: ReLU's cotangent by its output, and one half of `where`.
    Gate = "gate", if y != 0.0 { x } else { 0.0 }, "select(x, 0.0, y == 0.0)";
    /// `x` where `y` is zero, else 0: the other half of `where`.
    GateNot = "gate_not", if y == 0.0 { x } else { 0.0 }, "select(0.0, x, y == 0.0)";
    /// `x` where `y > 0`, else `slope x`: leaky ReLU's cotangent by its output.
    LeakyGate { slope: f64 } = "leaky_gate", if y > 0.0 { x } else { x * (slope as T) }, "select(x * slope, x, y > 0.0)";
    /// `x (1 - y y)`: tanh's cotangent by its output.
    TanhGate = "tanh_gate", x * (1.0 - y * y), "x * (1.0 - y * y)";
    /// `x + share (y - x)`: linear interpolation.
    Lerp { share: f64 } = "lerp", x + (share as T) * (y - x), "x + share * (y - x)";
}

/// An activation that convolution and batch norm may carry: one whose derivative comes from its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// None.
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `x` where positive, else `slope x`, with a positive slope.
    LeakyRelu {
        /// The factor of negative values.
        slope: f64,
    },
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Refuses what has no derivative by its output.
    ///
    /// # Panics
    /// Where the slope of a leaky ReLU is not positive.
    #[track_caller]
    pub(crate) fn check(self) {
        if let Activation::LeakyRelu { slope } = self {
            assert!(slope > 0.0, "leaky_relu: the slope {slope} is not positive");
        }
    }

    /// The function, unless it is the identity.
    pub fn unary(self) -> Option<Unary> {
        match self {
            Activation::Identity => None,
            Activation::Relu => Some(Unary::Relu),
            Activation::LeakyRelu { slope } => Some(Unary::LeakyRelu { slope }),
            Activation::Tanh => Some(Unary::Tanh),
        }
    }

    /// The function that takes (cotangent, output) to the cotangent of the input, unless it is the identity.
    pub fn cotangent(self) -> Option<Binary> {
        match self {
            Activation::Identity => None,
            Activation::Relu => Some(Binary::Gate),
            Activation::LeakyRelu { slope } => Some(Binary::LeakyGate { slope }),
            Activation::Tanh => Some(Binary::TanhGate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_arguments_give_finite_and_accurate_values() {
        let value = |function: Unary, x: f32| {
            let mut out = [0f32];
            function.map_f32(&[x], &mut out);
            out[0]
        };
        assert_eq!(value(Unary::Softplus, 100.0), 100.0);
        assert!((value(Unary::Softplus, -100.0) / (-100f32).exp() - 1.0).abs() < 1e-6);
        assert!((value(Unary::Softplus, 1e-30) - std::f32::consts::LN_2).abs() < 1e-7);
        assert_eq!(value(Unary::Sigmoid, 100.0), 1.0);
        assert!(value(Unary::Sigmoid, -100.0) > 0.0);
        assert_eq!(value(Unary::Tanh, 1e-30), 1e-30);
        assert_eq!(value(Unary::Tanh, -100.0), -1.0);
        assert!((value(Unary::Rsqrt, 1e-30) / 1e15 - 1.0).abs() < 1e-6);
    }
}
