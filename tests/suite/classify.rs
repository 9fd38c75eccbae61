//! `graft classify` and `graft predict`: that an experiment can be stopped anywhere, that its figures are what they are called, and what
//! cannot work is refused in a sentence.

use std::collections::BTreeMap;

use graft::experiment::classify::Design;
use serde_json::Value as Json;

use crate::compare::{desk, kill_when, without_desk};
use crate::program::Desk;

/// Tiny networks, and every arm.
pub const CLASSIFY: &str = "classify --source mnist:target --target mnist:target --width 4 --batch 8 --steps 6 --source-steps 4 \
    --gan-source-steps 4 --gan-steps 4 --look-every 2 --shots 1,2 --seeds 2 --checkpoint-every 2 -q";
const ARMS: &str = "--arms scratch,finetune,selftrain,gan-augment{filter=0,per-class=4},gan-augment-scratch{per-class=4},sequential{filter=0,per-class=4},semi-gan,joint{filter=0,per-class=4,rounds=2}";

/// `classify.json` without what no two runs share.
pub fn found(desk: &Desk, folder: &str) -> Json {
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
    timeless(serde_json::from_str(&without_desk(desk, &format!("{folder}/classify.json"))).unwrap())
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
        "killed/cells/joint{filter=0,per-class=4,rounds=2}-1-seed0/turns/classifier-1/checkpoints/last.safetensors",
        "killed/cells/joint{filter=0,per-class=4,rounds=2}-2-seed0/turns/gan-1/checkpoints/last.safetensors",
        "killed/cells/gan-augment{filter=0,per-class=4}-2-seed1/record.json",
    ] {
        kill_when(&desk, &again, moment);
    }
    desk.graft(&again).ok();
    assert_eq!(found(&desk, "killed"), expected);

    let cells = expected["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 8 * 2 * 2);
    for cell in cells {
        let record = &cell["record"];
        let counts = record["confusion"].as_array().unwrap();
        let count = |row: &Json| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
        assert_eq!((counts.len(), counts.iter().map(count).sum::<u64>()), (10, 24), "{cell}");
        let right: u64 = (0..10).map(|class| counts[class][class].as_u64().unwrap()).sum();
        assert_eq!(record["accuracy"].as_f64().unwrap(), right as f64 / 24.0, "{cell}");
        let steps: Vec<u64> = record["curve"].as_array().unwrap().iter().map(|l| l["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [2, 4, 6], "{cell}");
        let arm = cell["arm"].as_str().unwrap();
        let of_gan = ["gan", "sequential", "joint"].iter().any(|name| arm.starts_with(name));
        assert_eq!(record["notes"].as_array().unwrap().len(), usize::from(of_gan), "{cell}");
    }
    // Of a GAN that filters nothing all samples teach.
    let notes: Vec<&str> = cells.iter().filter_map(|cell| cell["record"]["notes"][0].as_str()).collect();
    assert!(
        notes.iter().all(|note| ["40 of 40 samples teach", "turn 1: 40 of 40 samples teach"].contains(note)),
        "{notes:?}"
    );
    let baselines = &expected["protocol"]["baselines"];
    assert_eq!(
        baselines.as_array().unwrap().iter().map(|b| b.as_str().unwrap()).collect::<Vec<_>>(),
        ["scratch", "selftrain"]
    );
    assert_eq!(expected["findings"].as_array().unwrap().len(), 6 * 2);
    // What a GAN took has its source's part in it, whichever run trained that.
    let source = whole.text("whole/source-seed0/source-conditional/metrics.jsonl");
    let source: Json = serde_json::from_str(source.lines().last().unwrap()).unwrap();
    let records: Json = serde_json::from_str(&whole.text("whole/classify.json")).unwrap();
    let of_gan = records["cells"].as_array().unwrap().iter().filter(|cell| {
        cell["seed"] == 0
            && ["gan-augment{", "sequential", "joint"].iter().any(|n| cell["arm"].as_str().unwrap().starts_with(n))
    });
    let took: Vec<f64> = of_gan.map(|cell| cell["record"]["gan_seconds"].as_f64().unwrap()).collect();
    assert!(
        took.len() == 6 && took.iter().all(|&took| took > source["seconds"].as_f64().unwrap()),
        "{took:?} {source}"
    );
    let report = whole.text("whole/report.html");
    assert!(report.contains("what images of a class are found to be") && report.contains("data:image/png"));
    assert!(report.contains("Notes of runs") && report.contains("samples teach"), "what became of GANs' samples");
    let other = CLASSIFY.replace("--gan-steps 4", "--gan-steps 5");
    whole.refuses(1, &format!("{other} {ARMS} --out whole"), &["begun with gan-steps 4, and now 5 is asked for"]);
    assert_eq!(whole.graft("report whole").ok().trim(), "whole/report.html");
    assert!(whole.text("whole/report.html") == report, "it is written again from what is there");
    let help = whole.graft("classify --help").ok();
    assert!(help.contains("gan-augment-scratch: its control"), "{help}");
    let plan = whole.graft(&format!("{CLASSIFY} {ARMS} --out whole --plan")).ok();
    assert!(plan.contains("\n0 runs to go"), "{plan}");
    let plan = whole.graft(&format!("{CLASSIFY} {ARMS} --out planned --plan")).ok();
    // 32 runs of 6 steps; for each seed the source's classifier and GAN, for both numbers of labels three GANs and a label predictor.
    assert!(
        plan.contains("192 steps on the target and at most 80 of GANs and sources") && plan.contains("joint{"),
        "{plan}"
    );
    assert!(!whole.path("planned").exists());
    // Records alone are enough to go on from.
    let records = whole.names("whole/cells").into_iter().map(|cell| format!("cells/{cell}/record.json"));
    for file in records.chain(["classify.toml".to_string()]) {
        let path = desk.path("alone").join(&file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, whole.read(format!("whole/{file}"))).unwrap();
    }
    desk.graft(&format!("{CLASSIFY} {ARMS} --out alone")).ok();
    assert_eq!(found(&desk, "alone"), expected);
    assert!(!desk.path("alone/source-seed0").exists(), "nothing is trained again");
    // Of a run whose record is gone, what its seed has learned is there.
    std::fs::remove_file(whole.path("whole/cells/sequential{filter=0,per-class=4}-1-seed0/record.json")).unwrap();
    let plan = whole.graft(&format!("{CLASSIFY} {ARMS} --out whole --plan")).ok();
    assert!(plan.contains("6 steps on the target and at most 0 of GANs and sources"), "{plan}");
}

#[test]
fn turns_are_refused_at_once_where_source_and_target_have_other_classes() {
    let desk = Desk::new();
    for (class, number) in (0..2).flat_map(|class| (0..12).map(move |number| (class, number))) {
        let folder = desk.path(format!("two/{class}"));
        std::fs::create_dir_all(&folder).unwrap();
        let picture = image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(x * (1 + class) + y + 9 * number) as u8]));
        picture.save(folder.join(format!("{number}.png"))).unwrap();
    }
    let joint = "classify --source synthetic:strokes --target folder:two --split validation --shots 1 --seeds 1 --arms joint --out run -q";
    desk.refuses(1, joint, &["the arm joint takes turns", "the target's very classes", "0, 1, 2", "the target's 0, 1"]);
    assert!(!desk.path("run").exists());
    let few = joint.replace("synthetic:strokes", "folder:two");
    for (steps, parts) in [("--steps 3", "which has 3 steps"), ("--gan-steps 2", "3 of a GAN, which has 2")] {
        desk.refuses(1, &format!("{few} {steps}"), &["the arm joint takes 4 turns", parts]);
    }

    // Of a source of the same classes in another order the GAN has the target's.
    let mapped = few.replace("--out run", "--map 0=1,1=0 --steps 8 --source-steps 2 --gan-steps 3 --gan-source-steps 2 --width 4 --batch 4 --plan --out run");
    desk.graft(&mapped).ok();

    // An experiment goes on with the images with which it began.
    let scratch = "classify --target folder:two --split validation --shots 1 --arms scratch --steps 2 --width 4 --batch 4 --out run -q";
    desk.graft(&format!("{scratch} --seeds 1")).ok();
    std::fs::copy(desk.path("two/0/0.png"), desk.path("two/0/more.png")).unwrap();
    desk.refuses(1, &format!("{scratch} --seeds 2"), &["has other images or labels now", "put them back"]);
    std::fs::remove_file(desk.path("two/0/more.png")).unwrap();
    desk.graft(&format!("{scratch} --seeds 2")).ok();
    // Its folder says where its images lie, whoever asks from wherever; and they may lie elsewhere.
    desk.shell("mkdir elsewhere; cd elsewhere; graft report ../run").ok();
    std::fs::rename(desk.path("two"), desk.path("elsewhere/moved")).unwrap();
    desk.graft(&format!("{} --seeds 2", scratch.replace("folder:two", "folder:elsewhere/moved"))).ok();
    desk.graft("report run").ok();
    std::fs::rename(desk.path("elsewhere/moved/1"), desk.path("elsewhere/moved/2")).unwrap();
    let other = format!("{} --seeds 2", scratch.replace("folder:two", "folder:elsewhere/moved"));
    desk.refuses(1, &other, &["was begun with classes"]);
    desk.refuses(2, &format!("{scratch} --source-steps 3"), &["--source"]);

    // Of class folders without splits a part is held out for the test, too.
    let said = desk.graft("classify --target folder:elsewhere/moved --shots 1 --seeds 2 --arms scratch --steps 2 --width 4 --out whole").ok();
    assert!(
        said.contains("accuracy on 4 images of"),
        "of 24 images 4 are held out for validation, and 4 for the test: {said}"
    );
    desk.refuses(
        1,
        "predict whole --data folder:elsewhere --out x.csv",
        &["several runs: take whole/cells/scratch-1-seed0 or"],
    );

    // What accuracy would be measured on has no labels.
    for (class, number) in ["0", "2"].into_iter().flat_map(|class| (0..4).map(move |number| (class, number))) {
        let picture = desk.path(format!("elsewhere/moved/{class}/{number}.png"));
        let folders = [format!("flat/train/{class}"), "flat/test".to_string()].map(|folder| desk.path(folder));
        folders.iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
        std::fs::copy(&picture, folders[0].join(format!("{number}.png"))).unwrap();
        std::fs::copy(&picture, folders[1].join(format!("{class}-{number}.png"))).unwrap();
    }
    let flat = "classify --target folder:flat --shots 1 --arms scratch --steps 2 --width 4 --out flatly -q";
    // A note on the folder stands before.
    desk.shell(&format!("graft {flat} 2>&1 | grep '^error: the test split of folder:flat has no labels'")).ok();
    assert!(!desk.path("flatly").exists());
}

