//! Runs that go on: under signals that are ignored, where a checkpoint is gone, and elsewhere than where they began.

use graft::Checkpoint;

use crate::program::{Desk, TRAIN, checkpoint};

const SMALL: &str = "--features 4 --latent 6 --batch 8 --steps 6 --source-steps 4 --feature-steps 4 --no-judge -q";

#[test]
#[cfg(unix)]
fn signals_that_were_ignored_stay_ignored() {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let desk = Desk::new();
    let steps = 200;
    // Where the test itself was begun with signals ignored, a shell cannot heed them: TERM is the one that hardly ever is.
    for (ignored, sent, goes_on) in
        [("HUP", "HUP", true), ("INT", "INT", true), ("TERM", "TERM", true), ("HUP", "TERM", false)]
    {
        let run = format!("{ignored}-{sent}");
        let mut command = Command::new("sh");
        let script =
            format!("trap '' {ignored}; exec \"$GRAFT\" {TRAIN} --checkpoint-every 1 --steps {steps} --out {run}");
        command.args(["-c", &script]).env("GRAFT", env!("CARGO_BIN_EXE_graft")).current_dir(desk.path(""));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while !desk.path(checkpoint(&run)).exists() {
            assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
            std::thread::sleep(Duration::from_millis(2));
        }
        desk.shell(&format!("kill -{sent} {}", child.id())).ok();
        let ended = crate::program::Ended::of(&run, child.wait_with_output().unwrap());
        assert_eq!(ended.stderr.contains("stopping after this step"), !goes_on, "{run}: {}", ended.stderr);
        let said = ended.ok();
        assert_eq!(said.contains(&format!("{run}: {steps} steps")), goes_on, "{run}: {said}");
    }
}

#[test]
fn a_run_whose_checkpoint_is_gone_is_refused_and_keeps_what_it_has() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 4 --checkpoint-every 2 --out run")).ok();
    std::fs::remove_dir_all(desk.path("run/checkpoints")).unwrap();
    let says = ["run/checkpoints/last.safetensors is gone", "put it back or remove run to begin it anew"];
    for command in ["train --resume run", "train --resume run --steps 9", "sample run"] {
        desk.refuses(1, command, &says);
    }
    // As version 0.1 left it: its losses tell.
    std::fs::remove_file(desk.path("run/begun")).unwrap();
    desk.refuses(1, "train --resume run", &[&says[..], &["metrics.jsonl is at step 4"]].concat());
    // It may have died just before its first checkpoint was written.
    let lines = desk.text("run/metrics.jsonl");
    desk.write("run/metrics.jsonl", lines.lines().take(2).flat_map(|line| [line, "\n"]).collect::<String>().as_bytes());
    let said = desk.graft("train --resume run -q").ok();
    assert!(said.contains("begins again at step 0"), "{said}");
    desk.graft(&format!("{TRAIN} --steps 4 --checkpoint-every 2 --out unbroken")).ok();
    assert!(desk.checkpoint("run") == desk.checkpoint("unbroken"));
}

#[test]
fn a_first_checkpoint_whose_process_died_before_it_took_its_place_takes_it() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 4 --out run")).ok();
    let checkpoints = desk.path("run/checkpoints");
    let left = checkpoints.join(".last.safetensors.4194305.tmp");
    std::fs::rename(checkpoints.join("last.safetensors"), &left).unwrap();
    desk.graft("train --resume run --steps 6 -q").ok();
    desk.graft(&format!("{TRAIN} --steps 6 --out unbroken")).ok();
    assert!(desk.checkpoint("run") == desk.checkpoint("unbroken"));
    assert_eq!(desk.names("run/checkpoints"), ["last.safetensors"]);
    // One that is not whole is none.
    std::fs::remove_file(checkpoints.join("last.safetensors")).unwrap();
    std::fs::write(&left, b"half").unwrap();
    desk.refuses(1, "train --resume run", &["is gone"]);
}

