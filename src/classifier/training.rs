//! The loop that trains a classifier: Adam on the cross-entropy of jittered images, its rate falling along a half cosine.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Classifier, Design, Jitter};
use crate::backend::Device;
use crate::data::{Dataset, Images, Sampler};
use crate::error::{Error, Result};
use crate::nn::{Adam, AdamOptions, Mode, Optimiser, Parameter, minimise};
use crate::random::{Network, Purpose, generator};
use crate::tensor::{Tensor, no_grad, one_hot};

/// Losses are read back every so many steps: each read waits for the device.
const READ_EVERY: u64 = 16;

/// What determines a training, beside the network and the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// The seed of weights, order and jitter.
    pub seed: u64,
    /// The steps after which it ends; the rate falls to zero over them.
    pub steps: u64,
    /// Images a batch.
    pub batch: usize,
    /// The largest learning rate.
    pub lr: f64,
    /// The share of a weight that a step at the learning rate 1 would take off it (Loshchilov & Hutter 2019).
    pub weight_decay: f64,
    /// The share of a target that all classes get in equal parts (Szegedy 2016, section 7).
    pub smoothing: f64,
    /// How far images are changed.
    pub jitter: Jitter,
}

impl Options {
    /// The rate of step `step` (from 0).
    pub fn rate(&self, step: u64) -> f64 {
        falling(self.lr, self.steps, step)
    }
}

/// The rate of step `step` (from 0): linear over the first twentieth, then half a cosine down to zero
/// (Loshchilov & Hutter 2017, equation 5, without restarts).
pub(super) fn falling(lr: f64, steps: u64, step: u64) -> f64 {
    let (warm, total) = ((steps / 20).max(1) as f64, steps as f64);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / total).cos());
    lr * cosine * ((step + 1) as f64 / warm).min(1.0)
}

/// Makes the steps of a training, each of which gives its loss, up to the last, or until the watcher stops it: then it gives false.
pub(super) fn make_steps(
    who: &str,
    steps: Range<u64>,
    lr: f64,
    mut step: impl FnMut() -> Tensor,
    watcher: &mut Watcher<'_>,
) -> Result<bool> {
    let (start, first, last) = (Instant::now(), steps.start, steps.end);
    for made in steps.map(|step| step + 1) {
        let loss = step();
        // The first step is shown at once: people wait for it.
        let due = made == last || made == first + 1 || made.is_multiple_of(READ_EVERY);
        let loss = due.then(|| loss.item()).transpose()?;
        if let Some(broken) = loss.filter(|loss| !loss.is_finite()) {
            return Err(Error::invalid(format!(
                "{who}'s training diverged: its loss is {broken} at step {made}; use a smaller learning rate than {lr}"
            )));
        }
        let rate = (made - first) as f64 / start.elapsed().as_secs_f64();
        if watcher(Made { step: made, read: loss.map(|loss| (loss, rate)) })?.is_break() {
            return Ok(made == last);
        }
    }
    Ok(true)
}

/// What each image is to be classified as.
#[derive(Clone, Debug)]
pub enum Targets {
    /// The labels of the data set.
    Labels,
    /// Probabilities `[n, classes]`, row by row.
    Probabilities {
        /// The number of classes.
        classes: usize,
        /// One row an image; a row sums to 1.
        rows: Vec<f32>,
    },
}

/// A step of a classifier's training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Made {
    /// The step.
    pub step: u64,
    /// Of some steps the loss, and the steps made a second.
    pub read: Option<(f64, f64)>,
}

/// Who is told of every step, and gives whether to go on.
pub type Watcher<'w> = dyn FnMut(Made) -> Result<ControlFlow<()>> + 'w;

/// The state of a training: the network, its optimiser, and the data.
#[derive(Debug)]
pub struct Training {
    options: Options,
    device: Device,
    images: Images,
    /// `[n, classes]`
    targets: Vec<f32>,
    order: Sampler,
    classifier: Classifier,
    adam: Adam,
    step: u64,
}

