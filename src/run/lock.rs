//! One process a run: a lock on its folder, which ends with the process however that ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Way};

/// Keeps other processes from training in a folder.
#[derive(Debug)]
pub struct Lock {
    folder: PathBuf,
    held: Option<File>,
}

/// What lies in a folder whose process trains in folders within it, too: of a transfer, of a comparison.
const OWNERS: [&str; 2] = ["config.toml", "comparison.toml"];
/// How far above a run such a folder may be: COMPARISON/cells/RUN.
const DEPTH: usize = 2;

impl Lock {
    /// Takes the lock of a run's folder, and of those around it whose process would train in it.
    ///
    /// # Errors
    /// [`Error::Folder`] where another process has one of them.
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
    /// [`Error::Folder`] where another process has it.
    pub fn take(folder: &Path) -> Result<Lock> {
        match File::open(folder) {
            Ok(file) => Lock::of(folder, file.try_lock(), file),
            Err(_) => Ok(Lock { folder: folder.to_path_buf(), held: None }),
        }
    }

    fn of(folder: &Path, outcome: Result<(), TryLockError>, file: File) -> Result<Lock> {
        match outcome {
            Err(TryLockError::WouldBlock) => {
                let problem = format!("another graft is training in {}", folder.display());
                Err(Error::folder(problem, [Way::Do("wait for it"), Way::Elsewhere]))
            }
            outcome => Ok(Lock { folder: folder.to_path_buf(), held: outcome.is_ok().then_some(file) }),
        }
    }

    /// What to say where nothing is locked.
    pub fn warning(&self) -> Option<String> {
        self.held.is_none().then(|| {
            format!(
                "warning: {} cannot be locked, as on some network disks: nothing keeps another graft from training in it at the same time",
                self.folder.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_locked_is_taken_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let file = || File::open(path).unwrap();
        let no_locks = TryLockError::Error(std::io::ErrorKind::Unsupported.into());
        let warning = Lock::of(path, Err(no_locks), file()).unwrap().warning().expect("a warning");
        assert!(warning.contains(path.to_str().unwrap()) && warning.contains("cannot be locked"), "{warning}");
        assert!(Lock::take(&path.join("absent")).unwrap().warning().is_some());
        let held = Lock::take(path).unwrap();
        assert_eq!(held.warning(), None);
        assert!(Lock::take(path).unwrap_err().to_string().contains("another graft is training"));
    }
}
