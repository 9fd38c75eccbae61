//! Event files that TensorBoard reads: the numbers of each step, and pictures.
//!
//! A file is a row of TFRecords, each a length and bytes with their checksums (TensorFlow's `record_writer.h`); the bytes are the
//! protocol buffer message `Event` (`tensorflow/core/util/event.proto`).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::atomic;
use crate::error::{Error, Result};
use crate::protobuf::Message;
use crate::run::{self, Event};

/// The name under which pictures appear.
const SAMPLES: &str = "samples";

/// Records what happens in a run in an event file.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    events: EventFile,
}

impl Recorder {
    /// A recorder of a run in `folder` that goes on behind step `step`: older event files lose what they say of later steps, and
    /// a new one begins.
    ///
    /// # Errors
    /// [`Error::Io`] where event files cannot be read or written.
    pub fn new(folder: &Path, step: u64) -> Result<Recorder> {
        Ok(Recorder { folder: folder.to_path_buf(), events: EventFile::create(folder, step)? })
    }

    /// Records one event.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written, or a picture not be read.
    pub fn watch(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::Numbers { step, numbers } => {
                let pairs = numbers.as_object().into_iter().flatten().filter(|(key, _)| *key != "step");
                self.events.scalars(*step, pairs.filter_map(|(key, value)| Some((&**key, value.as_f64()?))))
            }
            Event::Picture { step, path } => {
                self.events.picture(*step, SAMPLES, &fs::read(path).map_err(Error::io("read", path))?)
            }
            Event::RolledBack(step) => {
                self.events = EventFile::create(&self.folder, *step)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// An event file that is being written.
#[derive(Debug)]
struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    fn create(folder: &Path, step: u64) -> Result<EventFile> {
        let older = run::event_files(folder)?;
        for path in &older {
            cut(path, step)?;
        }
        // TensorBoard reads files in the order of their names. The number behind tells those of one second apart.
        let name = format!("{}{:010}.graft.{:04}", run::EVENTS, now() as u64, older.len());
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(Error::io("create", &path))?;
        let mut events = EventFile { path, file };
        events.append(&event(now(), 0).bytes(FILE_VERSION, b"brain.Event:2"))?;
        // A TensorBoard that is open forgets the steps that come again.
        let start = Message::default().number(SESSION_STATUS, SESSION_START);
        events.append(&event(now(), step + 1).message(SESSION_LOG, start))?;
        Ok(events)
    }

    fn scalars<'n>(&mut self, step: u64, scalars: impl Iterator<Item = (&'n str, f64)>) -> Result<()> {
        self.append(&scalars_event(now(), step, scalars))
    }

    fn picture(&mut self, step: u64, tag: &str, png: &[u8]) -> Result<()> {
        self.append(&picture_event(now(), step, tag, png)?)
    }

    fn append(&mut self, event: &Message) -> Result<()> {
        self.file.write_all(&record(&event.0)).map_err(Error::io("write", &self.path))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

// Fields of the messages Event, SessionLog, Summary, Summary.Value and Summary.Image.
const WALL_TIME: u8 = 1;
const STEP: u8 = 2;
const FILE_VERSION: u8 = 3;
const SUMMARY: u8 = 5;
const SESSION_LOG: u8 = 7;
const SESSION_STATUS: u8 = 1;
const SESSION_START: u64 = 1;
const VALUE: u8 = 1;
const TAG: u8 = 1;
const SIMPLE_VALUE: u8 = 2;
const IMAGE: u8 = 4;
const HEIGHT: u8 = 1;
const WIDTH: u8 = 2;
const COLOURSPACE: u8 = 3;
const ENCODED: u8 = 4;

fn scalars_event<'n>(time: f64, step: u64, scalars: impl Iterator<Item = (&'n str, f64)>) -> Message {
    let summary = scalars.fold(Message::default(), |summary, (tag, value)| {
        let value = Message::default().bytes(TAG, tag).float(SIMPLE_VALUE, value as f32);
        summary.message(VALUE, value)
    });
    event(time, step).message(SUMMARY, summary)
}

fn picture_event(time: f64, step: u64, tag: &str, png: &[u8]) -> Result<Message> {
    let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info();
    let reader = reader
        .map_err(|error| Error::invalid(format!("the picture of step {step} is no PNG: {error}; make it again")))?;
    let info = reader.info();
    let image = Message::default()
        .number(HEIGHT, u64::from(info.height))
        .number(WIDTH, u64::from(info.width))
        .number(COLOURSPACE, info.color_type.samples() as u64)
        .bytes(ENCODED, png);
    let value = Message::default().bytes(TAG, tag).message(IMAGE, image);
    Ok(event(time, step).message(SUMMARY, Message::default().message(VALUE, value)))
}

