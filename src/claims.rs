//! Pieces of work that any number of processes share over a folder, on any number of machines: each piece is somebody's who claims it.
//!
//! A claim on ROOT/PIECE is a file in ROOT/claims/PIECE/ by the name of a number, which only one process can create (by a link to a file that is
//! whole, else `O_EXCL`; network disks keep both where they have no locks); the file of the highest number counts. It says whose it is, and is written again while the piece is
//! worked on. A claim is over where its owner gave it up, where that lies dead on the same machine, or where nothing was heard of it for a time
//! that the file states, by the clock of the disk's server; then whoever creates the next number has the piece. An owner that was stopped for
//! three quarters of that time has to do the same, so that it finds out where it lost a piece: before any [write](atomic::write) below it.

mod owner;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::atomic::{self, Fence};
use crate::error::{Error, Result};
use owner::Owner;

/// The folder of claims within the one that processes share.
pub const FOLDER: &str = "claims";
/// The time after which a silent owner's claim is over, where nothing else is said. Clients of network disks may see the times of files a
/// minute late.
pub const LIMIT: Duration = Duration::from_secs(180);
/// Claims are written again so often within the limit.
const BEATS: u32 = 8;

/// The claims of this process below a folder. They end with this value.
#[derive(Debug)]
pub struct Claims {
    office: Arc<Office>,
    beat: Option<JoinHandle<()>>,
}

/// A piece of work that is this process's; given up where the last value of it is dropped.
#[derive(Clone, Debug)]
pub struct Claim(Arc<Held>);

/// The turn at a piece of work that threads and processes share.
pub struct Turn {
    _claim: Option<Claim>,
}

#[derive(Debug)]
struct Office {
    root: PathBuf,
    limit: Duration,
    owner: Owner,
    held: Mutex<HashMap<PathBuf, Weak<Held>>>,
    /// The time of the disk's server, and when that was asked.
    server: Mutex<Option<(SystemTime, Instant)>>,
    is_closed: Mutex<bool>,
    closed: Condvar,
}

#[derive(Debug)]
struct Held {
    office: Arc<Office>,
    /// The piece, and the folder of its claims.
    piece: PathBuf,
    place: PathBuf,
    standing: Mutex<Standing>,
    _fence: Fence,
}

/// How a claim stands with its owner.
#[derive(Debug)]
struct Standing {
    number: u64,
    written: Moment,
    is_lost: bool,
}

/// A moment by two clocks, of which one goes on where the machine sleeps.
#[derive(Clone, Copy, Debug)]
struct Moment(Instant, SystemTime);

/// What stands in a claim's file.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    owner: Owner,
    /// Whether it was given up.
    is_free: bool,
    /// Seconds of silence after which it is over.
    limit: f64,
}

impl Claims {
    /// Those below a folder, which is there. They are over where nothing was heard of this process for `limit`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no thread can be started.
    pub fn open(root: &Path, limit: Duration) -> Result<Claims> {
        let office = Arc::new(Office::new(root, limit));
        let beating = Arc::clone(&office);
        let beat = std::thread::Builder::new().name("claims".to_string()).spawn(move || beating.beat());
        let beat = beat.map_err(|error| Error::invalid(format!("a thread cannot be started: {error}")))?;
        locked(&OFFICES).push(Arc::downgrade(&office));
        Ok(Claims { office, beat: Some(beat) })
    }

    /// Claims a piece, by the folder in which its files lie; none where it is another process's. What this process has already, it has.
    ///
    /// # Errors
    /// What files say.
    pub fn take(&self, piece: &Path) -> Result<Option<Claim>> {
        self.office.take(piece)
    }

    /// Claims a piece once nobody else has it; none where `go_on`, which is asked now and then, said no before.
    ///
    /// # Errors
    /// What files say; those of `go_on`.
    pub fn wait(&self, piece: &Path, go_on: &mut dyn FnMut() -> Result<bool>) -> Result<Option<Claim>> {
        self.office.wait(piece, go_on)
    }

    /// How long to wait before another try.
    pub fn pause(&self) -> Duration {
        self.office.pause()
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        let gone = Arc::as_ptr(&self.office);
        locked(&OFFICES).retain(|office| office.as_ptr() != gone);
        *locked(&self.office.is_closed) = true;
        self.office.closed.notify_all();
        // It holds nothing that a panic could have broken.
        let _ = self.beat.take().map(JoinHandle::join);
    }
}

