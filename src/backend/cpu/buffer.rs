//! Memory for the elements of a tensor: aligned to a cache line, and reused.
//!
//! A training step allocates the same sizes again and again. Handing large blocks back to the system would
//! cost a page fault for every page on the next use, so they wait in a pool instead. They are mapped by themselves: what the
//! pool lets go is free for others at once, and the system may back them with huge pages.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;

/// A cache line, and the widest vector.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Blocks below this many lines (64 KiB) go back to the allocator, which keeps them by itself.
const POOLED_LINES: usize = 1024;

/// Where a buffer's elements are.
#[derive(Debug)]
enum Memory {
    /// In the allocator's memory.
    Lines(Vec<Line>),
    /// In a block of the pool.
    Block(MmapMut),
}

impl Memory {
    /// A new block of the pool. The allocator takes over where the system maps no more, and ends the program where it has none either.
    fn block(lines: usize) -> Memory {
        let Ok(block) = MmapMut::map_anon(lines * size_of::<Line>()) else { return Memory::lines(lines) };
        // A wish: systems without huge pages go on without.
        #[cfg(target_os = "linux")]
        let _ = block.advise(memmap2::Advice::HugePage);
        Memory::Block(block)
    }

    fn lines(lines: usize) -> Memory {
        Memory::Lines(vec![Line::zeroed(); lines])
    }
}

/// What both may take together in any case: a small network's step, with room for blocks that wait for their next use.
const KEPT_LINES: usize = (128 << 20) / size_of::<Line>();

/// What is in use, and what waits. Above [`KEPT_LINES`] both together never take more than what was in use at once at some
/// time: a step's sizes come again in the next, and what does not come again gives way.
#[derive(Default)]
struct Pool {
    /// Waiting blocks by their lines, each with the time at which it came back; the last came last.
    waiting: HashMap<usize, Vec<(u64, MmapMut)>>,
    time: u64,
    used_lines: usize,
    waiting_lines: usize,
    most_used_lines: usize,
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

impl Pool {
    fn lock() -> MutexGuard<'static, Pool> {
        POOL.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A waiting block, or None after making room for a new one.
    fn take(&mut self, lines: usize) -> Option<MmapMut> {
        self.used_lines += lines;
        self.most_used_lines = self.most_used_lines.max(self.used_lines);
        if let Some((_, block)) = self.waiting.get_mut(&lines).and_then(Vec::pop) {
            self.waiting_lines -= lines;
            return Some(block);
        }
        while self.used_lines + self.waiting_lines > self.most_used_lines.max(KEPT_LINES) {
            self.drop_oldest();
        }
        None
    }

    fn put(&mut self, block: MmapMut) {
        let lines = block.len() / size_of::<Line>();
        self.used_lines -= lines;
        self.waiting_lines += lines;
        self.time += 1;
        self.waiting.entry(lines).or_default().push((self.time, block));
    }

    /// Hands the block back to the system that has waited longest.
    fn drop_oldest(&mut self) {
        let blocks = self.waiting.values_mut().filter(|blocks| !blocks.is_empty());
        let oldest = blocks.min_by_key(|blocks| blocks[0].0).expect("lines wait in blocks");
        self.waiting_lines -= oldest.remove(0).1.len() / size_of::<Line>();
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
        let lines = size_class(len.div_ceil(16));
        let memory = if lines < POOLED_LINES {
            Memory::lines(lines)
        } else {
            let waiting = Pool::lock().take(lines);
            waiting.map_or_else(|| Memory::block(lines), Memory::Block)
        };
        Buffer { memory, len }
    }

    /// A buffer of one value.
    pub fn full(len: usize, value: f32) -> Buffer {
        let mut buffer = Buffer::scratch(len);
        buffer.fill(value);
        buffer
    }
}

/// Rounds up so that sizes share blocks: eight classes an octave, at most an eighth wasted.
fn size_class(lines: usize) -> usize {
    let step = (lines.next_power_of_two() / 16).max(1);
    lines.next_multiple_of(step)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.memory, Memory::Lines(Vec::new()));
        if let Memory::Block(block) = memory {
            Pool::lock().put(block);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        let elements = match &self.memory {
            Memory::Lines(lines) => bytemuck::cast_slice(lines),
            Memory::Block(block) => bytemuck::cast_slice(block),
        };
        &elements[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let elements = match &mut self.memory {
            Memory::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Memory::Block(block) => bytemuck::cast_slice_mut(block),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_waste_at_most_an_eighth_and_are_their_own_class() {
        for lines in 1..5000 {
            let class = size_class(lines);
            assert!(class >= lines && class <= lines + lines / 8 + 1, "{lines} lines in {class}");
            assert_eq!(size_class(class), class);
        }
    }

    #[test]
    fn a_buffer_starts_on_a_cache_line() {
        for len in [1, 17, 100_000] {
            assert_eq!(Buffer::scratch(len).as_ptr() as usize % 64, 0);
        }
    }
}
