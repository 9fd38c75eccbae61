//! A process as its claims name it, and whether another has ended.

use std::fs;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// What only processes that see one another's numbers have in common; none where the system does not say.
    pub host: Option<String>,
    process: u32,
    /// When it began, in the system's ticks: numbers are given again.
    pub began: Option<u64>,
    pub token: String,
}

impl Owner {
    /// This process.
    pub fn this() -> Owner {
        let process = std::process::id();
        Owner {
            host: host(),
            process,
            began: began(process),
            token: format!("{process}-{:016x}", RandomState::new().hash_one(process)),
        }
    }

    /// Whether it is known to have ended: only a process of the same host can know.
    pub fn is_dead(&self, this: &Owner) -> bool {
        // The first process lives; where it cannot be seen, others of other users cannot be, either.
        let sees = || began(1).is_some();
        self.host.is_some() && self.host == this.host && sees() && began(self.process) != self.began
    }
}

/// The host's name with what tells it from others of that name, and containers from one another; none where the system does not say.
fn host() -> Option<String> {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_string());
    let (name, boot) = (read("/proc/sys/kernel/hostname")?, read("/proc/sys/kernel/random/boot_id")?);
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{name} {boot} {}", space.display()))
}

/// When a process that has not ended began; none where there is none, or the system does not say.
fn began(process: u32) -> Option<u64> {
    /// Its place behind the name, which is in brackets and may have spaces: proc_pid_stat(5), field 22.
    const BEHIND_NAME: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    // Those that nobody has asked about yet, and those that are going.
    if ["Z", "X", "x"].contains(&state) {
        return None;
    }
    fields.nth(BEHIND_NAME - 1)?.parse().ok()
}
