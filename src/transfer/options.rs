//! The options of a method as rows of a table: what they are called, what they take, what they are without being said.
//! The command line, the notation of arms and the settings on disk all read the same rows.

use std::collections::BTreeMap;

use super::METHODS;
use crate::error::{Error, Result, did_you_mean};

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A whole number from 0 up.
    Count,
    /// A number from 0 up.
    Number,
    /// A number from 0 to 1.
    Share,
    /// `true` or `false`; on the command line the option alone is `true`.
    Flag,
    /// A text that the method checks, described in these words.
    Text(&'static str),
}

impl Takes {
    fn fits(self, value: &str) -> bool {
        let number = || value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        match self {
            Takes::OneOf(words) => words.contains(&value),
            Takes::Count => value.parse::<u32>().is_ok(),
            Takes::Number => number().is_some(),
            Takes::Share => number().is_some_and(|number| number <= 1.0),
            Takes::Flag => ["true", "false"].contains(&value),
            Takes::Text(_) => !value.is_empty(),
        }
    }

    /// A value that fits, numbers in one spelling.
    fn spelled(self, value: &str) -> String {
        match self {
            Takes::Count => value.parse::<u32>().map_or(value.to_string(), |count| count.to_string()),
            Takes::Number | Takes::Share => value.parse::<f64>().map_or(value.to_string(), |number| number.to_string()),
            _ => value.to_string(),
        }
    }

    /// In words, for a message.
    pub fn described(self) -> String {
        match self {
            Takes::OneOf(words) => words.join(" or "),
            Takes::Count => "a whole number from 0 up".into(),
            Takes::Number => "a number from 0 up".into(),
            Takes::Share => "a number from 0 to 1".into(),
            Takes::Flag => "true or false".into(),
            Takes::Text(words) => words.into(),
        }
    }
}

/// One option of a method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MethodOption {
    /// Its name, as after `--`.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Its value where nothing is said.
    pub default: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
}

/// A value for each option of a method.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices(BTreeMap<String, String>);

impl Choices {
    /// The given values, and the defaults of the rest.
    ///
    /// # Errors
    /// [`Error::Usage`] where an option is unknown or takes something else.
    pub fn new(method: &str, options: &'static [MethodOption], given: &BTreeMap<String, String>) -> Result<Choices> {
        if let Some(unknown) = given.keys().find(|name| options.iter().all(|option| option.name != **name)) {
            let known: Vec<&str> = options.iter().map(|option| option.name).collect();
            let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
            let owners = METHODS.iter().filter(|kind| kind.options.iter().any(|option| option.name == *unknown));
            let owners: Vec<String> = owners.map(|kind| format!("{}'s", kind.name)).collect();
            let meant = match owners.is_empty() {
                true => did_you_mean(unknown, options.iter().map(|option| option.name)),
                false => format!("; it is {}", owners.join(" and ")),
            };
            return Err(Error::Usage(format!(
                "{method} has no option {unknown}{meant}; the options of {method} are {known}"
            )));
        }
        let value = |option: &MethodOption| {
            let value = given.get(option.name).map_or(option.default, String::as_str);
            if !option.takes.fits(value) {
                return Err(Error::Usage(format!("--{} takes {}, not {value}", option.name, option.takes.described())));
            }
            Ok((option.name.to_string(), option.takes.spelled(value)))
        };
        Ok(Choices(options.iter().map(value).collect::<Result<_>>()?))
    }

    /// Every option and its value.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The value of an option.
    ///
    /// # Panics
    /// Where the method has no such option.
    #[track_caller]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no option {name}"))
    }

    /// Whether an option has this value.
    #[track_caller]
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == value
    }

    /// Whether a flag is set.
    #[track_caller]
    pub fn flag(&self, name: &str) -> bool {
        self.is(name, "true")
    }

    /// The value of an option that takes a number.
    ///
    /// # Panics
    /// Where it takes something else.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        self.get(name).parse().unwrap_or_else(|_| panic!("{name} takes no number"))
    }

    /// The value of an option that takes a whole number.
    ///
    /// # Panics
    /// Where it takes something else.
    #[track_caller]
    pub fn count(&self, name: &str) -> usize {
        self.get(name).parse().unwrap_or_else(|_| panic!("{name} takes no whole number"))
    }

    /// All values, as the header of checkpoints has them.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!(self.0)
    }
}
