//! Layers that own named parameters, initialisers, and the optimiser.

mod adam;
mod initialise;
mod layers;
mod parameter;

pub use adam::{Adam, AdamOptions};
pub use initialise::Initialiser;
pub use layers::{BatchNorm, Builder, Convolution2d, Linear, Mode, Norm, NormKind};
pub use parameter::{Layout, Parameter};
