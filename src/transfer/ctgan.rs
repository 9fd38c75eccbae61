//! CTGAN, transfer of features and labels: a label predictor C_s that learned on the source labels the target's images, and
//! both networks are conditioned on those labels.
//!
//! `min over C_s of E_(x, y)[-log C_s(y | x)]`, then `min over G_t of E_(z, y ~ p_y)[-log D_t(G_t(z, y), y)]`, p_y the target's label
//! distribution: made images reuse the labels of the real batch. G_t starts from G_s(z, y), pretrained with the source's labels.

use rand::seq::SliceRandom;
use serde_json::{Value as Json, json};

use super::features::bank_of;
use super::labels::{LabelSource, Labels, Truth, few_shot, without_partner};
use super::options::{Choices, Table};
use super::start::{COLOUR_BLIND, D_INIT, FREEZE_D, From, Grafting, Start};
use super::workshop::Pretraining;
use super::{Grafted, Kind, Style, Workshop};
use crate::checkpoint::Checkpoint;
use crate::classifier::{self, Classifier, Design, Jitter, Predictions, Targets, Training};
use crate::data::{Classes, Dataset, Images};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Bank, BatchConditions, Conditions, Generator, Method, Origin, Schedule};
use crate::nn::{NormKind, Parameter};
use crate::options::{Range, Takes, options};
use crate::random::{Network, Purpose, generator};
use crate::tensor::Tensor;

pub(super) const KIND: Kind = Kind {
    name: "ctgan",
    about: "features and labels: a classifier trained on the source labels the target, and both networks are given the labels",
    arms: &[("ctgan", ""), ("ctgan-shuffled", "shuffle-labels=true")],
    control: Some(("shuffle-labels", "true")),
    labelled_source: true,
    new: || Box::new(Options::default()),
};

options! {
    /// CTGAN's options.
    #[derive(Clone, Debug, PartialEq)]
    struct Options {
        /// What the networks start from.
        from: From = From::SOURCE;
    } {
        /// Where the target's labels come from
        "labels", "SOURCE", Takes::Text("pseudo, fewshot:N (N known ones a class), or true (an oracle)"), "pseudo", labels: LabelSource;
        /// Train with the probabilities of classes in place of the most probable one; samples ask for one class
        "soft-labels", "true|false", Takes::Flag, "false", soft_labels: bool;
        /// An image whose most probable class is less probable gets the null label
        "confidence", "NUMBER", Takes::Number(Range::Share), "0.5", confidence: f64;
        /// A class keeps at most this many times its equal share of labels, the surest ones; 0 for all
        "balance", "NUMBER", Takes::Number(Range::NotNegative), "2", balance: f64;
        /// Deal the labels out to other images at random: a control
        "shuffle-labels", "true|false", Takes::Flag, "false", shuffle_labels: bool;
        /// Give both networks the predictor's features too
        "ctgan-features", "true|false", Takes::Flag, "false", ctgan_features: bool;
        /// Steps over which the weight of the label in the discriminator rises from 0 to 1
        "projection-ramp", "N", Takes::Whole(0, u32::MAX as u64), "500", projection_ramp: u64;
    } {} {
        D_INIT, from.discriminator;
        FREEZE_D, from.freeze;
        COLOUR_BLIND, from.allow_colour_blind;
    }
}

/// The predictor's largest rate and its weight decay; its objective is the cross-entropy as it is written, without smoothing.
const PREDICTOR_RATE: f64 = 1e-3;
const WEIGHT_DECAY: f64 = 0.01;
/// The step under which the styles of the predictor's images are drawn: no other training gets there.
const STYLE_STEP: u64 = u64::MAX - 1;
/// Images that are styled at once.
const STYLED: usize = 1024;

/// The training of C_s.
struct Predictor {
    training: Training,
    settings: Json,
}

impl Pretraining for Predictor {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn steps(&self) -> u64 {
        self.training.steps()
    }

    fn step(&mut self) -> Tensor {
        self.training.step()
    }

    fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        self.training.save(checkpoint, "netC")
    }

    fn restore(&mut self, checkpoint: &Checkpoint, step: u64) -> Result<()> {
        self.training.restore(checkpoint, "netC", step)
    }
}

