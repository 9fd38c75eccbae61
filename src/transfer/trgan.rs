//! TrGAN, transfer of the model: G_t starts from G_s, which stays frozen, and D_t and G_t train on the target.
//!
//! `min over G_t of E_z[-log D_t(G_t(z))]` with `D_t` from the source's (TransferGAN, Wang 2018) or fresh (the mission text's).
//! G_s has a use beyond the start: it may anchor G_t, by its weights (L2-SP, Li 2018) or by the distances between its samples
//! (cross-domain distance consistency, Ojha 2021), and its samples stand over G_t's in the run's pictures.

use serde_json::{Value as Json, json};

use super::extractor::{Extraction, STEERED};
use super::options::{Choices, Table};
use super::start::{COLOUR_BLIND, D_INIT, FREEZE_D, From, Grafting, Start};
use super::tie::{self, AGREE};
use super::{Grafted, Kind, Workshop};
use crate::classifier::Classifier;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gan::{Augmentation, BatchConditions, Generator, GeneratorUpdate, Method, Origin};
use crate::nn::{Mode, Parameter};
use crate::options::{Range, Takes, options, words_of};
use crate::random::{Purpose, generator, normal};
use crate::tensor::{Tensor, no_grad};
use crate::words::words;

pub(super) const KIND: Kind = Kind {
    name: "trgan",
    about: "the model: both networks start from the source's, whose generator stays frozen beside them",
    arms: &[
        ("trgan", ""),
        ("trgan-unrelated", "source=synthetic:textures"),
        (
            "trgan-mission",
            "d-init=fresh,augment=none,loss=non-saturating,r1=1,penalty-step=within,d-steps=1,beta1=0.5,ema=0.995,lr=0.0002,d-lr=0.0002",
        ),
        (
            "trgan-0.1",
            "d-init=source,augment=none,loss=non-saturating,r1=1,penalty-step=within,d-steps=1,beta1=0.5,ema=0.995,lr=0.0002,d-lr=0.0002",
        ),
    ],
    controls: &[("source", "synthetic:textures")],
    labelled_source: false,
    read_old: |_| {},
    new: || Box::new(Options::default()),
};

words! {
    /// What may hold the generator near the source's.
    enum AnchorKind {
        /// Nothing.
        None = "none",
        /// Its weights (L2-SP).
        L2Sp = "l2sp",
        /// Distances between its samples (CDC).
        Cdc = "cdc",
    }
}

options! {
    /// TrGAN's options.
    #[derive(Clone, Debug, PartialEq)]
    struct Options {
        /// What the networks start from.
        from: From = From::SOURCE;
        /// What ties both generators class by class.
        agree: f64 = 0.0;
    } {
        /// Hold the generator near the source's: by weights (L2-SP), or by distances between samples (CDC)
        "anchor", "ANCHOR", Takes::OneOf(words_of::<AnchorKind>), "none", anchor: AnchorKind;
        /// Weight of the anchor's term; auto: 0.1 with l2sp, 1000 with cdc
        "anchor-weight", "NUMBER", Takes::Auto(&Takes::Number(Range::Positive)), "auto", anchor_weight: Option<f64>;
    } {} {
        AGREE, agree;
        D_INIT, from.discriminator;
        FREEZE_D, from.freeze;
        COLOUR_BLIND, from.allow_colour_blind;
    }
}

/// Ojha 2021 use 1000 for the distances.
const CDC_WEIGHT: f64 = 1000.0;
const L2SP_WEIGHT: f64 = 0.1;
/// Samples among which distances are compared, a step.
const CDC_SAMPLES: usize = 8;
/// What holds the generator near the source's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Anchor {
    None,
    L2Sp(f64),
    Cdc(f64),
}

impl Options {
    fn anchor(&self) -> Result<Anchor> {
        match (self.anchor, self.anchor_weight) {
            (AnchorKind::L2Sp, weight) => Ok(Anchor::L2Sp(weight.unwrap_or(L2SP_WEIGHT))),
            (AnchorKind::Cdc, weight) => Ok(Anchor::Cdc(weight.unwrap_or(CDC_WEIGHT))),
            (AnchorKind::None, None) => Ok(Anchor::None),
            (AnchorKind::None, Some(_)) => Err(Error::option("anchor-weight", "needs anchor l2sp or cdc")),
        }
    }
}

