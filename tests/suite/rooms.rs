//! No arrow points up: what lies in a folder or file of `src` uses only what stands before it in this order.

use std::fs;
use std::path::Path;

/// The crate from the ground up.
const ORDER: [&str; 20] = [
    "error",
    "words",
    "options",
    "random",
    "atomic",
    "protobuf",
    "backend",
    "memory",
    "tensor",
    "nn",
    "data",
    "checkpoint",
    "classifier",
    "gan",
    "metrics",
    "run",
    "transfer",
    "interchange",
    "experiment",
    "cli",
];

/// The Rust files in a folder and below it.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let inside = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    paths.flat_map(inside).filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The modules of the crate that a text names: words behind `crate::`, alone or within braces.
fn named(text: &str) -> Vec<String> {
    let behind = text.split("crate::").skip(1);
    let words = behind.flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap().split(',').map(str::trim).map(str::to_string).collect(),
        None => vec![rest.to_string()],
    });
    let name = |text: String| text.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
    words.map(name).filter(|name: &String| !name.is_empty()).collect()
}

#[test]
fn nothing_uses_what_is_built_on_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = |name: &str| ORDER.iter().position(|other| *other == name);
    for path in files(&src) {
        let inside = path.strip_prefix(&src).unwrap();
        let own = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&own) {
            continue;
        }
        let own_place = place(own).unwrap_or_else(|| panic!("{own} has no place in ORDER: give it one"));
        let text = fs::read_to_string(&path).unwrap();
        for name in named(&text) {
            // What lib.rs gives another name stands in its own place.
            let up = place(&name).filter(|&other| other > own_place);
            assert!(up.is_none(), "{} uses {name}, which is built on {own}", inside.display());
        }
    }
}
