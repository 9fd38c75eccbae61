//! The transposed convolution to an image of few channels (1 or 3), where those would leave most lanes empty.
//!
//! A product gives, for every coarse pixel, its contribution to all taps and channels at once (16 taps times 3 channels fill
//! three vectors); each fine pixel then sums the few contributions that reach it, in a fixed order.

use rayon::prelude::*;

use super::image::{Product, transpose};
use crate::backend::cpu::microkernel::{MAX_ROWS, MAX_TILE, Panels, Segment, TileJob};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry};

/// Whether it is faster than the direct way.
pub fn pays(simd: Simd, geometry: &Geometry) -> bool {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    2 * geometry.fine_channels <= simd.tile().lanes.max(8) && taps > 1
}

/// The fine image from (filter, coarse image).
pub fn fine(simd: Simd, geometry: &Geometry, filter: &[f32], coarse: &[f32], activation: Activation) -> Buffer {
    let depth = geometry.coarse_channels;
    let columns = geometry.kernel[0] * geometry.kernel[1] * geometry.fine_channels;
    let panels = Panels::pack(simd.tile(), depth, columns, |panel, out| transpose(filter, depth, panel, out));
    let mut output = Buffer::scratch(geometry.fine_shape().iter().product());
    let fine_image = geometry.fine[0] * geometry.fine[1] * geometry.fine_channels;
    let coarse_image = geometry.coarse[0] * geometry.coarse[1] * depth;
    if fine_image > 0 {
        output.par_chunks_exact_mut(fine_image).zip(coarse.par_chunks_exact(coarse_image)).for_each_init(
            || (Buffer::scratch(coarse_image / depth * columns), Buffer::scratch(fine_image)),
            |(contributions, sums), (out, coarse)| {
                contribute(simd, coarse, depth, &panels, columns, contributions);
                collect(geometry, contributions, sums);
                match activation.unary() {
                    None => out.copy_from_slice(sums),
                    Some(function) => simd.dispatch(
                        #[inline(always)]
                        || function.map_f32(sums, out),
                    ),
                }
            },
        );
    }
    output
}

/// The product `[pixels, depth] x [depth, columns]`.
fn contribute(simd: Simd, coarse: &[f32], depth: usize, panels: &Panels, columns: usize, out: &mut [f32]) {
    let rows = simd.tile().rows;
    let segments = [Segment { left: 0, line: 0, length: depth }];
    let mut tile = [0f32; MAX_TILE];
    for (pixels, out) in coarse.chunks(rows * depth).zip(out.chunks_mut(rows * columns)) {
        let last = pixels.len() / depth - 1;
        let pointers: [*const f32; MAX_ROWS] = std::array::from_fn(|r| pixels[r.min(last) * depth..].as_ptr());
        for panel in &panels.panels {
            let job = TileJob {
                rows: &pointers,
                step: 1,
                segments: &segments,
                panel: panels.lines(panel),
                narrow: panel.narrow,
                out: tile.as_mut_ptr(),
                accumulate: false,
            };
            simd.dispatch(Product { job });
            for (out, sums) in out.chunks_exact_mut(columns).zip(tile.chunks_exact(panel.width)) {
                out[panel.column..panel.column + panel.used].copy_from_slice(&sums[..panel.used]);
            }
        }
    }
}

/// Sums what reaches each pixel of one fine image.
fn collect(geometry: &Geometry, contributions: &[f32], out: &mut [f32]) {
    let g = geometry;
    let channels = g.fine_channels;
    let columns = g.kernel[0] * g.kernel[1] * channels;
    out.fill(0.0);
    for i in 0..g.coarse[0] {
        for p in 0..g.kernel[0] {
            let Some(y) = (g.stride[0] * i + p).checked_sub(g.padding[0]).filter(|&y| y < g.fine[0]) else { continue };
            let out = &mut out[y * g.fine[1] * channels..(y + 1) * g.fine[1] * channels];
            for j in 0..g.coarse[1] {
                // A row of taps is contiguous, and so is the row of pixels that it meets.
                let origin = g.stride[1] * j;
                let first = g.padding[1].saturating_sub(origin).min(g.kernel[1]);
                let end = (g.fine[1] + g.padding[1]).saturating_sub(origin).clamp(first, g.kernel[1]);
                if first == end {
                    continue;
                }
                let from = (i * g.coarse[1] + j) * columns + (p * g.kernel[1] + first) * channels;
                let to = (origin + first - g.padding[1]) * channels;
                let run = (end - first) * channels;
                for (out, &v) in out[to..to + run].iter_mut().zip(&contributions[from..from + run]) {
                    *out += v;
                }
            }
        }
    }
}
