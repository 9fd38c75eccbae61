//! Transfer: ways of training a GAN on a target domain that has little data with what was learned on a source that has plenty.
//!
//! A method is one file that defines a [`Kind`] and one line in [`METHODS`]. A [`Plan`] is everything that determines a run;
//! [`run()`] trains or resumes all of its phases.

#[doc(hidden)]
pub mod arm;
mod ctgan;
pub mod curve;
pub mod features;
mod findings;
pub mod labels;
pub mod options;
mod plan;
mod rehearsal;
mod run;
mod scratch;
mod start;
pub mod style;
pub mod surgery;
mod tgan;
mod trgan;
mod workshop;

#[doc(hidden)]
pub use arm::Arm;
pub use findings::{Findings, Judged};
pub use options::{Choices, Init, Learning};
pub use plan::{Folders, Plan, Source, TrainedOn, starting_recipe};
pub use rehearsal::need;
pub(crate) use run::go_on;
pub use run::{Ready, Trained, inspect, run, train};
pub use style::Style;
pub use workshop::{Pretraining, SourceGan, SourceImages, Workshop};

use crate::gan::Method;
use surgery::LayerReport;

/// The generator's rate, DCGAN's. From MNIST to SVHN half of it was worse for TrGAN and CTGAN (`docs/results.md`).
pub const RATE: f64 = 2e-4;

/// The name of the method that transfers nothing, against which all others are measured.
pub const SCRATCH: &str = scratch::KIND.name;

/// Every method, in the order in which arms are listed.
pub const METHODS: &[&Kind] = &[&scratch::KIND, &trgan::KIND, &tgan::KIND, &ctgan::KIND];

/// One method: its name, its arms, and its options, with which a run of it is prepared.
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The arms that have a name, and the options that make them.
    pub arms: &'static [(&'static str, &'static str)],
    /// The option and its value that take out of an arm what is transferred and leave the rest: its control. None where that
    /// would be training from scratch.
    pub control: Option<(&'static str, &'static str)>,
    /// Whether the source's GAN is conditioned on the source's labels.
    pub labelled_source: bool,
    /// The method with the defaults of its options.
    pub new: fn() -> Box<dyn Choices>,
}

/// What a method makes of its source: all that the target's run needs beside its recipe.
#[derive(Debug)]
pub struct Grafted {
    /// The method as the training loop knows it.
    pub method: Box<dyn Method>,
    /// The number of classes that the networks are conditioned on.
    pub classes: usize,
    /// The length of the features that they are conditioned on.
    pub condition_features: usize,
    /// What became of each layer.
    pub report: LayerReport,
    /// What else a person should read: the accuracy of labels, say.
    pub notes: Vec<String>,
}
