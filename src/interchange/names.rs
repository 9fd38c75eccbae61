//! What PyTorch calls every tensor of the two networks, its shape there, and which parameter of graft it is.

use crate::gan::Architecture;
use crate::nn::NormKind;

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

/// The generator's entries.
pub(super) fn generator(architecture: &Architecture) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut inputs = architecture.latent;
    for (level, width) in architecture.widths().into_iter().enumerate() {
        entries.push(stored(format!("main.{}.weight", 3 * level), &[inputs, width, 4, 4]));
        let norm = format!("main.{}", 3 * level + 1);
        entries.extend(batch_norm(&norm, width));
        if architecture.condition_length() > 0 {
            let parts = ["condition_scale", "condition_shift"];
            entries.extend(parts.map(|part| linear(format!("{norm}.{part}"), architecture.condition_length(), width)));
        }
        inputs = width;
    }
    let image = 3 * architecture.widths().len();
    entries.push(stored(format!("main.{image}.weight"), &[inputs, architecture.channels, 4, 4]));
    entries
}

/// The discriminator's entries.
pub(super) fn discriminator(architecture: &Architecture) -> Vec<Entry> {
    let kind = architecture.d_norm;
    let mut entries = Vec::new();
    let (mut inputs, mut module) = (architecture.channels, 0);
    for (level, width) in architecture.widths().into_iter().rev().enumerate() {
        let name = format!("main.{module}");
        entries.extend(filter(&name, [width, inputs], kind));
        if matches!(kind, NormKind::None | NormKind::Spectral) {
            entries.push(stored(format!("{name}.bias"), &[width]));
        }
        let norm = format!("main.{}", module + 1);
        let normalised = match kind {
            NormKind::Batch if level > 0 => batch_norm(&norm, width),
            NormKind::Instance | NormKind::Layer if level > 0 => affine(&norm, width),
            _ => Vec::new(),
        };
        // The filter, its normalisation and its activation are a module each.
        module += if normalised.is_empty() { 2 } else { 3 };
        entries.extend(normalised);
        inputs = width;
    }
    entries.extend(filter(&format!("main.{module}"), [1, inputs], kind));
    if architecture.condition_length() > 0 {
        entries.push(linear("projection".to_string(), architecture.condition_length(), inputs));
    }
    entries
}

fn stored(name: String, shape: &[usize]) -> Entry {
    Entry { name: name.clone(), shape: shape.to_vec(), value: Value::Stored(name) }
}

fn linear(name: String, inputs: usize, outputs: usize) -> Entry {
    let name = format!("{name}.weight");
    Entry { name: name.clone(), shape: vec![outputs, inputs], value: Value::Transposed(name) }
}

fn affine(name: &str, width: usize) -> Vec<Entry> {
    ["weight", "bias"].map(|part| stored(format!("{name}.{part}"), &[width])).to_vec()
}

fn batch_norm(name: &str, width: usize) -> Vec<Entry> {
    let statistics = ["running_mean", "running_var"].map(|part| stored(format!("{name}.{part}"), &[width]));
    let batches = Entry { name: format!("{name}.num_batches_tracked"), shape: Vec::new(), value: Value::Batches };
    [affine(name, width), statistics.to_vec(), vec![batches]].concat()
}

/// The filter of a convolution; under a spectral norm, as `torch.nn.utils.parametrizations.spectral_norm` names its parts.
fn filter(name: &str, [outputs, inputs]: [usize; 2], kind: NormKind) -> Vec<Entry> {
    let shape = [outputs, inputs, 4, 4];
    let weight = format!("{name}.weight");
    if kind != NormKind::Spectral {
        return vec![stored(weight, &shape)];
    }
    let of = |part: &str, shape: &[usize], value| Entry {
        name: format!("{name}.parametrizations.weight.{part}"),
        shape: shape.to_vec(),
        value,
    };
    let direction = format!("{name}.weight_u");
    vec![
        of("original", &shape, Value::Stored(weight.clone())),
        of("0._u", &[outputs], Value::Stored(direction.clone())),
        of("0._v", &[inputs * 16], Value::Opposite { filter: weight, direction }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Device;
    use crate::gan::{Discriminator, Generator};
    use crate::nn::Parameter;

    /// Names and shapes, as they are stored.
    fn own(parameters: Vec<Parameter>) -> Vec<(String, Vec<usize>)> {
        let mut found: Vec<_> = parameters.iter().map(|p| (p.name().to_string(), p.stored_shape())).collect();
        found.sort();
        found
    }

    fn named(entries: Vec<Entry>) -> Vec<(String, Vec<usize>)> {
        let parameter = |Entry { shape, value, .. }: Entry| match value {
            Value::Stored(name) => Some((name, shape)),
            Value::Transposed(name) => Some((name, shape.into_iter().rev().collect())),
            Value::Opposite { .. } | Value::Batches => None,
        };
        let mut found: Vec<_> = entries.into_iter().filter_map(parameter).collect();
        found.sort();
        found
    }

    #[test]
    fn every_parameter_of_every_architecture_has_one_entry_of_its_shape() {
        use NormKind::{Batch, Instance, Layer, None, Spectral};
        let device = Device::cpu();
        for (size, channels, d_norm) in
            [(32, 1, Batch), (64, 3, Layer), (32, 3, Instance), (64, 1, Spectral), (32, 1, None)]
        {
            for (classes, condition_features) in [(0, 0), (3, 0), (0, 5), (3, 5)] {
                let architecture =
                    Architecture { size, channels, features: 2, latent: 7, classes, condition_features, d_norm };
                let network = Generator::new(&device, &architecture, 0);
                let parameters = [network.parameters(), network.statistics()].concat();
                assert_eq!(named(generator(&architecture)), own(parameters), "{architecture:?}");
                let network = Discriminator::new(&device, &architecture, 0);
                let parameters = [network.parameters(), network.statistics()].concat();
                assert_eq!(named(discriminator(&architecture)), own(parameters), "{architecture:?}");
            }
        }
    }
}
