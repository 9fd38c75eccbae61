//! The judge and what it measures: its accuracy on real data, that its figures order what can be ordered, that planted
//! copies are found, and its two commands.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use graft::checkpoint::Checkpoint;
use graft::classifier::{Made, Options};
use graft::data::{Block, Classes, Dataset, Images, Spec, Split};
use graft::metrics::{Judge, JudgeSettings, Origin, PanelSettings, RealImages, Reference, Samples, Supervision};
use graft::random::{Purpose, generator, normal};
use graft::{Device, Result};

use crate::program::{Desk, Ended, real_data};

fn unwatched(_: Made) -> Result<ControlFlow<()>> {
    Ok(ControlFlow::Continue(()))
}

/// The standard judge of data, after so many steps, and the test split; in a network's size.
fn judge_of(spec: &str, steps: u64) -> (Judge, Dataset) {
    let spec: Spec = spec.parse().unwrap();
    let (training, _) = spec.load(Split::Train).unwrap().hold_out(Block::LastFifth).unwrap();
    let channels = training.images.channels;
    let training = training.fit(32, channels).unwrap();
    let settings = Supervision::of(&training, &with_steps(steps));
    let judge = Judge::train(training, settings, &Device::cpu(), &mut unwatched).unwrap().unwrap();
    (judge, spec.load(Split::Test).unwrap().fit(32, channels).unwrap())
}

fn with_steps(steps: u64) -> JudgeSettings {
    JudgeSettings { options: Options { steps, ..JudgeSettings::STANDARD.options }, ..JudgeSettings::STANDARD }
}

fn accuracy(spec: &str, steps: u64) -> f64 {
    let (judge, test) = judge_of(spec, steps);
    judge.classifier().unwrap().accuracy(&test).unwrap()
}

#[test]
fn the_judge_reaches_99_percent_on_mnist() {
    let Some(folder) = real_data("mnist") else { return };
    // Half the standard number of steps is enough.
    let accuracy = accuracy(&format!("mnist:{}", folder.display()), 500);
    assert!(accuracy >= 0.99, "{accuracy}");
}

#[test]
fn the_judge_reaches_85_percent_on_6400_digits_of_svhn() {
    let Some(folder) = real_data("svhn") else { return };
    let accuracy = accuracy(&format!("svhn:{}", folder.display()), 600);
    assert!(accuracy >= 0.85, "{accuracy}");
}

/// A judge of the street, hardly trained, and real images of three kinds: held out, others, and 100 of the training split.
static STREET: LazyLock<(Arc<Judge>, [Dataset; 3])> = LazyLock::new(|| {
    let (judge, test) = judge_of("synthetic:street", 100);
    let (training, validation) =
        "synthetic:street".parse::<Spec>().unwrap().load(Split::Train).unwrap().hold_out(Block::LastFifth).unwrap();
    let some = |data: Dataset, count: usize| data.select(&(0..count).collect::<Vec<_>>()).fit(32, 3).unwrap();
    (
        Arc::new(judge),
        [some(test, 600), some(validation, 600), training.subset(100, 0, false).unwrap().fit(32, 3).unwrap()],
    )
});

fn street() -> Reference {
    let (judge, [held_out, other, training]) = &*STREET;
    Reference::new(Arc::clone(judge), &RealImages { held_out, other, training: Some(training) }).unwrap()
}

/// Images with noise of this deviation, of half the range of pixels.
fn noisy(images: &Images, deviation: f32) -> Images {
    let shape = [images.count, images.height, images.width, images.channels];
    let clean = images.batch(&(0..images.count).collect::<Vec<_>>());
    let noise = normal(&mut generator(5, Purpose::GradientCheck, 0, 0), clean.len());
    let values: Vec<f32> = clean.iter().zip(noise).map(|(value, noise)| value + deviation * noise).collect();
    Images::from_batch(&values, shape)
}

#[test]
fn distances_fall_as_noise_is_removed_from_real_images() {
    let reference = street();
    let (_, [_, other, _]) = &*STREET;
    let found = [1.0, 0.5, 0.25, 0.12, 0.0].map(|deviation| {
        let distances = reference.distances(&noisy(&other.images, deviation)).unwrap();
        (distances.frechet.judge_fd, distances.frechet.random_fd)
    });
    assert!(found.is_sorted_by(|more, less| more.0 > less.0 && more.1 > less.1), "{found:?}");
}

