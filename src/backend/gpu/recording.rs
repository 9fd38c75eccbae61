//! What is recorded for the adapter and not submitted yet. It becomes commands of the driver when it is submitted: the kernels that are not
//! compiled by then are compiled together, on all threads.

use super::dispatch::Dispatch;
use super::groups::Groups;
use super::pace::Pace;
use super::pipeline::Pipelines;
use super::trace::Trace;
use super::underway::Underway;

/// What the adapter is to do, in order.
pub enum Command {
    /// A kernel.
    Dispatch(Dispatch),
    /// A copy of so many bytes from the beginning of one memory into another, at a place.
    Copy {
        /// From its beginning on.
        from: wgpu::Buffer,
        /// The memory and the place in it.
        to: (wgpu::Buffer, u64),
        /// How much.
        bytes: u64,
    },
    /// Takes timestamps out of a set, so many from the first on.
    Resolve {
        /// The set.
        times: wgpu::QuerySet,
        /// How many.
        count: u32,
        /// Where they go.
        to: wgpu::Buffer,
    },
}

/// Commands that wait for their submission.
#[derive(Default)]
pub struct Recording {
    /// What waits.
    pub commands: Vec<Command>,
    /// The parameters of the dispatches.
    pub uniforms: Vec<u8>,
    /// What was bound together so far.
    pub groups: Groups,
    /// Where the next submission writes when its first pass begins and, behind that, when it ends.
    pub timestamps: Option<wgpu::QuerySet>,
    /// Who wants to know when dispatches begin and end.
    pub trace: Trace,
    /// Which submissions have begun.
    pub underway: Underway,
    /// When to submit.
    pub pace: Pace,
}

impl Recording {
    /// Records a copy.
    pub fn copy(&mut self, from: &wgpu::Buffer, to: (&wgpu::Buffer, u64), bytes: u64) {
        self.commands.push(Command::Copy { from: from.clone(), to: (to.0.clone(), to.1), bytes });
    }

    /// The names of the kernels that wait.
    pub fn kernels(&self) -> Vec<&'static str> {
        let name = |command: &Command| match command {
            Command::Dispatch(dispatch) => Some(dispatch.pipeline.name),
            Command::Copy { .. } | Command::Resolve { .. } => None,
        };
        self.commands.iter().filter_map(name).collect()
    }

    /// Writes what waits for the driver; None where nothing does.
    pub fn encode(
        &mut self,
        device: &wgpu::Device,
        pipelines: &Pipelines,
        uniforms: &wgpu::Buffer,
    ) -> Option<wgpu::CommandEncoder> {
        let commands = std::mem::take(&mut self.commands);
        if commands.is_empty() {
            return None;
        }
        let dispatched = commands.iter().filter_map(|command| match command {
            Command::Dispatch(dispatch) => Some(&dispatch.pipeline),
            Command::Copy { .. } | Command::Resolve { .. } => None,
        });
        pipelines.compile(device, dispatched);
        let inside = device.features().contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass: Option<wgpu::ComputePass<'static>> = None;
        for command in commands {
            match command {
                Command::Dispatch(mut dispatch) => {
                    // Where a pass takes no timestamps, a dispatch that is noted gets one of its own.
                    let alone = dispatch.stamps.is_some() && !inside;
                    if alone {
                        pass = None;
                    }
                    let open = pass.get_or_insert_with(|| {
                        let own = dispatch.stamps.clone().filter(|_| alone);
                        begin(&mut encoder, own.or_else(|| self.timestamps.take().map(|times| (times, 0))))
                    });
                    let group = self.groups.of(device, uniforms, &mut dispatch);
                    dispatch.encode(open, group, inside);
                    if alone {
                        pass = None;
                    }
                }
                Command::Copy { from, to: (to, at), bytes } => {
                    pass = None;
                    encoder.copy_buffer_to_buffer(&from, 0, &to, at, bytes);
                }
                Command::Resolve { times, count, to } => {
                    pass = None;
                    encoder.resolve_query_set(&times, 0..count, &to, 0);
                }
            }
        }
        drop(pass);
        Some(encoder)
    }
}

/// A pass, which may write when it begins and ends, in a set from a place on.
fn begin(encoder: &mut wgpu::CommandEncoder, times: Option<(wgpu::QuerySet, u32)>) -> wgpu::ComputePass<'static> {
    let timestamp_writes = times.as_ref().map(|(query_set, first)| wgpu::ComputePassTimestampWrites {
        query_set,
        beginning_of_pass_write_index: Some(*first),
        end_of_pass_write_index: Some(first + 1),
    });
    let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
    encoder.begin_compute_pass(&descriptor).forget_lifetime()
}
