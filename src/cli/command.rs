//! What the printed commands of `graft train`, `transfer` and `compare` have in common, and where their runs go.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::tell;

/// Says the command that stands for all settings.
pub fn tell_command(command: &str) {
    tell("command", json!({ "command": command }), command);
}

/// A word as a POSIX shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-+=:,./@%".contains(character);
    if word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A folder of `runs` that is not there yet: `runs/WHAT-DATA-SEED`, or with the first number from 2 behind it that is free.
pub fn default_folder(what: &str, data: &str, seed: u64) -> PathBuf {
    let data = data.split_once(':').map_or(data, |(kind, rest)| if kind == "synthetic" { rest } else { kind });
    let name = format!("{what}-{data}-{seed}");
    let candidates = std::iter::once(name.clone()).chain((2..).map(|k| format!("{name}-{k}")));
    let free = |path: &PathBuf| !Path::exists(path);
    candidates.map(|name| Path::new("runs").join(name)).find(free).expect("numbers do not run out")
}
