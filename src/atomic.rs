//! Files that are whole or absent: written beside their place, then renamed into it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::error::{Error, Result};

/// The variable that names the cache's folder.
const CACHE: &str = "GRAFT_CACHE";

/// The folder of what can be computed again: `$GRAFT_CACHE`, else `graft` in `$XDG_CACHE_HOME`, else `~/.cache/graft`.
///
/// # Errors
/// [`Error::Invalid`] where none of the variables is set.
pub fn cache_folder() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(CACHE)
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("graft")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache/graft")))
        .ok_or_else(|| Error::invalid(format!("there is no folder for a cache: set {CACHE} to one")))
}

/// Replaces the file at `path` by `bytes`, so that a reader, or a machine that loses power, finds the old file or the
/// new one and never a part. The folder must exist.
///
/// # Errors
/// [`Error::Invalid`] where `path` names no file; [`Error::Io`], naming `path`, where the system refuses. No
/// temporary file is left then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_after(path, bytes, || Ok(()))
}

/// As [`write()`], with `before` done once the bytes are on the disk and before they take their place.
///
/// # Errors
/// As [`write()`]; those of `before`, after which nothing is replaced.
pub fn write_after(path: &Path, bytes: &[u8], before: impl FnOnce() -> Result<()>) -> Result<()> {
    let temporary = temporary(path)?;
    let written = fill(&temporary, bytes)
        .map_err(Error::io("write", path))
        .and_then(|()| before())
        .and_then(|()| fenced(path))
        .and_then(|()| fs::rename(&temporary, path).map_err(Error::io("write", path)));
    // The first error is the one worth telling, unless it comes of what the fence says; a temporary file that was never made cannot be removed.
    written.inspect_err(|_| drop(fs::remove_file(&temporary))).map_err(|error| fenced(path).err().unwrap_or(error))?;
    persist_name(path);
    Ok(())
}

/// Asked before anything below a folder takes its place.
type Guard = dyn Fn() -> Result<()> + Send + Sync;

/// Folders, each with its guard.
type Fences = Vec<(PathBuf, Arc<Guard>)>;

/// The fences of this process.
static FENCES: LazyLock<Mutex<Fences>> = LazyLock::new(Mutex::default);

/// Keeps this process from replacing anything below a folder where its guard says no, while this value lives.
pub(crate) struct Fence(Arc<Guard>);

/// Puts a fence around a folder.
pub(crate) fn fence(folder: &Path, guard: Arc<Guard>) -> Fence {
    FENCES.lock().unwrap_or_else(PoisonError::into_inner).push((folder.to_path_buf(), Arc::clone(&guard)));
    Fence(guard)
}

impl Drop for Fence {
    fn drop(&mut self) {
        let mut fences = FENCES.lock().unwrap_or_else(PoisonError::into_inner);
        fences.retain(|(_, guard)| !Arc::ptr_eq(guard, &self.0));
    }
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fence")
    }
}

/// What the fences around a path say.
fn fenced(path: &Path) -> Result<()> {
    let around = |(folder, guard): &(PathBuf, Arc<Guard>)| path.starts_with(folder).then(|| Arc::clone(guard));
    let guards: Vec<Arc<Guard>> =
        FENCES.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(around).collect();
    guards.iter().try_for_each(|guard| guard())
}

/// The temporary files of `path` that other processes left when they died: there must be none that writes there now.
pub fn unfinished(path: &Path) -> Vec<PathBuf> {
    let (Some(around), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let of_path = |hidden: &OsStr| {
        let rest =
            hidden.as_encoded_bytes().strip_prefix(b".").and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()));
        writer(hidden).is_some_and(|process| process != this_process())
            && rest.is_some_and(|rest| rest.iter().filter(|&&byte| byte == b'.').count() == 2)
    };
    let entries = fs::read_dir(around).into_iter().flatten().flatten();
    entries.filter(|entry| of_path(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// Makes a folder at `path`, where there is nothing, of what `fill` puts into the one that it is given: it is there as a whole or
/// not at all, and what killed processes left of such attempts is removed. The folder around it must exist.
///
/// # Errors
/// Those of `fill`, after which nothing is left; [`Error::Io`] where the system refuses.
pub fn folder<T>(path: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    sweep_folders(path);
    let (temporary, _alive) = temporary_folder(path)?;
    let filled = fill(&temporary)
        .and_then(|value| fenced(path).map(|()| value))
        .and_then(|value| fs::rename(&temporary, path).map(|()| value).map_err(Error::io("create", path)));
    if filled.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    persist_name(path);
    filled
}

/// A folder beside `path`, to be filled, and its lock, which ends with the process; where the disk knows no locks, nobody sweeps either.
fn temporary_folder(path: &Path) -> Result<(PathBuf, Option<File>)> {
    /// Others sweep once for each folder that they make.
    const ATTEMPTS: usize = 16;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let temporary = temporary(path)?;
        fs::create_dir_all(&temporary).map_err(Error::io("create", path))?;
        let lock = lock(&temporary);
        // Who swept between the two took it for a dead process's, and has its lock, or has removed it.
        let is_swept = matches!(lock, Ok(None)) || !temporary.exists();
        if !is_swept || attempts == ATTEMPTS {
            return Ok((temporary, lock.ok().flatten()));
        }
    }
}

/// Removes the temporary files in a folder that other processes left when they died: there must be none that writes there now.
pub fn sweep(folder: &Path) {
    // Where the folder is another process's by now, so are they.
    if fenced(folder).is_err() {
        return;
    }
    let left = |name: &OsStr| writer(name).is_some_and(|process| process != this_process());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| left(&entry.file_name())) {
        // What stays takes space and nothing else.
        let _ = fs::remove_file(entry.path());
    }
}

