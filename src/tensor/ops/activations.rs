//! Activations that are composed of other functions.

use super::super::Tensor;
use super::elementwise::broadcast;
use crate::backend::Binary;

impl Tensor {
    /// The Gaussian error linear unit (Hendrycks & Gimpel 2016): `x P(N(0, 1) <= x) = x / 2 (1 + erf(x / sqrt 2))`, by that formula and not
    /// by its approximation with a hyperbolic tangent.
    pub fn gelu(&self) -> Tensor {
        self * ((self * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
    }

    /// The sigmoid linear unit, or swish (Elfwing 2018): `x / (1 + e^-x)`.
    pub fn silu(&self) -> Tensor {
        self * self.sigmoid()
    }

    /// The parametric ReLU (He 2015): `x` where positive, else `slopes x`, with slopes of any sign that broadcast: one, or `[c]`.
    /// At 0 its slope is that of negative elements.
    ///
    /// # Panics
    /// Where the shapes do not broadcast.
    #[track_caller]
    pub fn prelu(&self, slopes: &Tensor) -> Tensor {
        let fits = broadcast(self.shape(), slopes.shape()).is_some();
        assert!(fits, "prelu: slopes {:?} for the shape {:?}", slopes.shape(), self.shape());
        // Chosen, not multiplied by 0 or 1: elements may be infinite, and slopes have no part in positive ones.
        let positive = self.detach().step();
        positive.where_(self, &(self.binary(Binary::GateNot, &positive) * slopes))
    }
}
