//! Memory for the elements of a tensor: aligned to a cache line, and reused.
//!
//! A training step allocates the same sizes again and again. Handing large blocks back to the system would
//! cost a page fault for every 4 KiB on the next use, so they wait in a pool instead.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};

/// A cache line, and the widest vector.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Blocks below this many lines (32 KiB) go back to the allocator, which keeps them by itself.
const POOLED_LINES: usize = 512;

/// How much the pool keeps at most.
const POOL_LIMIT_LINES: usize = (256 << 20) / size_of::<Line>();

#[derive(Default)]
struct Pool {
    blocks: HashMap<usize, Vec<Vec<Line>>>,
    lines: usize,
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

/// `len` numbers, the first on a cache line.
#[derive(Debug)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// A buffer whose contents are whatever was there; the caller writes every element.
    pub fn scratch(len: usize) -> Buffer {
        let lines = size_class(len.div_ceil(16));
        if lines >= POOLED_LINES {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(block) = pool.blocks.get_mut(&lines).and_then(Vec::pop) {
                pool.lines -= lines;
                return Buffer { lines: block, len };
            }
        }
        Buffer { lines: vec![Line::zeroed(); lines], len }
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
        let lines = self.lines.len();
        if lines >= POOLED_LINES {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.lines + lines <= POOL_LIMIT_LINES {
                pool.lines += lines;
                pool.blocks.entry(lines).or_default().push(std::mem::take(&mut self.lines));
            }
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
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
