//! `graft compare --search`: that halving keeps the best, that a search can be stopped anywhere, that the trials that go on are what
//! they would have been without a stop, and that a search never sees the test images.

use graft::Checkpoint;
use serde_json::Value as Json;

use crate::compare::{desk, figures, kill_when};
use crate::program::{Desk, checkpoint};

pub const SEARCH: &str = "compare --search search.toml --source mnist:target --target mnist:target --subset 12";
pub const SETTINGS: &str = "--features 4 --latent 6 --batch 8 --steps 6 --source-steps 4 --feature-steps 4 --judge judge.safetensors --checkpoint-every 2 -q";
/// Three trials of two base arms to step 3, two of each to step 5, one of each to the end.
const FILE: &str = "seeds = [100, 101]\ndraws = 3\n[options]\nlr = { log-uniform = [1e-4, 1e-2] }\n[[bases]]\narm = 'scratch'\n\
    [[bases]]\narm = 'trgan'\noptions = { freeze-d = [0, 1] }\n[[halvings]]\nstep = 3\nkeep = 0.6\n[[halvings]]\nstep = 5\nkeep = 0.5\n";

/// A desk without test images, with a search's file.
pub fn searching() -> Desk {
    let desk = desk();
    std::fs::remove_file(desk.path("target/t10k-images-idx3-ubyte")).unwrap();
    desk.write("search.toml", FILE.as_bytes());
    desk
}

fn rankings(figures: &Json) -> &[Json] {
    figures["search"]["rankings"].as_array().unwrap()
}

/// The distance of a run at a rung, from the file that it left there.
fn distance(desk: &Desk, arm: &str, seed: u64, file: &str) -> f64 {
    let record: Json = serde_json::from_slice(&desk.read(format!("whole/cells/{arm}-12-seed{seed}/{file}"))).unwrap();
    record["curve"].as_array().unwrap().last().unwrap()["judge_fd"].as_f64().unwrap()
}

#[test]
fn a_search_keeps_the_best_and_those_are_what_they_would_have_been_without_a_stop() {
    let desk = searching();
    let search = format!("{SEARCH} {SETTINGS} --looks 0,2 --out whole");
    let said = desk.graft(&search).ok();
    let found = figures(&desk, "whole");
    let files = ["rungs/step_000003.json", "rungs/step_000005.json", "evaluation.json"];
    assert_eq!(rankings(&found).len(), 2);
    for ranking in rankings(&found) {
        assert_eq!(ranking["counts"], serde_json::json!([3, 2, 1]), "{ranking}");
        let trials = ranking["trials"].as_array().unwrap();
        let fates: Vec<&str> = trials.iter().map(|trial| trial["fate"].as_str().unwrap()).collect();
        assert_eq!(fates, ["ended", "dropped", "dropped"]);
        let at = |trial: usize, rung: usize| trials[trial]["judge_fd"][rung].as_f64();
        // Each figure is the mean over seeds of what the runs left, and nobody has one behind the rung where others were better.
        for (place, trial) in trials.iter().enumerate() {
            let arm = trial["arm"].as_str().unwrap();
            for (rung, file) in files.iter().enumerate() {
                let came = rung < files.len() - place;
                assert_eq!(desk.path(format!("whole/cells/{arm}-12-seed100/{file}")).exists(), came, "{arm} at {file}");
                let mean =
                    came.then(|| [100, 101].map(|seed| distance(&desk, arm, seed, file)).iter().sum::<f64>() / 2.0);
                assert_eq!(at(place, rung), mean, "{arm} at {file}");
            }
            let header =
                Checkpoint::read(&desk.path(checkpoint(&format!("whole/cells/{arm}-12-seed101")))).unwrap().header;
            assert_eq!(header["step"], [6, 5, 3][place], "{arm} went no further than it was let");
        }
        assert!(at(0, 0) <= at(2, 0) && at(1, 0) <= at(2, 0) && at(0, 1) <= at(1, 1), "the best go on: {ranking}");
        assert!(said.contains(ranking["best"].as_str().unwrap()), "{said}");
    }
    assert_eq!(desk.names("whole/source-seed100"), ["source"], "trials share what their seed learned");
    assert!(found["findings"].as_array().unwrap().is_empty(), "nothing is claimed of trials");

    // The report says the same, and its command is done.
    let report = desk.text("whole/report.html");
    assert!(report.contains("Trials of scratch") && report.contains("dropped") && report.contains("data:image/png"));
    assert_eq!(desk.graft("report whole").ok().trim(), "whole/report.html");
    assert!(desk.text("whole/report.html") == report, "it is written again from what is there");
    let command = report.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0;
    let command = command.replace("<span>", "").replace("</span>", "").replace("&#39;", "'");
    let plan = desk.shell(&format!("{command} --plan")).ok();
    assert!(plan.contains("6 trials, 56 steps on the target; 0 of them to go and at most 0 on"), "{command}: {plan}");

    // The best, compared as they are printed, without a stop.
    let arms = said.lines().find_map(|line| line.strip_prefix("best at 12 images: --arms ")).unwrap();
    let plain =
        "graft compare --source mnist:target --target mnist:target --subset 12 --split validation --seeds 100,101";
    desk.shell(&format!("{plain} --arms {arms} {SETTINGS} --looks 0,2,3,5 --out plain")).ok();
    let unbroken = figures(&desk, "plain");
    for cell in unbroken["cells"].as_array().unwrap() {
        let (arm, seed) = (cell["arm"].as_str().unwrap(), cell["seed"].as_u64().unwrap());
        assert!(found["cells"].as_array().unwrap().contains(cell), "{cell}");
        let bytes = |folder: &str| desk.read(checkpoint(&format!("{folder}/cells/{arm}-12-seed{seed}")));
        assert!(bytes("whole") == bytes("plain"), "{arm}, seed {seed}");
    }
}

