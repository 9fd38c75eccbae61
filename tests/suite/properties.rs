//! Properties of random shapes, against naive loops and round trips.

use graft::backend::{Geometry, Reduction};
use graft::tensor::ops::Convolution;
use graft::{Device, Tensor, grad};
use proptest::prelude::*;

use crate::case::elements;
use crate::parity::devices;

/// Different f32 numbers of both signs.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 + 1.0) * 0.7).sin()).collect()
}

fn tensor(device: &Device, shape: &[usize]) -> Tensor {
    Tensor::from_slice(device, &numbers(shape.iter().product()), shape)
}

/// The reference device, and the cpu device with its widest microkernel.
fn both() -> [Device; 2] {
    [Device::reference(), devices().remove(0).1]
}

/// Every index of a shape, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &size| {
        all.iter().flat_map(|index| (0..size).map(|i| [&index[..], &[i]].concat())).collect()
    })
}

/// The element of a row-major tensor at an index of a shape that it broadcasts to.
fn at(values: &[f32], shape: &[usize], index: &[usize]) -> f32 {
    let index = &index[index.len() - shape.len()..];
    let offset = shape.iter().zip(index).fold(0, |sum, (&size, &i)| sum * size + if size == 1 { 0 } else { i });
    values[offset]
}

/// What [`rounding`] may be: far from the share of a missing product of some thousand.
const ROUNDING: f64 = 1e-5;

/// The largest difference from sums of products, as a share of the sum of the products' sizes: sums themselves may cancel.
fn rounding(found: &[f64], truth: &[f64], size: &[f64]) -> f64 {
    let share = |i: usize| if found[i] == truth[i] { 0.0 } else { (found[i] - truth[i]).abs() / size[i] };
    (0..truth.len()).map(share).fold(0.0, |most, share| if share > most || share.is_nan() { share } else { most })
}

