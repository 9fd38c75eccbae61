//! Convolutions in which each channel is a group: neighbouring channels are the lanes of vectors, and nothing is contracted but taps.
//! They are bound by what they read: each vector of an image meets one of the filter in one multiplication a tap.

use super::Part;
use super::plan::{Plan, transposed_line};
use crate::backend::cpu::parallel::{Disjoint, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};

/// Channels that are taken at a time, while there are so many.
const LANES: usize = 32;
/// Pixels a task of an image's role.
const PIXELS: usize = 256;
/// Parts that a filter's sums over all pixels are cut into, at most.
const PARTS: usize = 16;

/// Whether each channel of either image is a group.
pub fn fits(geometry: &Geometry) -> bool {
    geometry.groups == geometry.fine_channels && geometry.groups == geometry.coarse_channels
}

/// See [`super::convolution`]; of a filter the activation is not applied.
pub fn convolution(
    simd: Simd,
    role: Role,
    geometry: &Geometry,
    a: &[f32],
    b: &[f32],
    activation: Activation,
) -> Buffer {
    let part = Part::of_groups(geometry, 1);
    match role {
        Role::Coarse => image(simd, &Plan::coarse(&part), geometry, role, [a, b], activation),
        Role::Fine => image(simd, &Plan::fine(&part), geometry, role, [b, a], activation),
        Role::Filter => filter(simd, &Plan::coarse(&part), geometry, a, b),
    }
}

/// What [`convolution`] has beside its result.
pub fn scratch(role: Role, geometry: &Geometry) -> Scratch {
    let filter: usize = geometry.filter_shape().iter().product();
    match role {
        Role::Fine => Scratch::shared([filter]),
        Role::Filter => Scratch::shared([parts(geometry) * filter]),
        Role::Coarse => Scratch::default(),
    }
}

/// The filter with its taps in the order of a transposed convolution's plan.
fn transposed(geometry: &Geometry, filter: &[f32]) -> Buffer {
    let (channels, part) = (geometry.groups, Part::of_groups(geometry, 1));
    let mut out = Buffer::scratch(filter.len());
    for (tap, row) in filter.chunks_exact(channels).enumerate() {
        let line = transposed_line(&part.geometry, [tap / geometry.kernel[1], tap % geometry.kernel[1]]);
        out[line * channels..][..channels].copy_from_slice(row);
    }
    out
}

/// Either image from (the other one, filter).
fn image(
    simd: Simd,
    plan: &Plan,
    geometry: &Geometry,
    role: Role,
    [input, filter]: [&[f32]; 2],
    activation: Activation,
) -> Buffer {
    let channels = geometry.groups;
    let turned = (role == Role::Fine).then(|| transposed(geometry, filter));
    let filter = turned.as_deref().unwrap_or(filter);
    let mut output = Buffer::scratch(geometry.shape(role).iter().product());
    let work: Vec<(usize, usize)> = (plan.groups.iter().enumerate())
        .flat_map(|(index, group)| (0..plan.pixels(group)).step_by(PIXELS).map(move |first| (index, first)))
        .collect();
    let out = Disjoint::new(&mut output);
    tasks(work.len(), |task| {
        let (index, first) = work[task];
        let group = &plan.groups[index];
        simd.dispatch(
            #[inline(always)]
            || {
                for pixel in plan.from(group, first).take(PIXELS) {
                    // SAFETY: each pixel is in one group, once, and lies inside `output`.
                    let out = unsafe { out.slice(pixel.output, channels) };
                    // Where each tap's channels are in the input, and in the filter.
                    let taps =
                        group.segments.iter().map(|segment| (pixel.input + segment.left, segment.line * channels));
                    let (whole, rest) = out.as_chunks_mut::<LANES>();
                    for (block, out) in whole.iter_mut().enumerate() {
                        *out = products::<LANES>(input, filter, taps.clone(), block * LANES);
                    }
                    let done = channels - rest.len();
                    for (channel, out) in rest.iter_mut().enumerate() {
                        [*out] = products::<1>(input, filter, taps.clone(), done + channel);
                    }
                    if let Some(function) = activation.unary() {
                        for part in out.chunks_mut(LANES) {
                            let mut copy = [0f32; LANES];
                            copy[..part.len()].copy_from_slice(part);
                            function.map_f32(&copy[..part.len()], part);
                        }
                    }
                }
            },
        );
    });
    output
}

/// The sums over taps of the products of `N` channels from `first` on.
#[inline(always)]
fn products<const N: usize>(
    input: &[f32],
    filter: &[f32],
    taps: impl Iterator<Item = (usize, usize)>,
    first: usize,
) -> [f32; N] {
    let mut sums = [0f32; N];
    for (at, line) in taps {
        let (x, w) = (&input[at + first..][..N], &filter[line + first..][..N]);
        for ((sum, x), w) in sums.iter_mut().zip(x).zip(w) {
            *sum += x * w;
        }
    }
    sums
}

/// Into how many parts the images are cut.
fn parts(geometry: &Geometry) -> usize {
    geometry.batch.min(PARTS)
}

/// The filter from (fine image, coarse image).
fn filter(simd: Simd, plan: &Plan, geometry: &Geometry, fine: &[f32], coarse: &[f32]) -> Buffer {
    let (channels, parts) = (geometry.groups, parts(geometry));
    let size = geometry.filter_shape().iter().product();
    let mut partial = Buffer::full(parts * size, 0.0);
    let out = Disjoint::new(&mut partial);
    tasks(parts, |part| {
        // SAFETY: each part has its own sums.
        let sums = unsafe { out.slice(part * size, size) };
        simd.dispatch(
            #[inline(always)]
            || {
                for group in &plan.groups {
                    let pixels = plan.pixels(group);
                    let first = part * geometry.batch / parts * (pixels / geometry.batch);
                    let end = (part + 1) * geometry.batch / parts * (pixels / geometry.batch);
                    for pixel in plan.from(group, first).take(end - first) {
                        let y = &coarse[pixel.output..][..channels];
                        for segment in &group.segments {
                            let x = &fine[pixel.input + segment.left..][..channels];
                            let sums = &mut sums[segment.line * channels..][..channels];
                            for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
                                *sum += x * y;
                            }
                        }
                    }
                }
            },
        );
    });
    let mut filter = Buffer::full(size, 0.0);
    for part in partial.chunks_exact(size) {
        filter.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
    filter
}
