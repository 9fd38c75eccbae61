//! Ops that rearrange elements: reshape, permute, windows (slice, pad, flip), and what is composed of them.

use super::super::{Context, Forward, Keep, Op, Tensor, Value, count};
use crate::backend::{AxisMap, Backend};

/// The same elements in another shape; copies nothing.
struct Reshape {
    shape: Vec<usize>,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn forward(&self, _backend: &dyn Backend, inputs: &[Value]) -> Forward {
        Value::new(inputs[0].storage.clone(), &self.shape).into()
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(g.reshape(context.input_shape(0)))]
    }
}

/// Reorders axes; its transpose is the inverse order.
struct Permute {
    order: Vec<usize>,
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let shape = &inputs[0].shape;
        let out: Vec<usize> = self.order.iter().map(|&axis| shape[axis]).collect();
        Value::new(backend.permute(&inputs[0].storage, shape, &self.order), &out).into()
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, _context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        let mut inverse = vec![0; self.order.len()];
        for (to, &from) in self.order.iter().enumerate() {
            inverse[from] = to;
        }
        vec![Some(g.permute(&inverse))]
    }
}

/// Copies elements by an affine map of indices that is one to one on every axis; the transpose is the
/// same with multiplier and divisor exchanged.
struct Window {
    axes: Vec<AxisMap>,
}

impl Op for Window {
    fn name(&self) -> &'static str {
        "window"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let shape: Vec<usize> = self.axes.iter().map(|map| map.size).collect();
        Value::new(backend.window(&inputs[0].storage, &inputs[0].shape, &self.axes), &shape).into()
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        let transpose = |(map, &size): (&AxisMap, &usize)| AxisMap {
            size,
            multiplier: map.divisor,
            offset: -map.offset,
            divisor: map.multiplier,
        };
        let axes = self.axes.iter().zip(context.input_shape(0)).map(transpose).collect();
        vec![Some(Tensor::apply(Window { axes }, &[g]))]
    }
}

impl Tensor {
    /// The same elements in another shape.
    ///
    /// # Panics
    /// Where the number of elements differs.
    #[track_caller]
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Tensor {
        let shape = shape.as_ref();
        assert_eq!(self.len(), count(shape), "reshape: the shape {:?} to {shape:?}", self.shape());
        if shape == self.shape() {
            return self.clone();
        }
        Tensor::apply(Reshape { shape: shape.to_vec() }, &[self])
    }

    /// Reorders axes: the result's axis `a` is this one's axis `order[a]`.
    ///
    /// # Panics
    /// Where `order` does not name every axis once.
    #[track_caller]
    pub fn permute(&self, order: &[usize]) -> Tensor {
        let once = (0..self.rank()).all(|axis| order.contains(&axis)) && order.len() == self.rank();
        assert!(once, "permute: the order {order:?} for the shape {:?}", self.shape());
        if order.is_sorted() {
            return self.clone();
        }
        Tensor::apply(Permute { order: order.to_vec() }, &[self])
    }

    /// Indices `start..end` of one axis.
    ///
    /// # Panics
    /// Where the range is not inside the axis.
    #[track_caller]
    pub fn slice(&self, axis: usize, start: usize, end: usize) -> Tensor {
        self.slice_step(axis, start, end, 1)
    }

    /// Every `step`-th index of `start..end` of one axis.
    ///
    /// # Panics
    /// Where the range is not inside the axis, or the step is 0.
    #[track_caller]
    pub fn slice_step(&self, axis: usize, start: usize, end: usize, step: usize) -> Tensor {
        let inside = axis < self.rank() && start <= end && end <= self.shape()[axis] && step > 0;
        assert!(inside, "slice: {start}..{end} step {step} of axis {axis} of the shape {:?}", self.shape());
        let size = (end - start).div_ceil(step);
        self.window_axis(axis, AxisMap { size, multiplier: step as isize, offset: start as isize, divisor: 1 })
    }

