//! Convolutions with dilation and groups, made of plain ones for backends that take no others.
//!
//! *Dilation.* Along an axis let g be what stride s and dilation d have in common, and m = d / g. Coarse pixels r, r + m, r + 2 m, .. meet
//! fine pixels s r - pad, s r - pad + d, .. alone, and of those as a filter without dilation does with stride s / g: for each r < m this is
//! a plain convolution of parts of both images (as Holschneider 1990 splits a wavelet's).
//!
//! *Groups.* A filter with groups is one without that is zero between channels of different groups.

use super::{Activation, AxisMap, Backend, Binary, Geometry, HostSlice, Reduction, Role, Storage};

/// One partial derivative of the trilinear form of a [`Geometry`], then `activation`: [`Backend::convolution`] where the backend takes the
/// geometry, else what is made of those that it takes.
pub fn convolve(
    backend: &dyn Backend,
    role: Role,
    geometry: &Geometry,
    a: &Storage,
    b: &Storage,
    activation: Activation,
) -> Storage {
    if backend.convolves(geometry) {
        backend.convolution(role, geometry, a, b, activation)
    } else if geometry.dilation != [1, 1] {
        dilated(backend, role, geometry, a, b, activation)
    } else {
        grouped(backend, role, geometry, a, b, activation)
    }
}

/// Coarse pixels along an axis that are `step` apart, and the fine ones that they meet.
struct Phase {
    /// The first coarse pixel, from one to the next, and how many.
    coarse: [usize; 3],
    /// The first fine pixel, which may be before the image, and how many.
    first: isize,
    fine: usize,
    /// Of the plain convolution between them.
    stride: usize,
    padding: usize,
}

