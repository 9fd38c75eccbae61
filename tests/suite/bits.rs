//! Bits are kept: short runs with every option written out give the tensors, pictures and metrics that version 0.1 gave,
//! byte by byte, with AVX2 as with AVX-512: `tests/golden/bits.txt` has their digests.
//!
//! The digests are of 0.1 with AVX-512 and one change alone: the feature extractor, its decoder and the label predictor draw their
//! initial weights from streams of their own. (With AVX2 0.1 cut some sums otherwise.) `GRAFT_BITS=FILE` writes those of this build to a file instead of comparing.

use std::path::Path;

use graft::backend::cpu::Simd;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use crate::program::Desk;

/// What all the runs share, and what those of the methods do.
const SHORT: &str = "--sample-every 3 --checkpoint-every 4 --latent 100 --batch 16 --beta1 0.5 -q";
const TRANSFER: &str = "transfer --source synthetic:strokes --target synthetic:street --subset 40 --no-judge --seed 7 --steps 6 \
    --source-steps 5 --feature-steps 4 --features 16 --d-lr 0.0002 --source-style colour --source-lr 0.0002";

/// Each run's name and command.
const RUNS: &[(&str, &str)] = &[
    (
        "train-32",
        "train --data synthetic:street --seed 1 --size 32 --channels 3 --features 64 --steps 3 --loss non-saturating --lr 0.0002 \
         --d-lr 0.0002 --d-steps 1 --d-norm batch --r1 0 --ema 0.995 --lecam 0",
    ),
    (
        "train-32-grey-conditional",
        "train --data synthetic:strokes --seed 2 --size 32 --channels 1 --features 16 --steps 6 --loss hinge --lr 0.0002 \
         --d-lr 0.0004 --d-steps 2 --d-norm spectral --r1 0 --ema 0 --lecam 0.01 --conditional",
    ),
    (
        "train-64-r3gan",
        "train --data synthetic:street --seed 3 --size 64 --channels 3 --features 16 --steps 4 --loss r3gan --lr 0.0002 --d-lr 0.0002 \
         --d-steps 1 --d-norm none --r1 1 --ema 0.99 --augment color,translation,cutout",
    ),
    (
        "train-64-wasserstein",
        "train --data synthetic:street --seed 4 --size 64 --channels 3 --features 8 --steps 3 --loss wasserstein-gp --lr 0.0001 \
         --d-lr 0.0001 --d-steps 2 --d-norm layer --gp 10 --ema 0.995",
    ),
    (
        "train-32-instance",
        "train --data synthetic:street --seed 5 --size 32 --channels 3 --features 16 --steps 4 --loss least-squares --lr 0.0002 \
         --d-lr 0.0002 --d-steps 1 --d-norm instance --r1 0.5 --ema 0.995",
    ),
    (
        "trgan",
        "TRANSFER --method trgan --loss non-saturating --augment none --d-steps 1 --d-norm none --ema 0.995 --r1 1 --allow-colour-blind=false \
         --anchor none --d-init source --freeze-d 0 --lr 0.0002",
    ),
    (
        "trgan-anchored",
        "TRANSFER --method trgan --loss hinge --augment none --d-steps 1 --d-norm batch --ema 0.995 --r1 0 --allow-colour-blind=true \
         --anchor cdc --anchor-weight 100 --d-init source --freeze-d 2 --lr 0.0001",
    ),
    (
        "trgan-mission",
        "TRANSFER --method trgan-mission --loss non-saturating --d-steps 1 --d-norm none --ema 0.995 --r1 1 --lr 0.0002",
    ),
    (
        "tgan",
        "TRANSFER --method tgan --loss non-saturating --d-steps 1 --d-norm none --ema 0.995 --r1 1 --allow-colour-blind=false \
         --bank target --condition instance --extractor autoencoder --extractor-style source --extractor-data source --adapt none \
         --heads 0 --feature-length 64 --feature-source bank --g-init source --lr 0.0001 \
         --neighbours 5",
    ),
    (
        "tgan-mission",
        "TRANSFER --method tgan-mission --loss non-saturating --d-steps 1 --d-norm none --ema 0.995 --r1 1",
    ),
    (
        "ctgan",
        "TRANSFER --method ctgan --loss non-saturating --d-steps 1 --d-norm none --ema 0.995 --r1 1 --allow-colour-blind=false \
         --balance 2 --confidence 0.1 --ctgan-features=true --d-init source --freeze-d 0 --labels pseudo --lr 0.0002 \
         --projection-ramp 4 --shuffle-labels=false --soft-labels=true --extractor-style source --adapt none --heads 0 --class-weight 0 \
         --null-samples=false",
    ),
    (
        "ctgan-fewshot",
        "TRANSFER --method ctgan --loss r3gan --d-steps 1 --d-norm none --ema 0.995 --r1 0.1 --allow-colour-blind=false \
         --balance 2 --confidence 0.1 --ctgan-features=false --d-init fresh --freeze-d 0 --labels fewshot:1 --lr 0.0002 \
         --projection-ramp 4 --shuffle-labels=true --soft-labels=false --extractor-style source --adapt none --heads 0 --class-weight 0 \
         --null-samples=false",
    ),
];