impl Claim {
    /// Says where another process has taken the piece over. Asks the disk where this one was silent for long.
    ///
    /// # Errors
    /// [`Error::Taken`]; what files say.
    pub fn check(&self) -> Result<()> {
        self.0.check()
    }
}

/// Those that are open in this process.
static OFFICES: LazyLock<Mutex<Vec<Weak<Office>>>> = LazyLock::new(Mutex::default);

/// Claims a piece for as long as the value lives, waiting for it as [`Claims::wait`] does, where it lies in a folder whose claims are open in
/// this process; else it is nobody else's. None where it was stopped.
///
/// # Errors
/// Those of [`Claims::wait`].
pub(crate) fn turn(piece: &Path, go_on: &mut dyn FnMut() -> Result<bool>) -> Result<Option<Turn>> {
    let open: Vec<Arc<Office>> = locked(&OFFICES).iter().filter_map(Weak::upgrade).collect();
    match open.iter().find(|office| piece.starts_with(&office.root) && piece != office.root) {
        Some(office) => Ok(office.wait(piece, go_on)?.map(|claim| Turn { _claim: Some(claim) })),
        None => Ok(Some(Turn { _claim: None })),
    }
}

/// Whether a living process other than this one has a piece below a folder of claims, as far as the disk says.
///
/// # Errors
/// What files say.
pub fn is_taken(root: &Path, piece: &Path) -> Result<bool> {
    if !root.join(FOLDER).is_dir() {
        return Ok(false);
    }
    let office = Office::new(root, LIMIT);
    let place = office.place(piece);
    match highest(&place)? {
        Some(number) => Ok(!office.is_over(&place, number)?),
        None => Ok(false),
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        // There is none where the time was never asked for.
        let _ = fs::remove_file(self.clock());
    }
}

impl Office {
    fn new(root: &Path, limit: Duration) -> Office {
        Office {
            root: root.to_path_buf(),
            limit,
            owner: Owner::this(),
            held: Mutex::default(),
            server: Mutex::default(),
            is_closed: Mutex::new(false),
            closed: Condvar::new(),
        }
    }

    /// The folder of a piece's claims.
    fn place(&self, piece: &Path) -> PathBuf {
        let inside = piece.strip_prefix(&self.root).unwrap_or(piece);
        let words: Vec<_> = inside.iter().map(|word| word.to_string_lossy()).collect();
        self.root.join(FOLDER).join(words.join("+"))
    }

    fn clock(&self) -> PathBuf {
        self.root.join(FOLDER).join(format!("clock-{}", self.owner.token))
    }

    fn pause(&self) -> Duration {
        (self.limit / 40).clamp(Duration::from_millis(50), Duration::from_secs(3))
    }

    fn wait(self: &Arc<Office>, piece: &Path, go_on: &mut dyn FnMut() -> Result<bool>) -> Result<Option<Claim>> {
        loop {
            if let Some(claim) = self.take(piece)? {
                return Ok(Some(claim));
            }
            if !go_on()? {
                return Ok(None);
            }
            std::thread::sleep(self.pause());
        }
    }

    fn take(self: &Arc<Office>, piece: &Path) -> Result<Option<Claim>> {
        let mut held = locked(&self.held);
        if let Some(claim) = held.get(piece).and_then(Weak::upgrade).filter(|claim| claim.check().is_ok()) {
            return Ok(Some(Claim(claim)));
        }
        let place = self.place(piece);
        fs::create_dir_all(&place).map_err(Error::io("create", &place))?;
        let last = highest(&place)?;
        if let Some(last) = last
            && !self.is_over(&place, last)?
        {
            return Ok(None);
        }
        let written = Moment::now();
        let number = last.unwrap_or(0) + 1;
        if !self.create(&place, number)? {
            return Ok(None);
        }
        // Those before the last: an owner of one of them finds the last, or this one.
        for old in numbers(&place)?.into_iter().filter(|&old| old + 1 < number) {
            let _ = fs::remove_file(place.join(old.to_string()));
        }
        let standing = Mutex::new(Standing { number, written, is_lost: false });
        let claim = Arc::new_cyclic(|claim: &Weak<Held>| {
            let claim = claim.clone();
            let guard = move || claim.upgrade().map_or(Ok(()), |claim| claim.check());
            let fence = atomic::fence(piece, Arc::new(guard));
            Held { office: Arc::clone(self), piece: piece.to_path_buf(), place, standing, _fence: fence }
        });
        held.retain(|_, claim| claim.strong_count() > 0);
        held.insert(piece.to_path_buf(), Arc::downgrade(&claim));
        Ok(Some(Claim(claim)))
    }

