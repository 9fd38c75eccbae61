//! What ops do at their edges: at bounds and ties, with what is infinite or no number, with nothing at all; and what they refuse.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use graft::backend::{Activation, Backend, Geometry, HostSlice, HostVec, MatMul, Role, Storage};
use graft::tensor::ops::{Border, Convolution, Corners, Interpolation, Order, Outside, Pool, Sampling};
use graft::tensor::{Context, Forward, Keep, Op, Value};
use graft::{Device, Tensor, grad, grad_graph};

use crate::parity::devices;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// Every device that this machine has.
fn all_devices() -> Vec<(String, Device)> {
    let mut all = vec![("reference".to_string(), Device::reference())];
    all.extend(devices());
    #[cfg(feature = "gpu")]
    all.extend(crate::gpu::gpu().map(|device| ("gpu".to_string(), device)));
    all
}

fn gradients<const N: usize>(value: Tensor, by: [&Tensor; N]) -> [Tensor; N] {
    grad(value, &by).try_into().expect("as many as are asked for")
}

fn tensor(device: &Device, values: &[f64], shape: impl AsRef<[usize]>) -> Tensor {
    Tensor::from_slice(device, values, shape)
}

/// Whether numbers are equal to within f32's rounding, what is infinite or no number exactly so.
#[track_caller]
fn check(what: &str, found: &Tensor, expected: &[f64]) {
    let found = found.to_vec::<f64>().unwrap();
    let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * b.abs().max(1.0);
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(same),
        "{what}: {found:?}, not {expected:?}"
    );
}

#[test]
fn slopes_by_the_place_on_the_outermost_pixels_are_those_inside() {
    for (name, device) in all_devices() {
        let image = tensor(&device, &[1.0, 2.0, 4.0], [1, 1, 3, 1]);
        // Across 1 and then 2 levels a pixel; half as many a unit of the place where 3 centres are 2 units apart.
        for (outside, place, slope) in [
            (Outside::Border, 1.0, 2.0),
            (Outside::Border, -1.0, 1.0),
            (Outside::Border, 1.5, 0.0),
            (Outside::Reflection, 1.0, 2.0),
            (Outside::Reflection, -1.0, 1.0),
            (Outside::Reflection, 1.5, -2.0),
            (Outside::Reflection, -1.5, -1.0),
        ] {
            let grid = tensor(&device, &[place, 0.0], [1, 1, 1, 2]);
            let value = image.grid_sample(&grid, Sampling::Bilinear, outside, Corners::Centres).sum();
            let [slopes] = gradients(value, [&grid]);
            check(&format!("{name}: {outside:?} at {place}"), &slopes, &[slope, 0.0]);
        }
        // One pixel is the same everywhere.
        for outside in [Outside::Border, Outside::Reflection] {
            for corners in [Corners::Edges, Corners::Centres] {
                let (pixel, grid) = (tensor(&device, &[3.0], [1, 1, 1, 1]), tensor(&device, &[0.0, 0.0], [1, 1, 1, 2]));
                let value = pixel.grid_sample(&grid, Sampling::Bilinear, outside, corners).sum();
                check(&format!("{name}: one pixel, {outside:?}"), &value, &[3.0]);
                let [slopes, of_pixel] = gradients(value, [&grid, &pixel]);
                check(&format!("{name}: one pixel's slope, {outside:?}, {corners:?}"), &slopes, &[0.0, 0.0]);
                check(&format!("{name}: by the pixel"), &of_pixel, &[1.0]);
            }
        }
    }
}

