//! What PyTorch calls every tensor of a network, its shape there, and which parameter of graft it is.

use crate::nn::{Layer, LayerKind, Layout, Slot, SlotKind};

/// One entry of a state dict.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// PyTorch's name.
    pub name: String,
    /// PyTorch's shape.
    pub shape: Vec<usize>,
    pub value: Value,
}

/// Where the value of an entry comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// The parameter of this name, as it is stored.
    Stored(String),
    /// The matrix of this name: `nn.Linear` holds it the other way round.
    Transposed(String),
    /// The singular vector of the parameter `filter` that belongs to the other, `direction`; graft finds it anew.
    Opposite { filter: String, direction: String },
    /// How many batches a batch norm has seen, which graft does not count. PyTorch reads it only where `momentum` is None.
    Batches,
}

/// The entries of a list of layers, in the order in which PyTorch lists them.
pub(super) fn entries(layers: &[Layer]) -> Vec<Entry> {
    let of_layer = |layer: &Layer| match &layer.kind {
        LayerKind::Residual { body, shortcut } => [entries(body), entries(shortcut)].concat(),
        _ => {
            let slots = layer.slots();
            let is_spectral = slots.iter().any(|slot| slot.kind == SlotKind::Direction);
            slots.iter().flat_map(|slot| of_slot(layer, slot, is_spectral)).collect()
        }
    };
    layers.iter().flat_map(of_layer).collect()
}

/// The entries of one parameter. Under a spectral norm a filter has the names of `torch.nn.utils.parametrizations.spectral_norm`.
fn of_slot(layer: &Layer, slot: &Slot, is_spectral: bool) -> Vec<Entry> {
    let own = slot.name.clone();
    let entry = |name: String, shape: Vec<usize>, value| Entry { name, shape, value };
    let within = |part: &str| format!("{}.parametrizations.weight.{part}", layer.name);
    match slot.kind {
        SlotKind::Condition => {
            let shape = slot.shape.iter().rev().copied().collect();
            vec![entry(own.clone(), shape, Value::Transposed(own))]
        }
        SlotKind::Weight if is_spectral && slot.layout == Layout::Filter => {
            vec![entry(within("original"), slot.stored_shape(), Value::Stored(own))]
        }
        SlotKind::Direction => {
            let filter =
                layer.slots().into_iter().find(|slot| slot.layout == Layout::Filter).expect("a direction of a filter");
            let rows = filter.shape.iter().product::<usize>() / slot.shape[0];
            vec![
                entry(within("0._u"), slot.shape.clone(), Value::Stored(own.clone())),
                entry(within("0._v"), vec![rows], Value::Opposite { filter: filter.name, direction: own }),
            ]
        }
        SlotKind::Statistic if own.ends_with("running_var") => vec![
            entry(own.clone(), slot.shape.clone(), Value::Stored(own)),
            entry(format!("{}.num_batches_tracked", layer.name), Vec::new(), Value::Batches),
        ],
        SlotKind::Weight | SlotKind::Statistic => vec![entry(own.clone(), slot.stored_shape(), Value::Stored(own))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::{Architecture, NetworkKind};
    use crate::nn::{NormKind, slots};

    #[test]
    fn every_parameter_of_every_architecture_has_one_entry_of_its_shape() {
        let sorted = |mut found: Vec<(String, Vec<usize>)>| {
            found.sort();
            found
        };
        let architectures = NetworkKind::all().flat_map(|network| {
            let of_size = move |size| Architecture { network, features: 2, latent: 7, ..Architecture::dcgan(size, 3) };
            network.sizes().map(of_size)
        });
        for architecture in architectures {
            for d_norm in [NormKind::Batch, NormKind::Instance, NormKind::Layer, NormKind::Spectral, NormKind::None] {
                for (classes, condition_features) in [(0, 0), (3, 0), (0, 5), (3, 5)] {
                    let architecture = Architecture { classes, condition_features, d_norm, ..architecture };
                    for layers in [architecture.generator(), architecture.discriminator()] {
                        let own =
                            slots(&layers).into_iter().map(|slot| (slot.name.clone(), slot.stored_shape())).collect();
                        let named = entries(&layers).into_iter().filter_map(|Entry { shape, value, .. }| match value {
                            Value::Stored(name) => Some((name, shape)),
                            Value::Transposed(name) => Some((name, shape.into_iter().rev().collect())),
                            Value::Opposite { .. } | Value::Batches => None,
                        });
                        assert_eq!(sorted(named.collect()), sorted(own), "{architecture:?}");
                    }
                }
            }
        }
    }
}
