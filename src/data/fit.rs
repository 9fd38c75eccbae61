//! Bringing images to the size and channels of a network.

use super::light::{LUMA, LUMA_TOTAL};
use super::{Dataset, Images};
use crate::error::{Error, Result};

/// The side to which small images are padded.
const SMALL: usize = 32;

impl Dataset {
    /// The same data as squares of `size` with `channels`. Images of up to 32 x 32 are padded with black, centred, to
    /// 32 (28 to 32 with two on each side). Squares are enlarged twice, bilinear, or halved by the mean of four pixels until they
    /// have the size. Grey to RGB repeats; RGB to grey is BT.601's luma. What already fits is returned as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`], saying what is possible, for other sizes and channels and for images that are too large.
    pub fn fit(self, size: usize, channels: usize) -> Result<Dataset> {
        let Images { height, width, channels: own, .. } = self.images;
        let images = match (own, channels) {
            (own, wanted) if own == wanted => self.images,
            (1, 3) => grey_to_rgb(&self.images),
            (3, 1) => rgb_to_grey(&self.images),
            _ => {
                return Err(Error::invalid(format!(
                    "{} has images of {own} channels and cannot give {channels}; 1 and 3 are possible",
                    self.name
                )));
            }
        };
        let fits = |images: &Images| (images.height, images.width) == (size, size);
        let mut images = if !fits(&images) && height.max(width) <= SMALL { pad(&images, SMALL) } else { images };
        let (small, large) = (size.min(images.height), size.max(images.height));
        let is_way =
            images.height == images.width && small > 0 && large % small == 0 && (large / small).is_power_of_two();
        if !is_way {
            let possible = if images.height == images.width && images.height.is_power_of_two() {
                "; a power of two is possible"
            } else {
                ": shrink or cut them to squares whose side is a power of two first, or name them as folder:DIR, which does"
            };
            return Err(Error::invalid(format!(
                "{} has images of {height} x {width}, which do not fit size {size}{possible}",
                self.name
            )));
        }
        while images.height > size {
            images = halve(&images);
        }
        while images.height < size {
            images = enlarge_twice(&images);
        }
        Ok(Dataset { images, ..self })
    }
}

fn grey_to_rgb(images: &Images) -> Images {
    let pixels = images.pixels().iter().flat_map(|&grey| [grey; 3]).collect();
    Images::new([images.count, images.height, images.width, 3], pixels)
}

fn rgb_to_grey(images: &Images) -> Images {
    let luma = |rgb: &[u8]| {
        let sum: u32 = rgb.iter().zip(LUMA).map(|(&value, weight)| u32::from(value) * u32::from(weight)).sum();
        ((sum + u32::from(LUMA_TOTAL) / 2) / u32::from(LUMA_TOTAL)) as u8
    };
    let pixels = images.pixels().chunks_exact(3).map(luma).collect();
    Images::new([images.count, images.height, images.width, 1], pixels)
}

/// Black around each image; where the difference is odd, the larger half goes below and to the right.
fn pad(images: &Images, side: usize) -> Images {
    let [count, height, width, channels] = images.shape();
    let (top, left) = ((side - height) / 2, (side - width) / 2);
    let mut padded = vec![0; count * side * side * channels];
    for (row, source) in images.pixels().chunks_exact(width * channels).enumerate() {
        let (image, y) = (row / height, row % height);
        let start = ((image * side + top + y) * side + left) * channels;
        padded[start..][..source.len()].copy_from_slice(source);
    }
    Images::new([count, side, side, channels], padded)
}

