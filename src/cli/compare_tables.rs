//! What `graft compare` prints: its plan, and what it found.

use std::collections::BTreeSet;

use super::judge::percent;
use crate::experiment::compare::{
    self, AgainstScratch, CellReport, Comparison, Design, Estimate, Jobs, MeanMinutes, Planned, Times,
};
use crate::experiment::verdict::{Contrast, Finding, Reading, Verdict};
use crate::metrics::{Evaluation, FD_INFINITY, Figure, JUDGE_FD, OF_PANEL};

/// What would run, and how long it takes.
pub fn planned(estimate: &Estimate, design: &Design, jobs: Jobs) -> String {
    let settings = &design.settings;
    let mut lines = vec![format!(
        "{} to {}: {} steps each, measured against the {} images; {} at once",
        settings.source, settings.target, settings.steps, settings.split, jobs.count
    )];
    let mut rows = vec![["arm", "images", "seeds ended", "seeds to run", "ms a step"].map(str::to_string).to_vec()];
    for Planned { arm, size, ended, left, seconds_per_step } in &estimate.rows {
        rows.push(vec![arm.clone(), size.to_string(), listed(ended), listed(left), milliseconds(*seconds_per_step)]);
    }
    lines.extend(aligned(&rows));
    let runs: usize = estimate.rows.iter().map(|row| row.left.len()).sum();
    let [target, source] = estimate.steps;
    lines.push(format!(
        "{runs} runs to go: {target} steps on the target and at most {source} on sources, {} in all",
        duration(estimate.seconds)
    ));
    lines.join("\n")
}

/// Seeds with commas between.
pub fn listed(seeds: &[u64]) -> String {
    match seeds {
        [] => "-".to_string(),
        _ => seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
    }
}

/// Of a step; none where it is not known.
pub fn milliseconds(seconds: f64) -> String {
    match seconds {
        0.0 => "-".to_string(),
        ..0.01 => format!("{:.1}", 1e3 * seconds),
        _ => format!("{:.0}", 1e3 * seconds),
    }
}

/// Roughly: two numbers.
pub fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0 => format!("{seconds:.0} s"),
        1..60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// The distance of fresh real images, and of how many where they are not as many as samples: its bias is larger then.
pub fn floor(real: &Evaluation, samples: usize) -> String {
    let text = JUDGE_FD.text(real.distances.frechet.judge_fd);
    if real.count == samples { text } else { format!("{text} ({} against others)", real.count) }
}

/// An arm and size a row, and what has to be said beside it.
pub fn results(comparison: &Comparison) -> String {
    let protocol = &comparison.protocol;
    let mut lines = vec![format!(
        "{} of {} samples against {} {} images; fresh real ones {}",
        JUDGE_FD.name,
        protocol.held_out,
        protocol.held_out,
        protocol.settings.split,
        floor(&comparison.floors.real, protocol.held_out)
    )];
    let against: Vec<String> = protocol.claims.baselines.iter().map(|name| format!("/ {name}")).collect();
    let places = Places::of(comparison);
    let beside = beside_judge_fd(comparison).into_iter().map(|figure| figure.name.to_string());
    let head = ["arm", "images", JUDGE_FD.name].map(str::to_string).into_iter().chain([places.head()]).chain(beside);
    let mut rows = vec![head.chain(against).chain(["verdict", "copied", "min"].map(str::to_string)).collect()];
    let mut remarks = Vec::new();
    for &size in &protocol.sizes {
        for arm in &protocol.arms {
            let of = |cell: &&CellReport| cell.arm == arm.name && cell.size == size;
            let cells: Vec<&CellReport> = comparison.cells.iter().filter(of).collect();
            if !cells.is_empty() {
                rows.push(row(comparison, &cells, &places, &mut remarks));
            }
        }
    }
    lines.extend(aligned(&rows));
    lines.extend(minutes(comparison));
    let (ended, all) = comparison.progress();
    if ended < all {
        remarks.push(format!("{ended} of {all} runs have ended"));
    }
    remarks.extend(comparison.remarks());
    lines.extend(remarks);
    lines.join("\n")
}

