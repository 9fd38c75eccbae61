//! What the printed commands of `graft train`, `transfer` and `compare` have in common, and where their runs go.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::tell;
use crate::options::{About, Takes};

/// Says the command that stands for all settings.
pub fn tell_command(command: &str) {
    tell("command", json!({ "command": command }), command);
}

/// A word as a POSIX shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-+=:,./@%".contains(character);
    // A leading = is looked up by zsh.
    let is_plain = !word.is_empty() && !word.starts_with('=') && word.chars().all(plain);
    if is_plain { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// An option with its value as words of a command.
pub fn option(name: &str, value: &str) -> String {
    // What begins with a dash would be taken for an option itself.
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!(" --{name}{between}{}", quoted(value))
}

/// An option of a table with its value as words of a command.
pub fn option_of(about: &About, text: &str) -> String {
    match (about.takes, text) {
        (Takes::Flag, "true") => format!(" --{}", about.name),
        (Takes::Flag, _) => format!(" --{}={text}", about.name),
        _ => option(about.name, text),
    }
}

/// A folder of `runs` that is not there yet: `runs/WHAT-DATA-SEED`, or with the first number from 2 behind it that is free.
pub fn default_folder(what: &str, data: &str, seed: u64) -> PathBuf {
    let data = data.split_once(':').map_or(data, |(kind, rest)| if kind == "synthetic" { rest } else { kind });
    let name = format!("{what}-{data}-{seed}");
    let candidates = std::iter::once(name.clone()).chain((2..).map(|k| format!("{name}-{k}")));
    let free = |path: &PathBuf| !Path::exists(path);
    candidates.map(|name| Path::new("runs").join(name)).find(free).expect("numbers do not run out")
}
