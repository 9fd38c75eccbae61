//! Ctrl-C, and the other signals that ask a process to end: a run ends after its step. What was ignored when the process began, as under
//! `nohup` or in a script's background, stays ignored.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::warn;

/// The exit code of a process that an interrupt ended, as shells have it.
const ENDED_BY_INTERRUPT: i32 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// When the time that a run was given is over.
static DEADLINE: OnceLock<Instant> = OnceLock::new();

/// Whether somebody asked to stop, or the time is over.
pub fn interrupted() -> bool {
    let is_over = DEADLINE.get().is_some_and(|deadline| Instant::now() >= *deadline);
    if is_over && !INTERRUPTED.swap(true, Ordering::Relaxed) {
        warn("the time is over: stopping after this step");
    }
    INTERRUPTED.load(Ordering::Relaxed)
}

/// From so many minutes after now on, a run stops as if it were interrupted.
pub fn stop_after(minutes: Option<f64>) {
    const SECONDS: f64 = 60.0;
    if let Some(minutes) = minutes {
        // Said once.
        let _ = DEADLINE.set(Instant::now() + Duration::from_secs_f64(minutes * SECONDS));
    }
}

/// A number of minutes.
pub fn minutes(text: &str) -> Result<f64, String> {
    /// Ten years.
    const MOST: f64 = 5_256_000.0;
    let minutes = text.parse().ok().filter(|minutes: &f64| *minutes > 0.0 && *minutes <= MOST);
    minutes.ok_or_else(|| "takes a number of minutes above 0".to_string())
}

/// A signal that comes so soon behind the first is the same one again: `timeout` sends it to the process, and then to its group.
const AGAIN: Duration = Duration::from_secs(1);

/// From now on, the first Ctrl-C (or SIGTERM, or SIGHUP) asks the run to stop after its step; another one, from a second later on, ends the
/// process.
pub fn watch_for_interrupts() {
    static WATCHING: OnceLock<()> = OnceLock::new();
    WATCHING.get_or_init(|| {
        let handler = || {
            static ASKED: OnceLock<Instant> = OnceLock::new();
            if let Some(asked) = ASKED.get() {
                if asked.elapsed() >= AGAIN {
                    std::process::exit(ENDED_BY_INTERRUPT);
                }
                return;
            }
            ASKED.get_or_init(Instant::now);
            if !INTERRUPTED.swap(true, Ordering::Relaxed) {
                warn("stopping after this step");
            }
        };
        if let Err(error) = heeding_ignored(|| ctrlc::set_handler(handler)) {
            warn(format!("Ctrl-C will end the run at once, without a checkpoint: {error}"));
        }
    });
}

/// Sets handlers of signals as `set` does, but of those alone that are not ignored.
#[cfg(unix)]
fn heeding_ignored<T>(set: impl FnOnce() -> T) -> T {
    use nix::sys::signal::{SigHandler, Signal, signal};

    // Those that ctrlc handles.
    let handled = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    // SAFETY: what is set here is SIG_IGN, which runs no code, or what stood there before.
    let set_to = |which: Signal, handler: SigHandler| unsafe { signal(which, handler) };
    // The only way to ask is to set.
    let is_ignored = |which: &Signal| {
        let before = set_to(*which, SigHandler::SigIgn);
        before.is_ok_and(|before| set_to(*which, before).is_ok() && matches!(before, SigHandler::SigIgn))
    };
    let ignored: Vec<Signal> = handled.into_iter().filter(is_ignored).collect();
    let outcome = set();
    for which in ignored {
        // It could be set a moment ago.
        let _ = set_to(which, SigHandler::SigIgn);
    }
    outcome
}

/// Other systems have no signals to ignore.
#[cfg(not(unix))]
fn heeding_ignored<T>(set: impl FnOnce() -> T) -> T {
    set()
}
