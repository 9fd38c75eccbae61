//! A writer of MATLAB's v5 files in every form that the format knows, and what must hold for its reader.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

pub(in crate::data) const UINT8: u32 = 2;
const INT8: u32 = 1;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
/// The class of arrays of double precision.
const DOUBLE_CLASS: u32 = 6;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::data) struct Writer {
    big_endian: bool,
    compressed: bool,
    /// Whether up to four bytes are stored in their tag.
    small: bool,
}

/// A byte that differs from its neighbours.
pub(in crate::data) fn value(index: usize) -> u8 {
    (index * 37 % 251) as u8
}

impl Writer {
    pub const ALL: [Writer; 8] = {
        let mut all = [Writer { big_endian: false, compressed: false, small: false }; 8];
        let mut index = 0;
        while index < all.len() {
            all[index] = Writer { big_endian: index & 1 != 0, compressed: index & 2 != 0, small: index & 4 != 0 };
            index += 1;
        }
        all
    };

    fn word(&self, word: u32) -> [u8; 4] {
        if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    fn words(&self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|&word| self.word(word)).collect()
    }

    fn doubles(&self, numbers: &[f64]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() })
            .collect()
    }

    fn element(&self, kind: u32, bytes: &[u8]) -> Vec<u8> {
        let size = bytes.len() as u32;
        let (tag, unit) = if self.small && (1..=4).contains(&size) {
            (self.words(&[size << 16 | kind]), 4)
        } else {
            (self.words(&[kind, size]), 8)
        };
        let padding = vec![0; bytes.len().next_multiple_of(unit) - bytes.len()];
        [tag, bytes.to_vec(), padding].concat()
    }

    /// A top-level element with the array.
    pub fn array(&self, name: &str, dimensions: &[u32], class: u32, kind: u32, bytes: &[u8]) -> Vec<u8> {
        let array = [
            self.element(UINT32, &self.words(&[class, 0])),
            self.element(INT32, &self.words(dimensions)),
            self.element(INT8, name.as_bytes()),
            self.element(kind, bytes),
        ];
        self.top(MATRIX, &array.concat())
    }

    fn top(&self, kind: u32, content: &[u8]) -> Vec<u8> {
        let element = [&self.words(&[kind, content.len() as u32])[..], content].concat();
        if !self.compressed {
            return element;
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&element).unwrap();
        let compressed = encoder.finish().unwrap();
        [&self.words(&[COMPRESSED, compressed.len() as u32])[..], &compressed].concat()
    }

    pub fn file(&self, elements: &[Vec<u8>]) -> Vec<u8> {
        let mut header = b"MATLAB 5.0 MAT-file, Platform: PCWIN64, Created on: Thu Jan  1 00:00:00 1970".to_vec();
        header.resize(VERSION_AT, b' ');
        let end: [u8; 4] = if self.big_endian { [1, 0, b'M', b'I'] } else { [0, 1, b'I', b'M'] };
        header.extend(end);
        [header, elements.concat()].concat()
    }
}

fn arrays(bytes: &[u8]) -> Result<Vec<Array>> {
    decode(Path::new("x.mat"), Cursor::new(bytes), bytes.len() as u64, |_| Ok(true))
}

