//! What teaches a classifier of the target: arms by name, and others by what they differ in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, did_you_mean};
use crate::options::{About, Options, Range, Takes, options};
use crate::transfer::{described, parse_options};

/// Most samples of a class: as many as go through memory without notice.
const MOST_SAMPLES: u64 = 10_000;

options! {
    /// What teaches a classifier beside the labelled images of the target.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Teaching {} {
        /// Start from a classifier of the source, and go on seeing its scenes
        "source", "true|false", Takes::Flag, "false", source: bool;
        /// Learn from the unlabelled images of the target what the moving average is sure of (FixMatch)
        "unlabelled", "true|false", Takes::Flag, "false", unlabelled: bool;
        /// Weight of a conditional GAN's samples beside labelled images; 0 for no GAN
        "samples", "WEIGHT", Takes::Number(Range::NotNegative), "0", samples: f64;
        /// Whether the GAN is transferred (CTGAN, with the same images' labels known); else it learns from the labelled images alone
        "transfer", "true|false", Takes::Flag, "true", transfer: bool;
        /// Leave out samples of which the transferred GAN's label predictor is less sure that they are of the class asked for
        "filter", "SHARE", Takes::Number(Range::Share), "0.8", filter: f64;
        /// Samples of each class
        "per-class", "N", Takes::Whole(1, MOST_SAMPLES), "500", per_class: usize;
        /// Turns that classifier and GAN take, each labelling for the other; with 1 the GAN learns first, by a label predictor of its own
        "rounds", "N", Takes::Whole(1, MOST_ROUNDS), "1", rounds: u64;
        /// Weight of telling the target's images from a generator's as a class K + 1 (Salimans 2016); 0 for no such generator
        "adversarial", "WEIGHT", Takes::Number(Range::NotNegative), "0", adversarial: f64;
    } {}
}

/// Most turns: each has steps of its own.
const MOST_ROUNDS: u64 = 100;

/// An arm that has a name: what it is called, its options, and what it is for.
struct Named(&'static str, &'static str, &'static str);

const ARMS: [Named; 8] = [
    Named("scratch", "", "the labelled images alone, strongly changed"),
    Named("finetune", "source=true", "a classifier of the source's scenes, taught the labelled images"),
    Named("selftrain", "source=true,unlabelled=true", "that, and the unlabelled images (FixMatch)"),
    Named("gan-augment", "source=true,samples=1", "finetune, and the samples of a CTGAN that knows the same labels"),
    Named(
        "gan-augment-scratch",
        "source=true,samples=1,transfer=false,filter=0",
        "its control: the samples of a GAN that learned from the labelled images alone",
    ),
    Named(
        "semi-gan",
        "source=true,adversarial=1",
        "finetune, and a generator whose images are a class of their own, beside the target's without labels (feature matching)",
    ),
    Named("sequential", "source=true,unlabelled=true,samples=1", "selftrain, and the samples of that CTGAN"),
    Named(
        "joint",
        "source=true,unlabelled=true,samples=1,rounds=4",
        "the same in one loop: the classifier labels images for the GAN, whose samples teach the classifier, and so on",
    ),
];

/// One way of training a classifier of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// What it is called.
    pub name: String,
    /// Every option's value.
    pub options: BTreeMap<String, String>,
}

impl Arm {
    /// An arm by its name, or described as `NAME{option=value,..}` or `NEW=NAME{option=value,..}`: a named one with other options.
    ///
    /// # Errors
    /// [`Error::Usage`] naming what is known.
    pub fn parse(text: &str) -> Result<Arm> {
        let (name, base, said) = described(text)?;
        let Some(Named(_, options, _)) = ARMS.iter().find(|named| named.0 == base) else {
            let meant = did_you_mean(base, ARMS.iter().map(|named| named.0));
            let known: Vec<&str> = ARMS.iter().map(|named| named.0).collect();
            return Err(Error::Usage(format!(
                "`{base}` is no arm{meant}; the arms are {}, and another one is written NAME=ARM{{option=value,..}}",
                known.join(", ")
            )));
        };
        let mut given = parse_options(options)?;
        given.extend(said);
        let teaching = Arm { name: name.to_string(), options: given }.teaching()?;
        Ok(Arm { name: name.to_string(), options: teaching.texts() })
    }

    /// What teaches it.
    ///
    /// # Errors
    /// [`Error::Usage`] where an option is unknown, takes something else, or has no effect.
    pub fn teaching(&self) -> Result<Teaching> {
        let known: Vec<&str> = Arm::options().map(|about| about.name).collect();
        if let Some(unknown) = self.options.keys().find(|name| !known.contains(&name.as_str())) {
            let meant = did_you_mean(unknown, known.iter().copied());
            return Err(Error::Usage(format!(
                "the arm {}: there is no option {unknown}{meant}; the options are {}",
                self.name,
                known.join(", ")
            )));
        }
        let mut teaching = Teaching::default();
        teaching.take(&self.options).map_err(|error| Error::Usage(format!("the arm {}: {error}", self.name)))?;
        if teaching.samples > 0.0 && !teaching.transfer && teaching.filter > 0.0 {
            return Err(Error::Usage(format!(
                "the arm {}: a GAN without a source has no label predictor to filter its samples; say filter=0",
                self.name
            )));
        }
        if teaching.samples == 0.0 {
            let (said, plain) = (teaching.texts(), Teaching::default().texts());
            if let Some(idle) = ["transfer", "filter", "per-class"].into_iter().find(|&name| said[name] != plain[name])
            {
                return Err(Error::Usage(format!(
                    "the arm {}: {idle} is of a GAN's samples, and goes with samples above 0",
                    self.name
                )));
            }
        }
        let takes_turns = teaching.rounds > 1;
        if takes_turns && !(teaching.source && teaching.unlabelled && teaching.samples > 0.0 && teaching.transfer) {
            return Err(Error::Usage(format!(
                "the arm {}: turns are taken with a transferred GAN that labels unlabelled images; rounds goes with source, unlabelled, \
                 transfer, and samples above 0",
                self.name
            )));
        }
        Ok(teaching)
    }

