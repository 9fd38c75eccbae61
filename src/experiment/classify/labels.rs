//! Labels of some images of a folder, in a file: `file,class`, as `graft predict` writes them. An image without a line is unlabelled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::{Classes, Dataset, absolute, csv};
use crate::error::{Error, Result};

/// The columns that are read.
const FILE: &str = "file";
const CLASS: &str = "class";
/// Names that a sentence lists at most.
const SHOWN: usize = 5;

/// Which labels an experiment goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsFile {
    /// Where they lie.
    pub path: String,
    /// SHA-256, in hexadecimal, of names and classes, in whatever order they stood there when the experiment began.
    #[serde(rename = "labels-digest")]
    pub digest: String,
}

impl LabelsFile {
    /// The same with a path that does not depend on the working folder.
    pub fn absolute(&self) -> LabelsFile {
        LabelsFile { path: absolute(&self.path), ..self.clone() }
    }
}

/// The classes of some files.
#[derive(Clone, Debug, PartialEq)]
pub struct FileLabels {
    path: String,
    /// File to class.
    labels: BTreeMap<String, String>,
    classes: Classes,
}

impl FileLabels {
    /// Reads a table with columns `file` and `class`; others are passed over, and so are lines without a class.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Invalid`] where it is no such table, or says two classes of a file.
    pub fn read(path: &Path) -> Result<FileLabels> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let path = path.display().to_string();
        let wrong = |line: usize, why: String| Error::invalid(format!("{path}, line {line}: {why}"));
        let text = String::from_utf8(bytes)
            .map_err(|_| wrong(1, "it is not UTF-8; save it as that (a spreadsheet calls it CSV UTF-8)".to_string()))?;
        let records = csv::records(&text).map_err(|(line, why)| wrong(line, why.to_string()))?;
        let head = records.first().map_or(&[][..], |(_, head)| head);
        let column = |name: &str| {
            let named = head.iter().position(|column| column.trim() == name);
            let found = head.join(",");
            named.ok_or_else(|| {
                wrong(1, format!("there is no column {name}: the first line must name {FILE},{CLASS}, and is {found}"))
            })
        };
        let (file, class) = (column(FILE)?, column(CLASS)?);
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        for (line, record) in records.iter().skip(1) {
            if record.len() != head.len() {
                return Err(wrong(*line, format!("it has {} fields, and the first {}", record.len(), head.len())));
            }
            let (file, class) = (&record[file], record[class].trim());
            if class.is_empty() {
                continue;
            }
            match labels.insert(file.clone(), class.to_string()) {
                Some(other) if other != class => {
                    return Err(wrong(*line, format!("{file} is of {class} here, and of {other} before")));
                }
                _ => {}
            }
        }
        let classes = Classes::sorted(labels.values().cloned().collect::<BTreeSet<_>>());
        if classes.len() < 2 {
            return Err(Error::invalid(format!(
                "{path} has labels of {} classes, and a classifier tells two or more apart",
                classes.len()
            )));
        }
        Ok(FileLabels { path, labels, classes })
    }

    /// What an experiment keeps of it.
    pub fn described(&self) -> LabelsFile {
        let mut hash = Sha256::new();
        for text in self.labels.iter().flat_map(|(file, class)| [file, class]) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        LabelsFile { path: self.path.clone(), digest }
    }

    /// The classes, in natural order of their names.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The class of each image of a data set.
    pub fn of(&self, data: &Dataset) -> Vec<Option<u32>> {
        let class = |file: &str| self.classes.named(self.labels.get(file)?);
        match &data.files {
            Some(files) => files.iter().map(|file| class(file)).collect(),
            None => vec![None; data.len()],
        }
    }

    /// Refuses names that none of these parts of a data set has; lines of pictures that were left out as broken are passed over.
    ///
    /// # Errors
    /// [`Error::Invalid`] listing them.
    pub fn check<'a>(&self, parts: impl IntoIterator<Item = &'a Dataset>) -> Result<()> {
        let parts: Vec<&Dataset> = parts.into_iter().collect();
        let known: BTreeSet<&str> =
            parts.iter().flat_map(|part| part.files.iter().flatten()).map(|file| &**file).collect();
        let left_out: BTreeSet<&str> = parts.iter().flat_map(|part| &part.left_out).map(|file| &**file).collect();
        let is_known = |file: &&str| known.contains(file) || left_out.contains(file);
        let unknown: Vec<&str> = self.labels.keys().map(String::as_str).filter(|file| !is_known(file)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let (path, name) = (&self.path, parts.first().map_or("", |part| part.name.as_str()));
        let like = known.first().map_or(String::new(), |file| format!(", as in {file}"));
        if unknown.len() == self.labels.len() {
            return Err(Error::invalid(format!(
                "none of the {} files that {path} names is an image of {name}: names are paths below the folder{like}",
                unknown.len()
            )));
        }
        let more = if unknown.len() > SHOWN { format!(" and {} more", unknown.len() - SHOWN) } else { String::new() };
        let listed = unknown[..unknown.len().min(SHOWN)].join(", ");
        Err(Error::invalid(format!(
            "{path} names files that are no images of {name}: {listed}{more}; names are paths below the folder{like}"
        )))
    }
}

