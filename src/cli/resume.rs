//! What `--resume` takes beside it, of `graft train` and `graft transfer` alike.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::Compute;
use crate::error::{Error, Result};
use crate::run::OnNan;

const TAKES: [&str; 9] = ["resume", "steps", "threads", "device", "on_nan", "quiet", "json", "profile", "data_memory"];

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// Refuses what cannot be changed of a run that goes on.
pub fn check(matches: &ArgMatches) -> Result<()> {
    // Groups have the names of structs.
    let is_argument = |id: &&str| !id.starts_with(char::is_uppercase) && is_given(matches, id);
    let mut given = matches.ids().map(|id| id.as_str()).filter(is_argument);
    let Some(other) = given.find(|id| !TAKES.contains(id)) else { return Ok(()) };
    let profile = if matches.try_contains_id("profile").is_ok() { "--profile, " } else { "" };
    Err(Error::Usage(format!(
        "--resume continues the run as it was configured: --{} cannot be changed; only --steps, --threads, --device, --on-nan, \
         {profile}--data-memory, --json and -q can be given with it",
        other.replace('_', "-")
    )))
}

/// The settings of a run that may change while it goes on.
pub struct Changeable<'s> {
    pub steps: &'s mut u64,
    pub device: &'s mut String,
    pub threads: &'s mut usize,
    pub on_nan: &'s mut OnNan,
}

impl Changeable<'_> {
    /// Takes what is said beside --resume; gives where to compute.
    pub fn take(self, matches: &ArgMatches, steps: Option<u64>, on_nan: OnNan, compute: &Compute) -> Compute {
        *self.steps = steps.unwrap_or(*self.steps);
        if is_given(matches, "threads") {
            *self.threads = compute.threads;
        }
        if is_given(matches, "on_nan") {
            *self.on_nan = on_nan;
        }
        if is_given(matches, "device") {
            self.device.clone_from(&compute.device);
        }
        Compute { device: self.device.clone(), threads: *self.threads }
    }
}