/// An event that begins as all do, and says nothing yet.
fn event(time: f64, step: u64) -> Message {
    Message::default().double(WALL_TIME, time).number(STEP, step)
}

/// The step of an event, where it begins as [`event`] writes it.
fn step_of(event: &[u8]) -> Option<u64> {
    let (time, rest) = event.split_at_checked(1 + size_of::<f64>())?;
    let (&key, rest) = rest.split_first()?;
    if time[0] != WALL_TIME << 3 | Message::DOUBLE || key != STEP << 3 | Message::VARINT {
        return None;
    }
    let mut step = 0;
    for (place, byte) in rest.iter().take(9).enumerate() {
        step |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(step);
        }
    }
    None
}

/// Bytes as a TFRecord: their length and its checksum, the bytes and theirs.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length).to_le_bytes(), bytes, &checksum(bytes).to_le_bytes()].concat()
}

/// The first TFRecord of `bytes`, and how many bytes it takes; `None` where there is no whole one.
fn first_record(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let size = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (content, rest) = rest.split_at_checked(size)?;
    let (content_sum, _) = rest.split_first_chunk::<4>()?;
    let whole = u32::from_le_bytes(*sum) == checksum(length) && u32::from_le_bytes(*content_sum) == checksum(content);
    whole.then_some((content, size + 16))
}

/// Cuts off what an event file says of steps behind `step`, and what a killed run left unfinished.
fn cut(path: &Path, step: u64) -> Result<()> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let mut kept = 0;
    while let Some((event, size)) = first_record(&bytes[kept..]) {
        if step_of(event).is_none_or(|of| of > step) {
            break;
        }
        kept += size;
    }
    if kept < bytes.len() { atomic::write(path, &bytes[..kept]) } else { Ok(()) }
}

/// The CRC-32C of bytes (Castagnoli's polynomial, reflected), turned and shifted as TFRecords have it, so that a record within a
/// record has another.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut index = 0;
        while index < 256 {
            let (mut value, mut bit) = (index as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    let sum = !bytes.iter().fold(!0u32, |sum, byte| sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)]);
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(path: &Path) -> Vec<u64> {
        let (bytes, mut at, mut steps) = (fs::read(path).unwrap(), 0, Vec::new());
        while let Some((event, size)) = first_record(&bytes[at..]) {
            steps.push(step_of(event).unwrap());
            at += size;
        }
        assert_eq!(at, bytes.len(), "nothing but whole records");
        steps
    }

    #[test]
    fn checksums_agree_with_rfc_3720() {
        let unmasked = |bytes: &[u8]| checksum(bytes).wrapping_sub(0xa282_ead8).rotate_left(15);
        assert_eq!(unmasked(&[0; 32]), 0x8a91_36aa);
        assert_eq!(unmasked(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(unmasked(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    /// Made by TensorBoard 2.21 itself; `scripts/check_tensorboard.sh` prints them.
    #[test]
    fn a_record_of_scalars_has_tensorboards_bytes() {
        let event = scalars_event(1.5, 300, [("d_loss", 0.25), ("g_loss", -2.0)].into_iter());
        let hex: String = record(&event.0).iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = "2c00000000000000f4aecc4509000000000000f83f10ac022a1e0a0d0a06645f6c6f7373150000803e0a0d0a06675f6c6f73\
            7315000000c0359a3513";
        assert_eq!(hex, golden);
    }

    #[test]
    fn a_file_is_cut_behind_a_step_and_where_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), 0).unwrap();
        for step in 1..=200 {
            events.scalars(step, [("loss", step as f64)].into_iter()).unwrap();
        }
        let path = events.path.clone();
        let whole = fs::read(&path).unwrap();
        assert_eq!(steps(&path), [vec![0, 1], (1..=200).collect()].concat());

        cut(&path, 200).unwrap();
        assert!(fs::read(&path).unwrap() == whole, "there is nothing to cut");
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        cut(&path, 200).unwrap();
        assert_eq!(steps(&path).last(), Some(&199), "the torn record goes");
        cut(&path, 130).unwrap();
        assert_eq!(steps(&path).last(), Some(&130));

        let later = EventFile::create(folder.path(), 130).unwrap();
        assert!(later.path > path && steps(&later.path) == [0, 131]);
        let mut lying = whole.clone();
        lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(first_record(&lying), None);
        let mut flipped = whole;
        flipped[20] ^= 1;
        assert_eq!(first_record(&flipped), None);
    }

    #[test]
    fn a_picture_that_is_none_is_an_error() {
        let error = picture_event(0.0, 7, "samples", b"GIF89a").unwrap_err().to_string();
        assert!(error.contains("step 7") && error.contains("no PNG"), "{error}");
    }
}
