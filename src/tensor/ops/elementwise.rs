//! Functions of each element, and of pairs of elements with NumPy's broadcasting.

use std::f64::consts::FRAC_2_SQRT_PI;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::super::{Context, Forward, Keep, Op, Tensor, Value};
use crate::backend::{Activation, Backend, Binary, Unary};

impl Op for Unary {
    fn name(&self) -> &'static str {
        Unary::name(*self)
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        Value::new(backend.unary(*self, &inputs[0].storage), &inputs[0].shape).into()
    }

    fn keep(&self) -> Keep {
        match self {
            Unary::Neg | Unary::Affine { .. } => Keep::NOTHING,
            Unary::Step | Unary::Sign | Unary::Round | Unary::Floor => Keep::NOTHING,
            Unary::Exp | Unary::Sqrt | Unary::Tanh | Unary::Relu | Unary::LeakyRelu { .. } => Keep::OUTPUT,
            Unary::Rsqrt => Keep::INPUTS.and_output(),
            Unary::Ln | Unary::Abs | Unary::Sigmoid | Unary::Softplus | Unary::Powi { .. } | Unary::Clamp { .. } => {
                Keep::INPUTS
            }
            Unary::Sin | Unary::Cos | Unary::Erf | Unary::Powf { .. } => Keep::INPUTS,
        }
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        let (x, y) = (|| context.input(0), || context.output());
        vec![match *self {
            Unary::Neg => Some(-g),
            Unary::Affine { scale, .. } => Some(g * scale),
            Unary::Exp => Some(g * y()),
            Unary::Ln => Some(g / x()),
            Unary::Sqrt => Some(g / (y() * 2.0)),
            Unary::Rsqrt => Some(g * (y() / x()) * -0.5),
            Unary::Abs => Some(g * (x().step() - (-x()).step())),
            Unary::Tanh => Some(g.binary(Binary::TanhGate, &y())),
            // sigmoid(-x) is 1 - sigmoid(x) without its loss of digits at large x.
            Unary::Sigmoid => Some(g * x().sigmoid() * (-x()).sigmoid()),
            Unary::Softplus => Some(g * x().sigmoid()),
            Unary::Relu => Some(g.binary(Binary::Gate, &y())),
            Unary::LeakyRelu { slope } => Some(g.binary(Binary::LeakyGate { slope }, &y())),
            Unary::Step | Unary::Sign | Unary::Round | Unary::Floor => None,
            Unary::Powi { exponent: 0 } => None,
            // By `powf`, since one less than the least whole exponent is no other.
            Unary::Powi { exponent } => Some(g * x().powf(f64::from(exponent) - 1.0) * f64::from(exponent)),
            Unary::Clamp { low, high } => {
                let inside = (1.0 - (low - x()).step()) * (1.0 - (x() - high).step());
                Some(g.binary(Binary::Gate, &inside))
            }
            Unary::Sin => Some(g * x().cos()),
            Unary::Cos => Some(-(g * x().sin())),
            Unary::Erf => Some(g * (-x().powi(2)).exp() * FRAC_2_SQRT_PI),
            Unary::Powf { exponent } => Some(g * x().powf(exponent - 1.0) * exponent),
        }]
    }
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        Binary::name(*self)
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let (a, b) = (&inputs[0], &inputs[1]);
        let shape = broadcast(&a.shape, &b.shape).expect("shapes were checked");
        let align = |from: &[usize]| [vec![1; shape.len() - from.len()], from.to_vec()].concat();
        let (a_shape, b_shape) = (align(&a.shape), align(&b.shape));
        Value::new(backend.binary(*self, (&a.storage, &a_shape), (&b.storage, &b_shape), &shape), &shape).into()
    }

    fn keep(&self) -> Keep {
        match self {
            Binary::Add | Binary::Sub | Binary::Lerp { .. } => Keep::NOTHING,
            Binary::Gate | Binary::GateNot | Binary::LeakyGate { .. } => Keep::only(&[1]),
            Binary::Mul | Binary::Div | Binary::Maximum | Binary::Minimum | Binary::TanhGate | Binary::Pow => {
                Keep::INPUTS
            }
        }
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let (x, y) = (|| context.input(0), || context.input(1));
        let dx = || match *self {
            Binary::Add | Binary::Sub => Some(g.clone()),
            Binary::Mul => Some(g * y()),
            Binary::Div => Some(g / y()),
            Binary::Maximum => Some(shared(g, &larger(&x(), &y()))),
            Binary::Minimum => Some(shared(g, &larger(&y(), &x()))),
            Binary::Pow => {
                let x = x();
                // Of a zero x the slope by y is taken as 0, so that its slope by x has none by y.
                let y = || x.where_(&y(), &y().detach());
                // Where y is 0 the power of an x that is 0, or nearly, is infinite, and the slope is 0 all the same: the power of another x stands
                // there. A gate behind the product would close the way of the slope's own derivative by y, which is not 0 but where x is.
                Some(g * y() * (&x + infinite(&x, &y())).pow(&(y() - 1.0)))
            }
            Binary::Lerp { share } => Some(g * (1.0 - share)),
            // Linear in x: the cotangent passes the same gate.
            Binary::Gate | Binary::GateNot | Binary::LeakyGate { .. } | Binary::TanhGate => Some(g.binary(*self, &y())),
        };
        let dy = || match *self {
            Binary::Add => Some(g.clone()),
            Binary::Sub => Some(-g),
            Binary::Mul => Some(g * x()),
            // y y would leave the range of f32 where y is 1e-30.
            Binary::Div => Some(-(g / y() * (x() / y()))),
            Binary::Maximum => Some(shared(g, &larger(&y(), &x()))),
            Binary::Minimum => Some(shared(g, &larger(&x(), &y()))),
            // Where x is 0 the logarithm is infinite; 0 to any positive power is 0, so that the slope is. The logarithm of 1 stands there: behind
            // a gate, too, the derivative of an infinite one is no number.
            Binary::Pow => {
                let other = || x() + zero(&x());
                Some((g * other().pow(&y()) * other().ln()).binary(Binary::Gate, &x()))
            }
            Binary::Gate | Binary::GateNot | Binary::LeakyGate { .. } => None,
            Binary::TanhGate => Some(g * x() * y() * -2.0),
            Binary::Lerp { share } => Some(g * share),
        };
        vec![if wanted[0] { dx() } else { None }, if wanted[1] { dy() } else { None }]
    }
}

