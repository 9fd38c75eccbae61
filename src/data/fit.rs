//! Bringing images to the size and channels of a network.

use rayon::prelude::*;

use super::decode::{image_of, luma, resized};
use super::store::Sink;
use super::{Dataset, Images, Reading, Resample};
use crate::error::{Error, Result};

/// The side to which small pictures are brought, and that of others.
pub(super) const SMALL: usize = 32;
pub(super) const LARGE: usize = 2 * SMALL;
/// MNIST's side: such images are padded.
const MNIST: usize = 28;
/// The sizes of networks.
const SMALLEST: usize = 16;
const LARGEST: usize = 256;
/// Images that are brought there at a time, and the bytes that they may have.
const CHUNK: usize = 1024;
const MOST_BYTES: usize = 1 << 25;

/// The side of the squares that pictures become while they are read: the networks', or one from which [`Dataset::fit`] goes there by
/// doubling and halving.
pub(super) fn reading_side(small: bool, reading: &Reading) -> usize {
    let usual = if small { SMALL } else { LARGE };
    match (reading.size, reading.resample) {
        (Some(size), Resample::Nearest) => size,
        (Some(size), Resample::Lanczos) if !small && size > LARGE => size,
        _ => usual,
    }
}

impl Images {
    /// The side of the squares that the images become where no other is asked for: 32, or 64 where the shorter side is longer than that.
    pub fn fitting_size(&self) -> usize {
        if self.height.min(self.width) > SMALL { LARGE } else { SMALL }
    }
}

impl Dataset {
    /// The same data as squares of `size`, a power of two, with `channels`. Images of MNIST's 28 x 28 are padded with black to 32; others that
    /// are no squares of a power of two become squares, as [`Reading`] says, of 32 where their shorter side is at most that, else of
    /// 64, or of `size` where that is more. From there sizes are halved by the mean of four pixels, and doubled, bilinear. Grey to RGB
    /// repeats; RGB to grey is BT.601's luma. What already fits is returned as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`], saying what is possible, for other sizes and channels; [`Error::Io`] where the images are too many for memory
    /// and for the disk.
    pub fn fit(self, size: usize, channels: usize) -> Result<Dataset> {
        let [count, height, width, own] = self.images.shape();
        if !matches!((own, channels), (1 | 3, 1 | 3)) {
            return Err(Error::invalid(format!(
                "{} has images of {own} channels and cannot give {channels}; 1 and 3 are possible",
                self.name
            )));
        }
        if (height, width, own) == (size, size, channels) {
            return Ok(self);
        }
        if (height, width) != (size, size) && !(size.is_power_of_two() && (SMALLEST..=LARGEST).contains(&size)) {
            return Err(Error::invalid(format!(
                "{} cannot give images of {size} x {size}; powers of two from {SMALLEST} to {LARGEST} are possible",
                self.name
            )));
        }
        let reading = Reading { size: Some(size), ..self.reading.clone() };
        let mut sink = Sink::new([count, size, size, channels], &reading)?;
        let step = (MOST_BYTES / (height * width * own).max(1)).clamp(1, CHUNK);
        for first in (0..count).step_by(step) {
            let some = self.images.select(&(first..count.min(first + step)).collect::<Vec<_>>());
            let some = match (own, channels) {
                (1, 3) => grey_to_rgb(&some),
                (3, 1) => rgb_to_grey(&some),
                _ => some,
            };
            sink.push(&scaled(some, size, &reading).pixels())?;
        }
        Ok(Dataset { images: sink.finish()?, ..self })
    }
}

/// Images as squares of `size`.
fn scaled(images: Images, size: usize, reading: &Reading) -> Images {
    let (height, width) = (images.height, images.width);
    let nearest = reading.resample == Resample::Nearest;
    let mut images = match (height, width) {
        _ if (height, width) == (size, size) => return images,
        (MNIST, MNIST) if nearest => squares(&pad(&images, SMALL), size, reading),
        (MNIST, MNIST) => pad(&images, SMALL),
        _ if height == width && height.is_power_of_two() && !nearest => images,
        _ => squares(&images, reading_side(height.min(width) <= SMALL, reading), reading),
    };
    while images.height < size {
        images = enlarge_twice(&images);
    }
    while images.height > size {
        images = halve(&images);
    }
    images
}

/// Each image cut, padded or stretched to a square, and resized.
fn squares(images: &Images, side: usize, reading: &Reading) -> Images {
    let [count, height, width, channels] = images.shape();
    let square =
        |index: usize| resized(image_of(&images.image(index), height, width, channels), side, channels, reading);
    let pixels: Vec<Vec<u8>> = (0..count).into_par_iter().map(square).collect();
    Images::new([count, side, side, channels], pixels.concat())
}

fn grey_to_rgb(images: &Images) -> Images {
    let pixels = images.pixels().iter().flat_map(|&grey| [grey; 3]).collect();
    Images::new([images.count, images.height, images.width, 3], pixels)
}

