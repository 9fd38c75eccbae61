//! Layers that own named parameters, initialisers, optimisers, and the one seam for an update.

mod adam;
mod affine;
mod initialise;
mod layers;
mod optimiser;
mod parameter;
mod sgd;

pub use adam::{Adam, AdamOptions, AdamW};
pub use affine::{Conv2d, Linear};
pub use initialise::Initialiser;
pub use layers::{BatchNorm, Builder, Convolution2d, Mode, Norm, NormKind};
pub use optimiser::{Gradients, Optimiser, minimise};
pub use parameter::{Layout, Parameter};
pub use sgd::{Sgd, SgdOptions};
