//! Trains a small GAN on points around a circle: the library's tensors, parameters and Adam, without images.
//!
//! The discriminator is kept smooth by R1, the squared length of its gradient at real points: a derivative of a derivative.

use graft::nn::{Adam, AdamOptions, Initialiser, Layout, Parameter, minimise};
use graft::random::{Purpose, generator, normal};
use graft::{Device, Tensor, grad_graph, no_grad};

const BATCH: usize = 128;
const HIDDEN: usize = 64;
const LATENT: usize = 2;
const STEPS: u64 = 1500;
const R1: f64 = 0.5;
const SLOPE: f64 = 0.2;

/// Three linear layers with biases, leaky ReLU between them.
struct Network {
    parameters: Vec<Parameter>,
}

impl Network {
    fn new(device: &Device, sizes: [usize; 4], network: u64) -> Network {
        let layer = |(index, pair): (usize, &[usize])| {
            let weight = Initialiser::He { fan_in: pair[0], slope: SLOPE }.draw(device, pair, 0, network, index as u64);
            let weight = Parameter::new(format!("{index}.weight"), Layout::Plain, weight);
            let bias = Parameter::new(format!("{index}.bias"), Layout::Plain, Tensor::zeros(device, [pair[1]]));
            [weight, bias]
        };
        Network { parameters: sizes.windows(2).enumerate().flat_map(layer).collect() }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.clone();
        for (index, layer) in self.parameters.chunks(2).enumerate() {
            x = x.matmul(&layer[0].get()) + layer[1].get();
            if index < 2 {
                x = x.leaky_relu(SLOPE);
            }
        }
        x
    }
}

/// Points at radius one, give or take 0.05.
fn circle(device: &Device, step: u64) -> Tensor {
    let draws = normal(&mut generator(0, Purpose::Synthetic, step, 0), 3 * BATCH);
    let point = |draw: &[f32]| {
        let scale = (1.0 + 0.05 * draw[2]) / (draw[0] * draw[0] + draw[1] * draw[1]).sqrt();
        [draw[0] * scale, draw[1] * scale]
    };
    let points: Vec<f32> = draws.chunks(3).flat_map(point).collect();
    Tensor::from_slice(device, &points, [BATCH, 2])
}

fn latents(device: &Device, step: u64) -> Tensor {
    let draws = normal(&mut generator(0, Purpose::Latents, step, 0), BATCH * LATENT);
    Tensor::from_slice(device, &draws, [BATCH, LATENT])
}

fn main() -> graft::Result<()> {
    let device = Device::cpu();
    let generator = Network::new(&device, [LATENT, HIDDEN, HIDDEN, 2], 0);
    let discriminator = Network::new(&device, [2, HIDDEN, HIDDEN, 1], 1);
    let options = AdamOptions { rate: 1e-3, ..AdamOptions::DCGAN };
    let mut g_adam = Adam::new(generator.parameters.clone(), options);
    let mut d_adam = Adam::new(discriminator.parameters.clone(), options);

    for step in 1..=STEPS {
        let (real, fake) = (circle(&device, step), generator.forward(&latents(&device, step)));

        let scores = discriminator.forward(&real);
        let at_real = grad_graph(&scores.sum(), &[&real]).remove(0);
        let penalty = at_real.powi(2).sum() * (R1 / 2.0 / BATCH as f64);
        let loss = (-scores).softplus().mean() + discriminator.forward(&fake.detach()).softplus().mean() + penalty;
        let d_loss = minimise(loss, &mut d_adam).item()?;

        let loss = (-discriminator.forward(&fake)).softplus().mean();
        let g_loss = minimise(loss, &mut g_adam).item()?;

        if step % 300 == 0 {
            println!("step {step}: D {d_loss:.3} G {g_loss:.3}");
        }
    }

    let points = no_grad(|| generator.forward(&latents(&device, 0))).to_vec::<f32>()?;
    let radii: Vec<f32> = points.chunks(2).map(|p| p[0].hypot(p[1])).collect();
    let mean = radii.iter().sum::<f32>() / radii.len() as f32;
    let quadrants = points.chunks(2).fold([0; 4], |mut counts, p| {
        counts[usize::from(p[0] > 0.0) + 2 * usize::from(p[1] > 0.0)] += 1;
        counts
    });
    println!("mean radius {mean:.2} (real: 1.00), points a quadrant {quadrants:?} of {BATCH}");
    assert!(
        (mean - 1.0).abs() < 0.2 && quadrants.iter().all(|&count| count > BATCH / 16),
        "it did not find the circle"
    );
    Ok(())
}
