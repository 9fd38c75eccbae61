//! `graft translate`: pairs of both generators of a transfer, and how far they agree.

use graft::experiment::translate::Translation;
use graft::gan::{Latents, load_generator, sample};
use graft::random::Purpose;
use graft::run::unwatched;
use graft::{Checkpoint, Device};
use serde_json::Value as Json;

use crate::program::{Desk, checkpoint};

const SMALL: &str = "--source synthetic:strokes --target synthetic:street --features 4 --latent 6 --batch 8 --steps 5 --source-steps 4 \
    --feature-steps 4 --subset 20 --no-judge -q";

#[test]
fn pairs_are_what_both_generators_make_of_the_same_latents_and_class() {
    let desk = Desk::new();
    let device = Device::cpu();
    for method in ["trgan", "ctgan"] {
        desk.graft(&format!("transfer --method {method} {SMALL} --out {method}")).ok();
        let translation = Translation::read(&desk.path(method), &device).unwrap();
        let made = |part: &str, class: Option<u32>, index: usize| {
            let checkpoint = Checkpoint::read(&desk.path(checkpoint(&format!("{method}{part}")))).unwrap();
            let (architecture, network) = load_generator(&checkpoint, &device).unwrap();
            let images = sample(&network, &architecture, 3, Purpose::SampleLatents, 12, class).unwrap();
            images.image(index).into_owned()
        };
        let pairs = translation.pairs(3, Latents::Drawn, 12, None).unwrap();
        assert_eq!(pairs.asked.is_some(), method == "ctgan");
        for index in [0, 5, 11] {
            // Ten classes in turn.
            let class = pairs.asked.as_ref().map(|asked| asked[index]);
            assert_eq!(class, (method == "ctgan").then_some(index as u32 % 10));
            assert_eq!(pairs.source.image(index), made("/source", class, index), "{method}: {index}");
            assert_eq!(pairs.target.image(index), made("", class, index), "{method}: {index}");
        }
    }
    let translation = Translation::read(&desk.path("ctgan"), &device).unwrap();
    assert_eq!(translation.pairs(0, Latents::Drawn, 3, Some("7")).unwrap().asked, Some(vec![7; 3]));
    let error = translation.pairs(0, Latents::Drawn, 3, Some("eleven")).err().unwrap().to_string();
    assert!(error.contains("eleven") && error.contains("in common: 0, 1"), "{error}");
    assert!(Translation::read(&desk.path("trgan"), &device).unwrap().pairs(0, Latents::Drawn, 3, Some("7")).is_err());

    desk.graft("translate ctgan --count 12 --class 4 --out pairs.png --files pairs --page pairs.html").ok();
    let names = desk.names("pairs");
    assert_eq!((names.len(), names[0].as_str(), names[1].as_str()), (24, "00000-4-source.png", "00000-4-target.png"));
    // Two rows of ten pairs, and 2 pixels between.
    let grid = image::load_from_memory(&desk.read("pairs.png")).unwrap();
    assert_eq!((grid.width(), grid.height()), (10 * 34 + 2, 4 * 34 + 2));
    assert!(desk.text("pairs.html").contains("From one side to the other"));
    // A picture of the source, its latent found through the source's generator, in the target's style.
    desk.graft("invert ctgan/source pairs/00000-4-source.png --class 4 --steps 5 --out found").ok();
    desk.graft("translate ctgan --latents found/latents.npy --class 4 --out drawn.png").ok();
    let drawn = image::load_from_memory(&desk.read("drawn.png")).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (10 * 34 + 2, 2 * 34 + 2));
    // The same in one command, below the picture itself; and the other way.
    let picture = "pairs/00000-4-source.png --class 4 --steps 5";
    desk.graft(&format!("translate ctgan {picture} --out styled.png --page styled.html")).ok();
    let found_for = "those found for pictures of the source";
    assert!(desk.text("styled.html").contains(found_for) && !desk.text("pairs.html").contains(found_for));
    // The pictures are a frame of the slider, and stand beside both sides.
    let pictures = |page: &str| desk.text(page).matches("data:image/png").count();
    assert_eq!(pictures("styled.html"), pictures("pairs.html") + 2);
    let styled = image::load_from_memory(&desk.read("styled.png")).unwrap();
    assert_eq!((styled.width(), styled.height()), (10 * 34 + 2, 3 * 34 + 2));
    assert_eq!(styled.crop_imm(2, 36, 32, 66).to_rgb8(), drawn.crop_imm(2, 2, 32, 66).to_rgb8());
    let itself = image::load_from_memory(&desk.read("pairs/00000-4-source.png")).unwrap();
    assert_eq!(styled.crop_imm(2, 2, 32, 32).to_rgb8(), itself.to_rgb8());
    let both = "pairs/00000-4-target.png pairs/00001-4-target.png --of target --class 4 --steps 2 --guess-steps 0";
    let said = desk.graft(&format!("translate ctgan {both} --out back.png -q --json")).ok();
    let said: Json = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((said["count"].as_u64(), said["errors"].as_array().unwrap().len()), (Some(2), 2), "{said}");
    desk.refuses(2, "translate ctgan --of target --out new.png", &["IMAGES"]);
    desk.refuses(2, "translate ctgan --steps 5 --out new.png", &["IMAGES"]);
    desk.refuses(2, "translate ctgan pairs/00000-4-source.png --out new.png", &["say --class"]);
    // What ties both sides is learned by a phase of its own, and changes what is made.
    desk.graft(&format!("transfer --method trgan --agree 1 {SMALL} --out tied")).ok();
    assert!(desk.path(checkpoint("tied/classifier")).is_file() && !desk.path("trgan/classifier").exists());
    assert!(desk.text("tied/report.html").contains("agree: of 512 latents the label predictor is surer than 0.9"));
    assert!(desk.checkpoint("tied") != desk.checkpoint("trgan"));
    desk.graft("transfer --resume tied --steps 7 -q").ok();
    desk.graft(&format!("transfer --method trgan --agree 1 {SMALL} --out whole").replace("--steps 5", "--steps 7"))
        .ok();
    assert!(desk.checkpoint("tied") == desk.checkpoint("whole"));
    desk.graft(&format!("transfer --method ctgan --agree 1 {SMALL} --out tied-classes")).ok();
    assert!(desk.checkpoint("tied-classes") != desk.checkpoint("ctgan"));
    let unlabelled = "transfer --method trgan --agree 1 --source idx:images --target idx:images --steps 1 --out none";
    desk.refuses(2, unlabelled, &["--agree ties classes", "no labels of two or more"]);
    desk.graft("translate ctgan@5 --count 12 --class 4 --out at-its-last.png").ok();
    assert!(desk.read("at-its-last.png") == desk.read("pairs.png"));
    desk.refuses(1, "translate ctgan@3 --out new.png", &["has no checkpoint 3"]);
    desk.refuses(1, "report ctgan@3", &["has no checkpoint 3"]);
    desk.graft("report ctgan@5").ok();
    desk.refuses(2, "translate ctgan --latents found/latents.npy --count 2 --out new.png", &["at most the 1"]);
    desk.refuses(1, "translate ctgan", &["pairs.png exists", "another --out"]);
    desk.refuses(2, "translate ctgan --out new.jpg", &["name a file that ends in .png"]);
    desk.refuses(2, "translate ctgan --out new.png --page new.png", &["name a file that ends in .html"]);
    desk.refuses(1, "translate ctgan --out new.png --files pairs", &["pairs"]);
    desk.refuses(2, "translate ctgan --out new --files new", &["new would be written twice"]);
    // A broken picture among those that are named is left out where that is asked for.
    desk.write("broken.png", b"no picture");
    let named = "pairs/00000-4-source.png broken.png pairs/00001-4-source.png --class 4 --steps 1";
    desk.refuses(1, &format!("translate ctgan {named} --out new.png"), &["broken.png"]);
    let said = desk.graft(&format!("translate ctgan {named} --skip-broken --out left.png -q --json")).ok();
    assert_eq!(serde_json::from_str::<Json>(said.lines().last().unwrap()).unwrap()["count"], 2, "{said}");
    desk.refuses(1, "translate ctgan --class eleven --out new.png", &["eleven"]);
    desk.graft(&format!("transfer --method tgan --extractor untrained --g-init fresh {SMALL} --out tgan")).ok();
    desk.refuses(1, "translate tgan --out new.png", &["tgan began with no generator of its source"]);
    // Whatever lies where its source would.
    desk.shell(
        "cp -r trgan/source tgan/source && cp -r trgan other && rm -r other/source && cp -r ctgan/source other/source",
    )
    .ok();
    desk.refuses(1, "translate tgan --out new.png", &["tgan began with no generator of its source"]);
    desk.refuses(1, "translate other --out new.png", &["other/source", "holds other networks now", "other began with"]);
    desk.shell("rm -r other/source").ok();
    desk.refuses(1, "translate other --out new.png", &["no generator of the run's source in other/source"]);
    desk.graft("train --data synthetic:strokes --features 4 --latent 6 --batch 8 --steps 1 -q --out trained").ok();
    desk.refuses(1, "translate trained --out new.png", &["no run of a transfer"]);
    desk.refuses(1, "translate nowhere --out new.png", &["nowhere"]);
}

