//! What lies in a folder or an archive means: which files are pictures, which sub-folders are splits and which are classes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use image::ImageFormat;
use rayon::prelude::*;

use super::classes::MOST_CLASSES;
use super::decode::Content;
use super::subset::interleave;
use super::tree::{Source, Tree};
use super::{Classes, Reading, Split};
use crate::error::{Error, Result};

/// A file that is a picture, as far as its beginning says.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub path: String,
    pub source: Source,
    pub format: ImageFormat,
    pub label: Option<u32>,
}

/// What a split has.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub pictures: Vec<Picture>,
    /// Files that can only be pictures and cannot be read, with what is wrong with each.
    pub broken: Vec<(String, String)>,
}

/// What a tree means.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The names of all classes, over all splits; none where no split has class folders.
    pub classes: Classes,
    /// The splits that there are.
    pub parts: HashMap<Split, Part>,
    /// Whether its sub-folders are splits.
    pub has_splits: bool,
    /// How many files were passed over.
    pub foreign: usize,
    /// What a person should know of its folders.
    pub notes: Vec<String>,
}

/// The class numbers of pictures by their paths; none of them for pictures without classes.
pub(super) type Labels = HashMap<String, u32>;

/// Gives the labels that are written down in a folder, whose path ends in `/` or is empty, where they are.
pub(super) type Written<'a> = &'a dyn Fn(&str) -> Result<Option<Labels>>;

/// What lies in a folder, by the pictures that there are, broken ones included.
#[derive(Default)]
struct Shelf {
    prefix: String,
    /// All sub-folders, and those with pictures.
    folders: BTreeSet<String>,
    with_pictures: BTreeSet<String>,
    /// A picture that is in no sub-folder.
    beside: Option<String>,
}

impl Layout {
    /// Reads what a tree's files begin with, and decides what its folders are. `written` labels take the place of classes by folder. Where a
    /// reading is of images without labels, neither counts: folders are splits or nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] where pictures lie beside folders with pictures, or a class is spelled in two ways; those of `written`.
    pub fn of(tree: Tree, whose: &str, written: Written, reading: &Reading) -> Result<Layout> {
        let Tree { mut files, mut broken, folders, foreign } = tree;
        files.par_sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        let seen: Vec<Content> = files.par_iter().map(|(path, source)| source.content(path)).collect();
        let mut layout = Layout { foreign, ..Layout::default() };
        let mut pictures = Vec::new();
        for ((path, source), content) in files.into_iter().zip(seen) {
            match content {
                Content::Other => layout.foreign += 1,
                Content::Picture(format) => pictures.push(Picture { path, source, format, label: None }),
                Content::Unreadable(why) => broken.push((path, why)),
            }
        }
        let none: Written = &|_| Ok(None);
        let (prefix, labels) = top(&pictures, if reading.unlabelled { none } else { written })?;
        if !prefix.is_empty() {
            let top = prefix.trim_end_matches('/');
            layout.notes.push(format!("all of its images lie in its folder {top}, which is read as the data set"));
        }
        // What is made use of is not passed over.
        layout.foreign -= usize::from(labels.is_some());
        match labels {
            Some(labels) => layout.label(pictures, broken, (&prefix, &folders), &labels, whose)?,
            None => layout.arrange(pictures, broken, (&prefix, &folders), whose, reading)?,
        }
        Ok(layout)
    }

    /// Pictures with given labels, in the splits that their folders are.
    fn label(
        &mut self,
        mut pictures: Vec<Picture>,
        broken: Vec<(String, String)>,
        (prefix, folders): (&str, &BTreeSet<String>),
        labels: &Labels,
        whose: &str,
    ) -> Result<()> {
        let shelves = self.shelves(&pictures, &broken, (prefix, folders), whose)?;
        self.classes = Classes::numbered(0..labels.values().max().map_or(0, |&most| most as usize + 1));
        if !labels.is_empty() {
            for picture in &mut pictures {
                let below = picture.path.strip_prefix(prefix).unwrap_or(&picture.path);
                let label = labels.get(below).ok_or_else(|| {
                    Error::invalid(format!(
                        "{whose}: dataset.json gives {below} no label; give every image one, or none"
                    ))
                })?;
                picture.label = Some(*label);
            }
        }
        let parts = deal(&shelves, pictures, broken);
        for ((split, _), part) in shelves.into_iter().zip(parts) {
            let there = part.pictures.iter().filter_map(|picture| picture.label);
            let lacking = self.classes.lacking(there);
            self.notes.extend(lacking.map(|classes| format!("{} has no images of {classes}", self.called(split))));
            self.keep(split, part);
        }
        Ok(())
    }