    /// Zeros before and after one axis.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn pad(&self, axis: usize, before: usize, after: usize) -> Tensor {
        assert!(axis < self.rank(), "pad: axis {axis} of the shape {:?}", self.shape());
        let size = before.checked_add(self.shape()[axis]).and_then(|size| size.checked_add(after));
        let size = size.unwrap_or_else(|| panic!("pad: {before} and {after} around the shape {:?}", self.shape()));
        self.window_axis(axis, AxisMap { size, multiplier: 1, offset: -(before as isize), divisor: 1 })
    }

    /// One axis backwards.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn flip(&self, axis: usize) -> Tensor {
        assert!(axis < self.rank(), "flip: axis {axis} of the shape {:?}", self.shape());
        let size = self.shape()[axis];
        self.window_axis(axis, AxisMap { size, multiplier: -1, offset: size as isize - 1, divisor: 1 })
    }

    /// Tensors one after the other along an axis; their other sizes are equal.
    ///
    /// # Panics
    /// Where there are none, or the shapes do not fit.
    #[track_caller]
    pub fn concat(parts: &[&Tensor], axis: usize) -> Tensor {
        let others = |tensor: &Tensor| {
            let mut shape = tensor.shape().to_vec();
            shape.get_mut(axis).map(std::mem::take);
            shape
        };
        let shapes: Vec<_> = parts.iter().map(|part| part.shape()).collect();
        let fits = parts.first().is_some_and(|first| {
            axis < first.rank() && parts.iter().all(|part| part.rank() == first.rank() && others(part) == others(first))
        });
        assert!(fits, "concat: the shapes {shapes:?} along axis {axis}");
        Tensor::join(parts, axis)
    }

    /// Joins halves that were joined before them, so that n parts are copied log n times.
    fn join(parts: &[&Tensor], axis: usize) -> Tensor {
        if let [part] = parts {
            return (*part).clone();
        }
        let (left, right) = parts.split_at(parts.len() / 2);
        let (left, right) = (Tensor::join(left, axis), Tensor::join(right, axis));
        left.pad(axis, 0, right.shape()[axis]) + right.pad(axis, left.shape()[axis], 0)
    }

    /// Tensors of one shape one after the other along a new axis, of as many elements: `[.., parts.len(), ..]`.
    ///
    /// # Panics
    /// Where there are none, their shapes differ, or the axis would not be one of the result's.
    #[track_caller]
    pub fn stack(parts: &[&Tensor], axis: usize) -> Tensor {
        let shapes: Vec<_> = parts.iter().map(|part| part.shape()).collect();
        let fits = shapes.first().is_some_and(|first| axis <= first.len() && shapes.iter().all(|shape| shape == first));
        assert!(fits, "stack: the shapes {shapes:?} along axis {axis}");
        let raised = |part: &&Tensor| part.reshape([&part.shape()[..axis], &[1], &part.shape()[axis..]].concat());
        let raised: Vec<Tensor> = parts.iter().map(raised).collect();
        Tensor::concat(&raised.iter().collect::<Vec<_>>(), axis)
    }

    /// Parts of an axis of these sizes, in order.
    ///
    /// # Panics
    /// Where the axis does not exist, or the sizes do not add up to its.
    #[track_caller]
    pub fn split(&self, axis: usize, sizes: &[usize]) -> Vec<Tensor> {
        let fits = axis < self.rank() && sizes.iter().sum::<usize>() == self.shape()[axis];
        assert!(fits, "split: of axis {axis} of the shape {:?} in {sizes:?}", self.shape());
        let mut start = 0;
        let part = |&size: &usize| {
            start += size;
            self.slice(axis, start - size, start)
        };
        sizes.iter().map(part).collect()
    }

    /// An axis in at most `count` parts `[.., part, ..]` of equal size, the last one smaller where that does not divide; fewer parts where
    /// equal ones use the axis up before, and `count` empty ones of an empty axis (as in PyTorch).
    ///
    /// # Panics
    /// Where the axis does not exist, or `count` is 0.
    #[track_caller]
    pub fn chunk(&self, axis: usize, count: usize) -> Vec<Tensor> {
        assert!(axis < self.rank() && count > 0, "chunk: of axis {axis} of the shape {:?} in {count}", self.shape());
        let size = self.shape()[axis];
        if size == 0 {
            return vec![self.clone(); count];
        }
        let each = size.div_ceil(count);
        let starts = (0..size).step_by(each);
        starts.map(|start| self.slice(axis, start, (start + each).min(size))).collect()
    }

    /// The whole tensor so many times along each axis; where there are more counts than axes, the first of them are those of new axes.
    ///
    /// # Panics
    /// Where there are fewer counts than axes.
    #[track_caller]
    pub fn repeat(&self, counts: &[usize]) -> Tensor {
        assert!(counts.len() >= self.rank(), "repeat: {counts:?} times the shape {:?}", self.shape());
        let shape = [&vec![1; counts.len() - self.rank()], self.shape()].concat();
        let apart: Vec<usize> = shape.iter().flat_map(|&size| [1, size]).collect();
        let mut repeated = self.reshape(apart);
        // A gpu walks eight axes: up to two for each that is repeated, and one before them. From the last axis on, so that its transpose adds
        // in the order in which it would add all at once.
        const AT_ONCE: usize = 3;
        let axes: Vec<usize> = (0..counts.len()).filter(|&axis| counts[axis] != 1).collect();
        for axes in axes.rchunks(AT_ONCE) {
            let mut times = repeated.shape().to_vec();
            axes.iter().for_each(|&axis| times[2 * axis] = counts[axis]);
            repeated = repeated.expand(times);
        }
        repeated.reshape(counts.iter().zip(&shape).map(|(times, size)| times * size).collect::<Vec<_>>())
    }

    /// One axis turned round: what leaves it at one end comes in at the other. A positive shift moves to higher indices.
    ///
    /// # Panics
    /// Where the axis does not exist.
    #[track_caller]
    pub fn roll(&self, axis: usize, shift: isize) -> Tensor {
        assert!(axis < self.rank(), "roll: axis {axis} of the shape {:?}", self.shape());
        let size = self.shape()[axis];
        let sources = (0..size).map(|i| (i as i128 - shift as i128).rem_euclid(size as i128) as u32);
        self.index_select(axis, &sources.collect::<Vec<_>>())
    }

    /// Blocks of channels of an image `[n, h, w, c factor factor]` as blocks of pixels (Shi 2016): `[n, factor h, factor w, c]`.
    /// Channels are ordered as PyTorch's `pixel_shuffle` takes them: by c, then down, then across.
    ///
    /// # Panics
    /// Where this is no image, or the factor's square does not divide its channels.
    #[track_caller]
    pub fn pixel_shuffle(&self, factor: usize) -> Tensor {
        let fits = self.rank() == 4 && factor > 0 && self.shape()[3].is_multiple_of(factor * factor);
        assert!(fits, "pixel_shuffle: {factor} times of the shape {:?}", self.shape());
        let [n, h, w, channels] = std::array::from_fn(|axis| self.shape()[axis]);
        let c = channels / (factor * factor);
        let blocks = self.reshape([n, h, w, c, factor, factor]).permute(&[0, 1, 4, 2, 5, 3]);
        blocks.reshape([n, h * factor, w * factor, c])
    }

    fn window_axis(&self, axis: usize, map: AxisMap) -> Tensor {
        let identity = |&size: &usize| AxisMap { size, multiplier: 1, offset: 0, divisor: 1 };
        let mut axes: Vec<AxisMap> = self.shape().iter().map(identity).collect();
        if axes[axis] == map {
            return self.clone();
        }
        axes[axis] = map;
        count(&axes.iter().map(|axis| axis.size).collect::<Vec<_>>());
        Tensor::apply(Window { axes }, &[self])
    }
}