#[test]
fn a_transfer_refuses_the_gone_checkpoint_of_every_phase() {
    let desk = Desk::new();
    let made = "--source idx:images,labels --target idx:images,labels";
    for (method, phase) in [("ctgan", "classifier"), ("tgan --extractor contrastive", "features")] {
        let run = method.split(' ').next().unwrap();
        desk.graft(&format!("transfer --method {method} {made} {SMALL} --scratch --out {run}")).ok();
        for part in ["", "/source", &format!("/{phase}"), "/scratch"] {
            let path = desk.path(checkpoint(&format!("{run}{part}")));
            let bytes = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            let says = [&*format!("{run}{part}/checkpoints/last.safetensors is gone"), "put it back or remove"];
            desk.refuses(1, &format!("transfer --resume {run} --steps 8"), &says);
            if part == format!("/{phase}") {
                // As version 0.1 left it: the target's training shows that the phase had ended.
                let mark = desk.path(format!("{run}{part}/begun"));
                let words = std::fs::read(&mark).unwrap();
                std::fs::remove_file(&mark).unwrap();
                desk.refuses(1, &format!("transfer --resume {run} --steps 8"), &says);
                std::fs::write(&mark, words).unwrap();
            }
            std::fs::write(&path, bytes).unwrap();
        }
        desk.graft(&format!("transfer --resume {run} --steps 8 -q")).ok();
    }
}

/// Moves files of a desk into a folder of it.
fn move_into(desk: &Desk, folder: &str, names: &[&str]) {
    std::fs::create_dir_all(desk.path(folder)).unwrap();
    for name in names {
        std::fs::rename(desk.path(name), desk.path(folder).join(name)).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn a_run_goes_on_from_any_working_folder() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 3 --out run")).ok();
    desk.graft(&format!("{TRAIN} --steps 5 --out unbroken")).ok();
    let config: toml::Table = desk.text("run/config.toml").parse().unwrap();
    let here = std::fs::canonicalize(desk.path("")).unwrap().display().to_string();
    assert_eq!(config["data"].as_str(), Some(&*format!("idx:{here}/images,{here}/labels")));
    desk.shell("mkdir else && cd else && graft train --resume ../run --steps 5 -q").ok();
    assert!(desk.checkpoint("run") == desk.checkpoint("unbroken"));

    let transfer = format!("transfer --method trgan --source run --target idx:images,labels {SMALL}")
        .replace("--latent 6", "--latent 8 --d-norm batch --loss non-saturating --r1 0");
    desk.graft(&format!("{transfer} --out grafted")).ok();
    desk.shell("cd else && graft transfer --resume ../grafted --steps 8 -q").ok();
    desk.graft(&format!("{transfer} --out whole").replace("--steps 6", "--steps 8")).ok();
    assert!(desk.checkpoint("grafted") == desk.checkpoint("whole"));
}

#[test]
fn a_run_whose_images_were_moved_goes_on_and_one_whose_images_were_changed_says_so() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 3 --out run")).ok();
    desk.graft(&format!("{TRAIN} --steps 5 --out unbroken")).ok();
    desk.graft(&format!("{TRAIN} --steps 6 --out before")).ok();
    move_into(&desk, "moved", &["images", "labels"]);
    desk.refuses(
        1,
        "train --resume run --steps 5",
        &["there is no", "images any more", "where it lies now with --data"],
    );
    desk.refuses(2, "train --resume run --data mnst:x", &["mnst"]);
    desk.graft("train --resume run --data idx:moved/images,moved/labels --steps 5 -q").ok();
    assert!(desk.checkpoint("run") == desk.checkpoint("unbroken"));
    // It remembers the place.
    desk.graft("train --resume run --steps 6 -q").ok();
    assert!(desk.checkpoint("run") == desk.checkpoint("before"));

    let mut images = crate::program::images();
    *images.last_mut().unwrap() ^= 1;
    desk.write("moved/images", &images);
    let says = ["images were added, removed or changed", "48 then, 48 now", "put the images back", "--data-changed"];
    desk.refuses(1, "train --resume run --steps 8", &says);
    desk.refuses(2, &format!("{TRAIN} --data-changed"), &["--resume"]);
    let ended = desk.graft("train --resume run --steps 8 --data-changed -q");
    assert!(ended.stderr.contains("the images have changed since step 6"), "{}", ended.stderr);
    ended.ok();
    let earlier = Checkpoint::read(&desk.path(checkpoint("run"))).unwrap().header["earlier_data"].clone();
    assert_eq!(
        (&earlier[0]["until"], &earlier[0]["count"], earlier.as_array().unwrap().len()),
        (&6.into(), &48.into(), 1)
    );
    // From here on these are its images.
    desk.graft("train --resume run --steps 9 -q").ok();
    assert_eq!(Checkpoint::read(&desk.path(checkpoint("run"))).unwrap().header["earlier_data"], earlier);
}

