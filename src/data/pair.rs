//! What `KIND:IMAGES[,LABELS]` names: a file of images and, where there are any, another of their labels.

use std::path::Path;

use super::Split;
use crate::error::{Error, Result};

/// Whether an argument names one file or two.
///
/// # Errors
/// [`Error::Usage`] where it does not.
pub(super) fn check(kind: &str, argument: &str) -> Result<()> {
    let parts: Vec<&str> = argument.split(',').collect();
    if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
        return Err(Error::Usage(format!(
            "`{kind}:{argument}` must name a file of images and, if there are labels, after a comma a file of labels: \
             {kind}:IMAGES[,LABELS]"
        )));
    }
    Ok(())
}

/// The files of the one split that there is.
///
/// # Errors
/// [`Error::NoSplit`] for any other.
pub(super) fn files<'a>(kind: &str, argument: &'a str, split: Split) -> Result<(&'a Path, Option<&'a Path>)> {
    if split != Split::Train {
        return Err(split.missing(
            format!("{kind}:{argument} names one set of images and"),
            format!("name the held-out images by their own {kind}:IMAGES[,LABELS]"),
        ));
    }
    Ok(match argument.split_once(',') {
        Some((images, labels)) => (Path::new(images), Some(Path::new(labels))),
        None => (Path::new(argument), None),
    })
}
