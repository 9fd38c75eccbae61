//! Transfer: ways of training a GAN on a target domain that has little data with what was learned on a source that has plenty.
//!
//! A method is one file that defines a [`Kind`] and one line in [`METHODS`]. A [`Plan`] is everything that determines a run;
//! [`run()`] trains or resumes all of its phases.

mod adversary;
#[doc(hidden)]
pub mod arm;
mod autoencoder;
mod clusters;
mod contrastive;
mod ctgan;
pub mod curve;
mod extractor;
pub mod features;
mod findings;
pub mod labeller;
mod labels;
pub mod options;
mod plan;
mod predictor;
mod pretraining;
mod recogniser;
mod rehearsal;
mod run;
mod scene;
mod scratch;
mod shelf;
mod shown;
mod start;
pub mod style;
pub mod surgery;
mod teachers;
mod tgan;
mod tie;
mod timing;
mod trgan;
mod unlabelled;
mod workshop;

#[doc(hidden)]
pub use arm::Arm;
pub(crate) use arm::{described, parse_options};
pub use findings::{Findings, Judged};
pub use labeller::Labeller;
pub(crate) use labels::{LabelSource, without_partner};
pub use options::{Choices, Init, Learning};
pub use plan::{Folders, Plan, Source, TrainedOn, starting_recipe};
pub(crate) use predictor::styled;
pub use pretraining::Pretraining;
pub(crate) use pretraining::{Phase, go_on as go_on_learning, seconds_of};
pub(crate) use recogniser::Recogniser;
pub use rehearsal::need;
pub(crate) use run::{Handover, go_on, go_on_with};
pub use run::{Ready, Trained, accepted_source, inspect, run, train};
pub use scratch::OF_LENGTH;
pub use shelf::Shelf;
pub(crate) use shown::{ExtractorStyle, Shown};
pub use style::Style;
pub(crate) use teachers::{OfGenerator, OfTarget, Rise, Teachers};
pub use timing::{Learned, Paces, Timed};
pub(crate) use workshop::in_turn;
pub use workshop::{SourceGan, SourceImages, Workshop, began_from};

use crate::data::Dataset;
use crate::error::Result;
use crate::gan::Method;
use crate::options::Texts;
use surgery::LayerReport;

/// The rate of both networks. From MNIST to SVHN no arm was worse with it than with 5e-4 after 400 steps of one seed, with shifts under
/// ADA (`docs/results.md`).
pub const RATE: f64 = 1e-3;

/// The name of the method that transfers nothing, against which all others are measured.
pub const SCRATCH: &str = crate::run::SCRATCH;

/// Every method, in the order in which arms are listed.
pub const METHODS: &[&Kind] = &[&scratch::KIND, &trgan::KIND, &tgan::KIND, &ctgan::KIND];

/// The methods that [`suited`] chooses from.
pub const SUITED: [&Kind; 3] = [&ctgan::KIND, &tgan::KIND, &trgan::KIND];

/// The method that suits a source and a target where none is named: CTGAN where the source has classes, which won the trials
/// (`docs/results.md`), else, or where the target has other ones, TGAN, whose features need none; of a checkpoint alone, whose images are
/// not known, TrGAN.
///
/// # Errors
/// What reading the source says.
pub fn suited(source: &str, images: &SourceImages, target: &Dataset) -> Result<&'static str> {
    let [of_classes, of_images, of_a_checkpoint] = SUITED;
    Ok(match images.teach_classes(source)? {
        // Networks of classes cannot do without.
        Some(true) if matches!(Source::parse(source)?, Source::Data(_)) && target.labels.is_some() => {
            let has_partners = labels::Truth::of(target, &images.images(source)?.0.classes).is_some();
            if has_partners { of_classes.name } else { of_images.name }
        }
        Some(true) => of_classes.name,
        Some(false) => of_images.name,
        None => of_a_checkpoint.name,
    })
}

/// One method: its name, its arms, and its options, with which a run of it is prepared.
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The arms that have a name, and the options that make them.
    pub arms: &'static [(&'static str, &'static str)],
    /// Options with values of which each takes out of an arm something of what is transferred and leaves the rest: its controls. None where
    /// that would be training from scratch.
    pub controls: &'static [(&'static str, &'static str)],
    /// Whether the source's GAN is conditioned on the source's labels.
    pub labelled_source: bool,
    /// Makes of options as earlier versions wrote them what they are called now.
    pub read_old: fn(&mut Texts),
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
    /// What labels the target's images, where the method has that.
    pub labeller: Option<Labeller>,
}
