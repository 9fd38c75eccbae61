//! A search for the options of arms, as its file describes it: base arms, options to try in each, and how successive halving (Karnin
//! 2013, Jamieson & Talwalkar 2016) goes. Its trials are arms of a comparison against the validation block, as many of each base arm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::choice::{Choice, with};
use crate::atomic;
use crate::error::{Error, Result};
use crate::options::Texts;
use crate::transfer::Arm;

/// A search's copy in its comparison's folder.
const FILE: &str = "search.toml";
/// The seeds where the file names none: those that nothing is claimed of.
const SEEDS: [u64; 2] = [100, 101];
/// More trials of a base arm are a slip of the pen.
const MOST_TRIALS: usize = 1000;
/// Draws that come out as one before them, for each that is asked for: then there are no others.
const MOST_REPEATS: usize = 100;

/// A search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Search {
    /// The seeds of every trial's runs.
    #[serde(default = "usual_seeds")]
    pub seeds: Vec<u64>,
    /// So many trials of each base arm are drawn; every combination where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
    /// The seed of the draws.
    #[serde(default)]
    pub draw_seed: u64,
    /// What is tried in every base arm, by option, or several with commas between: a list of values, each perhaps a table of options,
    /// or a range, `{ uniform = [LOW, HIGH] }` or `{ log-uniform = [LOW, HIGH] }`.
    #[serde(default)]
    pub options: BTreeMap<String, Value>,
    /// The base arms.
    pub bases: Vec<Base>,
    /// When, and how many, trials are left behind; all go to the end where there are none.
    #[serde(default)]
    pub halvings: Vec<Halving>,
}

/// An arm of which trials are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// In the notation of arms.
    pub arm: String,
    /// What is tried in it alone, or in another way than in the others.
    #[serde(default)]
    pub options: BTreeMap<String, Value>,
}

/// A step at which only the best trials of each base arm go on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// The step.
    pub step: u64,
    /// The share of the trials that goes on, rounded up.
    pub keep: f64,
}

/// A base arm with other options.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The base arm's name.
    pub base: String,
    /// The arm, by the base's name and a number.
    pub arm: Arm,
    /// The options that are tried in it.
    pub options: Texts,
}

fn usual_seeds() -> Vec<u64> {
    SEEDS.to_vec()
}

