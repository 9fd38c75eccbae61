//! The options about reading data that every command has in common.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use clap::Args;

use super::arguments::one_of;
use super::command::option;
use super::output::is_quiet;
use super::warn;
use crate::data::{Background, Fit, Heard, Listener, Reading, Resample};
use crate::error::Result;

/// How pictures of any size are read, where something is said of it.
#[derive(Args, Clone)]
pub struct ReadingOptions {
    /// Colour behind transparent pixels, and around pictures that are padded: white, black, grey, #rgb or #rrggbb [default: white, or what
    /// the network that is asked was trained with]
    #[arg(long, value_name = "COLOUR", hide_short_help = true)]
    background: Option<Background>,
    /// How pictures become squares [default: cut, or what the network that is asked was trained with]
    #[arg(long, value_parser = one_of::<Fit>(), value_name = "HOW", hide_short_help = true)]
    fit: Option<Fit>,
    /// How they are brought to another size [default: lanczos, or what the network that is asked was trained with]
    #[arg(long, value_parser = one_of::<Resample>(), value_name = "HOW", hide_short_help = true)]
    resample: Option<Resample>,
    /// Leave pictures out that cannot be read
    #[arg(long, hide_short_help = true)]
    skip_broken: bool,
    /// Memory that decoded images may take, such as 512MiB; beyond it they are kept on disk [default: a quarter of what is free]
    #[arg(long, value_name = "SIZE", value_parser = bytes, hide_short_help = true)]
    data_memory: Option<u64>,
}

/// Where held-out images are from.
#[derive(Args, Clone)]
pub struct HeldOutOption {
    /// A data set whose test split, or all of it where it has none, stands in for the test split of the real images
    #[arg(long, value_name = "SPEC", hide_short_help = true)]
    held_out: Option<String>,
}

impl ReadingOptions {
    /// The reading that they stand for where nothing was read before.
    pub fn reading(&self) -> Reading {
        self.over(Reading::default())
    }

    /// A reading of before, such as that of the images from which a network learned, with what is said now in its place.
    pub fn over(&self, before: Reading) -> Reading {
        Reading {
            background: self.background.unwrap_or(before.background),
            fit: self.fit.unwrap_or(before.fit),
            resample: self.resample.unwrap_or(before.resample),
            ..self.listening(before)
        }
    }

    /// A reading that is kept in a run's settings, as it goes on now.
    pub fn listening(&self, reading: Reading) -> Reading {
        let skip_broken = self.skip_broken || reading.skip_broken;
        Reading { skip_broken, memory: self.data_memory, listener: Listener::new(hear), ..reading }
    }
}

/// How a source and a target are read.
#[derive(Args, Clone)]
pub struct PairReading {
    /// A class of the source and its partner in the target, where their names differ; several with commas between
    #[arg(long, value_name = "SOURCE=TARGET", value_delimiter = ',', value_parser = pair, hide_short_help = true)]
    map: Vec<(String, String)>,
    #[command(flatten)]
    held_out: HeldOutOption,
    #[command(flatten)]
    images: ReadingOptions,
}

impl PairReading {
    /// Whether classes of the source are given other names.
    pub fn maps(&self) -> bool {
        !self.map.is_empty()
    }

    /// The reading that they stand for.
    ///
    /// # Errors
    /// Those of [`HeldOutOption::of`].
    pub fn reading(&self) -> Result<Reading> {
        let map = self.map.iter().cloned().collect();
        Ok(Reading { map, ..self.held_out.of(self.images.reading())? })
    }

    /// That of a run that goes on: held-out images may lie elsewhere now.
    ///
    /// # Errors
    /// Those of [`HeldOutOption::of`].
    pub fn moved(&self, reading: Reading) -> Result<Reading> {
        self.held_out.of(reading)
    }

    /// As [`ReadingOptions::listening`].
    pub fn listening(&self, reading: Reading) -> Reading {
        self.images.listening(reading)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(source, target)| !source.is_empty() && !target.is_empty());
    let (source, target) = pair.ok_or_else(|| "takes a class of the source, =, and one of the target".to_string())?;
    Ok((source.to_string(), target.to_string()))
}

impl HeldOutOption {
    /// A reading with these held-out images, if there are any; else with those that it has.
    ///
    /// # Errors
    /// [`Error::Usage`] where they name no data set.
    pub fn of(&self, reading: Reading) -> Result<Reading> {
        self.held_out.as_deref().map(str::parse::<crate::data::Spec>).transpose()?;
        Ok(Reading { held_out: self.held_out.clone().or(reading.held_out), ..reading })
    }
}

/// Says each note once, however often a command reads its data, and how far a long reading is.
fn hear(heard: Heard<'_>) {
    static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    /// Images below which nobody waits.
    const LONG: usize = 10_000;
    match heard {
        Heard::Note(note) => {
            let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
            if said.get_or_insert_default().insert(note.to_string()) {
                warn(format!("note: {note}"));
            }
        }
        Heard::Progress { images, .. } if is_quiet() || images < LONG => {}
        Heard::Progress { done, of, .. } if std::io::stderr().is_terminal() => {
            eprint!("\rreading images: {:3} %{}", 100 * done / of, if done == of { "\n" } else { "" });
        }
        Heard::Progress { done, of, images } if done == of => warn(format!("note: {images} images are read")),
        Heard::Progress { .. } => {}
    }
}

/// The words of a command that says a reading; none for what is usual.
pub fn words(reading: &Reading) -> String {
    let Reading { background, fit, resample, skip_broken, held_out, map, .. } = reading;
    let mut words = String::new();
    if *background != Background::default() {
        words += &option("background", &background.to_string());
    }
    if *fit != Fit::default() {
        words += &format!(" --fit {fit}");
    }
    if *resample != Resample::default() {
        words += &format!(" --resample {resample}");
    }
    if *skip_broken {
        words += " --skip-broken";
    }
    if !map.is_empty() {
        let pairs: Vec<String> = map.iter().map(|(source, target)| format!("{source}={target}")).collect();
        words += &option("map", &pairs.join(","));
    }
    if let Some(held_out) = held_out {
        words += &option("held-out", held_out);
    }
    words
}

/// A number of bytes: `512MiB`, `2G`, `1000000`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1 << 30),
        "t" | "tb" | "tib" => Some(1 << 40),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let bytes = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    bytes.ok_or_else(|| "takes a whole number of bytes, with KiB, MiB or GiB behind it for more".to_string())
}

/// Images for a report, which does without them, and says so, where they are not there any more.
pub(super) fn if_readable<T>(images: Result<T>) -> Option<T> {
    images.map_err(|error| warn(format!("note: without real images beside the samples: {error}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, expected) in [("0", 0), ("512MiB", 512 << 20), ("2g", 2 << 30), ("1kb", 1024), ("7B", 7)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "MiB", "1.5G", "-1", "1X", "99999999999T"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
