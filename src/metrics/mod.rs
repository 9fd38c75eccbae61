//! How well samples match real images: figures as pure functions of features and labels, the [`Judge`] that gives those, and
//! the [`Evaluation`] that holds all of them for one set of samples.
//!
//! [`Features`] are whatever an image is compared by: a judge's activations, those of a fixed random convolution, or
//! the pixels. Everything is computed in f64 and is the same whatever the number of threads.
//!
//! | figure | says | source |
//! | --- | --- | --- |
//! | [`frechet_distance`] | how far apart the means and covariances are | Heusel et al. 2017 |
//! | [`frechet_infinity`] | the same, of infinitely many images | Chong & Forsyth 2020 |
//! | [`kernel_distance`] | how far apart the first three moments are, without bias | Bińkowski et al. 2018 |
//! | [`precision_recall`] | how many samples look real, how much of the real images is reached | Kynkäänniemi et al. 2019, Naeem et al. 2020 |
//! | [`memorisation`] | how many samples are copies of training images | |
//! | [`conditional_accuracy`], [`total_variation`] | whether classes are the ones asked for, and as frequent as real ones | |
//! | [`Confusion`] | which classes a classifier takes for which | |
//! | [`conditional_chance`], [`largest_share`] | what the accuracies would be by chance | |

mod cache;
mod class_free;
mod confusion;
mod evaluation;
mod extrapolation;
mod features;
mod figures;
mod frechet;
mod judge;
mod judge_settings;
mod kid;
mod labels;
mod manifold;
mod memorisation;
mod pairs;
mod panel;
mod random_convolution;
mod real;
mod supervision;

pub use cache::Origin;
pub use class_free::ClassFreeSettings;
pub use confusion::Confusion;
pub use evaluation::{
    COUNT, Copies, Distances, Evaluation, Floors, FrechetDistances, GAN_TRAIN_COUNT, GAN_TRAIN_SEED, HeldOut,
    RealImages, Reference, Samples, flattery, flattery_of_source, gan_train, seen, unjudged,
};
pub use extrapolation::frechet_infinity;
pub use features::Features;
pub use figures::{Better, Digits, FD_INFINITY, FIGURES, Figure, JUDGE_FD, OF_PANEL};
pub use frechet::{Gaussian, frechet_distance};
pub use judge::{Judge, JudgeReport};
pub use judge_settings::JudgeSettings;

pub use crate::atomic::cache_folder;
pub use kid::kernel_distance;
pub use labels::{class_shares, conditional_accuracy, conditional_chance, largest_share, total_variation};
pub use manifold::{PrecisionRecall, precision_recall};
pub use memorisation::{Memorisation, memorisation};
pub use panel::{Judges, Measure, Panel, PanelDistances, PanelReport, PanelSettings};
pub use random_convolution::RandomConvolution;
pub use real::Real;
pub use supervision::Supervision;
