//! `graft devices --bench`: how fast a device is, beside what it can do at most and beside the cpu.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::compare_tables::aligned;
use super::output::{emit, is_quiet};
use super::{tell, warn};
use crate::backend::Device;
use crate::benchmark::{Bound, Ceilings, Kernels, Network, Row, training_steps};
use crate::error::{Error, Result};

/// What is measured, and how long.
pub struct Plan {
    networks: Vec<Network>,
    /// Rows, inner size and columns of products of matrices.
    products: Vec<[usize; 3]>,
    /// Rows and channels of what memory bounds.
    rows: [usize; 2],
    /// Adam's parameters.
    parameters: usize,
    /// For each kernel.
    kernel: Duration,
    /// For the steps of each network.
    training: Duration,
    /// Bytes between two uses of the same memory.
    apart: usize,
}

impl Plan {
    /// The networks of DCGAN, with the largest tensors of the larger one: under a minute on a card.
    pub fn usual() -> Plan {
        Plan {
            networks: Network::USUAL.to_vec(),
            // A layer of the latents, and a square.
            products: vec![[128, 100, 8192], [1024; 3]],
            rows: [128 * 32 * 32, 64],
            parameters: 4 * 4 * 256 * 512,
            kernel: Duration::from_millis(250),
            training: Duration::from_secs(3),
            // More than the caches of the cards and processors of today.
            apart: 512 << 20,
        }
    }
}

/// What training steps took on a device.
struct Training {
    network: Network,
    device: String,
    /// Milliseconds of those that were timed, the fastest first.
    times: Vec<f64>,
}

impl Training {
    fn median(&self) -> f64 {
        self.times[self.times.len() / 2]
    }
}

/// Everything that was measured.
struct Found {
    ceilings: Ceilings,
    kernels: Vec<Row>,
    trainings: Vec<Training>,
}

/// Measures a device and says what was found.
///
/// # Errors
/// [`Error::Option`] for the reference; the device's first failure.
pub fn bench(device: &Device) -> Result<()> {
    if device.is_double() {
        return Err(Error::option("device", "reference is there to be right, not fast: measure cpu or gpu"));
    }
    let began = Instant::now();
    let found = measure(device, &Plan::usual())?;
    let seconds = began.elapsed().as_secs_f64();
    let microkernel = device.backend().microkernel();
    let mut lines = vec![format!("{}, {microkernel}", device.name())];
    lines.extend(tables(device, &found));
    lines.push(format!("measured in {seconds:.0} s; docs/benchmarks.md says how to read it"));
    tell("bench", json!({ "device": device.name(), "microkernel": microkernel, "seconds": seconds }), lines.join("\n"));
    Ok(())
}

/// Goes through a plan. Where objects are spoken, each figure is said as it is found.
fn measure(device: &Device, plan: &Plan) -> Result<Found> {
    let goes_on_to = |what: &str| {
        if !is_quiet() {
            warn(format!("measuring {what}"));
        }
    };
    let kernels = Kernels::new(device, plan.kernel, plan.apart)?;
    goes_on_to("what the device does at most");
    let ceilings = kernels.ceilings()?;
    let (event, fields) = of_ceilings(device, &ceilings);
    emit(event, fields);
    let mut rows = Vec::new();
    let mut note = |found: Vec<Row>| {
        for row in &found {
            let (event, fields) = of_kernel(&ceilings, row);
            emit(event, fields);
        }
        rows.extend(found);
    };
    for network in &plan.networks {
        goes_on_to(&format!("the layers of {0}x{0} images", network.size));
        note(kernels.layers(network)?);
    }
    goes_on_to("products of matrices");
    for &sizes in &plan.products {
        note(kernels.products(sizes)?);
    }
    goes_on_to("what memory bounds");
    note(kernels.bound_by_memory(plan.rows, plan.parameters)?);
    device.release_idle();
    let mut devices = vec![device.clone()];
    if device.name() != Device::cpu().name() {
        devices.push(Device::cpu());
    }
    let mut trainings = Vec::new();
    for &network in &plan.networks {
        for device in &devices {
            goes_on_to(&format!("steps of training at {0}x{0} on the {1}", network.size, device.name()));
            let training = trained(network, device, plan.training)?;
            let (event, fields) = of_training(&training);
            emit(event, fields);
            trainings.push(training);
            device.release_idle();
        }
    }
    Ok(Found { ceilings, kernels: rows, trainings })
}

