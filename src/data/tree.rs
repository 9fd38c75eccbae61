//! What lies in a folder or an archive.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::Archive;
use super::decode::{Content, MOST_BYTES, Named, content, named};

/// How much of a file tells what it is: of Netpbm's formats a comment may stand before the sizes.
const BEGINNING: u64 = 256;
/// Folders and files that other programs put beside pictures.
const FOREIGN: [&str; 6] =
    ["@eadir", "__macosx", "$recycle.bin", "system volume information", "thumbs.db", "desktop.ini"];

/// Whether a file or folder of this name is none of the data set's: hidden ones, and those of other programs.
pub(super) fn is_foreign(name: &str) -> bool {
    name.starts_with('.') || FOREIGN.contains(&name.to_lowercase().as_str())
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Disk(PathBuf),
    Archive(Arc<Archive>, usize),
}

impl Source {
    /// All of its bytes; else what is wrong with it and what to do.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let bytes = match self {
            Source::Archive(archive, index) => return archive.read(*index, MOST_BYTES),
            Source::Disk(path) => first_bytes(path, MOST_BYTES + 1)?,
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(format!("it has more than the {MOST_BYTES} bytes that are read; shrink it"));
        }
        Ok(bytes)
    }

    /// What the file is that has this path.
    pub fn content(&self, path: &str) -> Content {
        let (beginning, passed_over) = match self {
            // Of what cannot be unpacked only pictures are missed.
            Source::Archive(archive, index) => (archive.beginning(*index, BEGINNING), named(path) != Named::Picture),
            Source::Disk(file) => (first_bytes(file, BEGINNING), named(path) == Named::Other),
        };
        match beginning {
            Ok(bytes) => content(path, &bytes),
            Err(_) if passed_over => Content::Other,
            Err(why) => Content::Unreadable(why),
        }
    }
}

fn first_bytes(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| format!("it cannot be read: {error}")).map(|_| bytes)
}

/// A folder or an archive.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Its files less foreign ones: the path below the root, with `/` between names, and where the bytes are.
    pub files: Vec<(String, Source)>,
    /// Paths where files or folders should be and cannot be reached, with what is wrong with each and what to do.
    pub broken: Vec<(String, String)>,
    /// The paths of its folders, less foreign ones.
    pub folders: BTreeSet<String>,
    /// How many files were passed over by their names.
    pub foreign: usize,
}
