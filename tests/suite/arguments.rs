//! Wrong argument lists, by the hundred: each is refused with a sentence, none with a panic, and none changes a file.

use crate::program::Desk;

/// The commands, each with what it needs to be understood.
const COMMANDS: [&str; 13] = [
    "train",
    "transfer",
    "compare",
    "sample x",
    "evaluate x",
    "judge",
    "data idx:images",
    "report x",
    "export x",
    "import x",
    "devices",
    "completions bash",
    "man --out pages",
];

/// What no option of any command takes.
const NONSENSE: [&str; 4] = ["", "\u{fffd}\u{202e}\u{1f980}", "-99999999999999999999999999", "--"];

/// The options of a command, and whether each takes a value, as its help lists them.
fn options(desk: &Desk, command: &str) -> Vec<(String, bool)> {
    let name = command.split(' ').next().unwrap();
    let help = desk.graft(&format!("{name} --help")).ok();
    let mut options = Vec::new();
    for line in help.lines() {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| word.starts_with(['-', '<', '['])).collect();
        if let Some(option) = words.iter().find(|word| word.starts_with("--")).filter(|_| line.starts_with("  ")) {
            let value = words.iter().any(|word| word.starts_with('<')) && !option.contains('=');
            let option: String = option.chars().take_while(|&c| c.is_alphanumeric() || c == '-').collect();
            options.push((option, value));
        }
    }
    options
}

#[test]
fn hundreds_of_wrong_argument_lists_are_refused_in_a_sentence() {
    let desk = Desk::new();
    let before = desk.snapshot();
    let mut lists: Vec<Vec<String>> = Vec::new();
    for command in COMMANDS {
        let words: Vec<String> = command.split(' ').map(str::to_string).collect();
        let mut with = |more: &[&str]| {
            lists.push(words.iter().cloned().chain(more.iter().map(|word| word.to_string())).collect());
        };
        for (option, takes_value) in options(&desk, command) {
            if ["--help", "--json", "--quiet"].contains(&&*option) {
                continue;
            }
            // Mistyped.
            with(&[&format!("{option}x")]);
            if takes_value {
                // Without its value, and with values that it cannot take.
                with(&[&option]);
                let free_text = ["--out", "--judge", "--resume", "--source"].contains(&&*option);
                for nonsense in NONSENSE.iter().filter(|_| !free_text) {
                    with(&[&format!("{option}={nonsense}")]);
                }
            } else {
                with(&[&format!("{option}=perhaps")]);
            }
        }
        with(&["surplus", "words"]);
        with(&["--nonsense"]);
        with(&["-x"]);
        with(&["--threads", "1", "--threads", "2"]);
    }
    for words in [&["trian"][..], &["-1"], &["", "train"], &["help", "trian"], &["train", "train"]] {
        lists.push(words.iter().map(|word| word.to_string()).collect());
    }
    assert!(lists.len() >= 200, "{} lists", lists.len());
    println!("{} lists", lists.len());
    for list in lists {
        let output = desk.command().args(&list).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(matches!(output.status.code(), Some(1 | 2)), "{list:?} ends with {:?}: {stderr}", output.status);
        assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{list:?} says: {stderr}");
        assert_eq!(stdout, "", "{list:?}");
    }
    let after = desk.snapshot();
    let changed: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert!(before == after, "files came from nothing: {changed:?}");
}

#[test]
fn a_mistyped_name_is_answered_with_the_one_that_was_meant() {
    let desk = Desk::new();
    for (arguments, meant) in [
        ("trian", "train"),
        ("train --los hinge", "--loss"),
        ("train --loss hing", "hinge"),
        ("train --data mnsit:x", "`mnist`"),
        ("data synthetic:stroke", "`strokes`"),
        ("transfer --method trgann", "`trgan`"),
        ("transfer --method ctgan-shufled", "`ctgan-shuffled`"),
        ("compare --arms a=trgan{freez-d=1} --subset 10", "`freeze-d`"),
        ("train --d-norm spectrl", "spectral"),
    ] {
        let ended = desk.graft(arguments);
        assert_eq!(ended.code, Some(2), "{arguments}: {}", ended.stderr);
        let asks = ended.stderr.contains("did you mean") || ended.stderr.contains("similar");
        assert!(asks && ended.stderr.contains(meant), "{arguments}: {}", ended.stderr);
    }
}
