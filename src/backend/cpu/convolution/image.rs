//! The roles that give an image: convolution and transposed convolution.
//!
//! The filter is packed in panels; tiles of output pixels of one group are computed in registers over their whole
//! contraction and written once. A stride-s transposed convolution is s * s phases, which the plan lists as groups.

use super::Part;
use super::plan::{Pixel, Plan, transposed_line};
use crate::backend::cpu::microkernel::{MAX_ROWS, MAX_TILE, Panel, Panels, Product, TileJob, copy_line};
use crate::backend::cpu::parallel::{Disjoint, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};

/// Tiles a task: enough that a panel is read from the L2 cache many times.
const MOST_TILES: usize = 16;
/// Fewer where that would leave too few tasks.
const LEAST_TILES: usize = 4;
/// How many tasks are worth having.
const TASKS: usize = 32;

/// Lines and columns of the packed filter.
fn packed(geometry: &Geometry, role: Role) -> [usize; 2] {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    match role {
        Role::Fine => [taps * geometry.coarse_channels, geometry.fine_channels],
        _ => [taps * geometry.fine_channels, geometry.coarse_channels],
    }
}

/// What [`coarse`] and [`fine`] have beside their results.
pub fn scratch(simd: Simd, geometry: &Geometry, role: Role) -> Scratch {
    let [lines, columns] = packed(geometry, role);
    Scratch::shared([Panels::length(simd.tile(), lines, columns)])
}

/// The coarse image from (fine image, filter).
pub fn coarse(simd: Simd, geometry: &Geometry, fine: &[f32], filter: &[f32], activation: Activation) -> Buffer {
    let [lines, columns] = packed(geometry, Role::Coarse);
    let panels = Panels::pack(simd.tile(), lines, columns, |panel, out| {
        for (out, line) in out.chunks_exact_mut(panel.width).zip(filter.chunks_exact(columns)) {
            out[..panel.used].copy_from_slice(&line[panel.column..panel.column + panel.used]);
        }
    });
    let len = geometry.coarse_shape().iter().product();
    run(simd, &Plan::coarse(&Part::whole(geometry)), fine, &panels, len, activation)
}

/// The fine image from (filter, coarse image).
pub fn fine(simd: Simd, geometry: &Geometry, filter: &[f32], coarse: &[f32], activation: Activation) -> Buffer {
    let ([lines, columns], depth) = (packed(geometry, Role::Fine), geometry.coarse_channels);
    let [kh, kw] = geometry.kernel;
    let panels = Panels::pack(simd.tile(), lines, columns, |panel, out| {
        for tap in 0..kh * kw {
            let line = transposed_line(geometry, [tap / kw, tap % kw]);
            let out = &mut out[line * panel.width..(line + depth) * panel.width];
            transpose(&filter[tap * columns * depth..][..columns * depth], depth, panel, out);
        }
    });
    let len = geometry.fine_shape().iter().product();
    run(simd, &Plan::fine(&Part::whole(geometry)), coarse, &panels, len, activation)
}

/// Writes a panel's columns of the transpose of `matrix`, whose rows have `depth` elements.
pub fn transpose(matrix: &[f32], depth: usize, panel: Panel, out: &mut [f32]) {
    for (column, row) in matrix.chunks_exact(depth).skip(panel.column).take(panel.used).enumerate() {
        for (out, &v) in out[column..].iter_mut().step_by(panel.width).zip(row) {
            *out = v;
        }
    }
}

fn run(simd: Simd, plan: &Plan, input: &[f32], panels: &Panels, len: usize, activation: Activation) -> Buffer {
    let mut output = Buffer::scratch(len);
    let rows = simd.tile().rows;
    let tiles: usize = plan.groups.iter().map(|group| plan.pixels(group).div_ceil(rows)).sum();
    let block = (tiles / TASKS).clamp(LEAST_TILES, MOST_TILES) * rows;
    let work: Vec<(usize, usize)> = (plan.groups.iter().enumerate())
        .flat_map(|(index, group)| (0..plan.pixels(group)).step_by(block).map(move |first| (index, first)))
        .collect();
    let out = Disjoint::new(&mut output);
    tasks(work.len(), |task| {
        let (index, first) = work[task];
        let group = &plan.groups[index];
        let pixels: Vec<Pixel> = plan.from(group, first).take(block).collect();
        let mut tile = [0f32; MAX_TILE];
        for panel in &panels.panels {
            for pixels in pixels.chunks(rows) {
                // The last tile's missing rows repeat its last pixel and are not written.
                let rows: [usize; MAX_ROWS] = std::array::from_fn(|r| pixels[r.min(pixels.len() - 1)].input);
                let job = TileJob {
                    left: input,
                    rows: &rows,
                    step: 1,
                    segments: &group.segments,
                    panel: panels.lines(panel),
                    narrow: panel.narrow,
                    out: &mut tile,
                    accumulate: false,
                };
                // SAFETY: the plan's pixels and segments lie inside the geometry's image, and the panels have all taps' lines.
                simd.dispatch(unsafe { Product::new(simd, job) });
                for (pixel, sums) in pixels.iter().zip(tile.chunks_exact(panel.width)) {
                    // SAFETY: each pixel is in one group, once, and each column in one panel; they lie inside `output`.
                    let out = unsafe { out.slice(pixel.output + panel.column, panel.used) };
                    match activation.unary() {
                        None => copy_line(&sums[..panel.used], out),
                        Some(function) => function.map_f32(&sums[..panel.used], out),
                    }
                }
            }
        }
    });
    output
}
