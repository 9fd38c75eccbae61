//! `graft compare`: that it can be stopped anywhere, that nothing depends on how many runs go on at once, and that what was begun
//! is not continued as something else.

use std::process::Child;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use graft::Checkpoint;
use serde_json::Value as Json;

use crate::program::{Desk, Ended, SIDE, checkpoint, idx};

/// Images of the target's splits: as few as figures need.
const TRAINING: usize = 120;
const TEST: usize = 24;

/// Two arms that share a source and one without, at two sizes, over two seeds: tiny networks, and a judge of a few steps.
const COMPARE: &str = "compare --source mnist:target --target mnist:target --features 4 --latent 6 --batch 8 --steps 6 \
    --source-steps 4 --feature-steps 4 --looks 0,2,4 --subset 12,20 --judge judge.safetensors --checkpoint-every 2 -q";
const ARMS: &str = "--arms scratch,trgan,warm=trgan{lr=0.0002},ctgan=ctgan{confidence=0} --seeds 2 --arm-seeds ctgan=1";

/// A place with a target of two splits in ten classes, and its judge.
pub fn desk() -> Desk {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("target")).unwrap();
    for (split, count, shift) in [("train", TRAINING, 0), ("t10k", TEST, 7)] {
        let pixel = |index: usize| {
            let (image, row) = (index / (SIDE * SIDE) + shift, index / SIDE % SIDE);
            let texture = (index * 31 + image * 17) % 96;
            if row == image % 10 % SIDE { 255 - texture as u8 } else { texture as u8 }
        };
        let pixels: Vec<u8> = (0..count * SIDE * SIDE).map(pixel).collect();
        let labels: Vec<u8> = (0..count).map(|image| ((image + shift) % 10) as u8).collect();
        desk.write(&format!("target/{split}-images-idx3-ubyte"), &idx(&[count, SIDE, SIDE], &pixels));
        desk.write(&format!("target/{split}-labels-idx1-ubyte"), &idx(&[count], &labels));
    }
    desk.graft("judge --data mnist:target --width 4 --steps 4 --batch 8 -q --out judge.safetensors").ok();
    desk
}

