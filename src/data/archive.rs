//! ZIP archives, for [`zip:`](super::zip) and [`npz:`](super::npz): a directory that is read once, and entries that any thread reads by itself.
//!
//! Nothing is unpacked to disk. An entry is read where its directory says, and no more of it than the directory says it has:
//! names that lead out of the archive, entries that share bytes and entries larger than deflate can make them are refused.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;
use zip::CompressionMethod;

use super::deflate::DEFLATE_RATIO;
use crate::error::{Error, Result};

/// An archive whose directory is read.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
    folders: Vec<String>,
}

/// A file in an archive.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its path within the archive, with `/` between names.
    pub name: String,
    /// Bytes of it once unpacked, as the directory says.
    pub size: u64,
    start: u64,
    stored: u64,
    method: CompressionMethod,
    checksum: u32,
    /// Why it cannot be read.
    refused: Option<&'static str>,
}

impl Archive {
    /// Reads the directory of an archive.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Format`] where it is no archive, leads out of itself, or claims more bytes than it
    /// has.
    pub fn open(path: &Path) -> Result<Archive> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let expected = |what: &str, found: String| Error::format(path, 0, what, found);
        let broken = |error: zip::result::ZipError| expected("a ZIP archive", format!("a broken one ({error})"));
        let again = file.try_clone().map_err(Error::io("read", path))?;
        let mut directory = zip::ZipArchive::new(BufReader::new(again)).map_err(broken)?;
        let (mut entries, mut folders) = (Vec::new(), Vec::new());
        for index in 0..directory.len() {
            let entry = directory.by_index_raw(index).map_err(broken)?;
            let name = entry.name().map_err(broken)?.replace('\\', "/");
            let on_drive = matches!(name.as_bytes(), [drive, b':', b'/', ..] if drive.is_ascii_alphabetic());
            let leads_out = name.starts_with('/') || on_drive || name.split('/').any(|part| part == "..");
            if leads_out || name.contains('\0') {
                return Err(expected("names within the archive", format!("the name \"{}\"", name.escape_debug())));
            }
            let name = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
            if entry.is_dir() {
                folders.extend((!name.is_empty()).then_some(name));
                continue;
            }
            let start =
                entry.data_start().ok_or_else(|| expected("the place of every entry", format!("none of {name}")))?;
            let (stored, size, method) = (entry.compressed_size(), entry.size(), entry.compression());
            let refused = match method {
                _ if entry.encrypted() => Some("it is encrypted; pack it without a password"),
                _ if entry.is_symlink() => {
                    Some("it is a link, and those in archives are not followed; pack the file itself")
                }
                CompressionMethod::Stored if size != stored => {
                    Some("its two sizes in the archive differ; pack it again")
                }
                CompressionMethod::Deflated if size > stored.saturating_mul(DEFLATE_RATIO) => {
                    Some("the archive says that it unpacks to more than is possible; pack it again")
                }
                CompressionMethod::Stored | CompressionMethod::Deflated => None,
                _ => Some("it is compressed in a way that is not read; pack it by `zip`, stored or deflated"),
            };
            let checksum = entry.crc32();
            entries.push(Entry { name, size, start, stored, method, checksum, refused });
        }
        let mut places: Vec<(u64, u64)> =
            entries.iter().filter(|entry| entry.stored > 0).map(|entry| (entry.start, entry.stored)).collect();
        places.sort_unstable();
        let end = |&(start, stored): &(u64, u64)| start.checked_add(stored).filter(|&end| end <= length);
        for (index, place) in places.iter().enumerate() {
            let next = places.get(index + 1).map_or(length, |&(start, _)| start);
            if end(place).is_none_or(|end| end > next) {
                let found = format!("{} bytes from byte {} on that are another's or none", place.1, place.0);
                return Err(expected("entries that lie one after another in the archive", found));
            }
        }
        Ok(Archive { path: path.to_path_buf(), file, entries, folders })
    }

    /// The files in it, in the order of its directory.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The folders that have entries of their own, as empty ones need.
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of an entry; else what is wrong with it and what to do.
    pub fn read(&self, index: usize, most: u64) -> Result<Vec<u8>, String> {
        let size = self.entries[index].size;
        if size > most {
            return Err(format!("it has {size} bytes, and at most {most} are read; shrink it"));
        }
        let mut bytes = Vec::new();
        self.unpack(index)?.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// The bytes of an entry one after another, of which none are held; else what is wrong with it and what to do. Errors on the way say the
    /// same, and where the end is reached, the entry is what the directory says.
    pub fn unpack(&self, index: usize) -> Result<impl Read, String> {
        let entry = &self.entries[index];
        if let Some(why) = entry.refused {
            return Err(why.to_string());
        }
        let stored = BufReader::new(Stored { file: &self.file, place: entry.start, left: entry.stored });
        let bytes: Box<dyn Read> = match entry.method {
            CompressionMethod::Stored => Box::new(stored),
            _ => Box::new(DeflateDecoder::new(stored)),
        };
        Ok(Unpacked { bytes, left: entry.size, checksum: flate2::Crc::new(), expected: entry.checksum })
    }

    /// The beginning of an entry, of at most `most` bytes; else what is wrong with it and what to do.
    pub fn beginning(&self, index: usize, most: u64) -> Result<Vec<u8>, String> {
        /// What deflate needs at most to make a few bytes: the codes of a block, and stored blocks that are empty.
        const STORED: u64 = 1 << 12;
        let entry = &self.entries[index];
        if let Some(why) = entry.refused {
            return Err(why.to_string());
        }
        let mut stored = vec![0; entry.stored.min(STORED) as usize];
        read_at(&self.file, &mut stored, entry.start).map_err(|error| format!("it cannot be read: {error}"))?;
        let mut bytes = Vec::new();
        match entry.method {
            CompressionMethod::Stored => bytes.extend(stored.into_iter().take(most as usize)),
            // What is cut here or damaged shows when all is read.
            _ => drop(DeflateDecoder::new(&stored[..]).take(most).read_to_end(&mut bytes)),
        }
        Ok(bytes)
    }
}

