//! Tables of options as arguments of commands, and as words of printed commands.

use std::marker::PhantomData;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::command::option_of;
use crate::error::Result;
use crate::options::{AUTO, About, NONE, Options, Row, Takes, Texts, Value};
use crate::words::Words;

/// A value of an enum by its name.
pub fn one_of<T: Words + Send + Sync>() -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(T::WORDS.iter().map(|(_, word, help)| possible(word, help)))
        .map(|word| T::of_name(&word).expect("one of the names"))
}

fn possible(word: &'static str, help: &'static str) -> PossibleValue {
    let value = PossibleValue::new(word);
    if help.is_empty() { value } else { value.help(help.trim().trim_end_matches('.')) }
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

/// How a command presents a table of options: its own defaults, and which it takes.
pub trait Preset<T: Options>: 'static {
    /// The options that `-h` shows.
    const SHOWN: &'static [&'static str];
    /// The options that it does not take.
    const WITHOUT: &'static [&'static str];
    /// The settings where nothing is said.
    fn usual() -> T;
    /// The default of an option in words where these settings do not say it.
    fn default(_name: &str) -> Option<String> {
        None
    }

    /// The options that it takes.
    fn rows() -> impl Iterator<Item = &'static Row<T>> {
        T::ROWS.iter().filter(|row| !Self::WITHOUT.contains(&row.about.name))
    }

    /// The default of an option in words, and what it is beside words of other options that bring another.
    fn described(row: &Row<T>) -> String {
        if row.about.default == AUTO {
            return AUTO.to_string();
        }
        let usual = (row.get)(&Self::usual());
        let beside = |other: &Row<T>, word: &'static str| {
            let mut settings = Self::usual();
            (other.set)(&mut settings, word);
            Some((row.get)(&settings)).filter(|text| *text != usual).map(|text| format!("; {text} with {word}"))
        };
        let others = Self::rows()
            .filter(|other| matches!(other.about.takes, Takes::OneOf(_)) && other.about.name != row.about.name);
        let others = others.flat_map(|other| other.about.takes.words().into_iter().map(move |(word, _)| (other, word)));
        let others: String = others.filter_map(|(other, word)| beside(other, word)).collect();
        Self::default(row.about.name).unwrap_or(usual + &others)
    }

    /// The words of a command that say settings: each option, its value, and what it would be if only those before it were said.
    fn sayings(settings: &T) -> Vec<(&'static Row<T>, String, String)> {
        let mut said = Self::usual();
        let saying = |row: &'static Row<T>| {
            if row.about.default == AUTO {
                (row.set)(&mut said, AUTO);
            }
            let (text, unsaid) = ((row.get)(settings), (row.get)(&said));
            (row.set)(&mut said, &text);
            (row, text, unsaid)
        };
        Self::rows().map(saying).collect()
    }

    /// Settings as words of a command, but the options that are said elsewhere. What is off without being said needs no words.
    fn words(settings: &T, elsewhere: &[&str]) -> String {
        let is_off =
            |row: &Row<T>, text: &str| text == AUTO || row.about.default != AUTO && ["0", NONE].contains(&text);
        let said = Self::sayings(settings).into_iter().filter(|(row, text, unsaid)| {
            !(elsewhere.contains(&row.about.name) || is_off(row, text) && text == unsaid)
        });
        said.map(|(row, text, _)| option_of(&row.about, &text)).collect()
    }

    /// Those words alone without which the command would take other settings, or might: where a default is of the data.
    fn needed_words(settings: &T) -> String {
        let said = Self::sayings(settings).into_iter();
        let needed = said.filter(|(row, text, unsaid)| text != unsaid || Self::default(row.about.name).is_some());
        needed.map(|(row, text, _)| option_of(&row.about, &text)).collect()
    }
}

/// The options of a table that a command takes, as far as they are said.
#[derive(Debug)]
pub struct Said<P, T>(pub Texts, PhantomData<fn() -> (P, T)>);

impl<P: Preset<T>, T: Options> Said<P, T> {
    /// What is said of an option.
    pub fn get<V: Value>(&self, name: &str) -> Option<V> {
        self.0.get(name).and_then(|text| V::read(text))
    }

    /// `base` with what is said; what follows from other options does so unless it is said.
    pub fn settings(&self, mut base: T) -> Result<T> {
        let auto = P::rows().filter(|row| row.about.default == AUTO);
        let mut texts: Texts = auto.map(|row| (row.about.name.to_string(), AUTO.to_string())).collect();
        texts.extend(self.0.clone());
        base.take(&texts)?;
        Ok(base)
    }
}

impl<P: Preset<T>, T: Options> Args for Said<P, T> {
    fn augment_args(command: Command) -> Command {
        let arg = |row: &'static Row<T>| argument(&row.about, &P::described(row), P::SHOWN.contains(&row.about.name));
        command.args(P::rows().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<P: Preset<T>, T: Options> FromArgMatches for Said<P, T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Said<P, T>, clap::Error> {
        let mut said = Said(Texts::new(), PhantomData);
        said.update_from_arg_matches(matches)?;
        Ok(said)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let said = |row: &Row<T>| Some((row.about.name.to_string(), given(matches, row.about.name)?));
        self.0.extend(P::rows().filter_map(said));
        Ok(())
    }
}
