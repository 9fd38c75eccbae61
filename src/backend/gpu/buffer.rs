//! The elements of a tensor on the gpu.

use std::fmt;
use std::sync::Arc;

use super::pool::Pool;

/// `len` numbers in device memory, which goes back to the pool with its last owner.
pub struct Buffer {
    // Before the pool: the compiler then finds by the short way that it may go between threads. By the pool's that is past its limit.
    raw: Option<wgpu::Buffer>,
    pool: Arc<Pool<wgpu::Buffer>>,
    len: usize,
}

impl Buffer {
    /// Memory that was taken from `pool`, to which it goes back; None where the device had failed.
    pub(super) fn new(pool: &Arc<Pool<wgpu::Buffer>>, raw: Option<wgpu::Buffer>, len: usize) -> Buffer {
        Buffer { pool: Arc::clone(pool), raw, len }
    }

    /// How many elements it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory; None where the device had failed.
    pub(super) fn raw(&self) -> Option<&wgpu::Buffer> {
        self.raw.as_ref()
    }

    /// Whether its memory is of this pool, and so of its device.
    pub(super) fn is_of(&self, pool: &Arc<Pool<wgpu::Buffer>>) -> bool {
        Arc::ptr_eq(&self.pool, pool)
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
        if let Some(raw) = self.raw.take() {
            let size = raw.size();
            self.pool.give(raw, size);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements on a gpu", self.len)
    }
}
