//! What determines a training run's results: the recipe.

use serde::{Deserialize, Serialize};

use super::{Architecture, Augmentation, Loss};
use crate::error::{Error, Result};
use crate::nn::NormKind;

/// `--d-norm`: a normalisation of the discriminator, or the choice by loss and penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DiscriminatorNorm {
    /// Batch without a gradient penalty, none with R1 or R3GAN, layer with WGAN-GP.
    Auto,
    /// Batch normalisation; not with a gradient penalty.
    Batch,
    /// Instance normalisation.
    Instance,
    /// Layer normalisation.
    Layer,
    /// Spectral normalisation of filters.
    Spectral,
    /// None; filters start by He's rule.
    None,
}

impl DiscriminatorNorm {
    /// The normalisation for a loss and its penalty.
    ///
    /// # Errors
    /// [`Error::Usage`] for batch norm with a gradient penalty: it mixes the samples that the penalty must keep apart.
    pub fn resolve(self, loss: Loss, r1: f64) -> Result<NormKind> {
        let penalty = has_penalty(loss, r1);
        match self {
            DiscriminatorNorm::Auto if loss == Loss::WassersteinGp => Ok(NormKind::Layer),
            DiscriminatorNorm::Auto if penalty => Ok(NormKind::None),
            DiscriminatorNorm::Auto => Ok(NormKind::Batch),
            DiscriminatorNorm::Batch if penalty => Err(batch_norm_with_penalty()),
            DiscriminatorNorm::Batch => Ok(NormKind::Batch),
            DiscriminatorNorm::Instance => Ok(NormKind::Instance),
            DiscriminatorNorm::Layer => Ok(NormKind::Layer),
            DiscriminatorNorm::Spectral => Ok(NormKind::Spectral),
            DiscriminatorNorm::None => Ok(NormKind::None),
        }
    }
}

fn has_penalty(loss: Loss, r1: f64) -> bool {
    r1 > 0.0 || matches!(loss, Loss::R3gan | Loss::WassersteinGp)
}

fn batch_norm_with_penalty() -> Error {
    Error::Usage(
        "--d-norm batch mixes the samples that a gradient penalty must keep apart; \
         use --d-norm auto, layer, instance, spectral or none"
            .to_string(),
    )
}

/// Everything that determines the results of training on given data: the same recipe, data, device and microkernel
/// give the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// The random seed of everything.
    pub seed: u64,
    /// The networks.
    pub architecture: Architecture,
    /// Images a batch.
    pub batch: usize,
    /// The generator's learning rate.
    pub lr: f64,
    /// The discriminator's learning rate.
    pub d_lr: f64,
    /// Adam's decay of the first moment, for both.
    pub beta1: f64,
    /// Updates of the discriminator a step.
    pub d_steps: usize,
    /// The adversarial loss.
    pub loss: Loss,
    /// The weight of WGAN-GP's penalty; 0 with other losses.
    pub gp: f64,
    /// Gamma of the R1 penalty (and of R2 with R3GAN); 0 for none.
    pub r1: f64,
    /// The augmentations, in the order in which they apply.
    pub augment: Vec<Augmentation>,
    /// The decay of the generator's moving average; 0 for none.
    pub ema: f64,
    /// The weight of LeCam's regulariser of the discriminator (Tseng 2021); 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lecam: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Recipe {
    /// Refuses what cannot train.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option and what it takes.
    pub fn check(&self) -> Result<()> {
        self.architecture.check()?;
        let rate = |rate: f64| rate.is_finite() && rate > 0.0;
        within(
            (2..=1 << 20).contains(&self.batch),
            "--batch",
            "a whole number from 2 (batch norm needs two) to 1048576",
        )?;
        within(rate(self.lr), "--lr", "a number above 0")?;
        within(rate(self.d_lr), "--d-lr", "a number above 0")?;
        within((0.0..1.0).contains(&self.beta1), "--beta1", "a number from 0 to below 1")?;
        within((1..=1000).contains(&self.d_steps), "--d-steps", "a whole number from 1 to 1000")?;
        let twice = (1..self.augment.len()).find(|&index| self.augment[..index].contains(&self.augment[index]));
        within(twice.is_none(), "--augment", "each augmentation once")?;
        within(self.gp.is_finite() && self.gp >= 0.0, "--gp", "a number from 0 up")?;
        within(self.r1.is_finite() && self.r1 >= 0.0, "--r1", "a number from 0 up")?;
        within((0.0..1.0).contains(&self.ema), "--ema", "a number from 0 (off) to below 1")?;
        within(self.lecam.is_finite() && self.lecam >= 0.0, "--lecam", "a number from 0 up")?;
        let wasserstein = self.loss == Loss::WassersteinGp;
        within(wasserstein || self.gp == 0.0, "--gp", "nothing but 0 unless --loss is wasserstein-gp")?;
        within(!wasserstein || self.r1 == 0.0, "--r1", "nothing but 0 with --loss wasserstein-gp, which has --gp")?;
        match self.architecture.d_norm {
            NormKind::Batch if has_penalty(self.loss, self.r1) => Err(batch_norm_with_penalty()),
            _ => Ok(()),
        }
    }
}

/// An error unless `ok`, naming the option and what it takes.
fn within(ok: bool, option: &str, takes: &str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Usage(format!("{option} takes {takes}"))) }
}
