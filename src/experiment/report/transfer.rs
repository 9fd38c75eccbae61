//! The report of a transfer run, from what lies in its folder.

use std::fs;

use super::number::{decimal, whole};
use super::words::short;
use super::{Commands, Entry, Facts, Note, Page, Picture, Pictures, Plot, Series, Slider, Table, curves, settings};
use crate::data::Images;
use crate::error::{Error, Result};
use crate::metrics::{Evaluation, FIGURES, JUDGE_FD};
use crate::run::RunFolder;
use crate::transfer::curve::{Curve, Point};
use crate::transfer::{Findings, Judged, Plan, SCRATCH};

/// Real images beside the samples, and how many of them stand in a row.
const REAL: usize = 100;
const COLUMNS: usize = 10;

/// The report of a transfer, and of the arm `scratch` beside it where there is one, as far as they got; `real` are the images that it
/// was trained on.
///
/// # Errors
/// [`Error::Io`] where files cannot be read; [`Error::Invalid`] where they are not what graft wrote.
pub fn of_transfer(folder: &RunFolder, plan: &Plan, real: Option<&Images>, commands: &Commands) -> Result<Page> {
    let beside = RunFolder::open(&folder.path().join(SCRATCH)).ok().filter(|_| plan.scratch);
    let arms: Vec<(&str, &RunFolder)> =
        [Some((&*plan.arm.name, folder)), beside.as_ref().map(|scratch| (SCRATCH, scratch))]
            .into_iter()
            .flatten()
            .collect();
    let lines: Vec<(&str, Curve)> =
        arms.iter().map(|(name, folder)| Ok((*name, Curve::read(folder)?))).collect::<Result<_>>()?;
    let findings = Findings::read(folder)?;
    let mut page = Page::new(format!("{} from {} to {}", plan.arm, short(&plan.source), short(&plan.target)));
    let points: Vec<(&str, &[Point])> = lines.iter().map(|(name, curve)| (*name, curve.points())).collect();
    for sentence in outcome(&points, plan.steps) {
        page = page.summary(sentence);
    }
    let not_judged = match &findings {
        Some(Findings { judged: Judged::Not(why), .. }) => Some(format!("Nothing was measured: {why}.")),
        None => Some("The run has not ended yet: resume it to have it measured.".to_string()),
        _ => None,
    };
    if let Some(text) = not_judged {
        page = page.summary(text);
    }
    if let (Some(_), Some(compare)) = (&beside, &commands.compare) {
        page = page.summary(format!("One seed is no evidence: run {compare}"));
    }
    page = commands.again.iter().fold(page, Page::command);
    page = page.with(last(&arms, real)?);
    if let Some(plot) = distances(&points, findings.as_ref()) {
        page = page.with(plot);
    }
    for warning in findings.iter().flat_map(flagged) {
        page = page.with(Note::warning(warning));
    }
    for table in findings
        .iter()
        .filter_map(figures)
        .chain(findings.iter().filter_map(|found| classes(found, &plan.reading.classes)))
    {
        page = page.with(table);
    }
    page = page.heading("Over the steps");
    let pairs = folder.all_pairs()?;
    if !pairs.is_empty() {
        let title = "Source over target: odd rows are G_s(z), and below each of them is G_t(z) of the same latents";
        page = page.with(slider(title, &[("", pairs)])?);
    }
    let pictures: Vec<_> = arms.iter().map(|(name, folder)| Ok((*name, folder.pictures()?))).collect::<Result<_>>()?;
    page = page.with(slider("Samples, from the same latents", &pictures)?);
    if let Some(findings) = findings {
        page = page.heading("What was transferred");
        for note in findings.notes {
            page = page.with(Note::new(note));
        }
        if !findings.layers.is_empty() {
            let table = Table::new("Layers of the target's networks", &["layer", "network", "shape", "at the start"]);
            let row =
                |[network, name, shape, change]: [String; 4]| [name, network, shape, change].map(Entry::Text).to_vec();
            page = page.with(findings.layers.into_iter().map(row).fold(table, Table::row));
        }
    }
    page = page.heading("Training on the target");
    for plot in curves(folder)? {
        page = page.with(plot);
    }
    let settings: Facts = settings(folder)?;
    Ok(page.with(settings))
}

