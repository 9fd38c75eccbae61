//! What determines the shapes of both networks.

use serde::{Deserialize, Serialize};

use super::NetworkKind;
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
}
