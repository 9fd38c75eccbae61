//! Ranks that `mpirun` started, over Open MPI or MPICH.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::mpi::Threading;
use ::mpi::environment::Universe;
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{Communicator, CommunicatorCollectives};

use super::{Link, Ranks};
use crate::error::{Error, Result};

/// An exchange takes no more bytes of a rank than this at once: MPI counts in 32 bits.
const MOST: usize = 1 << 26;

/// MPI, from its beginning in this process to its end.
pub struct World {
    world: SimpleCommunicator,
    ranks: Ranks,
    _universe: Universe,
}

impl World {
    /// Joins the processes that were started together with this one.
    ///
    /// # Errors
    /// [`Error::Invalid`] where MPI was begun before, or takes calls of the main thread alone.
    pub fn join() -> Result<World> {
        let begun = ::mpi::initialize_with_threading(Threading::Serialized);
        let (universe, threading) = begun.ok_or_else(|| Error::invalid("MPI was begun before in this process"))?;
        if threading < Threading::Serialized {
            return Err(Error::invalid(
                "this MPI takes calls of the main thread alone: use one that was built with threads",
            ));
        }
        let world = universe.world();
        let ranks = Ranks::of(Arc::new(Linked::new(universe.world())));
        Ok(World { world, ranks, _universe: universe })
    }

    /// The ranks.
    pub fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// Ends all processes at once.
    pub fn abort(&self, code: i32) -> ! {
        self.world.abort(code)
    }
}

/// The communicator, which any thread may use, one at a time.
struct Linked {
    communicator: Mutex<Handle>,
    rank: usize,
    count: usize,
}

struct Handle(SimpleCommunicator);

// SAFETY: MPI was begun for calls of any thread, one at a time (MPI_THREAD_SERIALIZED), and the handle lies in a mutex.
unsafe impl Send for Handle {}

impl Linked {
    fn new(communicator: SimpleCommunicator) -> Linked {
        let (rank, count) = (communicator.rank() as usize, communicator.size() as usize);
        Linked { communicator: Mutex::new(Handle(communicator)), rank, count }
    }

    fn communicator(&self) -> MutexGuard<'_, Handle> {
        self.communicator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for Linked {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn all_gather(&self, own: &[u8]) -> Vec<u8> {
        let communicator = self.communicator();
        let mut all = vec![0; own.len() * self.count];
        if own.len() <= MOST {
            communicator.0.all_gather_into(own, &mut all[..]);
            return all;
        }
        for start in (0..own.len()).step_by(MOST) {
            let piece = &own[start..own.len().min(start + MOST)];
            let mut given = vec![0u8; piece.len() * self.count];
            communicator.0.all_gather_into(piece, &mut given[..]);
            for (rank, bytes) in given.chunks_exact(piece.len()).enumerate() {
                all[rank * own.len() + start..][..piece.len()].copy_from_slice(bytes);
            }
        }
        all
    }

    fn all_to_all(&self, own: &[u8]) -> Vec<u8> {
        let communicator = self.communicator();
        let part = own.len() / self.count;
        let mut all = vec![0; own.len()];
        if part <= MOST {
            communicator.0.all_to_all_into(own, &mut all[..]);
            return all;
        }
        // Piece by piece of every part.
        for start in (0..part).step_by(MOST) {
            let length = MOST.min(part - start);
            let mut pieces = Vec::with_capacity(length * self.count);
            (0..self.count).for_each(|to| pieces.extend_from_slice(&own[to * part + start..][..length]));
            let mut given = vec![0u8; pieces.len()];
            communicator.0.all_to_all_into(&pieces[..], &mut given[..]);
            for (from, bytes) in given.chunks_exact(length).enumerate() {
                all[from * part + start..][..length].copy_from_slice(bytes);
            }
        }
        all
    }
}
