//! CIFAR-10 in its binary version: files of records, each a label and 32 x 32 pixels as three planes.
//!
//! Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::spec::Kind;
use super::{Classes, Dataset, Images, Split};
use crate::error::{Error, Result};

/// `cifar10:DIR`: the folder of the binary version's files.
pub(super) const KIND: Kind = Kind { name: "cifar10", forms: &["cifar10:DIR"], check, load };

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const PLANE: usize = SIDE * SIDE;
/// A label, and the red, green and blue plane, row by row.
const RECORD: usize = 1 + CHANNELS * PLANE;

fn file_names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => {
            &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"]
        }
        Split::Test => &["test_batch.bin"],
    }
}

fn check(argument: &str) -> Result<()> {
    if argument.is_empty() {
        return Err(Error::Usage("`cifar10:` must name the folder of CIFAR-10's binary version: cifar10:DIR".into()));
    }
    Ok(())
}

fn load(argument: &str, split: Split) -> Result<Dataset> {
    let folder = Path::new(argument);
    if !folder.is_dir() {
        return Err(Error::invalid(format!(
            "there is no folder {argument}; put the files of CIFAR-10's binary version (data_batch_1.bin and so on) \
             there, or name the folder that has them"
        )));
    }
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for name in file_names(split) {
        let path = folder.join(name);
        if !path.is_file() {
            let python = folder.join(name.trim_end_matches(".bin")).is_file();
            let hint = if python { ", only the Python version's file" } else { "" };
            let why =
                format!("{argument} has no {name}{hint}; put the {split} files of CIFAR-10's binary version there");
            return Err(if split == Split::Test && !python { Error::NoSplit(why) } else { Error::Invalid(why) });
        }
        read(&path, &mut pixels, &mut labels)?;
    }
    let images = Images::new([labels.len(), SIDE, SIDE, CHANNELS], pixels);
    Ok(Dataset::labelled(argument, images, labels, Classes::new(CLASSES)))
}

/// Appends the images and labels of a file, of which no more than one record is held as it is stored.
fn read(path: &Path, pixels: &mut Vec<u8>, labels: &mut Vec<u32>) -> Result<()> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let records = length / RECORD as u64;
    if records == 0 || length % RECORD as u64 != 0 {
        let expected = format!("records of {RECORD} bytes, one or more");
        return Err(Error::format(path, records * RECORD as u64, expected, format!("the end of the file at {length}")));
    }
    let mut file = std::io::BufReader::new(file);
    let mut record = [0; RECORD];
    for index in 0..records {
        file.read_exact(&mut record).map_err(Error::io("read", path))?;
        let (label, planes) = (record[0], &record[1..]);
        if usize::from(label) >= CLASSES.len() {
            let expected = format!("a label below {}", CLASSES.len());
            return Err(Error::format(path, index * RECORD as u64, expected, label.to_string()));
        }
        labels.push(label.into());
        pixels.extend((0..PLANE).flat_map(|place| [0, 1, 2].map(|channel| planes[channel * PLANE + place])));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Spec;
    use proptest::prelude::*;
    use std::fs;

    fn spec(folder: &Path) -> Spec {
        format!("cifar10:{}", folder.display()).parse().unwrap()
    }

    fn stored(record: usize, place: usize) -> u8 {
        ((record * 101 + place * 37) % 251) as u8
    }

    fn record(index: usize, label: u8) -> Vec<u8> {
        std::iter::once(label).chain((0..CHANNELS * PLANE).map(|place| stored(index, place))).collect()
    }

    /// A folder with one record in each file for training and two in that for testing.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (index, name) in file_names(Split::Train).iter().enumerate() {
            fs::write(folder.path().join(name), record(index, 9 - index as u8)).unwrap();
        }
        fs::write(folder.path().join("test_batch.bin"), [record(5, 0), record(6, 3)].concat()).unwrap();
        folder
    }

    #[test]
    fn planes_become_colours_and_files_follow_each_other() {
        let folder = folder();
        let train = spec(folder.path()).load(Split::Train).unwrap();
        assert_eq!((train.labels, train.classes.names()[3].as_str()), (Some(vec![9, 8, 7, 6, 5]), "cat"));
        let test = spec(folder.path()).load(Split::Test).unwrap();
        assert_eq!((test.images.count, test.images.height, test.images.width, test.images.channels), (2, 32, 32, 3));
        for (images, first) in [(train.images, 0), (test.images, 5)] {
            for image in 0..images.count {
                for (place, &found) in images.image(image).iter().enumerate() {
                    assert_eq!(found, stored(first + image, place % 3 * PLANE + place / 3));
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let folder = folder();
        let error = |split| spec(folder.path()).load(split).unwrap_err().to_string();
        let test = folder.path().join("test_batch.bin");
        for (bytes, part) in [
            (
                vec![],
                "test_batch.bin, byte 0: expected records of 3073 bytes, one or more, found the end of the file at 0",
            ),
            ([record(0, 1), vec![0; 9]].concat(), "byte 3073: expected records of 3073 bytes"),
            ([record(0, 1), record(1, 10)].concat(), "byte 3073: expected a label below 10, found 10"),
        ] {
            fs::write(&test, bytes).unwrap();
            let text = error(Split::Test);
            assert!(text.contains(part), "`{text}` lacks `{part}`");
        }
        fs::rename(folder.path().join("data_batch_3.bin"), folder.path().join("data_batch_3")).unwrap();
        let text = error(Split::Train);
        assert!(
            text.contains("has no data_batch_3.bin, only the Python version's file; put the train files"),
            "{text}"
        );
        let text = spec(&folder.path().join("gone")).load(Split::Train).unwrap_err().to_string();
        assert!(text.contains("there is no folder") && text.contains("data_batch_1.bin"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn only_whole_records_with_known_labels_are_accepted(length in 0..3 * RECORD, label: u8, whole: bool) {
            let folder = tempfile::tempdir().unwrap();
            let length = if whole { length.next_multiple_of(RECORD) } else { length };
            let bytes: Vec<u8> = record(0, label).into_iter().cycle().take(length).collect();
            fs::write(folder.path().join("test_batch.bin"), bytes).unwrap();
            let valid = length > 0 && length % RECORD == 0 && label < 10;
            match spec(folder.path()).load(Split::Test) {
                Ok(dataset) => prop_assert!(valid && dataset.len() == length / RECORD),
                Err(error) => prop_assert!(!valid, "{}", error),
            }
        }
    }
}
