//! The gpu device: f32, WGSL kernels through wgpu (Vulkan, Metal, DX12), one file a family of kernels.
//!
//! Kernels add partial sums in a fixed order and use no atomics, so the same adapter gives the same bits.

mod adapter;
mod axes;
mod batch_norm;
mod buffer;
mod commands;
mod convolution;
mod counters;
mod dispatch;
mod elementwise;
mod engine;
mod failure;
mod groups;
mod listed;
mod matmul;
mod optimise;
mod pace;
mod pipeline;
#[cfg(feature = "gan")]
mod pipeline_store;
mod pool;
mod probes;
mod product;
mod rearrange;
mod recorder;
mod recording;
mod reduce;
mod shader;
mod shape;
mod tile;
mod trace;
mod tune;
mod tuning;
#[cfg(feature = "gan")]
mod tuning_store;
mod underway;

use std::sync::Arc;
use std::time::Duration;

pub use adapter::{ADVICE, Adapter, Choice, adapters, automatic, choose};
pub use buffer::Buffer;
use commands::Commands;
use engine::Engine;
pub use recorder::{Dispatch, LARGEST_STORAGE, Recorder, Recording, Shader};
pub use shader::IDENTITY;

use super::*;

/// Bytes of device memory that a device holds for tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In tensors.
    pub in_use: u64,
    /// Waiting for their next use.
    pub idle: u64,
}

/// The gpu backend: kernels, and whoever takes their commands.
pub struct Gpu<C = Engine> {
    commands: Arc<C>,
    microkernel: String,
}

impl Gpu<Engine> {
    /// On this adapter.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses.
    pub fn new(adapter: Adapter) -> Result<Gpu> {
        let microkernel = format!("{} {} {}", adapter.info.backend, adapter.info.name, adapter.driver());
        Ok(Gpu { commands: Arc::new(Engine::new(adapter, "gpu".to_string())?), microkernel })
    }

    /// The adapter.
    pub fn adapter(&self) -> &Adapter {
        &self.commands.adapter
    }

    /// The bytes held for tensors.
    pub fn memory(&self) -> Memory {
        self.commands.pool().memory()
    }

    /// The bytes that wgpu has allocated from the driver, where it tells.
    pub fn driver_bytes(&self) -> Option<u64> {
        self.commands.driver_bytes()
    }

    /// How long the adapter takes for the kernels that `work` calls, by its own clock: at most 128 dispatches, without uploads or
    /// downloads in between. None, and `work` is not called, where it has no clock.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn timed(&self, work: impl FnOnce()) -> Result<Option<Duration>> {
        self.commands.timed(work)
    }
}

impl<C: Commands> Probes for Gpu<C> {
    fn multiply_adds(&self, rounds: usize) -> f64 {
        probes::multiply_adds(&*self.commands, rounds)
    }

    fn copy(&self, x: &Storage) -> Storage {
        Storage::Gpu(probes::copy(&*self.commands, self.of(x)))
    }

    fn timed(&self, work: &mut dyn FnMut()) -> Result<Option<Duration>> {
        self.commands.timed(work)
    }

    fn counted(&self) -> Counted {
        self.commands.counted()
    }

    fn note_under(&self, label: Option<usize>) -> bool {
        self.commands.note_under(label)
    }

    fn noted(&self) -> Result<DeviceTimes> {
        self.commands.noted()
    }
}

impl<C: Commands> Gpu<C> {
    /// The elements of a storage of this device.
    fn of<'a>(&self, storage: &'a Storage) -> &'a Buffer {
        match storage {
            Storage::Gpu(buffer) if self.commands.owns(buffer) => buffer,
            _ => panic!("the gpu device was given a tensor of another device"),
        }
    }

    fn normalised(
        &self,
        x: &Storage,
        gamma: &Storage,
        beta: &Storage,
        shape: &BatchNormShape,
        tracked: Option<&batch_norm::Tracked<'_>>,
    ) -> BatchNormForward {
        let inputs = [x, gamma, beta].map(|storage| self.of(storage));
        let [output, mean, variance] = batch_norm::forward(&*self.commands, inputs, shape, tracked).map(Storage::Gpu);
        BatchNormForward { output, mean, variance }
    }

    /// The elements to be written: in place where there is no other owner, else of a copy.
    fn owned(&self, storage: Arc<Storage>) -> Buffer {
        match Arc::try_unwrap(storage) {
            Ok(Storage::Gpu(buffer)) => buffer,
            Ok(other) => panic!("the gpu device was given {other:?}"),
            Err(shared) => {
                let from = self.of(&shared);
                let copy = self.commands.buffer(from.len());
                self.commands.copy(from, &copy, from.bytes());
                copy
            }
        }
    }
}