/// What came out, in sentences: the arm against scratch where both were measured at the last step.
fn outcome(lines: &[(&str, &[Point])], steps: u64) -> Vec<String> {
    let end = |points: &[Point]| points.iter().find(|point| point.step == steps).map(|point| point.frechet.judge_fd);
    let Some((arm, points)) = lines.first() else { return Vec::new() };
    let Some(fd) = end(points) else { return Vec::new() };
    let shown = |fd: f64| decimal(fd, JUDGE_FD.digits.of(fd));
    let Some((scratch, its_fd)) = lines.get(1).and_then(|(_, points)| Some((points, end(points)?))) else {
        let start = points.first().filter(|point| point.step == 0);
        let start = start.map_or(String::new(), |point| format!(", from {} at step 0", shown(point.frechet.judge_fd)));
        return vec![format!("Judge-FD {} after {} steps{start}.", shown(fd), whole(steps))];
    };
    let first =
        |points: &[Point], bar: f64| points.iter().find(|point| point.frechet.judge_fd <= bar).map(|point| point.step);
    let equal = format!("At equal steps judge-FD {} instead of scratch's {}", shown(fd), shown(its_fd));
    let of = |step: u64| format!("{} of {} steps", whole(step), whole(steps));
    let sentence = if fd < its_fd {
        let step = first(points, its_fd).unwrap_or(steps);
        format!("{equal}; scratch's final judge-FD was reached by {}.", of(step))
    } else {
        let step = first(scratch, fd).unwrap_or(steps);
        format!("{equal}: {arm} did not help here; scratch reached {arm}'s final judge-FD by {}.", of(step))
    };
    vec![sentence]
}

/// The arms' last samples beside real images.
fn last(arms: &[(&str, &RunFolder)], real: Option<&Images>) -> Result<Pictures> {
    let mut pictures = Pictures::beside("Samples at the last step, and real images");
    for (name, folder) in arms {
        if let Some((step, path)) = folder.pictures()?.pop() {
            pictures = pictures.picture(read(&path, format!("{name}, step {}", whole(step)))?);
        }
    }
    let Some(real) = real else { return Ok(pictures) };
    let count = real.count.min(REAL);
    let chosen: Vec<usize> = (0..count).map(|index| index * real.count / count).collect();
    let caption = format!("{count} of the {} real images that it was trained on", whole(real.count as u64));
    Ok(pictures.picture(Picture::grid(caption, &real.select(&chosen), COLUMNS)))
}

/// The curves of the judge's distance.
fn distances(lines: &[(&str, &[Point])], findings: Option<&Findings>) -> Option<Plot> {
    let counts = lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.count)).max()?;
    let mut plot = Plot::new("Judge-FD over target steps: the lower, the nearer to real images", "target steps")
        .log_y()
        .note(format!("Each point measures {} samples of the averaged generator.", whole(counts as u64)));
    for (name, points) in lines.iter().filter(|(_, points)| !points.is_empty()) {
        plot = plot.series(Series::new(*name, points.iter().map(|point| (point.step as f64, point.frechet.judge_fd))));
    }
    if let Some(Findings { judged: Judged::Figures { floors, .. }, .. }) = findings {
        plot = plot.reference("real images", floors.real.distances.frechet.judge_fd);
        if let Some(copy) = &floors.copy {
            plot = plot.reference("copies of the training images", copy.distances.frechet.judge_fd);
        }
    }
    Some(plot)
}

/// Which arms' samples look like copies of the training images.
fn flagged(findings: &Findings) -> Vec<String> {
    let Judged::Figures { arms, floors, .. } = &findings.judged else { return Vec::new() };
    let real = floors.real.memorisation;
    let of = arms.iter().filter(|(_, figures)| figures.memorisation.is_some_and(|copies| copies.flagged_beyond(real)));
    of.map(|(name, _)| format!("{name}: more than 30 % of its samples are flagged as copies of training images."))
        .collect()
}

/// The arms' figures and those of their floors, by name.
fn columns(judged: &Judged) -> Option<Vec<(&str, &Evaluation)>> {
    let Judged::Figures { arms, floors, .. } = judged else { return None };
    let own = arms.iter().map(|(name, figures)| (name.as_str(), figures));
    let floors = [Some(("real images", &floors.real)), floors.copy.as_ref().map(|copy| ("training images", copy))];
    Some(own.chain(floors.into_iter().flatten()).collect())
}

