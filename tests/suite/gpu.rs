//! The gpu device against the reference. Where there is no adapter these tests say "skipped", unless `GRAFT_REQUIRE` names gpu.

use std::sync::LazyLock;

use graft::Device;
use graft::backend::gpu::Choice;
use graft::gradcheck::relative_error;

use crate::case::{Case, Largest};
use crate::cases::each_family;
use crate::parity::parts;

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

/// What f32 may be off by, as [`relative_error`]: WGSL leaves more bits of transcendental functions open than a host does.
fn tolerance(case: &Case) -> f64 {
    if case.transcendental { 1e-4 } else { 1e-5 }
}

fn gpu_agrees_with_the_reference(case: &Case, largest: &mut Largest) -> Result<(), String> {
    let Some(device) = gpu() else { return Ok(()) };
    let truth = case.derivatives(&Device::reference());
    let found = case.derivatives(&device);
    let mut failures = Vec::new();
    for (what, found, truth) in parts(&found, &truth) {
        let error = relative_error(found, truth);
        let kind = what.split_once(' ').map_or(&*what, |(kind, _)| kind).to_owned();
        let class = if case.transcendental { "transcendental" } else { "plain" };
        largest.note(&format!("{class} {kind}"), error, &case.name);
        let exact = what == "value" && case.exact || truth.iter().all(|&v| v == 0.0);
        let tolerance = if exact { 0.0 } else { tolerance(case) };
        if error > tolerance {
            failures.push(format!("{what} is {error:.2e} off, allowed are {tolerance:.0e}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n    ")) }
}

each_family!(gpu_agrees_with_the_reference);
