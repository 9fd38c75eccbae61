//! NumPy's archives of arrays as data sets, with MedMNIST's names of arrays, Keras's, and those of whoever has one split only.

use std::path::Path;

use super::archive::{Archive, Entry};
use super::array::{Labels, classes_of, images_of, labels_of};
use super::decode::{Named, named};
use super::kind::{Block, Kind, Places};
use super::{Dataset, Reading, Split, npy};
use crate::error::{Error, Result};

/// `npz:FILE`: an archive of arrays.
pub(super) const KIND: Kind =
    Kind { name: "npz", forms: &["npz:FILE"], places: Places::Whole, check, load, block: Block::Drawn };

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
    let array = |index: usize| {
        let entry = &archive.entries()[index];
        let source = archive.unpack(index).map_err(|why| Error::format(path, 0, &entry.name, format!("that {why}")))?;
        npy::parse(path, &entry.name, source, entry.size)
    };
    let Some(images) = find(split, true) else { return Err(without(argument, split, archive.entries())) };
    let images = images_of(array(images)?, reading)?;
    // All splits share one list of classes, and have several labels an image or one.
    let mut labels = Vec::new();
    for of in Split::ALL {
        let Some(index) = find(of, false) else { continue };
        labels.push((of, labels_of(array(index)?, (of == split).then_some(images.count))?));
    }
    let unlabelled = |images, why: &str| {
        if !why.is_empty() {
            reading.listener.note(format!("{argument}: {why}"));
        }
        Ok(Dataset::unlabelled(argument, images).read_by(reading))
    };
    if labels.iter().any(|(_, labels)| matches!(labels, Labels::Several)) {
        return unlabelled(images, "each image has several labels, which play no part");
    }
    let (splits, labels): (Vec<Split>, Vec<Labels>) = labels.into_iter().unzip();
    let Some(place) = splits.iter().position(|&of| of == split) else {
        let why = if splits.is_empty() { String::new() } else { format!("the {split} split has no labels") };
        return unlabelled(images, &why);
    };
    let (classes, mut labels) = classes_of(path, labels)?;
    for (of, labels) in splits.iter().zip(&labels) {
        if let Some(lacking) = classes.lacking(labels.iter().copied()) {
            reading.listener.note(format!("{argument}: the {of} split has no images of {lacking}"));
        }
    }
    Ok(Dataset::labelled(argument, images, labels.swap_remove(place), classes).read_by(reading))
}

/// That no array has the images of a split.
fn without(argument: &str, split: Split, entries: &[Entry]) -> Error {
    const SHOWN: usize = 5;
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let holds = format!("it holds {}{more}", names[..names.len().min(SHOWN)].join(", "));
    if split == Split::Train && names.iter().any(|name| named(name) == Named::Picture) {
        return Error::invalid(format!(
            "{argument} has no arrays of images: {holds}; name an archive of pictures as zip:{argument}"
        ));
    }
    let advice =
        format!("{holds}; call arrays as MedMNIST does: train_images, train_labels, val_images, .., test_labels");
    match split {
        Split::Train => Error::invalid(format!("{argument} has no images: {advice}")),
        _ => split.missing(argument, advice),
    }
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
