//! NumPy's arrays as data sets: `.npy` files of images, with another of labels where there are any.
//!
//! Nothing that a header claims is allocated before the length of what follows has borne it out, and of images no more than a few are held
//! as they are stored.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use super::array::{Array, Labels, Numbers, classes_of, images_of, labels_of};
use super::kind::{Block, Kind, Places};
use super::{Dataset, Reading, Split, pair};
use crate::error::{Error, Result};

/// `npy:IMAGES[,LABELS]`: arrays in files of their own.
pub(super) const KIND: Kind =
    Kind { name: "npy", forms: &["npy:IMAGES[,LABELS]"], places: Places::Files, check, load, block: Block::Drawn };

/// The magic string of the format.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read: NumPy's own has some 100 bytes.
const LONGEST_HEADER: usize = 1 << 16;

fn check(argument: &str) -> Result<()> {
    pair::check(KIND.name, argument)
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let (images, labels) = pair::files(KIND.name, argument, split)?;
    let images = images_of(open(images)?, reading)?;
    let Some(path) = labels else { return Ok(Dataset::unlabelled(argument, images).read_by(reading)) };
    let several =
        || Error::invalid(format!("{}: rows say several things of an image; give it one label", path.display()));
    let labels = match labels_of(open(path)?, Some(images.count))? {
        Labels::Several => return Err(several()),
        labels => labels,
    };
    let (classes, labels) = classes_of(path, vec![labels])?;
    let labels = labels.into_iter().next().expect("one for one");
    if let Some(lacking) = classes.lacking(labels.iter().copied()) {
        reading.listener.note(format!("{argument}: it has no images of {lacking}"));
    }
    Ok(Dataset::labelled(argument, images, labels, classes).read_by(reading))
}

/// The rows of a matrix of numbers in a `.npy` file, `[n, length]`, and both sizes.
///
/// # Errors
/// [`Error::Invalid`] where it holds none, or a number that is not finite; [`Error::Format`] where it is no such file; [`Error::Io`] where
/// it cannot be read.
pub fn read_rows(path: &Path) -> Result<([usize; 2], Vec<f32>)> {
    open(path)?.rows()
}

fn open(path: &Path) -> Result<Array<'_>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    parse(path, "", BufReader::new(file), length)
}

