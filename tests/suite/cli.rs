//! The command line on small data: what each command leaves behind and says, and that results repeat to the bit.

use std::collections::BTreeSet;

use graft::Checkpoint;
use serde_json::Value as Json;

use crate::program::{CLASSES, Desk, IMAGES, Picture, SIDE, TRAIN, checkpoint, real_data};

/// The side of the images that networks make here.
const MADE: usize = 32;
/// The side of the grid of ten by ten that a run writes, with margins of two pixels.
const RUN_GRID: usize = 10 * (MADE + 2) + 2;

/// The objects of a run's `metrics.jsonl`.
fn metrics(desk: &Desk, run: &str) -> Vec<Json> {
    desk.text(format!("{run}/metrics.jsonl")).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same without what depends on the clock.
fn timeless_metrics(desk: &Desk, run: &str) -> Vec<Json> {
    let mut metrics = metrics(desk, run);
    for line in &mut metrics {
        line.as_object_mut().unwrap().remove("seconds").unwrap();
    }
    metrics
}

fn steps_of(metrics: &[Json]) -> Vec<u64> {
    metrics.iter().map(|line| line["step"].as_u64().unwrap()).collect()
}

fn header(desk: &Desk, run: &str) -> serde_json::Map<String, Json> {
    Checkpoint::read(&desk.path(checkpoint(run))).unwrap().header
}

/// Fails unless two runs left the same bits: checkpoint, picture of the last step, and losses of every step.
#[track_caller]
fn assert_same_run(desk: &Desk, one: &str, other: &str, steps: u64) {
    assert!(desk.checkpoint(one) == desk.checkpoint(other), "the checkpoints of {one} and {other} differ");
    let picture = format!("samples/step_{steps:06}.png");
    assert!(
        desk.read(format!("{one}/{picture}")) == desk.read(format!("{other}/{picture}")),
        "the pictures of {one} and {other} differ"
    );
    assert_eq!(timeless_metrics(desk, one), timeless_metrics(desk, other), "the losses of {one} and {other}");
    assert_eq!(steps_of(&metrics(desk, one)), (1..=steps).collect::<Vec<_>>(), "the steps of {one}");
}

#[test]
fn a_run_leaves_its_settings_losses_pictures_and_state_and_says_where() {
    let desk = Desk::new();
    let ended = desk.graft("train --features 4 --batch 8 --steps 5 --sample-every 2 --checkpoint-every 3");
    assert!(ended.stderr.lines().last().unwrap().starts_with("step 5/5 "), "{}", ended.stderr);
    let said = ended.ok();
    let run = "runs/dcgan-strokes-0";
    let last = said.lines().last().unwrap();
    assert!(last.contains(run) && last.contains(&format!("{run}/samples/step_000005.png")), "{said}");

    assert_eq!(desk.names(run), ["begun", "checkpoints", "config.toml", "metrics.jsonl", "report.html", "samples"]);
    assert_eq!(desk.names(&format!("{run}/samples")), ["step_000002.png", "step_000004.png", "step_000005.png"]);
    assert_eq!(desk.names(&format!("{run}/checkpoints")), ["last.safetensors"]);

    let config: toml::Table = desk.text(format!("{run}/config.toml")).parse().unwrap();
    assert_eq!(config["data"].as_str(), Some("synthetic:strokes"));
    assert_eq!(config["recipe"]["batch"].as_integer(), Some(8));
    assert_eq!(config["recipe"]["lr"].as_float(), Some(2e-4), "defaults are written too");

    let metrics = metrics(&desk, run);
    assert_eq!(steps_of(&metrics), [1, 2, 3, 4, 5]);
    let finite = |line: &Json, key: &str| line[key].as_f64().is_some_and(f64::is_finite);
    assert!(metrics.iter().all(|line| finite(line, "d_loss") && finite(line, "g_loss")), "{metrics:?}");

    let picture = Picture::decode(&desk.read(format!("{run}/samples/step_000005.png")));
    assert_eq!((picture.height, picture.width, picture.channels), (RUN_GRID, RUN_GRID, 1));
    assert_eq!(header(&desk, run)["step"], 5);
}

#[test]
fn a_run_is_named_after_its_network_data_and_seed_and_never_takes_a_name_that_is_taken() {
    let desk = Desk::new();
    for _ in 0..3 {
        desk.graft(&format!("{TRAIN} --steps 1")).ok();
    }
    let quiet = desk.graft(&format!("{TRAIN} --steps 1 --out elsewhere/deep/run"));
    assert_eq!(quiet.stderr, "");
    quiet.ok();
    desk.graft(&format!("{TRAIN} --steps 1 --network residual")).ok();
    assert_eq!(desk.names("runs"), ["dcgan-idx-3", "dcgan-idx-3-2", "dcgan-idx-3-3", "residual-idx-3"]);
    assert_eq!(desk.names("elsewhere/deep/run").len(), 6);
}

#[test]
#[cfg(unix)]
fn the_printed_command_repeats_the_run_to_the_byte() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("it's data")).unwrap();
    std::fs::copy(desk.path("images"), desk.path("it's data/images")).unwrap();
    let variants = [
        "--data idx:images",
        "--data \"idx:it's data/images\"",
        "--data idx:images,labels --conditional --subset 20 --subset-plain --augment cutout,color --ema 0",
        "--data idx:images --channels 3 --loss hinge --d-norm spectral --d-steps 2 --lr 0.0003 --beta1 0.25",
        "--data idx:images --loss wasserstein-gp --gp 0",
        "--data idx:images --loss wasserstein-gp",
        "--data idx:images --loss r3gan --r1 0",
        "--data idx:images --loss least-squares --r1 0.5 --d-lr 0.0001",
        "--data idx:images --device reference",
    ];
    for (index, variant) in variants.into_iter().enumerate() {
        let tiny = "--features 4 --latent 8 --batch 8 --seed 3 --steps 3";
        let said = desk.shell(&format!("graft train {variant} {tiny} -q --out first{index}")).ok();
        let command = said.lines().next().unwrap();
        let again = desk.shell(&format!("{command} -q --out again{index}")).ok();
        assert_eq!(again.lines().next(), Some(command), "an equivalent command is its own equivalent");
        assert_same_run(&desk, &format!("first{index}"), &format!("again{index}"), 3);
    }
}

