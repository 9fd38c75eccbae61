//! What stands where along an axis: the largest, sorted, the first few. Indices are found on the host, as the device's numbers have to
//! be read for them, and never enter a tensor.
//!
//! What is not a number counts as larger than every number. Of elements that tie the first comes first. The cotangent goes to the
//! elements that were taken, where [`Tensor::max_axes`] shares it among those that tie.

use std::cmp::Ordering;

use super::super::{Tensor, count};
use crate::error::Result;

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The smallest.
    Ascending,
    /// The largest.
    Descending,
}

impl Tensor {
    /// The index along an axis of the largest element, the first of those that tie, and of the first that is not a number where there is
    /// one: of the other axes in row-major order.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the axis does not exist or is empty.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Result<Vec<u32>> {
        let filled = axis < self.rank() && self.shape()[axis] > 0;
        assert!(filled, "argmax: along axis {axis} of the shape {:?}", self.shape());
        self.first(axis, 1, Order::Descending)
    }

    /// The largest elements along an axis, which stays with size 1, and their indices as [`Tensor::argmax`] gives them.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the axis does not exist or is empty.
    #[track_caller]
    pub fn max_with_indices(&self, axis: usize) -> Result<(Tensor, Vec<u32>)> {
        let filled = axis < self.rank() && self.shape()[axis] > 0;
        assert!(filled, "max_with_indices: along axis {axis} of the shape {:?}", self.shape());
        let indices = self.first(axis, 1, Order::Descending)?;
        Ok((self.taken_along(axis, &indices, 1), indices))
    }

    /// The elements along an axis in order, and the index that each had: in row-major order of the result. Elements that tie keep
    /// their order.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn sort(&self, axis: usize, order: Order) -> Result<(Tensor, Vec<u32>)> {
        assert!(axis < self.rank(), "sort: along axis {axis} of the shape {:?}", self.shape());
        let indices = self.first(axis, self.shape()[axis], order)?;
        Ok((self.taken_along(axis, &indices, self.shape()[axis]), indices))
    }

    /// The first `many` of what [`Tensor::sort`] gives.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the axis does not exist or has fewer elements.
    #[track_caller]
    pub fn top_k(&self, axis: usize, many: usize, order: Order) -> Result<(Tensor, Vec<u32>)> {
        let there = axis < self.rank() && many <= self.shape()[axis];
        assert!(there, "top_k: {many} along axis {axis} of the shape {:?}", self.shape());
        let indices = self.first(axis, many, order)?;
        Ok((self.taken_along(axis, &indices, many), indices))
    }

    /// The indices of the first elements along an axis in an order, in row-major order of `[.., many, ..]`.
    fn first(&self, axis: usize, many: usize, order: Order) -> Result<Vec<u32>> {
        let values = self.to_vec::<f64>()?;
        let (size, inner) = (self.shape()[axis], count(&self.shape()[axis + 1..]));
        let mut firsts = vec![0; count(&self.shape()[..axis]) * many * inner];
        for line in 0..count(&self.shape()[..axis]) * inner {
            let (outer, i) = (line / inner, line % inner);
            let value = |index: u32| values[(outer * size + index as usize) * inner + i];
            let before = |&a: &u32, &b: &u32| {
                let ascending = ascending(value(a), value(b));
                let ordered = if order == Order::Ascending { ascending } else { ascending.reverse() };
                ordered.then(a.cmp(&b))
            };
            let mut indices: Vec<u32> = (0..size as u32).collect();
            if many > 0 && many < size {
                indices.select_nth_unstable_by(many - 1, before);
                indices.truncate(many);
            }
            indices.sort_unstable_by(before);
            for (place, &index) in indices[..many].iter().enumerate() {
                firsts[(outer * many + place) * inner + i] = index;
            }
        }
        Ok(firsts)
    }
}

/// The order of numbers, and after them of what is none; zeros of either sign tie.
fn ascending(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, grad};

    fn devices() -> [Device; 2] {
        [Device::reference(), Device::cpu()]
    }

    #[test]
    fn ties_and_what_is_not_a_number_stand_where_pytorch_has_them() {
        for device in devices() {
            let x = Tensor::from_slice(&device, &[3.0, f64::NAN, 1.0, 3.0, -0.0, 0.0], [6]);
            assert_eq!(x.sort(0, Order::Ascending).unwrap().1, [4, 5, 2, 0, 3, 1]);
            assert_eq!(x.sort(0, Order::Descending).unwrap().1, [1, 0, 3, 2, 4, 5]);
            assert_eq!(x.top_k(0, 3, Order::Descending).unwrap().1, [1, 0, 3]);
            assert_eq!(x.argmax(0).unwrap(), [1]);
            assert!(x.max_with_indices(0).unwrap().0.item().unwrap().is_nan());
            let ties = Tensor::from_slice(&device, &[1.0, 3.0, 3.0], [3]);
            let (largest, index) = ties.max_with_indices(0).unwrap();
            assert_eq!((largest.shape(), &index[..]), (&[1][..], &[1][..]));
            assert_eq!(grad(largest.sum(), &[&ties])[0].to_vec::<f64>().unwrap(), [0.0, 1.0, 0.0]);
        }
    }

    #[test]
    fn indices_run_along_any_axis() {
        let x = Tensor::from_slice(&Device::reference(), &[5.0, 1.0, 2.0, 4.0, 3.0, 6.0], [3, 2]);
        assert_eq!(x.argmax(0).unwrap(), [0, 2]);
        assert_eq!(x.argmax(1).unwrap(), [0, 1, 1]);
        let (sorted, indices) = x.sort(0, Order::Ascending).unwrap();
        assert_eq!(sorted.to_vec::<f64>().unwrap(), [2.0, 1.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(indices, [1, 0, 2, 1, 0, 2]);
        let (few, indices) = x.top_k(0, 2, Order::Descending).unwrap();
        assert_eq!((few.to_vec::<f64>().unwrap(), indices), (vec![5.0, 6.0, 3.0, 4.0], vec![0, 2, 2, 1]));
    }

    #[test]
    fn nothing_of_an_axis_is_nothing() {
        let x = Tensor::zeros(&Device::reference(), [2, 0, 3]);
        assert_eq!(x.sort(1, Order::Ascending).unwrap().0.shape(), [2, 0, 3]);
        assert_eq!(
            Tensor::zeros(&Device::reference(), [2, 3]).top_k(1, 0, Order::Ascending).unwrap().0.shape(),
            [2, 0]
        );
    }
}
