//! One process a run: a lock on its folder, which ends with the process however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// Keeps other processes from training in a folder.
#[derive(Debug)]
pub struct Lock {
    _folder: Option<File>,
}

/// What lies in a folder whose process trains in folders within it, too: of a transfer, of a comparison.
const OWNERS: [&str; 2] = ["config.toml", "comparison.toml"];
/// How far above a run such a folder may be: COMPARISON/cells/RUN.
const DEPTH: usize = 2;

impl Lock {
    /// Takes the lock of a run's folder, and of those around it whose process would train in it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where another process has one of them.
    pub fn take_all(folder: &Path) -> Result<Vec<Lock>> {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let around = whole.ancestors().skip(1).take(DEPTH);
        let owners = around.filter(|above| OWNERS.iter().any(|file| above.join(file).is_file()));
        [folder].into_iter().chain(owners).map(Lock::take).collect()
    }

    /// Takes the lock of a folder. The folder itself is locked, as a file: nothing lies in it that could stay behind. Where the
    /// system does not open folders so, or its disk knows no locks, nothing is locked.
    ///
    /// # Errors
    /// [`Error::Invalid`] where another process has it.
    pub fn take(folder: &Path) -> Result<Lock> {
        let Ok(file) = File::open(folder) else { return Ok(Lock { _folder: None }) };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::invalid(format!(
                "another graft is training in {}: wait for it, or choose another --out",
                folder.display()
            ))),
            Err(TryLockError::Error(_)) => Ok(Lock { _folder: None }),
            Ok(()) => Ok(Lock { _folder: Some(file) }),
        }
    }
}
