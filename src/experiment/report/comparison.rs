//! The report of a comparison, from what it found and the pictures in its runs' folders.

use std::path::Path;

use super::number::{decimal, whole};
use super::words::short;
use super::{Entry, Facts, Note, Page, Picture, Pictures, Plot, Series, Table, Verdict, search};
use crate::atomic;
use crate::data::Images;
use crate::error::{Error, Result};
use crate::experiment::compare::{self, AgainstScratch, CellReport, Comparison, MeanMinutes, Readings};
use crate::experiment::verdict::{Contrast, Finding, Reading};
use crate::metrics::{Better, Digits, Evaluation, FIGURES, Figure, JUDGE_FD};
use crate::run::RunFolder;

/// Real images beside the samples, and how many of them stand in a row.
const REAL: usize = 100;
const COLUMNS: usize = 10;

/// Figures that are of runs, not of their samples.
const OF_RUNS: [Figure<Readings>; 3] = [
    Figure::gan_train(|readings| readings.gan_train, |readings| readings.gan_train_chance),
    Figure {
        name: "labels right",
        digits: Digits::fixed(2),
        better: Better::Up,
        of: |readings| readings.labels_right,
        chance: |readings| readings.labels_right.and(readings.gan_train_chance),
    },
    Figure {
        name: "best step",
        digits: Digits::fixed(0),
        better: Better::Down,
        of: |readings| Some(readings.best.step as f64),
        chance: |_| None,
    },
];

/// The report of a comparison in a folder, as far as it got; `real` are images that its runs learn from, and `warned` what a person should
/// know of all images.
///
/// # Errors
/// [`Error::Io`] where pictures cannot be read; [`Error::Invalid`] where one is none.
pub fn of_comparison(
    root: &Path,
    comparison: &Comparison,
    real: Option<&Images>,
    warned: &[String],
    command: &str,
) -> Result<Page> {
    let settings = &comparison.protocol.settings;
    let mut page =
        Page::new(format!("{} to {}, compared", short(&settings.source), short(&settings.target))).command(command);
    for sentence in outcome(comparison) {
        page = page.summary(sentence);
    }
    for warning in warned {
        page = page.with(Note::warning(self::sentence(warning)));
    }
    for &size in &comparison.protocol.sizes {
        page = page.heading(format!("{} target images", whole(size as u64)));
        if let Some(found) = &comparison.search {
            page = search::trials(found, size).into_iter().fold(page, Page::with);
            if let Some(pictures) = grids(root, comparison, size, real)? {
                page = page.with(pictures);
            }
            continue;
        }
        page = page.with(verdicts(comparison, size));
        for agreed in agreements(comparison, size) {
            page = page.with(Note::new(agreed));
        }
        for warning in warnings(comparison, size) {
            page = page.with(Note::warning(warning));
        }
        if let Some(plot) = curves(comparison, size) {
            page = page.with(plot);
        }
        if let Some(pictures) = grids(root, comparison, size, real)? {
            page = page.with(pictures);
        }
        page = page.with(figures(comparison, size)).with(readings(comparison, size));
        if let Some(table) = minutes(comparison, size) {
            page = page.with(table);
        }
    }
    let runs = comparison.cells.iter().filter_map(|cell| {
        let (arm, record) = (cell.arm.as_str(), cell.record.as_ref()?);
        Some((arm, cell.size, cell.seed, &record.notes[..]))
    });
    if let Some(table) = notes("images", runs) {
        page = page.heading("What the methods say").with(table);
    }
    Ok(page.heading("Settings").with(facts(comparison)))
}

/// What came out, in sentences.
fn outcome(comparison: &Comparison) -> Vec<String> {
    let mut sentences = Vec::new();
    let (ended, all) = comparison.progress();
    if ended < all {
        let runs =
            if comparison.search.is_some() { "runs to a halving or the end are done" } else { "runs have ended" };
        sentences.push(format!("{ended} of {all} {runs}; what follows rests on those."));
    }
    for (wanted, says) in [
        (Verdict::Helps, "Helps, beyond every baseline"),
        (Verdict::Hurts, "Hurts, against a baseline"),
        (Verdict::Equivalent, "Equivalent, within 10 % of the better baseline"),
        (Verdict::Undecided, "Undecided"),
    ] {
        let found = comparison.findings.iter().filter(|finding| finding.verdict == wanted);
        let names: Vec<String> = found.map(|finding| format!("{} at {} images", finding.arm, finding.size)).collect();
        if !names.is_empty() {
            sentences.push(format!("{says}: {}.", names.join(", ")));
        }
    }
    sentences.extend(comparison.search.iter().flat_map(search::outcome));
    sentences.extend(comparison.remarks().into_iter().map(|remark| sentence(&remark)));
    sentences
}

