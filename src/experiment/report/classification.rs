//! The report of an experiment of classifiers: accuracies, verdicts, curves over labels and steps, and which classes are taken for which.

use super::comparison::{caveats, notes, ratio, sentence};
use super::number::{decimal, whole};
use super::{Entry, Facts, Note, Page, Picture, Pictures, Plot, Series, Table, Verdict};
use crate::data::Images;
use crate::error::Result;
use crate::experiment::classify::{Accuracy, Classification, Data, Mean, Record};

/// Labelled images that are shown at most, and how many stand in a row.
const SHOWN: usize = 100;
const COLUMNS: usize = 10;

/// The report of an experiment, as far as it got, with some of its labelled images where they are there.
///
/// # Errors
/// Where a class has fewer images than labels are asked for.
pub fn of_classification(found: &Classification, data: Option<&Data>) -> Result<Page> {
    let protocol = &found.protocol;
    let settings = &protocol.settings;
    let from = settings.source.as_ref().map_or(String::new(), |source| format!(" from {source}"));
    let mut page = Page::new(format!("Classifiers of {}{from}", settings.target));
    for sentence in outcome(found) {
        page = page.summary(sentence);
    }
    for warning in &protocol.warnings {
        page = page.with(Note::warning(sentence(warning)));
    }
    if let Some(plot) = over_labels(found) {
        page = page.heading("Accuracy").with(plot);
    }
    for &shots in &protocol.shots {
        page = page.heading(a_class(shots));
        page = page.with(accuracies(found, shots));
        for warning in warnings(found, shots) {
            page = page.with(Note::warning(warning));
        }
        if let Some(plot) = over_steps(found, shots) {
            page = page.with(plot);
        }
        for table in confusions(found, shots) {
            page = page.with(table);
        }
    }
    let runs = found.cells.iter().filter_map(|cell| {
        let (arm, record) = (cell.arm.as_str(), cell.record.as_ref()?);
        Some((arm, cell.shots, cell.seed, &record.notes[..]))
    });
    if let Some(table) = notes("labels a class", runs) {
        page = page.heading("Runs").with(table);
    }
    if let (Some(data), Some(&shots), Some(cell)) = (data, protocol.shots.first(), found.cells.first()) {
        let images = data.drawn(shots, cell.seed)?.labelled().all.images;
        let images = images.select(&(0..images.count.min(SHOWN)).collect::<Vec<_>>());
        page = page.heading("Images").with(labelled(&images, shots, cell.seed));
    }
    Ok(page.heading("Settings").with(facts(found)))
}

fn a_class(shots: usize) -> String {
    let images = if shots == 1 { "image" } else { "images" };
    format!("{} labelled {images} a class", whole(shots as u64))
}

/// The best mean by what arms are told by here, of those that have as many seeds as any: of fewer a mean is another.
fn best(found: &Classification, shots: usize) -> Option<&Accuracy> {
    let here = || found.accuracies.iter().filter(move |own| own.shots == shots);
    let seeds = here().map(|own| own.accuracy.seeds).max()?;
    let told = |own: &Accuracy| found.protocol.told_by(own).mean;
    // Of equal ones the first.
    here().rev().filter(|own| own.accuracy.seeds == seeds).max_by(|a, b| told(a).total_cmp(&told(b)))
}

/// What came out, in sentences.
fn outcome(found: &Classification) -> Vec<String> {
    let mut sentences = Vec::new();
    let (ended, all) = found.progress();
    if ended < all {
        sentences.push(format!("{ended} of {all} runs have ended; what follows rests on those."));
    }
    for &shots in &found.protocol.shots {
        if let Some(best) = best(found, shots) {
            let (arm, share) = (&best.arm, decimal(100.0 * found.protocol.told_by(best).mean, 1));
            let says = match found.protocol.balanced {
                true => format!("finds {share} % of a class's held-out images, in the mean over classes"),
                false => format!("is right on {share} % of held-out images"),
            };
            sentences.push(format!("With {} {arm} {says}.", a_class(shots)));
        }
    }
    for (wanted, says) in [
        (Verdict::Helps, "Helps, beyond every baseline"),
        (Verdict::Hurts, "Hurts, against a baseline"),
        (Verdict::Equivalent, "Equivalent to the better baseline"),
        (Verdict::Undecided, "Undecided"),
    ] {
        let of = found.findings.iter().filter(|finding| finding.verdict == wanted);
        let names: Vec<String> = of.map(|finding| format!("{} with {}", finding.arm, finding.size)).collect();
        if !names.is_empty() {
            sentences.push(format!("{says}: {}.", names.join(", ")));
        }
    }
    sentences.extend(found.remarks().iter().map(|remark| sentence(remark)));
    sentences
}

