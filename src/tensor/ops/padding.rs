//! Padding with what the tensor itself has; [`Tensor::pad`] is that with zeros.

use super::super::Tensor;

/// What stands around a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// The tensor mirrored at its outermost elements, which are not repeated: `c b | a b c | b a`.
    Reflection,
    /// The outermost elements: `a a | a b c | c c`.
    Replication,
}

impl Border {
    /// The index inside `0..size` whose element stands at `place`.
    fn index(self, place: isize, size: usize) -> usize {
        let last = size as isize - 1;
        match self {
            Border::Replication => place.clamp(0, last) as usize,
            Border::Reflection => {
                let place = place.unsigned_abs();
                if place < size { place } else { 2 * (size - 1) - place }
            }
        }
    }
}

impl Tensor {
    /// An axis with a border of itself before and after it ([`Tensor::slice`] takes away instead); elements that stand there several times get the sum of their cotangents.
    ///
    /// # Panics
    /// Where the axis does not exist, is empty, or a reflection is as large as it.
    #[track_caller]
    pub fn pad_with(&self, axis: usize, before: usize, after: usize, border: Border) -> Tensor {
        let size = self.shape().get(axis).copied().unwrap_or(0);
        let fits = size > 0 && (border == Border::Replication || before.max(after) < size);
        assert!(
            fits,
            "pad_with: {before} and {after} of {border:?} around axis {axis} of the shape {:?}",
            self.shape()
        );
        if before == 0 && after == 0 {
            return self.clone();
        }
        let whole =
            before.checked_add(size).and_then(|sum| sum.checked_add(after)).filter(|&sum| sum <= u32::MAX as usize);
        assert!(whole.is_some(), "pad_with: {before} and {after} around axis {axis} of the shape {:?}", self.shape());
        let places = -(before as isize)..(size + after) as isize;
        self.index_select(axis, &places.map(|place| border.index(place, size) as u32).collect::<Vec<_>>())
    }

    /// [`Tensor::pad_with`] of an image `[n, h, w, c]` with the same width on all sides.
    ///
    /// # Panics
    /// Where this is no image, is empty, or a reflection is as large as it.
    #[track_caller]
    pub fn pad_image_with(&self, width: usize, border: Border) -> Tensor {
        assert!(self.rank() == 4, "pad_image_with: the shape {:?} is no image", self.shape());
        self.pad_with(1, width, width, border).pad_with(2, width, width, border)
    }
}
