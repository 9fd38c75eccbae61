//! The adversarial losses, a row each.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::tensor::Tensor;

/// The adversarial loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `-log D(x) - log(1 - D(G(z)))` and `-log D(G(z))` (Goodfellow 2014, section 3).
    NonSaturating,
    /// The hinge loss (Lim & Ye 2017).
    Hinge,
    /// Least squares, targets 1 and 0 (Mao 2017).
    LeastSquares,
    /// Wasserstein distance with a penalty on the critic's gradient between real and fake images (Gulrajani 2017).
    WassersteinGp,
    /// Relativistic pairing with R1 and R2 penalties (Huang 2024).
    R3gan,
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

impl Loss {
    /// The loss's terms.
    pub fn terms(self) -> Terms {
        let apart = |real: OfScores, fake: OfScores, generator: OfScores| Terms::Apart { real, fake, generator };
        match self {
            Loss::NonSaturating => {
                apart(|r| (-r).softplus().mean(), |f| f.softplus().mean(), |f| (-f).softplus().mean())
            }
            Loss::Hinge => apart(|r| (1.0 - r).relu().mean(), |f| (f + 1.0).relu().mean(), |f| -f.mean()),
            Loss::LeastSquares => apart(
                |r| (r - 1.0).powi(2).mean() * 0.5,
                |f| f.powi(2).mean() * 0.5,
                |f| (f - 1.0).powi(2).mean() * 0.5,
            ),
            Loss::WassersteinGp => apart(|r| -r.mean(), |f| f.mean(), |f| -f.mean()),
            Loss::R3gan => Terms::Paired {
                discriminator: |r, f| (f - r).softplus().mean(),
                generator: |r, f| (r - f).softplus().mean(),
            },
        }
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