/// 1 where an element is 0, else 0: a constant.
pub(super) fn zero(x: &Tensor) -> Tensor {
    Tensor::ones(x.device(), x.shape()).binary(Binary::GateNot, x)
}

/// A cotangent's shares. One that is infinite has nothing where the share is 0, where a product would be no number.
fn shared(g: &Tensor, shares: &Tensor) -> Tensor {
    (g * shares).binary(Binary::Gate, shares)
}

/// 1 where y is 0 and x so near it that `x^(y - 1)` may leave the range of f32, else 0.
fn infinite(x: &Tensor, y: &Tensor) -> Tensor {
    const LEAST: f64 = 1e-30;
    (1.0 - y.step() - (-y).step()) * (1.0 - (x.abs() - LEAST).step())
}

/// 1 where `a > b`, 0 where `a < b`, one half where they tie.
fn larger(a: &Tensor, b: &Tensor) -> Tensor {
    let difference = a - b;
    (difference.step() - (-difference).step() + 1.0) * 0.5
}

/// The shape that two shapes broadcast to, by NumPy's rule.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (1, n) | (n, 1) => Some(n),
            (m, n) => (m == n).then_some(n),
        })
        .collect()
}

impl Tensor {
    /// A function of two tensors from the table of elementwise functions, with broadcasting.
    ///
    /// # Panics
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn binary(&self, function: Binary, other: &Tensor) -> Tensor {
        let fits = broadcast(self.shape(), other.shape()).is_some();
        assert!(fits, "{}: shapes {:?} and {:?} do not broadcast", function.name(), self.shape(), other.shape());
        Tensor::apply(function, &[self, other])
    }

    /// The larger of both, element by element, with broadcasting; where they tie, each gets half of the cotangent.
    ///
    /// # Panics
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn maximum(&self, other: &Tensor) -> Tensor {
        self.binary(Binary::Maximum, other)
    }