#[test]
fn planted_copies_are_found_and_fresh_images_are_cleared() {
    let reference = street();
    let (_, [_, other, training]) = &*STREET;
    let fresh = other.select(&(0..200).collect::<Vec<_>>());
    let copies = noisy(&training.images.select(&(0..200).map(|index| index % 100).collect::<Vec<_>>()), 0.05);
    let [count, height, width, channels] = copies.shape();
    let both = [fresh.images.pixels(), copies.pixels()].concat();
    let half = Images::new([fresh.len() + count, height, width, channels], both);
    for (images, expected) in [(&fresh.images, 0.0), (&half, 0.5), (&copies, 1.0)] {
        let found = reference.evaluate(&Samples { images, asked: None }).unwrap().memorisation.unwrap();
        for memorisation in [found.judge, found.pixels] {
            // 20 draws of 100 images leave the share of fresh ones uncertain by about a tenth.
            assert!((memorisation.copied - expected).abs() < 0.2, "{expected}: {found:?}");
            assert_eq!(memorisation.flagged, expected > 0.3, "{expected}: {found:?}");
        }
    }
}

#[test]
fn floors_are_those_of_real_images_and_of_the_training_images() {
    let reference = street();
    assert_eq!((reference.count(), reference.seen()), (600, 0));
    let floors = reference.floors().unwrap();
    let copy = floors.copy.clone().unwrap();
    assert_eq!((floors.real.count, copy.count), (600, 100));
    assert!(floors.real.distances.frechet.judge_fd < copy.distances.frechet.judge_fd);
    assert!(floors.real.judge_fd_infinity.unwrap() < floors.real.distances.frechet.judge_fd, "{floors:?}");
    assert_eq!(copy.judge_fd_infinity, None, "images by turns are not drawn independently");
    assert!(!floors.real.memorisation.unwrap().judge.flagged);
    assert_eq!(copy.memorisation.unwrap().pixels.copied, 1.0);
    // Six of each: every radius, the third neighbour's, is none.
    assert_eq!(copy.manifold.recall, 0.0, "copies cover nothing beside the images that they are of");
    assert!((floors.real.conditional_accuracy.unwrap() - reference.accuracy().unwrap()).abs() < 0.1);

    let (judge, [held_out, _, training]) = &*STREET;
    let real = RealImages { held_out, other: held_out, training: Some(held_out) };
    let same = Reference::new(Arc::clone(judge), &real).unwrap();
    assert_eq!(same.seen(), 600, "held-out images that were trained on are counted");
    assert_eq!(same.floors().unwrap().real.memorisation, None, "images that were trained on are no fresh ones");
    let evaluation = same.evaluate(&Samples { images: &held_out.images, asked: None }).unwrap();
    assert!(
        evaluation.distances.frechet.judge_fd < 1e-6 && evaluation.distances.frechet.random_fd < 1e-9,
        "{evaluation:?}"
    );
    assert_eq!((evaluation.manifold.precision, evaluation.distances.class_distance), (1.0, Some(0.0)));

    let few = RealImages { held_out: training, other: training, training: Some(held_out) };
    let few = Reference::new(Arc::clone(judge), &few).unwrap();
    let evaluation = few.evaluate(&Samples { images: &training.images, asked: None }).unwrap();
    assert_eq!(evaluation.memorisation, None, "more training images than held-out ones");
}

