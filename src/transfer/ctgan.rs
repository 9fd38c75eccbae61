//! CTGAN, transfer of features and labels: TGAN with labels. A label predictor C_s that learned on the source, and perhaps went on on the
//! target, labels the target's images; both networks are conditioned on those labels, and its feature maps are what D_t has heads on.
//!
//! `min over C_s of E_(x, y)[-log C_s(y | x)]`, then `min over G_t of E_(z, y ~ p_y)[-log D_t(G_t(z, y), y) - w log C_s(y | G_t(z, y))]`,
//! p_y the target's label distribution: made images reuse the labels of the real batch. G_t starts from G_s(z, y), pretrained with the
//! source's labels; C_s is frozen then (the auxiliary term: Odena 2017).

use std::sync::Arc;

use rand::seq::SliceRandom;
use serde_json::{Value as Json, json};

use super::clusters::Clusters;
use super::extractor::{
    ADAPT, Adapt, EXTRACTOR_DATA, EXTRACTOR_STYLE, Extraction, HEADS, STEERED, Teaches, with_heads,
};
use super::features::bank_of;
use super::labeller::{Labeller, Predicts};
use super::labels::{LabelSource, Labels, Truth, few_shot, known, without_partner};
use super::options::{Choices, Table, renamed};
use super::predictor::predictor;
use super::shown::ExtractorStyle;
use super::start::{COLOUR_BLIND, D_INIT, FREEZE_D, From, Grafting, Start};
use super::tie::{self, AGREE};
use super::{Grafted, Kind, Workshop};
use crate::classifier::{Classifier, FrozenTrunk, Predictions};
use crate::data::{Classes, Dataset};
use crate::error::{Error, Result};
use crate::gan::{
    Architecture, Augmentation, Bank, BatchConditions, Conditions, FeatureMaps, Generator, GeneratorUpdate, Method,
    Origin, Schedule,
};
use crate::nn::{Mode, Parameter};
use crate::options::{Range, Takes, Texts, options};
use crate::random::{Purpose, generator};
use crate::tensor::{Tensor, no_grad};

pub(super) const KIND: Kind = Kind {
    name: "ctgan",
    about: "features and labels: a classifier trained on the source labels the target, and both networks are given the labels",
    arms: &[
        ("ctgan", ""),
        ("ctgan-shuffled", "shuffle-labels=true"),
        ("ctgan-target", "extractor-data=target"),
        (
            "ctgan-0.1",
            "extractor-style=source,adapt=none,heads=0,class-weight=0,null-samples=false,confidence=0.5,balance=2,projection-ramp=500,\
             d-init=source,loss=non-saturating,r1=1,penalty-step=within,d-steps=1,beta1=0.5,ema=0.995,lr=0.0002,d-lr=0.0002",
        ),
    ],
    controls: &[("shuffle-labels", "true"), ("extractor-data", "target")],
    labelled_source: true,
    read_old,
    new: || Box::new(Options::default()),
};

options! {
    /// CTGAN's options.
    #[derive(Clone, Debug, PartialEq)]
    struct Options {
        /// What the networks start from.
        from: From = From::SOURCE;
        /// How the label predictor learns.
        extraction: Extraction = Extraction::USUAL;
        /// The weight of the heads.
        heads: f64 = 1.0;
        /// What ties both generators class by class.
        agree: f64 = 0.0;
    } {
        /// Where the target's labels come from
        "labels", "SOURCE", Takes::Text("pseudo, fewshot:N (N known ones a class), or true (an oracle)"), "pseudo", labels: LabelSource;
        /// Train with the probabilities of classes in place of the most probable one; samples ask for one class
        "soft-labels", "true|false", Takes::Flag, "false", soft_labels: bool;
        /// An image whose most probable class is less probable gets the null label
        "confidence", "NUMBER", Takes::Number(Range::Share), "0.5", confidence: f64;
        /// A class keeps at most this many times its equal share of labels, the surest ones; 0 for all
        "balance", "NUMBER", Takes::Number(Range::NotNegative), "2", balance: f64;
        /// Deal the labels out to other images, and what is asked of samples to other samples, at random: a control
        "shuffle-labels", "true|false", Takes::Flag, "false", shuffle_labels: bool;
        /// Give both networks the predictor's features too
        "ctgan-features", "true|false", Takes::Flag, "false", ctgan_features: bool;
        /// Steps over which the weight of the label in the discriminator rises from 0 to 1
        "projection-ramp", "N", Takes::Whole(0, u32::MAX as u64), "500", projection_ramp: u64;
        /// Weight of the predictor's cross-entropy on made images in the generator's loss
        "class-weight", "WEIGHT", Takes::Number(Range::NotNegative), "0.3", class_weight: f64;
        /// Sample without a class as often as images without a label are trained on
        "null-samples", "true|false", Takes::Flag, "true", null_samples: bool;
    } {} {
        EXTRACTOR_STYLE, extraction.style;
        ADAPT, extraction.adapt;
        EXTRACTOR_DATA, extraction.data;
        HEADS, heads;
        AGREE, agree;
        D_INIT, from.discriminator;
        FREEZE_D, from.freeze;
        COLOUR_BLIND, from.allow_colour_blind;
    }
}