    /// The smaller of both, element by element, with broadcasting; where they tie, each gets half of the cotangent.
    ///
    /// # Panics
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn minimum(&self, other: &Tensor) -> Tensor {
        self.binary(Binary::Minimum, other)
    }

    /// The elements to the powers `exponents`, with broadcasting. A negative element to a power that is not whole is not a number, and
    /// the slope by the exponent is not a number at any negative element; at 0 that slope is taken as 0, and so are its own derivatives.
    ///
    /// # Panics
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn pow(&self, exponents: &Tensor) -> Tensor {
        self.binary(Binary::Pow, exponents)
    }

    /// `x + share (y - x)`, with broadcasting: the step of a moving average.
    ///
    /// # Panics
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn lerp(&self, other: &Tensor, share: f64) -> Tensor {
        self.binary(Binary::Lerp { share }, other)
    }

    /// `e^x`
    pub fn exp(&self) -> Tensor {
        Tensor::apply(Unary::Exp, &[self])
    }

    /// The natural logarithm.
    pub fn ln(&self) -> Tensor {
        Tensor::apply(Unary::Ln, &[self])
    }

    /// The square root.
    pub fn sqrt(&self) -> Tensor {
        Tensor::apply(Unary::Sqrt, &[self])
    }

    /// `1 / sqrt(x)`
    pub fn rsqrt(&self) -> Tensor {
        Tensor::apply(Unary::Rsqrt, &[self])
    }

    /// `|x|`
    pub fn abs(&self) -> Tensor {
        Tensor::apply(Unary::Abs, &[self])
    }

    /// The hyperbolic tangent.
    pub fn tanh(&self) -> Tensor {
        Tensor::apply(Unary::Tanh, &[self])
    }

    /// `1 / (1 + e^-x)`
    pub fn sigmoid(&self) -> Tensor {
        Tensor::apply(Unary::Sigmoid, &[self])
    }

    /// `ln(1 + e^x)`, without overflow.
    pub fn softplus(&self) -> Tensor {
        Tensor::apply(Unary::Softplus, &[self])
    }

    /// `max(x, 0)`
    pub fn relu(&self) -> Tensor {
        Tensor::apply(Unary::Relu, &[self])
    }

