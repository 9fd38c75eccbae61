//! Bad input: each ends with one sentence on standard error that names what is wrong and what to do, with exit code 1 (2
//! where the command line is wrong), without a panic, and with no file changed. [`Desk::refuses`] checks all of that.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use graft::{Checkpoint, Device, Tensor};
use serde_json::{Value as Json, json};

use crate::program::{Desk, Ended, IMAGES, SIDE, TRAIN, checkpoint, idx, images, labels};

/// What the sentence about a file that is not what it should be ends with.
const ANOTHER_FILE: &str = "get the file again or name another";

/// A desk with a run of three steps in `run`.
fn desk_with_run() -> Desk {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 3 --out run")).ok();
    desk
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn data_that_cannot_be_read() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("folder")).unwrap();
    desk.write("text", b"These are no images.");
    desk.write("empty", b"");
    desk.write("cut", &images()[..1000]);
    desk.write("cut.gz", &gzip(&images())[..200]);
    desk.write("long", &[images(), vec![0]].concat());
    let mut corrupt = gzip(&images());
    let checksum = corrupt.len() - 8;
    corrupt[checksum] ^= 1;
    desk.write("corrupt.gz", &corrupt);
    desk.write("few-labels", &idx(&[IMAGES - 1], &[0; IMAGES - 1]));
    desk.write("five-channels", &idx(&[1, 2, 2, 5], &[0; 20]));
    desk.write("huge", &idx(&[u32::MAX as usize, 28, 28], &[0; 28]));
    desk.write("no-images", &idx(&[0, 28, 28], &[]));

    let rows: &[(&str, &[&str])] = &[
        ("idx:gone", &["cannot read gone", "check the path"]),
        ("idx:images,gone", &["cannot read gone", "check the path"]),
        ("mnist:gone", &["no folder gone", "put MNIST's four IDX files there"]),
        ("mnist:folder", &["folder has none of train-images-idx3-ubyte", "put the train images of MNIST there"]),
        ("mnist:images", &["no folder images", "name the folder"]),
        ("idx:folder", &["cannot read folder", "name another path"]),
        ("idx:labels", &["labels, byte 0: expected the magic number of IDX images", "(labels)", ANOTHER_FILE]),
        ("idx:images,images", &["images, byte 0: expected the magic number of IDX labels", "(images)", ANOTHER_FILE]),
        ("idx:text", &["text, byte 0: expected the magic number", "found 0x54686573", ANOTHER_FILE]),
        ("idx:empty", &["empty, byte 0: expected the magic number", "the end of the file", ANOTHER_FILE]),
        ("idx:cut", &["cut, byte 16: expected 48 x 8 x 8 bytes", "at most 984", ANOTHER_FILE]),
        ("idx:cut.gz", &["cut.gz, byte ", "the end of the gzip file, which is cut", ANOTHER_FILE]),
        ("idx:corrupt.gz", &["corrupt.gz, byte ", "corrupt data", ANOTHER_FILE]),
        ("idx:long", &["long, byte 3088: expected the end of the file", "more bytes", ANOTHER_FILE]),
        ("idx:images,few-labels", &["few-labels, byte 4: expected 48 labels", "found 47 labels", ANOTHER_FILE]),
        ("idx:five-channels", &["five-channels, byte 16: expected 1 or 3 channels, found 5", ANOTHER_FILE]),
        ("idx:huge", &["huge, byte 16: expected 4294967295 x 28 x 28 bytes", "at most 28", ANOTHER_FILE]),
        ("idx:no-images", &["no-images, byte 4: expected a dimension above zero", ANOTHER_FILE]),
    ];
    for (spec, parts) in rows {
        desk.refuses(1, &format!("data {spec} --out grid.png"), parts);
        desk.refuses(1, &format!("train --data {spec} --features 4 --batch 8 --steps 2 -q"), parts);
    }
    for spec in ["mnst:x", "images", "synthetic:stroke", "idx:", "mnist:", "idx:a,b,c", ":"] {
        desk.refuses(2, &format!("data {spec}"), &[]);
        desk.refuses(2, &format!("train --data {spec}"), &[]);
    }
    desk.refuses(
        2,
        "train --data mnst:x",
        &["`mnst`", "mnist:DIR, emnist:DIR[,SET], svhn:DIR|FILE.mat, cifar10:DIR, cifar100:DIR, folder:DIR, zip:FILE, idx:IMAGES[,LABELS]"],
    );
    desk.refuses(1, "data idx:images --split test", &["no test split", "name the held-out images"]);
}