/// A remark with a capital and a full stop.
pub(super) fn sentence(remark: &str) -> String {
    let mut letters = remark.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

/// The runs of an arm that have figures.
fn runs<'a>(comparison: &'a Comparison, arm: &str, size: usize) -> Vec<(&'a CellReport, &'a Readings)> {
    let of = comparison.cells.iter().filter(|cell| cell.arm == arm && cell.size == size);
    of.filter_map(|cell| Some((cell, cell.record.as_ref()?.readings.as_ref()?))).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn fd(evaluation: &Evaluation) -> f64 {
    evaluation.distances.frechet.judge_fd
}

/// The arms that are compared at a size.
fn arms(comparison: &Comparison, size: usize) -> Vec<&str> {
    let all = comparison.protocol.arms.iter().map(|arm| arm.name.as_str());
    all.filter(|arm| comparison.cells.iter().any(|cell| cell.arm == *arm && cell.size == size)).collect()
}

/// An arm a row: its distances, its ratios to the baselines, and the verdict.
fn verdicts(comparison: &Comparison, size: usize) -> Table {
    let baselines = &comparison.protocol.claims.baselines;
    let against: Vec<String> = baselines.iter().map(|name| format!("against {name}")).collect();
    let head = ["arm", JUDGE_FD.name, "seeds"].into_iter().chain(against.iter().map(String::as_str));
    let head: Vec<&str> = head.chain(["against its control", "verdict", "minutes"]).collect();
    let means: Vec<Option<f64>> = arms(comparison, size)
        .iter()
        .map(|arm| mean(&runs(comparison, arm, size).iter().map(|(_, r)| fd(&r.last)).collect::<Vec<_>>()))
        .collect();
    // Means of other seeds do not compare: the best is one of those that have all.
    let counts: Vec<usize> = arms(comparison, size).iter().map(|arm| runs(comparison, arm, size).len()).collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    let whole = means.iter().zip(&counts).filter(|(_, count)| **count == most).filter_map(|(mean, _)| *mean);
    let best = JUDGE_FD.better.best(whole);
    let mut table = Table::new("Verdicts", &head);
    for ((arm, mean_fd), count) in arms(comparison, size).into_iter().zip(&means).zip(&counts) {
        let runs = runs(comparison, arm, size);
        let finding = comparison.findings.iter().find(|finding| finding.arm == arm && finding.size == size);
        let beside = comparison.beside.iter().find(|beside| beside.arm == arm && beside.size == size);
        let contrasts = finding.map(|f| &f.contrasts).or(beside.map(|b| &b.contrasts));
        let ratio =
            |name: &str| contrasts.and_then(|all| all.iter().find(|c| c.against == name)).map_or(Entry::Missing, ratio);
        let shown = Entry::of(*mean_fd, JUDGE_FD.digits).floor(fd(&comparison.floors.real));
        let shown = if *mean_fd == best && *count == most { shown.best() } else { shown };
        let seeds: Vec<String> = runs
            .iter()
            .map(|(cell, r)| format!("{}:\u{a0}{}", cell.seed, decimal(fd(&r.last), JUDGE_FD.digits.of(fd(&r.last)))))
            .collect();
        let control = comparison.protocol.claims.candidates.iter().find(|candidate| candidate.arm == arm);
        let controls = control.map_or(&[][..], |candidate| &candidate.controls);
        // Of several the one that it beats least, if that can be said.
        let of = |name: &String| contrasts?.iter().find(|c| c.against == *name)?.ratio;
        let there = controls.iter().filter(|name| contrasts.is_some_and(|all| all.iter().any(|c| c.against == **name)));
        let ratios: Option<Vec<(f64, &String)>> = there.map(|name| Some((of(name)?, name))).collect();
        let nearest = ratios.and_then(|all| all.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)));
        let control = nearest.map_or(Entry::Missing, |(_, name)| ratio(name));
        let seconds: Vec<f64> = runs.iter().filter_map(|(cell, _)| Some(cell.record.as_ref()?.seconds)).collect();
        let minutes = Entry::maybe(mean(&seconds).map(|seconds| seconds / 60.0), 1);
        let mut cells = vec![Entry::text(arm), shown, Entry::text(seeds.join(", "))];
        cells.extend(baselines.iter().map(|name| if name == arm { Entry::Missing } else { ratio(name) }));
        cells.extend([control, finding.map_or(Entry::Missing, |finding| Entry::Verdict(finding.verdict)), minutes]);
        table = table.row(cells);
    }
    table.note(
        "Ratios of judge-FD are geometric means over paired seeds with 95 % intervals before correction; below 1 the arm is better. \
        Verdicts hold for all arms and sizes together (Holm). A mean's floor is the distance of fresh real images.",
    )
}