/// A file of a comparison without its times, which no two runs share, and with paths as they are in its desk.
pub fn figures(desk: &Desk, folder: &str) -> Json {
    fn timeless(value: Json) -> Json {
        match value {
            Json::Object(map) => map
                .into_iter()
                .filter(|(key, _)| key != "seconds")
                .map(|(key, value)| (key, timeless(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Json::Array(list) => list.into_iter().map(timeless).collect(),
            other => other,
        }
    }
    timeless(serde_json::from_str(&without_desk(desk, &format!("{folder}/compare.json"))).unwrap())
}

/// A file's text, paths as they are in its desk.
pub fn without_desk(desk: &Desk, file: &str) -> String {
    let here = desk.path("").canonicalize().unwrap();
    desk.text(file).replace(&format!("{}/", here.display()), "")
}

/// A comparison that nobody disturbed, one run at a time.
static UNBROKEN: LazyLock<(Desk, Json)> = LazyLock::new(|| {
    let desk = desk();
    desk.graft(&format!("{COMPARE} {ARMS} --out whole")).ok();
    let figures = figures(&desk, "whole");
    (desk, figures)
});

/// A comparison once more, killed without warning as soon as `moment` is there.
pub fn kill_when(desk: &Desk, arguments: &str, moment: &str) {
    let mut child: Child = desk.command().args(arguments.split_whitespace()).spawn().unwrap();
    let start = Instant::now();
    while !desk.path(moment).exists() && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120), "{moment} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_comparison_that_was_killed_and_goes_on_two_at_a_time_finds_the_same() {
    let (_, expected) = &*UNBROKEN;
    let desk = desk();
    let again = format!("{COMPARE} {ARMS} --out killed --jobs 2 --threads 2");
    for moment in [
        "killed/source-seed0/source/metrics.jsonl",
        "killed/cells/scratch-12-seed0/curve/step_000002.json",
        "killed/cells/trgan-20-seed0/checkpoints/last.safetensors",
        "killed/cells/ctgan-12-seed0/evaluation.json",
    ] {
        kill_when(&desk, &again, moment);
    }
    let said = desk.graft(&again).ok();
    assert!(said.contains("trgan") && said.contains("too few") && said.contains("report: "), "{said}");
    assert_eq!(&figures(&desk, "killed"), expected);
}

#[test]
fn every_run_is_measured_on_its_way_and_at_its_end() {
    let (desk, comparison) = &*UNBROKEN;
    let cells = comparison["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2 * (3 * 2 + 1), "two sizes, three arms of two seeds and one of one");
    for cell in cells {
        let record = &cell["record"];
        let steps: Vec<u64> = record["curve"].as_array().unwrap().iter().map(|p| p["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [0, 2, 4, 6], "{cell}");
        let readings = &record["readings"];
        for reading in ["last", "best", "raw"] {
            let figures = &readings[reading];
            assert_eq!(figures["count"], TEST, "{cell}");
            for figure in ["judge_fd", "random_fd", "kid", "precision", "recall", "coverage", "class_distance"] {
                assert!(figures[figure].is_number(), "{figure} of {cell}");
            }
            assert!(figures["memorisation"]["judge"]["copied"].is_number(), "{cell}");
        }
        assert_eq!(readings["gan_train"].is_number(), cell["arm"] == "ctgan", "{cell}");
        let labels_right = readings["labels_right"].as_f64();
        assert_eq!(labels_right.map(|share| (0.0..=1.0).contains(&share)), (cell["arm"] == "ctgan").then_some(true));
        // Of 24 images in ten classes in turn the largest has three.
        let chance = if cell["arm"] == "ctgan" { Json::from(0.125) } else { Json::Null };
        assert_eq!(readings["gan_train_chance"], chance, "{cell}");
        assert_eq!(record["notes"].as_array().unwrap().len(), usize::from(cell["arm"] == "ctgan"), "{cell}");
        // The best step is the one of the least distance on the way, not counting the start.
        let points = record["curve"].as_array().unwrap()[1..].iter();
        let best = points.min_by(|a, b| a["judge_fd"].as_f64().unwrap().total_cmp(&b["judge_fd"].as_f64().unwrap()));
        assert_eq!(readings["best"]["step"], best.unwrap()["step"], "{cell}");
        assert_eq!(
            readings["best"]["step"] == 6,
            readings["best"]["judge_fd"] == readings["last"]["judge_fd"],
            "{cell}"
        );
    }
    // One source of a seed for both arms and sizes, and one with labels; classifiers learn of a size's images.
    assert_eq!(
        desk.names("whole/source-seed0"),
        ["classifier-of-12", "classifier-of-20", "source", "source-conditional"]
    );
    assert_eq!(desk.names("whole/source-seed1"), ["source"]);
    let findings = comparison["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 3 * 2, "scratch is the baseline");
    assert!(findings.iter().all(|finding| finding["verdict"] == "undecided"), "two seeds decide nothing");
    let report = desk.text("whole/report.html");
    assert!(report.contains("undecided") && report.contains("data:image/png"));
    assert!(report.contains("<small>chance 0.125</small>"), "beside GAN-train");
    assert_eq!(desk.graft("report whole").ok().trim(), "whole/report.html");
    assert!(desk.text("whole/report.html") == report, "it is written again from what is there");

    // Its command asks for all that is there, and no more.
    let command = command_of(&report);
    let plan = desk.shell(&format!("{command} --plan")).ok();
    assert!(plan.contains("\n0 runs to go") && command.contains("--seeds 2 --arm-seeds ctgan=1"), "{command}: {plan}");
}

/// The command that a report shows.
fn command_of(report: &str) -> String {
    let command = report.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0;
    command.replace("<span>", "").replace("</span>", "").replace("&#39;", "'")
}

#[test]
fn more_seeds_and_sizes_extend_a_comparison_and_other_settings_are_refused() {
    let desk = desk();
    let begin = format!("{COMPARE} --arms scratch --out grows");
    desk.graft(&format!("{begin} --seeds 1")).ok();
    let first = figures(&desk, "grows")["cells"][0].clone();
    let before = desk.read("grows/cells/scratch-12-seed0/evaluation.json");

    let steps = begin.replace("--steps 6", "--steps 7");
    desk.refuses(1, &format!("{steps} --seeds 2"), &["steps 6", "7 is asked for", "another --out"]);
    let usual = steps.replace(" --looks 0,2,4", "").replace("--steps 7", "--steps 300");
    desk.refuses(1, &format!("{usual} --seeds 2"), &["was begun with steps 6"]);
    desk.refuses(1, &format!("{begin} --r1 10 --seeds 2"), &["r1 0.1", "10.0"]);
    desk.refuses(1, &begin.replace("scratch", "scratch=scratch{ema=0}"), &["the arm scratch"]);
    desk.refuses(1, &format!("{begin} --split validation"), &["split", "validation"]);
    let elsewhere = begin.replace("--out grows", "--out target");
    desk.refuses(1, &elsewhere, &["not empty", "another --out"]);

    let said = desk.graft(&format!("{begin} --seeds 2 --json")).ok();
    let printed: Json = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&printed["event"], said.matches("\"event\":\"run\"").count()), (&"comparison".into(), 2));
    assert_eq!(printed["cells"].as_array().unwrap().len(), 4);
    let after = figures(&desk, "grows");
    assert!(after["cells"].as_array().unwrap().contains(&first));
    assert_eq!(desk.read("grows/cells/scratch-12-seed0/evaluation.json"), before, "what has ended is not done again");

    // What was asked for in turns is asked for in as many lines, which ask for no more.
    let more = COMPARE.replace("--subset 12,20", "--subset 12");
    desk.graft(&format!("{more} --arms trgan --seeds 3,4 --out grows")).ok();
    let command = command_of(&desk.text("grows/report.html"));
    assert_eq!(command.lines().count(), 2, "{command}");
    for line in command.lines() {
        let plan = desk.shell(&format!("{line} --plan")).ok();
        assert!(plan.contains("\n0 runs to go"), "{line}: {plan}");
    }

    // Its runs are transfers' as others are, but for their sources, which they share.
    let copied = "cp -r grows/cells/trgan-12-seed3 alone && cp -r grows/source-seed3/source alone/source";
    desk.shell(copied).ok();
    for (run, file) in [("grows/cells/trgan-12-seed3", "shared.png"), ("alone", "alone.png")] {
        desk.graft(&format!("translate {run} --count 2 --out {file} -q")).ok();
    }
    assert!(desk.read("shared.png") == desk.read("alone.png"));
    std::fs::remove_dir_all(desk.path("grows/source-seed3")).unwrap();
    let gone = ["no generator of the run's source", "grows/source-seed3/source"];
    desk.refuses(1, "translate grows/cells/trgan-12-seed3 --out new.png", &gone);
}

#[test]
fn a_plan_runs_nothing() {
    let desk = desk();
    let before = desk.snapshot();
    let plan = desk.graft(&format!("{COMPARE} {ARMS} --out planned --plan")).ok();
    assert_eq!(desk.snapshot(), before);
    assert!(plan.contains("14 runs to go: 84 steps on the target"), "{plan}");
    let row = plan.lines().find(|line| line.starts_with("ctgan")).unwrap();
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row[..4], ["ctgan", "12", "-", "0"]);
    assert!(row[4].parse::<f64>().unwrap() > 0.0, "{plan}");
    // Of a target of fewer than a hundred images all.
    let plan =
        desk.graft(&format!("{} --arms scratch --out planned --plan", COMPARE.replace("--subset 12,20", ""))).ok();
    assert!(plan.contains("scratch      96"), "{plan}");
}

#[test]
fn a_comparison_goes_on_from_records_alone() {
    let (whole, expected) = &*UNBROKEN;
    let desk = desk();
    let mut files = vec!["comparison.toml".to_string()];
    files.extend(whole.names("whole/floors").iter().map(|name| format!("floors/{name}")));
    files.extend(whole.names("whole/cells").iter().map(|cell| format!("cells/{cell}/evaluation.json")));
    for file in files {
        let path = desk.path("alone").join(&file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, whole.read(format!("whole/{file}"))).unwrap();
    }
    desk.refuses(1, "report alone", &["alone lacks compare.json", "whose records are enough"]);
    desk.graft(&format!("{COMPARE} {ARMS} --out alone")).ok();
    assert_eq!(&figures(&desk, "alone"), expected);
    assert!(!desk.path("alone/source-seed0").exists(), "nothing is trained again");
    assert!(desk.text("alone/report.html").contains("undecided"));

    let more = ARMS.replace("--seeds 2", "--seeds 3");
    desk.graft(&format!("{COMPARE} {more} --out alone")).ok();
    assert_eq!(desk.names("alone/source-seed2"), ["source"], "the third seed alone is trained");
    assert!(desk.text("alone/report.html").contains("data:image/png"));
}

#[test]
fn steps_are_timed_in_turns_and_runs_stand_beside_scratch_in_as_many_minutes() {
    let desk = desk();
    let arms = "--arms scratch,long=scratch{more-steps=6},trgan,ctgan --seeds 1 --out timed";
    let said = desk.graft(&format!("{COMPARE} {arms} --time")).ok();
    assert_eq!(desk.names("timed"), ["claims", "comparison.toml", "times.json"], "nothing is trained");
    for text in ["scratch ", "long ", "trgan ", "ctgan ", "ms a step", "scratch-minutes=scratch{more-steps="] {
        assert!(said.contains(text), "{text} in {said}");
    }
    // An arm's minutes are of all its steps.
    let arms = arms.replace("more-steps=6", "more-steps=900000").replace("--out timed", "--out longer");
    let said = desk.graft(&format!("{COMPARE} {arms} --time")).ok();
    let minutes = |arm: &str| -> f64 {
        let row = said.lines().find(|line| line.starts_with(&format!("{arm} "))).unwrap();
        row.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    assert!(minutes("scratch") == 0.0 && minutes("long") > 1.0, "{said}");
    let arms = "--arms scratch,long=scratch{more-steps=6},trgan,ctgan --seeds 1 --out timed";
    let times: Json = serde_json::from_slice(&desk.read("timed/times.json")).unwrap();
    let of = |arm: &str| times["arms"].as_array().unwrap().iter().find(|time| time["arm"] == arm).unwrap().clone();
    let number = |arm: &str, key: &str| of(arm)[key].as_f64().unwrap();
    assert_eq!((number("scratch", "learned"), number("long", "learned")), (0.0, 0.0));
    assert!(number("trgan", "learned") > 0.0 && number("ctgan", "learned") > number("trgan", "learned"), "{times}");

    let said = desk.graft(&format!("{COMPARE} {arms}").replace("--subset 12,20", "--subset 12")).ok();
    assert!(said.contains("equal minutes") && said.contains("/ scratch then"), "{said}");
    let found = figures(&desk, "timed");
    assert_eq!(found["times"], times);
    let rows = found["equal_minutes"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["arm"].as_str().unwrap()).collect::<Vec<_>>(), ["trgan", "ctgan"]);
    let cell = |arm: &str| found["cells"].as_array().unwrap().iter().find(|cell| cell["arm"] == arm).unwrap().clone();
    let last = cell("ctgan")["record"]["curve"].as_array().unwrap().last().unwrap()["judge_fd"].clone();
    assert_eq!(rows[1]["judge_fd"], last);
    let minutes = (6.0 * number("ctgan", "step") + number("ctgan", "learned")) / 60.0;
    assert!((rows[1]["in_all"].as_f64().unwrap() - minutes).abs() < 1e-9, "{rows:?}");
    let longer: Vec<u64> =
        cell("long")["record"]["curve"].as_array().unwrap().iter().map(|look| look["step"].as_u64().unwrap()).collect();
    assert_eq!(longer, [0, 2, 4, 6, 8, 10, 12], "scratch went on, and was looked at");
    assert!(desk.text("timed/report.html").contains("In equal minutes"));
}

#[test]
fn three_judges_measure_from_its_checkpoints_what_one_did() {
    let desk = desk();
    // Copies of 8 images are too few to measure.
    let compare = format!("{COMPARE} --arms scratch,trgan --seeds 1").replace("--subset 12,20", "--subset 8,12");
    desk.graft(&format!("{compare} --judges 3 --out three")).ok();
    desk.graft(&format!("{compare} --out one")).ok();
    let (expected, before) = (figures(&desk, "three"), figures(&desk, "one"));
    assert!(before["protocol"]["panel"].is_null() && before["floors"]["real"]["panel"].is_null());
    let last = |comparison: &Json| comparison["cells"][0]["record"]["readings"]["last"].clone();
    assert_eq!(last(&before)["judge_fd"], last(&expected)["judge_fd"]);
    let networks = desk.read(checkpoint("one/cells/trgan-12-seed0"));

    let said = desk.graft(&format!("{compare} --judges 3 --out one --json")).ok();
    assert_eq!(said.matches("\"event\":\"run\"").count(), 4, "{said}");
    assert_eq!(desk.read(checkpoint("one/cells/trgan-12-seed0")), networks, "nothing is trained again");
    assert_eq!(figures(&desk, "one"), expected);
    for cell in expected["cells"].as_array().unwrap() {
        for reading in ["last", "best", "raw"] {
            let panel = &cell["record"]["readings"][reading]["panel"];
            for key in ["other_seed", "other_architecture", "mean", "deviation", "class_free"] {
                assert!(panel[key].as_f64().unwrap() > 0.0, "{key} of {cell}");
            }
        }
    }
    let finding = &expected["findings"][0];
    let measures: Vec<&Json> = finding["by_measure"].as_array().unwrap().iter().map(|by| &by["measure"]).collect();
    assert_eq!(measures, ["other-seed", "other-architecture", "class-free"]);
    assert_eq!((&finding["holds_under_all"], &finding["verdict"]), (&true.into(), &"undecided".into()), "of one seed");
    assert!(before["findings"][0]["by_measure"].is_null());
    let copies = &expected["floors"]["copies"];
    assert!(copies[0]["evaluation"].is_null() && copies[1]["evaluation"]["panel"]["class_free"].is_number());
    let judges = ["class-free.safetensors", "judge-other-architecture.safetensors", "judge-other-seed.safetensors"];
    let there = desk.names("one");
    assert!(judges.iter().all(|name| there.iter().any(|other| other == name)), "{there:?}");
    let report = desk.text("one/report.html");
    let words = report.replace("<span>", "").replace("</span>", "");
    assert!(words.contains("class-free FD") && words.contains("--judges 3"), "it says what was measured, and how");
    // One judge asked for, three already there: they stay.
    desk.graft(&format!("{compare} --out one")).ok();
    assert_eq!(figures(&desk, "one"), expected);

    desk.graft(&format!("{compare} --out gone")).ok();
    std::fs::remove_file(desk.path(checkpoint("gone/cells/trgan-12-seed0"))).unwrap();
    let before = desk.snapshot();
    let parts = ["trgan of 12 images, seed 0 was measured by one judge", "evaluation.json", "under one judge"];
    desk.refuses(1, &format!("{compare} --judges 3 --out gone"), &parts);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn settings_are_chosen_without_the_test_images() {
    let desk = desk();
    std::fs::remove_file(desk.path("target/t10k-images-idx3-ubyte")).unwrap();
    let command =
        format!("{COMPARE} --arms scratch --seeds 100, --subset 12 --out trials").replace("--subset 12,20", "");
    let refused: Ended = desk.graft(&command);
    assert_eq!(refused.code, Some(1), "there is no test split");
    desk.graft(&format!("{command} --split validation")).ok();
    let cell = &figures(&desk, "trials")["cells"][0];
    assert_eq!(cell["seed"], 100);
    let (last, curve) = (&cell["record"]["readings"]["last"], &cell["record"]["curve"][3]);
    assert_eq!(last["judge_fd"], curve["judge_fd"], "the figures are the validation block's");
}

#[test]
fn what_no_comparison_can_be_made_of_is_a_usage_error() {
    let desk = desk();
    desk.write("arms.toml", b"[[arms]]\nname = '../../elsewhere'\nmethod = 'scratch'\noptions = {}\n");
    for (arguments, parts) in [
        ("--arms scratch,scratch", &["scratch is named twice"][..]),
        ("--arms dogs", &["dogs", "no arm"]),
        ("--arms scratch --seeds 1,1", &["seed 1 is named twice"]),
        ("--arms scratch --arm-seeds trgan=1", &["trgan", "not among the arms"]),
        ("--arms scratch --arm-seeds scratch=9", &["scratch 9 seeds"]),
        ("--arms scratch --arm-seeds scratch=1,scratch=2", &["the arm scratch twice"]),
        ("--arms trgan{lr=1", &["closing brace"]),
        (
            "--arms trgan{source=mnist:../target}",
            &["a name of at most 200 bytes that can be a folder's: write NAME=trgan{"],
        ),
        (&format!("--arms {}=scratch{{lr=0.1}}", "n".repeat(201)), &["of at most 200 bytes"]),
        ("--arms arms.toml", &["the arm `../../elsewhere` needs a name", "a folder's"]),
    ] {
        desk.refuses(2, &format!("{COMPARE} {arguments} --out no"), parts);
    }
    desk.refuses(1, &format!("{COMPARE} --arms scratch --out no").replace("12,20", "12,97"), &["97", "take 1 to 96"]);
}

#[test]
fn a_run_that_a_look_finds_broken_stays_as_diverged() {
    let desk = desk();
    let arms = "--arms scratch,broken=scratch{lr=1000000000,d-lr=1000000000} --seeds 1 --out broken";
    let short =
        COMPARE.replace("--looks 0,2,4", "--looks 0,3,10").replace("12,20", "12").replace("--steps 6", "--steps 14");
    let said = desk.graft(&format!("{short} {arms} --checkpoint-every 14").replace("--checkpoint-every 2 ", "")).ok();
    assert!(said.contains("diverged"), "{said}");
    let found = figures(&desk, "broken");
    let cells = found["cells"].as_array().unwrap();
    let broken = cells.iter().find(|cell| cell["arm"] == "broken").unwrap();
    assert!(broken["record"]["diverged"].is_string(), "{broken}");
    desk.graft("report broken").ok();
}

#[test]
fn a_source_that_was_trained_on_meanwhile_is_another() {
    let desk = desk();
    let train = "train --data mnist:target --features 4 --latent 6 --batch 8 --seed 3 --loss r3gan --d-norm none -q";
    desk.graft(&format!("{train} --size 32 --steps 4 --out gan")).ok();
    let compare = COMPARE
        .replace("--source mnist:target", "--source gan")
        .replace(" --source-steps 4", "")
        .replace("12,20", "12");
    let compare = format!("{compare} --arms trgan --out run");
    desk.graft(&format!("{compare} --seeds 1")).ok();
    desk.graft("train --resume gan --steps 6 -q").ok();
    desk.refuses(1, &format!("{compare} --seeds 2"), &["gan, is another checkpoint now", "trained on meanwhile"]);
    // Its runs are its own.
    let cell = "run/cells/trgan-12-seed0";
    for command in ["transfer", "train"] {
        desk.refuses(
            1,
            &format!("{command} --resume {cell} --steps 9"),
            &["a part of the compare in", "the same graft compare"],
        );
    }
}

#[test]
fn an_arm_has_a_batch_a_norm_and_a_source_of_its_own() {
    let desk = desk();
    let arms = "--arms trgan,own=trgan{batch=6,d-norm=layer,source-steps=3} --seeds 1 --out own";
    desk.graft(&format!("{COMPARE} {arms}").replace("--subset 12,20", "--subset 12")).ok();
    assert_eq!(desk.names("own/source-seed0"), ["source", "source-d-norm=layer-source-steps=3"]);
    let parts = |run: &str| {
        let header = Checkpoint::read(&desk.path(checkpoint(&format!("own/{run}")))).unwrap().header;
        let recipe = &header["recipe"];
        (
            recipe["batch"].as_u64(),
            recipe["architecture"]["d_norm"].as_str().map(str::to_string),
            header["step"].as_u64(),
        )
    };
    let norm = |norm: &str| Some(norm.to_string());
    assert_eq!(parts("source-seed0/source"), (Some(8), norm("none"), Some(4)));
    assert_eq!(parts("source-seed0/source-d-norm=layer-source-steps=3"), (Some(8), norm("layer"), Some(3)));
    assert_eq!(parts("cells/trgan-12-seed0"), (Some(8), norm("none"), Some(6)));
    assert_eq!(parts("cells/own-12-seed0"), (Some(6), norm("layer"), Some(6)));
}
