//! Checkpoints that stay, the best on validation, how commands name them, and runs that are given their time.

use graft::Checkpoint;
use serde_json::Value as Json;

use crate::program::{Desk, Ended, TRAIN};

fn step(desk: &Desk, checkpoint: &str) -> u64 {
    Checkpoint::read(&desk.path(checkpoint)).unwrap().header["step"].as_u64().unwrap()
}

#[test]
fn checkpoints_stay_by_step_and_are_named_by_it() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 8 --checkpoint-every 2 --keep 2 --out latest")).ok();
    let names = |run: &str| desk.names(&format!("{run}/checkpoints"));
    assert_eq!(names("latest"), ["last.safetensors", "step_000006.safetensors", "step_000008.safetensors"]);
    desk.graft(&format!("{TRAIN} --steps 8 --checkpoint-every 5 --keep-every 3 --out every")).ok();
    assert_eq!(names("every"), ["last.safetensors", "step_000003.safetensors", "step_000006.safetensors"]);
    assert!(desk.checkpoint("latest") == desk.checkpoint("every"), "what is kept changes nothing");
    desk.graft(&format!("{TRAIN} --steps 3 --out short")).ok();
    assert!(desk.read("every/checkpoints/step_000003.safetensors") == desk.checkpoint("short"), "the whole state");
    // A run that was split keeps the same.
    desk.graft(&format!("{TRAIN} --steps 5 --checkpoint-every 2 --keep-every 3 --out split")).ok();
    desk.graft("train --resume split --steps 8 -q").ok();
    assert_eq!(names("split"), names("every"));
    desk.graft("train --resume latest --steps 12 -q").ok();
    assert_eq!(names("latest"), ["last.safetensors", "step_000010.safetensors", "step_000012.safetensors"]);

    let sample = |named: &str| {
        desk.graft(&format!("sample {named} --count 2 --format npy --out out.npy")).ok();
        let bytes = desk.read("out.npy");
        std::fs::remove_file(desk.path("out.npy")).unwrap();
        bytes
    };
    assert!(sample("every@3") == sample("short") && sample("every@3") != sample("every@6"));
    assert!(sample("every@8") == sample("every") && sample("every@last") == sample("every"));
    assert!(sample("every/checkpoints/step_000003.safetensors") == sample("short"));
    desk.graft("export every@3 --out exported").ok();
    desk.graft("invert every@3 idx:images --count 1 --steps 1 -q --out found").ok();
    desk.graft("report every@3").ok();
    let transfer = "transfer --method trgan --target idx:images,labels --features 4 --latent 8 --batch 8 --steps 2 --no-judge -q \
        --loss non-saturating --r1 0 --d-norm batch";
    desk.graft(&format!("{transfer} --source every@3 --out of-step")).ok();
    desk.graft(&format!("{transfer} --source short --out of-short")).ok();
    assert!(desk.checkpoint("of-step") == desk.checkpoint("of-short"));
    desk.refuses(1, "sample every@4", &["every has no checkpoint 4", "it has 3, 6, 8"]);
    desk.refuses(1, "sample every@best", &["every has no checkpoint best"]);
    desk.refuses(1, "sample gone@3", &["there is no gone@3"]);
    desk.refuses(2, &format!("{TRAIN} --keep 2 --keep-every 2"), &["--keep"]);
    desk.refuses(2, "train --resume every --keep 2", &["--keep cannot be changed"]);
    // A path that exists is what it is.
    std::fs::rename(desk.path("short"), desk.path("every@3")).unwrap();
    desk.graft("train --resume every@3 --steps 4 -q").ok();
    assert!(sample("every@3") != sample("every@3/checkpoints/../../every/checkpoints/step_000003.safetensors"));

    desk.graft(&format!("{TRAIN} --steps 2 --out every --overwrite")).ok();
    assert_eq!(names("every"), ["last.safetensors"]);
}

