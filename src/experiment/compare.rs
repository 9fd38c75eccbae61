//! The comparison of ways of training on a target: arms, at numbers of target images, over random seeds.
//!
//! Runs are paired: a seed gives every arm the same subset of the target, the same source (trained once a seed, and used at all
//! sizes, whose subsets are nested) and the same latents, and all arms take equally many steps on the target. On its way a run's
//! averaged generator is measured against the validation block, and at its end against images that nothing was trained or chosen
//! on. A [`Design`] says all of it, in the comparison's folder:
//!
//! | file | what |
//! | --- | --- |
//! | `comparison.toml` | the design |
//! | `compare.json` | a [`Comparison`]: everything found so far |
//! | `judge.safetensors` | the judge |
//! | `judge-other-seed.safetensors`, `judge-other-architecture.safetensors`, `class-free.safetensors` | those beside it, where three measure |
//! | `search.toml` | a search's copy, which makes it again |
//! | `cells/ARM-SIZE-seedK/` | a run, its figures on its way (`curve/`), where it was stopped (`rungs/`) and at its end (`evaluation.json`) |
//! | `source-seedK/` | what that seed learned of the source |
//! | `floors/` | the figures of real images |
//! | `claims/`, `workers.json` | which process has which run, and what they compute with |
//!
//! It can be stopped at any moment: [`run()`] continues with what is there. Any number of processes may work on it at once, each on the runs that
//! it [claims](crate::claims). A [`Search`] is a comparison whose arms are trials, most of
//! which are stopped on their way.

mod cell;
mod choice;
mod estimate;
mod halving;
mod images;
mod judging;
mod memory;
mod moved;
mod result;
mod search;
mod settings;
mod times;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use super::engine::Jobs;
pub use super::workers::Workers;
pub use cell::{Best, Look, Readings, Record};
pub use estimate::{Estimate, Planned, PlannedSearch, SearchEstimate, estimate, estimate_search};
pub use halving::{Fate, Found, Ranking, Rung, Tried};
pub use images::RealData;
pub use judging::Judging;
pub use memory::check_fits;
pub use moved::check_moved;
use moved::digests;
pub use result::{Beside, CellReport, Claimed, Comparison, ComparisonFloors, CopyFloor, Described};
pub use search::{Base, Halving, Search, Trial};
pub use settings::{Cell, Design, Digests, Row, Settings, standard_looks};
pub use times::{AgainstScratch, ArmTime, EqualMinutes, MeanMinutes, ScratchThen, Times, means};

use crate::backend::Device;
use crate::claims::{Claim, Claims};
use crate::error::{Error, Result, Way};
use crate::experiment::engine::{self, read_json, write_json};
use crate::experiment::verdict::Protocol;
use crate::experiment::workers;
use crate::metrics::{Evaluation, Judges, Panel, RealImages, Reference};
use crate::run::{self, Ending, Event};
use crate::transfer::{self, Shelf};
use cell::Runs;

const RESULT: &str = "compare.json";
const JUDGE: &str = "judge.safetensors";
/// What is claimed by who makes the judges.
const JUDGES: &str = "judges";

/// What happens in a comparison.
pub enum CellEvent<'a> {
    /// Something in a run, or in the training of a classifier on its samples.
    Of(&'a Event<'a>),
    /// A run has ended, and this was found so far.
    Ended(&'a Record, &'a Comparison),
    /// The run was lost to another process, as the words say.
    Lost(&'a Error),
    /// Other processes have all runs that are left, this and so many.
    Waiting(usize),
}

/// Who is told of every run, from several threads at once, and gives whether to go on: else every run ends behind its step, with a
/// checkpoint.
pub type Watcher<'w> = dyn Fn(&Cell, &CellEvent<'_>) -> ControlFlow<()> + Sync + 'w;

/// The design of the comparison in a folder with what is asked for now, whose images may lie elsewhere: see [`check_moved`]. Changes nothing.
///
/// # Errors
/// [`Error::Folder`] where the comparison in the folder has other settings, naming the difference.
pub fn joined(root: &Path, asked: &Design) -> Result<Design> {
    match Design::read(root)? {
        Some(known) => known.extended(asked).map_err(|difference| {
            Error::folder(format!("{}: {difference}", root.display()), [Way::Do("say the same"), Way::Elsewhere])
        }),
        None => Ok(asked.clone()),
    }
}

/// What processes claim while one of them makes a comparison's judges.
pub fn judges_piece(root: &Path) -> PathBuf {
    root.join(JUDGES)
}

/// The file of a comparison's judge.
pub fn judge_path(root: &Path) -> PathBuf {
    root.join(JUDGE)
}