/// Named arms that are forms of 0.1, the run above whose bytes they give, and what that run says beside.
const FORMS: &[(&str, &str, &str)] = &[
    ("trgan-0.1", "trgan", ""),
    ("tgan-0.1", "tgan", "--neighbours 5 --feature-length 64"),
    ("ctgan-0.1", "ctgan", "--confidence 0.1 --ctgan-features=true --projection-ramp 4 --soft-labels=true"),
];

#[test]
fn the_arms_of_version_0_1_write_out_what_it_did() {
    let simd = Simd::available().into_iter().find(|simd| simd.name() == "avx2");
    let Some(simd) = simd else { return println!("skipped: this machine lacks avx2") };
    let golden = include_str!("../golden/bits.txt");
    for (arm, run, said) in FORMS {
        let command = format!(
            "TRANSFER --method {arm} {said} --loss non-saturating --r1 1 --d-steps 1 --d-norm none --ema 0.995"
        );
        let line = format!("{run} {}", digest(&command, simd));
        assert!(golden.lines().any(|known| known == line), "{arm} gives other bytes than {run} of 0.1: {line}");
    }
}

#[test]
fn runs_give_the_bytes_of_version_0_1() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bits.txt");
    let golden = std::fs::read_to_string(golden).unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for simd in Simd::available() {
        if simd.rounding() != "avx512" {
            println!("skipped: there are no digests for the microkernel {}", simd.name());
            continue;
        }
        for (name, command) in RUNS {
            let line = format!("{name} {}", digest(command, simd));
            if !found.contains(&line) {
                found.push(line);
            }
        }
    }
    if let Some(path) = std::env::var_os("GRAFT_BITS") {
        assert_eq!(found.len(), RUNS.len(), "one digest a run, whatever computes it: {found:?}");
        return std::fs::write(path, found.join("\n") + "\n").unwrap();
    }
    found.retain(|line| !golden.lines().any(|known| known == line));
    assert!(found.is_empty(), "other bytes than version 0.1's:\n{}", found.join("\n"));
}

/// The digest of all that a run leaves: tensors, pictures, and metrics without their times.
fn digest(command: &str, simd: Simd) -> String {
    let desk = Desk::new();
    let arguments = format!("{} {SHORT} --out run", command.replace("TRANSFER", TRANSFER));
    let output = desk.command().env("GRAFT_SIMD", simd.name()).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "`{arguments}`: {}", String::from_utf8_lossy(&output.stderr));
    let mut all = Sha256::new();
    let mut kinds = [0; 3];
    for (path, bytes) in desk.snapshot() {
        let (Ok(name), Some(bytes)) = (path.strip_prefix(desk.path("")), bytes) else { continue };
        let name = name.to_str().unwrap();
        let kind = ["safetensors", "png", "jsonl"].iter().position(|ending| name.ends_with(ending));
        let Some(kind) = kind.filter(|_| !name.ends_with("evaluations.jsonl")) else { continue };
        kinds[kind] += 1;
        all.update(name);
        match kind {
            0 => tensors(&bytes, &mut all),
            1 => all.update(image::load_from_memory(&bytes).unwrap().as_bytes()),
            _ => all.update(metrics(&bytes)),
        }
    }
    assert!(kinds.iter().all(|&count| count > 0), "`{arguments}` leaves {kinds:?} checkpoints, pictures, metrics");
    all.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Names, shapes and bytes of the tensors, by name.
fn tensors(bytes: &[u8], all: &mut Sha256) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, view) in tensors {
        all.update(format!("{name} {:?}", view.shape()));
        all.update(view.data());
    }
}

/// The lines of a `metrics.jsonl` without times.
fn metrics(bytes: &[u8]) -> String {
    let line = |line: &str| {
        let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        object.remove("seconds").expect("a line has its time");
        serde_json::to_string(&object).unwrap()
    };
    std::str::from_utf8(bytes).unwrap().lines().map(line).collect::<Vec<_>>().join("\n")
}
