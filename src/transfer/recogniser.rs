//! The training of a classifier on a source's scenes, and then on a target's unlabelled images, too.
//!
//! `min over C_s of E_(x, y)[-log C_s(y | scene of x)]`. Adapted to a target (FixMatch, Sohn 2020, with distribution alignment, Berthelot
//! 2020): the moving average of the classifier says of a weakly changed target image which class it has, and where it is sure, a strongly
//! changed one is taught that. Source and target go through the network apart, each by the statistics of its own batches. What is left at
//! the end is the moving average, with statistics of the target where it was adapted, of the source's scenes where not.

use rand::RngExt;
use serde_json::{Value as Json, json};

use super::scene::{View, views};
use super::shown::Shown;
use super::workshop::Pretraining;
use crate::backend::Device;
use crate::classifier::{Classifier, Design, Jitter, Options, decay};
use crate::data::{Dataset, Images, Sampler};
use crate::error::{Error, Result};
use crate::nn::{Adam, AdamOptions, Gradients, Layout, Mode, Optimiser, Parameter};
use crate::random::{Network, Purpose, generator};
use crate::tensor::{Tensor, most_probable, no_grad, one_hot};

/// The largest rate, and the share of a weight that a step at the rate 1 takes off it.
const RATE: f64 = 1e-3;
const WEIGHT_DECAY: f64 = 0.01;
/// The decay of the moving average.
const AVERAGE: f64 = 0.99;
/// The share of the steps before the target is looked at, and of those over which its weight rises to 1.
const ALONE: f64 = 0.3;
const RISE: f64 = 0.2;
/// A class less probable than this teaches nothing.
const SURE: f32 = 0.9;
/// How much of the way predictions are brought to equal shares of all classes, and the decay of the mean of them.
const ALIGNED: f32 = 0.5;
const MEAN_DECAY: f64 = 0.99;
/// The number of the draws of images whose classes are known, among those of a step.
const KNOWN: u64 = 2;
/// The index under which it is drawn which of these a batch holds: no view's.
const DRAWN: u64 = u64::MAX;
/// Batches over which the statistics of the last average are taken.
const STATISTICS: u64 = 16;
/// The step under which the images of those batches are drawn: no training gets there.
const STATISTICS_STEP: u64 = u64::MAX - STATISTICS;
/// Statistics that a pass leaves as they are.
const UNTRACKED: Mode = Mode::Train { momentum: 0.0 };

/// The state of a training.
#[derive(Debug)]
pub(super) struct Recogniser {
    student: Classifier,
    /// The moving average of its weights.
    teacher: Classifier,
    adam: Adam,
    options: Options,
    source: Shown,
    labels: Vec<u32>,
    target: Option<(Images, Sampler)>,
    /// Target images whose classes are known, with these.
    known: Vec<(usize, u32)>,
    /// The running mean of what the teacher says of target images, `[classes]`.
    mean: Parameter,
    settings: Json,
    step: u64,
}

impl Recogniser {
    /// A fresh training for `steps` on the scenes of labelled images, and on a target's, where it is to be adapted to those, some of which may
    /// have `known` classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the source has no labels, or fewer than two classes.
    pub fn new(
        device: &Device,
        design: &Design,
        source: Shown,
        target: Option<&Dataset>,
        known: Vec<(usize, u32)>,
        steps: u64,
    ) -> Result<Self> {
        let (seed, batch) = (source.seed(), source.batch());
        let data = source.data();
        let (Some(labels), classes @ 2..) = (data.labels.clone(), data.classes.len()) else {
            return Err(Error::invalid(format!(
                "{} has no labels of two classes or more, from which a classifier learns",
                data.name
            )));
        };
        let jitter = Jitter::NONE;
        let options = Options { seed, steps, batch, lr: RATE, weight_decay: WEIGHT_DECAY, smoothing: 0.0, jitter };
        let mut settings = json!({
            "name": "recogniser",
            "design": design,
            "options": options,
            "source": source.settings(),
            "target": target.map(|target| json!({ "digest": target.digest(), "count": target.len() })),
        });
        if !known.is_empty() {
            settings["known"] = json!(known);
        }
        let network = || Classifier::new(device, design, classes, seed, Network::Predictor);
        let (student, teacher) = (network(), network());
        let equal = vec![1.0 / classes as f32; classes];
        Ok(Recogniser {
            adam: Adam::new(student.parameters(), AdamOptions::default()),
            target: target.map(|target| (target.images.clone(), Sampler::new(target.len(), batch, seed))),
            known,
            mean: Parameter::new("mean", Layout::Plain, Tensor::from_slice(device, &equal, [classes])),
            student,
            teacher,
            options,
            source,
            labels,
            settings,
            step: 0,
        })
    }

