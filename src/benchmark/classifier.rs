//! A step of a classifier that learns from labelled and unlabelled images, as programs of other frameworks time it: FixMatch's (Sohn 2020) on
//! images that are changed already.

use std::time::Instant;

use rand::RngExt;

use crate::backend::Device;
use crate::classifier::{Classifier, Design, Input};
use crate::error::Result;
use crate::nn::{Adam, AdamOptions, Gradients, Mode, NormKind, Parameter};
use crate::random::{Network, Purpose, generator};
use crate::tensor::{Tensor, no_grad, one_hot};

/// The classes of digits.
const CLASSES: usize = 10;
/// How sure the average is to be of what it teaches, as in `graft classify`; what it says of noise is no matter.
const SURE: f32 = 0.9;
/// What of the average stays in a step.
const AVERAGE: f64 = 0.999;

/// The milliseconds of steps, as long as `goes_on` says so of those so far: a classifier of images of so many pixels a side and this width learns
/// from a batch of labelled ones, and from what its average says of as many others.
///
/// # Errors
/// The device's first failure.
pub fn classifier_steps(
    (size, width, batch): (usize, usize, usize),
    device: &Device,
    mut goes_on: impl FnMut(&[f64]) -> bool,
) -> Result<Vec<f64>> {
    let design = Design { size, channels: 3, width, norm: NormKind::Batch, input: Input::Channels };
    design.check()?;
    let [student, average] = [(); 2].map(|()| Classifier::new(device, &design, CLASSES, 0, Network::Predictor));
    let mut adam = Adam::new(student.parameters(), AdamOptions::default());
    let mut random = generator(0, Purpose::Synthetic, 0, 0);
    let mut images = || {
        let values: Vec<f32> = (0..batch * size * size * 3).map(|_| random.random_range(-1.0..1.0)).collect();
        Tensor::from_slice(device, &values, [batch, size, size, 3])
    };
    let [labelled, weak, strong] = std::array::from_fn(|_| images());
    let targets = |labels: &mut dyn Iterator<Item = Option<u32>>| {
        Tensor::from_slice(device, &one_hot(labels, CLASSES), [batch, CLASSES])
    };
    let truth = targets(&mut (0..batch).map(|image| Some((image % CLASSES) as u32)));
    let mut times = Vec::new();
    while goes_on(&times) {
        let start = Instant::now();
        let mut gradients = Gradients::of(&adam);
        let loss = gradients.add(student.forward(&labelled, Mode::UNTRACKED).logits.cross_entropy_with(&truth));
        let said = no_grad(|| average.forward(&weak, Mode::UNTRACKED).logits.softmax(1)).to_vec::<f32>()?;
        let lesson = |row: &[f32]| row.iter().position(|&p| p >= SURE).map(|class| class as u32);
        let lessons = targets(&mut said.chunks_exact(CLASSES).map(lesson));
        gradients.add(student.forward(&strong, Mode::UNTRACKED).logits.cross_entropy_with(&lessons));
        gradients.step(&mut adam);
        Parameter::lerp_each(&average.parameters(), &student.parameters(), 1.0 - AVERAGE);
        loss.item()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