fn records<'a>(found: &'a Classification, arm: &str, shots: usize) -> Vec<(u64, &'a Record)> {
    let of = found.cells.iter().filter(|cell| cell.arm == arm && cell.shots == shots);
    of.filter_map(|cell| Some((cell.seed, cell.record.as_ref()?))).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    Mean::of(&values.collect::<Vec<_>>()).map(|mean| mean.mean)
}

/// An arm a row.
fn accuracies(found: &Classification, shots: usize) -> Table {
    let protocol = &found.protocol;
    let others = protocol.held_against();
    let against: Vec<String> = others.iter().map(|name| format!("errors against {name}")).collect();
    let mut head = vec!["arm", "accuracy %", "by seed"];
    if protocol.balanced {
        head.push("balanced %");
    }
    head.extend(against.iter().map(String::as_str));
    head.extend(["verdict", "minutes", "of its source", "of its GAN"]);
    let best = best(found, shots).map(|best| &best.arm);
    let mut table = Table::new("Accuracy on held-out images", &head);
    for arm in &protocol.arms {
        let runs = records(found, &arm.name, shots);
        let own = found.accuracies.iter().find(|own| own.arm == arm.name && own.shots == shots);
        let finding = found.findings.iter().find(|finding| finding.arm == arm.name && finding.size == shots);
        let beside = found.beside.iter().find(|beside| beside.arm == arm.name && beside.shots == shots);
        let contrasts = finding.map(|finding| &finding.contrasts).or(beside.map(|beside| &beside.contrasts));
        let against = |name: &&String| {
            let contrast = contrasts.and_then(|all| all.iter().find(|contrast| contrast.against == **name));
            contrast.map_or(Entry::Missing, ratio)
        };
        let by_seed = runs.iter().filter_map(|(seed, record)| Some((seed, record.accuracy?)));
        let by_seed: Vec<String> =
            by_seed.map(|(seed, share)| format!("{seed}:\u{a0}{}", decimal(100.0 * share, 1))).collect();
        let is_best = best == Some(&arm.name);
        // Bold is what verdicts are of.
        let shown = |of: fn(&Accuracy) -> &Mean, tells: bool| {
            let entry = own.map_or(Entry::Missing, |own| share(of(own)));
            if tells && is_best { entry.best() } else { entry }
        };
        let plain = shown(|own| &own.accuracy, !protocol.balanced);
        let mut cells = vec![Entry::text(&arm.name), plain, Entry::text(by_seed.join(", "))];
        if protocol.balanced {
            cells.push(shown(|own| &own.balanced_accuracy, true));
        }
        cells.extend(others.iter().map(against));
        let minutes = |of: fn(&Record) -> Option<f64>| {
            Entry::maybe(mean(runs.iter().filter_map(|(_, record)| of(record))).map(|seconds| seconds / 60.0), 1)
        };
        cells.extend([
            finding.map_or(Entry::Missing, |finding| Entry::Verdict(finding.verdict)),
            minutes(|record| record.diverged.is_none().then_some(record.seconds)),
            minutes(|record| record.source_seconds),
            minutes(|record| record.gan_seconds),
        ]);
        table = table.row(cells);
    }
    table.note(
        "Accuracies are means over seeds with 95 % intervals, each seed labelling other images. Errors are ratios of error rates, geometric means over \
        paired seeds with 95 % intervals before correction: below 1 the arm is better. Verdicts hold for all arms and numbers of labels together (Holm).",
    )
}

fn share(mean: &Mean) -> Entry {
    let entry = Entry::number(100.0 * mean.mean, 1);
    match mean.interval {
        Some([low, high]) => entry.interval(100.0 * low, 100.0 * high),
        None => entry,
    }
}

fn warnings(found: &Classification, shots: usize) -> Vec<String> {
    let mut warnings = caveats(&found.findings, shots);
    for finding in found.findings.iter().filter(|finding| finding.size == shots) {
        if finding.verdict == Verdict::Helps && finding.transfer_helps == Some(false) {
            warnings.push(format!("{} helps, but is not shown to beat its control.", finding.arm));
        }
    }
    for cell in found.cells.iter().filter(|cell| cell.shots == shots) {
        let Some(record) = &cell.record else { continue };
        warnings.extend(record.diverged.iter().map(|text| format!("{}, seed {}: {text}.", cell.arm, cell.seed)));
    }
    warnings
}

