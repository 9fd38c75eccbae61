//! The training of a classifier on a source's scenes, on a target's images, labelled or not, and on samples of a generator.
//!
//! `min over C_s of E_(x, y)[-log C_s(y | scene of x)]`. Adapted to a target (FixMatch, Sohn 2020, with distribution alignment, Berthelot
//! 2020): the moving average of the classifier says of a weakly changed target image which class it has, and where it is sure, a strongly
//! changed one is taught that. Source and target go through the network apart, each by the statistics of its own batches. What is left at
//! the end is the moving average, with statistics of the target where it was adapted, of the source's scenes where not. Target images whose
//! classes are known, and samples of a conditional generator, teach by strong changes of them.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value as Json, json};

use super::adversary::Adversary;
use super::pretraining::Pretraining;
use super::scene::{View, views};
use super::shown::Shown;
use super::teachers::{OfGenerator, OfTarget, Rise, Teachers, of_data};
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
/// A class less probable than this teaches nothing.
const SURE: f32 = 0.9;
/// How much of the way predictions are brought to equal shares of all classes, and the decay of the mean of them.
const ALIGNED: f32 = 0.5;
const MEAN_DECAY: f64 = 0.99;
/// The numbers of the draws of images whose classes are known, and of samples, among those of a step.
const KNOWN: u64 = 2;
const MADE: u64 = 4;
/// The index under which it is drawn which of these a batch holds: no view's.
const DRAWN: u64 = u64::MAX;
/// Batches over which the statistics of the last average are taken.
const STATISTICS: u64 = 16;
/// The step under which the images of those batches are drawn: no training gets there.
const STATISTICS_STEP: u64 = u64::MAX - STATISTICS;

