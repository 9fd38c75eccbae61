//! `graft compare`: arms against each other, at several numbers of target images, over several seeds.

use std::collections::{BTreeMap, HashMap};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::compare_tables as tables;
use super::evaluate;
use super::output::emit;
use super::progress::{interrupted as stopped, time_left, watch_for_interrupts};
use super::train::quoted;
use super::transfer_command::word;
use super::{Compute, DEVICE, count, decay, named, not_negative, positive, steps, tell, warn};
use crate::backend::Device;
use crate::data::{Spec, Split};
use crate::error::{Error, Result};
use crate::experiment::compare::{
    self, Cell, Comparison, Design, Jobs, RealData, Record, Settings, Watch, judge_path, standard_looks,
};
use crate::experiment::report::of_comparison;
use crate::gan::{DiscriminatorNorm, Loss, Recipe};
use crate::metrics::{HeldOut, Judge};
use crate::run::{Ending, Lock};
use crate::transfer::{Arm, Style, starting_recipe};

/// The report's file.
const REPORT: &str = "report.html";
/// How often a run that goes on says where it stands.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// What is said where it was stopped.
const STOPPED: &str = "stopped; the same command continues";

/// Compare ways of training on little data, over seeds, with verdicts
#[derive(Args)]
#[command(
    after_help = "docs/evaluation.md explains the protocol and every key of compare.json. The same command continues a comparison that was stopped, \
    and with more arms, sizes or seeds extends it.\n\nExamples:\n  \
    graft compare --source mnist:DIR --target svhn:DIR --arms scratch,scratch+augment,trgan --subset 100,1000 --seeds 5 --out runs/compare\n  \
    graft compare --split validation --seeds 100,101 --arms scratch,a=trgan{freeze-d=1},b=trgan{lr=0.0002} --subset 100 --out runs/trials"
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
    /// Numbers of target images, comma-separated
    #[arg(long, default_value = "100,1000", value_delimiter = ',', value_name = "LIST", value_parser = count)]
    subset: Vec<usize>,
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
    /// Steps of the source's GAN, trained once a seed
    #[arg(long, default_value_t = 4000, value_name = "S", value_parser = steps(), hide_short_help = true)]
    source_steps: u64,
    /// Steps of a feature extractor or label predictor, trained once a seed
    #[arg(long, default_value_t = 2000, value_name = "S", value_parser = steps(), hide_short_help = true)]
    feature_steps: u64,
    /// Colours for the source's images [default: colour where a grey source meets a colour target, else none]
    #[arg(long, value_enum, value_name = "STYLE", hide_short_help = true)]
    source_style: Option<Style>,
    /// Steps at which a run is measured against the validation block, comma-separated; the last one always is [default: 0, 250, 500,
    /// then every 500 to 2000, then every 1000]
    #[arg(long, value_delimiter = ',', value_name = "LIST", hide_short_help = true)]
    looks: Option<Vec<u64>>,
    /// What to measure against at the end: the test split, or the validation block while settings are chosen (on seeds from 100
    /// up), which does not open the test images
    #[arg(long, value_enum, default_value_t = HeldOut::Test, hide_short_help = true)]
    split: HeldOut,
    /// A judge that `graft judge` wrote [default: the one of the target, from the cache or trained now]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    judge: Option<PathBuf>,
    /// Width of the networks
    #[arg(long, default_value_t = 32, value_name = "N", hide_short_help = true)]
    features: usize,
    /// Length of the latent
    #[arg(long, default_value_t = 100, value_name = "N", hide_short_help = true)]
    latent: usize,
    /// Images a batch
    #[arg(long, default_value_t = 64, value_name = "N", hide_short_help = true)]
    batch: usize,
    /// Adversarial loss
    #[arg(long, value_enum, default_value_t = Loss::NonSaturating, hide_short_help = true)]
    loss: Loss,
    /// Learning rate of the discriminator; the generator's is the arm's
    #[arg(long, default_value_t = 2e-4, value_name = "RATE", value_parser = positive, allow_negative_numbers = true, hide_short_help = true)]
    d_lr: f64,
    /// Gamma of the R1 penalty
    #[arg(long, default_value_t = 1.0, value_name = "GAMMA", value_parser = not_negative, allow_negative_numbers = true, hide_short_help = true)]
    r1: f64,
    /// Normalisation of the discriminator
    #[arg(long, value_enum, default_value_t = DiscriminatorNorm::Auto, hide_short_help = true)]
    d_norm: DiscriminatorNorm,
    /// Decay of the generator's moving average
    #[arg(long, default_value_t = 0.995, value_name = "DECAY", value_parser = decay, allow_negative_numbers = true, hide_short_help = true)]
    ema: f64,
    /// Runs at once, which share the threads; results do not depend on it
    #[arg(long, default_value_t = 1, value_name = "J", value_parser = count)]
    jobs: usize,
    /// Steps between checkpoints; results do not depend on it
    #[arg(long, default_value_t = Jobs::ONE.checkpoint_every, value_name = "N", value_parser = steps(), hide_short_help = true)]
    checkpoint_every: u64,
    /// Folder of the comparison
    #[arg(long, default_value = "runs/compare", value_name = "DIR")]
    out: PathBuf,
    /// Print what would run and about how long it takes, and write nothing
    #[arg(long)]
    plan: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    compute: Compute,
}

