//! What a device can do at most, which its kernels are measured against.

use std::time::Duration;

use super::Storage;
use crate::error::Result;

/// Work that nothing but the device bounds, and the device's own clock.
pub trait Probes: Send + Sync {
    /// Runs `rounds` rounds of independent chains of multiply-adds that stay in registers, on the whole device; gives the floating-point
    /// operations, two a multiply-add. The time of a round is the device's affair.
    fn multiply_adds(&self, rounds: usize) -> f64;

    /// A copy of a storage by a kernel: each element read once and written once.
    fn copy(&self, x: &Storage) -> Storage;

    /// How long the device takes for the kernels that `work` calls, by its own clock: at most 128 dispatches of a gpu, without uploads or
    /// downloads in between. None, and `work` is not called, where it has no clock.
    ///
    /// # Errors
    /// The device's first failure.
    fn timed(&self, work: &mut dyn FnMut()) -> Result<Option<Duration>>;
}
