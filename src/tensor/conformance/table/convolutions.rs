//! Rows of convolutions in all roles: plain, in groups, dilated, with activations, and as large as the devices' fast ways take them.

use super::{LEAKY, UNIT, input};
use crate::backend::{Activation, Geometry, Role};
use crate::tensor::Tensor;
use crate::tensor::conformance::Case;
use crate::tensor::ops::Convolution;

const ACTIVATIONS: [Activation; 3] = [Activation::Relu, LEAKY, Activation::Tanh];
const ROLES: [Role; 3] = [Role::Coarse, Role::Fine, Role::Filter];

fn geometry(
    batch: usize,
    fine: [usize; 2],
    channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Geometry {
    Geometry::of_fine(batch, fine, channels, kernel, stride, padding).expect("the filter fits")
}

/// One role of a convolution.
fn convolution(role: Role, g: Geometry, activation: Activation) -> Case {
    let Geometry { stride, padding, dilation, groups, .. } = g;
    let plain = Convolution { stride, padding, dilation, groups, activation: Activation::Identity };
    let compute = move |x: &[Tensor], by: Convolution| match role {
        Role::Coarse => x[0].conv2d(&x[1], by),
        Role::Fine => x[0].conv_transpose2d(&x[1], g.fine, by),
        Role::Filter => x[0].conv_filter(&x[1], g.kernel, by),
    };
    let (name, a, b) = match role {
        Role::Coarse => ("conv2d", g.fine_shape(), g.filter_shape()),
        Role::Fine => ("conv_transpose2d", g.coarse_shape(), g.filter_shape()),
        Role::Filter => ("conv_filter", g.fine_shape(), g.coarse_shape()),
    };
    let [fine, kernel, stride, padding] =
        [g.fine, g.kernel, g.stride, g.padding].map(|[down, across]| format!("{down}x{across}"));
    let mut name = format!(
        "{name} n{} {fine} c{} k{}, kernel {kernel} stride {stride} padding {padding}, {activation:?}",
        g.batch, g.fine_channels, g.coarse_channels
    );
    if !g.is_plain() {
        name += &format!(", dilation {}x{}, {groups} groups", dilation[0], dilation[1]);
    }
    let row = Case::new(name, [input(a, UNIT), input(b, UNIT)], move |x| compute(x, plain.with(activation)));
    match activation {
        Activation::Identity => row.multilinear(),
        Activation::Tanh => row.transcendental(),
        Activation::Relu | Activation::LeakyRelu { .. } => row.kinks(move |x| compute(x, plain)),
    }
}

/// The three derivatives of one trilinear form by each of its arguments.
fn roles(g: Geometry) -> [Case; 3] {
    ROLES.map(|role| convolution(role, g, Activation::Identity))
}

/// The roles that carry an activation, with each of these.
fn fused(g: Geometry, activations: impl IntoIterator<Item = Activation>) -> impl Iterator<Item = Case> {
    activations
        .into_iter()
        .flat_map(move |activation| [Role::Coarse, Role::Fine].map(|role| convolution(role, g, activation)))
}

/// Kernel 1 to 5, stride 1 to 3, padding 0 to 2, 1 to 19 channels on either side, sizes where the stride divides and where
/// it does not; then rectangles, and images smaller than the kernel or than the padding.
pub fn convolutions() -> Vec<Case> {
    // Their number shares no factor with the 45 combinations, so each meets many.
    const CHANNELS: [[usize; 2]; 11] =
        [[1, 1], [3, 2], [2, 5], [19, 1], [1, 19], [9, 2], [5, 3], [12, 1], [4, 8], [17, 2], [8, 3]];
    let mut geometries = Vec::new();
    for kernel in 1..=5 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                let index = geometries.len();
                // The smallest image with at least this many coarse pixels, and a few that no window reaches. Three
                // pixels are enough for some window to meet one.
                let fine = |coarse: usize, rest: usize| {
                    let sizes = (coarse..).map(|coarse| stride * (coarse - 1) + kernel + rest % stride);
                    sizes.map(|padded| padded.saturating_sub(2 * padding)).find(|&size| size >= 3).unwrap()
                };
                let fine = [fine(1 + index % 3, index), fine(2, index + 1)];
                let channels = CHANNELS[index % CHANNELS.len()];
                geometries.push(geometry(1 + index % 2, fine, channels, [kernel; 2], [stride; 2], [padding; 2]));
            }
        }
    }
    geometries.extend([
        geometry(2, [6, 9], [3, 4], [3, 2], [2, 3], [1, 0]),
        geometry(1, [4, 7], [2, 3], [1, 5], [1, 2], [0, 2]),
        geometry(1, [7, 3], [5, 2], [5, 1], [3, 1], [2, 0]),
        geometry(2, [3, 6], [1, 3], [2, 4], [1, 3], [1, 1]),
        geometry(1, [5, 4], [10, 2], [4, 3], [2, 1], [0, 2]),
        geometry(1, [1, 1], [2, 3], [5, 5], [1, 1], [2, 2]),
        geometry(2, [1, 3], [2, 3], [1, 1], [1, 1], [2, 2]),
        geometry(1, [2, 1], [9, 2], [1, 3], [1, 2], [2, 1]),
        geometry(1, [1, 2], [2, 2], [2, 2], [3, 3], [4, 5]),
    ]);
    let nothing_meets = geometry(1, [1, 2], [1, 19], [1, 1], [2, 2], [1, 1]);
    let constant = roles(nothing_meets).map(Case::constant);
    geometries.into_iter().flat_map(roles).chain(constant).collect()
}

