//! Moving a source's parameters into a target's networks, and the report of what became of each layer.
//!
//! A source of one channel meets a target of three by tiling the generator's last filters, and by dividing the
//! discriminator's first filters by 3, so that D(rep(x)) is unchanged. Whatever else differs is refused.

use std::collections::HashMap;
use std::fmt;

use crate::backend::Device;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Discriminator, Generator, Role};
use crate::nn::{NormKind, Parameter};
use crate::tensor::{Tensor, no_grad};

/// Channels of colour images, into which grey ones are repeated.
const COLOURS: usize = 3;

/// What became of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Taken over as it is.
    Copied,
    /// The generator's filters to one channel, repeated for each of three.
    Tiled,
    /// The discriminator's filters from one channel, repeated for each of three and divided by 3.
    Divided,
    /// Rows of the condition taken over, zeros for those that are new.
    Extended,
    /// As it was drawn; conditioning starts at zero.
    Fresh,
}

impl Change {
    /// Whether the layer now treats all colours alike.
    pub fn is_colour_blind(self) -> bool {
        matches!(self, Change::Tiled | Change::Divided)
    }
}

/// A line of the layer report.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The network.
    pub role: Role,
    /// The parameter's name.
    pub name: String,
    /// Its shape in the target.
    pub shape: Vec<usize>,
    /// What became of it.
    pub change: Change,
    /// Whether training leaves it alone.
    pub frozen: bool,
}

/// The layer report of a transfer; displays as a table, a line a parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerReport(pub Vec<Row>);

impl LayerReport {
    /// Networks of which nothing came from a source, drawn by `seed`.
    pub fn fresh(architecture: &Architecture, device: &Device, seed: u64) -> LayerReport {
        let (generator, discriminator) =
            (Generator::new(device, architecture, seed), Discriminator::new(device, architecture, seed));
        let rows = |role, own: &[Parameter]| Transplant::fresh(role, own).rows(|_| false);
        let generator = rows(Role::Generator, &generator.parameters());
        LayerReport([generator, rows(Role::Discriminator, &discriminator.parameters())].concat())
    }
}

impl Row {
    /// The network, the parameter, its shape, and what became of it, in words.
    pub fn words(&self) -> [String; 4] {
        let network = match self.role {
            Role::Generator => "G",
            Role::Discriminator => "D",
        };
        let change = match self.change {
            Change::Copied => "copied",
            Change::Tiled => "tiled from 1 to 3 channels (colour-blind)",
            Change::Divided => "tiled from 1 to 3 channels and divided by 3 (colour-blind)",
            Change::Extended => "copied, new conditions zero",
            Change::Fresh => "fresh",
        };
        let frozen = if self.frozen { ", frozen" } else { "" };
        [network.to_string(), self.name.clone(), format!("{:?}", self.shape), format!("{change}{frozen}")]
    }
}

impl fmt::Display for LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.0.iter().enumerate() {
            let [network, name, shape, change] = row.words();
            let end = if index + 1 == self.0.len() { "" } else { "\n" };
            write!(f, "{network} {name:<32} {shape:<20} {change}{end}")?;
        }
        Ok(())
    }
}

/// Tensors for one network of the target.
#[derive(Clone, Debug)]
pub struct Transplant {
    role: Role,
    tensors: Vec<(String, Tensor, Change)>,
}

impl Transplant {
    /// What the parameters of `target` become, given those of the source's network.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first parameter that fits neither as it is nor by a change that is described above.
    pub fn new(role: Role, source: &[Parameter], target: &[Parameter]) -> Result<Transplant> {
        let mut given: HashMap<&str, &Parameter> =
            source.iter().map(|parameter| (parameter.name(), parameter)).collect();
        let mut tensors = Vec::new();
        for parameter in target {
            let own = parameter.get();
            let (tensor, change) = match given.remove(parameter.name()) {
                None if is_condition(parameter.name()) => (own, Change::Fresh),
                None => return Err(misfit(parameter, "is not in the source")),
                Some(source) => {
                    let source = source.get().to_device(own.device())?;
                    fit(role, parameter.name(), &source, own.shape()).ok_or_else(|| {
                        misfit(parameter, &format!("has the shape {:?} in the source", source.shape()))
                    })?
                }
            };
            tensors.push((parameter.name().to_string(), tensor.detach(), change));
        }
        match given.keys().min() {
            None => Ok(Transplant { role, tensors }),
            Some(name) => Err(Error::invalid(format!(
                "the source's {name} has no place in the target; name a source of the same networks"
            ))),
        }
    }

