//! Data sets of every kind through the program, and every parser of files against a small corpus and what becomes of it
//! when bytes are lost or changed. `fuzz/` feeds the same parsers without end.

#[path = "../../fuzz/parsers.rs"]
mod parsers;

use std::fs;
use std::path::Path;

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
        ("folder:pictures", &["(train): 5 images of 64x64x3", "classes: bar: 3, ring: 2"]),
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
        ("folder:pictures/bar --split test", &["has no test split", "sub-folders train, val and test"]),
        ("folder:svhn/gone", &["there is no folder svhn/gone", "put images there"]),
    ] {
        desk.refuses(1, &format!("data {arguments} --out grid.png"), parts);
    }
}

#[test]
fn the_real_house_numbers_are_shown() {
    let Some(folder) = real_data("svhn") else { return };
    let desk = Desk::new();
    let said = desk.graft(&format!("data svhn:{} --out grid.png", folder.display())).ok();
    assert!(said.contains("images of 32x32x3") && said.contains("9: "), "{said}");
}
