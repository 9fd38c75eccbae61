//! What determines a training run's results: the recipe, and its table of options.

use serde::{Deserialize, Serialize};

use super::losses::Penalty;
use super::{Architecture, Augmentation, Loss, NetworkKind};
use crate::error::{Error, Result, either};
use crate::nn::NormKind;
use crate::options::{Options, Range, Takes, options, words_of};
use crate::words::words;

const POSITIVE: Takes = Takes::Number(Range::Positive);
const NOT_NEGATIVE: Takes = Takes::Number(Range::NotNegative);
const BELOW_ONE: Takes = Takes::Number(Range::BelowOne);
/// The widest layers and the longest vectors.
const MOST: u64 = 1 << 16;
/// TOML's whole numbers have a sign.
const MOST_SEED: u64 = i64::MAX as u64;

options! {
    /// Everything that determines the results of training on given data: the same recipe, data, device and microkernel
    /// give the same bits.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    pub struct Recipe {
        /// The networks.
        architecture: Architecture = Architecture::dcgan(32, 1);
    } {
        /// Random seed of everything
        "seed", "K", Takes::Whole(0, MOST_SEED), "0", seed: u64;
        /// Images a batch; batch norm needs two
        "batch", "N", Takes::Whole(2, 1 << 20), "64", batch: usize;
        /// Adversarial loss
        "loss", "LOSS", Takes::OneOf(words_of::<Loss>), "non-saturating", loss: Loss, set Recipe::take_loss;
        /// Learning rate of the generator
        "lr", "RATE", POSITIVE, "0.0002", lr: f64;
        /// Learning rate of the discriminator
        "d-lr", "RATE", POSITIVE, "0.0002", d_lr: f64;
        /// Adam's decay of the first moment, for both networks
        "beta1", "BETA", BELOW_ONE, "0.5", beta1: f64;
        /// Updates of the discriminator a step
        "d-steps", "N", Takes::Whole(1, 1000), "1", d_steps: usize;
        /// Weight of the penalty of wasserstein-gp
        "gp", "WEIGHT", NOT_NEGATIVE, "0", gp: f64;
        /// Gamma of the R1 penalty, gamma/2 E|grad D|^2, and of R2 with r3gan, taken at every eighth update of D, times eight
        "r1", "GAMMA", NOT_NEGATIVE, "0", r1: f64;
        /// Differentiable augmentations of all that the discriminator sees, in this order, comma-separated
        "augment", "LIST", Takes::Several(words_of::<Augmentation>), "none", augment: Vec<Augmentation>;
        /// Decay of the generator's moving average, from which samples are drawn; 0 turns it off
        "ema", "DECAY", BELOW_ONE, "0.995", ema: f64;
        /// Weight of LeCam's regulariser of the discriminator (Tseng 2021); 0 for none
        #[serde(default, skip_serializing_if = "is_zero")]
        "lecam", "WEIGHT", NOT_NEGATIVE, "0", lecam: f64;
        /// Change only a share of the images, which follows how surely the discriminator tells real ones: up while more than this share of
        /// their scores is above 0, net, or with r3gan above those of made ones (ADA, Karras 2020: 0.6); 0 to change all
        #[serde(default, skip_serializing_if = "is_zero")]
        "ada", "TARGET", BELOW_ONE, "0", ada: f64;
        /// Whether a penalty joins the loss's update, or has one of its own with rate and decays made for it (Karras 2020)
        #[serde(default, skip_serializing_if = "PenaltyStep::is_within")]
        "penalty-step", "within|own", Takes::OneOf(words_of::<PenaltyStep>), "within", penalty_step: PenaltyStep;
    } {
        /// What kind of networks
        "network", "NETWORK", Takes::OneOf(NetworkKind::words), "dcgan", architecture.network;
        /// Side of the images, a power of two
        "size", "PIXELS", Takes::Among(NetworkKind::every_size), "32", architecture.size;
        /// Channels of the images
        "channels", "N", Takes::Among(|| vec![1, 3]), "1", architecture.channels;
        /// Width of the networks: channels of the layer next to the image
        "features", "N", Takes::Whole(1, MOST), "64", architecture.features;
        /// Length of the latent
        "latent", "N", Takes::Whole(1, MOST), "100", architecture.latent;
        /// Normalisation of the discriminator; auto: batch, none with R1 or r3gan, layer with wasserstein-gp
        "d-norm", "NORM", Takes::Auto(&Takes::OneOf(words_of::<NormKind>)), "auto", architecture.d_norm, set Recipe::take_norm;
    }
}

words! {
    /// When the discriminator moves by the penalty that is computed every so many rounds.
    pub enum PenaltyStep {
        /// With the loss, in one update.
        Within = "within",
        /// In an update of its own.
        Own = "own",
    } default Within
}

