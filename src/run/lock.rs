//! One process a run: a lock on its folder, which ends with the process however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// Keeps other processes from training in a folder.
#[derive(Debug)]
pub struct Lock {
    _folder: Option<File>,
}

impl Lock {
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
