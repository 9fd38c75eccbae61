//! `graft compare`: arms against each other, at several numbers of target images, over several seeds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::advice::{advised_of_experiment, advised_to_hold_out, without_ways};
use super::arguments::{Preset, Said, one_of};
use super::compare_command::equivalent_command;
use super::compare_lines::Lines;
use super::compare_tables as tables;
use super::lists::{arm_seeds, arms, seeds};
use super::output::is_quiet;
use super::presets::OfCompare;
use super::progress::Progress;
use super::reading::{PairReading, if_readable};
use super::signals::{stop_after, watch_for_interrupts};
use super::source::follow;
use super::workers::{Patience, WorkerOptions};
use super::{Compute, count, live, say, search_tables, steps, tell, warn};
use crate::backend::Device;
use crate::claims::Claims;
use crate::data::{Parts, Reading, Spec};
use crate::error::{Error, Result};
use crate::experiment::compare::{
    self, Cell, CellEvent, Comparison, Design, Judging, RealData, Search, Settings, Times, judge_path, standard_looks,
};
use crate::experiment::report::of_comparison;
use crate::gan::{Architecture, Recipe};
use crate::metrics::{HeldOut, Judge, Judges, Panel, PanelSettings};
use crate::run::{self, Ending, Lock};
use crate::transfer::Learning;

/// The report's file.
const REPORT: &str = "report.html";
/// What is said where it was stopped.
const STOPPED: &str = "stopped; the same command continues";

/// Compare ways of training on little data, over seeds, with verdicts
#[derive(Args)]
#[command(
    after_help = "docs/evaluation.md explains the protocol and every key of compare.json. The same command continues a comparison that was stopped, \
    and with more arms, sizes or seeds extends it.\n\nExamples:\n  \
    graft compare --source mnist:DIR --target svhn:DIR --arms scratch,scratch+augment,trgan --subset 100,1000 --seeds 5 --out runs/compare\n  \
    graft compare --search search.toml --source mnist:DIR --target svhn:DIR --subset 100 --out runs/search"
)]
pub struct Compare {
    /// What to learn from; `graft data --help` lists the kinds
    #[arg(long, default_value = "synthetic:strokes", value_name = "SPEC|CHECKPOINT")]
    source: String,
    /// What to transfer to; its size and channels become the networks'
    #[arg(long, default_value = "synthetic:street", value_name = "SPEC")]
    target: String,
    /// Arms, comma-separated: names (scratch, scratch+augment, trgan, ..) or NAME=METHOD{option=value,..}
    #[arg(long, default_value = "scratch,scratch+augment,trgan", value_name = "LIST")]
    arms: String,
    /// Search options of arms as a file says, by successive halving
    #[arg(
        long,
        value_name = "FILE.toml",
        conflicts_with_all = ["arms", "seeds", "arm_seeds", "judges"],
        long_help = "Search options of arms as a file says, by successive halving: docs/evaluation.md describes it. The trials' runs are measured against the \
            validation block; the file has the seeds"
    )]
    search: Option<PathBuf>,
    /// Numbers of target images [default: 100,1000, or all of fewer]
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = count)]
    subset: Option<Vec<usize>>,
    /// Choose subsets without looking at labels
    #[arg(long, hide_short_help = true)]
    subset_plain: bool,
    /// So many seeds, from 0; or a list: 0,1,2 (`100,` for that seed alone)
    #[arg(long, default_value = "5", value_name = "N|LIST")]
    seeds: String,
    /// Arms that have only the first N of the seeds, comma-separated
    #[arg(long, value_name = "ARM=N,..", value_delimiter = ',', hide_short_help = true)]
    arm_seeds: Vec<String>,
    /// Steps on the target
    #[arg(long, default_value_t = 4000, value_name = "S", value_parser = steps())]
    steps: u64,
    #[command(flatten)]
    learning: Said<OfCompare, Learning>,
    /// Steps at which a run is measured against the validation block, comma-separated; the last one always is, and arms that take more
    /// steps are on from there as often as all are at last [default: 0, 250, 500, then every 500 to 2000, then every 1000]
    #[arg(long, value_delimiter = ',', value_name = "LIST", hide_short_help = true)]
    looks: Option<Vec<u64>>,
    /// What to measure against at the end: the test split, or the validation block while settings are chosen (on seeds from 100
    /// up), which does not open the test images [default: test; validation with --search]
    #[arg(long, value_parser = one_of::<HeldOut>(), value_name = "SPLIT", hide_short_help = true)]
    split: Option<HeldOut>,
    /// A judge that `graft judge` wrote [default: the one of the target, from the cache or trained now]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    judge: Option<PathBuf>,
    /// How many judges measure, of images with classes: three are of two seeds and two architectures, and a space that was learned
    /// without classes stands beside them; a verdict says whether it holds under all. A comparison that one judge measured may go on under three
    #[arg(long, value_parser = one_of::<Judges>(), default_value_t = Judges::One, value_name = "N", hide_short_help = true)]
    judges: Judges,
    #[command(flatten)]
    recipe: Said<OfCompare, Recipe>,
    #[command(flatten)]
    workers: WorkerOptions,
    /// Folder of the comparison
    #[arg(long, default_value = "runs/compare", value_name = "DIR")]
    out: PathBuf,
    /// Print what would run and about how long it takes, and write nothing
    #[arg(long)]
    plan: bool,
    /// Measure in turns what a step of each arm takes, keep it with the comparison, and train nothing: runs are then also held
    /// against scratch in as many minutes
    #[arg(long, conflicts_with_all = ["plan", "search"], hide_short_help = true)]
    time: bool,
    #[command(flatten)]
    reading: PairReading,
    #[command(flatten)]
    compute: Compute,
}

