//! Arguments of 100, -100 and 1e-30: finite and accurate on every device.

use graft::backend::Activation;
use graft::gradcheck::relative_error;
use graft::tensor::ops::Convolution;
use graft::{Device, Tensor, grad};

use crate::case::elements;
use crate::parity::devices;

/// e^-100, the nearest f64.
const E: f64 = 3.720075976020836e-44;
const SIN_100: f64 = -0.506_365_641_109_758_8;
const COS_100: f64 = 0.862_318_872_287_683_9;
const TWO_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;
const LN_2: f64 = std::f64::consts::LN_2;
const EPSILON: f64 = 1e-5;

/// The smallest positive f32: what a result may be off by beside its relative error.
const TINY: f64 = 1.4e-45;

/// Every device with its relative error and the largest number that it holds.
fn all_devices() -> Vec<(String, Device, f64, f64)> {
    let cpu = devices().into_iter().map(|(name, device)| (name, device, 1e-6, f64::from(f32::MAX)));
    cpu.chain([("reference".to_owned(), Device::reference(), 1e-14, f64::MAX)]).collect()
}

#[track_caller]
fn assert_near(what: &str, found: f64, truth: f64, tolerance: f64) {
    let error = (found - truth).abs();
    assert!(
        error <= tolerance * truth.abs() + TINY,
        "{what} is {found:e}, not {truth:e}: {:.1e} off",
        error / truth.abs()
    );
}

#[test]
fn functions_of_one_element_and_their_slopes() {
    type Row = (&'static str, fn(&Tensor) -> Tensor, &'static [[f64; 3]]);
    // Each point is x, f(x), f'(x).
    let rows: &[Row] = &[
        (
            "exp",
            Tensor::exp,
            &[[100.0, 2.6881171418161356e43, 2.6881171418161356e43], [-100.0, E, E], [1e-30, 1.0, 1.0]],
        ),
        ("ln", Tensor::ln, &[[100.0, 4.605170185988092, 0.01], [1e-30, -69.07755278982137, 1e30]]),
        ("sqrt", Tensor::sqrt, &[[100.0, 10.0, 0.05], [1e-30, 1e-15, 5e14]]),
        ("rsqrt", Tensor::rsqrt, &[[100.0, 0.1, -5e-4], [1e-30, 1e15, -5e44]]),
        ("abs", Tensor::abs, &[[100.0, 100.0, 1.0], [-100.0, 100.0, -1.0], [1e-30, 1e-30, 1.0], [-1e-30, 1e-30, -1.0]]),
        ("tanh", Tensor::tanh, &[[100.0, 1.0, 0.0], [-100.0, -1.0, 0.0], [1e-30, 1e-30, 1.0]]),
        ("sigmoid", Tensor::sigmoid, &[[100.0, 1.0, E], [-100.0, E, E], [1e-30, 0.5, 0.25]]),
        ("softplus", Tensor::softplus, &[[100.0, 100.0, 1.0], [-100.0, E, E], [1e-30, LN_2, 0.5]]),
        ("relu", Tensor::relu, &[[100.0, 100.0, 1.0], [-100.0, 0.0, 0.0], [1e-30, 1e-30, 1.0], [-1e-30, 0.0, 0.0]]),
        (
            "leaky_relu",
            |x| x.leaky_relu(0.2),
            &[[100.0, 100.0, 1.0], [-100.0, -20.0, 0.2], [1e-30, 1e-30, 1.0], [-1e-30, -2e-31, 0.2]],
        ),
        ("step", Tensor::step, &[[100.0, 1.0, 0.0], [-100.0, 0.0, 0.0], [1e-30, 1.0, 0.0], [-1e-30, 0.0, 0.0]]),
        ("powi 2", |x| x.powi(2), &[[100.0, 1e4, 200.0], [-100.0, 1e4, -200.0], [1e-30, 1e-60, 2e-30]]),
        ("powi -1", |x| x.powi(-1), &[[100.0, 0.01, -1e-4], [-100.0, -0.01, -1e-4], [1e-30, 1e30, -1e60]]),
        ("clamp", |x| x.clamp(-1.0, 1.0), &[[100.0, 1.0, 0.0], [-100.0, -1.0, 0.0], [1e-30, 1e-30, 1.0]]),
        ("sin", Tensor::sin, &[[100.0, SIN_100, COS_100], [-100.0, -SIN_100, COS_100], [1e-30, 1e-30, 1.0]]),
        ("cos", Tensor::cos, &[[100.0, COS_100, -SIN_100], [-100.0, COS_100, SIN_100], [1e-30, 1.0, -1e-30]]),
        ("erf", Tensor::erf, &[[100.0, 1.0, 0.0], [-100.0, -1.0, 0.0], [1e-30, 1e-30 * TWO_SQRT_PI, TWO_SQRT_PI]]),
        ("powf 0.5", |x| x.powf(0.5), &[[100.0, 10.0, 0.05], [1e-30, 1e-15, 5e14]]),
        ("gelu", Tensor::gelu, &[[100.0, 100.0, 1.0], [-100.0, 0.0, 0.0], [1e-30, 5e-31, 0.5]]),
        ("silu", Tensor::silu, &[[100.0, 100.0, 1.0], [1e-30, 5e-31, 0.5]]),
        ("norm", Tensor::norm, &[[100.0, 100.0, 1.0], [-100.0, 100.0, -1.0], [0.0, 0.0, 0.0]]),
        ("normalize", |x| x.normalize(0, 1e-12), &[[1e-30, 1e-18, 1e12], [-1e-30, -1e-18, 1e12]]),
    ];
    for (device_name, device, tolerance, most) in all_devices() {
        for (name, function, points) in rows {
            for &[x, value, slope] in *points {
                let what = |kind: &str| format!("{device_name}: the {kind} of {name} at {x:e}");
                let at = Tensor::from_slice(&device, &[x], [1]);
                let found = function(&at);
                let found_slope = grad(function(&at).sum(), &[&at])[0].item().unwrap();
                if value.abs() <= most {
                    assert_near(&what("value"), found.item().unwrap(), value, tolerance);
                }
                if slope.abs() <= most {
                    assert_near(&what("slope"), found_slope, slope, tolerance);
                }
            }
        }
    }
}

