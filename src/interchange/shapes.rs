//! The architecture that a state dict's names and shapes speak for: of each number what most tensors say, so that one that is wrong
//! stands out as the one.

use std::collections::HashMap;

use crate::checkpoint::Checkpoint;
use crate::gan::Architecture;
use crate::nn::NormKind;

/// The number of the last module of a generator of 32x32 images, whose layers count three modules each.
const LAST_OF_32: usize = 9;

/// What of an architecture one network shows; `None` where no tensor speaks of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub size: usize,
    pub channels: Option<usize>,
    pub features: Option<usize>,
    pub condition: usize,
}

/// Of a generator, and the length of its latents.
pub(super) fn generator(state: &Checkpoint) -> (Seen, Option<usize>) {
    let size = if last_module(state) > LAST_OF_32 { 64 } else { 32 };
    let levels = levels(size);
    let filter = |level: usize, axis| axis_of(state, &format!("main.{}.weight", 3 * level), axis);
    let norms = (0..levels).flat_map(|level| {
        let norm = format!("main.{}", 3 * level + 1);
        ["weight", "bias", "running_mean", "running_var"]
            .map(|part| of_level(vector(state, &format!("{norm}.{part}")), levels - 1 - level))
    });
    let filters = (0..levels).map(|level| of_level(filter(level, 1), levels - 1 - level));
    let conditions = (0..levels).flat_map(|level| {
        ["scale", "shift"].map(|part| matrix(state, &format!("main.{}.condition_{part}.weight", 3 * level + 1)))
    });
    let seen = Seen {
        size,
        channels: filter(levels, 1),
        features: most(norms.chain(filters).chain([filter(levels, 0)])),
        condition: most(conditions).unwrap_or(0),
    };
    (seen, filter(0, 0))
}

/// Of a discriminator of a known norm.
pub(super) fn discriminator(state: &Checkpoint, d_norm: NormKind) -> Seen {
    // Module numbers of the filters below the score: 0, 2, 5, .. where a norm is a module, else 0, 2, 4, ..
    let each = if normalises_maps(d_norm) { 3 } else { 2 };
    let module = |level: usize| if level == 0 { 0 } else { 2 + each * (level - 1) };
    let size = if last_module(state) > module(levels(32)) { 64 } else { 32 };
    let levels = levels(size);
    let filter = |level: usize, axis| {
        let name = format!("main.{}", module(level));
        axis_of(state, &format!("{name}.weight"), axis)
            .or_else(|| axis_of(state, &format!("{name}.parametrizations.weight.original"), axis))
    };
    let outputs = (0..levels).map(|level| of_level(filter(level, 0), level));
    let inputs = (1..=levels).map(|level| of_level(filter(level, 1), level - 1));
    Seen {
        size,
        channels: filter(0, 1),
        features: most(outputs.chain(inputs)),
        condition: matrix(state, "projection.weight").unwrap_or(0),
    }
}

/// The norm of a discriminator's state dict; `None` where names and shapes leave open which of instance and layer norm it is.
pub(super) fn norm(state: &Checkpoint) -> Option<NormKind> {
    let any = |part: &str| state.names().any(|name| name.contains(part));
    if any("parametrizations") {
        Some(NormKind::Spectral)
    } else if any("running_mean") {
        Some(NormKind::Batch)
    } else if state.shape("main.0.bias").is_some() {
        Some(NormKind::None)
    } else if vector(state, "main.3.weight").is_some() {
        None
    } else {
        // That of PyTorch's example.
        Some(NormKind::Batch)
    }
}

/// Whether the second module is one of a discriminator, a filter; of a generator it would be an activation.
pub(super) fn is_discriminator(state: &Checkpoint) -> bool {
    state.names().any(|name| name.starts_with("main.2."))
}

fn normalises_maps(kind: NormKind) -> bool {
    matches!(kind, NormKind::Batch | NormKind::Instance | NormKind::Layer)
}

fn levels(size: usize) -> usize {
    let any = Architecture {
        size,
        channels: 1,
        features: 1,
        latent: 1,
        classes: 0,
        condition_features: 0,
        d_norm: NormKind::Batch,
    };
    any.widths().len()
}

/// The highest number of a module `main.N`.
fn last_module(state: &Checkpoint) -> usize {
    let number = |name: &str| name.strip_prefix("main.")?.split('.').next()?.parse().ok();
    state.names().filter_map(number).max().unwrap_or(0)
}

/// An axis of a filter.
fn axis_of(state: &Checkpoint, name: &str, axis: usize) -> Option<usize> {
    state.shape(name).filter(|shape| shape.len() == 4).map(|shape| shape[axis])
}

fn vector(state: &Checkpoint, name: &str) -> Option<usize> {
    state.shape(name).filter(|shape| shape.len() == 1).map(|shape| shape[0])
}

/// The inputs of a linear map.
fn matrix(state: &Checkpoint, name: &str) -> Option<usize> {
    state.shape(name).filter(|shape| shape.len() == 2).map(|shape| shape[1])
}

/// The width of the network whose layer at this level, 0 next to the image, has so many channels.
fn of_level(channels: Option<usize>, level: usize) -> Option<usize> {
    channels.filter(|channels| channels % (1 << level) == 0).map(|channels| channels >> level)
}

/// What is said most often; of several the smallest.
fn most(said: impl IntoIterator<Item = Option<usize>>) -> Option<usize> {
    let mut counts = HashMap::new();
    said.into_iter().flatten().for_each(|value| *counts.entry(value).or_insert(0) += 1);
    counts.into_iter().max_by_key(|&(value, count)| (count, std::cmp::Reverse(value))).map(|(value, _)| value)
}
