//! The one classifier, and the one loop that trains it: the judge of samples, CTGAN's label predictor, and GAN-train's
//! classifier are all it, with other settings.

mod jitter;
mod network;
mod training;

pub use jitter::Jitter;
pub use network::{Classifier, Design, Outputs, Predictions, Trunk};
pub use training::{Made, Options, Targets, Training, Watcher};
