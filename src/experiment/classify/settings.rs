//! What an experiment of classifiers is made of: what all runs share, arms, and the cells (arm, labels a class, seed) that were asked
//! for. `classify.toml` holds it, so that an experiment is continued as it was begun.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Arm, FileLabels, LabelsFile, Teaching};
use crate::atomic;
use crate::checkpoint::difference;
use crate::data::{Parts, Reading, Spec};
use crate::error::{Error, Result, Way};
use crate::experiment::verdict::{Candidate, Protocol};
use crate::metrics::HeldOut;

const FILE: &str = "classify.toml";
const CELLS: &str = "cells";

/// What all runs share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What is learned from, as `--source` takes it; none where the target is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What is to be classified, as `--target` takes it.
    pub target: String,
    /// More images without labels, as `--unlabelled` takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<String>,
    /// Steps on the target, the same in all arms.
    pub steps: u64,
    /// Steps of the classifier of the source, which each seed trains once.
    pub source_steps: u64,
    /// Steps of a GAN on its source.
    pub gan_source_steps: u64,
    /// Steps of a GAN on its target.
    pub gan_steps: u64,
    /// Images a batch, of each teacher.
    pub batch: usize,
    /// The classifier's width, and the GAN's.
    pub width: usize,
    /// The side of the classifier's images.
    pub size: usize,
    /// Their channels.
    pub channels: usize,
    /// Steps between looks at the validation block; the last step always is one.
    pub look_every: u64,
    /// Whether images are also shown with light and dark in each other's places; where missing, where a grey source meets a colour target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invert: Option<bool>,
    /// What accuracy is measured on.
    pub split: HeldOut,
    /// The device, as `--device` takes it.
    pub device: String,
    /// The labels of some of its images; none where all have theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_file: Option<LabelsFile>,
    /// How images are read, and which are held out.
    #[serde(default, skip_serializing_if = "Reading::is_usual")]
    pub reading: Reading,
}

impl Settings {
    /// The arms that others have to beat, where they are there.
    pub fn baselines(&self) -> [Arm; 2] {
        ["scratch", "selftrain"].map(|name| {
            let arm = Arm::parse(name).expect("an arm that has a name");
            if self.source.is_some() { arm } else { arm.without_source().expect("it needs no source") }
        })
    }

    /// The same with the lengths of what none of these arms has taken a part in as they are in `now`: they have decided nothing.
    fn freed(&self, arms: &[Arm], now: &Settings) -> Settings {
        // What an earlier version took and this one does not may have had anything.
        let has = |of: fn(&Teaching) -> bool| arms.iter().any(|arm| arm.teaching().as_ref().map_or(true, of));
        let (has_gan, has_source) = (has(|arm| arm.samples > 0.0), has(|arm| arm.source || arm.samples > 0.0));
        let length = |is_bound: bool, own: u64, other: u64| if is_bound { own } else { other };
        Settings {
            gan_source_steps: length(has_gan, self.gan_source_steps, now.gan_source_steps),
            gan_steps: length(has_gan, self.gan_steps, now.gan_steps),
            source_steps: length(has_source, self.source_steps, now.source_steps),
            ..self.clone()
        }
    }

    /// Reads the target.
    ///
    /// # Errors
    /// Those of [`Parts::read`].
    pub fn read_target(&self) -> Result<Parts> {
        Parts::read(&self.target.parse()?, &self.reading.of_size(self.size))
    }

    /// Its file of labels as it is now; none where all images have theirs.
    ///
    /// # Errors
    /// Those of [`FileLabels::read`].
    pub fn labels_now(&self) -> Result<Option<LabelsFile>> {
        let read = |file: &LabelsFile| FileLabels::read(Path::new(&file.path)).map(|labels| labels.described());
        self.labels_file.as_ref().map(read).transpose()
    }

    /// The same with paths that do not depend on the working folder.
    ///
    /// # Errors
    /// [`Error::Usage`] where something is no data set's name.
    pub fn absolute(&self) -> Result<Settings> {
        let absolute = |spec: &String| Ok::<_, Error>(spec.parse::<Spec>()?.absolute().to_string());
        Ok(Settings {
            source: self.source.as_ref().map(absolute).transpose()?,
            target: absolute(&self.target)?,
            unlabelled: self.unlabelled.as_ref().map(absolute).transpose()?,
            labels_file: self.labels_file.as_ref().map(LabelsFile::absolute),
            reading: self.reading.absolute()?,
            ..self.clone()
        })
    }

