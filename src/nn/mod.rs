//! Layers as data and the module built from them, layers that own named parameters, initialisers, and the optimiser.

mod adam;
mod initialise;
mod layers;
mod module;
mod network;
mod parameter;

pub use adam::{Adam, AdamOptions};
pub use initialise::Initialiser;
pub use layers::{BatchNorm, Builder, Convolution2d, Linear, Mode, Norm, NormKind};
pub use module::{Module, Pass};
pub use network::{Filter, Layer, LayerKind, Sequence, Slot, SlotKind, lowest, maps, slots};
pub use parameter::{Layout, Parameter};
