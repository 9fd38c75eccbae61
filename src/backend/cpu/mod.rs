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
        Storage::F32(matmul::matmul(values(a), values(b), sizes))
    }

    fn convolution(
        &self,
        role: Role,
        geometry: &Geometry,
        a: &Storage,
        b: &Storage,
        activation: Activation,
    ) -> Storage {
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

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}
