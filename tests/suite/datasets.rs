//! Data sets of every kind through the program, and every parser of files against a small corpus and what becomes of it
//! when bytes are lost or changed. `fuzz/` feeds the same parsers without end.

#[path = "../../fuzz/parsers.rs"]
mod parsers;

use std::fs;
use std::path::Path;

use graft::Checkpoint;
use graft::data::Images;
use graft::data::picture::encode_png;
use proptest::prelude::*;

use crate::program::{Desk, Picture, real_data};

/// The files of the corpus of one parser.
fn corpus(parser: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(parser);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

const PARSERS: [&str; 12] =
    ["idx", "matlab", "cifar10", "cifar100", "folder", "zip", "npz", "npy", "checkpoint", "header", "config", "import"];

#[test]
fn every_parser_accepts_the_seeds_of_its_corpus() {
    for parser in PARSERS {
        let seeds = corpus(parser);
        assert!(!seeds.is_empty(), "{parser} has no seeds");
        for (index, seed) in seeds.iter().enumerate() {
            assert!(parsers::feed(parser, seed), "{parser} refuses seed {index}");
        }
    }
}

proptest! {
    #[test]
    fn no_parser_panics_on_a_damaged_corpus(
        which in 0..PARSERS.len(), seed: prop::sample::Index, cut: Option<prop::sample::Index>,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = seed.get(&corpus(PARSERS[which])).clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        parsers::feed(PARSERS[which], &bytes);
    }
}

/// A desk with a folder of each kind: `svhn`, `cifar` and `pictures`.
fn desk() -> Desk {
    let desk = Desk::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for folder in ["svhn", "cifar", "pictures/ring", "pictures/bar"] {
        fs::create_dir_all(desk.path(folder)).unwrap();
    }
    desk.write("svhn/train_32x32.mat", &fs::read(golden.join("svhn_plain.mat")).unwrap());
    desk.write("svhn/test_32x32.mat", &fs::read(golden.join("svhn_compressed.mat")).unwrap());
    let record: Vec<u8> = (0..3073).map(|place| (place % 10) as u8).collect();
    for batch in 1..=5 {
        desk.write(&format!("cifar/data_batch_{batch}.bin"), &record.repeat(2));
    }
    desk.write("cifar/test_batch.bin", &record);
    for (name, picture) in [("ring/b.jpg", 5), ("ring/a.png", 3), ("bar/c.png", 0), ("bar/d.jpg", 4), ("bar/e.png", 2)]
    {
        desk.write(&format!("pictures/{name}"), &corpus("folder")[picture]);
    }
    desk
}

#[test]
fn data_shows_every_kind_of_data_set() {
    let desk = desk();
    for (index, (arguments, parts)) in [
        ("svhn:svhn", &["(train): 3 images of 32x32x3", "classes: 0: 1, 1: 1, 2: 0"][..]),
        ("svhn:svhn --split test", &["(test): 3 images of 32x32x3", "9: 1"]),
        ("svhn:svhn/test_32x32.mat", &["(train): 3 images of 32x32x3"]),
        ("cifar10:cifar", &["(train): 10 images of 32x32x3", "classes: airplane: 10, automobile: 0"]),
        ("cifar10:cifar --split test", &["(test): 1 images of 32x32x3"]),
        (
            "folder:pictures",
            &[
                "(train): 5 images of 64x64x3 (--size 64; graft train takes 32 unless it is told)",
                "classes: bar: 3, ring: 2",
                "files: ",
            ],
        ),
        ("folder:pictures --size 32", &["(train): 5 images of 32x32x3 (--size 32"]),
        ("folder:pictures/ring", &["(train): 2 images of 64x64x3", "no labels"]),
    ]
    .into_iter()
    .enumerate()
    {
        let grid = format!("grid{index}.png");
        let said = desk.graft(&format!("data {arguments} --out {grid}")).ok();
        for part in parts {
            assert!(said.contains(part), "`{arguments}` says\n{said}\nwithout `{part}`");
        }
        assert_eq!(Picture::decode(&desk.read(&grid)).channels, 3);
    }
}

#[test]
fn a_folder_of_pictures_trains_at_both_sizes() {
    let desk = desk();
    for size in [32, 64] {
        let train = "train --data folder:pictures --conditional --features 4 --latent 8 --batch 4 --steps 1 -q";
        desk.graft(&format!("{train} --size {size} --out run{size}")).ok();
    }
}

#[test]
fn what_is_wrong_with_them_is_named() {
    let desk = desk();
    desk.write("svhn/test_32x32.mat", b"MATLAB");
    desk.write("cifar/test_batch.bin", &[0; 100]);
    desk.write("pictures/ring/broken.png", b"No image.");
    for (arguments, parts) in [
        ("svhn:gone", &["there is no gone", "name that"][..]),
        (
            "svhn:svhn --split test",
            &["test_32x32.mat, byte 0: expected the header of a MATLAB v5 file", "get the file"],
        ),
        ("svhn:cifar", &["cifar has no train_32x32.mat", "put the train images of SVHN"]),
        ("cifar10:svhn", &["svhn has no data_batch_1.bin", "put the train files of CIFAR-10"]),
        ("cifar10:cifar --split test", &["test_batch.bin, byte 0: expected records of 3073 bytes"]),
        ("folder:pictures", &["1 image of 6 cannot be read:", "ring/broken.png: no image begins with \"No image\""]),
        (
            "folder:pictures/bar --split test",
            &[
                "has no test split",
                "sub-folders train, val and test",
                "compare take other images in its place with --held-out",
            ],
        ),
        ("cifar10:cifar --split validation", &["the last fifth of its train split is held out as one; see them with"]),
        ("folder:svhn/gone", &["there is no folder svhn/gone", "put images there"]),
    ] {
        desk.refuses(1, &format!("data {arguments} --out grid.png"), parts);
    }
}

#[test]
fn data_names_the_files_of_its_grid_and_refuses_what_it_cannot_show() {
    let desk = desk();
    let said = desk.graft("data folder:pictures --count 2 --json").ok();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    // Classes take turns in proportion: three of bar and two of ring.
    assert_eq!(said["files"], serde_json::json!(["bar/c.png", "ring/a.png"]));
    assert_eq!(said["size"], 64);
    let said = desk.graft("data cifar10:cifar --json").ok();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&said).unwrap()["files"], serde_json::Value::Null);
    let names: Vec<String> = (0..9).map(|index| format!("few/{index}.png")).collect();
    let few = grey_folder(&names.iter().map(|name| (&name[..], 100)).collect::<Vec<_>>());
    let said = few.graft("data folder:few").ok();
    assert!(said.contains("files: 0.png, 1.png, 2.png, 3.png, 4.png and 4 more"), "{said}");
    desk.refuses(2, "data folder:pictures --raw", &["--raw shows arrays", "leave it out"]);
    desk.refuses(2, "data folder:pictures --out grid.jpg", &["name a file that ends in .png"]);
    desk.graft("data folder:pictures --background #08f --out GRID.PNG").ok();
    for command in ["data folder:pictures", "judge --data folder:pictures", "classify --target folder:pictures"] {
        for size in ["0", "48", "3000"] {
            desk.refuses(2, &format!("{command} --size {size} --resample nearest"), &["takes 16, 32, 64, 128 or 256"]);
        }
    }
}

