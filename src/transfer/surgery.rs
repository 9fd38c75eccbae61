//! Moving a source's parameters into a target's networks, and the report of what became of each layer. Both are lists of layers, so
//! what becomes of each parameter is known before anything is trained.
//!
//! A source of one channel meets a target of three by tiling the generator's last filters, and by dividing the
//! discriminator's first filters by 3, so that D(rep(x)) is unchanged. Whatever else differs is refused.

use std::collections::HashMap;
use std::fmt;

use crate::backend::Device;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Role};
use crate::nn::{NormKind, Parameter, Slot, SlotKind};
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
    /// Networks of which nothing came from a source.
    pub fn fresh(architecture: &Architecture) -> LayerReport {
        let rows = |role| Surgery::fresh(role, architecture).rows(|_| false);
        LayerReport([rows(Role::Generator), rows(Role::Discriminator)].concat())
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

/// What becomes of each parameter of one network of the target: known before there is a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Surgery {
    role: Role,
    changes: Vec<(Slot, Change)>,
}

impl Surgery {
    /// What the parameters of a target's network become, given a source's.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first parameter that fits neither as it is nor by a change that is described above.
    pub fn new(role: Role, source: &Architecture, target: &Architecture) -> Result<Surgery> {
        let mut given: HashMap<String, Slot> =
            role.slots(source).into_iter().map(|slot| (slot.name.clone(), slot)).collect();
        let mut changes = Vec::new();
        for slot in role.slots(target) {
            let change = match given.remove(&slot.name) {
                None if slot.kind == SlotKind::Condition => Change::Fresh,
                None => return Err(misfit(&slot, "is not in the source")),
                Some(source) => change(role, &source, &slot)
                    .ok_or_else(|| misfit(&slot, &format!("has the shape {:?} in the source", source.shape)))?,
            };
            changes.push((slot, change));
        }
        match given.keys().min() {
            None => Ok(Surgery { role, changes }),
            Some(name) => Err(Error::invalid(format!(
                "the source's {name} has no place in the target; name a source of the same networks"
            ))),
        }
    }

    /// Nothing is taken over: every parameter as it is drawn.
    pub fn fresh(role: Role, target: &Architecture) -> Surgery {
        Surgery { role, changes: role.slots(target).into_iter().map(|slot| (slot, Change::Fresh)).collect() }
    }

    /// The tensors of the target's parameters, made of the source's; those that stay fresh have none.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where a parameter of the source is missing.
    pub fn tensors(&self, source: &[Parameter], device: &Device) -> Result<Transplant> {
        let mut tensors = HashMap::new();
        for (Slot { name, shape, .. }, change) in self.changes.iter().filter(|(_, change)| *change != Change::Fresh) {
            let found = source.iter().find(|parameter| parameter.name() == name);
            let found = found.unwrap_or_else(|| panic!("the source has no {name}")).get().to_device(device)?;
            let made = no_grad(|| match change {
                Change::Tiled => found.expand(shape),
                Change::Divided => found.expand(shape) * (1.0 / COLOURS as f64),
                Change::Extended => found.pad(0, 0, shape[0] - found.shape()[0]),
                Change::Copied | Change::Fresh => found,
            });
            tensors.insert(name.clone(), made.detach());
        }
        Ok(Transplant(tensors))
    }

    /// The lines of the report, given which parameters are frozen.
    pub fn rows(&self, frozen: impl Fn(&str) -> bool) -> Vec<Row> {
        let trained = self.changes.iter().filter(|(slot, _)| slot.kind.is_trained());
        let row = |(Slot { name, shape, .. }, change): &(Slot, Change)| Row {
            role: self.role,
            name: name.clone(),
            shape: shape.clone(),
            change: *change,
            frozen: frozen(name),
        };
        trained.map(row).collect()
    }

    /// The first of these parameters that treats all colours alike.
    pub fn colour_blind<'a>(&self, mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
        names.find(|name| self.changes.iter().any(|(slot, change)| slot.name == **name && change.is_colour_blind()))
    }
}

/// Tensors for one network of the target.
#[derive(Clone, Debug)]
pub struct Transplant(HashMap<String, Tensor>);

impl Transplant {
    /// Puts the tensors into parameters of the same names.
    pub fn apply(&self, parameters: &[Parameter]) {
        for parameter in parameters {
            if let Some(tensor) = self.0.get(parameter.name()) {
                parameter.set(tensor.clone());
            }
        }
    }
}

fn misfit(slot: &Slot, what: &str) -> Error {
    Error::invalid(format!(
        "the target's {} of shape {:?} {what}; name a source of the same size, width, latent, classes and discriminator's norm",
        slot.name, slot.shape
    ))
}

fn change(role: Role, source: &Slot, target: &Slot) -> Option<Change> {
    match (&source.shape[..], &target.shape[..]) {
        (same, other) if same == other => Some(Change::Copied),
        (&[kh, kw, 1, k], &[th, tw, COLOURS, tk]) if [kh, kw, k] == [th, tw, tk] => Some(match role {
            Role::Generator => Change::Tiled,
            Role::Discriminator => Change::Divided,
        }),
        // Of a convolution that is not transposed, what it draws stands last.
        (&[kh, kw, c, 1], &[th, tw, tc, COLOURS]) if role == Role::Generator && [kh, kw, c] == [th, tw, tc] => {
            Some(Change::Tiled)
        }
        (&[rows, width], &[more, same]) if target.kind == SlotKind::Condition && width == same && rows < more => {
            Some(Change::Extended)
        }
        _ => None,
    }
}

/// Refuses a source whose networks are not the target's but for the channels and the condition.
///
/// # Errors
/// [`Error::Invalid`] naming what differs and what to do.
pub fn check(source: &Architecture, target: &Architecture) -> Result<()> {
    if source.classes > 0 && target.classes == 0 {
        return Err(Error::invalid(format!(
            "the source's networks are conditioned on {} classes, which this method has no use for: take the method ctgan, or a source that \
             knows no classes",
            source.classes
        )));
    }
    let differs = |what: &str, source: &dyn fmt::Debug, target: &dyn fmt::Debug, advice: &str| {
        Err(Error::invalid(format!("the source's {what} is {source:?} and the target's {target:?}: {advice}")))
    };
    // All at once: each would cost a try.
    let rows = |of: &Architecture| {
        let Architecture { network, size, features, latent, d_norm, .. } = of;
        [
            ("network", network.to_string()),
            ("size", size.to_string()),
            ("features", features.to_string()),
            ("latent", latent.to_string()),
            ("d-norm", d_norm.to_string()),
        ]
    };
    let other: Vec<((&str, String), String)> =
        rows(source).into_iter().zip(rows(target)).filter(|(a, b)| a != b).map(|(a, (_, b))| (a, b)).collect();
    if !other.is_empty() {
        let list = |word: &dyn Fn(&(&str, String), &String) -> String| {
            other.iter().map(|(ours, theirs)| word(ours, theirs)).collect::<Vec<_>>().join(", ")
        };
        // A batch norm mixes the samples that a penalty keeps apart.
        let r1 = if source.d_norm != target.d_norm && source.d_norm == NormKind::Batch {
            ", loss non-saturating, r1 0"
        } else {
            ""
        };
        return Err(Error::invalid(format!(
            "the source's networks are not the target's: {}; take {}{r1}, or train another source",
            list(&|(name, ours), theirs| format!("its {name} is {ours}, the target's {theirs}")),
            list(&|(name, ours), _| format!("{name} {ours}")),
        )));
    }
    if source.classes > 0 && source.classes != target.classes {
        let advice = "name a source that knows no classes, or one of the target's classes";
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
