//! NumPy's archives of arrays as data sets, with MedMNIST's names of arrays, Keras's, and those of whoever has one split only.

use std::path::Path;

use super::archive::Archive;
use super::array::{Labels, classes_of, images_of, labels_of};
use super::kind::{Block, Kind};
use super::{Dataset, Reading, Split, npy};
use crate::error::{Error, Result};

/// `npz:FILE`: an archive of arrays.
pub(super) const KIND: Kind = Kind { name: "npz", forms: &["npz:FILE"], check, load, block: Block::Drawn };

/// The names that an array of images may have beside that of its split, and one of labels.
const IMAGES: [&str; 6] = ["images", "x", "imgs", "data", "arr_0", "samples"];
const LABELS: [&str; 7] = ["labels", "y", "label", "targets", "target", "arr_1", "classes"];

fn check(argument: &str) -> Result<()> {
    if argument.is_empty() {
        return Err(Error::Usage("`npz:` must name a NumPy archive of images: npz:FILE".into()));
    }
    Ok(())
}

/// What the name of an array says: the split, and whether it holds images or labels. A name without a split is of the training split.
fn meaning(name: &str) -> Option<(Split, bool)> {
    let name = name.strip_suffix(".npy").unwrap_or(name).to_ascii_lowercase();
    let content = |word: &str| match word {
        word if IMAGES.contains(&word) => Some(true),
        word if LABELS.contains(&word) => Some(false),
        _ => None,
    };
    if let Some(images) = content(&name) {
        return Some((Split::Train, images));
    }
    let (first, second) = name.split_once('_')?;
    match (Split::named(first), content(second), content(first), Split::named(second)) {
        (Some(split), Some(images), ..) | (.., Some(images), Some(split)) => Some((split, images)),
        _ => None,
    }
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let path = Path::new(argument);
    if !path.is_file() {
        return Err(Error::invalid(format!(
            "there is no archive {argument}; name a NumPy archive that np.savez wrote"
        )));
    }
    let archive = Archive::open(path)?;
    let find = |split: Split, images: bool| {
        archive.entries().iter().position(|entry| meaning(&entry.name) == Some((split, images)))
    };
    let array = |index: usize| npy::parse(path, &archive.entries()[index].name, archive.whole(index)?);
    let Some(images) = find(split, true) else {
        let names: Vec<&str> = archive.entries().iter().map(|entry| entry.name.as_str()).collect();
        let advice = format!(
            "it holds {}; call arrays as MedMNIST does: train_images, train_labels, val_images, .., test_labels",
            names.join(", ")
        );
        return Err(match split {
            Split::Train => Error::invalid(format!("{argument} has no images: {advice}")),
            _ => split.missing(argument, advice),
        });
    };
    let what = archive.entries()[images].name.clone();
    let images = images_of(path, &what, array(images)?, reading)?;
    let Some(own) = find(split, false) else { return Ok(Dataset::unlabelled(argument, images).read_by(reading)) };
    // Its own labels first, then those of the other splits, which share its list of classes.
    let mut splits = Vec::new();
    for (of, index) in [(split, Some(own))]
        .into_iter()
        .chain(Split::ALL.into_iter().filter(|&other| other != split).map(|other| (other, find(other, false))))
    {
        let Some(index) = index else { continue };
        let labels = array(index)?;
        let count = if of == split { images.count } else { labels.shape.first().copied().unwrap_or(0) };
        match labels_of(path, &archive.entries()[index].name, labels, count)? {
            Some(labels) => splits.push(labels),
            None if of == split => {
                reading.listener.note(format!("{argument}: each image has several labels, which play no part"));
                return Ok(Dataset::unlabelled(argument, images).read_by(reading));
            }
            None => {}
        }
    }
    let splits: Vec<Labels> = splits;
    let (classes, labels) = classes_of(path, splits)?;
    let labels = labels.into_iter().next().expect("its own");
    Ok(Dataset::labelled(argument, images, labels, classes).read_by(reading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_arrays_tell_splits_and_contents() {
        for (name, expected) in [
            ("train_images.npy", Some((Split::Train, true))),
            ("val_labels.npy", Some((Split::Validation, false))),
            ("x_test.npy", Some((Split::Test, true))),
            ("y_train.npy", Some((Split::Train, false))),
            ("X.npy", Some((Split::Train, true))),
            ("arr_0.npy", Some((Split::Train, true))),
            ("arr_1.npy", Some((Split::Train, false))),
            ("weights.npy", None),
            ("train_names.npy", None),
        ] {
            assert_eq!(meaning(name), expected, "{name}");
        }
    }
}