/// Views of images teach a judge where no label does, or one that all have.
#[test]
fn a_judge_of_images_without_classes_orders_them_and_sees_none() {
    let [held_out, other, training] = STREET.1.each_ref().map(|data| data.clone().without_labels());
    let judge = Judge::train(other.clone(), Supervision::of(&other, &with_steps(120)), &Device::cpu(), &mut unwatched)
        .unwrap()
        .unwrap();
    assert!(judge.classifier().is_none() && judge.class_names().is_none() && judge.knows(&other));
    let real = RealImages { held_out: &held_out, other: &other, training: Some(&training) };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("judge.safetensors");
    judge.write(&file).unwrap();
    let (read, hash) = (Judge::read(&file, &Device::cpu()).unwrap(), judge.hash().to_string());
    let reference = Reference::new(Arc::new(read), &real).unwrap();
    let said = reference.judged_by();
    assert_eq!((said.hash, said.accuracy, said.class_free, said.trained_on), (hash, None, true, 600));

    let flat = Images::new([600, 32, 32, 3], vec![128; 600 * 32 * 32 * 3]);
    let fds = [&held_out.images, &other.images, &flat].map(|images| {
        let found = reference.evaluate(&Samples { images, asked: None }).unwrap();
        assert!(found.distances.class_shares.is_empty() && found.distances.class_distance.is_none(), "{found:?}");
        assert!(found.conditional_accuracy.is_none() && found.memorisation.is_some(), "{found:?}");
        found.distances.frechet.judge_fd
    });
    assert!(fds[0] < 1e-6 && fds[0] < fds[1] && 10.0 * fds[1] < fds[2], "{fds:?}");

    // Labels of which all are one teach no more; those of two do.
    let labelled = |labels: Vec<u32>| Dataset::labelled("two", other.images.clone(), labels, Classes::numbered(0..2));
    let learned = |labels| {
        let data = labelled(labels);
        let settings = Supervision::of(&data, &with_steps(1));
        Judge::train(data, settings, &Device::cpu(), &mut unwatched).unwrap().unwrap().classes()
    };
    assert_eq!((learned(vec![1; 600]), learned((0..600).map(|image| image % 2).collect())), (0, 2));
    let asked = PanelSettings::of(None, &other).unwrap_err().to_string();
    assert!(asked.contains("three judges tell classes apart"), "{asked}");
}

#[test]
fn a_judge_is_trained_once_and_read_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("deep/cache");
    let data = "synthetic:strokes".parse::<Spec>().unwrap().load(Split::Test).unwrap();
    let data = data.select(&(0..50).collect::<Vec<_>>()).fit(32, 1).unwrap();
    let cached = |data: &Dataset, steps: u64| {
        let settings = with_steps(steps);
        let found = Judge::cached_in(
            Ok(cache.clone()),
            data.clone(),
            Supervision::of(data, &settings),
            &Device::cpu(),
            &mut unwatched,
        );
        let (judge, origin) = found.unwrap().unwrap();
        match origin {
            Origin::Cache(path) => (judge, path, false),
            Origin::Trained(path) => (judge, path.unwrap(), true),
        }
    };
    let (first, path, trained) = cached(&data, 2);
    assert!(trained && first.knows(&data) && first.hash().len() == 64);
    let (second, same, trained) = cached(&data, 2);
    assert!(!trained && same == path && second.hash() == first.hash());
    assert_eq!(second.predict(&data.images).unwrap(), first.predict(&data.images).unwrap());
    assert!(cached(&data, 3).2, "other settings");
    let other = data.select(&(1..50).collect::<Vec<_>>());
    assert!(cached(&other, 2).2 && !first.knows(&other), "other data");

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let (third, _, trained) = cached(&data, 2);
    assert!(trained && third.hash() == first.hash(), "a damaged file is replaced");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_judge_whose_weights_are_not_finite_is_none() {
    let data = "synthetic:strokes".parse::<Spec>().unwrap().load(Split::Test).unwrap();
    let data = data.select(&(0..20).collect::<Vec<_>>()).fit(32, 1).unwrap();
    let settings = with_steps(1);
    // Of its one step the loss is the start's.
    let settings = JudgeSettings { options: Options { lr: 1e300, ..settings.options }, ..settings };
    let error = Judge::train(data.clone(), Supervision::of(&data, &settings), &Device::cpu(), &mut unwatched)
        .unwrap_err()
        .to_string();
    assert!(error.contains("the judge diverged: at step 1 judge.") && error.contains("first tensor"), "{error}");
}

