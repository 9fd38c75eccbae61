//! Files that are whole or absent: written beside their place, then renamed into it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Replaces the file at `path` by `bytes`, so that a reader, or a machine that loses power, finds the old file or the
/// new one and never a part. The folder must exist.
///
/// # Errors
/// [`Error::Invalid`] where `path` names no file; [`Error::Io`], naming `path`, where the system refuses. No
/// temporary file is left then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().ok_or_else(|| Error::invalid(format!("{} is not a file name", path.display())))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    let temporary = path.with_file_name(hidden);
    write_and_rename(&temporary, path, bytes).map_err(|error| {
        // The first error is the one worth telling; a temporary file that was never made cannot be removed.
        let _ = fs::remove_file(&temporary);
        Error::io("write", path)(error)
    })?;
    persist_name(path);
    Ok(())
}

fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(temporary, path)
}

/// Asks for the rename itself to reach the disk. Some systems cannot open a folder as a file; the content is safe
/// without.
fn persist_name(path: &Path) {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&path, b"old and long").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["state"]);
    }

    #[test]
    fn a_failed_write_names_the_file_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        let error = write(&occupied, b"bytes").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("occupied"), "{error}");
        assert_eq!(names(folder.path()), ["occupied"]);

        let error = write(&folder.path().join("absent/file"), b"bytes").unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}
