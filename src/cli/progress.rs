//! How a run is watched: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::output::emit;
use super::signals::{interrupted, watch_for_interrupts};
use super::{named, say, tell, warn};
use crate::classifier::Made;
use crate::error::Result;
use crate::metrics::Origin;
use crate::run::Event;

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows a run's progress on standard error, and tells scripts of it on standard output.
pub struct Progress {
    phase: String,
    steps: u64,
    shown: Shown,
}

enum Shown {
    /// None before the first step: a bar that does not move says nothing.
    Bar(Option<ProgressBar>),
    Lines {
        last: Option<Instant>,
    },
    Nothing,
}

impl Progress {
    /// For a phase of that name, up to `steps`.
    pub fn new(phase: &str, steps: u64, quiet: bool) -> Progress {
        watch_for_interrupts();
        let shown = if quiet {
            Shown::Nothing
        } else if stderr().is_terminal() {
            Shown::Bar(None)
        } else {
            Shown::Lines { last: None }
        };
        Progress { phase: phase.to_string(), steps, shown }
    }

    fn is_quiet(&self) -> bool {
        matches!(self.shown, Shown::Nothing)
    }

    /// Ends the bar where it stands; the next phase begins another.
    pub fn pause(&mut self) {
        if let Shown::Bar(bar) = &mut self.shown
            && let Some(bar) = bar.take()
        {
            bar.abandon();
        }
    }

    /// Ends the bar where it stands.
    pub fn finish(mut self) {
        self.pause();
    }
}

impl Progress {
    /// Shows one event; gives whether to go on.
    pub fn watch(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        match *event {
            Event::Losses { step, losses, rate } => self.losses(step, losses, rate),
            Event::Picture { step, path } if !self.is_quiet() => {
                emit("picture", json!({ "phase": self.phase, "step": step, "path": named(path) }));
            }
            Event::RolledBack(step) => emit("rolled_back", json!({ "phase": self.phase, "step": step })),
            Event::Phase { name, from, to } => {
                self.begin(name, to);
                if !self.is_quiet() {
                    emit("phase", json!({ "phase": name, "step": from, "steps": to }));
                    warn(format!("{name}: step {from} to {to}"));
                }
            }
            Event::Classifier { name, steps } => self.begin(name, steps),
            Event::Note(text) => match &self.shown {
                Shown::Bar(Some(bar)) => bar.suspend(|| say(text)),
                _ => say(text),
            },
            Event::Warning(text) => warn(format!("warning: {text}")),
            Event::Judge(Origin::Trained(Err(error))) => {
                warn(format!("warning: the judge was trained now and could not be kept: {error}"));
            }
            Event::Judge(Origin::Cache(path)) if !self.is_quiet() => warn(format!("judge: {}", path.display())),
            Event::Judge(Origin::Trained(Ok(path))) if !self.is_quiet() => {
                warn(format!("judge: trained now, and kept in {}", path.display()));
            }
            Event::Trained { arm, run, steps } => {
                self.pause();
                let (folder, grid) = (run.path().display(), run.picture(steps));
                tell(
                    "trained",
                    json!({ "arm": arm, "run": named(run.path()), "steps": steps, "checkpoint": named(run.checkpoint()) }),
                    format!("{folder}: {steps} steps of {arm}; last grid {}", grid.display()),
                );
            }
            _ => {}
        }
        Ok(wish())
    }

    /// Shows a step of a classifier; gives whether to go on.
    pub fn watch_classifier(&mut self, made: Made) -> Result<ControlFlow<()>> {
        if let Some((loss, rate)) = made.read {
            self.losses(made.step, &[("loss", loss)], rate);
        }
        Ok(wish())
    }

    /// What follows is of this phase.
    fn begin(&mut self, phase: &str, steps: u64) {
        self.pause();
        *self = Progress::new(phase, steps, self.is_quiet());
    }

    fn losses(&mut self, step: u64, losses: &[(&str, f64)], rate: f64) {
        if self.is_quiet() {
            return;
        }
        let mut fields = json!({ "phase": self.phase, "step": step, "steps": self.steps, "steps_per_second": rate });
        for (name, loss) in losses {
            fields[*name] = json!(loss);
        }
        emit("step", fields);
        // People read D and G.
        let short = |name: &str| match name {
            "d_loss" => "D".to_string(),
            "g_loss" => "G".to_string(),
            other => other.to_string(),
        };
        let named: Vec<String> = losses.iter().map(|(name, loss)| format!("{} {loss:.3}", short(name))).collect();
        let left = time_left(self.steps - step, rate);
        let told = format!("{}, {rate:.1} steps/s, {left} left", named.join(" "));
        match &mut self.shown {
            Shown::Bar(bar) => {
                let bar = bar.get_or_insert_with(|| {
                    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a valid template");
                    ProgressBar::new(self.steps).with_style(style)
                });
                bar.set_position(step);
                bar.set_message(told);
            }
            Shown::Lines { last } => {
                if step == self.steps || last.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
                    warn(format!("step {step}/{} {told}", self.steps));
                    *last = Some(Instant::now());
                }
            }
            Shown::Nothing => {}
        }
    }
}

/// How long so many steps take at a rate, as `1h 02m 05s`.
pub fn time_left(steps: u64, rate: f64) -> String {
    let seconds = (steps as f64 / rate) as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, seconds) => format!("{hours}h {minutes:02}m {seconds:02}s"),
    }
}

/// Whether to go on.
pub fn wish() -> ControlFlow<()> {
    if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_left_in_hours_minutes_and_seconds() {
        let left =
            [(0, 2.0), (10, 2.0), (250, 2.0), (7450, 2.0), (7450, f64::INFINITY)].map(|(n, rate)| time_left(n, rate));
        assert_eq!(left, ["0s", "5s", "2m 05s", "1h 02m 05s", "0s"]);
    }
}