/// As many steps as the time allows, and at least one after the first.
fn trained(network: Network, device: &Device, budget: Duration) -> Result<Training> {
    /// Kernels are compiled in the first, and memory is taken in two.
    const WARM_UP: usize = 2;
    const FEWEST: usize = 3;
    const MOST: usize = 200;
    let began = Instant::now();
    let mut times = training_steps(&network, device, |times| {
        // Where a step alone takes so long, that one is slow matters less than that somebody waits.
        let enough = if began.elapsed() < budget { MOST } else { FEWEST };
        let is_slow = times.len() > 1 && began.elapsed() > 4 * budget;
        times.len() < WARM_UP + enough && !is_slow
    })?;
    times.drain(..WARM_UP.min(times.len() - 1));
    times.sort_by(f64::total_cmp);
    Ok(Training { network, device: device.name().to_string(), times })
}

fn of_ceilings(device: &Device, ceilings: &Ceilings) -> (&'static str, Json) {
    let fields = json!({
        "device": device.name(),
        "microkernel": device.backend().microkernel(),
        "threads": rayon::current_num_threads(),
        "clock": if ceilings.by_device { "device" } else { "host" },
        "gflops": ceilings.operations / 1e9,
        "gb_per_s": ceilings.bytes / 1e9,
    });
    ("ceilings", fields)
}

fn of_kernel(ceilings: &Ceilings, row: &Row) -> (&'static str, Json) {
    let rate = |bound| (row.bound == bound).then(|| row.rate() / 1e9);
    let fields = json!({
        "name": row.name,
        "role": (!row.role.is_empty()).then_some(row.role),
        "us": row.timing.median * 1e6,
        "fastest_us": row.timing.fastest * 1e6,
        "gflops": rate(Bound::Arithmetic),
        "gb_per_s": rate(Bound::Memory),
        "share": ceilings.share(row),
    });
    ("kernel", fields)
}

fn of_training(training: &Training) -> (&'static str, Json) {
    let Network { size, features, channels, batch } = training.network;
    let fields = json!({
        "device": training.device,
        "size": size,
        "features": features,
        "channels": channels,
        "batch": batch,
        "steps": training.times.len(),
        "ms_per_step": training.median(),
        "min_ms": training.times[0],
        "images_per_s": batch as f64 / training.median() * 1e3,
    });
    ("training", fields)
}