#[derive(Debug)]
struct TrGan {
    start: Start,
    /// G_s with the target's channels: frozen.
    source: Generator,
    anchor: Anchor,
    /// The label predictor, frozen, and the weight of what it ties; none without that.
    tie: Option<(Classifier, f64)>,
    settings: Json,
    latent: usize,
    seed: u64,
}

impl Choices for Options {
    fn check(&self) -> Result<()> {
        self.anchor()?;
        self.from.check()
    }

    fn augment(&self) -> Vec<Augmentation> {
        vec![Augmentation::Translation]
    }

    fn ada(&self) -> f64 {
        STEERED
    }

    fn learns_from_images(&self) -> bool {
        self.agree > 0.0
    }

    fn extractor_key(&self, images: Option<usize>) -> String {
        if self.agree > 0.0 { Extraction::USUAL.key(images) } else { String::new() }
    }

    fn inspect(&self, workshop: &mut Workshop<'_>) -> Result<()> {
        if self.agree > 0.0 {
            Extraction::USUAL.inspect(workshop)?;
            if !workshop.source_tells_classes()? {
                let source = &workshop.plan.source;
                let problem = format!("ties classes, and {source} has no labels of two or more");
                return Err(Error::option("agree", problem));
            }
        }
        Grafting::new(&workshop.source_architecture()?, &workshop.architecture(), self.from).map(drop)
    }

    fn prepare(&self, workshop: &mut Workshop<'_>) -> Result<Option<Grafted>> {
        let (architecture, seed, device) = (workshop.architecture(), workshop.seed(), workshop.device);
        let tie = match self.agree > 0.0 {
            true => match Extraction::USUAL.classifier(workshop, true, Vec::new())? {
                Some(predictor) => Some((predictor, self.agree)),
                None => return Ok(None),
            },
            false => None,
        };
        let Some(source) = workshop.source_gan()? else { return Ok(None) };
        let start = Start::new(&source, &architecture, self.from, device)?;
        let counterpart = Generator::new(device, &architecture, seed);
        start.apply_to_generator(&counterpart);
        let report = start.report();
        let mut options = self.values();
        if tie.is_none() {
            // As it was before there was such an option.
            options.remove(AGREE.name);
        }
        let mut settings = json!({ "name": KIND.name, "options": options, "source": source.digest });
        if tie.is_some() {
            settings["feature-steps"] = json!(workshop.plan.feature_steps);
        }
        let (anchor, latent) = (self.anchor()?, architecture.latent);
        let tied = tie.as_ref().map(|(predictor, _)| tie::note(predictor, &counterpart, latent, seed)).transpose()?;
        let method = TrGan { anchor, tie, start, source: counterpart, settings, latent, seed };
        Ok(Some(Grafted {
            method: Box::new(method),
            classes: 0,
            condition_features: 0,
            report,
            notes: Vec::from_iter(tied),
            labeller: None,
        }))
    }
}

impl Method for TrGan {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn origin(&self) -> Option<&dyn Origin> {
        Some(&self.start)
    }

    fn conditions(&self, _round: u64, _indices: &[usize], _data: &Dataset) -> BatchConditions {
        BatchConditions::default()
    }

    fn generator_term(&self, update: &GeneratorUpdate<'_>) -> Option<Tensor> {
        let tied = self.tie.as_ref().map(|(predictor, weight)| {
            let source = no_grad(|| self.source.forward(update.latents, update.condition, Mode::UNTRACKED));
            tie::term(predictor, &source, update.images, *weight)
        });
        let anchored = match self.anchor {
            Anchor::None => None,
            Anchor::L2Sp(weight) => {
                Some(l2sp(&update.generator.parameters(), &self.source.parameters()) * (weight / 2.0))
            }
            Anchor::Cdc(weight) => {
                let mut random = generator(self.seed, Purpose::Method, update.round, 0);
                let device = update.latents.device();
                let latents = normal(&mut random, CDC_SAMPLES * self.latent);
                let latents = Tensor::from_slice(device, &latents, [CDC_SAMPLES, self.latent]);
                let (_, target) = update.generator.forward_with_maps(&latents, None, Mode::UNTRACKED);
                let (_, source) = no_grad(|| self.source.forward_with_maps(&latents, None, Mode::UNTRACKED));
                let pairs = target.iter().zip(&source);
                let sum = pairs.map(|(target, source)| distance_consistency(target, source)).reduce(|a, b| a + b);
                sum.map(|sum| sum * weight)
            }
        };
        tied.into_iter().chain(anchored).reduce(|sum, term| sum + term)
    }

