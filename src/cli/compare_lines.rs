//! How a comparison's runs are watched: a line now and then for each.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::output::emit;
use super::progress::{time_left, wish};
use super::warn;
use crate::error::Error;
use crate::experiment::compare::{Cell, CellEvent, Comparison, Record};
use crate::metrics::JUDGE_FD;
use crate::run::Event;

/// How often a run that goes on says where it stands.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Says on standard error how runs go on.
pub struct Lines {
    quiet: bool,
    runs: Mutex<HashMap<String, Phase>>,
    /// What is waited for, as it was said last.
    waiting: Mutex<String>,
}

/// What a run is at, up to which step, and when that was said last.
struct Phase {
    name: String,
    steps: u64,
    said: Option<Instant>,
}

impl Lines {
    /// Of a comparison that has said nothing yet.
    pub fn new(quiet: bool) -> Lines {
        Lines { quiet, runs: Mutex::default(), waiting: Mutex::default() }
    }

    /// Says what is due; gives whether to go on.
    pub fn watch(&self, cell: &Cell, event: &CellEvent<'_>) -> ControlFlow<()> {
        match *event {
            CellEvent::Of(event) => self.watch_run(&cell.to_string(), event),
            CellEvent::Ended(record, comparison) => {
                self.ended(cell, record, comparison);
                wish()
            }
            CellEvent::Lost(why) => self.lost(&cell.to_string(), why),
            CellEvent::Waiting(left) => self.waiting(left),
        }
    }

    /// As a run of any experiment is watched, by what it is called.
    pub fn watch_run(&self, run: &str, event: &Event<'_>) -> ControlFlow<()> {
        match *event {
            Event::Phase { name, to, .. } => {
                let mut runs = self.runs();
                let said = runs.get(run).and_then(|phase| phase.said);
                runs.insert(run.to_string(), Phase { name: name.to_string(), steps: to, said });
            }
            Event::Losses { step, rate, .. } if !self.quiet => self.step(run, step, rate),
            Event::Warning(text) => warn(format!("warning: {run}: {text}")),
            Event::Waiting(folder) => {
                self.wait(&format!("{run}: waiting for {}, which another process makes", folder.display()));
            }
            _ => {}
        }
        wish()
    }

    /// Says that a run is another process's by now.
    pub fn lost(&self, run: &str, why: &Error) -> ControlFlow<()> {
        warn(format!("{run}: {why}"));
        wish()
    }

    /// Says that what is left is other processes'; gives whether to wait for it.
    pub fn waiting(&self, left: usize) -> ControlFlow<()> {
        self.wait(&match left {
            1 => "waiting for a run that another process has".to_string(),
            _ => format!("waiting for {left} runs that other processes have"),
        });
        wish()
    }

    /// Says what is waited for, once.
    fn wait(&self, what: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.quiet && *waiting != what {
            warn(what);
            *waiting = what.to_string();
        }
    }

    /// Whether nothing is to be said.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<String, Phase>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, run: &str, step: u64, rate: f64) {
        let mut runs = self.runs();
        let Some(Phase { name, steps, said }) = runs.get_mut(run) else { return };
        let every = if std::io::stderr().is_terminal() { LINE_EVERY / 6 } else { LINE_EVERY };
        if said.is_none_or(|last| last.elapsed() >= every) {
            *said = Some(Instant::now());
            let left = time_left(*steps - step, rate);
            warn(format!("{run}: {name}, step {step}/{steps}, {rate:.1} steps/s, {left} left"));
        }
    }

    fn ended(&self, cell: &Cell, record: &Record, comparison: &Comparison) {
        let (done, all) = comparison.progress();
        let Cell { arm, size, seed } = cell;
        let (fd, seconds) = (record.judge_fd(), record.seconds);
        let mut said = json!({ "arm": arm.name, "images": size, "seed": seed, "judge_fd": fd, "seconds": seconds, "done": done, "of": all });
        let step = record.curve.last().map_or(0, |look| look.step);
        if comparison.search.is_some() {
            said["step"] = json!(step);
        }
        emit("run", said);
        if self.quiet {
            return;
        }
        let how = fd.map_or("diverged".to_string(), |fd| format!("{} {}", JUDGE_FD.name, JUDGE_FD.text(fd)));
        let place = if comparison.search.is_some() { format!(" at step {step}") } else { String::new() };
        warn(format!("{done}/{all} {cell}: {how}{place}, {seconds:.0}s"));
    }
}
