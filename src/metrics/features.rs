//! The rows of numbers by which images are compared.

use crate::error::{Error, Result};

/// One row of features a sample, `[count, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    values: Vec<f64>,
    width: usize,
}

impl Features {
    /// Features from row-major `values`, `width` of them a sample.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a value is beyond the range of f32, infinite or not a number, as those of a diverged
    /// network are.
    ///
    /// # Panics
    /// Where `values` is not one or more whole rows.
    #[track_caller]
    pub fn from_slice<T: Copy + Into<f64>>(values: &[T], width: usize) -> Result<Features> {
        assert!(
            width > 0 && !values.is_empty() && values.len().is_multiple_of(width),
            "features: {} values are not one or more rows of {width}",
            values.len()
        );
        let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        // Within f32, squares and their sums cannot overflow.
        if let Some(place) = values.iter().position(|&value| !(value as f32).is_finite()) {
            return Err(Error::invalid(format!(
                "feature {} of sample {} is {}: the network that made it has diverged; take an earlier checkpoint",
                place % width,
                place / width,
                values[place]
            )));
        }
        Ok(Features { values, width })
    }

    /// How many samples there are, at least one.
    pub fn count(&self) -> usize {
        self.values.len() / self.width
    }

    /// How many features a sample has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Those of some samples.
    ///
    /// # Panics
    /// Where there are none, or one is not below [`Features::count`].
    #[track_caller]
    pub fn select(&self, samples: &[usize]) -> Features {
        assert!(!samples.is_empty(), "Features::select: no samples");
        Features { values: samples.iter().flat_map(|&sample| self.row(sample)).copied().collect(), width: self.width }
    }

    /// The features of one sample.
    ///
    /// # Panics
    /// Where `sample` is not below [`Features::count`].
    #[track_caller]
    pub fn row(&self, sample: usize) -> &[f64] {
        &self.values[sample * self.width..][..self.width]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::{self, Purpose};

    /// Rows of independent draws from N(0, 1).
    pub fn gaussian(count: usize, width: usize, seed: u64) -> Features {
        let draws = random::normal(&mut random::generator(seed, Purpose::GradientCheck, 0, 0), count * width);
        Features::from_slice(&draws, width).unwrap()
    }

    /// Each value changed by a function of (sample, feature, value).
    pub fn map(features: &Features, change: impl Fn(usize, usize, f64) -> f64) -> Features {
        let width = features.width();
        let changed = features.values().iter().enumerate().map(|(i, &value)| change(i / width, i % width, value));
        Features::from_slice(&changed.collect::<Vec<_>>(), width).unwrap()
    }

    #[test]
    fn rows_are_samples() {
        let features = Features::from_slice(&[1u8, 2, 3, 4, 5, 6], 3).unwrap();
        assert_eq!((features.count(), features.width(), features.row(1)), (2, 3, &[4.0, 5.0, 6.0][..]));
        assert_eq!(features.select(&[1, 0]).values(), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn what_has_diverged_is_an_error_that_names_the_sample() {
        for value in [f64::NAN, f64::INFINITY, 1e39] {
            let error = Features::from_slice(&[0.0, 1.0, 2.0, value], 2).unwrap_err();
            assert!(error.to_string().starts_with("feature 1 of sample 1 is "), "{error}");
        }
    }

    #[test]
    #[should_panic = "features: 5 values are not one or more rows of 2"]
    fn a_broken_row_panics() {
        let _ = Features::from_slice(&[0.0; 5], 2);
    }
}
