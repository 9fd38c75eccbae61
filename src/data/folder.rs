//! A folder of pictures of any size, with a sub-folder for each split, for each class, or without either.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::kind::{Block, Kind};
use super::pictures;
use super::tree::{Layout, Source, Tree, is_foreign};
use super::{Dataset, Reading, Split};
use crate::error::{Error, Result};

/// `folder:DIR`: a folder of images.
pub(super) const KIND: Kind = Kind { name: "folder", forms: &["folder:DIR"], check, load, block: Block::Drawn };

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
        return Err(Error::invalid(format!("{argument} is a file and no folder; name an archive as zip:FILE")));
    }
    if !folder.is_dir() {
        return Err(Error::invalid(format!(
            "there is no folder {argument}; put images there, in one sub-folder a class if they have classes, or name the \
             folder that has them"
        )));
    }
    let mut tree = Tree::default();
    walk(folder, String::new(), &mut Vec::new(), &mut tree)?;
    let layout = Layout::of(tree, argument, None)?;
    pictures::load(argument, layout, split, "put the images into its sub-folders train, val and test", reading)
}

/// Adds what lies in a folder, whose path below the root is `below`, to the tree. Links are followed, also out of the root; `above` are
/// the folders that lead here.
fn walk(folder: &Path, below: String, above: &mut Vec<PathBuf>, tree: &mut Tree) -> Result<()> {
    let itself = folder.canonicalize().map_err(Error::io("read", folder))?;
    if above.contains(&itself) || above.len() == DEEPEST {
        let why = format!("it leads back to {} or too deep; remove the link", itself.display());
        tree.files.push((below, Err(why)));
        return Ok(());
    }
    above.push(itself);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        entries.push(entry.map_err(Error::io("read", folder))?.path());
    }
    entries.sort_unstable();
    for path in entries {
        let name = path.file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned();
        if is_foreign(&name) {
            tree.foreign += usize::from(!name.starts_with('.'));
            continue;
        }
        let inside = if below.is_empty() { name } else { format!("{below}/{name}") };
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                tree.folders.insert(inside.clone());
                walk(&path, inside, above, tree)?;
            }
            Ok(found) if found.is_file() => tree.files.push((inside, Ok(Source::Disk(path)))),
            // A pipe or a device, of which nothing must be read.
            Ok(_) => tree.foreign += 1,
            Err(error) => match fs::read_link(&path) {
                Ok(target) => {
                    let why = format!(
                        "it is a link to {}, which is not there; fetch that or remove the link",
                        target.display()
                    );
                    tree.files.push((inside, Err(why)));
                }
                Err(_) => return Err(Error::io("read", &path)(error)),
            },
        }
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
mod tests;