/// A ratio with its interval.
pub(super) fn ratio(contrast: &Contrast) -> Entry {
    match (&contrast.ratio, &contrast.test) {
        (Some(ratio), Some(test)) => Entry::number(*ratio, 2).interval(test.interval[0].exp(), test.interval[1].exp()),
        (Some(ratio), None) => Entry::number(*ratio, 2),
        _ => Entry::Missing,
    }
}

/// Which verdicts hold under all judges; of the others a warning says so.
fn agreements(comparison: &Comparison, size: usize) -> Vec<String> {
    let held =
        comparison.findings.iter().filter(|finding| finding.size == size && finding.holds_under_all == Some(true));
    held.filter_map(|finding| Some(format!("{}: {}.", finding.arm, finding.agreement()?))).collect()
}

/// What findings of a size have beside them, each with the arms of which it is said.
pub(super) fn caveats(findings: &[Finding], size: usize) -> Vec<String> {
    let mut caveats: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.size == size) {
        let Some(caveat) = &finding.caveat else { continue };
        match caveats.iter_mut().find(|(known, _)| known == caveat) {
            Some((_, arms)) => arms.push(&finding.arm),
            None => caveats.push((caveat, vec![&finding.arm])),
        }
    }
    caveats.into_iter().map(|(caveat, arms)| format!("{}: {caveat}.", arms.join(", "))).collect()
}

/// What has to stand beside verdicts.
fn warnings(comparison: &Comparison, size: usize) -> Vec<String> {
    let mut warnings = caveats(&comparison.findings, size);
    for finding in comparison.findings.iter().filter(|finding| finding.size == size) {
        let arm = &finding.arm;
        for (reading, other) in &finding.changes_under {
            let name = match reading {
                Reading::Final => "at the last step",
                Reading::Best => "at the step that was best on validation",
                Reading::Raw => "without averaging",
            };
            warnings.push(format!("{arm}: {name} the verdict would be {}.", other));
        }
        if finding.holds_under_all == Some(false) {
            warnings.extend(finding.agreement().map(|text| format!("{arm}: {text}.")));
        }
        if finding.verdict == Verdict::Helps && finding.transfer_helps == Some(false) {
            warnings.push(format!(
                "{arm} helps, but is not shown to beat its controls: what helps is not shown to be the transfer."
            ));
        }
    }
    for arm in arms(comparison, size) {
        let runs = runs(comparison, arm, size);
        let of = || comparison.cells.iter().filter(|cell| cell.arm == arm && cell.size == size);
        let count = of().filter(|cell| comparison.flagged(cell)).count();
        if count > 0 {
            warnings.push(format!("{arm}: the samples of {count} of {} runs are flagged as copies.", runs.len()));
        }
        for cell in of() {
            if let Some(text) = cell.record.as_ref().and_then(|record| record.diverged.as_ref()) {
                warnings.push(format!("{arm}, seed {}: {text}.", cell.seed));
            }
        }
    }
    warnings
}

/// The arms' distances on their way: means over seeds, and between the least and the largest.
fn curves(comparison: &Comparison, size: usize) -> Option<Plot> {
    let mut plot = Plot::new("Judge-FD against the validation block over target steps", "target steps").log_y();
    let mut any = false;
    for arm in arms(comparison, size) {
        let of = comparison.cells.iter().filter(|cell| cell.arm == arm && cell.size == size);
        let all: Vec<_> = of.filter_map(|cell| cell.record.as_ref().map(|record| &record.curve)).collect();
        let mut steps: Vec<u64> = all.iter().flat_map(|curve| curve.iter().map(|point| point.step)).collect();
        steps.sort_unstable();
        steps.dedup();
        let at = |step: u64| -> Vec<f64> {
            let points = all.iter().flat_map(|curve| curve.iter().filter(move |point| point.step == step));
            points.map(|point| point.distances.frechet.judge_fd).collect()
        };
        let points: Vec<(f64, Vec<f64>)> = steps.into_iter().map(|step| (step as f64, at(step))).collect();
        any |= !points.is_empty();
        let line = points.iter().filter_map(|(step, values)| Some((*step, mean(values)?)));
        let band = points.iter().map(|(step, values)| {
            let ends = values.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &v| (low.min(v), high.max(v)));
            (*step, ends.0, ends.1)
        });
        plot = plot.series(Series::new(arm, line).band(band));
    }
    let copies = comparison.floors.copies.iter().filter(|copy| copy.size == size);
    let copies: Vec<f64> = copies.filter_map(|copy| copy.evaluation.as_ref().map(fd)).collect();
    plot = plot.reference("real images", fd(&comparison.floors.real));
    if let Some(copies) = mean(&copies) {
        plot = plot.reference("copies of the training images", copies);
    }
    let text = format!(
        "Lines are means over seeds, areas reach from the least to the largest. Each point measures {} samples of the averaged generator. \
        The floor of copies is measured against the held-out images ({}), that of real images between {} and as many others.",
        whole(comparison.protocol.validation as u64),
        comparison.protocol.settings.split,
        whole(comparison.floors.real.count as u64)
    );
    any.then(|| plot.note(text))
}