#[test]
fn overwrite_replaces_a_run_and_leaves_other_files() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 3 --sample-every 1 --out run")).ok();
    desk.write("run/notes.txt", b"mine");
    desk.write("run/samples/favourite.png", b"mine too");
    desk.graft(&format!("{TRAIN} --steps 2 --out run --overwrite")).ok();
    assert_eq!(
        desk.names("run"),
        ["begun", "checkpoints", "config.toml", "metrics.jsonl", "notes.txt", "report.html", "samples"]
    );
    assert_eq!(desk.names("run/samples"), ["favourite.png", "step_000002.png"]);
    assert_eq!(steps_of(&metrics(&desk, "run")), [1, 2]);

    // What cannot start clears nothing.
    desk.refuses(1, "train --data idx:images --features 60000 --out run --overwrite", &["features"]);

    // Another run that somebody keeps in its folder is none of it, whatever it is called.
    for name in ["run/other", "run/source"] {
        desk.graft(&format!("{TRAIN} --steps 1 --out {name}")).ok();
    }
    desk.write("run/samples/config.toml", b"x = 1");
    let kept = ["other", "source"].map(|name| desk.checkpoint(&format!("run/{name}")));
    desk.graft(&format!("{TRAIN} --steps 2 --out run --overwrite")).ok();
    assert!(kept == ["other", "source"].map(|name| desk.checkpoint(&format!("run/{name}"))));
}

