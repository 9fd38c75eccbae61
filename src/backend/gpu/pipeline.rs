//! Kernels compiled for the device, each once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::adapter::Adapter;
#[cfg(feature = "gan")]
use super::pipeline_store::PipelineStore;
use super::shader::Kernel;

/// A kernel that is to be compiled, or is.
pub struct Pipeline {
    /// The kernel's name.
    pub name: &'static str,
    /// The kernel's whole text, until it is compiled.
    text: Mutex<String>,
    /// How many storages it reads, and how many it writes.
    storages: [usize; 2],
    compiled: OnceLock<Compiled>,
}

/// A compiled kernel and how its storages are bound.
pub struct Compiled {
    /// The compiled kernel.
    pub pipeline: wgpu::ComputePipeline,
    /// Parameters, then the storages that it reads, then those that it writes.
    pub layout: wgpu::BindGroupLayout,
}

/// Kernels by [`Kernel::key`].
pub struct Pipelines {
    all: Mutex<HashMap<String, Arc<Pipeline>>>,
    /// What outlives the process, in a library that writes files.
    #[cfg(feature = "gan")]
    store: Option<PipelineStore>,
}

impl Pipelines {
    /// None yet, but for those that were kept in a folder.
    #[cfg_attr(not(feature = "gan"), expect(unused_variables))]
    pub fn new(device: &wgpu::Device, adapter: &Adapter, folder: Option<&Path>) -> Pipelines {
        Pipelines {
            all: Mutex::default(),
            #[cfg(feature = "gan")]
            store: folder.and_then(|folder| PipelineStore::open(device, adapter, folder)),
        }
    }

    /// Keeps what was compiled, where it can be.
    pub fn keep(&self) {
        #[cfg(feature = "gan")]
        self.store.iter().for_each(PipelineStore::keep);
    }

    /// Whether it can be.
    #[cfg(all(test, feature = "gan"))]
    pub fn are_kept(&self) -> bool {
        self.store.is_some()
    }

    fn cache(&self) -> Option<&wgpu::PipelineCache> {
        #[cfg(feature = "gan")]
        return self.store.as_ref().map(PipelineStore::cache);
        #[cfg(not(feature = "gan"))]
        None
    }

    /// The pipeline of a kernel with so many storages to read and to write, one for each kernel; to be compiled before it is used.
    pub fn get(&self, kernel: &Kernel, storages: [usize; 2]) -> Arc<Pipeline> {
        let mut pipelines = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(kernel.key()) {
            return Arc::clone(pipeline);
        }
        let (text, compiled) = (Mutex::new(kernel.source()), OnceLock::new());
        let pipeline = Arc::new(Pipeline { name: kernel.name, text, storages, compiled });
        pipelines.insert(kernel.key().to_string(), Arc::clone(&pipeline));
        pipeline
    }

    /// Compiles those of some pipelines that are not yet, on as many threads as computations here have.
    pub fn compile<'a>(&self, device: &wgpu::Device, pipelines: impl Iterator<Item = &'a Arc<Pipeline>>) {
        let mut missing: Vec<&Arc<Pipeline>> = pipelines.filter(|pipeline| pipeline.compiled.get().is_none()).collect();
        missing.sort_by_key(|pipeline| Arc::as_ptr(pipeline));
        missing.dedup_by_key(|pipeline| Arc::as_ptr(pipeline));
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(pipeline) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                pipeline.compile(device, self.cache());
            }
        };
        // No tasks of the pool, whose threads may all be waiting for what this one is about to submit.
        let others = rayon::current_num_threads().min(missing.len()).saturating_sub(1);
        std::thread::scope(|scope| {
            // Where no thread can be had, this one does it all.
            (0..others).for_each(|_| drop(std::thread::Builder::new().spawn_scoped(scope, work)));
            work();
        });
    }
}

impl Pipeline {
    /// What it was compiled to.
    ///
    /// # Panics
    /// Where it is not compiled yet.
    pub fn compiled(&self) -> &Compiled {
        self.compiled.get().expect("a kernel is compiled before it is used")
    }

    fn compile(&self, device: &wgpu::Device, cache: Option<&wgpu::PipelineCache>) {
        self.compiled.get_or_init(|| {
            let text = std::mem::take(&mut *self.text.lock().unwrap_or_else(PoisonError::into_inner));
            Compiled::new(device, cache, self.name, text, self.storages)
        });
    }
}

impl Compiled {
    fn new(
        device: &wgpu::Device,
        cache: Option<&wgpu::PipelineCache>,
        name: &str,
        text: String,
        [reads, writes]: [usize; 2],
    ) -> Compiled {
        let entry = |binding: usize| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match binding {
                    0 => wgpu::BufferBindingType::Uniform,
                    binding => wgpu::BufferBindingType::Storage { read_only: binding <= reads },
                },
                // The parameters of all dispatches of a submission lie in one buffer: what else is bound stays the same from step to step.
                has_dynamic_offset: binding == 0,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..=reads + writes).map(entry).collect();
        let label = Some(name);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let source = wgpu::ShaderSource::Wgsl(text.into());
        let descriptor = wgpu::ShaderModuleDescriptor { label, source };
        // Debug builds, and so tests, let wgpu check every index and loop; a kernel that relied on it would differ there.
        let checks = match cfg!(debug_assertions) {
            true => wgpu::ShaderRuntimeChecks::checked(),
            false => wgpu::ShaderRuntimeChecks::unchecked(),
        };
        // SAFETY: the crate's own shaders guard each index by the sizes in their parameters, indices of the host's were held against
        // sizes before, loops end, divisors are above 0 (no kernel runs on nothing, and of a phase without pixels they say so), and there
        // are neither ray queries nor mesh shaders.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache,
        });
        Compiled { pipeline, layout }
    }
}
