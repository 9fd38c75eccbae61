//! Differentiable augmentation (DiffAugment, Zhao 2020): what the discriminator sees of real and of fake images is
//! changed at random, by functions that pass gradients on to the generator.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use crate::ranks;
use crate::tensor::Tensor;
use crate::words::words;

/// The largest shift, as a share of the side (Zhao 2020, section 3).
const SHIFT: f64 = 1.0 / 8.0;
/// The side of the square that is cut out, as a share of the image's.
const CUTOUT: f64 = 1.0 / 2.0;

words! {
    /// A random change of images; there are no flips, which would turn digits into other signs.
    pub enum Augmentation {
        /// Brightness, saturation and contrast.
        Color = "color",
        /// Shifts by up to an eighth of the side, zeros (mid-grey) moving in.
        Translation = "translation",
        /// A square of half the side set to zero.
        Cutout = "cutout",
    }
}

impl Augmentation {
    /// Changes each image of a batch `[n, h, w, c]` by its own draws; where [ranks](crate::ranks) share a batch, these are its rows, and the draws those
    /// of the whole.
    pub fn apply(self, images: &Tensor, random: &mut ChaCha12Rng) -> Tensor {
        match self {
            Augmentation::Color => color(images, random),
            Augmentation::Translation => translate(images, random),
            Augmentation::Cutout => cut(images, random),
        }
    }
}

/// What is drawn for each image of a batch of which a tensor has the rows: for the whole batch, of which its own are kept.
pub(super) fn drawn<T>(images: &Tensor, mut draw: impl FnMut() -> T) -> Vec<T> {
    let (own, ranks) = (images.shape()[0], ranks::shared().unwrap_or_default());
    let all: Vec<T> = (0..own * ranks.count()).map(|_| draw()).collect();
    let rows = ranks.rows(all.len());
    all.into_iter().skip(rows.start).take(rows.len()).collect()
}

/// One number an image, uniform in `low..high`.
fn draws(images: &Tensor, random: &mut ChaCha12Rng, low: f32, high: f32) -> Tensor {
    let values = drawn(images, || random.random_range(low..high));
    Tensor::from_slice(images.device(), &values, [values.len(), 1, 1, 1])
}

fn color(images: &Tensor, random: &mut ChaCha12Rng) -> Tensor {
    let bright = images + draws(images, random, -0.5, 0.5);
    let grey = bright.mean_axes(&[3], true);
    let saturated = (bright - &grey) * draws(images, random, 0.0, 2.0) + grey;
    let mean = saturated.mean_axes(&[1, 2, 3], true);
    (saturated - &mean) * draws(images, random, 0.5, 1.5) + mean
}

fn translate(images: &Tensor, random: &mut ChaCha12Rng) -> Tensor {
    let &[_, h, w, _] = images.shape() else { panic!("translate: the shape {:?} is no image", images.shape()) };
    let mut pixels = |side: usize| {
        let most = (side as f64 * SHIFT).round() as i64;
        random.random_range(-most..=most) as i32
    };
    images.shift(&drawn(images, || [pixels(h), pixels(w)]))
}

fn cut(images: &Tensor, random: &mut ChaCha12Rng) -> Tensor {
    let &[n, h, w, _] = images.shape() else { panic!("cutout: the shape {:?} is no image", images.shape()) };
    let mut mask = vec![1f32; n * h * w];
    // The square's centre lies anywhere in the image, so a part of it may fall outside.
    let mut range = |side: usize| {
        let length = (side as f64 * CUTOUT) as usize;
        let centre = random.random_range(0..=side);
        centre.saturating_sub(length / 2)..(centre + length.div_ceil(2)).min(side)
    };
    for (mask, (rows, columns)) in mask.chunks_exact_mut(h * w).zip(drawn(images, || (range(h), range(w)))) {
        for y in rows {
            mask[y * w..][columns.clone()].fill(0.0);
        }
    }
    images * Tensor::from_slice(images.device(), &mask, [n, h, w, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};
    use crate::{Device, gradcheck::GradCheck, gradcheck::gradcheck};

    fn images() -> Tensor {
        let values: Vec<f64> = (0..2 * 8 * 8 * 3).map(|i| (i as f64 * 0.37).sin()).collect();
        Tensor::from_slice(&Device::reference(), &values, [2, 8, 8, 3])
    }

    #[test]
    fn every_augmentation_passes_its_gradient_on() {
        for augmentation in [Augmentation::Color, Augmentation::Translation, Augmentation::Cutout] {
            let change = |x: &[Tensor]| augmentation.apply(&x[0], &mut generator(1, Purpose::Augmentation, 2, 3));
            let report = gradcheck(change, &[&images()], &GradCheck { step: 1.0, ..GradCheck::default() });
            assert!(report.agrees(), "{report}");
        }
    }

    #[test]
    fn a_shift_moves_pixels_and_zeros_come_in() {
        let ones = Tensor::ones(&Device::reference(), [64, 8, 8, 1]);
        let shifted = translate(&ones, &mut generator(1, Purpose::Augmentation, 0, 0)).to_vec::<f64>().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for image in shifted.chunks_exact(64) {
            let kept = image.iter().filter(|&&v| v == 1.0).count();
            assert!([64, 56, 49].contains(&kept), "a shift by at most one of eight pixels keeps 7 or 8 a side: {kept}");
            seen.insert(kept);
        }
        assert_eq!(seen.len(), 3);
    }
}
