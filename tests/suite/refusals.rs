//! What cannot work is refused before anything is trained for it, and a test split that cannot be read is never taken for none.

use crate::program::{CLASSES, Desk, IMAGES, SIDE, idx, images, labels};

/// A desk with `digits`, a folder as MNIST's, whose test split has as many labels as `labels` says.
fn with_test_split(labels_of_test: usize) -> Desk {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("digits")).unwrap();
    desk.write("digits/train-images-idx3-ubyte", &images());
    desk.write("digits/train-labels-idx1-ubyte", &labels());
    desk.write("digits/t10k-images-idx3-ubyte", &idx(&[12, SIDE, SIDE], &[9; 12 * SIDE * SIDE]));
    desk.write("digits/t10k-labels-idx1-ubyte", &idx(&[labels_of_test], &vec![1; labels_of_test]));
    desk
}

const SMALL: &str = "--features 4 --latent 6 --batch 8 --steps 4 --source-steps 4 --feature-steps 4 -q --out run";

#[test]
fn the_reference_is_not_checked_against_itself_and_a_device_is_not_named_for_nothing() {
    let desk = Desk::new();
    desk.refuses(
        2,
        "devices --check --device reference",
        &["is what the others are checked against", "cargo test gradcheck"],
    );
    desk.refuses(2, "devices --bench --device reference", &["is there to be right"]);
    desk.refuses(2, "devices --device cpu", &["--check", "--bench"]);
}

#[test]
fn a_broken_test_split_is_an_error_of_every_command_that_would_use_it() {
    let desk = with_test_split(11);
    desk.graft("train --data mnist:digits --features 4 --latent 8 --batch 8 --steps 2 -q --out gan").ok();
    let says = ["t10k-labels-idx1-ubyte", "expected 12 labels"];
    desk.refuses(
        1,
        &format!("transfer --method trgan --source idx:images,labels --target mnist:digits {SMALL}"),
        &says,
    );
    desk.refuses(1, "judge --data mnist:digits --steps 2 -q", &says);
    for split in ["test", "validation"] {
        desk.refuses(1, &format!("evaluate gan -q --split {split}"), &says);
    }
    let compare = "compare --source idx:images,labels --target mnist:digits --subset 8 --seeds 1 --steps 2 --out all";
    desk.refuses(1, compare, &says);
}

#[test]
fn labels_that_cannot_be_had_are_refused_before_a_predictor_learns() {
    let desk = Desk::new();
    let data = "idx:images,labels";
    let each = IMAGES / CLASSES;
    let labels = |source: &str, target: &str, labels: &str| {
        format!("transfer --method ctgan --labels {labels} --source {source} --target {target} --no-judge {SMALL}")
    };
    let too_few = format!("labels fewshot:{each} needs {each} of each");
    desk.refuses(1, &labels(data, data, &format!("fewshot:{each}")), &["training images of class", &too_few]);
    desk.refuses(1, &labels(data, "idx:images", "true"), &["no labels of the source's 3 classes", "labels pseudo"]);
    desk.refuses(1, &labels("idx:images", data, "pseudo"), &["has no labels, which ctgan needs"]);
    let compare = "compare --arms ctgan{labels=fewshot:9} --subset 12 --seeds 1 --steps 2 --out all";
    desk.refuses(1, &format!("{compare} --source {data} --target synthetic:street"), &["needs 9 of each"]);
}

#[test]
fn layers_that_cannot_be_frozen_are_refused_before_a_source_learns() {
    let desk = Desk::new();
    let data = "idx:images,labels";
    for method in ["trgan", "ctgan"] {
        let command = format!("transfer --method {method} --freeze-d 9 --source {data} --target {data} --no-judge");
        desk.refuses(2, &format!("{command} {SMALL}"), &["freeze-d takes at most 3"]);
    }
}

#[test]
fn more_runs_at_once_than_memory_holds_are_refused() {
    let desk = Desk::new();
    let compare =
        "compare --source synthetic:strokes --target synthetic:street --arms scratch --subset 100 --steps 2 --out all";
    let large = "--size 64 --features 64 --batch 256 --seeds 1000 --jobs 1000";
    desk.refuses(
        1,
        &format!("{compare} {large}"),
        &["a comparison with 1000 runs at once needs about", ": run at most ", " at once"],
    );
    assert!(!desk.path("all").exists());
}

#[test]
fn a_run_that_would_be_replaced_stays_where_the_new_one_is_refused() {
    let desk = Desk::new();
    desk.graft("train --data idx:images --features 4 --latent 6 --batch 8 --steps 2 -q --out run").ok();
    let data = "idx:images,labels";
    let transfer = format!("transfer --source {data} --target {data} --no-judge --overwrite {SMALL}");
    desk.refuses(2, &format!("{transfer} --freeze-d 9"), &["freeze-d takes at most 3"]);
    desk.refuses(1, &format!("{transfer} --method ctgan --labels fewshot:40"), &["needs 40 of each"]);
}