/// Two shapes that broadcast, and what to.
fn broadcast_shapes() -> impl Strategy<Value = [Vec<usize>; 3]> {
    let axis = (1usize..5, prop::sample::select(vec![(false, false), (true, false), (false, true)]));
    (prop::collection::vec(axis, 0..5), any::<prop::sample::Index>(), any::<bool>()).prop_map(|(axes, cut, first)| {
        let repeated = |size: usize, repeat: bool| if repeat { 1 } else { size };
        let mut a: Vec<usize> = axes.iter().map(|&(size, (repeat, _))| repeated(size, repeat)).collect();
        let mut b: Vec<usize> = axes.iter().map(|&(size, (_, repeat))| repeated(size, repeat)).collect();
        // One of both may lack leading axes.
        let shorter = if first { &mut a } else { &mut b };
        shorter.drain(..cut.index(axes.len() + 1));
        let rank = a.len().max(b.len());
        let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
        let to = (0..rank).map(|axis| size(&a, axis).max(size(&b, axis))).collect();
        [a, b, to]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn broadcasting_pairs_the_elements_that_numpy_pairs([a, b, to] in broadcast_shapes()) {
        let (x, y) = (numbers(a.iter().product()), numbers(b.iter().product()));
        let truth: Vec<f32> = indices(&to).iter().map(|index| at(&x, &a, index) - at(&y, &b, index)).collect();
        for device in both() {
            let difference = tensor(&device, &a) - tensor(&device, &b);
            prop_assert_eq!(difference.shape(), &to[..]);
            prop_assert_eq!(difference.to_vec::<f32>().unwrap(), truth.clone());
        }
    }

    #[test]
    fn a_broadcast_elements_gradient_counts_its_uses([a, b, to] in broadcast_shapes()) {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        for device in both() {
            let (x, y) = (tensor(&device, &a), tensor(&device, &b));
            let gradients = grad((&x + &y).sum(), &[&x, &y]);
            for (gradient, shape) in gradients.iter().zip([&a, &b]) {
                prop_assert_eq!(elements(gradient), vec![(count(&to) / count(shape)) as f64; count(shape)]);
            }
        }
    }

    #[test]
    fn a_permutation_and_its_inverse_change_nothing(
        (shape, order) in (0usize..6).prop_flat_map(|rank| {
            (prop::collection::vec(0usize..5, rank), Just((0..rank).collect::<Vec<_>>()).prop_shuffle())
        })
    ) {
        let mut inverse = vec![0; order.len()];
        order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        for device in both() {
            let x = tensor(&device, &shape);
            let permuted = x.permute(&order);
            for (index, &v) in indices(permuted.shape()).iter().zip(&permuted.to_vec::<f32>().unwrap()) {
                let from: Vec<usize> = inverse.iter().map(|&axis| index[axis]).collect();
                prop_assert_eq!(v, at(&numbers(x.len()), &shape, &from));
            }
            prop_assert_eq!(elements(&permuted.permute(&inverse)), elements(&x));
        }
    }

    #[test]
    fn windows_undo_each_other(
        (shape, axis) in (1usize..4).prop_flat_map(|rank| (prop::collection::vec(1usize..7, rank), 0..rank)),
        before in 0usize..4, after in 0usize..4, cut in any::<prop::sample::Index>(), step in 1usize..4,
    ) {
        for device in both() {
            let x = tensor(&device, &shape);
            let size = shape[axis];
            prop_assert_eq!(elements(&x.pad(axis, before, after).slice(axis, before, before + size)), elements(&x));
            prop_assert_eq!(elements(&x.flip(axis).flip(axis)), elements(&x));
            let cut = cut.index(size + 1);
            let parts = [x.slice(axis, 0, cut), x.slice(axis, cut, size)];
            prop_assert_eq!(elements(&Tensor::concat(&parts.each_ref(), axis)), elements(&x));
            let stepped: Vec<Tensor> = (0..size).step_by(step).map(|i| x.slice(axis, i, i + 1)).collect();
            let stepped = Tensor::concat(&stepped.iter().collect::<Vec<_>>(), axis);
            prop_assert_eq!(elements(&x.slice_step(axis, 0, size, step)), elements(&stepped));
        }
    }

    #[test]
    fn convolutions_of_any_geometry_agree(
        batch in 0usize..4,
        fine in [1usize..14, 1..14], kernel in [1usize..7, 1..7], stride in [1usize..5, 1..5], padding in [0usize..6, 0..6],
        channels in [1usize..40, 1..40], groups in prop::sample::select(vec![1usize, 1, 1, 2, 3, 8]), dilation in [1usize..4, 1..4],
    ) {
        let channels = channels.map(|count| count.div_ceil(groups) * groups);
        let fits = |axis: usize| Geometry::coarse_size(fine[axis], kernel[axis], stride[axis], padding[axis]).is_some();
        prop_assume!(fits(0) && fits(1));
        let plain = Geometry::of_fine(batch, fine, channels, kernel, stride, padding).unwrap();
        let Some(g) = plain.dilated(dilation) else { return Err(TestCaseError::reject("the filter is larger than the image")) };
        let g = g.grouped(groups);
        let by = Convolution { stride, padding, dilation, groups, ..Convolution::new(1, 0) };
        let roles = |device: &Device, map: fn(&Tensor) -> Tensor| {
            let [x, w, y] = [g.fine_shape(), g.filter_shape(), g.coarse_shape()].map(|shape| map(&tensor(device, &shape)));
            let found = [x.conv2d(&w, by), y.conv_transpose2d(&w, g.fine, by), x.conv_filter(&y, kernel, by)];
            found.map(|out| elements(&out))
        };
        let truth = roles(&Device::reference(), Tensor::clone);
        let size = roles(&Device::reference(), Tensor::abs);
        for (microkernel, device) in devices() {
            let found = roles(&device, Tensor::clone);
            for (role, name) in ["conv2d", "conv_transpose2d", "conv_filter"].into_iter().enumerate() {
                let error = rounding(&found[role], &truth[role], &size[role]);
                prop_assert!(error < ROUNDING, "{microkernel}: {name} is {error:.1e} off: {g:?}");
            }
        }
    }

    #[test]
    fn reductions_of_any_size_agree(
        sizes in prop::array::uniform3(prop::sample::select(vec![0usize, 1, 2, 3, 15, 17, 40, 257, 1000])), big in 0usize..3,
    ) {
        // One axis may be long, past a kernel's blocks; the others are then short.
        let mut sizes = sizes.map(|size| if size > 40 { size % 8 + 1 } else { size });
        sizes[big] = sizes[big] * 450 + sizes[big] % 2;
        let x = numbers(sizes.iter().product());
        let truth = |reduction, i: usize, k: usize| {
            let line = (0..sizes[1]).map(|j| f64::from(x[(i * sizes[1] + j) * sizes[2] + k]));
            match reduction {
                Reduction::Sum => line.sum(),
                Reduction::Max => line.fold(f64::NEG_INFINITY, f64::max),
            }
        };
        let all = |reduction| -> Vec<f64> {
            (0..sizes[0]).flat_map(|i| (0..sizes[2]).map(move |k| (i, k))).map(|(i, k)| truth(reduction, i, k)).collect()
        };
        let (sums, maxima) = (all(Reduction::Sum), all(Reduction::Max));
        for device in both() {
            let x = tensor(&device, &sizes);
            // Sums cancel, so their error is measured by the number and size of what is added.
            for (found, truth) in elements(&x.sum_axes(&[1], false)).iter().zip(&sums) {
                prop_assert!((found - truth).abs() < 1e-6 * (1.0 + sizes[1] as f64), "{found} for {truth}");
            }
            if !x.is_empty() {
                prop_assert_eq!(elements(&x.max_axes(&[1], false)), maxima.clone());
            }
        }
    }

    #[test]
    fn matrix_products_of_any_size_agree(
        batch in 0usize..3, rows in 0usize..40, inner in 0usize..40, columns in 0usize..40,
        transpose_a in any::<bool>(), transpose_b in any::<bool>(),
    ) {
        let product = |device: &Device, map: fn(&Tensor) -> Tensor| {
            let a = if transpose_a { [batch, inner, rows] } else { [batch, rows, inner] };
            let b = if transpose_b { [batch, columns, inner] } else { [batch, inner, columns] };
            let [a, b] = [a, b].map(|shape| map(&tensor(device, &shape)));
            let product = a.matmul_with(&b, transpose_a, transpose_b);
            assert_eq!(product.shape(), [batch, rows, columns]);
            elements(&product)
        };
        let [reference, cpu] = both();
        let (found, truth) = (product(&cpu, Tensor::clone), product(&reference, Tensor::clone));
        let error = rounding(&found, &truth, &product(&reference, Tensor::abs));
        prop_assert!(error < ROUNDING, "{error:.1e} off");
    }
}
