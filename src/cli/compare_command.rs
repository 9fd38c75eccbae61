//! The command that makes a comparison again.

use std::path::Path;

use super::arguments::Preset;
use super::command::option;
use super::presets::OfCompare;
use super::{DEVICE, named, reading};
use crate::experiment::compare::{Comparison, Search, Settings, standard_looks};
use crate::gan::Recipe;
use crate::metrics::Judges;
use crate::transfer::{Arm, Learning};

/// The command that names every setting, and asks for all runs.
pub fn equivalent_command(root: &Path, comparison: &Comparison) -> String {
    let settings = &comparison.protocol.settings;
    let Settings { recipe, source, target, steps, split, .. } = settings;
    let is_search = comparison.search.is_some();
    let list = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let described = |arm: &Arm| arm.notation().unwrap_or_else(|_| arm.name.clone());
    let arms: Vec<String> = comparison.protocol.arms.iter().map(described).collect();
    let sizes: Vec<u64> = comparison.protocol.sizes.iter().map(|&size| size as u64).collect();
    let asked = match is_search {
        true => option("search", &named(Search::path(root))),
        false => option("arms", &arms.join(",")),
    };
    let mut command = format!(
        "graft compare{}{}{asked} --subset {} --steps {steps} --split {split}{}{}",
        option("source", source),
        option("target", target),
        list(&sizes),
        <OfCompare as Preset<Learning>>::words(&settings.learning(), &[]),
        <OfCompare as Preset<Recipe>>::words(recipe, &[])
    );
    if !is_search {
        command += &seeds(comparison);
    }
    command += &reading::words(&settings.reading);
    if settings.looks != standard_looks(*steps) {
        command += &format!(" --looks {}", list(&settings.looks));
    }
    if comparison.protocol.panel.is_some() {
        command += &format!(" --judges {}", Judges::Three);
    }
    if settings.subset_plain {
        command += " --subset-plain";
    }
    if settings.device != DEVICE {
        command += &option("device", &settings.device);
    }
    format!("{command}{}", option("out", &named(root)))
}

/// The seeds, and the arms that have the first of them alone.
fn seeds(comparison: &Comparison) -> String {
    let list = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let seeds_of = |arm: &str| {
        let mut seeds: Vec<u64> = Vec::new();
        for cell in comparison.cells.iter().filter(|cell| cell.arm == arm) {
            if !seeds.contains(&cell.seed) {
                seeds.push(cell.seed);
            }
        }
        seeds
    };
    let names = comparison.protocol.arms.iter().map(|arm| arm.name.as_str());
    let of_arms: Vec<(&str, Vec<u64>)> = names.map(|name| (name, seeds_of(name))).collect();
    let all = of_arms.iter().map(|(_, seeds)| seeds).max_by_key(|seeds| seeds.len()).cloned().unwrap_or_default();
    let mut words = match all.iter().copied().eq(0..all.len() as u64) {
        true => format!(" --seeds {}", all.len()),
        false => format!(" --seeds {},", list(&all)),
    };
    let fewer = of_arms.iter().filter(|(_, seeds)| seeds.len() < all.len());
    let fewer: Vec<String> = fewer.map(|(name, seeds)| format!("{name}={}", seeds.len())).collect();
    if !fewer.is_empty() {
        words += &option("arm-seeds", &fewer.join(","));
    }
    words
}