/// A `.npy` file's shape and bytes.
fn npy(bytes: &[u8]) -> (Vec<usize>, Vec<u8>) {
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (header, pixels) = bytes[10..].split_at(length);
    let header = std::str::from_utf8(header).unwrap();
    assert!(header.contains("'descr': '|u1'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    (shape.split(", ").map(|size| size.parse().unwrap()).collect(), pixels.to_vec())
}

#[test]
fn samples_are_the_same_in_every_format() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --channels 3 --steps 4 --out run")).ok();
    let said = [
        desk.graft("sample run --count 5").ok(),
        desk.graft("sample run --count 5 --format png").ok(),
        desk.graft("sample run/checkpoints/last.safetensors --count 5 --format npy --out some.npy").ok(),
    ];
    assert_eq!(said.map(|line| line.trim().to_owned()), ["samples.png", "samples", "some.npy"]);

    let (shape, pixels) = npy(&desk.read("some.npy"));
    assert_eq!(shape, [5, MADE, MADE, 3]);
    assert_eq!(pixels.len(), 5 * MADE * MADE * 3);
    let grid = Picture::decode(&desk.read("samples.png"));
    assert_eq!((grid.width, grid.height), (3 * (MADE + 2) + 2, 2 * (MADE + 2) + 2));
    let names: Vec<String> = (0..5).map(|index| format!("{index:06}.png")).collect();
    assert_eq!(desk.names("samples"), names);
    for (index, pixels) in pixels.chunks_exact(MADE * MADE * 3).enumerate() {
        let expected = Picture { height: MADE, width: MADE, channels: 3, pixels: pixels.to_vec() };
        assert_eq!(Picture::decode(&desk.read(format!("samples/{}", names[index]))), expected);
        assert_eq!(grid.cell(index % 3, index / 3, MADE), expected);
    }
}

#[test]
fn a_sample_depends_on_its_number_and_the_seed_and_not_on_the_count() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 4 --out run")).ok();
    let sample = |options: &str| {
        desk.graft(&format!("sample run --format npy --out drawn.npy {options}")).ok();
        let (_, pixels) = npy(&desk.read("drawn.npy"));
        std::fs::remove_file(desk.path("drawn.npy")).unwrap();
        pixels
    };
    let many = sample("--count 150");
    for count in [1, 63, 64, 65] {
        assert!(sample(&format!("--count {count}")) == many[..count * MADE * MADE], "the first {count} of 150");
    }
    assert!(sample("--count 150 --threads 1") == many, "one thread");
    let images: BTreeSet<&[u8]> = many.chunks_exact(MADE * MADE).collect();
    assert_eq!(images.len(), 150, "no image twice");
    let other = sample("--count 150 --seed 1");
    assert!(other.chunks_exact(MADE * MADE).all(|image| !images.contains(image)), "another seed gives other images");
}

#[test]
fn a_conditional_run_samples_the_class_that_is_asked_for() {
    let desk = Desk::new();
    // A high rate, for classes to differ by more than the rounding to bytes after few steps.
    desk.graft(&format!("{TRAIN} --conditional --lr 0.02 --ema 0 --steps 20 --out run")).ok();
    assert_eq!(header(&desk, "run")["recipe"]["architecture"]["classes"], CLASSES);
    let sample = |options: &str| {
        let out = format!("{}.npy", options.replace([' ', '-'], ""));
        desk.graft(&format!("sample run --count 6 --format npy --out {out} {options}")).ok();
        npy(&desk.read(out)).1
    };
    let classes: Vec<Vec<u8>> = (0..CLASSES).map(|class| sample(&format!("--class {class}"))).collect();
    let in_turn = sample("--seed 0");
    assert!(classes[0] != classes[1] && classes[1] != classes[2], "classes differ");
    let image = |pixels: &[u8], index: usize| pixels[index * MADE * MADE..][..MADE * MADE].to_vec();
    for index in 0..6 {
        assert!(image(&in_turn, index) == image(&classes[index % CLASSES], index), "image {index} has its class");
    }
}