impl<C: Commands> Backend for Gpu<C> {
    fn name(&self) -> &str {
        self.commands.name()
    }

    fn is_double(&self) -> bool {
        false
    }

    fn microkernel(&self) -> &str {
        &self.microkernel
    }

    fn upload(&self, host: HostSlice<'_>) -> Storage {
        let rounded: Vec<f32>;
        let values = match host {
            HostSlice::F32(values) => values,
            HostSlice::F64(values) => {
                rounded = values.iter().map(|&v| v as f32).collect();
                &rounded
            }
        };
        let buffer = self.commands.buffer(values.len());
        self.commands.upload(bytemuck::cast_slice(values), &buffer);
        Storage::Gpu(buffer)
    }

    fn download(&self, storage: &Storage) -> Result<HostVec> {
        Ok(self.download_each(&[storage])?.remove(0))
    }

    fn download_each(&self, storages: &[&Storage]) -> Result<Vec<HostVec>> {
        let buffers: Vec<&Buffer> = storages.iter().map(|storage| self.of(storage)).collect();
        Ok(self.commands.download(&buffers)?.into_iter().map(HostVec::F32).collect())
    }

    fn full(&self, length: usize, value: f64) -> Storage {
        Storage::Gpu(elementwise::full(&*self.commands, length, value))
    }

    fn unary(&self, function: Unary, x: &Storage) -> Storage {
        Storage::Gpu(elementwise::unary(&*self.commands, function, self.of(x)))
    }

    fn binary(&self, function: Binary, a: (&Storage, &[usize]), b: (&Storage, &[usize]), shape: &[usize]) -> Storage {
        Storage::Gpu(elementwise::binary(&*self.commands, function, (self.of(a.0), a.1), (self.of(b.0), b.1), shape))
    }

    fn mean_softplus(&self, x: &Storage, sign: f64) -> (Storage, Storage) {
        let (mean, slopes) = elementwise::mean_softplus(&*self.commands, self.of(x), sign);
        (Storage::Gpu(mean), Storage::Gpu(slopes))
    }