    /// Creates a claim's file; false where another process did, or went beyond it.
    fn create(&self, place: &Path, number: u64) -> Result<bool> {
        let path = place.join(number.to_string());
        // Whole from the start, by a second name of a file that is: who dies in between leaves no claim of nobody's.
        let written = place.join(format!(".{number}.{}", self.owner.token));
        if let Err(error) = write_new(&written, &self.entry(false)) {
            let _ = fs::remove_file(&written);
            return Err(Error::io("write", &written)(error));
        }
        let linked = match fs::hard_link(&written, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => write_new(&path, &self.entry(false)),
            linked => linked,
        };
        let _ = fs::remove_file(&written);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map_err(Error::io("create", &path)).and_then(|()| Ok(highest(place)? == Some(number))),
        }
    }

    fn entry(&self, is_free: bool) -> Vec<u8> {
        let entry = Entry { owner: self.owner.clone(), is_free, limit: self.limit.as_secs_f64() };
        let mut text = serde_json::to_vec(&entry).expect("an entry is JSON");
        text.push(b'\n');
        text
    }

    /// Whether a claim counts no longer.
    fn is_over(&self, place: &Path, number: u64) -> Result<bool> {
        let path = place.join(number.to_string());
        // Opening a file has a network disk's client ask for its times again.
        let Some(mut file) = atomic::if_there(File::open(&path)).map_err(Error::io("read", &path))? else {
            return Ok(false);
        };
        let mut text = Vec::new();
        let modified = file.read_to_end(&mut text).and_then(|_| file.metadata()?.modified());
        let modified = modified.map_err(Error::io("read", &path))?;
        // Where there are no links, one that was just created may have nothing in it yet.
        let entry: Option<Entry> = serde_json::from_slice(&text).ok();
        if entry.as_ref().is_some_and(|entry| entry.is_free || entry.owner.is_dead(&self.owner)) {
            return Ok(true);
        }
        let limit = entry.map_or(self.limit, |entry| Duration::from_secs_f64(entry.limit.clamp(0.0, 1e9)));
        let age = self.server_time()?.duration_since(modified).unwrap_or_default();
        Ok(age >= limit)
    }

    /// The time by the clock that stamps files.
    fn server_time(&self) -> Result<SystemTime> {
        let mut known = locked(&self.server);
        let fresh = known.filter(|(_, asked)| asked.elapsed() < self.limit / BEATS);
        let (time, asked) = match fresh {
            Some(known) => known,
            None => {
                let (path, asked) = (self.clock(), Instant::now());
                let written = File::create(&path).and_then(|mut file| file.write_all(b"now\n").and(file.sync_all()));
                let time = written.and_then(|()| fs::metadata(&path)?.modified()).map_err(Error::io("write", &path))?;
                *known.insert((time, asked))
            }
        };
        Ok(time + asked.elapsed())
    }

    /// Writes this process's claims again until they end.
    fn beat(&self) {
        let mut is_closed = locked(&self.is_closed);
        while !*is_closed {
            let waited = self.closed.wait_timeout(is_closed, self.limit / BEATS);
            drop(waited.unwrap_or_else(PoisonError::into_inner).0);
            let held: Vec<Arc<Held>> = locked(&self.held).values().filter_map(Weak::upgrade).collect();
            // What fails shows where the claim is needed.
            held.iter().for_each(|claim| drop(claim.renew()));
            drop(held);
            is_closed = locked(&self.is_closed);
        }
    }
}

impl Held {
    /// The longest silence after which the claim is still its owner's for certain.
    fn safe(&self) -> Duration {
        self.office.limit * 3 / 4
    }

