//! What carries out an experiment: cells, pieces of work with a record each. Those that have a record are done; the others are given
//! to workers of a few threads each, of this process and of others that claim cells in the same folder, and two never prepare the same thing
//! that they share.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;
use crate::backend::Device;
use crate::claims::{Claim, Claims};
use crate::error::{Error, Result};
use crate::memory::{Amount, Limits, Need};
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

    /// Refuses an experiment of so many cells, each of which takes `most`, where as many as go on at once do not fit into a device.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming what is needed, what there is, and how many cells fit, or else the advice `otherwise`.
    pub fn check_fit(&self, what: &str, otherwise: &str, cells: usize, most: &Need, device: &Device) -> Result<()> {
        let count = self.count.min(cells).max(1);
        let amount = Amount { fits: "run at most N at once", asked: count, least: 1, tried: usize::MAX };
        let what = format!("{what} with {count} runs at once");
        Limits::of(device).check(&what, otherwise, amount, |jobs| Ok(most.times(jobs)))
    }
}

/// Of each arm's cells one whose size is largest.
pub fn largest<'c, C>(
    cells: &'c [C],
    arm: impl Fn(&'c C) -> &'c str,
    size: impl Fn(&'c C) -> usize,
) -> impl Iterator<Item = &'c C> {
    let mut largest: BTreeMap<&str, &C> = BTreeMap::new();
    for cell in cells {
        let seen = largest.entry(arm(cell)).or_insert(cell);
        if size(cell) > size(seen) {
            *seen = cell;
        }
    }
    largest.into_values()
}

/// An experiment as the engine sees it.
pub trait Experiment: Sync {
    /// A piece of work.
    type Cell: Clone + Display + Send + Sync;
    /// What it computes.
    type Record: Serialize + DeserializeOwned;

    /// The folder that only this cell's work writes into; its record is there.
    fn folder(&self, cell: &Self::Cell) -> PathBuf;

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
    /// [`Error::Taken`] where another process has it by now; any other ends the experiment.
    fn compute(&self, cell: &Self::Cell, turn: &Turn<'_, Self::Cell>) -> Result<Option<Self::Record>>;

    /// A cell has its record; called for one after the other.
    ///
    /// # Errors
    /// Any ends the experiment.
    fn ended(&self, cell: &Self::Cell, record: &Self::Record) -> Result<()>;

    /// A cell was lost to another process, as the words say.
    fn lost(&self, cell: &Self::Cell, why: &Error);

    /// Other processes have all cells that are left, of which one is given and how many they are: told now and then. Gives whether to wait
    /// for them.
    fn waits(&self, cell: &Self::Cell, left: usize) -> ControlFlow<()>;
}

/// Computes the cells that have no whole record and that no other process has claimed, in their order as far as what they share allows; then
/// waits for those of others, and takes over what dead ones leave.
///
/// # Errors
/// The first of any cell.
pub fn carry_out<E: Experiment>(experiment: &E, cells: Vec<E::Cell>, jobs: Jobs, claims: &Claims) -> Result<Ending> {
    let is_done =
        |cell: &E::Cell| Ok(read_json(&experiment.record(cell))?.is_some_and(|record| experiment.is_whole(&record)));
    let mut waiting = Vec::new();
    for cell in cells {
        if !is_done(&cell)? {
            waiting.push(cell);
        }
    }
    let (queue, ending) = (Queue::new(waiting, claims), Mutex::new(()));
    let work = || -> Result<Ending> {
        loop {
            let (cell, turn) = match queue.next(experiment, &is_done)? {
                Next::Cell(cell, turn) => (cell, turn),
                Next::None => return Ok(Ending::Finished),
                Next::Stopped => return Ok(Ending::Interrupted),
            };
            let record = experiment.compute(&cell, &turn);
            // What goes wrong in files that another process has by now is no error of this one's.
            let record = turn.claim.check().and(record);
            let record = match record {
                Ok(Some(record)) => write_json(&experiment.record(&cell), &record).map(|()| Some(record)),
                other => other,
            };
            match record {
                Err(error @ Error::Taken(_)) => {
                    experiment.lost(&cell, &error);
                    turn.put_back(cell);
                }
                Err(error) => return Err(error),
                Ok(None) => return Ok(Ending::Interrupted),
                Ok(Some(record)) => {
                    turn.made();
                    drop(turn);
                    let _one_by_one = ending.lock().unwrap_or_else(PoisonError::into_inner);
                    experiment.ended(&cell, &record)?;
                }
            }
        }
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
    queue: &'q Queue<'q, C>,
    claim: Claim,
    shared: Option<PathBuf>,
    /// Until it is made.
    of_shared: Mutex<Option<Claim>>,
}

impl<C> Turn<'_, C> {
    /// What the cell shares is made: others may use it.
    pub fn made(&self) {
        self.end_making(true);
    }

    /// Whether the experiment came to an end elsewhere, or another process has the cell by now.
    pub fn is_over(&self) -> bool {
        self.queue.over.load(Ordering::Relaxed) || self.claim.check().is_err()
    }

    fn end_making(&self, is_made: bool) {
        if let Some(shared) = &self.shared {
            drop(self.of_shared.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.queue.end_making(shared, is_made);
        }
    }

    /// The cell is for others to compute.
    fn put_back(self, cell: C) {
        self.end_making(false);
        self.queue.state().waiting.push(cell);
    }
}

impl<C> Drop for Turn<'_, C> {
    fn drop(&mut self) {
        self.end_making(false);
        self.queue.state().working -= 1;
        self.queue.changed.notify_all();
    }
}

/// Cells that wait, in order.
struct Queue<'c, C> {
    state: Mutex<State<C>>,
    changed: Condvar,
    claims: &'c Claims,
    /// Asked at every step, also while a worker looks through the claims.
    over: AtomicBool,
}

