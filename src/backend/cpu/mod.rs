//! The cpu device: f32, rayon and SIMD, one file a kernel.
//!
//! Work is split by shape and partial sums are added in a fixed order, so results do not depend on the
//! number of threads.

mod batch_norm;
mod buffer;
mod convolution;
mod elementwise;
mod matmul;
mod microkernel;
mod parallel;
mod probes;
mod rearrange;
mod reduce;
mod simd;

use std::sync::Arc;

pub use buffer::Buffer;
pub use simd::Simd;

use super::*;

/// The cpu backend.
pub struct Cpu {
    simd: Simd,
}

impl Cpu {
    /// With these vector instructions.
    pub fn new(simd: Simd) -> Cpu {
        Cpu { simd }
    }
}

/// The elements of a storage of this device.
fn values(storage: &Storage) -> &[f32] {
    match storage {
        Storage::F32(buffer) => buffer,
        _ => panic!("the cpu device was given a tensor of another device"),
    }
}

/// The elements to be written: in place where there is no other owner, else of a copy.
fn owned(storage: Arc<Storage>) -> Buffer {
    match Arc::try_unwrap(storage) {
        Ok(Storage::F32(buffer)) => buffer,
        Ok(other) => values(&other).to_vec().as_slice().into(),
        Err(shared) => values(&shared).into(),
    }
}

