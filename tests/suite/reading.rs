//! That pictures are read as the network learned its own that is asked about them, and that the same picture is the same image in every split.

use std::fs;

use graft::data::{Parts, Reading, Split};
use image::GrayImage;

use crate::program::{Desk, TRAIN};

/// A picture with a bright bar: where along its width tells its class, how bright it is its number.
fn bar(desk: &Desk, path: &str, [width, height]: [u32; 2], at: u32, number: u32) {
    let path = desk.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let level =
        |x: u32, y: u32| if x * 8 / width == at { 160 + number } else { 20 + (x * 7 + y * 3 + number * 11) % 32 };
    GrayImage::from_fn(width, height, |x, y| image::Luma([level(x, y) as u8])).save(path).unwrap();
}

/// Class folders of wide pictures, which differ where a square in their middle does not reach.
fn wide(desk: &Desk, folder: &str, [left, right]: [&str; 2], count: u32) {
    for number in 0..count {
        bar(desk, &format!("{folder}/{left}/{number}.png"), [96, 32], 0, number);
        bar(desk, &format!("{folder}/{right}/{number}.png"), [96, 32], 7, number);
    }
}

#[test]
fn a_classifier_is_shown_all_pictures_as_it_was_shown_its_own() {
    let desk = Desk::new();
    wide(&desk, "own/train", ["a", "b"], 12);
    wide(&desk, "own/test", ["a", "b"], 6);
    desk.graft(
        "classify --target folder:own --fit stretch --arms scratch --shots 8 --seeds 1 --steps 30 --width 8 --batch 8 -q --out run",
    )
    .ok();
    let cell = "run/cells/scratch-8-seed0";
    let predicted = |options: &str, out: &str| {
        desk.graft(&format!("predict {cell} --data folder:own {options} --out {out}.csv")).ok();
        desk.text(format!("{out}.csv"))
    };
    let plain = predicted("", "plain");
    assert_eq!(plain, predicted("--fit stretch", "stretched"));
    assert_ne!(plain, predicted("--fit cut", "cut"));
    // Each picture of both splits.
    assert!(plain.lines().count() == 1 + 36 && plain.contains("train/a/11.png,") && plain.contains("test/b/5.png,"));

    // Nobody asks for labels, wherever pictures lie.
    bar(&desk, "new/loose.png", [96, 32], 0, 1);
    bar(&desk, "new/b/deeper/1.png", [96, 32], 7, 1);
    desk.graft(&format!("predict {cell} --data folder:new --out new.csv")).ok();
    let new = desk.text("new.csv");
    assert!(new.contains("loose.png,") && new.contains("b/deeper/1.png,"), "{new}");
}

#[test]
fn a_run_is_measured_by_images_read_as_its_own_and_by_other_data_s_own_split() {
    let desk = Desk::new();
    wide(&desk, "own", ["a", "b"], 30);
    wide(&desk, "held", ["a", "b"], 11);
    wide(&desk, "other/train", ["x", "y"], 30);
    wide(&desk, "other/test", ["x", "y"], 13);
    desk.write("own/a/broken.png", b"No image.");
    let train = TRAIN.replace("--data idx:images,labels", "--data folder:own --fit stretch --skip-broken");
    desk.graft(&format!("{train} --steps 1 --out run")).ok();
    for (judge, data) in [("own", "folder:own --skip-broken"), ("other", "folder:other")] {
        desk.graft(&format!("judge --data {data} --fit stretch --steps 2 --width 4 -q --out {judge}.judge")).ok();
    }
    let measured = |options: &str| desk.graft(&format!("evaluate run --count 20 --json {options}")).ok();
    let figures = |options: &str| measured(&format!("--judge own.judge {options}"));
    let plain = figures("--held-out folder:held");
    assert!(plain.contains("\"held_out\":22"), "{plain}");
    assert_eq!(plain, figures("--held-out folder:held --fit stretch --skip-broken"), "one option leaves the others");
    assert_ne!(plain, figures("--held-out folder:held --fit cut"));
    fs::rename(desk.path("own"), desk.path("moved")).unwrap();
    assert!(
        figures("--data folder:moved --fit stretch --skip-broken --held-out folder:held")
            .contains("\"training_images\":60")
    );
    fs::rename(desk.path("moved"), desk.path("own")).unwrap();
    let other = measured("--judge other.judge --data folder:other");
    assert!(other.contains("\"held_out\":26"), "{other}");
}