/// Bytes of a file from a place on.
struct Stored<'a> {
    file: &'a File,
    place: u64,
    left: u64,
}

impl Read for Stored<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        read_at(self.file, &mut bytes[..count], self.place)?;
        (self.place, self.left) = (self.place + count as u64, self.left - count as u64);
        Ok(count)
    }
}

/// The bytes of an entry, compared with what the directory says of it.
struct Unpacked<'a> {
    bytes: Box<dyn Read + 'a>,
    left: u64,
    checksum: flate2::Crc,
    expected: u32,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        if bytes.is_empty() {
            return Ok(0);
        }
        // One byte more shows what the directory does not tell.
        let most = bytes.len().min(usize::try_from(self.left.max(1)).unwrap_or(usize::MAX));
        let read = self.bytes.read(&mut bytes[..most]).map_err(|error| match error.kind() {
            InvalidData | InvalidInput | UnexpectedEof => {
                io::Error::new(InvalidData, format!("it is damaged ({error}); pack it again"))
            }
            kind => io::Error::new(kind, format!("it cannot be read: {error}")),
        })?;
        self.checksum.update(&bytes[..read]);
        let ends_well = self.left == 0 && self.checksum.sum() == self.expected;
        match self.left.checked_sub(read as u64) {
            Some(left) if read > 0 || ends_well => {
                self.left = left;
                Ok(read)
            }
            _ => Err(io::Error::new(InvalidData, "it is not what the archive's directory says; pack it again")),
        }
    }
}

