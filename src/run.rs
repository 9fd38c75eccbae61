//! One training run on disk: a folder with its settings, its losses step by step, its pictures and its checkpoints.
//!
//! `config.toml` holds every setting, `metrics.jsonl` one object a step, `samples/step_000123.png` the same latents
//! throughout, `samples/pairs_000123.png` rows of a counterpart's samples (the source's) over rows of the run's own from the
//! same latents where the method has one, `checkpoints/last.safetensors` the whole state (`begun` says that there was one, `warned` what was said of the run), `checkpoints/step_000123.safetensors` that of steps that are
//! kept and `checkpoints/best.safetensors` that of the best on validation, `report.html` the whole run for
//! people; `evaluations.jsonl` measured samples step by step where they are measured, of a transfer `outcome.json` what else its report says. Files are written beside their place and renamed.

mod begun;
mod event;
mod health;
mod lock;
mod metrics;
mod snapshots;
mod training;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::claims;
use crate::data::{Dataset, Parts, Reading, Spec};
use crate::error::{Error, Result, Way};
use crate::gan::Recipe;
pub use event::{Event, State, Watcher, judge, of_classifier, panel, unwatched};
pub(crate) use health::{Look, overfitting};
pub use lock::Lock;
use metrics::last_seconds;
pub use snapshots::{Keep, Named, split};
pub use training::OnNan;

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const SAMPLES: &str = "samples";
const CHECKPOINTS: &str = "checkpoints";
const LAST: &str = "last.safetensors";
/// What the names of pictures begin with.
const STEP: &str = "step";
const PAIRS: &str = "pairs";
const REPORT: &str = "report.html";
/// What a transfer learns of its source beside a GAN: folders that hold a checkpoint and no settings of their own.
pub const FEATURES: &str = "features";
/// The folder of the source's GAN within a run.
pub const SOURCE: &str = "source";
/// The folder of the run from scratch beside a transfer's.
pub const SCRATCH: &str = "scratch";
/// See [`FEATURES`].
pub const CLASSIFIER: &str = "classifier";
/// The seconds that a phase which is no GAN took up to its checkpoint, in its folder.
pub(crate) const SECONDS: &str = "seconds.json";
const EVALUATIONS: &str = "evaluations.jsonl";
const OUTCOME: &str = "outcome.json";
/// What the names of TensorBoard's event files begin with.
pub(crate) const EVENTS: &str = "events.out.tfevents.";

/// Every setting of a run, as `config.toml` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What it trains on, as `--data` takes it.
    pub data: String,
    /// How many of those images; all where missing.
    pub subset: Option<usize>,
    /// Whether the subset ignores labels.
    pub subset_plain: bool,
    /// The step at which it ends.
    pub steps: u64,
    /// The device, as `--device` takes it.
    pub device: String,
    /// Threads; 0 for one a core.
    pub threads: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between pictures.
    pub sample_every: u64,
    /// How many of the latest checkpoints stay, each under its step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u64>,
    /// Steps of which every multiple's checkpoint stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_every: Option<u64>,
    /// Steps between figures on the validation block, which is then held out of what it trains on; none are measured where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<u64>,
    /// Whether it writes event files for TensorBoard.
    #[serde(default)]
    pub tensorboard: bool,
    /// What to do where numbers are no longer finite.
    #[serde(default, skip_serializing_if = "OnNan::is_stop")]
    pub on_nan: OnNan,
    /// How its images are read.
    #[serde(default, skip_serializing_if = "Reading::is_usual")]
    pub reading: Reading,
    /// What determines the results.
    pub recipe: Recipe,
}

/// How far a run goes, how often it writes, and what it does where it diverges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The step at which it ends.
    pub steps: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between pictures.
    pub sample_every: u64,
    /// What to do where numbers are no longer finite.
    pub on_nan: OnNan,
    /// Which checkpoints stay beside the last.
    pub keep: Keep,
}

impl Settings {
    /// Reads its data set.
    ///
    /// # Errors
    /// Those of [`Parts::read`].
    pub fn read(&self) -> Result<Parts> {
        Parts::read(&self.data.parse()?, &self.reading.of_size(self.recipe.architecture.size))
    }