/// The numbers of images where nothing is said.
const SUBSETS: [usize; 2] = [100, 1000];

/// Those of them that there are so many images for; all images where there are fewer.
fn those_of(images: usize) -> Vec<usize> {
    let fitting: Vec<usize> = SUBSETS.into_iter().filter(|&count| count <= images).collect();
    if fitting.is_empty() { vec![images] } else { fitting }
}

impl Compare {
    pub fn run(mut self) -> Result<()> {
        follow(&self.source, &mut self.recipe.0)?;
        let (design, target) = self.design()?;
        watch_for_interrupts();
        stop_after(self.workers.minutes);
        self.compute.run(|device| {
            let jobs = self.workers.jobs(design.search.is_none().then(|| design.cells().len()));
            let joined = compare::joined(&self.out, &design)?;
            compare::check_completable(&self.out, &joined)?;
            compare::check_kind(&self.out, device, self.workers.mixed)?;
            let real = RealData::of(&target, &design.settings).map_err(advised_to_hold_out)?;
            drop(target);
            compare::check_moved(&self.out, &design, &real)?;
            let known = self.known_judge(&real, device)?;
            let panel = (joined.judges == Judges::Three).then(|| PanelSettings::of(known.as_ref(), real.native()));
            let panel = panel.transpose()?;
            compare::inspect(&design, &real, device)?;
            let warnings = real.warnings(&joined)?;
            for warning in &warnings {
                warn(format!("warning: {warning}"));
            }
            compare::check_fits(&design, &real, panel.as_ref(), device, jobs)?;
            if self.plan {
                if let Some(search) = &design.search {
                    let estimate = compare::estimate_search(&self.out, &design, search, &real, device, jobs)?;
                    let fields = serde_json::to_value(&estimate).expect("a plan is JSON");
                    let text = search_tables::planned(&estimate, &design, jobs);
                    return self.workers.plan(fields, text, (estimate.at_once(), estimate.seconds), device, jobs);
                }
                let estimate = compare::estimate(&self.out, &design, &real, device, jobs)?;
                let fields = serde_json::to_value(&estimate).expect("a plan is JSON");
                let text = tables::planned(&estimate, &design, jobs);
                let runs = estimate.rows.iter().map(|row| row.left.len()).sum();
                return self.workers.plan(fields, text, (runs, estimate.seconds), device, jobs);
            }
            say(&real.withheld);
            compare::check_place(&self.out)?;
            std::fs::create_dir_all(&self.out).map_err(Error::io("create", &self.out))?;
            // Times that are measured beside other work are none.
            let _lock = if self.time { Lock::take(&self.out)? } else { Lock::share(&self.out)? };
            let claims = self.workers.open(&self.out)?;
            compare::prepare(&self.out, &design, &claims)?;
            if self.time {
                return self.measure_times(&joined, &real, device);
            }
            let Some(judging) = self.judging_once(&claims, joined.judges, &real, device)? else {
                warn(STOPPED);
                return Ok(());
            };
            let lines = Lines::new(is_quiet());
            let watcher = &|cell: &Cell, event: &CellEvent<'_>| lines.watch(cell, event);
            let workers = self.workers.with(&claims, jobs);
            let (comparison, ending) = compare::run(&self.out, &design, &real, &judging, device, &workers, watcher)
                .map_err(advised_of_experiment)?;
            let report = report_on(&self.out, &comparison, (Some(&real), &warnings), false)?;
            let results = match &comparison.search {
                Some(found) => search_tables::results(&comparison, found),
                None => tables::results(&comparison),
            };
            let text = format!("{results}\nreport: {}", report.display());
            tell("comparison", serde_json::to_value(&comparison).expect("figures are JSON"), text);
            if ending == Ending::Interrupted {
                warn(STOPPED);
            }
            Ok(())
        })
    }

