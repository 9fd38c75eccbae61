//! What `graft compare --search` prints: its plan, every trial, and the best of each base arm.

use super::command::quoted;
use super::compare_tables::{aligned, duration, floor, milliseconds};
use crate::experiment::compare::{Comparison, Design, Fate, Found, Jobs, Ranking, SearchEstimate, Tried};
use crate::metrics::JUDGE_FD;

/// The trials that come to each rung, and how long all of it takes.
pub fn planned(estimate: &SearchEstimate, design: &Design, jobs: Jobs) -> String {
    let settings = &design.settings;
    let mut lines = vec![format!(
        "{} to {}: {} steps at most, measured against the {} images; {} at once",
        settings.source, settings.target, settings.steps, settings.split, jobs.count
    )];
    let head = ["base arm", "images", "to step", "trials", "runs", "ended", "steps", "ms a step"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    for row in &estimate.rows {
        let numbers = [row.size as u64, row.step, row.trials as u64, row.runs as u64, row.ended as u64, row.steps];
        let numbers = numbers.iter().map(u64::to_string).chain([milliseconds(row.seconds_per_step)]);
        rows.push([row.base.clone()].into_iter().chain(numbers).collect());
    }
    lines.extend(aligned(&rows));
    let [target, source] = estimate.steps;
    lines.push(format!(
        "{} trials, {} steps on the target; {target} of them to go and at most {source} on sources, {} in all",
        design.arms.len(),
        estimate.target_steps,
        duration(estimate.seconds)
    ));
    lines.join("\n")
}

/// A trial a row, the best first, and the best of each base arm as `--arms` takes them.
pub fn results(comparison: &Comparison, found: &Found) -> String {
    let protocol = &comparison.protocol;
    let count = protocol.validation;
    let mut lines = vec![format!(
        "{} of {count} samples against {count} images of the validation block, means over seeds; fresh real ones {}",
        JUDGE_FD.name,
        floor(&comparison.floors.real, count)
    )];
    let steps = found.rungs.iter().map(|rung| format!("step {}", rung.step));
    let head = ["trial", "images"].map(str::to_string).into_iter().chain(steps);
    let mut rows = vec![head.chain(["", "options"].map(str::to_string)).collect()];
    for ranking in &found.rankings {
        rows.extend(ranking.trials.iter().map(|tried| row(ranking, tried, found.rungs.len())));
    }
    lines.extend(aligned(&rows));
    for &size in &protocol.sizes {
        let here = found.rankings.iter().filter(|ranking| ranking.size == size);
        let best: Vec<&str> = here.filter_map(|ranking| ranking.best.as_deref()).collect();
        if !best.is_empty() {
            lines.push(format!("best at {size} images: --arms {}", quoted(&best.join(","))));
        }
    }
    if found.done < found.of {
        lines.push(format!("{} of {} runs to a halving or the end are done", found.done, found.of));
    }
    lines.extend(comparison.remarks());
    lines.join("\n")
}

fn row(ranking: &Ranking, tried: &Tried, rungs: usize) -> Vec<String> {
    let figure = |rung: usize| match tried.judge_fd.get(rung) {
        Some(Some(fd)) => JUDGE_FD.text(*fd),
        _ => "-".to_string(),
    };
    let fate = if tried.fate == Fate::Ended { String::new() } else { tried.fate.to_string() };
    let options: Vec<String> = tried.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let start = [tried.arm.clone(), ranking.size.to_string()].into_iter();
    start.chain((0..rungs).map(figure)).chain([fate, options.join(" ")]).collect()
}
