//! What kernels were bound to: a training step binds the same memory again and again, and making that known to the driver takes longer than
//! looking it up.

use std::collections::HashMap;
use std::sync::Arc;

use super::pipeline::Pipeline;

/// Groups that are kept at most; then all are forgotten, since those of memory that is used no more are never asked for again.
const MOST: usize = 4096;

/// Groups by pipeline, the bytes of the parameters, and the storages.
#[derive(Default)]
pub struct Groups(HashMap<(usize, usize, Vec<wgpu::Buffer>), wgpu::BindGroup>);

impl Groups {
    /// The group of a pipeline's that binds these, made where there is none yet.
    pub fn get(
        &mut self,
        pipeline: &Arc<Pipeline>,
        parameters: usize,
        storages: &[&wgpu::Buffer],
        make: impl FnOnce() -> wgpu::BindGroup,
    ) -> wgpu::BindGroup {
        // Pipelines live as long as the device, so that their addresses tell them apart.
        let key =
            (Arc::as_ptr(pipeline) as usize, parameters, storages.iter().map(|&storage| storage.clone()).collect());
        if let Some(group) = self.0.get(&key) {
            return group.clone();
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let group = make();
        self.0.insert(key, group.clone());
        group
    }

    /// Forgets all, so that the memory that they bind may go.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
