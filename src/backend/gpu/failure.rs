//! What a device keeps of its first failure.

use std::fmt;
use std::sync::OnceLock;

use crate::error::Error;

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
        self.lost.get_or_init(|| on_one_line(reason));
    }

    /// Whether anything went wrong.
    pub fn is_there(&self) -> bool {
        self.lost.get().is_some() || self.first.get().is_some()
    }

    /// The error of a device of that name, if anything went wrong.
    pub fn error(&self, device: &str) -> Option<Error> {
        let device = device.to_string();
        match (self.lost.get(), self.first.get()) {
            (Some(reason), _) => Some(Error::Lost { device, reason: reason.clone() }),
            (None, Some(message)) => Some(Error::Device { device, message: message.clone() }),
            (None, None) => None,
        }
    }
}

/// A message of wgpu's, which may have several lines.
fn on_one_line(message: impl fmt::Display) -> String {
    message.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
