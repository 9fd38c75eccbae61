//! A folder of pictures of any size, with a sub-folder for each split, for each class, or without either.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::decode::{Named, named};
use super::kind::{Block, Kind, Places};
use super::layout::Layout;
use super::pictures;
use super::tree::{Source, Tree, is_foreign};
use super::{Dataset, Images, Reading, Split};
use crate::error::{Error, Result};

/// `folder:DIR`: a folder of images.
pub(super) const KIND: Kind =
    Kind { name: "folder", forms: &["folder:DIR"], places: Places::Whole, check, load, block: Block::Drawn };

/// How deep folders may lie in each other.
const DEEPEST: usize = 32;

fn check(argument: &str) -> Result<()> {
    if argument.is_empty() {
        return Err(Error::Usage("`folder:` must name a folder of images: folder:DIR".into()));
    }
    Ok(())
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let folder = Path::new(argument);
    if folder.is_file() {
        return Err(Error::invalid(format!(
            "{argument} is a file and no folder; name an archive as zip:FILE, and a picture's folder as folder:DIR"
        )));
    }
    if !folder.is_dir() {
        return Err(Error::invalid(format!(
            "there is no folder {argument}; put images there, in one sub-folder a class if they have classes, or name the \
             folder that has them"
        )));
    }
    let mut tree = Tree::default();
    walk(folder, String::new(), &mut Vec::new(), &mut tree).map_err(Error::io("read", folder))?;
    let layout = Layout::of(tree, argument, &|_| Ok(None), reading)?;
    pictures::load(argument, layout, split, "put the images into its sub-folders train, val and test", reading)
}

/// Pictures of the files at these paths, in this order, without classes, as a folder's are read; in a size and channels.
///
/// # Errors
/// [`Error::Invalid`] where a file is not there, or no picture; [`Error::BrokenImages`] where one cannot be read and is not to be left out.
pub fn read_files(paths: &[PathBuf], (size, channels): (usize, usize), reading: &Reading) -> Result<Dataset> {
    let (mut pixels, mut files) = (Vec::new(), Vec::new());
    for path in paths {
        let whose = path.display().to_string();
        if path.is_dir() {
            return Err(Error::invalid(format!("{whose} is a folder: name its pictures, or folder:{whose} alone")));
        }
        if !path.is_file() {
            return Err(Error::invalid(format!("there is no picture {whose}; check the path")));
        }
        let name = path.file_name().map_or_else(|| whose.clone(), |name| name.to_string_lossy().into_owned());
        let tree = Tree { files: vec![(name, Source::Disk(path.clone()))], ..Tree::default() };
        let layout = Layout::of(tree, &whose, &|_| Ok(None), reading)?;
        let seems = layout.parts.values().any(|part| !(part.pictures.is_empty() && part.broken.is_empty()));
        let picture = match pictures::load(&whose, layout, Split::Train, "name pictures", reading) {
            // It is broken, and its reader has said that it is left out.
            Err(Error::Invalid(_)) if reading.skip_broken && seems => continue,
            read => read?,
        };
        pixels.extend(picture.fit(size, channels)?.images.into_pixels());
        files.push(whose.into());
    }
    if files.is_empty() {
        return Err(Error::invalid("none of the pictures can be read"));
    }
    let images = Images::new([files.len(), size, size, channels], pixels);
    Ok(Dataset { files: Some(files), ..Dataset::unlabelled("pictures", images) })
}

/// Adds what lies in a folder, whose path below the root is `below`, to the tree. Links are followed, also out of the root; `above` are
/// the folders that lead here.
fn walk(folder: &Path, below: String, above: &mut Vec<PathBuf>, tree: &mut Tree) -> io::Result<()> {
    let itself = folder.canonicalize()?;
    // What a folder lies in leads to it again.
    if above.iter().any(|folder| folder.starts_with(&itself)) {
        let why = format!("it leads back to {}; remove the link", itself.display());
        tree.broken.push((below, why));
        return Ok(());
    }
    if above.len() == DEEPEST {
        tree.broken.push((below, format!("it lies more than {DEEPEST} folders deep; move it up")));
        return Ok(());
    }
    if !below.is_empty() {
        tree.folders.insert(below.clone());
    }
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort_unstable();
    above.push(itself);
    for path in paths {
        let name = path.file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned();
        if is_foreign(&name) {
            tree.foreign += files_in(&path, above.len());
            continue;
        }
        let inside = if below.is_empty() { name } else { format!("{below}/{name}") };
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                if let Err(error) = walk(&path, inside.clone(), above, tree) {
                    tree.broken.push((inside, format!("it cannot be read: {error}")));
                }
            }
            Ok(found) if found.is_file() => tree.files.push((inside, Source::Disk(path))),
            // A pipe or a device, of which nothing must be read.
            Ok(_) => tree.foreign += 1,
            Err(_) if named(&inside) == Named::Other => tree.foreign += 1,
            Err(error) => tree.broken.push((inside, unreached(&path, &error))),
        }
    }
    above.pop();
    Ok(())
}

/// Why there is nothing at a path that a folder lists.
fn unreached(path: &Path, error: &io::Error) -> String {
    match fs::read_link(path) {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => {
            format!("it is a link to {}, which is not there; fetch that or remove the link", target.display())
        }
        Ok(target) => {
            format!("it is a link to {}, which cannot be followed ({error}); remove the link", target.display())
        }
        Err(_) => format!("it cannot be read: {error}"),
    }
}

/// How many files there are at a path, and below it where it is a folder so deep; no link is followed.
fn files_in(path: &Path, deep: usize) -> usize {
    if deep >= DEEPEST || !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return 1;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| files_in(&entry.path(), deep + 1)).sum()
}

#[cfg(test)]
pub(super) mod tests;