#[test]
fn data_says_what_a_set_holds_and_draws_it() {
    let desk = Desk::new();
    let said = desk.graft("data idx:images,labels --raw --out grid.png --count 10").ok();
    assert!(said.contains(&format!("{IMAGES} images of {SIDE}x{SIDE}x1")), "{said}");
    assert!(said.contains("0: 16, 1: 16, 2: 16") && said.contains("grid.png"), "{said}");
    let grid = Picture::decode(&desk.read("grid.png"));
    assert_eq!((grid.width, grid.height), (4 * (SIDE + 2) + 2, 3 * (SIDE + 2) + 2));
    let stored = crate::program::images();
    assert_eq!(grid.cell(1, 1, SIDE).pixels, stored[16 + 5 * SIDE * SIDE..][..SIDE * SIDE], "image 5 of four columns");

    let said = desk.graft("data idx:images --out seen.png --count 10").ok();
    assert!(
        said.contains(&format!("{IMAGES} images of 32x32x1 (--size 32; stored as {SIDE}x{SIDE})\nno labels")),
        "{said}"
    );
    assert_eq!(Picture::decode(&desk.read("seen.png")).width, 4 * (32 + 2) + 2, "as training sees them");
    for (spec, shape) in [("synthetic:strokes", "10000 images of 32x32x1"), ("synthetic:street", "32x32x3")] {
        let said = desk.graft(&format!("data {spec}")).ok();
        assert!(said.contains(shape) && said.contains("9: 1000"), "{said}");
    }
    let said = desk.graft("data synthetic:strokes --split test").ok();
    assert!(said.contains("(test): 2000 images"), "{said}");
}

#[test]
fn help_fits_a_screen_and_has_examples() {
    const LINES: usize = 50;
    let desk = Desk::new();
    let commands =
        "train transfer compare sample evaluate judge data report export import invert devices completions man";
    for command in [""].into_iter().chain(commands.split(' ')) {
        for columns in [80, 100] {
            let help = |flag: &str| {
                let mut graft = desk.command();
                graft.args(command.split_whitespace()).arg(flag).env("COLUMNS", columns.to_string());
                crate::program::Ended::of(command, graft.output().unwrap()).ok()
            };
            let lines = help("-h").lines().count();
            assert!(lines <= LINES, "graft {command} -h has {lines} lines of {columns} columns");
            for flag in ["-h", "--help"] {
                let help = help(flag);
                assert!(help.contains("\nExample"), "graft {command} {flag} has no example");
                let widest = help.lines().max_by_key(|line| line.chars().count()).unwrap();
                assert!(widest.chars().count() <= columns, "graft {command} {flag}: {widest}");
            }
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = desk.command();
    command.args(TRAIN.split(' ')).args(["--steps", "2", "--out", "run"]).stdout(writer);
    assert!(command.status().unwrap().success());
    assert_eq!(header(&desk, "run")["step"], 2);
}

#[test]
fn resume_takes_a_new_target_and_refuses_every_other_change() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 4 --out run")).ok();

    // Every option of `train` but those that may change, with a value that it takes.
    let others = [
        "--background black",
        "--fit pad",
        "--resample nearest",
        "--skip-broken",
        "--subset 20",
        "--subset-plain --subset 20",
        "--network dcgan",
        "--size 32",
        "--channels 1",
        "--features 4",
        "--latent 8",
        "--conditional",
        "--batch 8",
        "--seed 3",
        "--loss hinge",
        "--lr 0.0002",
        "--d-lr 0.0002",
        "--beta1 0.5",
        "--d-steps 1",
        "--gp 10",
        "--r1 1",
        "--d-norm auto",
        "--augment color",
        "--ema 0.995",
        "--lecam 0.1",
        "--ada 0.6",
        "--penalty-step own",
        "--checkpoint-every 500",
        "--sample-every 250",
        "--keep 2",
        "--keep-every 2",
        "--evaluate-every 2",
        "--tensorboard",
        "--out other",
        "--overwrite --out run",
    ];
    let help = desk.graft("train --help").ok();
    let listed = help.split_whitespace().filter(|word| word.starts_with("--"));
    let listed: BTreeSet<&str> = listed.map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric())).collect();
    let first = |options: &'static str| options.split(' ').next().unwrap();
    for option in listed {
        let allowed = [
            "--resume",
            "--steps",
            "--minutes",
            "--data",
            "--data-changed",
            "--threads",
            "--device",
            "--on-nan",
            "--quiet",
            "--json",
            "--profile",
            "--data-memory",
            "--help",
        ]
        .contains(&option);
        assert!(allowed || others.into_iter().map(first).any(|other| other == option), "{option} is not tested here");
    }
    for other in others {
        desk.refuses(2, &format!("train --resume run --steps 6 {other}"), &["--resume", "cannot be changed"]);
    }

    let before = desk.snapshot();
    for reached in ["", "--steps 4", "--steps 1", "--threads 1 -q"] {
        let said = desk.graft(&format!("train --resume run {reached}")).ok();
        assert!(said.contains("run is already at step 4"), "{said}");
    }
    assert!(desk.snapshot() == before, "a run that is at its target stays as it is");

    desk.graft("train --resume run --steps 6 --threads 1 --device cpu -q").ok();
    assert_eq!(steps_of(&metrics(&desk, "run")), [1, 2, 3, 4, 5, 6]);
    let config: toml::Table = desk.text("run/config.toml").parse().unwrap();
    assert_eq!((config["steps"].as_integer(), config["threads"].as_integer()), (Some(6), Some(1)));
    assert_eq!(config["recipe"]["seed"].as_integer(), Some(3));
}

