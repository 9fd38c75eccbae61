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

/// The command that names every setting, and asks for all runs; one a line where arms have other numbers of images, or other seeds that are
/// not the first ones.
pub fn equivalent_command(root: &Path, comparison: &Comparison) -> String {
    let (arms, sizes) = (&comparison.protocol.arms, &comparison.protocol.sizes);
    if comparison.search.is_some() {
        return command(root, comparison, &option("search", &named(Search::path(root))), sizes, "");
    }
    let of_arms: Vec<(&Arm, Runs)> = arms.iter().map(|arm| (arm, runs_of(arm, comparison))).collect();
    let seeds = |runs: &Runs| runs.first().map_or(&[][..], |(_, seeds)| seeds).to_vec();
    let all = of_arms.iter().map(|(_, runs)| seeds(runs)).max_by_key(Vec::len).unwrap_or_default();
    let in_one =
        of_arms.iter().all(|(_, runs)| matches!(&runs[..], [(of, seeds)] if of == sizes && all.starts_with(seeds)));
    if in_one {
        let fewer = of_arms.iter().filter(|(_, runs)| seeds(runs).len() < all.len());
        let fewer: Vec<String> = fewer.map(|(arm, runs)| format!("{}={}", arm.name, seeds(runs).len())).collect();
        let fewer = if fewer.is_empty() { String::new() } else { option("arm-seeds", &fewer.join(",")) };
        return command(root, comparison, &asked(arms.iter()), sizes, &(seeds_words(&all) + &fewer));
    }
    let mut groups: Vec<(Run, Vec<&Arm>)> = Vec::new();
    for (arm, runs) in of_arms {
        for run in runs {
            match groups.iter_mut().find(|(own, _)| *own == run) {
                Some((_, arms)) => arms.push(arm),
                None => groups.push((run, vec![arm])),
            }
        }
    }
    let line = |((sizes, seeds), arms): &(Run, Vec<&Arm>)| {
        command(root, comparison, &asked(arms.iter().copied()), sizes, &seeds_words(seeds))
    };
    groups.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Numbers of images, and the seeds that an arm has of each of them.
type Run = (Vec<usize>, Vec<u64>);
type Runs = Vec<Run>;

/// The runs of an arm.
fn runs_of(arm: &Arm, comparison: &Comparison) -> Runs {
    let mut runs: Runs = Vec::new();
    for &size in &comparison.protocol.sizes {
        let cells = comparison.cells.iter().filter(|cell| cell.arm == arm.name && cell.size == size);
        let seeds: Vec<u64> = cells.map(|cell| cell.seed).collect();
        match runs.iter_mut().find(|(_, own)| *own == seeds) {
            _ if seeds.is_empty() => {}
            Some((sizes, _)) => sizes.push(size),
            None => runs.push((vec![size], seeds)),
        }
    }
    runs
}

fn asked<'a>(arms: impl Iterator<Item = &'a Arm>) -> String {
    let described = |arm: &Arm| arm.notation().unwrap_or_else(|_| arm.name.clone());
    option("arms", &arms.map(described).collect::<Vec<_>>().join(","))
}

fn list<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn seeds_words(seeds: &[u64]) -> String {
    match seeds.iter().copied().eq(0..seeds.len() as u64) {
        true => format!(" --seeds {}", seeds.len()),
        false => format!(" --seeds {},", list(seeds)),
    }
}

/// A command with all settings, for what is `asked`.
fn command(root: &Path, comparison: &Comparison, asked: &str, sizes: &[usize], seeds: &str) -> String {
    let settings = &comparison.protocol.settings;
    let Settings { recipe, source, target, steps, split, .. } = settings;
    let mut command = format!(
        "graft compare{}{}{asked} --subset {} --steps {steps} --split {split}{}{}{seeds}",
        option("source", source),
        option("target", target),
        list(sizes),
        <OfCompare as Preset<Learning>>::words(&settings.learning(), &[]),
        <OfCompare as Preset<Recipe>>::words(recipe, &[])
    );
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