#[test]
fn what_is_infinite_or_no_number_stays_where_it_is_read() {
    for (name, device) in all_devices() {
        let mut values = [0.0; 16];
        values[0] = INF;
        let image = tensor(&device, &values, [1, 4, 4, 1]);
        check(&format!("{name}: means of parts"), &image.adaptive_average_pool([2, 2]), &[INF, 0.0, 0.0, 0.0]);
        check(&format!("{name}: means of parts that overlap"), &image.adaptive_average_pool([3, 1]), &[INF, 0.0, 0.0]);
        let same = image.resize([4, 4], Interpolation::Bilinear { align_corners: false });
        check(&format!("{name}: the same size"), &same, &values);
        let twice = image.resize([1, 8], Interpolation::Bicubic { align_corners: true }).to_vec::<f64>().unwrap();
        assert!(twice[5..].iter().all(|value| *value == 0.0), "{name}: {twice:?}");
        let of_nothing = tensor(&device, &[NAN, 0.0, 0.0, 0.0], [1, 2, 2, 1]).adaptive_average_pool([2, 1]);
        check(&format!("{name}: no number"), &of_nothing, &[NAN, 0.0]);

        // A place infinitely far reads zeros, and nothing of the image moves it.
        let corner = tensor(&device, &[1.0, 2.0, 3.0, 4.0], [1, 2, 2, 1]);
        let grid = tensor(&device, &[INF, 0.0], [1, 1, 1, 2]);
        let value = corner.grid_sample(&grid, Sampling::Bilinear, Outside::Zeros, Corners::Centres).sum();
        check(&format!("{name}: infinitely far"), &value, &[0.0]);
        let [slopes] = gradients(value, [&corner]);
        check(&format!("{name}: slopes of an image that is not read"), &slopes, &[0.0; 4]);

        let (x, slope) = (tensor(&device, &[INF, -1.0], [2]), tensor(&device, &[0.25], [1]));
        let [by_x, by_slope] =
            gradients(x.prelu(&slope).slice(0, 1, 2).sum() + x.prelu(&slope).slice(0, 0, 1).sum(), [&x, &slope]);
        check(&format!("{name}: prelu by x"), &by_x, &[1.0, 0.25]);
        check(&format!("{name}: prelu by its slope"), &by_slope, &[-1.0]);

        let low = tensor(&device, &[-INF; 4], [1, 2, 2, 1]);
        check(&format!("{name}: the least of all"), &low.max_pool(3, 2, 1), &[-INF]);
        check(&format!("{name}: and by parts"), &low.adaptive_max_pool([1, 1]), &[-INF]);
        let none = tensor(&device, &[1.0, NAN, 2.0, 3.0], [1, 2, 2, 1]);
        let largest = none.max_pool(2, 2, 0);
        check(&format!("{name}: what is no number is largest"), &largest, &[NAN]);
        check(&format!("{name}: over axes too"), &none.max_axes(&[1, 2], false), &[NAN]);
        // The correction leaves nothing to divide by.
        check(
            &format!("{name}: variance of too few"),
            &tensor(&device, &[1.0, 2.0], [2]).var_axes(&[0], false, 2),
            &[INF],
        );
        for (what, found) in [
            ("sin", none.sin()),
            ("cos", none.cos()),
            ("erf", none.erf()),
            ("gelu", none.gelu()),
            ("silu", none.silu()),
        ] {
            let found = found.to_vec::<f64>().unwrap();
            assert!(found[1].is_nan() && found[2].is_finite(), "{name}: {what} of no number is {found:?}");
        }
        let zeros = Tensor::zeros(&device, [1, 2, 2, 1]);
        for (what, found) in [("mse", none.mse(&zeros)), ("l1", none.l1(&zeros)), ("norm", none.norm())] {
            check(&format!("{name}: {what}"), &found, &[NAN]);
        }
    }
}

