//! `graft classify`: classifiers of a target from few labels, by what teaches them, over seeds.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::advice::{advised_of_experiment, without_ways};
use super::arguments::one_of;
use super::classify_tables as tables;
use super::compare_lines::Lines;
use super::lists::{seeds, split_arms};
use super::output::{emit, is_quiet};
use super::progress::wish;
use super::reading::PairReading;
use super::signals::{stop_after, watch_for_interrupts};
use super::workers::WorkerOptions;
use super::{Compute, count, say, side, steps, tell, two_or_more, warn};
use crate::data::{Parts, Reading, Spec};
use crate::error::{Error, Result};
use crate::experiment::classify::{
    self, Arm, Cell, CellEvent, Classification, Data, Design, Estimate, FileLabels, Record, Settings,
};
use crate::experiment::report::of_classification;
use crate::metrics::HeldOut;
use crate::run::{Ending, Lock};

/// The report's file.
const REPORT: &str = "report.html";

/// Train classifiers of a target from few labels, and compare what teaches them
#[derive(Args)]
#[command(
    after_help = "docs/applications.md explains arms, protocol and every key of classify.json. The same command continues an experiment that was stopped, \
    and with more arms, labels or seeds extends it.\n\nExamples:\n  \
    graft classify --source mnist:DIR --target svhn:DIR --shots 1,5,20\n  \
    graft classify --target folder:DIR --shots 5 --arms scratch,selftrain\n  \
    graft classify --target folder:DIR --labels-file labels.csv --shots 5\n  \
    graft predict runs/classify/cells/selftrain-5-seed0 --data folder:NEW --out labels.csv"
)]
pub struct Classify {
    /// What to learn from, with labels; without it the target is all there is
    #[arg(long, value_name = "SPEC")]
    source: Option<String>,
    /// What is to be classified
    #[arg(long, default_value = "synthetic:street", value_name = "SPEC")]
    target: String,
    /// Labels of some of the target's images, a CSV file with columns file and class; the others are unlabelled, whatever their folders
    /// are called
    #[arg(long, value_name = "FILE")]
    labels_file: Option<PathBuf>,
    /// More images of the target, whose labels do not count
    #[arg(long, value_name = "SPEC")]
    unlabelled: Option<String>,
    /// Labelled images of each class, comma-separated
    #[arg(long, default_value = "1,5,20", value_delimiter = ',', value_name = "LIST", value_parser = count)]
    shots: Vec<usize>,
    /// Arms, comma-separated: names (scratch, finetune, selftrain, gan-augment, ..) or NAME=ARM{option=value,..} [default: scratch, finetune,
    /// selftrain; without a source scratch, selftrain]
    #[arg(long, value_name = "LIST", long_help = help_of_arms())]
    arms: Option<String>,
    /// So many seeds, from 0, each of which draws other labelled images; or a list: 0,1,2 (`100,` for that seed alone)
    #[arg(long, default_value = "5", value_name = "N|LIST")]
    seeds: String,
    /// Steps on the target, the same in all arms
    #[arg(long, default_value_t = 3000, value_name = "S", value_parser = steps())]
    steps: u64,
    /// Steps of the source's classifier, which each seed trains once
    #[arg(long, default_value_t = 2000, value_name = "S", value_parser = steps(), requires = "source")]
    source_steps: u64,
    /// Steps of a GAN on the source, of arms with samples
    #[arg(long, default_value_t = 4000, value_name = "S", value_parser = steps(), requires = "source", hide_short_help = true)]
    gan_source_steps: u64,
    /// Steps of a GAN on the target, of arms with samples
    #[arg(long, default_value_t = 4000, value_name = "S", value_parser = steps(), hide_short_help = true)]
    gan_steps: u64,
    /// Images a batch, of each of what teaches; batch norm needs two
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = two_or_more, hide_short_help = true)]
    batch: usize,
    /// Width of the networks, an even number
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = count, hide_short_help = true)]
    width: usize,
    /// Side of the images, a power of two from 16 up [default: 32, or 64 for larger ones]
    #[arg(long, value_name = "PIXELS", value_parser = side)]
    size: Option<usize>,
    /// Steps between looks at the validation block
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = steps(), hide_short_help = true)]
    look_every: u64,
    /// Whether to show images also with light and dark in each other's places, as suits signs [default: where a grey source meets a colour
    /// target]
    #[arg(long, value_name = "true|false", hide_short_help = true)]
    invert: Option<bool>,
    /// What to measure accuracy on: the test split, or the validation block while settings are chosen (on seeds from 100 up)
    #[arg(long, value_parser = one_of::<HeldOut>(), default_value_t = HeldOut::Test, value_name = "SPLIT", hide_short_help = true)]
    split: HeldOut,
    #[command(flatten)]
    workers: WorkerOptions,
    /// Folder of the experiment
    #[arg(long, default_value = "runs/classify", value_name = "DIR")]
    out: PathBuf,
    /// Print what would run, and write nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    reading: PairReading,
    #[command(flatten)]
    compute: Compute,
}