struct State<C> {
    waiting: Vec<C>,
    /// What is being made just now, and what is made.
    making: HashSet<PathBuf>,
    made: HashSet<PathBuf>,
    /// Cells that this process computes just now.
    working: usize,
}

/// What a worker gets.
enum Next<'q, C> {
    Cell(C, Turn<'q, C>),
    /// All cells are taken, or the experiment is at an end.
    None,
    /// Somebody wished to wait no longer.
    Stopped,
}

impl<'c, C: Clone> Queue<'c, C> {
    /// The first cell that nobody has and of which nobody makes what it shares; waits for one.
    fn next<E: Experiment<Cell = C>>(
        &self,
        experiment: &E,
        is_done: &impl Fn(&C) -> Result<bool>,
    ) -> Result<Next<'_, C>> {
        let mut state = self.state();
        loop {
            if self.over.load(Ordering::Relaxed) || state.waiting.is_empty() {
                return Ok(Next::None);
            }
            // What others make: one look at each is enough.
            let mut taken: HashSet<PathBuf> = HashSet::new();
            let mut place = 0;
            while place < state.waiting.len() {
                let cell = state.waiting[place].clone();
                let shared = experiment.shares(&cell).filter(|shared| !state.made.contains(shared));
                let is_made_elsewhere = |shared: &PathBuf| state.making.contains(shared) || taken.contains(shared);
                if shared.as_ref().is_some_and(is_made_elsewhere) {
                    place += 1;
                    continue;
                }
                let of_shared = shared.as_ref().map(|shared| self.claims.take(shared)).transpose()?;
                if let (Some(None), Some(shared)) = (&of_shared, &shared) {
                    taken.insert(shared.clone());
                    place += 1;
                    continue;
                }
                let of_shared = of_shared.flatten();
                let Some(claim) = self.claims.take(&experiment.folder(&cell))? else {
                    place += 1;
                    continue;
                };
                if is_done(&cell)? {
                    state.waiting.remove(place);
                    continue;
                }
                state.waiting.remove(place);
                state.making.extend(shared.clone());
                state.working += 1;
                return Ok(Next::Cell(cell, Turn { queue: self, claim, shared, of_shared: Mutex::new(of_shared) }));
            }
            let (left, working) = (state.waiting.len(), state.working);
            let Some(first) = state.waiting.first().cloned() else { continue };
            if working == 0 {
                drop(state);
                if experiment.waits(&first, left).is_break() {
                    return Ok(Next::Stopped);
                }
                state = self.state();
            }
            let waited = self.changed.wait_timeout(state, self.claims.pause());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<'c, C> Queue<'c, C> {
    fn new(waiting: Vec<C>, claims: &'c Claims) -> Queue<'c, C> {
        let state = State { waiting, making: HashSet::new(), made: HashSet::new(), working: 0 };
        Queue { state: Mutex::new(state), changed: Condvar::new(), claims, over: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_making(&self, shared: &Path, is_made: bool) {
        let mut state = self.state();
        if state.making.remove(shared) {
            if is_made {
                state.made.insert(shared.to_path_buf());
            }
            self.changed.notify_all();
        }
    }

    /// No cell is begun any more, and those that go on should stop.
    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
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
    use crate::claims;
    use std::sync::atomic::AtomicUsize;
    use std::time::{Duration, Instant};

    /// Numbers, of which every third shares a folder; each is computed once, and one fails or stops where that is asked for.
    struct Squares {
        root: PathBuf,
        computed: AtomicUsize,
        making: Mutex<HashSet<u64>>,
        made: Mutex<HashSet<u64>>,
        stops_at: Option<u64>,
        whole_below: u64,
        waited: AtomicUsize,
    }

    impl Experiment for Squares {
        type Cell = u64;
        type Record = u64;

        fn folder(&self, cell: &u64) -> PathBuf {
            self.root.join(cell.to_string())
        }

        fn record(&self, cell: &u64) -> PathBuf {
            self.folder(cell).join("record.json")
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
            let share = cell % 3;
            if !self.made.lock().unwrap().contains(&share) {
                assert!(self.making.lock().unwrap().insert(share), "two make the same");
                std::thread::sleep(Duration::from_millis(20));
                self.making.lock().unwrap().remove(&share);
                self.made.lock().unwrap().insert(share);
            }
            turn.made();
            self.computed.fetch_add(1, Ordering::Relaxed);
            Ok(Some(cell * cell))
        }

        fn ended(&self, cell: &u64, record: &u64) -> Result<()> {
            assert_eq!(read_json(&self.record(cell))?, Some(*record), "the record is there");
            Ok(())
        }

        fn lost(&self, cell: &u64, why: &Error) {
            panic!("{cell} is nobody else's: {why}");
        }

        fn waits(&self, _cell: &u64, _left: usize) -> ControlFlow<()> {
            self.waited.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        }
    }

    impl Squares {
        fn new(root: &Path) -> Squares {
            Squares {
                root: root.to_path_buf(),
                computed: AtomicUsize::new(0),
                making: Mutex::default(),
                made: Mutex::default(),
                stops_at: None,
                whole_below: u64::MAX,
                waited: AtomicUsize::new(0),
            }
        }

        /// Does the first twelve.
        fn carry_out(&self, count: usize, claims: &Claims) -> Ending {
            carry_out(self, (0..12).collect(), Jobs { count, ..Jobs::ONE }, claims).unwrap()
        }
    }

    fn opened(root: &Path) -> Claims {
        Claims::open(root, claims::LIMIT).unwrap()
    }

    #[test]
    fn cells_are_computed_once_by_any_number_of_workers_and_what_they_share_by_one() {
        for count in [1, 4] {
            let folder = tempfile::tempdir().unwrap();
            let claims = opened(folder.path());
            let stopped = Squares { stops_at: Some(9), ..Squares::new(folder.path()) };
            assert_eq!(stopped.carry_out(count, &claims), Ending::Interrupted);
            let before = stopped.computed.into_inner();
            // The one that stopped, and those that others were at, are not done.
            assert!(before >= 9 - count, "{before} before the one that stopped");
            let rest = Squares::new(folder.path());
            assert_eq!(rest.carry_out(count, &claims), Ending::Finished);
            assert_eq!(before + rest.computed.load(Ordering::Relaxed), 12);
            assert_eq!(read_json(&rest.record(&11)).unwrap(), Some(121u64));
            let again = Squares { whole_below: 100, ..Squares::new(folder.path()) };
            assert_eq!(again.carry_out(count, &claims), Ending::Finished);
            assert_eq!(again.computed.into_inner(), 2, "10 and 11, whose records lack something");
        }
    }

    #[test]
    fn what_others_have_is_waited_for_and_then_done_or_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (opened(folder.path()), opened(folder.path()));
        let squares = Squares::new(folder.path());
        // Another process has a cell, and one that shares with none of this process's.
        let theirs =
            [squares.folder(&5), squares.shares(&1).unwrap()].map(|piece| other.take(&piece).unwrap().unwrap());
        std::thread::scope(|scope| {
            let doing = scope.spawn(|| squares.carry_out(2, &own));
            let patience = Instant::now();
            while squares.waited.load(Ordering::Relaxed) == 0 {
                assert!(patience.elapsed() < Duration::from_secs(60), "it waits for the others");
                std::thread::sleep(Duration::from_millis(10));
            }
            // All but 5, and the four that share what the other makes.
            assert_eq!(squares.computed.load(Ordering::Relaxed), 7);
            write_json(&squares.record(&5), &25u64).unwrap();
            drop(theirs);
            assert_eq!(doing.join().unwrap(), Ending::Finished);
        });
        assert_eq!(squares.computed.into_inner(), 11, "one was done by the other");
    }

    #[test]
    fn who_waits_for_others_may_stop() {
        struct Impatient(Squares);
        impl Experiment for Impatient {
            type Cell = u64;
            type Record = u64;

            fn folder(&self, cell: &u64) -> PathBuf {
                self.0.folder(cell)
            }

            fn record(&self, cell: &u64) -> PathBuf {
                self.0.record(cell)
            }

            fn shares(&self, _cell: &u64) -> Option<PathBuf> {
                None
            }

            fn is_whole(&self, _record: &u64) -> bool {
                true
            }

            fn compute(&self, cell: &u64, _turn: &Turn<'_, u64>) -> Result<Option<u64>> {
                Ok(Some(*cell))
            }

            fn ended(&self, _cell: &u64, _record: &u64) -> Result<()> {
                Ok(())
            }

            fn lost(&self, _cell: &u64, _why: &Error) {}

            fn waits(&self, cell: &u64, left: usize) -> ControlFlow<()> {
                assert_eq!((*cell, left), (2, 1));
                ControlFlow::Break(())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (opened(folder.path()), opened(folder.path()));
        let impatient = Impatient(Squares::new(folder.path()));
        let _theirs = other.take(&impatient.folder(&2)).unwrap().unwrap();
        assert_eq!(carry_out(&impatient, (0..4).collect(), Jobs::ONE, &own).unwrap(), Ending::Interrupted);
        assert_eq!(read_json(&impatient.record(&3)).unwrap(), Some(3u64));
    }
}