/// Removes the unfinished folders of `path` of processes that have died: those that live have theirs locked.
fn sweep_folders(path: &Path) {
    let (Some(around), Some(name)) = (path.parent(), path.file_name()) else { return };
    let around = if around.as_os_str().is_empty() { Path::new(".") } else { around };
    let of_path = |hidden: &OsStr| {
        let rest =
            hidden.as_encoded_bytes().strip_prefix(b".")?.strip_prefix(name.as_encoded_bytes())?.strip_prefix(b".")?;
        std::str::from_utf8(rest.strip_suffix(b".tmp")?).ok()?.parse::<u64>().ok()
    };
    for entry in fs::read_dir(around).into_iter().flatten().flatten() {
        if of_path(&entry.file_name()).is_none() || !entry.path().is_dir() {
            continue;
        }
        // Held until it is gone: whoever has just made it finds it locked, or finds it no more.
        if let Ok(Some(_lock)) = lock(&entry.path()) {
            // What stays takes space and nothing else.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder's lock; None where another has it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = File::open(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What came of an attempt on a file or folder; None where there is none.
pub fn if_there<T>(attempt: io::Result<T>) -> io::Result<Option<T>> {
    match attempt {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        attempt => attempt.map(Some),
    }
}

/// Whether a file's name is a temporary one.
pub fn is_temporary(name: &OsStr) -> bool {
    writer(name).is_some()
}

/// `.NAME.PROCESS.tmp` beside `path`: two processes that write the same file do not meet in it.
fn temporary(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::invalid(format!("{} is not a file name", path.display())))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", next_write()));
    Ok(path.with_file_name(hidden))
}

/// A number of this process that no other has, on whatever machine: files are also written on disks that machines share.
fn this_process() -> u64 {
    static NUMBER: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()) & !WRITES);
    *NUMBER
}

/// The bits of a temporary name's number that count a process's writes: its threads may write the same file at once.
const WRITES: u64 = 0xffff;

/// A number of the next write of this process.
fn next_write() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    this_process() | COUNT.fetch_add(1, Ordering::Relaxed) & WRITES
}

/// The process that writes a file of this temporary name.
fn writer(name: &OsStr) -> Option<u64> {
    let bytes = name.as_encoded_bytes().strip_prefix(b".")?.strip_suffix(b".tmp")?;
    let process = &bytes[bytes.iter().rposition(|&byte| byte == b'.')? + 1..];
    std::str::from_utf8(process).ok()?.parse().ok().map(|number: u64| number & !WRITES)
}

/// Brings bytes to the disk.
fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
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
    fn threads_that_write_the_same_file_at_once_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|_| write(path, &[thread; 1000]).unwrap()));
            }
        });
        let whole = fs::read(&path).unwrap();
        assert!(whole.len() == 1000 && whole.iter().all(|byte| *byte == whole[0]));
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

    #[test]
    fn what_dead_processes_left_is_swept_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let own = temporary(Path::new("state")).unwrap();
        let own = own.to_str().unwrap();
        for name in ["state", own, ".state.4294967295.tmp", ".state.tmp", ".hidden", ".7.tmp", "state.7.tmp"] {
            fs::write(place.path().join(name), name).unwrap();
        }
        sweep(place.path());
        let mut kept = ["state", own, ".state.tmp", ".hidden", ".7.tmp", "state.7.tmp"];
        kept.sort_unstable();
        assert_eq!(names(place.path()), kept);
        sweep(&place.path().join("absent"));
    }

    #[test]
    fn a_folder_is_there_as_a_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("made");
        let failed = folder(&path, |inside| {
            write(&inside.join("part"), b"bytes")?;
            Err::<(), _>(Error::invalid("no more"))
        });
        assert_eq!((failed.unwrap_err().to_string().as_str(), names(place.path()).len()), ("no more", 0));
        folder(&path, |inside| write(&inside.join("whole"), b"bytes")).unwrap();
        assert_eq!((names(place.path()), names(&path)), (vec!["made".to_string()], vec!["whole".to_string()]));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_sweeps_a_folder_that_has_just_been_made() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("made");
        // Each attempt sweeps, while others have made their folders and not locked them yet.
        let attempt = || {
            let failed = folder(&path, |inside| {
                fs::write(inside.join("part"), b"bytes").map_err(Error::io("write", inside))?;
                Err::<(), _>(Error::invalid("no more"))
            });
            assert_eq!(failed.unwrap_err().to_string(), "no more");
        };
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| (0..50).for_each(|_| attempt()))));
        });
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_left_of_a_folder_is_swept_and_what_a_living_one_fills_is_not() {
        let place = tempfile::tempdir().unwrap();
        let folders = [".made.4294967295.tmp", ".made.4294967294.tmp", ".made.other.7.tmp", ".other.7.tmp"];
        for name in folders {
            fs::create_dir(place.path().join(name)).unwrap();
            fs::write(place.path().join(name).join("part"), b"bytes").unwrap();
        }
        let living = lock(&place.path().join(folders[1])).unwrap().expect("a lock");
        folder(&place.path().join("made"), |_| Ok(())).unwrap();
        assert_eq!(names(place.path()), [folders[1], folders[2], folders[3], "made"]);
        drop(living);
    }
}
