//! What a run goes through: killed at any moment, a disk that is full, numbers that are no longer finite.

use graft::Checkpoint;
use serde_json::Value as Json;

use crate::program::{Desk, TRAIN, checkpoint};

/// The objects of a run's `metrics.jsonl` without what depends on the clock.
fn losses(desk: &Desk, run: &str) -> Vec<Json> {
    let lines = desk.text(format!("{run}/metrics.jsonl"));
    let timeless = |line: &str| {
        let mut line: Json = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("seconds").unwrap();
        line
    };
    lines.lines().map(timeless).collect()
}

fn header(desk: &Desk, run: &str) -> serde_json::Map<String, Json> {
    Checkpoint::read(&desk.path(checkpoint(run))).unwrap().header
}

fn step(desk: &Desk, run: &str) -> u64 {
    header(desk, run)["step"].as_u64().unwrap()
}

/// Fails unless two runs left the same bits at the same step, each step's losses once.
#[track_caller]
fn assert_same(desk: &Desk, one: &str, other: &str) {
    let steps = step(desk, one);
    assert!(desk.checkpoint(one) == desk.checkpoint(other), "the checkpoints of {one} and {other} differ");
    // A run that was stopped drew where it stood, too.
    for picture in desk.names(&format!("{one}/samples")) {
        let drawn = [one, other].map(|run| desk.read(format!("{run}/samples/{picture}")));
        assert!(drawn[0] == drawn[1], "{picture} of {one} and {other} differ");
    }
    assert!(desk.path(format!("{one}/samples/step_{steps:06}.png")).exists());
    assert_eq!(losses(desk, one), losses(desk, other), "the losses of {one} and {other}");
    let listed: Vec<u64> = losses(desk, one).iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(listed, (1..=steps).collect::<Vec<_>>(), "each step once");
}

