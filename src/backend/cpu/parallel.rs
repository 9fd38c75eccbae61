//! How kernels split their work: by shape, never by the number of threads, so that results repeat.

use rayon::prelude::*;

/// Elements a task of an elementwise kernel: 64 KiB of output, below which a second thread does not pay.
pub const BLOCK: usize = 1 << 14;

/// Calls `work` with each block of `out` and the index of its first element, in parallel where there is more than one.
pub fn blocks(out: &mut [f32], block: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() <= block {
        work(0, out);
    } else {
        out.par_chunks_mut(block).enumerate().for_each(|(index, out)| work(index * block, out));
    }
}

/// Calls `work` with `0..count`, in parallel where there is more than one.
pub fn tasks(count: usize, work: impl Fn(usize) + Sync + Send) {
    if count <= 1 {
        (0..count).for_each(work);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(work);
    }
}

/// A pointer to memory that tasks write in disjoint places.
#[derive(Clone, Copy)]
pub struct Disjoint {
    start: *mut f32,
    length: usize,
}

// SAFETY: the tasks that share it write disjoint elements of a slice that outlives them; see `Disjoint::slice`.
unsafe impl Send for Disjoint {}
// SAFETY: as above.
unsafe impl Sync for Disjoint {}

impl Disjoint {
    /// The memory of `slice`, which stays borrowed by the caller while tasks run.
    pub fn new(slice: &mut [f32]) -> Disjoint {
        Disjoint { start: slice.as_mut_ptr(), length: slice.len() }
    }

    /// Elements from the start to the end of the slice.
    pub fn length(self) -> usize {
        self.length
    }

    /// What is left from element `start` on.
    ///
    /// # Panics
    /// Where the slice ends before.
    pub fn skip(self, start: usize) -> Disjoint {
        let length = self.length.checked_sub(start).expect("inside the slice");
        // SAFETY: the element is inside the slice, or just behind it.
        Disjoint { start: unsafe { self.start.add(start) }, length }
    }

    /// Where element `index` is, for kernels that write in several places.
    ///
    /// # Safety
    /// As for [`Disjoint::slice`], for every element that is written or read through the pointer.
    #[inline(always)]
    pub unsafe fn at(self, index: usize) -> *mut f32 {
        debug_assert!(index < self.length, "elements are outside the slice");
        // SAFETY: as the caller promises.
        unsafe { self.start.add(index) }
    }

    /// Elements `start..start + len`.
    ///
    /// # Safety
    /// They lie inside the slice that this was made of (debug builds check it), which is alive, and no other task touches them meanwhile.
    pub unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [f32] {
        debug_assert!(start + len <= self.length, "elements are outside the slice");
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}
