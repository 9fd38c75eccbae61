//! Where decoded images are: in memory, or on disk where they are too many for that.
//!
//! What lies on disk was decoded once, ahead of training, into a file without a name that is gone with the process. A batch is read from
//! it in the background while the one before is trained on. Results do not depend on where images are.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::archive::read_at;
use super::{Images, Reading};
use crate::atomic::cache_folder;
use crate::error::{Error, Result};

/// Of free memory, what decoded images take where nobody says how much.
const SHARE: u64 = 4;

/// Bytes of decoded images in the memory of this process.
static HELD: AtomicU64 = AtomicU64::new(0);

/// Bytes in memory that are counted.
#[derive(Debug)]
pub(super) struct Held(pub(super) Vec<u8>);

impl Held {
    pub fn new(bytes: Vec<u8>) -> Held {
        HELD.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Held(bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0.len() as u64, Ordering::Relaxed);
    }
}

/// Where the bytes of images are.
#[derive(Clone, Debug)]
pub(super) enum Store {
    Memory(Arc<Held>),
    Disk(Arc<Spilled>),
}

/// A file of images, of which each has `bytes`.
#[derive(Debug)]
pub(super) struct Spilled {
    file: File,
    bytes: usize,
    ahead: Mutex<Option<Ahead>>,
}

/// A batch that is being read: the places of its images, and who reads them.
#[derive(Debug)]
struct Ahead {
    places: Vec<usize>,
    reader: JoinHandle<Vec<u8>>,
}

impl Spilled {
    /// The bytes of the image at a place.
    ///
    /// # Panics
    /// Where the disk fails: what was written there cannot be read again.
    pub fn read(&self, place: usize) -> Vec<u8> {
        let mut image = vec![0; self.bytes];
        let read = read_at(&self.file, &mut image, place as u64 * self.bytes as u64);
        read.unwrap_or_else(|error| {
            panic!("the disk does not give back the decoded images that were written to it: {error}")
        });
        image
    }

    /// The images at places, one after the other.
    ///
    /// # Panics
    /// As [`Spilled::read`].
    pub fn batch(&self, places: &[usize]) -> Vec<u8> {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ahead) = ahead.filter(|ahead| ahead.places == places) {
            return ahead.reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        places.iter().flat_map(|&place| self.read(place)).collect()
    }

    /// Begins to read what the next [`Spilled::batch`] will ask for.
    pub fn begin(self: &Arc<Self>, places: Vec<usize>) {
        let (store, wanted) = (self.clone(), places.clone());
        let reader = std::thread::spawn(move || wanted.iter().flat_map(|&place| store.read(place)).collect());
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ahead { places, reader });
    }
}

/// Takes images one after another to where they fit.
#[derive(Debug)]
pub(super) struct Sink {
    shape: [usize; 4],
    pushed: usize,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Memory(Vec<u8>),
    Disk(BufWriter<File>, PathBuf),
}

impl Sink {
    /// A place for at most as many images as the shape `[count, height, width, channels]` says.
    ///
    /// # Errors
    /// [`Error::Io`] where the images are too many for memory and there is no place for them on disk.
    pub fn new(shape: [usize; 4], reading: &Reading) -> Result<Sink> {
        let wanted = shape.iter().map(|&size| size as u64).product::<u64>();
        let free = crate::memory::available_memory().unwrap_or(u64::MAX);
        // Nobody can be given more than there is.
        let bound = reading.memory.unwrap_or(free / SHARE).min(free);
        if HELD.load(Ordering::Relaxed).saturating_add(wanted) <= bound {
            return Ok(Sink { shape, pushed: 0, target: Target::Memory(Vec::with_capacity(wanted as usize)) });
        }
        let (file, folder) = unnamed()?;
        reading.listener.note(format!(
            "decoded images take {}, and {} of memory may be taken: they are kept in {}",
            in_units(wanted),
            in_units(bound),
            folder.display()
        ));
        Ok(Sink { shape, pushed: 0, target: Target::Disk(BufWriter::with_capacity(1 << 20, file), folder) })
    }

