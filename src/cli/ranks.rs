//! `mpirun graft train ..`: processes that train one network together. Rank 0 writes and speaks for all; the others have a folder of their own
//! that is gone in the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::output;
use super::signals::interrupted;
use crate::backend::gpu::{Adapter, adapters};
use crate::error::{Error, Result};
use crate::ranks::Ranks;
use crate::run::RunFolder;

/// How many processes a launcher started, by its variables: of Open MPI, of MPICH and those like it, of MVAPICH.
const COUNTS: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"];
/// Slurm starts them itself where it has one of these interfaces.
const OF_SLURM: ([&str; 2], &str) = (["PMIX_RANK", "PMI_RANK"], "SLURM_NTASKS");
/// What rank 0 has by then to say what is wrong for all.
const COURTESY: Duration = Duration::from_millis(500);
/// What of a run no rank needs to go on.
const LEFT_OUT: [&str; 5] = [".png", ".gif", ".jpg", ".html", ".tmp"];
/// What the names of pictures and of checkpoints that are kept begin with.
const KEPT: &str = "step_";

/// Where this process stands among those that were started together.
#[derive(Default)]
pub struct Place {
    pub ranks: Ranks,
    /// Among those of its machine, and how many they are.
    local: usize,
    locals: usize,
}

static PLACE: OnceLock<Place> = OnceLock::new();

/// Where this process stands; alone before it was [launched].
pub fn place() -> &'static Place {
    static ALONE: OnceLock<Place> = OnceLock::new();
    PLACE.get().unwrap_or_else(|| ALONE.get_or_init(Place::default))
}

impl Place {
    /// The device that is meant: of a machine's ranks each takes the GPU of its number.
    pub fn device(&self, asked: &str) -> Result<String> {
        if asked != "gpu" || self.locals < 2 {
            return Ok(asked.to_string());
        }
        let usable: Vec<usize> = adapters()
            .iter()
            .enumerate()
            .filter(|(_, adapter)| Adapter::is_enough(adapter))
            .map(|(index, _)| index)
            .collect();
        usable.get(self.local).map(|index| format!("gpu:{index}")).ok_or_else(|| {
            Error::option(
                "device",
                format!(
                    "gpu gives each of the {} ranks of this machine a GPU of its own, and there are {}",
                    self.locals,
                    usable.len()
                ),
            )
        })
    }

    /// How many threads are meant: the ranks of a machine share its cores.
    pub fn threads(&self, asked: usize) -> usize {
        if asked > 0 || self.locals < 2 {
            return asked;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (cores / self.locals).max(1)
    }

    /// What stands before an error of a rank that is not the first.
    pub fn named(&self) -> String {
        if self.ranks.rank() == 0 { String::new() } else { format!("rank {}: ", self.ranks.rank()) }
    }
}

/// The processes that were started together, from the beginning to the end of this one.
pub struct Launched {
    #[cfg(feature = "mpi")]
    world: Option<crate::ranks::mpi::World>,
}

/// What processes of a command that were started together do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// They train one network.
    Train,
    /// Each does its part, by claims.
    Apart,
    /// Nothing that one could not do.
    No,
}

/// Joins the processes that a launcher started together with this one, if any did.
///
/// # Errors
/// [`Error::Usage`] where the command is not one that they do together, or this program has no MPI.
pub fn launched(together: Together) -> Result<Launched> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    let of_slurm =
        || OF_SLURM.0.iter().any(|name| std::env::var_os(name).is_some()).then(|| number(OF_SLURM.1)).flatten();
    let count = COUNTS.iter().find_map(|name| number(name)).or_else(of_slurm).unwrap_or(1);
    match together {
        Together::Train => join(count),
        Together::No if count > 1 => Err(Error::Usage(format!(
            "{count} processes were started to work together, which train, transfer, compare and classify do: start this command by itself"
        ))),
        Together::No | Together::Apart => join(1),
    }
}

#[cfg(not(feature = "mpi"))]
fn join(count: usize) -> Result<Launched> {
    match count {
        0 | 1 => Ok(Launched {}),
        _ => Err(Error::Usage(format!(
            "{count} processes were started to train together, and this graft was built without MPI: build it with --features mpi, or start one"
        ))),
    }
}

