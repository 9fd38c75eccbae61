//! The pages that draw: of a checkpoint, for `graft export`, and of a run or a comparison within its report.

use std::path::Path;

use super::warn;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::experiment::compare::{Cell, CellReport, Comparison};
use crate::experiment::translate::source_checkpoint;
use crate::interchange::{Drawn, Live};
use crate::run::{Named, RunFolder};

/// Of a checkpoint; of a transfer's with the generator that it came from beside it, where that is there and fits.
pub fn of(named: &Named, checkpoint: &Checkpoint, raw: bool, exact: bool) -> Result<Live> {
    let title = match &named.folder {
        Some(folder) => folder.path().file_name().unwrap_or(folder.path().as_os_str()),
        None => named.file.file_stem().unwrap_or(named.file.as_os_str()),
    };
    let transfer = named.folder.as_ref().filter(|folder| folder.command() == Some("transfer"));
    let source = transfer.map(|folder| source_checkpoint(folder, checkpoint).and_then(|path| Checkpoint::read(&path)));
    let drawn = beside(Drawn::load(checkpoint, raw)?, source);
    Live::new(&drawn, title.to_string_lossy(), exact)
}

/// Of what a person names: the last checkpoint of a run, or another of its.
pub fn of_path(path: &Path) -> Result<Live> {
    let named = Named::find(path)?;
    of(&named, &Checkpoint::read(&named.file)?, false, false)
}

/// Of the best arm of a comparison, with the most images, and of the lowest seed that has ended.
pub fn of_comparison(root: &Path, comparison: &Comparison) -> Result<Live> {
    let best = best_run(comparison).ok_or_else(|| {
        Error::invalid(format!("{} has no run with figures yet, of which the best could draw", root.display()))
    })?;
    let arm = comparison.protocol.arms.iter().find(|arm| arm.name == best.arm);
    let arm = arm.ok_or_else(|| Error::invalid(format!("{} knows no arm {}", root.display(), best.arm)))?;
    let cell = Cell { arm: arm.clone(), size: best.size, seed: best.seed };
    let checkpoint = RunFolder::open(&cell.folder(root))?.read_checkpoint()?;
    // An arm from scratch has learned nothing of a source.
    let source = cell.learned(root)?.map(|source| RunFolder::open(&source)?.read_checkpoint());
    let drawn = beside(Drawn::load(&checkpoint, false)?, source);
    Live::new(&drawn, format!("{} of {} images, seed {}", best.arm, best.size, best.seed), false)
}

/// The run of the lowest seed of the arm whose geometric mean of judge-FDs, over its seeds, is least; with the most images that an arm has.
fn best_run(comparison: &Comparison) -> Option<&CellReport> {
    let fd = |cell: &CellReport| Some(cell.record.as_ref()?.readings.as_ref()?.last.distances.frechet.judge_fd);
    let measured = |cell: &&CellReport| fd(cell).is_some_and(f64::is_finite);
    let size = comparison.cells.iter().filter(measured).map(|cell| cell.size).max()?;
    let of = |arm: &str| {
        let own: Vec<&CellReport> =
            comparison.cells.iter().filter(measured).filter(|cell| cell.arm == arm && cell.size == size).collect();
        let mean = own.iter().filter_map(|cell| fd(cell)).map(f64::ln).sum::<f64>() / own.len() as f64;
        own.into_iter().min_by_key(|cell| cell.seed).map(|first| (mean, first))
    };
    let arms = comparison.protocol.arms.iter().filter_map(|arm| of(&arm.name));
    arms.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, cell)| cell)
}

/// With its source, where there is one; says where it is not there or does not fit.
fn beside(drawn: Drawn, source: Option<Result<Checkpoint>>) -> Drawn {
    match source.map(|source| source.and_then(|source| drawn.source(&source))) {
        Some(Ok(source)) => drawn.beside(source),
        Some(Err(error)) => {
            warn(format!("the page shows the target's generator alone: {error}"));
            drawn
        }
        None => drawn,
    }
}