/// Version 0.1 had no heads, saw no target, and sampled no image without a class. Its files have all options that it had.
fn read_old(options: &mut Texts) {
    const OLD: [&str; 10] = [
        "labels",
        "soft-labels",
        "confidence",
        "balance",
        "shuffle-labels",
        "ctgan-features",
        "projection-ramp",
        "d-init",
        "freeze-d",
        "allow-colour-blind",
    ];
    if OLD.iter().all(|name| options.contains_key(*name)) && !options.contains_key(ADAPT.name) {
        let rest = [("extractor-style", "source"), ("adapt", "none"), ("heads", "0"), ("class-weight", "0")];
        let rest = rest.into_iter().chain([("null-samples", "false"), ("extractor-data", "source"), ("agree", "0")]);
        options.extend(rest.map(|(name, value)| (name.to_string(), value.to_string())));
    }
}

#[derive(Debug)]
struct CtGan {
    start: Start,
    /// G_s with the target's channels and conditions: frozen.
    source: Generator,
    predictor: Arc<Predicts>,
    trunk: FrozenTrunk,
    /// Whether labels say nothing.
    shuffled: bool,
    heads: f64,
    class_weight: f64,
    /// The weight of what ties both generators.
    agree: f64,
    null_samples: bool,
    labels: Labels,
    soft: bool,
    /// The features of each image where the networks are given them, and their length.
    features: Option<(Vec<f32>, usize)>,
    projection_ramp: u64,
    /// What the classes are called.
    names: Classes,
    settings: Json,
}

impl Choices for Options {
    fn check(&self) -> Result<()> {
        self.extraction.check()?;
        if self.extraction.data == Teaches::Target && self.labels != LabelSource::Pseudo {
            let problem =
                "target takes clusters of its images for classes, which have no names: it goes with labels pseudo";
            return Err(Error::option("extractor-data", problem));
        }
        if self.extraction.data == Teaches::Target && self.agree > 0.0 {
            let problem =
                "ties classes of source and target, and extractor-data target knows clusters of the target's alone";
            return Err(Error::option("agree", problem));
        }
        if self.extraction.style == Some(ExtractorStyle::Source) && self.extraction.adapt != Some(Adapt::None) {
            let problem =
                "source is version 0.1's predictor, which learns from the source alone: it goes with adapt none";
            return Err(Error::option("extractor-style", problem));
        }
        self.from.check()
    }

    fn check_idle(&self) -> Result<()> {
        self.check_labels()
    }

    fn augment(&self) -> Vec<Augmentation> {
        with_heads(self.heads)
    }

    fn ada(&self) -> f64 {
        if self.heads > 0.0 { STEERED } else { 0.0 }
    }

    fn extractor_key(&self, images: Option<usize>) -> String {
        let shots = match self.labels {
            LabelSource::FewShot(shots) if self.extraction.adapts() => format!("-{shots}-known"),
            _ => String::new(),
        };
        self.extraction.key(images) + &shots
    }

    fn learns_from_images(&self) -> bool {
        true
    }

    fn shows_source_style(&self) -> bool {
        self.extraction.style == Some(ExtractorStyle::Source)
    }

    fn is_oracle(&self) -> bool {
        self.labels == LabelSource::True
    }

