//! Whether the runs of a comparison that go on at once fit into memory.

use std::collections::BTreeMap;

use super::{Cell, Design, Jobs, RealData};
use crate::backend::Device;
use crate::error::Result;
use crate::memory::{Amount, Limits};
use crate::transfer;

/// Refuses a comparison whose runs do not fit into a device: a run alone, or as many as go on at once.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) naming what is needed, what there is, and how many runs fit; what reading data says.
pub fn check_fits(design: &Design, real: &RealData, device: &Device, jobs: Jobs) -> Result<()> {
    let mut largest: BTreeMap<String, Cell> = BTreeMap::new();
    let cells = design.cells();
    for cell in &cells {
        let seen = largest.entry(cell.arm.name.clone()).or_insert_with(|| cell.clone());
        if cell.size > seen.size {
            *seen = cell.clone();
        }
    }
    let mut runs = Vec::new();
    for cell in largest.values() {
        let plan = cell.plan(&design.settings, jobs);
        plan.arm.recipe(&plan.recipe)?.check_fits(device)?;
        runs.push((plan, real.subset(cell.size, cell.seed)?));
    }
    let need = transfer::need(runs.iter().map(|(plan, target)| (plan, target)), device)?;
    let count = jobs.count.min(cells.len()).max(1);
    let amount = Amount { option: "--jobs", asked: count, least: 1, tried: usize::MAX };
    let otherwise = "use a smaller --batch or fewer --features";
    Limits::of(device)
        .check(&format!("a comparison with --jobs {count}"), otherwise, amount, |jobs| Ok(need.times(jobs)))
}
