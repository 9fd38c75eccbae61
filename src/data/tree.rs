//! What lies in a folder or an archive, and what it means: which files are pictures, which sub-folders are splits and which are classes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::ImageFormat;
use rayon::prelude::*;

use super::archive::Archive;
use super::classes::{MOST_CLASSES, natural_order};
use super::decode::{Content, MOST_BYTES, content};
use super::subset::interleave;
use super::{Classes, Split};
use crate::error::{Error, Result};

/// How much of a file tells what it is.
const BEGINNING: u64 = 64;
/// Folders and files that other programs put beside pictures.
const FOREIGN: [&str; 6] =
    ["@eadir", "__macosx", "$recycle.bin", "system volume information", "thumbs.db", "desktop.ini"];

/// Whether a file or folder of this name is none of the data set's: hidden ones, and those of other programs.
pub(super) fn is_foreign(name: &str) -> bool {
    name.starts_with('.') || FOREIGN.contains(&name.to_lowercase().as_str())
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Disk(PathBuf),
    Archive(Arc<Archive>, usize),
}

impl Source {
    /// All of its bytes; else what is wrong with it and what to do.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let bytes = match self {
            Source::Archive(archive, index) => return archive.read(*index, MOST_BYTES),
            Source::Disk(path) => first_bytes(path, MOST_BYTES + 1)?,
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(format!("it has more than the {MOST_BYTES} bytes that are read; shrink it"));
        }
        Ok(bytes)
    }

    fn beginning(&self) -> Result<Vec<u8>, String> {
        match self {
            Source::Archive(archive, index) => archive.beginning(*index, BEGINNING),
            Source::Disk(path) => first_bytes(path, BEGINNING),
        }
    }
}

fn first_bytes(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| format!("it cannot be read: {error}")).map(|_| bytes)
}

/// A folder or an archive.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Its files less foreign ones: the path below the root, with `/` between names, and where the bytes are, or why there are none.
    pub files: Vec<(String, Result<Source, String>)>,
    /// The paths of its folders, less foreign ones.
    pub folders: BTreeSet<String>,
    /// How many files and folders were passed over by their names.
    pub foreign: usize,
}

/// A file that is a picture, as far as its beginning says.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub path: String,
    pub source: Source,
    pub format: ImageFormat,
    pub label: Option<u32>,
}

/// What a tree means.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The names of all classes, over all splits; none where no split has class folders.
    pub classes: Classes,
    /// The pictures of each split that there is.
    pub parts: HashMap<Split, Vec<Picture>>,
    /// Whether its sub-folders are splits.
    pub has_splits: bool,
    /// Files that can only be pictures and cannot be read, with what is wrong with each.
    pub broken: Vec<(String, String)>,
    /// How many files were passed over.
    pub foreign: usize,
    /// What a person should know of its classes.
    pub notes: Vec<String>,
}

/// The sub-folders of a split that hold its classes, and whether pictures lie beside them.
#[derive(Default)]
struct Shelf {
    prefix: String,
    classes: BTreeSet<String>,
    with_pictures: BTreeSet<String>,
    beside: Option<String>,
}

impl Layout {
    /// Reads what a tree's files begin with, and decides what its folders are. `labels` are given to pictures by path in place of
    /// classes by folder.
    ///
    /// # Errors
    /// [`Error::Invalid`] where pictures lie beside folders with pictures, or a class is spelled in two ways.
    pub fn of(tree: Tree, whose: &str, labels: Option<&HashMap<String, u32>>) -> Result<Layout> {
        let Tree { mut files, folders, foreign } = tree;
        files.par_sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        let seen: Vec<Content> = files
            .par_iter()
            .map(|(path, source)| match source.as_ref().map(Source::beginning) {
                Ok(Ok(bytes)) => content(path, &bytes),
                Ok(Err(why)) => Content::Unreadable(why),
                Err(why) => Content::Unreadable(why.clone()),
            })
            .collect();
        let mut layout = Layout { foreign, ..Layout::default() };
        let mut pictures = Vec::new();
        let mut paths = Vec::new();
        for ((path, source), content) in files.into_iter().zip(seen) {
            match (content, source) {
                (Content::Other, _) => {
                    layout.foreign += 1;
                    continue;
                }
                (Content::Picture(format), Ok(source)) => {
                    pictures.push(Picture { path: path.clone(), source, format, label: None });
                }
                (Content::Unreadable(why), _) | (Content::Picture(_), Err(why)) => {
                    layout.broken.push((path.clone(), why))
                }
            }
            paths.push(path);
        }
        match labels {
            Some(labels) => layout.label(pictures, labels, whose)?,
            None => layout.arrange(pictures, &paths, &folders, whose)?,
        }
        Ok(layout)
    }

    /// Pictures of one split, with given labels.
    fn label(&mut self, mut pictures: Vec<Picture>, labels: &HashMap<String, u32>, whose: &str) -> Result<()> {
        for picture in &mut pictures {
            let label = labels.get(&picture.path).ok_or_else(|| {
                Error::invalid(format!(
                    "{whose}: dataset.json gives {} no label; give every image one, or none",
                    picture.path
                ))
            })?;
            picture.label = Some(*label);
        }
        self.classes = Classes::numbered(0..labels.values().max().map_or(0, |&most| most as usize + 1));
        self.parts.insert(Split::Train, in_turn(pictures, self.classes.len()));
        Ok(())
    }