#[test]
fn the_real_house_numbers_are_shown() {
    let Some(folder) = real_data("svhn") else { return };
    let desk = Desk::new();
    let said = desk.graft(&format!("data svhn:{} --out grid.png", folder.display())).ok();
    assert!(said.contains("images of 32x32x3") && said.contains("9: "), "{said}");
}

/// A desk with a folder of grey PNGs at each path, whose levels are given.
fn grey_folder(pictures: &[(&str, u8)]) -> Desk {
    let desk = Desk::new();
    for (path, level) in pictures {
        fs::create_dir_all(desk.path(path).parent().unwrap()).unwrap();
        desk.write(path, &encode_png(&Images::new([1, 16, 16, 1], vec![*level; 256]), 0));
    }
    desk
}

const TINY: &str = "--features 2 --latent 4 --batch 4 --steps 1 -q";

#[test]
fn few_images_train_and_none_are_held_out_of_them() {
    for count in [1, 3, 5, 10] {
        let names: Vec<String> = (0..count).map(|index| format!("few/{index}.png")).collect();
        let desk = grey_folder(&names.iter().map(|name| (&name[..], 100)).collect::<Vec<_>>());
        desk.graft(&format!("train --data folder:few {TINY} --r1 1 --out source")).ok();
        desk.graft(&format!("transfer --method trgan --source source --target folder:few {TINY} --out run")).ok();
        let header = Checkpoint::read(&desk.path("run/checkpoints/last.safetensors")).unwrap().header;
        assert_eq!(header["data"]["count"], count, "{count} images");
        desk.refuses(1, "evaluate run", &["nothing can be measured by folder:", "20 or more"]);
    }
}

