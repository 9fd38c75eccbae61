//! Runs at once: workers of a few threads each take run after run, and two never prepare the same source.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Cell;
use crate::error::{Error, Result};

/// How runs are carried out: nothing of it changes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs {
    /// Runs at once.
    pub count: usize,
    /// Threads of all of them together.
    pub threads: usize,
    /// Steps between checkpoints: a run that is killed loses no more.
    pub checkpoint_every: u64,
}

impl Jobs {
    /// One run at a time, on every core.
    pub const ONE: Jobs = Jobs { count: 1, threads: 0, checkpoint_every: 250 };

    /// The threads of one run.
    pub fn threads_each(&self) -> usize {
        (self.threads / self.count).max(1)
    }

    /// Does `work` on `self.count` workers at once, each with its own threads; gives the first error.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Invalid`] where threads cannot be started.
    pub fn each<R: Send>(&self, work: impl Fn() -> Result<R> + Sync) -> Result<Vec<R>> {
        let worker = || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads_each()).build();
            let pool = pool.map_err(|error| Error::invalid(format!("threads cannot be started: {error}")))?;
            pool.install(&work)
        };
        let results: Vec<Result<R>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.count).map(|_| scope.spawn(worker)).collect();
            let joined = workers.into_iter().map(|worker| worker.join());
            joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        results.into_iter().collect()
    }
}

/// Runs that wait to be done, in order.
pub(super) struct Queue {
    root: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: Vec<Cell>,
    /// What is being learned of a source just now, and what is learned.
    preparing: HashSet<PathBuf>,
    ready: HashSet<PathBuf>,
    over: bool,
}

impl Queue {
    pub fn new(root: &Path, waiting: Vec<Cell>) -> Queue {
        let state = State { waiting, preparing: HashSet::new(), ready: HashSet::new(), over: false };
        Queue { root: root.to_path_buf(), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of what runs share of a source.
    fn source(&self, cell: &Cell) -> Option<PathBuf> {
        cell.learned(&self.root).ok().flatten()
    }

    /// The first run whose source nobody is at; waits for one. None where all are taken, or at an end.
    pub fn next(&self) -> Option<Cell> {
        let mut state = self.state();
        loop {
            if state.over || state.waiting.is_empty() {
                return None;
            }
            let is_free = |cell: &Cell| self.source(cell).is_none_or(|source| !state.preparing.contains(&source));
            if let Some(place) = state.waiting.iter().position(is_free) {
                let cell = state.waiting.remove(place);
                if let Some(source) = self.source(&cell).filter(|source| !state.ready.contains(source)) {
                    state.preparing.insert(source);
                }
                return Some(cell);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The source of a run is learned: others may use it.
    pub fn prepared(&self, cell: &Cell) {
        let Some(source) = self.source(cell) else { return };
        let mut state = self.state();
        if state.preparing.remove(&source) {
            state.ready.insert(source);
            self.changed.notify_all();
        }
    }

    /// No run is begun any more, and those that go on should stop.
    pub fn end(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    /// Whether somebody ended it.
    pub fn is_over(&self) -> bool {
        self.state().over
    }
}
