//! C_s of version 0.1: a classifier with instance norm, of one colouring of each of the source's images.

use serde_json::{Value as Json, json};

use super::extractor::design;
use super::pretraining::Pretraining;
use super::{Style, Workshop};
use crate::classifier::{Classifier, Jitter, Options, Targets, Training};
use crate::data::{Dataset, Images};
use crate::error::Result;
use crate::nn::{NormKind, Parameter};
use crate::random::Network;
use crate::tensor::Tensor;

/// The largest rate and the weight decay; the objective is the cross-entropy as it is written, without smoothing.
const PREDICTOR_RATE: f64 = 1e-3;
const WEIGHT_DECAY: f64 = 0.01;
/// The step under which the styles of its images are drawn: no other training gets there.
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

    fn step(&mut self) -> Result<Tensor> {
        Ok(self.training.step())
    }

    fn slots(&self) -> Vec<(String, Vec<Parameter>)> {
        self.training.slots("netC")
    }

    fn go_on_from(&mut self, step: u64) {
        self.training.go_on_from(step);
    }
}

/// C_s as version 0.1 trained it: on one colouring of each of the source's images.
pub(super) fn predictor(workshop: &mut Workshop<'_>) -> Result<Option<Classifier>> {
    let (seed, device) = (workshop.seed(), workshop.device);
    let (steps, batch) = (workshop.plan.feature_steps, workshop.plan.recipe.batch);
    // Instance normalisation: a label must not depend on a domain's contrast.
    let design = design(&workshop.architecture(), NormKind::Instance);
    let (jitter, lr, weight_decay) = (Jitter::SMALL, PREDICTOR_RATE, WEIGHT_DECAY);
    let options = Options { seed, steps, batch, lr, weight_decay, smoothing: 0.0, jitter };
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
pub(crate) fn styled(data: &Dataset, style: Style, seed: u64) -> Dataset {
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
