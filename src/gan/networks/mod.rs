//! The kinds of network: a file and a row of the registry each, with a function from an architecture to the layers of either network.

mod dcgan;
mod residual;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Architecture;
use crate::error::{Error, Result};
use crate::nn::{Layer, LayerKind, Sequence};
use crate::options::Value;

/// Every kind; the first is the default.
const NETWORKS: &[Description] = &[dcgan::DCGAN, residual::RESIDUAL];

/// What a kind of network is. The last map of a discriminator's list is what a projection agrees with.
struct Description {
    /// Its name on the command line and in headers.
    name: &'static str,
    /// Its name in a sentence.
    title: &'static str,
    /// What it is, in a line.
    about: &'static str,
    /// The smallest and the largest side of images; between them every power of two.
    sizes: [usize; 2],
    /// The layers from latents `[n, latent]` to images.
    generator: fn(&Architecture) -> Vec<Layer>,
    /// The layers from images to scores `[n]`.
    discriminator: fn(&Architecture) -> Vec<Layer>,
}

/// A kind of network of the registry: `dcgan`, for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NetworkKind(usize);

impl NetworkKind {
    /// DCGAN's.
    pub const DCGAN: NetworkKind = NetworkKind(0);

    /// Every kind.
    pub fn all() -> impl Iterator<Item = NetworkKind> {
        (0..NETWORKS.len()).map(NetworkKind)
    }

    fn description(self) -> &'static Description {
        &NETWORKS[self.0]
    }

    /// The name on the command line and in headers.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// The name in a sentence.
    pub fn title(self) -> &'static str {
        self.description().title
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        self.description().about
    }

    /// The name of every kind, and what it is.
    pub(super) fn words() -> Vec<(&'static str, &'static str)> {
        NetworkKind::all().map(|kind| (kind.name(), kind.about())).collect()
    }

    /// The sides of images that it has networks for.
    pub fn sizes(self) -> impl Iterator<Item = usize> {
        let [smallest, largest] = self.description().sizes;
        (0..).map(move |doublings| smallest << doublings).take_while(move |&size| size <= largest)
    }

    /// Every side that one of the kinds has networks for.
    pub fn every_size() -> Vec<usize> {
        NetworkKind::all().flat_map(NetworkKind::sizes).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether it is what headers that name none mean.
    pub(super) fn is_default(&self) -> bool {
        *self == NetworkKind::default()
    }
}

impl Default for NetworkKind {
    fn default() -> NetworkKind {
        NetworkKind::DCGAN
    }
}

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for NetworkKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<NetworkKind> {
        NetworkKind::all().find(|kind| kind.name() == text).ok_or_else(|| {
            let names: Vec<&str> = NetworkKind::all().map(NetworkKind::name).collect();
            Error::option("network", format!("takes {}, not {text}", names.join(" or ")))
        })
    }
}

impl Serialize for NetworkKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for NetworkKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<NetworkKind, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Value for NetworkKind {
    fn read(text: &str) -> Option<NetworkKind> {
        text.parse().ok()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Architecture {
    /// The layers of the generator.
    pub fn generator(&self) -> Vec<Layer> {
        (self.network.description().generator)(self)
    }

    /// The layers of the discriminator.
    pub fn discriminator(&self) -> Vec<Layer> {
        (self.network.description().discriminator)(self)
    }
}

/// The end of a discriminator that is given conditions.
fn projection(main: &mut Sequence, architecture: &Architecture, channels: usize) {
    let condition = architecture.condition_length();
    if condition > 0 {
        main.beside("projection", LayerKind::Projection { condition, channels });
    }
}
