//! The command line: one file a subcommand.

mod advice;
mod arguments;
mod classify;
mod classify_tables;
mod command;
mod compare;
mod compare_command;
mod compare_lines;
mod compare_tables;
mod data;
mod device_bench;
mod device_check;
mod device_tune;
mod devices;
mod evaluate;
mod export;
mod homes;
mod import;
mod inversion;
mod invert;
mod judge;
mod lists;
mod live;
mod method_options;
mod output;
mod pace;
mod predict;
mod presets;
mod progress;
mod ranks;
mod reading;
mod report;
mod resume;
#[cfg(test)]
mod round_trip;
mod sample;
mod search_tables;
mod shell;
mod signals;
mod source;
mod train;
mod train_command;
mod transfer;
mod transfer_command;
mod translate;
mod workers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::RangedU64ValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::backend::{Device, gpu};
use crate::error::{Error, Result, either};
use crate::gan::NetworkKind;
use crate::run::RunFolder;
use command::option;
use output::{named, say, tell, warn};

/// Where to compute unless something else is said.
const DEVICE: &str = "cpu";
/// More threads than this are a mistake.
const MOST_THREADS: usize = 1024;

/// The exit code where something else is.
const FAILURE: u8 = 1;
/// The exit code where the command line is wrong.
const USAGE: u8 = 2;

#[derive(Parser)]
#[command(
    name = "graft",
    version,
    about = "Transfers what a GAN learned on one image domain to another that has little data",
    max_term_width = 100,
    after_help = "Examples:\n  graft train\n  graft transfer\n  graft transfer --source mnist:DIR --target svhn:DIR --subset 1000 --scratch\n  \
    graft sample runs/trgan-svhn-0\n  graft evaluate runs/trgan-svhn-0"
)]
struct Cli {
    /// Write to standard output one JSON object a line and nothing else; docs/scripting.md lists events and keys
    #[arg(long, global = true)]
    json: bool,
    /// No progress
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Train>),
    Transfer(Box<transfer::Transfer>),
    Compare(Box<compare::Compare>),
    Classify(Box<classify::Classify>),
    Predict(predict::Predict),
    Translate(translate::Translate),
    Sample(sample::Sample),
    Evaluate(evaluate::Evaluate),
    Judge(judge::Judge),
    Data(data::Data),
    Report(report::Report),
    Export(export::Export),
    Import(import::Import),
    Invert(Box<invert::Invert>),
    Devices(devices::Devices),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// Where and how wide to compute.
#[derive(Args, Clone, Debug)]
struct Compute {
    /// Where to compute: cpu, gpu, gpu:N or gpu:NAME, auto, or reference
    ///
    /// N is a number of `graft devices`, NAME a part of an adapter's name; auto takes a GPU that is not in software, else the cpu; reference computes
    /// in f64, slowly
    #[arg(long, default_value = DEVICE, value_name = "DEVICE", value_parser = crate::backend::device_name)]
    device: String,
    /// Threads; 0 for one a core. Results do not depend on it
    #[arg(long, default_value_t = 0, value_name = "N", hide_short_help = true, value_parser = threads)]
    threads: usize,
}

fn threads(text: &str) -> std::result::Result<usize, String> {
    let threads = text.parse().ok().filter(|&threads: &usize| threads <= MOST_THREADS);
    threads.ok_or_else(|| format!("takes a number up to {MOST_THREADS}"))
}

