//! What one way of training a GAN adds to the loop: the trait [`Method`], and plain training, the first of them.

use serde_json::Value as Json;

use super::{Architecture, Conditions, Discriminator, FeatureMaps, Generator};
use crate::data::{Classes, Dataset};
use crate::nn::{Layer, Parameter, Slot, slots};
use crate::tensor::{Tensor, one_hot};

/// The two networks of a GAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes images.
    Generator,
    /// Tells real images from made ones.
    Discriminator,
}

impl Role {
    /// The layers of this network.
    pub fn layers(self, architecture: &Architecture) -> Vec<Layer> {
        match self {
            Role::Generator => architecture.generator(),
            Role::Discriminator => architecture.discriminator(),
        }
    }

    /// Every parameter of this network.
    pub fn slots(self, architecture: &Architecture) -> Vec<Slot> {
        slots(&self.layers(architecture))
    }
}

/// How rates and weights change with the step: absolute numbers of steps, never shares of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The first steps, in which the discriminator alone is updated.
    pub discriminator_only: u64,
    /// The steps after them over which the generator's rate rises to its value.
    pub rate_ramp: u64,
    /// The first steps, over which the weight of the discriminator's projection rises from 0 to 1.
    pub projection_ramp: u64,
}

impl Schedule {
    /// The factor on the generator's rate in step `step` (from 1); 0 where it is not updated.
    pub fn generator_rate(&self, step: u64) -> f64 {
        let moved = step.saturating_sub(self.discriminator_only);
        if moved < self.rate_ramp { moved as f64 / self.rate_ramp as f64 } else { f64::from(u8::from(moved > 0)) }
    }

    /// How often the generator has been updated after `steps` steps.
    pub fn generator_updates(&self, steps: u64) -> u64 {
        steps.saturating_sub(self.discriminator_only)
    }

    /// The weight of the projection in step `step` (from 1).
    pub fn projection(&self, step: u64) -> f64 {
        if step < self.projection_ramp { step as f64 / self.projection_ramp as f64 } else { 1.0 }
    }
}

/// Rows of conditions of a batch, `[n, classes + features]` each, one after the other; None where the networks have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchConditions {
    /// What the generator is given.
    pub generator: Option<Vec<f32>>,
    /// What the discriminator is given, with real and with generated images alike.
    pub discriminator: Option<Vec<f32>>,
}

/// What a term of the generator's loss sees.
pub struct GeneratorUpdate<'a> {
    /// The update's round, from 0.
    pub round: u64,
    /// The generator, whose parameters the term is differentiated by.
    pub generator: &'a Generator,
    /// The images that it made of the latents, `[n, size, size, channels]`, with their graph.
    pub images: &'a Tensor,
    /// What the frozen network under the heads makes of these, augmented, with their graph; none where there are no heads.
    pub maps: &'a [Tensor],
    /// The latents of the round, `[n, latent]`.
    pub latents: &'a Tensor,
    /// The conditions of the round.
    pub condition: Option<&'a Tensor>,
}

/// What networks start from, where they are not drawn, and what follows from that.
pub trait Origin: std::fmt::Debug {
    /// Gives the fresh networks their start.
    fn apply(&self, generator: &Generator, discriminator: &Discriminator);
    /// The factor on a network's rate for one of its parameters; 0 freezes it.
    fn rate(&self, network: Role, parameter: &str) -> f64;
    /// How rates change with the step.
    fn schedule(&self) -> Schedule;
}

/// One way of training a GAN. The loop asks it what to start from, what is frozen, what a batch carries and which terms
/// join the losses; everything has plain training's answer as its default.
pub trait Method: std::fmt::Debug + Send {
    /// What of it determines results beside recipe and data, for the header of checkpoints; null where nothing does.
    fn settings(&self) -> Json {
        Json::Null
    }

    /// Settings as a checkpoint has them, in the words of this version.
    fn read_settings(&self, written: Json) -> Json {
        written
    }

