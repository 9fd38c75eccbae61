//! Generative adversarial networks: the two networks, of a kind that `networks` registers, their losses, and the loop that trains them by a [`Method`].

mod ada;
mod architecture;
mod augment;
mod conditions;
mod encoder;
mod heads;
mod inversion;
mod lecam;
mod losses;
mod memory;
mod method;
mod networks;
mod pair;
mod recipe;
mod resident;
mod sampling;
mod trainer;

pub use architecture::Architecture;
pub use augment::Augmentation;
pub use conditions::{Bank, Conditions, FeatureSource, normalised};
pub(crate) use conditions::{CLASSES, DRAWN_FROM, class_names};
pub use encoder::guessed;
pub use heads::FeatureMaps;
pub use inversion::{Descent, Found, invert, nearer, nearest_samples};
pub use losses::{Loss, Penalty};
pub use method::{BatchConditions, GeneratorUpdate, Method, Origin, Plain, Role, Schedule};
pub use networks::NetworkKind;
pub use pair::{Discriminator, Generator, Judgement};
pub use recipe::{PenaltyStep, Recipe};
pub use sampling::{
    Average, Latents, interpolate, latents, load_discriminator, load_generator, load_raw_generator, sample,
    sample_asked, sample_of, sample_of_classes,
};
pub(crate) use sampling::{DISCRIMINATOR, PREFIX as GENERATOR, RAW as RAW_GENERATOR};
pub use trainer::{Scores, StepLosses, Trainer};
