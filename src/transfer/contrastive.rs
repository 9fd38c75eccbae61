//! An encoder that learns without labels to tell images apart: two views of an image are to lie nearer to each other than to any other's
//! (SimCLR, Chen 2020).
//!
//! The loss is NT-Xent, as of the network of metrics that learns without labels; here it is an [`Encoder`] that learns, and from views
//! that suit scenes.

use serde_json::json;

use super::features::{Encoder, linear, standardise};
use super::scene::{View, views};
use super::shown::Shown;
use super::unlabelled::{Objective, Unlabelled};
use crate::backend::Device;
use crate::classifier::{Design, nt_xent};
use crate::error::{Error, Result};
use crate::nn::{Builder, Linear, Parameter};
use crate::random::Network;
use crate::tensor::Tensor;

/// The temperature of the similarities, and the length of the projections that are compared.
const TEMPERATURE: f64 = 0.2;
const PROJECTION: usize = 64;

/// The projection of features: linear, ReLU, linear (Chen 2020, section 2.1).
#[derive(Debug)]
pub(super) struct Projector([Linear; 2]);

impl Projector {
    fn new(device: &Device, length: usize, seed: u64) -> Projector {
        let mut builder = Builder::new(device, seed, Network::Projector);
        let first = linear(&mut builder, "0", [length, length], 0.0);
        Projector([first, linear(&mut builder, "2", [length, PROJECTION], 1.0)])
    }

    fn forward(&self, features: &Tensor) -> Tensor {
        let [first, last] = &self.0;
        last.forward(&first.forward(features).relu())
    }
}

impl Objective for Projector {
    const PREFIX: &'static str = "projector";

    fn parameters(&self) -> Vec<Parameter> {
        self.0.iter().map(|linear| linear.weight.clone()).collect()
    }

    fn loss(
        &self,
        encoder: &Encoder,
        values: Vec<f32>,
        [height, width, channels]: [usize; 3],
        [seed, step, domain]: [u64; 3],
    ) -> Tensor {
        let mut both = values.repeat(2);
        for (half, number) in both.chunks_exact_mut(values.len()).zip(2 * domain..) {
            views(half, height, channels, View::Strong, seed, (step, number));
        }
        let length = height * width * channels;
        standardise(&mut both, length);
        let images = Tensor::from_slice(&encoder.device(), &both, [both.len() / length, height, width, channels]);
        nt_xent(&self.forward(&encoder.forward(&images)), TEMPERATURE)
    }
}

/// A fresh training of features of `length` on these domains.
///
/// # Errors
/// [`Error::Invalid`] where a domain has one image: nothing else tells its views apart from others.
pub(super) fn contrastive(
    device: &Device,
    design: &Design,
    length: usize,
    domains: Vec<Shown>,
) -> Result<Unlabelled<Projector>> {
    if let Some(alone) = domains.iter().find(|domain| domain.data().len() < 2 || domain.batch() < 2) {
        let name = &alone.data().name;
        let problem = "views of an image are told from those of another, and there is one";
        return Err(Error::invalid(format!("{name}: {problem}")));
    }
    // An image's views are no other image's.
    let domains: Vec<Shown> = domains.into_iter().map(Shown::distinct).collect();
    let seed = domains[0].seed();
    let settings = json!({
        "name": "contrastive",
        "design": design,
        "length": length,
        "batch": domains[0].batch(),
        "seed": seed,
        "domains": domains.iter().map(Shown::settings).collect::<Vec<_>>(),
    });
    let projector = Projector::new(device, length, seed);
    Ok(Unlabelled::new(Encoder::new(device, design, length, seed), projector, domains, settings))
}
