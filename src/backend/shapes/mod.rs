//! A device that computes nothing and counts: what the tensors of a program take, before any of them is allocated.
//!
//! It stands in for another device, whose kernels say what they need beside operands and results ([`Backend::scratch`]) and whose
//! memory is taken and given back by the same rules ([`Backend::ledger`]). Its storages hold no elements; what is read back are zeros,
//! so programs whose shapes depend on values are not for it.

mod ledger;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::*;

pub(super) use ledger::Plain;
pub use ledger::{Extent, Ledger};

/// The elements of a tensor that has none.
#[derive(Debug)]
pub struct Shape {
    len: usize,
    extent: Extent,
    count: Arc<Mutex<Count>>,
}

impl Shape {
    /// How many elements there would be.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there would be none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Shape {
    fn drop(&mut self) {
        lock(&self.count).give(self.len, self.extent);
    }
}

/// What was taken so far.
struct Count {
    ledger: Box<dyn Ledger>,
    live: usize,
    largest: usize,
}

impl std::fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements, {} bytes at most", self.live, self.ledger.peak())
    }
}

impl Count {
    fn take(&mut self, len: usize) -> Extent {
        self.live += len;
        self.largest = self.largest.max(len);
        self.ledger.take(len)
    }

    fn give(&mut self, len: usize, extent: Extent) {
        self.live -= len;
        self.ledger.give(extent);
    }
}

fn lock(count: &Mutex<Count>) -> MutexGuard<'_, Count> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a device that [`Device::shapes`] made has counted.
#[derive(Clone, Debug)]
pub struct Tally {
    count: Arc<Mutex<Count>>,
    element: u64,
}

impl Tally {
    /// The bytes of the elements of all tensors that are alive.
    pub fn live(&self) -> u64 {
        lock(&self.count).live as u64 * self.element
    }

    /// The most bytes that the device would have held so far, with the scratch of kernels and what rounding and fragments add.
    pub fn peak(&self) -> u64 {
        lock(&self.count).ledger.peak()
    }

    /// The bytes of the largest storage so far.
    pub fn largest(&self) -> u64 {
        lock(&self.count).largest as u64 * self.element
    }
}

struct Counting {
    inner: Device,
    count: Arc<Mutex<Count>>,
}

impl Device {
    /// A device that computes nothing and counts what would be taken on this one, and its tally. It has this one's name and precision.
    /// Reading back gives zeros.
    ///
    /// ```
    /// use graft::{Device, Tensor};
    ///
    /// let (device, tally) = Device::cpu().shapes();
    /// let x = Tensor::zeros(&device, [1 << 20, 1 << 10]);
    /// let y = (&x + 1.0).sum();
    /// assert_eq!(tally.live(), ((1 << 30) + 1) * 4);
    /// assert!(tally.peak() >= 2 * tally.live() - 4);
    /// ```
    pub fn shapes(&self) -> (Device, Tally) {
        let count = Count { ledger: self.backend().ledger(), live: 0, largest: 0 };
        let count = Arc::new(Mutex::new(count));
        let element = if self.is_double() { size_of::<f64>() } else { size_of::<f32>() } as u64;
        let counting = Counting { inner: self.clone(), count: Arc::clone(&count) };
        (Device::new(Arc::new(counting)), Tally { count, element })
    }
}

impl Counting {
    fn storage(&self, len: usize) -> Storage {
        let extent = lock(&self.count).take(len);
        Storage::Shape(Shape { len, extent, count: Arc::clone(&self.count) })
    }

    /// The results of a kernel that has scratch while it runs: what all tasks share was there before them.
    fn results<const N: usize>(&self, call: &KernelCall<'_>, lengths: [usize; N]) -> [Storage; N] {
        let scratch = self.inner.backend().scratch(call);
        let take = |lengths: &mut dyn Iterator<Item = usize>| -> Vec<Storage> {
            lengths.map(|len| self.storage(len)).collect()
        };
        let _shared = take(&mut scratch.shared.iter().copied());
        let results = lengths.map(|len| self.storage(len));
        let _tasks = take(&mut scratch.lengths(rayon::current_num_threads()).skip(scratch.shared.len()));
        results
    }

