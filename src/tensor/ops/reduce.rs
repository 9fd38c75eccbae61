//! Sums, means and maxima over axes, and expansion, the transpose of the sum.

use super::super::{Context, Forward, Keep, Op, Tensor, Value, count};
use crate::backend::{AxisMap, Backend, Binary, Reduction, Unary};

/// Folds the middle of three merged axes away, and scales a sum.
struct Reduce {
    reduction: Reduction,
    scale: f64,
    sizes: [usize; 3],
    shape: Vec<usize>,
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum if self.scale != 1.0 => "mean",
            Reduction::Sum => "sum",
            Reduction::Max => "max",
        }
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let x = &inputs[0].storage;
        let reduced = match self.scale {
            1.0 => backend.reduce(self.reduction, x, self.sizes),
            scale => backend.reduce_then(self.reduction, x, self.sizes, Unary::Affine { scale, shift: 0.0 }),
        };
        Value::new(reduced, &self.shape).into()
    }

    fn keep(&self) -> Keep {
        match self.reduction {
            Reduction::Sum => Keep::NOTHING,
            Reduction::Max => Keep::INPUTS.and_output(),
        }
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        let [outer, length, inner] = self.sizes;
        let expanded = |x: &Tensor| x.reshape([outer, 1, inner]).expand([outer, length, inner]);
        let cotangent = match self.reduction {
            Reduction::Sum if self.scale != 1.0 => expanded(&(g * self.scale)),
            Reduction::Sum => expanded(g),
            Reduction::Max => {
                // Elements that tie for the maximum share the cotangent; the others have none of it, though it be infinite.
                let below = (expanded(&context.output()) - context.input(0).reshape(self.sizes)).step();
                let largest = 1.0 - below;
                let ties = largest.sum_axes(&[1], true);
                (g.reshape([outer, 1, inner]) / ties).binary(Binary::Gate, &largest)
            }
        };
        vec![Some(cotangent.reshape(context.input_shape(0)))]
    }
}

/// Repeats axes of size 1.
struct Expand {
    from: Vec<usize>,
    to: Vec<usize>,
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let axes: Vec<AxisMap> = (self.from.iter().zip(&self.to))
            .map(|(&from, &to)| AxisMap { size: to, multiplier: isize::from(from == to), offset: 0, divisor: 1 })
            .collect();
        Value::new(backend.window(&inputs[0].storage, &self.from, &axes), &self.to).into()
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, _context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        Some(g.sum_to(&self.from)).into_iter().map(Some).collect()
    }
}

impl Tensor {
    /// The sum of all elements, a scalar of shape `[]`.
    pub fn sum(&self) -> Tensor {
        self.reduce_run(Reduction::Sum, 0, self.rank()).reshape([])
    }

    /// The mean of all elements, a scalar of shape `[]`.
    pub fn mean(&self) -> Tensor {
        let sizes = [1, self.len(), 1];
        let mean = Reduce { reduction: Reduction::Sum, scale: 1.0 / self.len() as f64, sizes, shape: Vec::new() };
        Tensor::apply(mean, &[self])
    }

    /// The largest element, a scalar of shape `[]`; elements that tie share the cotangent.
    ///
    /// # Panics
    /// Where there is no element.
    #[track_caller]
    pub fn max(&self) -> Tensor {
        assert!(!self.is_empty(), "max: of a tensor of shape {:?}", self.shape());
        self.reduce_run(Reduction::Max, 0, self.rank()).reshape([])
    }

    /// The sum over `axes`, which stay with size 1 where `keep`.
    ///
    /// # Panics
    /// Where an axis does not exist.
    #[track_caller]
    pub fn sum_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.check_axes("sum", axes);
        self.reduce_axes(Reduction::Sum, axes, keep)
    }

    /// The mean over `axes`, which stay with size 1 where `keep`.
    ///
    /// # Panics
    /// Where an axis does not exist.
    #[track_caller]
    pub fn mean_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.check_axes("mean", axes);
        let sum = self.sum_axes(axes, keep);
        let samples = self.len() as f64 / sum.len() as f64;
        sum * (1.0 / samples)
    }

    /// The maximum over `axes`, which stay with size 1 where `keep`; elements that tie share the cotangent.
    ///
    /// # Panics
    /// Where an axis does not exist or is empty.
    #[track_caller]
    pub fn max_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.check_axes("max", axes);
        let empty = axes.iter().find(|&&axis| self.shape().get(axis) == Some(&0));
        assert!(empty.is_none(), "max: over an empty axis of the shape {:?}", self.shape());
        self.reduce_axes(Reduction::Max, axes, keep)
    }

    /// Refuses axes that do not exist, in the name of an op.
    #[track_caller]
    pub(super) fn check_axes(&self, name: &str, axes: &[usize]) {
        for &axis in axes {
            assert!(axis < self.rank(), "{name}: axis {axis} of the shape {:?}", self.shape());
        }
    }

    fn reduce_axes(&self, reduction: Reduction, axes: &[usize], keep: bool) -> Tensor {
        let mut out = self.clone();
        let mut start = 0;
        while start < self.rank() {
            let end = (start..self.rank()).find(|axis| !axes.contains(axis)).unwrap_or(self.rank());
            if end > start {
                out = out.reduce_run(reduction, start, end);
            }
            start = end + 1;
        }
        if keep {
            return out;
        }
        let rest = (0..self.rank()).filter(|axis| !axes.contains(axis)).map(|axis| self.shape()[axis]);
        out.reshape(rest.collect::<Vec<_>>())
    }

    /// Reduces the adjacent axes `start..end` to size 1.
    fn reduce_run(&self, reduction: Reduction, start: usize, end: usize) -> Tensor {
        let shape = self.shape();
        let sizes = [count(&shape[..start]), count(&shape[start..end]), count(&shape[end..])];
        let shape = [&shape[..start], &vec![1; end - start], &shape[end..]].concat();
        Tensor::apply(Reduce { reduction, scale: 1.0, sizes, shape }, &[self])
    }

    /// Repeats axes of size 1, and prepends axes, to reach `shape`.
    ///
    /// # Panics
    /// Where the shape does not broadcast to `shape`.
    #[track_caller]
    pub fn expand(&self, shape: impl AsRef<[usize]>) -> Tensor {
        let to = shape.as_ref();
        let missing = to.len().checked_sub(self.rank());
        let from = missing.map(|missing| [&vec![1; missing], self.shape()].concat());
        let fits = |from: &Vec<usize>| from.iter().zip(to).all(|(&from, &to)| from == to || from == 1);
        let from = from.filter(fits).unwrap_or_else(|| panic!("expand: the shape {:?} to {to:?}", self.shape()));
        if from == to {
            return self.reshape(to);
        }
        count(to);
        Tensor::apply(Expand { from: from.clone(), to: to.to_vec() }, &[&self.reshape(from)])
    }

    /// The transpose of [`Tensor::expand`]: sums broadcast axes away until the shape is `shape`.
    pub(in super::super) fn sum_to(&self, shape: &[usize]) -> Tensor {
        if self.shape() == shape {
            return self.clone();
        }
        let extra = self.rank() - shape.len();
        let axes: Vec<usize> =
            (0..self.rank()).filter(|&a| a < extra || (shape[a - extra] == 1 && self.shape()[a] != 1)).collect();
        self.sum_axes(&axes, true).reshape(shape)
    }
}