impl Search {
    /// Reads a search's file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Invalid`] where it is no search's, with the line; [`Error::Usage`] where no trials
    /// can be made of it.
    pub fn read(path: &Path) -> Result<Search> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let search: Search = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|&byte| byte == b'\n').count();
            Error::invalid(format!(
                "{}, line {line}: {}; a search has seeds, draws, draw-seed, [options], [[bases]] with arm and [bases.options], and \
                 [[halvings]] with step and keep",
                path.display(),
                error.message()
            ))
        })?;
        search.check().map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
        Ok(search)
    }

    /// Its copy in the folder of its comparison.
    pub fn path(root: &Path) -> PathBuf {
        root.join(FILE)
    }

    /// Writes it into the folder of its comparison.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Error::invalid(format!("{FILE}: {error}")))?;
        atomic::write(&Search::path(root), text.as_bytes())
    }

    /// Refuses what no trials can be made of.
    ///
    /// # Errors
    /// [`Error::Usage`] saying what to do.
    pub fn check(&self) -> Result<()> {
        let refused = |text: String| Err(Error::Usage(text));
        if self.bases.is_empty() {
            return refused("there is no base arm: write [[bases]] and arm = \"scratch\"".to_string());
        }
        if self.draws.is_some_and(|draws| !(1..=MOST_TRIALS).contains(&draws)) {
            return refused(format!("draws takes a whole number from 1 to {MOST_TRIALS}"));
        }
        let mut before = 0;
        for &Halving { step, keep } in &self.halvings {
            if step <= before {
                return refused(format!("halvings go from step to step: {step} stands behind {before}"));
            }
            if !(keep > 0.0 && keep < 1.0) {
                return refused(format!("keep takes a share above 0 and below 1, not {keep}"));
            }
            before = step;
        }
        self.trials().map(drop)
    }

    /// Refuses another search that lacks trials of this one: what was found would be passed over.
    pub(super) fn check_extension(&self, asked: &Search) -> Result<(), String> {
        if let Some((own, asked)) = self.draws.zip(asked.draws).filter(|(own, asked)| asked < own) {
            return Err(format!("the search has {own} draws, and now {asked} are asked for: ask for as many, or more"));
        }
        let is_gone = |own: &&Base| asked.bases.iter().all(|base| base.arm != own.arm);
        if let Some(Base { arm, .. }) = self.bases.iter().find(is_gone) {
            return Err(format!(
                "the search has the base arm {arm}, which is not asked for now: keep it beside others"
            ));
        }
        if let Some(seed) = self.seeds.iter().find(|seed| !asked.seeds.contains(seed)) {
            return Err(format!("the search has the seed {seed}, which is not asked for now: keep it beside others"));
        }
        let names = |search: &Search| -> Result<Vec<String>, String> {
            let trials = search.trials().map_err(|error| error.to_string())?;
            Ok(trials.into_iter().map(|trial| trial.arm.name).collect())
        };
        let (own, asked) = (names(self)?, names(asked)?);
        match own.iter().find(|name| !asked.contains(name)) {
            Some(name) => Err(format!(
                "the search has {} trials, and now {} are asked for, without {name}: keep all values, and add others behind them",
                own.len(),
                asked.len()
            )),
            None => Ok(()),
        }
    }

    /// Every trial, by base arm and number: the combinations of all values, the last option's the fastest, or draws. A draw depends on
    /// its option, its number and the seed alone, so that base arms try the same of what they share, and more draws keep those before.
    ///
    /// # Errors
    /// [`Error::Usage`] where an option is none of an arm's or takes something else, two trials are the same, or base arms have unequal
    /// numbers of them.
    pub fn trials(&self) -> Result<Vec<Trial>> {
        let mut trials: Vec<Trial> = Vec::new();
        let mut counts: Vec<(String, usize)> = Vec::new();
        for base in &self.bases {
            let of_base = self.trials_of(base)?;
            let count = of_base.len();
            let name = of_base.first().map_or_else(|| base.arm.clone(), |trial| trial.base.clone());
            if counts.iter().any(|(known, _)| *known == name) {
                return Err(Error::Usage(format!("the base arm {name} is named twice; name it once, or by NAME=..")));
            }
            if let Some((first, expected)) = counts.first().filter(|(_, expected)| *expected != count) {
                return Err(Error::Usage(format!(
                    "{first} has {expected} trials and {name} {count}: give each base arm as many values to combine, or draws = N"
                )));
            }
            counts.push((name, count));
            trials.extend(of_base);
        }
        Ok(trials)
    }

    fn trials_of(&self, base: &Base) -> Result<Vec<Trial>> {
        let arm = Arm::parse(&base.arm)?;
        let values: BTreeMap<&String, &Value> = self.options.iter().chain(&base.options).collect();
        let read = |(key, value): (&String, &Value)| Choice::read(&arm, key, value);
        let choices: Vec<Choice> = values.into_iter().map(read).collect::<Result<_>>()?;
        let mut known: BTreeSet<&String> = BTreeSet::new();
        for option in choices.iter().flat_map(Choice::of) {
            let which = &base.arm;
            if arm.options.contains_key(option) {
                let problem = format!("{which} says {option}, which is searched for");
                return Err(Error::Usage(format!("{problem}: leave it out of either")));
            }
            if !known.insert(option) {
                return Err(Error::Usage(format!("{option} is searched for twice in {which}: leave it out of either")));
            }
        }
        let all = match self.draws {
            Some(draws) => self.drawn(&arm, &choices, draws)?,
            None => combined(&arm, &choices)?,
        };
        let name = arm.name.split_once('{').map_or(&*arm.name, |(before, _)| before);
        let trial = |(index, options): (usize, Texts)| -> Result<Trial> {
            let arm = with(&arm, &format!("{name}-{:02}", index + 1), &options)?;
            Ok(Trial { base: name.to_string(), arm, options })
        };
        all.into_iter().enumerate().map(trial).collect()
    }

    /// As many different draws.
    fn drawn(&self, arm: &Arm, choices: &[Choice], draws: usize) -> Result<Vec<Texts>> {
        let mut found: Vec<(Texts, Texts)> = Vec::new();
        let mut repeats = 0;
        for number in 0.. {
            if found.len() == draws {
                break;
            }
            let options: Texts = choices.iter().flat_map(|choice| choice.draw(self.draw_seed, number)).collect();
            let trained = with(arm, &arm.name, &options)?.resolved()?.options;
            if found.iter().all(|(_, other)| *other != trained) {
                found.push((options, trained));
                continue;
            }
            repeats += 1;
            if repeats == MOST_REPEATS * draws {
                let (name, count) = (&arm.name, found.len());
                return Err(Error::Usage(format!(
                    "{draws} draws of {name} are asked for, and its options give no more than {count}: draw fewer, or give them more values"
                )));
            }
        }
        Ok(found.into_iter().map(|(options, _)| options).collect())
    }
}

