//! MATLAB's v5 files (also called v6 and v7): named arrays of numbers, each of them compressed or not.
//!
//! A file is a header of 128 bytes and then elements: a tag with type and size, the data, and padding to eight bytes. An
//! array is an element of elements (flags, dimensions, name, values); MATLAB usually stores it deflated in an element of
//! its own, and stores numbers in the smallest type that holds them. Up to four bytes may share their tag's eight
//! (the small-element format). Everything is in the byte order of the machine that wrote it. The source is "MAT-File
//! Format" by The MathWorks.
//!
//! Nothing that a file claims is allocated before the file's length has borne it out; what is compressed is
//! read as it comes, and no further than the dimensions of an array that was asked for.

#[cfg(test)]
pub(super) mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use byteorder::{BigEndian, ByteOrder, LittleEndian};
use flate2::bufread::ZlibDecoder;

use super::deflate::DEFLATE_RATIO;
use crate::error::{Error, Result};

/// The header: text, eight bytes that stay unread, the version, the byte order.
const HEADER: usize = 128;
const VERSION_AT: usize = 124;
const VERSION: u16 = 0x0100;
/// The version of files that are HDF5 inside.
const VERSION_7_3: u16 = 0x0200;
const ORDER_AT: usize = 126;

/// A tag, and what elements are padded to.
const TAG: u64 = 8;
/// The bytes that fit into a small element's tag.
const SMALL: u64 = 4;

/// Types of elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// The class of arrays that have no dimensions before their name: objects of MATLAB's newer kinds.
const OPAQUE_CLASS: u32 = 17;
/// The classes of arrays of numbers: double, single, and integers of 8 to 64 bits.
const NUMERIC_CLASSES: std::ops::RangeInclusive<u32> = 6..=15;
/// The flag of an array that has imaginary parts.
const COMPLEX_FLAG: u32 = 1 << 11;

/// MATLAB allows names of 63 letters; other programs may allow more, but not without end.
const LONGEST_NAME: u64 = 1024;
const MOST_DIMENSIONS: u64 = 32;

/// What is known of an array before its values are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The variable's name.
    pub name: String,
    /// The dimensions, of which the first varies fastest; the product is the number of values.
    pub dimensions: Vec<usize>,
    /// Where in the file the array begins.
    pub offset: u64,
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// Name and dimensions.
    pub header: Header,
    /// The values, all of which are whole numbers from 0 to 255; the first dimension varies fastest.
    pub bytes: Vec<u8>,
}

/// The arrays of a file for which `wanted` says yes once it has seen their name and dimensions; the rest is stepped over.
///
/// The values may be stored as any type of number, and must be whole numbers from 0 to 255.
///
/// # Errors
/// [`Error::Format`] where the file is not MATLAB's v5 format, is cut or corrupt, or where a wanted array holds something
/// else; the offset is where the element begins in the file, and the text says where within, if it is compressed.
/// [`Error::Io`] where it cannot be read; and the errors of `wanted`.
pub fn read(path: &Path, wanted: impl FnMut(&Header) -> Result<bool>) -> Result<Vec<Array>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    decode(path, BufReader::new(file), length, wanted)
}

/// Parses `source`, which holds `length` bytes.
fn decode(
    path: &Path,
    mut source: impl BufRead + Seek,
    length: u64,
    mut wanted: impl FnMut(&Header) -> Result<bool>,
) -> Result<Vec<Array>> {
    let order = byte_order(path, &mut source)?;
    let mut arrays = Vec::new();
    let mut offset = HEADER as u64;
    while offset < length {
        source.seek(SeekFrom::Start(offset)).map_err(Error::io("read", path))?;
        let mut part =
            Part { path, order, source: &mut source, start: offset, read: 0, left: length - offset, inner: false };
        let tag = part.tag()?;
        let size = u64::from(tag.size);
        if size > part.left {
            let found = format!("the end of the file after {}", part.left);
            return Err(part.wrong(format!("an element of {size} bytes, as its tag says"), found));
        }
        let array = match tag.kind {
            MATRIX => part.array(size, &mut wanted)?,
            COMPRESSED => {
                let source = ZlibDecoder::new((&mut source).take(size));
                let left = size.saturating_mul(DEFLATE_RATIO);
                compressed(Part { path, order, source, start: offset, read: 0, left, inner: true }, &mut wanted)?
            }
            kind => return Err(part.wrong_before(TAG, "an array (type 14 or 15)", format!("type {kind}"))),
        };
        arrays.extend(array);
        offset += TAG + size;
    }
    Ok(arrays)
}

