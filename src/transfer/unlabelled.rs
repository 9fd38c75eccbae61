//! The training of an encoder without labels, on the images of one domain, or of two, each by itself.

use std::fmt::Debug;

use serde_json::Value as Json;

use super::features::Encoder;
use super::pretraining::Pretraining;
use super::shown::Shown;
use crate::error::Result;
use crate::nn::{Adam, AdamOptions, Gradients, Parameter};
use crate::tensor::Tensor;

/// What an encoder learns by, with the network that is there for it alone.
pub(super) trait Objective: Debug {
    /// The name of its network in checkpoints.
    const PREFIX: &'static str;

    /// The parameters of its network.
    fn parameters(&self) -> Vec<Parameter>;

    /// The loss of a batch of images of `[height, width, channels]`; draws are keyed by seed, step and domain.
    fn loss(&self, encoder: &Encoder, values: Vec<f32>, form: [usize; 3], key: [u64; 3]) -> Tensor;
}

/// The state of a training: the sum of the domains' losses is minimised.
#[derive(Debug)]
pub(super) struct Unlabelled<O> {
    encoder: Encoder,
    objective: O,
    adam: Adam,
    domains: Vec<Shown>,
    settings: Json,
    step: u64,
}

impl<O: Objective> Unlabelled<O> {
    /// A fresh training, determined by `settings`.
    pub fn new(encoder: Encoder, objective: O, domains: Vec<Shown>, settings: Json) -> Unlabelled<O> {
        let parameters = [encoder.parameters(), objective.parameters()].concat();
        Unlabelled {
            adam: Adam::new(parameters, AdamOptions::default()),
            encoder,
            objective,
            domains,
            settings,
            step: 0,
        }
    }

    /// The encoder, once nothing is to be trained any more.
    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }
}

impl<O: Objective> Pretraining for Unlabelled<O> {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn steps(&self) -> u64 {
        self.step
    }

    fn step(&mut self) -> Result<Tensor> {
        let mut gradients = Gradients::of(&self.adam);
        let mut sum: Option<Tensor> = None;
        for (shown, domain) in self.domains.iter_mut().zip(0..) {
            let (_, values) = shown.values_of(self.step, self.step);
            let key = [shown.seed(), self.step, domain];
            let loss = gradients.add(self.objective.loss(&self.encoder, values, shown.form(), key));
            sum = Some(sum.map_or_else(|| loss.clone(), |sum| sum + &loss));
        }
        gradients.step(&mut self.adam);
        self.step += 1;
        Ok(sum.expect("a domain"))
    }

    fn slots(&self) -> Vec<(String, Vec<Parameter>)> {
        let moments = self.adam.moments().cloned().collect();
        let slots = [("netF", self.encoder.parameters()), (O::PREFIX, self.objective.parameters()), ("adam", moments)];
        slots.map(|(prefix, slots)| (prefix.to_string(), slots)).to_vec()
    }

    fn go_on_from(&mut self, step: u64) {
        self.adam.set_updates(step);
        self.step = step;
    }
}