#[test]
fn ties_share_or_go_to_the_first_as_is_said() {
    for (name, device) in all_devices() {
        let x = tensor(&device, &[2.0, 2.0, 1.0, 2.0], [1, 2, 2, 1]);
        let third = 1.0 / 3.0;
        for (what, value) in [
            ("max_pool", x.max_pool(2, 2, 0)),
            ("adaptive_max_pool", x.adaptive_max_pool([1, 1])),
            ("max_axes", x.max_axes(&[1, 2], false)),
        ] {
            let [slopes] = gradients(value.sum(), [&x]);
            check(&format!("{name}: {what}"), &slopes, &[third, third, 0.0, third]);
        }
        let line = x.reshape([4]);
        let (largest, indices) = line.max_with_indices(0).unwrap();
        assert_eq!(indices, [0], "{name}");
        assert_eq!(line.argmax(0).unwrap(), [0], "{name}");
        check(&format!("{name}: the first has it all"), &gradients(largest.sum(), [&line])[0], &[1.0, 0.0, 0.0, 0.0]);
        assert_eq!(line.sort(0, Order::Ascending).unwrap().1, [2, 0, 1, 3], "{name}");
        let p = tensor(&device, &[1.0, 0.0], [2]);
        let [slopes] = gradients(p.bce(&tensor(&device, &[1.0, 0.0], [2])), [&p]);
        check(&format!("{name}: bce where it is right"), &slopes, &[-0.5, 0.5]);
        let [slopes] = gradients(p.bce(&tensor(&device, &[0.0, 1.0], [2])), [&p]);
        check(&format!("{name}: bce where it is wrong"), &slopes, &[0.0, 0.0]);
    }
}

#[test]
fn of_nothing_comes_nothing_of_the_right_shape() {
    for (name, device) in all_devices() {
        let (wide, tall) = (Tensor::zeros(&device, [0, 3]), Tensor::zeros(&device, [3, 0]));
        assert_eq!(wide.sort(1, Order::Ascending).unwrap().0.shape(), [0, 3], "{name}");
        assert_eq!(wide.top_k(1, 2, Order::Descending).unwrap().0.shape(), [0, 2], "{name}");
        assert_eq!(wide.max_with_indices(1).unwrap().0.shape(), [0, 1], "{name}");
        assert_eq!(tall.sort(0, Order::Ascending).unwrap().0.shape(), [3, 0], "{name}");
        assert_eq!(
            wide.chunk(0, 3).iter().map(|part| part.shape().to_vec()).collect::<Vec<_>>(),
            [[0, 3]; 3],
            "{name}"
        );
        let images = Tensor::zeros(&device, [0, 4, 4, 4]);
        let filter = Tensor::zeros(&device, [3, 3, 2, 4]);
        let grouped = Convolution::new(1, 2).dilated(2).grouped(2);
        for (found, shape) in [
            (images.max_pool(2, 2, 0), [0, 2, 2, 4]),
            (images.adaptive_average_pool([3, 3]), [0, 3, 3, 4]),
            (images.resize([8, 2], Interpolation::Bicubic { align_corners: false }), [0, 8, 2, 4]),
            (images.pad_image_with(1, Border::Reflection), [0, 6, 6, 4]),
            (images.roll(1, isize::MIN), [0, 4, 4, 4]),
            (images.conv2d(&filter, grouped), [0, 4, 4, 4]),
        ] {
            assert_eq!(found.shape(), shape, "{name}");
        }
    }
}

#[test]
fn a_kernel_larger_than_the_image_has_a_window_of_what_there_is() {
    for (name, device) in all_devices() {
        let x = tensor(&device, &[1.0, 2.0, 3.0, 4.0], [1, 2, 2, 1]);
        check(&format!("{name}: max"), &x.max_pool_by(Pool::new(3, 2, 0).ceil()), &[4.0]);
        check(&format!("{name}: mean"), &x.average_pool_by(Pool::new(3, 2, 0).ceil()), &[2.5]);
    }
}

/// An op of somebody's own that gives one element for a thousand.
struct Hollow;

impl Op for Hollow {
    fn name(&self) -> &'static str {
        "hollow"
    }

    fn forward(&self, _backend: &dyn Backend, inputs: &[Value]) -> Forward {
        Value::new(inputs[0].storage.clone(), [1000]).into()
    }

    fn keep(&self) -> Keep {
        Keep::NOTHING
    }

    fn vjp(&self, _context: &Context<'_>, cotangent: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(cotangent.clone())]
    }
}

