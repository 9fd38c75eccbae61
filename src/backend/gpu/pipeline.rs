//! Kernels compiled for the device, each once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::adapter::Adapter;
#[cfg(feature = "gan")]
use super::pipeline_store::PipelineStore;
use super::shader::Kernel;

/// A compiled kernel and how its storages are bound.
pub struct Pipeline {
    /// The compiled kernel.
    pub pipeline: wgpu::ComputePipeline,
    /// Parameters, then the storages that it reads, then those that it writes.
    pub layout: wgpu::BindGroupLayout,
}

/// Compiled kernels by [`Kernel::key`].
pub struct Pipelines {
    compiled: Mutex<HashMap<String, Arc<Pipeline>>>,
    /// What outlives the process, in a library that writes files.
    #[cfg(feature = "gan")]
    store: Option<PipelineStore>,
}

impl Pipelines {
    /// None yet, but for those that were kept in a folder.
    #[cfg_attr(not(feature = "gan"), expect(unused_variables))]
    pub fn new(device: &wgpu::Device, adapter: &Adapter, folder: Option<&Path>) -> Pipelines {
        Pipelines {
            compiled: Mutex::default(),
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

    /// The pipeline of a kernel with so many storages to read and to write, made once.
    pub fn get(&self, device: &wgpu::Device, kernel: &Kernel, reads: usize, writes: usize) -> Arc<Pipeline> {
        let mut pipelines = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(kernel.key()) {
            return Arc::clone(pipeline);
        }
        let pipeline = Arc::new(Pipeline::compile(device, self.cache(), kernel, [reads, writes]));
        pipelines.insert(kernel.key().to_string(), Arc::clone(&pipeline));
        pipeline
    }
}

impl Pipeline {
    fn compile(
        device: &wgpu::Device,
        cache: Option<&wgpu::PipelineCache>,
        kernel: &Kernel,
        [reads, writes]: [usize; 2],
    ) -> Pipeline {
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
        let label = Some(kernel.name);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let source = wgpu::ShaderSource::Wgsl(kernel.source().into());
        let descriptor = wgpu::ShaderModuleDescriptor { label, source };
        // Debug builds, and so tests, let wgpu check every index and loop; a kernel that relied on it would differ there.
        let checks = match cfg!(debug_assertions) {
            true => wgpu::ShaderRuntimeChecks::checked(),
            false => wgpu::ShaderRuntimeChecks::unchecked(),
        };
        // SAFETY: the crate's own shaders guard each index by the sizes in their parameters, their loops end, their divisors are
        // sizes above 0, and they use neither ray queries nor mesh shaders.
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
        Pipeline { pipeline, layout }
    }
}
