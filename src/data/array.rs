//! Arrays of numbers as images, and as labels.

use std::io::Read;
use std::path::Path;

use super::classes::{MOST_CLASSES, natural_order};
use super::decode::over;
use super::store::{Sink, affordable};
use super::{Classes, Images, Reading};
use crate::error::{Error, Result};

/// An array as NumPy stores it, of which nothing but the header is read.
pub(super) struct Array<'a> {
    pub path: &'a Path,
    /// Which of the file's, for a sentence.
    pub what: String,
    pub shape: Vec<usize>,
    pub numbers: Numbers,
    /// Whether the first index varies fastest.
    pub fortran: bool,
    /// As many bytes as the shape says.
    pub source: Box<dyn Read + 'a>,
}

impl Array<'_> {
    /// At most so many bytes, fewer only at the end.
    ///
    /// # Errors
    /// [`Error::Format`] where they are damaged, [`Error::Io`] where the disk says no.
    pub fn up_to(&mut self, count: usize) -> Result<Vec<u8>> {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        let mut bytes = Vec::new();
        self.source.by_ref().take(count as u64).read_to_end(&mut bytes).map_err(|error| match error.kind() {
            InvalidData | InvalidInput | UnexpectedEof => {
                Error::format(self.path, 0, &self.what, format!("that {error}"))
            }
            _ => Error::io("read", self.path)(error),
        })?;
        Ok(bytes)
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        let bytes = self.up_to(count)?;
        if bytes.len() == count {
            return Ok(bytes);
        }
        Err(Error::format(self.path, 0, &self.what, "the end of the file"))
    }

    /// All of its numbers in the order of a matrix's rows.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is no matrix of numbers; those of reading it.
    pub fn rows(mut self) -> Result<([usize; 2], Vec<f32>)> {
        let is_number = !self.numbers.is_text();
        let [count, length] = *self.shape.as_slice() else {
            let (path, shape) = (self.path.display(), &self.shape);
            return Err(Error::invalid(format!(
                "{path}: the array has the shape {shape:?}; give it rows and columns, [n, length]"
            )));
        };
        if !is_number || count == 0 || length == 0 {
            return Err(Error::invalid(format!("{}: the array holds no rows of numbers", self.path.display())));
        }
        // The length of the file has borne this out.
        let bytes = self.exactly(count * length * self.numbers.size)?;
        self.ends()?;
        let stored: Vec<f32> =
            bytes.chunks_exact(self.numbers.size).map(|value| self.numbers.number(value) as f32).collect();
        if let Some(place) = stored.iter().position(|value| !value.is_finite()) {
            return Err(Error::invalid(format!(
                "{}: the array's number {place} is {}",
                self.path.display(),
                stored[place]
            )));
        }
        let row_major = |place: usize| stored[place % length * count + place / length];
        let rows = if self.fortran { (0..count * length).map(row_major).collect() } else { stored };
        Ok(([count, length], rows))
    }

    /// Nothing follows, and what came is what an archive says that it is.
    fn ends(&mut self) -> Result<()> {
        let more = self.up_to(1)?;
        if more.is_empty() {
            Ok(())
        } else {
            Err(Error::format(self.path, 0, format!("the end of {}", self.what), "more bytes"))
        }
    }
}

/// What an array is made of: a letter of NumPy's, the bytes of one, and whether the largest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    kind: Kind,
    size: usize,
    big: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Float,
    Bool,
    /// Text of four bytes a letter, and of one.
    Unicode,
    Bytes,
}

impl Numbers {
    /// Bytes.
    pub const BYTES: Numbers = Numbers { kind: Kind::Unsigned, size: 1, big: false };

    /// NumPy's name of a type, such as `<f4`; None for what are no numbers, or others.
    pub fn named(name: &str) -> Option<Numbers> {
        let (big, rest) = match name.split_at_checked(1)? {
            ("<" | "|" | "=", rest) => (false, rest),
            (">", rest) => (true, rest),
            _ => return None,
        };
        let (kind, size) = rest.split_at_checked(1)?;
        let size: usize = size.parse().ok()?;
        let (kind, size) = match (kind, size) {
            ("u", 1 | 2 | 4 | 8) => (Kind::Unsigned, size),
            ("i", 1 | 2 | 4 | 8) => (Kind::Signed, size),
            ("f", 2 | 4 | 8) => (Kind::Float, size),
            ("b", 1) => (Kind::Bool, size),
            ("U", 1..=1024) => (Kind::Unicode, 4 * size),
            ("S", 1..=1024) => (Kind::Bytes, size),
            _ => return None,
        };
        Some(Numbers { kind, size, big })
    }

