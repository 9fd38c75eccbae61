//! When what is recorded is submitted: soon where the adapter has nothing to do, seldom where it has, and never so much at once that a system
//! takes the adapter for hung (Windows resets a driver after two seconds).

/// Dispatches of the first submission after the adapter was waited for.
const FIRST: usize = 16;
/// Dispatches of a submission at most; each may hold twice as many as the one before.
const MOST: usize = 128;
/// Seconds that a submission may take, as estimated; one dispatch alone may take longer.
const SECONDS: f64 = 0.1;
/// Bytes of uploads that wait.
const UPLOADS: u64 = 64 << 20;

/// What a modest adapter of a kind computes and moves a second: one that is ten times as slow still stays below what systems allow.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    multiply_adds: f64,
    bytes: f64,
}

impl Speed {
    /// Of cards with memory of their own.
    const CARD: Speed = Speed { multiply_adds: 2e12, bytes: 1e11 };
    /// Of those that share the processor's.
    const SHARED: Speed = Speed { multiply_adds: 2e10, bytes: 1e10 };

    /// Of this kind of adapter; none in software, which nobody resets.
    pub fn of(kind: wgpu::DeviceType) -> Option<Speed> {
        match kind {
            wgpu::DeviceType::DiscreteGpu | wgpu::DeviceType::VirtualGpu => Some(Speed::CARD),
            wgpu::DeviceType::Cpu => None,
            _ => Some(Speed::SHARED),
        }
    }
}

/// What waits, and how much may.
#[derive(Debug)]
pub struct Pace {
    speed: Option<Speed>,
    limit: usize,
    /// Whether what waits is to stay together.
    held: bool,
    dispatches: usize,
    seconds: f64,
    /// Multiply-adds of the next dispatch.
    weight: u64,
    uploads: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::new(None)
    }
}

impl Pace {
    /// Of an adapter of this speed.
    pub fn new(speed: Option<Speed>) -> Pace {
        Pace { speed, limit: FIRST, held: false, dispatches: 0, seconds: 0.0, weight: 0, uploads: 0 }
    }

    /// The next dispatch computes so many multiply-adds.
    pub fn weigh(&mut self, multiply_adds: u64) {
        self.weight = multiply_adds;
    }

    /// Whether what waits is to be submitted before a dispatch that moves so many bytes.
    pub fn is_full(&self, bytes: u64) -> bool {
        if self.held {
            return self.dispatches >= MOST;
        }
        self.dispatches >= self.limit || (self.dispatches > 0 && self.seconds + self.estimate(bytes) > SECONDS)
    }

    /// Takes note of that dispatch.
    pub fn dispatched(&mut self, bytes: u64) {
        self.dispatches += 1;
        self.seconds += self.estimate(bytes);
        self.weight = 0;
    }

    /// Takes note of an upload; whether what waits is to be submitted.
    pub fn uploaded(&mut self, bytes: u64) -> bool {
        self.uploads += bytes;
        self.uploads >= UPLOADS
    }

    /// What waited was submitted.
    pub fn submitted(&mut self) {
        let limit = (2 * self.limit).min(MOST);
        *self = Pace { limit, weight: self.weight, ..Pace::new(self.speed) };
    }

    /// What comes next is one submission, up to as many dispatches as one may hold.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// The adapter has nothing to do.
    pub fn waited(&mut self) {
        self.limit = FIRST;
    }

    fn estimate(&self, bytes: u64) -> f64 {
        self.speed.map_or(0.0, |speed| self.weight as f64 / speed.multiply_adds + bytes as f64 / speed.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_start_small_and_grow_until_the_adapter_was_waited_for() {
        let mut pace = Pace::new(None);
        let mut held = |waits: bool| {
            let mut dispatches = 0;
            while !pace.is_full(u64::MAX) {
                pace.dispatched(u64::MAX);
                dispatches += 1;
            }
            pace.submitted();
            if waits {
                pace.waited();
            }
            dispatches
        };
        assert_eq!([false, false, false, false, true, false].map(&mut held), [16, 32, 64, 128, 128, 16]);
    }

    #[test]
    fn no_submission_is_estimated_to_take_long_but_of_one_dispatch_alone() {
        let mut pace = Pace::new(Speed::of(wgpu::DeviceType::IntegratedGpu));
        // 0.04 s each, as estimated.
        for expected in [false, false, true] {
            pace.weigh(8e8 as u64);
            assert_eq!(pace.is_full(0), expected);
            pace.dispatched(0);
        }
        pace.submitted();
        pace.weigh(8e12 as u64);
        assert!(!pace.is_full(0), "it cannot be made smaller");
        pace.dispatched(0);
        assert!(pace.is_full(4));
    }
}