impl Compare {
    pub fn run(&self) -> Result<()> {
        let design = self.design()?;
        watch_for_interrupts();
        self.compute.run(|device| {
            let threads = rayon::current_num_threads();
            let jobs = Jobs { count: self.jobs, threads, checkpoint_every: self.checkpoint_every };
            compare::joined(&self.out, &design)?;
            let real = RealData::load(&design.settings)?;
            for cell in design.cells() {
                real.subset(cell.size, cell.seed)?;
            }
            compare::check_fits(&design, &real, device, jobs)?;
            if self.plan {
                let estimate = compare::estimate(&self.out, &design, &real, device, jobs)?;
                let fields = serde_json::to_value(&estimate).expect("a plan is JSON");
                tell("plan", fields, tables::planned(&estimate, &design, jobs));
                return Ok(());
            }
            std::fs::create_dir_all(&self.out).map_err(Error::io("create", &self.out))?;
            let lock = Lock::take(&self.out)?;
            lock.warning().into_iter().for_each(warn);
            compare::prepare(&self.out, &design)?;
            let Some(judge) = self.judge(&real, device)? else {
                warn(STOPPED);
                return Ok(());
            };
            let watch = Lines { quiet: self.quiet, said: Mutex::default() };
            let (comparison, ending) = compare::run(&self.out, &design, &real, judge, device, jobs, &watch)?;
            let report = report_on(&self.out, &comparison, &real)?;
            let text = format!("{}\nreport: {}", tables::results(&comparison), report.display());
            tell("comparison", serde_json::to_value(&comparison).expect("figures are JSON"), text);
            if ending == Ending::Interrupted {
                warn(STOPPED);
            }
            Ok(())
        })
    }

    pub(super) fn design(&self) -> Result<Design> {
        if self.loss == Loss::WassersteinGp {
            return Err(Error::Usage("--loss takes a loss with --r1 here, not wasserstein-gp".to_string()));
        }
        let target: Spec = self.target.parse()?;
        let base = starting_recipe(0, 32, 3);
        let mut recipe =
            Recipe { batch: self.batch, d_lr: self.d_lr, loss: self.loss, r1: self.r1, ema: self.ema, ..base };
        let native = target.load(Split::Train)?.images;
        let architecture = &mut recipe.architecture;
        /// The smaller of the sizes that networks have.
        const SMALL: usize = 32;
        architecture.size = if native.height.max(native.width) > SMALL { 2 * SMALL } else { SMALL };
        architecture.channels = native.channels;
        architecture.features = self.features;
        architecture.latent = self.latent;
        architecture.d_norm = self.d_norm.resolve(self.loss, self.r1)?;
        let mut looks = self.looks.clone().unwrap_or_else(|| standard_looks(self.steps));
        looks.sort_unstable();
        looks.dedup();
        let settings = Settings {
            source: self.source.clone(),
            source_style: self.source_style,
            source_steps: self.source_steps,
            feature_steps: self.feature_steps,
            target: target.to_string(),
            subset_plain: self.subset_plain,
            steps: self.steps,
            looks,
            split: self.split,
            device: self.compute.device.clone(),
            recipe,
        };
        let arms = arms(&self.arms)?;
        Design::new(settings, arms, &self.subset, &seeds(&self.seeds)?, &arm_seeds(&self.arm_seeds)?)
    }

    /// The judge: the comparison's own where it has one. None where its training was interrupted.
    fn judge(&self, real: &RealData, device: &Device) -> Result<Option<Judge>> {
        let own = judge_path(&self.out);
        let file = self.judge.clone().or_else(|| own.exists().then_some(own));
        evaluate::judge(file.as_deref(), &real.training()?, device, self.quiet)
    }
}

/// The arms of a list, or of a file `NAME.toml` that holds them as `comparison.toml` does.
fn arms(text: &str) -> Result<Vec<Arm>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        arms: Vec<Arm>,
    }
    if !text.ends_with(".toml") {
        return split_arms(text)?.iter().map(|arm| Arm::parse(arm)).collect();
    }
    let path = Path::new(text);
    let content = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let file: File = toml::from_str(&content).map_err(|error| {
        Error::invalid(format!(
            "{text}: {}; write for each arm [[arms]], name = \"..\", method = \"..\", and [arms.options]",
            error.message()
        ))
    })?;
    file.arms.into_iter().map(|arm| Arm::new(&arm.name, &arm.method, arm.options)).collect()
}

