//! What a device can do at most, which its kernels are measured against.

use std::time::Duration;

use super::Storage;
use crate::error::Result;

/// What a device's own clock says of work that was noted under labels; see [`Probes::note_under`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTimes {
    /// How long it was busy with the work of each label. Labels that led to nothing may be missing at the end.
    pub busy: Vec<Duration>,
    /// How long it was not busy with any of it between the first and the last.
    pub idle: Duration,
}

/// What a device was told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Runs of kernels.
    pub dispatches: u64,
    /// Copies of memory, those from and to the host among them.
    pub copies: u64,
    /// Bytes from the host.
    pub uploaded: u64,
    /// Submissions to the driver.
    pub submissions: u64,
}

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

    /// What the device was told so far, where there is more to it than calls.
    fn counted(&self) -> Counted {
        Counted::default()
    }

    /// From now on the device notes, by its own clock, when it begins and ends the kernels that are called, under this label; under None it
    /// notes nothing. Whether it has such a clock.
    fn note_under(&self, _label: Option<usize>) -> bool {
        false
    }

    /// What was noted so far, once all that was asked for is done.
    ///
    /// # Errors
    /// The device's first failure.
    fn noted(&self) -> Result<DeviceTimes> {
        Ok(DeviceTimes::default())
    }
}
