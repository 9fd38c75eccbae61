//! `graft transfer`: its folders, what continues or replaces a run, and what it starts from.

use crate::program::{Desk, checkpoint};

const SMALL: &str = "--features 4 --latent 6 --batch 8 --steps 5 --source-steps 4 --feature-steps 4 --no-judge -q";

#[test]
fn the_command_leaves_the_documented_folders_and_resumes() {
    let desk = Desk::new();
    let said = desk.graft(&format!("transfer {SMALL}")).ok();
    assert!(
        said.lines().next().unwrap().starts_with("graft transfer --method ctgan --source synthetic:strokes"),
        "{said}"
    );
    let run = "runs/ctgan-street-0";
    for part in ["", "/source", "/scratch"] {
        assert!(desk.path(checkpoint(&format!("{run}{part}"))).is_file(), "{part}");
    }
    assert_eq!(desk.names(&format!("{run}/samples")), ["pairs_000005.png", "step_000005.png"]);
    assert!(desk.text(format!("{run}/report.html")).contains("Nothing was measured"));
    // What was printed makes the same run.
    let command = said.lines().next().unwrap().strip_prefix("graft ").unwrap().to_string();
    desk.graft(&format!("{command} --out again -q")).ok();
    for part in ["", "/source", "/scratch"] {
        assert!(desk.checkpoint(&format!("{run}{part}")) == desk.checkpoint(&format!("again{part}")), "{part}");
    }
    desk.graft(&format!("transfer --resume {run} -q")).ok();
    desk.graft(&format!("transfer --resume {run} --steps 7 -q")).ok();
    desk.graft(&format!("{command} --steps 7 --out longer -q").replacen("--steps 5 ", "", 1)).ok();
    for part in ["", "/scratch"] {
        assert!(desk.checkpoint(&format!("{run}{part}")) == desk.checkpoint(&format!("longer{part}")), "{part}");
    }
    let before = desk.snapshot();
    let said = desk.graft(&format!("transfer --resume {run} --steps 3 -q")).ok();
    assert!(said.contains("is already at step 7 of 3") && desk.snapshot() == before, "{said}");
    desk.refuses(1, &format!("train --resume {run}"), &["a run of graft transfer", "graft transfer --resume"]);
    desk.graft("train --data idx:images --features 4 --latent 6 --batch 8 --steps 1 -q --out trained").ok();
    desk.refuses(1, "transfer --resume trained", &["a run of graft train", "graft train --resume trained"]);
    // Its networks are the transfer's, with what goes with a batch norm, unless options say others.
    let from = "transfer --source trained --target idx:images --steps 1 --feature-steps 1 --no-judge -q";
    desk.graft(&format!("{from} --out from")).ok();
    let config = desk.text("from/config.toml");
    assert!(
        ["d_norm = \"batch\"", "features = 4", "latent = 6", "loss = \"non-saturating\""]
            .iter()
            .all(|row| config.contains(row))
    );
    let compare = "compare --source trained --target idx:images --steps 1 --subset 8 --seeds 1 --arms trgan \
        --held-out idx:images --judge judge.safetensors";
    desk.graft("judge --data idx:images --size 32 --steps 1 --width 4 -q --out judge.safetensors").ok();
    let plan = desk.graft(&format!("{compare} --out compared --plan")).ok();
    assert!(plan.contains("\n1 runs to go"), "{plan}");
    desk.refuses(1, &format!("{from} --d-norm none --out other"), &["take d-norm batch, loss non-saturating, r1 0"]);
    let said = desk.graft(&format!("transfer --resume {run} --freeze-d 1")).refused(2);
    assert!(said.contains("--freeze-d cannot be changed") && said.contains("--target, --held-out"), "{said}");
    assert!(["--data,", "--profile"].iter().all(|option| !said.contains(option)), "no option that it has not: {said}");
    let source = format!("train --resume {run}/source --steps 99");
    desk.refuses(1, &source, &["is a part of the transfer in", "graft transfer --resume"]);
    desk.refuses(1, &format!("transfer {SMALL} --out {run}"), &["is not empty"]);
    desk.graft(&format!("transfer {SMALL} --steps 5 --out {run} --overwrite").replacen("--steps 5 ", "", 1)).ok();
    assert!(desk.checkpoint(run) == desk.checkpoint("again"), "overwritten");

    desk.graft(&format!("sample {run} --interpolate 5 --count 10 --format npy --out way.npy")).ok();
    desk.refuses(2, &format!("sample {run} --feature-source mix --out x.png"), &["--feature-source needs"]);
    desk.refuses(2, &format!("sample {run} --interpolate 1 --out x.png"), &["--interpolate takes"]);
    desk.refuses(2, "transfer --method dogs", &["trgan-mission", "NAME=METHOD"]);
    desk.refuses(2, "transfer --method tgan --freeze-d 1", &["tgan has no option freeze-d; it is trgan's"]);
}

