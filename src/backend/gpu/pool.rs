//! Device memory that waits for its next use: a training step asks for the same sizes again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Memory;

/// The smallest buffer, in bytes. A multiple of the 16 that kernels read as one word.
const SMALLEST: u64 = 256;

/// Buffers by size class.
#[derive(Default)]
pub struct Pool(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    idle: HashMap<u64, Vec<wgpu::Buffer>>,
    memory: Memory,
}

impl Pool {
    /// A buffer of at least `bytes`, and less than an eighth more, up to `most`; `create` makes it where none waits.
    pub fn take(&self, bytes: u64, most: u64, create: impl FnOnce(u64) -> wgpu::Buffer) -> wgpu::Buffer {
        let size = size_class(bytes).min(most);
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.memory.in_use += size;
        if let Some(buffer) = shelves.idle.get_mut(&size).and_then(Vec::pop) {
            shelves.memory.idle -= size;
            return buffer;
        }
        drop(shelves);
        create(size)
    }

    /// Takes a buffer back. Commands that use it may still be pending: those that are recorded later run later.
    pub fn give(&self, buffer: wgpu::Buffer) {
        let size = buffer.size();
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.memory.in_use -= size;
        shelves.memory.idle += size;
        shelves.idle.entry(size).or_default().push(buffer);
    }

    /// The bytes held.
    pub fn memory(&self) -> Memory {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).memory
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
}
