//! A ZIP archive of pictures, laid out as a folder is, or with labels in a `dataset.json` as StyleGAN2-ADA's tools write it.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::archive::Archive;
use super::classes::MOST_CLASSES;
use super::kind::{Block, Kind, Places};
use super::layout::{Labels, Layout};
use super::pictures;
use super::tree::{Source, Tree, is_foreign};
use super::{Dataset, Reading, Split};
use crate::error::{Error, Result};

/// `zip:FILE`: an archive of images.
pub(super) const KIND: Kind =
    Kind { name: "zip", forms: &["zip:FILE"], places: Places::Whole, check, load, block: Block::Drawn };

/// The file with labels, and the longest that is read.
const LABELS: &str = "dataset.json";
const MOST_BYTES: u64 = 1 << 30;

/// What it holds that matters here: pairs of a path and a class, or null where images have no classes.
#[derive(Deserialize)]
struct Written {
    #[serde(default, deserialize_with = "said")]
    labels: Option<Option<Vec<(String, u32)>>>,
}

/// What is said, be it null.
fn said<'a, D: Deserializer<'a>, T: Deserialize<'a>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
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
    let mut tree = Tree::default();
    let mut add = |folder: &str| {
        if !folder.split('/').any(is_foreign) {
            tree.folders.insert(folder.to_string());
        }
    };
    for name in archive.entries().iter().map(|entry| &entry.name).chain(archive.folders()) {
        name.match_indices('/').for_each(|(slash, _)| add(&name[..slash]));
    }
    archive.folders().iter().for_each(|folder| add(folder));
    for (index, entry) in archive.entries().iter().enumerate() {
        if entry.name.split('/').any(is_foreign) {
            tree.foreign += 1;
        } else {
            tree.files.push((entry.name.clone(), Source::Archive(archive.clone(), index)));
        }
    }
    let layout = Layout::of(tree, argument, &|folder| labels(&archive, &format!("{folder}{LABELS}")), reading)?;
    pictures::load(argument, layout, split, "put the images into folders train, val and test within it", reading)
}

/// The labels of a `dataset.json` by the path of their image, where it is there and says whether there are any.
fn labels(archive: &Archive, name: &str) -> Result<Option<Labels>> {
    let Some(index) = archive.entries().iter().position(|entry| entry.name == name) else { return Ok(None) };
    let wrong = |found: String| {
        let expected = format!("in {name} \"labels\": null, or a list of pairs of a path and a class number");
        Error::format(archive.path(), 0, expected, found)
    };
    let bytes = archive.read(index, MOST_BYTES).map_err(wrong)?;
    let written: Written = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let Some(pairs) = written.labels else { return Ok(None) };
    let pairs = pairs.unwrap_or_default();
    if let Some((path, label)) = pairs.iter().find(|(_, label)| *label as usize >= MOST_CLASSES) {
        return Err(wrong(format!("class {label} of {path}; at most {MOST_CLASSES} classes are possible")));
    }
    let mut labels = Labels::new();
    for (path, label) in pairs {
        let path = path.replace('\\', "/");
        if let Some(other) = labels.insert(path.clone(), label).filter(|other| *other != label) {
            return Err(wrong(format!("classes {other} and {label} of {path}")));
        }
    }
    Ok(Some(labels))
}
