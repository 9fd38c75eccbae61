//! What is trained once and kept: judges, and the space without classes, each in a file of the cache named by a hash of all that
//! determines it.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Where a judge, or a space without classes, came from.
#[derive(Debug)]
pub enum Origin {
    /// This file of the cache.
    Cache(PathBuf),
    /// It was trained now, and is in this file of the cache from now on, or could not be kept for a reason.
    Trained(Result<PathBuf>),
}

/// The name of a file in the cache, by what it holds and what determines that.
pub(super) fn file_name(kind: &str, header: serde_json::Map<String, Json>) -> String {
    let hash = Sha256::digest(Json::Object(header).to_string());
    let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}-{name}.safetensors")
}

/// What `read` finds in a file, else what is trained now and, where that can be, written there. None where the training was stopped.
///
/// # Errors
/// Those of `train`.
pub(super) fn cached<T>(
    file: Result<PathBuf>,
    read: impl FnOnce(&Path) -> Option<T>,
    train: impl FnOnce() -> Result<Option<T>>,
    write: impl FnOnce(&T, &Path) -> Result<()>,
) -> Result<Option<(T, Origin)>> {
    if let Ok(path) = &file
        && let Some(found) = read(path)
    {
        return Ok(Some((found, Origin::Cache(path.clone()))));
    }
    let Some(trained) = train()? else { return Ok(None) };
    let kept = file.and_then(|path| {
        let folder = path.parent().expect("a file in the cache's folder");
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        write(&trained, &path)?;
        Ok(path)
    });
    Ok(Some((trained, Origin::Trained(kept))))
}