#[test]
fn the_same_picture_is_the_same_image_beside_a_larger_one() {
    let desk = Desk::new();
    for number in 0..3 {
        bar(&desk, &format!("own/train/{number}.png"), [24, 24], number, number);
        bar(&desk, &format!("own/test/{number}.png"), [24, 24], number, number);
        bar(&desk, &format!("more/{number}.png"), [24, 24], number, number);
    }
    bar(&desk, "own/test/large.png", [40, 40], 1, 1);
    bar(&desk, "more/large.png", [40, 40], 1, 1);
    let spec = |folder: &str| format!("folder:{}", desk.path(folder).display()).parse::<graft::data::Spec>().unwrap();
    let parts = Parts::read(&spec("own"), &Reading::default().of_size(32)).unwrap();
    let more = spec("more").read(Split::Train, &parts.reading().of_more()).unwrap();
    let images = |data: graft::data::Dataset| data.fit(32, 1).unwrap().images;
    let (train, test, more) = (images(parts.whole().clone()), images(parts.test().unwrap()), images(more));
    for number in 0..3 {
        assert_eq!(train.image(number), test.image(number), "{number}");
        assert_eq!(train.image(number), more.image(number), "{number}");
    }
}

#[test]
fn what_a_picture_is_found_to_be_depends_on_nothing_beside_it() {
    let desk = Desk::new();
    for (number, side) in (0..12).map(|number| (number, if number == 11 { 80 } else { 20 })) {
        bar(&desk, &format!("small/a/{number}.png"), [20, 20], 0, number);
        bar(&desk, &format!("small/b/{number}.png"), [20, 20], 7, number);
        bar(&desk, &format!("mixed/a/{number}.png"), [side, side], 0, number);
        bar(&desk, &format!("mixed/b/{number}.png"), [side, side], 7, number);
    }
    bar(&desk, "alone/0.png", [20, 20], 3, 5);
    bar(&desk, "beside/0.png", [20, 20], 3, 5);
    bar(&desk, "beside/1.png", [80, 80], 3, 5);
    let of_first = |out: &str| desk.text(out).lines().find(|line| line.starts_with("0.png")).unwrap().to_string();
    for own in ["small", "mixed"] {
        let classify =
            format!("classify --target folder:{own} --split validation --arms scratch --shots 2 --seeds 1 --size 32");
        desk.graft(&format!("{classify} --steps 3 --width 4 --batch 4 -q --out run-{own}")).ok();
        let predicted = ["alone", "beside"].map(|pictures| {
            let out = format!("{own}-{pictures}.csv");
            desk.graft(&format!("predict run-{own}/cells/scratch-2-seed0 --data folder:{pictures} --out {out}")).ok();
            of_first(&out)
        });
        assert_eq!(predicted[0], predicted[1], "{own}");
    }
    // A GAN's pictures, too.
    let train = TRAIN.replace("--data idx:images,labels", "--data folder:mixed");
    desk.graft(&format!("{train} --size 32 --steps 1 --out gan")).ok();
    assert!(desk.text("gan/config.toml").contains("small = false"));
    for (pictures, out) in [("folder:alone", "one"), ("alone/0.png", "two"), ("folder:beside", "three")] {
        desk.graft(&format!("invert gan {pictures} --steps 1 --starts 1 --out {out}")).ok();
    }
    let latent = |out: &str| {
        let bytes = desk.read(format!("{out}/latents.npy"));
        bytes[bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1..][..8].to_vec()
    };
    assert_eq!(latent("one"), latent("two"));
    assert_eq!(latent("one"), latent("three"));
}

#[test]
fn a_target_of_other_classes_gets_the_method_that_needs_none() {
    let desk = Desk::new();
    wide(&desk, "own", ["apple", "pear"], 4);
    let transfer = "transfer --source idx:images,labels --steps 1 --source-steps 1 --feature-steps 1 --features 4 --latent 6 --batch 4 \
        --no-judge -q";
    for (target, method) in [("folder:own", "tgan"), ("idx:images,labels", "ctgan")] {
        desk.graft(&format!("{transfer} --target {target} --out {method}")).ok();
        assert!(desk.text(format!("{method}/config.toml")).contains(&format!("method = \"{method}\"")));
    }
}

#[test]
fn settings_of_other_programs_are_no_run_s_and_a_checkpoint_knows_its_run_from_within() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 1 --out run")).ok();
    fs::create_dir(desk.path("models")).unwrap();
    desk.write("config.toml", b"title = \"my site\"\n");
    fs::copy(desk.path("run/checkpoints/last.safetensors"), desk.path("models/x.safetensors")).unwrap();
    desk.refuses(2, "evaluate models/x.safetensors", &["is in no run's folder", "--data"]);
    let within = desk.shell("cd run/checkpoints; graft evaluate last.safetensors").refused(1);
    assert!(within.contains("nothing can be measured by"), "{within}");
}

#[test]
fn one_picture_may_have_any_name() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 1 --out run")).ok();
    bar(&desk, "a:b.png", [32, 32], 1, 1);
    desk.graft("invert run a:b.png --steps 1 --starts 1 --out found").ok();
    desk.refuses(2, "invert run a:c.png --steps 1 --out more", &["is no kind of data set"]);
}
