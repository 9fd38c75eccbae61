//! Generative adversarial networks: DCGAN's two networks, their losses, and the loop that trains them.

mod augment;
mod dcgan;
mod losses;
mod memory;
mod recipe;
mod sampling;
mod trainer;

pub use augment::Augmentation;
pub use dcgan::{Architecture, Discriminator, Generator, Judgement};
pub use losses::Loss;
pub use memory::{available_memory, largest_batch, training_bytes};
pub use recipe::{DiscriminatorNorm, Recipe};
pub use sampling::{Average, latents, load_generator, sample};
pub use trainer::{StepLosses, Trainer};
