//! Memory for the elements of a tensor: aligned to a cache line, and reused.
//!
//! A training step allocates the same sizes again and again. Handing large blocks back to the system would
//! cost a page fault for every page on the next use, so they are ranges of one arena, whose pages stay once they were
//! touched: it takes as much memory as was in use at once, and what fragments add.

use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use bytemuck::{Pod, Zeroable};
use memmap2::{MmapOptions, MmapRaw};
use range_alloc::RangeAllocator;

use crate::backend::{Extent, Ledger};

/// A cache line, and the widest vector.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Elements of a line.
const LINE: usize = 16;

/// Blocks below this many lines (64 KiB) go back to the allocator, which keeps them by itself.
const LEAST_LINES: usize = 1024;
/// Blocks of the arena are whole numbers of these (4 KiB), which keeps its list of free ranges short.
const UNIT_LINES: usize = 64;

/// Very large blocks (from 16 MiB on) are whole numbers of these (8 MiB), so that one fits where another was: the holes
/// between sizes that are nearly equal would add up from step to step.
const LARGE_UNIT_LINES: usize = 1 << 17;

/// Addresses that are asked of the system, in lines (1 TiB): halved until it agrees, but not below the second number (1 GiB).
const MOST_LINES: usize = 1 << (usize::BITS / 2 + 2);
/// See [`MOST_LINES`].
const FEWEST_LINES: usize = 1 << 24;

/// One reserved range of addresses, of which only the pages that were touched take memory.
struct Arena {
    memory: MmapRaw,
    ranges: Mutex<Ranges>,
}

/// The lines of an arena: which are free, and how far any were used.
struct Ranges {
    free: RangeAllocator<usize>,
    used: usize,
    end: usize,
}

impl Ranges {
    fn new(lines: usize) -> Ranges {
        Ranges { free: RangeAllocator::new(0..lines), used: 0, end: 0 }
    }

    /// The smallest free range that is large enough, which is the untouched end only where no other is.
    fn take(&mut self, lines: usize) -> Option<Range<usize>> {
        let unit = if lines < 2 * LARGE_UNIT_LINES { UNIT_LINES } else { LARGE_UNIT_LINES };
        let range = self.free.allocate_range(lines.next_multiple_of(unit)).ok()?;
        self.used += range.len();
        self.end = self.end.max(range.end);
        Some(range)
    }

    fn put(&mut self, range: Range<usize>) {
        self.used -= range.len();
        self.free.free_range(range);
    }
}

/// None where the system would count reserved addresses as memory in use, or gives none.
static ARENA: LazyLock<Option<Arena>> = LazyLock::new(|| if cfg!(unix) { Arena::reserve() } else { None });

impl Arena {
    fn reserve() -> Option<Arena> {
        let map = |lines: usize| {
            let bytes = lines.checked_mul(size_of::<Line>()).filter(|&bytes| isize::try_from(bytes).is_ok())?;
            MmapOptions::new().len(bytes).no_reserve_swap().map_anon().ok()
        };
        let mut lines = MOST_LINES;
        let mut memory = map(lines);
        while memory.is_none() && lines > FEWEST_LINES {
            lines /= 2;
            memory = map(lines);
        }
        if lines < MOST_LINES {
            // Addresses are limited: most of what is left is for others.
            lines /= 4;
            drop(memory.take()?);
            memory = map(lines);
        }
        let memory = memory?;
        // A wish: systems without huge pages go on without.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Some(Arena { memory: memory.into(), ranges: Mutex::new(Ranges::new(lines)) })
    }

    fn ranges(&self) -> MutexGuard<'_, Ranges> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, line: usize) -> NonNull<Line> {
        // SAFETY: `line` is inside the mapping, which starts on a page, is never null and stays for good.
        unsafe { NonNull::new_unchecked(self.memory.as_mut_ptr().cast::<Line>().add(line)) }
    }
}

/// A range of the arena, which nobody else has.
#[derive(Debug)]
struct Block {
    range: Range<usize>,
    start: NonNull<Line>,
}

// SAFETY: a block owns its lines, as a box would.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    fn new(lines: usize) -> Option<Block> {
        let arena = ARENA.as_ref()?;
        let range = arena.ranges().take(lines)?;
        Some(Block { start: arena.at(range.start), range })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let arena = ARENA.as_ref().expect("a block is of the arena");
        arena.ranges().put(self.range.clone());
    }
}

/// Whether [`Buffer::scratch`] fills what it gives with what is no number.
static POISON: AtomicBool = AtomicBool::new(false);

/// See [`Backend::poison`](crate::backend::Backend::poison); of all cpu devices.
pub fn poison(on: bool) {
    POISON.store(on, Ordering::Relaxed);
}

/// Where a buffer's elements are.
#[derive(Debug)]
enum Memory {
    /// In the allocator's memory.
    Lines(Vec<Line>),
    Block(Block),
}

impl Memory {
    fn new(lines: usize) -> Memory {
        let block = if lines < LEAST_LINES { None } else { Block::new(lines) };
        block.map_or_else(|| Memory::Lines(bytemuck::zeroed_vec(lines)), Memory::Block)
    }
}