/// A device's own product of matrices, with sizes that its operands have not.
fn one_by_one(device: &Device) -> Storage {
    let one = device.backend().upload(HostSlice::F32(&[1.0]));
    let sizes = MatMul { batch: 1, rows: 1000, inner: 1000, columns: 1000, transpose_a: false, transpose_b: false };
    device.backend().matmul(&one, &one, &sizes)
}

#[test]
fn shapes_beyond_all_memory_are_refused_before_a_kernel_multiplies_them() {
    let small = Tensor::zeros(&Device::cpu(), [1, 1, 1, 1]);
    type Wrong<'a> = (&'static str, Box<dyn Fn() + 'a>);
    let wrong: [Wrong<'_>; 2] = [
        ("expand", Box::new(|| drop(small.expand([1, 1 << 31, 1 << 33, 1])))),
        ("pad", Box::new(|| drop(small.pad(1, 1 << 61, 0)))),
    ];
    for (name, op) in wrong {
        let panic = catch_unwind(AssertUnwindSafe(op)).expect_err(name);
        assert!(panic.downcast_ref::<String>().unwrap().contains("larger than memory"), "{name}");
    }
}

#[test]
fn an_image_without_pixels_gives_zeros_where_its_padding_has_outputs() {
    for (name, device) in all_devices() {
        let (image, filter) = (Tensor::zeros(&device, [1, 0, 4, 16]), Tensor::ones(&device, [3, 3, 16, 1]));
        let out = image.conv2d(&filter, Convolution::new(1, 2));
        assert_eq!(out.shape(), [1, 2, 6, 1], "{name}");
        check(&name, &out, &[0.0; 12]);
        let [by_image, by_filter] = gradients(out.sum(), [&image, &filter]);
        assert_eq!(by_image.shape(), [1, 0, 4, 16], "{name}");
        check(&name, &by_filter, &[0.0; 144]);
    }
}

#[test]
fn the_slope_of_a_power_goes_on_through_an_exponent_of_zero() {
    for (name, device) in all_devices() {
        let (x, y) = (tensor(&device, &[2.0, 0.0, 4.0], [3]), tensor(&device, &[0.0, 0.0, 1.0], [3]));
        let power = x.pow(&y);
        let [by_x] = grad_graph(&power.sum(), &[&x]).try_into().expect("one");
        check(&name, &by_x, &[0.0, 0.0, 1.0]);
        // d/dy of y x^(y - 1) is x^(y - 1) (1 + y ln x); where both are 0 there is none, and what is given is finite.
        let [mixed] = gradients(by_x.sum(), [&y]);
        check(&name, &mixed.slice(0, 0, 1), &[0.5]);
        check(&name, &mixed.slice(0, 2, 3), &[1.0 + 4f64.ln()]);
        assert!(mixed.to_vec::<f64>().unwrap().iter().all(|slope| slope.is_finite()), "{name}");
    }
}

#[test]
fn the_mixed_slopes_of_a_power_are_one_in_either_order_and_at_zero_none() {
    let exponents = [0.0, 0.5, 1.0, 2.0, 3.5];
    for (name, device) in all_devices() {
        for base in [0.0, 0.5f64, 2.0] {
            let (x, y) = (Tensor::full(&device, [5], base), tensor(&device, &exponents, [5]));
            let [by_x, by_y] = grad_graph(&x.pow(&y).sum(), &[&x, &y]).try_into().expect("two");
            let [of_x, of_y] = [&by_x, &by_y].map(|slope| gradients(slope.sum(), [&x, &y]));
            let slope = |y: f64| if base == 0.0 && y == 0.0 { 0.0 } else { y * base.powf(y - 1.0) };
            check(&format!("{name}: by {base}"), &by_x, &exponents.map(slope));
            let logarithm = if base == 0.0 { 0.0 } else { base.ln() };
            check(&format!("{name}: of {base} by y"), &by_y, &exponents.map(|y| base.powf(y) * logarithm));
            // d/dy of y x^(y - 1), and d/dx of x^y ln x; of 0 it is 0 where there is one, with exponents above 1.
            let mixed = |y: f64| if base == 0.0 { 0.0 } else { base.powf(y - 1.0) * (1.0 + y * logarithm) };
            check(&format!("{name}: by {base}, then by y"), &of_x[1], &exponents.map(mixed));
            check(&format!("{name}: by y, then by {base}"), &of_y[0], &exponents.map(mixed));
            check(&format!("{name}: twice by {base}"), &of_x[0].slice(0, 2, 5), &{ [0.0, 2.0, 8.75 * base.powf(1.5)] });
            let twice = exponents.map(|y| base.powf(y) * logarithm * logarithm);
            check(&format!("{name}: of {base} twice by y"), &of_y[1], &twice);
        }
    }
}

