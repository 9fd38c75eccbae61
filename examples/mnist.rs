//! Trains a classifier of digits with layers, an optimiser and a data set of the library.
//!
//! `cargo run --release --example mnist -- mnist:DIR`, where DIR holds MNIST's four files; digits drawn in code without an argument.

use graft::backend::Activation;
use graft::data::{Dataset, Sampler, Spec, Split};
use graft::nn::{AdamOptions, AdamW, Builder, Conv2d, Linear, minimise};
use graft::tensor::most_probable;
use graft::tensor::ops::Convolution;
use graft::{Device, Tensor, no_grad};

const BATCH: usize = 64;
const STEPS: u64 = 300;

struct Network {
    first: Conv2d,
    second: Conv2d,
    last: Linear,
}

impl Network {
    /// For images of 32x32: two convolutions that halve them, and a linear map to ten logits.
    fn new(device: &Device) -> Network {
        let mut builder = Builder::new(device, 0, 0u64);
        let halving = Convolution::new(2, 1).with(Activation::Relu);
        Network {
            first: Conv2d::new(&mut builder, "first", [4, 4, 1, 16], halving),
            second: Conv2d::new(&mut builder, "second", [4, 4, 16, 32], halving),
            last: Linear::new(&mut builder, "last", 8 * 8 * 32, 10),
        }
    }

    fn forward(&self, images: &Tensor) -> Tensor {
        let map = self.second.forward(&self.first.forward(images));
        self.last.forward(&map.reshape([images.shape()[0], 8 * 8 * 32]))
    }
}

fn images(device: &Device, data: &Dataset, indices: &[usize]) -> Tensor {
    Tensor::from_slice(device, &data.batch(indices), [indices.len(), 32, 32, 1])
}

fn main() -> graft::Result<()> {
    let spec: Spec = std::env::args().nth(1).as_deref().unwrap_or("synthetic:strokes").parse()?;
    let load = |split| spec.load(split)?.fit(32, 1);
    let (train, test) = (load(Split::Train)?, load(Split::Test)?);

    let device = Device::cpu();
    let network = Network::new(&device);
    let parameters = [network.first.parameters(), network.second.parameters(), network.last.parameters()].concat();
    let mut optimiser = AdamW::new(parameters, AdamOptions::default(), 0.01);
    let mut order = Sampler::new(train.len(), BATCH, 0);
    for step in 0..STEPS {
        let indices = order.indices(step);
        let labels = train.labels_of(&indices).expect("the data have labels");
        let logits = network.forward(&images(&device, &train, &indices));
        let loss = minimise(logits.cross_entropy(&labels), &mut optimiser);
        if (step + 1) % 100 == 0 {
            println!("step {}: loss {:.3}", step + 1, loss.item()?);
        }
    }

    let indices: Vec<usize> = (0..test.len().min(1000)).collect();
    let logits = no_grad(|| network.forward(&images(&device, &test, &indices))).to_vec::<f32>()?;
    let labels = test.labels_of(&indices).expect("the data have labels");
    let right = logits.chunks(10).zip(&labels).filter(|(row, label)| most_probable(row) == **label as usize).count();
    println!("{right} of {} test images are classified right", labels.len());
    assert!(right as f64 > 0.9 * labels.len() as f64, "it did not learn");
    Ok(())
}
