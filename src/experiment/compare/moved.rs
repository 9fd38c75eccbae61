//! A comparison whose images lie elsewhere now than where it began, or may have changed: they are the same where what stands in its folder
//! says so.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::images::RealData;
use super::judge_path;
use super::settings::{Cell, Design, Digests, Settings};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result, Way};
use crate::run::RunFolder;
use crate::transfer::{Source, began_from};

/// Refuses other images than those that the comparison in a folder was begun with; changes nothing.
///
/// # Errors
/// [`Error::Folder`] naming what is another, or what cannot be told to be the same; what reading them says.
pub fn check_moved(root: &Path, asked: &Design, real: &RealData) -> Result<()> {
    let Some(known) = Design::read(root)? else { return Ok(()) };
    let (before, now) = (&known.settings.absolute()?, &asked.settings.absolute()?);
    let refused = |what: &str, before: &str, now: &str, why: &str| {
        let root = root.display();
        let problem =
            format!("{root}: the comparison was begun with {what} {before}, and now {now} is asked for, {why}");
        Err(Error::folder(problem, [Way::Do("say the same"), Way::Elsewhere]))
    };
    let changed = |what: &str| {
        let root = root.display();
        let problem = format!(
            "{root}: {what} has other images now than when the comparison began: some were added, removed or changed"
        );
        Err(Error::folder(problem, [Way::Do("put the images back as they were"), Way::Elsewhere]))
    };
    let changed_source = |what: &str, source: &str| match Source::parse(source)? {
        Source::Data(_) => changed(what),
        Source::Checkpoint(path) => {
            let (root, path) = (root.display(), path.display());
            let problem = format!(
                "{root}: {what}, {path}, is another checkpoint now than when the comparison began: was it trained on meanwhile?"
            );
            Err(Error::folder(problem, [Way::Do("put the checkpoint back"), Way::Elsewhere]))
        }
    };
    const OTHER: &str = "which holds other images";
    const UNKNOWN: &str = "and nothing there tells whether its images are the same";
    let held_out = known.images.as_ref().and_then(|images| images.held_out.as_ref());
    if before.reading.held_out != now.reading.held_out && held_out.is_none() {
        let name = |settings: &Settings| settings.reading.held_out.clone().unwrap_or("none".to_string());
        return refused("held-out", &name(before), &name(now), UNKNOWN);
    }
    match is_same_target(root, &known, real)? {
        Some(true) => {}
        None if before.target == now.target => {}
        Some(false) if before.target == now.target => return changed("the target"),
        same => return refused("target", &before.target, &now.target, same.map_or(UNKNOWN, |_| OTHER)),
    }
    match is_same_source(root, &known, now, real)? {
        Some(true) => {}
        None if before.source == now.source => {}
        Some(false) if before.source == now.source => return changed_source("the source", &now.source),
        same => return refused("source", &before.source, &now.source, same.map_or(UNKNOWN, |_| OTHER)),
    }
    let of_arms = known.images.as_ref().map(|images| &images.sources);
    for (arm, (source, digest)) in sources(asked, real)? {
        // Of what was written before these were looked at, its runs tell from which checkpoint they began.
        let of_runs = || match Source::parse(&source) {
            Ok(Source::Checkpoint(_)) => {
                let mut cells = known.cells().into_iter().filter(|cell| cell.arm.name == arm);
                cells.find_map(|cell| of_run(root, &cell))
            }
            _ => None,
        };
        let before = of_arms.and_then(|of_arms| of_arms.get(&arm).cloned()).or_else(of_runs);
        if before.is_some_and(|before| before != digest) {
            return changed_source(&format!("the source of the arm {arm}"), &source);
        }
    }
    match held_out.is_some_and(|digest| *digest != real.held_out().digest()) {
        true => changed("what figures are measured on"),
        false => Ok(()),
    }
}

/// The digests of a comparison's images.
///
/// # Errors
/// What reading sources says.
pub(super) fn digests(design: &Design, real: &RealData) -> Result<Digests> {
    Ok(Digests {
        target: real.training()?.digest(),
        source: Some(real.source.digest(&design.settings.source)?),
        held_out: Some(real.held_out().digest()),
        sources: sources(design, real)?.into_iter().map(|(arm, (_, digest))| (arm, digest)).collect(),
    })
}

/// The sources that arms have of their own, by arm, with their digests.
fn sources(design: &Design, real: &RealData) -> Result<BTreeMap<String, (String, String)>> {
    let mut sources = BTreeMap::new();
    for arm in &design.arms {
        if let Some(source) = arm.learning(design.settings.learning())?.source {
            let digest = real.source.digest(&source)?;
            sources.insert(arm.name.clone(), (source, digest));
        }
    }
    Ok(sources)
}

/// Whether runs learned from these images; None where there is nothing to tell.
fn is_same_target(root: &Path, known: &Design, real: &RealData) -> Result<Option<bool>> {
    if let Some(images) = &known.images {
        return Ok(Some(images.target == real.training()?.digest()));
    }
    for cell in known.cells() {
        let folder = RunFolder::open(&cell.folder(root));
        if let Some(digest) = folder.ok().and_then(|folder| field(&folder.checkpoint(), "data", "digest")) {
            return Ok(Some(digest == real.subset(cell.size, cell.seed)?.digest()));
        }
    }
    // A judge that learned from them tells that they are the same; another may have been named for them.
    let judged = Checkpoint::read(&judge_path(root)).ok();
    let judged = judged.and_then(|judge| Some(judge.header.get("data")?.as_str()?.to_string()));
    let is_same = judged.map(|digest| Ok::<_, Error>(digest == real.training()?.digest())).transpose()?;
    Ok(is_same.filter(|&is_same| is_same))
}

/// Whether a source was learned from these images, or was this checkpoint; None where none is there to tell.
fn is_same_source(root: &Path, known: &Design, now: &Settings, real: &RealData) -> Result<Option<bool>> {
    let (mut learned, mut used) = (known.images.as_ref().and_then(|images| images.source.clone()), None);
    for cell in known.cells() {
        let of_arm = cell.arm.learning(known.settings.learning())?.source.is_some();
        if of_arm {
            continue;
        }
        learned = learned.or_else(|| {
            let gan = RunFolder::open(&cell.folders(root).ok()?.source).ok()?;
            field(&gan.checkpoint(), "data", "digest")
        });
        used = used.or_else(|| of_run(root, &cell));
    }
    let known = match Source::parse(&now.source)? {
        Source::Data(_) => learned,
        Source::Checkpoint(_) => learned.or(used),
    };
    let is_same = known.map(|digest| Ok::<_, Error>(digest == real.source.digest(&now.source)?));
    Ok(is_same
        .transpose()?
        // Where nothing was learned of a source, it may be any.
        .or_else(|| (!learned_anything(root)).then_some(true)))
}

/// Whether there is what was learned of a source.
fn learned_anything(root: &Path) -> bool {
    let names = std::fs::read_dir(root).into_iter().flatten().flatten();
    names.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("source-seed"))
}

/// The digest of the source's checkpoint from which a run began; None where there is none to tell.
fn of_run(root: &Path, cell: &Cell) -> Option<String> {
    let run = RunFolder::open(&cell.folder(root)).ok()?;
    began_from(&Checkpoint::read(&run.checkpoint()).ok()?).map(str::to_string)
}

/// What a part of a checkpoint's header says; None where there is no such checkpoint.
fn field(checkpoint: &Path, part: &str, key: &str) -> Option<String> {
    let header = Checkpoint::read(checkpoint).ok()?.header;
    header.get(part)?.get(key).and_then(Json::as_str).map(str::to_string)
}