    fn owned(&self, storage: Arc<Storage>) -> Arc<Storage> {
        Arc::try_unwrap(storage).unwrap_or_else(|shared| self.storage(shared.len())).into()
    }
}

impl Backend for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn is_double(&self) -> bool {
        self.inner.is_double()
    }

    fn microkernel(&self) -> &str {
        self.inner.backend().microkernel()
    }

    fn rounding(&self) -> &str {
        self.inner.backend().rounding()
    }

    fn upload(&self, host: HostSlice<'_>) -> Storage {
        self.storage(match host {
            HostSlice::F32(values) => values.len(),
            HostSlice::F64(values) => values.len(),
        })
    }

    fn download(&self, storage: &Storage) -> Result<HostVec> {
        let len = storage.len();
        Ok(if self.is_double() { HostVec::F64(vec![0.0; len]) } else { HostVec::F32(vec![0.0; len]) })
    }

    fn full(&self, length: usize, _value: f64) -> Storage {
        self.storage(length)
    }

    fn unary(&self, _function: Unary, x: &Storage) -> Storage {
        self.storage(x.len())
    }

    fn binary(
        &self,
        _function: Binary,
        _a: (&Storage, &[usize]),
        _b: (&Storage, &[usize]),
        shape: &[usize],
    ) -> Storage {
        self.storage(shape.iter().product())
    }

    fn reduce(&self, _reduction: Reduction, _x: &Storage, sizes: [usize; 3]) -> Storage {
        let [storage] = self.results(&KernelCall::Reduce(sizes), [sizes[0] * sizes[2]]);
        storage
    }

    fn window(&self, _x: &Storage, _shape: &[usize], axes: &[AxisMap]) -> Storage {
        self.storage(axes.iter().map(|map| map.size).product())
    }

    fn permute(&self, x: &Storage, _shape: &[usize], _order: &[usize]) -> Storage {
        self.storage(x.len())
    }

    fn matmul(&self, _a: &Storage, _b: &Storage, sizes: &MatMul) -> Storage {
        let [storage] = self.results(&KernelCall::MatMul(sizes), [sizes.batch * sizes.rows * sizes.columns]);
        storage
    }

    fn convolves(&self, geometry: &Geometry) -> bool {
        self.inner.backend().convolves(geometry)
    }

    fn convolution(
        &self,
        role: Role,
        geometry: &Geometry,
        _a: &Storage,
        _b: &Storage,
        _activation: Activation,
    ) -> Storage {
        let length = geometry.shape(role).iter().product();
        let [storage] = self.results(&KernelCall::Convolution(role, geometry), [length]);
        storage
    }

    fn batch_norm(&self, x: &Storage, _gamma: &Storage, _beta: &Storage, shape: &BatchNormShape) -> BatchNormForward {
        let lengths = [shape.channels, shape.channels, x.len()];
        let [mean, variance, output] = self.results(&KernelCall::BatchNorm(shape), lengths);
        BatchNormForward { output, mean, variance }
    }

    fn batch_norm_backward(&self, saved: &BatchNormBackward<'_>, shape: &BatchNormShape) -> BatchNormCotangents {
        let lengths = [saved.input.len(), shape.channels, shape.channels];
        let [input, gamma, beta] = self.results(&KernelCall::BatchNormBackward(shape), lengths);
        BatchNormCotangents { input, gamma, beta }
    }

    fn adam(&self, _step: &AdamStep, state: AdamState, _gradient: &Storage) -> AdamState {
        AdamState {
            parameter: self.owned(state.parameter),
            first_moment: self.owned(state.first_moment),
            second_moment: self.owned(state.second_moment),
        }
    }

    fn gather(&self, _x: &Storage, width: usize, indices: &[u32]) -> Storage {
        self.storage(indices.len() * width)
    }

    fn scatter_add(&self, _x: &Storage, width: usize, _indices: &[u32], rows: usize) -> Storage {
        self.storage(rows * width)
    }

    fn shift(&self, x: &Storage, _shape: [usize; 4], _by: &[[i32; 2]]) -> Storage {
        self.storage(x.len())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        self.inner.backend().bounds()
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        self.inner.backend().ledger()
    }

    fn scratch(&self, call: &KernelCall<'_>) -> Scratch {
        self.inner.backend().scratch(call)
    }

    fn counts_only(&self) -> bool {
        true
    }
}
