//! No arrow points up: what lies in a folder or file of `src` uses only what stands before it in this order, and no files of a folder
//! use one another in a circle; and only the command line speaks of its options.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The crate from the ground up.
const ORDER: [&str; 24] = [
    "error",
    "words",
    "options",
    "random",
    "atomic",
    "claims",
    "protobuf",
    "html",
    "backend",
    "memory",
    "ranks",
    "tensor",
    "nn",
    "data",
    "checkpoint",
    "classifier",
    "gan",
    "benchmark",
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

/// The modules that a text names: words behind `crate::` or another way, alone or within braces.
fn named(text: &str, way: &str) -> Vec<String> {
    let behind = text.split(way).skip(1);
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
        for name in named(&text, "crate::") {
            // What lib.rs gives another name stands in its own place.
            let up = place(&name).filter(|&other| other > own_place);
            assert!(up.is_none(), "{} uses {name}, which is built on {own}", inside.display());
        }
    }
}

/// What a file says outside its tests and comments, but of the rooms above its own.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let own = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    let lines = own.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n").replace("super::super::", "above::")
}

/// The files that lead from one back to itself, if any do.
fn circle(uses: &BTreeMap<String, Vec<String>>, way: &mut Vec<String>) -> bool {
    let last = way.last().unwrap().clone();
    for next in &uses[&last] {
        if *next == way[0] {
            return true;
        }
        if !way.contains(next) {
            way.push(next.clone());
            if circle(uses, way) {
                return true;
            }
            way.pop();
        }
    }
    false
}

#[test]
fn no_files_of_a_room_use_one_another_in_a_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms: BTreeMap<&Path, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let all = files(&src);
    for path in all.iter().filter(|path| !path.ends_with("mod.rs")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        rooms.entry(path.parent().unwrap()).or_default().insert(name, named(&code(path), "super::"));
    }
    rooms.remove(src.as_path());
    for (room, uses) in &mut rooms {
        let inside: Vec<String> = uses.keys().cloned().collect();
        uses.values_mut().for_each(|names| names.retain(|name| inside.contains(name)));
        for file in &inside {
            let mut way = vec![file.clone()];
            assert!(!circle(uses, &mut way), "in {}: {way:?} leads back to {file}", room.display());
        }
    }
    assert!(
        rooms.values().flatten().any(|(_, names)| !names.is_empty()),
        "no file uses another: nothing was looked at"
    );
}

/// The string literals of a program, as they are written there.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(['"', '/', '\'']) {
        let before = &rest[..start];
        rest = &rest[start..];
        let hashes = before.len() - before.trim_end_matches('#').len();
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, below)| below);
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest = rest[1..].split_once('\'').expect("a character ends").1;
        } else if rest.starts_with('"') && before.trim_end_matches('#').ends_with('r') {
            let (text, behind) = rest[1..].split_once(&format!("\"{}", "#".repeat(hashes))).expect("a raw string ends");
            found.push(text.to_string());
            rest = behind;
        } else if let Some(inside) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = inside.find(|letter| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            });
            let (text, behind) = inside.split_at(end.expect("a string ends"));
            found.push(text.to_string());
            rest = &behind[1..];
        } else {
            rest = &rest[1..];
        }
    }
    found
}

#[test]
fn literals_are_told_from_comments_and_characters() {
    let code =
        "a(\"x\\\"y\", '\"', \"z\") // \"no\"\n + r#\"raw \" --one\"# / 'b' + b'\\\"' + \"\\\\\" + &'static \"end\"";
    assert_eq!(literals(code), ["x\\\"y", "z", "raw \" --one", "\\\\", "end"]);
}

#[test]
fn only_the_command_line_names_its_options() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let names_option = |text: &str| {
        text.match_indices("--").any(|(at, _)| text[at + 2..].starts_with(|letter: char| letter.is_ascii_alphabetic()))
    };
    let texts =
        |path: &Path| -> Vec<String> { literals(&code(path)).into_iter().filter(|t| names_option(t)).collect() };
    let (own, below): (Vec<_>, Vec<_>) = files(&src).into_iter().partition(|path| path.starts_with(src.join("cli")));
    for path in below.iter().filter(|path| !path.ends_with("tests.rs")) {
        let named = texts(path);
        let inside = path.strip_prefix(&src).unwrap().display();
        assert!(named.is_empty(), "{inside} names options, which only the command line has: {named:?}");
    }
    assert!(own.iter().any(|path| !texts(path).is_empty()), "no text names an option: nothing was looked at");
}