    /// Bytes of one.
    pub fn size(self) -> usize {
        self.size
    }

    fn is_text(self) -> bool {
        matches!(self.kind, Kind::Unicode | Kind::Bytes)
    }

    fn number(self, bytes: &[u8]) -> f64 {
        let mut word = [0u8; 8];
        word[..self.size].copy_from_slice(bytes);
        if self.big {
            word[..self.size].reverse();
        }
        let unsigned = u64::from_le_bytes(word);
        match (self.kind, self.size) {
            (Kind::Signed, size) => {
                let unused = 64 - 8 * size as u32;
                ((unsigned << unused) as i64 >> unused) as f64
            }
            (Kind::Float, 2) => half::f16::from_bits(unsigned as u16).to_f64(),
            (Kind::Float, 4) => f64::from(f32::from_bits(unsigned as u32)),
            (Kind::Float, _) => f64::from_bits(unsigned),
            _ => unsigned as f64,
        }
    }

    fn text(self, bytes: &[u8]) -> String {
        let letters: Vec<char> = match self.kind {
            Kind::Unicode => {
                let word = |word: &[u8]| {
                    let word = word.try_into().expect("four bytes");
                    if self.big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
                };
                bytes
                    .chunks_exact(4)
                    .map(|four| char::from_u32(word(four)).unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect()
            }
            _ => String::from_utf8_lossy(bytes).chars().collect(),
        };
        letters.into_iter().collect::<String>().trim_end_matches('\0').to_string()
    }
}

/// Images that are read at a time have about this many bytes.
const CHUNK: usize = 1 << 22;
/// Images have no more pixels, as pictures have.
const MOST_PIXELS: usize = 1 << 27;

/// An array as images: bytes or whole numbers from 0 to 255, or floats from 0 to 1, as `[n, h, w]`, `[n, h, w, c]`, `[n, c, h, w]` or `[n, h * w]` of
/// squares. A fourth channel is transparency. No more than a few images are held as they are stored, unless they are stored in Fortran's
/// order, where no image stands together.
///
/// # Errors
/// [`Error::Format`] where it is something else; [`Error::Invalid`] where its numbers are in another range, or it is too large to be read.
pub(super) fn images_of(mut array: Array, reading: &Reading) -> Result<Images> {
    let (path, what, numbers, fortran) = (array.path, array.what.clone(), array.numbers, array.fortran);
    let shape = array.shape.clone();
    let forms = format!("in {what} images [n, h, w], [n, h, w, c], [n, c, h, w] or [n, h * w], c from 1, 3 and 4");
    let unlike = || Error::format(path, 0, &forms, format!("{shape:?}"));
    // [n, h, w, c], and whether the channels come first.
    let (sizes, planes) = match shape[..] {
        [n, d] if d.isqrt().pow(2) == d => ([n, d.isqrt(), d.isqrt(), 1], false),
        [n, h, w] => ([n, h, w, 1], false),
        [n, h, w, c @ (1 | 3 | 4)] => ([n, h, w, c], false),
        [n, c @ (1 | 3 | 4), h, w] => ([n, h, w, c], true),
        _ => return Err(unlike()),
    };
    let [n, h, w, c] = sizes;
    if shape.contains(&0) || numbers.is_text() || u32::try_from(n).is_err() || h * w > MOST_PIXELS {
        return Err(unlike());
    }
    let stored = h * w * c * numbers.size;
    let step = if fortran { n } else { (CHUNK / stored).clamp(1, n) };
    let advice = "store it in C order (numpy.ascontiguousarray), or in parts";
    // As it is stored, as bytes, and in order.
    let bytes_at_once = (stored as u64 + 2 * (h * w * c) as u64).saturating_mul(step as u64);
    affordable(bytes_at_once, format!("{}: {what}", path.display()), advice)?;
    let order = Order { sizes, planes, rows_alone: shape.len() == 2, fortran };
    let mut sink = Sink::new([n, h, w, c.min(3)], reading)?;
    let mut transparent = 0;
    for first in (0..n).step_by(step) {
        let count = step.min(n - first);
        let bytes = bytes_of(numbers, array.exactly(count * stored)?)
            .map_err(|why| Error::invalid(format!("{}: {why}", path.display()).replace("the array", &what)))?;
        let bytes = order.of(count).arranged(bytes);
        if c < 4 {
            sink.push(&bytes)?;
            continue;
        }
        transparent +=
            bytes.chunks_exact(h * w * c).filter(|image| image.chunks_exact(c).any(|pixel| pixel[3] < 255)).count();
        let opaque =
            bytes.chunks_exact(c).flat_map(|pixel| over([pixel[0], pixel[1], pixel[2], pixel[3]], reading.background));
        sink.push(&opaque.collect::<Vec<u8>>())?;
    }
    array.ends()?;
    if transparent > 0 {
        let background = reading.background;
        reading.listener.note(format!(
            "{}: {transparent} images have transparent pixels, which are laid over {background}",
            path.display()
        ));
    }
    sink.finish()
}

/// Numbers as bytes; else which of them is none, and what to do.
fn bytes_of(numbers: Numbers, stored: Vec<u8>) -> Result<Vec<u8>, String> {
    if numbers == Numbers::BYTES {
        return Ok(stored);
    }
    let is_scaled = matches!(numbers.kind, Kind::Float | Kind::Bool);
    let byte = |value: &[u8]| {
        let value = numbers.number(value);
        let byte = if is_scaled { (255.0 * value).round() } else { value };
        // NaN is in no range.
        if (0.0..=255.0).contains(&byte) { Ok(byte as u8) } else { Err(value) }
    };
    stored.chunks_exact(numbers.size).map(byte).collect::<Result<Vec<u8>, f64>>().map_err(|value| {
        let advice = match value {
            _ if value.is_nan() => "replace it",
            _ if is_scaled && (1.0..=255.0).contains(&value) => "divide by 255, or store it as uint8",
            _ if is_scaled && (-1.0..0.0).contains(&value) => "add 1 and divide by 2 where values are from -1 to 1",
            _ => "scale them to that, or store it as uint8",
        };
        let range = if is_scaled { "floats are read from 0 to 1" } else { "whole numbers are read from 0 to 255" };
        format!("{range}, and the array has {value}; {advice}")
    })
}

/// How the pixels of images `[n, h, w, c]` are stored.
struct Order {
    sizes: [usize; 4],
    /// Whether the channels come before the rows.
    planes: bool,
    /// Whether an image is one index, `[n, h * w]`.
    rows_alone: bool,
    fortran: bool,
}

impl Order {
    /// The same of so many images.
    fn of(&self, count: usize) -> Order {
        let [_, h, w, c] = self.sizes;
        Order { sizes: [count, h, w, c], ..*self }
    }