    /// Pictures by the folders that they lie in.
    fn arrange(
        &mut self,
        mut pictures: Vec<Picture>,
        broken: Vec<(String, String)>,
        places: (&str, &BTreeSet<String>),
        whose: &str,
        reading: &Reading,
    ) -> Result<()> {
        let shelves = match reading.together {
            true => vec![(Split::Train, Shelf::of(places.0, &pictures, &broken, places.1))],
            false => self.shelves(&pictures, &broken, places, whose)?,
        };
        if !reading.unlabelled {
            self.name_classes(&shelves, whose)?;
        }
        let labels: HashMap<&str, u32> = self.classes.names().iter().map(String::as_str).zip(0..).collect();
        for picture in &mut pictures {
            let below = place(&shelves, &picture.path).map(|place| &picture.path[shelves[place].1.prefix.len()..]);
            let class = below.and_then(|below| below.split_once('/'));
            picture.label = class.and_then(|(class, _)| labels.get(class).copied());
        }
        let parts = deal(&shelves, pictures, broken);
        let mut notes = Vec::new();
        for (split, shelf) in &shelves {
            let of = self.called(*split);
            if shelf.with_pictures.is_empty() && !self.classes.is_empty() {
                if shelf.beside.is_some() {
                    notes.push(format!("{of} has no class folders: its images have no labels"));
                }
            } else {
                let there = shelf.with_pictures.iter().filter_map(|name| labels.get(name.as_str()).copied());
                notes.extend(self.classes.lacking(there).map(|classes| format!("{of} has no images of {classes}")));
            }
        }
        self.notes.extend(notes);
        shelves.into_iter().zip(parts).for_each(|((split, _), part)| self.keep(split, part));
        Ok(())
    }

    /// The splits that there are, each with what lies in it; all of it is the training split where its folders are none.
    fn shelves(
        &mut self,
        pictures: &[Picture],
        broken: &[(String, String)],
        (prefix, folders): (&str, &BTreeSet<String>),
        whose: &str,
    ) -> Result<Vec<(Split, Shelf)>> {
        let shelf = |prefix: &str| Shelf::of(prefix, pictures, broken, folders);
        let root = shelf(prefix);
        let splits = root.splits();
        let listed = |names: &[&String]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        self.has_splits = !splits.is_empty();
        if !self.has_splits {
            let (named, others): (Vec<&String>, _) =
                root.with_pictures.iter().partition(|name| Split::named(name).is_some());
            let kinds: HashSet<Split> = named.iter().filter_map(|name| Split::named(name)).collect();
            if kinds.len() > 1 && kinds.contains(&Split::Train) {
                // As classes, images that are to be held out would be learned from.
                return Err(Error::invalid(format!(
                    "{whose}: {} are names of splits, and {}, where images lie too, is none; move that away, or give classes other names",
                    listed(&named),
                    listed(&others)
                )));
            }
            if !others.is_empty() && !named.is_empty() {
                let classes = if named.len() == 1 { "is a class" } else { "are classes" };
                self.notes.push(format!("{} {classes} here and no split, beside {}", listed(&named), listed(&others)));
            }
            return Ok(vec![(Split::Train, root)]);
        }
        if let Some(path) = &root.beside {
            return Err(Error::invalid(format!(
                "{whose}: {path} lies beside the splits {}; put every image into one of them",
                listed(&splits.iter().map(|(_, name)| *name).collect::<Vec<_>>())
            )));
        }
        for (index, (split, name)) in splits.iter().enumerate() {
            if let Some((_, other)) = splits[..index].iter().find(|(other, _)| other == split) {
                return Err(Error::invalid(format!(
                    "{whose}: {other} and {name} are both names of the {split} split; put the images into one of them"
                )));
            }
        }
        let empty = root.folders.difference(&root.with_pictures).filter(|name| Split::named(name).is_some());
        self.notes.extend(empty.map(|name| format!("its folder {prefix}{name} has no images")));
        Ok(splits.iter().map(|(split, name)| (*split, shelf(&format!("{prefix}{name}/")))).collect())
    }

    /// A split in a sentence.
    fn called(&self, split: Split) -> String {
        if self.has_splits { format!("the {split} split") } else { "it".to_string() }
    }

    fn keep(&mut self, split: Split, Part { pictures, broken }: Part) {
        self.parts.insert(split, Part { pictures: in_turn(pictures, self.classes.len()), broken });
    }

