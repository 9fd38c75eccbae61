//! One run of a kernel, as it waits for its submission.

use std::sync::Arc;

use super::pipeline::Pipeline;

/// One run of a kernel.
pub struct Dispatch {
    /// The kernel, which may not be compiled yet.
    pub pipeline: Arc<Pipeline>,
    /// What it reads, then what it writes.
    pub storages: Vec<wgpu::Buffer>,
    /// Where its parameters begin among those of the submission, and their bytes.
    pub parameters: (u32, usize),
    /// Workgroups, across and down.
    pub groups: [u32; 2],
    /// Where it writes when it begins, and behind that when it ends, if it is noted.
    pub stamps: Option<(wgpu::QuerySet, u32)>,
}

impl Dispatch {
    /// Writes it into a pass, with its timestamps where they are taken `inside` of one.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'static>, group: wgpu::BindGroup, inside: bool) {
        pass.set_pipeline(&self.pipeline.compiled().pipeline);
        pass.set_bind_group(0, &group, &[self.parameters.0]);
        let stamps = self.stamps.as_ref().filter(|_| inside);
        stamps.iter().for_each(|(queries, at)| pass.write_timestamp(queries, *at));
        let [across, down] = self.groups;
        pass.dispatch_workgroups(across, down, 1);
        stamps.iter().for_each(|(queries, at)| pass.write_timestamp(queries, at + 1));
    }
}
