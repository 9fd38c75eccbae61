//! Device memory that waits for its next use: a training step asks for the same sizes again and again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Extent, Ledger, Memory};

/// The smallest buffer, in bytes. A multiple of the 16 that kernels read as one word.
const SMALLEST: u64 = 256;

/// Buffers by size class.
pub struct Pool<B>(Mutex<Shelves<B>>);

/// The buffers that wait, and what is held.
struct Shelves<B> {
    idle: HashMap<u64, Vec<B>>,
    memory: Memory,
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Pool(Mutex::new(Shelves { idle: HashMap::new(), memory: Memory::default() }))
    }
}

impl<B> Pool<B> {
    fn shelves(&self) -> MutexGuard<'_, Shelves<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of at least `bytes`, and less than an eighth more, up to `most`, and its size; `create` makes it where none waits. Where
    /// that has no memory left, `release` lets go of those of other sizes, and it is tried once more.
    pub fn take(
        &self,
        bytes: u64,
        most: u64,
        create: impl Fn(u64) -> Option<B>,
        release: impl FnOnce(),
    ) -> Option<(B, u64)> {
        let size = size_class(bytes).min(most);
        let waiting = || {
            let mut shelves = self.shelves();
            let buffer = shelves.idle.get_mut(&size).and_then(Vec::pop)?;
            shelves.memory.idle -= size;
            Some(buffer)
        };
        let buffer = waiting().or_else(|| create(size)).or_else(|| {
            release();
            create(size)
        })?;
        self.shelves().memory.in_use += size;
        Some((buffer, size))
    }

    /// Takes a buffer back. Commands that use it may still be pending: those that are recorded later run later.
    pub fn give(&self, buffer: B, size: u64) {
        let mut shelves = self.shelves();
        shelves.memory.in_use -= size;
        shelves.memory.idle += size;
        shelves.idle.entry(size).or_default().push(buffer);
    }

    /// Hands out all buffers that wait, to be dropped.
    pub fn clear(&self) -> Vec<B> {
        let mut shelves = self.shelves();
        shelves.memory.idle = 0;
        shelves.idle.drain().flat_map(|(_, buffers)| buffers).collect()
    }

    /// The bytes held.
    pub fn memory(&self) -> Memory {
        self.shelves().memory
    }
}

/// A pool without memory: what a device would hold.
#[derive(Default)]
pub struct Account {
    pool: Pool<()>,
    peak: u64,
}

impl Ledger for Account {
    fn take(&mut self, length: usize) -> Extent {
        let bytes = (length * size_of::<f32>()) as u64;
        let ((), size) = self.pool.take(bytes, u64::MAX, |_| Some(()), || ()).expect("there is no end of it");
        let Memory { in_use, idle } = self.pool.memory();
        self.peak = self.peak.max(in_use + idle);
        Extent { place: None, size: size as usize }
    }

    fn give(&mut self, extent: Extent) {
        self.pool.give((), extent.size as u64);
    }

    fn peak(&self) -> u64 {
        self.peak
    }
}

/// Rounds up so that sizes share buffers: eight classes an octave, at most an eighth wasted.
fn size_class(bytes: u64) -> u64 {
    let step = (bytes.next_power_of_two() / 16).max(SMALLEST);
    bytes.max(1).next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_waste_at_most_an_eighth_and_are_their_own_class() {
        for bytes in (0..100_000).chain([1 << 27, (1 << 27) + 4, u64::from(u32::MAX)]) {
            let class = size_class(bytes);
            assert!(class >= bytes && class <= bytes + bytes / 8 + SMALLEST, "{bytes} bytes in {class}");
            assert_eq!(size_class(class), class);
            assert_eq!(class % 16, 0);
        }
    }

    #[test]
    fn a_buffer_is_used_again_and_the_others_make_room_where_there_is_none() {
        const CAPACITY: u64 = 10_000;
        let pool = Pool::default();
        // A device that refuses what is beyond its capacity.
        let create = |size: u64| {
            let Memory { in_use, idle } = pool.memory();
            (in_use + idle + size <= CAPACITY).then_some(size)
        };
        let take = |bytes| pool.take(bytes, u64::MAX, create, || drop(pool.clear()));
        let (first, size) = take(4096).unwrap();
        pool.give(first, size);
        assert_eq!(take(4096), Some((4096, 4096)));
        assert_eq!(pool.memory(), Memory { in_use: 4096, idle: 0 });
        let (other, size) = take(2048).unwrap();
        pool.give(other, size);
        assert_eq!(take(5120), Some((5120, 5120)), "the idle buffer of 2048 bytes makes room");
        assert_eq!(pool.memory(), Memory { in_use: 4096 + 5120, idle: 0 });
        assert_eq!(take(5120), None, "the memory is in use");
        assert_eq!(pool.memory(), Memory { in_use: 4096 + 5120, idle: 0 });
    }
}
