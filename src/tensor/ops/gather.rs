//! Rows by index, and their transpose.

use super::super::{Context, Forward, Keep, Op, Tensor, Value};
use crate::backend::Backend;

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
            Value::new(backend.scatter_add(x, self.width, &self.indices, self.rows), [self.rows, self.width]).into()
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
}
