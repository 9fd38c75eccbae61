//! Tables of options as arguments of commands, and as words of printed commands.

use std::marker::PhantomData;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::train::quoted;
use crate::error::Result;
use crate::gan::{Loss, Recipe};
use crate::options::{AUTO, About, NONE, Options, Row, Takes, Texts, Value};
use crate::words::Words;

/// A value of an enum by its name.
pub fn one_of<T: Words + Send + Sync>() -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(T::WORDS.iter().map(|(_, word, help)| possible(word, help)))
        .map(|word| T::of_name(&word).expect("one of the names"))
}

fn possible(word: &'static str, help: &'static str) -> PossibleValue {
    PossibleValue::new(word).help(help.trim().trim_end_matches('.'))
}

/// The argument of an option; `shown` by `-h`, too.
pub fn argument(about: &About, default: &str, shown: bool) -> Arg {
    let help = about.help.trim();
    let arg = Arg::new(about.name)
        .long(about.name)
        .value_name(about.value)
        .hide_short_help(!shown)
        .help(format!("{help} [default: {default}]"));
    let words = about.takes.words();
    match about.takes {
        Takes::Flag => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Takes::Text(takes) => arg.long_help(format!("{help}; takes {takes} [default: {default}]")),
        Takes::Several(_) => {
            let words = words.into_iter().chain([(NONE, "")]);
            let parser = PossibleValuesParser::new(words.map(|(word, help)| possible(word, help)));
            arg.value_delimiter(',').action(ArgAction::Append).value_parser(parser)
        }
        _ if !words.is_empty() => {
            arg.value_parser(PossibleValuesParser::new(words.into_iter().map(|(word, help)| possible(word, help))))
        }
        _ => arg.allow_negative_numbers(true),
    }
}

/// What is said of an option, if anything.
pub fn given(matches: &ArgMatches, name: &str) -> Option<String> {
    let values: Vec<String> = matches.get_many::<String>(name)?.cloned().collect();
    Some(values.join(","))
}

/// A command's own defaults of the recipe's options, and which of them it takes.
pub trait Preset: Send + Sync + 'static {
    /// The options that `-h` shows.
    const SHOWN: &'static [&'static str];
    /// The options that it does not take.
    const WITHOUT: &'static [&'static str];
    /// The recipe where nothing is said.
    fn recipe() -> Recipe;
    /// The default of an option in words where the recipe does not say it.
    fn default(_name: &str) -> Option<String> {
        None
    }

    /// The options that it takes.
    fn rows() -> impl Iterator<Item = &'static Row<Recipe>> {
        Recipe::ROWS.iter().filter(|row| !Self::WITHOUT.contains(&row.about.name))
    }

    /// The value of an option beside a loss where nothing is said.
    fn beside(row: &Row<Recipe>, loss: Loss) -> String {
        let mut recipe = Self::recipe();
        Recipe::row("loss").and_then(|row| (row.set)(&mut recipe, loss.name())).expect("a loss has a name");
        if row.about.default == AUTO { AUTO.to_string() } else { (row.get)(&recipe) }
    }

    /// The default of an option in words, with that of the losses that have another.
    fn described(row: &Row<Recipe>) -> String {
        let of = |loss| Self::beside(row, loss);
        let usual = Self::recipe().loss;
        let others = Loss::WORDS.iter().filter(|(loss, ..)| row.about.name != "loss" && of(*loss) != of(usual));
        let others = others.map(|(loss, name, _)| format!("; {} with {name}", of(*loss)));
        Self::default(row.about.name).unwrap_or_else(|| of(usual) + &others.collect::<String>())
    }

    /// The options of a recipe as words of a command, but those that are said elsewhere. What is off, as it would be if nothing
    /// were said, needs no words.
    fn words(recipe: &Recipe, elsewhere: &[&str]) -> String {
        let is_off = |row: &Row<Recipe>, text: &str| ["0", NONE].contains(&text) && Self::beside(row, recipe.loss) == text;
        let here = Self::rows().filter(|row| !elsewhere.contains(&row.about.name));
        let said = here.map(|row| (row, (row.get)(recipe))).filter(|(row, text)| !is_off(row, text));
        said.map(|(row, text)| format!(" --{} {}", row.about.name, quoted(&text))).collect()
    }

    /// The words that a command needs for a recipe: those of options that would be something else if nothing were said.
    fn needed_words(recipe: &Recipe) -> String {
        let (mut said, mut words) = (Self::recipe(), String::new());
        for row in Self::rows() {
            if row.about.default == AUTO {
                (row.set)(&mut said, AUTO);
            }
            let text = (row.get)(recipe);
            if (row.get)(&said) != text {
                (row.set)(&mut said, &text);
                words += &format!(" --{} {}", row.about.name, quoted(&text));
            }
        }
        words
    }
}

/// The options of a recipe that a command takes, as far as they are said.
#[derive(Debug)]
pub struct RecipeOptions<P>(pub Texts, PhantomData<P>);

impl<P: Preset> RecipeOptions<P> {
    /// What is said of an option.
    pub fn get<T: Value>(&self, name: &str) -> Option<T> {
        self.0.get(name).and_then(|text| T::read(text))
    }

    /// `base` with what is said.
    pub fn recipe(&self, mut base: Recipe) -> Result<Recipe> {
        let mut texts = self.0.clone();
        // The norm follows the loss and its penalty unless it is said.
        texts.entry("d-norm".to_string()).or_insert(AUTO.to_string());
        base.take(&texts)?;
        Ok(base)
    }
}

impl<P: Preset> Args for RecipeOptions<P> {
    fn augment_args(command: Command) -> Command {
        let arg = |row: &'static Row<Recipe>| argument(&row.about, &P::described(row), P::SHOWN.contains(&row.about.name));
        command.args(P::rows().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<P: Preset> FromArgMatches for RecipeOptions<P> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<RecipeOptions<P>, clap::Error> {
        let mut options = RecipeOptions(Texts::new(), PhantomData);
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let said = |row: &Row<Recipe>| Some((row.about.name.to_string(), given(matches, row.about.name)?));
        self.0.extend(P::rows().filter_map(said));
        Ok(())
    }
}