#[test]
fn a_run_is_evaluated_by_a_judge_from_a_file() {
    let desk = Desk::new();
    desk.graft("train --features 4 --batch 8 --subset 60 --steps 2 -q --conditional").ok();
    let said = desk.graft("judge --data synthetic:strokes --steps 5 --width 4 --out j.safetensors -q").ok();
    assert!(said.contains("j.safetensors: ") && said.contains("on the test split; hash "), "{said}");
    desk.refuses(1, "judge --data synthetic:strokes --out j.safetensors", &["j.safetensors exists", "--out"]);

    let run = "runs/dcgan-strokes-0";
    let json = desk.graft(&format!("evaluate {run} --judge j.safetensors --count 80 --json -q")).ok();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["step"], &report["training_images"]), (&2.into(), &60.into()));
    assert_eq!((&report["data"], &report["split"]), (&"synthetic:strokes".into(), &"test".into()));
    assert_eq!((&report["samples"]["count"], &report["copy"]["count"]), (&80.into(), &60.into()));
    assert_eq!(report["real"]["count"], 80, "as many real ones as samples");
    assert_eq!(report["judge"]["of_this_data"], true);
    for part in ["samples", "real", "copy"] {
        for key in [
            "judge_fd",
            "judge_fd_infinity",
            "random_fd",
            "kid",
            "precision",
            "recall",
            "density",
            "coverage",
            "class_distance",
        ] {
            // Copies by turns are not drawn independently, as the extrapolation asks.
            let is_said = (part, key) != ("copy", "judge_fd_infinity");
            assert_eq!(report[part][key].is_f64(), is_said, "{part}.{key} in {json}");
        }
        assert_eq!(report[part]["class_shares"].as_array().unwrap().len(), 10);
        // The run learned from the block, too, so that its images are no fresh ones.
        assert_eq!(report[part]["memorisation"]["pixels"]["copied"].is_f64(), part != "real", "{part}: {json}");
    }
    let figure = |part: &str| report[part]["judge_fd"].as_f64().unwrap();
    assert!(figure("real") < figure("copy") && figure("copy") < figure("samples"), "{json}");
    assert!(report["samples"]["conditional_accuracy"].is_f64() && report["gan_train"].is_f64());
    // The classes of the strokes are equally frequent, and so are those that are asked for, nearly.
    assert_eq!(report["gan_train_chance"], 0.1);
    let chance = report["real"]["conditional_chance"].as_f64().unwrap();
    assert!((chance - 0.1).abs() < 0.02, "{chance}");
    assert!(report["samples"]["conditional_chance"].is_f64());
    let table = desk.graft(&format!("evaluate {run} --judge j.safetensors --count 80 -q")).ok();
    let rows: Vec<&str> = table.lines().collect();
    let below = |name: &str| rows[1 + rows.iter().position(|row| row.starts_with(name)).unwrap()];
    assert!(below("class as asked").starts_with("  by chance ") && below("GAN-train").ends_with(" 0.100"), "{table}");

    let with_three = format!("evaluate {run} --judge j.safetensors --judges 3 --count 80 -q");
    let cached = |arguments: &str| {
        let mut command = desk.command();
        command.args(arguments.split_whitespace()).env("GRAFT_CACHE", desk.path("cache"));
        Ended::of(arguments, command.output().unwrap()).ok()
    };
    let of_three: serde_json::Value = serde_json::from_str(&cached(&format!("{with_three} --json"))).unwrap();
    let names = desk.names("cache");
    let starts: Vec<&str> = names.iter().map(|name| name.rsplit_once('-').unwrap().0).collect();
    assert_eq!(starts, ["class-free", "judge", "judge"]);
    for part in ["samples", "real", "copy"] {
        let mut of_one = of_three[part].clone();
        let panel = of_one.as_object_mut().unwrap().remove("panel").unwrap();
        assert_eq!(of_one, report[part], "one judge's figures stay");
        let of = |key: &str| panel[key].as_f64().unwrap();
        let three = [of_one["judge_fd"].as_f64().unwrap(), of("other_seed"), of("other_architecture")];
        let mean = three.iter().sum::<f64>() / 3.0;
        let spread = three.iter().map(|fd| (fd - mean).powi(2)).sum::<f64>() / 2.0;
        assert!((of("mean") - mean).abs() < 1e-9 * mean && (of("deviation").powi(2) - spread).abs() < 1e-9 * spread);
        assert!(of("class_free") > 0.0 && three[0] != three[1] && three[1] != three[2], "{panel}");
    }
    let class_free = |part: &str| of_three[part]["panel"]["class_free"].as_f64().unwrap();
    assert!(class_free("real") < class_free("samples"), "{of_three}");
    let [first, second] = ["other_seed", "other_architecture"].map(|who| of_three["panel"][who]["hash"].clone());
    assert!(first != second && first != of_three["judge"]["hash"] && of_three["panel"]["class_free"].is_string());
    let kept = desk.snapshot();
    let table = cached(&with_three);
    assert!(table.contains("FD of 3 judges, mean") && table.contains("class-free FD"), "{table}");
    assert_eq!(desk.snapshot(), kept, "none is trained again");

    let file = format!("{run}/checkpoints/last.safetensors");
    std::fs::rename(desk.path(&file), desk.path("alone.safetensors")).unwrap();
    desk.refuses(2, "evaluate alone.safetensors", &["--data"]);
    // Its classes are others than those of the data.
    let strange =
        "evaluate alone.safetensors --judge j.safetensors --data idx:images,labels --held-out idx:images,labels -q";
    let ended = desk.graft(strange);
    let said = ended.stderr.lines().last().unwrap();
    assert_eq!(ended.code, Some(1), "{said}");
    assert!(said.contains("the judge knows 10 classes, and idx:images,labels has 0, 1, 2"), "{said}");
    desk.refuses(1, "evaluate nothing", &["there is no nothing"]);
    desk.refuses(
        1,
        "evaluate alone.safetensors --data synthetic:strokes --judge alone.safetensors",
        &["holds no judge", "graft judge"],
    );
}

