//! Options as rows of a table: name, help, range, default, and the way into typed settings and out of them. The command line,
//! the notation of arms, printed commands and the checks of settings on disk are made from the rows.

use std::collections::BTreeMap;

use crate::error::{Error, Result, either};
use crate::words::Words;

/// An option's values in texts, by name.
pub type Texts = BTreeMap<String, String>;

/// What an option takes where nothing is said, or nothing is to be done.
pub const AUTO: &str = "auto";
/// No word of a list.
pub const NONE: &str = "none";

/// What an option takes.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// One of the words of an enum: [`words_of`].
    OneOf(fn() -> Vec<(&'static str, &'static str)>),
    /// Several of them, each once, with commas between, or `none`.
    Several(fn() -> Vec<(&'static str, &'static str)>),
    /// One of some whole numbers.
    Among(fn() -> Vec<usize>),
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// A finite number.
    Number(Range),
    /// `true` or `false`; on the command line the option alone is `true`.
    Flag,
    /// `auto`, or something else.
    Auto(&'static Takes),
    /// A text that its owner checks, described in these words.
    Text(&'static str),
}

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Above 0.
    Positive,
    /// From 0 up.
    NotNegative,
    /// From 0 to below 1.
    BelowOne,
    /// From 0 to 1.
    Share,
}

/// The names of an enum's values, and what they are.
pub fn words_of<T: Words>() -> Vec<(&'static str, &'static str)> {
    T::WORDS.iter().map(|(_, word, help)| (*word, help.trim().trim_end_matches('.'))).collect()
}

impl Takes {
    /// Whether a text is one of what it takes.
    pub fn fits(self, text: &str) -> bool {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let is_word = |words: fn() -> Vec<_>, text: &str| words().iter().any(|(word, _)| *word == text);
        match self {
            Takes::OneOf(words) => is_word(words, text),
            Takes::Several(words) => {
                let list: Vec<&str> = text.split(',').map(str::trim).collect();
                let twice = (1..list.len()).any(|place| list[..place].contains(&list[place]));
                text == NONE || !twice && list.iter().all(|word| is_word(words, word))
            }
            Takes::Among(numbers) => text.parse().is_ok_and(|number| numbers().contains(&number)),
            Takes::Whole(from, to) => text.parse().is_ok_and(|number: u64| (from..=to).contains(&number)),
            Takes::Number(Range::Positive) => number().is_some_and(|number| number > 0.0),
            Takes::Number(Range::NotNegative) => number().is_some_and(|number| number >= 0.0),
            Takes::Number(Range::BelowOne) => number().is_some_and(|number| (0.0..1.0).contains(&number)),
            Takes::Number(Range::Share) => number().is_some_and(|number| (0.0..=1.0).contains(&number)),
            Takes::Flag => ["true", "false"].contains(&text),
            Takes::Auto(other) => text == AUTO || other.fits(text),
            Takes::Text(_) => !text.is_empty(),
        }
    }

    /// The words that it takes, and what they are; none where it takes something else.
    pub fn words(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Takes::OneOf(words) | Takes::Several(words) => words(),
            Takes::Auto(other) => {
                let words = other.words();
                let auto = (!words.is_empty()).then_some((AUTO, ""));
                auto.into_iter().chain(words).collect()
            }
            _ => Vec::new(),
        }
    }

    /// In words, for a message.
    pub fn described(self) -> String {
        let names = |words: Vec<(&'static str, _)>| words.into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        match self {
            Takes::OneOf(words) => either(&names(words())),
            Takes::Several(words) => {
                format!("{NONE}, or each of {} once, with commas between", names(words()).join(", "))
            }
            Takes::Among(numbers) => either(&numbers().iter().map(usize::to_string).collect::<Vec<_>>()),
            Takes::Whole(from, to) => format!("a whole number from {from} to {to}"),
            Takes::Number(Range::Positive) => "a number above 0".into(),
            Takes::Number(Range::NotNegative) => "a number from 0 up".into(),
            Takes::Number(Range::BelowOne) => "a number from 0 to below 1".into(),
            Takes::Number(Range::Share) => "a number from 0 to 1".into(),
            Takes::Flag => "true or false".into(),
            Takes::Auto(other) => format!("{AUTO}, or {}", other.described()),
            Takes::Text(words) => words.into(),
        }
    }
}

