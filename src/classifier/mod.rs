//! The one classifier, and the one loop that trains it: the judge of samples, CTGAN's label predictor, and GAN-train's
//! classifier are all it, with other settings. Beside it, what learns of images without labels.

mod contrastive;
mod jitter;
mod network;
mod training;
mod views;

pub use contrastive::{Contrastive, ContrastiveOptions, ContrastiveTraining, nt_xent};
pub use jitter::Jitter;
pub(crate) use network::LINEAR;
pub use network::{Classifier, Design, FrozenTrunk, Input, Outputs, Predictions, Trunk};
pub(crate) use training::decay;
pub use training::{Made, Options, Targets, Training, Watcher};
pub use views::Views;