impl Training {
    /// A fresh training on images of the design's size and channels, of weights of its own among those of a seed.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the data do not fit: another size, no images, no labels where they are the targets, fewer
    /// than two classes, or not one row of probabilities an image.
    pub fn new(
        design: &Design,
        options: &Options,
        data: Dataset,
        targets: &Targets,
        network: Network,
        device: &Device,
    ) -> Result<Training> {
        design.check()?;
        let Dataset { name, images, .. } = &data;
        let size = design.size;
        if [images.height, images.width, images.channels] != [size, size, design.channels] || data.is_empty() {
            return Err(Error::invalid(format!(
                "{name} holds {} images of {}x{}x{}, and the classifier is for {size}x{size}x{}",
                images.count, images.height, images.width, images.channels, design.channels
            )));
        }
        let (classes, targets) = rows(&data, targets)?;
        if classes < 2 {
            return Err(Error::invalid(format!("{name} has {classes} classes, and a classifier needs two or more")));
        }
        let share = options.smoothing as f32;
        let targets = targets.into_iter().map(|target| target * (1.0 - share) + share / classes as f32).collect();
        let classifier = Classifier::new(device, design, classes, options.seed, network);
        Ok(Training {
            adam: Adam::new(classifier.parameters(), AdamOptions::default()),
            order: Sampler::new(data.len(), options.batch, options.seed),
            options: *options,
            device: device.clone(),
            images: data.images,
            targets,
            classifier,
            step: 0,
        })
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.step >= self.options.steps
    }

    /// The network as it stands.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// The network, once nothing is to be trained any more.
    pub fn into_classifier(self) -> Classifier {
        self.classifier
    }

    /// One step; gives its loss, still on the device.
    pub fn step(&mut self) -> Tensor {
        let (images, targets) = self.batch();
        let rate = self.options.rate(self.step);
        let loss = self.classifier.forward(&images, Mode::TRAIN).logits.cross_entropy_with(&targets);
        self.adam.set_rate(rate);
        let value = minimise(loss, &mut self.adam);
        decay(&self.classifier, rate * self.options.weight_decay);
        self.step += 1;
        value
    }

    fn batch(&mut self) -> (Tensor, Tensor) {
        let indices = self.order.indices(self.step);
        let Images { height, width, channels, .. } = self.images;
        let mut values = self.images.batch(&indices);
        self.images.prefetch(|| self.order.indices(self.step + 1));
        let mut random = generator(self.options.seed, Purpose::ClassifierJitter, self.step, 0);
        for image in values.chunks_exact_mut(height * width * channels) {
            self.options.jitter.apply(image, [height, width, channels], &mut random);
        }
        let classes = self.classifier.classes();
        let rows = indices.iter().flat_map(|&index| &self.targets[index * classes..][..classes]);
        let rows: Vec<f32> = rows.copied().collect();
        (
            Tensor::from_slice(&self.device, &values, [indices.len(), height, width, channels]),
            Tensor::from_slice(&self.device, &rows, [indices.len(), classes]),
        )
    }

    /// Trains up to the last step, or until the watcher stops it: then it gives false, and may be run again.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a loss is no longer finite; the watcher's; the device's first failure.
    pub fn run(&mut self, watcher: &mut Watcher<'_>) -> Result<bool> {
        let Options { steps, lr, .. } = self.options;
        make_steps("the classifier", self.step..steps, lr, || self.step(), watcher)
    }

    /// The whole state: the network under `PREFIX`, the moments under `adam.PREFIX`. Which step it is of ([`Training::steps`]) is for
    /// whoever keeps it to say.
    pub fn slots(&self, prefix: &str) -> Vec<(String, Vec<Parameter>)> {
        let network = [self.classifier.parameters(), self.classifier.statistics()].concat();
        vec![(prefix.to_string(), network), (format!("adam.{prefix}"), self.adam.moments().cloned().collect())]
    }

    /// Goes on as one that made so many steps, its slots being those of then: as if it had never stopped.
    pub fn go_on_from(&mut self, step: u64) {
        self.adam.set_updates(step);
        self.step = step;
    }
}

/// Takes a share off every filter and matrix of a classifier; scales, shifts and biases are left.
pub(crate) fn decay(classifier: &Classifier, share: f64) {
    if share > 0.0 {
        no_grad(|| {
            for parameter in classifier.parameters().iter().filter(|parameter| parameter.get().rank() > 1) {
                parameter.set(parameter.get() * (1.0 - share));
            }
        });
    }
}

