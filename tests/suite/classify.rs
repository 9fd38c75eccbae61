//! `graft classify` and `graft predict`: that an experiment can be stopped anywhere, that its figures are what they are called, and what
//! cannot work is refused in a sentence.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::compare::{desk, kill_when};
use crate::program::Desk;

/// Tiny networks, and every arm.
const CLASSIFY: &str = "classify --source mnist:target --target mnist:target --width 4 --batch 8 --steps 6 --source-steps 4 \
    --gan-source-steps 4 --gan-steps 4 --look-every 2 --shots 1,2 --seeds 2 --checkpoint-every 2 -q";
const ARMS: &str =
    "--arms scratch,finetune,selftrain,gan-augment{filter=0,per-class=4},gan-augment-scratch{per-class=4}";

/// `classify.json` without what no two runs share.
fn found(desk: &Desk, folder: &str) -> Json {
    fn timeless(value: Json) -> Json {
        match value {
            Json::Object(map) => {
                let kept = map.into_iter().filter(|(key, _)| !key.ends_with("seconds"));
                kept.map(|(key, value)| (key, timeless(value))).collect::<serde_json::Map<_, _>>().into()
            }
            Json::Array(list) => list.into_iter().map(timeless).collect(),
            other => other,
        }
    }
    timeless(serde_json::from_slice(&desk.read(format!("{folder}/classify.json"))).unwrap())
}

