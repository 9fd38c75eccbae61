//! What kernels were bound to: a training step binds the same memory again and again, and making that known to the driver takes longer than
//! looking it up.

use std::collections::HashMap;
use std::sync::Arc;

use super::dispatch::Dispatch;
use super::pipeline::Pipeline;

/// Groups that are kept at most; then all are forgotten, since those of memory that is used no more are never asked for again.
const MOST: usize = 4096;

/// Groups by pipeline, the bytes of the parameters, and the storages.
#[derive(Default)]
pub struct Groups(HashMap<(usize, usize, Vec<wgpu::Buffer>), wgpu::BindGroup>);

impl Groups {
    /// The group that binds what a dispatch of a compiled kernel is given, made where there is none yet.
    pub fn of(&mut self, device: &wgpu::Device, uniforms: &wgpu::Buffer, dispatch: &mut Dispatch) -> wgpu::BindGroup {
        let storages = std::mem::take(&mut dispatch.storages);
        let Dispatch { pipeline, parameters: (_, bytes), .. } = dispatch;
        // Pipelines live as long as the device, so that their addresses tell them apart.
        let key = (Arc::as_ptr(pipeline) as usize, *bytes, storages);
        if let Some(group) = self.0.get(&key) {
            return group.clone();
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let group = make(device, pipeline, uniforms, *bytes, &key.2);
        self.0.insert(key, group.clone());
        group
    }

    /// Forgets all, so that the memory that they bind may go.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn make(
    device: &wgpu::Device,
    pipeline: &Pipeline,
    uniforms: &wgpu::Buffer,
    parameters: usize,
    storages: &[wgpu::Buffer],
) -> wgpu::BindGroup {
    let size = wgpu::BufferSize::new(parameters as u64);
    let uniform = wgpu::BufferBinding { buffer: uniforms, offset: 0, size };
    let bindings = std::iter::once(wgpu::BindingResource::Buffer(uniform))
        .chain(storages.iter().map(|storage| storage.as_entire_binding()));
    let entries: Vec<wgpu::BindGroupEntry<'_>> =
        bindings.zip(0..).map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource }).collect();
    let layout = &pipeline.compiled().layout;
    device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(pipeline.name), layout, entries: &entries })
}
