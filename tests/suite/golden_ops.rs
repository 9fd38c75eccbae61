//! The ops that GAN code uses beside a DCGAN's, against what PyTorch computes in float64 (tests/golden/gan_ops.md).

use graft::nn::{Builder, InstanceNorm, Mode};
use graft::tensor::ops::{Border, Convolution, Corners, Interpolation, Order, Outside, Pool, Sampling};
use graft::{Device, Tensor};

use crate::golden::{Golden, filter};

fn gan_ops() -> Vec<Golden> {
    Golden::on_every_device("gan_ops.safetensors")
}

/// A name among the golden values, and what makes these of one tensor.
type Row = (&'static str, fn(&Tensor) -> Tensor);

/// Checks functions of one tensor by name.
fn check(rows: &[Row]) {
    for golden in gan_ops() {
        for (name, function) in rows {
            golden.check_op(name, &["x"], |x| function(&x[0]));
        }
    }
}

#[test]
fn elementwise_functions() {
    check(&[
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("erf", Tensor::erf),
        ("gelu", Tensor::gelu),
        ("silu", Tensor::silu),
        ("powf", |x| x.powf(-1.75)),
        ("round", Tensor::round),
        ("floor", Tensor::floor),
        ("sign", Tensor::sign),
    ]);
    for golden in gan_ops() {
        let exponents = golden.tensor("pow.exponents");
        golden.check_op("pow", &["x"], |x| x[0].pow(&exponents));
        golden.check_op("prelu", &["x", "slopes"], |x| x[0].prelu(&x[1]));
    }
}

#[test]
fn what_is_made_of_the_elements_along_an_axis() {
    const WORKS: &str = "the device works";
    check(&[
        ("var", |x| x.var_axes(&[1], false, 1)),
        ("std", |x| x.std_axes(&[0, 2], false, 0)),
        ("norm", |x| x.norm_axes(&[1], false)),
        ("normalize", |x| x.normalize(1, 1e-12)),
        ("prod", |x| x.prod_axis(1, false)),
        ("sort", |x| x.sort(1, Order::Ascending).expect(WORKS).0),
        ("top_k", |x| x.top_k(1, 3, Order::Descending).expect(WORKS).0),
        ("repeat", |x| x.repeat(&[2, 1, 3])),
        ("roll", |x| x.roll(1, 2)),
        ("chunk", |x| &x.chunk(1, 3)[0] + &x.chunk(1, 3)[1]),
    ]);
}

#[test]
fn images_rearranged_padded_pooled_and_resized() {
    const UNEQUAL: Pool = Pool { kernel: [2, 3], stride: [2, 1], padding: [1, 0], ceil: false };
    const BILINEAR: Interpolation = Interpolation::Bilinear { align_corners: true };
    const BICUBIC: Interpolation = Interpolation::Bicubic { align_corners: false };
    const BICUBIC_CORNERS: Interpolation = Interpolation::Bicubic { align_corners: true };
    check(&[
        ("pixel_shuffle", |x| x.pixel_shuffle(2)),
        ("group_norm", |x| x.group_norm(3, 1e-5)),
        ("reflection", |x| x.pad_with(1, 1, 4, Border::Reflection).pad_with(2, 2, 3, Border::Reflection)),
        ("replication", |x| x.pad_with(1, 1, 7, Border::Replication).pad_with(2, 2, 3, Border::Replication)),
        ("average_pool_unequal", |x| x.average_pool_by(UNEQUAL)),
        ("max_pool_unequal", |x| x.max_pool_by(UNEQUAL)),
        ("average_pool_ceil", |x| x.average_pool_by(Pool::new(3, 2, 1).ceil())),
        ("max_pool_ceil", |x| x.max_pool_by(Pool::new(3, 2, 1).ceil())),
        ("adaptive_average_pool", |x| x.adaptive_average_pool([3, 4])),
        ("adaptive_max_pool", |x| x.adaptive_max_pool([3, 4])),
        ("bilinear_corners_9x4", |x| x.resize([9, 4], BILINEAR)),
        ("bilinear_corners_3x11", |x| x.resize([3, 11], BILINEAR)),
        ("bicubic_9x4", |x| x.resize([9, 4], BICUBIC)),
        ("bicubic_3x11", |x| x.resize([3, 11], BICUBIC)),
        ("bicubic_corners_9x4", |x| x.resize([9, 4], BICUBIC_CORNERS)),
        ("bicubic_corners_3x11", |x| x.resize([3, 11], BICUBIC_CORNERS)),
        ("area", |x| x.resize([3, 8], Interpolation::Area)),
    ]);
}

#[test]
fn images_read_at_the_places_of_a_grid() {
    for golden in gan_ops() {
        for (corners, name) in [(Corners::Edges, "edges"), (Corners::Centres, "centres")] {
            golden.check_op(&format!("affine_grid_{name}"), &["theta"], |x| x[0].affine_grid([3, 4], corners));
            for (outside, border) in
                [(Outside::Zeros, "zeros"), (Outside::Border, "border"), (Outside::Reflection, "reflection")]
            {
                for (sampling, mode) in [(Sampling::Bilinear, "bilinear"), (Sampling::Nearest, "nearest")] {
                    golden.check_op(&format!("grid_{mode}_{border}_{name}"), &["x", "grid"], |x| {
                        x[0].grid_sample(&x[1], sampling, outside, corners)
                    });
                }
            }
        }
    }
}

#[test]
fn losses() {
    for golden in gan_ops() {
        golden.check_op("mse", &["x", "t"], |x| x[0].mse(&x[1]));
        golden.check_op("l1", &["x", "t"], |x| x[0].l1(&x[1]));
        let targets = golden.tensor("bce.t");
        golden.check_op("bce", &["x"], |x| x[0].bce(&targets));
    }
}

#[test]
fn instance_norm_tracks_and_uses_running_statistics() {
    for golden in gan_ops() {
        let x = golden.tensor("instance_norm.x");
        let norm = InstanceNorm::new(&mut Builder::new(x.device(), 0, 0u64), "norm", 2);
        golden.check("instance_norm.y", &norm.forward(&x, Mode::TRAIN));
        golden.check("instance_norm.running_mean", &norm.running_mean.get());
        golden.check("instance_norm.running_var", &norm.running_variance.get());
        golden.check("instance_norm.evaluated", &norm.forward(&x, Mode::Evaluate));
    }
}

#[test]
fn convolutions_with_groups_and_dilation() {
    let plain = Convolution::new(1, 1);
    let ways = [
        ("grouped", Convolution { stride: [2, 1], ..plain }.grouped(2), [7, 4]),
        ("depthwise", plain.grouped(3), [4, 4]),
        ("dilated", Convolution { dilation: [2, 3], ..Convolution::new(1, 2) }, [4, 4]),
        ("both", Convolution { padding: [3, 2], dilation: [3, 2], ..Convolution::new(2, 0) }.grouped(2), [7, 7]),
    ];
    for golden in gan_ops() {
        for (name, by, size) in ways {
            golden.check_op(&format!("conv2d_{name}"), &["x", "weight"], |x| x[0].conv2d(&filter(&x[1]), by));
            golden.check_op(&format!("conv_transpose2d_{name}"), &["x", "weight"], |x| {
                x[0].conv_transpose2d(&filter(&x[1]), size, by)
            });
        }
    }
}

#[test]
fn what_is_documented_of_ties_zeros_and_what_is_not_a_number_holds_on_every_device() {
    let all = crate::parity::devices().into_iter().chain([("reference".to_owned(), Device::reference())]);
    #[cfg(feature = "gpu")]
    let all = all.chain(crate::gpu::gpu().map(|device| ("gpu".to_owned(), device)));
    for (name, device) in all {
        let tensor = |values: &[f64]| Tensor::from_slice(&device, values, [values.len()]);
        let values = |x: &Tensor| x.to_vec::<f64>().unwrap();
        let slopes = |y: Tensor, x: &Tensor| values(&graft::grad(y.sum(), &[x])[0]);
        let nan = f64::NAN;

        let halves = tensor(&[-1.5, -0.5, 0.5, 1.5, 2.5]);
        assert_eq!(values(&halves.round()), [-2.0, 0.0, 0.0, 2.0, 2.0], "{name}");
        assert_eq!(values(&halves.floor()), [-2.0, -1.0, 0.0, 1.0, 2.0], "{name}");
        assert_eq!(
            values(&tensor(&[0.0, -0.0, nan, -3.0, f64::INFINITY]).sign()),
            [0.0, 0.0, 0.0, -1.0, 1.0],
            "{name}"
        );

        let (one, other) = (tensor(&[1.0, nan, 2.0]), tensor(&[1.0, 2.0, nan]));
        let smaller = values(&one.minimum(&other));
        assert!(smaller[0] == 1.0 && smaller[1].is_nan() && smaller[2].is_nan(), "{name}: {smaller:?}");
        let tie = tensor(&[1.0]);
        assert_eq!(slopes(tie.minimum(&tensor(&[1.0])), &tie), [0.5], "{name}");

        let none = values(&tensor(&[-2.0, -2.0, 0.0, 0.0, -2.0]).pow(&tensor(&[0.5, 3.0, 0.0, 2.0, -1.0])));
        assert!(none[0].is_nan(), "{name}: {none:?}");
        for (found, truth) in none[1..].iter().zip([-8.0, 1.0, 0.0, -0.5]) {
            assert!((found - truth).abs() < 1e-5, "{name}: {none:?}");
        }
        assert!(values(&tensor(&[-2.0]).powf(0.5))[0].is_nan(), "{name}");
        let (zero, exponent) = (tensor(&[0.0, 0.0]), tensor(&[0.0, 2.0]));
        assert_eq!(slopes(zero.pow(&exponent), &zero), [0.0, 0.0], "{name}");
        assert_eq!(slopes(zero.pow(&exponent), &exponent), [0.0, 0.0], "{name}");

        let zeros = tensor(&[0.0, 0.0]);
        assert_eq!((values(&zeros.norm()), slopes(zeros.norm(), &zeros)), (vec![0.0], vec![0.0, 0.0]), "{name}");
        let same = tensor(&[3.0, 3.0]);
        let std = |x: &Tensor| x.std_axes(&[0], false, 1);
        assert_eq!((values(&std(&same)), slopes(std(&same), &same)), (vec![0.0], vec![0.0, 0.0]), "{name}");
        assert!(values(&tensor(&[3.0]).var_axes(&[0], false, 1))[0].is_nan(), "{name}");
        assert_eq!(values(&zeros.normalize(0, 1e-12)), [0.0, 0.0], "{name}");
        let with_zero = tensor(&[0.0, 2.0, 3.0]);
        assert_eq!(slopes(with_zero.prod(), &with_zero), [6.0, 0.0, 0.0], "{name}");
        assert_eq!(values(&Tensor::zeros(&device, [0]).prod()), [1.0], "{name}");

        let kink = tensor(&[0.0, -1.0]);
        assert_eq!(slopes(kink.prelu(&tensor(&[0.25])), &kink), [0.25, 0.25], "{name}");
        let certain = tensor(&[0.0, 1.0]);
        let wrong = tensor(&[1.0, 0.0]);
        assert_eq!(values(&certain.bce(&wrong)), [100.0], "{name}");
        assert_eq!(slopes(certain.bce(&wrong), &certain), [0.0, 0.0], "{name}");
        assert_eq!(values(&certain.bce(&certain)), [0.0], "{name}");

        let image = Tensor::ones(&device, [1, 2, 2, 1]);
        let read = |place: f64, outside: Outside| {
            let grid = Tensor::from_slice(&device, &[place, 0.0], [1, 1, 1, 2]);
            values(&image.grid_sample(&grid, Sampling::Bilinear, outside, Corners::Edges))[0]
        };
        assert_eq!((read(1e30, Outside::Zeros), read(1e30, Outside::Border)), (0.0, 1.0), "{name}");
        assert!(read(nan, Outside::Zeros).is_nan() && read(nan, Outside::Border).is_nan(), "{name}");
    }
}
