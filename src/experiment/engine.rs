//! What carries out an experiment: cells, pieces of work with a record each. Those that have a record are done; the others are given
//! to workers of a few threads each, and two never prepare the same thing that they share.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;
use crate::error::{Error, Result};
use crate::run::Ending;

/// How cells are carried out: nothing of it changes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs {
    /// Cells at once.
    pub count: usize,
    /// Threads of all of them together.
    pub threads: usize,
    /// Steps between checkpoints: a cell that is killed loses no more.
    pub checkpoint_every: u64,
}

impl Jobs {
    /// One cell at a time, on every core.
    pub const ONE: Jobs = Jobs { count: 1, threads: 0, checkpoint_every: 250 };

    /// The threads of one cell.
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

/// An experiment as the engine sees it.
pub trait Experiment: Sync {
    /// A piece of work.
    type Cell: Clone + Display + Send + Sync;
    /// What it computes.
    type Record: Serialize + DeserializeOwned;

    /// The file of a cell's record.
    fn record(&self, cell: &Self::Cell) -> PathBuf;

    /// What a cell shares with others and one of them at a time may make, by its folder.
    fn shares(&self, cell: &Self::Cell) -> Option<PathBuf>;

    /// Whether a record has all that is asked for: else its cell is computed again, which may go on from the record.
    fn is_whole(&self, record: &Self::Record) -> bool;

    /// Computes a cell's record, from wherever it was left; None where it was stopped. It should stop where
    /// [`Turn::is_over`] says so, and say where what it shares is [made](Turn::made).
    ///
    /// # Errors
    /// Any ends the experiment.
    fn compute(&self, cell: &Self::Cell, turn: &Turn<'_, Self::Cell>) -> Result<Option<Self::Record>>;

    /// A cell has its record; called for one after the other.
    ///
    /// # Errors
    /// Any ends the experiment.
    fn ended(&self, cell: &Self::Cell, record: &Self::Record) -> Result<()>;
}

/// Computes the cells that have no whole record, in their order as far as what they share allows.
///
/// # Errors
/// The first of any cell.
pub fn carry_out<E: Experiment>(experiment: &E, cells: Vec<E::Cell>, jobs: Jobs) -> Result<Ending> {
    let mut waiting = Vec::new();
    for cell in cells {
        if !read_json(&experiment.record(&cell))?.is_some_and(|record| experiment.is_whole(&record)) {
            waiting.push((experiment.shares(&cell), cell));
        }
    }
    let (queue, ending) = (Queue::new(waiting), Mutex::new(()));
    let work = || -> Result<Ending> {
        while let Some((shared, cell)) = queue.next() {
            let turn = Turn { queue: &queue, shared };
            let Some(record) = experiment.compute(&cell, &turn)? else { return Ok(Ending::Interrupted) };
            write_json(&experiment.record(&cell), &record)?;
            turn.made();
            let _one_by_one = ending.lock().unwrap_or_else(PoisonError::into_inner);
            experiment.ended(&cell, &record)?;
        }
        Ok(Ending::Finished)
    };
    let endings = jobs.each(|| {
        let ending = work();
        if !matches!(ending, Ok(Ending::Finished)) {
            queue.end();
        }
        ending
    })?;
    Ok(if endings.contains(&Ending::Interrupted) { Ending::Interrupted } else { Ending::Finished })
}

/// A cell's turn among the others.
pub struct Turn<'q, C> {
    queue: &'q Queue<C>,
    shared: Option<PathBuf>,
}

impl<C> Turn<'_, C> {
    /// What the cell shares is made: others may use it.
    pub fn made(&self) {
        if let Some(shared) = &self.shared {
            self.queue.made(shared);
        }
    }

    /// Whether the experiment came to an end elsewhere.
    pub fn is_over(&self) -> bool {
        self.queue.state().over
    }
}

/// Cells that wait, in order, each with what it shares.
struct Queue<C> {
    state: Mutex<State<C>>,
    changed: Condvar,
}

struct State<C> {
    waiting: Vec<(Option<PathBuf>, C)>,
    /// What is being made just now, and what is made.
    making: HashSet<PathBuf>,
    made: HashSet<PathBuf>,
    over: bool,
}

