//! What a run is said to take against what a process took that ran it: the growth of its peak resident memory.

use std::path::Path;
use std::process::Command;

use graft::Device;
use graft::classifier::{Design, Targets, Training};
use graft::data::{Reading, Spec, Split};
use graft::gan::{Architecture, Recipe};
use graft::memory::Need;
use graft::metrics::JudgeSettings;
use graft::nn::NormKind;
use graft::random::Network;
use graft::run::{OnNan, unwatched};
use graft::transfer::{Arm, Folders, Plan, SourceImages, need, starting_recipe, train};

use crate::program::Desk;

/// Tells a process which row it is to run.
const ROW: &str = "GRAFT_MEMORY_ROW";
/// Where it is to put its files.
const FOLDER: &str = "GRAFT_MEMORY_FOLDER";
/// The part of the growth by which a prediction may differ.
const TOLERANCE: f64 = 0.15;

/// Networks large enough that the rest of a process is small beside them, and as few steps as meet everything.
fn plan(network: &str, arm: &str, size: usize, r1: f64, data: &str) -> Plan {
    let base = starting_recipe(0, size, 3);
    let (features, batch) = match (network, size) {
        ("dcgan", 32) => (80, 32),
        ("dcgan", _) => (48, 16),
        (_, 32) => (80, 16),
        _ => (24, 8),
    };
    let architecture = Architecture { network: network.parse().unwrap(), features, ..base.architecture };
    Plan {
        source: data.into(),
        source_style: None,
        source_steps: 2,
        feature_steps: 2,
        target: data.into(),
        subset: None,
        subset_plain: false,
        steps: 2,
        scratch: false,
        source_changed: None,
        device: "cpu".into(),
        threads: 1,
        checkpoint_every: 2,
        sample_every: 2,
        keep: None,
        keep_every: None,
        on_nan: OnNan::Stop,
        evaluate_every: None,
        class_free: false,
        reading: Reading::default(),
        arm: Arm::parse(arm).unwrap(),
        recipe: Recipe { batch, r1, architecture, ..base },
    }
}

const JUDGE: JudgeSettings = JudgeSettings { width: 64, ..JudgeSettings::STANDARD };

/// Few and small images, so that they are nothing beside the networks.
fn small_images(folder: &Path) -> String {
    format!("idx:{},{}", folder.join("images").display(), folder.join("labels").display())
}

/// A row's words: network, arm, size, gamma.
fn parse(row: &str) -> (String, String, usize, f64) {
    let words: Vec<&str> = row.split('/').collect();
    (words[0].into(), words[1].into(), words[2].parse().unwrap(), words[3].parse().unwrap())
}

/// What a row is said to take.
fn predicted(row: &str, data: &str) -> Need {
    let (network, arm, size, r1) = parse(row);
    if network == "classifier" {
        return JUDGE.need([size, 3], 10, &Device::cpu()).unwrap();
    }
    let plan = plan(&network, &arm, size, r1, data);
    let target = plan.choose(&plan.read_target().unwrap()).unwrap();
    need(&plan, &target, &SourceImages::of(&plan), &Device::cpu()).unwrap()
}

/// Runs a row, and gives by how much the peak of this process's memory grew.
fn growth(row: &str, folder: &Path) -> u64 {
    let (network, arm, size, r1) = parse(row);
    let data = small_images(folder);
    if network == "classifier" {
        let digits = data.parse::<Spec>().unwrap().load(Split::Train).unwrap().fit(size, 3).unwrap();
        let design = Design { size, channels: 3, width: JUDGE.width, norm: NormKind::Batch, input: Default::default() };
        return grown(|| {
            let mut training =
                Training::new(&design, &JUDGE.options, digits, &Targets::Labels, Network::Judge, &Device::cpu())
                    .unwrap();
            (0..3).for_each(|_| drop(training.step()));
        });
    }
    let plan = plan(&network, &arm, size, r1, &data);
    let (target, folders) = (plan.choose(&plan.read_target().unwrap()).unwrap(), Folders::within(&folder.join("run")));
    grown(|| drop(train(&plan, target, &SourceImages::of(&plan), &folders, &Device::cpu(), &mut unwatched).unwrap()))
}

/// By how much the peak grew, less what came of the program's own file, whose pages are read as code is first run.
fn grown(work: impl FnOnce()) -> u64 {
    let before = (status("VmHWM"), status("RssFile"));
    work();
    let (peak, file) = (status("VmHWM"), status("RssFile"));
    peak - before.0 - file.saturating_sub(before.1)
}

/// A field of `/proc/self/status`, in bytes.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect(field);
    let kib: u64 = line.trim_start_matches(':').trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib << 10
}

/// The part of [`predictions_agree_with_what_a_process_takes`] that runs in processes of their own: prints by how much the peak grew.
#[test]
fn a_process_of_its_own() {
    let (Ok(row), Ok(folder)) = (std::env::var(ROW), std::env::var(FOLDER)) else { return };
    println!("{ROW}={}", growth(&row, Path::new(&folder)));
}

/// Checks the rows of a network and a way of training it: with and without a penalty where there is one, and at the larger size with it. What a
/// penalty adds to a network that takes long is seen where it is trained from scratch.
#[cfg(target_os = "linux")]
fn agrees(network: &str, arm: &str) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut off = Vec::new();
    let rows = match (network, arm) {
        ("classifier", _) => vec![(32, 0), (64, 0)],
        ("residual", "trgan" | "tgan" | "ctgan") => vec![(32, 1), (64, 1)],
        _ => vec![(32, 0), (32, 1), (64, 1)],
    };
    for (size, r1) in rows {
        let row = format!("{network}/{arm}/{size}/{r1}");
        let desk = Desk::new();
        let data = small_images(&desk.path(""));
        let predicted = pool.install(|| predicted(&row, &data)).total() as f64;
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["memory::a_process_of_its_own", "--exact", "--nocapture"])
            .envs([(ROW, row.as_str()), ("RAYON_NUM_THREADS", "1")])
            .env(FOLDER, desk.path(""))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let grown = text.split_once(&format!("{ROW}=")).and_then(|(_, rest)| rest.lines().next());
        let grown: f64 = grown.unwrap_or_else(|| panic!("{row}: {text}")).trim().parse().unwrap();
        let error = predicted / grown - 1.0;
        println!(
            "{row}: {:.1} MiB predicted, {:.1} taken: {:+.1} %",
            predicted / 1048576.0,
            grown / 1048576.0,
            100.0 * error
        );
        if error.abs() > TOLERANCE {
            off.push(row);
        }
    }
    assert!(off.is_empty(), "{off:?}");
}

/// What a run is said to take is what a process takes: a test each, so that they go on beside one another.
#[cfg(target_os = "linux")]
mod predictions_agree_with_what_a_process_takes {
    use super::agrees;

    #[test]
    fn dcgan_scratch() {
        agrees("dcgan", "scratch");
    }

    #[test]
    fn dcgan_trgan() {
        agrees("dcgan", "trgan");
    }

    #[test]
    fn dcgan_tgan() {
        agrees("dcgan", "tgan");
    }

    #[test]
    fn dcgan_ctgan() {
        agrees("dcgan", "ctgan");
    }

    #[test]
    fn residual_scratch() {
        agrees("residual", "scratch");
    }

    #[test]
    fn residual_trgan() {
        agrees("residual", "trgan");
    }

    #[test]
    fn residual_tgan() {
        agrees("residual", "tgan");
    }

    #[test]
    fn residual_ctgan() {
        agrees("residual", "ctgan");
    }

    #[test]
    fn classifier() {
        agrees("classifier", "");
    }
}