/// One's own pictures have seldom labels, and are measured all the same.
#[test]
fn commands_measure_by_images_without_labels() {
    let desk = Desk::new();
    const TINY: &str = "--size 16 --features 2 --latent 4 --batch 8 --steps 1 -q";
    desk.graft(&format!("train --data synthetic:strokes {TINY} --d-norm none --subset 60 --out source")).ok();
    for (name, count, seed) in [("own", 80, 1), ("others", 30, 2)] {
        desk.graft(&format!("sample source --count {count} --seed {seed} --format npy --out {name}.npy")).ok();
    }
    const IMAGES: &str = "npy:own.npy --held-out npy:others.npy";
    let said =
        desk.graft("judge --data npy:own.npy --size 16 --steps 4 --width 4 --batch 16 --out j.safetensors -q").ok();
    assert!(said.contains("j.safetensors: learned without labels; hash "), "{said}");

    desk.graft(&format!("transfer --method trgan --source source --target {IMAGES} {TINY} --no-judge --out run")).ok();
    let table = desk.graft("evaluate run --judge j.safetensors -q").ok();
    assert!(table.contains(": trained without labels on 64 images") && table.contains("judge-FD"), "{table}");
    assert!(!table.contains("class distance") && !table.contains("classes:"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&desk.graft("evaluate run --judge j.safetensors --json -q").ok()).unwrap();
    assert_eq!((&json["judge"]["class_free"], &json["judge"]["of_this_data"]), (&true.into(), &true.into()));
    assert!(json["samples"]["class_distance"].is_null() && json["samples"]["class_shares"] == serde_json::json!([]));
    desk.refuses(2, "evaluate run --judges 3 -q", &["three judges tell classes apart", "measure by one"]);

    let images = |run: &str| {
        let file = desk.path(format!("{run}/checkpoints/last.safetensors"));
        Checkpoint::read(&file).unwrap().header["data"]["count"].as_u64().unwrap()
    };
    desk.graft(&format!("transfer --method trgan --source source --target {IMAGES} {TINY} --out measured")).ok();
    assert_eq!(images("measured"), 64, "a fifth is held out for the judge");
    assert!(desk.text("measured/evaluations.jsonl").lines().count() == 2);
    let page = desk.text("measured/report.html");
    assert!(page.contains("The judge learned without labels.") && !page.contains("Share of each class"));

    // A run that was begun when such images were not measured goes on with all of them.
    let config = desk.text("run/config.toml");
    desk.write("run/config.toml", format!("evaluate-every = 1\n{config}").as_bytes());
    let ended = desk.graft("transfer --resume run --steps 2 -q");
    assert!(ended.stderr.contains("begun when images without classes were not measured"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("name other held-out images"), "no advice that does not help: {}", ended.stderr);
    ended.ok();
    assert_eq!(images("run"), 80);
    let seen = desk.graft("evaluate run --judge j.safetensors --split validation --json -q").ok();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&seen).unwrap()["held_out_seen_in_training"], 16);

    let compare = format!(
        "compare --source source --target {IMAGES} {TINY} --subset 20 --seeds 2 --looks 0 --arms scratch,trgan \
         --judge j.safetensors --out compared"
    );
    desk.graft(&compare).ok();
    let page = desk.text("compared/report.html");
    assert!(page.contains("judge learned") && page.contains("without labels"), "the report says how the judge learned");
    desk.refuses(2, &format!("{compare} --judges 3"), &["three judges tell classes apart"]);

    // Labels of other images make a judge, too, and the same command goes on with it.
    desk.graft("judge --data synthetic:strokes --size 16 --steps 2 --width 4 --batch 16 --out other.safetensors -q")
        .ok();
    let by_other = compare.replace("j.safetensors", "other.safetensors").replace("compared", "by-other");
    assert_eq!(desk.graft(&by_other).ok(), desk.graft(&by_other).ok());
}