#[test]
fn an_infinite_cotangent_stays_where_it_goes() {
    for (name, device) in all_devices() {
        let infinite = |x: Tensor| (x * INF).sum();
        let (a, b) = (tensor(&device, &[1.0, 2.0, 3.0], [3]), tensor(&device, &[3.0, 2.0, 1.0], [3]));
        let [slopes] = gradients(infinite(a.clamp(1.5, 2.5)), [&a]);
        check(&format!("{name}: clamp"), &slopes, &[0.0, INF, 0.0]);
        let slopes = gradients(infinite(a.maximum(&b)), [&a, &b]);
        check(
            &format!("{name}: maximum"),
            &Tensor::stack(&[&slopes[0], &slopes[1]], 0),
            &[0.0, INF, INF, INF, INF, 0.0],
        );
        let slopes = gradients(infinite(a.minimum(&b)), [&a, &b]);
        check(
            &format!("{name}: minimum"),
            &Tensor::stack(&[&slopes[0], &slopes[1]], 0),
            &[INF, INF, 0.0, 0.0, INF, INF],
        );
        let image = tensor(&device, &[1.0, 4.0, 3.0, 2.0], [1, 2, 2, 1]);
        for (what, value) in [
            ("max_axes", image.max_axes(&[1, 2], false)),
            ("max_pool", image.max_pool(2, 1, 0)),
            ("adaptive_max_pool", image.adaptive_max_pool([1, 1])),
        ] {
            check(&format!("{name}: {what}"), &gradients(infinite(value), [&image])[0], &[0.0, INF, 0.0, 0.0]);
        }
        // What is no probability has a logarithm, or is no number itself.
        for (p, target, loss) in [(-INF, 1.0, 100.0), (-1.0, 1.0, 100.0), (INF, 0.0, 100.0), (NAN, 1.0, NAN)] {
            let [p, target] = [p, target].map(|value| tensor(&device, &[value], [1]));
            let value = p.bce(&target);
            check(&format!("{name}: bce of {p:?}"), &value, &[loss]);
            let slope = gradients(value, [&p])[0].item().unwrap();
            assert!(slope == 0.0 || loss.is_nan(), "{name}: bce's slope at {p:?} is {slope}");
        }
    }
}

#[test]
fn the_least_power_has_slopes_too() {
    for (name, device) in all_devices() {
        for exponent in [i32::MIN, i32::MIN + 1] {
            let (x, power) = (tensor(&device, &[1.0], [1]), f64::from(exponent));
            let [slope] = grad_graph(&x.powi(exponent).sum(), &[&x]).try_into().expect("one");
            check(&format!("{name}: {exponent}"), &slope, &[power]);
            check(&format!("{name}: {exponent} twice"), &gradients(slope.sum(), [&x])[0], &[power * (power - 1.0)]);
        }
    }
}