#[test]
fn agreement_stands_beside_chance_and_shuffled_pairs() {
    let desk = Desk::new();
    desk.graft(&format!("transfer --method trgan {SMALL} --out trgan")).ok();
    let said = desk.graft("translate trgan --count 10 --agreement --out pairs.png -q --json").ok();
    let said: Json = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let found = &said["agreement"];
    let number = |key: &str| found[key].as_f64().unwrap();
    assert_eq!((said["event"].as_str().unwrap(), found["count"].as_u64().unwrap()), ("translation", 2000));
    for key in ["agreement", "chance", "shuffled", "source_sure", "source_real_sure"] {
        assert!((0.0..=1.0).contains(&number(key)), "{found}");
    }
    // Both are of independent sides; 2,000 pairs are that sure of their share to three standard deviations.
    assert!((number("shuffled") - number("chance")).abs() < 3.0 * (0.25f64 / 2000.0).sqrt(), "{found}");
    assert!(number("judge_fd") > number("floor"), "{found}");
    assert_eq!(found["classes"], serde_json::json!([]), "TrGAN's generators know none");
    assert!(found["source_judge"]["accuracy"].as_f64().unwrap() > 0.5, "it was shown what the generator was: {found}");
    // The same again, out of the library.
    let translation = Translation::read(&desk.path("trgan"), &Device::cpu()).unwrap();
    let again = translation.agreement(0, 2000, &mut unwatched).unwrap().unwrap();
    assert_eq!(again.agreement, number("agreement"));
}

