//! How pictures become images of a network: the options that every reading of data shares.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Spec;
use crate::error::{Error, Result};
use crate::words::words;

/// What becomes of pictures of any size, shape and transparency while they are read.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reading {
    /// What lies behind transparent pixels, and around a picture that is padded.
    pub background: Background,
    /// How a picture becomes a square.
    pub fit: Fit,
    /// How a square becomes one of another size.
    pub resample: Resample,
    /// Whether pictures that cannot be read are left out; else they are an error that lists them.
    pub skip_broken: bool,
    /// Whether labels do not count: folders that are no splits are no classes, either.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlabelled: bool,
    /// Whether all files are of one split, whatever their folders are called, as where each is asked about by itself.
    #[serde(skip)]
    pub together: bool,
    /// The data set that stands in for the test split of the one that is read as [`Parts`](super::Parts), by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<String>,
    /// Classes of the source that go by other names in the target: source to target.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub map: BTreeMap<String, String>,
    /// What the classes are called, where that was written down before: other ones are an error. Nothing where they are numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The side of the networks' images, where it is known before the data are read: larger pictures are brought to it at once.
    #[serde(skip)]
    pub size: Option<usize>,
    /// Whether pictures are brought to the side of small ones, as those were of which a network learned, so that the same picture is the same
    /// image whatever lies beside it; else as the pictures themselves say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small: Option<bool>,
    /// Bytes of decoded images that may be in memory; beyond them, images are kept on disk. A quarter of what is free where missing.
    /// Never changes a result.
    #[serde(skip)]
    pub memory: Option<u64>,
    /// Whether a run goes on where its images were added to or changed since it began. The header of its checkpoints then says so.
    #[serde(skip)]
    pub changed: bool,
    /// Who is told of what a person should know, and how far a long reading has come.
    #[serde(skip)]
    pub listener: Listener,
}

impl Reading {
    /// The same with a path that does not depend on the working folder.
    ///
    /// # Errors
    /// [`Error::Usage`] where the held-out images have no data set's name.
    pub fn absolute(&self) -> Result<Reading> {
        let held_out = self.held_out.as_deref().map(str::parse::<Spec>).transpose()?;
        Ok(Reading { held_out: held_out.map(|spec| spec.absolute().to_string()), ..self.clone() })
    }

    /// Whether results are those of the options' defaults, and nothing was written down of the images that were read.
    pub fn is_usual(&self) -> bool {
        *self == Reading::default() && self.classes.is_empty() && self.small.is_none()
    }

    /// The same for networks whose images have a side of `size`.
    pub fn of_size(&self, size: usize) -> Reading {
        Reading { size: Some(size), ..self.clone() }
    }

    /// The same for more pictures of the kind, which become images as these did; labels, classes and held-out images are their own.
    pub fn of_more(&self) -> Reading {
        let (unlabelled, held_out, map, classes) = (false, None, BTreeMap::new(), Vec::new());
        Reading { unlabelled, held_out, map, classes, ..self.clone() }
    }

    /// The same with what was found of the pictures' sizes before, or not looked for.
    pub fn found_as(&self, before: &Reading) -> Reading {
        Reading { small: before.small, ..self.clone() }
    }

    /// The same for another data set, whose pictures may be of other sizes.
    pub fn of_another(&self) -> Reading {
        Reading { small: None, ..self.of_more() }
    }
}

impl PartialEq for Reading {
    /// Whether results are the same: what may lie in memory and who listens play no part.
    fn eq(&self, other: &Reading) -> bool {
        let key = |of: &Reading| {
            let Reading { background, fit, resample, skip_broken, unlabelled, .. } = *of;
            (background, fit, resample, skip_broken, unlabelled, of.held_out.clone(), of.map.clone())
        };
        key(self) == key(other)
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Reading {
            background,
            fit,
            resample,
            skip_broken,
            unlabelled,
            together,
            held_out,
            map,
            classes,
            size,
            small,
            memory,
            changed,
            listener: _,
        } = self;
        write!(
            f,
            "Reading({background}, {fit}, {resample}, {skip_broken}, {unlabelled}, {together}, {held_out:?}, {map:?}, {classes:?}, {size:?}, {small:?}, {memory:?}, {changed})"
        )
    }
}

