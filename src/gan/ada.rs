//! Adaptive augmentation (ADA, Karras 2020): only a share of the images is changed, as large as keeps the discriminator from being too sure
//! of real ones.
//!
//! The share stays on the device: nothing waits for it.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::augment::drawn;
use crate::backend::Device;
use crate::nn::{Layout, Parameter};
use crate::tensor::{Tensor, no_grad};

/// The share changes every so many rounds (Karras 2020, section 3.2).
const EVERY: u64 = 4;
/// It may rise from 0 to 1 over so many images: a fifth of Karras', since runs on few images are short.
const IMAGES: f64 = 100_000.0;

/// The share of images that are changed, and what it follows.
#[derive(Debug)]
pub(super) struct Ada {
    target: f64,
    change: f64,
    share: Parameter,
}

impl Ada {
    /// A share of 0, which follows `target`, of batches of so many images.
    pub fn new(device: &Device, target: f64, batch: usize) -> Ada {
        let share = Parameter::new("share", Layout::Plain, Tensor::zeros(device, [1]));
        Ada { target, change: batch as f64 * EVERY as f64 / IMAGES, share }
    }

    /// The share, for checkpoints.
    pub fn share(&self) -> &Parameter {
        &self.share
    }

    /// Each image `[n, ..]` as it was, or changed, by its own draw.
    pub fn some_of(&self, images: &Tensor, changed: &Tensor, random: &mut ChaCha12Rng) -> Tensor {
        let draws: Vec<f32> = drawn(images, || random.random());
        let draws = Tensor::from_slice(images.device(), &draws, [draws.len(), 1, 1, 1]);
        let is_changed = no_grad(|| (self.share.get() - draws).step());
        images + (changed - images) * is_changed
    }

    /// Moves the share: up where the mean sign of real images' scores, counted from the loss's neutral one, is above the target, else down. Of
    /// a loss that pairs scores these are real ones less made ones: alone they have no zero.
    pub fn steer(&self, round: u64, scores: &Tensor) {
        if !(round + 1).is_multiple_of(EVERY) {
            return;
        }
        no_grad(|| {
            let sign = scores.detach().step().mean().mean_over_shared() * 2.0 - 1.0;
            let direction = (sign - self.target).step() * 2.0 - 1.0;
            let moved = (self.share.get() + direction.reshape([1]) * self.change).relu();
            self.share.set(1.0 - (1.0 - moved).relu());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};

    #[test]
    fn the_share_follows_how_sure_the_discriminator_is_and_stays_a_share() {
        let device = Device::reference();
        let ada = Ada { target: 0.5, change: 0.4, share: Ada::new(&device, 0.5, 8).share };
        let mut round = 3;
        let mut share_after = |scores: [f64; 4]| {
            ada.steer(round, &Tensor::from_slice(&device, &scores, [4]));
            round += EVERY;
            ada.share().get().item().unwrap()
        };
        // Mean signs of 1, of 0.5, which is not above the target, and of -1.
        assert_eq!(share_after([1.0, 2.0, 0.1, 3.0]), 0.4);
        assert_eq!(share_after([1.0, 2.0, 0.1, 3.0]), 0.8);
        assert_eq!(share_after([1.0, 2.0, 0.1, 3.0]), 1.0);
        assert!((share_after([1.0, 2.0, 0.1, -3.0]) - 0.6).abs() < 1e-12);
        assert!((share_after([-1.0, -2.0, -0.1, -3.0]) - 0.2).abs() < 1e-12);
        assert_eq!(share_after([-1.0, -2.0, -0.1, -3.0]), 0.0);
        ada.steer(0, &Tensor::ones(&device, [4]));
        assert_eq!(ada.share().get().item().unwrap(), 0.0, "not in every round");
    }

    #[test]
    fn so_many_images_are_changed_as_the_share_says() {
        let device = Device::cpu();
        let ada = Ada::new(&device, 0.6, 8);
        let (images, changed) = (Tensor::zeros(&device, [400, 1, 1, 1]), Tensor::ones(&device, [400, 1, 1, 1]));
        let mut random = generator(1, Purpose::Augmentation, 0, 0);
        let mut count = |share: f64| {
            ada.share().set(Tensor::full(&device, [1], share));
            ada.some_of(&images, &changed, &mut random).sum().item().unwrap()
        };
        assert_eq!((count(0.0), count(1.0)), (0.0, 400.0));
        // Four standard deviations of 400 draws.
        assert!((count(0.25) - 100.0).abs() < 35.0);
    }
}
