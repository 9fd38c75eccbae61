//! What is printed can be pasted: every option with a value of every kind, in a command that is printed, is read as it was said.

use std::collections::BTreeMap;

use clap::Parser;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::command::{option, option_of, quoted};
use super::presets::{OfTrain, OfTransfer};
use super::train_command;
use super::transfer_command::equivalent_command;
use super::{Cli, Command};
use crate::cli::arguments::Preset;
use crate::gan::Recipe;
use crate::options::{About, NONE, Range, Takes};
use crate::run::Settings;
use crate::transfer::{Arm, Learning, METHODS, Plan};

/// The words of a printed command, as a POSIX shell would give them.
pub fn words(command: &str) -> Vec<String> {
    let (mut words, mut within, mut escaped) = (vec![String::new()], false, false);
    for letter in command.chars() {
        match letter {
            _ if escaped => {
                words.last_mut().unwrap().push(letter);
                escaped = false;
            }
            '\'' => within = !within,
            '\\' if !within => escaped = true,
            ' ' if !within => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    assert!(!within && !escaped, "{command}");
    words
}

fn parse(command: &str) -> Command {
    Cli::try_parse_from(words(command)).unwrap_or_else(|error| panic!("{command}: {error}")).command
}

/// The plan that a command stands for; None where it contradicts itself.
fn plan(command: &str) -> Option<Plan> {
    match parse(command) {
        Command::Transfer(transfer) => match transfer.plan() {
            Ok((plan, ..)) => Some(plan),
            Err(error) if error.is_usage() => None,
            Err(error) => panic!("{command}: {error}"),
        },
        _ => panic!("{command} is no transfer"),
    }
}

/// The settings that a command stands for; None where it contradicts itself.
fn settings(command: &str) -> Option<Settings> {
    match parse(command) {
        Command::Train(train) => match train.settings() {
            Ok((.., settings)) => Some(settings),
            Err(error) if error.is_usage() => None,
            Err(error) => panic!("{command}: {error}"),
        },
        _ => panic!("{command} is no training"),
    }
}

/// A few images of 16x16 with labels in a folder whose name a shell would read as something else; gone when dropped.
struct Data(tempfile::TempDir);

impl Data {
    fn new() -> Data {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("it's ~ $data & =co");
        std::fs::create_dir(&place).unwrap();
        // IDX: unsigned bytes.
        std::fs::write(
            place.join("images"),
            [&[0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 8, 0, 0, 0, 8][..], &[7; 6 * 64]].concat(),
        )
        .unwrap();
        std::fs::write(place.join("labels"), [0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 0, 1, 2]).unwrap();
        Data(folder)
    }

    fn spec(&self) -> String {
        let place = self.0.path().join("it's ~ $data & =co").display().to_string();
        format!("idx:{place}/images,{place}/labels")
    }

    fn transfer(&self, method: &str, options: &str) -> String {
        let source = option("source", "synthetic:strokes");
        format!("graft transfer{}{source}{}{options}", option("method", method), option("target", &self.spec()))
    }

    fn train(&self, options: &str) -> String {
        format!("graft train{}{options}", option("data", &self.spec()))
    }
}

/// Texts that an option takes.
fn texts(about: &About) -> BoxedStrategy<String> {
    of(about.takes)
}

fn of(takes: Takes) -> BoxedStrategy<String> {
    let numbers = |from: f64, to: f64| (from..to).prop_map(|number: f64| number.to_string()).boxed();
    match takes {
        Takes::OneOf(words) => select(words()).prop_map(|(word, _)| word.to_string()).boxed(),
        Takes::Several(words) => {
            let count = words().len();
            let some = subsequence(words(), 1..=count).prop_shuffle();
            let joined = some.prop_map(|words| words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(","));
            prop_oneof![Just(NONE.to_string()), joined].boxed()
        }
        Takes::Among(numbers) => select(numbers()).prop_map(|number| number.to_string()).boxed(),
        Takes::Whole(from, to) => {
            prop_oneof![Just(from), from..=to.min(from + 40)].prop_map(|number| number.to_string()).boxed()
        }
        Takes::Number(Range::Positive) => numbers(1e-7, 3.0),
        Takes::Number(Range::NotNegative) => prop_oneof![Just("0".to_string()), numbers(0.0, 20.0)].boxed(),
        Takes::Number(Range::BelowOne | Range::Share) => {
            prop_oneof![Just("0".to_string()), numbers(0.0, 0.999)].boxed()
        }
        Takes::Flag => select(vec!["true".to_string(), "false".to_string()]).boxed(),
        Takes::Auto(other) => prop_oneof![Just("auto".to_string()), of(*other)].boxed(),
        // The one text with a form of its own.
        Takes::Text(_) => select(vec!["pseudo".to_string(), "true".to_string(), "fewshot:2".to_string()]).boxed(),
    }
}

/// The options of `graft transfer` with a method, and of its recipes.
fn of_transfer(method: &str) -> Vec<&'static About> {
    let own = METHODS.iter().filter(|kind| kind.name == method).flat_map(|kind| (kind.new)().abouts());
    let recipe = <OfTransfer as Preset<Recipe>>::rows().map(|row| &row.about);
    own.chain(recipe).chain(<OfTransfer as Preset<Learning>>::rows().map(|row| &row.about)).collect()
}

/// What is said beside the tables' options, each with values of several kinds.
const BESIDE: [&[&str]; 11] = [
    &["--subset 4", "--subset 3 --subset-plain"],
    &["--steps 7"],
    &["--no-judge", "--evaluate-every 3"],
    &["--scratch"],
    &["--on-nan rollback", "--on-nan stop"],
    &["--device reference", "--device 'gpu:NVIDIA H100 (x)'", "--device gpu:1"],
    &["--background '#102030'", "--background black"],
    &["--fit pad", "--fit stretch"],
    &["--resample nearest"],
    &["--skip-broken"],
    &["--map 'one thing=0,b=1'", "--held-out 'folder:a b/it'\\''s'"],
];

/// Fails where the plan of a command is not that of the command that is printed for it; whether there is such a plan.
fn returns(command: &str) -> bool {
    let Some(first) = plan(command) else { return false };
    let printed = equivalent_command(&first);
    let again = plan(&printed).unwrap_or_else(|| panic!("{command}: {printed} contradicts itself"));
    // A name that was made of its options is written in another way.
    let arm = Arm { name: again.arm.name.clone(), ..first.arm.clone() };
    assert_eq!(again, Plan { arm, ..first }, "{command}: {printed}");
    assert_eq!(equivalent_command(&again), printed, "an equivalent command is its own equivalent");
    true
}

#[test]
fn every_option_of_a_transfer_returns_with_each_kind_of_value() {
    let data = Data::new();
    let mut runner = TestRunner::deterministic();
    // What an option may need beside it.
    let companions = [
        "",
        " --augment color",
        " --loss wasserstein-gp",
        " --condition instance --extractor autoencoder",
        " --ctgan-features",
    ];
    for method in METHODS.iter().map(|kind| kind.name) {
        for about in of_transfer(method) {
            let mut kinds: BTreeMap<String, bool> = BTreeMap::new();
            for _ in 0..12 {
                let text = texts(about).new_tree(&mut runner).unwrap().current();
                let said = option_of(about, &text);
                let fits = companions.iter().filter(|beside| !beside.contains(&*format!("--{} ", about.name)));
                let returned = fits
                    .filter(|beside| is_known(method, beside))
                    .any(|beside| returns(&data.transfer(method, &format!("{said}{beside}"))));
                *kinds.entry(text).or_default() |= returned;
            }
            assert!(
                kinds.values().any(|returned| *returned),
                "{method}: no value of {} is taken: {kinds:?}",
                about.name
            );
        }
        for said in BESIDE.iter().flat_map(|values| values.iter()) {
            // What stands beside a transfer is scratch.
            let scratch = method == "scratch" && *said == "--scratch";
            assert!(scratch || returns(&data.transfer(method, &format!(" {said}"))), "{method} {said}");
        }
    }
}

/// Whether a method has the options of some words.
fn is_known(method: &str, words: &str) -> bool {
    let names = words.split(' ').filter_map(|word| word.strip_prefix("--"));
    names.into_iter().all(|name| of_transfer(method).iter().any(|about| about.name == name))
}

#[test]
fn every_option_of_a_training_returns_with_each_kind_of_value() {
    let data = Data::new();
    let mut runner = TestRunner::deterministic();
    let returns = |command: &str| {
        let Some(first) = settings(command) else { return false };
        let printed = train_command::equivalent_command(&first);
        let again = settings(&printed).unwrap_or_else(|| panic!("{command}: {printed} contradicts itself"));
        assert_eq!(again, first, "{command}: {printed}");
        true
    };
    for row in <OfTrain as Preset<Recipe>>::rows() {
        let mut returned = false;
        for _ in 0..12 {
            let text = texts(&row.about).new_tree(&mut runner).unwrap().current();
            let said = option_of(&row.about, &text);
            for beside in ["", " --augment cutout", " --loss wasserstein-gp"] {
                let twice = beside.contains(&format!("--{} ", row.about.name));
                returned |= !twice && returns(&data.train(&format!("{said}{beside}")));
            }
        }
        assert!(returned, "no value of {} is taken", row.about.name);
    }
    for said in BESIDE.iter().flat_map(|values| values.iter()) {
        let is_of_transfer = ["judge", "evaluate", "scratch", "map", "held-out"].iter().any(|word| said.contains(word));
        assert!(is_of_transfer || returns(&data.train(&format!(" {said}"))), "{said}");
    }
    assert!(returns(&data.train(" --conditional")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn several_options_at_once_return(
        kind in 0..METHODS.len(),
        chosen in prop::collection::vec((any::<Index>(), any::<u64>()), 1..5),
        beside in prop::collection::vec((any::<Index>(), any::<Index>()), 0..3),
    ) {
        let method = METHODS[kind].name;
        let (data, abouts) = (Data::new(), of_transfer(method));
        let mut said: BTreeMap<&str, String> = BTreeMap::new();
        for (place, seed) in &chosen {
            let about = *place.get(&abouts);
            let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng(*seed));
            said.insert(about.name, option_of(about, &texts(about).new_tree(&mut runner).unwrap().current()));
        }
        let mut options: String = said.into_values().collect();
        let mut groups: Vec<&[&str]> = Vec::new();
        for (group, value) in &beside {
            let group = *group.get(&BESIDE);
            if !groups.contains(&group) {
                groups.push(group);
                options += &format!(" {}", value.get(group));
            }
        }
        returns(&data.transfer(method, &options));
    }

    #[test]
    fn a_quoted_word_is_one_word(text in "\\PC*") {
        prop_assert_eq!(words(&format!("x {}", quoted(&text))), ["x".to_string(), text]);
    }
}

/// The randomness of a value's choice.
fn rng(seed: u64) -> proptest::test_runner::TestRng {
    let bytes: Vec<u8> = (0..4u64).flat_map(|part| (seed ^ part).to_le_bytes()).collect();
    proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &bytes)
}