    /// The same with all that both have lying where the others say, and read as these were.
    fn moved_to(&self, other: &Settings) -> Settings {
        fn of<T: Clone>(own: &Option<T>, other: &Option<T>) -> Option<T> {
            own.as_ref().and(other.clone()).or_else(|| own.clone())
        }
        let is_same = |(own, other): (&LabelsFile, &LabelsFile)| own.digest == other.digest;
        let same_labels = self.labels_file.as_ref().zip(other.labels_file.as_ref()).is_some_and(is_same);
        let held_out = of(&self.reading.held_out, &other.reading.held_out);
        Settings {
            source: of(&self.source, &other.source),
            target: other.target.clone(),
            unlabelled: of(&self.unlabelled, &other.unlabelled),
            labels_file: if same_labels { other.labels_file.clone() } else { self.labels_file.clone() },
            reading: Reading { held_out, ..self.reading.clone() },
            ..self.clone()
        }
    }
}

/// The digests of an experiment's images and labels, by which changed ones are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Digests {
    /// Of the training images, less what is held out of them.
    pub training: String,
    /// Of the validation block.
    pub validation: String,
    /// Of the test split; none where it is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Of the source's images of the target's classes; none where there is no source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Of the further images without labels; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<String>,
}

impl Digests {
    /// What has other images in `now`, in words.
    fn changed(&self, now: &Digests) -> Option<&'static str> {
        let parts = |of: &Digests| {
            let Digests { training, validation, test, source, unlabelled } = of.clone();
            [
                ("the target's training split", Some(training)),
                ("the target's validation block", Some(validation)),
                ("what accuracy is measured on", test),
                ("the source", source),
                ("the data set without labels", unlabelled),
            ]
        };
        let pairs = parts(self).into_iter().zip(parts(now));
        pairs.into_iter().find(|(before, now)| before != now).map(|((what, _), _)| what)
    }
}

/// The seeds of an arm at a number of labels a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The arm's name.
    pub arm: String,
    /// Labelled images of each class.
    pub shots: usize,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// An experiment as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// What all runs share.
    pub settings: Settings,
    /// Which images it learns from and measures on; none before they are read, and where an older version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Digests>,
    /// The arms.
    pub arms: Vec<Arm>,
    /// Which runs there are of them.
    pub cells: Vec<Row>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The way of training.
    pub arm: Arm,
    /// Labelled images of each class.
    pub shots: usize,
    /// The seed of everything: which images are labelled, weights, order and changes.
    pub seed: u64,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} a class, seed {}", self.arm, self.shots, self.seed)
    }
}

impl Cell {
    /// The folder of its run.
    pub fn folder(&self, root: &Path) -> PathBuf {
        run_folder(root, &self.arm.name, self.shots, self.seed)
    }

    /// The folder of what its seed learned of the source.
    pub fn learned(&self, root: &Path) -> PathBuf {
        root.join(format!("source-seed{}", self.seed))
    }
}

/// The folder of a run.
pub fn run_folder(root: &Path, arm: &str, shots: usize, seed: u64) -> PathBuf {
    root.join(CELLS).join(format!("{arm}-{shots}-seed{seed}"))
}

