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
    assert!(ended.stderr.contains("held-out images are among the source's"), "{}", ended.stderr);
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
    // A report is of the images that were measured.
    let report = desk.graft("report run").ok();
    std::fs::remove_file(desk.path("own/test/dogs/0.png")).unwrap();
    desk.refuses(1, "report run", &["what accuracy is measured on has other images"]);
    assert!(report.contains("run/report.html"));
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
fn few_held_out_images_decide_nothing_however_much_runs_agree() {
    let desk = Desk::new();
    let (files, lines) = half_labelled();
    files.iter().for_each(|(name, bytes)| put(&desk, &format!("own/{name}"), bytes));
    desk.write("labels.csv", lines.as_bytes());
    // Seeds agree to the last image, of which there are four.
    let arms = "--arms scratch,selftrain,worst=semi-gan{adversarial=100}";
    let arguments = "classify --target folder:own --labels-file labels.csv --width 4 --batch 8 --steps 4 --shots 2 --seeds 3 -q --out run";
    desk.graft(&format!("{arguments} {arms}")).ok();
    let findings = found(&desk, "run")["findings"].as_array().unwrap().clone();
    assert_eq!(findings.len(), 1);
    for finding in findings {
        assert_eq!(finding["verdict"], "undecided", "{finding}");
        let [low, high] = [0, 1].map(|side| finding["contrasts"][0]["test"]["interval"][side].as_f64().unwrap());
        assert!(high - low > 1.0, "{finding}");
    }
}

