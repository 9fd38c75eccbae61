//! EMNIST: handwritten letters and digits in MNIST's format, in six sets, whose pictures are stored on their side.
//!
//! Cohen et al., "EMNIST: an extension of MNIST to handwritten letters", 2017. Files are called `emnist-SET-train-images-idx3-ubyte` and so
//! on, gzipped or not. A picture's rows are stored as columns; it is turned while it is read. The labels of `letters` count from 1.

use std::path::{Path, PathBuf};

use super::kind::{Block, Kind, Places};
use super::store::Sink;
use super::{Classes, Dataset, Images, Reading, Split, idx};
use crate::error::{Error, Result};

/// `emnist:DIR[,SET]`: a folder of EMNIST's files, and which of its sets where there are several.
pub(super) const KIND: Kind = Kind {
    name: "emnist",
    forms: &["emnist:DIR[,SET]"],
    places: Places::BeforeComma,
    check,
    load,
    block: Block::LastFifth,
};

/// One of EMNIST's sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    name: &'static str,
    /// The letters of its classes, one a class.
    classes: &'static str,
    /// The label of the first.
    first: u32,
}

const DIGITS: &str = "0123456789";
const MERGED: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt";
const SETS: [Set; 6] = [
    Set { name: "balanced", classes: MERGED, first: 0 },
    Set { name: "bymerge", classes: MERGED, first: 0 },
    Set { name: "byclass", classes: "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", first: 0 },
    Set { name: "digits", classes: DIGITS, first: 0 },
    Set { name: "letters", classes: "abcdefghijklmnopqrstuvwxyz", first: 1 },
    Set { name: "mnist", classes: DIGITS, first: 0 },
];

impl Set {
    /// The set that a file is of, by its name.
    pub fn of_file(path: &Path) -> Option<Set> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let rest = name.strip_prefix("emnist-")?;
        SETS.into_iter().find(|set| rest.strip_prefix(set.name).is_some_and(|rest| rest.starts_with('-')))
    }

    /// The set that a folder holds.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are several.
    pub fn in_folder(folder: &Path) -> Result<Option<Set>> {
        let has =
            |set: &Set| [Split::Train, Split::Test].iter().any(|&split| set.find(folder, split, "images").is_some());
        let sets: Vec<Set> = SETS.into_iter().filter(has).collect();
        match sets[..] {
            [] => Ok(None),
            [set] => Ok(Some(set)),
            [first, ..] => {
                let names: Vec<&str> = sets.iter().map(|set| set.name).collect();
                let folder = folder.display();
                Err(Error::invalid(format!(
                    "{folder} has EMNIST's {}; say which, as in emnist:{folder},{}",
                    names.join(", "),
                    first.name
                )))
            }
        }
    }

    fn find(&self, folder: &Path, split: Split, content: &str) -> Option<PathBuf> {
        let dimensions = if content == "images" { "idx3-ubyte" } else { "idx1-ubyte" };
        ["", ".gz"]
            .map(|ending| folder.join(format!("emnist-{}-{split}-{content}-{dimensions}{ending}", self.name)))
            .into_iter()
            .find(|path| path.is_file())
    }
}

fn parts(argument: &str) -> (&Path, Option<&str>) {
    match argument.rsplit_once(',') {
        Some((folder, set)) => (Path::new(folder), Some(set)),
        None => (Path::new(argument), None),
    }
}

fn check(argument: &str) -> Result<()> {
    let (folder, set) = parts(argument);
    let known = set.is_none_or(|set| SETS.iter().any(|known| known.name == set));
    if folder.as_os_str().is_empty() || !known {
        return Err(Error::Usage(format!(
            "`emnist:{argument}` must name the folder of EMNIST's files and, where it has several sets, after a comma one of {}: \
             emnist:DIR[,SET]",
            SETS.map(|set| set.name).join(", ")
        )));
    }
    Ok(())
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let (folder, name) = parts(argument);
    if !folder.is_dir() {
        return Err(Error::invalid(format!(
            "there is no folder {}; put EMNIST's files (emnist-letters-train-images-idx3-ubyte.gz and so on) there",
            folder.display()
        )));
    }
    let named = SETS.into_iter().find(|set| Some(set.name) == name);
    let set = named.map_or_else(|| Set::in_folder(folder), |set| Ok(Some(set)))?.ok_or_else(|| {
        Error::invalid(format!(
            "{} has none of EMNIST's files; put emnist-letters-train-images-idx3-ubyte.gz and so on there",
            folder.display()
        ))
    })?;
    load_set(argument, folder, set, split, reading)
}

