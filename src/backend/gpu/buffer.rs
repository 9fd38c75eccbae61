//! The elements of a tensor on the gpu.

use std::fmt;
use std::sync::Arc;

use super::pool::Pool;

/// `len` numbers in device memory, which goes back to the pool with its last owner.
pub struct Buffer {
    memory: Memory,
    len: usize,
}

/// Where the numbers are.
enum Memory {
    /// On an adapter; None where the device had failed.
    Adapter {
        // Before the pool: the compiler then finds by the short way that it may go between threads. By the pool's that is past its
        // limit.
        raw: Option<wgpu::Buffer>,
        pool: Arc<Pool<wgpu::Buffer>>,
    },
    /// Nowhere: a number stands for so many bytes.
    Recorded { number: usize, size: u64, pool: Arc<Pool<usize>> },
}

impl Buffer {
    /// Memory that was taken from `pool`, to which it goes back; None where the device had failed.
    pub(super) fn new(pool: &Arc<Pool<wgpu::Buffer>>, raw: Option<wgpu::Buffer>, len: usize) -> Buffer {
        Buffer { memory: Memory::Adapter { raw, pool: Arc::clone(pool) }, len }
    }

    /// A number that stands for memory, taken from `pool`, to which it goes back.
    pub(super) fn recorded(pool: &Arc<Pool<usize>>, (number, size): (usize, u64), len: usize) -> Buffer {
        Buffer { memory: Memory::Recorded { number, size, pool: Arc::clone(pool) }, len }
    }

    /// How many elements it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory of an adapter; None where the device had failed.
    pub(super) fn raw(&self) -> Option<&wgpu::Buffer> {
        match &self.memory {
            Memory::Adapter { raw, .. } => raw.as_ref(),
            Memory::Recorded { .. } => None,
        }
    }

    /// The number that stands for memory, where one does.
    pub(super) fn number(&self) -> Option<usize> {
        match self.memory {
            Memory::Adapter { .. } => None,
            Memory::Recorded { number, .. } => Some(number),
        }
    }

    /// Whether its memory is of this pool of an adapter's, and so of its device.
    pub(super) fn is_of(&self, device: &Arc<Pool<wgpu::Buffer>>) -> bool {
        matches!(&self.memory, Memory::Adapter { pool, .. } if Arc::ptr_eq(pool, device))
    }

    /// Whether its number is of this pool.
    pub(super) fn is_recorded_by(&self, recorder: &Arc<Pool<usize>>) -> bool {
        matches!(&self.memory, Memory::Recorded { pool, .. } if Arc::ptr_eq(pool, recorder))
    }

    /// Words of four elements, the last of them filled up.
    pub(super) fn words(&self) -> usize {
        self.len.div_ceil(4)
    }

    /// The elements' size.
    pub(super) fn bytes(&self) -> u64 {
        (self.len * size_of::<f32>()) as u64
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match &mut self.memory {
            Memory::Adapter { raw, pool } => {
                if let Some(raw) = raw.take() {
                    let size = raw.size();
                    pool.give(raw, size);
                }
            }
            Memory::Recorded { number, size, pool } => pool.give(*number, *size),
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements on a gpu", self.len)
    }
}