/// The array in a `.npy` file of so many bytes, which is `within` another where that is not empty. Nothing but its header is read.
///
/// # Errors
/// [`Error::Format`] with the place and what was expected there.
pub(super) fn parse<'a>(path: &'a Path, within: &str, source: impl Read + 'a, length: u64) -> Result<Array<'a>> {
    let what = if within.is_empty() { "the array".to_string() } else { format!("the array {within}") };
    let mut array =
        Array { path, what, shape: Vec::new(), numbers: Numbers::BYTES, fortran: false, source: Box::new(source) };
    let bytes = array.up_to(MAGIC.len() + 6)?;
    let within = if within.is_empty() { String::new() } else { format!(" in {within}") };
    let wrong = |place: usize, expected: String, found: String| {
        Error::format(path, place as u64, format!("{expected}{within}"), found)
    };
    let cut = |place| wrong(place, "the rest of the header of a NumPy array".into(), "the end of the file".into());
    if !bytes.starts_with(MAGIC) {
        let found = format!("\"{}\"", bytes[..bytes.len().min(MAGIC.len())].escape_ascii());
        return Err(wrong(0, "the magic string of a NumPy array, \"\\x93NUMPY\"".into(), found));
    }
    let (size, start) = match bytes[MAGIC.len()..] {
        [1, _, low, high, ..] => (usize::from(u16::from_le_bytes([low, high])), MAGIC.len() + 4),
        [2 | 3, _, a, b, c, d] => (u32::from_le_bytes([a, b, c, d]) as usize, MAGIC.len() + 6),
        [1..=3, ..] | [] => return Err(cut(bytes.len())),
        [version, ..] => return Err(wrong(MAGIC.len(), "version 1, 2 or 3".into(), version.to_string())),
    };
    if size > LONGEST_HEADER {
        return Err(wrong(MAGIC.len() + 2, format!("a header of at most {LONGEST_HEADER} bytes"), size.to_string()));
    }
    // Of version 1 the header begins earlier, within what is read.
    let mut header = bytes[start..].to_vec();
    header.extend(array.up_to(size.saturating_sub(header.len()))?);
    if header.len() < size {
        return Err(cut(start + header.len()));
    }
    let behind = header.split_off(size);
    let header = String::from_utf8_lossy(&header).into_owned();
    let unlike = |what: &str| wrong(start, format!("{what} in the header"), format!("{:?}", header.trim()));
    let value = |key: &str| {
        let (_, rest) = header.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let kind = value("descr").and_then(|rest| rest.strip_prefix('\'')).and_then(|rest| rest.split_once('\''));
    let kind = kind.ok_or_else(|| unlike("a simple 'descr'"))?.0;
    let numbers = Numbers::named(kind).ok_or_else(|| {
        wrong(
            start,
            "an array of numbers or names (unsigned or signed integers, floats, booleans, text)".into(),
            kind.into(),
        )
    })?;
    let fortran = match value("fortran_order") {
        Some(rest) if rest.starts_with("False") => false,
        Some(rest) if rest.starts_with("True") => true,
        _ => return Err(unlike("'fortran_order'")),
    };
    let shape = value("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let sizes = shape.ok_or_else(|| unlike("'shape'"))?.0.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape =
        sizes.map(str::parse).collect::<Result<Vec<usize>, _>>().map_err(|_| unlike("whole numbers as 'shape'"))?;
    let claim = shape.iter().try_fold(numbers.size(), |product, &size| product.checked_mul(size));
    let held = length.saturating_sub((start + size) as u64);
    if claim.map(|claim| claim as u64) != Some(held) {
        let expected = format!("{shape:?} values of {} bytes, as the header says", numbers.size());
        return Err(wrong(start + size, expected, format!("{held} bytes")));
    }
    let source = Box::new(Cursor::new(behind).chain(array.source));
    Ok(Array { shape, numbers, fortran, source, ..array })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::Spec;
    use proptest::prelude::*;

    /// The bytes of an array.
    pub fn npy(kind: &str, order: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), bytes].concat()
    }

    fn load(images: &[u8], labels: Option<&[u8]>) -> Result<Dataset> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("i.npy"), images).unwrap();
        let mut spec = format!("npy:{}", path("i.npy"));
        if let Some(labels) = labels {
            std::fs::write(path("l.npy"), labels).unwrap();
            spec += &format!(",{}", path("l.npy"));
        }
        spec.parse::<Spec>().unwrap().load(Split::Train)
    }

    #[test]
    fn the_shapes_and_numbers_that_people_keep_are_read() {
        let bytes: Vec<u8> = (0..24).map(|value| value * 10).collect();
        let floats =
            |bytes: &[u8]| bytes.iter().flat_map(|&b| (f32::from(b) / 255.0).to_le_bytes()).collect::<Vec<u8>>();
        let big: Vec<u8> = bytes.iter().flat_map(|&b| (f64::from(b) / 255.0).to_be_bytes()).collect();
        let wide: Vec<u8> = bytes.iter().flat_map(|&b| i64::from(b).to_le_bytes()).collect();
        for (kind, shape, stored, expected) in [
            ("|u1", "(6, 2, 2)", bytes.clone(), [6, 2, 2, 1]),
            ("|u1", "(6, 4)", bytes.clone(), [6, 2, 2, 1]),
            ("|u1", "(2, 2, 2, 3)", bytes.clone(), [2, 2, 2, 3]),
            ("|u1", "(6, 2, 2, 1)", bytes.clone(), [6, 2, 2, 1]),
            ("<f4", "(6, 2, 2)", floats(&bytes), [6, 2, 2, 1]),
            (">f8", "(6, 2, 2)", big, [6, 2, 2, 1]),
            ("<i8", "(6, 2, 2)", wide, [6, 2, 2, 1]),
        ] {
            let images = load(&npy(kind, "False", shape, &stored), None).unwrap().images;
            assert_eq!((images.shape(), &*images.pixels()), (expected, &bytes[..]), "{kind} {shape}");
        }
        // Channels first, and Fortran's order.
        let planes = load(&npy("|u1", "False", "(1, 3, 2, 2)", &bytes[..12]), None).unwrap().images;
        assert_eq!((planes.shape(), &planes.pixels()[..4]), ([1, 2, 2, 3], &[0, 40, 80, 10][..]));
        let columns = load(&npy("|u1", "True", "(1, 2, 3)", &bytes[..6]), None).unwrap().images;
        assert_eq!(*columns.pixels(), [0, 20, 40, 10, 30, 50]);
    }

    #[test]
    fn rows_of_numbers_are_read_in_either_order_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.npy");
        let read = |kind: &str, order: &str, shape: &str, bytes: &[u8]| {
            std::fs::write(&path, npy(kind, order, shape, bytes)).unwrap();
            read_rows(&path).map_err(|error| error.to_string())
        };
        let floats: Vec<u8> = [0.5f32, -1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let rows = vec![0.5, -1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(read("<f4", "False", "(2, 3)", &floats), Ok(([2, 3], rows)));
        assert_eq!(read("<f4", "True", "(2, 3)", &floats), Ok(([2, 3], vec![0.5, 2.0, 4.0, -1.0, 3.0, 5.0])));
        let doubles: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|value| value.to_be_bytes()).collect();
        assert_eq!(read(">f8", "False", "(1, 2)", &doubles), Ok(([1, 2], vec![1.5, -2.0])));
        for (kind, shape, bytes, part) in [
            ("<f4", "(6,)", &floats[..], "rows and columns"),
            ("<f4", "(0, 3)", &[][..], "no rows"),
            ("|S1", "(1, 1)", b"x", "no rows"),
            ("<f4", "(1, 1)", &f32::NAN.to_le_bytes(), "NaN"),
            ("<f4", "(3, 3)", &floats, "as the header says"),
        ] {
            assert!(read(kind, "False", shape, bytes).unwrap_err().contains(part), "{kind} {shape}");
        }
        crate::data::picture::write_rows(&path, &[1.0, 2.0, 3.0, 4.0], 2).unwrap();
        assert_eq!(read_rows(&path).unwrap(), ([2, 2], vec![1.0, 2.0, 3.0, 4.0]));
    }

    #[test]
    fn labels_are_numbers_or_names() {
        let images = npy("|u1", "False", "(3, 2, 2)", &[0; 12]);
        for (kind, shape, bytes, labels, names) in [
            (
                "<i8",
                "(3,)",
                [2i64, 0, 1].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
                [2, 0, 1],
                &["0", "1", "2"][..],
            ),
            ("|u1", "(3, 1)", vec![3, 1, 1], [2, 0, 0], &["1", "2", "3"]),
            ("<f4", "(3,)", [1f32, 0.0, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect(), [1, 0, 1], &["0", "1"]),
            ("|u1", "(3, 2)", vec![0, 1, 1, 0, 0, 1], [1, 0, 1], &["0", "1"]),
            (
                "<U2",
                "(3,)",
                "b\0a\0b2".chars().flat_map(|c| (c as u32).to_le_bytes()).collect(),
                [1, 0, 2],
                &["a", "b", "b2"],
            ),
            ("|S1", "(3,)", b"xyx".to_vec(), [0, 1, 0], &["x", "y"]),
        ] {
            let data = load(&images, Some(&npy(kind, "False", shape, &bytes))).unwrap();
            assert_eq!(
                (data.labels.unwrap(), data.classes.names()),
                (labels.to_vec(), &names.iter().map(|n| n.to_string()).collect::<Vec<_>>()[..]),
                "{kind} {shape}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = npy("|u1", "False", "(3, 2, 2)", &[0; 12]);
        for (images, labels, part) in [
            (b"PK..".to_vec(), None, "expected the magic string of a NumPy array"),
            (npy("|O", "False", "(3,)", &[0; 24]), None, "found |O"),
            (npy("|u1", "False", "(3, 2, 2)", &[0; 11]), None, "as the header says, found 11 bytes"),
            (npy("|u1", "False", "(99999999999, 99999999999)", &[0; 11]), None, "found 11 bytes"),
            (npy("|u1", "False", "(3, 5)", &[0; 15]), None, "[3, 5]"),
            (npy("|u1", "False", "(0, 2, 2)", &[]), None, "[0, 2, 2]"),
            (
                npy("<f4", "False", "(1, 1, 1)", &37f32.to_le_bytes()),
                None,
                "from 0 to 1, and the array has 37; divide by 255, or store it as uint8",
            ),
            (npy("<f4", "False", "(1, 1, 1)", &(-0.5f32).to_le_bytes()), None, "has -0.5; add 1 and divide by 2"),
            (npy("<f4", "False", "(1, 1, 1)", &f32::NAN.to_le_bytes()), None, "has NaN; replace it"),
            (npy("<f4", "False", "(1, 1, 1)", &1e4f32.to_le_bytes()), None, "has 10000; scale them to that"),
            (
                npy("<i2", "False", "(1, 1, 1)", &300i16.to_le_bytes()),
                None,
                "from 0 to 255, and the array has 300; scale",
            ),
            (good.clone(), Some(npy("|u1", "False", "(2,)", &[0, 1])), "the array has labels [2] for 3 images; give"),
            (good.clone(), Some(npy("|i1", "False", "(3,)", &[0, 0xff, 1])), "found -1"),
            (good.clone(), Some(npy("<i4", "False", "(3,)", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])), "found 16777216"),
            (good, Some(npy("|u1", "False", "(3, 2)", &[1, 1, 0, 1, 0, 0])), "give it one label"),
        ] {
            let text = load(&images, labels.as_deref()).unwrap_err().to_string();
            assert!(text.contains(part), "`{text}` lacks `{part}`");
            assert!(!part.contains("has ") || !text.contains("get the file again"), "{text}");
        }
    }

    #[test]
    fn a_float_that_rounds_to_a_byte_is_one() {
        for (value, expected) in [(1.0000001f32, 255), (1.0019, 255), (-0.0019, 0), (0.5, 128)] {
            let images = load(&npy("<f4", "False", "(1, 1, 1)", &value.to_le_bytes()), None).unwrap().images;
            assert_eq!(*images.pixels(), [expected], "{value}");
        }
    }

    #[test]
    fn where_the_images_of_an_array_are_kept_changes_nothing() {
        use crate::data::Background;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let values: Vec<u8> = (0..240u32).map(|place| (place * 7 % 256) as u8).collect();
        for (order, shape) in
            [("False", "(5, 4, 4, 3)"), ("True", "(5, 4, 4, 3)"), ("False", "(4, 3, 4, 5)"), ("False", "(15, 2, 2, 4)")]
        {
            std::fs::write(&path, npy("|u1", order, shape, &values)).unwrap();
            let spec: Spec = format!("npy:{}", path.display()).parse().unwrap();
            let read = |memory| {
                let reading = Reading { memory: Some(memory), background: Background([9, 8, 7]), ..Reading::default() };
                spec.read(Split::Train, &reading).unwrap().images
            };
            let [memory, disk] = [u64::MAX, 0].map(read);
            assert!(disk.is_on_disk() && !memory.is_on_disk());
            assert_eq!(memory, disk, "{shape} {order}");
        }
    }

    #[test]
    fn classes_without_images_are_said() {
        use crate::data::{Heard, Listener};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("i"), npy("|u1", "False", "(2, 2, 2)", &[0; 8])).unwrap();
        std::fs::write(path("l"), npy("|u1", "False", "(2,)", &[0, 2])).unwrap();
        let said: std::sync::Arc<std::sync::Mutex<Vec<String>>> = Default::default();
        let kept = said.clone();
        let listener = Listener::new(move |heard| {
            if let Heard::Note(note) = heard {
                kept.lock().unwrap().push(note.to_string());
            }
        });
        let spec: Spec = format!("npy:{},{}", path("i").display(), path("l").display()).parse().unwrap();
        spec.read(Split::Train, &Reading { listener, ..Reading::default() }).unwrap();
        assert!(said.lock().unwrap()[0].ends_with("it has no images of class 1"));
    }

    proptest! {
        #[test]
        fn any_header_is_parsed_without_a_panic(header in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let headed = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), &bytes].concat();
            for bytes in [headed, [MAGIC, &bytes].concat()] {
                let _ = parse(Path::new("x"), "", &bytes[..], bytes.len() as u64);
            }
        }
    }
}