    fn inspect(&self, workshop: &mut Workshop<'_>) -> Result<()> {
        self.extraction.inspect(workshop)?;
        let source = workshop.source_architecture()?;
        if source.classes == 0 {
            return Err(Error::invalid(format!(
                "the networks of {} know no classes, from which ctgan starts: train conditional ones",
                workshop.plan.source
            )));
        }
        if !workshop.source_tells_classes()? {
            return Err(Error::invalid(format!(
                "the images of {} are of one class alone, and ctgan gives the target the source's classes: take a source of two or more, \
                 or trgan or tgan, which need none",
                workshop.plan.source
            )));
        }
        let source_classes = workshop.source_data()?.0.classes.clone();
        self.labels.check(workshop.target, &source_classes)?;
        let target = Architecture { classes: source.classes, ..workshop.architecture() };
        Grafting::new(&source, &target, self.from).map(drop)
    }

    fn prepare(&self, workshop: &mut Workshop<'_>) -> Result<Option<Grafted>> {
        let predictor = match self.extraction.style {
            _ if self.extraction.data == Teaches::Target => self.clusters(workshop)?.map(Predicts::Clusters),
            Some(ExtractorStyle::Source) => predictor(workshop)?.map(Predicts::Classifier),
            _ => {
                let known = self.taught(workshop.target, &workshop.source_data()?.0.classes);
                self.extraction.classifier(workshop, true, known)?.map(Predicts::Classifier)
            }
        };
        match predictor {
            Some(predictor) => self.graft(workshop, Arc::new(predictor)),
            None => Ok(None),
        }
    }
}

/// A run's CTGAN whose label predictor was trained elsewhere, to tell the source's classes.
///
/// # Errors
/// [`Error::Usage`] where the run's arm is no CTGAN's; [`Error::Invalid`] where the source's networks do not fit.
pub(super) fn with_predictor(workshop: &mut Workshop<'_>, predictor: Classifier) -> Result<Option<Grafted>> {
    let mut options = Options::default();
    crate::options::Options::take(&mut options, &workshop.plan.arm.of_method())?;
    options.graft(workshop, Arc::new(Predicts::Classifier(predictor)))
}

impl Options {
    /// Refuses what would do nothing where every label is known.
    fn check_labels(&self) -> Result<()> {
        let usual = Options::default();
        let idle = [
            ("confidence", self.confidence != usual.confidence),
            ("balance", self.balance != usual.balance),
            ("soft-labels", self.soft_labels != usual.soft_labels),
        ];
        match idle.into_iter().find(|(_, is_said)| self.labels == LabelSource::True && *is_said) {
            Some((name, _)) => {
                Err(Error::option(name, "is about what a predictor says, and with labels true all are known"))
            }
            None => Ok(()),
        }
    }

    /// The method, once there is what labels the target's images.
    fn graft(&self, workshop: &mut Workshop<'_>, predictor: Arc<Predicts>) -> Result<Option<Grafted>> {
        let (architecture, seed, device) = (workshop.architecture(), workshop.seed(), workshop.device);
        let predictions = predictor.predict(&workshop.target.images)?;

        let soft = self.soft_labels;
        let mut names = workshop.source_data()?.0.classes.clone();
        let classes = names.len();
        if let Predicts::Clusters(_) = *predictor {
            // They are no classes of the source's.
            names = Classes::new((0..classes).map(|cluster| format!("cluster-{cluster}")));
        }
        let (mut labels, mut notes) = labels(self, workshop.target, &predictions, &names)?;
        if self.shuffle_labels {
            let mut order: Vec<usize> = (0..workshop.target.len()).collect();
            order.shuffle(&mut generator(seed, Purpose::Labels, 0, 0));
            labels = labels.permuted(&order);
            notes.push("the labels were then dealt out to other images at random: a control".to_string());
        }
        let features = self.ctgan_features.then(|| {
            let length = predictions.dimensions;
            (bank_of(&predictions.features, length), length)
        });
        let condition_features = features.as_ref().map_or(0, |(_, length)| *length);

        let Some(gan) = workshop.source_gan()? else { return Ok(None) };
        let target = Architecture { classes, condition_features, ..architecture };
        let start = Start::new(&gan, &target, self.from, device)?;
        let labels_digest = labels.digest();
        let labeller = Some(Labeller::new(predictor.clone(), names.clone()));
        let mut method = CtGan {
            source: Generator::new(device, &target, seed),
            trunk: predictor.trunk(),
            predictor,
            shuffled: self.shuffle_labels,
            heads: self.heads,
            class_weight: self.class_weight,
            agree: self.agree,
            null_samples: self.null_samples,
            labels,
            soft,
            features,
            projection_ramp: self.projection_ramp,
            names,
            settings: json!({
                "name": KIND.name,
                "options": self.values(),
                "feature-steps": workshop.plan.feature_steps,
                "source": gan.digest,
                "labels": labels_digest,
            }),
            start,
        };
        method.start.apply_to_generator(&method.source);
        method.source.set_conditions(method.sampling(classes, condition_features));
        if let Some(predictor) = method.ties() {
            notes.push(tie::note(predictor, &method.source, target.latent, seed)?);
        }
        let report = method.start.report();
        Ok(Some(Grafted { method: Box::new(method), classes, condition_features, report, notes, labeller }))
    }