    /// The average, once nothing is to be trained any more, with statistics of the domain that it is for.
    pub fn into_classifier(mut self) -> Classifier {
        no_grad(|| {
            for number in 0..STATISTICS {
                let images = match self.target {
                    Some(_) => self.of_target(View::Weak, number, STATISTICS_STEP + number).0,
                    None => self.source.batch_of(number, STATISTICS_STEP + number).1,
                };
                // The mean over the batches.
                self.teacher.forward(&images, Mode::Train { momentum: 1.0 / (number + 1) as f64 });
            }
        });
        self.teacher
    }

    /// Views of the target's batch `round`, by the draws of `step`, and whether there are such.
    fn of_target(&mut self, view: View, round: u64, step: u64) -> (Tensor, usize) {
        let (images, order) = self.target.as_mut().expect("a target");
        let indices = order.indices(round);
        let Images { height, width, channels, .. } = *images;
        let mut values = images.batch(&indices);
        views(&mut values, height, channels, view, self.options.seed, (step, u64::from(view == View::Strong)));
        let device = self.student.device();
        (Tensor::from_slice(&device, &values, [indices.len(), height, width, channels]), indices.len())
    }

    /// A batch of strong views of images whose classes are known, and these, one-hot: drawn with replacement.
    fn of_known(&self) -> (Tensor, Tensor) {
        let (images, _) = self.target.as_ref().expect("a target");
        let Images { height, width, channels, .. } = *images;
        let mut random = generator(self.options.seed, Purpose::Views, self.step, DRAWN);
        let drawn: Vec<(usize, u32)> =
            (0..self.options.batch).map(|_| self.known[random.random_range(0..self.known.len())]).collect();
        let mut values = images.batch(&drawn.iter().map(|(image, _)| *image).collect::<Vec<_>>());
        views(&mut values, height, channels, View::Strong, self.options.seed, (self.step, KNOWN + 1));
        let (device, classes) = (self.student.device(), self.student.classes());
        let truth = one_hot(drawn.iter().map(|(_, class)| Some(*class)), classes);
        (
            Tensor::from_slice(&device, &values, [drawn.len(), height, width, channels]),
            Tensor::from_slice(&device, &truth, [drawn.len(), classes]),
        )
    }

    /// The weight of the target's loss in this step.
    fn weight(&self) -> f64 {
        let done = self.step as f64 / self.options.steps as f64;
        if self.target.is_none() { 0.0 } else { ((done - ALONE) / RISE).clamp(0.0, 1.0) }
    }

    /// The classes that the teacher is sure of, as rows: of the others nothing.
    fn lessons(&self, weak: &Tensor) -> Result<Vec<f32>> {
        let classes = self.student.classes();
        let said = no_grad(|| self.teacher.forward(weak, UNTRACKED).logits.softmax(1));
        let mean = no_grad(|| self.mean.get().lerp(&said.mean_axes(&[0], false), 1.0 - MEAN_DECAY));
        let shares = mean.to_vec::<f32>()?;
        self.mean.set(mean);
        let labels = lessons(&said.to_vec::<f32>()?, &shares);
        Ok(one_hot(labels.into_iter(), classes))
    }
}

/// The class of each row of probabilities that is surely of one, once they are brought half of the way to equal shares of all classes:
/// `p_c / share_c^(1/2)`, to the sum 1.
fn lessons(rows: &[f32], shares: &[f32]) -> Vec<Option<u32>> {
    let label = |row: &[f32]| {
        let aligned = row.iter().zip(shares).map(|(p, share)| p / share.max(f32::MIN_POSITIVE).powf(ALIGNED));
        let aligned: Vec<f32> = aligned.collect();
        let best = most_probable(&aligned);
        (aligned[best] > SURE * aligned.iter().sum::<f32>()).then_some(best as u32)
    };
    rows.chunks_exact(shares.len()).map(label).collect()
}

impl Pretraining for Recogniser {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn steps(&self) -> u64 {
        self.step
    }

    fn step(&mut self) -> Result<Tensor> {
        let (indices, images) = self.source.batch_of(self.step, self.step);
        let classes = self.student.classes();
        let device = self.student.device();
        let truth = one_hot(indices.iter().map(|&index| Some(self.labels[index])), classes);
        let truth = Tensor::from_slice(&device, &truth, [indices.len(), classes]);
        let rate = self.options.rate(self.step);
        let mut gradients = Gradients::of(&self.adam);
        let value = gradients.add(self.student.forward(&images, UNTRACKED).logits.cross_entropy_with(&truth));
        let weight = self.weight();
        if weight > 0.0 {
            let (weak, count) = self.of_target(View::Weak, self.step, self.step);
            let lessons = self.lessons(&weak)?;
            let lessons = Tensor::from_slice(&device, &lessons, [count, classes]);
            let (strong, _) = self.of_target(View::Strong, self.step, self.step);
            // The mean over all images of the batch: of those that teach nothing the cross-entropy is 0.
            gradients.add(self.student.forward(&strong, UNTRACKED).logits.cross_entropy_with(&lessons) * weight);
        }
        if weight > 0.0 && !self.known.is_empty() {
            let (images, truth) = self.of_known();
            gradients.add(self.student.forward(&images, UNTRACKED).logits.cross_entropy_with(&truth) * weight);
        }
        self.adam.set_rate(rate);
        gradients.step(&mut self.adam);
        decay(&self.student, rate * self.options.weight_decay);
        // As in training: short at the start.
        let share = 1.0 - AVERAGE.min((1.0 + self.step as f64) / (10.0 + self.step as f64));
        no_grad(|| {
            for (own, average) in self.student.parameters().iter().zip(self.teacher.parameters()) {
                average.set(average.get().lerp(&own.get(), share));
            }
        });
        self.step += 1;
        Ok(value)
    }