    fn networks(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        let predictor =
            self.tie.iter().map(|(predictor, _)| ("netC", [predictor.parameters(), predictor.statistics()].concat()));
        let source = ("source.netG", [self.source.parameters(), self.source.statistics()].concat());
        predictor.chain([source]).collect()
    }

    fn counterpart(&self) -> Option<&Generator> {
        Some(&self.source)
    }
}

/// `sum ||w - w_s||^2` over all parameters (L2-SP without its half and its weight).
fn l2sp(parameters: &[Parameter], source: &[Parameter]) -> Tensor {
    let squared = |(own, source): (&Parameter, &Parameter)| (own.get() - source.get()).powi(2).sum();
    parameters.iter().zip(source).map(squared).reduce(|a, b| a + b).expect("a generator has parameters")
}

/// `E_i KL(p_i || q_i)` of one layer's maps `[n, ..]`, where `p_i = softmax over j != i of cos(target_i, target_j)` and q_i is the same of the
/// source (Ojha 2021, equations 1 to 3).
fn distance_consistency(target: &Tensor, source: &Tensor) -> Tensor {
    let (p, q) = (log_similarities(target), log_similarities(source));
    (p.exp() * (p - q)).sum_axes(&[1], false).mean()
}

/// `[n, n - 1]`: the log-softmax of each sample's cosine similarities to the others.
fn log_similarities(maps: &Tensor) -> Tensor {
    /// Keeps a map of zeros from dividing by its norm.
    const TINY: f64 = 1e-12;
    let count = maps.shape()[0];
    let rows = maps.reshape([count, maps.len() / count]);
    let norms = (&rows * &rows).sum_axes(&[1], true) + TINY;
    let unit = rows * norms.rsqrt();
    let cosines = unit.matmul_with(&unit, false, true).reshape([count * count, 1]);
    let others = (0..count * count).filter(|place| place / count != place % count).map(|place| place as u32);
    cosines.gather(&others.collect::<Vec<_>>()).reshape([count, count - 1]).log_softmax(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::gan::Architecture;
    use crate::nn::{Layout, NormKind};
    use crate::transfer::{Init, SourceGan};

    #[test]
    fn l2sp_is_the_squared_way_of_the_weights() {
        let parameter = |values: &[f64]| {
            Parameter::new("w", Layout::Plain, Tensor::from_slice(&Device::reference(), values, [values.len()]))
        };
        let own = [parameter(&[1.0, 2.0]), parameter(&[0.5])];
        let source = [parameter(&[0.0, 4.0]), parameter(&[0.0])];
        assert_eq!(l2sp(&own, &source).item().unwrap(), 1.0 + 4.0 + 0.25);
    }

    /// Networks of 318 weights: filters of 128, 128, 32 and 16, scales and shifts of 4, 2 and 1 channels.
    const SMALL: Architecture =
        Architecture { features: 1, latent: 2, d_norm: NormKind::None, ..Architecture::dcgan(32, 1) };

    /// A method whose source is drawn by seed 0, and a generator that is drawn by seed 1.
    fn anchored(anchor: Anchor) -> (TrGan, Generator) {
        let device = Device::reference();
        let [source, generator] = [0, 1].map(|seed| Generator::new(&device, &SMALL, seed));
        let gan = SourceGan { architecture: SMALL, generator: source, discriminator: None, digest: String::new() };
        let from = From { discriminator: Init::Fresh, ..From::SOURCE };
        let start = Start::new(&gan, &SMALL, from, &device).unwrap();
        let method = TrGan {
            start,
            source: gan.generator,
            anchor,
            tie: None,
            settings: Json::Null,
            latent: SMALL.latent,
            seed: 5,
        };
        (method, generator)
    }

    fn term(method: &TrGan, generator: &Generator, round: u64) -> Option<Tensor> {
        let latents = Tensor::zeros(&Device::reference(), [4, SMALL.latent]);
        method.generator_term(&GeneratorUpdate {
            round,
            generator,
            images: &latents,
            maps: &[],
            latents: &latents,
            condition: None,
        })
    }

    #[test]
    fn the_term_of_l2sp_is_half_its_weight_times_the_squared_way() {
        let (method, generator) = anchored(Anchor::L2Sp(0.5));
        let fill = |network: &Generator, value: f64| {
            for parameter in network.parameters() {
                parameter.set(Tensor::full(&Device::reference(), parameter.get().shape(), value));
            }
        };
        fill(&method.source, 1.0);
        fill(&generator, 3.0);
        // 0.5 / 2 times 2^2 for each of 318 weights: whole numbers, without rounding.
        assert_eq!(term(&method, &generator, 0).unwrap().item().unwrap(), 318.0);
        let (none, generator) = anchored(Anchor::None);
        assert!(term(&none, &generator, 0).is_none());
    }

    #[test]
    fn the_term_of_cdc_is_its_weight_times_the_sum_over_layers_on_the_rounds_own_latents() {
        let (method, own) = anchored(Anchor::Cdc(1000.0));
        let statistics = |network: &Generator| -> Vec<Vec<f64>> {
            network.statistics().iter().map(|parameter| parameter.get().to_vec().unwrap()).collect()
        };
        let before = [&own, &method.source].map(statistics);
        for round in [0, 7] {
            let found = term(&method, &own, round).unwrap().item().unwrap();
            let latents = normal(&mut generator(5, Purpose::Method, round, 0), 8 * SMALL.latent);
            let latents = Tensor::from_slice(&Device::reference(), &latents, [8, SMALL.latent]);
            let maps = |network: &Generator| network.forward_with_maps(&latents, None, Mode::UNTRACKED).1;
            let layer = |(target, source): (&Tensor, &Tensor)| distance_consistency(target, source).item().unwrap();
            let layers: Vec<f64> = maps(&own).iter().zip(&maps(&method.source)).map(layer).collect();
            assert!(layers.len() == 3 && layers.iter().all(|&value| value > 0.0), "{layers:?}");
            let expected = 1000.0 * layers.iter().sum::<f64>();
            // Of f64 operations in another order.
            assert!((found - expected).abs() < 1e-12 * expected, "{found} is not {expected}");
        }
        assert_eq!([&own, &method.source].map(statistics), before, "a pass of its own leaves the statistics");
    }

    #[test]
    fn distance_consistency_gives_the_hand_computed_number() {
        let maps = |values: &[f64]| Tensor::from_slice(&Device::reference(), values, [3, 1, 1, 2]);
        // Cosines of the target: 0 between the first and the second, 1 between the first and the third, 0 for the last pair.
        let target = maps(&[1.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
        // Of the source: 0, -1 and 0.
        let source = maps(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0]);
        let kl = |p: [f64; 2], q: [f64; 2]| p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum::<f64>();
        let softmax = |a: f64, b: f64| [a.exp() / (a.exp() + b.exp()), b.exp() / (a.exp() + b.exp())];
        // The first sample against (second, third), the second against (first, third), the third against (first, second).
        let expected =
            (kl(softmax(0.0, 1.0), softmax(0.0, -1.0)) + 0.0 + kl(softmax(1.0, 0.0), softmax(-1.0, 0.0))) / 3.0;
        let found = distance_consistency(&target, &source).item().unwrap();
        // The norms carry 1e-12 under their root.
        assert!((found - expected).abs() < 1e-10, "{found} is not {expected}");
        assert!(distance_consistency(&target, &target).item().unwrap().abs() < 1e-15);
    }
}