    /// `x` where positive, else `slope x`.
    ///
    /// # Panics
    /// Where the slope is not positive: the derivative comes from the output's sign. (0 is [`Tensor::relu`].)
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        assert!(slope > 0.0, "leaky_relu: the slope {slope} is not positive");
        Tensor::apply(Unary::LeakyRelu { slope }, &[self])
    }

    /// 1 where positive, else 0; its derivative is 0.
    pub fn step(&self) -> Tensor {
        Tensor::apply(Unary::Step, &[self])
    }

    /// The elements to a whole power.
    pub fn powi(&self, exponent: i32) -> Tensor {
        Tensor::apply(Unary::Powi { exponent }, &[self])
    }

    /// The elements to any power: where that is a whole number [`Tensor::powi`], else not a number where an element is negative.
    ///
    /// # Panics
    /// Where the exponent is not finite.
    #[track_caller]
    pub fn powf(&self, exponent: f64) -> Tensor {
        assert!(exponent.is_finite(), "powf: the exponent {exponent}");
        let whole = exponent as i32;
        if f64::from(whole) == exponent {
            return self.powi(whole);
        }
        Tensor::apply(Unary::Powf { exponent }, &[self])
    }

    /// The sine of radians. (On a gpu exact to rounding up to about 8,000.)
    pub fn sin(&self) -> Tensor {
        Tensor::apply(Unary::Sin, &[self])
    }

    /// The cosine of radians. (On a gpu exact to rounding up to about 8,000.)
    pub fn cos(&self) -> Tensor {
        Tensor::apply(Unary::Cos, &[self])
    }

    /// The error function, `2 / sqrt(pi)` times the integral of `e^(-t t)` from 0 to `x`.
    pub fn erf(&self) -> Tensor {
        Tensor::apply(Unary::Erf, &[self])
    }

    /// 1 where positive, -1 where negative, 0 at zero and where there is no number; its derivative is 0.
    pub fn sign(&self) -> Tensor {
        Tensor::apply(Unary::Sign, &[self])
    }

    /// The nearest whole number, of two that are as near the even one; its derivative is 0.
    pub fn round(&self) -> Tensor {
        Tensor::apply(Unary::Round, &[self])
    }

    /// The largest whole number that is not above; its derivative is 0.
    pub fn floor(&self) -> Tensor {
        Tensor::apply(Unary::Floor, &[self])
    }

    /// The elements held between `low` and `high`; the derivative is 1 from bound to bound, else 0.
    ///
    /// # Panics
    /// Where `low > high` or one is not a number.
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Tensor {
        assert!(low <= high, "clamp: bounds {low} and {high}");
        Tensor::apply(Unary::Clamp { low, high }, &[self])
    }

    /// Elements of `a` where `self` is not zero, of `b` elsewhere, with broadcasting. The condition has no derivative.
    ///
    /// # Panics
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn where_(&self, a: &Tensor, b: &Tensor) -> Tensor {
        let both = broadcast(a.shape(), b.shape()).and_then(|both| broadcast(&both, self.shape()));
        assert!(both.is_some(), "where_: {:?} of {:?} and {:?}", self.shape(), a.shape(), b.shape());
        a.binary(Binary::Gate, self) + b.binary(Binary::GateNot, self)
    }

    /// Applies an activation.
    ///
    /// # Panics
    /// Where the slope of a leaky ReLU is not positive.
    #[track_caller]
    pub fn activate(&self, activation: Activation) -> Tensor {
        activation.check();
        activation.unary().map_or_else(|| self.clone(), |function| Tensor::apply(function, &[self]))
    }

    /// Takes the cotangent of an activation's output to that of its input: `self` is the cotangent.
    pub(super) fn through(&self, activation: Activation, output: impl FnOnce() -> Tensor) -> Tensor {
        activation.cotangent().map_or_else(|| self.clone(), |gate| self.binary(gate, &output()))
    }

    fn affine(&self, scale: f64, shift: f64) -> Tensor {
        Tensor::apply(Unary::Affine { scale, shift }, &[self])
    }
}

/// An operator between tensors, owned or borrowed, and its forms with a number on either side.
macro_rules! operator {
    ($trait:ident, $method:ident, $row:ident, |$x:ident, $number:ident| $right:expr, $left:expr) => {
        operator!(@tensors $trait, $method, $row, Tensor, Tensor);
        operator!(@tensors $trait, $method, $row, Tensor, &Tensor);
        operator!(@tensors $trait, $method, $row, &Tensor, Tensor);
        operator!(@tensors $trait, $method, $row, &Tensor, &Tensor);
        operator!(@number $trait, $method, Tensor, |$x, $number| $right, $left);
        operator!(@number $trait, $method, &Tensor, |$x, $number| $right, $left);
    };
    (@tensors $trait:ident, $method:ident, $row:ident, $a:ty, $b:ty) => {
        impl $trait<$b> for $a {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: $b) -> Tensor {
                Tensor::binary(&self, Binary::$row, &other)
            }
        }
    };
    (@number $trait:ident, $method:ident, $a:ty, |$x:ident, $number:ident| $right:expr, $left:expr) => {
        impl $trait<f64> for $a {
            type Output = Tensor;
            fn $method(self, $number: f64) -> Tensor {
                let $x = self;
                $right
            }
        }
        impl $trait<$a> for f64 {
            type Output = Tensor;
            fn $method(self, $x: $a) -> Tensor {
                let $number = self;
                $left
            }
        }
    };
}

operator!(Add, add, Add, |x, number| x.affine(1.0, number), x.affine(1.0, number));
operator!(Sub, sub, Sub, |x, number| x.affine(1.0, -number), x.affine(-1.0, number));
operator!(Mul, mul, Mul, |x, number| x.affine(number, 0.0), x.affine(number, 0.0));
operator!(Div, div, Div, |x, number| x.affine(1.0 / number, 0.0), x.powi(-1).affine(number, 0.0));

impl Neg for &Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        Tensor::apply(Unary::Neg, &[self])
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        -&self
    }
}
