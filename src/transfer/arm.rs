//! Arms: ways of training on the target under an equal budget. An arm differs from another only in what its name or its
//! options say.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::options::Choices;
use super::{Kind, METHODS};
use crate::error::{Error, Result, did_you_mean};
use crate::gan::{Augmentation, Loss, Recipe};

/// Settings of the recipe that an arm may have of its own, by the names of their options.
const OF_RECIPE: [&str; 10] = ["augment", "beta1", "d-lr", "d-steps", "ema", "gp", "lecam", "loss", "lr", "r1"];

/// Sets a part of a recipe.
type Setting = Box<dyn Fn(&mut Recipe)>;

/// One way of training on the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// What it is called.
    pub name: String,
    /// The method's name.
    pub method: String,
    /// The options of the method and of the recipe that were said.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Arm {
    /// An arm of a method with these options.
    ///
    /// # Errors
    /// [`Error::Usage`] where the method is unknown, or an option is, or takes something else.
    pub fn new(name: &str, method: &str, options: BTreeMap<String, String>) -> Result<Arm> {
        let arm = Arm { name: name.into(), method: method.into(), options };
        arm.check()?;
        Ok(arm)
    }

    /// An arm by its name (`trgan-mission`), or described as `METHOD{option=value,..}` or `NAME=METHOD{option=value,..}`.
    ///
    /// # Errors
    /// [`Error::Usage`] naming what is known.
    pub fn parse(text: &str) -> Result<Arm> {
        if let Some((kind, options)) = named(text) {
            return Arm::new(text, kind.name, parse_options(options)?);
        }
        let (head, options) = match text.split_once('{') {
            None => (text, ""),
            Some((head, rest)) => match rest.strip_suffix('}') {
                Some(options) => (head, options),
                None => return Err(Error::Usage(format!("the arm `{text}` lacks its closing brace"))),
            },
        };
        let (name, method) = head.split_once('=').unwrap_or((text, head));
        if name.is_empty() || name.contains(['/', '\\']) && head.contains('=') {
            return Err(Error::Usage(format!("the arm `{text}` needs a name that can be a folder's")));
        }
        Arm::new(name, method, parse_options(options)?)
    }

    /// The arms that have a name, in the order of the registry.
    pub fn names() -> impl Iterator<Item = &'static str> {
        METHODS.iter().flat_map(|kind| kind.arms.iter().map(|(name, _)| *name))
    }

    /// Refuses what no run can be made of.
    ///
    /// # Errors
    /// [`Error::Usage`] where the method is unknown, or an option is, or takes something else.
    pub fn check(&self) -> Result<()> {
        (self.kind()?.check)(&self.choices()?)?;
        self.recipe_settings().map(|_| ())
    }

    /// The arm with every option of its method and its rate written out, numbers in one spelling: two arms that train alike have
    /// equal options, and what is kept of a run does not depend on what the defaults are later.
    ///
    /// # Errors
    /// Those of [`Arm::check`].
    pub fn resolved(&self) -> Result<Arm> {
        self.check()?;
        let choices = self.choices()?;
        let mut options = choices.values().clone();
        options.insert("lr".to_string(), (self.kind()?.rate)(&choices).to_string());
        for (name, text) in self.options.iter().filter(|(name, _)| is_of_recipe(name)) {
            let number = text.parse::<f64>().map(|number| number.to_string());
            options.insert(name.clone(), number.unwrap_or_else(|_| text.replace(' ', "")));
        }
        // What no arm has unless it says so.
        options.retain(|name, value| !matches!((name.as_str(), value.as_str()), ("augment", "none") | ("lecam", "0")));
        Ok(Arm { options, ..self.clone() })
    }

    /// The arm as `--arms` takes it: its name where that says all, else with the options in which it differs from its method's
    /// defaults and those of `beside`.
    ///
    /// # Errors
    /// Those of [`Arm::check`].
    pub fn notation(&self, beside: &BTreeMap<String, String>) -> Result<String> {
        let own = self.resolved()?;
        let by_name = Arm::parse(&self.name).and_then(|arm| arm.resolved());
        if beside.is_empty() && by_name.is_ok_and(|arm| arm == own) {
            return Ok(self.name.clone());
        }
        let mut plain = Arm::new(&self.name, &self.method, BTreeMap::new())?.resolved()?;
        // The rate that is meant where none is said follows the other options.
        plain.options.insert("lr".to_string(), (self.kind()?.rate)(&own.choices()?).to_string());
        let mut options = beside.clone();
        options.extend(own.options.into_iter().filter(|(name, value)| plain.options.get(name) != Some(value)));
        let options: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = match self.name.split_once('{') {
            Some((before, _)) => before,
            None => &self.name,
        };
        Ok(format!("{name}={}{{{}}}", self.method, options.join(",")))
    }

    /// The method's row of the registry.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is none.
    pub fn kind(&self) -> Result<&'static Kind> {
        METHODS.iter().copied().find(|kind| kind.name == self.method).ok_or_else(|| {
            let (methods, arms): (Vec<&str>, Vec<&str>) =
                (METHODS.iter().map(|kind| kind.name).collect(), Arm::names().collect());
            let meant = did_you_mean(&self.method, arms.iter().chain(&methods).copied());
            Error::Usage(format!(
                "`{}` is no arm and no method{meant}; the arms are {}, the methods {}, and another arm is written NAME=METHOD{{option=value,..}}",
                self.method,
                arms.join(", "),
                methods.join(", ")
            ))
        })
    }

    /// The values of all options of the method.
    ///
    /// # Errors
    /// [`Error::Usage`] where an option is unknown or takes something else.
    pub fn choices(&self) -> Result<Choices> {
        let kind = self.kind()?;
        let of_method =
            self.options.iter().filter(|(name, _)| !is_of_recipe(name)).map(|(n, v)| (n.clone(), v.clone()));
        Choices::new(kind.name, kind.options, &of_method.collect())
    }

    /// Whether it learns from the source's images beside the GAN that a checkpoint can be.
    ///
    /// # Errors
    /// [`Error::Usage`] where the method or an option is unknown.
    pub fn learns_from_images(&self) -> Result<bool> {
        Ok((self.kind()?.learns_from_images)(&self.choices()?))
    }

    /// Whether it sees what a method could not know, such as true labels: nothing is claimed of it.
    pub fn is_oracle(&self) -> bool {
        matches!((self.kind(), self.choices()), (Ok(kind), Ok(choices)) if (kind.oracle)(&choices))
    }

    /// The recipe of this arm: `base` with the method's rate and what the options say.
    ///
    /// # Errors
    /// [`Error::Usage`] where that cannot train.
    pub fn recipe(&self, base: &Recipe) -> Result<Recipe> {
        let mut recipe = Recipe { lr: (self.kind()?.rate)(&self.choices()?), ..base.clone() };
        self.recipe_settings()?.iter().for_each(|set| set(&mut recipe));
        if self.options.contains_key("loss") && recipe.loss == Loss::WassersteinGp && recipe.gp == 0.0 {
            return Err(Error::Usage(format!(
                "the arm {}: loss=wasserstein-gp needs its penalty: add gp=10,r1=0",
                self.name
            )));
        }
        recipe.check()?;
        Ok(recipe)
    }

    /// What each option of the recipe sets.
    fn recipe_settings(&self) -> Result<Vec<Setting>> {
        let mut settings: Vec<Setting> = Vec::new();
        for (name, text) in self.options.iter().filter(|(name, _)| is_of_recipe(name)) {
            let bad = || Error::Usage(format!("the arm {}: --{name} does not take `{text}`", self.name));
            let number = || text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(bad);
            fn word<T: for<'a> Deserialize<'a>>(text: &str) -> Option<T> {
                serde_json::from_value(serde_json::Value::String(text.to_string())).ok()
            }
            let set: Setting = match name.as_str() {
                "augment" if text == "none" => Box::new(|recipe| recipe.augment.clear()),
                "augment" => {
                    let list: Option<Vec<Augmentation>> = text.split(',').map(word).collect();
                    let list = list.ok_or_else(bad)?;
                    Box::new(move |recipe| recipe.augment = list.clone())
                }
                "loss" => {
                    let loss = word(text).ok_or_else(bad)?;
                    Box::new(move |recipe| recipe.loss = loss)
                }
                "d-steps" => {
                    let steps = text.parse().map_err(|_| bad())?;
                    Box::new(move |recipe| recipe.d_steps = steps)
                }
                _ => {
                    let (number, name) = (number()?, name.clone());
                    Box::new(move |recipe| {
                        *match name.as_str() {
                            "beta1" => &mut recipe.beta1,
                            "d-lr" => &mut recipe.d_lr,
                            "ema" => &mut recipe.ema,
                            "gp" => &mut recipe.gp,
                            "lecam" => &mut recipe.lecam,
                            "lr" => &mut recipe.lr,
                            _ => &mut recipe.r1,
                        } = number;
                    })
                }
            };
            settings.push(set);
        }
        Ok(settings)
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Whether an option is the recipe's, not the method's.
pub fn is_of_recipe(name: &str) -> bool {
    OF_RECIPE.contains(&name)
}

/// The method and the options of an arm that has a name.
fn named(name: &str) -> Option<(&'static Kind, &'static str)> {
    METHODS.iter().find_map(|kind| kind.arms.iter().find(|(arm, _)| *arm == name).map(|(_, options)| (*kind, *options)))
}

/// `option=value,..`; a part without an equals sign belongs to the value before it (`augment=color,translation`).
fn parse_options(text: &str) -> Result<BTreeMap<String, String>> {
    let mut options: Vec<(String, String)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match (part.split_once('='), options.last_mut()) {
            (Some((name, value)), _) => options.push((name.trim().into(), value.trim().into())),
            (None, Some((_, value))) => *value = format!("{value},{part}"),
            (None, None) => return Err(Error::Usage(format!("`{part}` is no option=value"))),
        }
    }
    let count = options.len();
    let options: BTreeMap<String, String> = options.into_iter().collect();
    if options.len() < count {
        return Err(Error::Usage(format!("`{text}` says an option twice")));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::starting_recipe;

    #[test]
    fn every_named_arm_is_whole_and_the_list_is_the_documented_one() {
        let names: Vec<&str> = Arm::names().collect();
        let documented = [
            "scratch",
            "scratch+augment",
            "trgan",
            "trgan-mission",
            "tgan",
            "tgan-mission",
            "tgan-untrained",
            "ctgan",
            "ctgan-shuffled",
        ];
        assert_eq!(names, documented);
        for name in names {
            let arm = Arm::parse(name).unwrap();
            arm.recipe(&starting_recipe(0, 32, 3)).unwrap();
            assert_eq!(arm.name, name);
        }
    }

    #[test]
    fn an_arm_differs_only_in_what_its_options_say() {
        let base = starting_recipe(3, 32, 3);
        let arm = Arm::parse("mine=trgan{freeze-d=1,augment=color,translation,lr=0.0002}").unwrap();
        assert_eq!((arm.name.as_str(), arm.method.as_str()), ("mine", "trgan"));
        let recipe = arm.recipe(&base).unwrap();
        let expected = Recipe { augment: vec![Augmentation::Color, Augmentation::Translation], ..base.clone() };
        assert_eq!(recipe, expected);
        assert_eq!(arm.choices().unwrap().count("freeze-d"), 1);
        assert_eq!(arm.choices().unwrap().get("d-init"), "source");

        assert_eq!(Arm::parse("scratch").unwrap().recipe(&base).unwrap(), base);
        assert_eq!(Arm::parse("trgan").unwrap().recipe(&base).unwrap(), base);
        assert_eq!(Arm::parse("tgan").unwrap().recipe(&base).unwrap(), Recipe { lr: 1e-4, ..base.clone() });
        assert_eq!(Arm::parse("tgan-mission").unwrap().recipe(&base).unwrap(), base);
        assert_eq!(Arm::parse("scratch+augment").unwrap().recipe(&base).unwrap(), expected);
        assert_eq!(Arm::parse("trgan-mission").unwrap().choices().unwrap().get("d-init"), "fresh");
    }

    #[test]
    fn arms_that_train_alike_have_equal_options_however_they_are_written() {
        let options = |text: &str| Arm::parse(text).unwrap().resolved().unwrap().options;
        assert_eq!(options("trgan"), options("a=trgan{lr=2e-4,d-init=source}"));
        assert_eq!(options("ctgan"), options("ctgan{lr=0.0002}"));
        assert_eq!(options("tgan"), options("tgan{g-init=source,lr=1e-4}"));
        assert_ne!(options("tgan"), options("tgan{g-init=fresh}"));
        assert_eq!(options("trgan"), options("trgan{augment=none,lecam=0.0}"));
        assert_eq!(options("tgan{g-init=fresh}")["lr"], "0.0002", "the rate follows the options");
        let again = Arm::parse("tgan-mission").unwrap().resolved().unwrap();
        assert_eq!(again.resolved().unwrap(), again);
    }

    #[test]
    fn the_notation_of_an_arm_gives_the_arm_again() {
        let none = BTreeMap::new();
        let rate = "b=tgan{g-init=fresh,lr=0.0001}";
        for text in ["scratch", "trgan", "tgan-mission", "scratch+augment", "a=trgan{freeze-d=1,lr=0.0001}", rate] {
            let arm = Arm::parse(text).unwrap();
            assert_eq!(arm.notation(&none).unwrap(), text);
        }
        let arm = Arm::parse("trgan{r1=10}").unwrap();
        assert_eq!(arm.notation(&none).unwrap(), "trgan{r1=10}");
        let beside = [("beta1".to_string(), "0.9".to_string())].into_iter().collect();
        assert_eq!(Arm::parse("scratch").unwrap().notation(&beside).unwrap(), "scratch=scratch{beta1=0.9}");
        let changed =
            Arm { options: [("lr".into(), "0.1".into())].into_iter().collect(), ..Arm::parse("ctgan").unwrap() };
        assert_eq!(changed.notation(&none).unwrap(), "ctgan=ctgan{lr=0.1}");
    }

    #[test]
    fn what_cannot_be_an_arm_is_a_usage_error() {
        for text in [
            "dogs",
            "trgan{",
            "trgan{d-init=old}",
            "trgan{bank=source}",
            "x=trgan{lr=fast}",
            "=trgan",
            "trgan{7}",
            "trgan{lr=1,lr=2}",
            "a/b=trgan",
            "x=trgan{augment=flips}",
            "trgan{freeze-d=-1}",
            "scratch{loss=wasserstein-gp,r1=0}",
        ] {
            let error = Arm::parse(text).and_then(|arm| arm.recipe(&starting_recipe(0, 32, 3))).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{text}: {error}");
        }
    }
}