/// What a reading tells.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// A sentence for a person.
    Note(&'a str),
    /// So many pieces of so many are done, of the reading of so many images.
    Progress {
        /// Pieces that are done.
        done: usize,
        /// All pieces.
        of: usize,
        /// The images that are read; each may be a piece, or several.
        images: usize,
    },
}

/// What is told; it may be called from any thread.
type Hear = dyn Fn(Heard<'_>) + Send + Sync;

/// Who is told; nobody by default.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<Hear>>);

impl Listener {
    /// A function that is told.
    pub fn new(hear: impl Fn(Heard<'_>) + Send + Sync + 'static) -> Listener {
        Listener(Some(Arc::new(hear)))
    }

    pub(super) fn tell(&self, heard: Heard<'_>) {
        if let Some(hear) = &self.0 {
            hear(heard);
        }
    }

    pub(super) fn note(&self, text: impl AsRef<str>) {
        self.tell(Heard::Note(text.as_ref()));
    }
}

/// A colour: `white`, `black`, `grey`, `#rgb` or `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Background(pub [u8; 3]);

impl Background {
    /// Whether it has no colour.
    pub fn is_grey(self) -> bool {
        let Background([red, green, blue]) = self;
        red == green && green == blue
    }
}

impl Default for Background {
    /// White, as paper.
    fn default() -> Background {
        Background([255; 3])
    }
}

const NAMED: [(&str, [u8; 3]); 3] = [("white", [255; 3]), ("black", [0; 3]), ("grey", [128; 3])];

impl FromStr for Background {
    type Err = Error;

    /// # Errors
    /// [`Error::Usage`] where the text is no colour.
    fn from_str(text: &str) -> Result<Background> {
        let named = NAMED.iter().find(|(name, _)| *name == text).map(|(_, colour)| *colour);
        let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let written = number.zip(digits).and_then(|(colour, digits)| match (digits.len(), colour.to_be_bytes()) {
            (6, [_, red, green, blue]) => Some([red, green, blue]),
            // A digit stands for two.
            (3, [.., red, rest]) => Some([red, rest >> 4, rest & 15].map(|digit| 17 * digit)),
            _ => None,
        });
        named.or(written).map(Background).ok_or_else(|| {
            Error::Usage(format!(
                "`{text}` is no colour: give white, black, grey, #rgb or #rrggbb in hexadecimal digits"
            ))
        })
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [red, green, blue] = self.0;
        match NAMED.iter().find(|(_, colour)| *colour == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

impl TryFrom<String> for Background {
    type Error = Error;

    fn try_from(text: String) -> Result<Background> {
        text.parse()
    }
}

impl From<Background> for String {
    fn from(background: Background) -> String {
        background.to_string()
    }
}

words! {
    /// How a picture becomes a square.
    pub enum Fit {
        /// The square in its middle is cut out.
        Cut = "cut",
        /// The background is added on two sides.
        Pad = "pad",
        /// It is stretched.
        Stretch = "stretch",
    }
    default Cut
}

words! {
    /// How a square becomes one of another size.
    pub enum Resample {
        /// With Lanczos's filter over three lobes, widened where the image shrinks so that nothing aliases.
        Lanczos = "lanczos",
        /// Each new pixel is the old one that it lies in: for small pixel art.
        Nearest = "nearest",
    }
    default Lanczos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_background_is_a_name_or_six_digits_and_displays_as_it_was_written() {
        for (text, colour) in [("white", [255; 3]), ("black", [0; 3]), ("grey", [128; 3]), ("#ff8001", [255, 128, 1])] {
            let background: Background = text.parse().unwrap();
            assert_eq!((background.0, background.to_string().as_str()), (colour, text));
        }
        for (text, colour) in [("#fff", [255; 3]), ("#08f", [0, 136, 255]), ("#000", [0; 3])] {
            assert_eq!(text.parse::<Background>().unwrap().0, colour);
        }
        for text in ["", "pink", "#", "#ff", "#ffff", "#ggg", "#gggggg", "ff8001", "#ff80011", "#éaaaa", "#+fffff"] {
            assert!(matches!(text.parse::<Background>(), Err(Error::Usage(_))), "{text}");
        }
    }
}