#[test]
fn data_that_do_not_fit_the_networks() {
    let desk = Desk::new();
    let train = "train --features 4 --batch 8 --steps 2 -q";
    desk.refuses(1, &format!("{train} --data idx:images --subset 49"), &["49 images", "take 1 to 48"]);
    desk.refuses(1, &format!("{train} --data idx:images --conditional"), &["no labels", "name a labelled data set"]);
}

#[test]
fn settings_that_cannot_train() {
    let desk = Desk::new();
    let usage: &[(&str, &[&str])] = &[
        ("--steps 0", &["--steps", "0 is not in 1.."]),
        ("--steps -1", &["-1"]),
        ("--steps many", &["--steps", "many"]),
        ("--batch 0", &["--batch takes a whole number from 2"]),
        ("--batch 1", &["--batch takes a whole number from 2"]),
        ("--batch 99999999999", &["--batch takes"]),
        ("--lr -1", &["--lr", "takes a number above 0"]),
        ("--lr 0", &["--lr", "takes a number above 0"]),
        ("--lr nan", &["--lr", "takes a number above 0"]),
        ("--lr inf", &["--lr", "takes a number above 0"]),
        ("--lr fast", &["--lr", "takes a number above 0"]),
        ("--d-lr -0.1", &["--d-lr", "takes a number above 0"]),
        ("--d-lr NaN", &["--d-lr", "takes a number above 0"]),
        ("--beta1 1", &["--beta1", "from 0 to below 1"]),
        ("--beta1 -0.5", &["--beta1", "from 0 to below 1"]),
        ("--ema 1", &["--ema", "from 0 to below 1"]),
        ("--gp -1 --loss wasserstein-gp", &["--gp", "from 0 up"]),
        ("--r1 nan", &["--r1", "from 0 up"]),
        ("--d-steps 0", &["--d-steps takes a whole number from 1"]),
        ("--size 48", &["--size takes 16, 32, 64, 128 or 256"]),
        ("--channels 2", &["--channels takes 1 or 3"]),
        ("--features 0", &["--features takes a whole number from 1"]),
        ("--features 99999999", &["--features takes a whole number from 1 to 65536"]),
        ("--latent 0", &["--latent takes a whole number from 1"]),
        ("--checkpoint-every 0", &["--checkpoint-every"]),
        ("--sample-every 0", &["--sample-every"]),
        ("--subset 0", &["--subset", "from 1 up"]),
        ("--subset-plain", &["--subset"]),
        ("--threads 5000", &["'--threads <N>': takes a number up to 1024"]),
        ("--device tpu", &["'tpu'", "none of auto, gpu, gpu:NAME, cpu, reference"]),
        ("--loss hing", &["--loss"]),
        ("--los hinge", &["--los"]),
        ("--augment colour", &["--augment"]),
        ("--d-norm batch --r1 1", &["--d-norm batch", "gradient penalty", "use auto"]),
        ("--d-norm batch --loss r3gan", &["--d-norm batch", "gradient penalty", "use auto"]),
        ("--gp 10", &["--gp goes with wasserstein-gp"]),
        ("--r1 1 --loss wasserstein-gp", &["--r1 does not go with wasserstein-gp"]),
        ("--overwrite", &["--out"]),
        ("extra", &["extra"]),
    ];
    for (options, parts) in usage {
        desk.refuses(2, &format!("train --data idx:images {options}"), parts);
    }
    desk.refuses(2, "trian", &["trian"]);
}

#[test]
fn networks_larger_than_memory() {
    let desk = Desk::new();
    let needs = ["GiB of memory", " features and batch "];
    desk.refuses(1, "train --data idx:images --features 60000", &[&needs[..], &["use fewer features"]].concat());
    desk.refuses(
        1,
        "train --data idx:images --size 64 --features 128 --batch 1000000",
        &[&needs[..], &[": batch ", " fits"]].concat(),
    );
    desk.graft(&format!("{TRAIN} --steps 2 --out run")).ok();
    desk.refuses(1, "sample run --count 1000000000000", &["do not fit into memory", "take --count"]);
}

#[test]
fn microkernels_that_do_not_exist() {
    let desk = Desk::new();
    let mut command = desk.command();
    let output = command.args(TRAIN.split(' ')).env("GRAFT_SIMD", "mmx").output().unwrap();
    let sentence = Ended::of("GRAFT_SIMD=mmx", output).refused(2);
    assert!(sentence.contains("GRAFT_SIMD") && sentence.contains("portable"), "{sentence}");
}