    /// Of its data set the images that the run trains on, in its networks' size and channels, with their classes called as the networks' are: a
    /// transfer's source may have been mapped to its target's.
    ///
    /// # Errors
    /// Where they are too few, or do not fit.
    pub fn choose(&self, data: &Parts) -> Result<Dataset> {
        let measured = self.evaluate_every.map(|_| data.split()).transpose()?;
        let data = measured.as_ref().map_or(data.whole(), |(training, _)| training);
        let subset = self.subset.map(|count| data.subset(count, self.recipe.seed, self.subset_plain)).transpose()?;
        let chosen = subset.unwrap_or_else(|| data.clone()).with_renamed(&self.reading.map)?;
        chosen.fit(self.recipe.architecture.size, self.recipe.architecture.channels)
    }

    /// The same with paths that do not depend on the working folder.
    ///
    /// # Errors
    /// [`Error::Usage`] where something is no data set's name.
    pub fn absolute(&self) -> Result<Settings> {
        let data = self.data.parse::<Spec>()?.absolute().to_string();
        Ok(Settings { data, reading: self.reading.absolute()?, ..self.clone() })
    }

    /// How far the run goes, and how often it writes.
    pub fn pace(&self) -> Pace {
        let Settings { steps, checkpoint_every, sample_every, on_nan, keep, keep_every, .. } = *self;
        Pace { steps, checkpoint_every, sample_every, on_nan, keep: Keep::of(keep, keep_every) }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At its last step.
    Finished,
    /// At somebody's wish, before.
    Interrupted,
}

/// The folder of a run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    locks: Vec<Lock>,
}

impl RunFolder {
    /// An existing run's folder.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no run in it.
    pub fn open(path: &Path) -> Result<RunFolder> {
        if path.join(CONFIG).is_file() {
            return Ok(RunFolder::at(path));
        }
        Err(Error::invalid(format!(
            "{} holds no run: there is no {CONFIG} in it; name the folder that `graft train` or `graft transfer` wrote",
            path.display()
        )))
    }

    /// The folder of the run that a checkpoint lies in, RUN/checkpoints/FILE. None where there is none: other programs have files of a
    /// run's names, too.
    pub fn around(checkpoint: &Path) -> Option<RunFolder> {
        let path = std::path::absolute(checkpoint).ok()?;
        let folder = path.parent().filter(|folder| folder.ends_with(CHECKPOINTS))?.parent()?;
        RunFolder::open(folder).ok().filter(|folder| folder.command().is_some())
    }

    /// The transfer's run of which a folder is a phase, or the run from scratch beside it; None where it is neither.
    pub fn of_phase(path: &Path) -> Option<RunFolder> {
        let path = std::path::absolute(path).ok()?;
        let is_phase = [SOURCE, SCRATCH].iter().any(|name| path.ends_with(name));
        let whole = RunFolder::at(path.parent().filter(|_| is_phase)?);
        Some(whole).filter(|whole| whole.command() == Some("transfer"))
    }

    /// An existing run's folder, in which no other process trains while this value lives.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no run in it, [`Error::Folder`] where another process trains there.
    pub fn resume(path: &Path) -> Result<RunFolder> {
        Ok(RunFolder { locks: Lock::take_all(path)?, ..RunFolder::open(path)? })
    }

    /// A new run's folder, in which no other process trains while this value lives; its settings are to be written first, so that
    /// the run can be continued from then on. One that is not empty is refused, or cleared of an older run's files where `overwrite`.
    ///
    /// # Errors
    /// [`Error::Folder`] where it is not empty, or another process trains there, or it cannot be written, and with `overwrite` where
    /// its settings are none of graft's; [`Error::Invalid`] where it has none.
    pub fn create(path: &Path, overwrite: bool) -> Result<RunFolder> {
        let check = || {
            if overwrite || is_vacant(path)? {
                return Ok(());
            }
            let ways = match RunFolder::open(path) {
                Ok(_) => vec![Way::Elsewhere, Way::Continue(path.to_path_buf()), Way::Replace],
                Err(_) => vec![Way::Elsewhere],
            };
            Err(Error::folder(format!("{} is not empty", path.display()), ways))
        };
        check()?;
        fs::create_dir_all(path).map_err(unusable(path))?;
        let folder = RunFolder { locks: Lock::take_all(path)?, ..RunFolder::at(path) };
        // Somebody may have begun a run there just before the lock was taken.
        check()?;
        if !is_vacant(path)? {
            folder.clear()?;
        }
        Ok(folder)
    }