impl Design {
    /// All arms with all numbers of labels over all seeds. Without a source arms are what is left of them.
    ///
    /// # Errors
    /// [`Error::Usage`] where something is named twice or not at all, or an arm cannot be.
    pub fn new(settings: Settings, arms: Vec<Arm>, shots: &[usize], seeds: &[u64]) -> Result<Design> {
        let arms: Vec<Arm> = match settings.source {
            Some(_) => arms,
            None => arms.iter().map(Arm::without_source).collect::<Result<_>>()?,
        };
        let twice = |what: &str, names: Vec<String>| {
            let repeated = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name));
            match repeated {
                Some((_, name)) => Err(Error::Usage(format!("{what} {name} is named twice; name it once"))),
                None => Ok(()),
            }
        };
        twice("the arm", arms.iter().map(|arm| arm.name.clone()).collect())?;
        twice("the number of labels", shots.iter().map(usize::to_string).collect())?;
        twice("the seed", seeds.iter().map(u64::to_string).collect())?;
        if arms.is_empty() || shots.is_empty() || seeds.is_empty() {
            return Err(Error::Usage("an experiment needs an arm, a number of labels and a seed".to_string()));
        }
        let row = |arm: &Arm, &shots: &usize| Row { arm: arm.name.clone(), shots, seeds: seeds.to_vec() };
        let cells = arms.iter().flat_map(|arm| shots.iter().map(move |count| row(arm, count))).collect();
        Ok(Design { settings, images: None, arms, cells })
    }

    /// The design in a folder with what is asked for now; the runs that are asked for are those of `asked`. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Folder`] where what is in the folder has other settings or images, naming the difference.
    pub fn joined(root: &Path, asked: &Design) -> Result<Design> {
        let Some(mut design) = Design::read(root)? else { return Ok(asked.clone()) };
        let refused = |what: &str, ours: String, theirs: String| {
            let problem = format!(
                "{}: the experiment was begun with {what} {ours}, and now {theirs} is asked for",
                root.display()
            );
            Error::folder(problem, [Way::Do("say the same"), Way::Elsewhere])
        };
        let (before, now) = (design.settings.absolute()?, asked.settings.absolute()?);
        let now = Settings { reading: now.reading.found_as(&before.reading), ..now };
        let before = before.freed(&design.arms, &now);
        let check = |before: &Settings| match difference("", &json!(before), &json!(now)) {
            Some((name, ours, theirs)) => Err(refused(&name, ours.to_string(), theirs.to_string())),
            None => Ok(()),
        };
        // Where images lie is no setting, as soon as it can be told whether they are the same.
        design.settings = if design.images.is_some() { before.moved_to(&now) } else { before.clone() };
        check(&design.settings)?;
        if let Some((of_before, of_now)) = design.images.as_ref().zip(asked.images.as_ref())
            && let Some(what) = of_before.changed(of_now)
        {
            check(&before)?;
            let problem = format!(
                "{}: {what} has other images or labels now than when the experiment began: some were added, removed or changed",
                root.display()
            );
            return Err(Error::folder(problem, [Way::Do("put them back as they were"), Way::Elsewhere]));
        }
        design.images = design.images.or_else(|| asked.images.clone());
        for arm in &asked.arms {
            match design.arms.iter().find(|own| own.name == arm.name) {
                Some(own) if own == arm => {}
                Some(own) => return Err(refused("the arm", own.notation(), arm.notation())),
                None => design.arms.push(arm.clone()),
            }
        }
        for row in &asked.cells {
            match design.cells.iter_mut().find(|own| (&own.arm, own.shots) == (&row.arm, row.shots)) {
                Some(own) => {
                    let new: Vec<u64> = row.seeds.iter().copied().filter(|seed| !own.seeds.contains(seed)).collect();
                    own.seeds.extend(new);
                }
                None => design.cells.push(row.clone()),
            }
        }
        Ok(design)
    }

    /// Whether a folder holds an experiment.
    pub fn is_in(root: &Path) -> bool {
        root.join(FILE).exists()
    }

    /// Reads the experiment in a folder; none where there is none yet.
    ///
    /// # Errors
    /// Where the file is not what [`Design::write`] wrote.
    pub fn read(root: &Path) -> Result<Option<Design>> {
        let path = root.join(FILE);
        let text = atomic::if_there(std::fs::read_to_string(&path)).map_err(Error::io("read", &path))?;
        let read = |text: String| {
            toml::from_str(&text).map_err(|error| {
                let broken = error.message();
                Error::invalid(format!("{}: {broken}; put back what `graft classify` wrote there", path.display()))
            })
        };
        text.map(read).transpose()
    }

    /// Writes it into the folder of its experiment.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Error::invalid(format!("{FILE}: {error}")))?;
        atomic::write(&root.join(FILE), text.as_bytes())
    }

    /// Every run: seed by seed, the fewest labels first.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for row in &self.cells {
            let Some(arm) = self.arms.iter().find(|arm| arm.name == row.arm) else { continue };
            let of_seed = |(place, &seed): (usize, &u64)| (place, Cell { arm: arm.clone(), shots: row.shots, seed });
            cells.extend(row.seeds.iter().enumerate().map(of_seed));
        }
        cells.sort_by_key(|(place, cell)| (*place, cell.shots));
        cells.into_iter().map(|(_, cell)| cell).collect()
    }

    /// Numbers of labels a class, ascending.
    pub fn shots(&self) -> Vec<usize> {
        let mut shots: Vec<usize> = self.cells.iter().map(|row| row.shots).collect();
        shots.sort_unstable();
        shots.dedup();
        shots
    }

    /// The claims: arms are held against `scratch` and `selftrain`, and against their controls, as far as those are there. Arms are known by
    /// their options, whatever they are called.
    pub fn protocol(&self) -> Protocol {
        let known = self.settings.baselines();
        let (baselines, candidates): (Vec<&Arm>, Vec<&Arm>) =
            self.arms.iter().partition(|arm| known.iter().any(|baseline| baseline.options == arm.options));
        let control = |arm: &Arm| {
            let control = arm.control()?;
            self.arms.iter().find(|other| other.options == control.options).map(|other| other.name.clone())
        };
        let candidates = candidates
            .iter()
            .map(|arm| Candidate { arm: arm.name.clone(), controls: control(arm).into_iter().collect() });
        Protocol {
            baselines: baselines.iter().map(|arm| arm.name.clone()).collect(),
            candidates: candidates.collect(),
            asked: self.cells.iter().map(|row| (row.arm.clone(), row.shots)).collect(),
        }
    }
}
