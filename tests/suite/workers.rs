//! Many processes on one experiment: whatever becomes of them, it ends with what one process finds.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::classify::{CLASSIFY, found};
use crate::compare::{desk, figures};
use crate::program::{Desk, Ended, checkpoint};
use crate::search::{SEARCH, SETTINGS, searching};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// Seconds after which a silent process loses its runs.
const SILENCE: u64 = 2;
/// Runs of some seconds.
const COMPARE: &str = "compare --source mnist:target --target mnist:target --arms scratch,trgan --subset 12 --seeds 3 --features 4 --latent 6 \
    --batch 8 --steps 400 --source-steps 40 --looks 0,200 --judge judge.safetensors --checkpoint-every 25 --threads 1 -q";

fn start(desk: &Desk, arguments: &str) -> Child {
    let mut command = desk.command();
    command.args(arguments.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What it said on standard error; fails unless it ended well.
fn ended(command: &str, child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    Ended::of(command, output).ok();
    said
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Who has a cell in a folder, by its process; none where nobody does.
fn owner(desk: &Desk, folder: &str, cell: &str) -> Option<u32> {
    let place = desk.path(format!("{folder}/claims/cells+{cell}"));
    let names = std::fs::read_dir(&place).ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let last: u64 = names.max()?;
    let entry: Json = serde_json::from_slice(&std::fs::read(place.join(last.to_string())).ok()?).ok()?;
    (!entry["is_free"].as_bool()?).then(|| entry["process"].as_u64().unwrap() as u32)
}

/// A cell that a process is in the middle of.
fn in_work(desk: &Desk, folder: &str, cells: &[String], process: u32) -> Option<String> {
    let is_at = |cell: &&String| {
        owner(desk, folder, cell) == Some(process)
            && desk.path(checkpoint(&format!("{folder}/cells/{cell}"))).exists()
            && !desk.path(format!("{folder}/cells/{cell}/evaluation.json")).exists()
    };
    cells.iter().find(is_at).cloned()
}

#[test]
#[cfg(unix)]
fn of_three_processes_one_is_killed_and_one_sleeps_and_the_comparison_is_what_one_process_finds() {
    let desk = desk();
    desk.graft(&format!("{COMPARE} --out whole")).ok();
    let expected = figures(&desk, "whole");
    let cells = desk.names("whole/cells");
    let again = format!("{COMPARE} --out shared --take-over-after {SILENCE}");
    let [mut killed, asleep, awake] = [(); 3].map(|()| start(&desk, &again));
    let at = |process: u32| in_work(&desk, "shared", &cells, process);
    wait_until("all three come to work", || [&killed, &asleep, &awake].iter().all(|child| at(child.id()).is_some()));
    let signal = |which: &str, child: &Child| desk.shell(&format!("kill -{which} {}", child.id())).ok();
    let mut stopped_at = None;
    wait_until("one is stopped in the middle of a cell", || {
        signal("STOP", &asleep);
        stopped_at = at(asleep.id());
        if stopped_at.is_none() {
            signal("CONT", &asleep);
        }
        stopped_at.is_some()
    });
    let sleeps_at = stopped_at.expect("a cell");
    let left = at(killed.id());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let record = format!("shared/cells/{sleeps_at}/evaluation.json");
    wait_until("the sleeper's cell is taken over", || owner(&desk, "shared", &sleeps_at) == Some(awake.id()));
    // It wakes while another is at its cell, or behind that.
    signal("CONT", &asleep);
    let said = ended("the one that slept", asleep);
    assert!(said.contains(&format!("{sleeps_at} was taken over by another process")), "{said}");
    ended("the one that was awake", awake);
    assert!(desk.path(record).exists());
    assert_eq!(figures(&desk, "shared"), expected);
    for cell in &cells {
        let [one, shared] = ["whole", "shared"].map(|folder| desk.checkpoint(&format!("{folder}/cells/{cell}")));
        assert!(one == shared, "{cell} ({left:?} was left by the one that was killed)");
        let lines = desk.text(format!("shared/cells/{cell}/metrics.jsonl")).lines().count();
        assert_eq!(lines, 400, "each step of {cell} once");
    }
    assert_eq!(desk.text("shared/workers.json").lines().count(), 3, "one kind");
    // Nobody has anything any more, so that a run of it may be looked into.
    assert!(cells.iter().all(|cell| owner(&desk, "shared", cell).is_none()));
}

#[test]
fn classifiers_and_searches_are_shared_in_the_same_way() {
    let desk = searching();
    let classify = format!(
        "{CLASSIFY} --split validation --arms scratch,finetune,gan-augment{{filter=0,per-class=4}} --threads 1"
    );
    let search = format!("{SEARCH} {SETTINGS} --looks 0,2 --threads 1");
    desk.graft(&format!("{classify} --out whole")).ok();
    desk.graft(&format!("{search} --out found")).ok();
    let both = |command: &str, out: &str| {
        let children = [(); 2].map(|()| start(&desk, &format!("{command} --out {out}")));
        children.map(|child| ended(command, child))
    };
    both(&classify, "shared");
    assert_eq!(found(&desk, "shared"), found(&desk, "whole"));
    both(&search, "searched");
    assert_eq!(figures(&desk, "searched"), figures(&desk, "found"));
}

#[test]
fn who_computes_with_something_else_is_let_in_or_not() {
    let desk = desk();
    let compare = "compare --source mnist:target --target mnist:target --arms scratch --subset 12 --features 4 --latent 6 --batch 8 --steps 2 \
        --looks 0 --judge judge.safetensors -q --out all";
    desk.graft(&format!("{compare} --seeds 1")).ok();
    let own = figures(&desk, "all")["protocol"]["microkernel"].as_str().unwrap().to_string();
    desk.write("all/workers.json", b"[\"another\"]");
    let says = ["its runs were made with another", "--mixed"];
    desk.refuses(1, &format!("{compare} --seeds 2"), &says);
    desk.graft(&format!("{compare} --seeds 2 --mixed")).ok();
    let both = figures(&desk, "all")["protocol"]["microkernel"].as_str().unwrap().to_string();
    assert!(both.contains(" and ") && both.contains(&own) && both.contains("another"), "{both}");
    let script = desk.graft(&format!("{compare} --seeds 4 --plan --slurm 2")).ok();
    assert!(script.starts_with("#!/bin/bash\n# ") && script.contains("#SBATCH --array=1-2\n"), "{script}");
    assert!(
        script.contains(&format!(
            "compare {}",
            compare.split_once(' ').unwrap().1.split_whitespace().collect::<Vec<_>>().join(" ")
        )),
        "{script}"
    );
    assert!(!script.contains("--plan"), "{script}");
    desk.refuses(2, &format!("{compare} --slurm 2"), &["--plan"]);
}
