//! `graft devices --tune`: which tiles suit a gpu's products.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::compare_tables::aligned;
use super::output::{emit, say, speaks_json};
use crate::backend::{Device, Tuned};
use crate::benchmark::{Network, training_steps};
use crate::error::{Error, Result};

/// How long is measured at most, about.
const LIMIT: Duration = Duration::from_secs(120);

/// Measures the products of the usual networks' training on a device, and keeps what was best.
///
/// # Errors
/// [`Error::Option`] where there is nothing to choose; the device's first failure.
pub fn tune(device: &Device) -> Result<()> {
    tune_for(device, &Network::USUAL, LIMIT)
}

fn tune_for(device: &Device, networks: &[Network], limit: Duration) -> Result<()> {
    if device.name() != "gpu" {
        return Err(Error::option("device", format!("there is nothing to tune on {}: name a gpu", device.name())));
    }
    for network in networks {
        training_steps(network, device, |times| times.is_empty())?;
    }
    let tuned = device.backend().tune(limit, true)?;
    if tuned.is_empty() {
        let problem = "this gpu has no clock to tune by";
        return Err(Error::option("device", problem));
    }
    let mut rows = vec![["product", "usual", "ms", "taken", "ms", "gain", "GFLOP/s"].map(str::to_string).to_vec()];
    for found in &tuned {
        emit("tuned", json(device, found));
        let [usual, taken] = found.gain().map(|time| time.as_secs_f64());
        rows.push(vec![
            found.shape.clone(),
            found.times.first().map_or_else(String::new, |(name, _)| name.clone()),
            format!("{:.3}", usual * 1e3),
            found.taken.clone(),
            format!("{:.3}", taken * 1e3),
            format!("{:.2}", usual / taken),
            format!("{:.0}", 2.0 * found.work as f64 / taken * 1e-9),
        ]);
    }
    if speaks_json() {
        return Ok(());
    }
    aligned(&rows).iter().for_each(say);
    for found in tuned.iter().filter(|found| !found.other_bits.is_empty()) {
        say(format!("{}: other bits by {}, never taken", found.shape, found.other_bits.join(", ")));
    }
    Ok(())
}

fn json(device: &Device, found: &Tuned) -> Json {
    let times: Map<String, Json> =
        found.times.iter().map(|(name, time)| (name.clone(), json!(time.as_secs_f64() * 1e3))).collect();
    json!({
        "device": device.name(),
        "shape": found.shape,
        "multiply_adds": found.work,
        "ms": times,
        "other_bits": found.other_bits,
        "taken": found.taken,
    })
}
