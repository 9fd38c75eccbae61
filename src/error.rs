//! What can go wrong outside the program: files, settings, devices.
//!
//! A wrong shape is a bug in the caller and panics; everything that depends on the outside world
//! is an [`Error`], one sentence that names the thing, the place and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the outside world; its text is one sentence for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write something.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// The verb, as in "cannot *read* PATH".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word on it.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}, byte {offset}: expected {expected}, found {found}; get the file again or name another", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in it (in the decompressed bytes where the file is gzip).
        offset: u64,
        /// What should have stood there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A value from outside that cannot work; the text says what to do instead.
    #[error("{0}")]
    Invalid(String),
    /// Images of a data set cannot be read; the text lists them all, each with what is wrong and what to do.
    #[error("{0}")]
    BrokenImages(String),
    /// A data set has no such split; the text says how it would have one. A split that is there and broken is another error.
    #[error("{0}")]
    NoSplit(String),
    /// A training came to numbers that are not finite; the text says where, and what to do.
    #[error("{0}")]
    Diverged(String),
    /// The images of a run are others than those that it began with; the text says how.
    #[error("{0}")]
    Changed(String),
    /// Another process has taken over what this one was at; the text says what. Nothing more is written there.
    #[error("{0}")]
    Taken(String),
    /// What was asked for contradicts itself; the text says what to do instead.
    #[error("{0}")]
    Usage(String),
    /// An option has a value that it does not take, or that does not go with others.
    #[error("{name} {problem}")]
    Option {
        /// The option's name.
        name: String,
        /// What is the matter, and what to do instead; the name stands before it.
        problem: String,
    },
    /// A folder that a run was to have, or to go on in, does not serve it as it is.
    #[error("{problem}: {}", either(&ways.iter().map(ToString::to_string).collect::<Vec<_>>()))]
    Folder {
        /// The folder or a file of it, and what is the matter.
        problem: String,
        /// What may be done instead.
        ways: Vec<Way>,
    },
    /// The system took the device away; the checkpoints that were written are good.
    #[error("device {device} failed: it was lost ({reason}); the last checkpoint is good, continue from there")]
    Lost {
        /// The device's name.
        device: String,
        /// What the driver says.
        reason: String,
    },
    /// The device failed; kernels after the failure did nothing.
    #[error("device {device} failed: {message}")]
    Device {
        /// The device's name.
        device: String,
        /// What happened and what to do.
        message: String,
    },
}

/// A way out where a folder does not serve a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the words say.
    Do(&'static str),
    /// To name another folder.
    Elsewhere,
    /// To continue the run in this folder.
    Continue(PathBuf),
    /// To take what a finished phase left in this folder.
    Take(PathBuf),
    /// To replace the run that is there.
    Replace,
    /// To go on with images that are others than those that the run began with.
    GoOnChanged,
    /// To let in a process that computes with something else than the others did.
    Mix,
    /// To remove the folder of a run, or of a phase of one, which then begins anew.
    Remove(PathBuf),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Do(words) => f.write_str(words),
            Way::Elsewhere => f.write_str("choose another folder"),
            Way::Continue(run) => write!(f, "continue the run in {}", run.display()),
            Way::Take(phase) => write!(f, "take the networks of {}", phase.display()),
            Way::Replace => f.write_str("replace the run that is there"),
            Way::GoOnChanged => f.write_str("go on with the images as they are now"),
            Way::Mix => f.write_str("let it in as one of another kind"),
            Way::Remove(folder) => write!(f, "remove {} to begin it anew", folder.display()),
        }
    }
}

/// A choice as part of a sentence: `a`, `a or b`, `a, b or c`.
pub(crate) fn either(ways: &[impl AsRef<str>]) -> String {
    let ways: Vec<&str> = ways.iter().map(AsRef::as_ref).collect();
    match ways.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => ways.concat(),
    }
}

/// What to do about an error of the operating system, to stand behind it.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; check the path",
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => "; name another path",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; name another path or change its permissions"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room there or name another path",
        _ => "",
    }
}

/// ` (did you mean NAME?)` with the name that a mistyped word is most like, to stand behind the word; empty where it is like none.
pub(crate) fn did_you_mean<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    /// The similarity from which clap suggests an option.
    const ALIKE: f64 = 0.7;
    let rated = names.into_iter().map(|name| (strsim::jaro_winkler(word, name), name));
    let best = rated.filter(|(alike, _)| *alike > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(String::new(), |(_, name)| format!(" (did you mean `{name}`?)"))
}

impl Error {
    /// An [`Error::Io`] for `action` (a verb: "read", "write", "create") on `path`; made to be used with `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// An [`Error::Format`]: `path` holds `found` at `offset` where `expected` should stand.
    pub fn format(path: impl AsRef<Path>, offset: u64, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Format { path: path.as_ref().to_path_buf(), offset, expected: expected.into(), found: found.into() }
    }

    /// An [`Error::Folder`].
    pub fn folder(problem: impl Into<String>, ways: impl Into<Vec<Way>>) -> Error {
        Error::Folder { problem: problem.into(), ways: ways.into() }
    }

    /// An [`Error::Option`].
    pub fn option(name: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Option { name: name.into(), problem: problem.into() }
    }

    /// Whether what was asked for is at fault, not what was found.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::Usage(_) | Error::Option { .. })
    }

    /// An [`Error::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::Invalid(message.into())
    }
}
