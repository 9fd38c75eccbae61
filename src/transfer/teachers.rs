//! What teaches a classifier: a source's labelled images, a target's, labelled or not, and the samples of a generator.

use serde_json::{Value as Json, json};

use super::shown::Shown;
use crate::data::{Classes, Dataset, Images};

/// What a target's images teach.
#[derive(Clone, Debug)]
pub(crate) struct OfTarget {
    /// The images.
    pub images: Dataset,
    /// Those whose classes are known, with these.
    pub known: Vec<(usize, u32)>,
    /// When, and how much, all of them teach by what the moving average is sure of; None for never.
    pub unlabelled: Option<Rise>,
    /// Whether what is known teaches from the first step on, and not as what is unlabelled does.
    pub known_at_once: bool,
}

/// How the weight of what is unlabelled rises from 0 to 1: shares of all steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rise {
    /// Steps before it.
    pub alone: f64,
    /// Steps over which it rises.
    pub over: f64,
}

impl Rise {
    /// Behind what the source teaches.
    pub const USUAL: Rise = Rise { alone: 0.3, over: 0.2 };
}

/// Samples of a generator, which teach the classes that were asked for.
#[derive(Clone, Debug)]
pub(crate) struct OfGenerator {
    /// The samples.
    pub images: Images,
    /// The class of each.
    pub labels: Vec<u32>,
    /// The weight of their loss beside that of known images.
    pub weight: f64,
}

/// All that teaches a classifier, in steps of a batch of each.
#[derive(Debug)]
pub(crate) struct Teachers {
    /// The number of classes.
    pub classes: usize,
    /// The source's labelled images in a style.
    pub source: Option<Shown>,
    /// The target's.
    pub target: Option<OfTarget>,
    /// A generator's.
    pub made: Option<OfGenerator>,
    /// The weight of telling the target's images from those of a generator that learns beside it; 0 for none.
    pub adversarial: f64,
    /// Whether a class stays what it is where light and dark change places.
    pub inverted: bool,
}

impl Teachers {
    /// What a training is known by, but for the source, whose settings are its own.
    pub fn settings(&self) -> Json {
        let mut settings = json!({ "target": null, "inverted": self.inverted });
        if let Some(OfTarget { images, known, unlabelled, known_at_once }) = &self.target {
            settings["target"] = of_data(images);
            settings["known"] = json!(known);
            settings["unlabelled"] = json!(unlabelled.map(|Rise { alone, over }| [alone, over]));
            settings["known-at-once"] = json!(known_at_once);
        }
        if let Some(OfGenerator { images, labels, weight }) = &self.made {
            let made = Dataset::labelled("samples", images.clone(), labels.clone(), Classes::numbered(0..self.classes));
            settings["made"] = json!({ "digest": made.digest(), "count": images.count, "weight": weight });
        }
        settings
    }
}

/// A data set in a training's settings.
pub(crate) fn of_data(data: &Dataset) -> Json {
    json!({ "digest": data.digest(), "count": data.len() })
}