/// Checks the header.
fn byte_order(path: &Path, source: &mut impl Read) -> Result<Order> {
    let mut header = Vec::new();
    source.take(HEADER as u64).read_to_end(&mut header).map_err(Error::io("read", path))?;
    if header.len() < HEADER {
        return Err(Error::format(
            path,
            0,
            format!("the header of a MATLAB v5 file ({HEADER} bytes)"),
            format!("the end of the file after {}", header.len()),
        ));
    }
    let order = match &header[ORDER_AT..] {
        b"IM" => Order::Little,
        b"MI" => Order::Big,
        other => {
            let expected = "IM or MI, the byte order of a MATLAB v5 file";
            return Err(Error::format(path, ORDER_AT as u64, expected, format!("\"{}\"", other.escape_ascii())));
        }
    };
    match order.u16(&header[VERSION_AT..]) {
        VERSION => Ok(order),
        version => {
            let hint = match version {
                VERSION_7_3 => " (MATLAB 7.3, which is HDF5: save it with -v7)",
                _ => "",
            };
            let expected = format!("version {VERSION:#06x} of MATLAB's format");
            Err(Error::format(path, VERSION_AT as u64, expected, format!("{version:#06x}{hint}")))
        }
    }
}

/// The array that is all that a compressed element holds.
fn compressed<R: Read>(mut part: Part<R>, wanted: &mut impl FnMut(&Header) -> Result<bool>) -> Result<Option<Array>> {
    let tag = part.tag()?;
    if tag.kind != MATRIX {
        return Err(part.wrong_before(TAG, "an array (type 14)", format!("type {}", tag.kind)));
    }
    let array = part.array(tag.size.into(), wanted)?;
    // Asking for one byte more also makes the decoder compare its checksum.
    if array.is_some() && !part.up_to(1)?.is_empty() {
        return Err(part.wrong_before(1, "the end of the compressed array, as its tag says", "more bytes"));
    }
    Ok(array)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: &[u8]) -> u16 {
        match self {
            Order::Little => LittleEndian::read_u16(bytes),
            Order::Big => BigEndian::read_u16(bytes),
        }
    }

    fn u32(self, bytes: &[u8]) -> u32 {
        match self {
            Order::Little => LittleEndian::read_u32(bytes),
            Order::Big => BigEndian::read_u32(bytes),
        }
    }

    /// Bytes as if a little-endian machine had written them.
    fn little<const N: usize>(self, bytes: &[u8]) -> [u8; N] {
        let mut bytes: [u8; N] = bytes.try_into().expect("as many bytes as the type has");
        if self == Order::Big {
            bytes.reverse();
        }
        bytes
    }
}

/// How numbers are stored, which says nothing about the class of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
    I64,
    U64,
}

impl Storage {
    fn of(kind: u32) -> Option<Storage> {
        Some(match kind {
            1 => Storage::I8,
            2 => Storage::U8,
            3 => Storage::I16,
            4 => Storage::U16,
            5 => Storage::I32,
            6 => Storage::U32,
            7 => Storage::F32,
            9 => Storage::F64,
            12 => Storage::I64,
            13 => Storage::U64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Storage::I8 | Storage::U8 => 1,
            Storage::I16 | Storage::U16 => 2,
            Storage::I32 | Storage::U32 | Storage::F32 => 4,
            Storage::F64 | Storage::I64 | Storage::U64 => 8,
        }
    }

    /// The number in `bytes`, in double precision: exact for all from 0 to 255, and never one of them by rounding.
    fn number(self, order: Order, bytes: &[u8]) -> f64 {
        match self {
            Storage::I8 => i8::from_le_bytes(order.little(bytes)).into(),
            Storage::U8 => u8::from_le_bytes(order.little(bytes)).into(),
            Storage::I16 => i16::from_le_bytes(order.little(bytes)).into(),
            Storage::U16 => u16::from_le_bytes(order.little(bytes)).into(),
            Storage::I32 => i32::from_le_bytes(order.little(bytes)).into(),
            Storage::U32 => u32::from_le_bytes(order.little(bytes)).into(),
            Storage::F32 => f32::from_le_bytes(order.little(bytes)).into(),
            Storage::F64 => f64::from_le_bytes(order.little(bytes)),
            Storage::I64 => i64::from_le_bytes(order.little(bytes)) as f64,
            Storage::U64 => u64::from_le_bytes(order.little(bytes)) as f64,
        }
    }
}

struct Tag {
    kind: u32,
    size: u32,
    /// Whether the data stand in the tag itself.
    small: bool,
}

/// A stretch of the file, or what one compressed element inflates to.
struct Part<'a, R> {
    path: &'a Path,
    order: Order,
    source: R,
    /// Where in the file the element begins.
    start: u64,
    /// Bytes read so far, from there or from the beginning of what was compressed.
    read: u64,
    /// More bytes than this cannot come.
    left: u64,
    /// Whether this is inflated.
    inner: bool,
}

