//! IDX, the file format of MNIST: a magic number, big-endian dimensions, bytes; often gzipped, which is read as it
//! is.
//!
//! The magic number is `00 00 08 d`: unsigned bytes in d dimensions. Labels have one, grey images three `[n, h, w]`;
//! four are read as `[n, h, w, c]`. Labels may also be signed bytes or integers of two or four bytes (`09`, `0b`, `0c`), and have a second
//! dimension, of which the first column is the class: QMNIST's have. Nothing that a header claims is allocated before the
//! file's length has borne it out.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use byteorder::{BigEndian, ByteOrder};
use flate2::bufread::MultiGzDecoder;

use super::classes::MOST_CLASSES;
use super::deflate::DEFLATE_RATIO;
use super::store::{Sink, affordable};
use super::{Images, Reading};
use crate::error::{Error, Result};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Unsigned bytes, in the third byte of the magic number; the fourth is the number of dimensions.
const UNSIGNED_BYTES: u32 = 0x08 << 8;
const LABELS_MAGIC: u32 = UNSIGNED_BYTES | 1;
const WIDE_LABELS_MAGIC: u32 = 0x0c << 8 | 2;
const GREY_MAGIC: u32 = UNSIGNED_BYTES | 3;
const CHANNELS_MAGIC: u32 = UNSIGNED_BYTES | 4;

/// The bytes of the magic number, and of each dimension.
const WORD: usize = 4;

/// The images of an IDX file of three dimensions `[n, h, w]` or four `[n, h, w, c]`, c being 1 or 3.
///
/// # Errors
/// [`Error::Format`], with the offset (in the decompressed bytes of a gzip file) and what was expected, where the
/// file is not that, cut, too long or corrupt; [`Error::Io`] where it cannot be read.
pub fn read_images(path: &Path) -> Result<Images> {
    images(path, &Reading::default())
}

/// The same, of which no more is in memory than the reading permits.
///
/// # Errors
/// As [`read_images`].
pub(super) fn images(path: &Path, reading: &Reading) -> Result<Images> {
    let (source, stored) = open(path)?;
    images_of(path, source, stored, reading)
}

/// The labels of an IDX file of one dimension, or the first column of one of two, which must be as many as `images` and each below
/// `classes`.
///
/// # Errors
/// As [`read_images`].
pub fn read_labels(path: &Path, images: usize, classes: Option<usize>) -> Result<Vec<u32>> {
    let (source, stored) = open(path)?;
    let mut parser = parser(path, source, stored)?;
    let Header { dimensions, width, signed, length } = parser.header(Content::Labels)?;
    let start = WORD * (1 + dimensions.len());
    if dimensions[0] != images {
        let found = format!("{} labels", dimensions[0]);
        return Err(Error::format(path, WORD as u64, format!("{images} labels, one for each image"), found));
    }
    affordable(
        2 * length as u64,
        format!("{}, which should hold labels,", path.display()),
        "give each image one label",
    )?;
    let mut bytes = Vec::new();
    parser.rest(length, length, |some| {
        bytes = some;
        Ok(())
    })?;
    let classes = classes.unwrap_or(MOST_CLASSES);
    let columns: usize = dimensions[1..].iter().product();
    let rows = bytes.chunks_exact(width * columns).enumerate();
    rows.map(|(row, values)| {
        let label = if signed { BigEndian::read_int(values, width) } else { i64::from(values[0]) };
        u32::try_from(label).ok().filter(|&label| (label as usize) < classes).ok_or_else(|| {
            let place = (start + row * width * columns) as u64;
            Error::format(path, place, format!("a label below {classes}"), label.to_string())
        })
    })
    .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Images,
    Labels,
}

/// What an IDX file says that it holds: numbers of `width` bytes, as many as the product of the dimensions, `length` bytes together.
struct Header {
    dimensions: Vec<usize>,
    width: usize,
    signed: bool,
    length: usize,
}

