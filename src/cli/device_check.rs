//! `graft devices --check`: a device's kernels against the reference, a line a family of ops.

use std::time::Instant;

use serde_json::json;

use super::compare_tables::aligned;
use super::output::is_quiet;
use super::{tell, warn};
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::tensor::conformance::{Allowance, FamilyCheck, check_family, table};

/// How many failures a person reads.
const SHOWN: usize = 20;

/// Checks a device.
///
/// # Errors
/// [`Error::Device`] where anything is off, behind what is said of it; [`Error::Usage`] for the reference.
pub fn check(device: &Device) -> Result<()> {
    if device.is_double() {
        let problem = "is what the others are checked against; its derivatives are held against finite differences by `cargo test gradcheck`";
        return Err(Error::option("device", format!("reference {problem}")));
    }
    let allowance = if device.name() == "cpu" { Allowance::CPU } else { Allowance::GPU };
    let began = Instant::now();
    // A row that panics is a line of the table.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let checks: Vec<FamilyCheck> = table::families()
        .into_iter()
        .map(|(name, family)| {
            let check = check_family(name, &family(), device, allowance);
            if !is_quiet() {
                warn(format!("{name}: {}", verdict(&check)));
            }
            check
        })
        .collect();
    std::panic::set_hook(hook);
    let (rows, failures): (usize, Vec<&String>) =
        (checks.iter().map(|check| check.rows).sum(), checks.iter().flat_map(|check| &check.failures).collect());
    let seconds = began.elapsed().as_secs_f64();
    let families: Vec<_> = checks.iter().map(of_family).collect();
    let microkernel = device.backend().microkernel();
    let fields = json!({
        "device": device.name(), "microkernel": microkernel, "rows": rows, "failures": failures, "seconds": seconds, "families": families,
    });
    let mut lines = vec![format!("{}, {microkernel}", device.name())];
    lines.extend(aligned(&tabled(&checks)));
    if let Some(nearest) = checks.iter().max_by(|a, b| a.worst.total_cmp(&b.worst)) {
        lines.push(format!("nearest to what is allowed: {}", nearest.at));
    }
    let left_out = failures.len().saturating_sub(SHOWN);
    lines.extend(failures.iter().take(SHOWN).map(|failure| format!("wrong: {failure}")));
    if left_out > 0 {
        lines.push(format!("and {left_out} more; --json has all"));
    }
    lines.push(match failures.len() {
        0 => format!("all {rows} rows agree with the reference, twice with the same bits, in {seconds:.0} s"),
        wrong => format!("{wrong} things are wrong in {rows} rows"),
    });
    tell("check", fields, lines.join("\n"));
    match failures.len() {
        0 => Ok(()),
        wrong => Err(Error::Device {
            device: device.name().to_string(),
            message: format!(
                "{wrong} results are not what they should be: train on another device, and report the table above"
            ),
        }),
    }
}

fn verdict(check: &FamilyCheck) -> String {
    match check.failures.len() {
        0 => "agrees".to_string(),
        1 => "1 failure".to_string(),
        wrong => format!("{wrong} failures"),
    }
}

fn of_family(check: &FamilyCheck) -> serde_json::Value {
    let FamilyCheck { family, rows, worst, error, at, failures } = check;
    // JSON knows no infinity.
    let finite = |number: f64| number.is_finite().then_some(number);
    json!({
        "family": family, "rows": rows, "worst_error": finite(*error), "share_of_allowed": finite(*worst), "at": at, "failures": failures.len(),
    })
}

fn tabled(checks: &[FamilyCheck]) -> Vec<Vec<String>> {
    let head = ["family", "rows", "worst error", "of allowed", ""].map(str::to_string).to_vec();
    let row = |check: &FamilyCheck| {
        let FamilyCheck { family, rows, worst, error, .. } = check;
        let share = if worst.is_finite() { format!("{:.0} %", 100.0 * worst) } else { "-".to_string() };
        vec![family.to_string(), rows.to_string(), format!("{error:.1e}"), share, verdict(check)]
    };
    [head].into_iter().chain(checks.iter().map(row)).collect()
}
