//! The gpu device against the reference. Where there is no adapter these tests say "skipped", unless `GRAFT_REQUIRE` names gpu.

use std::sync::LazyLock;

use graft::backend::Activation;
use graft::backend::gpu::Choice;
use graft::conformance::{Allowance, Case, table};
use graft::nn::{Adam, AdamOptions, Layout, Optimiser, Parameter};
use graft::{Device, Tensor, grad};

use crate::case::{Largest, each_family, truth, verify};

/// The gpu device, shared by all tests; None, said on standard error, where there is none.
pub fn gpu() -> Option<Device> {
    static GPU: LazyLock<Option<Device>> = LazyLock::new(|| match Device::gpu(&Choice::Best) {
        Ok(device) => Some(device),
        Err(error) => {
            let required = std::env::var("GRAFT_REQUIRE").is_ok_and(|required| required.contains("gpu"));
            assert!(!required, "GRAFT_REQUIRE asks for a gpu: {error}");
            eprintln!("skipped: {error}");
            None
        }
    });
    GPU.clone()
}

fn gpu_agrees_with_the_reference(case: &Case, largest: &mut Largest) -> Result<(), String> {
    let Some(device) = gpu() else { return Ok(()) };
    let truth = truth(case);
    let found = case.derivatives(&device);
    let mut failures = Vec::new();
    for distance in case.distances(&found, &truth) {
        let class = if case.transcendental { "transcendental" } else { "plain" };
        largest.note(&format!("{class} {}", distance.part), distance.error, &case.name);
        let tolerance = Allowance::GPU.of_part(case, &distance);
        if distance.error > tolerance {
            failures.push(format!("{distance} is {:.2e} off, allowed are {tolerance:.0e}", distance.error));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n    ")) }
}

each_family!(gpu_agrees_with_the_reference);

#[test]
fn results_have_the_same_bits_twice() {
    let Some(device) = gpu() else { return };
    // Of geometries that are alike, half.
    let convolutions = table::large_convolutions().into_iter().step_by(2);
    let rows = table::normalisation().into_iter().chain(table::penalties()).chain(convolutions);
    verify(rows.collect(), |case, _| {
        let [one, two] = [(); 2].map(|()| case.derivatives(&device).bits());
        if one == two { Ok(()) } else { Err("not the same bits twice".to_owned()) }
    });
}

#[test]
fn extreme_arguments_give_finite_and_accurate_values() {
    let Some(device) = gpu() else { return };
    type Row = (&'static str, fn(&Tensor) -> Tensor);
    let rows: [Row; 14] = [
        ("exp", Tensor::exp),
        ("tanh", Tensor::tanh),
        ("sigmoid", Tensor::sigmoid),
        ("softplus", Tensor::softplus),
        ("relu", Tensor::relu),
        ("leaky_relu", |x| x.leaky_relu(0.2)),
        ("abs", Tensor::abs),
        ("powi 2", |x| x.powi(2)),
        ("powi -1", |x| x.powi(-1)),
        ("clamp", |x| x.clamp(-1.0, 1.0)),
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("erf", Tensor::erf),
        ("gelu", Tensor::gelu),
    ];
    let points = [100.0f32, -100.0, 30.0, -30.0, 0.7, -0.7, 0.01, -0.01, 1e-5, -1e-5, 1e-30, -1e-30];
    for (name, function) in rows {
        for x in points {
            let value = |device: &Device| {
                let x = Tensor::from_slice(device, &[x], [1]);
                let slope = grad(function(&x).sum(), &[&x]).remove(0);
                [function(&x).item().unwrap(), slope.item().unwrap()]
            };
            for (found, truth) in value(&device).into_iter().zip(value(&Device::reference())) {
                if truth.abs() <= f64::from(f32::MAX) {
                    // WGSL lets an implementation round what is below the smallest normal number to zero.
                    let allowed = 1e-5 * truth.abs() + f64::from(f32::MIN_POSITIVE);
                    assert!((found - truth).abs() <= allowed, "{name} at {x:e}: {found:e}, not {truth:e}");
                }
            }
        }
    }
    for (function, x, truth) in
        [("ln", 1e-30f32, -69.077_552_789_821_37), ("rsqrt", 1e-30, 1e15), ("sqrt", 1e-30, 1e-15)]
    {
        let at = Tensor::from_slice(&device, &[x], [1]);
        let found = match function {
            "ln" => at.ln(),
            "rsqrt" => at.rsqrt(),
            _ => at.sqrt(),
        };
        assert!((found.item().unwrap() / truth - 1.0).abs() < 1e-5, "{function} at {x:e}: {found:?}");
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    let Some(device) = gpu() else { return };
    let x = Tensor::from_slice(&device, &[f32::NAN, 1.0, -1.0], [3]);
    for (name, y) in [
        ("relu", x.relu()),
        ("leaky_relu", x.leaky_relu(0.2)),
        ("tanh", x.tanh()),
        ("sigmoid", x.sigmoid()),
        ("clamp", x.clamp(-0.5, 0.5)),
        ("sum", x.sum().reshape([1])),
    ] {
        let found = y.to_vec::<f32>().unwrap();
        assert!(found[0].is_nan() && found[1..].iter().all(|v| v.is_finite()), "{name}: {found:?}");
    }
}

#[test]
fn tensors_past_one_dimension_of_workgroups_agree() {
    let Some(device) = gpu() else { return };
    // One workgroup takes 256 elements one by one, 1,024 in words of four: both are past 65,535 of them.
    const LENGTH: usize = 65_535 * 1024 + 5;
    let bound = device.backend().bounds().largest_storage.unwrap() as usize / size_of::<f32>();
    let length = LENGTH.min(bound);
    let x = Tensor::full(&device, [length / 5, 5], 3.0);
    let shift = Tensor::from_slice(&device, &[0.0f32, 1.0, 2.0, 3.0, 4.0], [5]);
    let y = x + shift;
    let last = y.slice(0, length / 5 - 3, length / 5).to_vec::<f32>().unwrap();
    assert_eq!(last, [3.0, 4.0, 5.0, 6.0, 7.0].repeat(3));
    assert_eq!(y.powi(2).sum_axes(&[1], false).max().item().unwrap(), 135.0);
}

#[test]
fn a_tensor_over_the_binding_limit_is_an_error_and_one_under_it_is_not() {
    let Ok(device) = gpu().map_or(Err(()), |_| Device::gpu(&Choice::Best).map_err(|_| ())) else { return };
    let bytes = device.backend().bounds().largest_storage.unwrap();
    if bytes > 1 << 30 {
        println!("skipped: the limit of {bytes} bytes is more than a test should take");
        return;
    }
    let most = bytes as usize / size_of::<f32>();
    let under = Tensor::full(&device, [most], 2.0);
    assert_eq!(under.slice(0, most - 2, most).to_vec::<f32>().unwrap(), [2.0, 2.0]);
    let over = Tensor::full(&device, [most + 1], 2.0);
    let error = over.sum().item().unwrap_err().to_string();
    assert!(error.contains("smaller batch"), "{error}");
    // The first failure stays, and kernels do nothing.
    assert_eq!(under.sum().item().unwrap_err().to_string(), error);
    assert_eq!(device.sync().unwrap_err().to_string(), error);
}

#[test]
fn three_steps_of_adam_agree_and_leave_shared_storages_alone() {
    if let Some(device) = gpu() {
        crate::parity::adam_agrees("gpu", &device, 1e-6);
    }
}

#[test]
fn updates_of_several_parameters_at_once_and_tracked_statistics_are_those_of_the_reference() {
    let Some(device) = gpu() else { return };
    // Sizes of one and of many workgroups, and odd ones: in pairs, alone, and with gradients in two summands.
    let sizes = [5, 3000, 1, 1024, 777];
    let wave = |size: usize, phase: f64| -> Vec<f64> { (0..size).map(|i| (i as f64 * 0.7 + phase).sin()).collect() };
    let on = |device: &Device| -> Vec<Vec<f64>> {
        let tensor = |size: usize, phase: f64| Tensor::from_slice(device, &wave(size, phase), [size]);
        let parameters: Vec<Parameter> =
            sizes.iter().map(|&size| Parameter::new(format!("p{size}"), Layout::Plain, tensor(size, 0.1))).collect();
        let targets: Vec<Parameter> =
            sizes.iter().map(|&size| Parameter::new(format!("t{size}"), Layout::Plain, tensor(size, 0.2))).collect();
        let mut adam = Adam::new(parameters.clone(), AdamOptions { rate: 0.05, ..AdamOptions::default() });
        let gradients = |phase: f64| sizes.iter().map(|&size| tensor(size, phase)).collect::<Vec<Tensor>>();
        for step in 0..3 {
            adam.step(gradients(f64::from(step)));
            adam.step_sum(gradients(0.5), gradients(f64::from(step) + 1.0));
            Parameter::lerp_each(&targets, &parameters, 0.25);
        }
        let mut running = [tensor(6, 0.3), tensor(6, 0.4).powi(2)];
        let (gamma, beta) = (tensor(6, 0.6), tensor(6, 0.7));
        let mut outputs = Vec::new();
        // Few rows are a workgroup's, more are several.
        for rows in [9, 700, 5000] {
            let x = tensor(rows * 6, 0.8).reshape([rows, 6]) * 3.0;
            let (norm, moved) = x.batch_norm_tracked(&gamma, &beta, 1e-5, Activation::Relu, running, 0.3);
            running = moved;
            outputs.extend([norm.output, norm.mean, norm.variance]);
        }
        let slots = parameters.iter().chain(&targets).map(Parameter::get);
        slots.chain(outputs).chain(running).map(|tensor| tensor.to_vec().unwrap()).collect()
    };
    for (index, (found, expected)) in on(&device).iter().zip(on(&Device::reference())).enumerate() {
        let far = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-5, "number {index} is {far:.1e} off");
    }
}

#[test]
fn adapters_that_are_not_there_are_named_errors() {
    if gpu().is_none() {
        return;
    }
    let error = Device::gpu(&Choice::Named("no such adapter".to_owned())).unwrap_err().to_string();
    assert!(error.starts_with("no GPU is named \"no such adapter\"; there are: "), "{error}");
    assert!("gpu:".parse::<Device>().is_err());
}