#[test]
fn errors_do_not_grow_with_how_often_a_row_is_taken() {
    const TAKEN: usize = 300_000;
    for (name, device) in all_devices() {
        let x = tensor(&device, &[1.0, 2.0], [2, 1]);
        // One row nearly always: added one by one in f32 its slopes would be off by 0.3 %.
        let indices: Vec<u32> = (0..TAKEN).map(|place| u32::from(place % 1000 != 0)).collect();
        let [slopes] = gradients((x.gather(&indices) * 0.1).sum(), [&x]);
        check(&name, &slopes, &[0.1 * (TAKEN / 1000) as f64, 0.1 * (TAKEN - TAKEN / 1000) as f64]);
    }
}

#[test]
fn convolutions_of_little_but_padding_have_the_slopes_of_the_reference() {
    let slopes = |device: &Device| {
        let image = tensor(device, &std::array::from_fn::<f64, 16, _>(|place| place as f64 - 5.0), [1, 4, 4, 1]);
        let filter = tensor(device, &[1.0, -2.0, 3.0, 4.0], [2, 2, 1, 1]);
        // Windows at the edges of the padding see nothing, and the one in the middle sees a corner of the image.
        let by = Convolution { stride: [(1 << 31) - 1; 2], padding: [1 << 31; 2], ..Convolution::new(1, 0) };
        let out = image.conv2d(&filter, by);
        assert_eq!(out.shape(), [1, 3, 3, 1]);
        gradients(out.powi(2).sum(), [&image, &filter])
    };
    let expected = slopes(&Device::reference()).map(|slope| slope.to_vec::<f64>().unwrap());
    assert!(expected.iter().flatten().any(|slope| *slope != 0.0));
    for (name, device) in devices() {
        for (slope, expected) in slopes(&device).iter().zip(&expected) {
            check(&name, slope, expected);
        }
    }
}

#[test]
fn a_stride_past_the_only_window_changes_nothing() {
    for (name, device) in all_devices() {
        // One channel and many: a gpu has a kernel for each.
        for channels in [1, 5] {
            let values = |count: usize| (0..count).map(|place| (place as f64 * 0.7).sin()).collect::<Vec<_>>();
            let image = tensor(&device, &values(9 * channels), [1, 3, 3, channels]);
            let filter = tensor(&device, &values(4 * channels), [2, 2, channels, 1]);
            let slopes = |stride: usize| {
                let out = image.conv2d(&filter, Convolution::new(stride, 0));
                assert_eq!(out.shape(), [1, 1, 1, 1], "{name}");
                gradients(out.powi(2).sum(), [&image, &filter]).map(|slope| slope.to_vec::<f64>().unwrap())
            };
            let expected = slopes(3);
            for stride in [1 << 32, (1 << 32) + 1, usize::MAX] {
                assert_eq!(slopes(stride), expected, "{name}, {channels} channels, stride {stride}");
            }
        }
    }
}

/// A geometry that is no plain one.
fn parted(groups: usize, dilation: usize) -> Geometry {
    let plain = Geometry::of_fine(2, [5, 6], [4, 6], [3, 3], [1, 1], [2, 2]).expect("the filter fits");
    plain.grouped(groups).dilated([dilation; 2]).expect("the filter fits")
}

#[test]
fn a_backend_refuses_what_it_does_not_take() {
    for (name, device) in all_devices() {
        let backend = device.backend();
        let zeros = |length: usize| backend.upload(HostSlice::F32(&vec![0.0; length]));
        let panics = |work: &dyn Fn()| {
            let panic = catch_unwind(AssertUnwindSafe(work)).expect_err(&name);
            panic.downcast_ref::<String>().cloned().unwrap_or_default()
        };
        for geometry in [parted(1, 2), parted(2, 1)].iter().filter(|geometry| !backend.convolves(geometry)) {
            let [a, b] = geometry.operands(Role::Coarse).map(|shape| zeros(shape.iter().product()));
            let text = panics(&|| drop(backend.convolution(Role::Coarse, geometry, &a, &b, Activation::Identity)));
            assert!(text.starts_with("convolution: ") && text.contains("takes no"), "{name}: {text}");
        }
        let rows = zeros(12);
        panics(&|| drop(backend.gather(&rows, 3, &[0, 4])));
        panics(&|| drop(backend.scatter_add(&rows, 3, &[0, 1, 2, 4], 4)));
        let images = backend.upload_pixels(&[0; 12], &[0.0; 256]).expect("there is room");
        panics(&|| drop(backend.gather_pixels(&images, 6, &[0, 2])));
    }
}

