//! Kernels that memory bounds. Each goes round among operands and results that are more than caches hold, as tensors of a step are.

use std::sync::Arc;

use super::kernels::{Bound, Kernels, Row};
use crate::backend::{
    Activation, AdamState, AdamStep, BatchNormBackward, BatchNormShape, Binary, Reduction, Storage, Unary,
};
use crate::error::Result;

/// Rounds of operands, at least: a result is not what was just written.
const FEWEST: usize = 2;
/// And at most, for small tensors.
const MOST: usize = 64;

/// What is taken in turns.
struct Ring<T> {
    items: Vec<T>,
    next: usize,
}

impl<T> Ring<T> {
    fn new(count: usize, item: impl FnMut(usize) -> T) -> Ring<T> {
        Ring { items: (0..count).map(item).collect(), next: 0 }
    }

    fn turn(&mut self) -> &mut T {
        let item = self.next % self.items.len();
        self.next = item + 1;
        &mut self.items[item]
    }
}

impl Kernels<'_> {
    /// How many sets of so many elements are more than caches hold.
    fn sets(&self, elements: usize) -> usize {
        self.apart.div_ceil((elements * size_of::<f32>()).max(1)).clamp(FEWEST, MOST)
    }

    /// A kernel that reads and writes `bytes` bytes an element of `elements`: `run` gets an operand and gives what it made, which stays
    /// until its turn comes again.
    fn goes_round(
        &self,
        (name, bytes): (String, f64),
        elements: usize,
        mut run: impl FnMut(&Storage) -> Option<Storage>,
    ) -> Result<Row> {
        let count = self.sets(2 * elements);
        // Equal operands would do; that they differ keeps memory from being shared or packed.
        let mut ring = Ring::new(count, |index| (self.storage(elements, index as u64), None));
        let timing = self.stopwatch.time(count, || {
            let (x, made) = ring.turn();
            // What was made before goes only then: the memory is not taken again at once.
            *made = run(x);
        })?;
        Ok(Row { name, role: "", bound: Bound::Memory, work: bytes * elements as f64, timing })
    }

    /// A copy by a kernel.
    pub(super) fn copy(&self) -> Result<Row> {
        let elements = self.apart / (2 * FEWEST) / size_of::<f32>();
        self.goes_round(("copy".to_string(), 8.0), elements, |x| Some(self.probes.copy(x)))
    }

    /// The sum of two tensors, sums of columns, batch norm and its cotangents of `[rows, channels]`, and Adam of so many `parameters`.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn bound_by_memory(&self, [rows, channels]: [usize; 2], parameters: usize) -> Result<Vec<Row>> {
        let elements = rows * channels;
        let backend = self.backend;
        let named = |kernel: &str| format!("{kernel} {rows}x{channels}");
        let other = self.storage(elements, 0);
        let sum = self.goes_round((named("add"), 12.0), elements, |x| {
            Some(backend.binary(Binary::Add, (x, &[elements]), (&other, &[elements]), &[elements]))
        })?;
        let reduced = self.goes_round((named("reduce"), 4.0), elements, |x| {
            Some(backend.reduce(Reduction::Sum, x, [1, rows, channels]))
        })?;
        let shape = BatchNormShape { rows, channels, epsilon: 1e-5, activation: Activation::Relu };
        let (gamma, beta) = (self.storage(channels, 1), self.storage(channels, 2));
        // The input twice, for the statistics and for the output.
        let normalised = self.goes_round((named("batch norm"), 12.0), elements, |x| {
            Some(backend.batch_norm(x, &gamma, &beta, &shape).output)
        })?;
        let forward = backend.batch_norm(&other, &gamma, &beta, &shape);
        // Input, output and cotangent twice each, and the input's cotangent.
        let cotangents = self.goes_round((named("batch norm backward"), 28.0), elements, |x| {
            let saved = BatchNormBackward {
                input: &other,
                gamma: &gamma,
                mean: &forward.mean,
                variance: &forward.variance,
                output: &forward.output,
                cotangent: x,
            };
            Some(backend.batch_norm_backward(&saved, &shape).input)
        })?;
        Ok(vec![sum, reduced, normalised, cotangents, self.adam(parameters)?])
    }

    fn adam(&self, parameters: usize) -> Result<Row> {
        let step =
            AdamStep { rate: 2e-4, beta1: 0.5, beta2: 0.999, epsilon: 1e-8, correction1: 0.5, correction2: 1e-3 };
        let count = self.sets(4 * parameters);
        let mut ring = Ring::new(count, |index| {
            let storage = |value: usize| self.storage(parameters, (4 * index + value) as u64);
            let share = |value| Arc::new(storage(value));
            // Second moments are not negative.
            let second = Arc::new(self.backend.unary(Unary::Abs, &storage(2)));
            let state = AdamState { parameter: share(0), first_moment: share(1), second_moment: second };
            (Some(state), storage(3))
        });
        let timing = self.stopwatch.time(count, || {
            let (state, gradient) = ring.turn();
            *state = state.take().map(|state| self.backend.adam(&step, state, gradient));
        })?;
        let name = format!("adam {parameters}");
        Ok(Row { name, role: "", bound: Bound::Memory, work: 28.0 * parameters as f64, timing })
    }
}