#[test]
fn a_run_continues_on_another_device_with_a_warning() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 2 --out run")).ok();
    let ended = desk.graft("train --resume run --steps 3 --device reference -q");
    assert!(ended.stderr.starts_with("warning: ") && ended.stderr.contains("rounding"), "{}", ended.stderr);
    ended.ok();
    assert_eq!(header(&desk, "run")["device"], "reference");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let desk = Desk::new();
    // Wide enough for the kernels to share work out.
    let wide = "--features 16 --latent 32 --batch 32 --steps 4";
    for options in ["", "--loss wasserstein-gp", "--d-norm spectral --augment color,translation,cutout --conditional"] {
        for threads in [1, 2, 3] {
            let train = "train --data idx:images,labels -q --overwrite --checkpoint-every 3";
            desk.graft(&format!("{train} {wide} {options} --threads {threads} --out threads{threads}")).ok();
        }
        assert_same_run(&desk, "threads1", "threads2", 4);
        assert_same_run(&desk, "threads1", "threads3", 4);
    }
}

#[test]
fn a_profile_names_kernels_and_changes_no_bit() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 3 --out plain")).ok();
    let said = desk.graft(&format!("{TRAIN} --steps 3 --out timed --profile")).ok();
    assert!(said.contains("conv_transpose2d") && said.contains("outside kernels"), "{said}");
    assert_same_run(&desk, "plain", "timed", 3);
}

#[test]
fn a_run_that_was_split_equals_the_unbroken_one() {
    let desk = Desk::new();
    let variants = [
        "",
        "--d-steps 2",
        "--conditional",
        "--augment color,translation,cutout",
        "--loss r3gan",
        "--loss wasserstein-gp --d-steps 3",
        "--d-norm spectral --r1 1 --ema 0",
        "--channels 3 --subset 5",
    ];
    for (index, variant) in variants.into_iter().enumerate() {
        let [whole, split] = [format!("whole{index}"), format!("split{index}")];
        desk.graft(&format!("{TRAIN} {variant} --steps 60 --out {whole}")).ok();
        // How often a run is saved or drawn changes nothing either.
        let often = "--checkpoint-every 7 --sample-every 11";
        desk.graft(&format!("{TRAIN} {variant} {often} --steps 30 --out {split} --threads 1")).ok();
        desk.graft(&format!("train --resume {split} --steps 60 -q")).ok();
        assert_same_run(&desk, &whole, &split, 60);
    }
}

/// Ends a run by a signal after a checkpoint, resumes it, and compares it with an unbroken one.
#[cfg(unix)]
fn a_run_that_a_signal_ended_continues_to_the_bit(signal: &str) {
    use std::time::Duration;

    let desk = Desk::new();
    let mut command = desk.command();
    command.args(TRAIN.split(' ')).args("--steps 1000000 --checkpoint-every 10 --out ended".split(' '));
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while !desk.path(checkpoint("ended")).exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(20));
    desk.shell(&format!("kill -{signal} {}", child.id())).ok();
    let ended = crate::program::Ended::of("train", child.wait_with_output().unwrap());

    let step = header(&desk, "ended")["step"].as_u64().unwrap();
    if signal == "KILL" {
        assert_eq!((ended.code, step % 10), (None, 0), "it was killed: {}", ended.stderr);
        // Whatever a death in the middle of a line leaves behind.
        let torn = desk.text("ended/metrics.jsonl") + "{\"d_loss\":1.0,\"st";
        desk.write("ended/metrics.jsonl", torn.as_bytes());
    } else {
        let said = ended.ok();
        let advice = format!("stopped at step {step} of 1000000; continue with: graft train --resume ended");
        assert!(said.contains(&advice), "{said}");
    }
    let steps = step + 25;
    desk.graft(&format!("train --resume ended --steps {steps} -q")).ok();
    desk.graft(&format!("{TRAIN} --steps {steps} --out unbroken")).ok();
    assert_same_run(&desk, "unbroken", "ended", steps);
    assert_eq!(desk.names("ended/checkpoints"), ["last.safetensors"], "no half-written file stays");
}