/// The bytes of the arena that were in use and wait for their next use.
pub fn idle() -> u64 {
    ARENA.as_ref().map_or(0, |arena| {
        let ranges = arena.ranges();
        ((ranges.end - ranges.used) * size_of::<Line>()) as u64
    })
}

/// An arena without memory, and blocks of the allocator.
pub struct Account {
    arena: Option<Ranges>,
    /// Lines in the allocator's blocks, now and at most.
    others: usize,
    most_others: usize,
}

impl Account {
    pub fn new() -> Account {
        Account { arena: ARENA.as_ref().map(|_| Ranges::new(MOST_LINES)), others: 0, most_others: 0 }
    }
}

impl Ledger for Account {
    fn take(&mut self, length: usize) -> Extent {
        let lines = length.div_ceil(LINE);
        let arena = self.arena.as_mut().filter(|_| lines >= LEAST_LINES);
        if let Some(range) = arena.and_then(|ranges| ranges.take(lines)) {
            return Extent { place: Some(range.start), size: range.len() };
        }
        self.others += lines;
        self.most_others = self.most_others.max(self.others);
        Extent { place: None, size: lines }
    }

    fn give(&mut self, Extent { place, size }: Extent) {
        match (place, &mut self.arena) {
            (Some(start), Some(ranges)) => ranges.put(start..start + size),
            _ => self.others -= size,
        }
    }

    fn peak(&self) -> u64 {
        let arena = self.arena.as_ref().map_or(0, |ranges| ranges.end);
        ((arena + self.most_others) * size_of::<Line>()) as u64
    }
}

/// `len` numbers, the first on a cache line.
#[derive(Debug)]
pub struct Buffer {
    memory: Memory,
    len: usize,
}

impl Buffer {
    /// A buffer whose contents are whatever was there; the caller writes every element.
    pub fn scratch(len: usize) -> Buffer {
        #[cfg(test)]
        recording::took(len);
        let mut buffer = Buffer { memory: Memory::new(len.div_ceil(LINE)), len };
        if POISON.load(Ordering::Relaxed) {
            buffer.fill(f32::NAN);
        }
        buffer
    }

    /// A buffer of one value.
    pub fn full(len: usize, value: f32) -> Buffer {
        let mut buffer = Buffer::scratch(len);
        buffer.fill(value);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        let elements = match &self.memory {
            Memory::Lines(lines) => bytemuck::cast_slice(lines),
            // SAFETY: the lines are the block's own, and zeros or numbers that were written before.
            Memory::Block(block) => {
                bytemuck::cast_slice(unsafe { std::slice::from_raw_parts(block.start.as_ptr(), block.range.len()) })
            }
        };
        &elements[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let elements = match &mut self.memory {
            Memory::Lines(lines) => bytemuck::cast_slice_mut(lines),
            // SAFETY: as above, and `self` is borrowed alone.
            Memory::Block(block) => bytemuck::cast_slice_mut(unsafe {
                std::slice::from_raw_parts_mut(block.start.as_ptr(), block.range.len())
            }),
        };
        &mut elements[..self.len]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Buffer {
        let mut copy = Buffer::scratch(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

/// What a test sees of the buffers that one thread makes.
#[cfg(test)]
pub mod recording {
    use std::cell::RefCell;

    thread_local!(static TAKEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });

    pub(super) fn took(len: usize) {
        TAKEN.with_borrow_mut(|taken| taken.push(len));
    }

    /// The lengths of all buffers that this thread makes in `work`, in order.
    pub fn of<R>(work: impl FnOnce() -> R) -> Vec<usize> {
        TAKEN.take();
        drop(work());
        TAKEN.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_do_not_overlap() {
        let numbers = |buffer: &Buffer, value: f32| buffer.iter().all(|&v| v == value);
        let (a, b) = (Buffer::full(100_000, 1.0), Buffer::full(5_000_001, 2.0));
        let c = Buffer::full(50_000, 3.0);
        drop(a);
        let d = Buffer::full(40_000, 4.0);
        assert!(numbers(&b, 2.0) && numbers(&c, 3.0) && numbers(&d, 4.0));
        assert_eq!([b.len(), c.len(), d.len()], [5_000_001, 50_000, 40_000]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_range_of_the_arena_is_used_again() {
        let arena = Arena::reserve().expect("Linux reserves addresses");
        let mut ranges = arena.ranges();
        let (first, second) = (ranges.take(2048).unwrap(), ranges.take(4096).unwrap());
        ranges.put(first.clone());
        assert_eq!(ranges.take(1024).unwrap().start, first.start);
        assert_eq!(ranges.take(1024).unwrap().end, first.end);
        assert_eq!(ranges.take(1024).unwrap().start, second.end);
    }

    #[test]
    fn a_buffer_starts_on_a_cache_line() {
        for len in [1, 17, 100_000] {
            assert_eq!(Buffer::scratch(len).as_ptr() as usize % 64, 0);
        }
    }
}