/// Bilinear interpolation at half-pixel centres (what others call `align_corners=false`): along each axis a new pixel
/// is 3/4 of the old pixel that it lies in and 1/4 of the neighbour on its side, or of itself at the edge.
fn enlarge_twice(images: &Images) -> Images {
    let [count, height, width, channels] = images.shape();
    let mut pixels = Vec::with_capacity(4 * images.pixels().len());
    for index in 0..count {
        let image = images.image(index);
        let at = |y: usize, x: usize, channel: usize| u32::from(image[(y * width + x) * channels + channel]);
        for y in 0..2 * height {
            let (near_y, far_y) = near_and_far(y, height);
            for x in 0..2 * width {
                let (near_x, far_x) = near_and_far(x, width);
                for c in 0..channels {
                    let near_row = 3 * at(near_y, near_x, c) + at(near_y, far_x, c);
                    let far_row = 3 * at(far_y, near_x, c) + at(far_y, far_x, c);
                    // In sixteenths; 8 rounds to the nearest.
                    pixels.push(((3 * near_row + far_row + 8) / 16) as u8);
                }
            }
        }
    }
    Images::new([count, 2 * height, 2 * width, channels], pixels)
}

/// Each pixel is the mean of four, rounded to the nearest byte.
fn halve(images: &Images) -> Images {
    let [count, height, width, channels] = images.shape();
    let (half_height, half_width) = (height / 2, width / 2);
    let mut pixels = Vec::with_capacity(images.pixels().len() / 4);
    for index in 0..count {
        let image = images.image(index);
        for (y, x) in (0..half_height).flat_map(|y| (0..half_width).map(move |x| (y, x))) {
            for c in 0..channels {
                let at = |dy: usize, dx: usize| u32::from(image[((2 * y + dy) * width + 2 * x + dx) * channels + c]);
                pixels.push(((at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1) + 2) / 4) as u8);
            }
        }
    }
    Images::new([count, half_height, half_width, channels], pixels)
}

