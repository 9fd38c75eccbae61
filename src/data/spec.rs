//! How a person names a data set (`mnist:DIR`, `synthetic:strokes`), and the registry of the kinds that exist.
//!
//! A kind of data set is one file that defines a [`Kind`] and one place in [`KINDS`].

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::kind::{Block, Kind};
use super::{Dataset, Reading, Split, cifar, emnist, folder, idx_files, mnist, npy, npz, svhn, synthetic, zip};
use crate::error::{Error, Result, did_you_mean};

/// Every kind of data set, in the order in which errors list them.
const KINDS: &[&Kind] = &[
    &mnist::KIND,
    &emnist::KIND,
    &svhn::KIND,
    &cifar::KIND_10,
    &cifar::KIND_100,
    &folder::KIND,
    &zip::KIND,
    &idx_files::KIND,
    &npz::KIND,
    &npy::KIND,
    &synthetic::KIND,
];

/// The name of a data set: a kind, a colon, and what that kind needs to know.
#[derive(Clone)]
pub struct Spec {
    kind: &'static Kind,
    argument: String,
}

impl Spec {
    /// The forms that a data set's name may take, for a help text.
    pub fn forms() -> impl Iterator<Item = &'static str> {
        KINDS.iter().flat_map(|kind| kind.forms).copied()
    }

    /// A part of the data set as it is usually read; at least one image.
    ///
    /// # Errors
    /// As [`Spec::read`].
    pub fn load(&self, split: Split) -> Result<Dataset> {
        self.read(split, &Reading::default())
    }

    /// A part of the data set; at least one image. Arrays keep their size and channels until [`Dataset::fit`]; pictures of any size become
    /// squares while they are read.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is nothing at the place that the name gives; [`Error::NoSplit`] where there is, and it has no
    /// such split; [`Error::Format`] where a file is not what it should be; [`Error::BrokenImages`] where pictures cannot be read;
    /// [`Error::Io`] where the disk says no.
    pub fn read(&self, split: Split, reading: &Reading) -> Result<Dataset> {
        let dataset = (self.kind.load)(&self.argument, split, reading)?;
        Ok(Dataset { name: self.to_string(), ..dataset })
    }

    /// The same with paths that do not depend on the working folder.
    pub fn absolute(&self) -> Spec {
        Spec { argument: self.kind.places.map(&self.argument, absolute), ..*self }
    }

    /// The same in short, for a title: of each path the last name.
    pub fn short(&self) -> String {
        format!("{}:{}", self.kind.name, self.kind.places.map(&self.argument, last_name))
    }

    /// The first of its paths at which there is nothing.
    pub fn missing(&self) -> Option<String> {
        let missing = std::cell::RefCell::new(None);
        self.kind.places.map(&self.argument, |path| {
            if !Path::new(path).exists() {
                missing.borrow_mut().get_or_insert_with(|| path.to_string());
            }
            path.to_string()
        });
        missing.into_inner()
    }

    /// Whether its images are pictures of any size, each a file of its own.
    pub fn is_of_files(&self) -> bool {
        [folder::KIND.name, zip::KIND.name].contains(&self.kind.name)
    }

    /// What is held out of its training split where it has no validation split.
    pub fn block(&self) -> Block {
        self.kind.block
    }
}

/// The name of the data set that lies at a path, by what is there; None where there is nothing, or nothing of the kind.
pub fn of_path(path: &str) -> Option<String> {
    let place = Path::new(path);
    let ending = place.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let kind = match ending.as_str() {
        _ if place.is_dir() => folder::KIND.name,
        _ if !place.is_file() => return None,
        "zip" => zip::KIND.name,
        "npz" => npz::KIND.name,
        "npy" => npy::KIND.name,
        "mat" => svhn::KIND.name,
        _ => return None,
    };
    Some(format!("{kind}:{path}"))
}

/// A path that does not depend on the working folder; as it is where the system knows none, or where it is no text.
pub fn absolute(path: &str) -> String {
    let whole = std::path::absolute(path).ok().and_then(|whole| whole.to_str().map(str::to_string));
    whole.unwrap_or_else(|| path.to_string())
}

