//! `~` that no shell made a home of: one does so at the start of a word alone, and a folder of that name is not what was meant.

use std::ffi::OsString;
use std::path::Path;

/// What stands before a path within a word.
const BEFORE: [char; 3] = ['=', ':', ','];

/// The first argument in which a path begins with `~`, where there is nothing of that name.
pub fn left_alone(arguments: impl Iterator<Item = OsString>) -> Option<String> {
    let mut words = arguments.filter_map(|word| word.into_string().ok());
    words.find(|word| !Path::new("~").exists() && word.split(BEFORE).any(|part| part == "~" || part.starts_with("~/")))
}

/// What to do about it.
pub fn advice(word: &str) -> String {
    format!(
        "a shell makes a home of ~ at the start of a word alone, and here it stands in `{word}`: write $HOME in its place"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_seen_where_a_path_begins() {
        let found = |word: &str| left_alone([OsString::from("train"), OsString::from(word)].into_iter());
        for word in ["~", "~/run", "--out=~/run", "folder:~/cats", "idx:a,~/b", "--data=folder:~"] {
            assert_eq!(found(word).as_deref(), Some(word));
        }
        for word in ["a~/b", "~tilde", "folder:a~", "--steps=3"] {
            assert_eq!(found(word), None, "{word}");
        }
        assert!(advice("folder:~/x").contains("$HOME"));
    }
}
