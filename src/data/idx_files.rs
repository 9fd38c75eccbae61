//! Any IDX files by their names; those of EMNIST are read as EMNIST's.

use super::array::{Labels, classes_of};
use super::kind::{Block, Kind, Places};
use super::{Dataset, Reading, Split, emnist, idx, pair};
use crate::error::Result;

/// `idx:IMAGES[,LABELS]`: any IDX files.
pub(super) const KIND: Kind =
    Kind { name: "idx", forms: &["idx:IMAGES[,LABELS]"], places: Places::Files, check, load, block: Block::LastFifth };

fn check(argument: &str) -> Result<()> {
    pair::check(KIND.name, argument)
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let (path, labels) = pair::files(KIND.name, argument, split)?;
    if let Some(set) = emnist::Set::of_file(path) {
        return emnist::read(argument, set, path, labels, reading);
    }
    let images = idx::images(path, reading)?;
    let Some(path) = labels else { return Ok(Dataset::unlabelled(argument, images).read_by(reading)) };
    let labels = idx::read_labels(path, images.count, None)?;
    let (classes, labels) = classes_of(path, vec![Labels::Numbers(labels.into_iter().map(u64::from).collect())])?;
    let labels = labels.into_iter().next().expect("one for one");
    Ok(Dataset::labelled(argument, images, labels, classes).read_by(reading))
}