#[test]
fn arms_are_held_against_baselines_and_controls_that_are_known_by_their_options() {
    let desk = desk();
    let arms = "scratch=finetune,plain=scratch,selftrain,gan-augment{filter=0},gan-augment-scratch,mine=joint{rounds=2},sequential";
    let classify = CLASSIFY.replace("--shots 1,2 --seeds 2", "--shots 1 --seeds 1");
    desk.graft(&format!("{classify} --arms {arms} --minutes 0.0001 --out run")).ok();
    let design = Design::read(&desk.path("run")).unwrap().unwrap();
    let protocol = design.protocol();
    assert_eq!(protocol.baselines, ["plain", "selftrain"]);
    assert!(!desk.text("run/report.html").contains("is not among the arms"), "both baselines are");
    let controls: Vec<(&str, String)> =
        protocol.candidates.iter().map(|arm| (arm.arm.as_str(), arm.controls.join(" "))).collect();
    let expected = [
        ("scratch", ""),
        ("gan-augment{filter=0}", "gan-augment-scratch"),
        ("gan-augment-scratch", ""),
        ("mine", "sequential"),
        ("sequential", ""),
    ];
    assert_eq!(controls, expected.map(|(arm, control)| (arm, control.to_string())));
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
    desk.refuses(1, "predict run --data mnist:target --out new.csv", &["an experiment of several runs", cell]);
    desk.refuses(1, "predict target --data mnist:target --out new.csv", &["no trained classifier"]);
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

    desk.refuses(1, "export run --out no", &["an experiment of several runs", "scratch-4-seed0"]);
    // Without a test split a part is held out for the test, of runs that choose settings on the validation block, too.
    let training = |split: &str| {
        let options = "--width 4 --batch 4 --steps 1 --shots 1 --seeds 1 --arms scratch -q";
        desk.graft(&format!("classify --target folder:own/train --split {split} {options} --out {split}")).ok();
        self::found(&desk, split)["protocol"]["training"].as_u64().unwrap()
    };
    let of_source = "--source folder:own/train --target folder:own/train --steps 1 --source-steps 1 --shots 1 --seeds 1 --arms scratch";
    let ended = desk.graft(&format!("classify {of_source} --width 4 --batch 4 --out of-source"));
    let flattered = "held-out images are among the source";
    let warned = self::found(&desk, "of-source")["protocol"]["warnings"].to_string();
    for said in [ended.stderr, warned, desk.text("of-source/report.html")] {
        assert!(said.contains(flattered), "{said}");
    }
    let (of_test, of_validation) = (training("test"), training("validation"));
    assert!(of_test == of_validation && of_test < 60, "{of_test}, {of_validation}");
    let large = arguments.replace("--batch 16", "--batch 1000000").replace("run", "new");
    desk.refuses(1, &large, &["a classifier of width 8 and batch 1000000 needs about", "GiB", "fits"]);
    desk.refuses(
        2,
        &arguments.replace("-q", "--batch 1 -q").replace("--batch 16", "").replace("run", "new"),
        &["2 up"],
    );

    desk.refuses(2, &arguments.replace("-q", "--arms finetune -q").replace("run", "new"), &["finetune", "source"]);
    desk.refuses(1, &arguments.replace("--shots 4", "--shots 30").replace("run", "new"), &["dogs", "30"]);
    let other = arguments.replace("--target", "--source synthetic:strokes --target").replace("run", "new");
    desk.refuses(1, &other, &["0 of the target's classes", "map classes"]);
    desk.refuses(1, &arguments.replace("folder:own", "folder:own/train/dogs").replace("run", "new"), &["labels"]);
    desk.refuses(1, &arguments.replace("--steps 60", "--steps 61"), &["steps 60", "61 is asked for"]);
    desk.refuses(2, &arguments.replace("-q", "--map a=cats -q"), &["--map", "no source"]);
    // A report is of the images that were measured, which it shows where they are there.
    assert!(desk.graft("report run").ok().contains("run/report.html"));
    let report = desk.text("run/report.html");
    std::fs::remove_file(desk.path("own/test/dogs/0.png")).unwrap();
    let ended = desk.graft("report run");
    assert!(ended.stderr.contains("what accuracy is measured on has other images"), "{}", ended.stderr);
    let without = desk.text("run/report.html");
    let images = "Labelled images, 4 a class";
    assert!(ended.code == Some(0) && report.contains(images) && !without.contains(images));
    let facts = |report: &str| report[report.find("What all runs share").unwrap()..].to_string();
    assert_eq!(facts(&without), facts(&report), "80 images are held out, as they were");
    // A part that is drawn to be held out may lack a class, or all but one.
    for (class, number) in [("cats", 5), ("dogs", 5), ("birds", 1)] {
        for number in 0..number {
            let picture = bar(class.len(), number);
            put(&desk, &format!("few/{class}/{number}.png"), &picture);
            (0..4).for_each(|more| {
                put(&desk, &format!("more/{class}/{number}{more}.png"), &bar(class.len(), 9 + number * 4 + more))
            });
        }
    }
    std::fs::remove_dir_all(desk.path("few/birds")).unwrap();
    for more in 1..4 {
        std::fs::remove_file(desk.path(format!("more/birds/0{more}.png"))).unwrap();
    }
    let of = |folder: &str| {
        format!(
            "classify --target folder:{folder} --width 4 --batch 4 --steps 1 --shots 1 --seeds 1 --jobs 1000000 -q --out {folder}-run"
        )
    };
    desk.refuses(1, &of("few"), &["1 held-out images", "all of one class"]);
    let ended = desk.graft(&of("more"));
    assert!(ended.stderr.contains("of birds no image is held out"), "{}", ended.stderr);
    let said = ended.ok();
    assert!(said.contains("accuracy is measured on") && said.contains("of which one is"), "{said}");
    let recalls = self::found(&desk, "more-run")["accuracies"][0]["recalls"].clone();
    assert_eq!(recalls.as_array().unwrap().iter().filter(|recall| recall.is_null()).count(), 1, "{recalls}");
}

