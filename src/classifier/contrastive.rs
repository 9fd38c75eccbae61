//! A network that learns without labels: SimCLR (Chen 2020, "A Simple Framework for Contrastive Learning of Visual Representations"). Of two
//! views of each image of a batch it learns to tell which belong together.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::training::{falling, make_steps};
use super::{Design, Trunk, Views, Watcher};
use crate::backend::Device;
use crate::data::{Dataset, Images, Sampler};
use crate::error::{Error, Result};
use crate::nn::{Adam, AdamOptions, Builder, Linear, Mode, Optimiser, Parameter, Slot, minimise};
use crate::random::{Network, Purpose, generator};
use crate::tensor::{Tensor, no_grad};

/// The length of the vectors between which the loss compares; features are what stands before them (Chen 2020, section 4.2).
const PROJECTION: usize = 32;
/// Images a forward pass, where nothing is trained.
const BATCH: usize = 100;
/// What takes the similarity of a view with itself out of a softmax.
const NEVER: f32 = -1e9;
/// Beside the squared length of a projection, so that one of zeros stays.
const EPSILON: f64 = 1e-8;

/// What determines a training, beside the network's design and the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContrastiveOptions {
    /// The seed of weights, order and views.
    pub seed: u64,
    /// The steps after which it ends; the rate falls to zero over them.
    pub steps: u64,
    /// Images a batch, two at least; each gives two views.
    pub batch: usize,
    /// The largest learning rate.
    pub lr: f64,
    /// What similarities are divided by.
    pub temperature: f64,
    /// How far views differ.
    pub views: Views,
}

/// The normalised temperature-scaled cross-entropy (NT-Xent, Chen 2020, equation 1): of projections `[2 n, d]`, of which rows i and
/// n + i are two views of one image, the mean over rows of the cross-entropy of picking the other view out of all other rows by cosine
/// similarity over the temperature.
///
/// # Panics
/// Where the number of rows is odd.
#[track_caller]
pub fn nt_xent(projections: &Tensor, temperature: f64) -> Tensor {
    let rows = projections.shape()[0];
    assert!(rows.is_multiple_of(2), "nt_xent: {rows} rows are not two views of each image");
    let lengths = (projections * projections).sum_axes(&[1], true) + EPSILON;
    let directions = projections * lengths.rsqrt();
    let own: Vec<f32> = (0..rows * rows).map(|place| if place / rows == place % rows { NEVER } else { 0.0 }).collect();
    let own = Tensor::from_slice(projections.device(), &own, [rows, rows]);
    let similarities = directions.matmul_with(&directions, false, true) * (1.0 / temperature) + own;
    let partners: Vec<u32> = (0..rows).map(|row| ((row + rows / 2) % rows) as u32).collect();
    similarities.cross_entropy(&partners)
}

/// A [`Trunk`], whose features are the means of its last map over its places, and while it learns a projection of them by two linear
/// maps.
#[derive(Debug)]
pub struct Contrastive {
    trunk: Trunk,
    head: [Linear; 2],
}

impl Contrastive {
    /// A fresh network; by He's rule.
    pub fn new(device: &Device, design: &Design, seed: u64) -> Contrastive {
        let mut builder = Builder::new(device, seed, Network::ClassFree);
        let trunk = Trunk::new(&mut builder, design);
        let width = design.features();
        let head = [("head.0", width), ("head.1", PROJECTION)];
        Contrastive { trunk, head: head.map(|(name, outputs)| Linear::new(&mut builder, name, width, outputs)) }
    }

    /// The filters and matrices of a network.
    pub fn slots(design: &Design) -> Vec<Slot> {
        Trunk::slots(design)
    }

    /// Its shapes.
    pub fn design(&self) -> &Design {
        self.trunk.design()
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.head[0].weight.device()
    }

    fn features_of(&self, images: &Tensor, mode: Mode) -> Tensor {
        self.trunk.forward(images, mode).mean_axes(&[1, 2], false)
    }

