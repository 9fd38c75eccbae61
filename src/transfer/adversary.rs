//! A generator that a classifier learns to tell from real images, as a class K + 1 beside its own (Salimans 2016, section 5): what its K
//! classes learn of labelled images it learns of all of them, that they are real.
//!
//! With the logits `l_k(x)` of the K classes and that of the last one 0, `Z(x) = sum_k exp l_k(x)` and the image is real with the probability
//! `D(x) = Z / (Z + 1)`. The classifier's loss is `E[-log D(x)] + E[-log(1 - D(G(z)))]`; the generator's is feature matching,
//! `||E f(x) - E f(G(z))||^2`, f what the classes are told from.

use serde_json::{Value as Json, json};

use crate::backend::Device;
use crate::classifier::{Classifier, Design, Outputs};
use crate::gan::{Architecture, Generator};
use crate::nn::{Adam, AdamOptions, Mode, Parameter, minimise};
use crate::random::{Purpose, generator, normal};
use crate::tensor::Tensor;

/// The generator's rate (Salimans 2016, for SVHN).
const RATE: f64 = 3e-4;

/// The generator with its optimiser.
#[derive(Debug)]
pub(super) struct Adversary {
    generator: Generator,
    adam: Adam,
    latent: usize,
    seed: u64,
    weight: f64,
}

impl Adversary {
    /// A fresh DCGAN generator of a classifier's images and width. The weight is that of the real and the made class in the classifier's loss.
    pub fn new(device: &Device, design: &Design, seed: u64, weight: f64) -> Adversary {
        let architecture = Architecture { features: design.width, ..Architecture::dcgan(design.size, design.channels) };
        let generator = Generator::new(device, &architecture, seed);
        let adam = Adam::new(generator.parameters(), AdamOptions { rate: RATE, ..AdamOptions::DCGAN });
        Adversary { generator, adam, latent: architecture.latent, seed, weight }
    }

    /// What of it determines results.
    pub fn settings(&self) -> Json {
        json!({ "latent": self.latent, "rate": RATE, "weight": self.weight })
    }

    /// Images of a step, `[n, size, size, channels]`, with their graph.
    pub fn images(&self, count: usize, step: u64) -> Tensor {
        let mut random = generator(self.seed, Purpose::Latents, step, 0);
        let device = self.generator.parameters()[0].device();
        let latents = Tensor::from_slice(&device, &normal(&mut random, count * self.latent), [count, self.latent]);
        self.generator.forward(&latents, None, Mode::TRAIN)
    }

    /// The classifier's loss of telling real images from made ones.
    pub fn loss_of_classifier(&self, student: &Classifier, real: &Tensor, made: &Tensor, mode: Mode) -> Tensor {
        let [real, made] = together(student, real, &made.detach(), mode);
        ((-log_evidence(&real.logits)).softplus().mean() + log_evidence(&made.logits).softplus().mean()) * self.weight
    }

    /// A step of the generator towards the features of real images.
    pub fn follow(&mut self, student: &Classifier, real: &Tensor, made: &Tensor, mode: Mode) {
        let [real, made] = together(student, real, made, mode).map(|said| said.features.mean_axes(&[0], false));
        minimise((made - real.detach()).powi(2).sum(), &mut self.adam);
    }

    /// Its state, each part under its prefix in checkpoints.
    pub fn slots(&self) -> [(&'static str, Vec<Parameter>); 2] {
        let network = [self.generator.parameters(), self.generator.statistics()].concat();
        [("netG", network), ("adam.netG", self.adam.moments().cloned().collect())]
    }

    /// Goes on as one that made so many steps.
    pub fn set_updates(&mut self, step: u64) {
        self.adam.set_updates(step);
    }
}

/// What a classifier says of real and of made images in one batch: by statistics of their own, both would look alike.
fn together(student: &Classifier, real: &Tensor, made: &Tensor, mode: Mode) -> [Outputs; 2] {
    let (count, all) = (real.shape()[0], real.shape()[0] + made.shape()[0]);
    let said = student.forward(&Tensor::concat(&[real, made], 0), mode);
    [(0, count), (count, all)].map(|(from, to)| Outputs {
        logits: said.logits.slice(0, from, to),
        features: said.features.slice(0, from, to),
    })
}

/// `log sum_k exp l_k` of each row of logits, `[n]`.
fn log_evidence(logits: &Tensor) -> Tensor {
    (logits - logits.log_softmax(1)).mean_axes(&[1], false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Input;
    use crate::nn::{Gradients, NormKind};
    use crate::random::Network;
    use crate::tensor::no_grad;

    const DESIGN: Design = Design { size: 16, channels: 1, width: 4, norm: NormKind::Batch, input: Input::Channels };

    fn images(device: &Device, count: usize, seed: u64) -> Tensor {
        let values = normal(&mut generator(seed, Purpose::Latents, 1, 0), count * 256);
        Tensor::from_slice(device, &values, [count, 16, 16, 1]).tanh()
    }

    #[test]
    fn evidence_is_the_logarithm_of_the_sum_of_exponentials() {
        let device = Device::reference();
        let logits = Tensor::from_slice(&device, &[0.0, 0.0, 1.0, -2.0, 800.0, 799.0f64], [3, 2]);
        let evidence = log_evidence(&logits).to_vec::<f64>().unwrap();
        let expected = [2f64.ln(), (1f64.exp() + (-2f64).exp()).ln(), 800.0 + (1.0 + (-1f64).exp()).ln()];
        assert!(evidence.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9), "{evidence:?}");
    }

    #[test]
    fn a_classifier_learns_to_tell_images_from_made_ones_and_the_generator_to_match_them() {
        let device = Device::cpu();
        let student = Classifier::new(&device, &DESIGN, 3, 5, Network::Predictor);
        let mut adversary = Adversary::new(&device, &DESIGN, 7, 1.0);
        let real = images(&device, 16, 3);
        let mut adam = Adam::new(student.parameters(), AdamOptions { rate: 1e-2, ..AdamOptions::default() });
        let mut losses = Vec::new();
        for step in 0..30 {
            let made = no_grad(|| adversary.images(16, step));
            let mut gradients = Gradients::of(&adam);
            losses.push(
                gradients.add(adversary.loss_of_classifier(&student, &real, &made, Mode::UNTRACKED)).item().unwrap(),
            );
            gradients.step(&mut adam);
        }
        assert!(losses[29] < 0.8 * losses[0], "{losses:?}");

        // Always of the same latents.
        let apart = |adversary: &Adversary| {
            let [real, made] = together(&student, &real, &adversary.images(16, 0), Mode::UNTRACKED);
            let [real, made] = [real, made].map(|said| said.features.mean_axes(&[0], false));
            no_grad(|| (made - real).powi(2).sum()).item().unwrap()
        };
        let before = apart(&adversary);
        for _ in 0..40 {
            let made = adversary.images(16, 0);
            adversary.follow(&student, &real, &made, Mode::UNTRACKED);
        }
        assert!(apart(&adversary) < 0.9 * before, "{before} to {}", apart(&adversary));
    }
}
