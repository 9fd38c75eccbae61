//! Steps of whole networks against what PyTorch computed of the same weights, images and latents (tests/golden/README.md).

use std::path::Path;

use graft::gan::{Architecture, Discriminator, Generator};
use graft::gradcheck::relative_error;
use graft::nn::{Adam, AdamOptions, Gradients, Mode, Parameter};
use graft::{Checkpoint, Device, Tensor};

use crate::case::elements;
use crate::gan::bce;
use crate::parity::devices;

/// A file of golden values on a device that must come within tolerances of them.
struct Golden {
    file: Checkpoint,
    device: Device,
    name: String,
    /// Of losses, images and gradients.
    tolerance: f64,
    /// Of how far weights and statistics have moved.
    moved: f64,
}

impl Golden {
    fn on_every_device(file: &str) -> Vec<Golden> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
        let read = || Checkpoint::read(&path).unwrap();
        let golden = |(name, device), tolerance, moved| Golden { file: read(), device, name, tolerance, moved };
        let reference = golden(("reference".to_owned(), Device::reference()), 1e-9, 1e-9);
        let cpu = devices().into_iter().map(|device| golden(device, 1e-4, 1e-2));
        [reference].into_iter().chain(cpu).collect()
    }

    fn tensor(&self, name: &str) -> Tensor {
        self.file.tensor(name, &self.device).unwrap()
    }

    #[track_caller]
    fn check(&self, name: &str, found: &[f64], truth: &[f64], tolerance: f64) {
        let error = relative_error(found, truth);
        println!("{}: {name} {error:.1e}", self.name);
        assert!(error <= tolerance, "{}: {name} is {error:.2e} off, allowed are {tolerance:.0e}", self.name);
    }

    /// Fails unless gradients of these parameters are those stored.
    #[track_caller]
    fn check_gradients(&self, network: &str, parameters: &[Parameter], gradients: &[Tensor]) {
        assert_eq!(parameters.len(), gradients.len());
        for (parameter, gradient) in parameters.iter().zip(gradients) {
            let name = format!("grad.0.{network}.{}", parameter.name());
            let gradient = parameter.to_stored(gradient);
            assert_eq!(Some(gradient.shape()), self.file.shape(&name), "{}: the shape of {name}", self.name);
            self.check(&name, &elements(&gradient), &elements(&self.tensor(&name)), self.tolerance);
        }
    }

    /// Fails unless these parameters have moved as those stored, and are where those are.
    #[track_caller]
    fn check_moved(&self, network: &str, parameters: &[Parameter]) {
        for parameter in parameters {
            let name = format!("{network}.{}", parameter.name());
            let [start, truth] = ["init", "after"].map(|when| self.tensor(&format!("{when}.{name}")));
            let found = parameter.stored();
            self.check(&name, &elements(&found), &elements(&truth), self.tolerance);
            let moved = |to: &Tensor| elements(&(to - &start));
            self.check(&format!("the way of {name}"), &moved(&found), &moved(&truth), self.moved);
        }
    }

    /// Three steps of the page beside the file, held against it.
    fn check_three_steps(&self, architecture: &Architecture) {
        let generator = Generator::new(&self.device, architecture, 0);
        let discriminator = Discriminator::new(&self.device, architecture, 0);
        let all = |trained: Vec<Parameter>, tracked: Vec<Parameter>| [trained, tracked].concat();
        let g_slots = all(generator.parameters(), generator.statistics());
        let d_slots = all(discriminator.parameters(), discriminator.statistics());
        self.file.load_parameters("init.netG", &g_slots).unwrap();
        self.file.load_parameters("init.netD", &d_slots).unwrap();
        let stored = self.file.names().filter(|name| name.starts_with("init.")).count();
        assert_eq!(stored, g_slots.len() + d_slots.len(), "{}: every stored tensor is a parameter", self.name);

        let mut g_adam = Adam::new(generator.parameters(), AdamOptions::DCGAN);
        let mut d_adam = Adam::new(discriminator.parameters(), AdamOptions::DCGAN);
        let score = |images: &Tensor| discriminator.forward(images, None, Mode::TRAIN).score;
        let real = self.tensor("real");
        let mut losses = Vec::new();
        for step in 0..3 {
            let fake = generator.forward(&self.tensor(&format!("z.{step}")), None, Mode::TRAIN);
            if step == 0 {
                self.check("fake", &elements(&fake), &elements(&self.tensor("fake")), self.tolerance);
            }
            let [d_real, d_fake] = [bce(&score(&real), 1.0), bce(&score(&fake.detach()), 0.0)];
            losses.extend([&d_real, &d_fake].map(|loss| loss.item().unwrap()));
            let mut gradients = Gradients::of(&d_adam);
            gradients.add(d_real + d_fake);
            if step == 0 {
                self.check_gradients("netD", &discriminator.parameters(), gradients.tensors());
            }
            gradients.step(&mut d_adam);

            let g = bce(&score(&fake), 1.0);
            losses.push(g.item().unwrap());
            let mut gradients = Gradients::of(&g_adam);
            gradients.add(g);
            if step == 0 {
                self.check_gradients("netG", &generator.parameters(), gradients.tensors());
            }
            gradients.step(&mut g_adam);
        }
        self.check("losses", &losses, &elements(&self.tensor("losses")), self.tolerance);
        self.check_moved("netG", &g_slots);
        self.check_moved("netD", &d_slots);
    }
}

#[test]
fn three_steps_of_a_dcgan_of_size_32_are_pytorchs() {
    let architecture = Architecture { features: 8, latent: 12, ..Architecture::dcgan(32, 3) };
    for golden in Golden::on_every_device("dcgan32.safetensors") {
        golden.check_three_steps(&architecture);
    }
}

#[test]
fn three_steps_of_a_dcgan_of_size_64_are_pytorchs() {
    let architecture = Architecture { features: 4, latent: 7, ..Architecture::dcgan(64, 1) };
    for golden in Golden::on_every_device("dcgan64.safetensors") {
        golden.check_three_steps(&architecture);
    }
}