    /// As many clusters of the target's images as the source has classes.
    fn clusters(&self, workshop: &mut Workshop<'_>) -> Result<Option<Clusters>> {
        let count = workshop.source_data()?.0.classes.len();
        let Some(encoder) = self.extraction.encoder(workshop)? else { return Ok(None) };
        Clusters::of(encoder, &workshop.target.images, count, workshop.seed()).map(Some)
    }

    /// The target images whose classes the predictor is taught: those that are known, where it learns of the target at all.
    fn taught(&self, target: &Dataset, classes: &Classes) -> Vec<(usize, u32)> {
        match self.labels {
            LabelSource::FewShot(shots) if self.extraction.adapts() => {
                let known = known(target, classes, shots).into_iter().enumerate();
                known.filter_map(|(image, class)| Some((image, class?))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Each row of a batch where the one before it was: what one sample was asked for is asked of another.
fn of_others(rows: &Tensor) -> Tensor {
    let count = rows.shape()[0] as u32;
    rows.gather(&(0..count).map(|row| (row + 1) % count).collect::<Vec<_>>())
}

/// The labels of the target's images, and what a person should know of them.
fn labels(
    options: &Options,
    target: &Dataset,
    predictions: &Predictions,
    names: &Classes,
) -> Result<(Labels, Vec<String>)> {
    options.labels.check(target, names)?;
    let (truth, classes) = (Truth::of(target, names), names.len());
    let confidence = options.confidence;
    let cap = match options.balance {
        0.0 => usize::MAX,
        times => (times * target.len() as f64 / classes as f64).ceil() as usize,
    };
    let (labels, how) = match (options.labels, &truth) {
        (LabelSource::FewShot(shots), _) if options.extraction.adapts() => {
            let mut probabilities = predictions.probabilities.clone();
            for (image, class) in options.taught(target, names) {
                let row = &mut probabilities[image * classes..][..classes];
                row.fill(0.0);
                row[class as usize] = 1.0;
            }
            let how = format!("labels from a predictor that was taught {shots} known a class");
            (Labels::assign(classes, probabilities, confidence, cap), how)
        }
        (LabelSource::FewShot(shots), _) => {
            let probabilities = few_shot(predictions, target, names, shots)?;
            (Labels::assign(classes, probabilities, confidence, cap), format!("labels from {shots} known a class"))
        }
        (LabelSource::True, Some(truth)) => (Labels::known(classes, truth), "true labels, an oracle".to_string()),
        _ => (Labels::assign(classes, predictions.probabilities.clone(), confidence, cap), "pseudo-labels".to_string()),
    };
    let given = labels.assigned.iter().flatten().count();
    let accuracy = match &truth {
        _ if given == 0 => format!(
            "as none is as sure as {confidence} of its class, so that nothing is learned of classes (a lower confidence or a longer \
             training of the predictor gives some)"
        ),
        // An image of a class that the source lacks cannot have a right one.
        Some(truth) => {
            let (share, partnered) = truth.accuracy(labels.assigned.iter().copied());
            format!("{:.1} % of them right", 100.0 * share * partnered as f64 / given as f64)
        }
        None => "how many of them are right is not known, as the target has no labels of these classes".to_string(),
    };
    let all = truth.map(|truth| {
        let (share, partnered) = truth.accuracy(predictions.labels.iter().map(|&label| Some(label)));
        let of = match partnered == target.len() {
            true => "all images".to_string(),
            false => format!("the {partnered} images of classes that the source has, too"),
        };
        format!("; the predictor is right on {:.1} % of {of}", 100.0 * share)
    });
    let note = format!("{how}: {given} of {} images have one, {accuracy}{}", target.len(), all.unwrap_or_default());
    Ok((labels, std::iter::once(note).chain(without_partner(names, &target.classes)).collect()))
}

impl Method for CtGan {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn classes(&self, _count: usize, _data: &Dataset) -> Classes {
        self.names.clone()
    }

    fn origin(&self) -> Option<&dyn Origin> {
        Some(&self.start)
    }

    fn schedule(&self) -> Schedule {
        Schedule { projection_ramp: self.projection_ramp, ..self.start.schedule() }
    }

    fn conditions(&self, _round: u64, indices: &[usize], _data: &Dataset) -> BatchConditions {
        let mut rows = Vec::new();
        for &image in indices {
            rows.extend(self.labels.row(image, self.soft));
            if let Some((features, length)) = &self.features {
                rows.extend_from_slice(&features[image * length..][..*length]);
            }
        }
        BatchConditions { generator: Some(rows.clone()), discriminator: Some(rows) }
    }

    fn sampling(&self, classes: usize, features: usize) -> Conditions {
        let null = if self.null_samples { self.labels.share_without() } else { 0.0 };
        let frequencies = self.labels.frequencies(self.soft);
        let conditions = Conditions::in_turn(classes, features).with_frequencies(frequencies).with_null(null);
        match &self.features {
            Some((rows, _)) => {
                conditions.with_bank(Bank { features: rows.clone(), labels: self.labels.assigned.clone() })
            }
            None => conditions,
        }
    }

    fn read_settings(&self, written: Json) -> Json {
        renamed(written, read_old)
    }

    fn generator_term(&self, update: &GeneratorUpdate<'_>) -> Option<Tensor> {
        self.of_classes(update).into_iter().chain(self.of_pairs(update)).reduce(|sum, term| sum + term)
    }

    fn needs_whole_batches(&self) -> Option<&'static str> {
        self.shuffled.then_some("ctgan-shuffled, which gives images the classes of others of their batch,")
    }

    fn heads(&self) -> Option<(&dyn FeatureMaps, f64)> {
        (self.heads > 0.0).then_some((&self.trunk as &dyn FeatureMaps, self.heads))
    }

    fn networks(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        let predictor = self.predictor.state();
        let source = [self.source.parameters(), self.source.statistics()].concat();
        vec![("netC", predictor), ("source.netG", source)]
    }

    fn counterpart(&self) -> Option<&Generator> {
        Some(&self.source)
    }
}

impl CtGan {
    /// By which classifier both generators are tied, if they are.
    fn ties(&self) -> Option<&Classifier> {
        match &*self.predictor {
            Predicts::Classifier(predictor) if self.agree > 0.0 => Some(predictor),
            _ => None,
        }
    }

    /// What ties both generators' images of the same latents and classes.
    fn of_pairs(&self, update: &GeneratorUpdate<'_>) -> Option<Tensor> {
        self.ties().map(|predictor| {
            let source = no_grad(|| self.source.forward(update.latents, update.condition, Mode::UNTRACKED));
            tie::term(predictor, &source, update.images, self.agree)
        })
    }

    /// `w E[-log C_s(y | G_t(z, y))]`, the mean over the batch, of images as the heads see them, augmented, where there are heads; images without a label have no part in it.
    fn of_classes(&self, update: &GeneratorUpdate<'_>) -> Option<Tensor> {
        let rows = update.condition.filter(|_| self.class_weight > 0.0)?.slice(1, 0, self.labels.classes);
        let rows = if self.shuffled { of_others(&rows) } else { rows };
        // Heads have had the maps made already.
        let own = if update.maps.is_empty() { self.trunk.maps(update.images) } else { Vec::new() };
        let map = update.maps.last().or(own.last())?;
        Some(self.predictor.logits(map).cross_entropy_with(&rows) * self.class_weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::classifier::Design;
    use crate::data::Images;
    use crate::nn::NormKind;
    use crate::random::Network;
    use crate::transfer::{Init, SourceGan};

    /// A method for three images: of class 0, not sure enough, and of class 1.
    fn ctgan(soft: bool, features: Option<(Vec<f32>, usize)>) -> CtGan {
        let (device, norm) = (Device::cpu(), NormKind::Instance);
        let condition_features = features.as_ref().map_or(0, |(_, length)| *length);
        let architecture = Architecture {
            features: 1,
            latent: 2,
            classes: 2,
            condition_features,
            d_norm: norm,
            ..Architecture::dcgan(32, 1)
        };
        let source = || Generator::new(&device, &architecture, 0);
        let gan = SourceGan { architecture, generator: source(), discriminator: None, digest: String::new() };
        let from = From { generator: Init::Fresh, discriminator: Init::Fresh, ..From::SOURCE };
        let design = Design { size: 32, channels: 1, width: 2, norm, input: Default::default() };
        let classifier = Classifier::new(&device, &design, 2, 0, Network::Predictor);
        CtGan {
            start: Start::new(&gan, &architecture, from, &device).unwrap(),
            source: source(),
            trunk: classifier.frozen(),
            predictor: Arc::new(Predicts::Classifier(classifier)),
            shuffled: false,
            heads: 0.0,
            class_weight: 1.0,
            agree: 0.0,
            null_samples: true,
            labels: Labels::assign(2, vec![0.9, 0.1, 0.5, 0.5, 0.25, 0.75], 0.7, 9),
            soft,
            features,
            projection_ramp: 4,
            names: Classes::numbered(0..2),
            settings: Json::Null,
        }
    }

    fn dataset(count: usize, labels: Option<Vec<u32>>) -> Dataset {
        let images = Images::new([count, 1, 1, 1], vec![0; count]);
        Dataset { labels, classes: Classes::numbered(0..2), ..Dataset::unlabelled("pixels", images) }
    }

    #[test]
    fn made_images_reuse_the_labels_of_the_real_batch() {
        let rows = |method: &CtGan, round| {
            // The target's own labels, which say otherwise, play no part.
            let conditions = method.conditions(round, &[2, 0, 1, 2], &dataset(3, Some(vec![1, 1, 0])));
            assert_eq!(conditions.generator, conditions.discriminator, "G_t and D_t are given the same");
            conditions.generator.unwrap()
        };
        let hard = ctgan(false, None);
        assert_eq!(rows(&hard, 0), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(rows(&hard, 9), rows(&hard, 0), "whatever the round");
        assert_eq!(rows(&ctgan(true, None), 0), [0.25, 0.75, 0.9, 0.1, 0.0, 0.0, 0.25, 0.75]);
        // Features stand behind the label, also behind a null one.
        let features = Some((vec![10.0, 11.0, 20.0, 21.0, 30.0, 31.0], 2));
        let expected = [[0.0, 1.0, 30.0, 31.0], [1.0, 0.0, 10.0, 11.0], [0.0, 0.0, 20.0, 21.0], [0.0, 1.0, 30.0, 31.0]];
        assert_eq!(rows(&ctgan(false, features), 0), expected.as_flattened());
    }

    #[test]
    fn samples_have_the_labels_distribution_and_the_projection_rises() {
        let method = ctgan(true, Some((vec![1.0, 2.0, 3.0], 1)));
        let sampling = method.sampling(2, 1);
        // p_y: (0.9 + 0.25) / 2 and (0.1 + 0.75) / 2 of the two images that have a label, f32 numbers.
        let frequencies = sampling.frequencies().unwrap();
        assert!(frequencies.iter().zip([0.575, 0.425]).all(|(found, p)| (found - p).abs() < 1e-6), "{frequencies:?}");
        let bank = Bank { features: vec![1.0, 2.0, 3.0], labels: vec![Some(0), None, Some(1)] };
        assert_eq!(sampling.bank(), Some(&bank));
        assert_eq!(method.schedule(), Schedule { projection_ramp: 4, ..Schedule::default() });
    }

    #[test]
    fn a_class_keeps_its_surest_labels_up_to_balance_times_its_equal_share() {
        // Seven images of class 0, the later the surer.
        let probabilities: Vec<f32> = (0..7).flat_map(|i| [0.6 + 0.05 * i as f32, 0.4 - 0.05 * i as f32]).collect();
        let predictions =
            Predictions { classes: 2, dimensions: 1, labels: vec![0; 7], probabilities, features: vec![0.0; 7] };
        let labelled = |balance: f64| -> Vec<usize> {
            let options = Options { balance, ..Options::default() };
            let (labels, _) = labels(&options, &dataset(7, None), &predictions, &Classes::numbered(0..2)).unwrap();
            (0..7).filter(|&image| labels.assigned[image] == Some(0)).collect()
        };
        assert_eq!(labelled(1.0), [3, 4, 5, 6], "ceil(1 * 7 / 2)");
        assert_eq!(labelled(0.5), [5, 6], "ceil(0.5 * 7 / 2)");
        assert_eq!(labelled(1.5), [1, 2, 3, 4, 5, 6], "ceil(1.5 * 7 / 2)");
        assert_eq!(labelled(2.0), [0, 1, 2, 3, 4, 5, 6], "2 * 7 / 2");
        assert_eq!(labelled(0.0), [0, 1, 2, 3, 4, 5, 6], "0 is for all");
    }
}