#[test]
fn a_transfer_whose_images_were_moved_goes_on_where_they_are_the_same() {
    let desk = Desk::new();
    for name in ["source", "target"] {
        std::fs::create_dir(desk.path(name)).unwrap();
        desk.write(&format!("{name}/labels"), &crate::program::labels());
    }
    let mut images = crate::program::images();
    desk.write("source/images", &images);
    images[16..].reverse();
    desk.write("target/images", &images);
    let spec = |folder: &str| format!("idx:{folder}/images,{folder}/labels");
    for method in ["ctgan", "tgan"] {
        let begin = format!(
            "transfer --method {method} --source {} --target {} {SMALL} --scratch",
            spec("source"),
            spec("target")
        );
        desk.graft(&format!("{begin} --out {method}")).ok();
        desk.graft(&format!("{begin} --out {method}-whole").replace("--steps 6", "--steps 8")).ok();
    }
    for name in ["source", "target"] {
        std::fs::rename(desk.path(name), desk.path(format!("{name}-moved"))).unwrap();
    }
    for method in ["ctgan", "tgan"] {
        let resume = format!("transfer --resume {method} --steps 8 -q");
        desk.refuses(1, &resume, &["the run's source", "with --source"]);
        let (source, target) = (spec("source-moved"), spec("target-moved"));
        desk.refuses(1, &format!("{resume} --source {source}"), &["the run's target", "with --target"]);
        // One in the other's place.
        desk.refuses(
            1,
            &format!("{resume} --source {target} --target {target}"),
            &["learned from other images than the source has now"],
        );
        desk.refuses(
            1,
            &format!("{resume} --source {source} --target {source}"),
            &["learned from other images than the target has now"],
        );
        desk.graft(&format!("{resume} --source {source} --target {target}")).ok();
        for part in ["", "/scratch"] {
            assert!(
                desk.checkpoint(&format!("{method}{part}")) == desk.checkpoint(&format!("{method}-whole{part}")),
                "{method}{part}"
            );
        }
    }
    // Images that changed: what was learned of the source stays as it was.
    images[20] ^= 1;
    desk.write("target-moved/images", &images);
    for method in ["ctgan", "tgan"] {
        let resume = format!("transfer --resume {method} --steps 10 -q");
        desk.refuses(1, &resume, &["learned from other images than the target has now", "--data-changed"]);
        let source = desk.checkpoint(&format!("{method}/source"));
        desk.graft(&format!("{resume} --data-changed")).ok();
        let header = Checkpoint::read(&desk.path(checkpoint(method))).unwrap().header;
        assert_eq!((&header["step"], &header["earlier_data"][0]["until"]), (&10.into(), &8.into()));
        assert!(desk.checkpoint(&format!("{method}/source")) == source);
    }
}

#[test]
fn a_comparison_goes_on_where_its_images_were_moved_and_not_with_others() {
    let desk = crate::compare::desk();
    let compare = |source: &str, target: &str, seeds: usize| {
        format!(
            "compare --source {source} --target mnist:{target} --arms scratch,trgan --subset 12 --seeds {seeds} --steps 4 --source-steps 4 \
             --looks 0 --features 4 --latent 6 --batch 8 --judge judge.safetensors -q --out all"
        )
    };
    desk.graft(&compare("idx:images,labels", "target", 1)).ok();
    std::fs::rename(desk.path("target"), desk.path("moved")).unwrap();
    std::fs::create_dir(desk.path("others")).unwrap();
    for name in desk.names("moved") {
        let mut bytes = desk.read(format!("moved/{name}"));
        if name == "train-images-idx3-ubyte" {
            bytes[16..].iter_mut().for_each(|byte| *byte ^= 1);
        }
        desk.write(&format!("others/{name}"), &bytes);
    }
    let mut images = crate::program::images();
    images[16..].reverse();
    desk.write("source", &images);
    let says = ["was begun with target", "which holds other images"];
    desk.refuses(1, &compare("idx:images,labels", "others", 2), &says);
    desk.refuses(1, &compare("idx:source,labels", "moved", 2), &["was begun with source", "which holds other images"]);
    move_into(&desk, "elsewhere", &["images", "labels"]);
    desk.graft(&compare("idx:elsewhere/images,elsewhere/labels", "moved", 2)).ok();
    let comparison: serde_json::Value = serde_json::from_slice(&desk.read("all/compare.json")).unwrap();
    let ended = comparison["cells"].as_array().unwrap().iter().filter(|cell| !cell["record"].is_null()).count();
    assert_eq!(ended, 4, "{comparison}");
    // In their own place they may have changed, too.
    let again = compare("idx:elsewhere/images,elsewhere/labels", "moved", 3);
    for (file, at, what) in [
        ("elsewhere/images", 20, "the source"),
        ("moved/train-images-idx3-ubyte", 20, "the target"),
        ("moved/t10k-images-idx3-ubyte", 20, "what figures are measured on"),
    ] {
        let whole = desk.read(file);
        let mut other = whole.clone();
        other[at] ^= 1;
        desk.write(file, &other);
        desk.refuses(1, &again, &[what, "has other images now than when the comparison began", "put the images back"]);
        desk.write(file, &whole);
    }
    desk.graft(&again).ok();

    // An arm's own source is one, too, and held-out images may lie elsewhere as all others may.
    let own =
        again.replace("scratch,trgan", "own=trgan{source=idx:own,elsewhere/labels}").replace("--out all", "--out arms");
    let with = |held_out: &str| format!("{own} --held-out idx:{held_out},moved/t10k-labels-idx1-ubyte");
    desk.write("own", &desk.read("elsewhere/images"));
    desk.write("held", &desk.read("moved/t10k-images-idx3-ubyte"));
    desk.graft(&with("held").replace("--seeds 3", "--seeds 1")).ok();
    std::fs::rename(desk.path("held"), desk.path("held-elsewhere")).unwrap();
    desk.graft(&with("held-elsewhere").replace("--seeds 3", "--seeds 2")).ok();
    desk.write("own", &images);
    let says = ["the source of the arm own", "has other images now than when the comparison began"];
    desk.refuses(1, &with("held-elsewhere"), &says);
}