#[test]
fn a_class_is_sampled_by_its_name_and_kept_with_the_run() {
    let desk = grey_folder(&[("d/cat/1.png", 50), ("d/dog/1.png", 200), ("d/ant10/1.png", 10), ("d/ant2/1.png", 20)]);
    desk.graft(&format!("train --data folder:d --conditional {TINY} --out run")).ok();
    let header = Checkpoint::read(&desk.path("run/checkpoints/last.safetensors")).unwrap().header;
    let names = serde_json::json!(["ant2", "ant10", "cat", "dog"]);
    assert_eq!(header["classes"], names);
    assert!(
        String::from_utf8(desk.read("run/config.toml")).unwrap().contains("ant10"),
        "the names are in the settings"
    );
    let sample = |class: &str| {
        desk.graft(&format!("sample run --class {class} --count 2 --format npy --out {class}.npy")).ok();
        desk.read(format!("{class}.npy"))
    };
    assert_eq!(sample("dog"), sample("3"));
    assert_ne!(sample("cat"), sample("ant2"));
    desk.refuses(2, "sample run --class cow", &["classes 0 to 3 or ant2, ant10, cat, dog"]);
    let said = desk.graft("data folder:d").ok();
    assert!(said.contains("classes: ant2: 1, ant10: 1, cat: 1, dog: 1"), "{said}");
    fs::rename(desk.path("d/dog"), desk.path("d/hen")).unwrap();
    desk.refuses(
        1,
        "train --resume run --steps 2",
        &["had the classes ant2, ant10, cat, dog", "ant2, ant10, cat, hen now"],
    );
}

#[test]
fn how_pictures_are_read_is_kept_and_said_again() {
    let desk = Desk::new();
    fs::create_dir(desk.path("icons")).unwrap();
    desk.write("icons/a.png", &corpus("folder")[0]);
    desk.graft(&format!(
        "train --data folder:icons --background #102030 --fit pad --resample nearest {TINY} --out run"
    ))
    .ok();
    let config = String::from_utf8(desk.read("run/config.toml")).unwrap();
    for part in ["background = \"#102030\"", "fit = \"pad\"", "resample = \"nearest\""] {
        assert!(config.contains(part), "{config}");
    }
    let again = desk.graft(&format!("train --data folder:icons {TINY} --background black --out black")).ok();
    assert!(again.contains("--background black") && !again.contains("--fit"), "{again}");
    let digest = |run: &str| {
        Checkpoint::read(&desk.path(format!("{run}/checkpoints/last.safetensors"))).unwrap().header["data"]["digest"]
            .clone()
    };
    assert_ne!(digest("run"), digest("black"));
    desk.graft("train --resume run --steps 2 -q").ok();
    desk.refuses(2, "data folder:icons --background pink", &["is no colour"]);
    desk.refuses(2, "data folder:icons --fit squeeze", &["cut, pad, stretch"]);
}

#[test]
fn where_images_are_kept_changes_no_result() {
    let desk = desk();
    for (run, memory) in [("memory", "1GiB"), ("disk", "0")] {
        desk.graft(&format!("train --data folder:pictures --conditional --data-memory {memory} --features 2 --latent 4 --batch 4 --steps 3 -q --out {run}")).ok();
    }
    assert_eq!(desk.read("memory/checkpoints/last.safetensors"), desk.read("disk/checkpoints/last.safetensors"));
}

#[test]
fn held_out_images_may_be_named() {
    let desk = Desk::new();
    desk.graft(&format!("train --data idx:images,labels {TINY} --out run")).ok();
    desk.refuses(1, "evaluate run", &["nothing can be measured by", "or more"]);
    desk.refuses(2, "evaluate run --held-out pictures", &["names no data set"]);
}
