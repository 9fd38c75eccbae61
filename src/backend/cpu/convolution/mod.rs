//! Convolution in its three roles, on the microkernel, without im2col and without zero taps.

mod few_channels;
mod filter;
mod image;
mod plan;
mod winograd;

use super::{Buffer, Simd};
use crate::backend::{Activation, Geometry, Role};

/// See [`Backend::convolution`](crate::backend::Backend::convolution).
pub fn convolution(
    simd: Simd,
    role: Role,
    geometry: &Geometry,
    a: &[f32],
    b: &[f32],
    activation: Activation,
) -> Buffer {
    // A sum over nothing is zero; the kernels below need something to sum, and somewhere to put it.
    let contracted = match role {
        Role::Fine => geometry.coarse_shape().iter().product::<usize>() * geometry.kernel[0] * geometry.kernel[1],
        Role::Filter => geometry.coarse_shape()[..3].iter().product(),
        Role::Coarse => geometry.filter_shape()[..3].iter().product(),
    };
    let size = geometry.shape(role).iter().product();
    if contracted == 0 || size == 0 {
        let zeros = Buffer::full(size, 0.0);
        return activation.unary().map_or(zeros.clone(), |function| super::elementwise::unary(simd, function, &zeros));
    }
    let channels = [geometry.fine_channels, geometry.coarse_channels];
    let (way, exchanged) = (winograd::way(role, geometry), few_channels::exchanged(simd, geometry));
    match role {
        Role::Coarse => match (way, exchanged) {
            (Some(way), _) => way.coarse(simd, geometry, a, b, activation),
            (None, Some(g)) => few_channels::fine(simd, &g, &few_channels::turned(b, channels), a, activation),
            (None, None) => image::coarse(simd, geometry, a, b, activation),
        },
        Role::Fine => match way {
            Some(way) => way.fine(simd, geometry, a, b, activation),
            None if few_channels::pays(simd, geometry) => few_channels::fine(simd, geometry, a, b, activation),
            None => image::fine(simd, geometry, a, b, activation),
        },
        Role::Filter => {
            let out = match (way, exchanged.filter(few_channels::filter_pays)) {
                (Some(way), _) => way.filter(simd, geometry, a, b),
                (None, Some(g)) => few_channels::turned(&few_channels::filter(simd, &g, b, a), [channels[1], channels[0]]),
                (None, None) if few_channels::filter_pays(geometry) => few_channels::filter(simd, geometry, a, b),
                (None, None) => filter::filter(simd, geometry, a, b),
            };
            match activation.unary() {
                None => out,
                Some(function) => super::elementwise::unary(simd, function, &out),
            }
        }
    }
}