/// Eight pictures each of classes, which are folders, of one colour a class.
fn coloured(desk: &Desk, folder: &str, classes: [(&str, [u8; 3]); 2]) {
    for ((class, colour), number) in classes.into_iter().flat_map(|class| (0..8u8).map(move |number| (class, number))) {
        let place = desk.path(format!("{folder}/{class}"));
        std::fs::create_dir_all(&place).unwrap();
        let picture =
            image::RgbImage::from_fn(16, 16, |x, _| image::Rgb(colour.map(|c| c.saturating_sub(number + x as u8))));
        picture.save(place.join(format!("{number}.png"))).unwrap();
    }
}

#[test]
fn pairs_that_are_measured_are_of_classes_that_both_sides_have() {
    let desk = Desk::new();
    let (red, green, blue) = ([220, 20, 20], [20, 220, 20], [20, 20, 220]);
    coloured(&desk, "source", [("ant", red), ("bee", blue)]);
    coloured(&desk, "source", [("cow", green), ("dog", [120; 3])]);
    coloured(&desk, "target/train", [("bee", blue), ("dog", red)]);
    coloured(&desk, "target/val", [("bee", blue), ("dog", red)]);
    coloured(&desk, "target/test", [("bee", blue), ("dog", red)]);
    let small =
        "--size 16 --features 4 --latent 6 --batch 8 --steps 1 --source-steps 1 --feature-steps 1 --no-judge -q";
    let data = "--source folder:source --target folder:target";
    desk.graft(&format!("transfer --method ctgan --confidence 0 {data} {small} --out run")).ok();
    let said = desk.graft("translate run --count 4 --agreement --out pairs.png -q --json").ok();
    let said: Json = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    // The generator knows four, and draws them.
    assert_eq!(said["classes"], serde_json::json!(["ant", "bee", "cow", "dog"]));
    assert_eq!(said["agreement"]["classes"], serde_json::json!(["bee", "dog"]));
}