/// A typed value and its text.
pub trait Value: Sized {
    /// The value of a text that fits what the option takes.
    fn read(text: &str) -> Option<Self>;
    /// The value in one spelling, which [`Value::read`] reads again.
    fn text(&self) -> String;
}

macro_rules! plain_values {
    ($($kind:ty),+) => {$(
        impl Value for $kind {
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
plain_values!(usize, u64, f64, bool, String);

impl<T: Words> Value for T {
    fn read(text: &str) -> Option<T> {
        T::of_name(text)
    }

    fn text(&self) -> String {
        self.name().to_string()
    }
}

impl<T: Words> Value for Vec<T> {
    fn read(text: &str) -> Option<Vec<T>> {
        if text == NONE { Some(Vec::new()) } else { text.split(',').map(|word| T::of_name(word.trim())).collect() }
    }

    fn text(&self) -> String {
        let words: Vec<&str> = self.iter().map(|value| value.name()).collect();
        if words.is_empty() { NONE.to_string() } else { words.join(",") }
    }
}

/// None is `auto`.
impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Option<Option<T>> {
        if text == AUTO { Some(None) } else { T::read(text).map(Some) }
    }

    fn text(&self) -> String {
        self.as_ref().map_or(AUTO.to_string(), T::text)
    }
}

/// What an option is, whatever settings it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name, as after `--`.
    pub name: &'static str,
    /// What stands for its value in a help text.
    pub value: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Its value where nothing is said.
    pub default: &'static str,
}

/// One option of settings `T`.
pub struct Row<T> {
    /// What it is.
    pub about: About,
    /// Where it stands in the settings.
    pub path: &'static str,
    /// Its value in a text.
    pub get: fn(&T) -> String,
    /// Takes a value; None where the text is none.
    pub set: fn(&mut T, &str) -> Option<()>,
}

impl<T> Row<T> {
    /// Takes a value.
    ///
    /// # Errors
    /// [`Error::Option`] where the option takes something else.
    pub fn take(&self, settings: &mut T, text: &str) -> Result<()> {
        let About { name, takes, .. } = self.about;
        let taken = takes.fits(text).then(|| (self.set)(settings, text)).flatten();
        taken.ok_or_else(|| Error::option(name, format!("takes {}, not {text}", takes.described())))
    }
}

/// Settings with a table of options, written with `options!`.
pub trait Options: Default + 'static {
    /// The table. Options are taken in its order: a later one may depend on an earlier.
    const ROWS: &'static [Row<Self>];

    /// The row of a name.
    fn row(name: &str) -> Option<&'static Row<Self>> {
        Self::ROWS.iter().find(|row| row.about.name == name)
    }

    /// Takes the values that are given for options of the table, in its order; what the table has not is left alone.
    ///
    /// # Errors
    /// [`Error::Option`] where an option takes something else.
    fn take(&mut self, given: &Texts) -> Result<()> {
        let said = |row: &'static Row<Self>| given.get(row.about.name).map(|text| (row, text));
        Self::ROWS.iter().filter_map(said).try_for_each(|(row, text)| row.take(self, text))
    }

    /// Every option's value.
    fn texts(&self) -> Texts {
        Self::ROWS.iter().map(|row| (row.about.name.to_string(), (row.get)(self))).collect()
    }

    /// Refuses values out of their ranges.
    ///
    /// # Errors
    /// [`Error::Option`] naming the first.
    fn check_ranges(&self) -> Result<()> {
        let broken = Self::ROWS.iter().find(|row| !row.about.takes.fits(&(row.get)(self)));
        broken.map_or(Ok(()), |row| {
            Err(Error::option(
                row.about.name,
                format!("takes {}, not {}", row.about.takes.described(), (row.get)(self)),
            ))
        })
    }
}

