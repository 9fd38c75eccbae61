//! Ranks that are threads of one process: for tests, and where there is no MPI.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Link, Ranks};

/// Longer than any step: where a thread has ended, the others are to end, too.
const PATIENCE: Duration = Duration::from_secs(600);

/// One value for each of so many threads, which train together.
pub fn threads(count: usize) -> Vec<Ranks> {
    let table = Arc::new(Table { state: Mutex::new(State::default()), turned: Condvar::new(), count });
    (0..count).map(|rank| Ranks::of(Arc::new(Thread { rank, table: Arc::clone(&table) }))).collect()
}

/// Where threads lay down what the others take.
struct Table {
    state: Mutex<State>,
    turned: Condvar,
    count: usize,
}

#[derive(Default)]
struct State {
    /// Exchanges that are over.
    round: u64,
    laid: Vec<(usize, Vec<u8>)>,
    /// What was laid down in the round before, in the order of ranks.
    all: Arc<Vec<Vec<u8>>>,
}

struct Thread {
    rank: usize,
    table: Arc<Table>,
}

impl Thread {
    /// Everybody's bytes.
    ///
    /// # Panics
    /// Where another thread never comes.
    fn exchange(&self, own: &[u8]) -> Arc<Vec<Vec<u8>>> {
        let Table { state, turned, count } = &*self.table;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let round = state.round;
        state.laid.push((self.rank, own.to_vec()));
        if state.laid.len() == *count {
            let mut laid = std::mem::take(&mut state.laid);
            laid.sort_by_key(|(rank, _)| *rank);
            state.all = Arc::new(laid.into_iter().map(|(_, bytes)| bytes).collect());
            state.round += 1;
            turned.notify_all();
        } else {
            let waited = turned.wait_timeout_while(state, PATIENCE, |state| state.round == round);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            assert!(!timeout.timed_out(), "rank {}: another rank did not come", self.rank);
        }
        Arc::clone(&state.all)
    }
}

impl Link for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.table.count
    }

    fn all_gather(&self, own: &[u8]) -> Vec<u8> {
        self.exchange(own).concat()
    }

    fn all_to_all(&self, own: &[u8]) -> Vec<u8> {
        let part = own.len() / self.count();
        self.exchange(own).iter().flat_map(|bytes| &bytes[self.rank * part..][..part]).copied().collect()
    }
}