/// The last name of a path.
pub fn last_name(path: &str) -> String {
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    name.unwrap_or(path).to_string()
}

impl FromStr for Spec {
    type Err = Error;

    /// # Errors
    /// Looks at the disk only to say what was meant.
    ///
    /// [`Error::Usage`], listing the known forms, where the kind is unknown or its argument makes no sense.
    fn from_str(text: &str) -> Result<Spec> {
        let known = || Spec::forms().collect::<Vec<_>>().join(", ");
        let (name, argument) = text.split_once(':').ok_or_else(|| {
            let meant = match KINDS.iter().find(|kind| kind.name == text) {
                Some(kind) => format!(" (did you mean `{}`?)", kind.forms[0]),
                None => match of_path(text) {
                    Some(form) => format!(" (did you mean `{form}`?)"),
                    None => did_you_mean(text, Spec::forms()),
                },
            };
            Error::Usage(format!("`{text}` names no data set{meant}; give one of {}", known()))
        })?;
        let kind = *KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let meant = did_you_mean(name, KINDS.iter().map(|kind| kind.name));
            Error::Usage(format!("`{name}` in `{text}` is no kind of data set{meant}; give one of {}", known()))
        })?;
        (kind.check)(argument)?;
        Ok(Spec { kind, argument: argument.into() })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name, self.argument)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Spec({self})")
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Spec) -> bool {
        (self.kind.name, &self.argument) == (other.kind.name, &other.argument)
    }
}

impl Eq for Spec {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_displays_as_it_was_written() {
        for text in [
            "mnist:some/folder",
            "mnist:C:\\data",
            "svhn:some/folder",
            "idx:a.gz",
            "idx:a,b",
            "zip:a.zip",
            "npz:a.npz",
            "npy:a,b",
            "emnist:d,letters",
            "cifar100:d",
            "synthetic:strokes",
            "synthetic:street",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn paths_are_made_absolute_and_what_is_none_stays() {
        let here = std::env::current_dir().unwrap().display().to_string();
        let absolute = |text: &str| text.parse::<Spec>().unwrap().absolute().to_string();
        assert_eq!(absolute("folder:a,b/c"), format!("folder:{here}/a,b/c"));
        assert_eq!(absolute("idx:a,./b"), format!("idx:{here}/a,{here}/b"));
        assert_eq!(absolute("emnist:d,letters"), format!("emnist:{here}/d,letters"));
        assert_eq!(absolute("emnist:/d"), "emnist:/d");
        assert_eq!(absolute("synthetic:strokes"), "synthetic:strokes");
        let short = |text: &str| text.parse::<Spec>().unwrap().short();
        assert_eq!(
            [short("idx:/x/a,b/c"), short("folder:/x/y/"), short("synthetic:strokes")],
            ["idx:a,c", "folder:y", "synthetic:strokes"]
        );
    }

    #[test]
    fn a_name_that_cannot_be_understood_is_a_usage_error_that_lists_what_can() {
        for text in [
            "",
            "mnist",
            "cifa:x",
            "mnist:",
            "svhn:",
            "cifar10:",
            "folder:",
            "idx:",
            "idx:a,",
            "idx:a,b,c",
            "zip:",
            "npz:",
            "npy:",
            "npy:a,",
            "emnist:",
            "emnist:d,greek",
            "cifar100:",
            "synthetic:",
            "synthetic:dogs",
        ] {
            let error = text.parse::<Spec>().unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{text}: {error:?}");
        }
        let error = "cifa:x".parse::<Spec>().unwrap_err().to_string();
        for form in [
            "mnist:DIR",
            "svhn:DIR|FILE.mat",
            "cifar10:DIR",
            "folder:DIR",
            "idx:IMAGES[,LABELS]",
            "synthetic:strokes",
            "synthetic:street",
        ] {
            assert!(error.contains(form), "{error}");
        }
    }
}