impl PenaltyStep {
    fn is_within(&self) -> bool {
        *self == PenaltyStep::Within
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Recipe {
    /// Takes a loss, and the weight of its penalty where the recipe has none of the kind.
    fn take_loss(&mut self, loss: Loss) {
        if loss == self.loss {
            return;
        }
        self.loss = loss;
        let kept = |weight: f64, usual: f64| if weight > 0.0 { weight } else { usual };
        (self.gp, self.r1) = match loss.row().penalty {
            Penalty::One { weight } => (kept(self.gp, weight), 0.0),
            Penalty::Zero { gamma, .. } => (0.0, kept(self.r1, gamma)),
        };
    }

    /// Takes the discriminator's normalisation, or the one of its loss and penalty.
    fn take_norm(&mut self, norm: Option<NormKind>) {
        self.architecture.d_norm = norm.unwrap_or(self.loss.norm(self.r1));
    }

    /// Refuses what cannot train.
    ///
    /// # Errors
    /// [`Error::Option`] naming the option and what it takes.
    pub fn check(&self) -> Result<()> {
        /// As many as data sets may have.
        const MOST_CLASSES: usize = 1 << 16;
        self.check_ranges()?;
        let Architecture { network, size, classes, condition_features, d_norm, .. } = self.architecture;
        let refused = |name: &str, problem: &str| Err(Error::option(name, problem));
        if !network.sizes().any(|side| side == size) {
            let sizes: Vec<String> = network.sizes().map(|side| side.to_string()).collect();
            return refused("size", &format!("takes {} with network {network}, not {size}", either(&sizes)));
        }
        match self.loss.row().penalty {
            _ if classes > MOST_CLASSES => refused("conditional", "takes data of at most 65536 classes"),
            _ if condition_features as u64 > MOST => refused("feature-length", "takes a whole number up to 65536"),
            Penalty::One { .. } if self.r1 > 0.0 => refused("r1", "does not go with wasserstein-gp, which has gp"),
            _ if self.ada > 0.0 && self.augment.is_empty() => {
                refused("ada", "is the share of images that are augmented: say augment, too")
            }
            _ if self.ada > 0.0 && self.loss.neutral().is_none() => refused(
                "ada",
                "needs a loss by whose scores real and made images can be told apart; wasserstein-gp has none",
            ),
            _ if self.penalty_step == PenaltyStep::Own && self.r1 == 0.0 => {
                refused("penalty-step", "own is for a penalty that is not in every round's loss: it needs r1")
            }
            Penalty::Zero { .. } if self.gp > 0.0 => refused("gp", "goes with wasserstein-gp; other losses have r1"),
            _ if d_norm == NormKind::Batch && self.loss.norm(self.r1) != NormKind::Batch => refused(
                "d-norm",
                "batch mixes the samples that a gradient penalty must keep apart; use auto, layer, instance, spectral or none, or another loss \
                 without a penalty",
            ),
            _ => Ok(()),
        }
    }
}

impl Architecture {
    /// Refuses sizes that the networks do not have.
    ///
    /// # Errors
    /// [`Error::Option`] naming the option and what it takes.
    pub fn check(&self) -> Result<()> {
        // A penalty of no weight goes with every norm.
        Recipe { architecture: *self, ..Recipe::default() }.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Texts;

    fn recipe(given: &[(&str, &str)]) -> Result<Recipe> {
        let given: Texts = given.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let mut recipe = Recipe::default();
        recipe.take(&given)?;
        // As the command line says it where nothing is said.
        Recipe::row("d-norm").unwrap().take(&mut recipe, given.get("d-norm").map_or("auto", String::as_str))?;
        recipe.check().map(|()| recipe)
    }

    #[test]
    fn every_option_reads_what_it_writes_and_refuses_what_it_does_not_take() {
        for row in Recipe::ROWS {
            let (mut recipe, about) = (Recipe::default(), row.about);
            assert!(about.takes.fits(about.default), "{}", about.name);
            let text = (row.get)(&recipe);
            row.take(&mut recipe, &text).unwrap();
            assert_eq!((recipe, (row.get)(&Recipe::default())), (Recipe::default(), text), "{}", about.name);
            for wrong in ["", "-1", "nan", "words"] {
                let error = row.take(&mut Recipe::default(), wrong).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{} takes ", about.name)), "{error}");
            }
        }
    }

    #[test]
    fn a_loss_brings_its_penalty_and_norm_unless_something_else_is_said() {
        let parts = |given: &[(&str, &str)]| {
            let recipe = recipe(given).unwrap();
            (recipe.gp, recipe.r1, recipe.architecture.d_norm)
        };
        assert_eq!(parts(&[]), (0.0, 0.0, NormKind::Batch));
        assert_eq!(parts(&[("r1", "0.5")]), (0.0, 0.5, NormKind::None));
        assert_eq!(parts(&[("loss", "r3gan")]), (0.0, 1.0, NormKind::None));
        assert_eq!(parts(&[("loss", "r3gan"), ("r1", "0")]), (0.0, 0.0, NormKind::None));
        assert_eq!(parts(&[("loss", "wasserstein-gp")]), (10.0, 0.0, NormKind::Layer));
        assert_eq!(parts(&[("loss", "wasserstein-gp"), ("gp", "0")]), (0.0, 0.0, NormKind::Layer));
        assert_eq!(parts(&[("d-norm", "spectral"), ("loss", "hinge")]), (0.0, 0.0, NormKind::Spectral));
        let mut penalised = Recipe { r1: 0.5, ..Recipe::default() };
        penalised.take_loss(Loss::R3gan);
        assert_eq!(penalised.r1, 0.5, "a recipe keeps its gamma");
        penalised.take_loss(Loss::WassersteinGp);
        assert_eq!((penalised.gp, penalised.r1), (10.0, 0.0));
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_the_names_of_options_alone() {
        for (given, problem) in [
            ([("d-norm", "batch"), ("r1", "1")], "d-norm batch mixes"),
            ([("d-norm", "batch"), ("loss", "r3gan")], "d-norm batch mixes"),
            ([("d-norm", "batch"), ("loss", "wasserstein-gp")], "d-norm batch mixes"),
            ([("gp", "1"), ("loss", "hinge")], "gp goes with wasserstein-gp"),
            ([("r1", "1"), ("loss", "wasserstein-gp")], "r1 does not go with wasserstein-gp"),
        ] {
            let error = recipe(&given).unwrap_err();
            assert!(error.is_usage() && error.to_string().starts_with(problem), "{error}");
        }
    }
}