#[test]
fn the_best_on_validation_stays_and_is_shown() {
    let desk = crate::compare::desk();
    let graft = |arguments: &str| {
        let mut graft = desk.command();
        graft.args(arguments.split_whitespace()).env("GRAFT_CACHE", desk.path("cache"));
        Ended::of(arguments, graft.output().unwrap())
    };
    let small = "--features 4 --latent 6 --batch 8 --seed 3 -q";
    let train = format!("train --data mnist:target {small} --evaluate-every 3");
    graft(&format!("{train} --steps 8 --out run")).ok();
    let points = |run: &str| -> Vec<Json> {
        desk.text(format!("{run}/evaluations.jsonl")).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let best = |run: &str| {
        let trained: Vec<(u64, f64)> = points(run)
            .iter()
            .map(|point| (point["step"].as_u64().unwrap(), point["validation_fd"].as_f64().unwrap()))
            .filter(|(step, _)| *step > 0)
            .collect();
        trained.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
    };
    let steps = |run: &str| points(run).iter().map(|point| point["step"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(steps("run"), [0, 3, 6, 8]);
    assert_eq!(step(&desk, "run/checkpoints/best.safetensors"), best("run"));
    assert!(desk.text("run/report.html").contains(&format!("Best on validation at step {}.", best("run"))));
    graft("sample run@best --count 2 --out best.png").ok();
    // The block is held out.
    let count = |run: &str| {
        Checkpoint::read(&desk.path(format!("{run}/checkpoints/last.safetensors"))).unwrap().header["data"]["count"]
            .clone()
    };
    assert_eq!(count("run"), 96);
    graft(&format!("{train} --steps 3 --out split")).ok();
    graft("train --resume split --steps 8 -q").ok();
    assert!(desk.checkpoint("split") == desk.checkpoint("run") && points("split") == points("run"));
    let [of_split, of_run] = ["split", "run"].map(|run| desk.read(format!("{run}/checkpoints/best.safetensors")));
    assert!(of_split == of_run);
    // A process can die between the last checkpoint and what its step is looked at for.
    let whole: Vec<(&str, Vec<u8>)> = ["evaluations.jsonl", "checkpoints/best.safetensors", "samples/step_000008.png"]
        .map(|file| (file, desk.read(format!("run/{file}"))))
        .into();
    let best_is_last = best("run") == 8;
    let points_before: String =
        desk.text("run/evaluations.jsonl").lines().take(3).flat_map(|line| [line, "\n"]).collect();
    desk.write("run/evaluations.jsonl", points_before.as_bytes());
    if best_is_last {
        std::fs::remove_file(desk.path("run/checkpoints/best.safetensors")).unwrap();
    }
    for file in ["samples/step_000008.png", "report.html"] {
        std::fs::remove_file(desk.path(format!("run/{file}"))).unwrap();
    }
    let said = graft("train --resume run").ok();
    assert!(said.contains("run is already at step 8 of 8"), "{said}");
    for (file, before) in whole {
        assert!(desk.read(format!("run/{file}")) == before, "{file}");
    }
    assert!(desk.path("run/report.html").is_file());
    // One that was to go further ends where it was stopped.
    desk.write("run/config.toml", desk.text("run/config.toml").replace("\nsteps = 8", "\nsteps = 90").as_bytes());
    graft("train --resume run --steps 8").ok();
    assert!(desk.text("run/config.toml").contains("\nsteps = 8\n"));
    graft(&format!("train --data mnist:target {small} --steps 2 --out plain")).ok();
    assert_eq!(count("plain"), 120);

    let transfer = "transfer --method trgan --source run@best --target mnist:target --features 4 --latent 6 --batch 8 -q \
        --loss non-saturating --r1 0 --d-norm batch --steps 5 --evaluate-every 2 --scratch --out grafted";
    graft(transfer).ok();
    for part in ["grafted", "grafted/scratch"] {
        assert_eq!(steps(part), [0, 2, 4, 5], "{part}");
        assert_eq!(step(&desk, &format!("{part}/checkpoints/best.safetensors")), best(part), "{part}");
    }
    desk.refuses(
        1,
        "train --data idx:images --evaluate-every 2 --steps 2 --features 4",
        &["--evaluate-every has too little to measure by"],
    );
}

#[test]
fn a_run_ends_when_its_time_is_over_and_goes_on() {
    let desk = Desk::new();
    for (command, name) in [
        (format!("{TRAIN} --steps 1000000 --minutes 0.01 --out run"), "train"),
        (
            "transfer --source idx:images,labels --target idx:images,labels --no-judge --source-steps 1000000 --features 4 --latent 8 --batch 8 -q \
             --minutes 0.01 --out grafted"
                .to_string(),
            "transfer",
        ),
    ] {
        let ended = desk.graft(&command);
        assert!(ended.stderr.contains("the time is over: stopping after this step"), "{}", ended.stderr);
        let said = ended.ok();
        assert!(said.contains(&format!("continue with: graft {name} --resume ")), "{said}");
    }
    let reached = step(&desk, "run/checkpoints/last.safetensors");
    let ended = desk.graft("train --resume run --minutes 0.005 -q");
    assert!(ended.ok().contains("stopped at step "));
    assert!(step(&desk, "run/checkpoints/last.safetensors") > reached);
    for wrong in ["0", "-1", "soon", "inf"] {
        desk.refuses(2, &format!("{TRAIN} --minutes={wrong}"), &["--minutes"]);
    }
}