/// Refuses a folder that holds something else; writes nothing.
///
/// # Errors
/// [`Error::Folder`] saying so.
pub fn check_place(root: &Path) -> Result<()> {
    workers::check_place(root, || Design::is_in(root), "comparison")
}

/// Makes a comparison's folder, or finds it as it was left, and gives the design with all that it had: the runs that are asked for
/// now are those of `asked`.
///
/// # Errors
/// [`Error::Folder`] where the folder holds something else, or a comparison with other settings, whose difference it names.
pub fn prepare(root: &Path, asked: &Design, claims: &Claims) -> Result<Design> {
    let turn = claims.wait(&root.join(workers::DESIGN), &mut || Ok(true))?;
    check_place(root)?;
    let design = joined(root, asked)?;
    turn.iter().try_for_each(Claim::check)?;
    design.write(root)?;
    Ok(design)
}

/// Refuses runs that would fail only behind the training of what they need; trains and writes nothing.
///
/// # Errors
/// Those of [`transfer::inspect`]; where the target has too few images.
pub fn inspect(design: &Design, real: &RealData, device: &Device) -> Result<()> {
    let cells = design.cells();
    // First the networks alone, once for an arm: where those are too large, nothing else need be made.
    let arms: BTreeMap<&str, &Cell> = cells.iter().map(|cell| (cell.arm.name.as_str(), cell)).collect();
    arms.values().try_for_each(|cell| cell.plan(&design.settings, Jobs::ONE).check_fits(device))?;
    cells.iter().try_for_each(|cell| {
        let (plan, subset) = (cell.plan(&design.settings, Jobs::ONE), real.subset(cell.size, cell.seed)?);
        transfer::inspect(&plan, &subset, &real.source, device)
    })
}

/// Refuses a comparison under three judges of which one measured a run whose checkpoint is gone; writes nothing.
///
/// # Errors
/// [`Error::Invalid`] naming the run, and what can be done; what files say.
pub fn check_completable(root: &Path, design: &Design) -> Result<()> {
    if design.judges == Judges::One {
        return Ok(());
    }
    let missing = |cell: &Cell| -> Result<bool> {
        let lacks = Record::read(root, cell)?.is_some_and(|record| record.lacks_panel());
        let there = || run::RunFolder::open(&cell.folder(root)).is_ok_and(|folder| folder.checkpoint().exists());
        Ok(lacks && !there())
    };
    for cell in design.cells() {
        if missing(&cell)? {
            return Err(Error::invalid(format!(
                "{cell} was measured by one judge, and its checkpoint, which three would need, is not in {}: put it back, remove {} to have \
                 the run made again, or compare under one judge",
                cell.folder(root).display(),
                cell::record_path(&cell.folder(root), None).display()
            )));
        }
    }
    Ok(())
}

/// Does the runs of `asked` that have not ended, and writes `compare.json` behind each. Of a search's runs all come to the first halving,
/// and to each later one, and to the end, those of the trials that were best at the one before.
///
/// # Errors
/// The first of any run, except that it diverged; what files and devices say.
pub fn run(
    root: &Path,
    asked: &Design,
    real: &RealData,
    judging: &Judging,
    device: &Device,
    workers: &Workers<'_>,
    watcher: &Watcher<'_>,
) -> Result<(Comparison, Ending)> {
    let images = Some(digests(asked, real)?);
    let asked = Design { judge: Some(judging.judge.hash().to_string()), images, ..asked.clone() };
    check_moved(root, &asked, real)?;
    let Workers { claims, jobs, .. } = *workers;
    let design = prepare(root, &asked, claims)?;
    keep_judges(root, judging)?;
    workers.join(root, RESULT, device)?;
    let (validation, halves) = (&real.validation, real.floor());
    let against = RealImages { held_out: validation, other: validation, training: None };
    let validation = judging.reference(&against)?;
    let fresh = judging.reference(&RealImages { held_out: &halves.0, other: &halves.1, training: None })?;
    let real_floor = real_floor(root, &fresh)?;
    // Without a test split, the headline is measured against the whole block.
    let headline = if real.test.is_some() { &fresh } else { &validation };
    let (held_out, judged_by, panel) = (headline.count(), headline.judged_by(), headline.panel().cloned());
    let protocol = design.protocol();
    let described = Described {
        settings: design.settings.clone(),
        arms: design.arms.clone(),
        sizes: design.sizes(),
        claims: Claimed { baselines: protocol.baselines, candidates: protocol.candidates },
        held_out,
        validation: validation.count(),
        judge: judged_by,
        panel,
        microkernel: workers::in_words(root, RESULT)?,
    };
    drop(fresh);
    let gather = || -> Result<Comparison> {
        // Another process may have asked for more by now, or have been let in.
        let design = Design::read(root)?.unwrap_or_else(|| design.clone());
        let microkernel = workers::in_words(root, RESULT)?;
        let described = of_design(&design, Described { microkernel, ..described.clone() });
        let comparison = Comparison::gather(root, &design, described, real_floor.clone())?;
        write_json(&root.join(RESULT), &comparison)?;
        Ok(comparison)
    };
    gather()?;
    let (settings, shelf) = (&design.settings, Shelf::of_cache());
    let mut runs =
        Runs { root, settings, real, judging, validation, device, jobs, shelf, until: None, gather: &gather, watcher };
    let ending = match &asked.search {
        None => engine::carry_out(&runs, asked.cells(), jobs, claims)?,
        Some(search) => climb(&mut runs, &asked, search, claims)?,
    };
    Ok((gather()?, ending))
}

