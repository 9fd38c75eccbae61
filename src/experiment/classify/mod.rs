//! Classifiers of a target from few labels: arms that are taught by its labelled images, a source, unlabelled images and a GAN's samples, at
//! numbers of labels a class, over random seeds.
//!
//! Runs are paired: a seed labels the same images in every arm, fewer labels being the first of more, and starts from the same classifier of the source;
//! all arms take equally many steps on the target. On its way a run's averaged classifier is looked at on the validation block, and at its end it is
//! measured on images that nothing was trained or chosen on. A [`Design`] says all of it, in the experiment's folder:
//!
//! | file | what |
//! | --- | --- |
//! | `classify.toml` | the design |
//! | `classify.json` | a [`Classification`]: everything found so far |
//! | `cells/ARM-SHOTS-seedK/` | a run: its looks, its `record.json`, and its `classifier.safetensors` |
//! | `source-seedK/` | what that seed learned of the source: its classifier, and GANs |
//! | `claims/`, `workers.json` | which process has which run, and what they compute with |
//!
//! It can be stopped at any moment: [`run`] continues with what is there.

mod arm;
mod cell;
mod data;
mod estimate;
mod kept;
mod labels;
mod memory;
mod result;
mod samples;
mod settings;
mod turns;

use std::ops::ControlFlow;
use std::path::Path;

pub use arm::{Arm, Teaching};
pub use cell::{Look, Record, classifier_path};
pub use data::{Data, Drawn};
pub use estimate::{Estimate, estimate};
pub use kept::KeptClassifier;
pub use labels::{FileLabels, LabelsFile};
pub use memory::check_fits;
pub use result::{Accuracy, Beside, CellReport, Classification, Described, Mean};
pub use settings::{Cell, Design, Digests, Row, Settings, run_folder};

use crate::backend::Device;
use crate::claims::{Claim, Claims};
use crate::error::{Error, Result};
use crate::experiment::engine::{self, write_json};
use crate::experiment::workers::{self, Workers};
use crate::run::{Ending, Event};
use crate::transfer::{LabelSource, Shelf};
use cell::Runs;

const RESULT: &str = "classify.json";

/// What happens in an experiment.
pub enum CellEvent<'a> {
    /// Something in a run.
    Of(&'a Event<'a>),
    /// A run has ended, and this was found so far.
    Ended(&'a Record, &'a Classification),
    /// The run was lost to another process, as the words say.
    Lost(&'a Error),
    /// Other processes have all runs that are left, this and so many.
    Waiting(usize),
}

/// Who is told of every run, from several threads at once, and gives whether to go on.
pub type Watcher<'w> = dyn Fn(&Cell, &CellEvent<'_>) -> ControlFlow<()> + Sync + 'w;

/// Refuses what would fail only behind hours of training; trains and writes nothing.
///
/// # Errors
/// Where a class has fewer labelled images than are asked for, or none where a CTGAN is to know it, or an arm takes turns with a GAN of other
/// classes, or more turns than steps.
pub fn inspect(design: &Design, data: &Data) -> Result<()> {
    let mut transfers = false;
    for arm in &design.arms {
        let teaching = arm.teaching()?;
        if teaching.rounds > 1 {
            turns::check(arm, &design.settings, data)?;
        }
        transfers |= teaching.samples > 0.0 && teaching.transfer;
    }
    let of_gan = design.settings.source.as_ref().filter(|_| transfers);
    let of_gan = of_gan.map(|source| data.of_gan.images(source)).transpose()?;
    for shots in design.shots() {
        let drawn = data.drawn(shots, 0)?;
        if let Some((images, _)) = &of_gan {
            LabelSource::FewShot(shots).check(&drawn.for_transfer(data.classes()), &images.classes)?;
        }
    }
    Ok(())
}

/// Refuses a folder that holds something else; writes nothing.
///
/// # Errors
/// [`Error::Folder`] saying so.
pub fn check_place(root: &Path) -> Result<()> {
    workers::check_place(root, || Design::is_in(root), "experiment of classifiers")
}

/// Makes an experiment's folder, or finds it as it was left, and gives the design with all that it had: the runs that are asked for now
/// are those of `asked`.
///
/// # Errors
/// [`Error::Folder`] where the folder holds something else, or an experiment with other settings, whose difference it names.
pub fn prepare(root: &Path, asked: &Design, claims: &Claims) -> Result<Design> {
    let turn = claims.wait(&root.join(workers::DESIGN), &mut || Ok(true))?;
    check_place(root)?;
    let design = Design::joined(root, asked)?;
    turn.iter().try_for_each(Claim::check)?;
    design.write(root)?;
    Ok(design)
}

/// Does the runs of `asked` that have not ended, and writes `classify.json` behind each.
///
/// # Errors
/// The first of any run, except that it diverged; what files and devices say.
pub fn run(
    root: &Path,
    asked: &Design,
    data: &Data,
    device: &Device,
    workers: &Workers<'_>,
    watcher: &Watcher<'_>,
) -> Result<(Classification, Ending)> {
    let design = prepare(root, asked, workers.claims)?;
    workers.join(root, RESULT, device)?;
    let gather = || -> Result<Classification> {
        // Another process may have asked for more by now, or have been let in.
        let design = Design::read(root)?.unwrap_or_else(|| design.clone());
        let microkernel = workers::in_words(root, RESULT)?;
        let found = Classification::gather(root, &design, Described::of(&design, data, &microkernel))?;
        write_json(&root.join(RESULT), &found)?;
        Ok(found)
    };
    gather()?;
    let (settings, shelf, jobs) = (&design.settings, Shelf::of_cache(), workers.jobs);
    let runs = Runs { root, settings, data, device, jobs, shelf, gather: &gather, watcher };
    let ending = engine::carry_out(&runs, asked.cells(), jobs, workers.claims)?;
    Ok((gather()?, ending))
}

/// What the experiment in a folder found so far, from what its runs left there; also while it goes on.
///
/// # Errors
/// [`Error::Invalid`] where none of its runs can have begun; where a file is not what was written there.
pub fn found(root: &Path, design: &Design, data: &Data) -> Result<Classification> {
    let microkernel = workers::in_words(root, RESULT)?;
    if microkernel.is_empty() {
        return Err(Error::invalid(format!("no run of {} has begun: wait, or begin it again", root.display())));
    }
    Classification::gather(root, design, Described::of(design, data, &microkernel))
}

/// As [`found`], where the images are no longer there as they were: what is said of them is what was written last.
///
/// # Errors
/// What files say. None where nothing was written yet.
pub fn found_before(root: &Path, design: &Design) -> Result<Option<Classification>> {
    let described = Described::kept(&root.join(RESULT), design)?;
    described.map(|described| Classification::gather(root, design, described)).transpose()
}

/// Refuses a device of another kind than made the runs in a folder so far, unless it is let in; writes nothing.
///
/// # Errors
/// [`Error::Folder`] naming both kinds; what files say.
pub fn check_kind(root: &Path, device: &Device, mixed: bool) -> Result<()> {
    workers::check_kind(root, RESULT, device, mixed)
}