/// The last samples of each arm from the same latents, of the first seed that has them, beside real images.
fn grids(root: &Path, comparison: &Comparison, size: usize, real: Option<&Images>) -> Result<Option<Pictures>> {
    let settings = &comparison.protocol.settings;
    let ended = |cell: &&CellReport| cell.size == size && cell.record.as_ref().is_some_and(|r| r.readings.is_some());
    let Some(seed) = comparison.cells.iter().filter(ended).map(|cell| cell.seed).next() else { return Ok(None) };
    let title = format!("Samples at the last step, from the same latents (seed {seed})");
    let mut pictures = Pictures::beside(title);
    for cell in comparison.cells.iter().filter(ended).filter(|cell| cell.seed == seed) {
        let last = cell.record.as_ref().and_then(|record| record.curve.last()).map_or(settings.steps, |look| look.step);
        // Of a run of which the record alone was kept there is none.
        let Ok(folder) = RunFolder::open(&cell.folder(root)) else { continue };
        let path = folder.picture(last);
        if let Some(bytes) = atomic::if_there(std::fs::read(&path)).map_err(Error::io("read", &path))? {
            pictures = pictures.picture(Picture::png(cell.arm.clone(), bytes)?);
        }
    }
    if let Some(real) = real {
        let count = real.count.min(REAL);
        let chosen: Vec<usize> = (0..count).map(|index| index * real.count / count).collect();
        pictures = pictures.picture(Picture::grid("real images", &real.select(&chosen), COLUMNS));
    }
    Ok(Some(pictures))
}

/// The means of the other figures.
fn figures(comparison: &Comparison, size: usize) -> Table {
    let all: Vec<(&str, Vec<&Readings>)> = arms(comparison, size)
        .into_iter()
        .map(|arm| (arm, runs(comparison, arm, size).into_iter().map(|(_, readings)| readings).collect()))
        .collect();
    type Of = Box<dyn Fn(&Readings) -> Option<f64>>;
    struct Shown {
        name: &'static str,
        digits: Digits,
        of: Of,
        chance: Of,
    }
    let others = FIGURES.into_iter().filter(|figure| figure.name != JUDGE_FD.name);
    let of_samples = others.map(|Figure { name, digits, of, chance, .. }| Shown {
        name,
        digits,
        of: Box::new(move |readings| of(&readings.last)),
        chance: Box::new(move |readings| chance(&readings.last)),
    });
    let of_runs = OF_RUNS.into_iter().map(|Figure { name, digits, of, chance, .. }| Shown {
        name,
        digits,
        of: Box::new(of),
        chance: Box::new(chance),
    });
    let measured = |figure: &Shown| all.iter().any(|(_, runs)| runs.iter().any(|r| (figure.of)(r).is_some()));
    let kept: Vec<Shown> = of_samples.chain(of_runs).filter(measured).collect();
    let head: Vec<&str> = ["arm"].into_iter().chain(kept.iter().map(|figure| figure.name)).collect();
    let mut table = Table::new("Other figures at the last step, means over seeds", &head);
    for (arm, runs) in &all {
        let over_seeds = |of: &Of| mean(&runs.iter().filter_map(|readings| of(readings)).collect::<Vec<_>>());
        let cell =
            |figure: &Shown| Entry::of(over_seeds(&figure.of), figure.digits).by_chance(over_seeds(&figure.chance));
        table = table.row([Entry::text(*arm)].into_iter().chain(kept.iter().map(cell)).collect());
    }
    table.note("docs/evaluation.md explains each figure.")
}