/// The ceilings in a line, then a table of what arithmetic bounds, of what memory bounds, and of steps.
fn tables(device: &Device, found: &Found) -> Vec<String> {
    let Found { ceilings, kernels, trainings } = found;
    let clock = if ceilings.by_device { "the device's own clock" } else { "the host's clock" };
    let mut lines = vec![format!(
        "at most {:.0} GFLOP/s of multiply-adds in registers, and {:.1} GB/s of a copy; by {clock}",
        ceilings.operations / 1e9,
        ceilings.bytes / 1e9
    )];
    for (bound, unit, ceiling) in [(Bound::Arithmetic, "GFLOP/s", "of peak"), (Bound::Memory, "GB/s", "of copy")] {
        let head = ["kernel", "role", "us", unit, ceiling].map(str::to_string).to_vec();
        let row = |row: &Row| {
            let share = format!("{:.0} %", 100.0 * ceilings.share(row));
            let us = format!("{:.1}", row.timing.median * 1e6);
            vec![row.name.clone(), row.role.to_string(), us, format!("{:.1}", row.rate() / 1e9), share]
        };
        let rows = kernels.iter().filter(|row| row.bound == bound).map(row);
        lines.push(String::new());
        lines.extend(aligned(&[head].into_iter().chain(rows).collect::<Vec<_>>()));
    }
    let head = ["training", "batch", "device", "ms a step", "fastest", "images/s"].map(str::to_string).to_vec();
    let row = |training: &Training| {
        let Network { size, batch, .. } = training.network;
        let [median, fastest] = [training.median(), training.times[0]];
        vec![
            format!("{size}x{size}"),
            batch.to_string(),
            training.device.clone(),
            format!("{median:.2}"),
            format!("{fastest:.2}"),
            format!("{:.0}", batch as f64 / median * 1e3),
        ]
    };
    lines.push(String::new());
    lines.extend(aligned(&[head].into_iter().chain(trainings.iter().map(row)).collect::<Vec<_>>()));
    let slower = trainings.iter().filter(|training| training.device != device.name());
    lines.extend(slower.filter_map(|cpu| {
        let own = trainings.iter().find(|own| own.network == cpu.network && own.device == device.name())?;
        let (size, ratio) = (cpu.network.size, cpu.median() / own.median());
        Some(format!("{size}x{size}: a step on the {} takes {ratio:.1} times as long", cpu.device))
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::Choice;

    fn tiny() -> Plan {
        Plan {
            networks: vec![Network { size: 16, features: 4, channels: 3, batch: 2 }],
            products: vec![[5, 6, 7]],
            rows: [50, 3],
            parameters: 70,
            kernel: Duration::from_millis(1),
            training: Duration::from_millis(1),
            // A copy that takes long beside what a busy machine keeps a thread waiting for: of less, the wait is what is measured.
            apart: 1 << 20,
        }
    }

    #[test]
    fn every_layer_role_and_step_is_measured_and_has_its_share_of_a_ceiling() {
        let gpu = Device::gpu(&Choice::Best).ok();
        if gpu.is_none() {
            println!("skipped on the gpu: there is none");
        }
        for device in [Device::cpu()].into_iter().chain(gpu) {
            let found = measure(&device, &tiny()).unwrap();
            // The image, 8x8x4, the score and the latent in three roles each, three forms of the product, and five that memory bounds.
            assert_eq!(found.kernels.len(), 4 * 3 + 3 + 5);
            let (_, ceilings) = of_ceilings(&device, &found.ceilings);
            assert!(ceilings["gflops"].as_f64().unwrap() > 0.01 && ceilings["gb_per_s"].as_f64().unwrap() > 0.01);
            for row in &found.kernels {
                let (_, kernel) = of_kernel(&found.ceilings, row);
                let of = |key: &str| kernel[key].as_f64().filter(|value| *value > 0.0);
                assert!(of("us") >= of("fastest_us") && of("fastest_us").is_some(), "{kernel}");
                assert!(of("share").is_some() && of("gflops").is_some() != of("gb_per_s").is_some(), "{kernel}");
            }
            let [first, others @ ..] = &found.trainings[..] else { panic!("no step was made") };
            assert_eq!(first.device, device.name());
            assert_eq!(others.len(), usize::from(device.name() != "cpu"), "the cpu stands beside a gpu");
            let (_, training) = of_training(first);
            assert!(
                training["ms_per_step"].as_f64() >= training["min_ms"].as_f64() && training["steps"].as_u64() > Some(0)
            );
            let lines = tables(&device, &found);
            let has = |start: &str, end: &str| lines.iter().any(|line| line.starts_with(start) && line.ends_with(end));
            assert!(has("16/8x8x4 ", " %") && has("5x6x7 ", " %") && has("adam 70 ", " %"), "{lines:#?}");
            assert!(lines.iter().any(|line| line.starts_with("16x16 ")), "{lines:#?}");
        }
    }
}