    /// Measures what a step of each arm takes, and keeps it.
    fn measure_times(&self, design: &Design, real: &RealData, device: &Device) -> Result<()> {
        let told = |text: &str| {
            if !is_quiet() {
                warn(text);
            }
        };
        let times = Times::measure(design, real, device, &told)?;
        times.write(&self.out)?;
        let fields = serde_json::to_value(&times).expect("times are JSON");
        tell("times", fields, tables::times(&times, design));
        Ok(())
    }

    pub(super) fn design(&self) -> Result<(Design, Parts)> {
        let search = self.search.as_deref().map(Search::read).transpose()?;
        if search.is_some() && self.split == Some(HeldOut::Test) {
            let problem = "--search chooses by the validation block and never opens the test split";
            return Err(Error::Usage(format!("{problem}: leave out --split test")));
        }
        let target: Spec = self.target.parse()?;
        let recipe = self.recipe.settings(OfCompare::usual())?;
        let learning = self.learning.settings(Learning::default())?;
        let (arms, seeds, fewer) = (arms(&self.arms)?, seeds(&self.seeds)?, arm_seeds(&self.arm_seeds)?);
        let reading = self.reading.reading()?;
        let mut looks = self.looks.clone().unwrap_or_else(|| standard_looks(self.steps));
        looks.sort_unstable();
        looks.dedup();
        let settings = Settings {
            source: self.source.clone(),
            source_style: learning.source_style,
            source_steps: learning.source_steps,
            feature_steps: learning.feature_steps,
            target: target.to_string(),
            subset_plain: self.subset_plain,
            steps: self.steps,
            looks,
            split: self.split.unwrap_or(HeldOut::Test),
            device: self.compute.device.clone(),
            reading: reading.clone(),
            recipe: Recipe { lr: learning.source_lr, ..recipe },
        };
        let settings = settings.absolute()?;
        let of = |subset: &[usize]| match &search {
            Some(search) => Design::of_search(search.clone(), settings.clone(), subset),
            None => {
                let design = Design::new(settings.clone(), arms.clone(), subset, &seeds, &fewer)?;
                Ok(Design { judges: self.judges, ..design })
            }
        };
        let design = of(self.subset.as_deref().unwrap_or(&SUBSETS))?;
        // What options say alone, with networks of the usual size for now, is refused before reading takes its time.
        let parts = Parts::read(&target, &Reading { size: self.recipe.get("size"), ..reading })?;
        let native = &parts.whole().images;
        let size = self.recipe.get("size").unwrap_or(native.fitting_size());
        let architecture = Architecture { size, channels: native.channels, ..design.settings.recipe.architecture };
        let design = match &self.subset {
            Some(_) => design,
            None => of(&those_of(parts.split().map_or(native.count, |(training, _)| training.len())))?,
        };
        Ok((design.of_images(parts.reading(), architecture)?, parts))
    }