fn near_and_far(position: usize, length: usize) -> (usize, usize) {
    let near = position / 2;
    let far = if position.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(length - 1) };
    (near, far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(height: usize, width: usize, channels: usize) -> Dataset {
        let pixels = (0..2 * height * width * channels).map(|i| (i * 37 % 251) as u8 + 1).collect();
        Dataset::unlabelled("test", Images::new([2, height, width, channels], pixels))
    }

    #[test]
    fn images_are_padded_to_32_around_their_centre() {
        for (height, width) in [(28, 28), (16, 16), (31, 20), (1, 32)] {
            let original = dataset(height, width, 3);
            let fitted = original.clone().fit(32, 3).unwrap();
            let (top, left) = ((32 - height) / 2, (32 - width) / 2);
            for index in 0..2 {
                for (place, pixel) in fitted.images.image(index).chunks_exact(3).enumerate() {
                    let (y, x) = ((place / 32).wrapping_sub(top), (place % 32).wrapping_sub(left));
                    let expected = if y < height && x < width {
                        &original.images.image(index)[(y * width + x) * 3..][..3]
                    } else {
                        &[0; 3]
                    };
                    assert_eq!(pixel, expected, "{height} x {width}, image {index}, place {place}");
                }
            }
        }
    }

    #[test]
    fn padding_becomes_minus_one_in_a_batch() {
        assert_eq!(dataset(28, 28, 1).fit(32, 1).unwrap().batch(&[1])[0], -1.0);
    }

    #[test]
    fn enlarging_follows_the_half_pixel_formula() {
        let original = dataset(32, 32, 1);
        let fitted = original.clone().fit(64, 1).unwrap();
        let at = |y: usize, x: usize| f64::from(original.images.image(1)[y * 32 + x]);
        for y in 0..64 {
            for x in 0..64 {
                let source = |position: usize| ((position as f64 + 0.5) / 2.0 - 0.5).clamp(0.0, 31.0);
                let (sy, sx) = (source(y), source(x));
                let (y0, x0) = (sy.floor() as usize, sx.floor() as usize);
                let (y1, x1) = ((y0 + 1).min(31), (x0 + 1).min(31));
                let (fy, fx) = (sy.fract(), sx.fract());
                let value = (1.0 - fy) * ((1.0 - fx) * at(y0, x0) + fx * at(y0, x1))
                    + fy * ((1.0 - fx) * at(y1, x0) + fx * at(y1, x1));
                // Half a grey level: the result is the nearest byte.
                assert!((f64::from(fitted.images.image(1)[y * 64 + x]) - value).abs() <= 0.5, "({y}, {x})");
            }
        }
    }

    #[test]
    fn halving_takes_the_mean_of_four() {
        for channels in [1, 3] {
            let original = dataset(64, 64, channels);
            let fitted = original.clone().fit(32, channels).unwrap();
            for (place, &value) in fitted.images.image(1).iter().enumerate() {
                let (y, x, c) = (place / channels / 32, place / channels % 32, place % channels);
                let four = [(0, 0), (0, 1), (1, 0), (1, 1)];
                let at = |(dy, dx)| original.images.image(1)[((2 * y + dy) * 64 + 2 * x + dx) * channels + c];
                let mean = four.into_iter().map(|step| f64::from(at(step))).sum::<f64>() / 4.0;
                // Half a grey level: the result is the nearest byte.
                assert!((f64::from(value) - mean).abs() <= 0.5, "({y}, {x}, {c})");
            }
        }
    }

    #[test]
    fn sizes_further_away_are_reached_by_twos_from_the_padded_image() {
        let original = dataset(28, 28, 1);
        let padded = original.clone().fit(32, 1).unwrap();
        assert_eq!(original.clone().fit(16, 1).unwrap().images, halve(&padded.images));
        assert_eq!(original.clone().fit(64, 1).unwrap().images, enlarge_twice(&padded.images));
        let large = original.fit(256, 1).unwrap().images;
        assert_eq!(large, enlarge_twice(&enlarge_twice(&enlarge_twice(&padded.images))));
        assert_eq!(dataset(64, 64, 3).fit(16, 3).unwrap().images, halve(&halve(&dataset(64, 64, 3).images)));
        assert_eq!(dataset(16, 16, 3).fit(16, 3).unwrap(), dataset(16, 16, 3), "what fits is not padded");
    }

    #[test]
    fn grey_becomes_rgb_by_repetition_and_comes_back_unchanged() {
        let grey = dataset(32, 32, 1);
        let rgb = grey.clone().fit(32, 3).unwrap();
        assert!(rgb.images.pixels().chunks_exact(3).zip(&*grey.images.pixels()).all(|(rgb, &grey)| rgb == [grey; 3]));
        assert_eq!(rgb.fit(32, 1).unwrap(), grey);
    }

    #[test]
    fn rgb_becomes_grey_by_bt601() {
        let images = Images::new([1, 1, 3, 3], vec![255, 0, 0, 0, 255, 0, 0, 0, 255]);
        // 255 times 0.299, 0.587 and 0.114, rounded.
        assert_eq!(*rgb_to_grey(&images).pixels(), [76, 150, 29]);
    }

    #[test]
    fn what_fits_is_unchanged() {
        for (side, channels) in [(32, 1), (64, 3), (48, 3)] {
            assert_eq!(dataset(side, side, channels).fit(side, channels).unwrap(), dataset(side, side, channels));
        }
    }

    #[test]
    fn what_cannot_fit_is_an_error_that_says_what_is_possible() {
        let error = |dataset: Dataset, size, channels| match dataset.fit(size, channels) {
            Err(Error::Invalid(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(error(dataset(28, 28, 1), 48, 1).contains("a power of two is possible"));
        assert!(error(dataset(64, 64, 3), 48, 3).contains("a power of two is possible"));
        assert!(
            error(dataset(96, 96, 3), 64, 3).contains("shrink or cut them to squares whose side is a power of two")
        );
        assert!(error(dataset(40, 33, 3), 64, 3).contains("shrink or cut"));
        assert!(error(dataset(28, 28, 1), 32, 4).contains("1 and 3 are possible"));
    }
}
