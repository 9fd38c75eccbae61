//! What is of a batch of which each rank has its rows: sums over ranks, and the normalisation that is made of them.
//!
//! Where ranks differentiate scalars of their own, what they find are the gradients of the sum of those scalars.

use super::normalisation::BatchNorm;
use crate::backend::{Activation, Backend, HostSlice, HostVec};
use crate::ranks::{self, Ranks};
use crate::tensor::{Context, Forward, Keep, Op, Tensor, Value, no_grad};

/// The sum over ranks. It is linear, and its transpose is itself: what a rank's own tensor does to everybody's scalar is what all cotangents
/// say together.
struct SumOverRanks {
    ranks: Ranks,
}

impl Op for SumOverRanks {
    fn name(&self) -> &'static str {
        "sum_over_ranks"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let Value { storage, shape } = &inputs[0];
        // Of a device that failed, which says so when it is next read, the others get zeros: they must not wait.
        let own = backend.download(storage).unwrap_or_else(|_| zeros(backend, storage.len()));
        let sum = match self.ranks.sum(own) {
            HostVec::F32(values) => backend.upload(HostSlice::F32(&values)),
            HostVec::F64(values) => backend.upload(HostSlice::F64(&values)),
        };
        Value::new(sum, shape).into()
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, _context: &Context<'_>, cotangent: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(cotangent.sum_over(&self.ranks))]
    }
}

/// Zeros in a device's precision.
fn zeros(backend: &dyn Backend, length: usize) -> HostVec {
    match backend.is_double() {
        true => HostVec::F64(vec![0.0; length]),
        false => HostVec::F32(vec![0.0; length]),
    }
}

fn scaled<T: Copy + std::ops::Mul<Output = T>>(values: &[T], share: T) -> Vec<T> {
    values.iter().map(|&value| value * share).collect()
}

impl Tensor {
    /// The sum of every rank's tensor, element by element, in the order of ranks; each calls it at the same time, and its derivatives. A tensor
    /// of one alone is its own.
    pub fn sum_over(&self, ranks: &Ranks) -> Tensor {
        match ranks.is_alone() {
            true => self.clone(),
            false => Tensor::apply(SumOverRanks { ranks: ranks.clone() }, &[self]),
        }
    }

    /// The mean of each of these tensors of one device over ranks, all of them in one exchange; constants.
    pub(crate) fn means_over(ranks: &Ranks, tensors: &[Tensor]) -> Vec<Tensor> {
        let Some(first) = tensors.first() else { return Vec::new() };
        let backend = first.device().backend();
        let own = tensors.iter().map(|tensor| {
            let own = backend.download(&tensor.value.storage);
            own.unwrap_or_else(|_| zeros(backend, tensor.len()))
        });
        let length = tensors.iter().map(Tensor::len).sum();
        let (mut single, mut double) = (Vec::new(), Vec::new());
        match backend.is_double() {
            true => double.reserve(length),
            false => single.reserve(length),
        }
        own.for_each(|own| match own {
            HostVec::F32(own) => single.extend(own),
            HostVec::F64(own) => double.extend(own),
        });
        let sum = ranks.sum(if backend.is_double() { HostVec::F64(double) } else { HostVec::F32(single) });
        let share = 1.0 / ranks.count() as f64;
        let mut start = 0;
        let mean = |tensor: &Tensor| {
            let range = start..start + tensor.len();
            start = range.end;
            match &sum {
                HostVec::F32(sum) => {
                    Tensor::from_slice(first.device(), &scaled(&sum[range], share as f32), tensor.shape())
                }
                HostVec::F64(sum) => Tensor::from_slice(first.device(), &scaled(&sum[range], share), tensor.shape()),
            }
        };
        tensors.iter().map(mean).collect()
    }

    /// The mean over the ranks that [share a batch](Ranks::sharing) just now; itself where none do.
    pub fn mean_over_shared(&self) -> Tensor {
        match ranks::shared() {
            Some(ranks) => self.sum_over(&ranks) * (1.0 / ranks.count() as f64),
            None => self.clone(),
        }
    }

