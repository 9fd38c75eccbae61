//! Compiled kernels on disk: what the driver made of them at one start, it need not make at the next. A file an adapter, driver and version, in the
//! folder of what can be computed again; where there is none, or it is broken, kernels are compiled.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use super::adapter::Adapter;
use crate::atomic;

/// The folder within that of the cache.
const FOLDER: &str = "kernels";
/// Letters that a name takes of each of its parts.
const MOST_LETTERS: usize = 60;
/// Bytes of the digest that a file begins with.
const DIGEST: usize = 32;

/// A driver's compiled kernels, and where they are kept.
pub struct PipelineStore {
    cache: wgpu::PipelineCache,
    path: PathBuf,
    /// Whether kernels were compiled that the file may lack.
    is_behind: AtomicBool,
}

impl PipelineStore {
    /// What was kept in `folder` for an adapter, or nothing yet. None where the driver keeps nothing for others.
    pub fn open(device: &wgpu::Device, adapter: &Adapter, folder: &Path) -> Option<PipelineStore> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let path = folder.join(FOLDER).join(name(adapter, "bin"));
        let kept = fs::read(&path).ok().and_then(whole);
        let descriptor =
            wgpu::PipelineCacheDescriptor { label: Some("kernels"), data: kept.as_deref(), fallback: true };
        // SAFETY: the bytes are what `get_data` gave: the digest before them says that nothing has changed them since. wgpu refuses those of
        // other adapters and drivers.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(PipelineStore { cache, path, is_behind: AtomicBool::new(false) })
    }

    /// What pipelines are made with; the caller makes one.
    pub fn cache(&self) -> &wgpu::PipelineCache {
        self.is_behind.store(true, Ordering::Relaxed);
        &self.cache
    }

    /// Writes what was compiled, if anything was. Where that fails, it is compiled again at the next start.
    pub fn keep(&self) {
        if !self.is_behind.swap(false, Ordering::Relaxed) {
            return;
        }
        let Some(data) = self.cache.get_data() else { return };
        let bytes = [&Sha256::digest(&data)[..], &data].concat();
        let folder = self.path.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = folder.is_ok_and(|()| atomic::write(&self.path, &bytes).is_ok());
    }
}

impl Drop for PipelineStore {
    fn drop(&mut self) {
        self.keep();
    }
}

/// The bytes behind a digest that is theirs.
fn whole(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let data = bytes.split_off(bytes.len().min(DIGEST));
    (bytes[..] == Sha256::digest(&data)[..]).then_some(data)
}

/// A file's name for an adapter with its driver, and this version.
pub fn name(adapter: &Adapter, extension: &str) -> String {
    let info = &adapter.info;
    let readable = |text: &str| -> String {
        let letters = text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
        letters.take(MOST_LETTERS).collect()
    };
    let version = env!("CARGO_PKG_VERSION");
    let all = format!("{info:?} {version}");
    let digest: String = Sha256::digest(all.as_bytes())[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{version}-{}-{}-{digest}.{extension}", readable(&info.name), readable(&adapter.driver()))
}

#[cfg(test)]
mod tests {
    use super::super::adapter::{Choice, choose};
    use super::super::commands::Commands;
    use super::super::elementwise;
    use super::super::engine::Engine;
    use super::*;

    #[test]
    fn a_digest_tells_whole_bytes_from_others() {
        let whole_file = |data: &[u8]| [&Sha256::digest(data)[..], data].concat();
        assert_eq!(whole(whole_file(b"kernels")), Some(b"kernels".to_vec()));
        assert_eq!(whole(whole_file(b"")), Some(Vec::new()));
        let mut broken = whole_file(b"kernels");
        broken[35] ^= 1;
        for bytes in [broken, whole_file(b"kernels")[..38].to_vec(), b"short".to_vec(), Vec::new()] {
            assert_eq!(whole(bytes), None);
        }
    }

    #[test]
    fn kernels_are_kept_and_a_broken_file_is_ignored_and_replaced() {
        let adapter = match choose(&Choice::Best) {
            Ok(adapter) => adapter,
            Err(error) => return println!("skipped: {error}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FOLDER).join(name(&adapter, "bin"));
        let computes = || {
            let engine = Engine::with_kernels_in(adapter.clone(), "gpu".to_string(), Some(folder.path())).unwrap();
            let threes = elementwise::full(&engine, 5, 3.0);
            assert_eq!(engine.download(&[&threes]).unwrap(), [[3.0; 5]]);
            engine.keeps_kernels()
        };
        if !computes() {
            return println!("skipped: the driver keeps no kernels");
        }
        let kept = fs::read(&file).unwrap();
        assert!(whole(kept.clone()).is_some_and(|data| !data.is_empty()), "{} bytes", kept.len());
        computes();
        for broken in [kept[..kept.len() - 1].to_vec(), vec![7; 100], Vec::new()] {
            fs::write(&file, &broken).unwrap();
            computes();
            assert!(whole(fs::read(&file).unwrap()).is_some(), "the file stays broken");
        }
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "something else is left there");
    }
}