    /// What the networks start from; None where they stay as they are drawn.
    fn origin(&self) -> Option<&dyn Origin> {
        None
    }

    /// Gives the fresh networks their start.
    fn initialise(&self, generator: &Generator, discriminator: &Discriminator) {
        if let Some(origin) = self.origin() {
            origin.apply(generator, discriminator);
        }
    }

    /// The factor on a network's rate for one of its parameters; 0 freezes it.
    fn rate(&self, network: Role, parameter: &str) -> f64 {
        self.origin().map_or(1.0, |origin| origin.rate(network, parameter))
    }

    /// How rates and weights change with the step.
    fn schedule(&self) -> Schedule {
        self.origin().map_or_else(Schedule::default, |origin| origin.schedule())
    }

    /// The named images as a round sees them, `[indices, height, width, channels]` in [-1, 1]; None where that is as they are.
    fn images(&self, _round: u64, _indices: &[usize], _data: &Dataset) -> Option<Vec<f32>> {
        None
    }

    /// The conditions that go with the named images in a round.
    fn conditions(&self, round: u64, indices: &[usize], data: &Dataset) -> BatchConditions;

    /// What the `count` classes of the networks are called: as those of the data are, unless these are others.
    fn classes(&self, count: usize, data: &Dataset) -> Classes {
        if data.classes.len() == count { data.classes.clone() } else { Classes::numbered(0..count) }
    }

    /// Where the conditions of samples come from, for networks of so many classes and features.
    fn sampling(&self, classes: usize, features: usize) -> Conditions {
        Conditions::in_turn(classes, features)
    }

    /// A term that joins the generator's loss.
    fn generator_term(&self, _update: &GeneratorUpdate<'_>) -> Option<Tensor> {
        None
    }

    /// What of it needs all images of a batch at once, in words; None where each of several [ranks](crate::ranks) may have rows of one.
    fn needs_whole_batches(&self) -> Option<&'static str> {
        None
    }

    /// Networks of its own that travel in checkpoints, by name.
    fn networks(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        Vec::new()
    }

    /// A frozen network on whose maps of images further discriminators train, and the weight of their loss in the generator's.
    fn heads(&self) -> Option<(&dyn FeatureMaps, f64)> {
        None
    }

    /// A generator whose samples stand over this run's, from the same latents.
    fn counterpart(&self) -> Option<&Generator> {
        None
    }
}

/// Training from scratch: labels, where both networks have classes, are the condition.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    /// The number of classes; 0 for unconditional networks.
    pub classes: usize,
}

impl Method for Plain {
    fn conditions(&self, _round: u64, indices: &[usize], data: &Dataset) -> BatchConditions {
        let labels = data.labels_of(indices).unwrap_or_default();
        let rows = (self.classes > 0).then(|| one_hot(labels.into_iter().map(Some), self.classes));
        BatchConditions { generator: rows.clone(), discriminator: rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_waits_and_then_its_rate_rises() {
        let schedule = Schedule { discriminator_only: 200, rate_ramp: 200, projection_ramp: 0 };
        let rates = [1, 200, 201, 300, 399, 400, 401, 9000].map(|step| schedule.generator_rate(step));
        assert_eq!(rates, [0.0, 0.0, 0.005, 0.5, 0.995, 1.0, 1.0, 1.0]);
        assert_eq!([0, 150, 200, 201, 1000].map(|steps| schedule.generator_updates(steps)), [0, 0, 0, 1, 800]);
        assert_eq!(Schedule::default().generator_rate(1), 1.0);
        assert_eq!(Schedule::default().generator_updates(7), 7);
    }

    #[test]
    fn the_projection_rises_from_nothing() {
        let schedule = Schedule { projection_ramp: 4, ..Schedule::default() };
        assert_eq!([1, 2, 3, 4, 5].map(|step| schedule.projection(step)), [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert_eq!(Schedule::default().projection(1), 1.0);
    }
}
