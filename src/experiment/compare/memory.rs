//! Whether the runs of a comparison that go on at once fit into memory.

use std::collections::BTreeMap;

use super::{Cell, Design, Jobs, RealData};
use crate::backend::Device;
use crate::error::Result;
use crate::gan::Architecture;
use crate::memory::{Amount, Limits, Need};
use crate::metrics::PanelSettings;
use crate::transfer;

/// Refuses a comparison whose runs do not fit into a device: a run alone, or as many as go on at once, with the panel that measures
/// them; and a panel whose training does not.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) naming what is needed, what there is, and how many runs fit; what reading data says.
pub fn check_fits(
    design: &Design,
    real: &RealData,
    panel: Option<&PanelSettings>,
    device: &Device,
    jobs: Jobs,
) -> Result<()> {
    let cells = design.cells();
    // Of an arm's runs one with the most images.
    let mut largest: BTreeMap<&str, &Cell> = BTreeMap::new();
    for cell in &cells {
        let seen = largest.entry(&cell.arm.name).or_insert(cell);
        if cell.size > seen.size {
            *seen = cell;
        }
    }
    let mut most = Need::default();
    for cell in largest.values() {
        let plan = cell.plan(&design.settings, jobs);
        most = most.or(transfer::need(&plan, &real.subset(cell.size, cell.seed)?, &real.source, device)?);
    }
    if let Some(panel) = panel {
        let Architecture { size, channels, .. } = design.settings.recipe.architecture;
        let (images, classes) = ([size, channels], real.validation.classes.len());
        panel.check_fits(images, classes, device)?;
        most = most.and(panel.need(images, classes, device)?);
    }
    let count = jobs.count.min(cells.len()).max(1);
    let amount = Amount { fits: "run at most N at once", asked: count, least: 1, tried: usize::MAX };
    let otherwise = "use a smaller batch or fewer features";
    let what = format!("a comparison with {count} runs at once");
    Limits::of(device).check(&what, otherwise, amount, |jobs| Ok(most.times(jobs)))
}
