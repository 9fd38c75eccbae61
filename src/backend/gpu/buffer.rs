//! The elements of a tensor on the gpu.

use std::fmt;
use std::sync::Arc;

use super::engine::Engine;

/// `len` numbers in device memory, which goes back to the pool with its last owner.
pub struct Buffer {
    engine: Arc<Engine>,
    raw: Option<wgpu::Buffer>,
    len: usize,
}

impl Buffer {
    /// A buffer whose contents are whatever was there; the caller writes every element.
    pub(super) fn scratch(engine: &Arc<Engine>, len: usize) -> Buffer {
        Buffer { engine: Arc::clone(engine), raw: engine.allocate((len * size_of::<f32>()) as u64), len }
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

    /// Whether it lives on this engine.
    pub(super) fn is_of(&self, engine: &Arc<Engine>) -> bool {
        Arc::ptr_eq(&self.engine, engine)
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
            self.engine.pool().give(raw, size);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements on {}", self.len, self.engine.name)
    }
}