#[test]
fn networks_keep_the_names_of_their_classes_where_these_were_mapped() {
    let desk = Desk::new();
    let (red, blue) = ([220, 20, 20], [20, 20, 220]);
    coloured(&desk, "source", [("ant", red), ("bee", blue)]);
    coloured(&desk, "target", [("bee", blue), ("wasp", red)]);
    let small = "--size 16 --features 4 --latent 6 --batch 8 --steps 3 --no-judge -q";
    let short = format!("{small} --source-steps 3 --feature-steps 3");
    let ctgan = "transfer --method ctgan --confidence 0 --target folder:target";
    let classes = |run: &str| Checkpoint::read(&desk.path(checkpoint(run))).unwrap().header["classes"].clone();
    desk.graft(&format!("{ctgan} --source folder:source --map ant=wasp {short} --out run")).ok();
    assert_eq!(classes("run"), serde_json::json!(["wasp", "bee"]), "the source's order");
    // Its networks are a source of the same classes, whatever order its images' classes have; and so is its own source.
    for source in ["run", "run/source"] {
        let out = format!("from-{}", source.replace('/', "-"));
        desk.graft(&format!("{ctgan} --source {source} {small} --feature-steps 3 --out {out}")).ok();
        assert_eq!(classes(&out), serde_json::json!(["wasp", "bee"]), "{source}");
        desk.graft(&format!("translate {out} --class wasp --out {out}.png -q")).ok();
    }
    // Of networks whose images are of other classes nothing is learned about these.
    let header = |run: &str| {
        let path = desk.path(checkpoint(run));
        let mut written = Checkpoint::read(&path).unwrap();
        written.header["classes"] = serde_json::json!(["hornet", "bee"]);
        written.write(&path).unwrap();
    };
    header("run");
    let other = format!("{ctgan} --source run {small} --feature-steps 3 --out other");
    desk.refuses(1, &other, &["know the classes hornet, bee", "images of its run have bee, wasp"]);

    let train = "train --data folder:source --conditional --loss r3gan --d-norm none";
    desk.graft(&format!("{train} {} --out gan", small.replace("--no-judge ", ""))).ok();
    let mapped = format!("{ctgan} --source gan --map ant=wasp {small} --feature-steps 3 --out mapped");
    desk.graft(&mapped).ok();
    for run in ["mapped", "from-run-source"] {
        desk.graft(&format!("translate {run} --class wasp --out {run}-wasp.png -q")).ok();
        desk.graft(&format!("translate {run} folder:source --steps 1 --out {run}-pictures.png -q")).ok();
    }
    // What would do nothing is refused.
    desk.refuses(2, &mapped.replace("--out mapped", "--source-style colour --out styled"), &["--source-style"]);
    let oracle =
        mapped.replace("--confidence 0", "--labels true --soft-labels").replace("--out mapped", "--out oracle");
    desk.refuses(2, &oracle, &["soft-labels is about what a predictor says"]);
    // Its checkpoint had another place then.
    desk.shell("mv gan moved").ok();
    desk.refuses(1, "translate mapped --out no.png", &["mapped began with the generator of", "gan, which is gone"]);
}
