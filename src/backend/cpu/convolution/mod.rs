//! Convolution in its three roles, on the microkernel, without im2col and without zero taps.

mod few_channels;
mod filter;
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
    match role {
        Role::Coarse if winograd::pays(geometry) => winograd::coarse(simd, geometry, a, b, activation),
        Role::Coarse => image::coarse(simd, geometry, a, b, activation),
        Role::Fine if winograd::pays(geometry) => winograd::fine(simd, geometry, a, b, activation),
        Role::Fine if few_channels::pays(simd, geometry) => few_channels::fine(simd, geometry, a, b, activation),
        Role::Fine => image::fine(simd, geometry, a, b, activation),
        Role::Filter => {
            let kernel = if winograd::pays(geometry) {
                winograd::filter
            } else if few_channels::filter_pays(geometry) {
                few_channels::filter
            } else {
                filter::filter
            };
            let out = kernel(simd, geometry, a, b);
            match activation.unary() {
                None => out,
                Some(function) => super::elementwise::unary(simd, function, &out),
            }
        }
    }
}

/// Whether there is nothing to sum, or nowhere to put it. A sum over nothing is zero; the kernels need both.
fn is_empty(role: Role, geometry: &Geometry) -> bool {
    let contracted = match role {
        Role::Fine => geometry.coarse_shape().iter().product::<usize>() * geometry.kernel[0] * geometry.kernel[1],
        Role::Filter => geometry.coarse_shape()[..3].iter().product(),
        Role::Coarse => geometry.filter_shape()[..3].iter().product(),
    };
    contracted == 0 || geometry.shape(role).contains(&0)
}

/// What [`convolution`] has beside its result.
pub fn scratch(simd: Simd, role: Role, geometry: &Geometry) -> Scratch {
    match role {
        _ if is_empty(role, geometry) => Scratch::default(),
        _ if winograd::pays(geometry) => winograd::scratch(simd, role, geometry),
        Role::Coarse => image::scratch(simd, geometry, Role::Coarse),
        Role::Fine if few_channels::pays(simd, geometry) => few_channels::fine_scratch(simd, geometry),
        Role::Fine => image::scratch(simd, geometry, Role::Fine),
        Role::Filter if few_channels::filter_pays(geometry) => few_channels::Cut::new(simd, geometry).scratch(),
        Role::Filter => filter::scratch(simd, geometry),
    }
}