    /// Projections `[n, 32]` of images `[n, size, size, channels]`, while it learns.
    fn project(&self, images: &Tensor) -> Tensor {
        let [first, second] = &self.head;
        second.forward(&first.forward(&self.features_of(images, Mode::TRAIN)).relu())
    }

    /// The features of images, `[count, features]` row by row, of values from 0 up.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the images have another size.
    #[track_caller]
    pub fn features(&self, images: &Images) -> Result<Vec<f32>> {
        let device = self.device();
        let mut rows = Vec::with_capacity(images.count * self.design().features());
        for start in (0..images.count).step_by(BATCH) {
            let indices: Vec<usize> = (start..images.count.min(start + BATCH)).collect();
            let shape = [indices.len(), images.height, images.width, images.channels];
            let batch = Tensor::from_slice(&device, &images.batch(&indices), shape);
            rows.extend(no_grad(|| self.features_of(&batch, Mode::Evaluate)).to_vec::<f32>()?);
        }
        Ok(rows)
    }

    /// What determines features: the trunk's parameters and statistics. The projection is left behind.
    pub fn state(&self) -> Vec<Parameter> {
        [self.trunk.parameters(), self.trunk.statistics()].concat()
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.trunk.parameters().into_iter().chain(self.head.iter().flat_map(Linear::parameters)).collect()
    }
}

/// The state of a training.
#[derive(Debug)]
pub struct ContrastiveTraining {
    options: ContrastiveOptions,
    device: Device,
    images: Images,
    order: Sampler,
    network: Contrastive,
    adam: Adam,
    step: u64,
}

impl ContrastiveTraining {
    /// A fresh training on images of the design's size and channels; labels are not looked at.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the images do not fit, are fewer than two, or the batch is.
    pub fn new(
        design: &Design,
        options: &ContrastiveOptions,
        data: Dataset,
        device: &Device,
    ) -> Result<ContrastiveTraining> {
        design.check()?;
        let Images { count, height, width, channels, .. } = data.images;
        if [height, width, channels] != [design.size, design.size, design.channels] {
            return Err(Error::invalid(format!(
                "{} holds images of {height}x{width}x{channels}, and the network is for {}x{}x{}",
                data.name, design.size, design.size, design.channels
            )));
        }
        if count.min(options.batch) < 2 {
            return Err(Error::invalid(format!(
                "{}: {count} images in batches of {}, and views of one image are told from those of another",
                data.name, options.batch
            )));
        }
        let network = Contrastive::new(device, design, options.seed);
        Ok(ContrastiveTraining {
            adam: Adam::new(network.parameters(), AdamOptions::default()),
            order: Sampler::new(count, options.batch, options.seed),
            options: *options,
            device: device.clone(),
            images: data.images,
            network,
            step: 0,
        })
    }

    /// The network, once nothing is to be trained any more.
    pub fn into_network(self) -> Contrastive {
        self.network
    }

    /// One step; gives its loss, still on the device.
    pub fn step(&mut self) -> Tensor {
        let views = self.views();
        self.adam.set_rate(falling(self.options.lr, self.options.steps, self.step));
        self.step += 1;
        minimise(nt_xent(&self.network.project(&views), self.options.temperature), &mut self.adam)
    }

    /// Two views of each image of the step's batch, the second ones behind the first.
    fn views(&mut self) -> Tensor {
        let mut indices = self.order.indices(self.step);
        // An image that comes twice in a batch, as few images' do, is no other image than itself.
        let mut seen = HashSet::new();
        indices.retain(|&index| seen.insert(index));
        let Images { height, channels, .. } = self.images;
        let batch = self.images.batch(&indices);
        self.images.prefetch(|| self.order.indices(self.step + 1));
        let mut random = generator(self.options.seed, Purpose::Views, self.step, 0);
        let mut values = [&batch[..], &batch[..]].concat();
        for image in values.chunks_exact_mut(height * height * channels) {
            self.options.views.apply(image, [height, channels], &mut random);
        }
        Tensor::from_slice(&self.device, &values, [2 * indices.len(), height, height, channels])
    }

