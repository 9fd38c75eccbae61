//! What scripts see: `--json`, no colours, completions and manual pages.

use serde_json::Value as Json;

use crate::program::{CLASSES, Desk, IMAGES, SIDE, TRAIN};

/// The objects on standard output; fails where anything else stands there.
#[track_caller]
fn events(desk: &Desk, arguments: &str) -> Vec<Json> {
    let said = desk.graft(arguments).ok();
    let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in `{line}`"));
    let events: Vec<Json> = said.lines().map(object).collect();
    assert!(events.iter().all(|event| event["event"].is_string()), "{said}");
    events
}

fn named<'e>(events: &'e [Json], name: &str) -> Vec<&'e Json> {
    events.iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn a_run_tells_its_command_every_step_its_pictures_and_its_end() {
    let desk = Desk::new();
    let talkative = TRAIN.replace(" -q", "");
    let said = events(&desk, &format!("{talkative} --steps 5 --sample-every 2 --out run --json"));
    assert!(said[0]["command"].as_str().unwrap().starts_with("graft train --data idx:images,labels"), "{}", said[0]);
    let steps = named(&said, "step");
    assert_eq!(steps.iter().map(|event| event["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for event in steps {
        assert!(event["d_loss"].is_number() && event["g_loss"].is_number() && event["steps"] == 5, "{event}");
    }
    let pictures: Vec<&str> = named(&said, "picture").iter().map(|event| event["path"].as_str().unwrap()).collect();
    assert_eq!(pictures, ["run/samples/step_000002.png", "run/samples/step_000004.png", "run/samples/step_000005.png"]);
    let last = said.last().unwrap();
    assert_eq!((&last["event"], &last["step"], &last["run"]), (&"finished".into(), &5.into(), &"run".into()));
    assert!(desk.path(last["checkpoint"].as_str().unwrap()).exists());
    assert!(desk.path(last["report"].as_str().unwrap()).exists());

    let recorded =
        events(&desk, &format!("{talkative} --steps 5 --sample-every 2 --out recorded --tensorboard --json"));
    assert_eq!(named(&recorded, "picture").len(), 3, "whoever records tells of it, too");

    let again = events(&desk, "train --resume run --json");
    assert_eq!((again.len(), &again[0]["event"]), (1, &"finished".into()));
    let profiled = events(&desk, "train --resume run --steps 6 --profile -q --json");
    assert!(named(&profiled, "note")[0]["text"].as_str().unwrap().contains("outside kernels"));
    assert!(named(&profiled, "step").is_empty(), "-q means no progress");
}

#[test]
fn every_command_speaks_objects() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 2 --out run")).ok();
    let only = |arguments: &str, name: &str| {
        let mut said = events(&desk, arguments);
        assert_eq!((said.len(), &said[0]["event"]), (1, &Json::from(name)), "{arguments}");
        said.remove(0)
    };
    let data = only("data idx:images,labels --raw --json", "data");
    assert_eq!((&data["count"], &data["height"], &data["channels"]), (&IMAGES.into(), &SIDE.into(), &1.into()));
    assert_eq!(data["classes"], Json::from(vec![IMAGES / CLASSES; CLASSES]));
    assert_eq!(data["names"], serde_json::json!(["0", "1", "2"]));
    assert_eq!(only("data idx:images --json", "data")["classes"], Json::Null);
    let samples = only("--json sample run --count 3 --out three.png", "samples");
    assert_eq!((&samples["path"], &samples["count"]), (&"three.png".into(), &3.into()));
    let files = only("export run --out exported --json", "export")["files"].clone();
    assert!(files.as_array().unwrap().iter().any(|file| file == "exported/load.py"), "{files}");
    let imported = "import exported/netG.safetensors --out imported.safetensors --json";
    assert_eq!(only(imported, "import")["checkpoint"], "imported.safetensors");
    assert_eq!(only("report run --json", "report")["report"], "run/report.html");
    assert!(only("devices --json", "devices")["gpus"].is_array());
    let pages = only("man --out pages --json", "man");
    assert!(pages["pages"].as_array().unwrap().iter().any(|page| page == "pages/graft-train.1"), "{pages}");
    assert!(only("completions fish --json", "completions")["script"].as_str().unwrap().contains("transfer"));
    let plan =
        only("compare --arms scratch --subset 100 --seeds 1 --steps 4 --features 4 --batch 8 --plan --json", "plan");
    assert_eq!(plan["rows"][0]["arm"], "scratch");
}

#[test]
fn an_error_is_no_object_and_leaves_standard_output_empty() {
    let desk = Desk::new();
    let ended = desk.graft("train --data idx:gone --json");
    assert_eq!(ended.stdout, "");
    ended.refused(1);
}

#[test]
fn nothing_is_coloured_where_nobody_sees_it() {
    let desk = Desk::new();
    let escape = '\u{1b}';
    for arguments in ["--help", "train --help", "trian", "train --los", "data mnst:x", &format!("{TRAIN} --steps 1")] {
        let ended = desk.graft(arguments);
        assert!(!ended.stdout.contains(escape) && !ended.stderr.contains(escape), "{arguments}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let desk = Desk::new();
    let help = desk.graft("--help").ok();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // Long descriptions go on in lines that are further in.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty() && *command != "help")
        .collect();
    assert!(commands.len() >= 13, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = desk.graft(&format!("completions {shell}")).ok();
        for word in commands.iter().chain(&["on-nan", "subset-plain"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    desk.graft("man --out pages/man1").ok();
    let mut pages: Vec<String> = commands.iter().map(|command| format!("graft-{command}.1")).collect();
    pages.push("graft.1".to_string());
    pages.sort();
    assert_eq!(desk.names("pages/man1"), pages);
    assert!(desk.text("pages/man1/graft-train.1").contains("Normalisation of the discriminator"));
}