/// What a step of each arm took.
pub fn times(times: &Times, design: &Design) -> String {
    let settings = &design.settings;
    let steps = settings.steps;
    let mut rows = vec![["arm", "ms a step", "min on the target", "min in all"].map(str::to_string).to_vec()];
    for time in &times.arms {
        // An arm may have steps of its own beyond the others'.
        let own = design.arms.iter().find(|arm| arm.name == time.arm);
        let own = own.map_or(steps, |arm| settings.steps_of(arm));
        let on_target = own as f64 * time.step;
        let minutes = [on_target, on_target + time.learned].map(|seconds| format!("{:.1}", seconds / 60.0));
        rows.push([time.arm.clone(), milliseconds(time.step)].into_iter().chain(minutes).collect());
    }
    let mut lines = aligned(&rows);
    let (device, threads) = (&times.device, times.threads);
    lines.push(format!("{steps} steps on the target; {device}, {}, {threads} threads", times.microkernel));
    let claims = design.protocol();
    if let Some((more, arm)) = times.of_most_expensive(steps, &claims.baselines, &claims.candidates) {
        let option = more.saturating_sub(steps);
        lines.push(format!(
            "in the minutes of {arm} scratch makes {more} steps: compare with scratch-minutes=scratch{{more-steps={option}}}, too"
        ));
    }
    lines.join("\n")
}