/// The images in `source`, of which `stored` bytes exist.
fn images_of(path: &Path, source: impl BufRead, stored: u64, reading: &Reading) -> Result<Images> {
    /// Images that are read at a time have about this many bytes.
    const CHUNK: usize = 1 << 22;
    let mut parser = parser(path, source, stored)?;
    let header = parser.header(Content::Images)?;
    let (count, height, width, channels) = match header.dimensions[..] {
        [count, height, width] => (count, height, width, 1),
        [count, height, width, channels @ (1 | 3)] => (count, height, width, channels),
        [.., channels] => {
            return Err(Error::format(path, 4 * WORD as u64, "1 or 3 channels", channels.to_string()));
        }
        [] => unreachable!("the magic number of images has three or four dimensions"),
    };
    let each = height * width * channels;
    affordable(2 * each as u64, format!("{}: an image of {height}x{width}", path.display()), "name smaller images")?;
    let mut sink = Sink::new([count, height, width, channels], reading)?;
    parser.rest(header.length, (CHUNK / each).max(1) * each, |images| sink.push(&images))?;
    sink.finish()
}

/// A file and how many bytes it has.
fn open(path: &Path) -> Result<(BufReader<File>, u64)> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let stored = file.metadata().map_err(Error::io("read", path))?.len();
    Ok((BufReader::new(file), stored))
}

/// A parser of `source`, gzipped or not, of which `stored` bytes exist.
fn parser<'a>(path: &'a Path, mut source: impl BufRead + 'a, stored: u64) -> Result<Parser<'a>> {
    let start = source.fill_buf().map_err(Error::io("read", path))?;
    Ok(if start.starts_with(&GZIP_MAGIC) {
        let most = stored.saturating_mul(DEFLATE_RATIO);
        Parser { path, source: Box::new(MultiGzDecoder::new(source)), offset: 0, most }
    } else {
        Parser { path, source: Box::new(source), offset: 0, most: stored }
    })
}

struct Parser<'a> {
    path: &'a Path,
    source: Box<dyn Read + 'a>,
    /// Bytes read so far.
    offset: u64,
    /// More bytes than this cannot come.
    most: u64,
}