#[test]
#[cfg(unix)]
fn a_killed_run_continues_to_the_bit() {
    a_run_that_a_signal_ended_continues_to_the_bit("KILL");
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_stops_after_its_step_and_continues_to_the_bit() {
    if !crate::program::ignores_interrupts() {
        a_run_that_a_signal_ended_continues_to_the_bit("INT");
    }
}

#[test]
#[cfg(unix)]
fn a_run_that_is_told_to_end_stops_after_its_step_and_continues_to_the_bit() {
    a_run_that_a_signal_ended_continues_to_the_bit("TERM");
}

/// The paths of all fields of an object, as `recipe.batch`.
fn fields(value: &Json, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Json::Object(object) => {
            for (key, value) in object {
                fields(value, &format!("{path}.{key}"), found);
            }
        }
        _ => {
            found.insert(path.trim_start_matches('.').to_owned());
        }
    }
}

#[test]
fn a_checkpoint_says_what_determines_its_results_and_nothing_else() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 2 --out run --threads 2")).ok();
    let mut found = BTreeSet::new();
    fields(&Json::Object(header(&desk, "run")), "", &mut found);
    let expected = "data.classes data.count data.digest device format graft microkernel recipe.architecture.channels \
        recipe.architecture.classes recipe.architecture.d_norm recipe.architecture.features \
        recipe.architecture.latent recipe.architecture.size recipe.augment recipe.batch recipe.beta1 recipe.d-lr \
        recipe.d-steps recipe.ema recipe.gp recipe.loss recipe.lr recipe.r1 recipe.seed step";
    assert_eq!(found, expected.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>());

    let file = desk.checkpoint("run");
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let metadata: Json = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let metadata = metadata["__metadata__"].as_object().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["graft"]);
    let text = metadata["graft"].as_str().unwrap();
    let canonical = serde_json::from_str::<Json>(text).unwrap().to_string();
    assert_eq!(text, canonical, "keys are sorted and there is no white space");
}

#[test]
fn mnist_is_read_gzipped_as_it_is() {
    let Some(folder) = real_data("mnist") else { return };
    let desk = Desk::new();
    let data = format!("mnist:{}", folder.display());
    let graft =
        |arguments: &[&str]| crate::program::Ended::of("graft", desk.command().args(arguments).output().unwrap()).ok();
    let said = graft(&["data", &data, "--raw", "--out", "grid.png"]);
    assert!(said.contains("60000 images of 28x28x1") && said.contains("0: 5923, 1: 6742"), "{said}");
    let grid = Picture::decode(&desk.read("grid.png"));
    assert_eq!((grid.width, grid.height), (10 * 30 + 2, 10 * 30 + 2));

    for channels in ["1", "3"] {
        let run = format!("mnist{channels}");
        let options = "--size 32 --features 8 --batch 16 --steps 5 --seed 0 -q".split(' ');
        let arguments = ["train", "--data", &data, "--channels", channels, "--out", &run];
        graft(&arguments.into_iter().chain(options).collect::<Vec<_>>());
        assert_eq!(steps_of(&metrics(&desk, &run)), [1, 2, 3, 4, 5]);
        let picture = Picture::decode(&desk.read(format!("{run}/samples/step_000005.png")));
        assert_eq!((picture.width, picture.channels.to_string()), (RUN_GRID, channels.to_owned()));
    }
}
