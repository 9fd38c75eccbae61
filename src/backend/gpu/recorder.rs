//! A gpu that computes nothing and notes down what one is told: a pass that was recorded can be run elsewhere, as in a browser, by the same
//! shaders.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::buffer::Buffer;
use super::commands::Commands;
use super::engine::folded;
use super::pool::Pool;
use super::shader::Kernel;
use super::tile::Taste;
use super::{Bounds, Device, Gpu, Storage};
use crate::error::{Error, Result};

/// The largest storage that WebGPU grants without being asked.
pub const LARGEST_STORAGE: u64 = 128 << 20;

/// One text for the gpu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shader {
    /// WGSL. Binding 0 of group 0 is the parameters, as a uniform; storages follow.
    pub text: String,
    /// How many storages it reads: bindings from 1 on.
    pub reads: usize,
    /// And how many it writes: those behind.
    pub writes: usize,
}

/// One run of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The kernel: the name of its file in `shaders/`.
    pub kind: &'static str,
    /// The function by which it maps or folds elements, where it takes one.
    pub function: Option<&'static str>,
    /// The function of what it folded, where it ends with one.
    pub finish: Option<&'static str>,
    /// The constants that its text begins with.
    pub constants: Vec<(String, String)>,
    /// Its text, by its number among [`Recorder::shaders`].
    pub shader: usize,
    /// The words of its uniform, a multiple of four.
    pub parameters: Vec<u32>,
    /// The numbers of the storages that it reads.
    pub reads: Vec<usize>,
    /// Those that it writes.
    pub writes: Vec<usize>,
    /// Workgroups, across and down.
    pub groups: [u32; 2],
}

/// What a gpu was told during one pass, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Every run of a kernel.
    pub dispatches: Vec<Dispatch>,
}

/// What is kept over all recordings.
#[derive(Default)]
struct Notes {
    /// Bytes of each storage, by number.
    sizes: Vec<u64>,
    shaders: Vec<Shader>,
    /// The number of a shader by its kernel's key.
    known: HashMap<String, usize>,
    /// The pass that is going on.
    recording: Option<Recording>,
    /// What the pass did that cannot be noted down.
    refused: Option<&'static str>,
}

/// Takes notes of a device that computes nothing. It needs no adapter.
///
/// ```
/// use graft::backend::gpu::Recorder;
/// use graft::Tensor;
///
/// let (device, recorder) = Recorder::with_device();
/// let x = Tensor::zeros(&device, [5]);
/// let (_y, recording) = recorder.record(|| x.tanh())?;
/// assert_eq!(recording.dispatches[0].kind, "unary");
/// assert!(recorder.shaders()[0].text.contains("tanh_stable"));
/// # Ok::<(), graft::Error>(())
/// ```
#[derive(Clone)]
pub struct Recorder {
    pool: Arc<Pool<usize>>,
    notes: Arc<Mutex<Notes>>,
}

impl Recorder {
    /// A device whose kernels choose as they would on a gpu that is no software, and who takes its notes.
    pub fn with_device() -> (Device, Recorder) {
        let recorder = Recorder { pool: Arc::default(), notes: Arc::default() };
        let backend = Gpu { commands: Arc::new(recorder.clone()), microkernel: "recorder".to_string() };
        (Device::new(Arc::new(backend)), recorder)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `work` gives, and the commands that it led to. Storages that end within may share a number, one after the other; what is
    /// given keeps its own.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the pass copied, or took numbers from the host: such a pass is no list of dispatches.
    pub fn record<T>(&self, work: impl FnOnce() -> T) -> Result<(T, Recording)> {
        {
            let mut notes = self.notes();
            notes.recording = Some(Recording::default());
            notes.refused = None;
        }
        let given = work();
        let mut notes = self.notes();
        let recording = notes.recording.take().unwrap_or_default();
        match notes.refused {
            None => Ok((given, recording)),
            Some(what) => Err(Error::invalid(format!("the pass cannot be recorded: it {what}"))),
        }
    }

    /// Every shader so far.
    pub fn shaders(&self) -> Vec<Shader> {
        self.notes().shaders.clone()
    }

    /// The bytes of every storage so far, by number.
    pub fn sizes(&self) -> Vec<u64> {
        self.notes().sizes.clone()
    }

    /// The number of a storage.
    ///
    /// # Panics
    /// Where it is none of this device's.
    #[track_caller]
    pub fn number(&self, storage: &Storage) -> usize {
        match storage {
            Storage::Gpu(buffer) if self.owns(buffer) => buffer.number().expect("a recorded storage has a number"),
            other => panic!("the recorder was given {other:?}"),
        }
    }

    fn refuse(&self, what: &'static str) {
        let mut notes = self.notes();
        if notes.recording.is_some() {
            notes.refused.get_or_insert(what);
        }
    }
}

impl Notes {
    fn shader(&mut self, kernel: &Kernel, reads: usize, writes: usize) -> usize {
        let key = kernel.key();
        if let Some(&known) = self.known.get(key) {
            return known;
        }
        self.shaders.push(Shader { text: kernel.source(), reads, writes });
        self.known.insert(key.to_string(), self.shaders.len() - 1);
        self.shaders.len() - 1
    }
}

impl Commands for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn buffer(&self, len: usize) -> Buffer {
        let create = |size| {
            let mut notes = self.notes();
            notes.sizes.push(size);
            Some(notes.sizes.len() - 1)
        };
        let taken = self.pool.take((len * size_of::<f32>()) as u64, u64::MAX, create, || ());
        Buffer::recorded(&self.pool, taken.expect("there is no end of numbers"), len)
    }

