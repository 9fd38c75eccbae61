//! The reference device: f64, one thread, plain loops. It is the definition that the other devices are
//! tested against, written to be read and never optimised.

mod convolution;
mod normalisation;
mod rearrange;

use std::sync::Arc;

use super::*;

/// The reference backend.
pub struct Reference;

/// The elements of a storage of this device.
fn values(storage: &Storage) -> &[f64] {
    match storage {
        Storage::F64(values) => values,
        _ => panic!("the reference device was given a tensor of another device"),
    }
}

/// The row-major strides of `shape`, 0 where an axis of size 1 is broadcast.
fn broadcast_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1;
    for (stride, &size) in strides.iter_mut().zip(shape).rev() {
        *stride = if size == 1 { 0 } else { step };
        step *= size;
    }
    strides
}

/// Calls `visit` with every index of `shape`, in row-major order.
fn for_each_index(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..shape.iter().product::<usize>() {
        visit(&index);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

impl Backend for Reference {
    fn name(&self) -> &str {
        "reference"
    }

    fn is_double(&self) -> bool {
        true
    }

    fn microkernel(&self) -> &str {
        "loops"
    }

    fn upload(&self, host: HostSlice<'_>) -> Storage {
        Storage::F64(match host {
            HostSlice::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            HostSlice::F64(values) => values.to_vec(),
        })
    }

    fn download(&self, storage: &Storage) -> Result<HostVec> {
        Ok(HostVec::F64(values(storage).to_vec()))
    }

    fn full(&self, length: usize, value: f64) -> Storage {
        Storage::F64(vec![value; length])
    }

    fn unary(&self, function: Unary, x: &Storage) -> Storage {
        let x = values(x);
        let mut out = vec![0.0; x.len()];
        function.map_f64(x, &mut out);
        Storage::F64(out)
    }

    fn binary(&self, function: Binary, a: (&Storage, &[usize]), b: (&Storage, &[usize]), shape: &[usize]) -> Storage {
        let gather = |(storage, from): (&Storage, &[usize])| {
            let (source, strides) = (values(storage), broadcast_strides(from));
            let mut out = Vec::new();
            for_each_index(shape, |index| {
                out.push(source[index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()]);
            });
            out
        };
        let (a, b) = (gather(a), gather(b));
        let mut out = vec![0.0; a.len()];
        function.map_f64(&a, &b, &mut out);
        Storage::F64(out)
    }

    fn reduce(&self, reduction: Reduction, x: &Storage, [outer, length, inner]: [usize; 3]) -> Storage {
        let x = values(x);
        let mut out = Vec::with_capacity(outer * inner);
        for o in 0..outer {
            for i in 0..inner {
                let line = (0..length).map(|l| x[(o * length + l) * inner + i]);
                out.push(match reduction {
                    Reduction::Sum => line.fold(0.0, |a, b| a + b),
                    Reduction::Max => line.fold(f64::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b }),
                });
            }
        }
        Storage::F64(out)
    }

    fn window(&self, x: &Storage, shape: &[usize], axes: &[AxisMap]) -> Storage {
        Storage::F64(rearrange::window(values(x), shape, axes))
    }

    fn permute(&self, x: &Storage, shape: &[usize], order: &[usize]) -> Storage {
        Storage::F64(rearrange::permute(values(x), shape, order))
    }

    fn matmul(&self, a: &Storage, b: &Storage, sizes: &MatMul) -> Storage {
        let (a, b) = (values(a), values(b));
        let MatMul { batch, rows, inner, columns, transpose_a, transpose_b } = *sizes;
        let mut out = Vec::with_capacity(batch * rows * columns);
        for n in 0..batch {
            let (a, b) = (&a[n * rows * inner..], &b[n * inner * columns..]);
            for i in 0..rows {
                for j in 0..columns {
                    out.push(
                        (0..inner)
                            .map(|l| {
                                let a = if transpose_a { a[l * rows + i] } else { a[i * inner + l] };
                                let b = if transpose_b { b[j * inner + l] } else { b[l * columns + j] };
                                a * b
                            })
                            .sum(),
                    );
                }
            }
        }
        Storage::F64(out)
    }

    fn convolves(&self, _geometry: &Geometry) -> bool {
        true
    }

    fn convolution(
        &self,
        role: Role,
        geometry: &Geometry,
        a: &Storage,
        b: &Storage,
        activation: Activation,
    ) -> Storage {
        let out = Storage::F64(convolution::trilinear(role, geometry, values(a), values(b)));
        match activation.unary() {
            None => out,
            Some(function) => self.unary(function, &out),
        }
    }

    fn batch_norm(&self, x: &Storage, gamma: &Storage, beta: &Storage, shape: &BatchNormShape) -> BatchNormForward {
        normalisation::forward(values(x), values(gamma), values(beta), shape)
    }

    fn batch_norm_backward(&self, saved: &BatchNormBackward<'_>, shape: &BatchNormShape) -> BatchNormCotangents {
        normalisation::backward(saved, shape)
    }

    fn adam(&self, step: &AdamStep, state: AdamState, gradient: &Storage) -> AdamState {
        let gradient = values(gradient);
        let (mut parameter, mut first, mut second) = (
            values(&state.parameter).to_vec(),
            values(&state.first_moment).to_vec(),
            values(&state.second_moment).to_vec(),
        );
        for (i, &g) in gradient.iter().enumerate() {
            first[i] = step.beta1 * first[i] + (1.0 - step.beta1) * g;
            second[i] = step.beta2 * second[i] + (1.0 - step.beta2) * g * g;
            let root = (second[i] / step.correction2).sqrt();
            parameter[i] -= step.rate * (first[i] / step.correction1) / (root + step.epsilon);
        }
        let share = |values| Arc::new(Storage::F64(values));
        AdamState { parameter: share(parameter), first_moment: share(first), second_moment: share(second) }
    }

    fn gather(&self, x: &Storage, width: usize, indices: &[u32]) -> Storage {
        let x = values(x);
        Storage::F64(indices.iter().flat_map(|&i| x[i as usize * width..][..width].iter().copied()).collect())
    }

    fn scatter_add(&self, x: &Storage, width: usize, indices: &[u32], rows: usize) -> Storage {
        let x = values(x);
        let mut out = vec![0.0; rows * width];
        for (row, &i) in indices.iter().enumerate() {
            for column in 0..width {
                out[i as usize * width + column] += x[row * width + column];
            }
        }
        Storage::F64(out)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}