/// Convolutions with groups, with dilation and with both: dilation that the stride divides, that divides it, that shares a factor with it and
/// that shares none; groups of many channels and of one; filters that reach beyond the image.
pub fn grouped_convolutions() -> Vec<Case> {
    let dilated = |g: Geometry, dilation| g.dilated(dilation).expect("the filter fits");
    let plain = [
        geometry(2, [5, 6], [4, 6], [3, 3], [1, 1], [1, 1]).grouped(2),
        geometry(1, [6, 5], [6, 9], [4, 2], [2, 1], [1, 0]).grouped(3),
        geometry(2, [5, 4], [5, 5], [3, 3], [1, 1], [1, 1]).grouped(5),
        geometry(1, [6, 6], [4, 8], [4, 4], [2, 2], [1, 1]).grouped(4),
        geometry(2, [4, 4], [6, 3], [4, 4], [1, 1], [0, 0]).grouped(3),
        geometry(1, [3, 5], [2, 34], [1, 1], [1, 2], [0, 0]).grouped(2),
        dilated(geometry(2, [6, 7], [2, 3], [3, 3], [1, 1], [2, 2]), [2, 2]),
        dilated(geometry(1, [7, 8], [3, 2], [3, 2], [2, 1], [1, 0]), [1, 3]),
        dilated(geometry(1, [9, 10], [1, 2], [3, 3], [2, 3], [2, 1]), [2, 2]),
        dilated(geometry(1, [9, 11], [2, 1], [2, 3], [4, 2], [3, 0]), [2, 3]),
        dilated(geometry(1, [9, 8], [2, 2], [3, 2], [2, 6], [4, 2]), [4, 4]),
        dilated(geometry(2, [3, 3], [1, 2], [3, 3], [1, 1], [3, 3]), [3, 3]),
        dilated(geometry(1, [2, 4], [2, 2], [2, 2], [3, 1], [4, 5]), [5, 2]),
        dilated(geometry(1, [1, 5], [2, 2], [3, 1], [1, 1], [2, 0]), [2, 7]),
        dilated(geometry(2, [6, 7], [4, 6], [3, 3], [1, 1], [2, 2]), [2, 2]).grouped(2),
        dilated(geometry(1, [8, 7], [3, 3], [3, 2], [2, 1], [2, 1]), [3, 2]).grouped(3),
    ];
    let fused = [
        geometry(1, [5, 4], [4, 6], [3, 3], [2, 2], [1, 1]).grouped(2),
        geometry(1, [5, 4], [3, 3], [3, 3], [1, 1], [1, 1]).grouped(3),
        dilated(geometry(1, [5, 6], [2, 3], [3, 2], [1, 1], [1, 1]), [2, 2]),
    ];
    plain.into_iter().flat_map(roles).chain(fused.into_iter().flat_map(|g| self::fused(g, ACTIVATIONS))).collect()
}

