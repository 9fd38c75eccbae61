//! What was learned of sources, kept over comparisons: the checkpoints of finished phases, each in a file named by a hash of all that
//! determines its bytes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::run::{Event, RunFolder, Watcher};

/// The cache's folder of it.
const FOLDER: &str = "sources";
/// What is learned sooner is not worth its place.
const LEAST: Duration = Duration::from_secs(20);

/// Counts up where a build learns other bytes from the same settings, so that those of earlier ones are not taken off a shelf.
const FORMAT: u64 = 1;

/// A folder of what was learned of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    folder: PathBuf,
    least: Duration,
}

impl Shelf {
    /// That of the [cache](crate::atomic::cache_folder), for what takes longer than 20 seconds; none where there is no cache.
    pub fn of_cache() -> Option<Shelf> {
        atomic::cache_folder().ok().map(|cache| Shelf::new(cache.join(FOLDER), LEAST))
    }

    /// In a folder, which is made when it is needed, for what takes at least so long.
    pub fn new(folder: PathBuf, least: Duration) -> Shelf {
        Shelf { folder, least }
    }

    /// Where what these settings determine is kept.
    fn place(&self, settings: &Json) -> PathBuf {
        let hash = Sha256::digest(settings.to_string());
        let name: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{name}.safetensors"))
    }

    /// Copies what these settings determine to `checkpoint`, if nothing is there yet; gives where it was kept, None where it was not. A file
    /// that cannot be read whole is as none.
    ///
    /// # Errors
    /// [`Error::Io`] where the copy cannot be written.
    fn bring(&self, settings: &Json, checkpoint: &Path) -> Result<Option<PathBuf>> {
        let kept = self.place(settings);
        if checkpoint.exists() || Checkpoint::read(&kept).is_err() {
            return Ok(None);
        }
        let Ok(bytes) = std::fs::read(&kept) else { return Ok(None) };
        if let Some(folder) = checkpoint.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        atomic::write(checkpoint, &bytes)?;
        Ok(Some(kept))
    }

    /// Keeps a copy of what took so long.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    fn keep(&self, settings: &Json, checkpoint: &Path, took: Duration) -> Result<()> {
        let place = self.place(settings);
        // One that cannot be read whole is as none.
        if took < self.least || Checkpoint::read(&place).is_ok() {
            return Ok(());
        }
        let bytes = std::fs::read(checkpoint).map_err(Error::io("read", checkpoint))?;
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        atomic::write(&place, &bytes)
    }
}

/// The place on a shelf, if there is one, of what a phase learns.
pub(super) struct Kept<'a> {
    shelf: Option<&'a Shelf>,
    identity: Json,
}

impl<'a> Kept<'a> {
    /// The place of what these settings determine on a device.
    pub(super) fn new(shelf: Option<&'a Shelf>, settings: &Json, device: &Device) -> Kept<'a> {
        let identity = json!({
            "graft": env!("CARGO_PKG_VERSION"),
            "format": FORMAT,
            "of": settings,
            "device": device.name(),
            "microkernel": device.backend().rounding(),
        });
        Kept { shelf, identity }
    }

    /// Takes it off the shelf, if it is there and no checkpoint is yet.
    pub(super) fn bring(&self, folder: &RunFolder, phase: &str, watcher: &mut Watcher<'_>) -> Result<()> {
        let Some(shelf) = self.shelf else { return Ok(()) };
        if let Some(kept) = shelf.bring(&self.identity, &folder.checkpoint())? {
            folder.mark_begun()?;
            let _ = watcher(&Event::Note(&format!("{phase}: learned before, from {}", kept.display())))?;
        }
        Ok(())
    }

    /// Puts it on the shelf. That it cannot be kept ends no run.
    pub(super) fn keep(&self, checkpoint: &Path, phase: &str, took: Duration, watcher: &mut Watcher<'_>) -> Result<()> {
        let Some(shelf) = self.shelf else { return Ok(()) };
        if let Err(error) = shelf.keep(&self.identity, checkpoint, took) {
            let _ = watcher(&Event::Note(&format!("{phase} is not kept for other comparisons: {error}")))?;
        }
        Ok(())
    }
}
