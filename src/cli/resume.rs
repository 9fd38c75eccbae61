//! What `--resume` takes beside it, of `graft train` and `graft transfer` alike.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory};

use super::{Cli, Compute};
use crate::data::Reading;
use crate::error::{Error, Result};
use crate::run::OnNan;

/// What else is taken where the command has it, as help and errors list it.
const TAKES: [&str; 14] = [
    "steps",
    "minutes",
    "threads",
    "device",
    "on_nan",
    "data",
    "source",
    "target",
    "held_out",
    "data_changed",
    "profile",
    "data_memory",
    "json",
    "quiet",
];

/// How a run goes on whose images are others now.
#[derive(Args, Clone)]
pub struct ChangedOption {
    /// With --resume: go on where images were added, removed or changed since the run began; its checkpoints say so
    #[arg(long, requires = "resume", hide_short_help = true)]
    pub data_changed: bool,
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

impl ChangedOption {
    /// A run's reading, as it goes on now.
    pub fn of(&self, reading: Reading) -> Reading {
        Reading { changed: self.data_changed, ..reading }
    }
}

/// Refuses what cannot be changed of a run that goes on, of a command with such arguments.
pub fn check<C: Args>(matches: &ArgMatches) -> Result<()> {
    // Groups have the names of structs.
    let is_argument = |id: &&str| !id.starts_with(char::is_uppercase) && is_given(matches, id);
    let mut given = matches.ids().map(|id| id.as_str()).filter(is_argument);
    // Fewer images are others.
    let leaves_out = |id: &str| id == "skip_broken" && is_given(matches, "data_changed");
    let taken = |id: &str| id == "resume" || TAKES.contains(&id) || leaves_out(id);
    let Some(other) = given.find(|id| !taken(id)) else { return Ok(()) };
    // An optimised build of the parser knows no argument's name that was not given.
    let (everywhere, own) = (Cli::command(), C::augment_args(clap::Command::new("own")));
    let has =
        |id: &&&str| everywhere.get_arguments().chain(own.get_arguments()).any(|argument| argument.get_id() == **id);
    let option = |id: &str| format!("--{}", id.replace('_', "-"));
    let taken: Vec<String> = TAKES.iter().filter(has).map(|id| option(id)).collect();
    let (last, rest) = taken.split_last().expect("every command takes --quiet");
    Err(Error::Usage(format!(
        "--resume continues the run as it was configured: {} cannot be changed; only {} and {last} can be given with it",
        option(other),
        rest.join(", ")
    )))
}

/// Refuses to go on where what the run needs lies elsewhere now; `option` is the one that would say where.
pub fn check_place(run: &Path, what: &str, missing: Option<String>, option: &str) -> Result<()> {
    match missing {
        None => Ok(()),
        Some(path) => Err(Error::invalid(format!(
            "{}: there is no {path} any more, the run's {what}: put it back, or say where it lies now with {option}",
            run.display()
        ))),
    }
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
