//! Convolution in its three roles, on the microkernel, without im2col and without zero taps.

mod few_channels;
mod filter;
mod image;
mod plan;

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
    match role {
        Role::Coarse => image::coarse(simd, geometry, a, b, activation),
        Role::Fine if few_channels::pays(simd, geometry) => few_channels::fine(simd, geometry, a, b, activation),
        Role::Fine => image::fine(simd, geometry, a, b, activation),
        Role::Filter => {
            let out = filter::filter(simd, geometry, a, b);
            match activation.unary() {
                None => out,
                Some(function) => super::elementwise::unary(simd, function, &out),
            }
        }
    }
}
