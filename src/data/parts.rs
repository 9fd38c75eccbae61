//! A data set as one command uses it: its training split is read once, images may be held out of that, and its test split is there or
//! not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::kind::Block;
use super::{Classes, Dataset, Reading, Spec, Split};
use crate::error::{Error, Result};

/// A data set whose training split is read.
#[derive(Clone, Debug)]
pub struct Parts {
    spec: Spec,
    reading: Reading,
    whole: Dataset,
    held_out: Option<Spec>,
    /// The other splits, once they are read.
    read: Arc<Mutex<HashMap<Split, Dataset>>>,
}

/// Refuses images whose classes have other names than they had when a run began.
///
/// # Errors
/// [`Error::Invalid`] naming both.
pub fn check_classes(spec: &Spec, reading: &Reading, data: &Dataset) -> Result<()> {
    if reading.classes.is_empty() || reading.classes == data.classes.names() {
        return Ok(());
    }
    let names = reading.classes.join(", ");
    Err(Error::invalid(format!(
        "{spec} had the classes {names} when the run began, and has {} now; give them their names back",
        data.classes
    )))
}

impl Parts {
    /// Reads the training split. Where the reading names held-out images, those stand in for the test split: the test split of that data
    /// set, or all of it where it has none. Classes may have other names than the reading has where images may have changed.
    ///
    /// # Errors
    /// Those of [`Spec::read`]; [`Error::Usage`] where held-out images have no data set's name.
    pub fn read(spec: &Spec, reading: &Reading) -> Result<Parts> {
        let held_out = reading.held_out.as_deref().map(str::parse).transpose()?;
        let whole = spec.read(Split::Train, reading)?;
        if !reading.changed {
            check_classes(spec, reading, &whole)?;
        }
        // All splits are read alike, whatever sizes the pictures of each have.
        let reading = Reading { small: whole.reading.small, ..reading.clone() };
        Ok(Parts { whole, spec: spec.clone(), reading, held_out, read: Arc::default() })
    }

    /// The data set's name.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The whole training split, what may be held out of it included.
    pub fn whole(&self) -> &Dataset {
        &self.whole
    }

    /// The reading, with what was found of the images, to be kept with a run: the names of the classes, and whether pictures are small.
    pub fn reading(&self) -> Reading {
        let classes = &self.whole.classes;
        let numbered = *classes == Classes::numbered(0..classes.len());
        let classes = if numbered { Vec::new() } else { classes.names().to_vec() };
        Reading { classes, ..self.reading.clone() }
    }

    /// What methods and judges may learn from, and the validation block, which is held out: the validation split where the data set has
    /// one, else a fifth of the training split, as the kind of data set says ([`Block`]). It does not depend on any seed.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are fewer than five images to hold some out of; those of [`Spec::read`].
    pub fn split(&self) -> Result<(Dataset, Dataset)> {
        if let Some(validation) = self.validation()? {
            return Ok((self.whole.clone(), validation));
        }
        self.whole.hold_out(self.spec.block())
    }

    /// What methods may learn from where nobody asks for a judge or a figure on the validation block: less that block where it is held out
    /// always, else all.
    ///
    /// # Errors
    /// None but those of the disk.
    pub fn unjudged(&self) -> Result<Dataset> {
        match self.spec.block() {
            Block::LastFifth if self.whole.can_hold_out() => Ok(self.whole.hold_out(Block::LastFifth)?.0),
            _ => Ok(self.whole.clone()),
        }
    }

    /// How many images [`Parts::split`] would hold out.
    ///
    /// # Errors
    /// Those of [`Spec::read`].
    pub fn held_out(&self) -> Result<usize> {
        Ok(self.validation()?.map_or(self.whole.held_out(), |validation| validation.len()))
    }

    /// How many images are held out for validation, in a sentence.
    ///
    /// # Errors
    /// Those of [`Spec::read`].
    pub fn withheld(&self) -> Result<String> {
        let (all, spec) = (self.whole.len(), &self.spec);
        Ok(match self.validation()? {
            Some(validation) => format!(
                "the {} images of the validation split of {spec} are held out, beside {all} training images",
                validation.len()
            ),
            None => {
                let count = self.whole.held_out();
                format!("of the {all} training images of {spec} {count} are held out for validation")
            }
        })
    }

    /// Reads the test split, in its own size and channels, or what stands in its place. Its labels are places in the list of classes of
    /// the training split; where that is read without labels, what stands in the test split's place keeps its own, and where it has none, so has that.
    ///
    /// # Errors
    /// [`Error::NoSplit`] where the data set has none; [`Error::Invalid`] where what stands in its place has classes that it lacks; any other
    /// where a file cannot be read.
    pub fn test(&self) -> Result<Dataset> {
        self.once(Split::Test, || {
            let Some(spec) = &self.held_out else { return self.spec.read(Split::Test, &self.reading) };
            let reading = Reading { unlabelled: false, ..self.reading.clone() };
            let held_out = match spec.read(Split::Test, &reading) {
                Err(Error::NoSplit(_)) => spec.read(Split::Train, &reading)?,
                read => read?,
            };
            match (self.reading.unlabelled, &self.whole.labels) {
                (true, _) => Ok(held_out),
                // What has no classes can be held against images alone.
                (false, None) => Ok(held_out.without_labels()),
                (false, Some(_)) => held_out.in_classes(&self.whole.classes),
            }
        })
    }