/// A split of one set in a folder.
///
/// # Errors
/// [`Error::NoSplit`] where it is not there.
pub(super) fn load_set(argument: &str, folder: &Path, set: Set, split: Split, reading: &Reading) -> Result<Dataset> {
    let advice = format!("put emnist-{}-{split}-images-idx3-ubyte and -labels-idx1-ubyte there", set.name);
    match (set.find(folder, split, "images"), set.find(folder, split, "labels")) {
        (Some(images), Some(labels)) => read(argument, set, &images, Some(&labels), reading),
        (None, None) if split != Split::Train => Err(split.missing(folder.display(), advice)),
        _ => {
            Err(Error::invalid(format!("{} lacks the {split} images or labels of EMNIST; {advice}", folder.display())))
        }
    }
}

/// The images of a file, the right way round, with the labels of another.
///
/// # Errors
/// Those of [`idx::read_images`].
pub(super) fn read(
    argument: &str,
    set: Set,
    images: &Path,
    labels: Option<&Path>,
    reading: &Reading,
) -> Result<Dataset> {
    let images = turned(idx::images(images, reading)?, reading)?;
    let Some(path) = labels else { return Ok(Dataset::unlabelled(argument, images).read_by(reading)) };
    let labels = idx::read_labels(path, images.count, Some(set.first as usize + set.classes.len()))?;
    let label = |label: u32| {
        let expected = || Error::format(path, 0, format!("labels from {} on", set.first), label.to_string());
        label.checked_sub(set.first).ok_or_else(expected)
    };
    let labels = labels.into_iter().map(label).collect::<Result<Vec<u32>>>()?;
    Ok(Dataset::labelled(argument, images, labels, Classes::new(set.classes.chars())).read_by(reading))
}

/// Rows become columns.
fn turned(images: Images, reading: &Reading) -> Result<Images> {
    let [count, height, width, channels] = images.shape();
    let mut sink = Sink::new([count, width, height, channels], reading)?;
    for index in 0..count {
        let pixels = images.image(index);
        let at = |place: usize| {
            let (channel, rest) = (place % channels, place / channels);
            let (x, y) = (rest % height, rest / height);
            pixels[(x * width + y) * channels + channel]
        };
        sink.push(&(0..pixels.len()).map(at).collect::<Vec<u8>>())?;
    }
    sink.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Spec;

    fn idx(magic: u8, dimensions: &[u32], bytes: &[u8]) -> Vec<u8> {
        let sizes: Vec<u8> = dimensions.iter().flat_map(|size| size.to_be_bytes()).collect();
        [&[0, 0, 8, magic][..], &sizes, bytes].concat()
    }

    #[test]
    fn letters_stand_upright_and_count_from_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("emnist-letters-train-images-idx3-ubyte", &idx(3, &[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
        write("emnist-letters-train-labels-idx1-ubyte", &idx(1, &[2], &[26, 1]));
        let place = folder.path().display();
        let files = format!(
            "idx:{place}/emnist-letters-train-images-idx3-ubyte,{place}/emnist-letters-train-labels-idx1-ubyte"
        );
        for spec in [format!("emnist:{place}"), format!("mnist:{place}"), format!("emnist:{place},letters"), files] {
            let spec: Spec = spec.parse().unwrap();
            let data = spec.load(Split::Train).unwrap();
            assert_eq!((data.images.shape(), &*data.images.image(0)), ([2, 3, 2, 1], &[1, 4, 2, 5, 3, 6][..]));
            assert_eq!((data.labels, data.classes.len()), (Some(vec![25, 0]), 26));
            assert_eq!((&*data.classes.names()[0], &*data.classes.names()[25]), ("a", "z"));
            assert!(matches!(spec.load(Split::Test), Err(Error::NoSplit(_))));
        }
        write("emnist-letters-train-labels-idx1-ubyte", &idx(1, &[2], &[0, 1]));
        let text = format!("emnist:{place}").parse::<Spec>().unwrap().load(Split::Train).unwrap_err().to_string();
        assert!(text.contains("expected labels from 1 on, found 0"), "{text}");
        write("emnist-balanced-test-images-idx3-ubyte", &[]);
        let text = format!("emnist:{place}").parse::<Spec>().unwrap().load(Split::Train).unwrap_err().to_string();
        assert!(text.contains("balanced, letters; say which"), "{text}");
    }

    #[test]
    fn sets_have_the_published_numbers_of_classes() {
        assert_eq!(SETS.map(|set| set.classes.len()), [47, 47, 62, 10, 26, 10]);
    }
}