/// Each arm beside scratch in as many minutes.
fn minutes(comparison: &Comparison) -> Vec<String> {
    let means = compare::means(&comparison.equal_minutes);
    if means.is_empty() {
        return Vec::new();
    }
    let head = ["equal minutes", "images", "on the target", "/ scratch then", "in all", "/ scratch then"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    let against = |against: Option<AgainstScratch>| match against {
        Some(AgainstScratch { ratio, had_ended }) => format!("{ratio:.2}{}", if had_ended { " *" } else { "" }),
        None => "-".to_string(),
    };
    for MeanMinutes { arm, size, on_target, in_all } in means {
        let [target, all] = [on_target, in_all].map(|(minutes, then)| [format!("{minutes:.1}"), against(then)]);
        rows.push([arm.to_string(), size.to_string()].into_iter().chain(target).chain(all).collect());
    }
    let mut lines = aligned(&rows);
    lines.push(format!(
        "{} against the validation block; * scratch had ended by then, and would have had time for more",
        JUDGE_FD.name
    ));
    lines
}

/// The distances that stand beside judge-FD.
fn beside_judge_fd(comparison: &Comparison) -> Vec<Figure> {
    let of_panel = comparison.protocol.panel.iter().flat_map(|_| OF_PANEL);
    [FD_INFINITY].into_iter().chain(of_panel).collect()
}

/// Where the figures of seeds stand: those of one seed below one another, since arms are compared seed by seed.
struct Places {
    seeds: BTreeSet<u64>,
    width: usize,
}

impl Places {
    fn of(comparison: &Comparison) -> Places {
        let texts = comparison.cells.iter().filter_map(text_of);
        let seeds = comparison.cells.iter().map(|cell| cell.seed).collect();
        Places { seeds, width: texts.map(|text| text.len()).max().unwrap_or(0) }
    }

    /// Which seeds they are, where these are not the first ones.
    fn head(&self) -> String {
        let listed: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        match self.seeds.iter().copied().eq(0..self.seeds.len() as u64) {
            true => "by seed".to_string(),
            false => format!("by seed {}", listed.join(", ")),
        }
    }

    fn line(&self, cells: &[&CellReport]) -> String {
        let of = |seed: &u64| cells.iter().find(|cell| cell.seed == *seed).and_then(|cell| text_of(cell));
        let texts = self.seeds.iter().map(|seed| of(seed).unwrap_or_else(|| "-".to_string()));
        texts.map(|text| format!("{text:>width$}", width = self.width)).collect::<Vec<_>>().join(" ")
    }
}

/// The headline of a run that has ended.
fn text_of(cell: &CellReport) -> Option<String> {
    let readings = cell.record.as_ref()?.readings.as_ref();
    Some(readings.map_or("diverged".to_string(), |readings| JUDGE_FD.text(readings.last.distances.frechet.judge_fd)))
}

fn row(comparison: &Comparison, cells: &[&CellReport], places: &Places, remarks: &mut Vec<String>) -> Vec<String> {
    let (arm, size) = (&cells[0].arm, cells[0].size);
    let records: Vec<_> = cells.iter().filter_map(|cell| cell.record.as_ref()).collect();
    let fds: Vec<Option<f64>> =
        records.iter().map(|record| record.readings.as_ref().map(|r| r.last.distances.frechet.judge_fd)).collect();
    let known: Vec<f64> = fds.iter().flatten().copied().collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let shown = |values: &[f64], text: &dyn Fn(f64) -> String| match values {
        [] => "-".to_string(),
        _ => text(mean(values)),
    };
    let text_of_fd = |fd| JUDGE_FD.text(fd);
    let finding = comparison.findings.iter().find(|finding| finding.arm == *arm && finding.size == size);
    let beside = comparison.beside.iter().find(|beside| beside.arm == *arm && beside.size == size);
    let contrasts = finding.map(|f| &f.contrasts).or(beside.map(|b| &b.contrasts));
    let ratio = |name: &String| {
        let found = contrasts.and_then(|all| all.iter().find(|contrast| contrast.against == *name));
        found.map_or("-".to_string(), self::ratio)
    };
    let copies: Vec<_> = records.iter().filter_map(|r| r.readings.as_ref()?.last.memorisation).collect();
    let flagged = cells.iter().any(|cell| comparison.flagged(cell));
    let copied: Vec<f64> = copies.iter().map(|copies| copies.judge.copied.max(copies.pixels.copied)).collect();
    let copied = match copied.is_empty() {
        true => "-".to_string(),
        false => format!("{}{}", percent(mean(&copied)), if flagged { " !" } else { "" }),
    };
    if let Some(finding) = finding {
        remarks.extend(caveats(finding).into_iter().map(|text| format!("{arm} at {size}: {text}")));
    }
    let ended = records.iter().filter(|record| record.diverged.is_none());
    let minutes: Vec<f64> = ended.map(|record| record.seconds / 60.0).collect();
    let mut row = vec![arm.clone(), size.to_string(), shown(&known, &text_of_fd), places.line(cells)];
    row.extend(beside_judge_fd(comparison).iter().map(|figure| {
        let values = records.iter().filter_map(|record| (figure.of)(&record.readings.as_ref()?.last));
        shown(&values.collect::<Vec<_>>(), &|value| figure.text(value))
    }));
    row.extend(comparison.protocol.claims.baselines.iter().map(ratio));
    row.extend([
        finding.map_or("-".to_string(), |finding| finding.verdict.to_string()),
        copied,
        shown(&minutes, &|minutes| format!("{minutes:.1}")),
    ]);
    row
}

/// A ratio with its interval.
pub fn ratio(contrast: &Contrast) -> String {
    let Some(ratio) = contrast.ratio else { return "-".to_string() };
    match &contrast.test {
        Some(test) => format!("{ratio:.2} [{:.2}, {:.2}]", test.interval[0].exp(), test.interval[1].exp()),
        None => format!("{ratio:.2}"),
    }
}

fn caveats(finding: &Finding) -> Vec<String> {
    let mut said: Vec<String> = finding.caveat.iter().cloned().collect();
    for (reading, verdict) in &finding.changes_under {
        let name = match reading {
            Reading::Final => "the last step",
            Reading::Best => "the step that was best on validation",
            Reading::Raw => "the weights without averaging",
        };
        said.push(format!("{name} would say {}", verdict));
    }
    match finding.transfer_helps {
        Some(true) => said.push("better than its controls too: transfer helps".to_string()),
        Some(false) if finding.verdict == Verdict::Helps => said.push("not shown to beat its controls".to_string()),
        _ => {}
    }
    said.extend(finding.agreement());
    said
}

/// Columns of one width each, the first to the left and the others to the right.
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cell = |(column, text): (usize, &String)| match column {
            0 => format!("{text:<width$}", width = width(column)),
            _ => format!("{text:>width$}", width = width(column)),
        };
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}
