//! Images moved by whole pixels, each by its own.

use super::super::{Context, Forward, Keep, Op, Tensor, Value};
use crate::backend::Backend;

/// Moves each image of a batch. Its transpose moves them back.
struct Shift {
    by: Vec<[i32; 2]>,
}

impl Op for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let Value { storage, shape } = &inputs[0];
        let sizes = std::array::from_fn(|axis| shape[axis]);
        Value::new(backend.shift(storage, sizes, &self.by), shape).into()
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, _context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        let back = Shift { by: self.by.iter().map(|by| by.map(|pixels| -pixels)).collect() };
        vec![Some(Tensor::apply(back, &[g]))]
    }
}

impl Tensor {
    /// Each image of `[n, h, w, c]` moved down and across by so many pixels (up and to the left where negative), zeros moving in:
    /// `result[i, y, x] = self[i, y - by[i][0], x - by[i][1]]`.
    ///
    /// # Panics
    /// Where this is no image, there is not a shift for each image, or one is by more than the side.
    #[track_caller]
    pub fn shift(&self, by: &[[i32; 2]]) -> Tensor {
        let &[n, h, w, _] = self.shape() else { panic!("shift: the shape {:?} is no image", self.shape()) };
        assert!(by.len() == n, "shift: {} shifts of the shape {:?}", by.len(), self.shape());
        let inside =
            |[down, across]: &[i32; 2]| down.unsigned_abs() as usize <= h && across.unsigned_abs() as usize <= w;
        if let Some(outside) = by.iter().find(|by| !inside(by)) {
            panic!("shift: by {outside:?} of the shape {:?}", self.shape());
        }
        Tensor::apply(Shift { by: by.to_vec() }, &[self])
    }
}
