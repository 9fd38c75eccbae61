//! Transfer: ways of training a GAN on a target domain that has little data with what was learned on a source that has plenty.
//!
//! A method is one file that defines a [`Kind`] and one line in [`METHODS`]. A [`Plan`] is everything that determines a run;
//! [`run`] trains or resumes all of its phases.

pub mod arm;
mod ctgan;
pub mod features;
pub mod labels;
pub mod options;
mod plan;
mod rehearsal;
mod scratch;
mod start;
pub mod style;
pub mod surgery;
mod tgan;
mod trgan;
mod workshop;

pub use arm::Arm;
pub use options::{Choices, MethodOption, Takes};
pub use plan::{Folders, Outcome, Plan, Source, run, starting_recipe, trained_on};
pub use rehearsal::need;
pub use style::Style;
pub use workshop::{Pretraining, SourceGan, Workshop};

use crate::error::Result;
use crate::gan::Method;
use surgery::LayerReport;

/// The generator's rate, DCGAN's. From MNIST to SVHN half of it was worse for TrGAN and CTGAN (`docs/results.md`).
pub const RATE: f64 = 2e-4;

/// Every method, in the order in which arms are listed.
pub const METHODS: &[&Kind] = &[&scratch::KIND, &trgan::KIND, &tgan::KIND, &ctgan::KIND];

/// One method: its name, its options and arms, and how a run of it is prepared.
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [MethodOption],
    /// The arms that have a name, and the options that make them.
    pub arms: &'static [(&'static str, &'static str)],
    /// The option and its value that take out of an arm what is transferred and leave the rest: its control. None where that
    /// would be training from scratch.
    pub control: Option<(&'static str, &'static str)>,
    /// Whether it learns something of the source's images under these options beside the GAN that a checkpoint can be.
    pub learns_from_images: fn(&Choices) -> bool,
    /// Whether these options let it see what a method could not know: it then makes no claim, and is marked.
    pub oracle: fn(&Choices) -> bool,
    /// Whether the source's GAN is conditioned on the source's labels.
    pub labelled_source: bool,
    /// The generator's learning rate under these options.
    pub rate: fn(&Choices) -> f64,
    /// Whether these options go together; else an [`Error::Usage`](crate::Error::Usage).
    pub check: fn(&Choices) -> Result<()>,
    /// Trains, resumes or loads what the method needs before the target, and makes the method of it. None where the run was
    /// interrupted.
    pub prepare: fn(&Choices, &mut Workshop<'_>) -> Result<Option<Grafted>>,
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
