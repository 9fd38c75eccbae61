//! What commands say on standard output: lines for people, or with `--json` one object a line and nothing else. Progress, warnings
//! and errors go to standard error.

use std::fmt::Display;
use std::io::{self, Write, stderr, stdout};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};

use crate::error::Error;

/// What the whole process speaks, said once at its start.
static JSON: AtomicBool = AtomicBool::new(false);

/// Whether nobody wants progress, said once at its start.
static QUIET: AtomicBool = AtomicBool::new(false);
/// Whether another process speaks for this one.
static MUTE: AtomicBool = AtomicBool::new(false);
/// What the system said where standard output could not be written.
static UNWRITTEN: OnceLock<Error> = OnceLock::new();

/// From now on, no progress.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether nobody wants progress.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// From now on nothing at all, or everything again.
pub fn be_mute(is_mute: bool) {
    MUTE.store(is_mute, Ordering::Relaxed);
}

/// From now on, objects.
pub fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// Whether it speaks objects.
pub fn speaks_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Says something that has no more to it than its words.
pub fn say(text: impl Display) {
    tell("note", json!({ "text": text.to_string() }), text);
}

/// Says what happened: `text` to people, else an object of `event` and these fields.
pub fn tell(event: &str, fields: Json, text: impl Display) {
    if !speaks_json() {
        return print(text);
    }
    emit(event, fields);
}

/// Says what happened where objects are spoken; people see it elsewhere.
pub fn emit(event: &str, fields: Json) {
    if speaks_json() {
        let mut object = json!({ "event": event });
        if let (Some(object), Json::Object(fields)) = (object.as_object_mut(), fields) {
            object.extend(fields);
        }
        print(object);
    }
}

/// A path as objects have it: as it was given, but for bytes that are no text, which JSON cannot hold.
pub fn named(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

/// Writes a line. That it cannot be written is no reason to stop, but to say so at the end.
fn print(line: impl Display) {
    if MUTE.load(Ordering::Relaxed) {
        return;
    }
    note_written(writeln!(stdout(), "{line}"));
}

/// Takes note of what came of writing to standard output. Who closed it does not want any more.
pub fn note_written(outcome: io::Result<()>) {
    if let Some(error) = outcome.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        let _ = UNWRITTEN.set(Error::io("write", "standard output")(error));
    }
}

/// What kept standard output from being written, if anything did.
pub fn unwritten() -> Option<&'static Error> {
    UNWRITTEN.get()
}

/// Writes a line to standard error, as [`say`] does to standard output.
pub fn warn(line: impl Display) {
    if !MUTE.load(Ordering::Relaxed) {
        let _ = writeln!(stderr(), "{line}");
    }
}