#[test]
#[cfg(unix)]
fn a_run_that_is_killed_thirty_times_ends_with_the_same_bytes() {
    use std::time::{Duration, Instant};

    use graft::random::{Purpose, generator};
    use rand::RngExt;

    const KILLS: usize = 30;
    const SHORTEST: Duration = Duration::from_millis(200);
    let desk = Desk::new();
    // Checkpoints and pictures so often that many deaths meet their writing.
    let often = "--checkpoint-every 3 --sample-every 5";
    // Deaths from before the first step to some checkpoints later, on a busy machine, too.
    let start = Instant::now();
    desk.graft(&format!("{TRAIN} {often} --steps 3 --out paced")).ok();
    let longest = 2 * start.elapsed().max(SHORTEST);
    let mut random = generator(30, Purpose::Shuffle, 0, 0);
    let mut advances = 0;
    for kill in 0..KILLS {
        let mut command = desk.command();
        let before = desk.path(checkpoint("killed")).exists().then(|| step(&desk, "killed"));
        match before {
            Some(_) => command.args("train --resume killed --steps 1000000 -q".split(' ')),
            None => {
                let options = format!("{TRAIN} {often} --steps 1000000 --out killed --overwrite");
                command.args(options.split(' '))
            }
        };
        let quiet = || std::process::Stdio::null();
        let mut child = command.stdout(quiet()).stderr(quiet()).spawn().unwrap();
        std::thread::sleep(longest.mul_f64(random.random::<f64>()));
        assert!(child.try_wait().unwrap().is_none(), "kill {kill}: the run ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever moment it was, what stands there can be read, and no step is lost that was there before.
        if desk.path(checkpoint("killed")).exists() {
            let after = step(&desk, "killed");
            assert!(after.is_multiple_of(3) && Some(after) >= before, "kill {kill}: from {before:?} to {after}");
            advances += usize::from(Some(after) > before);
        }
    }
    assert!(advances >= KILLS / 6, "{advances} of the runs came to a checkpoint");
    let steps = step(&desk, "killed") + 7;
    desk.graft(&format!("train --resume killed --steps {steps} -q")).ok();
    desk.graft(&format!("{TRAIN} {often} --steps {steps} --out unbroken")).ok();
    assert_same(&desk, "unbroken", "killed");
    let names = |run: &str| [desk.names(&format!("{run}/samples")), desk.names(&format!("{run}/checkpoints"))];
    assert_eq!(names("killed"), names("unbroken"), "nothing half-written stays");
}

#[test]
#[cfg(unix)]
fn a_transfer_that_is_killed_again_and_again_ends_with_the_same_bytes() {
    use std::time::Instant;

    use graft::random::{Purpose, generator};
    use rand::RngExt;

    /// More deaths than this are not needed, and a run that is left alone comes to its end.
    const KILLS: usize = 14;
    /// The longest life, as a share of the unbroken run's time: on a fast machine as on a slow one deaths meet every phase.
    const LONGEST: f64 = 0.15;
    let desk = Desk::new();
    let small = "--source idx:images,labels --target idx:images,labels --features 4 --latent 8 --batch 8 --seed 3 --no-judge --threads 1 -q";
    let often = "--steps 12 --source-steps 12 --feature-steps 12 --checkpoint-every 3 --sample-every 6 --scratch";
    let mut random = generator(16, Purpose::Shuffle, 0, 0);
    for (method, phase) in [("ctgan", "classifier"), ("tgan --extractor contrastive", "features")] {
        let name = method.split(' ').next().unwrap();
        let (unbroken, killed) = (format!("{name}-unbroken"), format!("{name}-killed"));
        let begin = format!("transfer --method {method} {small} {often}");
        let start = Instant::now();
        desk.graft(&format!("{begin} --out {unbroken}")).ok();
        let whole = start.elapsed();

        let mut kills = 0;
        while kills < KILLS {
            let arguments = if desk.path(&killed).join("config.toml").exists() {
                format!("transfer --resume {killed} -q")
            } else {
                format!("{begin} --out {killed}")
            };
            let quiet = || std::process::Stdio::null();
            let arguments = arguments.split(' ');
            let mut child = desk.command().args(arguments).stdout(quiet()).stderr(quiet()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(LONGEST * random.random::<f64>()));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{method}: after {kills} kills a run fails by itself");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills >= 4, "{method}: killed {kills} times only");
        desk.graft(&format!("transfer --resume {killed} -q")).ok();
        for part in ["", "/source", &format!("/{phase}"), "/scratch"] {
            let [one, other] = [&unbroken, &killed].map(|run| format!("{run}{part}"));
            assert!(desk.checkpoint(&one) == desk.checkpoint(&other), "the checkpoints of {one} and {other} differ");
            let names = |run: &str| desk.names(&format!("{run}/checkpoints"));
            assert_eq!(names(&one), names(&other), "{method}: nothing half-written stays");
        }
    }
}

/// A file system in memory of so many bytes at a folder of the desk; gone when dropped. None, said aloud, where mounting is not
/// allowed; a failure where `$GRAFT_REQUIRE` asks for a disk.
#[cfg(target_os = "linux")]
struct SmallDisk(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount(desk: &Desk, name: &str, bytes: usize) -> Option<SmallDisk> {
        let path = desk.path(name);
        std::fs::create_dir(&path).unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(&path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(path));
        }
        let required = std::env::var("GRAFT_REQUIRE").is_ok_and(|required| required.contains("disk"));
        assert!(!required, "GRAFT_REQUIRE asks for a disk, but a small file system cannot be mounted here");
        println!("skipped: a small file system cannot be mounted here");
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_and_leaves_what_was_there() {
    let desk = Desk::new();
    // A run of these networks takes less than half of it.
    let Some(_disk) = SmallDisk::mount(&desk, "disk", 1 << 20) else { return };
    desk.graft(&format!("{TRAIN} --steps 6 --out disk/run")).ok();
    desk.graft(&format!("{TRAIN} --steps 12 --out unbroken")).ok();

    // Filled to the last byte, and to where a part of what is written fits.
    for left in [0, 8 << 10, 64 << 10] {
        fill(&desk, "disk/filler", left);
        let before = desk.snapshot();
        let ended = desk.graft("train --resume disk/run --steps 12 -q");
        let sentence = ended.refused(1);
        for part in ["cannot write disk/run/", "No space left on device", "make room there or name another path"] {
            assert!(sentence.contains(part), "with {left} bytes left: {sentence}");
        }
        for (path, bytes) in &before {
            // Losses are cut, then added to; settings and pictures may be written where they fit.
            if path.ends_with("last.safetensors") || path.ends_with("step_000006.png") {
                assert!(std::fs::read(path).ok() == *bytes, "{} is not what it was", path.display());
            }
        }
        let half_written = desk.names("disk/run/checkpoints");
        assert_eq!(half_written, ["last.safetensors"]);
        desk.graft("sample disk/run --count 1 --out sample.png").ok();
        std::fs::remove_file(desk.path("sample.png")).unwrap();
    }
    let sentence = desk.graft(&format!("{TRAIN} --steps 6 --out disk/other")).refused(1);
    assert!(sentence.contains("disk/other") && sentence.contains("No space left on device"), "{sentence}");
    std::fs::remove_file(desk.path("disk/filler")).unwrap();
    desk.graft("train --resume disk/run --steps 12 -q").ok();
    assert_same(&desk, "unbroken", "disk/run");
}

/// Fills a file system with a file until only so many bytes are left.
#[cfg(target_os = "linux")]
fn fill(desk: &Desk, name: &str, left: u64) {
    use std::io::Write;

    let path = desk.path(name);
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let full = file.metadata().unwrap().len();
    file.set_len(full.saturating_sub(left)).unwrap();
}

/// A rate at which these networks come to infinities, and some halvings later do not.
const WILD: &str = "--lr 1e5 --d-norm none --checkpoint-every 4";

#[test]
fn a_run_that_diverges_says_where_and_keeps_the_last_good_state() {
    let desk = Desk::new();
    let ended = desk.graft(&format!("{TRAIN} {WILD} --steps 40 --out run"));
    let sentence = ended.refused(1);
    let parts = ["training diverged: ", "at step ", " is the first tensor that is not finite", "--on-nan rollback"];
    for part in parts {
        assert!(sentence.contains(part), "{sentence}");
    }
    for line in losses(&desk, "run") {
        assert!(line["d_loss"].is_number() && line["g_loss"].is_number(), "{line}");
    }
}

#[test]
fn a_run_that_rolls_back_reaches_its_end_with_smaller_rates_and_the_same_bytes_when_it_is_continued() {
    let desk = Desk::new();
    let said = desk.graft(&format!("{TRAIN} {WILD} --on-nan rollback --steps 40 --out run --tensorboard")).ok();
    assert!(said.contains("training diverged") && said.contains("; back to step "), "{said}");
    let rollbacks = header(&desk, "run")["rollbacks"].as_u64().unwrap();
    assert_eq!(said.matches("; back to step ").count() as u64, rollbacks);
    let rate: f64 = 1e5 / 2f64.powi(rollbacks as i32);
    assert!(said.contains(&format!("learning rates {rate:e} (generator)")), "{said}");
    assert_eq!(losses(&desk, "run").last().unwrap()["rollbacks"], rollbacks);

    // Nothing of what came before a rollback is left, and the state after it is one like any other.
    let last = step(&desk, "run");
    assert_eq!((last, losses(&desk, "run").len() as u64), (40, 40));
    desk.graft("train --resume run --steps 60 -q").ok();
    desk.graft(&format!("{TRAIN} {WILD} --on-nan rollback --steps 60 --out unbroken")).ok();
    assert_same(&desk, "unbroken", "run");
    // A run that was begun without can be continued so, too.
    desk.graft(&format!("{TRAIN} --steps 4 --out late")).ok();
    desk.graft("train --resume late --steps 8 --on-nan rollback -q").ok();
    assert!(desk.text("late/config.toml").contains("on-nan = \"rollback\""));
}

#[test]
fn a_run_that_nothing_can_save_ends_after_ten_rollbacks() {
    let desk = Desk::new();
    let sentence = desk.graft(&format!("{TRAIN} --lr 1e30 --on-nan rollback --steps 40 --out run")).refused(1);
    assert!(sentence.contains("after 10 rollbacks") && sentence.contains("smaller --lr"), "{sentence}");
    let state = Checkpoint::read(&desk.path(checkpoint("run"))).unwrap();
    assert_eq!((state.header["step"].as_u64(), state.first_broken()), (Some(0), None), "the start stays");
}

#[test]
fn a_folder_in_which_no_run_got_to_its_settings_is_as_good_as_none() {
    let desk = Desk::new();
    for part in ["samples", "checkpoints"] {
        std::fs::create_dir_all(desk.path("early").join(part)).unwrap();
    }
    desk.write("early/.config.toml.4194305.tmp", b"data = ");
    desk.write("early/checkpoints/.last.safetensors.4194305.tmp", b"\0");
    desk.graft(&format!("{TRAIN} --steps 2 --out early")).ok();
    desk.graft(&format!("{TRAIN} --steps 2 --out unbroken")).ok();
    assert_same(&desk, "unbroken", "early");
    for part in ["", "/checkpoints"] {
        assert_eq!(
            desk.names(&format!("early{part}")),
            desk.names(&format!("unbroken{part}")),
            "what was left is gone"
        );
    }

    std::fs::create_dir_all(desk.path("taken/samples")).unwrap();
    desk.write("taken/samples/mine.png", b"mine");
    desk.refuses(1, &format!("{TRAIN} --steps 2 --out taken"), &["taken is not empty"]);
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_begins_again() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 4 --sample-every 2 --out run")).ok();
    desk.graft(&format!("{TRAIN} --steps 4 --sample-every 2 --out unbroken")).ok();
    // As a process leaves it that dies before its first checkpoint.
    for file in ["checkpoints/last.safetensors", "begun"] {
        std::fs::remove_file(desk.path("run").join(file)).unwrap();
    }
    let torn = desk.text("run/metrics.jsonl");
    // The last bytes are what a machine that lost power leaves.
    desk.write("run/metrics.jsonl", &[torn.as_bytes(), b"{\"step\":5,\"d\xff\0\0"].concat());
    let said = desk.graft("train --resume run -q").ok();
    assert!(said.starts_with("run has no checkpoint yet: it begins again at step 0\n"), "{said}");
    assert_same(&desk, "unbroken", "run");

    // A line that lost its end does not take the next one with it.
    let lines = desk.text("run/metrics.jsonl");
    desk.write("run/metrics.jsonl", lines.trim_end().as_bytes());
    desk.graft("train --resume run --steps 6 -q").ok();
    desk.graft(&format!("{TRAIN} --steps 6 --sample-every 2 --out longer")).ok();
    assert_same(&desk, "longer", "run");
}

#[test]
#[cfg(unix)]
fn a_second_process_does_not_train_in_a_run_that_goes_on() {
    let desk = Desk::new();
    let mut command = desk.command();
    command.args(TRAIN.split(' ')).args("--steps 1000000 --checkpoint-every 1 --out run".split(' '));
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    while !desk.path(checkpoint("run")).exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    for second in ["train --resume run --steps 9 -q", &format!("{TRAIN} --steps 9 --out run --overwrite")] {
        let sentence = desk.graft(second).refused(1);
        assert!(sentence.contains("another graft is training in run: wait for it"), "{sentence}");
    }
    desk.graft("report run").ok();
    child.kill().unwrap();
    child.wait().unwrap();
    let steps = step(&desk, "run") + 3;
    desk.graft(&format!("train --resume run --steps {steps} -q")).ok();
    desk.graft(&format!("{TRAIN} --steps {steps} --out unbroken")).ok();
    assert_same(&desk, "unbroken", "run");
}

#[test]
#[cfg(unix)]
fn a_transfer_that_is_interrupted_while_its_judge_learns_is_continued() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let desk = Desk::new();
    let small = "--subset 20 --features 4 --latent 6 --batch 8 --steps 4 --source-steps 4 --out run";
    for arguments in [&*format!("transfer --method trgan {small}"), "transfer --resume run"] {
        let mut command = desk.command();
        command.args(arguments.split(' ')).env("GRAFT_CACHE", desk.path("cache"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with("step 1/1000 loss "), "{first}");
        desk.shell(&format!("kill -TERM {}", child.id())).ok();
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(rest.iter().filter(|line| *line == "stopping after this step").count(), 1, "{rest:?}");
        let said = crate::program::Ended::of(arguments, child.wait_with_output().unwrap()).ok();
        assert!(said.ends_with("stopped; continue with: graft transfer --resume run\n"), "{said}");
        assert!(desk.text("run/report.html").contains("The run has not ended yet"));
    }
}
