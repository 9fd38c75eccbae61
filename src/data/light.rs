//! What colours weigh as grey, and how a picture loses its focus.

use std::iter::Sum;
use std::ops::{Div, Mul};

/// Luma weights of ITU-R BT.601 for red, green and blue, in thousandths.
pub const LUMA: [u16; 3] = [299, 587, 114];
/// Their sum.
pub const LUMA_TOTAL: u16 = 1000;

/// The luma of a colour: 0.299 red, 0.587 green and 0.114 blue.
pub fn luma<T: Copy + From<u16> + Div<Output = T> + Mul<Output = T> + Sum>(rgb: [T; 3]) -> T {
    rgb.into_iter().zip(LUMA).map(|(value, weight)| value * (T::from(weight) / T::from(LUMA_TOTAL))).sum()
}

/// The axis along which a pass of a blur goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// Within rows.
    Rows,
    /// Within columns.
    Columns,
}

/// One pass of a blur over a square picture: `mean` is given a function that gives the pixel at a distance along the axis, the edge's
/// for what is outside.
pub fn blur<T: Copy>(pixels: &[T], side: usize, along: Along, mean: impl Fn(&dyn Fn(isize) -> T) -> T) -> Vec<T> {
    let at = |place: usize| {
        let (y, x) = (place / side, place % side);
        let moved = |from: usize, by: isize| from.saturating_add_signed(by).min(side - 1);
        mean(&|distance| match along {
            Along::Rows => pixels[y * side + moved(x, distance)],
            Along::Columns => pixels[moved(y, distance) * side + x],
        })
    };
    (0..pixels.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_is_bt601s_in_every_precision() {
        assert_eq!([luma([1.0, 0.0, 0.0]), luma([0.0, 1.0, 0.0]), luma([0.0, 0.0, 1.0])], [0.299f64, 0.587, 0.114]);
        assert_eq!([luma([1.0, 0.0, 0.0]), luma([0.0, 1.0, 0.0]), luma([0.0, 0.0, 1.0])], [0.299f32, 0.587, 0.114]);
    }

    #[test]
    fn a_pass_goes_along_its_axis_and_repeats_the_edge() {
        let picture = [1, 2, 3, 4];
        let neighbours = |along| blur(&picture, 2, along, |at| 100 * at(-1) + 10 * at(0) + at(5));
        assert_eq!(neighbours(Along::Rows), [112, 122, 334, 344]);
        assert_eq!(neighbours(Along::Columns), [113, 224, 133, 244]);
    }
}
