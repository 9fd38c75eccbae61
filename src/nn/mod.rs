//! Layers as data and the module built from them, layers that own named parameters, initialisers, and the optimiser.

mod adam;
mod initialise;
mod layers;
mod module;
mod network;
mod parameter;

pub use adam::{Adam, AdamOptions};
pub use initialise::Initialiser;
use layers::{BatchNorm, Norm};
pub use layers::{Builder, Linear, Mode, NormKind};
pub use module::{Module, Pass};
pub use network::{Filter, Layer, LayerKind, Sequence, Slot, SlotKind, lowest, maps, slots};
pub use parameter::{Layout, Parameter};
