//! The values that a search tries of an option, or of several together: a list, or a range from which they are drawn.

use std::collections::BTreeSet;

use rand::RngExt;
use sha2::{Digest, Sha256};
use toml::Value;

use crate::error::{Error, Result};
use crate::options::{Takes, Texts};
use crate::random::{Purpose, generator};
use crate::transfer::Arm;

/// What is tried under a key of a search's options.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// The key, by which draws are told apart.
    pub key: String,
    /// The options that it names, all of which take the same value.
    options: Vec<String>,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// These, each of some options.
    List(Vec<Texts>),
    /// Any between the ends, or any whole number.
    Uniform([f64; 2], Numbers),
    /// As [`Values::Uniform`], with equal chances for equal ratios.
    LogUniform([f64; 2], Numbers),
}

/// Which numbers an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Numbers {
    Whole,
    Real,
}

/// A base arm with more options, by another name.
pub(super) fn with(base: &Arm, name: &str, options: &Texts) -> Result<Arm> {
    let all = base.options.iter().chain(options).map(|(name, text)| (name.clone(), text.clone()));
    Arm::new(name, &base.method, all.collect())
}

impl Choice {
    /// Of an option, or several with commas between, and a list of values, `{ uniform = [LOW, HIGH] }`, or
    /// `{ log-uniform = [LOW, HIGH] }`. A value of a list may be a table of options, whatever the key.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is none of these, or the arm does not take it.
    pub fn read(arm: &Arm, key: &str, value: &Value) -> Result<Choice> {
        let options: Vec<String> = key.split(',').map(|name| name.trim().to_string()).collect();
        let values = match value {
            Value::Array(values) => Values::List(listed(arm, key, &options, values)?),
            Value::Table(table) if table.len() == 1 => {
                let (form, ends) = table.iter().next().ok_or_else(|| other(arm, key))?;
                range(arm, key, &options, form, ends)?
            }
            _ => return Err(other(arm, key)),
        };
        Ok(Choice { key: key.to_string(), options, values })
    }

    /// The options that it has values of.
    pub fn of(&self) -> BTreeSet<&String> {
        match &self.values {
            Values::List(values) => values.iter().flat_map(Texts::keys).collect(),
            _ => self.options.iter().collect(),
        }
    }

    /// Its values, where they are listed.
    pub fn list(&self) -> Option<&[Texts]> {
        match &self.values {
            Values::List(values) => Some(values),
            _ => None,
        }
    }

    /// The value of a draw.
    pub fn draw(&self, seed: u64, number: u64) -> Texts {
        let digest = Sha256::digest(&self.key);
        let key = u64::from_le_bytes(std::array::from_fn(|place| digest[place]));
        let mut random = generator(seed, Purpose::Search, number, key);
        let (value, [low, high]) = match &self.values {
            Values::List(values) => return values[random.random_range(0..values.len())].clone(),
            // A stretch of the same length for each whole number.
            Values::Uniform([low, high], Numbers::Whole) => {
                (random.random_range(*low..high + 1.0).floor(), [*low, *high])
            }
            Values::Uniform([low, high], Numbers::Real) => (readable(random.random_range(*low..*high)), [*low, *high]),
            Values::LogUniform([low, high], numbers) => {
                let value = random.random_range(low.ln()..high.ln()).exp();
                (if *numbers == Numbers::Whole { value.round() } else { readable(value) }, [*low, *high])
            }
        };
        each(&self.options, &value.clamp(low, high).to_string())
    }
}

/// A real number of three digits, which people can read and write.
pub(super) fn readable(value: f64) -> f64 {
    format!("{value:.2e}").parse().expect("a number in its own spelling")
}

fn each(options: &[String], text: &str) -> Texts {
    options.iter().map(|name| (name.clone(), text.to_string())).collect()
}

fn other(arm: &Arm, key: &str) -> Error {
    let forms = "[VALUE, ..], { uniform = [LOW, HIGH] } or { log-uniform = [LOW, HIGH] }";
    Error::Usage(format!("{key} of {} takes {forms}, LOW below HIGH, and above 0 where log-uniform", arm.name))
}

fn listed(arm: &Arm, key: &str, options: &[String], values: &[Value]) -> Result<Vec<Texts>> {
    let texts_of = |value: &Value| match value {
        Value::Table(table) => table.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        value => text(value).map(|text| each(options, &text)),
    };
    let texts: Vec<Texts> = values
        .iter()
        .map(texts_of)
        .collect::<Option<_>>()
        .filter(|texts: &Vec<_>| !texts.is_empty())
        .ok_or_else(|| other(arm, key))?;
    texts.iter().try_for_each(|texts| with(arm, &arm.name, texts).map(drop))?;
    Ok(texts)
}

fn range(arm: &Arm, key: &str, options: &[String], form: &str, ends: &Value) -> Result<Values> {
    let ends: Vec<f64> = ends.as_array().into_iter().flatten().filter_map(number).collect();
    let [low, high] = *ends.as_slice() else { return Err(other(arm, key)) };
    if !(low < high && high.is_finite()) {
        return Err(other(arm, key));
    }
    let checked = |end: f64| with(arm, &arm.name, &each(options, &end.to_string())).map(drop);
    let mut numbers = Numbers::Real;
    for option in options {
        match arm.takes(option)? {
            Some(Takes::Number(_)) => {}
            Some(Takes::Whole(..)) if low.fract() == 0.0 && high.fract() == 0.0 => numbers = Numbers::Whole,
            Some(takes) => {
                let problem = format!("{option} of {} takes {}", arm.name, takes.described());
                return Err(Error::Usage(format!("{problem}, which has no such range: list values")));
            }
            // The arm says that it has no such option.
            None => return checked(low).and(Err(other(arm, key))),
        }
    }
    checked(low)?;
    checked(high)?;
    match form {
        "uniform" => Ok(Values::Uniform([low, high], numbers)),
        "log-uniform" if low > 0.0 => Ok(Values::LogUniform([low, high], numbers)),
        _ => Err(other(arm, key)),
    }
}

/// A value in the spelling of an arm's option.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or(value.as_integer().map(|number| number as f64))
}