#[test]
fn an_experiment_that_was_killed_and_goes_on_two_at_a_time_finds_the_same() {
    let whole = desk();
    let said = whole.graft(&format!("{CLASSIFY} {ARMS} --out whole")).ok();
    assert!(said.contains("selftrain") && said.contains("errors / scratch") && said.contains("report: "), "{said}");
    let expected = found(&whole, "whole");

    let desk = desk();
    let again = format!("{CLASSIFY} {ARMS} --out killed --jobs 2 --threads 2");
    for moment in [
        "killed/source-seed0/classifier/checkpoints/last.safetensors",
        "killed/cells/selftrain-1-seed0/looks.json",
        "killed/source-seed0/gan-2/checkpoints/last.safetensors",
        "killed/cells/gan-augment{filter=0,per-class=4}-2-seed1/record.json",
    ] {
        kill_when(&desk, &again, moment);
    }
    desk.graft(&again).ok();
    assert_eq!(found(&desk, "killed"), expected);

    let cells = expected["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 5 * 2 * 2);
    for cell in cells {
        let record = &cell["record"];
        let counts = record["confusion"].as_array().unwrap();
        let count = |row: &Json| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
        assert_eq!((counts.len(), counts.iter().map(count).sum::<u64>()), (10, 24), "{cell}");
        let right: u64 = (0..10).map(|class| counts[class][class].as_u64().unwrap()).sum();
        assert_eq!(record["accuracy"].as_f64().unwrap(), right as f64 / 24.0, "{cell}");
        let steps: Vec<u64> = record["curve"].as_array().unwrap().iter().map(|l| l["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [2, 4, 6], "{cell}");
        let of_gan = cell["arm"].as_str().unwrap().starts_with("gan");
        assert_eq!(record["notes"].as_array().unwrap().len(), usize::from(of_gan), "{cell}");
    }
    // Of a GAN that filters nothing all samples teach.
    let notes: Vec<&str> = cells.iter().filter_map(|cell| cell["record"]["notes"][0].as_str()).collect();
    assert!(notes.iter().all(|note| *note == "40 of 40 samples teach"), "{notes:?}");
    let baselines = &expected["protocol"]["baselines"];
    assert_eq!(
        baselines.as_array().unwrap().iter().map(|b| b.as_str().unwrap()).collect::<Vec<_>>(),
        ["scratch", "selftrain"]
    );
    assert_eq!(expected["findings"].as_array().unwrap().len(), 3 * 2);
    let report = whole.text("whole/report.html");
    assert!(report.contains("what images of a class are found to be") && report.contains("data:image/png"));
    let plan = whole.graft(&format!("{CLASSIFY} {ARMS} --out whole --plan")).ok();
    assert!(plan.contains("\n0 runs to go"), "{plan}");
}

#[test]
fn a_trained_classifier_says_of_each_picture_what_it_is() {
    let desk = desk();
    desk.graft(&CLASSIFY.replace("--shots 1,2 --seeds 2", "--shots 2 --seeds 1 --arms finetune --out run")).ok();
    let cell = "run/cells/finetune-2-seed0";
    desk.graft(&format!("predict {cell} --data mnist:target --out labels.csv")).ok();
    desk.graft(&format!("predict {cell}/classifier.safetensors --data mnist:target --out labels.jsonl")).ok();
    let csv = desk.text("labels.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next().unwrap(), "file,class,0,1,2,3,4,5,6,7,8,9");
    let objects: Vec<Json> =
        desk.text("labels.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), objects.len()), (120, 120));
    for (row, object) in rows.iter().zip(&objects) {
        let shares: Vec<f64> = row[2..].iter().map(|share| share.parse().unwrap()).collect();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{row:?}");
        let most = shares.iter().copied().fold(0.0, f64::max);
        assert_eq!(shares[row[1].parse::<usize>().unwrap()], most, "{row:?}");
        assert_eq!((object["file"].as_str().unwrap(), object["class"].as_str().unwrap()), (row[0], row[1]));
        let of_class = object["probabilities"][row[1]].as_f64().unwrap();
        assert!((of_class - most).abs() < 1e-5, "{object}");
    }
    desk.refuses(1, &format!("predict {cell} --data mnist:target --out labels.csv"), &["exists", "another --out"]);
    desk.refuses(2, &format!("predict {cell} --data mnist:target --out labels.txt"), &[".csv", ".jsonl"]);
    desk.refuses(1, "predict run --data mnist:target --out new.csv", &["no trained classifier"]);
    let said = desk.graft(&format!("export {cell} --format onnx --out onnx")).ok();
    assert_eq!(said, "onnx/netC.onnx\nonnx/example.safetensors\n");
    desk.graft(&format!("export {cell}/classifier.safetensors --out torch")).ok();
    assert_eq!(desk.names("torch"), ["example.safetensors", "load.py", "netC.safetensors", "networks.json"]);
    desk.refuses(
        1,
        "predict judge.safetensors --data mnist:target --out new.csv",
        &["no classifier of graft classify"],
    );
}

#[test]
fn ones_own_folders_of_two_uneven_classes_work_without_a_source() {
    let desk = Desk::new();
    // Bars across and bars down, each where its number says.
    let pixels = |across: bool, number: usize| -> Vec<u8> {
        let bar = |place: usize| {
            let along = if across { place / 32 } else { place % 32 };
            if (along + number).is_multiple_of(8) || (along + number) % 8 == 1 { 230 } else { 40 }
        };
        (0..32 * 32).map(bar).collect()
    };
    let counts = BTreeMap::from([("cats", 60), ("dogs", 20)]);
    for split in ["train", "test"] {
        for (class, count) in &counts {
            let folder = desk.path(format!("own/{split}/{class}"));
            std::fs::create_dir_all(&folder).unwrap();
            for number in 0..*count {
                let image = image::GrayImage::from_raw(32, 32, pixels(*class == "cats", number + 1)).unwrap();
                image.save(folder.join(format!("{number}.png"))).unwrap();
            }
        }
    }
    let arguments = "classify --target folder:own --width 8 --batch 16 --steps 60 --shots 4 --seeds 1 -q --out run";
    let said = desk.graft(arguments).ok();
    assert!(said.contains("balanced %") && said.contains("classes are uneven"), "{said}");
    let found = found(&desk, "run");
    assert_eq!(found["protocol"]["balanced"], true);
    assert_eq!(found["protocol"]["chance"], 0.75);
    let best = found["accuracies"].as_array().unwrap().iter().map(|a| a["accuracy"]["mean"].as_f64().unwrap());
    assert!(best.fold(0.0, f64::max) > 0.8, "bars across and down are told apart: {}", found["accuracies"]);
    desk.graft("predict run/cells/scratch-4-seed0 --data folder:own/test/dogs --out dogs.csv").ok();
    let csv = desk.text("dogs.csv");
    assert!(csv.starts_with("file,class,cats,dogs\n") && csv.lines().count() == 21 && csv.contains("0.png,"), "{csv}");

    desk.refuses(2, &arguments.replace("-q", "--arms finetune -q").replace("run", "new"), &["finetune", "source"]);
    desk.refuses(1, &arguments.replace("--shots 4", "--shots 50").replace("run", "new"), &["dogs", "50"]);
    let other = arguments.replace("--target", "--source synthetic:strokes --target").replace("run", "new");
    desk.refuses(1, &other, &["0 of the target's classes", "map classes"]);
    desk.refuses(1, &arguments.replace("folder:own", "folder:own/train/dogs").replace("run", "new"), &["labels"]);
    desk.refuses(1, &arguments.replace("--steps 60", "--steps 61"), &["steps 60", "61 is asked for"]);
}
