//! Runs that go on: under signals that are ignored, where a checkpoint is gone, and elsewhere than where they began.

use crate::program::{Desk, TRAIN, checkpoint};

const SMALL: &str = "--features 4 --latent 6 --batch 8 --steps 6 --source-steps 4 --feature-steps 4 --no-judge -q";

#[test]
#[cfg(unix)]
fn signals_that_were_ignored_stay_ignored() {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let desk = Desk::new();
    let steps = 200;
    for (ignored, sent, goes_on) in
        [("HUP", "HUP", true), ("INT", "INT", true), ("TERM", "TERM", true), ("HUP", "INT", false)]
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