/// The state of a training.
#[derive(Debug)]
pub(crate) struct Recogniser {
    student: Classifier,
    /// The moving average of its weights.
    teacher: Classifier,
    adam: Adam,
    options: Options,
    source: Option<(Shown, Vec<u32>)>,
    target: Option<(OfTarget, Sampler)>,
    made: Option<OfGenerator>,
    adversary: Option<Adversary>,
    /// How images of target and generator are changed that teach.
    strong: View,
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
        let mut settings = json!({ "target": target.map(of_data) });
        if !known.is_empty() {
            settings["known"] = json!(known);
        }
        let target = target.map(|target| OfTarget {
            images: target.clone(),
            known,
            unlabelled: Some(Rise::USUAL),
            known_at_once: false,
        });
        let (classes, by) = (source.data().classes.len(), (source.batch(), source.seed()));
        let teachers = Teachers { classes, source: Some(source), target, made: None, adversarial: 0.0, inverted: true };
        Recogniser::with_settings(device, design, teachers, by, steps, settings)
    }

    /// A fresh training for `steps` by batches of so many images of each teacher and a seed, from the weights of `start`, or as they are drawn.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the source has no labels, there are fewer than two classes, or nothing teaches any.
    pub fn taught(
        device: &Device,
        design: &Design,
        teachers: Teachers,
        by: (usize, u64),
        steps: u64,
        start: Option<&Classifier>,
    ) -> Result<Self> {
        let mut settings = teachers.settings();
        settings["start"] = json!(start.is_some());
        let training = Recogniser::with_settings(device, design, teachers, by, steps, settings)?;
        if let Some(start) = start {
            training.student.copy_from(start);
            training.teacher.copy_from(start);
        }
        Ok(training)
    }

    fn with_settings(
        device: &Device,
        design: &Design,
        teachers: Teachers,
        (batch, seed): (usize, u64),
        steps: u64,
        mut settings: Json,
    ) -> Result<Self> {
        let Teachers { classes, source, target, made, adversarial, inverted } = teachers;
        let adversary = (adversarial > 0.0).then(|| Adversary::new(device, design, seed, adversarial));
        if let Some(adversary) = &adversary {
            settings["adversary"] = adversary.settings();
        }
        let source = source.map(|shown| {
            let labels = shown.data().labels.clone().filter(|_| classes >= 2);
            let unlabelled = || {
                Error::invalid(format!(
                    "{} has no labels of two classes or more, from which a classifier learns",
                    shown.data().name
                ))
            };
            let labels = labels.ok_or_else(unlabelled)?;
            Ok::<_, Error>((shown, labels))
        });
        let source = source.transpose()?;
        let knows = target.as_ref().is_some_and(|target| !target.known.is_empty());
        if classes < 2 || (source.is_none() && !knows && made.is_none()) {
            return Err(Error::invalid("there are no labels of two classes or more, from which a classifier learns"));
        }
        let jitter = Jitter::NONE;
        let options = Options { seed, steps, batch, lr: RATE, weight_decay: WEIGHT_DECAY, smoothing: 0.0, jitter };
        settings["name"] = json!("recogniser");
        settings["design"] = json!(design);
        settings["options"] = json!(options);
        settings["source"] = json!(source.as_ref().map(|(shown, _)| shown.settings()));
        let network = || Classifier::new(device, design, classes, seed, Network::Predictor);
        let (student, teacher) = (network(), network());
        let equal = vec![1.0 / classes as f32; classes];
        Ok(Recogniser {
            adam: Adam::new(student.parameters(), AdamOptions::default()),
            target: target.map(|target| {
                let order = Sampler::new(target.images.len(), batch, seed);
                (target, order)
            }),
            made,
            adversary,
            strong: if inverted { View::Strong } else { View::Upright },
            mean: Parameter::new("mean", Layout::Plain, Tensor::from_slice(device, &equal, [classes])),
            student,
            teacher,
            options,
            source,
            settings,
            step: 0,
        })
    }

    /// The average, once nothing is to be trained any more, with statistics of the domain that it is for.
    pub fn into_classifier(mut self) -> Classifier {
        self.average()
    }

    /// A copy of the average as it stands, with statistics of the domain that it is for; the training is as it was.
    pub fn average(&mut self) -> Classifier {
        let (device, classes) = (self.student.device(), self.teacher.classes());
        let copy = Classifier::new(&device, self.teacher.design(), classes, self.options.seed, Network::Predictor);
        copy.copy_from(&self.teacher);
        self.estimate_statistics(&copy);
        copy
    }

    fn estimate_statistics(&mut self, network: &Classifier) {
        no_grad(|| {
            for number in 0..STATISTICS {
                let step = STATISTICS_STEP + number;
                let images = match (&self.target, &mut self.source) {
                    (None, Some((source, _))) => source.batch_of(number, step).1,
                    (None, None) => self.of_generator(step).0,
                    (Some(_), _) => self.of_target(View::Weak, number, step).0,
                };
                // The mean over the batches.
                network.forward(&images, Mode::Train { momentum: 1.0 / (number + 1) as f64 });
            }
        });
    }

    /// Views of the target's batch `round`, by the draws of `step`, and whether there are such.
    fn of_target(&mut self, view: View, round: u64, step: u64) -> (Tensor, usize) {
        let (target, order) = self.target.as_mut().expect("a target");
        let indices = order.indices(round);
        let Images { height, width, channels, .. } = target.images.images;
        let mut values = target.images.batch(&indices);
        views(&mut values, height, channels, view, self.options.seed, (step, u64::from(view != View::Weak)));
        let device = self.student.device();
        (Tensor::from_slice(&device, &values, [indices.len(), height, width, channels]), indices.len())
    }

    /// The target's batch of this step as it is.
    fn plain_of_target(&mut self) -> Tensor {
        let (target, order) = self.target.as_mut().expect("a target");
        let indices = order.indices(self.step);
        let Images { height, width, channels, .. } = target.images.images;
        let shape = [indices.len(), height, width, channels];
        Tensor::from_slice(&self.student.device(), &target.images.batch(&indices), shape)
    }

    /// A batch of strong views of images whose classes are known, and these, one-hot: drawn with replacement.
    fn of_known(&self) -> (Tensor, Tensor) {
        let (target, _) = self.target.as_ref().expect("a target");
        let draws = generator(self.options.seed, Purpose::Views, self.step, DRAWN);
        self.drawn(
            &target.images.images,
            target.known.len(),
            |place| target.known[place],
            draws,
            (self.step, KNOWN + 1),
        )
    }

    /// A batch of strong views of samples, and their classes, one-hot: drawn with replacement.
    fn of_generator(&self, step: u64) -> (Tensor, Tensor) {
        let made = self.made.as_ref().expect("samples");
        let draws = generator(self.options.seed, Purpose::Views, step, DRAWN - 1);
        self.drawn(&made.images, made.labels.len(), |place| (place, made.labels[place]), draws, (step, MADE + 1))
    }

    /// A batch of strong views of images, by places among `count` that are drawn with replacement.
    fn drawn(
        &self,
        images: &Images,
        count: usize,
        of: impl Fn(usize) -> (usize, u32),
        mut random: ChaCha12Rng,
        key: (u64, u64),
    ) -> (Tensor, Tensor) {
        let Images { height, width, channels, .. } = *images;
        let drawn: Vec<(usize, u32)> = (0..self.options.batch).map(|_| of(random.random_range(0..count))).collect();
        let mut values = images.batch(&drawn.iter().map(|(image, _)| *image).collect::<Vec<_>>());
        views(&mut values, height, channels, self.strong, self.options.seed, key);
        let (device, classes) = (self.student.device(), self.student.classes());
        let truth = one_hot(drawn.iter().map(|(_, class)| Some(*class)), classes);
        (
            Tensor::from_slice(&device, &values, [drawn.len(), height, width, channels]),
            Tensor::from_slice(&device, &truth, [drawn.len(), classes]),
        )
    }

    /// The weight of what is unlabelled in this step.
    fn weight(&self) -> f64 {
        let done = self.step as f64 / self.options.steps as f64;
        let rise = self.target.as_ref().and_then(|(target, _)| target.unlabelled);
        rise.map_or(0.0, |Rise { alone, over }| ((done - alone) / over).clamp(0.0, 1.0))
    }

    /// The weight of target images whose classes are known, in this step.
    fn weight_of_known(&self) -> f64 {
        match &self.target {
            Some((target, _)) if target.known.is_empty() => 0.0,
            Some((target, _)) if target.known_at_once => 1.0,
            _ => self.weight(),
        }
    }

    /// The classes that the teacher is sure of, as rows: of the others nothing.
    fn lessons(&self, weak: &Tensor) -> Result<Vec<f32>> {
        let classes = self.student.classes();
        let said = no_grad(|| self.teacher.forward(weak, Mode::UNTRACKED).logits.softmax(1));
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
        let (classes, device) = (self.student.classes(), self.student.device());
        let rate = self.options.rate(self.step);
        let mut gradients = Gradients::of(&self.adam);
        let mut first = None;
        if let Some((source, labels)) = &mut self.source {
            let (indices, images) = source.batch_of(self.step, self.step);
            let truth = one_hot(indices.iter().map(|&index| Some(labels[index])), classes);
            let truth = Tensor::from_slice(&device, &truth, [indices.len(), classes]);
            let logits = self.student.forward(&images, Mode::UNTRACKED).logits;
            first = Some(gradients.add(logits.cross_entropy_with(&truth)));
        }
        let weight = self.weight();
        if weight > 0.0 {
            let (weak, count) = self.of_target(View::Weak, self.step, self.step);
            let lessons = self.lessons(&weak)?;
            let lessons = Tensor::from_slice(&device, &lessons, [count, classes]);
            let (strong, _) = self.of_target(self.strong, self.step, self.step);
            // The mean over all images of the batch: of those that teach nothing the cross-entropy is 0.
            gradients.add(self.student.forward(&strong, Mode::UNTRACKED).logits.cross_entropy_with(&lessons) * weight);
        }
        let weight = self.weight_of_known();
        if weight > 0.0 {
            let (images, truth) = self.of_known();
            let logits = self.student.forward(&images, Mode::UNTRACKED).logits;
            let loss = gradients.add(logits.cross_entropy_with(&truth) * weight);
            first.get_or_insert(loss);
        }
        if let Some(weight) = self.made.as_ref().map(|made| made.weight) {
            let (images, truth) = self.of_generator(self.step);
            let logits = self.student.forward(&images, Mode::UNTRACKED).logits;
            let loss = gradients.add(logits.cross_entropy_with(&truth) * weight);
            first.get_or_insert(loss);
        }
        let mut told_apart = None;
        let real = self.adversary.is_some().then(|| self.plain_of_target());
        if let (Some(adversary), Some(real)) = (&self.adversary, real) {
            let made = adversary.images(real.shape()[0], self.step);
            gradients.add(adversary.loss_of_classifier(&self.student, &real, &made, Mode::UNTRACKED));
            told_apart = Some((real, made));
        }
        let value = first.expect("something teaches classes");
        self.adam.set_rate(rate);
        gradients.step(&mut self.adam);
        if let (Some(adversary), Some((real, made))) = (&mut self.adversary, told_apart) {
            adversary.follow(&self.student, &real, &made, Mode::UNTRACKED);
        }
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
        let of_adversary = self.adversary.iter().flat_map(Adversary::slots);
        slots.into_iter().chain(of_adversary).map(|(prefix, slots)| (prefix.to_string(), slots)).collect()
    }

    fn go_on_from(&mut self, step: u64) {
        self.adam.set_updates(step);
        if let Some(adversary) = &mut self.adversary {
            adversary.set_updates(step);
        }
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
    fn a_generator_beside_it_learns_with_it_and_goes_on_where_it_was() {
        let device = Device::cpu();
        let fresh = |adversarial| {
            let target = OfTarget {
                images: digits("synthetic:street", 40),
                known: vec![(3, 1), (5, 2)],
                unlabelled: None,
                known_at_once: true,
            };
            let teachers =
                Teachers { classes: 10, source: None, target: Some(target), made: None, adversarial, inverted: true };
            Recogniser::taught(&device, &DESIGN, teachers, (8, 1), 6, None).unwrap()
        };
        let mut unbroken = fresh(1.0);
        (0..6).for_each(|_| drop(unbroken.step().unwrap()));
        let mut first = fresh(1.0);
        (0..4).for_each(|_| drop(first.step().unwrap()));
        let mut second = fresh(1.0);
        second.restore(&state(&first), 4).unwrap();
        (0..2).for_each(|_| drop(second.step().unwrap()));
        assert_eq!(state(&second), state(&unbroken));
        let mut alone = fresh(0.0);
        (0..6).for_each(|_| drop(alone.step().unwrap()));
        let values = |of: &Recogniser| of.student.parameters()[0].get().to_vec::<f32>().unwrap();
        assert_ne!(values(&alone), values(&unbroken), "the classifier learns of it");
        let names = |of: &Recogniser| of.slots().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&unbroken)[4..], ["netG", "adam.netG"]);
        assert_eq!(names(&alone).len(), 4);
    }

    fn taught(target: &Dataset, source: bool, made: Option<OfGenerator>, steps: u64) -> Recogniser {
        let device = Device::cpu();
        let shown = || Shown::new(&device, digits("synthetic:strokes", 200), true, ExtractorStyle::Scene, (16, 1));
        let of_target = OfTarget {
            images: target.clone(),
            known: vec![(3, 1), (5, 2)],
            unlabelled: Some(Rise { alone: 0.0, over: 0.2 }),
            known_at_once: true,
        };
        let teachers = Teachers {
            classes: 10,
            source: source.then(shown),
            target: Some(of_target),
            made,
            adversarial: 0.0,
            inverted: true,
        };
        Recogniser::taught(&device, &DESIGN, teachers, (16, 1), steps, None).unwrap()
    }

    #[test]
    fn labels_that_are_not_known_play_no_part() {
        let target = digits("synthetic:street", 60);
        let labels = target.labels.as_ref().unwrap().iter().map(|label| (label + 3) % 10).collect();
        let other = Dataset { labels: Some(labels), ..target.clone() };
        for source in [true, false] {
            let weights = |target: &Dataset| {
                let mut training = taught(target, source, None, 6);
                (0..6).for_each(|_| drop(training.step().unwrap()));
                state(&training)
            };
            assert_eq!(weights(&target), weights(&other));
        }
    }

    #[test]
    fn samples_teach_by_their_weight_and_start_and_average_leave_a_training_as_it_is() {
        let target = digits("synthetic:street", 60);
        let made = |weight| OfGenerator { images: target.images.clone(), labels: vec![4; 60], weight };
        let weights = |made: Option<OfGenerator>, looked: bool| {
            let mut training = taught(&target, false, made, 6);
            for _ in 0..6 {
                if looked {
                    training.average();
                }
                training.step().unwrap();
            }
            state(&training)
        };
        let plain = weights(None, false);
        assert_eq!(weights(Some(made(0.0)), false), plain, "of no weight");
        assert_ne!(weights(Some(made(1.0)), false), plain);
        assert_eq!(weights(None, true), plain, "looking changes nothing");

        let mut first = taught(&target, false, Some(made(1.0)), 4);
        (0..4).for_each(|_| drop(first.step().unwrap()));
        let learned = first.average();
        let teachers = Teachers {
            classes: 10,
            source: None,
            target: None,
            made: Some(made(1.0)),
            adversarial: 0.0,
            inverted: true,
        };
        let mut second = Recogniser::taught(&Device::cpu(), &DESIGN, teachers, (16, 1), 1, Some(&learned)).unwrap();
        let values =
            |of: &Classifier| of.parameters().iter().map(|p| p.get().to_vec::<f32>().unwrap()).collect::<Vec<_>>();
        assert_eq!(values(&second.average()), values(&learned), "it begins where the other ended");
        let none = Teachers { classes: 10, source: None, target: None, made: None, adversarial: 0.0, inverted: true };
        let error = Recogniser::taught(&Device::cpu(), &DESIGN, none, (16, 1), 1, None).unwrap_err();
        assert!(error.to_string().contains("no labels"), "{error}");
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
