//! What determines the shapes of both networks.

use serde::{Deserialize, Serialize};

use super::NetworkKind;
use crate::error::{Error, Result};
use crate::nn::NormKind;

/// What determines the shapes of both networks: their layers follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// What kind of networks; where a header names none, DCGAN's.
    #[serde(default, skip_serializing_if = "NetworkKind::is_default")]
    pub network: NetworkKind,
    /// The side of the images: a power of two that the kind of network has.
    pub size: usize,
    /// Channels of the images: 1 or 3.
    pub channels: usize,
    /// The width: the channels of the layer next to the image.
    pub features: usize,
    /// The length of the latent.
    pub latent: usize,
    /// The number of classes where both networks are conditioned on one, else 0.
    pub classes: usize,
    /// The length of the feature vector on which both networks are conditioned, behind the classes; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub condition_features: usize,
    /// The discriminator's normalisation.
    pub d_norm: NormKind,
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl Architecture {
    /// DCGAN's networks for images of a size and channels, without conditions, with a width of 64, latents of 100 and batch norm.
    pub const fn dcgan(size: usize, channels: usize) -> Architecture {
        Architecture {
            network: NetworkKind::DCGAN,
            size,
            channels,
            features: 64,
            latent: 100,
            classes: 0,
            condition_features: 0,
            d_norm: NormKind::Batch,
        }
    }

    /// The length of a condition, `[classes | features]`; 0 where the networks have none.
    pub fn condition_length(&self) -> usize {
        self.classes + self.condition_features
    }

    /// Refuses shapes that the networks do not have.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option and what it takes.
    pub fn check(&self) -> Result<()> {
        const MOST: usize = 1 << 16;
        /// Labels are bytes.
        const MOST_CLASSES: usize = 256;
        let within = |ok: bool, option: &str, takes: &str| {
            if ok { Ok(()) } else { Err(Error::Usage(format!("{option} takes {takes}"))) }
        };
        let sizes: Vec<String> = self.network.sizes().map(|size| size.to_string()).collect();
        let (last, first) = sizes.split_last().expect("a network has a size");
        let takes = format!("{} or {last}", first.join(", "));
        within(self.network.sizes().any(|size| size == self.size), "--size", &takes)?;
        within([1, 3].contains(&self.channels), "--channels", "1 or 3")?;
        within((1..=MOST).contains(&self.features), "--features", "a whole number from 1 to 65536")?;
        within((1..=MOST).contains(&self.latent), "--latent", "a whole number from 1 to 65536")?;
        within(self.classes <= MOST_CLASSES, "--conditional", "data of at most 256 classes")?;
        within(self.condition_features <= MOST, "--feature-length", "a whole number up to 65536")
    }
}