/// The parts of a list between commas that stand in no braces.
fn split_arms(text: &str) -> Result<Vec<String>> {
    let mut arms = vec![String::new()];
    let mut depth = 0usize;
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                arms.push(String::new());
                continue;
            }
            _ => {}
        }
        arms.last_mut().expect("it begins with one").push(letter);
    }
    let arms: Vec<String> = arms.iter().map(|arm| arm.trim().to_string()).filter(|arm| !arm.is_empty()).collect();
    if depth > 0 {
        return Err(Error::Usage(format!("--arms `{text}` lacks a closing brace")));
    }
    Ok(arms)
}

/// `5` for the seeds 0 to 4, or a list.
fn seeds(text: &str) -> Result<Vec<u64>> {
    /// Seeds beyond it are those of other latents.
    const MOST: u64 = 1 << 31;
    /// A longer list has to be written out.
    const MOST_COUNTED: u64 = 1000;
    let bad = || Error::Usage(format!("--seeds takes a number of seeds or a list such as 0,1,2, not `{text}`"));
    let number = |part: &str| part.trim().parse::<u64>().ok().filter(|&seed| seed < MOST).ok_or_else(bad);
    if text.contains(',') {
        return text.split(',').filter(|part| !part.trim().is_empty()).map(number).collect();
    }
    match number(text)? {
        count if count > MOST_COUNTED => Err(Error::Usage(format!(
            "--seeds takes a number of seeds up to {MOST_COUNTED}, not {count}; for the seed {count} alone write `{count},`"
        ))),
        count => Ok((0..count).collect()),
    }
}

fn arm_seeds(list: &[String]) -> Result<BTreeMap<String, usize>> {
    let pair = |text: &String| {
        let parsed = text.rsplit_once('=').and_then(|(arm, count)| Some((arm.to_string(), count.parse().ok()?)));
        parsed.ok_or_else(|| Error::Usage(format!("--arm-seeds takes ARM=N, not `{text}`")))
    };
    list.iter().map(pair).collect()
}

/// Says on standard error how runs go on.
struct Lines {
    quiet: bool,
    said: Mutex<HashMap<String, Instant>>,
}

impl Watch for Lines {
    fn stop(&self) -> bool {
        stopped()
    }

