//! `graft classify` on pictures of which some have labels: what is held out of them, and what joins those that have none.

use serde_json::Value as Json;

use crate::classify::{bar, found, put};
use crate::compare::desk;
use crate::program::Desk;

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
    // Another class has come to the labels, which a report shows nothing of, and a slip of the pen made one of two.
    desk.write("labels.csv", (table.clone() + "00.png,left,1\n").replace("00.png,up,0.5\n", "").as_bytes());
    let ended = desk.graft("report run");
    assert!(ended.stderr.contains("without the labelled images") && ended.stderr.contains("labels-digest"));
    ended.ok();
    let slips = ["00", "02", "04", "06"]
        .iter()
        .fold(table.clone(), |table, number| table.replace(&format!("{number}.png,up"), &format!("{number}.png,Up")));
    desk.write("labels.csv", slips.as_bytes());
    let slip = desk.graft(&arguments.replace("--out run", "--out slip").replace("--shots 2", "--shots 1"));
    assert!(slip.stderr.contains("Up and up are two classes, whose names differ in case alone"), "{}", slip.stderr);
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