    fn arranged(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Order { sizes: [n, h, w, c], planes, rows_alone, fortran } = *self;
        if !fortran && !planes {
            return bytes;
        }
        // How far apart in `bytes` neighbours along [n, h, w, c] are.
        let dense = if planes { [n, c, h, w] } else { [n, h, w, c] };
        let far = |axis: usize| -> usize {
            if fortran { dense[..axis].iter().product() } else { dense[axis + 1..].iter().product() }
        };
        let strides = match planes {
            _ if fortran && rows_alone => [1, n * w, n, 0],
            true => [far(0), far(2), far(3), far(1)],
            false => [far(0), far(1), far(2), far(3)],
        };
        let at = |place: usize| {
            let (channel, rest) = (place % c, place / c);
            let (x, rest) = (rest % w, rest / w);
            bytes[rest / h * strides[0] + rest % h * strides[1] + x * strides[2] + channel * strides[3]]
        };
        (0..bytes.len()).map(at).collect()
    }
}

/// What an array of labels says of each image, before classes are made of it.
#[derive(Debug)]
pub(super) enum Labels {
    Numbers(Vec<u64>),
    Names(Vec<String>),
    /// Several things, of which none is its class.
    Several,
}

/// An array as labels, of so many images where that is known: `[n]` or `[n, 1]` of whole numbers or text, or `[n, k]` with a one in each row.
///
/// # Errors
/// [`Error::Format`] where it is something else; [`Error::Invalid`] where there are labels of another number of images, or it is too large to
/// be read.
pub(super) fn labels_of(mut array: Array, images: Option<usize>) -> Result<Labels> {
    let (path, what, numbers, fortran) = (array.path, array.what.clone(), array.numbers, array.fortran);
    let wrong = |expected: &str, found: String| Error::format(path, 0, format!("in {what} {expected}"), found);
    let (count, width) = match array.shape[..] {
        [n] => (n, 1),
        [n, width] if width > 0 => (n, width),
        _ => return Err(wrong("labels [n] or [n, k]", format!("{:?}", array.shape))),
    };
    if let Some(images) = images.filter(|&images| images != count) {
        let shape = &array.shape;
        return Err(Error::invalid(format!(
            "{}: {what} has labels {shape:?} for {images} images; give each image one label",
            path.display()
        )));
    }
    // As they are stored, and as numbers or as text.
    let each = numbers.size as u64 + if numbers.is_text() { numbers.size + 32 } else { 16 } as u64;
    let whole = format!("{}: {what}", path.display());
    affordable(each.saturating_mul((count * width) as u64), whole, "give each image one label")?;
    let bytes = array.exactly(count * width * numbers.size)?;
    array.ends()?;
    let values = bytes.chunks_exact(numbers.size);
    if numbers.is_text() {
        let names = values.map(|value| numbers.text(value)).collect();
        return Ok(if width == 1 { Labels::Names(names) } else { Labels::Several });
    }
    let values: Vec<f64> = values.map(|value| numbers.number(value)).collect();
    if width == 1 {
        let whole = |&value: &f64| {
            if value >= 0.0 && value < MOST_CLASSES as f64 && value.fract() == 0.0 {
                Ok(value as u64)
            } else {
                Err(value)
            }
        };
        let labels = values.iter().map(whole).collect::<Result<Vec<u64>, f64>>();
        let labels =
            labels.map_err(|value| wrong(&format!("class numbers below {MOST_CLASSES}"), value.to_string()))?;
        return Ok(Labels::Numbers(labels));
    }
    let row = |index: usize| {
        let at = |place: usize| if fortran { values[place * count + index] } else { values[index * width + place] };
        let ones: Vec<usize> = (0..width).filter(|&place| at(place) == 1.0).collect();
        let zeros = (0..width).filter(|&place| at(place) == 0.0).count();
        if ones.len() == 1 && zeros == width - 1 { Some(ones[0] as u64) } else { None }
    };
    Ok((0..count).map(row).collect::<Option<Vec<u64>>>().map_or(Labels::Several, Labels::Numbers))
}

/// One list of classes over the labels of several splits, and the labels as places in it. Numbers count from 0, or from 1 where none is 0.
///
/// # Errors
/// [`Error::Format`] where some are numbers and others names, or there are too many.
pub(super) fn classes_of(path: &Path, splits: Vec<Labels>) -> Result<(Classes, Vec<Vec<u32>>)> {
    let (mut numbers, mut names) = (Vec::new(), Vec::new());
    for split in splits {
        match split {
            Labels::Numbers(labels) => numbers.push(labels),
            Labels::Names(labels) => names.push(labels),
            Labels::Several => return Err(Error::format(path, 0, "one label an image", "several")),
        }
    }
    if names.is_empty() {
        let least = u64::from(numbers.iter().flatten().min().is_some_and(|&least| least > 0));
        let most = numbers.iter().flatten().max().map_or(least, |&most| most + 1);
        let places = numbers.into_iter().map(|labels| labels.into_iter().map(|label| (label - least) as u32).collect());
        return Ok((Classes::numbered(least as usize..most as usize), places.collect()));
    }
    let mut all: Vec<String> = names.iter().flatten().cloned().collect();
    all.sort_by(|a, b| natural_order(a, b));
    all.dedup();
    if !numbers.is_empty() || all.len() > MOST_CLASSES {
        let expected = format!("labels that are all numbers or all names, of at most {MOST_CLASSES} classes");
        return Err(Error::format(path, 0, expected, "others"));
    }
    let place = |name: &String| all.binary_search_by(|other| natural_order(other, name)).expect("all are there") as u32;
    let places = names.iter().map(|labels| labels.iter().map(place).collect()).collect();
    Ok((Classes::new(all.iter().cloned()), places))
}
