//! What a device keeps of its first failure.

use std::fmt;
use std::sync::OnceLock;

/// What went wrong first. A lost device shows in other errors before wgpu says so, but it is the better message.
#[derive(Default)]
pub struct Failure {
    first: OnceLock<String>,
    lost: OnceLock<String>,
}

impl Failure {
    /// Keeps the first message.
    pub fn keep(&self, message: impl fmt::Display) {
        self.first.get_or_init(|| on_one_line(message));
    }

    /// Keeps that the device was lost, and why.
    pub fn lose(&self, reason: impl fmt::Display) {
        self.lost.get_or_init(|| {
            on_one_line(format!("it was lost ({reason}); continue with --resume, the last checkpoint is good"))
        });
    }

    /// What to say, if anything went wrong.
    pub fn message(&self) -> Option<&str> {
        self.lost.get().or(self.first.get()).map(String::as_str)
    }
}

/// A message of wgpu's, which may have several lines.
fn on_one_line(message: impl fmt::Display) -> String {
    message.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
