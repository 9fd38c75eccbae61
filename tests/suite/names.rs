//! Mistaken names are answered in a sentence that says what to name instead, and what cannot be said on standard output is no success.

use crate::program::{Desk, Ended, TRAIN};

#[test]
fn mistaken_names_are_answered_with_what_was_meant() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("few")).unwrap();
    desk.write("few.zip", b"PK");
    for (code, command, parts) in [
        (2, "train --device cuda", &["none of auto, gpu, gpu:NAME, cpu, reference", "say gpu"][..]),
        (2, "train --device cuda:1", &["say gpu:1"]),
        (2, "judge --data idx:images,labels --device mps", &["say gpu"]),
        (2, "train --data few", &["did you mean `folder:few`?"]),
        (2, "train --data ./few", &["did you mean `folder:./few`?"]),
        (2, "train --data few.zip", &["did you mean `zip:few.zip`?"]),
        (2, "transfer --source few --target idx:images", &["did you mean `folder:few`?"]),
        (2, "transfer --source few.zip --target idx:images", &["did you mean `zip:few.zip`?"]),
        (2, "train --data folder:~/few", &["$HOME", "folder:~/few"]),
        (2, "train --data idx:images --out=~/run", &["$HOME"]),
    ] {
        desk.refuses(code, command, parts);
    }
}

#[test]
fn a_state_dict_is_no_checkpoint_and_a_conditional_source_says_which_method_takes_it() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --conditional --d-norm none --r1 1 --steps 2 --out run")).ok();
    desk.graft(&format!("{TRAIN} --steps 2 --out plain")).ok();
    desk.graft("export plain --out exported").ok();
    for command in ["sample", "evaluate", "export"] {
        desk.refuses(1, &format!("{command} exported/netG.safetensors"), &["graft import"]);
    }
    // What torch.save writes.
    desk.write("netG.pth", b"PK\x03\x04 and so on");
    for command in ["sample netG.pth", "transfer --source netG.pth --target idx:images,labels"] {
        desk.refuses(1, command, &["netG.pth is a pickle of PyTorch", "safetensors"]);
    }
    let small = "--features 4 --latent 8 --batch 8 --steps 2 --d-norm none --no-judge -q";
    let transfer = format!("transfer --method trgan --source run --target idx:images,labels {small}");
    desk.refuses(1, &transfer, &["conditioned on 3 classes", "the method ctgan"]);
    desk.graft(&format!("{transfer} --feature-steps 2 --out grafted").replace("trgan", "ctgan")).ok();
}

#[test]
#[cfg(target_os = "linux")]
fn standard_output_that_cannot_be_written_is_no_success() {
    let desk = Desk::new();
    for command in
        ["data idx:images", "data idx:images --json", "--help", "train --help", "--version", "completions bash"]
    {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = desk.command().args(command.split(' ')).stdout(full).output().unwrap();
        let sentence = Ended::of(command, output).refused(1);
        assert!(sentence.contains("cannot write standard output") && sentence.contains("No space left"), "{sentence}");
    }
    // Who closes it does not want any more.
    desk.shell("graft data idx:images | true").ok();
}

#[test]
fn every_command_takes_q() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 2 --out run")).ok();
    for command in [
        "sample run --out a.png",
        "data idx:images",
        "report run",
        "export run --out exported",
        "import exported/netG.safetensors",
        "devices",
        "completions fish",
        "man --out pages",
    ] {
        desk.graft(&format!("{command} -q")).ok();
        assert_eq!(desk.graft(&format!("{command} --quiet --help")).code, Some(0), "{command}");
    }
    desk.graft("-q data idx:images").ok();
}