/// The share of each class, as the judge sees it; classes without names are numbers.
fn classes(findings: &Findings, called: &[String]) -> Option<Table> {
    let columns = columns(&findings.judged)?;
    let names: Vec<&str> = ["class"].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new("Share of each class, as the judge sees it", &names);
    // A judge without classes sees none.
    let most =
        columns.iter().map(|(_, figures)| figures.distances.class_shares.len()).max().filter(|&most| most > 0)?;
    for class in 0..most {
        let share = |figures: &Evaluation| figures.distances.class_shares.get(class).copied();
        let cells = columns.iter().map(|(_, figures)| Entry::maybe(share(figures), 3));
        let name = called.get(class).cloned().unwrap_or_else(|| class.to_string());
        table = table.row([Entry::text(name)].into_iter().chain(cells).collect());
    }
    Some(table)
}

/// All figures of the last step beside their floors.
fn figures(findings: &Findings) -> Option<Table> {
    let Judged::Figures { against, accuracy, arms, .. } = &findings.judged else { return None };
    let columns = columns(&findings.judged)?;
    let names: Vec<&str> = ["figure"].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new("Figures at the last step, and those of real images as floors", &names);
    for figure in FIGURES {
        let own = || arms.iter().filter_map(|(_, evaluation)| (figure.of)(evaluation));
        let Some(best) = figure.better.best(own()) else { continue };
        let cells = columns.iter().enumerate().map(|(place, (_, evaluation))| {
            let value = (figure.of)(evaluation);
            let cell = Entry::of(value, figure.digits).by_chance((figure.chance)(evaluation));
            if arms.len() > 1 && place < arms.len() && value == Some(best) { cell.best() } else { cell }
        });
        table = table.row([Entry::text(figure.name)].into_iter().chain(cells).collect());
    }
    let has_classes = arms.iter().any(|(_, evaluation)| evaluation.distances.class_distance.is_some());
    let right = match accuracy {
        Some(share) => format!(" The judge is right on {} % of these.", decimal(100.0 * share, 1)),
        None if !has_classes => " The judge learned without labels.".to_string(),
        None => String::new(),
    };
    Some(table.note(format!("Measured against {against}.{right} docs/evaluation.md explains each figure.")))
}

/// Pictures by step, those of several runs side by side at the steps that all of them have.
fn slider(title: &str, runs: &[(&str, Vec<(u64, std::path::PathBuf)>)]) -> Result<Slider> {
    let mut slider = Slider::new(title);
    let Some((_, first)) = runs.first() else { return Ok(slider) };
    for (step, _) in first {
        let found: Option<Vec<_>> = runs
            .iter()
            .map(|(name, pictures)| Some((*name, &pictures.iter().find(|(other, _)| other == step)?.1)))
            .collect();
        let Some(found) = found else { continue };
        let pictures = found.into_iter().map(|(name, path)| read(path, name)).collect::<Result<_>>()?;
        slider = slider.frame(format!("step {}", whole(*step)), pictures);
    }
    Ok(slider)
}

fn read(path: &std::path::Path, caption: impl Into<String>) -> Result<Picture> {
    Picture::png(caption, fs::read(path).map_err(Error::io("read", path))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::FrechetDistances;

    fn curve(fds: &[f64]) -> Vec<Point> {
        let point = |(index, &judge_fd)| Point {
            validation_fd: None,
            scores: None,
            step: 100 * index as u64,
            frechet: FrechetDistances { judge_fd, random_fd: 0.0 },
            count: 10,
            judge: String::new(),
            held_out: None,
        };
        fds.iter().enumerate().map(point).collect()
    }

    #[test]
    fn the_sentence_says_what_came_out() {
        let (good, poor) = (curve(&[300.0, 120.0, 80.0, 61.2]), curve(&[500.0, 200.0, 130.0, 96.0]));
        assert_eq!(
            outcome(&[("trgan", &good), ("scratch", &poor)], 300),
            [
                "At equal steps judge-FD 61.2 instead of scratch's 96.0; scratch's final judge-FD was reached by 200 of 300 steps."
            ]
        );
        assert_eq!(
            outcome(&[("trgan", &poor), ("scratch", &good)], 300),
            [
                "At equal steps judge-FD 96.0 instead of scratch's 61.2: trgan did not help here; scratch reached trgan's final judge-FD by 200 of 300 steps."
            ]
        );
        assert_eq!(outcome(&[("trgan", &good)], 300), ["Judge-FD 61.2 after 300 steps, from 300.0 at step 0."]);
        assert_eq!(outcome(&[("trgan", &good), ("scratch", &poor[..2])], 300).len(), 1, "scratch has not ended");
        assert!(outcome(&[("trgan", &[])], 300).is_empty());
    }
}
