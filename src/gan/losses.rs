//! The adversarial losses, a row each.

use crate::nn::NormKind;
use crate::tensor::Tensor;
use crate::words::words;

words! {
    /// The adversarial loss.
    pub enum Loss {
        /// `-log D(x) - log(1 - D(G(z)))` and `-log D(G(z))` (Goodfellow 2014, section 3).
        NonSaturating = "non-saturating",
        /// The hinge loss (Lim & Ye 2017).
        Hinge = "hinge",
        /// Least squares, targets 1 and 0 (Mao 2017).
        LeastSquares = "least-squares",
        /// Wasserstein distance with a penalty on the critic's gradient between real and fake images (Gulrajani 2017).
        WassersteinGp = "wasserstein-gp",
        /// Relativistic pairing with R1 and R2 penalties (Huang 2024).
        R3gan = "r3gan",
    }
}

/// A function of scores `[n]` to a scalar.
pub type OfScores = fn(&Tensor) -> Tensor;
/// A function of paired real and fake scores `[n]` to a scalar.
pub type OfPairs = fn(&Tensor, &Tensor) -> Tensor;

/// What a loss is made of.
pub enum Terms {
    /// Real and fake images are scored apart, so that their graphs never live together.
    Apart {
        /// The discriminator's term of real scores.
        real: OfScores,
        /// The discriminator's term of fake scores.
        fake: OfScores,
        /// The generator's loss of fake scores.
        generator: OfScores,
    },
    /// Each real score is compared with a fake one.
    Paired {
        /// The discriminator's loss of (real, fake).
        discriminator: OfPairs,
        /// The generator's loss of (real, fake).
        generator: OfPairs,
    },
}

/// The penalty on the gradient of the discriminator's score that a loss may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Penalty {
    /// `gamma / 2 * E ||g||^2`, of which `r1` is gamma.
    Zero {
        /// Gamma where nothing is said.
        gamma: f64,
        /// At fake images, too: R2 beside R1.
        fake: bool,
    },
    /// `weight * E (||g|| - 1)^2` between real and fake images, of which `gp` is the weight.
    One {
        /// The weight where nothing is said.
        weight: f64,
    },
}

/// A loss's row: what it is made of, and what goes with it where nothing is said.
pub struct Row {
    /// Its terms.
    pub terms: Terms,
    /// Its penalty.
    pub penalty: Penalty,
    /// The discriminator's normalisation without the penalty, and with it: batch norm mixes the samples that a penalty must keep apart.
    pub norms: [NormKind; 2],
}

impl Loss {
    /// The loss's row.
    pub fn row(self) -> Row {
        use NormKind::{Batch, Layer, None};
        let apart = |real: OfScores, fake: OfScores, generator: OfScores| Terms::Apart { real, fake, generator };
        let r1 = Penalty::Zero { gamma: 0.0, fake: false };
        match self {
            Loss::NonSaturating => Row {
                terms: apart(Tensor::mean_softplus_negated, Tensor::mean_softplus, Tensor::mean_softplus_negated),
                penalty: r1,
                norms: [Batch, None],
            },
            Loss::Hinge => Row {
                terms: apart(|r| (1.0 - r).relu().mean(), |f| (f + 1.0).relu().mean(), |f| -f.mean()),
                penalty: r1,
                norms: [Batch, None],
            },
            Loss::LeastSquares => Row {
                terms: apart(
                    |r| (r - 1.0).powi(2).mean() * 0.5,
                    |f| f.powi(2).mean() * 0.5,
                    |f| (f - 1.0).powi(2).mean() * 0.5,
                ),
                penalty: r1,
                norms: [Batch, None],
            },
            Loss::WassersteinGp => Row {
                terms: apart(|r| -r.mean(), |f| f.mean(), |f| -f.mean()),
                // Gulrajani 2017, section 4.
                penalty: Penalty::One { weight: 10.0 },
                norms: [Layer, Layer],
            },
            Loss::R3gan => Row {
                terms: Terms::Paired {
                    discriminator: |r, f| (f - r).mean_softplus(),
                    generator: |r, f| (r - f).mean_softplus(),
                },
                // Huang 2024 uses 0.05 to 1 for small images; the loss does not converge without a penalty.
                penalty: Penalty::Zero { gamma: 1.0, fake: true },
                norms: [None, None],
            },
        }
    }

    /// The score, or of paired scores the difference, of an image that might as well be real as made; none where scores have no such.
    pub fn neutral(self) -> Option<f64> {
        match self {
            Loss::NonSaturating | Loss::Hinge | Loss::R3gan => Some(0.0),
            Loss::LeastSquares => Some(0.5),
            Loss::WassersteinGp => None,
        }
    }

    /// The loss's terms.
    pub fn terms(self) -> Terms {
        self.row().terms
    }

    /// The normalisation of a discriminator of this loss under a penalty of `r1`, where nothing is said.
    pub fn norm(self, r1: f64) -> NormKind {
        self.row().norms[usize::from(r1 > 0.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn each_loss_gives_the_hand_computed_numbers() {
        let scores = |values: [f64; 2]| Tensor::from_slice(&Device::reference(), &values, [2]);
        let (real, fake) = (scores([2.0, -1.0]), scores([0.5, -2.0]));
        let value = |x: Tensor| x.item().unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        let check = |loss: Loss, expected: [f64; 3]| match loss.terms() {
            Terms::Apart { real: r, fake: f, generator } => {
                close(value(r(&real)), expected[0]);
                close(value(f(&fake)), expected[1]);
                close(value(generator(&fake)), expected[2]);
            }
            Terms::Paired { discriminator, generator } => {
                close(value(discriminator(&real, &fake)), expected[0]);
                close(value(generator(&real, &fake)), expected[2]);
            }
        };
        let mean = |a: f64, b: f64| (a + b) / 2.0;
        check(
            Loss::NonSaturating,
            [
                mean(softplus(-2.0), softplus(1.0)),
                mean(softplus(0.5), softplus(-2.0)),
                mean(softplus(-0.5), softplus(2.0)),
            ],
        );
        check(Loss::Hinge, [mean(0.0, 2.0), mean(1.5, 0.0), 0.75]);
        check(Loss::LeastSquares, [mean(1.0, 4.0) / 2.0, mean(0.25, 4.0) / 2.0, mean(0.25, 9.0) / 2.0]);
        check(Loss::WassersteinGp, [-0.5, -0.75, 0.75]);
        check(Loss::R3gan, [mean(softplus(-1.5), softplus(-1.0)), 0.0, mean(softplus(1.5), softplus(1.0))]);
    }
}