/// Reads at a place of a file, without moving anybody's.
pub(super) fn read_at(file: &File, bytes: &mut [u8], place: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, bytes, place);
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < bytes.len() {
            match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], place + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::{Spec, Split};
    use proptest::prelude::*;
    use std::io::Write;

    /// How an entry is stored, and what its headers say of it.
    pub struct Packed<'a> {
        pub name: &'a str,
        pub bytes: &'a [u8],
        pub deflated: bool,
        pub size: u32,
        pub mode: u32,
    }

    impl<'a> Packed<'a> {
        pub fn stored(name: &'a str, bytes: &'a [u8]) -> Packed<'a> {
            Packed { name, bytes, deflated: false, size: bytes.len() as u32, mode: 0o100_644 }
        }
    }

    /// An archive.
    pub fn zip(entries: &[Packed]) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for entry in entries {
            let data = if entry.deflated {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(entry.bytes).unwrap();
                encoder.finish().unwrap()
            } else {
                entry.bytes.to_vec()
            };
            let mut checksum = flate2::Crc::new();
            checksum.update(entry.bytes);
            let mut header = Vec::new();
            header.extend(20u16.to_le_bytes());
            header.extend([0, 0]);
            header.extend((if entry.deflated { 8u16 } else { 0 }).to_le_bytes());
            header.extend([0, 0, 0x21, 0]);
            header.extend(checksum.sum().to_le_bytes());
            header.extend((data.len() as u32).to_le_bytes());
            header.extend(entry.size.to_le_bytes());
            header.extend((entry.name.len() as u16).to_le_bytes());
            header.extend([0, 0]);
            directory.extend(b"PK\x01\x02\x14\x03");
            directory.extend(&header);
            directory.extend([0; 6]);
            directory.extend((entry.mode << 16).to_le_bytes());
            directory.extend((file.len() as u32).to_le_bytes());
            directory.extend(entry.name.as_bytes());
            file.extend(b"PK\x03\x04");
            file.extend(&header);
            file.extend(entry.name.as_bytes());
            file.extend(&data);
        }
        let (start, count) = (file.len() as u32, (entries.len() as u16).to_le_bytes());
        file.extend(&directory);
        file.extend(b"PK\x05\x06\0\0\0\0");
        file.extend([count, count].concat());
        file.extend((directory.len() as u32).to_le_bytes());
        file.extend(start.to_le_bytes());
        file.extend([0, 0]);
        file
    }

    fn grey(level: u8) -> Vec<u8> {
        crate::data::picture::encode_png(&crate::data::Images::new([1, 8, 8, 1], vec![level; 64]), 0)
    }

    fn load(bytes: &[u8], split: Split) -> Result<crate::data::Dataset> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.zip");
        std::fs::write(&path, bytes).unwrap();
        format!("zip:{}", path.display()).parse::<Spec>().unwrap().load(split)
    }

    #[test]
    fn an_archive_is_laid_out_as_a_folder_is() {
        let pictures: Vec<Vec<u8>> = (0..4).map(grey).collect();
        for deflated in [false, true] {
            let pack = |names: [&str; 4]| {
                let entries = names.iter().zip(&pictures);
                let entries = entries.map(|(name, bytes)| Packed { deflated, ..Packed::stored(name, bytes) });
                zip(&entries.collect::<Vec<_>>())
            };
            let level =
                |data: &crate::data::Dataset| -> Vec<u8> { (0..data.len()).map(|i| data.images.image(i)[0]).collect() };
            let flat = load(&pack(["0.png", "1.png", "2.png", "__MACOSX/3.png"]), Split::Train).unwrap();
            assert_eq!((level(&flat), &flat.labels), (vec![0, 1, 2], &None));
            assert_eq!(flat.files.unwrap()[1].as_ref(), "1.png");
            for top in
                [["a/0.png", "a/1.png", "b/2.png", "b/3.png"], ["x/a/0.png", "x/a/1.png", "x/b/2.png", "x/b/3.png"]]
            {
                let classes = load(&pack(top), Split::Train).unwrap();
                assert_eq!((level(&classes), classes.labels), (vec![0, 2, 1, 3], Some(vec![0, 1, 0, 1])));
            }
            let splits = pack(["train/0.png", "train/1.png", "val/2.png", "test/3.png"]);
            for (split, levels) in Split::ALL.into_iter().zip([&[0, 1][..], &[2], &[3]]) {
                assert_eq!(level(&load(&splits, split).unwrap()), levels);
            }
        }
    }

    #[test]
    fn labels_may_stand_in_a_list_as_stylegans_tools_write_it() {
        let [first, second] = [grey(1), grey(2)];
        let with = |json: &str| {
            let names = ["00000/img00000000.png", "00000/img00000001.png"];
            let entries = [
                Packed::stored(names[0], &first),
                Packed::stored(names[1], &second),
                Packed::stored("dataset.json", json.as_bytes()),
            ];
            load(&zip(&entries), Split::Train)
        };
        let data = with(r#"{"labels": [["00000/img00000000.png", 2], ["00000/img00000001.png", 0]]}"#).unwrap();
        let labels = data.labels.unwrap();
        assert_eq!(
            (labels.iter().map(|&l| &*data.classes.names()[l as usize]).collect::<Vec<_>>(), data.classes.len()),
            (vec!["0", "2"], 3)
        );
        for none in [r#"{"labels": null}"#, r#"{"labels": []}"#, "{}"] {
            assert_eq!(with(none).unwrap().len(), 2);
        }
        for (json, part) in [
            (r#"{"labels": [["00000/img00000000.png", 2]]}"#, "gives 00000/img00000001.png no label"),
            (r#"{"labels": [["00000/img00000000.png", [0.5]]]}"#, "a list of pairs of a path and a class number"),
            (r#"{"labels": [["00000/img00000000.png", 99999]]}"#, "at most 65536 classes"),
            ("[", "a list of pairs"),
        ] {
            let text = with(json).unwrap_err().to_string();
            assert!(text.contains(part), "`{text}` lacks `{part}`");
        }
    }

    #[test]
    fn what_an_archive_must_not_do_is_refused() {
        let picture = grey(1);
        let one = |entry: Packed| load(&zip(&[entry]), Split::Train).unwrap_err().to_string();
        for name in ["../x.png", "/x.png", "a/../../x.png", "C:/x.png", "c:\\x.png", "..\\x.png"] {
            let text = one(Packed::stored(name, &picture));
            assert!(text.contains("expected names within the archive"), "{text}");
        }
        let text = one(Packed { mode: 0o120_777, ..Packed::stored("x.png", b"/etc/passwd") });
        assert!(text.contains("x.png: it is a link, and those in archives are not followed"), "{text}");
        let zeros = vec![0; 1 << 20];
        // As much as deflate can make of it, but not what its directory says.
        let text = one(Packed { deflated: true, size: u32::MAX, ..Packed::stored("x.png", &zeros) });
        assert!(text.contains("unpacks to more than is possible"), "{text}");
        let text = one(Packed { deflated: true, size: 100, ..Packed::stored("x.png", &picture) });
        assert!(text.contains("not what the archive's directory says") || text.contains("it is damaged"), "{text}");
        let text = one(Packed { size: 5, ..Packed::stored("x.png", &picture) });
        assert!(text.contains("two sizes in the archive differ"), "{text}");
        // Two entries of the same bytes.
        let mut twice = zip(&[Packed::stored("a.png", &picture), Packed::stored("b.png", &picture)]);
        let second = twice.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
        twice[second + 42..second + 46].copy_from_slice(&[0; 4]);
        assert!(load(&twice, Split::Train).is_err());
        let text = load(b"no archive", Split::Train).unwrap_err().to_string();
        assert!(text.contains("expected a ZIP archive"), "{text}");
    }

    #[test]
    fn arrays_in_an_archive_have_splits_and_one_list_of_classes() {
        use crate::data::npy::tests::npy;
        let images = |count: u8| npy("|u1", "False", &format!("({count}, 2, 2)"), &(0..count * 4).collect::<Vec<u8>>());
        let labels = |labels: &[u8]| npy("|u1", "False", &format!("({}, 1)", labels.len()), labels);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let write = |parts: &[(&str, Vec<u8>)]| {
            let entries: Vec<Packed> =
                parts.iter().map(|(name, bytes)| Packed { deflated: true, ..Packed::stored(name, bytes) }).collect();
            std::fs::write(&path, zip(&entries)).unwrap();
            format!("npz:{}", path.display()).parse::<Spec>().unwrap()
        };
        let spec = write(&[
            ("train_images.npy", images(3)),
            ("train_labels.npy", labels(&[2, 1, 1])),
            ("val_images.npy", images(2)),
            ("val_labels.npy", labels(&[4, 3])),
            ("test_images.npy", images(1)),
            ("test_labels.npy", labels(&[4])),
        ]);
        for (split, expected) in Split::ALL.into_iter().zip([&[1, 0, 0][..], &[3, 2], &[3]]) {
            let data = spec.load(split).unwrap();
            assert_eq!((data.labels.as_deref(), data.classes.names().concat().as_str()), (Some(expected), "1234"));
        }
        let spec = write(&[("x_train.npy", images(3)), ("y_train.npy", labels(&[0, 1, 0]))]);
        assert_eq!(spec.load(Split::Train).unwrap().class_counts(), [2, 1]);
        assert!(matches!(spec.load(Split::Test), Err(Error::NoSplit(_))));
        let spec = write(&[("arr_0.npy", images(3))]);
        assert_eq!(spec.load(Split::Train).unwrap().labels, None);
        let several: Vec<String> = (0..9).map(|index| format!("{index}.png")).collect();
        let several: Vec<(&str, Vec<u8>)> = several.iter().map(|name| (name.as_str(), grey(1))).collect();
        let text = write(&several).load(Split::Train).unwrap_err().to_string();
        assert!(text.contains("3.png, 4.png and 4 more; name an archive of pictures as zip:"), "{text}");
        let text = write(&[("weights.npy", images(3))]).load(Split::Train).unwrap_err().to_string();
        assert!(text.contains("has no images: it holds weights.npy; call arrays as MedMNIST does"), "{text}");
        let text = write(&[("images.npy", b"no".to_vec())]).load(Split::Train).unwrap_err().to_string();
        assert!(text.contains("in images.npy"), "{text}");
    }

    #[test]
    fn splits_of_arrays_share_their_classes_and_whether_there_are_several() {
        use crate::data::Reading;
        use crate::data::folder::tests::heard;
        use crate::data::npy::tests::npy;
        let images = |count: u8| npy("|u1", "False", &format!("({count}, 2, 2)"), &vec![7; usize::from(count) * 4]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let read = |train: Vec<u8>, test: Vec<u8>, split: Split| {
            let parts = [images(3), train, images(2), test];
            let names = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"];
            let entries: Vec<Packed> =
                names.iter().zip(&parts).map(|(name, bytes)| Packed::stored(name, bytes)).collect();
            std::fs::write(&path, zip(&entries)).unwrap();
            let (reading, notes) = heard(Reading::default());
            let data = format!("npz:{}", path.display()).parse::<Spec>().unwrap().read(split, &reading).unwrap();
            (data, notes.lock().unwrap().join("\n"))
        };
        // Rows of one label each in one split, and of several in the other.
        let several = npy("|u1", "False", "(3, 2)", &[1, 1, 0, 1, 0, 0]);
        let one = npy("|u1", "False", "(2, 2)", &[1, 0, 0, 1]);
        for split in [Split::Train, Split::Test] {
            let (data, notes) = read(several.clone(), one.clone(), split);
            assert_eq!((data.labels, notes.contains("several labels, which play no part")), (None, true), "{notes}");
        }
        let (train, test) = (npy("|u1", "False", "(3,)", &[0, 1, 2]), npy("|u1", "False", "(2,)", &[2, 3]));
        let (data, notes) = read(train, test, Split::Test);
        assert_eq!((data.labels, data.classes.len()), (Some(vec![2, 3]), 4));
        assert!(notes.contains("the train split has no images of class 3"), "{notes}");
        assert!(notes.contains("the test split has no images of classes 0, 1"), "{notes}");
    }

    #[test]
    fn an_array_that_unpacks_to_much_is_not_held() {
        use crate::data::Reading;
        use crate::data::npy::tests::npy;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let bytes = npy("|u1", "False", "(40, 500, 500)", &vec![0; 40 * 500 * 500]);
        let packed = zip(&[Packed { deflated: true, ..Packed::stored("images.npy", &bytes) }]);
        assert!(packed.len() < 20_000);
        std::fs::write(&path, &packed).unwrap();
        let reading = Reading { memory: Some(1 << 20), ..Reading::default() };
        let data = format!("npz:{}", path.display()).parse::<Spec>().unwrap().read(Split::Train, &reading).unwrap();
        assert!(data.images.is_on_disk() && data.len() == 40);
        // What it says and does not hold shows at its end, or where the end should not be.
        for (from, to) in [("(40, 5", "(41, 5"), ("(40, 5", "(39, 5")] {
            let lie = String::from_utf8_lossy(&bytes[..200]).replace(from, to);
            let lie = [&bytes[..6], &lie.as_bytes()[lie.len() - 194..], &bytes[200..]].concat();
            std::fs::write(&path, zip(&[Packed::stored("images.npy", &lie)])).unwrap();
            assert!(format!("npz:{}", path.display()).parse::<Spec>().unwrap().load(Split::Train).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_damaged_archive_gives_an_error_or_images(
            place: prop::sample::Index, value: u8, cut: Option<prop::sample::Index>, deflated: bool,
        ) {
            let picture = grey(1);
            let mut bytes = zip(&[Packed { deflated, ..Packed::stored("a/x.png", &picture) }, Packed::stored("b/y.png", &picture)]);
            let place = place.index(bytes.len());
            bytes[place] = value;
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let _ = load(&bytes, Split::Train);
        }
    }
}