    /// Nothing is taken over: every parameter as it was drawn.
    pub fn fresh(role: Role, target: &[Parameter]) -> Transplant {
        let row = |parameter: &Parameter| (parameter.name().to_string(), parameter.get(), Change::Fresh);
        Transplant { role, tensors: target.iter().map(row).collect() }
    }

    /// Puts the tensors into parameters of the same names.
    ///
    /// # Panics
    /// Where one is missing.
    pub fn apply(&self, parameters: &[Parameter]) {
        for parameter in parameters {
            let found = self.tensors.iter().find(|(name, ..)| name == parameter.name());
            let (_, tensor, _) = found.unwrap_or_else(|| panic!("{} was not transplanted", parameter.name()));
            parameter.set(tensor.clone());
        }
    }

    /// The lines of the report, given which parameters are frozen.
    pub fn rows(&self, frozen: impl Fn(&str) -> bool) -> Vec<Row> {
        let row = |(name, tensor, change): &(String, Tensor, Change)| Row {
            role: self.role,
            name: name.clone(),
            shape: tensor.shape().to_vec(),
            change: *change,
            frozen: frozen(name),
        };
        self.tensors.iter().map(row).collect()
    }

    /// Whether a parameter treats all colours alike.
    pub fn is_colour_blind(&self, parameter: &str) -> bool {
        self.tensors.iter().any(|(name, _, change)| name == parameter && change.is_colour_blind())
    }
}

fn misfit(parameter: &Parameter, what: &str) -> Error {
    Error::invalid(format!(
        "the target's {} of shape {:?} {what}; name a source of the same size, width, latent, classes and discriminator's norm",
        parameter.name(),
        parameter.get().shape()
    ))
}

fn is_condition(name: &str) -> bool {
    name.contains("condition_") || name.starts_with("projection")
}

fn fit(role: Role, name: &str, source: &Tensor, shape: &[usize]) -> Option<(Tensor, Change)> {
    if source.shape() == shape {
        return Some((source.clone(), Change::Copied));
    }
    no_grad(|| match (source.shape(), shape) {
        (&[kh, kw, 1, k], &[th, tw, COLOURS, tk]) if [kh, kw, k] == [th, tw, tk] => Some(match role {
            Role::Generator => (source.expand(shape), Change::Tiled),
            Role::Discriminator => (source.expand(shape) * (1.0 / COLOURS as f64), Change::Divided),
        }),
        (&[rows, width], &[more, same]) if is_condition(name) && width == same && rows < more => {
            Some((source.pad(0, 0, more - rows), Change::Extended))
        }
        _ => None,
    })
}

/// Refuses a source whose networks are not the target's but for the channels and the condition.
///
/// # Errors
/// [`Error::Invalid`] naming what differs and what to do.
pub fn check(source: &Architecture, target: &Architecture) -> Result<()> {
    let differs = |what: &str, source: &dyn fmt::Debug, target: &dyn fmt::Debug, advice: &str| {
        Err(Error::invalid(format!("the source's {what} is {source:?} and the target's {target:?}: {advice}")))
    };
    if source.size != target.size {
        return differs("size", &source.size, &target.size, "train a source of the target's size");
    }
    if source.features != target.features {
        return differs("width", &source.features, &target.features, "give --features as the source has it");
    }
    if source.latent != target.latent {
        return differs("latent", &source.latent, &target.latent, "give --latent as the source has it");
    }
    if source.d_norm != target.d_norm {
        let word = |norm: NormKind| format!("{norm:?}").to_lowercase();
        // A batch norm mixes the samples that a penalty keeps apart.
        let r1 = if source.d_norm == NormKind::Batch { " --r1 0" } else { "" };
        return Err(Error::invalid(format!(
            "the source's discriminator has the norm {}, and the target's {}: give --d-norm {0}{r1}, or train another source",
            word(source.d_norm),
            word(target.d_norm)
        )));
    }
    if source.classes > 0 && source.classes != target.classes {
        let advice = "name a source that was trained without --conditional, or one of the target's classes";
        return differs("number of classes", &source.classes, &target.classes, advice);
    }
    if source.condition_features > 0 {
        return Err(Error::invalid("the source is conditioned on features; name one that `graft train` wrote"));
    }
    match (source.channels, target.channels) {
        (1, COLOURS) if source.d_norm == NormKind::Spectral => Err(Error::invalid(
            "a spectral norm would undo the division of a grey source's filters; train a source of 3 channels",
        )),
        (1, COLOURS) => Ok(()),
        (same, other) if same == other => Ok(()),
        (ours, theirs) => differs("number of channels", &ours, &theirs, "train a source of the target's channels"),
    }
}
