//! Wrong argument lists, by the hundred: each is refused with a sentence, none with a panic, and none changes a file.

use std::collections::HashSet;

use crate::program::Desk;

/// The commands, each with what it needs to be understood.
const COMMANDS: [&str; 17] = [
    "train",
    "transfer",
    "compare",
    "classify",
    "predict x",
    "translate x",
    "sample x",
    "evaluate x",
    "judge",
    "data idx:images",
    "report x",
    "export x",
    "import x",
    "invert x y",
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
    let (mut known, mut turn) = (HashSet::new(), 0);
    for command in COMMANDS {
        let words: Vec<String> = command.split(' ').map(str::to_string).collect();
        let mut with = |more: &[&str]| {
            lists.push(words.iter().cloned().chain(more.iter().map(|word| word.to_string())).collect());
        };
        for (option, takes_value) in options(&desk, command) {
            if ["--help", "--json", "--quiet"].contains(&&*option) {
                continue;
            }
            // Mistyped; without its value, and with values that it cannot take.
            let mut wrong = vec![format!("{option}x")];
            if takes_value {
                wrong.push(option.clone());
                let free_text = ["--out", "--judge", "--resume", "--source", "--latents"].contains(&&*option);
                wrong.extend(NONSENSE.iter().filter(|_| !free_text).map(|nonsense| format!("{option}={nonsense}")));
            } else {
                wrong.push(format!("{option}=perhaps"));
            }
            // Commands share options: everything is tried with the first of them that has one, with each other one thing, in turn.
            if !known.insert(option) {
                turn += 1;
                wrong = vec![wrong.swap_remove(turn % wrong.len())];
            }
            for word in wrong {
                with(&[&word]);
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
    assert!(lists.len() >= 500, "{} lists", lists.len());
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
        ("train --data mnist", "`mnist:DIR`"),
        ("train --data idx:images --device cpuu", "`cpu`"),
        ("compare --arms trgan --subset 10 --seeds 1 --arm-seeds trgn=1", "`trgan`"),
    ] {
        let ended = desk.graft(arguments);
        assert_eq!(ended.code, Some(2), "{arguments}: {}", ended.stderr);
        let asks = ended.stderr.contains("did you mean") || ended.stderr.contains("similar");
        assert!(asks && ended.stderr.contains(meant), "{arguments}: {}", ended.stderr);
    }
}

#[test]
fn values_that_options_cannot_take_are_refused_before_data_are_looked_for() {
    let desk = Desk::new();
    let gone = "--source idx:gone --target idx:gone";
    for (arguments, named) in [
        (&*format!("transfer {gone} --freeze-d many"), "freeze-d"),
        (&format!("transfer {gone} --method tgan --heads many"), "heads"),
        (&format!("transfer {gone} --anchor-weight 5"), "the arm trgan"),
        (&format!("transfer {gone} --device tpu"), "--device"),
        (&format!("compare {gone} --subset 10 --source-lr fast"), "--source-lr"),
        (&format!("compare {gone} --subset 10 --arms trgan,trgam"), "trgam"),
        (&format!("compare {gone} --subset 10 --device tpu"), "--device"),
        (&format!("compare {gone} --subset 10 --steps 5 --looks 2,9"), "--looks"),
        (&format!("compare {gone} --subset 10 --arms trgan --arm-seeds trgam=1"), "trgam"),
        (&format!("compare {gone} --subset 10,10"), "named twice"),
        ("train --data idx:gone --threads 5000", "--threads"),
        ("train --data idx:gone --device tpu", "--device"),
        ("judge --data idx:gone --device tpu", "--device"),
    ] {
        desk.refuses(2, arguments, &[named]);
    }
    desk.refuses(1, &format!("transfer {gone} --freeze-d 1"), &["gone"]);
}

#[test]
#[cfg(target_os = "linux")]
fn paths_that_are_no_text_are_paths_to_every_command() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let desk = Desk::new();
    let bytes =
        |word: &str| OsString::from_vec(word.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect());
    let small = "--features 4 --latent 8 --batch 8 --steps 2";
    for (arguments, code) in [
        (&*format!("train --data idx:images,labels {small} --tensorboard --out ?run"), 0),
        ("train --resume ?run --steps 3", 0),
        ("train --resume ?run", 0),
        ("report ?run", 0),
        ("sample ?run --count 2 --out ?.png", 0),
        ("sample ?run --count 2 --format png --out ?folder", 0),
        ("sample ?run --count 2 --out ?.png", 1),
        ("sample ?gone", 1),
        ("export ?run --out ?export", 0),
        ("export ?run --format onnx --out ?onnx", 0),
        ("import ?export/netG.safetensors --out ?imported", 0),
        ("data idx:images --out ?grid.png", 0),
        ("data idx:?images", 2),
        ("judge --data idx:images,labels --width 4 --steps 2 --batch 8 --out ?judge", 0),
        ("evaluate ?run --judge ?gone", 1),
        (
            &format!(
                "transfer --method trgan --source idx:images --target idx:images --subset 20 --source-steps 2 {small} --no-judge --out ?moved"
            ),
            0,
        ),
        ("transfer --resume ?moved --steps 3", 0),
        (
            &format!(
                "compare --target synthetic:street --arms scratch --subset 12 --seeds 1 {small} --judge ?gone --out ?compared"
            ),
            1,
        ),
        ("man --out ?pages", 0),
    ] {
        let words = format!("{arguments} --json");
        let output = desk.command().args(words.split(' ').map(bytes)).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments}: {stderr}");
        assert!(
            !stderr.contains("panicked") && stdout.contains('\u{fffd}') == (code == 0),
            "{arguments}: {stdout}{stderr}"
        );
    }
}

#[test]
fn numbers_that_settings_cannot_hold_are_refused() {
    let desk = Desk::new();
    // One more than TOML's largest whole number, which is a seed.
    for (command, options) in [
        ("train", "seed steps checkpoint-every sample-every"),
        ("transfer", "seed steps source-steps feature-steps checkpoint-every sample-every evaluate-every"),
        ("compare", "steps source-steps feature-steps checkpoint-every"),
        ("judge", "seed steps"),
        ("sample x", "seed"),
        ("evaluate x", "seed"),
    ] {
        for option in options.split(' ') {
            desk.refuses(2, &format!("{command} --{option} 9223372036854775808"), &[option]);
        }
    }
    let largest = "--seed 9223372036854775807";
    desk.graft(&format!("train --data idx:images --features 4 --latent 8 --batch 8 --steps 1 -q {largest} --out run"))
        .ok();
    desk.graft("train --resume run --steps 2 -q").ok();
    desk.refuses(2, "compare --seeds 2000000000", &["up to 1000", "write `2000000000,`"]);
    desk.refuses(2, "judge --data idx:images,labels --batch 99999999999", &["--batch takes", "1048576"]);
    desk.refuses(
        1,
        "judge --data idx:images,labels --batch 1000000 --width 4096",
        &["a judge of width 4096", "GiB", "a smaller width or batch"],
    );
}