    fn owns(&self, buffer: &Buffer) -> bool {
        buffer.is_recorded_by(&self.pool)
    }

    fn dispatch(&self, kernel: &Kernel, parameters: &[u32], reads: &[&Buffer], writes: &[&Buffer], groups: usize) {
        let mut notes = self.notes();
        if notes.recording.is_none() || groups == 0 {
            return;
        }
        let numbers = |buffers: &[&Buffer]| buffers.iter().filter_map(|buffer| buffer.number()).collect();
        let mut parameters = parameters.to_vec();
        parameters.resize(parameters.len().next_multiple_of(4), 0);
        let dispatch = Dispatch {
            kind: kernel.name,
            function: kernel.function,
            finish: kernel.finish,
            constants: kernel.constants().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            shader: notes.shader(kernel, reads.len(), writes.len()),
            parameters,
            reads: numbers(reads),
            writes: numbers(writes),
            groups: folded(groups),
        };
        if let Some(recording) = &mut notes.recording {
            recording.dispatches.push(dispatch);
        }
    }

    fn upload(&self, _bytes: &[u8], _to: &Buffer) {
        self.refuse("takes numbers from the host");
    }

    fn copy(&self, _from: &Buffer, _to: &Buffer, _bytes: u64) {
        self.refuse("copies storages");
    }

    fn download(&self, from: &[&Buffer]) -> Result<Vec<Vec<f32>>> {
        Ok(from.iter().map(|buffer| vec![0.0; buffer.len()]).collect())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn release_idle(&self) {}

    fn largest(&self) -> u64 {
        LARGEST_STORAGE
    }

    fn taste(&self) -> Taste {
        Taste::NOTES
    }

    fn bounds(&self) -> Bounds {
        Bounds { largest_storage: Some(LARGEST_STORAGE), shares_host_memory: false, idle: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{HostSlice, MatMul, Unary};

    #[test]
    fn a_recording_holds_the_pass_alone_with_the_storages_of_its_chain() {
        let (device, recorder) = Recorder::with_device();
        let backend = device.backend();
        let (x, w) = (backend.full(6, 1.0), backend.full(12, 1.0));
        drop(backend.unary(Unary::Tanh, &x));
        let sizes = MatMul { batch: 1, rows: 2, inner: 3, columns: 4, transpose_a: false, transpose_b: false };
        let pass = || backend.unary(Unary::Tanh, &backend.matmul(&x, &w, &sizes));
        let (y, recording) = recorder.record(pass).unwrap();
        let kinds: Vec<&str> = recording.dispatches.iter().map(|dispatch| dispatch.kind).collect();
        assert_eq!(kinds, ["matmul", "unary"]);
        let [product, tanh] = [&recording.dispatches[0], &recording.dispatches[1]];
        assert_eq!(product.reads, [recorder.number(&x), recorder.number(&w)]);
        assert_eq!((tanh.reads.clone(), tanh.writes.clone()), (product.writes.clone(), vec![recorder.number(&y)]));
        assert_eq!(tanh.function, Some("tanh"));
        assert!(product.constants.contains(&("A_ALONG_DEPTH".to_string(), "true".to_string())));
        assert_eq!(recorder.shaders().len(), 2);
    }

    #[test]
    fn a_pass_that_takes_numbers_from_the_host_is_refused() {
        let (device, recorder) = Recorder::with_device();
        let backend = device.backend();
        let error = recorder.record(|| backend.upload(HostSlice::F32(&[1.0]))).unwrap_err();
        assert_eq!(error.to_string(), "the pass cannot be recorded: it takes numbers from the host");
        let x = backend.full(2, 0.0);
        assert!(recorder.record(|| backend.unary(Unary::Tanh, &x)).is_ok(), "the next one is no worse for it");
    }
}
