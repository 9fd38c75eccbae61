//! What a device was told so far, counted: what a step costs the host is found without a card.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Counted;

/// Counts that any thread adds to.
#[derive(Default)]
pub struct Counters {
    dispatches: AtomicU64,
    copies: AtomicU64,
    uploaded: AtomicU64,
    submissions: AtomicU64,
}

impl Counters {
    /// One more run of a kernel.
    pub fn dispatched(&self) {
        self.dispatches.fetch_add(1, Ordering::Relaxed);
    }

    /// One more copy, of so many bytes that may come from the host.
    pub fn copied(&self, bytes: u64, from_host: bool) {
        self.copies.fetch_add(1, Ordering::Relaxed);
        if from_host {
            self.uploaded.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// One more submission.
    pub fn submitted(&self) {
        self.submissions.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them.
    pub fn counted(&self) -> Counted {
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            dispatches: now(&self.dispatches),
            copies: now(&self.copies),
            uploaded: now(&self.uploaded),
            submissions: now(&self.submissions),
        }
    }
}
