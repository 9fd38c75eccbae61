//! Kernels at the sizes of the networks, beside the device's own multiply-adds and copies.

use std::time::Duration;

use rand::RngExt;

use super::layers::Network;
use super::stopwatch::{Stopwatch, Timing};
use crate::backend::{Activation, Backend, Device, HostSlice, MatMul, Probes, Role, Storage};
use crate::error::{Error, Result};
use crate::random::{Purpose, generator};

/// What bounds a kernel from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Multiply-adds.
    Arithmetic,
    /// What goes to and from memory.
    Memory,
}

/// What was measured of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A layer's or a kernel's name with its sizes.
    pub name: String,
    /// What of it: `coarse` (convolution), `fine` (transposed), `filter` (filter gradient), or how an operand lies.
    pub role: &'static str,
    /// What bounds it.
    pub bound: Bound,
    /// Floating-point operations, padding included and two a multiply-add, or bytes that are read and written.
    pub work: f64,
    /// How long it took.
    pub timing: Timing,
}

impl Row {
    /// Operations, or bytes, a second, by the median.
    pub fn rate(&self) -> f64 {
        self.work / self.timing.median
    }
}

/// What a device does at most, a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceilings {
    /// Floating-point operations of multiply-adds in registers, two each.
    pub operations: f64,
    /// Bytes of a copy between large buffers, read and written.
    pub bytes: f64,
    /// Whether times are by the device's own clock.
    pub by_device: bool,
}

impl Ceilings {
    /// A kernel's rate beside what bounds it. Of convolutions it may be above 1: Winograd's products multiply less than is counted.
    pub fn share(&self, row: &Row) -> f64 {
        match row.bound {
            Bound::Arithmetic => row.rate() / self.operations,
            Bound::Memory => row.rate() / self.bytes,
        }
    }
}

/// A device whose kernels are measured.
pub struct Kernels<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) probes: &'a dyn Probes,
    pub(super) stopwatch: Stopwatch<'a>,
    /// Bytes that kernels which memory bounds go through before they come to the same again.
    pub(super) apart: usize,
}

/// How the operands of a product of matrices lie.
const FORMS: [(&str, bool, bool); 3] =
    [("plain", false, false), ("a transposed", true, false), ("b transposed", false, true)];

impl<'a> Kernels<'a> {
    /// Kernels of a device, with about `budget` for each measurement. What memory bounds goes through `apart` bytes before it comes to
    /// the same again: more than caches hold.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the device cannot say what it does at most.
    pub fn new(device: &'a Device, budget: Duration, apart: usize) -> Result<Kernels<'a>> {
        let backend = device.backend();
        let probes = backend.probes().ok_or_else(|| {
            Error::invalid(format!(
                "the device {} cannot measure what it does at most: measure cpu or gpu",
                device.name()
            ))
        })?;
        Ok(Kernels { backend, probes, stopwatch: Stopwatch::new(device, probes, budget), apart })
    }

    /// Random elements in [-1, 1).
    pub(super) fn storage(&self, length: usize, index: u64) -> Storage {
        let mut random = generator(0, Purpose::Synthetic, 1, index);
        let values: Vec<f32> = (0..length).map(|_| random.random_range(-1.0..1.0)).collect();
        self.backend.upload(HostSlice::F32(&values))
    }

    /// What the device does at most.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn ceilings(&self) -> Result<Ceilings> {
        let adds = self.multiply_adds()?;
        let copy = self.copy()?;
        Ok(Ceilings { operations: adds.rate(), bytes: copy.rate(), by_device: adds.timing.by_device })
    }

    /// Multiply-adds in registers: as many rounds as a launch costs little beside.
    fn multiply_adds(&self) -> Result<Row> {
        const LONG: f64 = 5e-3;
        const MOST_ROUNDS: usize = 1 << 16;
        let mut rounds = 4;
        loop {
            let mut work = 0.0;
            let timing = self.stopwatch.time(1, || work = self.probes.multiply_adds(rounds))?;
            if timing.median >= LONG || rounds >= MOST_ROUNDS {
                let name = "multiply-adds".to_string();
                return Ok(Row { name, role: "", bound: Bound::Arithmetic, work, timing });
            }
            rounds *= 4;
        }
    }

    /// Each layer of a network in each role.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn layers(&self, network: &Network) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (name, g) in network.layers() {
            let storage = |shape: [usize; 4], index| self.storage(shape.iter().product(), index);
            let (fine, filter, coarse) =
                (storage(g.fine_shape(), 0), storage(g.filter_shape(), 1), storage(g.coarse_shape(), 2));
            let work = g.operations();
            for (role, word, a, b) in [
                (Role::Coarse, "coarse", &fine, &filter),
                (Role::Fine, "fine", &filter, &coarse),
                (Role::Filter, "filter", &fine, &coarse),
            ] {
                let timing = self.stopwatch.time(1, || {
                    self.backend.convolution(role, &g, a, b, Activation::Identity);
                })?;
                rows.push(Row { name: name.clone(), role: word, bound: Bound::Arithmetic, work, timing });
            }
        }
        Ok(rows)
    }

    /// Products of matrices of `[rows, inner, columns]`, with either operand transposed too.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn products(&self, [rows, inner, columns]: [usize; 3]) -> Result<Vec<Row>> {
        let (a, b) = (self.storage(rows * inner, 0), self.storage(inner * columns, 1));
        let work = 2.0 * (rows * inner * columns) as f64;
        let measure = |(role, transpose_a, transpose_b)| {
            let sizes = MatMul { batch: 1, rows, inner, columns, transpose_a, transpose_b };
            let timing = self.stopwatch.time(1, || {
                self.backend.matmul(&a, &b, &sizes);
            })?;
            Ok(Row { name: format!("{rows}x{inner}x{columns}"), role, bound: Bound::Arithmetic, work, timing })
        };
        FORMS.into_iter().map(measure).collect()
    }
}