impl<C> Queue<C> {
    fn new(waiting: Vec<(Option<PathBuf>, C)>) -> Queue<C> {
        let state = State { waiting, making: HashSet::new(), made: HashSet::new(), over: false };
        Queue { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first cell of which nobody makes what it shares; waits for one. None where all are taken, or at an end.
    fn next(&self) -> Option<(Option<PathBuf>, C)> {
        let mut state = self.state();
        loop {
            if state.over || state.waiting.is_empty() {
                return None;
            }
            let is_free = |(shared, _): &(Option<PathBuf>, C)| {
                shared.as_ref().is_none_or(|shared| !state.making.contains(shared))
            };
            if let Some(place) = state.waiting.iter().position(is_free) {
                let (shared, cell) = state.waiting.remove(place);
                if let Some(shared) = shared.as_ref().filter(|shared| !state.made.contains(*shared)) {
                    state.making.insert(shared.clone());
                }
                return Some((shared, cell));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn made(&self, shared: &Path) {
        let mut state = self.state();
        if state.making.remove(shared) {
            state.made.insert(shared.to_path_buf());
            self.changed.notify_all();
        }
    }

    /// No cell is begun any more, and those that go on should stop.
    fn end(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }
}

/// What [`write_json`] wrote; none where there is no file.
///
/// # Errors
/// [`Error::Invalid`] where something else stands there; [`Error::Io`] where it cannot be read.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(text) = atomic::if_there(std::fs::read(path)).map_err(Error::io("read", path))? else { return Ok(None) };
    let read = serde_json::from_slice(&text);
    read.map(Some).map_err(|error| {
        Error::invalid(format!("{}: {error}; remove it, and it will be measured again", path.display()))
    })
}

/// Writes a value into a file, whole or not at all; its folder is made.
///
/// # Errors
/// [`Error::Io`] where it cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
    text.push(b'\n');
    atomic::write(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Numbers, of which every third shares a folder; each is computed once, and one fails or stops where that is asked for.
    struct Squares {
        root: PathBuf,
        computed: AtomicUsize,
        making: Mutex<HashSet<u64>>,
        stops_at: Option<u64>,
        whole_below: u64,
    }

    impl Experiment for Squares {
        type Cell = u64;
        type Record = u64;

        fn record(&self, cell: &u64) -> PathBuf {
            self.root.join(format!("{cell}.json"))
        }

        fn shares(&self, cell: &u64) -> Option<PathBuf> {
            Some(self.root.join(format!("shared-{}", cell % 3)))
        }

        fn is_whole(&self, record: &u64) -> bool {
            *record < self.whole_below
        }

        fn compute(&self, cell: &u64, turn: &Turn<'_, u64>) -> Result<Option<u64>> {
            if Some(*cell) == self.stops_at {
                return Ok(None);
            }
            if cell / 3 == 0 {
                assert!(self.making.lock().unwrap().insert(cell % 3), "two make the same");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            assert!(self.making.lock().unwrap().contains(&(cell % 3)), "{cell} came before what it shares");
            turn.made();
            self.computed.fetch_add(1, Ordering::Relaxed);
            Ok(Some(cell * cell))
        }

        fn ended(&self, cell: &u64, record: &u64) -> Result<()> {
            assert_eq!(read_json(&self.record(cell))?, Some(*record), "the record is there");
            Ok(())
        }
    }

    #[test]
    fn cells_are_computed_once_by_any_number_of_workers_and_what_they_share_by_one() {
        for count in [1, 4] {
            let folder = tempfile::tempdir().unwrap();
            let squares = |stops_at| Squares {
                root: folder.path().to_path_buf(),
                computed: AtomicUsize::new(0),
                making: Mutex::new(HashSet::new()),
                stops_at,
                whole_below: u64::MAX,
            };
            let jobs = Jobs { count, ..Jobs::ONE };
            let stopped = squares(Some(9));
            assert_eq!(carry_out(&stopped, (0..12).collect(), jobs).unwrap(), Ending::Interrupted);
            let before = stopped.computed.into_inner();
            // The one that stopped, and those that others were at, are not done.
            assert!(before >= 9 - count, "{before} before the one that stopped");
            let rest = Squares { making: Mutex::new((0..3).collect()), ..squares(None) };
            assert_eq!(carry_out(&rest, (0..12).collect(), jobs).unwrap(), Ending::Finished);
            assert_eq!(before + rest.computed.load(Ordering::Relaxed), 12);
            assert_eq!(read_json(&rest.record(&11)).unwrap(), Some(121u64));
            let made = || Mutex::new((0..3).collect());
            let again = Squares { making: made(), whole_below: 100, ..squares(None) };
            assert_eq!(carry_out(&again, (0..12).collect(), jobs).unwrap(), Ending::Finished);
            assert_eq!(again.computed.into_inner(), 2, "10 and 11, whose records lack something");
        }
    }
}