impl Classify {
    pub fn run(&self) -> Result<()> {
        stop_after(self.workers.minutes);
        let (mut design, target) = self.design()?;
        watch_for_interrupts();
        self.compute.run(|device| {
            let jobs = self.workers.jobs(Some(design.cells().len()));
            Design::joined(&self.out, &design)?;
            classify::check_kind(&self.out, device, self.workers.mixed)?;
            // What the options say was held against the folder before anything was read; the images are only now.
            let data = Data::as_begun(&self.out, &mut design, &target)?;
            drop(target);
            classify::inspect(&design, &data)?;
            classify::check_fits(&design, &data, device, jobs)?;
            if self.plan {
                let (rows, left, text) = tables::planned(&self.out, &design)?;
                let estimate = classify::estimate(&self.out, &design, &data, device, jobs)?;
                let text = format!("{text}\n{}", tables::estimated(&estimate));
                let Estimate { seconds_per_step, steps, seconds } = estimate;
                let plan =
                    json!({ "rows": rows, "seconds_per_step": seconds_per_step, "steps": steps, "seconds": seconds });
                return self.workers.plan(plan, text, (left, seconds), device, jobs);
            }
            say(&data.withheld);
            for warning in data.warnings() {
                warn(format!("warning: {warning}"));
            }
            classify::check_place(&self.out)?;
            std::fs::create_dir_all(&self.out).map_err(Error::io("create", &self.out))?;
            let _lock = Lock::share(&self.out)?;
            let claims = self.workers.open(&self.out)?;
            let lines = Lines::new(is_quiet());
            let watcher = &|cell: &Cell, event: &CellEvent<'_>| watch(&lines, cell, event);
            let (found, ending) =
                classify::run(&self.out, &design, &data, device, &self.workers.with(&claims, jobs), watcher)
                    .map_err(advised_of_experiment)?;
            let report = report_on(&self.out, &found, Some(&data))?;
            let text = format!("{}\nreport: {}", tables::results(&found), report.display());
            tell("classification", serde_json::to_value(&found).expect("figures are JSON"), text);
            if ending == Ending::Interrupted {
                warn("stopped; the same command continues");
            }
            Ok(())
        })
    }

