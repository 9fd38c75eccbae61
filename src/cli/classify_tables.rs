//! What `graft classify` prints: its plan, and what it found.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::compare_tables::{aligned, duration, listed, ratio};
use crate::error::Result;
use crate::experiment::classify::{Accuracy, Classification, Design, Estimate, Mean, Record};
use crate::experiment::verdict::Verdict;

/// The runs that are left of each arm, as rows and in words.
pub fn planned(root: &Path, design: &Design) -> Result<(Vec<Json>, usize, String)> {
    let settings = &design.settings;
    let (mut objects, mut left) = (Vec::new(), 0);
    let mut rows = vec![["arm", "labels a class", "seeds ended", "seeds to run"].map(str::to_string).to_vec()];
    for row in &design.cells {
        let (mut ended, mut to_run) = (Vec::new(), Vec::new());
        for cell in design.cells().iter().filter(|cell| cell.arm.name == row.arm && cell.shots == row.shots) {
            match Record::read(root, cell)? {
                Some(_) => ended.push(cell.seed),
                None => to_run.push(cell.seed),
            }
        }
        left += to_run.len();
        rows.push(vec![row.arm.clone(), row.shots.to_string(), listed(&ended), listed(&to_run)]);
        objects.push(json!({ "arm": row.arm, "shots": row.shots, "ended": ended, "left": to_run }));
    }
    let mut lines = aligned(&rows);
    lines.push(format!("{left} runs to go, of {} steps on the target each", settings.steps));
    Ok((objects, left, lines.join("\n")))
}

/// What the runs that are left would take, in words.
pub fn estimated(Estimate { seconds_per_step, steps: [target, others], seconds }: &Estimate) -> String {
    let steps = seconds_per_step.iter().map(|(arm, seconds)| format!("{arm} {:.0} ms", 1000.0 * seconds));
    let steps = steps.collect::<Vec<_>>().join(", ");
    let a_step = if steps.is_empty() { String::new() } else { format!("; a step of {steps}") };
    format!(
        "{target} steps on the target and at most {others} of GANs and sources, {} in all{a_step}",
        duration(*seconds)
    )
}

/// An arm and number of labels a row.
pub fn results(found: &Classification) -> String {
    let protocol = &found.protocol;
    let mut lines = vec![format!(
        "accuracy on {} images of {}, {} classes, {:.1} % by chance; means over seeds with 95 % intervals",
        protocol.held_out,
        protocol.held_out_of,
        protocol.classes.len(),
        100.0 * protocol.chance
    )];
    let mut head = vec!["arm".to_string(), "labels a class".to_string(), "accuracy %".to_string()];
    if protocol.balanced {
        head.push("balanced %".to_string());
    }
    let others = protocol.held_against();
    head.extend(others.iter().map(|name| format!("errors / {name}")));
    head.push("verdict".to_string());
    let mut rows = vec![head];
    for Accuracy { arm, shots, accuracy, balanced_accuracy, .. } in &found.accuracies {
        let finding = found.findings.iter().find(|finding| (&finding.arm, finding.size) == (arm, *shots));
        let beside = found.beside.iter().find(|beside| (&beside.arm, beside.shots) == (arm, *shots));
        let contrasts = finding.map(|finding| &finding.contrasts).or(beside.map(|beside| &beside.contrasts));
        let against = |name: &&String| {
            let contrast = contrasts.and_then(|all| all.iter().find(|contrast| contrast.against == **name));
            contrast.map_or("-".to_string(), ratio)
        };
        let mut row = vec![arm.clone(), shots.to_string(), percent(accuracy)];
        if protocol.balanced {
            row.push(percent(balanced_accuracy));
        }
        row.extend(others.iter().map(against));
        row.push(finding.map_or("-".to_string(), |finding| finding.verdict.to_string()));
        rows.push(row);
    }
    lines.extend(aligned(&rows));
    let (ended, all) = found.progress();
    if ended < all {
        lines.push(format!("{ended} of {all} runs have ended"));
    }
    for finding in &found.findings {
        let place = format!("{} with {} a class", finding.arm, finding.size);
        lines.extend(finding.caveat.iter().map(|caveat| format!("{place}: {caveat}")));
        if finding.verdict == Verdict::Helps && finding.transfer_helps == Some(false) {
            lines.push(format!("{place}: not shown to beat its control"));
        }
    }
    lines.extend(found.remarks());
    lines.join("\n")
}

fn percent(mean: &Mean) -> String {
    let shown = format!("{:.1}", 100.0 * mean.mean);
    match mean.interval {
        Some([low, high]) => format!("{shown} [{:.1}, {:.1}]", 100.0 * low, 100.0 * high),
        None => shown,
    }
}