/// Convolutions that carry an activation.
pub fn fused_convolutions() -> Vec<Case> {
    let geometries = [
        geometry(2, [5, 4], [3, 4], [3, 3], [2, 2], [1, 1]),
        geometry(1, [4, 4], [13, 2], [4, 4], [2, 2], [1, 1]),
        geometry(1, [4, 5], [2, 3], [2, 3], [1, 2], [0, 1]),
    ];
    geometries.into_iter().flat_map(|g| fused(g, ACTIVATIONS)).collect()
}

/// Convolutions that fill the microkernel's tiles and leave tails, whose filter gradient splits over pixels, and layers
/// like a DCGAN's.
pub fn large_convolutions() -> Vec<Case> {
    let geometries = [
        geometry(3, [13, 11], [33, 48], [3, 3], [1, 1], [1, 1]),
        geometry(2, [12, 14], [48, 65], [4, 4], [2, 2], [1, 1]),
        geometry(2, [9, 10], [65, 33], [3, 3], [2, 2], [1, 1]),
        geometry(4, [16, 16], [3, 64], [4, 4], [2, 2], [1, 1]),
        geometry(4, [16, 16], [1, 17], [5, 5], [1, 1], [2, 2]),
        geometry(3, [24, 18], [16, 31], [2, 3], [1, 1], [0, 1]),
        geometry(5, [4, 4], [64, 1], [4, 4], [1, 1], [0, 0]),
        geometry(5, [4, 4], [48, 20], [4, 4], [1, 1], [0, 0]),
        geometry(2, [30, 31], [12, 16], [1, 1], [1, 1], [0, 0]),
        geometry(2, [20, 22], [10, 9], [3, 3], [3, 3], [0, 2]),
        geometry(1, [40, 40], [5, 7], [3, 3], [1, 1], [1, 1]),
        // By Winograd's products on the cpu: tiles that fill tasks and leave tails, one row or column of tiles, one tile.
        geometry(19, [8, 8], [32, 32], [4, 4], [2, 2], [1, 1]),
        geometry(3, [12, 16], [64, 32], [4, 4], [2, 2], [1, 1]),
        geometry(2, [4, 32], [32, 96], [4, 4], [2, 2], [1, 1]),
        geometry(23, [4, 4], [96, 64], [4, 4], [2, 2], [1, 1]),
        geometry(33, [12, 12], [32, 32], [4, 4], [2, 2], [1, 1]),
        // The same with larger tiles.
        geometry(33, [16, 32], [32, 32], [4, 4], [2, 2], [1, 1]),
        geometry(26, [8, 64], [32, 96], [4, 4], [2, 2], [1, 1]),
        geometry(49, [32, 8], [64, 32], [4, 4], [2, 2], [1, 1]),
        geometry(193, [8, 8], [32, 32], [4, 4], [2, 2], [1, 1]),
        // Winograd's products of 3x3 filters: whole tiles, tiles beyond the image, one row, one column, one pixel, tasks and stretches with tails.
        geometry(19, [8, 8], [32, 32], [3, 3], [1, 1], [1, 1]),
        geometry(21, [16, 16], [32, 64], [3, 3], [1, 1], [1, 1]),
        geometry(9, [7, 9], [64, 32], [3, 3], [1, 1], [1, 1]),
        geometry(3, [5, 14], [32, 96], [3, 3], [1, 1], [1, 1]),
        geometry(70, [4, 4], [32, 32], [3, 3], [1, 1], [1, 1]),
        geometry(23, [3, 4], [96, 64], [3, 3], [1, 1], [1, 1]),
        geometry(2, [1, 37], [32, 32], [3, 3], [1, 1], [1, 1]),
        geometry(1, [35, 2], [64, 64], [3, 3], [1, 1], [1, 1]),
        geometry(65, [1, 1], [32, 32], [3, 3], [1, 1], [1, 1]),
        // Few channels on either side of a filter of stride 1.
        geometry(4, [16, 16], [64, 3], [3, 3], [1, 1], [1, 1]),
        geometry(3, [13, 11], [40, 1], [3, 3], [1, 1], [1, 1]),
        geometry(2, [12, 15], [33, 2], [3, 2], [1, 1], [0, 1]),
        geometry(4, [16, 16], [3, 64], [3, 3], [1, 1], [1, 1]),
        // Groups: by Winograd's products and without, of few channels and of one.
        geometry(19, [8, 8], [64, 64], [4, 4], [2, 2], [1, 1]).grouped(2),
        geometry(5, [13, 11], [96, 48], [3, 3], [1, 1], [1, 1]).grouped(3),
        // Two groups at a time.
        geometry(19, [8, 8], [64, 128], [4, 4], [2, 2], [1, 1]).grouped(4),
        geometry(21, [16, 16], [64, 64], [3, 3], [1, 1], [1, 1]).grouped(4),
        geometry(4, [15, 16], [24, 72], [4, 4], [2, 2], [1, 1]).grouped(12),
        geometry(3, [17, 14], [67, 67], [4, 4], [2, 2], [1, 1]).grouped(67),
        geometry(3, [12, 13], [40, 40], [3, 3], [1, 1], [1, 1]).grouped(40),
        geometry(3, [12, 13], [20, 60], [3, 3], [1, 1], [1, 1]).grouped(20),
        // Dilation, with taps in the image's border and beyond.
        geometry(9, [16, 16], [32, 64], [3, 3], [1, 1], [2, 2]).dilated([2, 2]).expect("the filter fits"),
        geometry(3, [21, 18], [33, 20], [4, 4], [2, 2], [3, 3]).dilated([2, 2]).expect("the filter fits"),
        geometry(2, [25, 22], [24, 36], [3, 3], [2, 1], [4, 3]).dilated([4, 3]).expect("the filter fits").grouped(3),
    ];
    // A role's derivatives are the two others, so that one of each geometry meets the kernels of all three; each leads a third of them.
    let plain =
        geometries.into_iter().enumerate().map(|(index, g)| convolution(ROLES[index % 3], g, Activation::Identity));
    let fused = [
        geometry(2, [12, 10], [19, 33], [4, 4], [2, 2], [1, 1]),
        geometry(5, [8, 8], [32, 64], [4, 4], [2, 2], [1, 1]),
        geometry(12, [32, 32], [32, 32], [4, 4], [2, 2], [1, 1]),
        geometry(20, [7, 8], [32, 64], [3, 3], [1, 1], [1, 1]),
        geometry(2, [9, 8], [64, 3], [3, 3], [1, 1], [1, 1]),
        geometry(5, [8, 8], [64, 64], [4, 4], [2, 2], [1, 1]).grouped(2),
        geometry(5, [9, 8], [33, 33], [4, 4], [2, 2], [1, 1]).grouped(33),
        geometry(5, [9, 8], [16, 32], [3, 3], [1, 1], [2, 2]).dilated([2, 2]).expect("the filter fits"),
    ];
    // Of three activations two, so that all meet the ways of large convolutions.
    let two = |index: usize| [ACTIVATIONS[index % 3], ACTIVATIONS[(index + 1) % 3]];
    let fused = fused.into_iter().enumerate().flat_map(|(index, g)| self::fused(g, two(index)));
    plain.chain(fused).map(Case::large).collect()
}