/// A picture of 32 x 32: a bar whose place tells its class, of ten, over a texture.
fn bar(class: usize, number: usize) -> Vec<u8> {
    let pixels = (0..32 * 32).map(|place: usize| {
        let texture = (place * 31 + number * 17) % 96;
        if place / 32 / 3 == class { 255 - texture as u8 } else { texture as u8 }
    });
    let image = image::GrayImage::from_raw(32, 32, pixels.collect()).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An archive of these files.
fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        archive.start_file(name.as_str(), stored).unwrap();
        std::io::Write::write_all(&mut archive, bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Forty pictures of two classes, of which every second has a line.
fn half_labelled() -> (Vec<(String, Vec<u8>)>, String) {
    let files = (0..40).map(|number| (format!("{number:02}.png"), bar(number / 2 % 2, number)));
    let lines = (0..40).step_by(2).map(|number| format!("{number:02}.png,{}\n", number / 2 % 2));
    (files.collect(), format!("file,class\n{}", lines.collect::<String>()))
}

/// Puts a file into a folder that need not be there.
fn put(desk: &Desk, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(desk.path(name).parent().unwrap()).unwrap();
    desk.write(name, bytes);
}

/// Tiny networks on partly labelled pictures.
const PARTLY: &str = "classify --source mnist:target --labels-file labels.csv --width 4 --batch 8 --steps 6 --source-steps 4 \
    --gan-source-steps 4 --gan-steps 4 --look-every 2 --shots 2 --seeds 1 -q";
const GANS: &str =
    "--arms scratch,finetune,selftrain,gan-augment{filter=0,per-class=4},gan-augment-scratch{per-class=4}";

#[test]
fn labels_of_unlabelled_images_play_no_part() {
    let desk = desk();
    let (files, lines) = half_labelled();
    desk.write("labels.csv", lines.as_bytes());
    // One archive says of unlabelled images that they are of their class, one that they are of others, one nothing.
    let with = |name: &str, label: &dyn Fn(usize) -> usize| {
        let rows: Vec<Json> =
            (0..40).map(|number| serde_json::json!([format!("{number:02}.png"), label(number)])).collect();
        let said = ("dataset.json".to_string(), serde_json::json!({ "labels": rows }).to_string().into_bytes());
        desk.write(name, &archive(&[&files[..], &[said]].concat()));
    };
    with("right.zip", &|number| number / 2 % 2);
    with("wrong.zip", &|number| if number % 2 == 0 { number / 2 % 2 } else { number % 7 });
    desk.write("none.zip", &archive(&files));
    let idx = |labels: &dyn Fn(usize) -> u8| crate::program::idx(&[12], &(0..12).map(labels).collect::<Vec<u8>>());
    let more: Vec<u8> = (0..12).flat_map(|number| vec![number * 20; 32 * 32]).collect();
    desk.write("more", &crate::program::idx(&[12, 32, 32], &more));
    desk.write("ones", &idx(&|_| 1));
    desk.write("many", &idx(&|number| number as u8));

    let run = |target: &str, more: &str, out: &str| {
        desk.graft(&format!("{PARTLY} {GANS} --target zip:{target} --unlabelled {more} --out {out}")).ok();
        found(&desk, out)
    };
    let right = run("right.zip", "idx:more,ones", "right");
    for (target, more, out) in [
        ("wrong.zip", "idx:more,ones", "wrong"),
        ("none.zip", "idx:more,ones", "none"),
        ("none.zip", "idx:more,many", "several"),
        ("none.zip", "idx:more", "bare"),
    ] {
        let other = run(target, more, out);
        assert_eq!(other["cells"], right["cells"], "{target} and {more}");
    }
    let cells = right["cells"].as_array().unwrap();
    assert!(cells.len() == 5 && cells.iter().all(|cell| cell["record"]["confusion"].is_array()), "{right}");
    let protocol = &right["protocol"];
    // Of ten lines a class two are held out for each part; the rest, and what has no line, is learned from.
    let counts = ["held_out", "validation", "labelled", "training"].map(|key| protocol[key].as_u64().unwrap());
    assert_eq!(counts, [4, 4, 12, 32 + 12]);
    assert_eq!(protocol["classes"], serde_json::json!(["0", "1"]));

    // Unlabelled images do teach, and what is held out is in none of them.
    let without = desk.graft(&format!("{PARTLY} --arms scratch,selftrain --target zip:none.zip --out without")).ok();
    assert!(
        without.contains("of zip:none.zip 12 training images have labels; 4 labelled ones are held out"),
        "{without}"
    );
    let without = found(&desk, "without");
    let record = |of: &Json, arm: &str| {
        of["cells"].as_array().unwrap().iter().find(|cell| cell["arm"] == arm).unwrap()["record"].clone()
    };
    assert_eq!(record(&without, "scratch"), record(&right, "scratch"), "labelled images are the same");
    assert_ne!(
        desk.read("without/cells/selftrain-2-seed0/classifier.safetensors"),
        desk.read("right/cells/selftrain-2-seed0/classifier.safetensors"),
        "and unlabelled ones others"
    );
    let same =
        desk.graft(&format!("{PARTLY} --arms scratch --target zip:none.zip --unlabelled zip:none.zip --out same")).ok();
    assert!(same.contains("; 32 unlabelled images of zip:"), "{same}");
    assert!(same.contains("none.zip join them, and 8 that are held out do not"), "{same}");

    // The same experiment with other labels is another one.
    desk.write("labels.csv", lines.replace("00.png,0", "00.png,1").as_bytes());
    let again = format!("{PARTLY} --arms scratch,selftrain --target zip:none.zip --out without");
    desk.refuses(1, &again, &["labels-digest", "choose another --out"]);
}

#[test]
fn what_joins_the_unlabelled_images_is_not_held_out_for_the_test_whatever_accuracy_is_measured_on() {
    let desk = desk();
    for number in 0..31 {
        let (class, picture) = (number % 2, bar(number % 2, number));
        if number < 28 {
            let split = if number < 20 { "train" } else { "test" };
            put(&desk, &format!("own/{split}/{class}/{number:02}.png"), &picture);
        }
        if number >= 20 {
            put(&desk, &format!("more/{number:02}.png"), &picture);
        }
    }
    let classify = "classify --target folder:own --unlabelled folder:more --arms selftrain --shots 1 --seeds 100, \
        --width 4 --batch 8 --steps 2 -q";
    for split in ["test", "validation"] {
        let said = desk.graft(&format!("{classify} --split {split} --out {split}")).ok();
        assert!(said.contains("; 3 unlabelled images of folder:"), "{split}: {said}");
        assert!(said.contains("more join them, and 8 that are held out do not"), "{split}: {said}");
    }
}

#[test]
fn folders_are_partly_labelled_by_a_file_that_predict_could_have_written() {
    let desk = Desk::new();
    for number in 0..24 {
        // Some lie in folders, some beside them: without the file no data set.
        let name = if number < 8 {
            format!("own/{number:02}.png")
        } else {
            format!("own/pile {}/{number:02}.png", number % 2)
        };
        put(&desk, &name, &bar(number % 2 * 5, number));
        put(&desk, &format!("other/{}/{number:02}.png", ["up", "down"][number % 2]), &bar(number % 2 * 5, number + 50));
    }
    let arguments = "classify --target folder:own --labels-file labels.csv --width 4 --batch 8 --steps 30 --shots 2 --seeds 1 --arms scratch -q --out run";
    desk.refuses(1, &arguments.replace("--labels-file labels.csv ", ""), &["lies beside the folder"]);
    let lines = |of: &dyn Fn(usize) -> String| -> String { (0..24).map(of).collect() };
    let path = |number: usize| match number < 8 {
        true => format!("{number:02}.png"),
        false => format!("pile {}/{number:02}.png", number % 2),
    };
    let all = lines(&|number| format!("{},{},0.5\n", path(number), ["up", "down"][number % 2]));
    let table = format!("file,class,\"0,1\"\n{all}");
    desk.write("labels.csv", table.as_bytes());
    let said = desk.graft(arguments).ok();
    assert!(said.contains("2 classes"), "{said}");
    let protocol = &found(&desk, "run")["protocol"];
    let counts = ["held_out", "validation", "labelled", "training"].map(|key| protocol[key].as_u64().unwrap());
    assert_eq!((counts, &protocol["classes"]), ([4, 4, 16, 16], &serde_json::json!(["down", "up"])));

    // Held-out images of their own leave more to learn from.
    desk.graft(&arguments.replace("--out run", "--held-out folder:other --out held")).ok();
    let protocol = &found(&desk, "held")["protocol"];
    let counts = ["held_out", "validation", "labelled", "training"].map(|key| protocol[key].as_u64().unwrap());
    assert_eq!(counts, [24, 4, 20, 20]);

    // The splits of a folder are held out as far as they have lines.
    for number in 0..24 {
        put(
            &desk,
            &format!("split/{}/{}", ["train", "train", "test"][number % 3], path(number)),
            &bar(number % 2 * 5, number),
        );
    }
    let split = lines(&|number| {
        format!("{}/{},{}\n", ["train", "train", "test"][number % 3], path(number), ["up", "down"][number % 2])
    });
    desk.write("split.csv", format!("file,class\n{split}").as_bytes());
    let of_split = arguments.replace("folder:own --labels-file labels.csv", "folder:split --labels-file split.csv");
    desk.graft(&of_split.replace("--out run", "--out split-run")).ok();
    let protocol = &found(&desk, "split-run")["protocol"];
    let counts = ["held_out", "validation", "labelled", "training"].map(|key| protocol[key].as_u64().unwrap());
    assert_eq!(counts, [8, 2, 14, 14]);
    // Lines of a test split that others stand in for are no unknown names.
    desk.graft(&of_split.replace("--out run", "--held-out folder:other --out split-held")).ok();
    let protocol = &found(&desk, "split-held")["protocol"];
    assert_eq!(["held_out", "labelled"].map(|key| protocol[key].as_u64().unwrap()), [24, 14]);

    // What predict wrote, put right by hand.
    desk.graft("predict run/cells/scratch-2-seed0 --data folder:other --out predicted.csv").ok();
    let right = |line: &str| {
        let mut fields: Vec<&str> = line.split(',').collect();
        fields[1] = fields[0].split_once('/').map_or(fields[1], |(class, _)| class);
        fields.join(",") + "\n"
    };
    let predicted = desk.text("predicted.csv");
    assert!(predicted.lines().count() == 25 && predicted.contains("up/00.png,"), "{predicted}");
    desk.write("predicted.csv", predicted.lines().map(right).collect::<String>().as_bytes());
    let other = arguments.replace("folder:own --labels-file labels.csv", "folder:other --labels-file predicted.csv");
    desk.graft(&other.replace("--out run", "--out predicted")).ok();
    assert_eq!(found(&desk, "predicted")["protocol"]["labelled"], 16);

    let refuses = |table: &str, code: i32, more: &str, parts: &[&str]| {
        desk.write("bad.csv", table.as_bytes());
        let arguments = arguments.replace("labels.csv", "bad.csv").replace("--out run", "--out no");
        desk.refuses(code, &(arguments + more), parts);
    };
    refuses(&(table.clone() + "gone.png,up,1\n"), 1, "", &["bad.csv", "gone.png", "folder:own", "as in 00.png"]);
    refuses("file,class\na/0.png,up\na/1.png,down\n", 1, "", &["none of the 2 files", "paths below the folder"]);
    refuses(
        &(table.clone() + "00.png,down,1\n"),
        1,
        "",
        &["bad.csv, line 26", "00.png is of down here, and of up before"],
    );
    refuses(
        "file,class\n00.png,up\n01.png,down\n02.png,up\n04.png,up\n",
        1,
        "",
        &["1 labelled training images of class down", "3 or more"],
    );
    refuses("name,class\n00.png,up\n", 1, "", &["no column file"]);
    refuses(&table, 1, " --shots 9", &["class down", "8", "9 of each"]);
    desk.refuses(
        2,
        &arguments.replace("folder:own", "synthetic:street"),
        &["--labels-file", "folder:DIR", "synthetic:street"],
    );
    desk.refuses(1, &arguments.replace("labels.csv", "gone.csv"), &["cannot read gone.csv"]);
    // Another class has come to the labels that a report would be of.
    desk.write("labels.csv", (table.clone() + "00.png,left,1\n").replace("00.png,up,0.5\n", "").as_bytes());
    desk.refuses(1, "report run", &["labels-digest"]);
    // A labelled picture that cannot be read is left out with its line, where that is asked for.
    desk.write("labels.csv", table.as_bytes());
    put(&desk, "own/00.png", &bar(0, 0)[..100]);
    let broken = arguments.replace("--out run", "--out broken");
    desk.refuses(1, &broken, &["00.png"]);
    let ended = desk.graft(&format!("{broken} --skip-broken"));
    assert!(ended.stderr.contains("1 image of 24 left out"), "{}", ended.stderr);
    ended.ok();
    assert_eq!(found(&desk, "broken")["protocol"]["training"], 15);
}
