//! The architecture that a state dict's names and shapes speak for: the kind of network whose names fit best, and of each number what
//! most tensors say, so that one that is wrong stands out as the one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::names::{Entry, entries};
use crate::checkpoint::Checkpoint;
use crate::gan::{Architecture, NetworkKind, Role};
use crate::nn::NormKind;

/// What of an architecture one network shows; `None` where no tensor speaks of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub network: NetworkKind,
    pub size: usize,
    pub channels: Option<usize>,
    pub features: Option<usize>,
    pub latent: Option<usize>,
    pub condition: usize,
    /// The discriminator's norm, where names leave none open.
    pub d_norm: Option<NormKind>,
}

/// The architecture of which all numbers but the size are 1: the least of its shape.
const LEAST: Architecture = Architecture { channels: 1, features: 1, latent: 1, ..Architecture::dcgan(32, 1) };

/// What a network shows, of these kinds and norms.
pub(super) fn seen(state: &Checkpoint, role: Role, networks: &[NetworkKind], norms: &[NormKind]) -> Seen {
    let fits = candidates(role, networks, norms).map(|candidate| (rank(state, role, &candidate), candidate));
    let fits: Vec<_> = fits.collect();
    let best = fits.iter().map(|(rank, _)| *rank).max().expect("there are networks");
    // Where nothing fits, any serves: the report then names all that is missing.
    let nearest = if best.0 == 0 { LEAST } else { fits.iter().find(|(rank, _)| *rank == best).expect("the best").1 };
    let mut open = fits.iter().filter(|(rank, _)| *rank == best).map(|(_, candidate)| candidate.d_norm);
    let first = open.next();
    let number = |raised: Architecture| most(said(state, role, &nearest, &raised));
    let least = nearest;
    Seen {
        network: nearest.network,
        size: nearest.size,
        channels: number(Architecture { channels: 2, ..least }),
        features: number(Architecture { features: 2, ..least }),
        latent: number(Architecture { latent: 2, ..least }),
        condition: number(Architecture { classes: least.classes + 1, ..least })
            .filter(|_| least.classes > 0)
            .unwrap_or(0),
        d_norm: first.filter(|first| open.all(|other| other == *first)),
    }
}

/// Whether the names are a discriminator's rather than a generator's.
pub(super) fn is_discriminator(state: &Checkpoint) -> bool {
    let networks: Vec<NetworkKind> = NetworkKind::all().collect();
    let best = |role| candidates(role, &networks, &NORMS).map(|candidate| rank(state, role, &candidate)).max();
    let (discriminator, generator) = (best(Role::Discriminator), best(Role::Generator));
    discriminator > generator && discriminator.is_some_and(|(there, _)| there > 0)
}

/// Every norm of a discriminator.
pub(super) const NORMS: [NormKind; 5] =
    [NormKind::Batch, NormKind::Instance, NormKind::Layer, NormKind::Spectral, NormKind::None];

/// The architectures whose lists of names differ. A generator's do not depend on the norm.
fn candidates(role: Role, networks: &[NetworkKind], norms: &[NormKind]) -> impl Iterator<Item = Architecture> {
    let norms = if role == Role::Generator { &norms[..1] } else { norms };
    networks.iter().flat_map(move |&network| {
        network.sizes().flat_map(move |size| {
            [0, 1].into_iter().flat_map(move |classes| {
                norms.iter().map(move |&d_norm| Architecture { network, size, classes, d_norm, ..LEAST })
            })
        })
    })
}

fn of(role: Role, architecture: &Architecture) -> Vec<Entry> {
    entries(&role.layers(architecture))
}

/// How many of the network's names there are, and then how few are missing.
fn rank(state: &Checkpoint, role: Role, candidate: &Architecture) -> (usize, Reverse<usize>) {
    let names = of(role, candidate);
    let there = names.iter().filter(|entry| state.shape(&entry.name).is_some()).count();
    (there, Reverse(names.len() - there))
}

/// What each size of a tensor says of the number that is 1 in one architecture and 2 in the other: sizes are linear in it.
fn said(state: &Checkpoint, role: Role, least: &Architecture, raised: &Architecture) -> Vec<usize> {
    let raised: BTreeMap<String, Vec<usize>> =
        of(role, raised).into_iter().map(|entry| (entry.name, entry.shape)).collect();
    let mut values = Vec::new();
    for Entry { name, shape: low, .. } in of(role, least) {
        let (Some(high), Some(found)) = (raised.get(&name), state.shape(&name)) else { continue };
        for ((low, high), size) in low.iter().zip(high).zip(found).filter(|_| found.len() == low.len()) {
            let (slope, rest) = (high - low, size.checked_sub(low - (high - low)));
            values.extend(rest.filter(|rest| slope > 0 && rest % slope == 0).map(|rest| rest / slope));
        }
    }
    values
}

/// What is said most often; of several the smallest.
fn most(said: Vec<usize>) -> Option<usize> {
    let mut counts = HashMap::new();
    said.into_iter().for_each(|value| *counts.entry(value).or_insert(0) += 1);
    counts.into_iter().max_by_key(|&(value, count)| (count, Reverse(value))).map(|(value, _)| value)
}