impl Parser<'_> {
    fn header(&mut self, content: Content) -> Result<Header> {
        let magic = self.word("the magic number of an IDX file")?;
        let (kind, count) = (magic >> 8, magic & 0xff);
        let (fits, expected) = match content {
            Content::Images => (
                magic == GREY_MAGIC || magic == CHANNELS_MAGIC,
                format!("the magic number of IDX images, {GREY_MAGIC:#010x} or {CHANNELS_MAGIC:#010x}"),
            ),
            Content::Labels => (
                matches!((kind, count), (0x08 | 0x09 | 0x0b | 0x0c, 1 | 2)),
                format!("the magic number of IDX labels, such as {LABELS_MAGIC:#010x} or {WIDE_LABELS_MAGIC:#010x}"),
            ),
        };
        if !fits {
            let hint = match magic {
                LABELS_MAGIC | WIDE_LABELS_MAGIC => " (labels)",
                GREY_MAGIC | CHANNELS_MAGIC => " (images)",
                _ => "",
            };
            return Err(Error::format(self.path, 0, expected, format!("{magic:#010x}{hint}")));
        }
        let (width, signed) = match kind {
            0x0b => (2, true),
            0x0c => (4, true),
            kind => (1, kind == 0x09),
        };
        let mut dimensions = Vec::new();
        for _ in 0..count {
            let offset = self.offset;
            match self.word("a dimension")? {
                0 => return Err(Error::format(self.path, offset, "a dimension above zero", "0")),
                dimension => dimensions.push(dimension),
            }
        }
        let length = self.held(&dimensions, width)?;
        // Each is at most the product, which fits.
        let dimensions = dimensions.into_iter().map(|dimension| dimension as usize).collect();
        Ok(Header { dimensions, width, signed, length })
    }

    /// The product of the dimensions and the bytes of a number, where the file is long enough for that many bytes to follow.
    fn held(&self, dimensions: &[u32], width: usize) -> Result<usize> {
        let claim =
            dimensions.iter().try_fold(width as u64, |product, &dimension| product.checked_mul(dimension.into()));
        let left = self.most.saturating_sub(self.offset);
        claim.filter(|&claim| claim <= left).and_then(|claim| usize::try_from(claim).ok()).ok_or_else(|| {
            let sizes: Vec<String> = dimensions.iter().map(u32::to_string).collect();
            Error::format(
                self.path,
                self.offset,
                format!("{} bytes, as the dimensions in the header say", sizes.join(" x ")),
                format!("a file that holds at most {left}"),
            )
        })
    }

    /// Exactly `length` bytes, of which `step` at a time are taken, and then the end.
    fn rest(&mut self, length: usize, step: usize, mut take: impl FnMut(Vec<u8>) -> Result<()>) -> Result<()> {
        let (start, mut done) = (self.offset, 0);
        while done < length {
            let wanted = step.min(length - done);
            let bytes = self.up_to(wanted as u64)?;
            done += bytes.len();
            if bytes.len() < wanted {
                return Err(Error::format(
                    self.path,
                    self.offset,
                    format!("{length} bytes from byte {start} on, as the dimensions in the header say"),
                    format!("the end of the file after {done} of them"),
                ));
            }
            take(bytes)?;
        }
        // One byte more shows what trails, and makes a gzip decoder check its checksum.
        if !self.up_to(1)?.is_empty() {
            return Err(Error::format(
                self.path,
                self.offset - 1,
                format!(
                    "the end of the file after {length} bytes from byte {start} on, as the dimensions in the header say"
                ),
                "more bytes",
            ));
        }
        Ok(())
    }

    fn word(&mut self, what: &str) -> Result<u32> {
        let start = self.offset;
        let bytes = self.up_to(WORD as u64)?;
        if bytes.len() < WORD {
            return Err(Error::format(
                self.path,
                start,
                format!("{what} ({WORD} bytes)"),
                format!("the end of the file after {}", bytes.len()),
            ));
        }
        Ok(BigEndian::read_u32(&bytes))
    }

    /// At most `length` bytes, fewer only at the end; the buffer grows with what really comes.
    fn up_to(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let outcome = self.source.by_ref().take(length).read_to_end(&mut bytes);
        self.offset += bytes.len() as u64;
        outcome.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                Error::format(self.path, self.offset, "more compressed data", "the end of the gzip file, which is cut")
            }
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                Error::format(self.path, self.offset, "gzip data", format!("corrupt data ({error})"))
            }
            _ => Error::io("read", self.path)(error),
        })?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn idx(magic: u32, dimensions: &[u32], bytes: &[u8]) -> Vec<u8> {
        let words = std::iter::once(magic).chain(dimensions.iter().copied());
        words.flat_map(u32::to_be_bytes).chain(bytes.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn images(bytes: &[u8]) -> Result<Images> {
        let path = Path::new("images.idx");
        images_of(path, bytes, bytes.len() as u64, &Reading::default())
    }

    /// The offset and the text of the format error that `bytes` must give.
    fn failure(bytes: &[u8]) -> (u64, String) {
        match images(bytes).unwrap_err() {
            error @ Error::Format { offset, .. } => (offset, error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn small() -> Vec<u8> {
        idx(GREY_MAGIC, &[2, 2, 3], &(1..=12).collect::<Vec<u8>>())
    }

    #[test]
    fn plain_and_gzipped_files_hold_the_same_images() {
        let expected = Images::new([2, 2, 3, 1], (1..=12).collect());
        assert_eq!(images(&small()).unwrap(), expected);
        assert_eq!(images(&gzip(&small())).unwrap(), expected);
        let members = [gzip(&small()[..20]), gzip(&small()[20..])].concat();
        assert_eq!(images(&members).unwrap(), expected, "a gzip file of two members");
    }

    #[test]
    fn images_beyond_the_memory_permitted_are_kept_on_disk() {
        for bytes in [small(), gzip(&small())] {
            let reading = Reading { memory: Some(0), ..Reading::default() };
            let kept = images_of(Path::new("x"), &bytes[..], bytes.len() as u64, &reading).unwrap();
            assert!(kept.is_on_disk());
            assert_eq!(kept, images(&bytes).unwrap());
        }
    }

    #[test]
    fn a_fourth_dimension_is_channels() {
        let colour = idx(CHANNELS_MAGIC, &[1, 1, 2, 3], &[1, 2, 3, 4, 5, 6]);
        assert_eq!(images(&colour).unwrap(), Images::new([1, 1, 2, 3], vec![1, 2, 3, 4, 5, 6]));
        let (offset, text) = failure(&idx(CHANNELS_MAGIC, &[1, 1, 3, 2], &[0; 6]));
        assert!(offset == 16 && text.contains("1 or 3 channels, found 2"), "{text}");
    }

    #[test]
    fn an_error_names_the_file_the_offset_and_what_was_expected() {
        let cases: [(Vec<u8>, u64, &str); 9] = [
            (vec![], 0, "expected the magic number of an IDX file (4 bytes), found the end of the file after 0"),
            (idx(LABELS_MAGIC, &[3], &[1, 2, 3]), 0, "found 0x00000801 (labels)"),
            (
                b"\x89PNG....".to_vec(),
                0,
                "expected the magic number of IDX images, 0x00000803 or 0x00000804, found 0x89504e47",
            ),
            (small()[..10].to_vec(), 8, "expected a dimension (4 bytes), found the end of the file after 2"),
            (idx(GREY_MAGIC, &[2, 0, 3], &[]), 8, "expected a dimension above zero, found 0"),
            (small()[..20].to_vec(), 16, "expected 2 x 2 x 3 bytes, as the dimensions in the header say"),
            ([small(), vec![0]].concat(), 28, "expected the end of the file after 12 bytes from byte 16 on"),
            (gzip(&small()[..20]), 20, "found the end of the file after 4 of them"),
            (idx(GREY_MAGIC, &[u32::MAX; 3], &[0; 9]), 16, "found a file that holds at most 9"),
        ];
        for (bytes, offset, part) in cases {
            let (found, text) = failure(&bytes);
            assert!(text.starts_with(&format!("images.idx, byte {offset}: ")), "{text}");
            assert!(found == offset && text.contains(part), "`{text}` lacks `{part}`");
        }
    }

    #[test]
    fn a_cut_or_corrupt_gzip_file_is_called_that() {
        let whole = gzip(&small());
        let (_, text) = failure(&whole[..whole.len() - 9]);
        assert!(text.contains("is cut"), "{text}");
        let mut corrupt = whole.clone();
        let checksum = whole.len() - 8;
        corrupt[checksum] ^= 1;
        let (_, text) = failure(&corrupt);
        assert!(text.contains("corrupt"), "{text}");
    }

    #[test]
    fn a_gzip_bomb_is_read_no_further_than_its_header_says() {
        let bomb = gzip(&[idx(GREY_MAGIC, &[1, 2, 2], &[]), vec![0; 50_000_000]].concat());
        let (offset, text) = failure(&bomb);
        assert!(offset == 20 && text.contains("more bytes"), "{text}");
        let liar = gzip(&idx(GREY_MAGIC, &[60_000, 28, 28], &[0; 100]));
        assert!(failure(&liar).1.contains("a file that holds at most"));
    }

    #[test]
    fn labels_must_be_as_many_as_images_and_below_the_number_of_classes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        std::fs::write(&path, idx(LABELS_MAGIC, &[3], &[0, 2, 1])).unwrap();
        assert_eq!(read_labels(&path, 3, Some(3)).unwrap(), [0, 2, 1]);
        let error = read_labels(&path, 4, None).unwrap_err().to_string();
        assert!(error.contains("byte 4: expected 4 labels, one for each image, found 3 labels"), "{error}");
        let error = read_labels(&path, 3, Some(2)).unwrap_err().to_string();
        assert!(error.contains("byte 9: expected a label below 2, found 2"), "{error}");
    }

    #[test]
    fn a_spec_reads_one_pair_of_files_as_the_training_split() {
        let folder = tempfile::tempdir().unwrap();
        let (images, labels) = (folder.path().join("i"), folder.path().join("l"));
        std::fs::write(&images, small()).unwrap();
        std::fs::write(&labels, gzip(&idx(LABELS_MAGIC, &[2], &[0, 4]))).unwrap();
        let spec: crate::data::Spec = format!("idx:{},{}", images.display(), labels.display()).parse().unwrap();
        let dataset = spec.load(Split::Train).unwrap();
        assert_eq!((dataset.labels, dataset.classes.len()), (Some(vec![0, 4]), 5));
        assert!(matches!(spec.load(Split::Test), Err(Error::NoSplit(text)) if text.contains("no test split")));
        let spec: crate::data::Spec = format!("idx:{}", images.display()).parse().unwrap();
        let dataset = spec.load(Split::Train).unwrap();
        assert_eq!((dataset.labels, dataset.classes.len()), (None, 0));
    }

    #[test]
    fn wide_labels_and_labels_from_one_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (images, labels) = (folder.path().join("i"), folder.path().join("l"));
        std::fs::write(&images, small()).unwrap();
        let spec: crate::data::Spec = format!("idx:{},{}", images.display(), labels.display()).parse().unwrap();
        let word = |value: i32| value.to_be_bytes();
        for (bytes, found, names) in [
            // QMNIST's: eight columns of four bytes.
            (
                idx(WIDE_LABELS_MAGIC, &[2, 2], &[word(3), word(9), word(0), word(8)].concat()),
                [3, 0],
                &["0", "1", "2", "3"][..],
            ),
            (idx(0x0b01, &[2], &[0, 2, 0, 1]), [1, 0], &["1", "2"]),
            (idx(LABELS_MAGIC, &[2], &[1, 3]), [0, 2], &["1", "2", "3"]),
            (idx(0x0c01, &[2], &[word(300), word(0)].concat()), [300, 0], &[]),
        ] {
            std::fs::write(&labels, bytes).unwrap();
            let dataset = spec.load(Split::Train).unwrap();
            assert_eq!(dataset.labels, Some(found.to_vec()));
            assert!(names.is_empty() && dataset.classes.len() == 301 || dataset.classes.names() == names);
        }
        for (bytes, part) in [
            (idx(0x0c01, &[2], &[word(0), word(-1)].concat()), "byte 12: expected a label below 65536, found -1"),
            (idx(0x0c01, &[2], &[word(0), word(70_000)].concat()), "found 70000"),
            (idx(0x0d01, &[2], &[0; 8]), "expected the magic number of IDX labels"),
        ] {
            std::fs::write(&labels, bytes).unwrap();
            let text = spec.load(Split::Train).unwrap_err().to_string();
            assert!(text.contains(part), "`{text}` lacks `{part}`");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_images(Path::new("no/such/file")).unwrap_err();
        assert!(
            matches!(error, Error::Io { .. }) && error.to_string().starts_with("cannot read no/such/file"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn a_cut_file_is_an_error(cut in 0usize..28, compressed: bool) {
            let whole = if compressed { gzip(&small()) } else { small() };
            prop_assert!(images(&whole[..cut.min(whole.len() - 1)]).is_err());
        }

        #[test]
        fn a_flipped_bit_gives_an_error_or_images_of_the_size_of_the_file(byte in 0usize..28, bit in 0u32..8) {
            let mut bytes = small();
            bytes[byte] ^= 1 << bit;
            match images(&bytes) {
                Ok(images) => prop_assert!(byte >= 16 && images.pixels().len() == 12),
                Err(error) => prop_assert!(byte < 16, "{}", error),
            }
        }

        #[test]
        fn a_flipped_bit_in_a_gzip_file_never_panics(byte: prop::sample::Index, bit in 0u32..8) {
            let mut bytes = gzip(&small());
            let byte = byte.index(bytes.len());
            bytes[byte] ^= 1 << bit;
            // Some bits of a gzip header (its time, its system) mean nothing to the data.
            if let Ok(images) = images(&bytes) {
                prop_assert_eq!(images.into_pixels(), (1..=12).collect::<Vec<u8>>());
            }
        }

        #[test]
        fn dimensions_that_lie_are_an_error(dimensions in prop::array::uniform3(any::<u32>()), compressed: bool) {
            prop_assume!(dimensions.iter().map(|&d| u128::from(d)).product::<u128>() != 12);
            let bytes = idx(GREY_MAGIC, &dimensions, &[0; 12]);
            let bytes = if compressed { gzip(&bytes) } else { bytes };
            prop_assert!(images(&bytes).is_err(), "accepted {:?}", dimensions);
        }

        #[test]
        fn no_claim_is_afforded_beyond_what_the_file_can_hold(
            dimensions in prop::collection::vec(any::<u32>(), 1..5), offset in 0u64..100, most in 0u64..1_000_000,
        ) {
            let parser = Parser { path: Path::new("claim"), source: Box::new(std::io::empty()), offset, most };
            if let Ok(length) = parser.held(&dimensions, 1) {
                prop_assert!(length as u64 + offset <= most);
            }
        }

        #[test]
        fn any_bytes_are_parsed_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64), dimensions in 0u8..6,
        ) {
            let _ = images(&bytes);
            let _ = images(&[&[0, 0, 8, dimensions], &bytes[..]].concat());
        }
    }
}
