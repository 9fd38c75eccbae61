//! How much memory a run takes, found by running it on a device that counts ([`Device::shapes`]), and how much there is.

use crate::backend::Device;
use crate::error::{Error, Result};

/// The bytes that a run takes at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// In tensors, with what kernels, rounding and fragments add.
    pub device: u64,
    /// On the host beside them: copies of data sets, a checkpoint while it is written.
    pub host: u64,
    /// The largest tensor.
    pub largest: u64,
}

impl Need {
    /// What `work` takes on a device: it is run on one that counts instead, and tells what it would hold on the host.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn of(device: &Device, work: impl FnOnce(&Device) -> Result<u64>) -> Result<Need> {
        let (counting, tally) = device.shapes();
        let host = work(&counting)?;
        Ok(Need { device: tally.peak(), host, largest: tally.largest() })
    }

    /// Device and host together.
    pub fn total(&self) -> u64 {
        self.device.saturating_add(self.host)
    }

    /// What so many runs take that go on at once.
    pub fn times(self, jobs: usize) -> Need {
        let jobs = jobs as u64;
        Need { device: self.device.saturating_mul(jobs), host: self.host.saturating_mul(jobs), ..self }
    }

    /// What two hold that are there together.
    pub fn and(self, other: Need) -> Need {
        Need {
            device: self.device.saturating_add(other.device),
            host: self.host.saturating_add(other.host),
            largest: self.largest.max(other.largest),
        }
    }

    /// What two runs take that go on one after the other.
    pub fn or(self, other: Need) -> Need {
        Need {
            device: self.device.max(other.device),
            host: self.host.max(other.host),
            largest: self.largest.max(other.largest),
        }
    }

    /// The need at `batch` on the line through those of two other batches.
    fn between([(first, a), (second, b)]: [(usize, Need); 2], batch: usize) -> Need {
        let line = |of: fn(&Need) -> u64| {
            let slope = (of(&b) as f64 - of(&a) as f64) / (second as f64 - first as f64);
            (of(&b) as f64 + slope * (batch as f64 - second as f64)).max(0.0) as u64
        };
        Need { device: line(|need| need.device), host: line(|need| need.host), largest: line(|need| need.largest) }
    }
}

/// What a run may be asked to have less of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// What is said of an amount N that fits.
    pub fits: &'static str,
    /// How much was asked for.
    pub asked: usize,
    /// The least that makes sense.
    pub least: usize,
    /// The most whose need costs little to find.
    pub tried: usize,
}

impl Amount {
    /// A batch of images and latents of so many elements each.
    pub fn batch(asked: usize, elements: usize) -> Amount {
        /// Elements of a batch that is tried.
        const MOST: usize = 1 << 24;
        Amount { fits: "batch N fits", asked, least: 2, tried: (MOST / elements.max(1)).max(2) }
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The bytes that may still be taken; any number where that is unknown.
    pub available: Option<u64>,
    /// The bytes of the largest tensor that a device takes.
    pub largest: Option<u64>,
}

impl Limits {
    /// Those of a device: free memory within the limits of the process's control group, where tensors live in it, and what the device
    /// keeps for tensors to come.
    pub fn of(device: &Device) -> Limits {
        let bounds = device.backend().bounds();
        let available = available_memory().filter(|_| bounds.shares_host_memory);
        Limits { available: available.map(|bytes| bytes + bounds.idle), largest: bounds.largest_storage }
    }

    /// Whether a run fits.
    pub fn hold(&self, need: &Need) -> bool {
        let within = |bytes, limit: Option<u64>| limit.is_none_or(|limit| bytes <= limit);
        within(need.total(), self.available) && within(need.largest, self.largest)
    }

    /// Refuses a run that does not fit. `need` tells what it takes with an amount; those beyond what is tried are on a line with smaller
    /// ones.
    ///
    /// # Errors
    /// [`Error::Invalid`]: `what` needs so much, there is so much, and the amount that fits, or else the advice `otherwise`. Those of
    /// `need`.
    pub fn check(
        &self,
        what: &str,
        otherwise: &str,
        amount: Amount,
        mut need: impl FnMut(usize) -> Result<Need>,
    ) -> Result<()> {
        let Amount { fits, asked, least, tried: most } = amount;
        let tried = asked.min(most);
        let near = need(tried)?;
        if tried == asked && self.hold(&near) {
            return Ok(());
        }
        let other = if tried > 1 { tried / 2 } else { 2 };
        let points = [(other, need(other)?), (tried, near)];
        let whole = if tried == asked { near } else { Need::between(points, asked) };
        if self.hold(&whole) {
            return Ok(());
        }
        // The largest that fits is below the smallest that does not.
        let (mut low, mut high) = (0, asked);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.hold(&Need::between(points, middle)) { low = middle } else { high = middle }
        }
        // The line is nearly what is found; where rounding lifts that above the limit, a smaller amount fits.
        while (least..=most).contains(&low) && !self.hold(&need(low)?) {
            low -= (low / 16).max(1);
        }
        let advice = if low >= least { fits.replace('N', &low.to_string()) } else { otherwise.to_string() };
        let unit = |bytes: u64, power: u32| bytes as f64 / f64::from(1u32 << power);
        let shortage = match self.largest.filter(|&limit| whole.largest > limit) {
            Some(limit) => format!(
                "makes a tensor of {:.1} MiB, and the device takes {:.1} MiB at once",
                unit(whole.largest, 20),
                unit(limit, 20)
            ),
            None => format!(
                "needs about {:.1} GiB of memory, and {:.1} GiB are free",
                unit(whole.total(), 30),
                unit(self.available.unwrap_or_default(), 30)
            ),
        };
        Err(Error::invalid(format!("{what} {shortage}: {advice}")))
    }
}

/// The bytes that this process may still take: free memory, within the limits of its control group. None where the system
/// does not tell.
pub fn available_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    Some(system.available_memory().min(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 bytes and 10 an image, half of which is the largest tensor.
    fn need(batch: usize) -> Result<Need> {
        let grows = 10 * batch as u64;
        Ok(Need { device: grows, host: 100, largest: grows / 2 })
    }

    #[test]
    fn the_batch_that_fits_is_the_largest_that_does() {
        let refusal = |available, largest, batch| {
            let limits = Limits { available: Some(available), largest: Some(largest) };
            limits.check("it", "ask for less", Amount::batch(batch, 1 << 12), need).map_err(|error| error.to_string())
        };
        assert_eq!(refusal(1100, 500, 100), Ok(()));
        assert!(refusal(1100, 500, 101).unwrap_err().ends_with(": batch 100 fits"));
        // Too large a batch to be tried.
        assert!(refusal(1_000_100, 1 << 40, 1 << 20).unwrap_err().ends_with("GiB are free: batch 100000 fits"));
        assert!(refusal(1100, 400, 100).unwrap_err().ends_with("MiB at once: batch 80 fits"));
        assert!(refusal(110, 500, 4).unwrap_err().ends_with("ask for less"));
        assert!(Limits::default().check("it", "", Amount::batch(1 << 30, 1), need).is_ok());
    }

    #[test]
    fn needs_add_up() {
        let (a, b) = (Need { device: 5, host: 1, largest: 2 }, Need { device: 3, host: 4, largest: 3 });
        assert_eq!(a.times(3), Need { device: 15, host: 3, largest: 2 });
        assert_eq!((a.or(b), a.total()), (Need { device: 5, host: 4, largest: 3 }, 6));
    }
}