/// Defines settings and their table, a row an option: `/// HELP` `"NAME", "VALUE", TAKES, "DEFAULT", FIELD: TYPE;`, with
/// `, set FUNCTION` where taking a value does more than to store it. The first braces hold fields that are no options and what they
/// are at first, the third ones options of those fields' parts, a path in place of a field; the last ones, which may be left out, such
/// options as other tables have, too: `ABOUT, PATH;`.
macro_rules! options {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[doc = $plain_doc:literal])+ $plain:ident: $plain_type:ty = $plain_value:expr;)*
        } {
            $($(#[doc = $help:literal])+ $(#[serde($($serde:tt)*)])?
            $option:literal, $value:literal, $takes:expr, $default:literal, $field:ident: $type:ty $(, set $set:expr)?;)*
        } {
            $($(#[doc = $deep_help:literal])+
            $deep_option:literal, $deep_value:literal, $deep_takes:expr, $deep_default:literal, $($path:ident).+ $(, set $deep_set:expr)?;)*
        } $({
            $($about:path, $($shared:ident).+;)*
        })?
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[doc = $plain_doc])+ pub $plain: $plain_type,)*
            $($(#[doc = $help])+ $(#[serde($($serde)*)])? pub $field: $type,)*
        }

        impl $crate::options::Options for $name {
            const ROWS: &'static [$crate::options::Row<$name>] = &[
                $($crate::options::Row {
                    about: $crate::options::About {
                        name: $option,
                        value: $value,
                        help: concat!($($help),+),
                        takes: $takes,
                        default: $default,
                    },
                    path: stringify!($field),
                    get: |settings| $crate::options::Value::text(&settings.$field),
                    set: $crate::options::options!(@set $name, $field $(, $set)?),
                },)*
                $($crate::options::Row {
                    about: $crate::options::About {
                        name: $deep_option,
                        value: $deep_value,
                        help: concat!($($deep_help),+),
                        takes: $deep_takes,
                        default: $deep_default,
                    },
                    path: stringify!($($path).+),
                    get: |settings| $crate::options::Value::text(&settings.$($path).+),
                    set: $crate::options::options!(@set $name, $($path).+ $(, $deep_set)?),
                },)*
                $($($crate::options::Row {
                    about: $about,
                    path: stringify!($($shared).+),
                    get: |settings| $crate::options::Value::text(&settings.$($shared).+),
                    set: $crate::options::options!(@set $name, $($shared).+),
                },)*)?
            ];
        }

        /// What the table says.
        impl Default for $name {
            fn default() -> $name {
                #[allow(unused_mut)]
                let mut settings = $name {
                    $($plain: $plain_value,)*
                    $($field: $crate::options::Value::read($default).expect("a default is a value"),)*
                };
                $(($crate::options::options!(@set $name, $($path).+ $(, $deep_set)?))(&mut settings, $deep_default)
                    .expect("a default is a value");)*
                $($(($crate::options::options!(@set $name, $($shared).+))(&mut settings, $about.default)
                    .expect("a default is a value");)*)?
                settings
            }
        }
    };
    (@set $name:ident, $($path:ident).+) => {{
        let set: fn(&mut $name, &str) -> Option<()> = |settings, text| {
            settings.$($path).+ = $crate::options::Value::read(text)?;
            Some(())
        };
        set
    }};
    (@set $name:ident, $($path:ident).+, $set:expr) => {{
        let set: fn(&mut $name, &str) -> Option<()> = |settings, text| {
            let set: fn(&mut $name, _) = $set;
            set(settings, $crate::options::Value::read(text)?);
            Some(())
        };
        set
    }};
}

pub(crate) use options;