/// The offset and the text of the format error that `bytes` must give.
fn failure(bytes: &[u8]) -> (u64, String) {
    match arrays(bytes).unwrap_err() {
        error @ Error::Format { offset, .. } => (offset, error.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Two arrays whose elements are of all sizes: those that fit into a tag, and those that do not.
fn two_arrays(writer: &Writer) -> Vec<u8> {
    writer.file(&[
        writer.array("a", &[2, 5], 9, UINT8, &(1..=10).collect::<Vec<u8>>()),
        writer.array("longer_name", &[3, 1], DOUBLE_CLASS, UINT8, &[7, 8, 9]),
    ])
}

#[test]
fn every_form_of_a_file_holds_the_same_arrays() {
    for writer in Writer::ALL {
        let found = arrays(&two_arrays(&writer)).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|array| (&array.header.name[..], &array.header.dimensions[..], &array.bytes[..]))
            .collect();
        let expected: [(&str, &[usize], &[u8]); 2] =
            [("a", &[2, 5], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), ("longer_name", &[3, 1], &[7, 8, 9])];
        assert_eq!(found, expected, "{writer:?}");
    }
}

#[test]
fn files_that_matlab_itself_wrote_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/matlab");
    // The values are SciPy's, whose test data these are. Of big-endian order, not compressed; and of little-endian order, compressed.
    for name in ["test3dmatrix_6.1_SOL2.mat", "test3dmatrix_7.4_GLNX86.mat"] {
        let found = read(&folder.join(name), |_| Ok(true)).unwrap();
        let header = Header { name: "test3dmatrix".into(), dimensions: vec![2, 3, 4], offset: HEADER as u64 };
        assert_eq!(found, [Array { header, bytes: (1..=24).collect() }], "{name}");
    }
    // Its other array holds multiples of pi / 4: stepped over, and refused where it is wanted.
    let multi = folder.join("testmulti_7.4_GLNX86.mat");
    let found = read(&multi, |header| Ok(header.name == "a")).unwrap();
    let [Array { header, bytes }] = &found[..] else { panic!("one array is wanted, found {found:?}") };
    assert_eq!(header.dimensions, [3, 5]);
    assert_eq!(bytes[..], [1, 2, 3, 2, 0, 0, 3, 0, 0, 4, 0, 0, 5, 0, 0]);
    let text = read(&multi, |header| Ok(header.name == "theta")).unwrap_err().to_string();
    let part = format!("expected whole numbers from 0 to 255 in theta, found {}", std::f64::consts::FRAC_PI_4);
    assert!(text.contains(&part), "{text}");
}

#[test]
fn numbers_are_read_from_every_type_that_stores_them() {
    for writer in Writer::ALL {
        let stored = |kind: u32, bytes: Vec<u8>| {
            let file = writer.file(&[writer.array("n", &[1, 3], DOUBLE_CLASS, kind, &bytes)]);
            arrays(&file).map(|arrays| arrays[0].bytes.clone())
        };
        macro_rules! bytes {
            ($($number:expr),*) => {
                [$(if writer.big_endian { $number.to_be_bytes() } else { $number.to_le_bytes() }),*].concat()
            };
        }
        assert_eq!(stored(1, bytes!(0i8, 127i8, 5i8)).unwrap(), [0, 127, 5]);
        assert_eq!(stored(3, bytes!(0i16, 255i16, 5i16)).unwrap(), [0, 255, 5]);
        assert_eq!(stored(4, bytes!(0u16, 255u16, 5u16)).unwrap(), [0, 255, 5]);
        assert_eq!(stored(5, bytes!(0i32, 255i32, 5i32)).unwrap(), [0, 255, 5]);
        assert_eq!(stored(6, bytes!(0u32, 255u32, 5u32)).unwrap(), [0, 255, 5]);
        assert_eq!(stored(7, bytes!(0f32, 255f32, 5f32)).unwrap(), [0, 255, 5]);
        assert_eq!(stored(9, bytes!(0f64, 255f64, 5f64)).unwrap(), [0, 255, 5]);
        assert_eq!(stored(12, bytes!(0i64, 255i64, 5i64)).unwrap(), [0, 255, 5]);
        assert_eq!(stored(13, bytes!(0u64, 255u64, 5u64)).unwrap(), [0, 255, 5]);
        for number in [256.0, -1.0, 0.5, f64::NAN, f64::INFINITY] {
            let text = stored(DOUBLE, bytes!(1f64, number, 2f64)).unwrap_err().to_string();
            let part = format!("expected whole numbers from 0 to 255 in n, found {number}");
            assert!(text.contains(&part), "`{text}` lacks `{part}`");
        }
    }
}

#[test]
fn what_is_not_wanted_is_stepped_over_whatever_it_is() {
    for writer in Writer::ALL {
        let text = writer.array("text", &[1, 2], 4, 16, b"hi");
        let object = writer.top(MATRIX, &writer.element(UINT32, &writer.words(&[OPAQUE_CLASS, 0])));
        let wrong = writer.array("wrong", &[4, 4], 9, UINT8, &[1]);
        let fine = writer.array("fine", &[1, 1], 9, UINT8, &[3]);
        let file = writer.file(&[text, object, wrong, fine]);
        let wanted = |header: &Header| Ok(header.name == "fine");
        let found = decode(Path::new("x.mat"), Cursor::new(&file), file.len() as u64, wanted).unwrap();
        assert!(found.len() == 1 && found[0].bytes == [3], "{writer:?}: {found:?}");
    }
}

#[test]
fn an_error_names_the_file_the_offset_and_what_was_expected() {
    let plain = Writer { big_endian: false, compressed: false, small: false };
    let whole = two_arrays(&plain);
    let with = |place: usize, value: u8| {
        let mut bytes = whole.clone();
        bytes[place] = value;
        bytes
    };
    let array = |class, flag, kind, bytes: &[u8]| {
        let elements = [
            plain.element(UINT32, &plain.words(&[class | flag, 0])),
            plain.element(INT32, &plain.words(&[2, 1])),
            plain.element(INT8, b"n"),
            plain.element(kind, bytes),
        ];
        plain.file(&[plain.top(MATRIX, &elements.concat())])
    };
    // The first array begins at byte 128, its flags at 136, dimensions at 152, name at 168, values at 184.
    let cases: [(Vec<u8>, u64, &str); 16] = [
        (vec![], 0, "expected the header of a MATLAB v5 file (128 bytes), found the end of the file after 0"),
        (with(126, b'X'), 126, "expected IM or MI, the byte order of a MATLAB v5 file, found \"XM\""),
        (with(125, 2), 124, "found 0x0200 (MATLAB 7.3, which is HDF5: save it with -v7)"),
        (with(124, 9), 124, "expected version 0x0100 of MATLAB's format, found 0x0109"),
        (whole[..131].to_vec(), 128, "expected a tag (4 bytes), found the end of the element after 3"),
        (
            whole[..200].to_vec(),
            136,
            "expected an element of 72 bytes, as its tag says, found the end of the file after 64",
        ),
        (with(128, 9), 128, "expected an array (type 14 or 15), found type 9"),
        (with(136, 5), 136, "expected an array's flags, 8 bytes of type U32, found 8 bytes of type 5"),
        (with(156, 3), 152, "expected an array's dimensions, 8 to 128 bytes of type I32, found 3 bytes of type 5"),
        (with(163, 0x80), 184, "expected dimensions of a below 2^31, found 2147483650"),
        (with(160, 3), 184, "expected 3 x 5 numbers of 1 bytes, the dimensions of a, found 10 bytes"),
        (with(174, 9), 168, "expected an array's name, 0 to 1024 bytes of type I8, found 589825 bytes of type 1"),
        (array(4, 0, UINT8, &[1, 2]), 184, "expected n, an array of real numbers (class 6 to 15), found class 4"),
        (array(6, COMPLEX_FLAG, UINT8, &[1, 2]), 184, "found complex numbers"),
        (array(6, 0, 16, &[1, 2]), 184, "expected the numbers of n, found type 16"),
        (array(6, 0, DOUBLE, &plain.doubles(&[1.0, 2.5])), 200, "expected whole numbers from 0 to 255 in n, found 2.5"),
    ];
    for (bytes, offset, part) in cases {
        let (found, text) = failure(&bytes);
        assert!(text.starts_with(&format!("x.mat, byte {found}: ")), "{text}");
        assert!(found == offset && text.contains(part), "`{text}` lacks `{part}` at {offset}");
    }
}

#[test]
fn an_error_within_compressed_data_says_where() {
    let writer = Writer { big_endian: false, compressed: true, small: false };
    let file = writer.file(&[writer.array("n", &[2, 1], 6, DOUBLE, &writer.doubles(&[1.0, 2.5]))]);
    let (offset, text) = failure(&file);
    let part = "expected whole numbers from 0 to 255 in n, found 2.5 at byte 72 of what is compressed there";
    assert!(offset == 128 && text.contains(part), "{text}");
    let (_, text) = failure(&writer.file(&[writer.top(9, &[0; 8])]));
    assert!(text.contains("expected an array (type 14), found type 9 at byte 0 of what is compressed there"), "{text}");
}

#[test]
fn a_wrong_checksum_is_corrupt_data() {
    let writer = Writer { big_endian: false, compressed: true, small: false };
    let mut bytes = writer.file(&[writer.array("n", &[2, 1], 9, UINT8, &[1, 2])]);
    *bytes.last_mut().unwrap() ^= 1;
    let (offset, text) = failure(&bytes);
    assert!(offset == 128 && text.contains("corrupt data"), "{text}");
}

#[test]
fn a_bomb_is_inflated_no_further_than_its_dimensions_say() {
    let writer = Writer { big_endian: false, compressed: true, small: false };
    let plain = Writer { compressed: false, ..writer };
    let small = plain.array("n", &[2, 2], 9, UINT8, &[1, 2, 3, 4]);
    let deflated = |bytes: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        let bytes = encoder.finish().unwrap();
        writer.file(&[[&writer.words(&[COMPRESSED, bytes.len() as u32])[..], &bytes].concat()])
    };
    // Zeros after an array that is whole.
    let (_, text) = failure(&deflated(&[&small[..], &vec![0; 50_000_000]].concat()));
    assert!(text.contains("expected the end of the compressed array, as its tag says, found more bytes"), "{text}");
    // Zeros that the array's tag counts, but not its dimensions.
    let mut counted = [&small[..], &vec![0; 50_000_000]].concat();
    counted[4..8].copy_from_slice(&(50_000_000 + small.len() as u32 - 8).to_le_bytes());
    let (_, text) = failure(&deflated(&counted));
    assert!(text.contains("expected the end of n, found 50000000 more bytes"), "{text}");
    // Sizes and dimensions that agree on more than deflate can give.
    let mut liar = small;
    liar[4..8].copy_from_slice(&4_000_000_000u32.to_le_bytes());
    let (_, text) = failure(&deflated(&liar));
    assert!(text.contains("expected an array of 4000000000 bytes, as its tag says, found an element"), "{text}");
}

