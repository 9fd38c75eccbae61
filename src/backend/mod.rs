//! Where tensors live and compute: the trait [`Backend`] and the handle [`Device`].
//!
//! A backend is a small set of kernels: storages and sizes in, a storage out, nothing of gradients.
//! Every op of the crate is made of these.

mod convolution;
pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod kernel;
mod probes;
mod profile;
pub mod reference;
pub mod scalar;
mod shapes;
mod tuned;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub use convolution::convolve;
pub use kernel::{AdamStep, AxisMap, BatchNormShape, Geometry, KernelCall, MatMul, Reduction, Role, Scratch};
pub use probes::{Counted, DeviceTimes, Probes};
pub use profile::Profile;
pub use scalar::{Activation, Binary, Unary};
pub use shapes::{Extent, Ledger, Shape, Tally};
pub use tuned::Tuned;

use crate::error::{Error, Result, did_you_mean};

/// The elements of one tensor in a device's own memory and precision.
#[derive(Debug)]
pub enum Storage {
    /// On the reference device.
    F64(Vec<f64>),
    /// On the cpu device.
    F32(cpu::Buffer),
    /// On a gpu device.
    #[cfg(feature = "gpu")]
    Gpu(gpu::Buffer),
    /// On a device that counts: no elements.
    Shape(Shape),
}

