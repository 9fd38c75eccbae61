//! The roles that give an image.

use std::ops::Range;

use super::scheme::Scheme;
use super::transform::{CoarseLines, CoarsePixels, FineLines, FinePixels};
use super::{CHANNELS, Lines, Panels, Part, Products, Tiling, filter};
use crate::backend::cpu::parallel::{Disjoint, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};

/// How many tasks are worth having, and elements of a transformed filter from which half as many are: each task reads all of it.
const TASKS: usize = 20;
const LARGE_FILTER: usize = 1 << 18;

/// Images a task, so that no row of its products is left empty where that takes few tiles, or a batch has enough of them.
fn images<K: Scheme>(tiling: &Tiling<K>, rows: usize) -> usize {
    let g = &tiling.part.geometry;
    let large = K::COMPONENTS * K::PHASES * g.fine_channels * g.coarse_channels >= LARGE_FILTER;
    let share = g.batch / if large { TASKS / 2 } else { TASKS };
    let few = |unit: usize| unit * tiling.each() <= most_tiles::<K>() || unit <= share;
    let unit =
        (1..=rows).find(|unit| (unit * tiling.each()).is_multiple_of(rows)).filter(|&unit| few(unit)).unwrap_or(1);
    let wanted = (K::TASK / tiling.each()).min(share);
    (wanted / unit).max(1) * unit
}

/// Tiles that a task transforms at a time, at most.
fn most_tiles<K: Scheme>() -> usize {
    2 * K::TASK
}

/// A task's tiles, those that are transformed together.
fn stretches<K: Scheme>(tiles: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    tiles.clone().step_by(most_tiles::<K>()).map(move |first| first..tiles.end.min(first + most_tiles::<K>()))
}

/// What [`coarse`] and [`fine`] have beside their results.
pub fn scratch<K: Scheme>(simd: Simd, geometry: &Geometry, role: Role) -> Scratch {
    let tiling = Tiling::<K>::new(&Part::whole(geometry));
    let images = images(&tiling, simd.tile().rows);
    let tiles = (images.min(geometry.batch) * tiling.each()).min(most_tiles::<K>());
    let (fine, coarse) = (geometry.fine_channels, geometry.coarse_channels);
    let (outside, lines, columns) = match role {
        Role::Fine => (coarse, coarse, K::PHASES * fine),
        _ => (fine, K::PHASES * fine, coarse),
    };
    Scratch {
        shared: vec![Panels::elements::<K>(lines, columns), outside],
        task: vec![Lines::elements::<K>(tiles, lines), Products::elements::<K>(simd, tiles, columns)],
        tasks: geometry.batch.div_ceil(images),
    }
}

/// The coarse image from (fine image, filter).
pub fn coarse<K: Scheme>(
    simd: Simd,
    part: &Part,
    fine: &[f32],
    filter: &[f32],
    activation: Activation,
    output: &mut [f32],
) {
    let (tiling, geometry) = (Tiling::<K>::new(part), &part.geometry);
    let (channels, columns) = (geometry.fine_channels, geometry.coarse_channels);
    let panels = filter::pack::<K>(simd, geometry, filter);
    let outside = Buffer::full(channels, 0.0);
    let out = Disjoint::new(output);
    let images = images(&tiling, simd.tile().rows);
    tasks(geometry.batch.div_ceil(images), |task| {
        let own = tiling.of_images(task * images, images);
        for tiles in stretches::<K>(own.clone()) {
            let mut lines = Lines::new::<K>(tiles.len(), K::PHASES * channels);
            for (line, tile) in tiles.clone().enumerate() {
                let pixel = |start: usize| fine[start..start + channels].as_ptr();
                let patch = tiling.patch(tiling.place(tile), outside.as_ptr(), pixel);
                let (out, component) = (lines.from(line), lines.component());
                // SAFETY: the pixels are slices of `channels` elements, and the lines this task's.
                simd.dispatch(unsafe { FineLines::<K>::new(patch, channels, out, component) });
            }
            let products = Products::of::<K>(simd, &lines, &panels);
            for (line, tile) in tiles.enumerate() {
                // SAFETY: a pixel is in one tile, and a tile in one task; they lie inside `output`.
                let pixel = |start: usize| unsafe { out.slice(start, columns) }.as_mut_ptr();
                let pixels = tiling.pixels(tiling.place(tile), std::ptr::null_mut(), pixel);
                // SAFETY: the pixels are slices of `columns` elements.
                simd.dispatch(unsafe { CoarsePixels::<K>::new(&products, line, pixels) });
            }
        }
        let image = geometry.coarse[0] * geometry.coarse[1];
        let pixels = task * images * image..(task * images + own.len() / tiling.each()) * image;
        // SAFETY: the task's own tiles again, whole images of them.
        activate(simd, activation, pixels.map(|pixel| unsafe { out.slice(pixel * part.pixel[1], columns) }));
    });
}

/// The fine image from (filter, coarse image).
pub fn fine<K: Scheme>(
    simd: Simd,
    part: &Part,
    filter: &[f32],
    coarse: &[f32],
    activation: Activation,
    output: &mut [f32],
) {
    let (tiling, geometry) = (Tiling::<K>::new(part), &part.geometry);
    let (channels, depth) = (geometry.fine_channels, geometry.coarse_channels);
    let panels = filter::pack_transposed::<K>(simd, geometry, filter);
    let outside = Buffer::full(depth, 0.0);
    let out = Disjoint::new(output);
    let images = images(&tiling, simd.tile().rows);
    tasks(geometry.batch.div_ceil(images), |task| {
        let own = tiling.of_images(task * images, images);
        for tiles in stretches::<K>(own.clone()) {
            let mut lines = Lines::new::<K>(tiles.len(), depth);
            for (line, tile) in tiles.clone().enumerate() {
                let pixel = |start: usize| coarse[start..start + depth].as_ptr();
                let pixels = tiling.pixels(tiling.place(tile), outside.as_ptr(), pixel);
                let (out, component) = (lines.from(line), lines.component());
                // SAFETY: the pixels are slices of `depth` elements, and the lines this task's.
                simd.dispatch(unsafe { CoarseLines::<K>::new(pixels, depth, out, component, [depth, depth]) });
            }
            let products = Products::of::<K>(simd, &lines, &panels);
            for (line, tile) in tiles.enumerate() {
                let place = tiling.place(tile);
                // SAFETY: an image is in one task; its pixels lie inside `output`.
                let pixel = |start: usize| unsafe { out.slice(start, channels) }.as_mut_ptr();
                let patch = tiling.patch(place, std::ptr::null_mut(), pixel);
                let before = [place.down > 0, place.across > 0];
                // SAFETY: the pixels are slices of `channels` elements.
                simd.dispatch(unsafe { FinePixels::<K>::new(&products, line, patch, before) });
            }
        }
        let image = geometry.fine[0] * geometry.fine[1];
        let pixels = task * images * image..(task * images + own.len() / tiling.each()) * image;
        // SAFETY: the task's own images again.
        activate(simd, activation, pixels.map(|pixel| unsafe { out.slice(pixel * part.pixel[0], channels) }));
    });
}

fn activate<'a>(simd: Simd, activation: Activation, pixels: impl Iterator<Item = &'a mut [f32]>) {
    let Some(function) = activation.unary() else { return };
    let mut copy = [0f32; CHANNELS];
    for part in pixels.flat_map(|pixel| pixel.chunks_exact_mut(CHANNELS)) {
        copy.copy_from_slice(part);
        simd.dispatch(
            #[inline(always)]
            || function.map_f32(&copy, part),
        );
    }
}