    /// Trains up to the last step, or until the watcher stops it: then it gives false, and may be run again.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a loss is no longer finite; the watcher's; the device's first failure.
    pub fn run(&mut self, watcher: &mut Watcher<'_>) -> Result<bool> {
        let ContrastiveOptions { steps, lr, .. } = self.options;
        make_steps("the contrastive network", self.step..steps, lr, || self.step(), watcher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Made;
    use crate::data::{Spec, Split};
    use crate::nn::NormKind;
    use std::ops::ControlFlow;

    /// Rows of length 1: two images whose views agree, at right angles, then one pair that does not agree.
    #[test]
    fn the_loss_is_what_a_hand_computes() {
        let device = Device::reference();
        let loss = |rows: &[f32]| nt_xent(&Tensor::from_slice(&device, rows, [4, 2]), 0.5).item().unwrap();
        // Each row: the partner's similarity 1, two others' 0; over the temperature 2, 0, 0.
        let apart = -(2f64.exp() / (2f64.exp() + 2.0)).ln();
        assert!((loss(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]) - apart).abs() < 1e-7);
        assert!((loss(&[7.0, 0.0, 0.0, 0.1, 2.0, 0.0, 0.0, 3.0]) - apart).abs() < 1e-5, "lengths do not count");
        // Views swapped: the partner's similarity 0, one other's 1, one other's 0.
        let swapped = -(1.0 / (2.0 + 2f64.exp())).ln();
        assert!((loss(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0]) - swapped).abs() < 1e-7);
    }

    const DESIGN: Design =
        Design { size: 32, channels: 1, width: 16, norm: NormKind::Batch, input: crate::classifier::Input::Plain };
    const OPTIONS: ContrastiveOptions =
        ContrastiveOptions { seed: 3, steps: 150, batch: 16, lr: 5e-3, temperature: 0.5, views: Views::STRONG };

    fn digits(count: usize) -> Dataset {
        let all = "synthetic:strokes".parse::<Spec>().unwrap().load(Split::Train).unwrap();
        all.select(&(0..count).collect::<Vec<_>>()).fit(32, 1).unwrap()
    }

    #[test]
    fn it_learns_stops_when_asked_to_and_looks_at_no_labels() {
        let learned = |data: Dataset, stop: u64| {
            let mut training = ContrastiveTraining::new(&DESIGN, &OPTIONS, data, &Device::cpu()).unwrap();
            let mut losses = Vec::new();
            let mut run = |training: &mut ContrastiveTraining, stop: u64| {
                let watcher = &mut |made: Made| {
                    losses.extend(made.read.map(|(loss, _)| loss));
                    Ok(if made.step == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                };
                training.run(watcher).unwrap()
            };
            assert!(!run(&mut training, stop));
            assert!(run(&mut training, u64::MAX));
            (training.into_network(), losses)
        };
        let data = digits(64);
        let (network, losses) = learned(data.clone(), 7);
        // By chance each view's partner is one of 31.
        let last = losses[losses.len() - 3..].iter().sum::<f64>() / 3.0;
        assert!(last < 31f64.ln() - 0.3, "{losses:?}");
        let unlabelled = Dataset::unlabelled("digits", data.images.clone());
        let features = network.features(&data.images).unwrap();
        assert_eq!(features.len(), 64 * DESIGN.features());
        assert_eq!(
            learned(unlabelled, 30).0.features(&data.images).unwrap(),
            features,
            "stopped elsewhere, without labels"
        );
    }

    #[test]
    fn what_cannot_be_learned_from_is_refused() {
        let refusal = |data: Dataset, options: &ContrastiveOptions| {
            ContrastiveTraining::new(&DESIGN, options, data, &Device::cpu()).unwrap_err().to_string()
        };
        assert!(refusal(digits(4).fit(64, 1).unwrap(), &OPTIONS).contains("64x64x1"));
        assert!(refusal(digits(1), &OPTIONS).contains("1 images in batches of 16"));
        assert!(refusal(digits(4), &ContrastiveOptions { batch: 1, ..OPTIONS }).contains("batches of 1"));
    }
}
