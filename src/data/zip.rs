//! A ZIP archive of pictures, laid out as a folder is, or with labels in a `dataset.json` as StyleGAN2-ADA's tools write it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::archive::Archive;
use super::classes::MOST_CLASSES;
use super::kind::{Block, Kind};
use super::pictures;
use super::tree::{Layout, Source, Tree, is_foreign};
use super::{Dataset, Reading, Split};
use crate::error::{Error, Result};

/// `zip:FILE`: an archive of images.
pub(super) const KIND: Kind = Kind { name: "zip", forms: &["zip:FILE"], check, load, block: Block::Drawn };

/// The file with labels, and the longest that is read.
const LABELS: &str = "dataset.json";
const MOST_BYTES: u64 = 1 << 30;

/// What it holds that matters here: pairs of a path and a class.
#[derive(Deserialize)]
struct Labels {
    labels: Option<Vec<(String, u32)>>,
}

fn check(argument: &str) -> Result<()> {
    if argument.is_empty() {
        return Err(Error::Usage("`zip:` must name a ZIP archive of images: zip:FILE".into()));
    }
    Ok(())
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let path = Path::new(argument);
    if !path.is_file() {
        let folder =
            if path.is_dir() { format!(", but a folder: name it as folder:{argument}") } else { String::new() };
        return Err(Error::invalid(format!("there is no archive {argument}{folder}")));
    }
    let archive = Arc::new(Archive::open(path)?);
    let labels = labels(&archive)?;
    let mut tree = Tree::default();
    for (index, entry) in archive.entries().iter().enumerate() {
        if entry.name.split('/').any(is_foreign) {
            tree.foreign += 1;
            continue;
        }
        for (slash, _) in entry.name.match_indices('/') {
            tree.folders.insert(entry.name[..slash].to_string());
        }
        tree.files.push((entry.name.clone(), Ok(Source::Archive(archive.clone(), index))));
    }
    if labels.is_none() {
        unwrap(&mut tree);
    }
    let layout = Layout::of(tree, argument, labels.as_ref())?;
    pictures::load(argument, layout, split, "put the images into folders train, val and test within it", reading)
}

/// Takes off the one folder that everything in an archive often lies in.
fn unwrap(tree: &mut Tree) {
    let Some(top) = tree.files.first().and_then(|(path, _)| path.split_once('/')).map(|(top, _)| format!("{top}/"))
    else {
        return;
    };
    if Split::named(top.trim_end_matches('/')).is_some() || !tree.files.iter().all(|(path, _)| path.starts_with(&top)) {
        return;
    }
    let below = |path: &str| path.strip_prefix(&top).map(str::to_string);
    tree.files.iter_mut().for_each(|(path, _)| *path = below(path).expect("all lie in it"));
    tree.folders = tree.folders.iter().filter_map(|folder| below(folder)).collect();
}

/// The labels of `dataset.json` by the path of their image, where there are any.
fn labels(archive: &Archive) -> Result<Option<HashMap<String, u32>>> {
    let Some(index) = archive.entries().iter().position(|entry| entry.name == LABELS) else { return Ok(None) };
    let wrong = |found: String| {
        let expected = format!("in {LABELS} \"labels\": null, or a list of pairs of a path and a class number");
        Error::format(archive.path(), 0, expected, found)
    };
    let bytes = archive.read(index, MOST_BYTES).map_err(wrong)?;
    let labels: Labels = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let Some(pairs) = labels.labels.filter(|pairs| !pairs.is_empty()) else { return Ok(None) };
    if let Some((path, label)) = pairs.iter().find(|(_, label)| *label as usize >= MOST_CLASSES) {
        return Err(wrong(format!("class {label} of {path}; at most {MOST_CLASSES} classes are possible")));
    }
    Ok(Some(pairs.into_iter().map(|(path, label)| (path.replace('\\', "/"), label)).collect()))
}