#[derive(Debug)]
struct CtGan {
    start: Start,
    /// G_s with the target's channels and conditions: frozen.
    source: Generator,
    predictor: Classifier,
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
        self.from.check()
    }

    fn learns_from_images(&self) -> bool {
        true
    }

    fn is_oracle(&self) -> bool {
        self.labels == LabelSource::True
    }

    fn inspect(&self, workshop: &mut Workshop<'_>) -> Result<()> {
        let source = workshop.source_architecture()?;
        if source.classes == 0 {
            return Err(Error::invalid(format!(
                "the networks of {} know no classes, from which ctgan starts: train conditional ones",
                workshop.plan.source
            )));
        }
        let source_classes = workshop.source_data()?.0.classes.clone();
        self.labels.check(workshop.target, &source_classes)?;
        let target = Architecture { classes: source.classes, ..workshop.architecture() };
        Grafting::new(&source, &target, self.from).map(drop)
    }

    fn prepare(&self, workshop: &mut Workshop<'_>) -> Result<Option<Grafted>> {
        let (architecture, seed, device) = (workshop.architecture(), workshop.seed(), workshop.device);
        let Some(predictor) = predictor(workshop)? else { return Ok(None) };
        let classes = predictor.classes();
        let predictions = predictor.predict(&workshop.target.images)?;

        let soft = self.soft_labels;
        let names = workshop.source_data()?.0.classes.clone();
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
        let mut method = CtGan {
            source: Generator::new(device, &target, seed),
            predictor,
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
        let report = method.start.report();
        Ok(Some(Grafted { method: Box::new(method), classes, condition_features, report, notes }))
    }
}

/// C_s, trained on the source's images and labels.
fn predictor(workshop: &mut Workshop<'_>) -> Result<Option<Classifier>> {
    let (architecture, seed, device) = (workshop.architecture(), workshop.seed(), workshop.device);
    let (steps, batch) = (workshop.plan.feature_steps, workshop.plan.recipe.batch);
    let Architecture { size, channels, features, .. } = architecture;
    // Half-widths must be whole. Instance normalisation: a label must not depend on a domain's contrast.
    let design = Design { size, channels, width: features.next_multiple_of(2), norm: NormKind::Instance };
    let (jitter, lr, weight_decay) = (Jitter::SMALL, PREDICTOR_RATE, WEIGHT_DECAY);
    let options = classifier::Options { seed, steps, batch, lr, weight_decay, smoothing: 0.0, jitter };
    let (data, style) = workshop.source_data()?;
    let settings = json!({
        "name": "classifier",
        "design": design,
        "options": options,
        "style": style,
        "data": { "digest": data.digest(), "count": data.len() },
    });
    let styled = styled(&data, style, seed);
    let training = Training::new(&design, &options, styled, &Targets::Labels, Network::Predictor, device)?;
    let mut predictor = Predictor { training, settings };
    let folder = workshop.folders.classifier.clone();
    let done = workshop.pretrain(&folder, "classifier", &mut predictor)?;
    Ok(done.then(|| predictor.training.into_classifier()))
}

/// A data set with a style of its own for each image.
fn styled(data: &Dataset, style: Style, seed: u64) -> Dataset {
    if style == Style::None {
        return data.clone();
    }
    let Images { height, width, channels, .. } = data.images;
    let mut pixels = Vec::with_capacity(data.len() * data.images.bytes_per_image());
    for start in (0..data.len()).step_by(STYLED) {
        let indices: Vec<usize> = (start..data.len().min(start + STYLED)).collect();
        let mut values = data.batch(&indices);
        // Each block of images is another step's, so that no two images share a style.
        style.apply(&mut values, height, seed, STYLE_STEP - (start / STYLED) as u64);
        pixels.extend(Images::from_batch(&values, [indices.len(), height, width, channels]).into_pixels());
    }
    Dataset { images: Images::new(data.images.shape(), pixels), ..data.clone() }
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
        let conditions = Conditions::in_turn(classes, features).with_frequencies(self.labels.frequencies(self.soft));
        match &self.features {
            Some((rows, _)) => {
                conditions.with_bank(Bank { features: rows.clone(), labels: self.labels.assigned.clone() })
            }
            None => conditions,
        }
    }

    fn networks(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        let predictor = [self.predictor.parameters(), self.predictor.statistics()].concat();
        let source = [self.source.parameters(), self.source.statistics()].concat();
        vec![("netC", predictor), ("source.netG", source)]
    }

    fn counterpart(&self) -> Option<&Generator> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
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
        CtGan {
            start: Start::new(&gan, &architecture, from, &device).unwrap(),
            source: source(),
            predictor: Classifier::new(
                &device,
                &Design { size: 32, channels: 1, width: 2, norm },
                2,
                0,
                Network::Predictor,
            ),
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