    fn reduce(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3]) -> Storage {
        Storage::Gpu(reduce::reduce(&*self.commands, reduction, self.of(x), sizes, None))
    }

    fn reduce_then(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3], function: Unary) -> Storage {
        Storage::Gpu(reduce::reduce(&*self.commands, reduction, self.of(x), sizes, Some(function)))
    }

    fn window(&self, x: &Storage, shape: &[usize], axes: &[AxisMap]) -> Storage {
        Storage::Gpu(rearrange::window(&*self.commands, self.of(x), shape, axes))
    }

    fn permute(&self, x: &Storage, shape: &[usize], order: &[usize]) -> Storage {
        Storage::Gpu(rearrange::permute(&*self.commands, self.of(x), shape, order))
    }

    fn matmul(&self, a: &Storage, b: &Storage, sizes: &MatMul) -> Storage {
        sizes.check(a.len(), b.len());
        Storage::Gpu(matmul::matmul(&*self.commands, self.of(a), self.of(b), sizes, Activation::Identity))
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
        Storage::Gpu(convolution::convolution(&*self.commands, role, geometry, self.of(a), self.of(b), activation))
    }

    fn batch_norm(&self, x: &Storage, gamma: &Storage, beta: &Storage, shape: &BatchNormShape) -> BatchNormForward {
        self.normalised(x, gamma, beta, shape, None)
    }

    fn batch_norm_tracked(
        &self,
        x: &Storage,
        gamma: &Storage,
        beta: &Storage,
        shape: &BatchNormShape,
        running: Running,
    ) -> (BatchNormForward, [Arc<Storage>; 2]) {
        let Running { mean, variance, momentum, unbiased } = running;
        let [mean, variance] = [mean, variance].map(|storage| self.owned(storage));
        let tracked = batch_norm::Tracked { mean: &mean, variance: &variance, momentum, unbiased };
        let forward = self.normalised(x, gamma, beta, shape, Some(&tracked));
        (forward, [mean, variance].map(|buffer| Arc::new(Storage::Gpu(buffer))))
    }

    fn batch_norm_backward(&self, saved: &BatchNormBackward<'_>, shape: &BatchNormShape) -> BatchNormCotangents {
        let saved = batch_norm::Saved {
            input: self.of(saved.input),
            gamma: self.of(saved.gamma),
            mean: self.of(saved.mean),
            variance: self.of(saved.variance),
            output: self.of(saved.output),
            cotangent: self.of(saved.cotangent),
        };
        let [input, gamma, beta] = batch_norm::backward(&*self.commands, &saved, shape).map(Storage::Gpu);
        BatchNormCotangents { input, gamma, beta }
    }

    fn adam(&self, step: &AdamStep, state: AdamState, gradient: &Storage) -> AdamState {
        let state = [state.parameter, state.first_moment, state.second_moment].map(|storage| self.owned(storage));
        let slot = optimise::Slot { step: *step, state: &state, gradient: self.of(gradient), also: None };
        optimise::adam(&*self.commands, &[slot]);
        let [parameter, first_moment, second_moment] = state.map(|buffer| Arc::new(Storage::Gpu(buffer)));
        AdamState { parameter, first_moment, second_moment }
    }

    fn adam_each(&self, slots: Vec<AdamSlot>) -> Vec<AdamState> {
        let owned = |state: AdamState| {
            [state.parameter, state.first_moment, state.second_moment].map(|storage| self.owned(storage))
        };
        let (gradients, states): (Vec<_>, Vec<_>) = slots
            .into_iter()
            .map(|AdamSlot { step, state, gradient, also }| ((gradient, also), (step, owned(state))))
            .unzip();
        let slots: Vec<optimise::Slot<'_>> = states
            .iter()
            .zip(&gradients)
            .map(|((step, state), (gradient, also))| optimise::Slot {
                step: *step,
                state,
                gradient: self.of(gradient),
                also: also.as_ref().map(|also| self.of(also)),
            })
            .collect();
        optimise::adam(&*self.commands, &slots);
        let share = |buffer| Arc::new(Storage::Gpu(buffer));
        let shared = |(_, [parameter, first, second]): (AdamStep, [Buffer; 3])| AdamState {
            parameter: share(parameter),
            first_moment: share(first),
            second_moment: share(second),
        };
        states.into_iter().map(shared).collect()
    }

    fn lerp_each(&self, targets: Vec<Arc<Storage>>, sources: &[&Storage], share: f64) -> Vec<Arc<Storage>> {
        let targets: Vec<Buffer> = targets.into_iter().map(|target| self.owned(target)).collect();
        let sources: Vec<&Buffer> = sources.iter().map(|source| self.of(source)).collect();
        optimise::lerp(&*self.commands, &targets, &sources, share);
        targets.into_iter().map(|target| Arc::new(Storage::Gpu(target))).collect()
    }

    fn gather(&self, x: &Storage, width: usize, indices: &[u32]) -> Storage {
        Storage::Gpu(rearrange::gather(&*self.commands, self.of(x), width, indices))
    }

    fn scatter_add(&self, x: &Storage, width: usize, indices: &[u32], rows: usize) -> Storage {
        Storage::Gpu(rearrange::scatter_add(&*self.commands, self.of(x), width, indices, rows))
    }

    fn shift(&self, x: &Storage, shape: [usize; 4], by: &[[i32; 2]]) -> Storage {
        Storage::Gpu(listed::shift(&*self.commands, self.of(x), shape, by))
    }

    fn keeps_pixels(&self) -> bool {
        !self.bounds().shares_host_memory
    }

    fn upload_pixels(&self, pixels: &[u8], values: &[f32; 256]) -> Option<Storage> {
        listed::upload_pixels(&*self.commands, pixels, values).map(Storage::Gpu)
    }

    fn gather_pixels(&self, kept: &Storage, pixels: usize, indices: &[u32]) -> Storage {
        Storage::Gpu(listed::gather_pixels(&*self.commands, self.of(kept), pixels, indices))
    }

    fn poison(&self, on: bool) {
        self.commands.poison(on);
    }

    fn tune(&self, limit: Duration, all: bool) -> Result<Vec<Tuned>> {
        self.commands.tune(limit, all)
    }

    fn tunes_itself(&self) -> bool {
        self.commands.tunes_itself()
    }

    fn sync(&self) -> Result<()> {
        self.commands.sync()
    }

    fn release_idle(&self) {
        self.commands.release_idle();
    }

    fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(pool::Account::default())
    }

    fn probes(&self) -> Option<&dyn Probes> {
        Some(self)
    }

    fn bounds(&self) -> Bounds {
        self.commands.bounds()
    }
}