#[test]
fn samples_of_a_command_run_are_by_class_or_by_features() {
    let desk = Desk::new();
    for (method, options) in [("tgan", "--condition instance"), ("ctgan", "")] {
        let made = "--source synthetic:strokes --target synthetic:street --subset 20";
        desk.graft(&format!("transfer --method {method} {options} {made} {SMALL} --out {method}")).ok();
    }
    let other = "transfer --method tgan --condition instance --source synthetic:strokes --target synthetic:street --subset 20 --seed 1";
    desk.graft(&format!("{other} {SMALL} --out replaced")).ok();
    desk.graft(&format!("{} {SMALL} --out replaced --overwrite", other.replace(" --seed 1", ""))).ok();
    assert!(desk.checkpoint("replaced") == desk.checkpoint("tgan"), "nothing of what was replaced is used");
    let sample = |options: &str| {
        desk.graft(&format!("sample {options} --count 4 --format npy --out out.npy")).ok();
        let bytes = desk.read("out.npy");
        std::fs::remove_file(desk.path("out.npy")).unwrap();
        bytes
    };
    let sources = ["bank", "gaussian", "mix"].map(|source| sample(&format!("tgan --feature-source {source}")));
    assert!(sources[0] != sources[1] && sources[1] != sources[2], "another source gives other features");
    assert!(sources[0] == sample("tgan"), "the bank is the default");
    assert!(sample("ctgan --class 3") != sample("ctgan --class 4"));
    desk.refuses(2, "sample ctgan --class 10 --out x.png", &["classes 0 to 9"]);
}

#[test]
fn another_run_takes_the_place_of_all_phases_of_one_before() {
    let desk = Desk::new();
    let made = "--source synthetic:strokes --target synthetic:street --subset 20";
    let small = SMALL.replace("--batch 8 ", "");
    for (method, learned) in [("tgan --extractor autoencoder", "features"), ("ctgan", "classifier")] {
        let transfer = |options: &str| format!("transfer --method {method} {made} {small} {options}");
        desk.graft(&transfer("--batch 8 --seed 1 --out run --overwrite")).ok();
        desk.graft(&transfer("--batch 6 --out run --overwrite")).ok();
        desk.graft(&transfer("--batch 6 --out fresh --overwrite")).ok();
        for part in [learned, "source", ""] {
            let (run, fresh) = (format!("run/{part}"), format!("fresh/{part}"));
            assert!(desk.checkpoint(&run) == desk.checkpoint(&fresh), "{method}: {part}");
        }
    }
    // A method that learns less leaves no phase behind that would count as lost.
    for method in ["trgan", "scratch"] {
        desk.graft(&format!("transfer --method {method} {made} {SMALL} --out run --overwrite")).ok();
        assert!(!desk.path("run/classifier").exists() && desk.path("run/source").exists() == (method == "trgan"));
        desk.graft("transfer --resume run --steps 7 -q").ok();
    }
}

#[test]
fn every_method_starts_from_a_checkpoint_in_its_runs_folder() {
    let desk = Desk::new();
    desk.graft("train --data synthetic:strokes --subset 40 --channels 3 --conditional --features 4 --latent 8 --batch 8 --steps 3 --r1 1 --d-norm none -q --out source").ok();
    desk.graft("train --data synthetic:strokes --subset 40 --channels 3 --features 4 --latent 8 --batch 8 --steps 3 --r1 1 --d-norm none -q --out plain").ok();
    let made = "--target synthetic:street --subset 20 --features 4 --latent 8 --batch 8 --steps 2 --feature-steps 2 --no-judge -q";
    for (method, source) in [("trgan", "plain"), ("tgan", "plain"), ("ctgan", "source")] {
        let source = format!("{source}/checkpoints/last.safetensors");
        desk.graft(&format!("transfer --method {method} --source {source} {made} --out {method}")).ok();
        assert!(!desk.path(format!("{method}/source")).exists(), "{method} trains no source");
    }
    let sentence = desk.graft(&format!("transfer --method ctgan --source plain {made} --out x")).refused(1);
    assert!(sentence.contains("train conditional ones"), "{sentence}");
    assert!(!desk.path("x").exists(), "a run that was refused leaves its place free");
    std::fs::copy(desk.path("plain/checkpoints/last.safetensors"), desk.path("alone.safetensors")).unwrap();
    desk.refuses(2, &format!("transfer --method tgan --source alone.safetensors {made} --out y"), &["no run's folder"]);
    assert!(!desk.path("y").exists(), "refused before anything is written");
    let compare = "compare --source alone.safetensors --target synthetic:street --arms scratch,tgan --plan";
    desk.refuses(2, compare, &["no run's folder"]);
    desk.refuses(
        2,
        &format!("transfer --method trgan --source plain --source-style none {made} --out z"),
        &["--source-style"],
    );
    desk.refuses(2, &format!("transfer --method scratch --scratch {made} --out z"), &["leave one of the two out"]);
}