    /// What to say where nothing keeps other processes from training in it.
    pub fn warning(&self) -> Option<String> {
        self.locks.iter().find_map(Lock::warning)
    }

    fn at(path: &Path) -> RunFolder {
        RunFolder { path: path.to_path_buf(), locks: Vec::new() }
    }

    /// A run's folder that may be there already, as a phase of a larger run finds it.
    ///
    /// # Errors
    /// [`Error::Folder`] where it cannot be written.
    pub fn prepare(path: &Path) -> Result<RunFolder> {
        let folder = RunFolder::at(path);
        folder.create_parts()?;
        Ok(folder)
    }

    /// Makes the folders in it that are not there, and removes what a killed process left unfinished.
    fn create_parts(&self) -> Result<()> {
        self.settle_first()?;
        for part in [self.path.clone(), self.samples(), self.path.join(CHECKPOINTS)] {
            fs::create_dir_all(&part).map_err(unusable(&self.path))?;
            atomic::sweep(&part);
        }
        Ok(())
    }

    /// The command whose run it is; None where its settings are none of graft's.
    pub fn command(&self) -> Option<&'static str> {
        let config: toml::Table = fs::read_to_string(self.config()).ok()?.parse().ok()?;
        // A transfer's settings name its arm.
        let commands = [("arm", "transfer"), ("recipe", "train")];
        commands.into_iter().find(|(key, _)| config.contains_key(*key)).map(|(_, command)| command)
    }

    /// Removes the files of the run in it, of a transfer those of its phases, and nothing else; settings are left to be replaced. Where a
    /// folder's `config.toml` is not a run's, all is left alone.
    fn clear(&self) -> Result<()> {
        let phases = match self.command() {
            Some("transfer") => vec![SOURCE, SCRATCH],
            _ => Vec::new(),
        };
        let phases = phases.into_iter().map(|name| RunFolder::at(&self.path.join(name)));
        let phases: Vec<RunFolder> = phases.filter(|phase| phase.config().is_file()).collect();
        [self].into_iter().chain(&phases).try_for_each(RunFolder::check_own)?;
        for phase in &phases {
            phase.remove_run()?;
            atomic::if_there(fs::remove_file(phase.config())).map_err(Error::io("remove", phase.config()))?;
            phase.remove_empty();
        }
        self.remove_run()
    }

    /// Removes its folders, as far as there is nothing in them: a phase's folder without its checkpoint counts as one that lost it.
    fn remove_empty(&self) {
        for folder in [self.samples(), self.path.join(CHECKPOINTS), self.path.clone()] {
            let _ = fs::remove_dir(folder);
        }
    }

    /// Refuses a folder that holds no run.
    fn check_own(&self) -> Result<()> {
        RunFolder::open(&self.path)?;
        if self.command().is_none() {
            let problem = format!("{} holds no run, its {CONFIG} is not one that graft wrote", self.path.display());
            return Err(Error::folder(problem, [Way::Elsewhere]));
        }
        Ok(())
    }

    /// Removes the files of the run in it, and what its networks learned from.
    fn remove_run(&self) -> Result<()> {
        let remove =
            |path: PathBuf| atomic::if_there(fs::remove_file(&path)).map(drop).map_err(Error::io("remove", &path));
        for (_, path) in [self.numbered(STEP)?, self.numbered(PAIRS)?].concat() {
            remove(path)?;
        }
        for path in event_files(&self.path)? {
            remove(path)?;
        }
        remove(self.report())?;
        remove(self.evaluations())?;
        remove(self.outcome())?;
        remove(self.checkpoint())?;
        remove(self.best())?;
        for (_, path) in self.snapshots()? {
            remove(path)?;
        }
        remove(self.path.join(begun::MARK))?;
        remove(self.metrics())?;
        for learned in [FEATURES, CLASSIFIER] {
            let learned = RunFolder::at(&self.path.join(learned));
            remove(learned.checkpoint())?;
            remove(learned.path.join(begun::MARK))?;
            remove(learned.path.join(SECONDS))?;
            learned.remove_empty();
        }
        Ok(())
    }

    /// Removes a run of which nothing but its settings was written, as one that was refused before its first step: the corrected
    /// command then finds its folder free.
    pub fn discard_unbegun(&self) {
        let names = names(&self.path).unwrap_or_default();
        let is_begun = |name: &String| {
            let part = [SAMPLES, CHECKPOINTS].contains(&name.as_str());
            name != CONFIG
                && !(part && fs::read_dir(self.path.join(name)).is_ok_and(|mut inside| inside.next().is_none()))
        };
        if !names.iter().any(is_begun) {
            // Folders go only where they are empty, and what cannot be removed says what it is.
            let _ = fs::remove_file(self.config());
            self.remove_empty();
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the pictures.
    pub fn samples(&self) -> PathBuf {
        self.path.join(SAMPLES)
    }

    /// The picture of a step.
    pub fn picture(&self, step: u64) -> PathBuf {
        self.samples().join(format!("{STEP}_{step:06}.png"))
    }

    /// The picture of a step in which a counterpart's samples stand over the run's.
    pub fn pairs(&self, step: u64) -> PathBuf {
        self.samples().join(format!("{PAIRS}_{step:06}.png"))
    }

    /// The pictures that are there, in the order of their steps.
    ///
    /// # Errors
    /// [`Error::Io`] where their folder cannot be read.
    pub fn pictures(&self) -> Result<Vec<(u64, PathBuf)>> {
        self.numbered(STEP)
    }

    /// The pictures in which a counterpart's samples stand over the run's, in the order of their steps.
    ///
    /// # Errors
    /// [`Error::Io`] where their folder cannot be read.
    pub fn all_pairs(&self) -> Result<Vec<(u64, PathBuf)>> {
        self.numbered(PAIRS)
    }

    /// The pictures of one kind, in the order of their steps.
    fn numbered(&self, kind: &str) -> Result<Vec<(u64, PathBuf)>> {
        let samples = self.samples();
        let mut pictures = Vec::new();
        for name in names(&samples)? {
            let digits = name.strip_prefix(kind).and_then(|name| name.strip_prefix('_')?.strip_suffix(".png"));
            let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            if let Some(step) = digits.and_then(|digits| digits.parse().ok()) {
                pictures.push((step, samples.join(name)));
            }
        }
        pictures.sort();
        Ok(pictures)
    }

    /// The losses of each step.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// What was measured along the way.
    pub fn evaluations(&self) -> PathBuf {
        self.path.join(EVALUATIONS)
    }

    /// What a transfer's report says beside its curves and pictures.
    pub fn outcome(&self) -> PathBuf {
        self.path.join(OUTCOME)
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.path.join(REPORT)
    }

    /// The last checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINTS).join(LAST)
    }

    /// The settings that a run of `graft train` was made with.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be read, [`Error::Invalid`] where they are not settings with which a run could
    /// have been made.
    pub fn settings(&self) -> Result<Settings> {
        let settings: Settings = self.read_settings()?;
        settings.recipe.check().map_err(|error| self.broken_settings(&error))?;
        settings.data.parse::<Spec>().map_err(|error| self.broken_settings(&error))?;
        Ok(settings)
    }

    /// Settings of any kind of run.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be read, [`Error::Invalid`] where they are of another kind.
    pub fn read_settings<T: DeserializeOwned>(&self) -> Result<T> {
        let path = self.config();
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|&byte| byte == b'\n').count();
            self.broken_settings(&format!("line {line}: {}", error.message()))
        })
    }

    /// The error of settings with which no run could have been made.
    pub fn broken_settings(&self, error: &dyn Display) -> Error {
        Error::invalid(format!("{}: {error}; put back what `graft train` wrote there", self.config().display()))
    }

    /// The file of the settings.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be written.
    pub fn write_settings(&self, settings: &impl Serialize) -> Result<()> {
        let text = toml::to_string(settings).map_err(|error| Error::invalid(format!("{CONFIG}: {error}")))?;
        atomic::write(&self.config(), text.as_bytes())
    }

    /// How long its steps took so far, what was done between them included; 0 where none is written.
    ///
    /// # Errors
    /// [`Error::Io`] where its losses cannot be read.
    pub fn seconds(&self) -> Result<f64> {
        let path = self.metrics();
        let bytes = atomic::if_there(fs::read(&path)).map_err(Error::io("read", &path))?;
        Ok(bytes.map_or(0.0, |bytes| last_seconds(&String::from_utf8_lossy(&bytes))))
    }

    /// The step of its last checkpoint; 0 where there is none.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`].
    pub fn step(&self) -> Result<u64> {
        match self.checkpoint().exists() {
            true => Ok(self.read_checkpoint()?.header.get("step").and_then(Json::as_u64).unwrap_or(0)),
            false => Ok(0),
        }
    }

    /// The step to which a phase in a folder has come; 0 where there is nothing yet.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`].
    pub fn reached(path: &Path) -> Result<u64> {
        RunFolder::at(path).step()
    }

    /// The last checkpoint, read.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`], and [`Error::Folder`] where there is none yet.
    pub fn read_checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::read(&self.written_checkpoint()?)
    }

    /// The last checkpoint, which is there.
    ///
    /// # Errors
    /// [`Error::Folder`] where there is none yet.
    pub fn written_checkpoint(&self) -> Result<PathBuf> {
        let path = self.checkpoint();
        if path.exists() {
            return Ok(path);
        }
        self.check_there()?;
        let source = RunFolder::at(&self.path.join(SOURCE));
        let ways = [Way::Continue(self.path.clone())];
        let phase = source.checkpoint().exists().then_some(Way::Take(source.path));
        let problem = format!("{} has no checkpoint yet", self.path.display());
        Err(Error::folder(problem, ways.into_iter().chain(phase).collect::<Vec<_>>()))
    }
}