    /// [`Tensor::batch_norm`] over the rows of all ranks, as many of each.
    ///
    /// # Panics
    /// As [`Tensor::batch_norm`].
    #[track_caller]
    pub fn batch_norm_over(
        &self,
        ranks: &Ranks,
        gamma: &Tensor,
        beta: &Tensor,
        epsilon: f64,
        activation: Activation,
    ) -> BatchNorm {
        if ranks.is_alone() {
            return self.batch_norm(gamma, beta, epsilon, activation);
        }
        let channels = *self.shape().last().unwrap_or_else(|| panic!("batch_norm_over: of a scalar"));
        let fits = gamma.shape() == [channels] && beta.shape() == [channels] && !self.is_empty();
        assert!(fits, "batch_norm_over: {:?} with gamma {:?} and beta {:?}", self.shape(), gamma.shape(), beta.shape());
        let axes: Vec<usize> = (0..self.rank() - 1).collect();
        let rows = (self.len() / channels * ranks.count()) as f64;
        let mean_over = |x: &Tensor| x.sum_axes(&axes, false).sum_over(ranks) * (1.0 / rows);
        let mean = mean_over(self);
        let centred = self - &mean;
        let variance = mean_over(&(&centred * &centred));
        let scale = (&variance + epsilon).rsqrt() * gamma;
        let output = (centred * scale + beta).activate(activation);
        no_grad(|| BatchNorm { output, mean: mean.detach(), variance: variance.detach() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::ranks::threads;
    use crate::tensor::{grad, grad_graph};

    const SHAPE: [usize; 4] = [4, 2, 3, 5];

    fn wave(count: usize, phase: f64) -> Vec<f64> {
        (0..count).map(|index| (index as f64 * 0.7 + phase).sin()).collect()
    }

    /// The normalised rows, the gradient by x of a projection, and of that gradient's square by x, gamma and beta: of rows of a batch.
    fn of_rows(ranks: &Ranks) -> Vec<Vec<f64>> {
        let device = Device::reference();
        let rows = ranks.rows(SHAPE[0]);
        let each = SHAPE[1..].iter().product::<usize>();
        let part = |phase: f64| {
            let values = wave(SHAPE[0] * each, phase);
            let shape = [rows.len(), SHAPE[1], SHAPE[2], SHAPE[3]];
            Tensor::from_slice(&device, &values[rows.start * each..rows.end * each], shape)
        };
        let [x, direction] = [part(0.0), part(2.0)];
        let [gamma, beta] = [1.0, 5.0].map(|phase| Tensor::from_slice(&device, &wave(SHAPE[3], phase), [SHAPE[3]]));
        let norm = x.batch_norm_over(ranks, &gamma, &beta, 1e-5, Activation::Tanh);
        let slope = grad_graph(&(&norm.output * &direction).sum(), &[&x]).remove(0);
        let second = grad((&slope * &slope * &direction).sum(), &[&x, &gamma, &beta]);
        // Gradients of what ranks share are added up by whoever trains.
        let [by_x, by_gamma, by_beta] = <[Tensor; 3]>::try_from(second).expect("three");
        let shared = [by_gamma.sum_over(ranks), by_beta.sum_over(ranks), norm.mean, norm.variance];
        [norm.output, slope, by_x].iter().chain(&shared).map(|tensor| tensor.to_vec().unwrap()).collect()
    }

    #[test]
    fn a_batch_in_rows_is_normalised_and_differentiated_twice_as_a_whole() {
        let whole = of_rows(&Ranks::default());
        for count in [2, 4] {
            let ranks = threads(count);
            let parts: Vec<Vec<Vec<f64>>> = std::thread::scope(|scope| {
                let running: Vec<_> = ranks.iter().map(|ranks| scope.spawn(|| of_rows(ranks))).collect();
                running.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for (index, expected) in whole.iter().enumerate() {
                let found = match index {
                    0..3 => parts.iter().flat_map(|part| part[index].clone()).collect(),
                    _ => parts[0][index].clone(),
                };
                let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(found.len() == expected.len() && worst < 1e-12, "{count} ranks, part {index}: {worst:e} off");
            }
        }
    }
}
