//! What the discriminator thinks of images it has not seen: by that one sees whether it learned its own by heart.

use serde::{Deserialize, Serialize};

use super::Trainer;
use crate::data::{Dataset, Images};
use crate::error::Result;
use crate::nn::Mode;
use crate::tensor::{Tensor, no_grad};

/// How many images of a kind are scored at most, and how many at once.
const COUNT: usize = 512;
const BATCH: usize = 64;

/// Mean scores of a discriminator, without augmentation and conditions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Of images that it was trained on.
    pub training: f64,
    /// Of real images that it has not seen.
    pub held_out: f64,
    /// Of images that the averaged generator made.
    pub made: f64,
}

impl Scores {
    /// These, where they are numbers: losses are not read at every step, so that a look can come between a divergence and the stop.
    pub fn finite(self) -> Option<Scores> {
        [self.training, self.held_out, self.made].iter().all(|score| score.is_finite()).then_some(self)
    }

    /// Where the images it has not seen lie on the way from those it was trained on (0) to made ones (1): r_v of Karras 2020. Above 1 they
    /// seem less real to it than made ones do. None where it does not tell its own from made ones.
    pub fn overfitting(&self) -> Option<f64> {
        let gap = self.training - self.made;
        (gap > 0.0).then(|| (self.training - self.held_out) / gap)
    }
}

impl Trainer {
    /// Scores its discriminator gives to images it was trained on, to real ones that it was not, and to made ones: at most 512 of each.
    /// Changes nothing.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where images are of another size than the networks'.
    pub fn scores(&self, held_out: &Dataset, made: &Images) -> Result<Scores> {
        let every: Vec<usize> = (0..made.count.min(COUNT)).collect();
        Ok(Scores {
            training: self.mean_score(&self.data.spaced(COUNT).images)?,
            held_out: self.mean_score(&held_out.spaced(COUNT).images)?,
            made: self.mean_score(&made.select(&every))?,
        })
    }

    fn mean_score(&self, images: &Images) -> Result<f64> {
        let length = self.recipe.architecture.condition_length();
        let mut sum = 0.0;
        for start in (0..images.count).step_by(BATCH) {
            let rows: Vec<usize> = (start..images.count.min(start + BATCH)).collect();
            let shape = [rows.len(), images.height, images.width, images.channels];
            let batch = Tensor::from_slice(&self.device, &images.batch(&rows), shape);
            let condition = (length > 0).then(|| Tensor::zeros(&self.device, [rows.len(), length]));
            let score = no_grad(|| self.discriminator.forward(&batch, condition.as_ref(), Mode::Evaluate).score);
            sum += score.sum().to_vec::<f64>()?[0];
        }
        Ok(sum / images.count as f64)
    }
}