/// The headline beside the other readings.
fn readings(comparison: &Comparison, size: usize) -> Table {
    let mut table = Table::new(
        "Judge-FD of three readings, means over seeds",
        &["arm", "last step", "best on validation", "without averaging"],
    );
    for arm in arms(comparison, size) {
        let runs = runs(comparison, arm, size);
        let of = |part: fn(&Readings) -> &Evaluation| {
            let values: Vec<f64> = runs.iter().map(|(_, readings)| fd(part(readings))).collect();
            Entry::of(mean(&values), JUDGE_FD.digits)
        };
        table = table.row(vec![Entry::text(arm), of(|r| &r.last), of(|r| &r.best.evaluation), of(|r| &r.raw)]);
    }
    table
}

/// Each arm beside scratch in as many minutes.
fn minutes(comparison: &Comparison, size: usize) -> Option<Table> {
    let means = compare::means(&comparison.equal_minutes);
    let here: Vec<_> = means.into_iter().filter(|mean| mean.size == size).collect();
    let head = ["arm", "minutes on the target", "against scratch then", "minutes in all", "against scratch by then"];
    let mut table = Table::new("In equal minutes", &head);
    let mut had_ended = false;
    let mut against = |against: Option<AgainstScratch>| match against {
        Some(against) => {
            had_ended |= against.had_ended;
            Entry::number(against.ratio, 2)
        }
        None => Entry::Missing,
    };
    for MeanMinutes { arm, on_target, in_all, .. } in &here {
        let cells = [*on_target, *in_all].map(|(minutes, then)| [Entry::number(minutes, 1), against(then)]);
        table = table.row([Entry::text(*arm)].into_iter().chain(cells.into_iter().flatten()).collect());
    }
    let late =
        if had_ended { " Scratch had ended before some of these, and would have had time for more." } else { "" };
    let text = format!(
        "Minutes are steps times what a step took when all arms took turns; in all: with what is learned of the source. Ratios are of \
        judge-FD against the validation block, with the best arm from scratch at its last look by then, geometric means over seeds.{late}"
    );
    (!here.is_empty()).then(|| table.note(text))
}

/// What methods said of runs, of an arm, a size and a seed each: the accuracy of pseudo-labels, say.
pub(super) fn notes<'a>(size: &str, runs: impl Iterator<Item = (&'a str, usize, u64, &'a [String])>) -> Option<Table> {
    let mut table = Table::new("Notes of runs", &["arm", size, "seed", "note"]);
    let mut any = false;
    for (arm, size, seed, notes) in runs {
        for note in notes {
            any = true;
            let cells = [arm.to_string(), whole(size as u64), seed.to_string(), note.clone()];
            table = table.row(cells.map(Entry::Text).to_vec());
        }
    }
    any.then_some(table)
}

fn facts(comparison: &Comparison) -> Facts {
    let described = &comparison.protocol;
    let settings = serde_json::to_value(&described.settings).expect("settings are JSON");
    let mut facts = Facts::new("What all runs share");
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let mut groups = vec![(String::new(), &settings)];
    while let Some((name, group)) = groups.pop() {
        if !name.is_empty() {
            facts = facts.group(name);
        }
        for (key, value) in group.as_object().into_iter().flatten() {
            match value.is_object() {
                true => groups.push((key.clone(), value)),
                false => facts = facts.fact(key, text(value)),
            }
        }
    }
    facts = facts.group("arms");
    for arm in &described.arms {
        let options: Vec<String> = arm.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts = facts.fact(&arm.name, format!("{} {{{}}}", arm.method, options.join(", ")));
    }
    let judge = &described.judge;
    facts = facts.group("judging").fact("held-out images", described.held_out);
    facts = facts.fact("images of the validation block", described.validation);
    if let Some(accuracy) = judge.accuracy {
        facts = facts.fact("judge's accuracy", format!("{} %", decimal(100.0 * accuracy, 1)));
    }
    if judge.class_free {
        facts = facts.fact("judge learned", "without labels");
    }
    if let Some(panel) = &described.panel {
        let others = [
            ("judge of another seed", &panel.other_seed),
            ("judge of another architecture", &panel.other_architecture),
        ];
        for (name, other) in others {
            let right =
                other.accuracy.map_or(String::new(), |share| format!(", {} % right", decimal(100.0 * share, 1)));
            facts = facts.fact(name, format!("{}{right}", other.hash));
        }
        facts = facts.fact("space without classes", &panel.class_free);
    }
    facts.fact("judge", &judge.hash).fact("microkernel", &described.microkernel)
}
