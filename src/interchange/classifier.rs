//! A classifier as an export takes it: one `nn.Sequential` from images to probabilities, and what it gives for a few images.

use serde_json::{Value as Json, json};

use super::names::{Entry, Value, entries};
use super::networks::{CLASS_NAMES, state_dict};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::{Classifier, Design, Input, LINEAR};
use crate::data::Classes;
use crate::error::Result;
use crate::nn::{Layer, LayerKind, Mode, NormKind};
use crate::random::{Purpose, generator, normal};
use crate::tensor::{Tensor, no_grad};

/// The name of the sequence.
const MAIN: &str = "main";
/// Images among the examples, and how many squares of one colour they have a side.
const EXAMPLES: usize = 8;
const SQUARES: usize = 8;
/// The random seed of the squares' colours.
const SEED: u64 = 0;

/// A module of the sequence.
pub(super) struct Module {
    /// Its name, `main.0`.
    pub name: String,
    pub part: Part,
}

/// What a module is.
pub(super) enum Part {
    /// Each image to mean 0 and variance 1, each channel or by layer norm all of them together.
    Standardise(NormKind),
    /// A layer that generators and discriminators may have, too.
    Layer(LayerKind),
    /// Maps as vectors.
    Flatten,
    /// A matrix and a bias.
    Linear { inputs: usize, outputs: usize },
    /// Probabilities from logits.
    Softmax,
}

/// A classifier with the names of its classes, on the cpu.
#[derive(Debug)]
pub struct OneClassifier {
    classifier: Classifier,
    classes: Classes,
    examples: Checkpoint,
}

impl OneClassifier {
    /// That of a network whose classes are called so, evaluating.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where there is not one name a class.
    #[track_caller]
    pub fn new(classifier: Classifier, classes: Classes) -> Result<OneClassifier> {
        assert_eq!(classifier.classes(), classes.len(), "one name a class");
        let examples = examples(&classifier)?;
        Ok(OneClassifier { classifier, classes, examples })
    }

    pub(super) fn design(&self) -> &Design {
        self.classifier.design()
    }

    pub(super) fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Images, and the probabilities that the classifier gives.
    pub(super) fn examples(&self) -> &Checkpoint {
        &self.examples
    }

    /// Its shapes and the names of its classes.
    pub(super) fn described(&self) -> Json {
        let mut described = json!(self.design());
        described[CLASS_NAMES] = json!(self.classes.names());
        described
    }

    /// The modules, in the order in which they compute.
    pub(super) fn modules(&self) -> Vec<Module> {
        self.parts().into_iter().map(|(name, _, part)| Module { name, part }).collect()
    }

    /// The modules, by their names there and here.
    fn parts(&self) -> Vec<(String, String, Part)> {
        let design = self.design();
        let standardised = match design.input {
            Input::Plain => None,
            Input::Channels => Some(NormKind::Instance),
            Input::Whole => Some(NormKind::Layer),
        };
        let head = standardised.map(|kind| (String::new(), Part::Standardise(kind)));
        let layers = Classifier::layers(design).into_iter().filter(|layer| layer.kind != LayerKind::Map);
        let linear = Part::Linear { inputs: design.features(), outputs: self.classes.len() };
        let tail = [(String::new(), Part::Flatten), (LINEAR.to_string(), linear), (String::new(), Part::Softmax)];
        let all = head.into_iter().chain(layers.map(|Layer { name, kind }| (name, Part::Layer(kind)))).chain(tail);
        all.enumerate().map(|(number, (own, part))| (format!("{MAIN}.{number}"), own, part)).collect()
    }

    /// The state dict.
    pub(super) fn state(&self) -> Result<Checkpoint> {
        let of_part = |(name, own, part): (String, String, Part)| -> Vec<Entry> {
            match part {
                Part::Layer(kind) => {
                    // The parameters' names here begin with the layer's own.
                    let renamed = |entry: Entry| Entry { name: entry.name.replacen(&own, &name, 1), ..entry };
                    entries(&[Layer { name: own.clone(), kind }]).into_iter().map(renamed).collect()
                }
                Part::Linear { inputs, outputs } => {
                    let entry = |part: &str, shape, value| Entry { name: format!("{name}.{part}"), shape, value };
                    vec![
                        entry("weight", vec![outputs, inputs], Value::Transposed(format!("{own}.weight"))),
                        entry("bias", vec![outputs], Value::Stored(format!("{own}.bias"))),
                    ]
                }
                Part::Standardise(_) | Part::Flatten | Part::Softmax => Vec::new(),
            }
        };
        let parameters = [self.classifier.parameters(), self.classifier.statistics()].concat();
        state_dict(self.parts().into_iter().flat_map(of_part).collect(), &parameters)
    }
}

/// Images `[n, c, size, size]` of squares of random colours, and the probabilities of their classes, `[n, classes]`.
fn examples(classifier: &Classifier) -> Result<Checkpoint> {
    let Design { size, channels, .. } = *classifier.design();
    let shape = [EXAMPLES, SQUARES, SQUARES, channels];
    let colours = normal(&mut generator(SEED, Purpose::SampleLatents, 0, 0), shape.iter().product());
    let mut tensors = Checkpoint::new(serde_json::Map::new());
    let (image, probabilities) = no_grad(|| {
        let images = Tensor::from_slice(&Device::cpu(), &colours, shape).tanh().upsample_nearest(size / SQUARES);
        let said = classifier.forward(&images, Mode::Evaluate).logits.softmax(1);
        (images.permute(&[0, 3, 1, 2]), said)
    });
    tensors.insert("image", &image)?;
    tensors.insert("probabilities", &probabilities)?;
    Ok(tensors)
}
