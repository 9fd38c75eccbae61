//! What kernels tell a gpu: an engine does it, a recorder notes it down.

use std::time::Duration;

use super::buffer::Buffer;
use super::shader::Kernel;
use super::shape::Shape;
use super::tile::{Choice, Taste};
use super::{Bounds, Counted, DeviceTimes, Tuned};
use crate::error::Result;

/// Whoever takes the commands of kernels.
pub trait Commands: Send + Sync {
    /// As `--device` takes it.
    fn name(&self) -> &str;

    /// `len` numbers whose contents are whatever was there; the caller writes every element.
    fn buffer(&self, len: usize) -> Buffer;

    /// As [`Commands::buffer`], for what can be done without: None where there is no room.
    fn buffer_if_there_is_room(&self, len: usize) -> Option<Buffer> {
        Some(self.buffer(len))
    }

    /// Whether a buffer lives here.
    fn owns(&self, buffer: &Buffer) -> bool;

    /// One run of a kernel: its parameters, the storages that it reads and those that it writes, and its workgroups.
    fn dispatch(&self, kernel: &Kernel, parameters: &[u32], reads: &[&Buffer], writes: &[&Buffer], groups: usize);

    /// The next dispatch computes so many multiply-adds, more than what it moves lets expect.
    fn weigh(&self, _multiply_adds: u64) {}

    /// Copies bytes from the host in the order of the commands.
    fn upload(&self, bytes: &[u8], to: &Buffer);

    /// Copies `bytes` bytes of one storage to another.
    fn copy(&self, from: &Buffer, to: &Buffer, bytes: u64);

    /// Copies storages to the host, after all that was commanded.
    ///
    /// # Errors
    /// The device's first failure.
    fn download(&self, from: &[&Buffer]) -> Result<Vec<Vec<f32>>>;

    /// Waits for everything commanded so far.
    ///
    /// # Errors
    /// The device's first failure.
    fn sync(&self) -> Result<()>;

    /// How long the adapter takes for the dispatches of `work`, by its own clock; None, and `work` is not called, where there is none. See
    /// [`Probes::timed`](crate::backend::Probes::timed).
    ///
    /// # Errors
    /// The device's first failure.
    fn timed(&self, _work: &mut dyn FnMut()) -> Result<Option<Duration>> {
        Ok(None)
    }

    /// See [`Probes::counted`](crate::backend::Probes::counted).
    fn counted(&self) -> Counted {
        Counted::default()
    }

    /// See [`Backend::poison`](crate::backend::Backend::poison).
    fn poison(&self, _on: bool) {}

    /// See [`Probes::note_under`](crate::backend::Probes::note_under).
    fn note_under(&self, _label: Option<usize>) -> bool {
        false
    }

    /// See [`Probes::noted`](crate::backend::Probes::noted).
    ///
    /// # Errors
    /// The device's first failure.
    fn noted(&self) -> Result<DeviceTimes> {
        Ok(DeviceTimes::default())
    }

    /// Gives the memory that waits for its next use back to the driver, once what was commanded is done.
    fn release_idle(&self);

    /// The bytes of the largest storage.
    fn largest(&self) -> u64;

    /// How products are done best.
    fn taste(&self) -> Taste;

    /// Measures what is best for the shapes that came by without a choice, or for all, for at most about `limit`.
    ///
    /// # Errors
    /// The device's first failure.
    fn tune(&self, _limit: Duration, _all: bool) -> Result<Vec<Tuned>> {
        Ok(Vec::new())
    }

    /// Whether a long run is worth that.
    fn tunes_itself(&self) -> bool {
        false
    }

    /// What was found best for a shape that has a kernel of its own; it may note that such a shape came by, with operands of so many
    /// elements.
    fn choice(&self, _shape: &Shape, _operands: [usize; 2]) -> Option<Choice> {
        None
    }

    /// What bounds its storages.
    fn bounds(&self) -> Bounds;
}