impl<R: Read> Part<'_, R> {
    /// An array of which `size` bytes follow, if it is wanted; its padding too is then behind.
    fn array(&mut self, size: u64, wanted: &mut impl FnMut(&Header) -> Result<bool>) -> Result<Option<Array>> {
        if size > self.left {
            return Err(self.wrong(
                format!("an array of {size} bytes, as its tag says"),
                format!("an element that holds at most {}", self.left),
            ));
        }
        self.left = size;
        let flags = self.numbers("flags", Storage::U32, 2 * 4..=2 * 4)?[0];
        let class = flags & 0xff;
        if class == OPAQUE_CLASS {
            return Ok(None);
        }
        let dimensions = self.numbers("dimensions", Storage::I32, 2 * 4..=MOST_DIMENSIONS * 4)?;
        let name = String::from_utf8_lossy(&self.element("name", Storage::I8, 0..=LONGEST_NAME)?).into_owned();
        // As a signed number a dimension above 2^31 would be negative.
        if let Some(dimension) = dimensions.iter().find(|&&dimension| dimension > i32::MAX as u32) {
            return Err(self.wrong(format!("dimensions of {name} below 2^31"), dimension.to_string()));
        }
        let dimensions = dimensions.into_iter().map(|dimension| dimension as usize).collect();
        let header = Header { name, dimensions, offset: self.start };
        if !wanted(&header)? {
            return Ok(None);
        }
        if !NUMERIC_CLASSES.contains(&class) || flags & COMPLEX_FLAG != 0 {
            let found = if flags & COMPLEX_FLAG != 0 { "complex numbers".into() } else { format!("class {class}") };
            return Err(self.wrong(format!("{}, an array of real numbers (class 6 to 15)", header.name), found));
        }
        let bytes = self.values(&header)?;
        if self.left >= TAG {
            return Err(self.wrong(format!("the end of {}", header.name), format!("{} more bytes", self.left)));
        }
        self.up_to(self.left)?;
        Ok(Some(Array { header, bytes }))
    }

    /// The values of an array, as many as its dimensions say.
    fn values(&mut self, header: &Header) -> Result<Vec<u8>> {
        let name = &header.name;
        let tag = self.tag()?;
        let Some(storage) = Storage::of(tag.kind) else {
            return Err(self.wrong_before(TAG, format!("the numbers of {name}"), format!("type {}", tag.kind)));
        };
        let size = u64::from(tag.size);
        let claim = header
            .dimensions
            .iter()
            .try_fold(storage.bytes() as u64, |product, &dimension| product.checked_mul(dimension as u64));
        if claim != Some(size) {
            let sizes: Vec<String> = header.dimensions.iter().map(usize::to_string).collect();
            let expected =
                format!("{} numbers of {} bytes, the dimensions of {name}", sizes.join(" x "), storage.bytes());
            return Err(self.wrong_before(TAG, expected, format!("{size} bytes")));
        }
        let begin = self.read - if tag.small { SMALL } else { 0 };
        let bytes = self.data(&tag, name)?;
        if storage == Storage::U8 {
            return Ok(bytes);
        }
        let whole = |(index, bytes): (usize, &[u8])| {
            let number = storage.number(self.order, bytes);
            let byte = number as u8;
            if f64::from(byte) == number {
                return Ok(byte);
            }
            let place = begin + (index * storage.bytes()) as u64;
            Err(self.wrong_at(place, format!("whole numbers from 0 to 255 in {name}"), number.to_string()))
        };
        bytes.chunks_exact(storage.bytes()).enumerate().map(whole).collect()
    }

    /// The data of an element that must have this type, and as many bytes as `sizes` allows.
    fn element(&mut self, what: &str, storage: Storage, sizes: std::ops::RangeInclusive<u64>) -> Result<Vec<u8>> {
        let tag = self.tag()?;
        if Storage::of(tag.kind) != Some(storage) || !sizes.contains(&tag.size.into()) {
            let (least, most) = sizes.into_inner();
            let sizes = if least == most { format!("{most}") } else { format!("{least} to {most}") };
            return Err(self.wrong_before(
                TAG,
                format!("an array's {what}, {sizes} bytes of type {storage:?}"),
                format!("{} bytes of type {}", tag.size, tag.kind),
            ));
        }
        self.data(&tag, what)
    }

    /// An element of words of four bytes.
    fn numbers(&mut self, what: &str, storage: Storage, sizes: std::ops::RangeInclusive<u64>) -> Result<Vec<u32>> {
        let bytes = self.element(what, storage, sizes)?;
        Ok(bytes.chunks_exact(4).map(|word| self.order.u32(word)).collect())
    }

    /// The next element's tag. Where it is small, its four bytes of data follow, whatever their number.
    fn tag(&mut self) -> Result<Tag> {
        let first = self.order.u32(&self.exactly(4, "a tag")?);
        let (kind, size) = (first & 0xffff, first >> 16);
        if size == 0 {
            let size = self.order.u32(&self.exactly(4, "a tag")?);
            return Ok(Tag { kind, size, small: false });
        }
        if u64::from(size) > SMALL {
            return Err(self.wrong_before(4, "a small element of at most 4 bytes", format!("{size} bytes")));
        }
        Ok(Tag { kind, size, small: true })
    }

    /// The data of an element whose tag has just been read, without the padding, which is then behind.
    fn data(&mut self, tag: &Tag, what: &str) -> Result<Vec<u8>> {
        let size = u64::from(tag.size);
        let unit = if tag.small { SMALL } else { TAG };
        let bytes = self.exactly(size, what)?;
        // The last element of an array may go without.
        let padding = (size.next_multiple_of(unit) - size).min(self.left);
        self.exactly(padding, "padding")?;
        Ok(bytes)
    }

    fn exactly(&mut self, length: u64, what: &str) -> Result<Vec<u8>> {
        if length > self.left {
            let found = format!("the end of the element after {}", self.left);
            return Err(self.wrong(format!("{what} ({length} bytes)"), found));
        }
        let bytes = self.up_to(length)?;
        if (bytes.len() as u64) < length {
            return Err(self.wrong(format!("{what} ({length} bytes)"), format!("the end after {}", bytes.len())));
        }
        self.left -= length;
        Ok(bytes)
    }

    /// At most `length` bytes, fewer only at the end; the buffer grows with what really comes.
    fn up_to(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let outcome = self.source.by_ref().take(length).read_to_end(&mut bytes);
        self.read += bytes.len() as u64;
        match outcome {
            Ok(_) => {
                bytes.shrink_to_fit();
                Ok(bytes)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.wrong("more compressed data", "the end of the element, which is cut"),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                self.wrong("compressed data", format!("corrupt data ({error})"))
            }
            _ => Error::io("read", self.path)(error),
        }
    }

    /// What stands next is wrong.
    fn wrong(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        self.wrong_at(self.read, expected, found)
    }

    /// What was read last is wrong.
    fn wrong_before(&self, bytes: u64, expected: impl Into<String>, found: impl Into<String>) -> Error {
        self.wrong_at(self.read.saturating_sub(bytes), expected, found)
    }

    fn wrong_at(&self, place: u64, expected: impl Into<String>, found: impl Into<String>) -> Error {
        if self.inner {
            let found = format!("{} at byte {place} of what is compressed there", found.into());
            Error::format(self.path, self.start, expected, found)
        } else {
            Error::format(self.path, self.start + place, expected, found)
        }
    }
}
