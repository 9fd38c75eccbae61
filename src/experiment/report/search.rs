//! The parts of a comparison's report that stand in place of verdicts where it is a search: every trial, and the best.

use super::{Entry, Table};
use crate::experiment::compare::{Fate, Found, Ranking};
use crate::metrics::JUDGE_FD;

/// The best trial of each base arm, in sentences.
pub fn outcome(found: &Found) -> Vec<String> {
    let best = |ranking: &Ranking| {
        let best = ranking.best.as_ref()?;
        Some(format!("The best of {} at {} images: {best}.", ranking.base, ranking.size))
    };
    found.rankings.iter().filter_map(best).collect()
}

/// The trials of each base arm at a number of target images.
pub fn trials(found: &Found, size: usize) -> Vec<Table> {
    found.rankings.iter().filter(|ranking| ranking.size == size).map(|ranking| table(found, ranking)).collect()
}

/// A trial a row, the best first.
fn table(found: &Found, ranking: &Ranking) -> Table {
    let steps: Vec<String> = found.rungs.iter().map(|rung| format!("step {}", rung.step)).collect();
    let head = ["trial"].into_iter().chain(steps.iter().map(String::as_str)).chain(["", "options"]);
    let mut table = Table::new(format!("Trials of {}", ranking.base), &head.collect::<Vec<_>>());
    let at = |rung: usize| ranking.trials.iter().filter_map(move |tried| tried.judge_fd.get(rung).copied().flatten());
    let best: Vec<Option<f64>> = (0..found.rungs.len()).map(|rung| JUDGE_FD.better.best(at(rung))).collect();
    for tried in &ranking.trials {
        let figure = |(rung, best): (usize, &Option<f64>)| {
            let fd = tried.judge_fd.get(rung).copied().flatten();
            let entry = Entry::of(fd, JUDGE_FD.digits);
            if fd == *best { entry.best() } else { entry }
        };
        let options: Vec<String> = tried.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let fate = if tried.fate == Fate::Ended { String::new() } else { tried.fate.to_string() };
        let mut row = vec![Entry::text(&tried.arm)];
        row.extend(best.iter().enumerate().map(figure));
        row.extend([fate, options.join(" ")].map(Entry::Text));
        table = table.row(row);
    }
    let halvings = found.rungs.iter().filter_map(|rung| Some((rung.step, rung.keep?)));
    let halvings: Vec<String> = halvings.map(|(step, keep)| format!("{keep} at step {step}")).collect();
    let kept = match halvings.is_empty() {
        true => "All trials go to the end.".to_string(),
        false => format!("Only the best share of the trials goes on: {}.", halvings.join(", ")),
    };
    table.note(format!("{} against the validation block, means over seeds. {kept}", JUDGE_FD.name))
}