    /// Reads the data set's own test split, whatever stands in its place.
    ///
    /// # Errors
    /// Those of [`Parts::test`].
    pub fn own_test(&self) -> Result<Dataset> {
        match self.held_out {
            None => self.test(),
            Some(_) => self.spec.read(Split::Test, &self.reading),
        }
    }

    /// Whether there is a test split, or something in its place; of pictures in folders and archives this is known without reading it.
    ///
    /// # Errors
    /// Those of [`Parts::test`] but [`Error::NoSplit`].
    pub fn has_test(&self) -> Result<bool> {
        if self.held_out.is_some() {
            return Ok(true);
        }
        if self.whole.files.is_some() {
            return Ok(self.whole.splits.contains(&Split::Test));
        }
        match self.test() {
            Err(Error::NoSplit(_)) => Ok(false),
            read => read.map(|_| true),
        }
    }

    /// The validation split, where there is one that counts.
    ///
    /// # Errors
    /// Those of [`Spec::read`].
    pub fn validation(&self) -> Result<Option<Dataset>> {
        if self.spec.block() == Block::LastFifth {
            return Ok(None);
        }
        match self.once(Split::Validation, || self.spec.read(Split::Validation, &self.reading)) {
            Ok(validation) => Ok(Some(validation)),
            Err(Error::NoSplit(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn once(&self, split: Split, read: impl FnOnce() -> Result<Dataset>) -> Result<Dataset> {
        let mut kept = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dataset) = kept.get(&split) {
            return Ok(dataset.clone());
        }
        let dataset = read()?;
        kept.insert(split, dataset.clone());
        Ok(dataset)
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::fs;

    /// The pixels of an IDX file of so many images of 8 x 8.
    fn images(count: u8) -> Vec<u8> {
        [&[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 8, 0, 0, 0, 8][..], &vec![7; usize::from(count) * 64]].concat()
    }

    #[test]
    fn a_test_split_that_is_not_there_and_one_that_is_broken_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let labels = |count: u8| [&[0, 0, 8, 1, 0, 0, 0, count][..], &vec![1; usize::from(count)]].concat();
        write("train-images-idx3-ubyte", &images(10));
        write("train-labels-idx1-ubyte", &labels(10));
        let parts =
            Parts::read(&format!("mnist:{}", folder.path().display()).parse().unwrap(), &Reading::default()).unwrap();
        assert!(matches!(parts.test(), Err(Error::NoSplit(_))));
        write("t10k-images-idx3-ubyte", &images(3));
        assert!(matches!(parts.test(), Err(Error::Invalid(_))), "images without labels");
        write("t10k-labels-idx1-ubyte", &labels(2));
        assert!(matches!(parts.test(), Err(Error::Format { .. })), "too few labels");
        write("t10k-labels-idx1-ubyte", &labels(3));
        assert_eq!(parts.test().unwrap().len(), 3);
        let (training, validation) = parts.split().unwrap();
        assert_eq!([parts.whole().len(), training.len(), validation.len()], [10, 8, 2]);
    }

    #[test]
    fn another_data_set_stands_in_for_the_test_split_with_the_same_classes_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let labels = |labels: &[u8]| [&[0, 0, 8, 1, 0, 0, 0, labels.len() as u8][..], labels].concat();
        let spec = |part: &str| -> Spec {
            let path = |content: &str| folder.path().join(format!("{part}-{content}")).display().to_string();
            format!("idx:{},{}", path("images"), path("labels")).parse().unwrap()
        };
        for (part, own) in [("train", &[1, 2, 3, 3, 2][..]), ("test", &[3, 2]), ("other", &[0, 1])] {
            write(&format!("{part}-images"), &images(own.len() as u8));
            write(&format!("{part}-labels"), &labels(own));
        }
        let parts = Parts::read(&spec("train"), &Reading::default()).unwrap();
        assert!(matches!(parts.test(), Err(Error::NoSplit(_))));
        let with = |held_out: &str| {
            let reading = Reading { held_out: Some(spec(held_out).to_string()), ..Reading::default() };
            Parts::read(&spec("train"), &reading).unwrap()
        };
        let test = with("test").test().unwrap();
        assert_eq!((test.labels, test.classes), (Some(vec![2, 1]), parts.whole().classes.clone()));
        // What has no classes is held against the images alone.
        let plain = format!("idx:{}", folder.path().join("train-images").display()).parse().unwrap();
        let reading = Reading { held_out: Some(spec("test").to_string()), ..Reading::default() };
        let test = Parts::read(&plain, &reading).unwrap().test().unwrap();
        assert_eq!((test.len(), test.labels), (2, None));
        let error = with("other").test().unwrap_err();
        assert!(matches!(&error, Error::Invalid(text) if text.contains("has images of class 0")), "{error}");
    }
}