    /// With the target, where there is one.
    fn rehearse(&mut self) -> Result<()> {
        for _ in 0..2 {
            self.step = self.options.steps - 1;
            self.step()?;
        }
        Ok(())
    }

    fn slots(&self) -> Vec<(String, Vec<Parameter>)> {
        let network = |of: &Classifier| [of.parameters(), of.statistics()].concat();
        let slots = [
            ("netC", network(&self.student)),
            ("average", network(&self.teacher)),
            ("adam.netC", self.adam.moments().cloned().collect()),
            ("target", vec![self.mean.clone()]),
        ];
        slots.map(|(prefix, slots)| (prefix.to_string(), slots)).to_vec()
    }

    fn go_on_from(&mut self, step: u64) {
        self.adam.set_updates(step);
        self.step = step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::classifier::Input;
    use crate::data::{Spec, Split};
    use crate::nn::NormKind;
    use crate::transfer::shown::ExtractorStyle;

    const DESIGN: Design = Design { size: 32, channels: 3, width: 8, norm: NormKind::Batch, input: Input::Channels };

    fn digits(spec: &str, count: usize) -> Dataset {
        let all = spec.parse::<Spec>().unwrap().load(Split::Train).unwrap();
        all.select(&(0..all.len()).step_by(all.len() / count).take(count).collect::<Vec<_>>()).fit(32, 3).unwrap()
    }

    fn recogniser(adapted: bool, steps: u64) -> Recogniser {
        let device = Device::cpu();
        let shown = Shown::new(&device, digits("synthetic:strokes", 200), true, ExtractorStyle::Scene, (16, 1));
        let target = digits("synthetic:street", 60);
        let known = if adapted { vec![(3, 1), (5, 2)] } else { Vec::new() };
        Recogniser::new(&device, &DESIGN, shown, adapted.then_some(&target), known, steps).unwrap()
    }

    fn state(of: &Recogniser) -> Checkpoint {
        let mut checkpoint = Checkpoint::new(serde_json::Map::new());
        of.save(&mut checkpoint).unwrap();
        checkpoint
    }

    #[test]
    fn only_what_is_sure_teaches_and_rare_classes_are_helped() {
        // Aligned by shares of 0.81 and 0.01, whose roots are 0.9 and 0.1: (0.99, 0.01) becomes 1.1 to 0.1, (0.8, 0.2) 0.889 to 2, and (0.5, 0.5)
        // 0.556 to 5.
        assert_eq!(lessons(&[0.99, 0.01, 0.8, 0.2, 0.5, 0.5], &[0.81, 0.01]), [Some(0), None, Some(1)]);
        assert_eq!(lessons(&[0.89, 0.11, 0.95, 0.05], &[0.5, 0.5]), [None, Some(0)]);
    }

    #[test]
    fn a_training_that_was_split_equals_the_unbroken_one_with_the_target_in_it() {
        let mut unbroken = recogniser(true, 10);
        (0..10).for_each(|_| drop(unbroken.step().unwrap()));
        let mut first = recogniser(true, 10);
        (0..7).for_each(|_| drop(first.step().unwrap()));
        let mut second = recogniser(true, 10);
        second.restore(&state(&first), first.steps()).unwrap();
        (0..3).for_each(|_| drop(second.step().unwrap()));
        assert_eq!(state(&second), state(&unbroken));
        let mut alone = recogniser(false, 10);
        (0..10).for_each(|_| drop(alone.step().unwrap()));
        assert_ne!(state(&alone), state(&unbroken), "the target has a part in it");
    }

    #[test]
    fn it_learns_classes_from_scenes() {
        let mut training = recogniser(false, 150);
        let losses: Vec<f64> = (0..150).map(|_| training.step().unwrap().item().unwrap()).collect();
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        assert!(
            mean(&losses[130..]) < 0.7 * mean(&losses[..10]),
            "{} to {}",
            mean(&losses[..10]),
            mean(&losses[130..])
        );
        let target = digits("synthetic:strokes", 200);
        let accuracy =
            training.into_classifier().predict(&target.images).unwrap().accuracy(target.labels.as_ref().unwrap());
        assert!(accuracy > 0.3, "{accuracy}");
    }
}