/// Whether there is nothing at a path, or a folder with no more than what a process leaves that was killed before it wrote its
/// settings: temporary files, claims, and empty folders for pictures and checkpoints.
pub(crate) fn is_vacant(path: &Path) -> Result<bool> {
    let names = |folder: &Path| -> std::io::Result<Vec<std::ffi::OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    };
    let is_part = |name: &std::ffi::OsString| {
        let inside = [SAMPLES, CHECKPOINTS].iter().any(|part| name == *part).then(|| names(&path.join(name)));
        inside.is_some_and(|inside| inside.is_ok_and(|inside| inside.iter().all(|name| atomic::is_temporary(name))))
    };
    let names = atomic::if_there(names(path)).map_err(unusable(path))?;
    let is_of_process = |name: &std::ffi::OsString| atomic::is_temporary(name) || name == claims::FOLDER;
    Ok(names.is_none_or(|names| names.iter().all(|name| is_of_process(name) || is_part(name))))
}

/// The event files in a folder, in the order in which they were begun.
pub(crate) fn event_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let of_graft = |name: &String| name.strip_prefix(EVENTS).is_some_and(|rest| rest.contains(".graft."));
    let mut files: Vec<PathBuf> = names(folder)?.into_iter().filter(of_graft).map(|name| folder.join(name)).collect();
    files.sort();
    Ok(files)
}

/// The names in a folder that are text; none where there is no folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = atomic::if_there(fs::read_dir(folder)).map_err(Error::io("read", folder))?;
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok()).transpose();
    entries.into_iter().flatten().filter_map(name).collect::<std::io::Result<_>>().map_err(Error::io("read", folder))
}

fn unusable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |error| Error::folder(format!("{} cannot be a run's folder ({error})", path.display()), [Way::Elsewhere])
}