#[test]
fn folders_that_a_run_cannot_have() {
    let desk = desk_with_run();
    std::fs::create_dir_all(desk.path("thesis")).unwrap();
    desk.write("thesis/chapter.txt", b"mine");
    std::fs::create_dir_all(desk.path("project/checkpoints")).unwrap();
    desk.write("project/config.toml", b"title = \"mine\"");
    desk.write("project/checkpoints/mine.safetensors", b"mine");

    let choose = "choose another --out";
    let rows: &[(&str, &[&str])] = &[
        // Not to be written by root either.
        ("--out images/run", &["images/run cannot be a run's folder", choose]),
        ("--out images", &["images cannot be a run's folder", choose]),
        ("--out images --overwrite", &["images cannot be a run's folder", choose]),
        ("--out run", &["run is not empty", choose, "--resume run", "--overwrite"]),
        ("--out thesis", &["thesis is not empty", choose]),
        ("--out thesis --overwrite", &["thesis holds no run", "no config.toml"]),
        ("--out project --overwrite", &["project holds no run", "not one that graft wrote", choose]),
    ];
    for (options, parts) in rows {
        desk.refuses(1, &format!("{TRAIN} --steps 2 {options}"), parts);
    }
    let sentence = desk.refuses(1, &format!("{TRAIN} --out thesis"), &[]);
    assert!(!sentence.contains("--overwrite"), "what holds no run is not to be overwritten: {sentence}");
    for gone in ["gone", "thesis", "images"] {
        let parts = [gone, "holds no run", "name the folder that `graft train` or `graft transfer` wrote"];
        desk.refuses(1, &format!("train --resume {gone}"), &parts);
    }
    desk.refuses(1, "train --resume project", &["project/config.toml: ", "put back what `graft train` wrote"]);
}

#[test]
fn pictures_that_would_replace_something_or_have_no_place() {
    let desk = desk_with_run();
    desk.write("mine.png", b"mine");
    let taken = "mine.png exists: choose another --out";
    for format in ["grid", "png", "npy"] {
        desk.refuses(1, &format!("sample run --format {format} --out mine.png"), &[taken]);
    }
    desk.refuses(1, "data idx:images --out mine.png", &[taken]);
    desk.refuses(1, "sample run --out run", &["run exists"]);
    for nowhere in ["gone/grid.png", "images/grid.png"] {
        desk.refuses(1, &format!("sample run --out {nowhere}"), &["cannot write", nowhere, "path"]);
        desk.refuses(1, &format!("data idx:images --out {nowhere}"), &["cannot write", nowhere, "path"]);
    }
    desk.refuses(1, "sample run --format png --out images/folder", &["images/folder", "path"]);
    // What takes long is refused before it begins.
    desk.refuses(1, "judge --data idx:images,labels --out gone/judge.safetensors", &["cannot write gone/judge"]);
    desk.refuses(1, "predict run --data idx:images --out gone/labels.csv", &["cannot write gone/labels.csv"]);
    desk.refuses(1, "translate run --out gone/pairs.png", &["cannot write gone/pairs.png"]);
    desk.refuses(1, "translate run --page mine.png", &["mine.png exists: choose another --page"]);
    desk.refuses(2, "sample run --count 0", &["--count", "from 1 up"]);
    desk.refuses(2, "sample run --format gif", &["gif"]);
    desk.refuses(2, "sample run --seed -1", &["-1"]);
    desk.refuses(2, "sample", &["<CHECKPOINT>"]);
    desk.refuses(2, "data", &["<SPEC>"]);
}

#[test]
fn classes_that_a_generator_does_not_have() {
    let desk = desk_with_run();
    desk.graft(&format!("{TRAIN} --steps 2 --conditional --out conditional")).ok();
    desk.refuses(2, "sample run --class 0", &["--class needs a generator", "--conditional"]);
    desk.refuses(2, "sample conditional --class 3", &["--class 3", "classes 0 to 2"]);
    desk.refuses(2, "sample conditional --class 4294967295", &["classes 0 to 2"]);
    desk.refuses(2, "sample conditional --class -1", &["-1"]);
}

