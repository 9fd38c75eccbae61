//! Convolutions with groups, by the kernels of plain ones.
//!
//! Where Winograd's way takes them, a few neighbouring groups are one plain convolution, whose filter is zero between channels of different
//! groups: so many that the channels fill panels. They are read and written where they are, between those of other groups.
//!
//! Else each group's channels are brought together, and its results put back, which costs two passes over each image however many groups there are.

use super::winograd::{self, Way};
use super::{Part, depthwise, scratch as plain_scratch};
use crate::backend::cpu::parallel::{BLOCK, Disjoint, blocks, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};

/// The most groups that are taken together: of as many products one is wanted.
const TOGETHER: usize = 32;

/// How many groups are taken together in which way, where that is possible.
fn together(role: Role, geometry: &Geometry) -> Option<(usize, Way)> {
    let counts = (1..=TOGETHER).filter(|&count| geometry.groups.is_multiple_of(count));
    counts.filter_map(|count| Some((count, winograd::way(role, &Part::of_groups(geometry, count).geometry)?))).next()
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
    if depthwise::fits(geometry) {
        return depthwise::convolution(simd, role, geometry, a, b, activation);
    }
    let mut out = Buffer::scratch(geometry.shape(role).iter().product());
    let Some((count, way)) = together(role, geometry) else {
        let activation = if role == Role::Filter { Activation::Identity } else { activation };
        let part = Part::of_groups(geometry, 1).geometry;
        let [of_a, of_b, of_out] = operands(role).map(|of| channels(geometry, of));
        for group in 0..geometry.groups {
            let (a, b) = (take(a, of_a, group), take(b, of_b, group));
            put(&super::convolution(simd, role, &part, &a, &b, activation), of_out, group, &mut out);
        }
        return out;
    };
    let part = Part::of_groups(geometry, count);
    let Geometry { fine_channels, coarse_channels, .. } = part.geometry;
    for first in 0..geometry.groups / count {
        let (fine, coarse) = (first * fine_channels, first * coarse_channels);
        match role {
            Role::Coarse => {
                let filter = whole_filter(geometry, count, first, b);
                way.coarse(simd, &part, &a[fine..], &filter, activation, &mut out[coarse..]);
            }
            Role::Fine => {
                let filter = whole_filter(geometry, count, first, a);
                way.fine(simd, &part, &filter, &b[coarse..], activation, &mut out[fine..]);
            }
            Role::Filter => {
                let filter = way.filter(simd, &part, &a[fine..], &b[coarse..]);
                for (from, to, length) in rows(geometry, count, first) {
                    out[to..to + length].copy_from_slice(&filter[from..from + length]);
                }
            }
        }
    }
    out
}

/// The filter of some groups taken together.
fn whole_filter(geometry: &Geometry, count: usize, first: usize, filter: &[f32]) -> Buffer {
    let mut whole = Buffer::full(Part::of_groups(geometry, count).geometry.filter_shape().iter().product(), 0.0);
    for (to, from, length) in rows(geometry, count, first) {
        whole[to..to + length].copy_from_slice(&filter[from..from + length]);
    }
    whole
}

/// Where each row of a group's filter starts in that of `count` groups, and in that of all, and its length.
fn rows(geometry: &Geometry, count: usize, first: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let [kh, kw, rows, all] = geometry.filter_shape();
    let each = all / geometry.groups;
    (0..kh * kw * rows).flat_map(move |row| {
        (0..count).map(move |group| {
            let of_count = (row / rows * count + group) * rows + row % rows;
            ((of_count * count + group) * each, row * all + (first * count + group) * each, each)
        })
    })
}

/// The two operands of a role, in order, and its result.
fn operands(role: Role) -> [Role; 3] {
    match role {
        Role::Fine => [Role::Filter, Role::Coarse, role],
        Role::Filter => [Role::Fine, Role::Coarse, role],
        Role::Coarse => [Role::Fine, Role::Filter, role],
    }
}

/// The channels of all groups, and those of one, in the last axis of an operand or a result. A filter has one group's fine channels already.
fn channels(geometry: &Geometry, of: Role) -> [usize; 2] {
    let all = if of == Role::Fine { geometry.fine_channels } else { geometry.coarse_channels };
    [all, all / geometry.groups]
}

/// A group's channels of rows of `all`.
fn take(x: &[f32], [all, each]: [usize; 2], group: usize) -> Buffer {
    let mut out = Buffer::scratch(x.len() / all * each);
    blocks(&mut out, BLOCK.div_ceil(each) * each, |start, out| {
        let rows = x[start / each * all + group * each..].chunks(all);
        for (out, row) in out.chunks_exact_mut(each).zip(rows) {
            out.copy_from_slice(&row[..each]);
        }
    });
    out
}

/// Writes a group's channels into rows of `all`.
fn put(part: &[f32], [all, each]: [usize; 2], group: usize, out: &mut [f32]) {
    let rows = BLOCK.div_ceil(each);
    let out = Disjoint::new(out);
    tasks(part.len().div_ceil(rows * each), |task| {
        let part = part[task * rows * each..].chunks_exact(each).take(rows);
        for (row, part) in part.enumerate() {
            // SAFETY: each task has rows of its own, of which it writes the group's channels; they lie inside.
            unsafe { out.slice((task * rows + row) * all + group * each, each) }.copy_from_slice(part);
        }
    });
}

/// What [`convolution`] has beside its result.
pub fn scratch(simd: Simd, role: Role, geometry: &Geometry) -> Scratch {
    if depthwise::fits(geometry) {
        return depthwise::scratch(role, geometry);
    }
    let count = together(role, geometry);
    let plain = Part::of_groups(geometry, count.map_or(1, |(count, _)| count)).geometry;
    let length = |of: Role| plain.shape(of).iter().product();
    match count {
        Some((_, way)) => {
            let mut scratch = way.scratch(simd, role, &plain);
            scratch.shared.push(length(Role::Filter));
            scratch
        }
        None => {
            let mut scratch = plain_scratch(simd, role, &plain);
            scratch.shared.extend(operands(role).map(length));
            scratch
        }
    }
}