    /// Its options.
    pub fn options() -> impl Iterator<Item = &'static About> {
        Teaching::ROWS.iter().map(|row| &row.about)
    }

    /// The arms that have a name, and what each is for.
    pub fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
        ARMS.iter().map(|Named(name, _, about)| (*name, *about))
    }

    /// The arm as [`Arm::parse`] takes it.
    pub fn notation(&self) -> String {
        if Arm::parse(&self.name).is_ok_and(|arm| arm.options == self.options) {
            return self.name.clone();
        }
        let plain = Teaching::default().texts();
        let differs = |(name, value): &(&String, &String)| plain.get(*name) != Some(value);
        let options = self.options.iter().filter(differs).map(|(name, value)| format!("{name}={value}"));
        let name = self.name.split_once('{').map_or(self.name.as_str(), |(name, _)| name);
        format!("{name}=scratch{{{}}}", options.collect::<Vec<_>>().join(","))
    }

    /// The arm that lacks only what is claimed of this one: turns, or else the transfer of its GAN, without which there is no predictor that
    /// filters samples. None where it has neither.
    pub fn control(&self) -> Option<Arm> {
        let teaching = self.teaching().ok()?;
        let control = match teaching.rounds > 1 {
            true => Teaching { rounds: 1, ..teaching },
            false if teaching.samples > 0.0 && teaching.transfer => {
                Teaching { transfer: false, filter: 0.0, ..teaching }
            }
            false => return None,
        };
        Some(Arm { options: control.texts(), ..self.clone() })
    }

    /// The arm where there is no source: what it learns from the target remains.
    ///
    /// # Errors
    /// [`Error::Usage`] where nothing would be left of it that another arm has not.
    pub fn without_source(&self) -> Result<Arm> {
        let teaching = self.teaching()?;
        if teaching.samples > 0.0 && teaching.transfer {
            return Err(Error::Usage(format!("the arm {} transfers a GAN, and there is no source", self.name)));
        }
        if teaching.source && !teaching.unlabelled && teaching.samples == 0.0 && teaching.adversarial == 0.0 {
            return Err(Error::Usage(format!("the arm {} needs a source; without one it would be scratch", self.name)));
        }
        Ok(Arm { options: Teaching { source: false, ..teaching }.texts(), ..self.clone() })
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_are_named_or_described_and_written_as_they_are_read() {
        for (name, _) in Arm::named() {
            let arm = Arm::parse(name).unwrap();
            assert_eq!((arm.name.as_str(), arm.notation().as_str()), (name, name));
            assert_eq!(arm.options.len(), Arm::options().count(), "every option is written out");
        }
        let teaching = |text: &str| Arm::parse(text).unwrap().teaching().unwrap();
        assert_eq!(teaching("scratch"), Teaching::default());
        let mine = Arm::parse("mine=selftrain{samples=0.5,per-class=20}").unwrap();
        assert_eq!(mine.name, "mine");
        assert_eq!(teaching("mine=selftrain{samples=0.5,per-class=20}"), mine.teaching().unwrap());
        assert_eq!(mine.teaching().unwrap().per_class, 20);
        assert_eq!(Arm::parse(&mine.notation()).unwrap(), mine);
    }

    #[test]
    fn what_cannot_be_is_refused_in_a_sentence() {
        for (text, part) in [
            ("selftrian", "did you mean `selftrain`"),
            ("a=scratch{sorce=true}", "source"),
            ("a=scratch{samples=-1}", "samples"),
            ("a=scratch{samples=1,transfer=false}", "filter=0"),
            ("a=selftrain{per-class=3}", "per-class is of a GAN's samples"),
            ("a=selftrain{rounds=2}", "samples above 0"),
            ("a=joint{transfer=false,filter=0}", "rounds goes with"),
            ("a=scratch{source}", "option=value"),
            ("a=scratch{source=true", "brace"),
            ("a/b=scratch", "folder"),
        ] {
            let error = Arm::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn controls_lack_what_is_claimed_of_an_arm_alone() {
        let control = |text: &str| Arm::parse(text).unwrap().control().map(|control| control.options);
        let options = |text: &str| Some(Arm::parse(text).unwrap().options);
        assert_eq!(control("gan-augment"), options("gan-augment-scratch"));
        assert_eq!(control("gan-augment{filter=0,per-class=20}"), options("gan-augment-scratch{per-class=20}"));
        assert_eq!(control("joint{rounds=2}"), options("sequential"));
        for name in ["scratch", "finetune", "selftrain", "semi-gan", "gan-augment-scratch"] {
            assert_eq!(control(name), None, "{name}");
        }
    }

    #[test]
    fn without_a_source_some_arms_are_left() {
        let without = |name: &str| Arm::parse(name).unwrap().without_source();
        assert!(without("selftrain").unwrap().teaching().unwrap().unlabelled);
        assert!(!without("selftrain").unwrap().teaching().unwrap().source);
        assert_eq!(without("scratch").unwrap(), Arm::parse("scratch").unwrap());
        without("gan-augment-scratch").unwrap();
        assert!(!without("semi-gan").unwrap().teaching().unwrap().source);
        for name in ["finetune", "gan-augment", "sequential", "joint"] {
            assert!(without(name).unwrap_err().to_string().contains("source"), "{name}");
        }
    }
}