    fn renew(&self) -> Result<()> {
        let mut standing = locked(&self.standing);
        if standing.is_lost || standing.written.elapsed() >= self.safe() {
            drop(standing);
            return self.check();
        }
        let written = Moment::now();
        atomic::write(&self.place.join(standing.number.to_string()), &self.office.entry(false))?;
        standing.written = written;
        // Somebody may have judged otherwise, where the clock of the disk's server was set, say.
        standing.is_lost = highest(&self.place)? != Some(standing.number);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let mut standing = locked(&self.standing);
        if !standing.is_lost && standing.written.elapsed() < self.safe() {
            return Ok(());
        }
        if !standing.is_lost {
            let (written, next) = (Moment::now(), standing.number + 1);
            if highest(&self.place)? == Some(standing.number) && self.office.create(&self.place, next)? {
                (standing.number, standing.written) = (next, written);
                return Ok(());
            }
            standing.is_lost = true;
        }
        Err(Error::Taken(format!(
            "{} was taken over by another process, which heard nothing of this one for {:.0} s",
            self.piece.display(),
            self.office.limit.as_secs_f64()
        )))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let safe = self.safe();
        let standing = self.standing.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !standing.is_lost && standing.written.elapsed() < safe {
            // One that cannot be given up is over after its time.
            let _ = atomic::write(&self.place.join(standing.number.to_string()), &self.office.entry(true));
        }
    }
}

