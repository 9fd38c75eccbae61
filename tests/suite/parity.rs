//! The cpu device against the reference, with each of its microkernels; and the same bits for any number of threads, and for instructions
//! that round alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use graft::backend::cpu::Simd;
use graft::backend::{AdamState, AdamStep, HostSlice, HostVec};
use graft::conformance::{Allowance, Case, Distance, Form, table::all};
use graft::gradcheck::relative_error;
use graft::{Device, Tensor};
use rayon::ThreadPoolBuilder;

use crate::case::{Largest, each_family, truth, verify};

/// The cpu device with every microkernel of this machine, and its name.
pub fn devices() -> Vec<(String, Device)> {
    Simd::available().into_iter().map(|simd| (simd.name().to_owned(), Device::cpu_with(simd))).collect()
}

fn tolerance(case: &Case) -> f64 {
    Allowance::CPU.of(case)
}

fn cpu_agrees_with_the_reference(case: &Case, largest: &mut Largest) -> Result<(), String> {
    let truth = truth(case);
    let mut failures = Vec::new();
    for (microkernel, device) in devices() {
        let found = case.derivatives(&device);
        for distance in case.distances(&found, &truth) {
            let Distance { error, largest: size, .. } = distance;
            largest.note(&format!("{microkernel} {}", distance.part), error, &case.name);
            let tolerance = Allowance::CPU.of_part(case, &distance);
            if error > tolerance {
                failures.push(format!(
                    "{microkernel}: {distance} is {error:.2e} off, allowed are {tolerance:.0e} (largest element {size:.2e})"
                ));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n    ")) }
}

each_family!(cpu_agrees_with_the_reference);

#[test]
fn results_have_the_same_bits_for_any_number_of_threads() {
    let pools = [1, 2, 3].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    verify(all(), |case, _| {
        for (microkernel, device) in devices() {
            // Large rows are nearly all of the work.
            let counts = if case.large { &[1, 3][..] } else { &[1, 2, 3] };
            let bits = |&threads: &usize| pools[threads - 1].install(|| case.derivatives(&device).bits());
            let all: Vec<_> = counts.iter().map(bits).collect();
            if all.iter().any(|others| *others != all[0]) {
                return Err(format!("{microkernel}: not the same bits with {counts:?} threads"));
            }
        }
        Ok(())
    });
}

#[test]
fn instructions_that_round_alike_give_the_same_bits() {
    let mut alike: BTreeMap<&str, Vec<Simd>> = BTreeMap::new();
    for simd in Simd::available() {
        alike.entry(simd.rounding()).or_default().push(simd);
    }
    alike.retain(|_, sets| sets.len() > 1);
    if alike.is_empty() {
        return println!("skipped: no two sets of this machine's instructions round alike");
    }
    verify(all(), |case, _| {
        for sets in alike.values() {
            let bits: Vec<_> = sets.iter().map(|&simd| case.derivatives(&Device::cpu_with(simd)).bits()).collect();
            if bits.iter().any(|others| *others != bits[0]) {
                return Err(format!("not the same bits with {sets:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn linear_rows_and_their_vjps_are_transposes_on_cpu_too() {
    let dot = |a: &Tensor, b: &Tensor| {
        let (a, b): (Vec<f64>, Vec<f64>) = (a.to_vec().unwrap(), b.to_vec().unwrap());
        let products: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a * b).collect();
        (products.iter().sum::<f64>(), products.iter().map(|v| v.abs()).sum::<f64>())
    };
    verify(all(), |case, largest| {
        if case.form != Form::Multilinear {
            return Ok(());
        }
        for (microkernel, device) in devices() {
            let (inputs, constants) = case.draw(&device);
            let value = case.apply(&inputs, &constants);
            let direction = case.direction(&value, inputs.len());
            let (forward, size) = dot(&value, &direction);
            for (x, slope) in inputs.iter().zip(case.derivatives(&device).gradient) {
                let slope = Tensor::from_slice(&device, &slope, x.shape());
                let error = (forward - dot(x, &slope).0).abs() / size;
                largest.note(&microkernel, error, &case.name);
                if error > tolerance(case) {
                    return Err(format!("{microkernel}: <Ax, y> - <x, A'y> is {error:.1e} of <|Ax|, |y|>"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn three_steps_of_adam_agree_and_leave_shared_storages_alone() {
    for (microkernel, device) in devices() {
        adam_agrees(&microkernel, &device, 1e-6);
    }
}

/// Fails unless three steps on a device are those on the reference, and leave a shared storage alone.
pub fn adam_agrees(name: &str, device: &Device, tolerance: f64) {
    const LENGTH: usize = 40_000;
    let wave = |phase: f64| -> Vec<f64> { (0..LENGTH).map(|i| f64::from((i as f64 + phase).sin() as f32)).collect() };
    let run = |device: &Device| {
        let backend = device.backend();
        let upload = |values: &[f64]| Arc::new(backend.upload(HostSlice::F64(values)));
        let first = upload(&wave(0.0));
        let zeros = || upload(&vec![0.0; LENGTH]);
        let mut state = AdamState { parameter: Arc::clone(&first), first_moment: zeros(), second_moment: zeros() };
        for t in 1..=3 {
            let step = AdamStep {
                rate: 2e-4,
                beta1: 0.5,
                beta2: 0.999,
                epsilon: 1e-8,
                correction1: 1.0 - 0.5f64.powi(t),
                correction2: 1.0 - 0.999f64.powi(t),
            };
            state = backend.adam(&step, state, &upload(&wave(f64::from(t))));
        }
        let download = |storage| match backend.download(storage).unwrap() {
            HostVec::F32(values) => values.into_iter().map(f64::from).collect(),
            HostVec::F64(values) => values,
        };
        assert_eq!(download(&first), wave(0.0), "{}: a storage with another owner was written", device.name());
        [&state.parameter, &state.first_moment, &state.second_moment].map(|storage| download(storage))
    };
    let truth = run(&Device::reference());
    for (found, truth) in run(device).iter().zip(&truth) {
        let error = relative_error(found, truth);
        assert!(error < tolerance, "{name}: Adam is {error:.1e} off");
    }
}
