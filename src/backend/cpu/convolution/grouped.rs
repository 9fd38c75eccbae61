//! Convolutions with groups: those of a group's channels by the plain kernels, one group after the other. A group's channels are brought together
//! and its results put back, which costs two passes over each image whatever the number of groups.

use super::scratch as plain_scratch;
use crate::backend::cpu::parallel::{BLOCK, Disjoint, blocks, tasks};
use crate::backend::cpu::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};

/// The geometry of one group.
fn of_group(geometry: &Geometry) -> Geometry {
    let [fine_channels, coarse_channels] =
        [geometry.fine_channels, geometry.coarse_channels].map(|channels| channels / geometry.groups);
    Geometry { fine_channels, coarse_channels, groups: 1, ..*geometry }
}

/// The channels of all groups, and those of one, of an operand or a result: the last axis. A filter has a group's fine channels already.
fn channels(geometry: &Geometry, of: Role) -> [usize; 2] {
    let all = if of == Role::Fine { geometry.fine_channels } else { geometry.coarse_channels };
    [all, all / geometry.groups]
}

/// The two operands of a role, in order.
fn operands(role: Role) -> [Role; 2] {
    match role {
        Role::Fine => [Role::Filter, Role::Coarse],
        Role::Filter => [Role::Fine, Role::Coarse],
        Role::Coarse => [Role::Fine, Role::Filter],
    }
}

/// See [`super::convolution`].
pub fn convolution(
    simd: Simd,
    role: Role,
    geometry: &Geometry,
    a: &[f32],
    b: &[f32],
    activation: Activation,
) -> Buffer {
    let plain = of_group(geometry);
    let [of_a, of_b] = operands(role).map(|of| channels(geometry, of));
    let mut out = Buffer::scratch(geometry.shape(role).iter().product());
    for group in 0..geometry.groups {
        let (a, b) = (take(a, of_a, group), take(b, of_b, group));
        put(&super::convolution(simd, role, &plain, &a, &b, activation), channels(geometry, role), group, &mut out);
    }
    out
}

/// What [`convolution`] has beside its result.
pub fn scratch(simd: Simd, role: Role, geometry: &Geometry) -> Scratch {
    let plain = of_group(geometry);
    let mut scratch = plain_scratch(simd, role, &plain);
    let copies = operands(role).into_iter().chain([role]).map(|of| plain.shape(of).iter().product());
    scratch.shared.extend(copies.collect::<Vec<usize>>());
    scratch
}

/// Rows a task of a copy.
fn rows(each: usize) -> usize {
    (BLOCK / each.max(1)).max(1)
}

/// A group's channels of rows of `all`.
fn take(x: &[f32], [all, each]: [usize; 2], group: usize) -> Buffer {
    let mut out = Buffer::scratch(x.len() / all * each);
    let rows = rows(each);
    blocks(&mut out, rows * each, |start, out| {
        let from = x[start / each * all + group * each..].chunks(all);
        for (out, row) in out.chunks_exact_mut(each).zip(from) {
            out.copy_from_slice(&row[..each]);
        }
    });
    out
}

/// Writes a group's channels into rows of `all`.
fn put(part: &[f32], [all, each]: [usize; 2], group: usize, out: &mut [f32]) {
    let rows = rows(each);
    let out = Disjoint::new(out);
    tasks(part.len().div_ceil(rows * each), |task| {
        let part = part[task * rows * each..].chunks_exact(each).take(rows);
        for (row, part) in part.enumerate() {
            // SAFETY: each task has rows of its own, of which it writes the group's channels; they lie inside.
            unsafe { out.slice((task * rows + row) * all + group * each, each) }.copy_from_slice(part);
        }
    });
}