    /// Takes the bytes of one image or of several.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk is full.
    pub fn push(&mut self, images: &[u8]) -> Result<()> {
        self.pushed += images.len() / self.bytes();
        match &mut self.target {
            Target::Memory(bytes) => bytes.extend_from_slice(images),
            Target::Disk(writer, folder) => {
                writer.write_all(images).map_err(Error::io("write decoded images into", folder))?
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// The images.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk is full.
    pub fn finish(self) -> Result<Images> {
        let bytes = self.bytes();
        let Sink { shape: [_, height, width, channels], pushed, target } = self;
        let store = match target {
            Target::Memory(bytes) => Store::Memory(Arc::new(Held::new(bytes))),
            Target::Disk(writer, folder) => {
                let file = writer
                    .into_inner()
                    .map_err(|error| Error::io("write decoded images into", folder)(error.into_error()))?;
                Store::Disk(Arc::new(Spilled { file, bytes, ahead: Mutex::default() }))
            }
        };
        Ok(Images::stored([pushed, height, width, channels], store))
    }
}

/// Refuses what would take more than half of the free memory at once, as an array does that can only be read whole.
///
/// # Errors
/// [`Error::Invalid`], with how much it is and `advice`.
pub(super) fn affordable(bytes: u64, what: impl Display, advice: &str) -> Result<()> {
    let free = crate::memory::available_memory().unwrap_or(u64::MAX);
    if bytes <= free / 2 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what} would take {} of memory at once, and {} are free; {advice}",
        in_units(bytes),
        in_units(free)
    )))
}

/// A number of bytes as people say it: `0 bytes`, `1 KiB`, `2.5 GiB`.
fn in_units(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes} bytes"),
        1024..0x10_0000 => (1u64 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    if bytes.is_multiple_of(unit) {
        return format!("{} {name}", bytes / unit);
    }
    format!("{:.1} {name}", bytes as f64 / unit as f64)
}

/// A file that is gone once nobody has it open, and the folder that it lies in.
fn unnamed() -> Result<(File, PathBuf)> {
    let folder = cache_folder().unwrap_or_else(|_| std::env::temp_dir());
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    // Another machine's processes that have the same folder may have the same numbers; nothing that is there is opened.
    let path = folder.join(format!("decoded-{:016x}", RandomState::new().hash_one(std::process::id())));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(windows)]
    {
        /// FILE_FLAG_DELETE_ON_CLOSE
        const DELETE_ON_CLOSE: u32 = 0x0400_0000;
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, DELETE_ON_CLOSE);
    }
    let file = options.open(&path).map_err(Error::io("write", &path))?;
    forget(&path)?;
    Ok((file, folder))
}

#[cfg(unix)]
fn forget(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(Error::io("write", path))
}

#[cfg(windows)]
fn forget(_path: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_the_unit_that_fits() {
        let said = [0, 1000, 1024, 1536, 3 << 20, 6_000_000_000].map(in_units);
        assert_eq!(said, ["0 bytes", "1000 bytes", "1 KiB", "1.5 KiB", "3 MiB", "5.6 GiB"]);
    }

    #[test]
    fn what_can_only_be_read_whole_and_is_too_large_is_refused() {
        affordable(1 << 10, "a", "b").unwrap();
        let text = affordable(u64::MAX, "the array", "store it in parts").unwrap_err().to_string();
        assert!(text.contains("the array would take 17179869184.0 GiB of memory at once, and "), "{text}");
        assert!(text.ends_with("free; store it in parts"), "{text}");
    }

    #[test]
    fn images_on_disk_are_those_in_memory() {
        let pixels: Vec<u8> = (0..5 * 6).collect();
        let kept = |memory| {
            let mut sink = Sink::new([9, 2, 3, 1], &Reading { memory: Some(memory), ..Reading::default() }).unwrap();
            sink.push(&pixels[..12]).unwrap();
            sink.push(&pixels[12..]).unwrap();
            sink.finish().unwrap()
        };
        let [memory, disk] = [u64::MAX, 0].map(kept);
        assert!(matches!(disk.store(), Store::Disk(_)) && matches!(memory.store(), Store::Memory(_)));
        assert_eq!((memory.shape(), &*memory.pixels()), ([5, 2, 3, 1], &pixels[..]));
        assert_eq!(disk, memory);
        let some = [4, 0, 4];
        assert_eq!(disk.select(&some), memory.select(&some));
        for ahead in [&[1, 2][..], &[3]] {
            disk.prefetch(|| ahead.to_vec());
            assert_eq!(disk.batch(&[1, 2]), memory.batch(&[1, 2]));
        }
        assert_eq!(disk.select(&some).select(&[1, 2]).batch(&[0, 1]), memory.batch(&[0, 4]));
    }
}
