//! What a kind of data set is, and the parts that it may have.

use std::fmt;

use super::{Dataset, Reading};
use crate::error::{Error, Result};

/// One kind of data set.
pub(super) struct Kind {
    /// What stands before the colon.
    pub name: &'static str,
    /// The forms that a person may write.
    pub forms: &'static [&'static str],
    /// What of that names places on the disk.
    pub places: Places,
    /// Whether what stands after the colon can be understood, without looking at the disk; else an [`Error::Usage`].
    pub check: fn(&str) -> Result<()>,
    /// Reads or draws a part of the data set that stands after the colon; [`Error::NoSplit`] where it has no such part.
    pub load: fn(&str, Split, &Reading) -> Result<Dataset>,
    /// What is held out where there is no validation split.
    pub block: Block,
}

/// What of a data set's name are paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Places {
    /// Nothing.
    None,
    /// All of it.
    Whole,
    /// One path, or two with a comma between.
    Files,
    /// What stands before the last comma, where there is one.
    BeforeComma,
}

impl Places {
    /// The same name with each of its paths changed, but for those that would then have a comma where that means something else.
    pub fn map(self, argument: &str, change: impl Fn(&str) -> String) -> String {
        let change = |path: &str| {
            let changed = change(path);
            if self != Places::Whole && changed.contains(',') { path.to_string() } else { changed }
        };
        match self {
            Places::None => argument.to_string(),
            Places::Whole => change(argument),
            Places::Files => argument.split(',').map(change).collect::<Vec<_>>().join(","),
            Places::BeforeComma => match argument.rsplit_once(',') {
                Some((folder, name)) => format!("{},{name}", change(folder)),
                None => change(argument),
            },
        }
    }
}

/// Which part of a training split is its validation block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// The contiguous last fifth, always: neighbours may show one thing.
    LastFifth,
    /// A fifth of each class, drawn by the data's digest, and only where somebody asks for it: people's own images are few, in no
    /// particular order or sorted.
    Drawn,
}

/// Which part of a data set: methods learn from one and are judged on the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What training may see.
    Train,
    /// What settings are chosen on, where a data set has such a part of its own.
    Validation,
    /// What is held out.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// The split that a folder or an array of this name holds, by its usual names in any case.
    pub(super) fn named(name: &str) -> Option<Split> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Split::Train),
            "val" | "valid" | "validation" => Some(Split::Validation),
            "test" | "testing" | "eval" => Some(Split::Test),
            _ => None,
        }
    }

    /// That a data set, called `whose`, has no validation split, and what stands in its place.
    pub(super) fn held_out_instead(whose: impl fmt::Display) -> Error {
        let instead = "where one is needed, the last fifth of its train split is held out as one";
        Error::NoSplit(format!("{whose} has no validation split of its own; {instead}"))
    }

    /// That a data set, called `whose`, lacks this split; `advice` says how it would have one.
    pub(super) fn missing(self, whose: impl fmt::Display, advice: impl fmt::Display) -> Error {
        Error::NoSplit(format!("{whose} has no {self} split; {advice}"))
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        })
    }
}