#[test]
fn training_that_diverges_keeps_no_broken_state() {
    let desk = Desk::new();
    let ended = desk.graft(&format!("{TRAIN} --steps 50 --lr 1e30 --out run"));
    let sentence = ended.refused(1);
    assert!(sentence.contains("training diverged") && sentence.contains("smaller --lr"), "{sentence}");
    assert_eq!(desk.names("run/checkpoints"), [""; 0]);
    for line in desk.text("run/metrics.jsonl").lines() {
        let losses: Json = serde_json::from_str(line).unwrap();
        assert!(losses["d_loss"].is_number() && losses["g_loss"].is_number(), "{line}");
    }
    assert!(desk.graft("train --resume run").refused(1).contains("training diverged"), "it begins again");
    desk.refuses(1, "sample run", &["run has no checkpoint yet", "continue its run with --resume run"]);
}

#[test]
fn checkpoints_that_are_none() {
    let desk = desk_with_run();
    desk.write("empty.safetensors", b"");
    desk.write("text.safetensors", b"This is a diary, and not a short one.");
    desk.write("endless.safetensors", &[&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    let raw = |header: &str, data: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
    let shape = 1u64 << 40;
    let huge = format!(r#"{{"a":{{"dtype":"F32","shape":[{shape},{shape}],"data_offsets":[0,4]}}}}"#);
    desk.write("huge.safetensors", &raw(&huge, &[0; 4]));
    let beyond = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    desk.write("beyond.safetensors", &raw(beyond, &[0; 4]));
    desk.write("deep.safetensors", &raw(&"[".repeat(100_000), &[]));
    let no_json = r#"{"__metadata__":{"graft":"nothing"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    desk.write("no-json.safetensors", &raw(no_json, &[0; 4]));
    for name in ["empty", "text", "endless", "huge", "beyond", "deep", "no-json"] {
        let file = format!("{name}.safetensors");
        desk.refuses(1, &format!("sample {file}"), &[&file, "byte 0: expected", ANOTHER_FILE]);
    }

    let mut foreign = Checkpoint::new(serde_json::Map::new());
    foreign.insert("weight", &Tensor::ones(&Device::cpu(), [3])).unwrap();
    foreign.write(&desk.path("foreign.safetensors")).unwrap();
    let parts = ["foreign.safetensors", "describes no generator of graft", "use one that `graft train` wrote"];
    desk.refuses(1, "sample foreign.safetensors", &parts);
    desk.refuses(1, "sample gone.safetensors", &["there is no gone.safetensors", "name a checkpoint, or the folder"]);
    desk.refuses(1, "sample runs", &["there is no runs", "name a checkpoint, or the folder"]);
}

#[test]
fn checkpoints_of_other_runs() {
    let desk = desk_with_run();
    let own = desk.checkpoint("run");
    let others = [
        ("features", "--data idx:images,labels --features 5", "recipe"),
        ("size", "--data idx:images,labels --features 4 --size 64", "recipe"),
        ("rate", "--data idx:images,labels --features 4 --lr 0.001", "recipe"),
        ("unlabelled", "--data idx:images --features 4", "data"),
    ];
    for (name, options, field) in others {
        desk.graft(&format!("train {options} --latent 8 --batch 8 --seed 3 --steps 2 -q --out {name}")).ok();
        std::fs::copy(desk.path(checkpoint(name)), desk.path(checkpoint("run"))).unwrap();
        let parts = ["last.safetensors", &format!("the checkpoint's {field} is not this run's"), "--overwrite"];
        desk.refuses(1, "train --resume run --steps 9", &parts);
    }

    // The data have changed since.
    std::fs::write(desk.path(checkpoint("run")), own).unwrap();
    let mut images = images();
    *images.last_mut().unwrap() ^= 1;
    desk.write("images", &images);
    desk.refuses(1, "train --resume run --steps 9", &["the checkpoint's data is not this run's"]);
    desk.write("images", &idx(&[IMAGES, SIDE, 2 * SIDE], &vec![0; 2 * IMAGES * SIDE * SIDE]));
    desk.refuses(1, "train --resume run --steps 9", &["the checkpoint's data is not this run's"]);
    desk.write("labels", &labels()[..20]);
    desk.refuses(1, "train --resume run --steps 9", &["labels, byte 8", ANOTHER_FILE]);
}

#[test]
fn checkpoints_with_a_flipped_bit_or_cut_short() {
    let desk = desk_with_run();
    let good = desk.checkpoint("run");
    let path = desk.path(checkpoint("run"));
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();

    // As the library reads it: everywhere in the part that says what the rest means, and here and there in the rest.
    let mut read = 0;
    for index in (0..1200.min(header)).chain((1200..good.len()).step_by(good.len() / 300)) {
        let mut bad = good.clone();
        bad[index] ^= 1 << (index % 8);
        write(&bad);
        // A flip in the name of the metadata key leaves somebody else's file, in which no command finds a generator.
        match Checkpoint::read(&path) {
            Ok(checkpoint) => assert!(checkpoint.header.is_empty(), "a bit of byte {index} is flipped unnoticed"),
            Err(_) => read += 1,
        }
        write(&good[..index]);
        assert!(Checkpoint::read(&path).is_err(), "cut unnoticed at byte {index}");
    }
    assert!(read > 1000, "{read} flips were noticed");

    // As the commands tell it.
    let positions = [0, 7, 8, 20, 30, 45, 200, 600, header - 1, header, header + 1, good.len() / 2, good.len() - 1];
    for index in positions {
        for bit in [0, 5, 7] {
            let mut bad = good.clone();
            bad[index] ^= 1 << bit;
            write(&bad);
            desk.refuses(1, "sample run", &["last.safetensors"]);
        }
        write(&good[..index]);
        desk.refuses(1, "sample run", &["last.safetensors"]);
        desk.refuses(1, "train --resume run --steps 9", &["last.safetensors"]);
    }
    write(&good);
    desk.graft("train --resume run --steps 4 -q").ok();
}

/// Changes a checkpoint's header, the digest being made again, and leaves it in a file.
fn with_header(desk: &Desk, file: &str, change: impl FnOnce(&mut Checkpoint)) {
    let mut changed = Checkpoint::read(&desk.path(checkpoint("run"))).unwrap();
    change(&mut changed);
    changed.write(&desk.path(file)).unwrap();
}

#[test]
#[cfg(unix)]
fn checkpoints_whose_header_lies_about_their_size() {
    let desk = desk_with_run();
    let architecture = |key: &'static str, value: Json| {
        move |checkpoint: &mut Checkpoint| checkpoint.header["recipe"]["architecture"][key] = value
    };
    type Change = Box<dyn FnOnce(&mut Checkpoint)>;
    let rows: Vec<(&str, Change)> = vec![
        ("many-features", Box::new(architecture("features", json!(65536)))),
        ("more-features", Box::new(architecture("features", json!(u64::MAX)))),
        ("no-features", Box::new(architecture("features", json!(0)))),
        ("negative-features", Box::new(architecture("features", json!(-4)))),
        ("fractional-features", Box::new(architecture("features", json!(4.5)))),
        ("worded-features", Box::new(architecture("features", json!("four")))),
        ("many-classes", Box::new(architecture("classes", json!(256)))),
        ("more-classes", Box::new(architecture("classes", json!(1u64 << 40)))),
        ("long-latent", Box::new(architecture("latent", json!(65536)))),
        ("endless-latent", Box::new(architecture("latent", json!(u64::MAX)))),
        ("large", Box::new(architecture("size", json!(64)))),
        ("larger", Box::new(architecture("size", json!(1u64 << 40)))),
        ("two-channels", Box::new(architecture("channels", json!(2)))),
        ("colour", Box::new(architecture("channels", json!(3)))),
        ("unknown-norm", Box::new(architecture("d_norm", json!("group")))),
        ("unknown-field", Box::new(architecture("depth", json!(7)))),
        ("no-recipe", Box::new(|checkpoint| drop(checkpoint.header.remove("recipe")))),
        ("listed-recipe", Box::new(|checkpoint| drop(checkpoint.header.insert("recipe".into(), json!([1, 2]))))),
        (
            // The first filter is there, and the second would take 32 GiB.
            "wide",
            Box::new(|checkpoint| {
                checkpoint.header["recipe"]["architecture"]["features"] = json!(8192);
                checkpoint.header["recipe"]["architecture"]["latent"] = json!(1);
                let filter = Tensor::ones(&Device::cpu(), [1, 4 * 8192, 4, 4]);
                checkpoint.insert("netG_ema.main.0.weight", &filter).unwrap();
            }),
        ),
    ];
    for (name, change) in rows {
        let file = format!("{name}.safetensors");
        with_header(&desk, &file, change);
        // An allocation beyond this ends the process without a sentence.
        let ended = desk.shell(&format!("ulimit -v 4000000; graft sample {file} --threads 1"));
        let sentence = ended.refused(1);
        assert!(sentence.contains(&file), "{sentence}");
        std::fs::remove_file(desk.path(file)).unwrap();
    }
}

#[test]
fn checkpoints_whose_state_cannot_be_continued() {
    let desk = desk_with_run();
    let last = checkpoint("run").to_str().unwrap().to_owned();
    let good = desk.checkpoint("run");
    type Change = fn(&mut Checkpoint);
    let rows: [(&str, Change, &str); 8] = [
        ("a later format", |c| c.header["format"] = json!(2), "the checkpoint's format is not this run's"),
        ("no step", |c| drop(c.header.remove("step")), "names no step"),
        ("a negative step", |c| c.header["step"] = json!(-1), "names no step"),
        ("half a step", |c| c.header["step"] = json!(1.5), "names no step"),
        ("the last of all steps", |c| c.header["step"] = json!(u64::MAX), "names no step"),
        ("another seed", |c| c.header["recipe"]["seed"] = json!(4), "the checkpoint's recipe is not this run's"),
        (
            "a filter of another shape",
            |c| c.insert("netD.main.0.weight", &Tensor::ones(&Device::cpu(), [9, 1, 4, 4])).unwrap(),
            "netD.main.0.weight has the shape [9, 1, 4, 4]",
        ),
        (
            "a moment of another shape",
            |c| c.insert("adam.netG.main.1.bias.exp_avg", &Tensor::ones(&Device::cpu(), [3])).unwrap(),
            "adam.netG.main.1.bias.exp_avg has the shape [3]",
        ),
    ];
    for (what, change, part) in rows {
        with_header(&desk, &last, change);
        println!("{what}");
        desk.refuses(1, "train --resume run --steps 9", &[&last, part, "--overwrite"]);
        std::fs::write(desk.path(&last), &good).unwrap();
    }
}

#[test]
fn settings_that_were_edited() {
    let desk = desk_with_run();
    let good = desk.text("run/config.toml");
    let config = desk.path("run/config.toml");
    let data = good.lines().find(|line| line.starts_with("data = ")).unwrap().to_string();
    let rows: [(&str, &str, &str); 27] = [
        ("features = 4", "features = 60000", "GiB of memory"),
        ("features = 4", "features = 99999999", ": features takes"),
        ("features = 4", "features = -4", "line "),
        ("features = 4", "features = 99999999999999999999", "line "),
        ("features = 4", "features = \"four\"", "line "),
        ("features = 4", "", "features"),
        ("features = 4", "features = 5", "the checkpoint's recipe is not this run's"),
        ("batch = 8", "batch = 0", ": batch takes"),
        ("batch = 8", "batch = 1.5", "line "),
        ("batch = 8", "batch = 8\nbatch = 8", "line "),
        ("batch = 8", "batch = 8\nbtach = 8", "btach"),
        ("batch = 8", "batch == 8", "line "),
        ("seed = 3", "seed = -3", "line "),
        ("latent = 8", "latent = 70000", ": latent takes"),
        ("classes = 0", "classes = 4000000000", "65536 classes"),
        ("classes = 0", "classes = 10", "has no labels to condition the networks on"),
        ("lr = 0.0002", "lr = nan", ": lr takes"),
        ("lr = 0.0002", "lr = -inf", ": lr takes"),
        ("d-steps = 1", "d-steps = 1000000000", ": d-steps takes"),
        ("loss = \"non-saturating\"", "loss = \"minimax\"", "minimax"),
        ("loss = \"non-saturating\"", "loss = \"r3gan\"", ": d-norm batch"),
        ("gp = 0.0", "gp = 10.0", ": gp goes with wasserstein-gp"),
        ("r1 = 0.0", "r1 = 10.0", ": d-norm batch"),
        (&data, "data = \"everything\"", "`everything` names no data set"),
        (&data, "data = \"idx:gone\"", "gone any more"),
        (&data, "subset = 1000000000000\ndata = \"idx:images\"", "take 1 to 48"),
        ("[recipe]", "[recipe", "line "),
    ];
    for (from, to, part) in rows {
        assert!(good.contains(from), "{from} in {good}");
        std::fs::write(&config, good.replacen(from, to, 1)).unwrap();
        desk.refuses(1, "train --resume run --steps 9", &[part]);
    }
    for text in [&b""[..], b"\xff\xfe", b"[[[[[[[[", b"\0"] {
        std::fs::write(&config, text).unwrap();
        desk.refuses(1, "train --resume run --steps 9", &["run/config.toml"]);
    }
    std::fs::remove_file(&config).unwrap();
    desk.refuses(1, "train --resume run --steps 9", &["run holds no run", "no config.toml"]);
    std::fs::create_dir(&config).unwrap();
    desk.refuses(1, "train --resume run --steps 9", &["run holds no run", "no config.toml"]);
}
