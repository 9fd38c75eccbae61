//! Rows and elements by index, and the transpose.

use super::super::{Context, Forward, Keep, Op, Tensor, Value, count};
use crate::backend::{Backend, Storage};

/// Picks rows of a matrix, or (transposed) adds rows into one.
struct Gather {
    indices: Vec<u32>,
    rows: usize,
    width: usize,
    transposed: bool,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        if self.transposed { "scatter_add" } else { "gather" }
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let x = &inputs[0].storage;
        if self.transposed {
            Value::new(scattered(backend, x, self.width, &self.indices, self.rows), [self.rows, self.width]).into()
        } else {
            Value::new(backend.gather(x, self.width, &self.indices), [self.indices.len(), self.width]).into()
        }
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, _context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        let transpose = Gather { indices: self.indices.clone(), transposed: !self.transposed, ..*self };
        vec![Some(Tensor::apply(transpose, &[g]))]
    }
}

/// How many rows are added one by one: errors would grow with their number.
const MOST_ADDED: usize = 256;

/// [`Backend::scatter_add`]; where more than [`MOST_ADDED`] rows go to one place, every so many are added up by themselves first, and what comes
/// of them, in order, as well.
fn scattered(backend: &dyn Backend, x: &Storage, width: usize, indices: &[u32], rows: usize) -> Storage {
    let mut added = vec![0; rows];
    indices.iter().for_each(|&place| added[place as usize] += 1);
    if added.iter().all(|&added| added <= MOST_ADDED) {
        return backend.scatter_add(x, width, indices, rows);
    }
    // The place of each partial sum; the one that a place's rows go to; and how many it has.
    let (mut places, mut open, mut added) = (Vec::new(), vec![0; rows], vec![0; rows]);
    let partial = |&place: &u32| {
        let at = place as usize;
        if added[at] % MOST_ADDED == 0 {
            open[at] = row(places.len());
            places.push(place);
        }
        added[at] += 1;
        open[at]
    };
    let partials: Vec<u32> = indices.iter().map(partial).collect();
    let sums = backend.scatter_add(x, width, &partials, places.len());
    scattered(backend, &sums, width, &places, rows)
}

impl Tensor {
    /// Rows of a matrix `[rows, width]` by index: `[indices.len(), width]`. An index may come more than once.
    ///
    /// # Panics
    /// Where this is no matrix, or an index is not below `rows`.
    #[track_caller]
    pub fn gather(&self, indices: &[u32]) -> Tensor {
        let &[rows, width] = self.shape() else { panic!("gather: the shape {:?} is no matrix", self.shape()) };
        if let Some(index) = indices.iter().find(|&&index| index as usize >= rows) {
            panic!("gather: row {index} of the shape {:?}", self.shape());
        }
        Tensor::apply(Gather { indices: indices.to_vec(), rows, width, transposed: false }, &[self])
    }

    /// Indices of one axis, in any order and number: `result[.., i, ..] = self[.., indices[i], ..]`.
    ///
    /// # Panics
    /// Where the axis does not exist, or an index is not inside.
    #[track_caller]
    pub fn index_select(&self, axis: usize, indices: &[u32]) -> Tensor {
        assert!(axis < self.rank(), "index_select: axis {axis} of the shape {:?}", self.shape());
        let (size, mut shape) = (self.shape()[axis], self.shape().to_vec());
        if let Some(index) = indices.iter().find(|&&index| index as usize >= size) {
            panic!("index_select: index {index} of axis {axis} of the shape {:?}", self.shape());
        }
        shape[axis] = indices.len();
        let (outer, inner) = (count(&shape[..axis]), count(&shape[axis + 1..]));
        let rows = self.reshape([outer * size, inner]);
        let outer_rows = (0..outer).flat_map(|o| indices.iter().map(move |&i| row(o * size + i as usize)));
        rows.gather(&outer_rows.collect::<Vec<_>>()).reshape(shape)
    }

    /// Elements along an axis, others at each place (none, where there is no place): `result[.., i, ..] = self[.., indices[.., i, ..], ..]`, with as many along the axis
    /// as there are indices for. The indices are those of the result's elements in row-major order, as [`Tensor::sort`] gives them.
    ///
    /// # Panics
    /// Where the axis does not exist, an index is not inside, or there are not as many indices for each place.
    #[track_caller]
    pub fn take_along_axis(&self, axis: usize, indices: &[u32]) -> Tensor {
        assert!(axis < self.rank(), "take_along_axis: axis {axis} of the shape {:?}", self.shape());
        let (size, shape) = (self.shape()[axis], self.shape());
        if let Some(index) = indices.iter().find(|&&index| index as usize >= size) {
            panic!("take_along_axis: index {index} of axis {axis} of the shape {:?}", self.shape());
        }
        let (outer, inner) = (count(&shape[..axis]), count(&shape[axis + 1..]));
        let taken = indices.len().checked_div(outer * inner).unwrap_or(0);
        let fits = taken * outer * inner == indices.len();
        assert!(fits, "take_along_axis: {} indices along axis {axis} of the shape {:?}", indices.len(), self.shape());
        self.taken_along(axis, indices, taken)
    }

    /// [`Tensor::take_along_axis`] of so many indices a place, which are inside.
    pub(super) fn taken_along(&self, axis: usize, indices: &[u32], taken: usize) -> Tensor {
        let (size, mut shape) = (self.shape()[axis], self.shape().to_vec());
        let inner = count(&shape[axis + 1..]);
        shape[axis] = taken;
        let place = |(at, &index): (usize, &u32)| {
            let (o, i) = (at / (taken * inner), at % inner);
            row((o * size + index as usize) * inner + i)
        };
        let places: Vec<u32> = indices.iter().enumerate().map(place).collect();
        self.reshape([self.len(), 1]).gather(&places).reshape(shape)
    }
}

/// A row's number as kernels take it.
#[track_caller]
fn row(row: usize) -> u32 {
    u32::try_from(row).expect("gather: there are more than 2^32 rows")
}
