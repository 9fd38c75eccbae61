//! MNIST and what is laid out like it (Fashion-MNIST, KMNIST, QMNIST): a folder of four IDX files, ten classes. A folder of EMNIST's files is
//! read as [`emnist`] says.

use std::path::{Path, PathBuf};

use super::kind::{Block, Kind, Places};
use super::{Classes, Dataset, Reading, Split, emnist, idx};
use crate::error::{Error, Result};

/// `mnist:DIR`: a folder with MNIST's four files.
pub(super) const KIND: Kind =
    Kind { name: "mnist", forms: &["mnist:DIR"], places: Places::Whole, check, load, block: Block::LastFifth };

const CLASSES: usize = 10;

/// What stands before the dimensions in the names of the files: MNIST's own, and QMNIST's.
fn stems(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["train", "qmnist-train"],
        Split::Test => &["t10k", "qmnist-test"],
        Split::Validation => &[],
    }
}

fn check(argument: &str) -> Result<()> {
    if argument.is_empty() {
        return Err(Error::Usage("`mnist:` must name the folder of MNIST's four IDX files: mnist:DIR".into()));
    }
    Ok(())
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let folder = Path::new(argument);
    if !folder.is_dir() {
        return Err(Error::invalid(format!(
            "there is no folder {argument}; put MNIST's four IDX files there (gzipped or not), name the folder that \
             has them, or use synthetic:strokes, which needs no files"
        )));
    }
    if split == Split::Validation {
        return Err(Split::held_out_instead(argument));
    }
    let places =
        [find(folder, split, "images", &["idx3-ubyte"]), find(folder, split, "labels", &["idx1-ubyte", "idx2-int"])];
    let [images, labels] = match places {
        [Err(Error::Invalid(why)), Err(_)] => match emnist::Set::in_folder(folder)? {
            Some(set) => return emnist::load_set(argument, folder, set, split, reading),
            None if split == Split::Test => return Err(Error::NoSplit(why)),
            None => return Err(Error::Invalid(why)),
        },
        [images, labels] => [images?, labels?],
    };
    let images = idx::images(&images, reading)?;
    let labels = idx::read_labels(&labels, images.count, Some(CLASSES))?;
    Ok(Dataset::labelled(argument, images, labels, Classes::numbered(0..CLASSES)).read_by(reading))
}

/// The file in any of its usual spellings: with a hyphen or a dot before the dimensions, gzipped or not.
fn find(folder: &Path, split: Split, content: &str, dimensions: &[&str]) -> Result<PathBuf> {
    let spellings = |stem: &str, dimensions: &str| {
        let of = |joint: &str| ["", ".gz"].map(|ending| format!("{stem}-{content}{joint}{dimensions}{ending}"));
        [of("-"), of(".")].concat()
    };
    let names: Vec<String> = stems(split)
        .iter()
        .flat_map(|stem| dimensions.iter().flat_map(|dimensions| spellings(stem, dimensions)).collect::<Vec<_>>())
        .collect();
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        Error::invalid(format!(
            "{} has none of {}; put the {split} {content} of MNIST there",
            folder.display(),
            spellings(stems(split)[0], dimensions[0]).join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Spec, real_data};
    use std::fs;

    fn spec(folder: &Path) -> Spec {
        format!("mnist:{}", folder.display()).parse().unwrap()
    }

    /// IDX files of two images of one pixel, and their two labels.
    const IMAGES: &[u8] = &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 10, 20];
    const LABELS: &[u8] = &[0, 0, 8, 1, 0, 0, 0, 2, 9, 3];

    #[test]
    fn both_spellings_are_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train-images-idx3-ubyte"), IMAGES).unwrap();
        fs::write(folder.path().join("train-labels.idx1-ubyte"), LABELS).unwrap();
        let dataset = spec(folder.path()).load(Split::Train).unwrap();
        assert_eq!(
            (dataset.images.into_pixels(), dataset.labels, dataset.classes.len()),
            (vec![10, 20], Some(vec![9, 3]), 10)
        );
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = spec(folder.path()).load(Split::Test).unwrap_err().to_string();
        for part in [folder.path().to_str().unwrap(), "t10k-images-idx3-ubyte.gz", "t10k-images.idx3-ubyte", "put"] {
            assert!(error.contains(part), "{error}");
        }
        let error = spec(&folder.path().join("absent")).load(Split::Train).unwrap_err().to_string();
        assert!(error.contains("absent") && error.contains("synthetic:strokes"), "{error}");
    }

    #[test]
    fn the_real_files_hold_what_was_published() {
        let Some(folder) = real_data("mnist") else { return };
        for (split, counts) in [
            (Split::Train, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
            (Split::Test, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
        ] {
            let dataset = spec(&folder).load(split).unwrap();
            assert_eq!((dataset.images.height, dataset.images.width, dataset.images.channels), (28, 28, 1));
            assert_eq!(dataset.class_counts(), counts);
        }
    }
}
