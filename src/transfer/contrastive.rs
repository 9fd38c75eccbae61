//! The training of an encoder without labels: two views of an image are to lie nearer to each other than to any other's (SimCLR, Chen 2020).
//!
//! The loss is NT-Xent, as of the network of metrics that learns without labels; here it is an [`Encoder`] that learns, on two domains
//! where it is adapted to one, each compared among its own, and from views that suit scenes.

use serde_json::{Value as Json, json};

use super::features::{Encoder, standardise};
use super::scene::{View, views};
use super::shown::Shown;
use super::workshop::Pretraining;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::{Design, nt_xent};
use crate::error::{Error, Result};
use crate::nn::{Adam, AdamOptions, Builder, Gradients, Initialiser, Layout, Linear, Parameter};
use crate::random::Network;
use crate::tensor::Tensor;

/// The temperature of the similarities, and the length of the projections that are compared.
const TEMPERATURE: f64 = 0.2;
const PROJECTION: usize = 64;

/// The projection of features: linear, ReLU, linear (Chen 2020, section 2.1).
#[derive(Debug)]
struct Projector([Linear; 2]);

impl Projector {
    fn new(device: &Device, length: usize, seed: u64) -> Projector {
        let mut builder = Builder::new(device, seed, Network::Projector);
        let mut linear = |name: &str, inputs, outputs, slope| {
            let start = Initialiser::He { fan_in: inputs, slope };
            let weight = builder.parameter(format!("{name}.weight"), Layout::Plain, &[inputs, outputs], start);
            Linear { weight, bias: None }
        };
        Projector([linear("0", length, length, 0.0), linear("2", length, PROJECTION, 1.0)])
    }

    fn forward(&self, features: &Tensor) -> Tensor {
        let [first, last] = &self.0;
        last.forward(&first.forward(features).relu())
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.iter().map(|linear| linear.weight.clone()).collect()
    }
}

/// The training of an encoder and its projector on the images of one domain, or of two, each compared among its own.
#[derive(Debug)]
pub(super) struct Contrastive {
    encoder: Encoder,
    projector: Projector,
    adam: Adam,
    domains: Vec<Shown>,
    settings: Json,
    step: u64,
}

impl Contrastive {
    /// A fresh training of features of `length` on these domains.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a domain has one image: nothing else tells its views apart from others.
    pub fn new(device: &Device, design: &Design, length: usize, domains: Vec<Shown>) -> Result<Contrastive> {
        if let Some(alone) = domains.iter().find(|domain| domain.data().len() < 2 || domain.batch() < 2) {
            let name = &alone.data().name;
            return Err(Error::invalid(format!(
                "{name}: views of an image are told from those of another, and there is one"
            )));
        }
        // An image's views are no other image's.
        let domains: Vec<Shown> = domains.into_iter().map(Shown::distinct).collect();
        let seed = domains[0].seed();
        let encoder = Encoder::new(device, design, length, seed);
        let projector = Projector::new(device, length, seed);
        let settings = json!({
            "name": "contrastive",
            "design": design,
            "length": length,
            "batch": domains[0].batch(),
            "seed": seed,
            "domains": domains.iter().map(Shown::settings).collect::<Vec<_>>(),
        });
        Ok(Contrastive {
            adam: Adam::new([encoder.parameters(), projector.parameters()].concat(), AdamOptions::default()),
            encoder,
            projector,
            domains,
            settings,
            step: 0,
        })
    }

    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }

    fn slots(&self) -> [(&'static str, Vec<Parameter>); 3] {
        let moments = self.adam.moments().cloned().collect();
        [("netF", self.encoder.parameters()), ("projector", self.projector.parameters()), ("adam", moments)]
    }
}

impl Pretraining for Contrastive {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn steps(&self) -> u64 {
        self.step
    }

    fn step(&mut self) -> Result<Tensor> {
        let mut gradients = Gradients::of(&self.adam);
        let mut value: Option<Tensor> = None;
        for (domain, shown) in self.domains.iter_mut().enumerate() {
            let (indices, values) = shown.values_of(self.step, self.step);
            let [height, width, channels] = shown.form();
            let mut both = values.repeat(2);
            let (first, second) = both.split_at_mut(values.len());
            for (number, half) in [first, second].into_iter().enumerate() {
                let draws = (self.step, (2 * domain + number) as u64);
                views(half, height, channels, View::Strong, shown.seed(), draws);
            }
            standardise(&mut both, height * width * channels);
            let device = self.encoder.device();
            let images = Tensor::from_slice(&device, &both, [2 * indices.len(), height, width, channels]);
            let loss = nt_xent(&self.projector.forward(&self.encoder.forward(&images)), TEMPERATURE);
            let own = gradients.add(loss);
            value = Some(value.map_or_else(|| own.clone(), |sum| sum + &own));
        }
        gradients.step(&mut self.adam);
        self.step += 1;
        Ok(value.expect("a domain"))
    }

    fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        self.slots().iter().try_for_each(|(prefix, slots)| checkpoint.insert_parameters(prefix, slots))
    }

    fn restore(&mut self, checkpoint: &Checkpoint, step: u64) -> Result<()> {
        self.slots().iter().try_for_each(|(prefix, slots)| checkpoint.load_parameters(prefix, slots))?;
        self.adam.set_updates(step);
        self.step = step;
        Ok(())
    }
}