    /// Pictures by the folders that they lie in.
    fn arrange(
        &mut self,
        pictures: Vec<Picture>,
        paths: &[String],
        folders: &BTreeSet<String>,
        whose: &str,
    ) -> Result<()> {
        let root = Shelf::of("", paths, folders);
        let named: Vec<(Split, &String)> =
            root.with_pictures.iter().filter_map(|name| Some((Split::named(name)?, name))).collect();
        let trains = named.iter().any(|(split, _)| *split == Split::Train);
        self.has_splits = trains && named.len() == root.with_pictures.len();
        let shelves: Vec<(Split, Shelf)> = if self.has_splits {
            if let Some(path) = &root.beside {
                return Err(Error::invalid(format!(
                    "{whose}: {path} lies beside the splits {}; put every image into one of them",
                    named.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ")
                )));
            }
            for (index, (split, name)) in named.iter().enumerate() {
                if let Some((_, other)) = named[..index].iter().find(|(other, _)| other == split) {
                    return Err(Error::invalid(format!(
                        "{whose}: {other} and {name} are both names of the {split} split; put the images into one of them"
                    )));
                }
            }
            named.iter().map(|(split, name)| (*split, Shelf::of(&format!("{name}/"), paths, folders))).collect()
        } else {
            vec![(Split::Train, root)]
        };
        self.classes = classes_of(&shelves, whose)?;
        let labels: HashMap<&str, u32> = self.classes.names().iter().map(String::as_str).zip(0..).collect();
        let mut parts: Vec<Vec<Picture>> = shelves.iter().map(|_| Vec::new()).collect();
        for mut picture in pictures {
            let place = shelves.iter().position(|(_, shelf)| picture.path.starts_with(&shelf.prefix));
            let place = place.expect("each picture is in a split");
            let below = &picture.path[shelves[place].1.prefix.len()..];
            picture.label = below.split_once('/').map(|(class, _)| labels[class]);
            parts[place].push(picture);
        }
        for ((split, shelf), pictures) in shelves.iter().zip(parts) {
            let of = if self.has_splits { format!("the {split} split") } else { "it".to_string() };
            if shelf.with_pictures.is_empty() && !self.classes.is_empty() {
                self.notes.push(format!("{of} has no class folders: its images have no labels"));
            } else {
                let empty = self.classes.names().iter().filter(|name| !shelf.with_pictures.contains(*name));
                let empty: Vec<&str> = empty.map(String::as_str).collect();
                if !empty.is_empty() {
                    self.notes.push(format!("{of} has no images of {}", counted("class", "classes", &empty)));
                }
            }
            self.parts.insert(*split, in_turn(pictures, self.classes.len()));
        }
        Ok(())
    }
}

impl Shelf {
    fn of(prefix: &str, paths: &[String], folders: &BTreeSet<String>) -> Shelf {
        let mut shelf = Shelf { prefix: prefix.to_string(), ..Shelf::default() };
        for path in paths {
            let Some(below) = path.strip_prefix(prefix) else { continue };
            match below.split_once('/') {
                Some((class, _)) => {
                    if !shelf.with_pictures.contains(class) {
                        shelf.with_pictures.insert(class.to_string());
                    }
                }
                None => {
                    shelf.beside.get_or_insert_with(|| path.clone());
                }
            }
        }
        // A folder without pictures is an empty class beside others, and nothing else.
        if !shelf.with_pictures.is_empty() {
            let names = folders.iter().filter_map(|folder| folder.strip_prefix(prefix));
            shelf.classes = names.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_string).collect();
            shelf.classes.extend(shelf.with_pictures.iter().cloned());
        }
        shelf
    }
}

/// The classes of all splits, in natural order.
fn classes_of(shelves: &[(Split, Shelf)], whose: &str) -> Result<Classes> {
    let mut names: BTreeSet<&String> = BTreeSet::new();
    for (_, shelf) in shelves {
        if let (Some(class), Some(path)) = (shelf.with_pictures.first(), &shelf.beside) {
            return Err(Error::invalid(format!(
                "{whose}: {path} lies beside the folder {}{class}, which has images too; put every image into the folder of its \
                 class, or none",
                shelf.prefix
            )));
        }
        names.extend(&shelf.classes);
    }
    let mut spellings: BTreeMap<String, &String> = BTreeMap::new();
    for name in &names {
        let Some(other) = spellings.insert(name.to_lowercase(), name) else { continue };
        let together = shelves.iter().any(|(_, shelf)| shelf.classes.contains(*name) && shelf.classes.contains(other));
        if !together {
            return Err(Error::invalid(format!(
                "{whose}: a class is called {other} in one split and {name} in another; give it one name"
            )));
        }
    }
    if names.len() > MOST_CLASSES {
        return Err(Error::invalid(format!(
            "{whose} has {} classes; at most {MOST_CLASSES} are possible",
            names.len()
        )));
    }
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by(|a, b| natural_order(a, b));
    Ok(Classes::new(names))
}

/// Classes take turns in proportion to their sizes, each in the order of its paths, so that the first or the last part of the data
/// set has its share of each.
fn in_turn(pictures: Vec<Picture>, classes: usize) -> Vec<Picture> {
    let Some(labels) = pictures.iter().map(|picture| picture.label).collect::<Option<Vec<u32>>>() else {
        return pictures;
    };
    let mut order: Vec<usize> = (0..pictures.len()).collect();
    order.sort_by_key(|&index| labels[index]);
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let order = interleave(&order, &labels, &counts);
    let mut pictures: Vec<Option<Picture>> = pictures.into_iter().map(Some).collect();
    order.into_iter().map(|index| pictures[index].take().expect("each place once")).collect()
}

/// `class a`, `classes a, b`; of many the first few.
pub(super) fn counted(one: &str, several: &str, names: &[&str]) -> String {
    const SHOWN: usize = 10;
    match names {
        [name] => format!("{one} {name}"),
        names if names.len() <= SHOWN => format!("{several} {}", names.join(", ")),
        names => format!("{several} {} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}