/// All combinations of lists.
fn combined(arm: &Arm, choices: &[Choice]) -> Result<Vec<Texts>> {
    let mut all = vec![Texts::new()];
    for choice in choices {
        let Some(values) = choice.list() else {
            let problem = format!("{} of {} has a range, from which values are drawn", choice.key, arm.name);
            return Err(Error::Usage(format!("{problem}: say draws = N, or list values")));
        };
        if all.len() * values.len() > MOST_TRIALS {
            let problem = format!("{} has more than {MOST_TRIALS} combinations", arm.name);
            return Err(Error::Usage(format!("{problem}: say draws = N, or list fewer values")));
        }
        let with = |before: &Texts, value: &Texts| before.clone().into_iter().chain(value.clone()).collect();
        all = all.iter().flat_map(|before| values.iter().map(move |value| with(before, value))).collect();
    }
    let trained = |options| Ok(with(arm, &arm.name, options)?.resolved()?.options);
    let trained: Vec<Texts> = all.iter().map(trained).collect::<Result<_>>()?;
    if let Some(place) = (1..all.len()).find(|&place| trained[..place].contains(&trained[place])) {
        let said: Vec<String> = all[place].iter().map(|(name, text)| format!("{name}={text}")).collect();
        return Err(Error::Usage(format!("{} has {} twice: list each value once", arm.name, said.join(", "))));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::choice::readable;
    use super::*;

    fn search(text: &str) -> Search {
        toml::from_str(text).unwrap()
    }

    /// A search of two base arms that share `lr`.
    fn drawn(draws: usize, seed: u64) -> Search {
        search(&format!(
            "draws = {draws}\ndraw-seed = {seed}\noptions = {{ lr = {{ log-uniform = [2e-4, 1e-3] }}, loss = ['hinge', 'r3gan'] }}\n\
             [[bases]]\narm = 'scratch'\n[[bases]]\narm = 'mine=trgan{{batch=32}}'\n\
             [bases.options]\nfreeze-d = {{ uniform = [0, 2] }}"
        ))
    }

    #[test]
    fn a_grid_is_every_combination_in_order() {
        let grid = search(
            "options = { lr = [2e-4, 1e-3], loss = ['hinge'] }\n[[bases]]\narm = 'scratch'\noptions = { r1 = [1, 0.1] }\n\
             [[bases]]\narm = 'tgan{batch=32}'\noptions = { heads = [0.5, 1.0] }",
        );
        let trials = grid.trials().unwrap();
        let said: Vec<String> = trials.iter().map(|trial| trial.arm.notation().unwrap()).collect();
        let expected = [
            "scratch-01=scratch{loss=hinge,lr=0.0002,r1=1}",
            "scratch-02=scratch{loss=hinge,lr=0.0002,r1=0.1}",
            "scratch-03=scratch{loss=hinge,r1=1}",
            "scratch-04=scratch{loss=hinge,r1=0.1}",
        ];
        assert_eq!(said[..4], expected, "1e-3 is what an arm has where nothing is said");
        let names: Vec<&str> = trials[4..].iter().map(|trial| trial.arm.name.as_str()).collect();
        assert_eq!(names, ["tgan-01", "tgan-02", "tgan-03", "tgan-04"]);
        assert!(trials[4..].iter().all(|trial| trial.base == "tgan" && trial.arm.options["batch"] == "32"));
        assert_eq!(grid.seeds, [100, 101]);
    }

    #[test]
    fn draws_are_within_their_ranges_and_base_arms_share_those_of_what_they_share() {
        let trials = drawn(12, 3).trials().unwrap();
        let (scratch, mine) = trials.split_at(12);
        for (one, other) in scratch.iter().zip(mine) {
            let rate: f64 = one.options["lr"].parse().unwrap();
            assert!((2e-4..=1e-3).contains(&rate) && rate == readable(rate), "{rate}");
            assert_eq!((&one.options["lr"], &one.options["loss"]), (&other.options["lr"], &other.options["loss"]));
            assert!(["0", "1", "2"].contains(&other.options["freeze-d"].as_str()), "{other:?}");
        }
        let different =
            |option: &str| mine.iter().map(|trial| &trial.options[option]).collect::<std::collections::BTreeSet<_>>();
        assert_eq!((different("lr").len(), different("loss").len(), different("freeze-d").len()), (12, 2, 3));
        // Half of the draws are below the geometric mean of the ends.
        let many = drawn(400, 0).trials().unwrap();
        let below =
            many[..400].iter().filter(|trial| trial.options["lr"].parse::<f64>().unwrap() < (2e-4f64 * 1e-3).sqrt());
        let below = below.count();
        assert!((160..=240).contains(&below), "{below} of 400, four standard deviations around 200");
    }

    #[test]
    fn draws_are_of_their_seed_and_more_of_them_keep_those_before() {
        let options = |search: Search| -> Vec<Texts> {
            let trials = search.trials().unwrap().into_iter();
            trials.filter(|trial| trial.base == "mine").map(|trial| trial.options).collect()
        };
        let first = options(drawn(5, 3));
        assert_eq!(first, options(drawn(5, 3)));
        assert_eq!(first, options(drawn(9, 3))[..5]);
        assert_ne!(first, options(drawn(5, 4)));
        // Of two values together, each is drawn once.
        let both = search("draws = 2\n[[bases]]\narm = 'scratch'\noptions = { loss = ['hinge', 'r3gan'] }");
        let drawn: std::collections::BTreeSet<Texts> =
            options(Search { bases: vec![Base { arm: "mine=scratch".into(), ..both.bases[0].clone() }], ..both })
                .into_iter()
                .collect();
        assert_eq!(drawn.len(), 2);
    }

    #[test]
    fn options_that_belong_together_are_tried_together() {
        let text = "draws = 6\noptions = { 'lr,d-lr' = { log-uniform = [2e-4, 1e-3] }, augmentation = [{ augment = 'none' }, \
             { augment = 'color,translation', ada = 0.6 }] }\n[[bases]]\narm = 'scratch'";
        let trials = search(text).trials().unwrap();
        assert!(trials.iter().all(|trial| trial.options["lr"] == trial.options["d-lr"]), "{trials:?}");
        let augments: BTreeSet<(&str, bool)> =
            trials.iter().map(|trial| (&*trial.options["augment"], trial.options.contains_key("ada"))).collect();
        assert_eq!(augments, [("none", false), ("color,translation", true)].into_iter().collect());
        let both = search("options = { 'lr,d-lr' = [1e-3], lr = [1] }\n[[bases]]\narm = 'scratch'").trials();
        assert!(both.unwrap_err().to_string().contains("lr is searched for twice in scratch"));
    }

    #[test]
    fn a_file_gives_the_search_again() {
        let folder = tempfile::tempdir().unwrap();
        let search = Search { halvings: vec![Halving { step: 500, keep: 0.25 }], ..drawn(3, 1) };
        search.write(folder.path()).unwrap();
        assert_eq!(Search::read(&Search::path(folder.path())).unwrap(), search);
    }

    #[test]
    fn the_documented_file_is_a_search() {
        let document = include_str!("../../../docs/evaluation.md");
        let block = document.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
        let search = search(block);
        search.check().unwrap();
        let trials = search.trials().unwrap();
        assert_eq!((trials.len(), trials[16].arm.name.as_str()), (32, "tgan-01"));
        assert_eq!((search.seeds.as_slice(), search.halvings.len()), (usual_seeds().as_slice(), 2));
    }

    #[test]
    fn what_no_search_can_be_made_of_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("search.toml");
        let bases = "[[bases]]\narm = 'scratch'\n[[bases]]\narm = 'trgan'\n";
        for (text, parts) in [
            ("draws = 2\nrounds = 1\nbases = []".to_string(), &["line 2", "rounds", "halvings"][..]),
            ("draws = 2\nbases = []".to_string(), &["no base arm", "[[bases]]"]),
            (format!("draws = 0\n{bases}"), &["draws takes", "1 to 1000"]),
            (format!("draws = 2\n{bases}"), &["2 draws of scratch", "no more than 1"]),
            (format!("options = {{ lrr = [1] }}\n{bases}"), &["scratch has no option lrr"]),
            (
                format!("draws = 2\noptions = {{ lrr = {{ uniform = [0, 1] }} }}\n{bases}"),
                &["scratch has no option lrr"],
            ),
            (format!("options = {{ lr = ['fast'] }}\n{bases}"), &["lr takes a number above 0, not fast"]),
            (format!("options = {{ lr = 0.1 }}\n{bases}"), &["lr of scratch takes [VALUE, ..]"]),
            (format!("options = {{ lr = [] }}\n{bases}"), &["lr of scratch takes [VALUE, ..]"]),
            (format!("options = {{ lr = {{ uniform = [1, 0.1] }} }}\n{bases}"), &["LOW below HIGH"]),
            (
                format!("draws = 2\noptions = {{ r1 = {{ log-uniform = [0, 1] }} }}\n{bases}"),
                &["above 0 where log-uniform"],
            ),
            (format!("options = {{ loss = {{ uniform = [0, 1] }} }}\n{bases}"), &["no such range", "list values"]),
            (
                format!("options = {{ batch = {{ uniform = [2.5, 8.5] }} }}\n{bases}"),
                &["batch of scratch", "list values"],
            ),
            (
                format!("draws = 2\noptions = {{ ema = {{ uniform = [0.5, 1.5] }} }}\n{bases}"),
                &["ema takes", "not 1.5"],
            ),
            (format!("options = {{ lr = {{ uniform = [0.1, 1] }} }}\n{bases}"), &["draws = N, or list values"]),
            (format!("options = {{ lr = [0.1, 1e-1] }}\n{bases}"), &["scratch has lr=0.1 twice"]),
            (format!("{bases}options = {{ freeze-d = [0, 1] }}"), &["scratch has 1 trials and trgan 2", "draws = N"]),
            (format!("{bases}[[bases]]\narm = 'scratch'"), &["scratch is named twice"]),
            ("[[bases]]\narm = 'a=trgan{lr=1}'\noptions = { lr = [1] }".to_string(), &["a=trgan{lr=1} says lr"]),
            (format!("{bases}[[halvings]]\nstep = 0\nkeep = 0.5"), &["0 stands behind 0"]),
            (format!("{bases}[[halvings]]\nstep = 9\nkeep = 1.0"), &["keep takes a share", "not 1"]),
            ("[[bases]]\narm = 'dogs'".to_string(), &["`dogs` is no arm"]),
        ] {
            std::fs::write(&path, &text).unwrap();
            let error = Search::read(&path).unwrap_err().to_string();
            for part in parts.iter().chain(&["search.toml"]) {
                assert!(error.contains(part) && !error.contains("--"), "{text}\nsays {error}\nwithout {part}");
            }
        }
    }
}