    /// The judge of a file: the comparison's own where it has one.
    fn known_judge(&self, real: &RealData, device: &Device) -> Result<Option<Judge>> {
        let own = judge_path(&self.out);
        let file = self.judge.clone().or_else(|| own.exists().then_some(own));
        match &real.unjudged {
            Some(why) if file.is_none() => {
                Err(Error::invalid(format!("nothing can be compared on {}: {why}", self.target)))
            }
            _ => file.map(|path| Judge::read(&path, device)).transpose(),
        }
    }

    /// The judge, and the panel beside it, which one process makes for all. None where that was interrupted.
    fn judging_once(
        &self,
        claims: &Claims,
        judges: Judges,
        real: &RealData,
        device: &Device,
    ) -> Result<Option<Judging>> {
        let mut waiting = Patience::new("the judge");
        let turn = claims.wait(&compare::judges_piece(&self.out), &mut || Ok(waiting.go_on()))?;
        let Some(_turn) = turn else { return Ok(None) };
        // Another process may have made it meanwhile.
        let known = self.known_judge(real, device)?;
        let judging = self.judging(known, judges, real, device)?;
        judging.iter().try_for_each(|judging| compare::keep_judges(&self.out, judging))?;
        Ok(judging)
    }

    /// The judge, known or trained now, and the panel beside it: the comparison's own, or out of the cache or trained now. None where a
    /// training was interrupted.
    fn judging(
        &self,
        known: Option<Judge>,
        judges: Judges,
        real: &RealData,
        device: &Device,
    ) -> Result<Option<Judging>> {
        let mut progress = Progress::new("judge", 0, is_quiet());
        let mut told = |event: &run::Event<'_>| progress.watch(event);
        let judging = self.judging_told(known, judges, real, device, &mut told);
        progress.finish();
        judging
    }

    fn judging_told(
        &self,
        known: Option<Judge>,
        judges: Judges,
        real: &RealData,
        device: &Device,
        watcher: &mut run::Watcher<'_>,
    ) -> Result<Option<Judging>> {
        let judge = known.map_or_else(|| run::judge(&real.training()?, device, watcher), |judge| Ok(Some(judge)))?;
        let Some(judge) = judge else { return Ok(None) };
        let panel = match judges {
            Judges::One => None,
            Judges::Three if Panel::is_in(&self.out) => Some(Panel::read(&self.out, device)?),
            Judges::Three => {
                let settings = PanelSettings::of(Some(&judge), real.native())?;
                match run::panel(&real.training()?, &settings, device, watcher)? {
                    Some(panel) => Some(panel),
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(Judging { judge: Arc::new(judge), panel: panel.map(Arc::new) }))
    }
}

/// Writes the report of the comparison in a folder again, from what lies there, with its best generator in it where asked; gives its path.
pub fn write_report(root: &Path, with_live: bool) -> Result<PathBuf> {
    let comparison = compare::found(root)?;
    let settings = &comparison.protocol.settings;
    let real = if_readable(settings.read_target().and_then(|target| RealData::of(&target, settings)));
    let warnings = match (&real, Design::read(root)?) {
        // Of other images than those that were measured nothing is said.
        (Some(real), Some(design)) => {
            let known = compare::check_moved(root, &design, real).and_then(|()| real.warnings(&design));
            let why = "note: whether held-out images can be learned from is not said";
            known.map_err(|error| warn(format!("{why}: {}", without_ways(error)))).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    report_on(root, &comparison, (real.as_ref(), &warnings), with_live)
}

/// `real` are the images, and what a person should know of them.
fn report_on(
    root: &Path,
    comparison: &Comparison,
    (real, warnings): (Option<&RealData>, &[String]),
    with_live: bool,
) -> Result<PathBuf> {
    let path = root.join(REPORT);
    let size = comparison.protocol.sizes.iter().copied().max().unwrap_or(1);
    let seed = comparison.cells.first().map_or(0, |cell| cell.seed);
    let images = real.and_then(|real| if_readable(real.subset(size, seed))).map(|subset| subset.images);
    let command = equivalent_command(root, comparison);
    let mut page = of_comparison(root, comparison, images.as_ref(), warnings, &command)?;
    if with_live {
        page = page.opening_with(live::of_comparison(root, comparison)?);
    }
    page.write(&path)?;
    Ok(path)
}
