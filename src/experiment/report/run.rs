//! The report of a training run, from what lies in its folder.

use std::fs;

use serde_json::{Map, Value as Json};

use super::number::{duration, significant, whole};
use super::words::short;
use super::{Commands, Element, Facts, Html, Note, Page, Picture, Plot, Series, Slider};
use crate::atomic;
use crate::error::{Error, Result};
use crate::run::RunFolder;
use crate::transfer::curve::{Curve, Point};

/// The numbers of `metrics.jsonl` that share a plot: its title, and each key with its name there.
const PLOTS: [(&str, &[(&str, &str)]); 3] = [
    ("Losses", &[("d_loss", "discriminator"), ("g_loss", "generator")]),
    ("Mean scores by the discriminator", &[("real_score", "real images"), ("fake_score", "generated images")]),
    ("Gradient penalty", &[("penalty", "penalty")]),
];
/// The numbers of a step that are no curves.
const NO_CURVES: [&str; 2] = ["step", "seconds"];

/// The report of the run in a folder, as far as it got.
///
/// # Errors
/// [`Error::Io`] where its files cannot be read; [`Error::Invalid`] where its settings are none.
pub fn of_run(folder: &RunFolder, commands: &Commands) -> Result<Page> {
    let config = config(folder)?;
    let metrics = metrics(folder)?;
    let name = folder.path().file_name().map_or_else(|| folder.path().to_string_lossy(), |name| name.to_string_lossy());
    let number = |key: &str| metrics.last().and_then(|line| line.get(key)?.as_f64());
    let (step, seconds) = (number("step").unwrap_or(0.0), number("seconds").unwrap_or(0.0));
    let steps = config.get("steps").and_then(toml::Value::as_integer).unwrap_or(0).max(0) as u64;
    let reached = if (step as u64) < steps {
        format!("{} of {} steps", whole(step as u64), whole(steps))
    } else {
        format!("{} steps", whole(step as u64))
    };
    let data = config.get("data").and_then(toml::Value::as_str).unwrap_or("its data");
    let data = short(data);
    let pace = if seconds > 0.0 { format!(", {} a second", significant(step / seconds, 2)) } else { String::new() };
    let page = Page::new(name).summary(format!("{reached} on {data} in {}{pace}.", duration(seconds)));
    let measured = Curve::read(folder)?;
    let page = match measured.best() {
        Some(best) => page.summary(format!("Best on validation at step {}.", whole(best.step))),
        None => page,
    };
    let mut page = commands.again.iter().fold(page, Page::command).with(samples(folder)?);
    if let Some(plot) = distances(measured.points()) {
        page = page.with(plot);
    }
    for plot in curves(folder)? {
        page = page.with(plot);
    }
    Ok(page.with(settings(folder)?))
}

/// The judge's distances along a run; none where nothing was measured.
fn distances(points: &[Point]) -> Option<Plot> {
    let count = points.iter().map(|point| point.count).max()?;
    let values = points.iter().map(|point| (point.step as f64, point.frechet.judge_fd));
    let note = format!(
        "Each point measures {} samples of the averaged generator against the validation block.",
        whole(count as u64)
    );
    Some(
        Plot::new("Judge-FD: the lower, the nearer to real images", "step")
            .log_y()
            .note(note)
            .series(Series::new("run", values)),
    )
}

/// The curves of a run: its losses, scores and penalty, and whatever other numbers its `metrics.jsonl` has.
///
/// # Errors
/// [`Error::Io`] where that cannot be read.
pub fn curves(folder: &RunFolder) -> Result<Vec<Plot>> {
    let metrics = metrics(folder)?;
    let known = PLOTS.iter().flat_map(|plot| plot.1).map(|(key, _)| *key).chain(NO_CURVES).collect::<Vec<_>>();
    let mut others: Vec<&str> = metrics.iter().flat_map(Map::keys).map(String::as_str).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|key| !known.contains(key));
    let others: Vec<(&str, [(&str, &str); 1])> = others.into_iter().map(|key| (key, [(key, key)])).collect();
    let plots = PLOTS.into_iter().chain(others.iter().map(|(title, keys)| (*title, &keys[..])));
    let drawn = plots.map(|(title, keys)| {
        let series = keys.iter().filter_map(|(key, name)| {
            let point = |line: &Map<String, Json>| Some((line.get("step")?.as_f64()?, line.get(*key)?.as_f64()?));
            let points: Vec<(f64, f64)> = metrics.iter().filter_map(point).collect();
            (!points.is_empty()).then(|| Series::new(*name, points).smoothed())
        });
        let series: Vec<Series> = series.collect();
        (!series.is_empty()).then(|| series.into_iter().fold(Plot::new(title, "step"), Plot::series))
    });
    Ok(drawn.flatten().collect())
}

/// The grids that a run drew, on a slider over its steps.
///
/// # Errors
/// [`Error::Io`] where they cannot be read.
pub fn samples(folder: &RunFolder) -> Result<impl Element + use<>> {
    let mut samples =
        Samples { slider: Slider::new("Samples over the steps, from the same latents"), unreadable: Vec::new() };
    for (step, path) in folder.pictures()? {
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let label = format!("step {}", whole(step));
        match Picture::png(label.clone(), bytes) {
            Ok(picture) => samples.slider = samples.slider.frame(label, vec![picture]),
            Err(_) => samples.unreadable.push(path.display().to_string()),
        }
    }
    Ok(samples)
}

struct Samples {
    slider: Slider,
    unreadable: Vec<String>,
}

impl Element for Samples {
    fn render(&self, html: &mut Html) {
        self.slider.render(html);
        for path in &self.unreadable {
            Note::warning(format!("{path} is no PNG and is left out.")).render(html);
        }
    }
}

/// The settings of a run.
///
/// # Errors
/// [`Error::Io`] where they cannot be read; [`Error::Invalid`] where they are none.
pub fn settings(folder: &RunFolder) -> Result<Facts> {
    Ok(tables(Facts::new("Settings"), "", &config(folder)?))
}

/// A table's values, then the tables in it as groups of their own.
fn tables(facts: Facts, path: &str, table: &toml::Table) -> Facts {
    let facts = if path.is_empty() { facts } else { facts.group(path) };
    let values = table.iter().filter(|(_, value)| !value.is_table());
    let facts = values.fold(facts, |facts, (key, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        facts.fact(key, if text == "[]" { "none".to_string() } else { text })
    });
    let inner = table.iter().filter_map(|(key, value)| Some((key, value.as_table()?)));
    inner.fold(facts, |facts, (key, table)| {
        tables(facts, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, table)
    })
}

fn config(folder: &RunFolder) -> Result<toml::Table> {
    let path = folder.config();
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    text.parse()
        .map_err(|_| Error::invalid(format!("{} holds no settings; put back what graft wrote there", path.display())))
}

/// The objects of `metrics.jsonl`; a line that a killed run left unfinished is none.
fn metrics(folder: &RunFolder) -> Result<Vec<Map<String, Json>>> {
    let path = folder.metrics();
    let bytes = atomic::if_there(fs::read(&path)).map_err(Error::io("read", &path))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