/// The phases of an axis.
fn phases(geometry: &Geometry, axis: usize) -> Vec<Phase> {
    let (fine, coarse, kernel) = (geometry.fine[axis], geometry.coarse[axis], geometry.kernel[axis]);
    let (stride, padding, dilation) = (geometry.stride[axis], geometry.padding[axis], geometry.dilation[axis]);
    let common = common_divisor(stride, dilation);
    let (step, stride_of_phase) = (dilation / common, stride / common);
    let phase = |r: usize| {
        let count = (coarse - r).div_ceil(step);
        let start = (stride * r) as isize - padding as isize;
        // What lies before the image is the plain convolution's padding, where as much of it lies behind; else it is made.
        let before = start.min(0).unsigned_abs().div_ceil(dilation);
        let first = start + (dilation * before) as isize;
        let inside = fine.saturating_sub(first as usize).div_ceil(dilation);
        let exact = Geometry::coarse_size(inside, kernel, stride_of_phase, before) == Some(count) && inside > 0;
        let coarse = [r, step, count];
        if exact {
            Phase { coarse, first, fine: inside, stride: stride_of_phase, padding: before }
        } else {
            let reach = stride_of_phase * (count - 1) + kernel;
            Phase { coarse, first: start, fine: reach, stride: stride_of_phase, padding: 0 }
        }
    };
    (0..step.min(coarse)).map(phase).collect()
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl Phase {
    /// The phase's fine pixels of the image's, and back into an image of `size` pixels.
    fn fine_maps(&self, dilation: usize, size: usize) -> [AxisMap; 2] {
        let dilation = dilation as isize;
        [
            AxisMap { size: self.fine, multiplier: dilation, offset: self.first, divisor: 1 },
            AxisMap { size, multiplier: 1, offset: -self.first, divisor: dilation },
        ]
    }

    /// The phase's coarse pixels of the image's, and back into an image of `size` pixels.
    fn coarse_maps(&self, size: usize) -> [AxisMap; 2] {
        let [first, step, count] = self.coarse;
        let (first, step) = (first as isize, step as isize);
        [
            AxisMap { size: count, multiplier: step, offset: first, divisor: 1 },
            AxisMap { size, multiplier: 1, offset: -first, divisor: step },
        ]
    }
}

/// An image's maps: of its batch and channels as they are, of its pixels as given.
fn image(shape: [usize; 4], [down, across]: [AxisMap; 2]) -> [AxisMap; 4] {
    let whole = |size: usize| AxisMap { size, multiplier: 1, offset: 0, divisor: 1 };
    [whole(shape[0]), down, across, whole(shape[3])]
}

fn dilated(
    backend: &dyn Backend,
    role: Role,
    geometry: &Geometry,
    a: &Storage,
    b: &Storage,
    activation: Activation,
) -> Storage {
    let g = geometry;
    let (fine_shape, coarse_shape) = (g.fine_shape(), g.coarse_shape());
    // What no phase gives is zero, and stays so: every activation is 0 at 0. A filter's is of the sum.
    let (inner, outer) =
        if role == Role::Filter { (Activation::Identity, activation) } else { (activation, Activation::Identity) };
    let [downs, acrosses] = [phases(g, 0), phases(g, 1)];
    let mut sum: Option<Storage> = None;
    for (down, across) in downs.iter().flat_map(|down| acrosses.iter().map(move |across| (down, across))) {
        let plain = Geometry {
            fine: [down.fine, across.fine],
            coarse: [down.coarse[2], across.coarse[2]],
            stride: [down.stride, across.stride],
            padding: [down.padding, across.padding],
            dilation: [1, 1],
            ..*g
        };
        let fine = [down.fine_maps(g.dilation[0], g.fine[0]), across.fine_maps(g.dilation[1], g.fine[1])];
        let coarse = [down.coarse_maps(g.coarse[0]), across.coarse_maps(g.coarse[1])];
        let part_of_fine = |x: &Storage| backend.window(x, &fine_shape, &image(fine_shape, [fine[0][0], fine[1][0]]));
        let part_of_coarse =
            |y: &Storage| backend.window(y, &coarse_shape, &image(coarse_shape, [coarse[0][0], coarse[1][0]]));
        let part = match role {
            Role::Coarse => {
                let y = convolve(backend, role, &plain, &part_of_fine(a), b, inner);
                backend.window(&y, &plain.coarse_shape(), &image(coarse_shape, [coarse[0][1], coarse[1][1]]))
            }
            Role::Fine => {
                let x = convolve(backend, role, &plain, a, &part_of_coarse(b), inner);
                backend.window(&x, &plain.fine_shape(), &image(fine_shape, [fine[0][1], fine[1][1]]))
            }
            Role::Filter => convolve(backend, role, &plain, &part_of_fine(a), &part_of_coarse(b), inner),
        };
        sum = Some(match sum {
            None => part,
            Some(sum) => {
                let length = [part.len()];
                backend.binary(Binary::Add, (&sum, &length), (&part, &length), &length)
            }
        });
    }
    let out = sum.unwrap_or_else(|| backend.full(g.shape(role).iter().product(), 0.0));
    match outer.unary() {
        None => out,
        Some(function) => backend.unary(function, &out),
    }
}

fn grouped(
    backend: &dyn Backend,
    role: Role,
    geometry: &Geometry,
    a: &Storage,
    b: &Storage,
    activation: Activation,
) -> Storage {
    let (groups, plain) = (geometry.groups, geometry.grouped(1));
    let [kh, kw, c, k] = geometry.filter_shape();
    // Taps, groups of fine channels, channels of a group, coarse channels.
    let shape = [kh * kw, groups, c, k];
    let same: Vec<f32> = (0..groups * k).map(|i| f32::from(i / k == i % k / (k / groups))).collect();
    let same = backend.upload(HostSlice::F32(&same));
    let within = |filter: &Storage, from: &[usize; 4]| {
        backend.binary(Binary::Gate, (filter, from), (&same, &[1, groups, 1, k]), &shape)
    };
    let whole = |filter: &Storage| within(filter, &[kh * kw, 1, c, k]);
    match role {
        Role::Coarse => backend.convolution(role, &plain, a, &whole(b), activation),
        Role::Fine => backend.convolution(role, &plain, &whole(a), b, activation),
        Role::Filter => {
            let filter = within(&backend.convolution(role, &plain, a, b, Activation::Identity), &shape);
            let filter = backend.reduce(Reduction::Sum, &filter, [kh * kw, groups, c * k]);
            match activation.unary() {
                None => filter,
                Some(function) => backend.unary(function, &filter),
            }
        }
    }
}
