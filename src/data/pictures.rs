//! The pictures of a folder or an archive as a data set: decoded in parallel, laid over the background, made squares of one size.
//!
//! In memory, or on disk where that is too small, are only bytes of the networks' size, and one decoded picture a thread.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::decode::{self, Outline};
use super::fit::{SMALL, reading_side};
use super::layout::{Layout, Part, Picture};
use super::reading::Heard;
use super::store::Sink;

use super::{Classes, Dataset, Reading, Split};
use crate::error::{Error, Result};

/// Pictures that are decoded between two words on how far it is.
const CHUNK: usize = 1024;

/// A picture that is what it seems.
struct Sound {
    picture: Picture,
    outline: Outline,
    digest: [u8; 32],
}

/// A split of what lies in a folder or an archive. `advice` says how it would have one that it lacks.
///
/// # Errors
/// [`Error::NoSplit`] where there is no such split; [`Error::Invalid`] where there is no picture in it;
/// [`Error::BrokenImages`], listing all of them, where some cannot be read and are not to be left out.
pub(super) fn load(whose: &str, layout: Layout, split: Split, advice: &str, reading: &Reading) -> Result<Dataset> {
    let Layout { classes, mut parts, has_splits, foreign, notes } = layout;
    let splits: Vec<Split> = Split::ALL.into_iter().filter(|split| has_splits && parts.contains_key(split)).collect();
    let Some(Part { pictures, mut broken }) = parts.remove(&split) else {
        return Err(split.missing(whose, advice));
    };
    let none = || match has_splits {
        true => Error::invalid(format!("{whose}: the {split} split is empty; {advice}")),
        false => none(whose, foreign),
    };
    if pictures.is_empty() && broken.is_empty() {
        return Err(none());
    }
    let total = pictures.len() + broken.len();
    let mut sound = Vec::new();
    for (chunk, done) in pictures.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        reading.listener.tell(Heard::Progress { done, of: 2 * total, images: total });
        let seen: Vec<Result<Sound, (String, String)>> = chunk
            .par_iter()
            .map(|picture| {
                let bytes = picture.source.read();
                let outline = bytes.and_then(|bytes| {
                    let outline = decode::outline(&bytes, picture.format, reading)?;
                    Ok((outline, Sha256::digest(&bytes).into()))
                });
                match outline {
                    Ok((outline, digest)) => Ok(Sound { picture: picture.clone(), outline, digest }),
                    Err(why) => Err((picture.path.clone(), why)),
                }
            })
            .collect();
        for outcome in seen {
            match outcome {
                Ok(picture) => sound.push(picture),
                Err(wrong) => broken.push(wrong),
            }
        }
    }
    let channels = if sound.iter().all(|sound| sound.outline.grey) { 1 } else { 3 };
    let small = || sound.iter().all(|Sound { outline, .. }| outline.height.min(outline.width) <= SMALL);
    let small = reading.small.unwrap_or_else(small);
    let side = reading_side(small, reading);

    let mut sink = Sink::new([sound.len(), side, side, channels], reading)?;
    let (mut kept, mut transparent) = (Vec::with_capacity(sound.len()), 0);
    for (chunk, done) in sound.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        reading.listener.tell(Heard::Progress { done: total + done, of: 2 * total, images: total });
        let squares: Vec<Result<(Vec<u8>, bool), String>> = chunk
            .par_iter()
            .map(|Sound { picture: Picture { source, format, .. }, .. }| {
                decode::square(&source.read()?, *format, side, channels, reading)
            })
            .collect();
        for (sound, square) in chunk.iter().zip(squares) {
            match square {
                Ok((pixels, lets_through)) => {
                    sink.push(&pixels)?;
                    transparent += usize::from(lets_through);
                    kept.push(sound);
                }
                Err(why) => broken.push((sound.picture.path.clone(), why)),
            }
        }
    }
    reading.listener.tell(Heard::Progress { done: 2 * total, of: 2 * total, images: total });
    refuse(whose, total, &mut broken, reading)?;
    if kept.is_empty() {
        return Err(none());
    }
    tell(whose, foreign, transparent, &notes, reading);
    let labels: Option<Vec<u32>> = kept.iter().map(|sound| sound.picture.label).collect();
    let mut key = Sha256::new();
    for sound in &kept {
        key.update(sound.digest);
        key.update(sound.picture.label.unwrap_or(u32::MAX).to_le_bytes());
    }
    Ok(Dataset {
        name: whose.into(),
        images: sink.finish()?,
        classes: if labels.is_some() { classes } else { Classes::none() },
        labels,
        files: Some(kept.iter().map(|sound| sound.picture.path.as_str().into()).collect()),
        left_out: broken.into_iter().map(|(path, _)| path.into()).collect(),
        splits,
        key: Some(key.finalize().into()),
        reading: Reading { small: Some(small), ..reading.clone() },
    })
}

/// Says which pictures are left out, or refuses the data set for them.
fn refuse(whose: &str, total: usize, broken: &mut [(String, String)], reading: &Reading) -> Result<()> {
    if broken.is_empty() {
        return Ok(());
    }
    broken.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
    // One beside the sentence, several below it.
    let before = if broken.len() == 1 { " " } else { "\n  " };
    let listed: Vec<String> = broken.iter().map(|(path, why)| format!("{before}{path}: {why}")).collect();
    let many = if broken.len() == 1 { "1 image".to_string() } else { format!("{} images", broken.len()) };
    if reading.skip_broken {
        reading.listener.note(format!("{whose}: {many} of {total} left out:{}", listed.concat()));
        return Ok(());
    }
    Err(Error::BrokenImages(format!("{whose}: {many} of {total} cannot be read:{}", listed.concat())))
}

fn tell(whose: &str, foreign: usize, transparent: usize, notes: &[String], reading: &Reading) {
    for note in notes {
        reading.listener.note(format!("{whose}: {note}"));
    }
    if foreign > 0 {
        let files = if foreign == 1 {
            "1 file that is none of its images is".to_string()
        } else {
            format!("{foreign} files that are none of its images are")
        };
        reading.listener.note(format!("{whose}: {files} passed over"));
    }
    if transparent > 0 {
        let images = if transparent == 1 { "1 image has".to_string() } else { format!("{transparent} images have") };
        let background = reading.background;
        reading.listener.note(format!("{whose}: {images} transparent pixels, which are laid over {background}"));
    }
}

fn none(whose: &str, foreign: usize) -> Error {
    let foreign = match foreign {
        0 => String::new(),
        1 => ", only 1 file that is none".to_string(),
        count => format!(", only {count} files that are none"),
    };
    Error::invalid(format!(
        "{whose} has no images{foreign}; put PNG, JPEG, WebP, BMP, GIF or TIFF images there, or name another place"
    ))
}
