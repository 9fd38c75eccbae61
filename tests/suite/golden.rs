//! Against numbers from outside: what PyTorch computes in float64 (tests/golden/README.md).

use std::path::Path;

use graft::backend::Activation;
use graft::gradcheck::relative_error;
use graft::tensor::ops::Convolution;
use graft::{Device, Tensor, grad, grad_graph};
use safetensors::SafeTensors;

use crate::case::elements;
use crate::parity::devices;

const EPSILON: f64 = 1e-5;

/// The bytes of a file of golden values.
pub fn read(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The shape and elements under a name of such bytes.
pub fn stored(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<f64>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(view.dtype(), safetensors::Dtype::F64, "{name}");
    let elements = view.data().chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
    (view.shape().to_vec(), elements.collect())
}

/// A file of golden values, read on a device that must come within a tolerance of them.
pub struct Golden {
    bytes: Vec<u8>,
    device: Device,
    /// For messages: the device and its microkernel.
    name: String,
    tolerance: f64,
}

impl Golden {
    /// The file on every device.
    pub fn on_every_device(file: &str) -> Vec<Golden> {
        let bytes = read(file);
        let cpu = devices().into_iter().map(|(name, device)| (name, device, 1e-4));
        let all = cpu.chain([("reference".to_owned(), Device::reference(), 1e-9)]);
        all.map(|(name, device, tolerance)| Golden { bytes: bytes.clone(), device, name, tolerance }).collect()
    }

    /// The shape and elements under a name.
    pub fn stored(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        stored(&self.bytes, name)
    }

    /// A tensor on the device.
    pub fn tensor(&self, name: &str) -> Tensor {
        let (shape, elements) = self.stored(name);
        Tensor::from_slice(&self.device, &elements, shape)
    }

    /// Fails unless `found` is what is stored under a name.
    #[track_caller]
    pub fn check(&self, name: &str, found: &Tensor) {
        let (shape, truth) = self.stored(name);
        assert_eq!(found.shape(), shape, "{}: the shape of {name}", self.name);
        let error = relative_error(&elements(found), &truth);
        println!("{}: {name} {error:.1e}", self.name);
        assert!(
            error <= self.tolerance,
            "{}: {name} is {error:.2e} off, allowed are {:.0e}",
            self.name,
            self.tolerance
        );
    }

    /// Fails unless an op's value, and its gradients under the cotangent `g`, are those stored. Gradients are named by input.
    #[track_caller]
    pub fn check_op(&self, op: &str, inputs: &[&str], function: impl Fn(&[Tensor]) -> Tensor) {
        let tensors: Vec<Tensor> = inputs.iter().map(|input| self.tensor(&format!("{op}.{input}"))).collect();
        let value = function(&tensors);
        self.check(&format!("{op}.y"), &value);
        let projected = (value * self.tensor(&format!("{op}.g"))).sum();
        let gradients = grad(projected, &tensors.iter().collect::<Vec<_>>());
        for (input, gradient) in inputs.iter().zip(&gradients) {
            self.check(&format!("{op}.grad_{input}"), gradient);
        }
    }
}

/// PyTorch's `[out, in, kh, kw]` of a convolution, or `[in, out, kh, kw]` of a transposed one, as `[kh, kw, c, k]`.
pub fn filter(weight: &Tensor) -> Tensor {
    weight.permute(&[2, 3, 1, 0])
}

fn ops() -> Vec<Golden> {
    Golden::on_every_device("ops.safetensors")
}

#[test]
fn normalisations() {
    for golden in ops() {
        let inputs = ["x", "gamma", "beta"];
        golden.check_op("batch_norm", &inputs, |x| x[0].batch_norm(&x[1], &x[2], EPSILON, Activation::Identity).output);
        golden.check_op("layer_norm", &inputs, |x| x[0].layer_norm(EPSILON) * &x[1] + &x[2]);
        golden.check_op("instance_norm", &inputs, |x| x[0].instance_norm(EPSILON) * &x[1] + &x[2]);
    }
}

#[test]
fn running_statistics_take_the_unbiased_variance() {
    const MOMENTUM: f64 = 0.1;
    for golden in ops() {
        let [x, gamma, beta] = ["x", "gamma", "beta"].map(|name| golden.tensor(&format!("batch_norm.{name}")));
        let batch = x.batch_norm(&gamma, &beta, EPSILON, Activation::Identity);
        let samples = (x.len() / 5) as f64;
        golden.check("batch_norm.running_mean", &(batch.mean * MOMENTUM));
        golden.check("batch_norm.running_var", &(batch.variance * (samples / (samples - 1.0) * MOMENTUM) + 0.9));
    }
}

#[test]
fn convolutions() {
    let by = Convolution { stride: [2, 3], padding: [1, 0], ..Convolution::new(1, 0) };
    for golden in ops() {
        golden.check_op("conv2d", &["x", "weight"], |x| x[0].conv2d(&filter(&x[1]), by));
        golden.check_op("conv_transpose2d", &["x", "weight"], |x| x[0].conv_transpose2d(&filter(&x[1]), [5, 11], by));
    }
}

#[test]
fn resampling() {
    for golden in ops() {
        golden.check_op("bilinear_x2", &["x"], |x| x[0].upsample_bilinear([6, 10]));
        golden.check_op("avg_pool", &["x"], |x| x[0].average_pool(3, 2, 1));
        golden.check_op("max_pool", &["x"], |x| x[0].max_pool(3, 2, 1));
    }
}

#[test]
fn spectral_norm() {
    for golden in ops() {
        golden.check_op("spectral_norm", &["weight"], |x| {
            const ROUNDS: usize = 200;
            let direction = Tensor::ones(x[0].device(), [4]);
            filter(&x[0]).spectral_norm(&direction, ROUNDS).0.permute(&[3, 2, 0, 1])
        });
    }
}

#[test]
fn losses() {
    for golden in ops() {
        let logits = golden.tensor("cross_entropy.logits");
        let labels: Vec<u32> = golden.stored("cross_entropy.labels").1.into_iter().map(|label| label as u32).collect();
        let chosen = logits.log_softmax(1) * Tensor::one_hot(logits.device(), &labels, 6);
        golden.check("cross_entropy.each", &-chosen.sum_axes(&[1], false));
        golden.check("cross_entropy.loss", &logits.cross_entropy(&labels));
        golden.check("cross_entropy.grad_logits", &grad(logits.cross_entropy(&labels), &[&logits])[0]);

        let [logits, targets] = ["logits", "targets"].map(|name| golden.tensor(&format!("bce_with_logits.{name}")));
        golden.check("bce_with_logits.each", &(logits.softplus() - &targets * &logits));
        golden.check("bce_with_logits.loss", &logits.bce_with_logits(&targets));
        golden.check("bce_with_logits.grad_logits", &grad(logits.bce_with_logits(&targets), &[&logits])[0]);

        golden.check_op("softplus", &["x"], |x| x[0].softplus());
    }
}

#[test]
fn the_r1_penalty_of_a_discriminator() {
    for golden in ops() {
        let names = [0, 2, 4, 6].map(|layer| format!("netD.main.{layer}.weight"));
        let weights = names.each_ref().map(|name| golden.tensor(&format!("r1.{name}")));
        let biases = [0, 2, 4].map(|layer| golden.tensor(&format!("r1.netD.main.{layer}.bias")));
        let x = golden.tensor("r1.x");
        let mut hidden = x.clone();
        for (weight, bias) in weights.iter().zip(&biases) {
            hidden = (hidden.conv2d(&filter(weight), Convolution::new(2, 1)) + bias).leaky_relu(0.2);
        }
        let scores = hidden.conv2d(&filter(&weights[3]), Convolution::new(1, 0)).reshape([2]);
        golden.check("r1.scores", &scores);
        let slopes = grad_graph(&scores.sum(), &[&x]).remove(0);
        golden.check("r1.grad_x", &slopes);
        let penalty = (&slopes * &slopes).sum() * 0.25;
        golden.check("r1.penalty", &penalty);
        for (name, gradient) in names.iter().zip(grad(penalty, &weights.each_ref())) {
            golden.check(&format!("r1.grad.{name}"), &gradient);
        }
    }
}
