//! How long a device takes for something, by its own clock where it has one.

use std::time::{Duration, Instant};

use crate::backend::{Device, Probes};
use crate::error::Result;

/// Repetitions of one sample at most: a gpu's clock takes 128 dispatches at a time, and a kernel may be three of them.
const MOST_REPEATS: usize = 40;
/// Without a clock of its own a sample should be long beside the waiting at its end.
const MOST_WAITED_FOR: usize = 1000;
/// A sample is as many repetitions as take this long.
const SAMPLE: Duration = Duration::from_millis(10);
/// Samples that a median should have, where they do not take much longer than is allowed.
const FEWEST_SAMPLES: usize = 3;
/// And at most.
const MOST_SAMPLES: usize = 25;

/// Times work on a device.
pub struct Stopwatch<'a> {
    device: &'a Device,
    probes: &'a dyn Probes,
    /// About how long a measurement may take.
    budget: Duration,
}

/// What a stopwatch found, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The median of several samples.
    pub median: f64,
    /// The fastest of them.
    pub fastest: f64,
    /// Whether it is by the device's own clock, else by the host's.
    pub by_device: bool,
}

impl<'a> Stopwatch<'a> {
    /// A stopwatch for a device, whose measurements take about `budget`.
    pub fn new(device: &'a Device, probes: &'a dyn Probes, budget: Duration) -> Stopwatch<'a> {
        Stopwatch { device, probes, budget }
    }

    /// The time of one `run`, which starts kernels and does not wait for them, after so many that are not timed: at least one, in which
    /// kernels are compiled and memory is taken.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn time(&self, warm_up: usize, mut run: impl FnMut()) -> Result<Timing> {
        for _ in 0..warm_up.max(1) {
            run();
            self.device.sync()?;
        }
        let (once, by_device) = self.sample(1, &mut run)?;
        if once >= self.budget.as_secs_f64() {
            // Nobody waits for more of what is so slow.
            return Ok(Timing { median: once, fastest: once, by_device });
        }
        let most = if by_device { MOST_REPEATS } else { MOST_WAITED_FOR };
        let wanted = SAMPLE.min(self.budget).as_secs_f64() / once.max(1e-9);
        let repeats = (wanted as usize).clamp(1, most);
        let began = Instant::now();
        let mut samples = Vec::new();
        let goes_on = |samples: usize| {
            let spent = began.elapsed();
            samples < MOST_SAMPLES
                && (spent < self.budget || (samples < FEWEST_SAMPLES && spent < FEWEST_SAMPLES as u32 * self.budget))
        };
        while samples.is_empty() || goes_on(samples.len()) {
            samples.push(self.sample(repeats, &mut run)?.0);
        }
        samples.sort_by(f64::total_cmp);
        Ok(Timing { median: samples[samples.len() / 2], fastest: samples[0], by_device })
    }

    /// The seconds of one of so many repetitions, and whether they are the device's own.
    fn sample(&self, repeats: usize, run: &mut impl FnMut()) -> Result<(f64, bool)> {
        let mut repeat = || (0..repeats).for_each(|_| run());
        let by_device = self.probes.timed(&mut repeat)?;
        let elapsed = match by_device {
            Some(elapsed) => elapsed,
            None => {
                let start = Instant::now();
                repeat();
                self.device.sync()?;
                start.elapsed()
            }
        };
        Ok((elapsed.as_secs_f64() / repeats as f64, by_device.is_some()))
    }
}