fn rgb_to_grey(images: &Images) -> Images {
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
    use crate::data::{Background, Fit};

    fn dataset(height: usize, width: usize, channels: usize) -> Dataset {
        let pixels = (0..2 * height * width * channels).map(|i| (i * 37 % 251) as u8 + 1).collect();
        Dataset::unlabelled("test", Images::new([2, height, width, channels], pixels))
    }

    #[test]
    fn images_of_mnists_size_are_padded_to_32_around_their_centre() {
        let original = dataset(28, 28, 3);
        let fitted = original.clone().fit(32, 3).unwrap();
        for index in 0..2 {
            for (place, pixel) in fitted.images.image(index).chunks_exact(3).enumerate() {
                let (y, x) = ((place / 32).wrapping_sub(2), (place % 32).wrapping_sub(2));
                let image = original.images.image(index);
                let expected = if y < 28 && x < 28 { &image[(y * 28 + x) * 3..][..3] } else { &[0; 3] };
                assert_eq!(pixel, expected, "image {index}, place {place}");
            }
        }
    }

    #[test]
    fn images_of_other_sizes_fill_the_square() {
        for (height, width) in [(16, 16), (28, 20), (20, 28), (40, 40), (96, 96), (1, 50), (300, 200)] {
            for size in [16, 32, 64, 128] {
                let bright = Images::new([3, height, width, 1], vec![200; 3 * height * width]);
                let fitted = Dataset::unlabelled("bright", bright).fit(size, 1).unwrap();
                assert_eq!(fitted.images.shape(), [3, size, size, 1]);
                assert!(fitted.images.pixels().iter().all(|&value| value == 200), "{height} x {width} at {size}");
            }
        }
    }

    #[test]
    fn a_square_is_cut_padded_or_stretched() {
        // Black beside white beside black, of 64 columns each, in 64 rows.
        let row: Vec<u8> = (0..192).map(|x| if (64..128).contains(&x) { 255 } else { 0 }).collect();
        let at = |fit: Fit| {
            let mut wide = Dataset::unlabelled("wide", Images::new([1, 64, 192, 1], row.repeat(64)));
            wide.reading = Reading { fit, background: Background([255, 0, 0]), ..Reading::default() };
            let fitted = wide.fit(64, 1).unwrap().images;
            let pixels = fitted.into_pixels();
            [(2, 2), (32, 2), (32, 32)].map(|(y, x)| pixels[y * 64 + x])
        };
        // Red has the luma 76.
        assert_eq!([at(Fit::Cut), at(Fit::Pad), at(Fit::Stretch)], [[255, 255, 255], [76, 0, 255], [0, 0, 255]]);
    }

    #[test]
    fn nearest_pixels_stay_what_they_are() {
        let mut art = dataset(16, 16, 1);
        art.reading.resample = Resample::Nearest;
        for size in [32, 64] {
            let fitted = art.clone().fit(size, 1).unwrap();
            for (place, &value) in fitted.images.image(1).iter().enumerate() {
                let (y, x) = (place / size * 16 / size, place % size * 16 / size);
                assert_eq!(value, art.images.image(1)[y * 16 + x], "{place} at {size}");
            }
        }
    }

    #[test]
    fn nearest_pixels_of_padded_images_stay_too() {
        let mut digits = dataset(28, 28, 1);
        digits.reading.resample = Resample::Nearest;
        let padded = pad(&digits.images, 32);
        for size in [32, 64, 128] {
            let fitted = digits.clone().fit(size, 1).unwrap();
            for (place, &value) in fitted.images.image(1).iter().enumerate() {
                let (y, x) = (place / size * 32 / size, place % size * 32 / size);
                assert_eq!(value, padded.image(1)[y * 32 + x], "{place} at {size}");
            }
        }
    }

    #[test]
    fn the_shorter_side_decides_how_large_the_squares_are() {
        for (height, width, expected) in
            [(28, 28, 32), (40, 20, 32), (20, 40, 32), (32, 100, 32), (33, 40, 64), (64, 64, 64)]
        {
            assert_eq!(dataset(height, width, 1).images.fitting_size(), expected, "{height}x{width}");
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
    fn where_images_are_kept_changes_nothing() {
        let original = dataset(40, 30, 3);
        let mut on_disk = original.clone();
        on_disk.reading.memory = Some(0);
        let on_disk = on_disk.fit(64, 1).unwrap();
        assert!(on_disk.images.is_on_disk());
        assert_eq!(on_disk.images, original.fit(64, 1).unwrap().images);
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
        for size in [0, 8, 48, 512] {
            assert!(error(dataset(28, 28, 1), size, 1).contains("powers of two from 16 to 256 are possible"));
        }
        assert!(error(dataset(28, 28, 1), 32, 4).contains("1 and 3 are possible"));
    }
}
