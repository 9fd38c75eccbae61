//! Layers as data and the module built from them, layers that own named parameters, initialisers, optimisers, and the one seam for
//! an update.

mod adam;
mod affine;
mod initialise;
mod instance_norm;
mod layers;
mod module;
mod network;
mod optimiser;
mod parameter;
mod sgd;

pub use adam::{Adam, AdamOptions, AdamW};
pub use affine::{Conv2d, Linear};
pub use initialise::Initialiser;
pub use instance_norm::InstanceNorm;
use layers::{BatchNorm, Norm};
pub use layers::{Builder, Mode, NormKind};
pub use module::{Module, Pass};
pub use network::{Filter, Layer, LayerKind, Sequence, Slot, SlotKind, lowest, maps, slots};
pub use optimiser::{Gradients, Optimiser, minimise};
pub use parameter::{Layout, Parameter};
pub use sgd::{Sgd, SgdOptions};