/// Accuracies over numbers of labels.
fn over_labels(found: &Classification) -> Option<Plot> {
    if found.protocol.shots.len() < 2 {
        return None;
    }
    let protocol = &found.protocol;
    let (what, by_chance) = match protocol.balanced {
        true => ("Balanced accuracy", "one class for all"),
        false => ("Accuracy", "the largest class"),
    };
    // Numbers of labels are asked for by ratios.
    let mut plot = Plot::new(format!("{what} over labelled images a class, %"), "labelled images a class").log_x();
    for arm in &protocol.arms {
        let own: Vec<(usize, &Mean)> = found
            .accuracies
            .iter()
            .filter(|own| own.arm == arm.name)
            .map(|own| (own.shots, protocol.told_by(own)))
            .collect();
        let line = own.iter().map(|(shots, mean)| (*shots as f64, 100.0 * mean.mean));
        let band = own.iter().filter_map(|(shots, mean)| {
            let [low, high] = mean.interval?;
            Some((*shots as f64, 100.0 * low, 100.0 * high))
        });
        plot = plot.series(Series::new(arm.name.as_str(), line).band(band));
    }
    Some(plot.reference(by_chance, 100.0 * protocol.by_chance()).note("Areas are 95 % intervals over seeds."))
}

/// Accuracies of the validation block over steps.
fn over_steps(found: &Classification, shots: usize) -> Option<Plot> {
    let mut plot = Plot::new("Accuracy on the validation block over steps, %", "target steps");
    let mut any = false;
    for arm in &found.protocol.arms {
        let runs = records(found, &arm.name, shots);
        let mut steps: Vec<u64> = runs.iter().flat_map(|(_, run)| run.curve.iter().map(|look| look.step)).collect();
        steps.sort_unstable();
        steps.dedup();
        let at = |step: u64| {
            let looks = runs.iter().flat_map(|(_, run)| run.curve.iter().filter(move |look| look.step == step));
            mean(looks.map(|look| 100.0 * look.accuracy)).map(|mean| (step as f64, mean))
        };
        any |= !steps.is_empty();
        plot = plot.series(Series::new(arm.name.as_str(), steps.into_iter().filter_map(at)));
    }
    any.then(|| plot.note("Lines are means over seeds. Nothing is chosen by them."))
}

/// Which classes are taken for which, of each arm: shares of a class's images, over seeds.
fn confusions(found: &Classification, shots: usize) -> Vec<Table> {
    let names = &found.protocol.classes;
    let table = |arm: &str| {
        let runs = records(found, arm, shots);
        let all: Vec<&[Vec<usize>]> =
            runs.iter().filter_map(|(_, run)| run.confusion.as_ref().map(|confusion| confusion.counts())).collect();
        let title = format!("{arm}: what images of a class are found to be, %");
        let head: Vec<&str> = ["class"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let mut table = Table::new(title, &head);
        for (class, name) in names.iter().enumerate() {
            let count = |found: usize| all.iter().map(|counts| counts[class][found]).sum::<usize>() as f64;
            let sum: f64 = (0..names.len()).map(count).sum();
            let cell = |found: usize| {
                let entry = Entry::maybe((sum > 0.0).then(|| 100.0 * count(found) / sum), 0);
                if found == class { entry.best() } else { entry }
            };
            table = table.row([Entry::text(name)].into_iter().chain((0..names.len()).map(cell)).collect());
        }
        let table = table.note("The diagonal is each class's recall.");
        (!all.is_empty()).then_some(table)
    };
    found.protocol.arms.iter().filter_map(|arm| table(&arm.name)).collect()
}

fn labelled(images: &Images, shots: usize, seed: u64) -> Pictures {
    let title = format!("Labelled images, {shots} a class, of seed {seed}");
    Pictures::beside(title).picture(Picture::grid("labelled", images, COLUMNS))
}

fn facts(found: &Classification) -> Facts {
    let described = &found.protocol;
    let settings = serde_json::to_value(&described.settings).expect("settings are JSON");
    let mut facts = Facts::new("What all runs share");
    for (key, value) in settings.as_object().into_iter().flatten() {
        facts = facts.fact(key, value.as_str().map_or_else(|| value.to_string(), str::to_string));
    }
    facts = facts.group("arms");
    for arm in &described.arms {
        let options: Vec<String> = arm.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts = facts.fact(&arm.name, options.join(", "));
    }
    facts = facts.group("images").fact("to learn from", described.training);
    facts = facts.fact("held out", described.held_out).fact("validation block", described.validation);
    facts.fact("microkernel", &described.microkernel)
}
