//! Whether the runs of a comparison that go on at once fit into memory.

use super::{Design, Jobs, RealData};
use crate::backend::Device;
use crate::error::Result;
use crate::experiment::engine::largest;
use crate::gan::Architecture;
use crate::memory::Need;
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
    let mut most = Need::default();
    for cell in largest(&cells, |cell| &cell.arm.name, |cell| cell.size) {
        let plan = cell.plan(&design.settings, jobs);
        most = most.or(transfer::need(&plan, &real.subset(cell.size, cell.seed)?, &real.source, device)?);
    }
    if let Some(panel) = panel {
        let Architecture { size, channels, .. } = design.settings.recipe.architecture;
        let (images, classes) = ([size, channels], real.validation.classes.len());
        panel.check_fits(images, classes, device)?;
        most = most.and(panel.need(images, classes, device)?);
    }
    jobs.check_fit("a comparison", "use a smaller batch or fewer features", cells.len(), &most, device)
}
