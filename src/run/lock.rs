//! One process a run: a lock on its folder, which ends with the process however that ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::claims;
use crate::error::{Error, Result, Way};

/// Keeps other processes from training in a folder.
#[derive(Debug)]
pub struct Lock {
    folder: PathBuf,
    held: Option<File>,
}

/// What lies in a folder whose process trains in folders within it, too: of a transfer, of a comparison.
const OWNERS: [&str; 3] = ["config.toml", "comparison.toml", "classify.toml"];
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
        let is_owner = |above: &&Path| OWNERS.iter().any(|file| above.join(file).is_file());
        let owners: Vec<&Path> = around.filter(is_owner).collect();
        for owner in &owners {
            // On disks without locks, too.
            if claims::is_taken(owner, &whole)? {
                return Err(busy(folder));
            }
        }
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

    /// Takes the lock of a folder together with others that take it so, and share the work by [claims](crate::claims): it keeps out who wants
    /// the folder alone. Where nothing can be locked, nothing is.
    ///
    /// # Errors
    /// [`Error::Folder`] where another process has it alone.
    pub fn share(folder: &Path) -> Result<Lock> {
        match File::open(folder) {
            Ok(file) => Lock::of(folder, file.try_lock_shared(), file),
            Err(_) => Ok(Lock { folder: folder.to_path_buf(), held: None }),
        }
    }

    fn of(folder: &Path, outcome: Result<(), TryLockError>, file: File) -> Result<Lock> {
        match outcome {
            Err(TryLockError::WouldBlock) => Err(busy(folder)),
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

fn busy(folder: &Path) -> Error {
    let problem = format!("another graft is training in {}", folder.display());
    Error::folder(problem, [Way::Do("wait for it"), Way::Elsewhere])
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
        assert!(Lock::share(path).is_err());
        drop(held);
        let shared = [Lock::share(path).unwrap(), Lock::share(path).unwrap()];
        assert!(Lock::take(path).is_err(), "who wants it alone");
        drop(shared);
        Lock::take(path).unwrap();
    }

    #[test]
    fn a_run_that_a_process_has_claimed_is_kept_from_others_where_disks_know_no_locks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let run = root.join("cells/a");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(root.join("comparison.toml"), "").unwrap();
        let claims = claims::Claims::open(&root, claims::LIMIT).unwrap();
        let claim = claims.take(&run).unwrap();
        assert!(Lock::take_all(&run).unwrap_err().to_string().contains("another graft is training"));
        drop(claim);
        Lock::take_all(&run).unwrap();
    }
}