/// What becomes of labelled images where nothing else is held out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Places {
    /// The class of each image that may be learned from.
    pub pool: Vec<Option<u32>>,
    /// The images that are held out, part by part, each in the order that it had.
    pub held_out: Vec<Vec<usize>>,
}

/// Holds so many parts of the labelled images out: of each class a fifth for each, rounded down and at least one image, by the SHA-256 of
/// the files' names, which no seed moves, nor an image that comes to others.
pub(super) fn hold_out(labels: &[Option<u32>], files: &[impl AsRef<str>], classes: usize, parts: usize) -> Places {
    const SHARE: usize = 5;
    let mut places = Places { pool: labels.to_vec(), held_out: vec![Vec::new(); parts] };
    for class in 0..classes {
        let of_class = |&image: &usize| labels[image] == Some(class as u32);
        let mut images: Vec<usize> = (0..labels.len()).filter(of_class).collect();
        images.sort_by_cached_key(|&image| Sha256::digest(files[image].as_ref()));
        let count = (images.len() / SHARE).max(1);
        for (part, images) in places.held_out.iter_mut().zip(images.chunks(count)) {
            part.extend(images);
            images.iter().for_each(|&image| places.pool[image] = None);
        }
    }
    places.held_out.iter_mut().for_each(|part| part.sort_unstable());
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images;

    fn read(text: &str) -> Result<FileLabels> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        FileLabels::read(&path)
    }

    #[test]
    fn a_table_of_files_and_classes_is_read_whatever_its_columns() {
        let plain = read("file,class\na.png,10\nb/c.png,2\nd.png,\n").unwrap();
        assert_eq!(plain.classes(), &Classes::new(["2", "10"]));
        let predicted = read("class,10,2,file\r\n2,0.1,0.9,b/c.png\r\n10,0.7,0.3,a.png\r\n2,0,1,b/c.png\r\n").unwrap();
        assert_eq!(predicted.described().digest, plain.described().digest, "the same labels, in another order");
        let other = read("file,class\na.png,2\nb/c.png,10\n").unwrap();
        assert_ne!(other.described().digest, plain.described().digest);
        let images = Images::new([3, 1, 1, 1], vec![0; 3]);
        let files = ["b/c.png", "x.png", "a.png"].map(std::sync::Arc::<str>::from).to_vec();
        let data = Dataset { files: Some(files), ..Dataset::unlabelled("own", images) };
        assert_eq!(plain.of(&data), [Some(0), None, Some(1)]);
        plain.check([&data]).unwrap();
    }

    #[test]
    fn what_is_no_such_table_is_refused_with_its_line() {
        for (text, part) in [
            ("", "line 1: there is no column file"),
            ("file,label\na,b", "line 1: there is no column class"),
            ("file,class\na,x\nb,y\na,y\n", "line 4: a is of y here, and of x before"),
            ("file,class\na\n", "line 2: it has 1 fields, and the first 2"),
            ("file,class\n\"a,x\n", "line 2: a quote is not closed"),
            ("file,class\na,x\nb,x\n", "labels of 1 classes"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn every_class_is_held_out_and_an_image_that_comes_to_others_moves_few() {
        let files: Vec<String> = (0..60).map(|number| format!("{number}.png")).collect();
        let labels: Vec<Option<u32>> =
            (0..60).map(|image| if image < 40 { Some(u32::from(image >= 33)) } else { None }).collect();
        let places = hold_out(&labels, &files, 2, 2);
        let counts =
            |images: &[usize]| [0, 1].map(|class| images.iter().filter(|&&image| labels[image] == Some(class)).count());
        assert_eq!(places.held_out.iter().map(|part| counts(part)).collect::<Vec<_>>(), [[6, 1], [6, 1]]);
        let pool: Vec<usize> = (0..60).filter(|&image| places.pool[image].is_some()).collect();
        assert_eq!(counts(&pool), [21, 5]);
        assert!(pool.iter().all(|image| !places.held_out.concat().contains(image)));
        assert!(pool.iter().all(|&image| places.pool[image] == labels[image]));

        // Unlabelled images have no part in it, wherever they stand.
        let more: Vec<String> = ["x.png", "y.png"].map(String::from).into_iter().chain(files).collect();
        let with: Vec<Option<u32>> = [None, None].into_iter().chain(labels).collect();
        let moved: Vec<Vec<usize>> =
            places.held_out.iter().map(|part| part.iter().map(|image| image + 2).collect()).collect();
        assert_eq!(hold_out(&with, &more, 2, 2).held_out, moved);
        let one = hold_out(&with, &more, 2, 1);
        assert_eq!((one.held_out.len(), &one.held_out[0]), (1, &moved[0]));
    }
}