#[test]
fn a_filter_of_groups_goes_through_its_activation_once() {
    let geometry = parted(2, 1);
    let found = |device: &Device| {
        let backend = device.backend();
        let [a, b] = geometry.operands(Role::Filter).map(|shape| {
            let wave = (0..shape.iter().product()).map(|place: usize| 0.2 * (place as f64 * 0.7).sin());
            backend.upload(HostSlice::F64(&wave.collect::<Vec<_>>()))
        });
        let filter = graft::backend::convolve(backend, Role::Filter, &geometry, &a, &b, Activation::Tanh);
        match backend.download(&filter).unwrap() {
            HostVec::F32(values) => values.into_iter().map(f64::from).collect(),
            HostVec::F64(values) => values,
        }
    };
    let expected = found(&Device::reference());
    for (name, device) in all_devices() {
        check(&name, &tensor(&device, &found(&device), [expected.len()]), &expected);
    }
}

#[test]
fn tasks_that_are_done_while_a_kernel_waits_have_slopes() {
    thread_local!(static IN_GRAD: Cell<bool> = const { Cell::new(false) });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let (say, said) = mpsc::channel();
    let begin = || {
        let say = say.clone();
        pool.spawn(move || {
            let within = IN_GRAD.get();
            let x = Tensor::full(&Device::cpu(), [2 << 14], 0.5);
            let channels = Tensor::ones(x.device(), [16]);
            let normal = x.reshape([2 << 10, 16]).batch_norm(&channels, &channels, 1.0, Activation::Tanh).output;
            let value = (0..4).fold(x.clone(), |y, _| y.sigmoid()).sum() + normal.sum();
            IN_GRAD.set(true);
            let slopes = gradients(value, [&x])[0].to_vec::<f32>().unwrap();
            IN_GRAD.set(within);
            say.send((within, slopes)).unwrap();
        });
    };
    // When threads wait for one another's blocks is the system's to say. (`tensor::autograd` has a test that leaves it no choice.)
    const ENOUGH: usize = 10;
    let (start, mut pending, mut met) = (Instant::now(), 100, 0);
    (0..pending).for_each(|_| begin());
    while pending > 0 {
        let (within, slopes) = said.recv().unwrap();
        assert!(slopes.iter().all(|slope| *slope != 0.0), "a task within another's gradient: {within}");
        (pending, met) = (pending - 1, met + usize::from(within));
        if met < ENOUGH && start.elapsed() < Duration::from_secs(1) {
            begin();
            pending += 1;
        }
    }
    println!("{met} tasks within another's gradient");
}

