//! CIFAR-10 and CIFAR-100 in their binary versions: files of records, each a label (of CIFAR-100 two: the coarse and the fine class) and
//! 32 x 32 pixels as three planes.
//!
//! Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::kind::{Block, Kind, Places};
use super::store::Sink;
use super::{Classes, Dataset, Reading, Split};
use crate::error::{Error, Result};

/// `cifar10:DIR`: the folder of the binary version's files.
pub(super) const KIND_10: Kind = Kind {
    name: "cifar10",
    forms: &["cifar10:DIR"],
    places: Places::Whole,
    check: |argument| CIFAR_10.check(argument),
    load: |argument, split, reading| CIFAR_10.load(argument, split, reading),
    block: Block::LastFifth,
};

/// `cifar100:DIR`: the same of CIFAR-100, with its fine classes.
pub(super) const KIND_100: Kind = Kind {
    name: "cifar100",
    forms: &["cifar100:DIR"],
    places: Places::Whole,
    check: |argument| CIFAR_100.check(argument),
    load: |argument, split, reading| CIFAR_100.load(argument, split, reading),
    block: Block::LastFifth,
};

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PLANE: usize = SIDE * SIDE;
/// The red, green and blue plane, row by row, which stand behind the labels of a record.
const PLANES: usize = CHANNELS * PLANE;

/// One of the two.
struct Cifar {
    name: &'static str,
    /// The labels of a record, of which the last counts.
    labels: usize,
    classes: &'static str,
    train: &'static [&'static str],
    test: &'static [&'static str],
}

const CIFAR_10: Cifar = Cifar {
    name: "CIFAR-10",
    labels: 1,
    classes: "airplane automobile bird cat deer dog frog horse ship truck",
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: &["test_batch.bin"],
};

const CIFAR_100: Cifar =
    Cifar { name: "CIFAR-100", labels: 2, classes: FINE, train: &["train.bin"], test: &["test.bin"] };

/// The fine classes, in the order of their labels.
const FINE: &str = "\
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle \
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant \
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree \
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate \
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider \
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle \
    wardrobe whale willow_tree wolf woman worm";

impl Cifar {
    fn check(&self, argument: &str) -> Result<()> {
        if argument.is_empty() {
            let kind = self.name.to_lowercase().replace('-', "");
            return Err(Error::Usage(format!(
                "`{kind}:` must name the folder of {}'s binary version: {kind}:DIR",
                self.name
            )));
        }
        Ok(())
    }

    fn load(&self, argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
        let (folder, name) = (Path::new(argument), self.name);
        if !folder.is_dir() {
            return Err(Error::invalid(format!(
                "there is no folder {argument}; put the files of {name}'s binary version ({} and so on) there, or name the folder \
                 that has them",
                self.train[0]
            )));
        }
        let files = match split {
            Split::Train => self.train,
            Split::Test => self.test,
            Split::Validation => {
                return Err(Split::held_out_instead(argument));
            }
        };
        let mut paths = Vec::new();
        for file in files {
            let path = folder.join(file);
            if !path.is_file() {
                let python = folder.join(file.trim_end_matches(".bin")).is_file();
                let hint = if python { ", only the Python version's file" } else { "" };
                let why =
                    format!("{argument} has no {file}{hint}; put the {split} files of {name}'s binary version there");
                return Err(if split == Split::Test && !python { Error::NoSplit(why) } else { Error::Invalid(why) });
            }
            paths.push((self.records(&path)?, path));
        }
        let count = paths.iter().map(|(records, _)| *records as usize).sum();
        let (mut sink, mut labels) = (Sink::new([count, SIDE, SIDE, CHANNELS], reading)?, Vec::new());
        for (records, path) in &paths {
            self.read(path, *records, &mut sink, &mut labels)?;
        }
        Ok(Dataset::labelled(argument, sink.finish()?, labels, Classes::new(self.classes.split(' '))).read_by(reading))
    }

    /// Bytes of a record.
    fn size(&self) -> u64 {
        (self.labels + PLANES) as u64
    }

    /// How many records a file has.
    fn records(&self, path: &Path) -> Result<u64> {
        let size = self.size();
        let length = path.metadata().map_err(Error::io("read", path))?.len();
        let records = length / size;
        if records == 0 || length % size != 0 {
            let expected = format!("records of {size} bytes, one or more");
            return Err(Error::format(path, records * size, expected, format!("the end of the file at {length}")));
        }
        Ok(records)
    }

    /// Appends the images and labels of a file, of which no more than one record is held as it is stored.
    fn read(&self, path: &Path, records: u64, sink: &mut Sink, labels: &mut Vec<u32>) -> Result<()> {
        let classes = self.classes.split(' ').count();
        let size = self.size();
        let mut file = BufReader::new(File::open(path).map_err(Error::io("read", path))?);
        let mut record = vec![0; size as usize];
        for index in 0..records {
            file.read_exact(&mut record).map_err(Error::io("read", path))?;
            let (own, planes) = record.split_at(self.labels);
            let label = own[self.labels - 1];
            if usize::from(label) >= classes {
                let place = index * size + self.labels as u64 - 1;
                return Err(Error::format(path, place, format!("a label below {classes}"), label.to_string()));
            }
            labels.push(label.into());
            let pixels = (0..PLANE).flat_map(|place| [0, 1, 2].map(|channel| planes[channel * PLANE + place]));
            sink.push(&pixels.collect::<Vec<u8>>())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Spec;
    use proptest::prelude::*;
    use std::fs;

    const RECORD: usize = 1 + PLANES;

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
        for (index, name) in CIFAR_10.train.iter().enumerate() {
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

    #[test]
    fn of_cifar_100_the_fine_class_counts() {
        let folder = tempfile::tempdir().unwrap();
        let record = |coarse: u8, fine: u8| [&[coarse, fine][..], &record(0, 0)[1..]].concat();
        fs::write(folder.path().join("train.bin"), [record(0, 99), record(4, 4)].concat()).unwrap();
        let spec: Spec = format!("cifar100:{}", folder.path().display()).parse().unwrap();
        let data = spec.load(Split::Train).unwrap();
        let names: Vec<&str> =
            data.labels_of(&[0, 1]).unwrap().iter().map(|&l| &*data.classes.names()[l as usize]).collect();
        assert_eq!((names, data.classes.len()), (vec!["worm", "beaver"], 100));
        assert_eq!(data.images.image(1)[..3], [stored(0, 0), stored(0, PLANE), stored(0, 2 * PLANE)]);
        fs::write(folder.path().join("train.bin"), record(0, 100)).unwrap();
        let text = spec.load(Split::Train).unwrap_err().to_string();
        assert!(text.contains("byte 1: expected a label below 100, found 100"), "{text}");
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
