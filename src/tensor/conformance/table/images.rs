//! Rows of images pooled by windows of all kinds, and read at places that a tensor says.

use std::f64::consts::{FRAC_PI_2, PI};

use super::{ANY, UNIT, input, one};
use crate::tensor::Tensor;
use crate::tensor::conformance::{Case, Domain};
use crate::tensor::ops::{Corners, Outside, Pool, Sampling};

/// Pools with unequal axes, with a last window of the rest, and of any number of windows.
pub fn pooling() -> Vec<Case> {
    let unequal = Pool { kernel: [2, 3], stride: [2, 1], padding: [1, 0], ceil: false };
    let pools = [
        ("unequal axes", unequal),
        ("unequal axes that part the image", Pool { kernel: [5, 2], stride: [5, 2], padding: [0, 0], ceil: false }),
        ("a rest", Pool::new(2, 2, 0).ceil()),
        ("a rest and padding", Pool::new(3, 2, 1).ceil()),
        ("unequal axes and a rest", Pool { kernel: [3, 2], stride: [3, 4], ceil: true, padding: [1, 1] }),
    ];
    let mut rows = Vec::new();
    for (name, pool) in pools {
        let shape = [2, 5, 6, 2];
        rows.push(one(format!("average_pool of {name}"), shape, ANY, move |x| x.average_pool_by(pool)).linear());
        let max = one(format!("max_pool of {name}"), shape, Domain::Distinct, move |x| x.max_pool_by(pool));
        rows.push(max.affine().exact());
    }
    for size in [[1, 1], [2, 3], [3, 4], [7, 5]] {
        let shape = [2, 5, 6, 2];
        rows.push(
            one(format!("adaptive_average_pool {size:?}"), shape, ANY, move |x| x.adaptive_average_pool(size)).linear(),
        );
        let max =
            one(format!("adaptive_max_pool {size:?}"), shape, Domain::Distinct, move |x| x.adaptive_max_pool(size));
        rows.push(max.affine().exact());
    }
    rows
}

/// `grid_sample` inside and outside of an image, and the grids of affine maps.
pub fn sampling() -> Vec<Case> {
    const PLACES: Domain = Domain::Intervals(&[(-1.6, 1.6)]);
    let inputs = || (input([2, 4, 5, 3], UNIT), input([2, 3, 4, 2], PLACES));
    // The pixels that places stand for, across and down.
    let pixels = |grid: &Tensor, corners: Corners| {
        let sizes = Tensor::from_slice(grid.device(), &[5.0, 4.0], [2]);
        match corners {
            Corners::Edges => ((grid + 1.0) * sizes - 1.0) * 0.5,
            Corners::Centres => (grid + 1.0) * (sizes - 1.0) * 0.5,
        }
    };
    let mut rows = Vec::new();
    for corners in [Corners::Edges, Corners::Centres] {
        for outside in [Outside::Zeros, Outside::Border, Outside::Reflection] {
            let (image, grid) = inputs();
            let sample = move |x: &[Tensor]| x[0].grid_sample(&x[1], Sampling::Bilinear, outside, corners);
            // The slope changes at every pixel's centre.
            let row = Case::new(format!("grid_sample, {outside:?}, {corners:?}"), [image, grid], sample);
            rows.push(row.kinks(move |x| (pixels(&x[1], corners) * PI).sin()));
            let (image, grid) = inputs();
            let sample = move |x: &[Tensor]| x[0].grid_sample(&x[1], Sampling::Nearest, outside, corners);
            // The nearest pixel changes half way between centres.
            let row = Case::new(format!("grid_sample of the nearest, {outside:?}, {corners:?}"), [image], sample);
            let row = row.constants([grid]).kinks(move |x| (pixels(&x[1], corners) * PI + FRAC_PI_2).sin());
            rows.push(Case { step: 1e-2, ..row.linear() }.exact());
        }
        let grid = move |x: &Tensor| x.affine_grid([3, 4], corners);
        rows.push(one(format!("affine_grid, {corners:?}"), [2, 2, 3], ANY, grid).linear());
        let turned = move |x: &[Tensor]| {
            x[0].grid_sample(&x[1].affine_grid([3, 4], corners), Sampling::Bilinear, Outside::Reflection, corners)
        };
        let row = Case::new(
            format!("grid_sample of an affine_grid, {corners:?}"),
            [input([2, 4, 5, 2], UNIT), input([2, 2, 3], UNIT)],
            turned,
        );
        rows.push(row.kinks(move |x| (pixels(&x[1].affine_grid([3, 4], corners), corners) * PI).sin()));
    }
    let one_pixel = |x: &[Tensor]| x[0].grid_sample(&x[1], Sampling::Bilinear, Outside::Border, Corners::Centres);
    let row = Case::new("grid_sample of one pixel", [input([2, 1, 1, 3], UNIT)], one_pixel);
    rows.push(row.constants([input([2, 3, 2, 2], PLACES)]).linear().exact());
    rows
}
