//! The most that the processor does: multiply-adds in registers on all threads, and copies.

use std::hint::black_box;
use std::time::Duration;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Buffer, Cpu, Storage, values};
use crate::backend::Probes;
use crate::error::Result;

/// Independent chains: at least latency times throughput of any processor's multiply-add.
const CHAINS: usize = 12;
/// Multiply-adds of a chain in a round: a call to every thread costs little beside a round.
const LINKS: usize = 1 << 10;

/// The chains of one thread; gives the lanes of a vector.
struct Registers {
    links: usize,
}

impl WithSimd for Registers {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let factor = simd.splat_f32s(black_box(0.999_9));
        let mut sums = [simd.splat_f32s(black_box(1.0)); CHAINS];
        for _ in 0..self.links {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, factor);
            }
        }
        black_box(sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum::<f32>());
        S::F32_LANES
    }
}

impl Probes for Cpu {
    fn multiply_adds(&self, rounds: usize) -> f64 {
        let links = rounds * LINKS;
        let lanes: usize = rayon::broadcast(|_| pulp::Arch::new().dispatch(Registers { links })).into_iter().sum();
        2.0 * (links * CHAINS * lanes) as f64
    }

    fn copy(&self, x: &Storage) -> Storage {
        let x = values(x);
        let mut out = Buffer::scratch(x.len());
        // A part a thread: long copies go past the caches.
        let part = x.len().div_ceil(rayon::current_num_threads()).max(1);
        out.par_chunks_mut(part).zip(x.par_chunks(part)).for_each(|(out, x)| out.copy_from_slice(x));
        Storage::F32(out)
    }

    fn timed(&self, _work: &mut dyn FnMut()) -> Result<Option<Duration>> {
        Ok(None)
    }
}