#[test]
fn a_search_that_was_killed_and_goes_on_two_at_a_time_finds_the_same() {
    let (whole, desk) = (searching(), searching());
    whole.graft(&format!("{SEARCH} {SETTINGS} --out search")).ok();
    let again = format!("{SEARCH} {SETTINGS} --out search --jobs 2 --threads 2");
    for moment in [
        "search/source-seed100/source/metrics.jsonl",
        "search/cells/scratch-02-12-seed101/rungs/step_000003.json",
        "search/cells/trgan-03-12-seed101/checkpoints/last.safetensors",
    ] {
        kill_when(&desk, &again, moment);
    }
    desk.graft(&again).ok();
    let expected = figures(&whole, "search");
    assert_eq!(figures(&desk, "search"), expected);
    assert_eq!(expected["search"]["done"], expected["search"]["of"]);

    // More draws go beside those that were made.
    let before = desk.read("search/cells/scratch-01-12-seed100/rungs/step_000003.json");
    desk.write("search.toml", FILE.replace("draws = 3", "draws = 4").as_bytes());
    desk.graft(&again).ok();
    assert_eq!(rankings(&figures(&desk, "search"))[0]["counts"], serde_json::json!([4, 3, 2]));
    assert_eq!(desk.read("search/cells/scratch-01-12-seed100/rungs/step_000003.json"), before);
}

#[test]
fn a_searchs_plan_runs_nothing() {
    let desk = searching();
    let before = desk.snapshot();
    let plan = desk.graft(&format!("{SEARCH} {SETTINGS} --out planned --plan")).ok();
    assert_eq!(desk.snapshot(), before);
    let row = |line: usize| plan.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(row(2)[..7], ["scratch", "12", "3", "3", "6", "0", "18"], "{plan}");
    assert_eq!(row(7)[..7], ["trgan", "12", "6", "1", "2", "0", "2"], "{plan}");
    assert!(plan.contains("6 trials, 56 steps on the target; 56 of them to go and at most 8 on sources"), "{plan}");
}

#[test]
fn what_no_search_is_made_of_is_refused() {
    let desk = searching();
    let command = format!("{SEARCH} {SETTINGS} --out search");
    desk.refuses(2, &format!("{command} --split test"), &["--search", "leave out --split test"]);
    desk.refuses(2, &format!("{command} --arms scratch"), &["--arms"]);
    desk.refuses(2, &format!("{command} --seeds 100,"), &["--seeds"]);
    desk.refuses(2, &format!("{command} --judges 3"), &["--judges"]);
    desk.refuses(1, &command.replace("search.toml", "gone.toml"), &["gone.toml", "check the path"]);
    desk.refuses(2, &command.replace("--steps 6", "--steps 5"), &["halving is at step 5", "runs end at 5"]);

    // What was begun is not continued as something else.
    let begin = command.replace(" -q", " -q --json");
    desk.write("search.toml", FILE.replace("draws = 3", "draws = 1").as_bytes());
    let said = desk.graft(&begin).ok();
    let printed: Json = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&printed["event"], &printed["search"]["of"]), (&"comparison".into(), &12.into()));
    let steps: Vec<u64> = said
        .lines()
        .filter(|line| line.contains("\"event\":\"run\""))
        .map(|line| {
            let run: Json = serde_json::from_str(line).unwrap();
            run["step"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(steps, [3, 3, 3, 3, 5, 5, 5, 5, 6, 6, 6, 6]);
    desk.write("other.toml", FILE.replace("draws = 3", "draws = 1\ndraw-seed = 1").as_bytes());
    desk.refuses(1, &command.replace("search.toml", "other.toml"), &["the lr of the arm scratch-01", "is asked for"]);
    // More may be asked for, and less is no other search.
    desk.write("more.toml", FILE.replace("draws = 3", "draws = 2").as_bytes());
    desk.graft(&command.replace("search.toml", "more.toml")).ok();
    desk.refuses(1, &command, &["the search has 2 draws, and now 1 are asked for"]);
    let seeds = FILE.replace("draws = 3", "draws = 2").replace("seeds = [100, 101]", "seeds = [100]");
    desk.write("seeds.toml", seeds.as_bytes());
    desk.refuses(1, &command.replace("search.toml", "seeds.toml"), &["the search has the seed 101"]);
    let alone = FILE.replace("draws = 3", "draws = 2").replace("[[bases]]\narm = 'scratch'\n", "");
    desk.write("alone.toml", alone.as_bytes());
    desk.refuses(
        1,
        &command.replace("search.toml", "alone.toml"),
        &["the base arm scratch, which is not asked for now"],
    );
    let plain = command.replace("--search search.toml", "--split validation --arms scratch --looks 0,3,5");
    desk.refuses(1, &plain, &["a search is in the folder", "another --out"]);
    desk.graft(&plain.replace("--out search", "--seeds 1 --out plain")).ok();
    desk.refuses(1, &command.replace("--out search", "--looks 0 --out plain"), &["a comparison is in the folder"]);
}
