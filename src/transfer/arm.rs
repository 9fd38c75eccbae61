//! Arms: ways of training on the target under an equal budget. An arm differs from another only in what its name or its
//! options say.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::options::{OF_DATA, of_run};
use super::{Choices, Kind, Learning, METHODS, RATE};
use crate::error::{Error, Result, did_you_mean};
use crate::gan::{Loss, Recipe};
use crate::options::{AUTO, NONE, Options, Row, Takes, Texts, Value};

/// Options whose defaults are the method's.
const AUGMENT: &str = "augment";
const ADA: &str = "ada";
/// Options of methods that came later than steered augmentation, or with it.
const LATER: [&str; 1] = ["agree"];

/// One way of training on the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Arm {
    /// What it is called.
    pub name: String,
    /// The method's name.
    pub method: String,
    /// The options of the method and of the recipe that were said.
    pub options: BTreeMap<String, String>,
}

/// An arm as a file has it, perhaps one of an earlier version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    method: String,
    #[serde(default)]
    options: BTreeMap<String, String>,
}

impl From<Written> for Arm {
    fn from(written: Written) -> Arm {
        let Written { name, method, mut options } = written;
        if let Some(kind) = METHODS.iter().find(|kind| kind.name == method) {
            (kind.read_old)(&mut options);
            // With every option written out, and before augmentation was steered: what is not said was none.
            let choices = (kind.new)();
            let says = |name: &String| options.contains_key(name) || LATER.contains(&name.as_str());
            let is_written_out = options.contains_key("lr") && choices.values().keys().all(says);
            if is_written_out && !options.contains_key(ADA) && choices.ada() > 0.0 {
                options.insert(ADA.to_string(), "0".to_string());
                options.entry(AUGMENT.to_string()).or_insert(NONE.to_string());
            }
        }
        Arm { name, method, options }
    }
}

impl Arm {
    /// An arm of a method with these options.
    ///
    /// # Errors
    /// [`Error::Usage`] where the name is no folder's, the method is unknown, or an option is, or takes something else.
    pub fn new(name: &str, method: &str, options: BTreeMap<String, String>) -> Result<Arm> {
        check_name(name)?;
        let arm = Arm { name: name.into(), method: method.into(), options };
        arm.check()?;
        arm.choices()?.check_idle()?;
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
        let (name, method, options) = described(text)?;
        Arm::new(name, method, options)
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
        self.choices()?;
        self.apply(&mut Recipe::default())?;
        self.learning(Learning::default()).map(|_| ())
    }

    /// The arm with every option of its method and its rate written out, numbers in one spelling: two arms that train alike have
    /// equal options, and what is kept of a run does not depend on what the defaults are later.
    ///
    /// # Errors
    /// Those of [`Arm::check`].
    pub fn resolved(&self) -> Result<Arm> {
        self.check()?;
        let choices = self.choices()?;
        let mut options = choices.values();
        let (augment, ada) = (choices.augment().text(), self.ada(&*choices));
        options.insert("lr".to_string(), RATE.to_string());
        options.insert(AUGMENT.to_string(), augment.clone());
        options.insert(ADA.to_string(), ada.text());
        options.extend(spelled::<Recipe>(&self.options)?);
        options.extend(spelled::<Learning>(&self.options)?);
        // What no arm has unless it says so.
        options.retain(|name, value| match name.as_str() {
            AUGMENT => augment != NONE || value != NONE,
            ADA => choices.ada() > 0.0 || value != "0",
            "lecam" => value != "0",
            _ => true,
        });
        Ok(Arm { options, ..self.clone() })
    }