    fn design(&self) -> Result<(Design, Parts)> {
        let target: Spec = self.target.parse()?;
        for spec in [&self.source, &self.unlabelled].into_iter().flatten() {
            spec.parse::<Spec>()?;
        }
        if self.labels_file.is_some() && !target.is_of_files() {
            return Err(Error::option(
                "labels-file",
                format!("names images that are files, in folder:DIR or zip:FILE, not in {target}"),
            ));
        }
        if self.source.is_none() && self.reading.maps() {
            return Err(Error::option(
                "map",
                "gives classes of a source the names of the target's, and there is no source",
            ));
        }
        let labels = self.labels_file.as_deref().map(FileLabels::read).transpose()?;
        let reading = self.reading.reading()?;
        let parts = Parts::read(&target, &Reading { size: self.size, unlabelled: labels.is_some(), ..reading })?;
        let native = &parts.whole().images;
        let usual = if self.source.is_some() { "scratch,finetune,selftrain" } else { "scratch,selftrain" };
        let arms = split_arms(self.arms.as_deref().unwrap_or(usual))?;
        let arms = arms.iter().map(|arm| Arm::parse(arm)).collect::<Result<Vec<_>>>()?;
        if !self.width.is_multiple_of(2) {
            return Err(Error::option("width", "takes an even number"));
        }
        let settings = Settings {
            source: self.source.clone(),
            target: target.to_string(),
            labels_file: labels.map(|labels| labels.described()),
            unlabelled: self.unlabelled.clone(),
            steps: self.steps,
            source_steps: self.source_steps,
            gan_source_steps: self.gan_source_steps,
            gan_steps: self.gan_steps,
            batch: self.batch,
            width: self.width,
            size: self.size.unwrap_or(native.fitting_size()),
            channels: native.channels,
            look_every: self.look_every,
            invert: self.invert,
            split: self.split,
            device: self.compute.device.clone(),
            reading: parts.reading(),
        }
        .absolute()?;
        let design = Design::new(settings, arms, &self.shots, &seeds(&self.seeds)?)?;
        Ok((design, parts))
    }
}

/// Says what is due; gives whether to go on.
fn watch(lines: &Lines, cell: &Cell, event: &CellEvent<'_>) -> ControlFlow<()> {
    match *event {
        CellEvent::Of(event) => lines.watch_run(&cell.to_string(), event),
        CellEvent::Ended(record, found) => {
            ended(lines, cell, record, found);
            wish()
        }
        CellEvent::Lost(why) => lines.lost(&cell.to_string(), why),
        CellEvent::Waiting(left) => lines.waiting(left),
    }
}

fn ended(lines: &Lines, cell: &Cell, record: &Record, found: &Classification) {
    let (done, all) = found.progress();
    let Cell { arm, shots, seed } = cell;
    let (accuracy, seconds) = (record.accuracy, record.seconds);
    emit(
        "run",
        json!({ "arm": arm.name, "shots": shots, "seed": seed, "accuracy": accuracy, "seconds": seconds, "done": done, "of": all }),
    );
    if !lines.is_quiet() {
        let how = accuracy.map_or("diverged".to_string(), |share| format!("{:.1} % right", 100.0 * share));
        let notes: String = record.notes.iter().map(|note| format!("; {note}")).collect();
        warn(format!("{done}/{all} {cell}: {how}, {seconds:.0}s{notes}"));
    }
}

/// Writes the report of the experiment in a folder again, from what lies there; gives its path.
pub fn write_report(root: &Path) -> Result<PathBuf> {
    let none = || Error::invalid(format!("{} holds no experiment of classifiers", root.display()));
    let mut design = Design::read(root)?.ok_or_else(none)?;
    // Images and labels are shown where they are those that all was measured with.
    let begun = design.clone();
    match data_of(root, &mut design) {
        Ok(data) => report_on(root, &classify::found(root, &design, &data)?, Some(&data)),
        Err(error) => {
            // What an earlier version wrote may lack something.
            let Ok(Some(found)) = classify::found_before(root, &begun) else { return Err(error) };
            warn(format!("note: without the labelled images: {}", without_ways(error)));
            report_on(root, &found, None)
        }
    }
}

/// The images of the experiment in a folder, as it was begun.
fn data_of(root: &Path, design: &mut Design) -> Result<Data> {
    design.settings.labels_file = design.settings.labels_now()?;
    Design::joined(root, design)?;
    let target = design.settings.read_target()?;
    Data::as_begun(root, design, &target)
}

/// What each arm that has a name is for.
fn help_of_arms() -> String {
    let arms: Vec<String> = Arm::named().map(|(name, about)| format!("  {name}: {about}")).collect();
    format!(
        "Arms, comma-separated: names, or NAME=ARM{{option=value,..}} [default: scratch,finetune,selftrain; without a source \
         scratch,selftrain]\n{}",
        arms.join("\n")
    )
}

fn report_on(root: &Path, found: &Classification, data: Option<&Data>) -> Result<PathBuf> {
    let path = root.join(REPORT);
    of_classification(found, data)?.write(&path)?;
    Ok(path)
}