#[test]
fn what_a_reader_has_to_know_stands_in_the_report() {
    let desk = Desk::new();
    for (folder, count) in [
        ("own/train/cats", 10),
        ("own/train/dogs", 10),
        ("own/train/birds", 6),
        ("own/test/cats", 3),
        ("own/test/dogs", 1),
        ("source/cats", 4),
        ("source/dogs", 4),
        ("source/cows", 4),
        ("new", 1),
        ("new/train", 1),
        ("new/Training/cats", 1),
    ] {
        for number in 0..count {
            put(&desk, &format!("{folder}/{number}.png"), &bar(folder.len(), number));
        }
    }
    let classify = "classify --source folder:source --target folder:own --width 4 --batch 4 --steps 1 --source-steps 1 \
        --arms finetune,semi-gan --shots 1,2 --seeds 1 -q --out run";
    // No arm trains a GAN of so many steps, so that arms to come may have others.
    let ended = desk.graft(&format!("{classify} --gan-steps 7"));
    let said = format!("{}{}", ended.stderr.clone(), ended.ok());
    desk.graft(&format!("{classify} --gan-steps 8")).ok();
    let other = desk.graft(&format!("{classify} --source-steps 2").replacen("--source-steps 1 ", "", 1));
    assert!(other.code == Some(1) && other.stderr.contains("begun with source-steps 1"), "{}", other.stderr);
    let report = desk.text("run/report.html");
    for text in [
        "of birds no image is held out",
        "classes without a partner: cows of the source; birds of the target",
        "balanced accuracy is measured on 4 images, of which one of the smallest class is 50.0 points",
        "none of which is among the arms",
    ] {
        // The report's sentences begin with a capital.
        assert!(said.contains(text) && report.contains(&text[1..]), "{text}: {said}");
    }
    assert!(report.contains("one class for all 50"), "of two classes that are measured");
    let one =
        desk.graft(&format!("{classify} --arms finetune,scratch").replacen("--arms finetune,semi-gan ", "", 1)).ok();
    assert!(one.contains("selftrain is not among the arms"), "{one}");

    // Each picture is asked about, whatever its folder is called, and one by itself.
    let predict = "predict run/cells/finetune-1-seed0 --data";
    desk.graft(&format!("{predict} folder:new --out all.csv")).ok();
    desk.graft(&format!("{predict} new/train/0.png --out one.csv")).ok();
    let rows = |file: &str| desk.text(file).lines().skip(1).map(str::to_string).collect::<Vec<_>>();
    let (all, one) = (rows("all.csv"), rows("one.csv"));
    let names: Vec<&str> = all.iter().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(names, ["0.png", "Training/cats/0.png", "train/0.png"]);
    assert_eq!(one, [format!("new/{}", all[2])], "the same picture");
    desk.refuses(1, &format!("{predict} folder:new/0.png --out no.csv"), &["is a file and no folder", "folder:DIR"]);
}

/// A picture of 32 x 32: a bar whose place tells its class, of ten, over a texture.
pub fn bar(class: usize, number: usize) -> Vec<u8> {
    let pixels = (0..32 * 32).map(|place: usize| {
        let texture = (place * 31 + number * 17) % 96;
        if place / 32 / 3 == class { 255 - texture as u8 } else { texture as u8 }
    });
    let image = image::GrayImage::from_raw(32, 32, pixels.collect()).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Puts a file into a folder that need not be there.
pub fn put(desk: &Desk, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(desk.path(name).parent().unwrap()).unwrap();
    desk.write(name, bytes);
}
