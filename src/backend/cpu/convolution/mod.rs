//! Convolution in its three roles, on the microkernel, without im2col and without zero taps.

mod depthwise;
mod few_channels;
mod filter;
mod grouped;
mod image;
mod plan;
mod winograd;

use super::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role, Scratch};

/// See [`Backend::convolution`](crate::backend::Backend::convolution).
pub fn convolution(
    simd: Simd,
    role: Role,
    geometry: &Geometry,
    a: &[f32],
    b: &[f32],
    activation: Activation,
) -> Buffer {
    if is_empty(role, geometry) {
        let zeros = Buffer::full(geometry.shape(role).iter().product(), 0.0);
        return activation.unary().map_or(zeros.clone(), |function| super::elementwise::unary(simd, function, &zeros));
    }
    let channels = [geometry.fine_channels, geometry.coarse_channels];
    let part = Part::whole(geometry);
    let image = |compute: &dyn Fn(&mut [f32])| {
        let mut out = Buffer::scratch(geometry.shape(role).iter().product());
        compute(&mut out);
        out
    };
    let out = match (role, kernel(role, geometry)) {
        (Role::Filter, Kernel::Grouped) => grouped::convolution(simd, role, geometry, a, b, activation),
        (_, Kernel::Grouped) => return grouped::convolution(simd, role, geometry, a, b, activation),
        (Role::Coarse, Kernel::Winograd(way)) => return image(&|out| way.coarse(simd, &part, a, b, activation, out)),
        (Role::Coarse, Kernel::Exchanged(g)) => {
            return few_channels::fine(simd, &g, &few_channels::turned(b, channels), a, activation);
        }
        (Role::Coarse, _) => return image::coarse(simd, geometry, a, b, activation),
        (Role::Fine, Kernel::Winograd(way)) => return image(&|out| way.fine(simd, &part, a, b, activation, out)),
        (Role::Fine, Kernel::FewChannels) => return few_channels::fine(simd, geometry, a, b, activation),
        (Role::Fine, _) => return image::fine(simd, geometry, a, b, activation),
        (Role::Filter, Kernel::Winograd(way)) => way.filter(simd, &part, a, b),
        (Role::Filter, Kernel::FewChannels) => few_channels::filter(simd, geometry, a, b),
        (Role::Filter, Kernel::Exchanged(g)) => {
            few_channels::turned(&few_channels::filter(simd, &g, b, a), [channels[1], channels[0]])
        }
        (Role::Filter, Kernel::Direct) => filter::filter(simd, geometry, a, b),
    };
    match activation.unary() {
        None => out,
        Some(function) => super::elementwise::unary(simd, function, &out),
    }
}

/// A convolution between some of two images' channels, which are read and written where they are.
#[derive(Clone, Copy)]
struct Part {
    /// Of these channels, plain.
    geometry: Geometry,
    /// Elements from one pixel to the next of the fine image and of the coarse one. (Its filter has no others between.)
    pixel: [usize; 2],
}

impl Part {
    /// All channels of a plain convolution.
    fn whole(geometry: &Geometry) -> Part {
        Part { geometry: *geometry, pixel: [geometry.fine_channels, geometry.coarse_channels] }
    }

    /// The channels of so many neighbouring groups, as a plain convolution.
    fn of_groups(geometry: &Geometry, groups: usize) -> Part {
        let pixel = [geometry.fine_channels, geometry.coarse_channels];
        let [fine_channels, coarse_channels] = pixel.map(|channels| channels / geometry.groups * groups);
        Part { geometry: Geometry { fine_channels, coarse_channels, groups: 1, ..*geometry }, pixel }
    }
}

/// What computes a role.
enum Kernel {
    /// Others, for each group.
    Grouped,
    Winograd(winograd::Way),
    FewChannels,
    /// The same, between the images the other way round.
    Exchanged(Geometry),
    Direct,
}

/// The kernel for a role, chosen by shape alone: which it is says how sums are ordered.
fn kernel(role: Role, geometry: &Geometry) -> Kernel {
    if geometry.groups > 1 {
        return Kernel::Grouped;
    }
    if let Some(way) = winograd::way(role, geometry) {
        return Kernel::Winograd(way);
    }
    let exchanged = few_channels::exchanged(geometry);
    match (role, exchanged) {
        (Role::Coarse, Some(g)) => Kernel::Exchanged(g),
        (Role::Filter, Some(g)) if few_channels::filter_pays(&g) => Kernel::Exchanged(g),
        (Role::Filter, _) if few_channels::filter_pays(geometry) => Kernel::FewChannels,
        (Role::Fine, _) if few_channels::pays(geometry) => Kernel::FewChannels,
        _ => Kernel::Direct,
    }
}

/// Whether there is nothing to sum, or nowhere to put it. A sum over nothing is zero; the kernels need both.
fn is_empty(role: Role, geometry: &Geometry) -> bool {
    let contracted = match role {
        Role::Fine => geometry.coarse_shape().iter().product::<usize>() * geometry.kernel[0] * geometry.kernel[1],
        Role::Filter => geometry.coarse_shape()[..3].iter().product(),
        Role::Coarse => geometry.filter_shape()[..3].iter().product(),
    };
    // An image without pixels may have outputs yet, of its padding.
    let nothing_is_read = role != Role::Fine && geometry.fine_shape().contains(&0);
    contracted == 0 || nothing_is_read || geometry.shape(role).contains(&0)
}

/// What [`convolution`] has beside its result.
pub fn scratch(simd: Simd, role: Role, geometry: &Geometry) -> Scratch {
    if is_empty(role, geometry) {
        return Scratch::default();
    }
    let few_channels = |g: &Geometry| match role {
        Role::Filter => few_channels::Cut::new(simd, g).scratch(),
        _ => few_channels::fine_scratch(simd, g),
    };
    match kernel(role, geometry) {
        Kernel::Grouped => grouped::scratch(simd, role, geometry),
        Kernel::Winograd(way) => way.scratch(simd, role, geometry),
        Kernel::FewChannels => few_channels(geometry),
        Kernel::Exchanged(g) => {
            let mut scratch = few_channels(&g);
            scratch.shared.push(geometry.filter_shape().iter().product());
            scratch
        }
        Kernel::Direct if role == Role::Filter => filter::scratch(simd, geometry),
        Kernel::Direct => image::scratch(simd, geometry, role),
    }
}
