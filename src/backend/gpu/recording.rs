//! What is recorded for the adapter and not submitted yet: one encoder with one compute pass, and what belongs to it.

use super::groups::Groups;
use super::trace::Trace;
use super::underway::Underway;

/// Commands that wait for their submission.
#[derive(Default)]
pub struct Recording {
    // The pass stands before the encoder, so that it ends first where both are dropped.
    pub pass: Option<wgpu::ComputePass<'static>>,
    pub encoder: Option<wgpu::CommandEncoder>,
    pub uniforms: Vec<u8>,
    pub groups: Groups,
    pub dispatches: usize,
    pub uploads: u64,
    /// Where the next pass writes the times of its beginning and, behind that, its end.
    pub timestamps: Option<(wgpu::QuerySet, u32)>,
    pub trace: Trace,
    /// Of the dispatches.
    pub kernels: Vec<&'static str>,
    pub underway: Underway,
}

impl Recording {
    /// The encoder, outside of any pass.
    pub fn encoder(&mut self, device: &wgpu::Device) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()))
    }

    /// Where the next dispatch is to write its timestamps within the pass, if it is noted. Where a pass takes none, it gets a pass of its own.
    pub fn stamps(&mut self, device: &wgpu::Device) -> Option<(wgpu::QuerySet, u32)> {
        let stamps = self.trace.next(device)?;
        if device.features().contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES) {
            return Some(stamps);
        }
        self.pass = None;
        self.timestamps = Some(stamps);
        None
    }

    /// The open pass.
    pub fn pass(&mut self, device: &wgpu::Device) -> &mut wgpu::ComputePass<'static> {
        if self.pass.is_none() {
            let timestamps = self.timestamps.take();
            let timestamp_writes = timestamps.as_ref().map(|(query_set, first)| wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(*first),
                end_of_pass_write_index: Some(first + 1),
            });
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            self.pass = Some(self.encoder(device).begin_compute_pass(&descriptor).forget_lifetime());
        }
        self.pass.as_mut().expect("was just opened")
    }
}