#[test]
fn functions_of_two_elements_and_their_slopes() {
    type Row = (&'static str, fn(&Tensor, &Tensor) -> Tensor, &'static [[f64; 5]]);
    // Each point is x, y, f(x, y) and its slopes by x and y.
    let rows: &[Row] = &[
        ("mul", |x, y| x * y, &[[1e-30, 100.0, 1e-28, 100.0, 1e-30], [1e-30, 1e-30, 1e-60, 1e-30, 1e-30]]),
        (
            "div",
            |x, y| x / y,
            &[
                [1e-30, 1e-30, 1.0, 1e30, -1e30],
                [1e-30, -100.0, -1e-32, -0.01, -1e-34],
                [-100.0, 1e-30, -1e32, 1e30, 1e62],
                [100.0, -100.0, -1.0, -0.01, -0.01],
            ],
        ),
        ("minimum", Tensor::minimum, &[[100.0, -100.0, -100.0, 0.0, 1.0], [0.0, 1e-30, 0.0, 1.0, 0.0]]),
        (
            "pow",
            |x, y| x.pow(y),
            &[
                [100.0, 2.0, 1e4, 200.0, 46_051.701_859_880_92],
                [100.0, -100.0, 1e-200, -1e-200, 4.605_170_185_988_092e-200],
                [1e-30, 0.5, 1e-15, 5e14, -6.907_755_278_982_137e-14],
            ],
        ),
        ("bce", Tensor::bce, &[[1e-30, 1.0, 69.077_552_789_821_37, -1e30, 69.077_552_789_821_37]]),
        ("maximum", Tensor::maximum, &[[100.0, -100.0, 100.0, 1.0, 0.0], [0.0, 1e-30, 1e-30, 0.0, 1.0]]),
        (
            "bce_with_logits",
            Tensor::bce_with_logits,
            &[
                [100.0, 1.0, E, -E, -100.0],
                [100.0, 0.0, 100.0, 1.0, -100.0],
                [100.0, 0.5, 50.0, 0.5, -100.0],
                [-100.0, 1.0, 100.0, -1.0, 100.0],
                [-100.0, 0.0, E, E, 100.0],
                [1e-30, 0.0, LN_2, 0.5, 0.0],
                [1e-30, 1.0, LN_2, -0.5, 0.0],
            ],
        ),
    ];
    for (device_name, device, tolerance, most) in all_devices() {
        for (name, function, points) in rows {
            for &[x, y, value, slope_x, slope_y] in *points {
                let [a, b] = [x, y].map(|v| Tensor::from_slice(&device, &[v], [1]));
                let mut found = vec![function(&a, &b)];
                found.extend(grad(function(&a, &b).sum(), &[&a, &b]));
                for (kind, (found, truth)) in
                    ["value", "first slope", "second slope"].iter().zip(found.iter().zip([value, slope_x, slope_y]))
                {
                    if truth.abs() <= most {
                        let what = format!("{device_name}: the {kind} of {name} at {x:e} and {y:e}");
                        assert_near(&what, found.item().unwrap(), truth, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn softmax_and_cross_entropy_of_extreme_logits() {
    let near = |what: &str, found: &Tensor, truth: &[f64]| {
        let error = relative_error(&elements(found), truth);
        assert!(error < 1e-6, "{what} is {found:?}, not {truth:?}: {error:.1e} off");
    };
    for (name, device, ..) in all_devices() {
        let logits = Tensor::from_slice(&device, &[100.0, -100.0, 1e-30], [1, 3]);
        near(&format!("{name}: softmax"), &logits.softmax(1), &[1.0, 0.0, E]);
        near(&format!("{name}: log_softmax"), &logits.log_softmax(1), &[0.0, -200.0, -100.0]);
        let rows = logits.expand([3, 3]);
        near(&format!("{name}: cross_entropy"), &rows.cross_entropy(&[0, 1, 2]), &[100.0]);
        let slopes = grad(rows.cross_entropy(&[0, 1, 2]), &[&logits]).remove(0);
        near(&format!("{name}: its slopes"), &slopes, &[2.0 / 3.0, -1.0 / 3.0, -1.0 / 3.0]);
    }
}

/// Compares a function, and its gradient by its first argument, on all devices.
fn agree(name: &str, tolerance: f64, inputs: &[(&[f64], &[usize])], function: impl Fn(&[Tensor]) -> Tensor) {
    let run = |device: &Device| {
        let x: Vec<Tensor> = inputs.iter().map(|(x, shape)| Tensor::from_slice(device, x, shape)).collect();
        let value = function(&x);
        let weights: Vec<f32> = (0..value.len()).map(|i| (i as f32 * 0.7).sin()).collect();
        let weighted = function(&x) * Tensor::from_slice(device, &weights, value.shape());
        [elements(&value), elements(&grad(weighted.sum(), &[&x[0]])[0])]
    };
    let truth = run(&Device::reference());
    assert!(truth.iter().flatten().all(|v| v.is_finite()), "{name}: {truth:?} on the reference device");
    for (microkernel, device) in devices() {
        for (found, truth) in run(&device).iter().zip(&truth) {
            let error = relative_error(found, truth);
            assert!(error <= tolerance, "{microkernel}: {name} is {error:.1e} off: {found:?}, not {truth:?}");
        }
    }
}

/// Exact in f32.
fn scaled(count: usize, scale: f64, shift: f64) -> Vec<f64> {
    (0..count).map(|i| f64::from((shift + scale * (i as f64 * 1.3).sin()) as f32)).collect()
}

#[test]
fn normalisations_of_extreme_images() {
    let shape = [2, 3, 4, 2];
    let (gamma, beta) = ([0.5, 2.0], [1.0, -0.25]);
    for (what, scale, shift, tolerance) in [
        ("large", 100.0, 0.0, 1e-5),
        ("tiny", 1e-30, 0.0, 1e-5),
        // Near 100, f32 has steps of 8e-6: the mean alone is uncertain by as much.
        ("far from zero", 1.0, 100.0, 1e-4),
        ("far below zero", 1.0, -100.0, 1e-4),
    ] {
        let images = scaled(48, scale, shift);
        let images = (&*images, &shape[..]);
        let norm = |name: &str| format!("{name} of {what} images");
        agree(&norm("layer_norm"), tolerance, &[images], |x| x[0].layer_norm(EPSILON));
        agree(&norm("instance_norm"), tolerance, &[images], |x| x[0].instance_norm(EPSILON));
        for activation in [Activation::Identity, Activation::Tanh] {
            let name = norm(&format!("batch_norm with {activation:?}"));
            agree(&name, tolerance, &[images, (&gamma, &[2]), (&beta, &[2])], |x| {
                x[0].batch_norm(&x[1], &x[2], EPSILON, activation).output
            });
        }
    }
}

#[test]
fn normalisations_of_images_without_variance_give_the_shift() {
    for (name, device, ..) in all_devices() {
        for level in [0.0, 100.0, -100.0, 1e-30] {
            let x = Tensor::full(&device, [2, 2, 2, 1], level);
            let (gamma, beta) = (Tensor::full(&device, [1], 3.0), Tensor::full(&device, [1], 0.5));
            let found = [
                x.layer_norm(EPSILON) + 0.5,
                x.instance_norm(EPSILON) + 0.5,
                x.batch_norm(&gamma, &beta, EPSILON, Activation::Identity).output,
            ];
            for found in &found {
                assert_eq!(elements(found), [0.5; 8], "{name}: of {level:e}");
                let slopes = grad(found.powi(2).sum(), &[&x]).remove(0);
                assert!(slopes.is_finite().unwrap(), "{name}: slopes {slopes:?} at {level:e}");
            }
        }
    }
}

#[test]
fn products_and_spectral_norm_of_extreme_filters() {
    for scale in [100.0, 1e-30] {
        let filter = scaled(3 * 3 * 2 * 4, scale, 0.0);
        let image = scaled(5 * 5 * 2, 100.0, -100.0);
        agree(&format!("conv2d at {scale:e}"), 1e-5, &[(&filter, &[3, 3, 2, 4]), (&image, &[1, 5, 5, 2])], |x| {
            x[1].conv2d(&x[0], Convolution::new(2, 1))
        });
        agree(&format!("matmul at {scale:e}"), 1e-5, &[(&filter, &[6, 12]), (&image[..48], &[12, 4])], |x| {
            x[0].matmul(&x[1])
        });
        agree(&format!("spectral_norm at {scale:e}"), 1e-5, &[(&filter, &[3, 3, 2, 4])], |x| {
            x[0].spectral_norm(&Tensor::ones(x[0].device(), [4]), 100).0
        });
    }
}
