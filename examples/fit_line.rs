//! Fits a line to noisy points by gradient descent: tensors, a loss, its gradient, and nothing else.

use graft::random::{Purpose, generator, normal};
use graft::{Device, Tensor, grad};

fn main() -> graft::Result<()> {
    const POINTS: usize = 100;
    const RATE: f64 = 0.2;
    let device = Device::cpu();
    let draws = normal(&mut generator(0, Purpose::Synthetic, 0, 0), 2 * POINTS);
    let (x, noise) = draws.split_at(POINTS);
    let y: Vec<f32> = x.iter().zip(noise).map(|(x, noise)| 3.0 * x - 1.0 + 0.1 * noise).collect();
    let (x, y) = (Tensor::from_slice(&device, x, [POINTS]), Tensor::from_slice(&device, &y, [POINTS]));

    let (mut slope, mut offset) = (Tensor::zeros(&device, [1]), Tensor::zeros(&device, [1]));
    for step in 0..=50 {
        let loss = (&x * &slope + &offset - &y).powi(2).mean();
        if step % 10 == 0 {
            println!("step {step}: loss {:.4}", loss.item()?);
        }
        let gradients = grad(loss, &[&slope, &offset]);
        slope = (slope - &gradients[0] * RATE).detach();
        offset = (offset - &gradients[1] * RATE).detach();
    }
    let (slope, offset) = (slope.item()?, offset.item()?);
    println!("y = {slope:.2} x + {offset:.2} (drawn from y = 3 x - 1)");
    assert!((slope - 3.0).abs() < 0.1 && (offset + 1.0).abs() < 0.1, "the fit is off");
    Ok(())
}
