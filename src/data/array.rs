//! Arrays of numbers as images, and as labels.

use std::path::Path;

use super::classes::{MOST_CLASSES, natural_order};
use super::decode::over;
use super::{Classes, Images, Reading};
use crate::error::{Error, Result};

/// An array as NumPy stores it.
#[derive(Debug)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub numbers: Numbers,
    /// Whether the first index varies fastest.
    pub fortran: bool,
    /// As many as the shape says.
    pub bytes: Vec<u8>,
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
            (Kind::Float, 2) => half(unsigned as u16),
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

/// IEEE 754's binary16.
fn half(bits: u16) -> f64 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let value = match exponent {
        0 => fraction / 1024.0 * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if sign == 1 { -value } else { value }
}

/// An array as images: bytes or whole numbers from 0 to 255, or floats from 0 to 1, as `[n, h, w]`, `[n, h, w, c]`, `[n, c, h, w]` or `[n, h * w]` of
/// squares. A fourth channel is transparency.
///
/// # Errors
/// [`Error::Format`] where it is something else.
pub(super) fn images_of(path: &Path, what: &str, array: Array, reading: &Reading) -> Result<Images> {
    let Array { shape, numbers, fortran, bytes } = array;
    let wrong = |expected: &str, found: String| Error::format(path, 0, format!("in {what} {expected}"), found);
    let forms = "images [n, h, w], [n, h, w, c], [n, c, h, w] or [n, h * w], c from 1, 3 and 4";
    let unlike = || wrong(forms, format!("{shape:?}"));
    // [n, h, w, c], and whether the channels come first.
    let (sizes, planes) = match shape[..] {
        [n, d] if d.isqrt().pow(2) == d => ([n, d.isqrt(), d.isqrt(), 1], false),
        [n, h, w] => ([n, h, w, 1], false),
        [n, h, w, c @ (1 | 3 | 4)] => ([n, h, w, c], false),
        [n, c @ (1 | 3 | 4), h, w] => ([n, h, w, c], true),
        _ => return Err(unlike()),
    };
    if shape.contains(&0) || numbers.is_text() {
        return Err(unlike());
    }
    let bytes = match numbers.kind {
        Kind::Unsigned if numbers.size == 1 => bytes,
        kind => {
            let (most, scale) = match kind {
                Kind::Float => (1.0, 255.0),
                Kind::Bool => (1.0, 255.0),
                _ => (255.0, 1.0),
            };
            let byte = |value: &[u8]| {
                let value = numbers.number(value);
                // NaN is in no range.
                if (0.0..=most).contains(&value) { Ok((value * scale).round() as u8) } else { Err(value) }
            };
            let bytes: Result<Vec<u8>, f64> = bytes.chunks_exact(numbers.size).map(byte).collect();
            bytes.map_err(|value| wrong(&format!("numbers from 0 to {most}"), value.to_string()))?
        }
    };
    let [n, h, w, c] = sizes;
    // How far apart in `bytes` neighbours along [n, h, w, c] are.
    let dense = if planes { [n, c, h, w] } else { [n, h, w, c] };
    let far = |axis: usize| -> usize {
        if fortran { dense[..axis].iter().product() } else { dense[axis + 1..].iter().product() }
    };
    let strides = match planes {
        // Of [n, h * w] a pixel's place in its image is one index.
        _ if fortran && shape.len() == 2 => [1, n * w, n, 0],
        true => [far(0), far(2), far(3), far(1)],
        false => [far(0), far(1), far(2), far(3)],
    };
    let bytes = match fortran || planes {
        false => bytes,
        true => (0..bytes.len())
            .map(|place| {
                let (channel, rest) = (place % c, place / c);
                let (x, rest) = (rest % w, rest / w);
                bytes[rest / h * strides[0] + rest % h * strides[1] + x * strides[2] + channel * strides[3]]
            })
            .collect(),
    };
    if c < 4 {
        return Ok(Images::new(sizes, bytes));
    }
    let transparent =
        bytes.chunks_exact(h * w * c).filter(|image| image.chunks_exact(c).any(|pixel| pixel[3] < 255)).count();
    if transparent > 0 {
        let background = reading.background;
        reading.listener.note(format!(
            "{}: {transparent} images have transparent pixels, which are laid over {background}",
            path.display()
        ));
    }
    let opaque =
        bytes.chunks_exact(c).flat_map(|pixel| over([pixel[0], pixel[1], pixel[2], pixel[3]], reading.background));
    Ok(Images::new([n, h, w, 3], opaque.collect()))
}

/// What an array of labels says of each image, before classes are made of it.
#[derive(Debug)]
pub(super) enum Labels {
    Numbers(Vec<u64>),
    Names(Vec<String>),
}

/// An array as labels of `images` images: `[n]` or `[n, 1]` of whole numbers or text, or `[n, k]` with a one in each row. None where rows say
/// several things of an image.
///
/// # Errors
/// [`Error::Format`] where it is something else.
pub(super) fn labels_of(path: &Path, what: &str, array: Array, images: usize) -> Result<Option<Labels>> {
    let Array { shape, numbers, fortran, bytes } = array;
    let wrong = |expected: &str, found: String| Error::format(path, 0, format!("in {what} {expected}"), found);
    let width = match shape[..] {
        [n] if n == images => 1,
        [n, width] if n == images && width > 0 => width,
        _ => return Err(wrong(&format!("{images} labels, one for each image"), format!("{shape:?}"))),
    };
    let values = bytes.chunks_exact(numbers.size);
    if numbers.is_text() {
        let names = values.map(|value| numbers.text(value)).collect();
        return if width == 1 { Ok(Some(Labels::Names(names))) } else { Ok(None) };
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
        return Ok(Some(Labels::Numbers(labels)));
    }
    let row = |index: usize| {
        let at = |place: usize| if fortran { values[place * images + index] } else { values[index * width + place] };
        let ones: Vec<usize> = (0..width).filter(|&place| at(place) == 1.0).collect();
        let zeros = (0..width).filter(|&place| at(place) == 0.0).count();
        if ones.len() == 1 && zeros == width - 1 { Some(ones[0] as u64) } else { None }
    };
    Ok((0..images).map(row).collect::<Option<Vec<u64>>>().map(Labels::Numbers))
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