/// Reads whatever `bytes` are; what it returns cannot be larger than what they inflate to.
fn reads_without_harm(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(arrays) = arrays(bytes) {
        let values: usize = arrays.iter().map(|array| array.bytes.len()).sum();
        prop_assert!(values as u64 <= bytes.len() as u64 * DEFLATE_RATIO, "{} values", values);
        for array in arrays {
            prop_assert_eq!(array.bytes.len(), array.header.dimensions.iter().product::<usize>());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_cut_file_is_an_error_or_lacks_whole_arrays(which in 0..Writer::ALL.len(), cut: prop::sample::Index) {
        let writer = &Writer::ALL[which];
        let whole = two_arrays(writer);
        let cut = cut.index(whole.len());
        let first = HEADER + writer.array("a", &[2, 5], 9, UINT8, &[0; 10]).len();
        match arrays(&whole[..cut]) {
            Ok(arrays) if writer.compressed => prop_assert!(arrays.len() < 2),
            Ok(arrays) => prop_assert!((cut, arrays.len()) == (HEADER, 0) || (cut, arrays.len()) == (first, 1)),
            Err(_) => {}
        }
    }

    #[test]
    fn flipped_bits_never_panic(
        which in 0..Writer::ALL.len(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0u32..8), 1..4),
    ) {
        let mut bytes = two_arrays(&Writer::ALL[which]);
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        reads_without_harm(&bytes)?;
    }

    #[test]
    fn sizes_that_lie_never_panic(
        which in 0..Writer::ALL.len(),
        sizes in prop::collection::vec(any::<u32>(), 0..5), kinds in prop::collection::vec(0u32..18, 6),
        class in 0u32..20, name in ".{0,9}", bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let writer = &Writer::ALL[which];
        // Tags with any type and size, around what they do not describe.
        let mut sizes = sizes.into_iter();
        let mut element = |kind: u32, content: &[u8]| {
            let element = writer.element(kind, content);
            match sizes.next() {
                Some(size) if size % 2 == 0 => [&writer.words(&[kind, size / 2])[..], &element[4..]].concat(),
                _ => element,
            }
        };
        let array = [
            element(kinds[0] / 3 + 4, &writer.words(&[class, 0])),
            element(INT32, &writer.words(&[bytes.len() as u32, 1])),
            element(INT8, name.as_bytes()),
            element(kinds[1], &bytes),
        ];
        reads_without_harm(&writer.file(&[writer.top(kinds[2] / 2 + 6, &array.concat()), writer.top(MATRIX, &array.concat())]))?;
    }

    #[test]
    fn any_bytes_are_parsed_without_a_panic(which in 0..Writer::ALL.len(), bytes in prop::collection::vec(any::<u8>(), 0..96)) {
        let writer = &Writer::ALL[which];
        reads_without_harm(&bytes)?;
        reads_without_harm(&writer.file(std::slice::from_ref(&bytes)))?;
        reads_without_harm(&writer.file(&[writer.top(MATRIX, &bytes)]))?;
    }
}