#[cfg(feature = "mpi")]
fn join(count: usize) -> Result<Launched> {
    if count < 2 {
        return Ok(Launched { world: None });
    }
    let world = crate::ranks::mpi::World::join()?;
    let ranks = world.ranks().clone();
    if let Some(rank) = ranks.odd_one(&build()?) {
        return Err(Error::invalid(format!(
            "rank {rank} runs another build of graft than rank 0: start the same on all machines"
        )));
    }
    let hosts = ranks.texts(&sysinfo::System::host_name().unwrap_or_default());
    let is_here = |&rank: &usize| hosts[rank] == hosts[ranks.rank()];
    let (local, locals) = ((0..ranks.rank()).filter(is_here).count(), (0..ranks.count()).filter(is_here).count());
    if ranks.rank() > 0 {
        output::be_quiet();
        output::be_mute(true);
    }
    let _ = PLACE.set(Place { ranks, local, locals });
    Ok(Launched { world: Some(world) })
}

/// A hash of this program.
#[cfg(feature = "mpi")]
fn build() -> Result<String> {
    use sha2::{Digest, Sha256};
    let path = std::env::current_exe().map_err(Error::io("find", Path::new("this program")))?;
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Launched {
    /// Lets this rank say what went wrong, unless rank 0 says the same: the launcher then asks it to stop.
    pub fn failed(&self) {
        if place().ranks.rank() > 0 {
            std::thread::sleep(COURTESY);
            output::be_mute(interrupted());
        }
    }

    /// Ends all processes, of which this one failed.
    pub fn end_all(&self, code: u8) {
        #[cfg(feature = "mpi")]
        if let Some(world) = self.world.as_ref().filter(|_| !place().ranks.is_alone()) {
            world.abort(i32::from(code));
        }
        let _ = code;
    }
}

/// The folder in which a rank works: the run's for the first, one of its own for the others, which is removed with this value.
pub struct Desk {
    path: PathBuf,
    is_own: bool,
}

impl Desk {
    /// For a run that begins in `out`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made.
    pub fn new(out: PathBuf) -> Result<Desk> {
        let ranks = &place().ranks;
        if ranks.rank() == 0 {
            return Ok(Desk { path: out, is_own: false });
        }
        let name = format!("graft-rank{}-{}", ranks.rank(), std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        Ok(Desk { path, is_own: true })
    }

    /// For a run that goes on, of which rank 0 gives the others what they need; each has its folder, in which no other process trains.
    ///
    /// # Errors
    /// Those of `open`; what files say.
    pub fn resumed(run: &Path, open: impl FnOnce(&Path) -> Result<RunFolder>) -> Result<(Desk, RunFolder)> {
        let ranks = &place().ranks;
        if ranks.is_alone() {
            return Ok((Desk { path: run.to_path_buf(), is_own: false }, open(run)?));
        }
        let desk = Desk::new(run.to_path_buf())?;
        if desk.is_own {
            let [list, bytes] = [(); 2].map(|()| ranks.of_first(&[]));
            let files: Vec<(PathBuf, usize)> =
                serde_json::from_slice(&list).map_err(|error| Error::invalid(format!("what rank 0 sent: {error}")))?;
            let mut start = 0;
            for (file, length) in files {
                let path = desk.path.join(file);
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
                }
                fs::write(&path, &bytes[start..start + length]).map_err(Error::io("write", &path))?;
                start += length;
            }
            let folder = open(&desk.path)?;
            return Ok((desk, folder));
        }
        let folder = open(run)?;
        let (mut files, mut bytes) = (Vec::new(), Vec::new());
        collect(run, Path::new(""), &mut files, &mut bytes)?;
        let list = serde_json::to_vec(&files).map_err(|error| Error::invalid(format!("{}: {error}", run.display())))?;
        let _ = [list, bytes].map(|own| ranks.of_first(&own));
        Ok((desk, folder))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if self.is_own {
            // What stays takes space and nothing else.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The files of a run below one of its folders, with their lengths, and their bytes one behind the other.
fn collect(run: &Path, inside: &Path, files: &mut Vec<(PathBuf, usize)>, bytes: &mut Vec<u8>) -> Result<()> {
    let folder = run.join(inside);
    for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
        let entry = entry.map_err(Error::io("read", &folder))?;
        let (name, path) = (inside.join(entry.file_name()), entry.path());
        let text = entry.file_name().to_string_lossy().into_owned();
        let is_left_out = LEFT_OUT.iter().any(|ending| text.ends_with(ending)) || text.starts_with(KEPT);
        if path.is_dir() {
            collect(run, &name, files, bytes)?;
        } else if !is_left_out {
            let own = fs::read(&path).map_err(Error::io("read", &path))?;
            files.push((name, own.len()));
            bytes.extend(own);
        }
    }
    Ok(())
}