impl Storage {
    /// How many elements it holds.
    pub fn len(&self) -> usize {
        match self {
            Storage::F64(values) => values.len(),
            Storage::F32(buffer) => buffer.len(),
            #[cfg(feature = "gpu")]
            Storage::Gpu(buffer) => buffer.len(),
            Storage::Shape(shape) => shape.len(),
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Elements on the host, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum HostSlice<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

/// Elements on the host, in the precision of the device they came from.
#[derive(Clone, Debug)]
pub enum HostVec {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

/// What Adam keeps of one parameter: the parameter and both moments, all of the same length.
#[derive(Debug)]
pub struct AdamState {
    /// The parameter.
    pub parameter: Arc<Storage>,
    /// The running mean of gradients.
    pub first_moment: Arc<Storage>,
    /// The running mean of squared gradients.
    pub second_moment: Arc<Storage>,
}

impl AdamState {
    /// Whether any of them has another owner, so that an update has to copy it.
    pub fn is_shared(&self) -> bool {
        [&self.parameter, &self.first_moment, &self.second_moment].iter().any(|storage| Arc::strong_count(storage) > 1)
    }
}

/// One parameter of an update of Adam: its state and its gradient, in one or two summands.
pub struct AdamSlot {
    /// The learning rate and the constants.
    pub step: AdamStep,
    /// What is updated.
    pub state: AdamState,
    /// The gradient, or its first summand.
    pub gradient: Arc<Storage>,
    /// The gradient's other summand.
    pub also: Option<Arc<Storage>>,
}

/// Statistics that follow those of batches: `running <- running + momentum (batch - running)`.
pub struct Running {
    /// Of the batches' means.
    pub mean: Arc<Storage>,
    /// Of the batches' unbiased variances.
    pub variance: Arc<Storage>,
    /// The share of a batch.
    pub momentum: f64,
    /// What makes a biased variance an unbiased one: `rows / (rows - 1)`.
    pub unbiased: f64,
}

/// What [`Backend::batch_norm`] computes.
pub struct BatchNormForward {
    /// The normalised, scaled, shifted and activated input, `[rows, channels]`.
    pub output: Storage,
    /// The batch's mean, `[channels]`.
    pub mean: Storage,
    /// The batch's variance, biased, `[channels]`.
    pub variance: Storage,
}

/// What [`Backend::batch_norm_backward`] reads.
pub struct BatchNormBackward<'a> {
    /// The forward pass's input, `[rows, channels]`.
    pub input: &'a Storage,
    /// The scale, `[channels]`.
    pub gamma: &'a Storage,
    /// The batch's mean, `[channels]`.
    pub mean: &'a Storage,
    /// The batch's biased variance, `[channels]`.
    pub variance: &'a Storage,
    /// The forward pass's output, `[rows, channels]`, from which the activation's derivative comes.
    pub output: &'a Storage,
    /// The cotangent of that output.
    pub cotangent: &'a Storage,
}

/// The cotangents that [`Backend::batch_norm_backward`] computes.
pub struct BatchNormCotangents {
    /// Of the input, `[rows, channels]`.
    pub input: Storage,
    /// Of the scale, `[channels]`.
    pub gamma: Storage,
    /// Of the shift, `[channels]`.
    pub beta: Storage,
}

/// What bounds a device's storages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The bytes of the largest storage, where there is such a limit.
    pub largest_storage: Option<u64>,
    /// Whether storages are in the host's memory.
    pub shares_host_memory: bool,
    /// The bytes that the device keeps for storages to come.
    pub idle: u64,
}

/// The kernels that every op is made of. All tensors are contiguous and row-major.
///
/// A kernel may rely on its arguments: ops check shapes before they call. Kernels return no errors;
/// a device that failed keeps its first error, does nothing from then on, and returns the error from
/// [`Backend::download`] and [`Backend::sync`].
pub trait Backend: Send + Sync {
    /// The device's name for people, as `--device` takes it.
    fn name(&self) -> &str;

    /// Whether it computes in f64 (else f32).
    fn is_double(&self) -> bool;

    /// What computes: the instructions, or the adapter and its driver.
    fn microkernel(&self) -> &str;

    /// What decides its rounding, beside the version: devices of one name add the same numbers in the same order, and give the same bits where
    /// the system's mathematical functions do. Runs record it as their microkernel, so that a resumed one can compare.
    fn rounding(&self) -> &str {
        self.microkernel()
    }

    /// Copies host elements to the device, rounding where its precision is lower.
    fn upload(&self, host: HostSlice<'_>) -> Storage;

    /// Copies a storage to the host.
    ///
    /// # Errors
    /// The device's first failure.
    fn download(&self, storage: &Storage) -> Result<HostVec>;

    /// Copies several storages to the host, which waits once for all of them.
    ///
    /// # Errors
    /// The device's first failure.
    fn download_each(&self, storages: &[&Storage]) -> Result<Vec<HostVec>> {
        storages.iter().map(|storage| self.download(storage)).collect()
    }

    /// `length` elements of one value.
    fn full(&self, length: usize, value: f64) -> Storage;

    /// `function` of every element.
    fn unary(&self, function: Unary, x: &Storage) -> Storage;

    /// `function` of every pair, both broadcast to `shape` as NumPy does: each operand comes with its own
    /// shape of the same rank, whose sizes equal `shape`'s or 1.
    fn binary(&self, function: Binary, a: (&Storage, &[usize]), b: (&Storage, &[usize]), shape: &[usize]) -> Storage;

    /// The mean of `ln(1 + e^(sign x))` over all elements, the sign being 1 or -1, and its slopes by each of them.
    fn mean_softplus(&self, x: &Storage, sign: f64) -> (Storage, Storage) {
        let length = x.len();
        let scaled = |x: &Storage, scale: f64| self.unary(Unary::Affine { scale, shift: 0.0 }, x);
        let turned = (sign < 0.0).then(|| self.unary(Unary::Neg, x));
        let x = turned.as_ref().unwrap_or(x);
        let sum = self.reduce(Reduction::Sum, &self.unary(Unary::Softplus, x), [1, length, 1]);
        let share = 1.0 / length as f64;
        (scaled(&sum, share), scaled(&self.unary(Unary::Sigmoid, x), sign * share))
    }

    /// Reduces the middle axis of `[outer, length, inner]` (in `sizes`) away.
    fn reduce(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3]) -> Storage;

    /// As [`Backend::reduce`]; then `function` of every result.
    fn reduce_then(&self, reduction: Reduction, x: &Storage, sizes: [usize; 3], function: Unary) -> Storage {
        self.unary(function, &self.reduce(reduction, x, sizes))
    }

    /// `output[j] = x[i]` where, on every axis, `i * divisor = j * multiplier + offset` with `i` inside
    /// `shape`; zero where there is no such `i`. Slices, steps, flips, padding, dilation and expansion
    /// are all of this form.
    fn window(&self, x: &Storage, shape: &[usize], axes: &[AxisMap]) -> Storage;

    /// Reorders axes: the output's axis `a` is the input's axis `order[a]`.
    fn permute(&self, x: &Storage, shape: &[usize], order: &[usize]) -> Storage;

    /// `batch` products of matrices, each optionally read transposed.
    fn matmul(&self, a: &Storage, b: &Storage, sizes: &MatMul) -> Storage;

    /// Whether [`Backend::convolution`] takes this geometry: at least one without dilation and groups. Of such the op makes what a backend does
    /// not take.
    fn convolves(&self, geometry: &Geometry) -> bool {
        geometry.is_plain()
    }

    /// One partial derivative of the trilinear form of [`Geometry`], then `activation`.
    ///
    /// `role` names what comes out; `a` and `b` are the two others in the order image, filter, coarse
    /// image.
    fn convolution(&self, role: Role, geometry: &Geometry, a: &Storage, b: &Storage, activation: Activation)
    -> Storage;

    /// Normalises each channel by its batch statistics: `activation(gamma (x - mean) / sqrt(variance + eps) + beta)`.
    fn batch_norm(&self, x: &Storage, gamma: &Storage, beta: &Storage, shape: &BatchNormShape) -> BatchNormForward;

    /// As [`Backend::batch_norm`]; also moves running statistics, in place where nothing else owns them: mean and variance are given back.
    fn batch_norm_tracked(
        &self,
        x: &Storage,
        gamma: &Storage,
        beta: &Storage,
        shape: &BatchNormShape,
        running: Running,
    ) -> (BatchNormForward, [Arc<Storage>; 2]) {
        let forward = self.batch_norm(x, gamma, beta, shape);
        let channels = [shape.channels];
        let unbiased = self.unary(Unary::Affine { scale: running.unbiased, shift: 0.0 }, &forward.variance);
        let lerp = Binary::Lerp { share: running.momentum };
        let moved =
            |from: &Storage, to: &Storage| Arc::new(self.binary(lerp, (from, &channels), (to, &channels), &channels));
        let moved = [moved(&running.mean, &forward.mean), moved(&running.variance, &unbiased)];
        (forward, moved)
    }

    /// The cotangents of [`Backend::batch_norm`]'s three inputs.
    fn batch_norm_backward(&self, saved: &BatchNormBackward<'_>, shape: &BatchNormShape) -> BatchNormCotangents;

    /// One update of Adam (Kingma & Ba 2015) in one pass; writes in place what it is the sole owner of.
    fn adam(&self, step: &AdamStep, state: AdamState, gradient: &Storage) -> AdamState;

    /// One update of Adam of several parameters, of whose gradients the summands are added first.
    fn adam_each(&self, slots: Vec<AdamSlot>) -> Vec<AdamState> {
        // A gradient's memory goes as soon as it is used.
        let update = |AdamSlot { step, state, mut gradient, also }: AdamSlot| {
            if let Some(also) = also {
                let length = [gradient.len()];
                gradient = Arc::new(self.binary(Binary::Add, (&gradient, &length), (&also, &length), &length));
            }
            self.adam(&step, state, &gradient)
        };
        slots.into_iter().map(update).collect()
    }

    /// Moves each `target + share (source - target)`, in place where nothing else owns it.
    fn lerp_each(&self, targets: Vec<Arc<Storage>>, sources: &[&Storage], share: f64) -> Vec<Arc<Storage>> {
        let moved = |(target, source): (Arc<Storage>, &&Storage)| {
            let length = [source.len()];
            Arc::new(self.binary(Binary::Lerp { share }, (&target, &length), (source, &length), &length))
        };
        targets.into_iter().zip(sources).map(moved).collect()
    }

    /// Rows of the matrix `x` (`width` columns) by index: `[indices.len(), width]`.
    fn gather(&self, x: &Storage, width: usize, indices: &[u32]) -> Storage;

    /// The transpose of [`Backend::gather`]: adds row `i` of `x` to row `indices[i]` of `rows` zero rows.
    fn scatter_add(&self, x: &Storage, width: usize, indices: &[u32], rows: usize) -> Storage;

    /// Moves each image of `[n, h, w, c]` (in `shape`) down and across by so many pixels, zeros moving in; no shift is by more than the side.
    fn shift(&self, x: &Storage, shape: [usize; 4], by: &[[i32; 2]]) -> Storage {
        let [images, height, width, channels] = shape;
        // Pixels become rows of a matrix, with one row of zeros at the end for what moves in.
        let pixels = images * height * width;
        let map = |size| AxisMap { size, multiplier: 1, offset: 0, divisor: 1 };
        let padded = self.window(x, &[pixels, channels], &[map(pixels + 1), map(channels)]);
        let moved = |at: usize, by: i32, side: usize| at.checked_add_signed(-by as isize).filter(|&from| from < side);
        let mut rows = Vec::with_capacity(pixels);
        for (image, &[down, across]) in by.iter().enumerate() {
            for y in 0..height {
                let line = moved(y, down, height).map(|y| (image * height + y) * width);
                let from = |x| line.zip(moved(x, across, width)).map_or(pixels, |(line, x)| line + x);
                rows.extend((0..width).map(|x| from(x) as u32));
            }
        }
        self.gather(&padded, channels, &rows)
    }

    /// Whether the bytes of images, kept by [`Backend::upload_pixels`], spare copies from the host.
    fn keeps_pixels(&self) -> bool {
        false
    }

    /// Keeps the bytes of images, and what each byte stands for, so that [`Backend::gather_pixels`] takes batches from them; None where
    /// there is no room for them.
    fn upload_pixels(&self, pixels: &[u8], values: &[f32; 256]) -> Option<Storage> {
        let values: Vec<f32> = pixels.iter().map(|&byte| values[usize::from(byte)]).collect();
        Some(self.upload(HostSlice::F32(&values)))
    }

    /// The values of images of so many pixels each, by index: `[indices.len(), pixels]`.
    fn gather_pixels(&self, kept: &Storage, pixels: usize, indices: &[u32]) -> Storage {
        self.gather(kept, pixels, indices)
    }

    /// From now on, or no longer, fills memory that kernels are to write with what is no number, so that an element that one leaves out is
    /// found: for tests of a device, where it is worth its time.
    fn poison(&self, _on: bool) {}

    /// Waits for everything asked so far.
    ///
    /// # Errors
    /// The device's first failure.
    fn sync(&self) -> Result<()>;

    /// Measures how products of the shapes that it was asked for so far are computed best, those that were not measured before or `all`, for
    /// at most about `limit`, and computes them so from now on, with the same bits. Nothing where there is no choice.
    ///
    /// # Errors
    /// The device's first failure.
    fn tune(&self, _limit: Duration, _all: bool) -> Result<Vec<Tuned>> {
        Ok(Vec::new())
    }

    /// Whether a long run is worth [`Backend::tune`].
    fn tunes_itself(&self) -> bool {
        false
    }

    /// What bounds its storages; the host's memory alone, unless the backend knows better.
    fn bounds(&self) -> Bounds {
        Bounds { largest_storage: None, shares_host_memory: true, idle: 0 }
    }

    /// Gives memory that waits for its next use back to the system, where the backend keeps some: called where one phase of a run
    /// ends and another begins.
    fn release_idle(&self) {}

    /// What a kernel has in memory while it runs, beside operands and results; nothing, unless the backend knows better.
    fn scratch(&self, _call: &KernelCall<'_>) -> Scratch {
        Scratch::default()
    }

    /// How storages take memory, empty at first: for a device that counts ([`Device::shapes`]).
    fn ledger(&self) -> Box<dyn Ledger> {
        Box::new(shapes::Plain::new(if self.is_double() { size_of::<f64>() } else { size_of::<f32>() }))
    }

    /// What the device can do at most, where the backend can measure it.
    fn probes(&self) -> Option<&dyn Probes> {
        None
    }

    /// Whether kernels compute nothing: elements that nobody will read need not be made, then.
    fn counts_only(&self) -> bool {
        false
    }
}

/// A cheap handle to a backend: where a tensor lives and in which precision it computes.
#[derive(Clone)]
pub struct Device(Arc<dyn Backend>);

static REFERENCE: LazyLock<Device> = LazyLock::new(|| Device(Arc::new(reference::Reference)));
static CPU: LazyLock<Device> = LazyLock::new(|| Device(Arc::new(cpu::Cpu::new(cpu::Simd::detect()))));

impl Device {
    /// The reference device: f64, one thread, plain loops; what every other device is tested against.
    pub fn reference() -> Device {
        REFERENCE.clone()
    }

    /// The cpu device: f32 on the rayon pool it is called from, with the widest SIMD instructions there are,
    /// or those that `GRAFT_SIMD` names (`avx512`, `avx2`, `neon`, `portable`).
    ///
    /// # Panics
    /// When `GRAFT_SIMD` names instructions that this machine lacks; see [`cpu::Simd::from_environment`].
    pub fn cpu() -> Device {
        CPU.clone()
    }

    /// A cpu device with microkernels of one's choice.
    pub fn cpu_with(simd: cpu::Simd) -> Device {
        Device(Arc::new(cpu::Cpu::new(simd)))
    }

    /// The gpu that a choice stands for; what it needs is made once, so keep it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is none, saying what to install; [`Error::Device`] where its driver refuses.
    #[cfg(feature = "gpu")]
    pub fn gpu(choice: &gpu::Choice) -> Result<Device> {
        Ok(Device::new(Arc::new(gpu::Gpu::new(gpu::choose(choice)?)?)))
    }

    /// A real gpu where there is one, else the cpu; and a sentence that says which and why.
    ///
    /// # Errors
    /// [`Error::Device`] where the gpu's driver refuses.
    #[cfg(feature = "gpu")]
    pub fn auto() -> Result<(Device, String)> {
        match gpu::automatic() {
            Some(adapter) => {
                let why = format!("computing on {adapter}");
                Ok((Device::new(Arc::new(gpu::Gpu::new(adapter)?)), why))
            }
            None => Ok((Device::cpu(), "computing on the cpu: there is no GPU but in software".to_string())),
        }
    }

    /// A device of one's own backend.
    pub fn new(backend: Arc<dyn Backend>) -> Device {
        Device(backend)
    }

    /// The kernels.
    pub fn backend(&self) -> &dyn Backend {
        &*self.0
    }

    /// The name, as `--device` takes it.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether tensors are f64 here (else f32).
    pub fn is_double(&self) -> bool {
        self.0.is_double()
    }

    /// Waits for everything asked so far.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn sync(&self) -> Result<()> {
        self.0.sync()
    }

    /// Gives memory that waits for its next use back to the system; see [`Backend::release_idle`].
    pub fn release_idle(&self) {
        self.0.release_idle();
    }
}

/// What a gpu is called here that other programs call `cuda`, `cuda:1` or `mps`.
fn other_name(name: &str) -> Option<String> {
    let (kind, number) = name.split_once(':').map_or((name, None), |(kind, number)| (kind, Some(number)));
    let of_gpus = ["cuda", "mps", "rocm", "hip", "xpu", "vulkan", "metal"].contains(&kind.to_lowercase().as_str());
    of_gpus.then(|| number.map_or("gpu".to_string(), |number| format!("gpu:{number}")))
}

/// The devices whose name is one word.
const NAMES: [&str; 4] = ["auto", "gpu", "cpu", "reference"];

/// What is said of a word that names no device of any machine.
fn no_name(name: &str) -> String {
    let meant = match other_name(name) {
        Some(meant) => format!("; for a GPU of any make say {meant}"),
        None => did_you_mean(name, NAMES),
    };
    format!("none of auto, gpu, gpu:NAME, cpu, reference{meant}")
}

/// Refuses what names no device of any machine, without looking for one.
#[cfg(feature = "cli")]
pub(crate) fn device_name(name: &str) -> std::result::Result<String, String> {
    let known = NAMES.contains(&name) || name.strip_prefix("gpu:").is_some_and(|part| !part.is_empty());
    if known { Ok(name.to_string()) } else { Err(no_name(name)) }
}

impl std::str::FromStr for Device {
    type Err = Error;

    /// The device that a `--device` name stands for.
    fn from_str(name: &str) -> Result<Device> {
        match name {
            "reference" => Ok(Device::reference()),
            "cpu" => {
                cpu::Simd::from_environment()?;
                Ok(Device::cpu())
            }
            #[cfg(feature = "gpu")]
            "gpu" => Device::gpu(&gpu::Choice::Best),
            #[cfg(feature = "gpu")]
            "auto" => Ok(Device::auto()?.0),
            #[cfg(not(feature = "gpu"))]
            "gpu" | "auto" => Err(Error::invalid(
                "this graft was built without the gpu device; name cpu, or build it with the feature `gpu`",
            )),
            _ => match name.strip_prefix("gpu:") {
                #[cfg(feature = "gpu")]
                Some(part) if !part.is_empty() => Device::gpu(&gpu::Choice::Named(part.to_string())),
                _ => Err(Error::option("device", format!("{name} is {}", no_name(name)))),
            },
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