#[test]
#[cfg(unix)]
fn a_signal_that_comes_twice_at_once_is_one() {
    use std::process::Stdio;
    use std::time::Duration;

    let desk = Desk::new();
    let mut command = desk.command();
    command.args(TRAIN.split_whitespace()).args(["--checkpoint-every", "100000", "--steps", "100000", "--out", "run"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !desk.path("run/metrics.jsonl").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
    // As `timeout` does: to the process, and to its group.
    desk.shell(&format!("kill -TERM {0}; kill -TERM {0} 2>/dev/null; true", child.id())).ok();
    let said = crate::program::Ended::of("run", child.wait_with_output().unwrap()).ok();
    assert!(said.contains("continue with: graft train --resume run"), "{said}");
    assert!(desk.path(checkpoint("run")).exists());
}

#[test]
fn a_damaged_checkpoint_of_any_part_is_refused_before_anything_is_done() {
    let desk = Desk::new();
    let made = "--source idx:images,labels --target idx:images,labels";
    desk.graft(&format!("transfer --method ctgan {made} {SMALL} --scratch --out run")).ok();
    for part in ["scratch", "source", "classifier"] {
        let file = desk.path(checkpoint(&format!("run/{part}")));
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let before = desk.snapshot();
        desk.refuses(1, "transfer --resume run --steps 9", &[&format!("run/{part}/checkpoints/last.safetensors")]);
        assert!(desk.snapshot() == before, "{part}");
        std::fs::write(&file, &whole).unwrap();
    }
    desk.graft("transfer --resume run --steps 9 -q").ok();
}

#[test]
fn a_source_is_of_the_kind_and_the_networks_that_it_was() {
    let desk = Desk::new();
    let gan = "--data idx:images,labels --features 4 --latent 6 --batch 8 --loss r3gan --d-norm none --size 32 -q";
    desk.graft(&format!("train {gan} --steps 4 --keep-every 4 --out gan")).ok();
    let made = "--source gan --target idx:images,labels --features 4 --latent 6 --batch 8 --steps 4 --no-judge -q";
    desk.graft(&format!("transfer --method trgan {made} --out run")).ok();
    desk.graft("translate run --out before.png -q").ok();
    desk.refuses(2, "transfer --resume run --source idx:images,labels --steps 6", &["another kind of source"]);
    desk.graft("train --resume gan --steps 6 -q").ok();
    for changed in ["", " --data-changed"] {
        let resume = format!("transfer --resume run --steps 6{changed}");
        desk.refuses(1, &resume, &["begun with other networks than", "gan has now", "name its place as the source"]);
    }
    desk.refuses(1, "translate run --out after.png", &["gan holds other networks now than those that run began with"]);
    desk.graft("transfer --resume run --source gan@4 --steps 6 -q").ok();
    // One that lies elsewhere now is the same.
    std::fs::rename(desk.path("gan"), desk.path("moved")).unwrap();
    desk.graft("transfer --resume run --source moved@4 --steps 8 -q").ok();
    // A checkpoint by its step is one, too.
    desk.graft("translate run --out after.png -q").ok();
}

#[test]
fn changed_images_of_a_source_are_kept_and_so_is_a_finished_runs_new_place() {
    let desk = Desk::new();
    desk.write("source", &crate::program::images());
    let made = "--source idx:source,labels --target idx:images,labels";
    desk.graft(&format!("transfer --method ctgan {made} {SMALL} --out run")).ok();
    let mut images = crate::program::images();
    images[30] ^= 1;
    desk.write("source", &images);
    desk.refuses(1, "transfer --resume run --steps 8", &["learned from other images than the source has now"]);
    let said = desk.graft("transfer --resume run --steps 8 --data-changed -q").ok();
    assert!(said.contains("the images have changed since step 4"), "{said}");
    // From here on these are its images; others are not.
    assert!(desk.text("run/config.toml").contains("source-changed"));
    desk.graft("transfer --resume run --steps 9 -q").ok();
    images[31] ^= 1;
    desk.write("source", &images);
    desk.refuses(1, "transfer --resume run --steps 10", &["learned from other images than the source has now"]);

    desk.graft(&format!("{TRAIN} --steps 3 --out done")).ok();
    move_into(&desk, "moved", &["images", "labels"]);
    desk.graft("train --resume done --data idx:moved/images,moved/labels -q").ok();
    assert!(desk.text("done/config.toml").contains("moved/images"));
}

#[test]
fn a_class_that_came_since_a_run_began_stops_conditional_networks_alone() {
    let desk = Desk::new();
    for (class, count) in [("ant", 6), ("bee", 6)] {
        std::fs::create_dir_all(desk.path(format!("own/{class}"))).unwrap();
        for number in 0..count {
            let picture =
                image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([(x * y + number) as u8, x as u8, number as u8]));
            picture.save(desk.path(format!("own/{class}/{number}.png"))).unwrap();
        }
    }
    let train = "train --data folder:own --features 4 --latent 6 --batch 4 --size 32 --steps 2 -q";
    desk.graft(&format!("{train} --out plain")).ok();
    desk.graft(&format!("{train} --conditional --out conditional")).ok();
    std::fs::create_dir_all(desk.path("own/cat")).unwrap();
    std::fs::copy(desk.path("own/ant/0.png"), desk.path("own/cat/0.png")).unwrap();
    desk.refuses(1, "train --resume plain --steps 3", &["had the classes ant, bee when the run began"]);
    desk.graft("train --resume plain --steps 3 --data-changed -q").ok();
    desk.graft("train --resume plain --steps 4 -q").ok();
    desk.refuses(1, "train --resume conditional --steps 3 --data-changed", &["had the classes ant, bee"]);
}

#[test]
fn run_folders_of_version_0_1_are_opened_and_go_on() {
    let desk = Desk::new();
    desk.shell(&format!("cp -r {}/tests/version-0.1/* .", env!("CARGO_MANIFEST_DIR"))).ok();
    for run in ["train", "transfer"] {
        desk.graft(&format!("sample {run} --count 4 --out {run}.png")).ok();
        desk.graft(&format!("sample {run}@4 --count 4 --out {run}-4.png")).ok();
        desk.graft(&format!("export {run} --format pytorch --out {run}-pytorch")).ok();
        desk.graft(&format!("export {run} --format onnx --out {run}-onnx")).ok();
        desk.graft(&format!("invert {run} {run}.png --steps 2 --out {run}-inverted")).ok();
        desk.graft(&format!("{run} --resume {run} --steps 6 -q")).ok();
        assert_eq!(desk.text(format!("{run}/metrics.jsonl")).lines().count(), 6);
        desk.graft(&format!("report {run}")).ok();
        let footer = format!("graft {}", env!("CARGO_PKG_VERSION"));
        assert!(desk.text(format!("{run}/report.html")).contains(&footer), "{run}");
        desk.graft(&format!("sample {run}@6 --count 4 --out {run}-6.png")).ok();
    }
    desk.graft("translate transfer --out pairs -q").ok();
    let from = "transfer --source transfer/source --target synthetic:street --subset 20 --steps 2 --no-judge -q";
    // What 0.1 trained with a penalty has no batch norm in its discriminator, as sources have today.
    desk.graft(&format!("{from} --method trgan --features 1 --latent 2 --batch 4 --out trgan")).ok();
    let of_train = from.replace("transfer/source", "train");
    let says = ["its d-norm is batch, the target's none", "take d-norm batch, loss non-saturating, r1 0"];
    desk.refuses(1, &format!("{of_train} --method trgan --d-norm none --out other"), &says);
    desk.graft(&format!("{of_train} --method trgan --batch 4 --out other")).ok();
    desk.refuses(1, "predict train --data synthetic:street --out labels.csv", &["holds no trained classifier"]);
}
