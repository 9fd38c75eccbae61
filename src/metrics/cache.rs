//! What is trained once and kept: judges of either kind, each in a file of the cache named by a hash of all that
//! determines it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};

/// Where a judge, or a space without classes, came from.
#[derive(Debug)]
pub enum Origin {
    /// This file of the cache.
    Cache(PathBuf),
    /// It was trained now, and is in this file of the cache from now on, or could not be kept for a reason.
    Trained(Result<PathBuf>),
}

/// What determines something, as the header of its checkpoint.
pub(super) fn as_header(of: &impl Serialize) -> serde_json::Map<String, Json> {
    match json!(of) {
        Json::Object(header) => header,
        _ => unreachable!("a struct is an object"),
    }
}

/// What determined what a checkpoint of a format holds; else why it is none.
pub(super) fn header<T: DeserializeOwned>(checkpoint: &Checkpoint, format: u64) -> Result<T, String> {
    let header = Json::Object(checkpoint.header.clone());
    let version = header["format"].clone();
    let read = serde_json::from_value(header).map_err(|error| error.to_string())?;
    if version == format { Ok(read) } else { Err(format!("it is of format {version}")) }
}

/// The name of a file in the cache, by what it holds and what determines that.
pub(super) fn file_name(kind: &str, header: &impl Serialize) -> String {
    let hash = Sha256::digest(Json::Object(as_header(header)).to_string());
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
