//! The two networks: modules built from an architecture's layers.

use super::{Architecture, Conditions};
use crate::backend::Device;
use crate::nn::{Builder, Mode, Module, Parameter, Pass, lowest, maps};
use crate::random::Network;
use crate::tensor::Tensor;

/// The generator: `[n, latent]` to images `[n, size, size, channels]` in (-1, 1).
#[derive(Debug)]
pub struct Generator {
    conditions: Conditions,
    condition_length: usize,
    module: Module,
}

impl Generator {
    /// A fresh generator.
    pub fn new(device: &Device, architecture: &Architecture, seed: u64) -> Generator {
        Generator {
            conditions: Conditions::in_turn(architecture.classes, architecture.condition_features),
            condition_length: architecture.condition_length(),
            module: Module::new(&mut Builder::new(device, seed, Network::Generator), &architecture.generator()),
        }
    }

    /// A generator of this one's very parameters, which move with it, and its conditions, with statistics of its own.
    pub fn twin(&self, architecture: &Architecture) -> Generator {
        let device = self.parameters()[0].device();
        let builder = &mut Builder::new(&device, 0, 0u64).sharing(self.parameters());
        Generator {
            conditions: self.conditions.clone(),
            module: Module::new(builder, &architecture.generator()),
            ..*self
        }
    }

    /// Where the conditions of its samples come from.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Draws the conditions of its samples from elsewhere.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Images from latents, and conditions `[n, classes + features]` where the network has them: a class is one-hot, or
    /// probabilities, or zeros where it is unknown.
    ///
    /// # Panics
    /// Where the latents have another length, or a condition is missing or superfluous.
    #[track_caller]
    pub fn forward(&self, latents: &Tensor, condition: Option<&Tensor>, mode: Mode) -> Tensor {
        self.pass(latents, condition, mode, None)
    }

    /// As [`Generator::forward`], with each feature map on the way to the image, `[n, h, w, c]`.
    ///
    /// # Panics
    /// As [`Generator::forward`].
    #[track_caller]
    pub fn forward_with_maps(&self, latents: &Tensor, condition: Option<&Tensor>, mode: Mode) -> (Tensor, Vec<Tensor>) {
        let mut maps = Vec::new();
        let images = self.pass(latents, condition, mode, Some(&mut |map| maps.push(map.clone())));
        (images, maps)
    }

    #[track_caller]
    fn pass<'a>(
        &self,
        latents: &Tensor,
        condition: Option<&'a Tensor>,
        mode: Mode,
        seen: Option<&'a mut dyn FnMut(&Tensor)>,
    ) -> Tensor {
        check_condition("Generator::forward", self.condition_length, condition);
        self.module.forward(latents, &mut Pass { mode, condition, map: None, seen })
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.module.parameters()
    }

    /// The running statistics of its batch norms.
    pub fn statistics(&self) -> Vec<Parameter> {
        self.module.statistics()
    }
}

/// The discriminator: images to scores and features.
#[derive(Debug)]
pub struct Discriminator {
    condition_length: usize,
    /// From the image to the last feature map.
    trunk: Module,
    /// From there to the score.
    head: Module,
}

/// What the discriminator says of a batch.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// One score an image, `[n]`: a logit, or a critic's value.
    pub score: Tensor,
    /// The last feature map, `[n, h, w, c]`.
    pub map: Tensor,
}

impl Judgement {
    /// The features, pooled by summation: `[n, c]`.
    pub fn features(&self) -> Tensor {
        self.map.sum_axes(&[1, 2], false)
    }
}

impl Discriminator {
    /// A fresh discriminator.
    pub fn new(device: &Device, architecture: &Architecture, seed: u64) -> Discriminator {
        let layers = architecture.discriminator();
        let trunk = lowest(&layers, maps(&layers));
        let builder = &mut Builder::new(device, seed, Network::Discriminator);
        Discriminator {
            condition_length: architecture.condition_length(),
            trunk: Module::new(builder, trunk),
            head: Module::new(builder, &layers[trunk.len()..]),
        }
    }

    /// Scores images, given their conditions `[n, classes + features]` where the network has them.
    ///
    /// # Panics
    /// Where the images have another size, or a condition is missing or superfluous.
    #[track_caller]
    pub fn forward(&self, images: &Tensor, condition: Option<&Tensor>, mode: Mode) -> Judgement {
        check_condition("Discriminator::forward", self.condition_length, condition);
        let map = self.trunk.forward(images, &mut Pass { condition, ..Pass::new(mode) });
        let score = self.head.forward(&map, &mut Pass { condition, map: Some(&map), ..Pass::new(mode) });
        Judgement { score, map }
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        [self.trunk.parameters(), self.head.parameters()].concat()
    }

    /// The running statistics of its batch norms, and the directions of its spectral norms.
    pub fn statistics(&self) -> Vec<Parameter> {
        [self.trunk.statistics(), self.head.statistics()].concat()
    }
}

#[track_caller]
fn check_condition(name: &str, length: usize, condition: Option<&Tensor>) {
    let fits = condition.is_some() == (length > 0);
    assert!(fits, "{name}: a condition for a network without, or none for one that has it");
}
