//! A folder of PNG and JPEG images of any size, with a sub-folder for each class or without classes.
//!
//! Images are decoded in parallel, cut and resized as they are read: in memory stay only bytes of at most 64 x 64, 12 KiB
//! an image in colour, and one decoded image a thread. That is enough, since no network here takes more, and an
//! epoch that read its images from disk again would mostly decode: 100,000 images are 1.2 GB.

mod picture;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::classes::natural_order;
use super::spec::Kind;
use super::subset::interleave;
use super::{Classes, Dataset, Images, Split};
use crate::error::{Error, Result};

/// `folder:DIR`: a folder of images.
pub(super) const KIND: Kind = Kind { name: "folder", forms: &["folder:DIR"], check, load };

/// The sides of the squares that images become, those of the networks; [`Dataset::fit`] goes from one to the other.
const SMALL: usize = 32;
const LARGE: usize = 64;

/// A label is a byte.
const MOST_CLASSES: usize = 256;

fn check(argument: &str) -> Result<()> {
    if argument.is_empty() {
        return Err(Error::Usage("`folder:` must name a folder of PNG or JPEG images: folder:DIR".into()));
    }
    Ok(())
}

/// Images that all have one size of up to 32 x 32 stay as they are. Otherwise each is cut to the square in its middle and
/// resized: to 32 x 32 where no square is larger than that, else to 64 x 64. All are grey, or else all are RGB.
fn load(argument: &str, split: Split) -> Result<Dataset> {
    let folder = Path::new(argument);
    if !folder.is_dir() {
        return Err(Error::invalid(format!(
            "there is no folder {argument}; put PNG or JPEG images there, in one sub-folder a class if they have \
             classes, or name the folder that has them"
        )));
    }
    let root = folder.canonicalize().map_err(Error::io("read", folder))?;
    let Listing { paths, labels, classes } = list(&root, &split_folder(&root, folder, split)?)?;

    let outlines = in_order(paths.par_iter().map(|path| picture::outline(path)))?;
    let channels = if outlines.iter().all(|outline| outline.grey) { 1 } else { 3 };
    let first = outlines[0];
    let as_they_are = first.height.max(first.width) <= SMALL
        && outlines.iter().all(|outline| (outline.height, outline.width) == (first.height, first.width));
    let (height, width) = if as_they_are {
        (first.height, first.width)
    } else {
        let small = outlines.iter().all(|outline| outline.height.min(outline.width) <= SMALL);
        if small { (SMALL, SMALL) } else { (LARGE, LARGE) }
    };

    let mut pixels = vec![0; paths.len() * height * width * channels];
    let places = pixels.par_chunks_exact_mut(height * width * channels);
    in_order(paths.par_iter().zip(places).map(|(path, place)| {
        place.copy_from_slice(&picture::fitted(path, height, width, channels)?);
        Ok(())
    }))?;
    let images = Images::new([paths.len(), height, width, channels], pixels);
    Ok(Dataset { name: argument.into(), images, labels, classes })
}

/// All results, or the error of the first path that has one, whichever thread finds one first.
fn in_order<T: Send>(results: impl IndexedParallelIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let results: Vec<Result<T>> = results.collect();
    results.into_iter().collect()
}

/// The folder itself where it has no sub-folders `train` and `test`, else that of the split.
fn split_folder(root: &Path, folder: &Path, split: Split) -> Result<PathBuf> {
    let splits = [Split::Train, Split::Test].map(|split| folder.join(split.to_string()));
    if splits.iter().all(|part| part.is_dir()) {
        let part = folder.join(split.to_string());
        stay_inside(root, &part)?;
        return Ok(part);
    }
    match split {
        Split::Train => Ok(folder.into()),
        Split::Test => Err(Error::NoSplit(format!(
            "{} has no test split; put the images into its sub-folders train and test, or name the folder of the \
             held-out images",
            folder.display()
        ))),
    }
}

/// What a folder holds: at least one image.
struct Listing {
    paths: Vec<PathBuf>,
    labels: Option<Vec<u32>>,
    classes: Classes,
}

/// Sub-folders are classes, numbered by name; names are compared byte by byte. The classes take turns in proportion to
/// their sizes, each in the order of its names, so that the first or the last part of the data set has its share of each.
fn list(root: &Path, folder: &Path) -> Result<Listing> {
    let (folders, files) = entries(root, folder)?;
    if let (Some(class), Some(file)) = (folders.first(), files.first()) {
        return Err(Error::invalid(format!(
            "{} has a sub-folder, {}, and a file beside it, {}; put every image into the sub-folder of its class, or none",
            folder.display(),
            class.display(),
            file.display()
        )));
    }
    if folders.len() > MOST_CLASSES {
        return Err(Error::invalid(format!(
            "{} has {} sub-folders; at most {MOST_CLASSES} classes are possible",
            folder.display(),
            folders.len()
        )));
    }
    let no_images = |folder: &Path| {
        Error::invalid(format!("{} has no images; put PNG or JPEG images there or remove it", folder.display()))
    };
    if folders.is_empty() {
        if files.is_empty() {
            return Err(no_images(folder));
        }
        return Ok(Listing { paths: files, labels: None, classes: Classes::none() });
    }
    let (mut paths, mut labels, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (label, class) in folders.iter().enumerate() {
        let (folders, files) = entries(root, class)?;
        if let Some(folder) = folders.first() {
            return Err(Error::invalid(format!(
                "{} is a folder within the folder of a class; put the images of a class into one folder",
                folder.display()
            )));
        }
        if files.is_empty() {
            return Err(no_images(class));
        }
        counts.push(files.len());
        labels.resize(labels.len() + files.len(), label as u32);
        paths.extend(files);
    }
    let order = interleave(&(0..paths.len()).collect::<Vec<_>>(), &labels, &counts);
    Ok(Listing {
        paths: order.iter().map(|&index| std::mem::take(&mut paths[index])).collect(),
        labels: Some(order.iter().map(|&index| labels[index]).collect()),
        classes: Classes::new(folders.iter().map(|folder| name_of(folder))),
    })
}

/// The name of a file or folder.
fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folders and the files in a folder, each sorted by name; hidden ones (`.DS_Store`) play no part.
fn entries(root: &Path, folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let path = entry.path();
        if hidden(&entry.file_name()) {
            continue;
        }
        stay_inside(root, &path)?;
        let kind = fs::metadata(&path).map_err(Error::io("read", &path))?.file_type();
        match () {
            () if kind.is_dir() => folders.push(path),
            () if kind.is_file() => files.push(path),
            () => {
                return Err(Error::invalid(format!(
                    "{} is neither a file nor a folder; remove it or name another folder",
                    path.display()
                )));
            }
        }
    }
    folders.sort_by(|a, b| natural_order(&name_of(a), &name_of(b)));
    files.sort_unstable();
    Ok((folders, files))
}

/// Refuses a link that leads out of the data set.
fn stay_inside(root: &Path, path: &Path) -> Result<()> {
    let target = path.canonicalize().map_err(Error::io("read", path))?;
    if !target.starts_with(root) {
        return Err(Error::invalid(format!(
            "{} is a link that leads out of {}; put the file itself there",
            path.display(),
            root.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
