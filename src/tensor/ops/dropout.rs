//! Dropout, a pure function of its key as every random draw here is.

use rand::RngExt;

use super::super::Tensor;
use crate::backend::Binary;
use crate::random::{Purpose, generator};

impl Tensor {
    /// Each element dropped with a probability, else divided by that of staying, so that the mean stays (Srivastava 2014). Which ones
    /// depends on the seed, the step and the index alone: of the layer, say, where a network has several.
    ///
    /// # Panics
    /// Where the probability is not in [0, 1].
    #[track_caller]
    pub fn dropout(&self, probability: f64, seed: u64, step: u64, index: u64) -> Tensor {
        assert!((0.0..=1.0).contains(&probability), "dropout: with the probability {probability}");
        if probability == 0.0 {
            return self.clone();
        }
        let mut random = generator(seed, Purpose::Dropout, step, index);
        let stays: Vec<f32> = (0..self.len()).map(|_| f32::from(!random.random_bool(probability))).collect();
        let stays = Tensor::from_slice(self.device(), &stays, self.shape());
        // With probability 1 nothing stays to be divided.
        let scale = if probability < 1.0 { 1.0 / (1.0 - probability) } else { 1.0 };
        self.binary(Binary::Gate, &stays) * scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, grad};

    const COUNT: usize = 10_000;

    fn dropped(probability: f64, [seed, step, index]: [u64; 3]) -> Vec<f64> {
        let ones = Tensor::ones(&Device::cpu(), [COUNT]);
        ones.dropout(probability, seed, step, index).to_vec().unwrap()
    }

    #[test]
    fn the_share_that_is_dropped_is_as_asked_and_the_rest_keeps_the_mean() {
        for probability in [0.1, 0.5, 0.9] {
            let values = dropped(probability, [1, 2, 3]);
            let zeros = values.iter().filter(|&&v| v == 0.0).count() as f64 / COUNT as f64;
            // Five standard deviations of a share of 10,000 draws.
            assert!((zeros - probability).abs() < 5.0 * (probability * (1.0 - probability) / COUNT as f64).sqrt());
            assert!(values.iter().all(|&v| v == 0.0 || (v * (1.0 - probability) - 1.0).abs() < 1e-6));
        }
        assert!(dropped(0.0, [1, 2, 3]).iter().all(|&v| v == 1.0) && dropped(1.0, [1, 2, 3]).iter().all(|&v| v == 0.0));
    }

    #[test]
    fn what_is_dropped_depends_on_each_number_of_the_key_and_on_no_device() {
        let first = dropped(0.5, [1, 2, 3]);
        assert_eq!(first, dropped(0.5, [1, 2, 3]));
        for other in [[0, 2, 3], [1, 0, 3], [1, 2, 0]] {
            assert_ne!(first, dropped(0.5, other));
        }
        let reference = Tensor::ones(&Device::reference(), [COUNT]).dropout(0.5, 1, 2, 3);
        assert_eq!(first, reference.to_vec::<f64>().unwrap());
        let x = Tensor::full(&Device::reference(), [COUNT], f64::INFINITY);
        // The gradient has the same holes, and what is dropped leaves no trace.
        assert_eq!(grad(x.dropout(0.5, 1, 2, 3).sum(), &[&x])[0].to_vec::<f64>().unwrap(), first);
        assert!(x.dropout(0.5, 1, 2, 3).to_vec::<f64>().unwrap().iter().all(|v| !v.is_nan()));
    }
}