/// Does the runs of a search, rung by rung.
fn climb(runs: &mut Runs<'_>, asked: &Design, search: &Search, claims: &Claims) -> Result<Ending> {
    for (number, rung) in halving::rungs(search, asked.settings.steps).iter().enumerate() {
        runs.until = halving::until(rung);
        let cells = halving::runs_of_rung(runs.root, asked, search, number)?;
        if engine::carry_out(runs, cells, runs.jobs, claims)? == Ending::Interrupted {
            return Ok(Ending::Interrupted);
        }
    }
    Ok(Ending::Finished)
}

/// What the comparison in a folder found so far, from what its runs left there; also while it goes on.
///
/// # Errors
/// [`Error::Invalid`] where there is none, or none of its runs can have begun; where a file is not what was written there.
pub fn found(root: &Path) -> Result<Comparison> {
    #[derive(Deserialize)]
    struct Written {
        protocol: Described,
    }
    let (design, written) = (Design::read(root)?, read_json::<Written>(&root.join(RESULT))?);
    let (design, protocol, real) = match (design, written, read_json(&real_floor_path(root))?) {
        (Some(design), Some(Written { protocol }), Some(real)) => (design, protocol, real),
        (Some(_), None, Some(_)) => {
            return Err(Error::invalid(format!(
                "{} lacks {RESULT}: wait for the graft compare that writes it, or begin that again in this folder, whose records are enough",
                root.display()
            )));
        }
        _ => {
            return Err(Error::invalid(format!(
                "{} holds no comparison of which a run has begun: wait, or begin one with graft compare",
                root.display()
            )));
        }
    };
    // Behind an extension that was stopped at its start, the design alone knows all arms.
    Comparison::gather(root, &design, of_design(&design, protocol), real)
}

/// A description with what a design that was extended says.
fn of_design(design: &Design, described: Described) -> Described {
    let Protocol { baselines, candidates, .. } = design.protocol();
    let (arms, sizes) = (design.arms.clone(), design.sizes());
    Described { arms, sizes, claims: Claimed { baselines, candidates }, ..described }
}

/// Keeps the judge, and the panel beside it, in a comparison's folder, where they are not yet.
///
/// # Errors
/// What writing says.
pub fn keep_judges(root: &Path, judging: &Judging) -> Result<()> {
    if !judge_path(root).exists() {
        judging.judge.write(&judge_path(root))?;
    }
    match judging.panel.as_ref().filter(|_| !Panel::is_in(root)) {
        Some(panel) => panel.write(root),
        None => Ok(()),
    }
}

/// Refuses a device of another kind than made the runs in a folder so far, unless it is let in; writes nothing.
///
/// # Errors
/// [`Error::Folder`] naming both kinds; what files say.
pub fn check_kind(root: &Path, device: &Device, mixed: bool) -> Result<()> {
    workers::check_kind(root, RESULT, device, mixed)
}

fn real_floor_path(root: &Path) -> PathBuf {
    root.join("floors").join("real.json")
}

/// The figures of fresh real images, measured once, and by a panel where that came later.
fn real_floor(root: &Path, fresh: &Reference) -> Result<Evaluation> {
    let path = real_floor_path(root);
    let known: Option<Evaluation> = read_json(&path)?;
    if let Some(known) = known.as_ref().filter(|known| known.panel.is_some() || fresh.panel().is_none()) {
        return Ok(known.clone());
    }
    let measured = fresh.floors()?.real;
    let floor = known.map_or_else(|| measured.clone(), |known| Evaluation { panel: measured.panel, ..known });
    write_json(&path, &floor)?;
    Ok(floor)
}