/// The number of classes, and the target of each image as a row of probabilities.
fn rows(data: &Dataset, targets: &Targets) -> Result<(usize, Vec<f32>)> {
    match targets {
        Targets::Labels => {
            let Some(labels) = &data.labels else {
                return Err(Error::invalid(format!(
                    "{} has no labels to train a classifier on; name a labelled data set",
                    data.name
                )));
            };
            Ok((data.classes.len(), one_hot(labels.iter().copied().map(Some), data.classes.len())))
        }
        Targets::Probabilities { classes, rows } if rows.len() == data.len() * classes => Ok((*classes, rows.clone())),
        Targets::Probabilities { classes, rows } => Err(Error::invalid(format!(
            "{} probabilities of {classes} classes are not one row for each of the {} images of {}",
            rows.len(),
            data.len(),
            data.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::classifier::Input;
    use crate::data::{Spec, Split};
    use crate::nn::NormKind;

    const DESIGN: Design = Design { size: 32, channels: 1, width: 4, norm: NormKind::Batch, input: Input::Plain };
    const OPTIONS: Options =
        Options { seed: 3, steps: 20, batch: 8, lr: 2e-3, weight_decay: 0.01, smoothing: 0.1, jitter: Jitter::SMALL };

    /// Digits drawn in code.
    fn digits(count: usize) -> Dataset {
        let all = "synthetic:strokes".parse::<Spec>().unwrap().load(Split::Train).unwrap();
        all.select(&(0..count).collect::<Vec<_>>()).fit(32, 1).unwrap()
    }

    fn training(targets: &Targets) -> Training {
        Training::new(&DESIGN, &OPTIONS, digits(40), targets, Network::Judge, &Device::cpu()).unwrap()
    }

    fn state(training: &Training) -> Checkpoint {
        let mut checkpoint = Checkpoint::new(serde_json::Map::new());
        for (prefix, slots) in training.slots("judge") {
            checkpoint.insert_parameters(&prefix, &slots).unwrap();
        }
        checkpoint
    }

    #[test]
    fn a_training_that_was_split_equals_the_unbroken_one() {
        let mut unbroken = training(&Targets::Labels);
        (0..20).for_each(|_| drop(unbroken.step()));
        let mut first = training(&Targets::Labels);
        (0..10).for_each(|_| drop(first.step()));
        assert_ne!(state(&first), state(&unbroken));
        let mut second = training(&Targets::Labels);
        for (prefix, slots) in second.slots("judge") {
            state(&first).load_parameters(&prefix, &slots).unwrap();
        }
        second.go_on_from(first.steps());
        (0..10).for_each(|_| drop(second.step()));
        assert_eq!(state(&second), state(&unbroken));
        assert!(second.is_done());
    }

    #[test]
    fn probabilities_that_are_labels_train_as_labels_do() {
        let data = digits(40);
        let (classes, rows) = rows(&data, &Targets::Labels).unwrap();
        let (mut hard, mut soft) = (training(&Targets::Labels), training(&Targets::Probabilities { classes, rows }));
        for _ in 0..2 {
            assert_eq!(hard.step().item().unwrap(), soft.step().item().unwrap());
        }
        assert_eq!(state(&hard), state(&soft));
    }

    #[test]
    fn the_rate_rises_over_a_twentieth_and_falls_to_zero() {
        let options = Options { steps: 100, lr: 1.0, ..OPTIONS };
        assert!((options.rate(0) - 0.2).abs() < 1e-12 && options.rate(4) > 0.99);
        assert!((options.rate(50) - 0.5).abs() < 1e-12);
        assert!((1..=95).all(|step| step < 5 || options.rate(step) < options.rate(step - 1)));
        assert!(options.rate(99) < 1e-3);
    }

    #[test]
    fn it_learns_and_stops_when_it_is_asked_to() {
        let design = Design { width: 16, ..DESIGN };
        let options = Options { steps: 150, lr: 0.01, smoothing: 0.0, jitter: Jitter::NONE, ..OPTIONS };
        let mut training =
            Training::new(&design, &options, digits(40), &Targets::Labels, Network::Judge, &Device::cpu()).unwrap();
        let mut losses = Vec::new();
        let mut run = |training: &mut Training, stop_at: u64| {
            let watcher = &mut |made: Made| {
                losses.extend(made.read.map(|(loss, _)| (made.step, loss)));
                Ok(if made.step == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            };
            training.run(watcher).unwrap()
        };
        assert!(!run(&mut training, 5));
        assert_eq!(training.steps(), 5);
        assert!(run(&mut training, u64::MAX));
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert_eq!((first.0, last.0), (1, 150));
        assert!(last.1 < 0.5 * first.1, "{first:?} {last:?}");
    }

    #[test]
    fn what_cannot_be_trained_on_is_refused() {
        let refusal = |data: Dataset, targets: &Targets| {
            Training::new(&DESIGN, &OPTIONS, data, targets, Network::Judge, &Device::cpu()).unwrap_err().to_string()
        };
        let good = digits(4);
        let unlabelled = Dataset::unlabelled("digits", good.images.clone());
        assert!(refusal(unlabelled, &Targets::Labels).contains("no labels"));
        assert!(refusal(good.clone().fit(64, 1).unwrap(), &Targets::Labels).contains("64x64x1"));
        let short = Targets::Probabilities { classes: 3, rows: vec![1.0; 3] };
        assert!(refusal(good, &short).contains("not one row for each of the 4 images"));
    }
}