#[test]
fn a_wrong_shape_panics_naming_op_and_shapes() {
    let device = Device::cpu();
    let t = |shape: &[usize]| Tensor::zeros(&device, shape);
    type Wrong<'a> = (&'static str, Box<dyn Fn() + 'a>);
    let wrong: Vec<Wrong<'_>> = vec![
        ("var_axes", Box::new(|| drop(t(&[2]).var_axes(&[1], false, 0)))),
        ("std_axes", Box::new(|| drop(t(&[2]).std_axes(&[1], false, 0)))),
        ("norm_axes", Box::new(|| drop(t(&[2]).norm_axes(&[1], false)))),
        ("normalize", Box::new(|| drop(t(&[2]).normalize(1, 1e-12)))),
        ("normalize", Box::new(|| drop(t(&[2]).normalize(0, NAN)))),
        ("mean", Box::new(|| drop(t(&[2]).mean_axes(&[1], false)))),
        ("sum", Box::new(|| drop(t(&[2]).sum_axes(&[1], false)))),
        ("max", Box::new(|| drop(t(&[2]).max_axes(&[1], false)))),
        ("prelu", Box::new(|| drop(t(&[2]).prelu(&t(&[3]))))),
        ("where_", Box::new(|| drop(t(&[2]).where_(&t(&[3]), &t(&[2]))))),
        ("adaptive_average_pool", Box::new(|| drop(t(&[2]).adaptive_average_pool([1, 1])))),
        ("resize", Box::new(|| drop(t(&[1, 2, 2, 1]).resize([0, 1], Interpolation::Area)))),
        ("log_softmax", Box::new(|| drop(t(&[2]).log_softmax(1)))),
        ("softmax", Box::new(|| drop(t(&[2]).softmax(1)))),
        ("argmax", Box::new(|| drop(t(&[2]).argmax(1)))),
        ("max_with_indices", Box::new(|| drop(t(&[0]).max_with_indices(0)))),
        ("sort", Box::new(|| drop(t(&[2]).sort(1, Order::Ascending)))),
        ("top_k", Box::new(|| drop(t(&[2]).top_k(0, 3, Order::Ascending)))),
        ("take_along_axis", Box::new(|| drop(t(&[2]).take_along_axis(0, &[2])))),
        ("index_select", Box::new(|| drop(t(&[2]).index_select(0, &[2])))),
        ("pad_with", Box::new(|| drop(t(&[2]).pad_with(0, usize::MAX, 1, Border::Replication)))),
        ("pad_with", Box::new(|| drop(t(&[2]).pad_with(0, 2, 0, Border::Reflection)))),
        ("roll", Box::new(|| drop(t(&[2]).roll(1, 1)))),
        ("chunk", Box::new(|| drop(t(&[2]).chunk(0, 0)))),
        ("stack", Box::new(|| drop(Tensor::stack(&[&t(&[2]), &t(&[3])], 0)))),
        ("repeat", Box::new(|| drop(t(&[2, 2]).repeat(&[2])))),
        ("pixel_shuffle", Box::new(|| drop(t(&[1, 2, 2, 3]).pixel_shuffle(2)))),
        ("max_pool", Box::new(|| drop(t(&[1, 2, 2, 1]).max_pool(5, 1, 0)))),
        ("average_pool", Box::new(|| drop(t(&[1, 2, 2, 1]).average_pool(5, 1, 0)))),
        (
            "grid_sample",
            Box::new(|| {
                let grid = t(&[1, 1, 1, 3]);
                drop(t(&[1, 2, 2, 1]).grid_sample(&grid, Sampling::Nearest, Outside::Zeros, Corners::Edges));
            }),
        ),
        ("affine_grid", Box::new(|| drop(t(&[1, 3, 3]).affine_grid([2, 2], Corners::Edges)))),
        ("mse", Box::new(|| drop(t(&[2]).mse(&t(&[3]))))),
        ("l1", Box::new(|| drop(t(&[2]).l1(&t(&[3]))))),
        ("bce", Box::new(|| drop(t(&[2]).bce(&t(&[3]))))),
        ("hollow", Box::new(|| drop(Tensor::apply(Hollow, &[&t(&[1])])))),
        ("matmul", Box::new(|| drop(one_by_one(&device)))),
        ("spectral_norm", Box::new(|| drop(t(&[2, 0]).spectral_norm(&t(&[0]), 1)))),
        ("group_norm", Box::new(|| drop(t(&[1, 2, 2, 3]).group_norm(2, 1e-5)))),
        ("conv2d", Box::new(|| drop(t(&[1, 4, 4, 4]).conv2d(&t(&[3, 3, 2, 3]), Convolution::new(1, 1).grouped(2))))),
    ];
    for (name, op) in wrong {
        let panic = catch_unwind(AssertUnwindSafe(op)).expect_err(name);
        let text =
            panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|text| text.to_string()));
        let text = text.unwrap_or_default();
        assert!(text.starts_with(&format!("{name}:")), "{name} panics with: {text}");
    }
}