    /// The arm as `--arms` takes it: its name where that says all, else with the options in which it differs from its method's
    /// defaults.
    ///
    /// # Errors
    /// Those of [`Arm::check`].
    pub fn notation(&self) -> Result<String> {
        let own = self.resolved()?;
        let by_name = Arm::parse(&self.name).and_then(|arm| arm.resolved());
        if by_name.is_ok_and(|arm| arm == own) {
            return Ok(self.name.clone());
        }
        let mut plain = Arm::new(&self.name, &self.method, BTreeMap::new())?.resolved()?;
        // The augmentation that is meant where none is said follows the other options.
        let choices = own.choices()?;
        plain.options.insert(AUGMENT.to_string(), choices.augment().text());
        // It goes with the augmentation that is said.
        plain.options.insert(ADA.to_string(), own.ada(&*choices).text());
        let differs = |(name, value): &(&String, &String)| plain.options.get(*name) != Some(value);
        let options = own.options.iter().filter(differs).map(|(name, value)| format!("{name}={value}"));
        let name = match self.name.split_once('{') {
            Some((before, _)) => before,
            None => &self.name,
        };
        Ok(format!("{name}={}{{{}}}", self.method, options.collect::<Vec<_>>().join(",")))
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

    /// The method with a value for each of its options.
    ///
    /// # Errors
    /// [`Error::Usage`] where an option is unknown or takes something else.
    pub fn choices(&self) -> Result<Box<dyn Choices>> {
        self.kind()?.choose(&self.of_method()).map_err(|error| self.at_fault(error))
    }

    /// What it says of its method's own options.
    pub(super) fn of_method(&self) -> Texts {
        let of_method = self.options.iter().filter(|(name, _)| !Arm::is_of_run(name));
        of_method.map(|(name, text)| (name.clone(), text.clone())).collect()
    }

    /// What one of its options takes; none where it has no such option.
    ///
    /// # Errors
    /// [`Error::Usage`] where the method or an option that was said is unknown.
    pub fn takes(&self, option: &str) -> Result<Option<Takes>> {
        let of_recipe = || Recipe::row(option).map(|row| row.about.takes);
        let of_run = || of_recipe().or_else(|| Learning::row(option).map(|row| row.about.takes));
        let of_method =
            self.choices()?.abouts().into_iter().find(|about| about.name == option).map(|about| about.takes);
        Ok(if Arm::is_of_run(option) { of_run() } else { of_method })
    }

    /// Whether it learns from the source's images beside the GAN that a checkpoint can be.
    ///
    /// # Errors
    /// [`Error::Usage`] where the method or an option is unknown.
    pub fn learns_from_images(&self) -> Result<bool> {
        Ok(self.choices()?.learns_from_images())
    }

    /// Whether it shows networks the source's images in the style that its GAN is shown, beside that GAN.
    ///
    /// # Errors
    /// [`Error::Usage`] where the method or an option is unknown.
    pub fn shows_source_style(&self) -> Result<bool> {
        Ok(self.choices()?.shows_source_style())
    }

    /// Whether it sees what a method could not know, such as true labels: nothing is claimed of it.
    pub fn is_oracle(&self) -> bool {
        self.choices().is_ok_and(|choices| choices.is_oracle())
    }

    /// The recipe of this arm: `base` with the usual rate, the method's augmentation, and what the options say.
    ///
    /// # Errors
    /// [`Error::Usage`] where that cannot train.
    pub fn recipe(&self, base: &Recipe) -> Result<Recipe> {
        let choices = self.choices()?;
        let mut recipe = Recipe { lr: RATE, augment: choices.augment(), ada: self.ada(&*choices), ..base.clone() };
        self.apply(&mut recipe)?;
        // Of such a loss nothing could steer; an arm that is written out says the default all the same.
        if recipe.loss.neutral().is_none() && recipe.ada == choices.ada() {
            recipe.ada = 0.0;
        }
        recipe.check().map_err(|error| self.at_fault(error))?;
        Ok(recipe)
    }

    /// What the method has for `ada` where images are augmented, by the method's own default or as the options say.
    fn ada(&self, choices: &dyn Choices) -> f64 {
        let is_none = match self.options.get(AUGMENT) {
            Some(said) => said == NONE,
            None => choices.augment().is_empty(),
        };
        let loss = self.options.get("loss").and_then(|loss| Loss::read(loss));
        let steers = loss.is_none_or(|loss| loss.neutral().is_some());
        if is_none || !steers { 0.0 } else { choices.ada() }
    }

    /// Takes what the options say of the recipe.
    fn apply(&self, recipe: &mut Recipe) -> Result<()> {
        let decided = |name: &str| OF_DATA.contains(&name);
        let of_recipe =
            self.options.iter().filter(|(name, _)| !decided(name)).map(|(n, text)| (n.clone(), text.clone()));
        recipe.take(&of_recipe.collect()).map_err(|error| self.at_fault(error))
    }

    /// How this arm learns of its source: `base` with what the options say.
    ///
    /// # Errors
    /// [`Error::Usage`] where one takes something else.
    pub fn learning(&self, mut base: Learning) -> Result<Learning> {
        base.take(&self.options).map_err(|error| self.at_fault(error))?;
        Ok(base)
    }

    /// Whether an option is the recipe's, or says how the source is learned: of every method.
    pub fn is_of_run(name: &str) -> bool {
        of_run().any(|of_run| of_run == name)
    }

    /// The options that are said of the networks that source and target share, or of how the source is learned: an arm that has
    /// some needs a source of its own.
    pub fn of_source(&self) -> impl Iterator<Item = (&String, &String)> {
        let of_networks = |name: &str| Recipe::row(name).is_some_and(|row| row.path.starts_with("architecture"));
        self.options.iter().filter(move |(name, _)| of_networks(name) || Learning::row(name).is_some())
    }

    /// An error of an option, with the arm that says it.
    fn at_fault(&self, error: Error) -> Error {
        match error {
            Error::Option { .. } => Error::Usage(format!("the arm {}: {error}", self.name)),
            error => error,
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What is said of a table's options, numbers in one spelling; what follows from other options is kept as it was said.
fn spelled<T: Options>(said: &Texts) -> Result<Texts> {
    let rows = T::ROWS.iter().filter_map(|row| Some((row, said.get(row.about.name)?)));
    let spelled = |(row, text): (&Row<T>, &String)| {
        let mut settings = T::default();
        row.take(&mut settings, text)?;
        let text = if text == AUTO { text.clone() } else { (row.get)(&settings) };
        Ok((row.about.name.to_string(), text))
    };
    rows.map(spelled).collect()
}

/// The method and the options of an arm that has a name.
fn named(name: &str) -> Option<(&'static Kind, &'static str)> {
    METHODS.iter().find_map(|kind| kind.arms.iter().find(|(arm, _)| *arm == name).map(|(_, options)| (*kind, *options)))
}

/// What `BASE{option=value,..}` or `NAME=BASE{option=value,..}` says: the name, which is all of it where none is said, the base, and the options.
///
/// # Errors
/// [`Error::Usage`] where a brace is open, an option is none, or the name is no folder's.
pub(crate) fn described(text: &str) -> Result<(&str, &str, Texts)> {
    let (head, options) = match text.split_once('{') {
        None => (text, ""),
        Some((head, rest)) => match rest.strip_suffix('}') {
            Some(options) => (head, options),
            None => return Err(Error::Usage(format!("the arm `{text}` lacks its closing brace"))),
        },
    };
    let (name, base) = head.split_once('=').unwrap_or((text, head));
    check_name(name)?;
    Ok((name, base, parse_options(options)?))
}

/// Refuses a name with which no folder of a run can begin.
fn check_name(name: &str) -> Result<()> {
    /// Bytes of a name. Behind it a folder's has the number of images and the seed, and file systems take 255.
    const LONGEST: usize = 200;
    if name.is_empty() || name.contains(['/', '\\']) || name.len() > LONGEST {
        // Where none is said, all of the arm's text is its name.
        let named = if name.contains('{') { format!(": write NAME={name}") } else { String::new() };
        let problem = format!("the arm `{name}` needs a name of at most {LONGEST} bytes that can be a folder's{named}");
        return Err(Error::Usage(problem));
    }
    Ok(())
}

/// `option=value,..`; a part without an equals sign belongs to the value before it (`augment=color,translation`).
pub(crate) fn parse_options(text: &str) -> Result<BTreeMap<String, String>> {
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
    use crate::gan::Augmentation;
    use crate::transfer::starting_recipe;

    #[test]
    fn every_named_arm_is_whole_and_the_list_is_the_documented_one() {
        let names: Vec<&str> = Arm::names().collect();
        let documented = [
            "scratch",
            "scratch+augment",
            "scratch-long",
            "trgan",
            "trgan-unrelated",
            "trgan-mission",
            "trgan-0.1",
            "tgan",
            "tgan-untrained",
            "tgan-target",
            "tgan-mission",
            "tgan-0.1",
            "ctgan",
            "ctgan-shuffled",
            "ctgan-target",
            "ctgan-0.1",
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
        let arm = Arm::parse("mine=trgan{freeze-d=1,augment=color,translation,lr=0.001}").unwrap();
        assert_eq!((arm.name.as_str(), arm.method.as_str()), ("mine", "trgan"));
        let recipe = arm.recipe(&base).unwrap();
        let expected =
            Recipe { augment: vec![Augmentation::Color, Augmentation::Translation], ada: 0.6, ..base.clone() };
        assert_eq!(recipe, expected);
        assert_eq!(arm.choices().unwrap().values()["freeze-d"], "1");
        assert_eq!(arm.choices().unwrap().values()["d-init"], "source");

        assert_eq!(Arm::parse("scratch").unwrap().recipe(&base).unwrap(), base);
        let shifted = Recipe { augment: vec![Augmentation::Translation], ada: 0.6, ..base.clone() };
        for name in ["trgan", "tgan", "ctgan", "scratch+augment"] {
            assert_eq!(Arm::parse(name).unwrap().recipe(&base).unwrap(), shifted, "{name}");
        }
        let critic = Recipe { loss: Loss::WassersteinGp, gp: 10.0, r1: 0.0, ..base.clone() };
        assert_eq!(Arm::parse("trgan").unwrap().recipe(&critic).unwrap().ada, 0.0, "whose scores tell nothing");
        assert_eq!(Arm::parse("trgan").unwrap().resolved().unwrap().recipe(&critic).unwrap().ada, 0.0, "written out");
        assert!(Arm::parse("trgan{ada=0.5}").unwrap().recipe(&critic).is_err());
        assert_eq!(Arm::parse("ctgan{heads=0}").unwrap().recipe(&base).unwrap(), base);
        assert_eq!(Arm::parse("tgan{augment=none}").unwrap().resolved().unwrap().recipe(&base).unwrap(), base);
        let old = Recipe { lr: 2e-4, d_lr: 2e-4, loss: Loss::NonSaturating, r1: 1.0, ..base.clone() };
        for name in ["tgan-mission", "trgan-mission", "trgan-0.1", "ctgan-0.1"] {
            assert_eq!(Arm::parse(name).unwrap().recipe(&base).unwrap(), old, "{name}");
        }
        assert_eq!(Arm::parse("tgan-0.1").unwrap().recipe(&base).unwrap(), Recipe { lr: 1e-4, ..old });
        assert_eq!(Arm::parse("trgan-mission").unwrap().choices().unwrap().values()["d-init"], "fresh");
    }

    #[test]
    fn every_option_of_the_recipe_but_what_the_run_decides_is_an_arms_and_sets_nothing_else() {
        let base = starting_recipe(0, 32, 3);
        for row in Recipe::ROWS {
            let name = row.about.name;
            let other = match name {
                "loss" => "hinge",
                "augment" => "cutout",
                "d-norm" => "layer",
                "network" => "residual",
                "penalty-step" => "own",
                _ => "0.25",
            };
            let other = if row.about.takes.fits(other) { other } else { "3" };
            // What is steered is there.
            let beside = if name == "ada" { ",augment=cutout" } else { "" };
            let arm = Arm::parse(&format!("a=scratch{{{name}={other}{beside}}}"));
            if OF_DATA.contains(&name) {
                assert!(arm.is_err(), "{name}");
                continue;
            }
            let given: Texts = [(name.to_string(), other.to_string())].into_iter().collect();
            let base = match name {
                // No loss but one has this weight.
                "gp" => Recipe { loss: Loss::WassersteinGp, r1: 0.0, ..base.clone() },
                _ => base.clone(),
            };
            let recipe = arm.unwrap().recipe(&base).unwrap();
            let mut expected = base.texts();
            expected.extend(given);
            if !beside.is_empty() {
                expected.insert("augment".to_string(), "cutout".to_string());
            }
            if name == "augment" {
                expected.insert("ada".to_string(), "0.6".to_string());
            }
            assert_eq!(recipe.texts(), expected, "{name}");
        }
        let penalised = Arm::parse("a=scratch{loss=wasserstein-gp}").unwrap().recipe(&base).unwrap();
        assert_eq!((penalised.gp, penalised.r1), (10.0, 0.0), "a loss brings its penalty");
    }

    #[test]
    fn arms_that_train_alike_have_equal_options_however_they_are_written() {
        let options = |text: &str| Arm::parse(text).unwrap().resolved().unwrap().options;
        assert_eq!(options("trgan"), options("a=trgan{lr=1e-3,d-init=source}"));
        assert_eq!(options("ctgan"), options("ctgan{lr=0.001}"));
        assert_eq!(options("tgan"), options("tgan{g-init=source,lr=1e-3,ada=0.60}"));
        assert_ne!(options("tgan"), options("tgan{g-init=fresh}"));
        assert_eq!(options("trgan"), options("trgan{augment=translation,lecam=0.0}"));
        assert_eq!(options("trgan{augment=none}"), options("trgan{augment=none,ada=0}"));
        let again = Arm::parse("tgan-mission").unwrap().resolved().unwrap();
        assert_eq!(again.resolved().unwrap(), again);
    }

    #[test]
    fn the_notation_of_an_arm_gives_the_arm_again() {
        let rate = "b=tgan{g-init=fresh,lr=0.0001}";
        for text in ["scratch", "trgan", "tgan-mission", "scratch+augment", "a=trgan{freeze-d=1,lr=0.0001}", rate] {
            let arm = Arm::parse(text).unwrap();
            assert_eq!(arm.notation().unwrap(), text);
        }
        let arm = Arm::parse("trgan{r1=10}").unwrap();
        assert_eq!(arm.notation().unwrap(), "trgan{r1=10}");
        let changed =
            Arm { options: [("lr".into(), "0.1".into())].into_iter().collect(), ..Arm::parse("ctgan").unwrap() };
        assert_eq!(changed.notation().unwrap(), "ctgan=ctgan{lr=0.1}");
    }

    #[test]
    fn arms_of_version_0_1_are_read_as_what_they_were() {
        let read = |text: &str| toml::from_str::<Arm>(text).unwrap();
        let old = read(
            "name = 'tgan'\nmethod = 'tgan'\n[options]\nbank = 'target'\nd-condition = 'instance'\nencoder = 'trained'\n\
             feature-source = 'bank'\nfeature-length = '64'\nneighbours = '0'\ng-init = 'source'\nallow-colour-blind = 'false'\nlr = '0.0001'",
        );
        let header = old.options.clone();
        let (old, now) = (old.choices().unwrap().values(), Arm::parse("tgan-0.1").unwrap().choices().unwrap().values());
        assert!(now.keys().all(|name| header.contains_key(name)), "{header:?}");
        assert_eq!(old["feature-length"], "64");
        assert!(old.iter().all(|(name, value)| name == "feature-length" || now[name] == *value), "{old:?}");
        let control = read("name = 'x'\nmethod = 'tgan'\noptions = { encoder = 'untrained' }");
        assert_eq!(control.options["extractor"], "untrained-encoder");
        assert_eq!((control.options["condition"].as_str(), control.options["heads"].as_str()), ("instance", "0"));
        let said = "labels = 'pseudo'\nsoft-labels = 'false'\nconfidence = '0.5'\nbalance = '2'\nshuffle-labels = 'false'\n\
             ctgan-features = 'false'\nprojection-ramp = '500'\nd-init = 'source'\nfreeze-d = '0'\nallow-colour-blind = 'false'";
        let old = read(&format!("name = 'ctgan'\nmethod = 'ctgan'\n[options]\n{said}\nlr = '0.0002'"));
        let now = Arm::parse("ctgan-0.1").unwrap().choices().unwrap().values();
        // As a checkpoint's header, which has no defaults, is read.
        assert!(now.keys().all(|name| old.options.contains_key(name)), "{:?}", old.options);
        assert_eq!(old.choices().unwrap().values(), now);
        // What is said of an arm of today is no arm of 0.1.
        let own = read("name = 'c'\nmethod = 'ctgan'\noptions = { confidence = '0.7' }");
        assert_eq!(own.options.len(), 1);
        for method in ["trgan", "tgan", "ctgan"] {
            let own = read(&format!("name = 'x'\nmethod = '{method}'\noptions = {{ lr = '0.0005' }}"));
            assert_eq!(own.options, Arm::parse(&format!("{method}{{lr=0.0005}}")).unwrap().options);
            assert_eq!(own.resolved().unwrap().options[ADA], "0.6", "the rate alone is said of today's {method}");
        }
        let said =
            "d-init = 'source'\nanchor = 'none'\nanchor-weight = 'auto'\nfreeze-d = '0'\nallow-colour-blind = 'false'";
        let old = read(&format!("name = 'trgan'\nmethod = 'trgan'\n[options]\n{said}\nlr = '0.0002'"));
        assert_eq!((old.options[ADA].as_str(), old.options[AUGMENT].as_str()), ("0", NONE));
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
            "scratch{loss=wasserstein-gp,r1=1}",
            "scratch{source-steps=0}",
            "scratch{seed=1}",
            "scratch{size=64}",
            "x=trgan{beta2=0.5}",
        ] {
            let error = Arm::parse(text).and_then(|arm| arm.recipe(&starting_recipe(0, 32, 3))).unwrap_err();
            assert!(error.is_usage() && !error.to_string().contains("--"), "{text}: {error}");
        }
    }
}