impl From<&[f32]> for Buffer {
    fn from(values: &[f32]) -> Buffer {
        let mut buffer = Buffer::scratch(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl Backend for Cpu {
    fn name(&self) -> &str {
        "cpu"
    }

    fn is_double(&self) -> bool {
        false
    }

    fn microkernel(&self) -> &str {
        self.simd.name()
    }

    fn rounding(&self) -> &str {
        self.simd.rounding()
    }

    fn upload(&self, host: HostSlice<'_>) -> Storage {
        Storage::F32(match host {
            HostSlice::F32(values) => values.into(),
            HostSlice::F64(values) => {
                let mut buffer = Buffer::scratch(values.len());
                buffer.iter_mut().zip(values).for_each(|(out, &v)| *out = v as f32);
                buffer
            }
        })
    }

    fn download(&self, storage: &Storage) -> Result<HostVec> {
        Ok(HostVec::F32(values(storage).to_vec()))
    }

    fn full(&self, length: usize, value: f64) -> Storage {
        Storage::F32(Buffer::full(length, value as f32))
    }

    fn unary(&self, function: Unary, x: &Storage) -> Storage {
        Storage::F32(elementwise::unary(self.simd, function, values(x)))
    }

    fn binary(&self, function: Binary, a: (&Storage, &[usize]), b: (&Storage, &[usize]), shape: &[usize]) -> Storage {
        Storage::F32(elementwise::binary(self.simd, function, (values(a.0), a.1), (values(b.0), b.1), shape))
    }

    fn reduce(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3]) -> Storage {
        Storage::F32(reduce::reduce(self.simd, reduction, values(x), sizes))
    }

    fn window(&self, x: &Storage, shape: &[usize], axes: &[AxisMap]) -> Storage {
        Storage::F32(rearrange::window(values(x), shape, axes))
    }

    fn permute(&self, x: &Storage, shape: &[usize], order: &[usize]) -> Storage {
        Storage::F32(rearrange::permute(values(x), shape, order))
    }

    fn matmul(&self, a: &Storage, b: &Storage, sizes: &MatMul) -> Storage {
        sizes.check(a.len(), b.len());
        Storage::F32(matmul::matmul(values(a), values(b), sizes))
    }

    fn convolves(&self, geometry: &Geometry) -> bool {
        geometry.dilation == [1, 1]
    }

    fn convolution(
        &self,
        role: Role,
        geometry: &Geometry,
        a: &Storage,
        b: &Storage,
        activation: Activation,
    ) -> Storage {
        geometry.check(self, role, a.len(), b.len());
        Storage::F32(convolution::convolution(self.simd, role, geometry, values(a), values(b), activation))
    }

    fn batch_norm(&self, x: &Storage, gamma: &Storage, beta: &Storage, shape: &BatchNormShape) -> BatchNormForward {
        let [output, mean, variance] =
            batch_norm::forward(self.simd, values(x), values(gamma), values(beta), shape).map(Storage::F32);
        BatchNormForward { output, mean, variance }
    }

    fn batch_norm_backward(&self, saved: &BatchNormBackward<'_>, shape: &BatchNormShape) -> BatchNormCotangents {
        let saved = batch_norm::Saved {
            input: values(saved.input),
            gamma: values(saved.gamma),
            mean: values(saved.mean),
            variance: values(saved.variance),
            output: values(saved.output),
            cotangent: values(saved.cotangent),
        };
        let [input, gamma, beta] = batch_norm::backward(self.simd, &saved, shape).map(Storage::F32);
        BatchNormCotangents { input, gamma, beta }
    }

    fn adam(&self, step: &AdamStep, state: AdamState, gradient: &Storage) -> AdamState {
        let (mut parameter, mut first, mut second) =
            (owned(state.parameter), owned(state.first_moment), owned(state.second_moment));
        elementwise::adam(self.simd, step, &mut parameter, &mut first, &mut second, values(gradient));
        let share = |buffer| Arc::new(Storage::F32(buffer));
        AdamState { parameter: share(parameter), first_moment: share(first), second_moment: share(second) }
    }

    fn gather(&self, x: &Storage, width: usize, indices: &[u32]) -> Storage {
        Storage::F32(rearrange::gather(values(x), width, indices))
    }

    fn scatter_add(&self, x: &Storage, width: usize, indices: &[u32], rows: usize) -> Storage {
        Storage::F32(rearrange::scatter_add(values(x), width, indices, rows))
    }

    fn shift(&self, x: &Storage, shape: [usize; 4], by: &[[i32; 2]]) -> Storage {
        Storage::F32(rearrange::shift(values(x), shape, by))
    }

    fn poison(&self, on: bool) {
        buffer::poison(on);
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        Bounds { largest_storage: None, shares_host_memory: true, idle: buffer::idle() }
    }

    fn scratch(&self, call: &KernelCall<'_>) -> Scratch {
        match *call {
            KernelCall::Reduce(sizes) => Scratch::shared(reduce::scratch(sizes)),
            KernelCall::MatMul(_) => Scratch::default(),
            KernelCall::Convolution(role, geometry) => convolution::scratch(self.simd, role, geometry),
            KernelCall::BatchNorm(shape) => Scratch::shared(batch_norm::forward_scratch(shape)),
            KernelCall::BatchNormBackward(shape) => Scratch::shared(batch_norm::backward_scratch(shape)),
        }
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(buffer::Account::new())
    }

    fn probes(&self) -> Option<&dyn Probes> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Runs a kernel on one thread and compares the sizes of the buffers that it makes with those that it declares beside its results.
    /// A task's buffers are made once a task, and the last one's may be smaller, so sizes are compared as sets.
    fn check(backend: &Cpu, call: &KernelCall<'_>, results: &[usize], run: impl FnOnce() + Send) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let made: BTreeSet<usize> = pool.install(|| buffer::recording::of(run)).into_iter().collect();
        let scratch = backend.scratch(call);
        let declared: BTreeSet<usize> = scratch.lengths(1).chain(results.iter().copied()).collect();
        let of_task = scratch.task.iter().max().copied().unwrap_or(0);
        let missing: Vec<_> = declared.difference(&made).filter(|&&length| length > 0).collect();
        let more: Vec<_> = made.difference(&declared).filter(|&&length| length > of_task).collect();
        let simd = backend.simd.name();
        assert!(missing.is_empty() && more.is_empty(), "{call:?} on {simd}: {made:?}, and declared are {declared:?}");
    }

    fn geometry(
        batch: usize,
        fine: usize,
        [c, k]: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Geometry {
        Geometry::of_fine(batch, [fine; 2], [c, k], [kernel; 2], [stride; 2], [padding; 2]).unwrap()
    }

    #[test]
    fn kernels_declare_the_buffers_that_they_make() {
        for simd in Simd::available() {
            let cpu = Cpu::new(simd);
            let zeros = |len: usize| vec![0f32; len];
            for sizes in [[1, 40_000, 1], [3, 100, 7], [2, 5000, 33], [1, 16, 8], [0, 3, 2]] {
                let x = zeros(sizes.iter().product());
                check(&cpu, &KernelCall::Reduce(sizes), &[sizes[0] * sizes[2]], || {
                    drop(reduce::reduce(simd, Reduction::Sum, &x, sizes));
                });
            }
            let geometries = [
                // Winograd's way with large and small tiles, few channels at the fine side, one pixel, odd sizes, nothing.
                geometry(16, 32, [32, 64], 4, 2, 1),
                geometry(4, 8, [64, 32], 4, 2, 1),
                geometry(9, 32, [3, 20], 4, 2, 1),
                geometry(5, 4, [24, 1], 4, 1, 0),
                geometry(2, 9, [5, 40], 3, 1, 1),
                geometry(8, 16, [64, 64], 3, 1, 1),
                geometry(20, 5, [96, 32], 3, 1, 1),
                geometry(9, 16, [192, 128], 3, 1, 1),
                geometry(3, 9, [40, 3], 3, 1, 1),
                geometry(1, 4, [0, 3], 4, 2, 1),
                // Groups, of many channels and of one.
                geometry(16, 32, [64, 64], 4, 2, 1).grouped(2),
                geometry(3, 8, [6, 15], 3, 1, 1).grouped(3),
                geometry(3, 8, [20, 20], 3, 1, 1).grouped(20),
            ];
            for g in geometries {
                for role in [Role::Fine, Role::Filter, Role::Coarse] {
                    let length = |shape: [usize; 4]| shape.iter().product::<usize>();
                    let [a, b] = g.operands(role).map(|shape| zeros(length(shape)));
                    check(&cpu, &KernelCall::Convolution(role, &g), &[length(g.shape(role))], || {
                        drop(convolution::convolution(simd, role, &g, &a, &b, Activation::Identity));
                    });
                }
            }
            for (rows, channels) in [(1000, 24), (64, 300), (1, 1)] {
                let shape = BatchNormShape { rows, channels, epsilon: 1e-5, activation: Activation::Relu };
                let (x, c) = (zeros(rows * channels), zeros(channels));
                check(&cpu, &KernelCall::BatchNorm(&shape), &[rows * channels, channels], || {
                    drop(batch_norm::forward(simd, &x, &c, &c, &shape));
                });
                let saved =
                    batch_norm::Saved { input: &x, gamma: &c, mean: &c, variance: &c, output: &x, cotangent: &x };
                check(&cpu, &KernelCall::BatchNormBackward(&shape), &[rows * channels, channels], || {
                    drop(batch_norm::backward(simd, &saved, &shape));
                });
            }
        }
    }
}