impl Moment {
    fn now() -> Moment {
        Moment(Instant::now(), SystemTime::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

/// Writes a file where there is none.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The numbers of the claims in a folder.
fn numbers(place: &Path) -> Result<Vec<u64>> {
    let entries = fs::read_dir(place).map_err(Error::io("read", place))?;
    let number = |entry: io::Result<fs::DirEntry>| -> io::Result<Option<u64>> {
        Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok()))
    };
    entries.filter_map(|entry| number(entry).transpose()).collect::<io::Result<_>>().map_err(Error::io("read", place))
}

fn highest(place: &Path) -> Result<Option<u64>> {
    if !place.is_dir() {
        return Ok(None);
    }
    Ok(numbers(place)?.into_iter().max())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(400);

    /// Claims of another process, which never says that it lives.
    fn silent(root: &Path) -> Claims {
        Claims { office: Arc::new(Office::new(root, SHORT)), beat: None }
    }

    fn text(claims: &Claims, piece: &Path) -> Entry {
        let place = claims.office.place(piece);
        let path = place.join(highest(&place).unwrap().unwrap().to_string());
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_piece_is_one_process_s_until_that_gives_it_up() {
        let root = tempfile::tempdir().unwrap();
        let (one, other) = (Claims::open(root.path(), LIMIT).unwrap(), silent(root.path()));
        let piece = root.path().join("cells/a");
        let claim = one.take(&piece).unwrap().expect("it is free");
        assert!(one.take(&piece).unwrap().is_some(), "what it has it has");
        assert!(other.take(&piece).unwrap().is_none());
        assert!(other.take(&root.path().join("cells/b")).unwrap().is_some(), "another piece");
        assert!(!text(&one, &piece).is_free);
        drop(claim);
        assert!(text(&one, &piece).is_free);
        let claim = other.take(&piece).unwrap().expect("it was given up");
        assert!(one.take(&piece).unwrap().is_none());
        claim.check().unwrap();
    }

    #[test]
    fn of_many_that_claim_at_once_one_has_the_piece() {
        let root = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let piece = root.path().join(format!("cells/{round}"));
            let all: Vec<Claims> = (0..6).map(|_| silent(root.path())).collect();
            let taken: Vec<Option<Claim>> = std::thread::scope(|scope| {
                let threads: Vec<_> = all.iter().map(|claims| scope.spawn(|| claims.take(&piece).unwrap())).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(taken.iter().flatten().count(), 1, "round {round}");
        }
    }

    #[test]
    fn a_silent_owner_loses_its_piece_and_finds_that_before_it_writes() {
        let root = tempfile::tempdir().unwrap();
        let piece = root.path().join("cells/a");
        fs::create_dir_all(&piece).unwrap();
        let (alive, asleep) = (Claims::open(root.path(), SHORT).unwrap(), silent(root.path()));
        let lost = asleep.take(&piece).unwrap().unwrap();
        atomic::write(&piece.join("file"), b"its own").unwrap();
        assert!(alive.take(&piece).unwrap().is_none(), "not silent for long enough");
        let kept = alive.wait(&piece, &mut || Ok(true)).unwrap().expect("it is over after its time");
        let error = atomic::write(&piece.join("file"), b"behind the time").unwrap_err();
        assert!(matches!(error, Error::Taken(_)) && error.to_string().contains("cells/a"), "{error}");
        assert!(matches!(lost.check(), Err(Error::Taken(_))));
        assert_eq!(fs::read(piece.join("file")).unwrap(), b"its own");
        assert_eq!(fs::read_dir(&piece).unwrap().count(), 1, "no temporary file is left");
        atomic::write(&root.path().join("elsewhere"), b"free").unwrap();
        drop(lost);
        // Somebody who says that it lives keeps it far beyond the time.
        std::thread::sleep(3 * SHORT);
        assert!(silent(root.path()).take(&piece).unwrap().is_none());
        kept.check().unwrap();
        atomic::write(&piece.join("file"), b"the new owner's").unwrap();
    }

    #[test]
    fn a_living_owner_that_was_taken_for_dead_finds_that_soon() {
        let root = tempfile::tempdir().unwrap();
        let (alive, piece) = (Claims::open(root.path(), 2 * SHORT).unwrap(), root.path().join("cells/a"));
        let claim = alive.take(&piece).unwrap().unwrap();
        let place = alive.office.place(&piece);
        // Somebody whose clock said that it was silent.
        assert!(Office::new(root.path(), LIMIT).create(&place, 2).unwrap());
        let start = Instant::now();
        while claim.check().is_ok() {
            assert!(start.elapsed() < 2 * SHORT, "it looks whenever it writes");
            std::thread::sleep(SHORT / 20);
        }
    }

    #[test]
    fn an_owner_that_wakes_before_others_come_has_its_piece_still() {
        let root = tempfile::tempdir().unwrap();
        let (asleep, piece) = (silent(root.path()), root.path().join("cells/a"));
        let claim = asleep.take(&piece).unwrap().unwrap();
        let place = asleep.office.place(&piece);
        std::thread::sleep(2 * SHORT);
        claim.check().unwrap();
        assert_eq!(numbers(&place).unwrap().len(), 2, "it was claimed anew");
        assert!(silent(root.path()).take(&piece).unwrap().is_none());
    }

    #[test]
    fn a_dead_process_of_the_same_host_has_nothing() {
        let root = tempfile::tempdir().unwrap();
        let piece = root.path().join("cells/a");
        let mut dead = silent(root.path());
        let office = Arc::get_mut(&mut dead.office).unwrap();
        (office.limit, office.owner.began) = (LIMIT, office.owner.began.map(|began| began + 1));
        let claim = dead.take(&piece).unwrap().unwrap();
        let found = silent(root.path()).take(&piece).unwrap();
        assert_eq!(found.is_some(), cfg!(target_os = "linux"), "where the system says when processes began");
        drop((claim, found));
        let mut elsewhere = silent(root.path());
        let office = Arc::get_mut(&mut elsewhere.office).unwrap();
        (office.limit, office.owner.host) = (LIMIT, Some("another".to_string()));
        office.owner.began = Some(1);
        let _claim = elsewhere.wait(&piece, &mut || Ok(true)).unwrap().unwrap();
        assert!(silent(root.path()).take(&piece).unwrap().is_none(), "who can know of another host?");
    }

    #[test]
    fn a_turn_is_claimed_where_claims_are_open_and_waits_until_it_is_told_to_stop() {
        let root = tempfile::tempdir().unwrap();
        let piece = root.path().join("source-seed0/features");
        let [claims, other] = [(); 2].map(|()| Claims::open(root.path(), 20 * SHORT).unwrap());
        let claim = other.take(&piece).unwrap().unwrap();
        let mut asked = 0;
        let stopped = turn(&piece, &mut || {
            asked += 1;
            Ok(asked < 2)
        });
        assert!(stopped.unwrap().is_none() && asked == 2);
        drop(claim);
        let own = turn(&piece, &mut || Ok(false)).unwrap().expect("it is free");
        assert!(other.take(&piece).unwrap().is_none());
        drop((claims, other));
        let _own = own;
        assert!(turn(&piece, &mut || Ok(false)).unwrap().is_some(), "nobody else asks");
    }
}