    fn step(&self, cell: &Cell, phase: &str, (step, steps): (u64, u64), rate: f64) {
        if self.quiet {
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let every = if std::io::stderr().is_terminal() { LINE_EVERY / 6 } else { LINE_EVERY };
        let due = said.get(&cell.to_string()).is_none_or(|last| last.elapsed() >= every);
        if due {
            said.insert(cell.to_string(), Instant::now());
            let left = time_left(steps - step, rate);
            warn(format!("{cell}: {phase}, step {step}/{steps}, {rate:.1} steps/s, {left} left"));
        }
    }

    fn ended(&self, cell: &Cell, record: &Record, comparison: &Comparison) {
        let (done, all) = comparison.progress();
        let Cell { arm, size, seed } = cell;
        let fd = record.readings.as_ref().map(|readings| readings.last.distances.judge_fd);
        let seconds = record.seconds;
        emit(
            "run",
            json!({ "arm": arm.name, "images": size, "seed": seed, "judge_fd": fd, "seconds": seconds, "done": done, "of": all }),
        );
        if self.quiet {
            return;
        }
        let how = match &record.readings {
            Some(readings) => format!("FD {:.1}", readings.last.distances.judge_fd),
            None => "diverged".to_string(),
        };
        warn(format!("{done}/{all} {cell}: {how}, {:.0}s", record.seconds));
    }
}

/// Writes the report of the comparison in a folder again, from what lies there; gives its path.
pub fn write_report(root: &Path) -> Result<PathBuf> {
    let comparison = compare::found(root)?;
    let real = RealData::load(&comparison.protocol.settings)?;
    report_on(root, &comparison, &real)
}

fn report_on(root: &Path, comparison: &Comparison, real: &RealData) -> Result<PathBuf> {
    let path = root.join(REPORT);
    let size = comparison.protocol.sizes.iter().copied().max().unwrap_or(1);
    let images = real.subset(size, comparison.cells.first().map_or(0, |cell| cell.seed))?.images;
    of_comparison(root, comparison, &images, &equivalent_command(root, comparison))?.write(&path)?;
    Ok(path)
}

/// The command that names every setting, and asks for all runs.
fn equivalent_command(root: &Path, comparison: &Comparison) -> String {
    let Settings { recipe, source, target, steps, source_steps, feature_steps, split, .. } =
        &comparison.protocol.settings;
    let settings = &comparison.protocol.settings;
    let architecture = &recipe.architecture;
    let list = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let described = |arm: &Arm| arm.notation(&BTreeMap::new()).unwrap_or_else(|_| arm.name.clone());
    let arms: Vec<String> = comparison.protocol.arms.iter().map(described).collect();
    let sizes: Vec<u64> = comparison.protocol.sizes.iter().map(|&size| size as u64).collect();
    let mut command = format!(
        "graft compare --source {} --target {} --arms {} --subset {} --steps {steps} --source-steps {source_steps} \
         --feature-steps {feature_steps} --split {split} --features {} --latent {} --batch {} --loss {} --d-lr {} --r1 {} \
         --d-norm {} --ema {}",
        quoted(source),
        quoted(target),
        quoted(&arms.join(",")),
        list(&sizes),
        architecture.features,
        architecture.latent,
        recipe.batch,
        word(&recipe.loss),
        recipe.d_lr,
        recipe.r1,
        word(&architecture.d_norm),
        recipe.ema
    );
    // An arm may have the first of the seeds alone.
    let seeds_of = |arm: &str| {
        let mut seeds: Vec<u64> = Vec::new();
        for cell in comparison.cells.iter().filter(|cell| cell.arm == arm) {
            if !seeds.contains(&cell.seed) {
                seeds.push(cell.seed);
            }
        }
        seeds
    };
    let names = comparison.protocol.arms.iter().map(|arm| arm.name.as_str());
    let of_arms: Vec<(&str, Vec<u64>)> = names.map(|name| (name, seeds_of(name))).collect();
    let all = of_arms.iter().map(|(_, seeds)| seeds).max_by_key(|seeds| seeds.len()).cloned().unwrap_or_default();
    command += &match all.iter().copied().eq(0..all.len() as u64) {
        true => format!(" --seeds {}", all.len()),
        false => format!(" --seeds {},", list(&all)),
    };
    let fewer = of_arms.iter().filter(|(_, seeds)| seeds.len() < all.len());
    let fewer: Vec<String> = fewer.map(|(name, seeds)| format!("{name}={}", seeds.len())).collect();
    if !fewer.is_empty() {
        command += &format!(" --arm-seeds {}", quoted(&fewer.join(",")));
    }
    if settings.looks != standard_looks(*steps) {
        command += &format!(" --looks {}", list(&settings.looks));
    }
    if settings.subset_plain {
        command += " --subset-plain";
    }
    if let Some(style) = settings.source_style {
        command += &format!(" --source-style {}", word(&style));
    }
    if settings.device != DEVICE {
        command += &format!(" --device {}", settings.device);
    }
    format!("{command} --out {}", quoted(&named(root)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_are_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arms.toml");
        let text = "[[arms]]\nname = \"scratch\"\nmethod = \"scratch\"\n[[arms]]\nname = \"a\"\nmethod = \"trgan\"\n[arms.options]\nr1 = \"10\"\n";
        std::fs::write(&path, text).unwrap();
        let found = arms(path.to_str().unwrap()).unwrap();
        assert_eq!(found, [Arm::parse("scratch").unwrap(), Arm::parse("a=trgan{r1=10}").unwrap()]);
        std::fs::write(&path, text.replace("trgan", "trgn")).unwrap();
        assert!(arms(path.to_str().unwrap()).unwrap_err().to_string().contains("trgan"));
        std::fs::write(&path, "[[arms]]\nnam = 1").unwrap();
        assert!(matches!(arms(path.to_str().unwrap()), Err(Error::Invalid(_))));
        assert!(matches!(arms("no/such.toml"), Err(Error::Io { .. })));
    }

    #[test]
    fn lists_of_arms_and_seeds_are_read() {
        let arms = split_arms("scratch, a=trgan{lr=0.1,augment=color,translation},tgan").unwrap();
        assert_eq!(arms, ["scratch", "a=trgan{lr=0.1,augment=color,translation}", "tgan"]);
        assert!(split_arms("trgan{lr=1").is_err());
        assert_eq!(seeds("3").unwrap(), [0, 1, 2]);
        assert_eq!(seeds("100,101").unwrap(), [100, 101]);
        assert_eq!(seeds("100,").unwrap(), [100]);
        for text in ["", "x", "1,x", "-1", "1,99999999999", "1001"] {
            assert!(seeds(text).is_err(), "{text}");
        }
        assert_eq!(arm_seeds(&["a=b=2".to_string()]).unwrap(), [("a=b".to_string(), 2)].into_iter().collect());
        assert!(arm_seeds(&["a".to_string()]).is_err());
    }
}