impl Compute {
    /// Runs `work` on the device, on a pool of that many threads.
    fn run<R: Send>(&self, work: impl FnOnce(&Device) -> Result<R> + Send) -> Result<R> {
        // A run's settings may have been edited.
        if self.threads > MOST_THREADS {
            return Err(Error::option("threads", format!("takes a number up to {MOST_THREADS}")));
        }
        let place = ranks::place();
        let device = if self.device == "auto" {
            let (device, why) = Device::auto()?;
            warn(why);
            device
        } else {
            match &*place.device(&self.device)? {
                "gpu" => {
                    let adapter = gpu::choose(&gpu::Choice::Best)?;
                    if adapter.is_software() && !output::is_quiet() {
                        warn(format!("note: {adapter} is a gpu in software alone: the device cpu is faster"));
                    }
                    Device::new(Arc::new(gpu::Gpu::new(adapter)?))
                }
                name => name.parse()?,
            }
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(place.threads(self.threads)).build();
        let pool = pool.map_err(|error| Error::invalid(format!("threads cannot be started: {error}")))?;
        pool.install(|| place.ranks.within(|| work(&device)))
    }
}

/// Runs the command line of this process; gives its exit code.
pub fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches();
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(other) => {
            // Help and the version go to standard output, what is wrong to standard error.
            output::note_written(other.print());
            return ending(u8::try_from(other.exit_code()).unwrap_or(USAGE));
        }
    };
    if cli.json {
        output::speak_json();
    }
    if cli.quiet {
        output::be_quiet();
    }
    if let Some(word) = homes::left_alone(std::env::args_os().skip(1)) {
        warn(format!("error: {}", homes::advice(&word)));
        return ExitCode::from(USAGE);
    }
    let (_, options) = matches.subcommand().expect("clap requires a subcommand");
    let launched = match ranks::launched(match cli.command {
        Command::Train(_) | Command::Transfer(_) => ranks::Together::Train,
        // Each takes its runs, whatever started it.
        Command::Compare(_) | Command::Classify(_) => ranks::Together::Apart,
        _ => ranks::Together::No,
    }) {
        Ok(launched) => launched,
        Err(error) => {
            warn(format!("error: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    let result = match cli.command {
        Command::Train(command) => command.run(options),
        Command::Transfer(command) => command.run(options),
        Command::Compare(command) => command.run(),
        Command::Classify(command) => command.run(),
        Command::Predict(command) => command.run(),
        Command::Translate(command) => command.run(),
        Command::Sample(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Judge(command) => command.run(),
        Command::Data(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Invert(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    match result {
        Ok(()) => ending(0),
        Err(error) => {
            let error = advice::advised(error);
            let dashes = if matches!(error, Error::Option { .. }) { "--" } else { "" };
            let code = if error.is_usage() { USAGE } else { FAILURE };
            launched.failed();
            let text = format!("{dashes}{error}");
            let rank = if text.starts_with("rank ") { String::new() } else { ranks::place().named() };
            warn(format!("error: {rank}{text}"));
            launched.end_all(code);
            ExitCode::from(code)
        }
    }
}

/// The end of a process whose work came to this exit code: another where standard output could not be written.
fn ending(code: u8) -> ExitCode {
    match output::unwritten() {
        Some(error) if code == 0 => {
            warn(format!("error: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::from(code),
    }
}

/// Refuses a place to write to that is taken, or lies in no folder.
fn check_vacant(option: &str, out: &Path) -> Result<()> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(Error::invalid(format!(
            "cannot write {}: {} is no folder; make it, or choose another path",
            out.display(),
            parent.display()
        )));
    }
    // A link that leads nowhere is something, too.
    match out.symlink_metadata().is_ok() {
        true => Err(Error::invalid(format!("{} exists: choose another --{option}", out.display()))),
        false => Ok(()),
    }
}

/// Refuses a file whose ending says another format than the one in which it is written.
fn check_ending(option: &str, out: &Path, ending: &str) -> Result<()> {
    match out.extension() {
        Some(other) if !other.eq_ignore_ascii_case(ending) => Err(Error::Usage(format!(
            "--{option} {} is written as {}: name a file that ends in .{ending}",
            out.display(),
            ending.to_uppercase()
        ))),
        _ => Ok(()),
    }
}

/// The folder of a run that a command is to continue, and no other process meanwhile.
fn continued(path: &Path, command: &str) -> Result<RunFolder> {
    if let Some(whole) = RunFolder::of_phase(path).filter(|_| command == "train") {
        return Err(Error::invalid(format!(
            "{} is a part of the transfer in {}, which says how long it is: continue that with graft transfer{}",
            path.display(),
            whole.path().display(),
            option("resume", &named(whole.path()))
        )));
    }
    if let Some((experiment, root)) = experiment_around(path) {
        return Err(Error::invalid(format!(
            "{} is a part of the {experiment} in {}, which says how long it is: the same graft {experiment} goes on with it; \
             copy the folder to train it further by itself",
            path.display(),
            root.display()
        )));
    }
    let folder = RunFolder::resume(path)?;
    match folder.command() {
        Some(other) if other != command => Err(Error::invalid(format!(
            "{} holds a run of graft {other}: continue it with graft {other}{}",
            path.display(),
            option("resume", &named(path))
        ))),
        _ => Ok(guarded(folder)),
    }
}

/// The command of an experiment and its folder, if a run's folder is one of those in which it keeps its runs and their sources.
fn experiment_around(path: &Path) -> Option<(&'static str, PathBuf)> {
    let path = std::path::absolute(path).ok()?;
    let mut part = path.as_path();
    while let Some(root) = part.parent() {
        let is_its_own = part.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            let seed = name.strip_prefix("source-seed");
            name == "cells" || seed.is_some_and(|seed| seed.parse::<u64>().is_ok())
        });
        let kinds = [("compare", "comparison.toml"), ("classify", "classify.toml")];
        let kind = kinds.into_iter().find(|(_, file)| is_its_own && root.join(file).is_file());
        if let Some((command, _)) = kind {
            return Some((command, root.to_path_buf()));
        }
        part = root;
    }
    None
}

/// Says where nothing keeps other processes out of a run's folder.
fn guarded(folder: RunFolder) -> RunFolder {
    folder.warning().into_iter().for_each(warn);
    folder
}

/// A whole number from 1 up.
fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&value| value > 0).ok_or_else(|| "takes a whole number from 1 up".to_string())
}

/// How many images of a batch whose own statistics normalise it.
fn two_or_more(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&value| value > 1).ok_or_else(|| "takes a whole number from 2 up".to_string())
}

/// The side of images that are brought to a network's size.
fn side(text: &str) -> Result<usize, String> {
    let sizes = NetworkKind::every_size();
    let written = || format!("takes {}", either(&sizes.iter().map(usize::to_string).collect::<Vec<_>>()));
    text.parse().ok().filter(|side| sizes.contains(side)).ok_or_else(written)
}

/// A number of steps: no run makes more, and sums of a comparison's steps do not overflow.
fn steps() -> RangedU64ValueParser<u64> {
    const MOST: u64 = 1_000_000_000;
    clap::value_parser!(u64).range(1..=MOST)
}

/// A random seed that `config.toml` can hold: TOML's whole numbers have a sign.
fn seed() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(..=i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