    /// The classes of all splits, in natural order.
    fn name_classes(&mut self, shelves: &[(Split, Shelf)], whose: &str) -> Result<()> {
        let mut names: BTreeSet<&String> = BTreeSet::new();
        for (_, shelf) in shelves {
            if let (Some(class), Some(path)) = (shelf.with_pictures.first(), &shelf.beside) {
                return Err(Error::invalid(format!(
                    "{whose}: {path} lies beside the folder {}{class}, which has images too; put every image into the folder \
                     of its class, or none",
                    shelf.prefix
                )));
            }
            names.extend(shelf.classes());
        }
        let mut spellings: BTreeMap<String, &String> = BTreeMap::new();
        for name in &names {
            let Some(other) = spellings.insert(name.to_lowercase(), name) else { continue };
            let together = |shelf: &Shelf| [*name, other].iter().all(|name| shelf.folders.contains(*name));
            if !shelves.iter().any(|(_, shelf)| together(shelf)) {
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
        self.classes = Classes::sorted(names.into_iter().cloned().collect());
        self.notes.extend(self.classes.alike());
        Ok(())
    }
}

/// The shelf that a path lies on.
fn place(shelves: &[(Split, Shelf)], path: &str) -> Option<usize> {
    shelves.iter().position(|(_, shelf)| path.starts_with(&shelf.prefix))
}

/// What lies on each shelf. What is broken and in no split stands in the way of training.
fn deal(shelves: &[(Split, Shelf)], pictures: Vec<Picture>, broken: Vec<(String, String)>) -> Vec<Part> {
    let mut parts: Vec<Part> = shelves.iter().map(|_| Part::default()).collect();
    for picture in pictures {
        let place = place(shelves, &picture.path).expect("each picture is in a split");
        parts[place].pictures.push(picture);
    }
    let training = shelves.iter().position(|(split, _)| *split == Split::Train).unwrap_or(0);
    for (path, why) in broken {
        parts[place(shelves, &path).unwrap_or(training)].broken.push((path, why));
    }
    parts
}

/// The folder that is the data set: the root or, where all pictures lie in one folder of it as archives often have it, that one, unless it
/// is a split, or a class, which has pictures of its own. The labels that are written down there come with it.
fn top(pictures: &[Picture], written: Written) -> Result<(String, Option<Labels>)> {
    let mut top = String::new();
    loop {
        if let Some(labels) = written(&top)? {
            return Ok((top, Some(labels)));
        }
        let folder = |picture: &Picture| {
            let (folder, _) = picture.path.get(top.len()..)?.split_once('/')?;
            Some(folder.to_string())
        };
        let Some(name) = pictures.first().and_then(folder) else { return Ok((top, None)) };
        let inner = format!("{top}{name}/");
        if Split::named(&name).is_some() || !pictures.iter().all(|picture| picture.path.starts_with(&inner)) {
            return Ok((top, None));
        }
        if let Some(labels) = written(&inner)? {
            return Ok((inner, Some(labels)));
        }
        if pictures.iter().any(|picture| !picture.path[inner.len()..].contains('/')) {
            return Ok((top, None));
        }
        top = inner;
    }
}

impl Shelf {
    fn of(prefix: &str, pictures: &[Picture], broken: &[(String, String)], folders: &BTreeSet<String>) -> Shelf {
        let mut shelf = Shelf { prefix: prefix.to_string(), ..Shelf::default() };
        for picture in pictures {
            match picture.path.strip_prefix(prefix).map(|below| below.split_once('/')) {
                Some(Some((folder, _))) if !shelf.with_pictures.contains(folder) => {
                    shelf.with_pictures.insert(folder.to_string());
                }
                Some(None) => drop(shelf.beside.get_or_insert_with(|| picture.path.clone())),
                _ => {}
            }
        }
        let broken = broken.iter().filter_map(|(path, _)| path.strip_prefix(prefix)?.split_once('/'));
        shelf.with_pictures.extend(broken.map(|(folder, _)| folder.to_string()));
        let names = folders.iter().filter_map(|folder| folder.strip_prefix(prefix));
        shelf.folders = names.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_string).collect();
        shelf.folders.extend(shelf.with_pictures.iter().cloned());
        shelf
    }

    /// The sub-folders that are splits: where each that has pictures is called as one, and one of the training split is there, be it
    /// empty.
    fn splits(&self) -> Vec<(Split, &String)> {
        fn named(name: &String) -> Option<(Split, &String)> {
            Some((Split::named(name)?, name))
        }
        let is_training = |(split, _): &(Split, &String)| *split == Split::Train;
        let Some(mut splits) = self.with_pictures.iter().map(named).collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        if !splits.iter().any(is_training) {
            splits.extend(self.folders.iter().filter_map(named).find(is_training));
        }
        if self.with_pictures.is_empty() || !splits.iter().any(is_training) { Vec::new() } else { splits }
    }

    /// The sub-folders that are classes: all of them where any has pictures. A folder without is an empty class beside others, and nothing
    /// else.
    fn classes(&self) -> impl Iterator<Item = &String> {
        self.folders.iter().filter(|_| !self.with_pictures.is_empty())
    }
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

#[cfg(test)]
mod tests;
