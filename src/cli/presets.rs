//! What the commands that train do where their options say nothing.

use super::arguments::Preset;
use crate::gan::Recipe;
use crate::options::Options;
use crate::transfer::{Learning, starting_recipe};

/// The comparison's number of steps.
pub const STEPS: u64 = 4000;

/// The preset `quick`, where neither source nor target is named: a few minutes on two cores.
pub const QUICK_SOURCE: &str = "synthetic:strokes";
pub const QUICK_TARGET: &str = "synthetic:street";
pub const QUICK_SUBSET: usize = 100;
pub const QUICK_STEPS: u64 = 500;
const QUICK_SOURCE_STEPS: u64 = 1000;
const QUICK_FEATURE_STEPS: u64 = 500;

/// Options of the target's recipe alone: they become the arm's.
pub const OF_ARM: [&str; 4] = ["ada", "augment", "lecam", "lr"];

/// `graft transfer`.
#[derive(Debug)]
pub struct OfTransfer;

impl Preset<Recipe> for OfTransfer {
    const SHOWN: &'static [&'static str] = &["seed"];
    const WITHOUT: &'static [&'static str] = &["channels"];

    fn usual() -> Recipe {
        starting_recipe(0, 32, 3)
    }

    fn default(name: &str) -> Option<String> {
        match name {
            "augment" => Some("the method's".to_string()),
            "ada" => Some("the method's; 0 without --source and --target".to_string()),
            "size" => Some(SIZE.to_string()),
            _ => None,
        }
    }
}

impl Preset<Learning> for OfTransfer {
    const SHOWN: &'static [&'static str] = &[];
    // The command has one of its own.
    const WITHOUT: &'static [&'static str] = &["source"];

    fn usual() -> Learning {
        Learning::default()
    }

    fn default(name: &str) -> Option<String> {
        let row = Learning::row(name)?;
        let [usual, quick] = [Learning::default(), quick_learning()].map(|learning| (row.get)(&learning));
        (usual != quick).then(|| format!("{usual}; {quick} without --source and --target"))
    }
}

pub const PRESET_FEATURES: usize = 32;

/// `graft train`.
#[derive(Debug)]
pub struct OfTrain;

impl Preset<Recipe> for OfTrain {
    const SHOWN: &'static [&'static str] = &["seed", "loss", "r1", "augment", "size", "channels", "features"];
    const WITHOUT: &'static [&'static str] = &[];

    fn usual() -> Recipe {
        Recipe::default()
    }

    fn default(name: &str) -> Option<String> {
        match name {
            "d-lr" => Some("--lr".to_string()),
            "channels" => Some("the data's".to_string()),
            "features" => Some(format!("{}; {PRESET_FEATURES} without --data", OfTrain::usual().architecture.features)),
            _ => None,
        }
    }
}

/// `graft compare`.
#[derive(Debug)]
pub struct OfCompare;

impl Preset<Recipe> for OfCompare {
    const SHOWN: &'static [&'static str] = &[];
    // Seeds and arms have those of their own.
    const WITHOUT: &'static [&'static str] = &["seed", "channels", "lr", "augment", "lecam", "ada"];

    fn usual() -> Recipe {
        starting_recipe(0, 32, 3)
    }

    fn default(name: &str) -> Option<String> {
        (name == "size").then(|| SIZE.to_string())
    }
}

impl Preset<Learning> for OfCompare {
    const SHOWN: &'static [&'static str] = &[];
    const WITHOUT: &'static [&'static str] = &["source"];

    fn usual() -> Learning {
        Learning::default()
    }
}

/// The default of --size in words.
pub const SIZE: &str = "32, or 64 for larger images";

/// What the preset learns of its source.
pub fn quick_learning() -> Learning {
    Learning { source_steps: QUICK_SOURCE_STEPS, feature_steps: QUICK_FEATURE_STEPS, ..Learning::default() }
}
