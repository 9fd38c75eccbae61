//! The three partial derivatives of the trilinear form of [`Geometry`], as matrix products that read images in place.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise::THREADS;
use super::matmul::matmul;
use super::product::product;
use super::shader::{ACCESS, Kernel, arguments};
use super::shape::{Layout, Shape, geometry_words};
use crate::backend::{Activation, Geometry, MatMul, Role};

/// Fine channels up to which a transposed convolution makes a whole pixel a thread.
const FEW_CHANNELS: usize = 4;

/// See [`Backend::convolution`](crate::backend::Backend::convolution).
pub fn convolution(
    commands: &dyn Commands,
    role: Role,
    geometry: &Geometry,
    a: &Buffer,
    b: &Buffer,
    activation: Activation,
) -> Buffer {
    let g = geometry;
    // Kernels count the pixels of an image and its padding in 32 bits, one of them the sign.
    let counted = |axis: usize| {
        let padded = g.padding[axis].checked_mul(2).and_then(|both| both.checked_add(g.fine[axis]));
        padded.is_some_and(|padded| padded.max(g.stride[axis]) <= i32::MAX as usize)
    };
    assert!((0..2).all(counted), "convolution: beyond what a gpu counts to: {g:?}");
    if g.coarse == [1, 1] && g.kernel == g.fine && g.padding == [0, 0] {
        return whole_image(commands, role, g, a, b, activation);
    }
    let coarse_pixels = g.batch * g.coarse[0] * g.coarse[1];
    let taps = g.kernel[0] * g.kernel[1];
    let along = |contiguous| Layout { along_depth: true, contiguous };
    let across = |contiguous| Layout { along_depth: false, contiguous };
    let (fine, coarse) = (g.fine_channels, g.coarse_channels);
    let common = Shape {
        kernel: "conv_coarse",
        a: along(fine),
        b: across(coarse),
        rows: coarse_pixels,
        columns: coarse,
        depth: taps * fine,
        parts: 1,
        size: g.shape(role).iter().product(),
        even: true,
        run: fine,
        geometry: Some(*g),
    };
    match role {
        Role::Coarse => product(commands, &common, [a, b], activation),
        Role::Filter => {
            let (rows, depth) = (taps * fine, coarse_pixels);
            let shape = Shape { kernel: "conv_filter", a: across(fine), rows, depth, ..common };
            product(commands, &shape, [a, b], activation)
        }
        Role::Fine if fine <= FEW_CHANNELS => few_channels(commands, g, a, b, activation),
        Role::Fine => {
            // Of the largest phase; see shaders/shared/phase.wgsl.
            let most = |size: [usize; 2]| size[0].div_ceil(g.stride[0]) * size[1].div_ceil(g.stride[1]);
            let shape = Shape {
                kernel: "conv_fine",
                a: along(coarse),
                b: along(coarse),
                rows: g.batch * most(g.fine),
                columns: fine,
                depth: most(g.kernel) * coarse,
                parts: g.stride[0] * g.stride[1],
                even: (0..2).all(|axis| {
                    g.fine[axis].is_multiple_of(g.stride[axis]) && g.kernel[axis].is_multiple_of(g.stride[axis])
                }),
                run: coarse,
                ..common
            };
            product(commands, &shape, [b, a], activation)
        }
    }
}

/// Where the filter covers the image, and there is one coarse pixel, every role is a plain product of matrices.
fn whole_image(
    commands: &dyn Commands,
    role: Role,
    g: &Geometry,
    a: &Buffer,
    b: &Buffer,
    activation: Activation,
) -> Buffer {
    let (image, coarse) = (g.fine[0] * g.fine[1] * g.fine_channels, g.coarse_channels);
    let sizes = |rows, inner, columns, transpose_a, transpose_b| MatMul {
        batch: 1,
        rows,
        inner,
        columns,
        transpose_a,
        transpose_b,
    };
    match role {
        Role::Coarse => matmul(commands, a, b, &sizes(g.batch, image, coarse, false, false), activation),
        Role::Fine => matmul(commands, b, a, &sizes(g.batch, coarse, image, false, true), activation),
        Role::Filter => matmul(commands, a, b, &sizes(image, g.batch, coarse, true, false), activation),
    }
}

/// The transposed convolution to few channels.
fn few_channels(
    commands: &dyn Commands,
    g: &Geometry,
    filter: &Buffer,
    coarse: &Buffer,
    activation: Activation,
) -> Buffer {
    let pixels = g.batch * g.fine[0] * g.fine[1];
    let out = commands.buffer(pixels * g.fine_channels);
    let kernel = few_channels_kernel(g, activation);
    let mut parameters = arguments(&activation.unary().map_or_else(Vec::new, |f| f.parameters())).to_vec();
    parameters.push(pixels as u32);
    parameters.extend(geometry_words(Some(g)));
    // Each pixel meets the taps of its phase.
    let taps = (g.kernel[0] * g.kernel[1]).div_ceil(g.stride[0] * g.stride[1]);
    commands.weigh((pixels * g.fine_channels * taps * g.coarse_channels) as u64);
    commands.dispatch(&kernel, &parameters, &[coarse, filter], &[&out], pixels.div_ceil(THREADS));
    out
}

/// The kernel for a geometry's channels.
pub fn few_channels_kernel(g: &Geometry, activation: Activation) -> Kernel {
    let vector = g.coarse_channels.is_multiple_of(4);
    Kernel::new("conv_fine_few")
        .constant("CHANNELS", g.fine_channels)
        .choice("A_VECTOR", vector, &ACCESS[0])
        .choice("B_VECTOR", vector, &ACCESS[1])
        .activation(activation)
}
