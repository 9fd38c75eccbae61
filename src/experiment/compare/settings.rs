//! What a comparison is made of: settings that all its runs share, arms, and the cells (arm, number of target images, seeds) that
//! were asked for. `comparison.toml` holds it, so that a comparison is continued as it was begun.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Jobs;
use super::search::{Halving, Search};
use crate::atomic;
use crate::checkpoint::difference;
use crate::data::{Parts, Reading, Spec};
use crate::error::{Error, Result, did_you_mean};
use crate::experiment::verdict::{Candidate, Protocol};
use crate::gan::{Architecture, Recipe};
use crate::metrics::{HeldOut, Judges};
use crate::run::OnNan;
use crate::transfer::{Arm, Folders, Learning, Plan, SCRATCH, Source, Style};

const FILE: &str = "comparison.toml";
/// Cells are kept apart from what they share.
const CELLS: &str = "cells";

/// What all runs of a comparison share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What is learned from, as `--source` takes it.
    pub source: String,
    /// What becomes of source images; where missing, colour where a grey source meets a colour target.
    pub source_style: Option<Style>,
    /// Steps of the source's GAN, which each seed trains once.
    pub source_steps: u64,
    /// Steps of a feature extractor or classifier, which each seed trains once, or once a size where it learns of the target, too.
    pub feature_steps: u64,
    /// What is transferred to, as `--target` takes it.
    pub target: String,
    /// Whether subsets ignore labels.
    pub subset_plain: bool,
    /// Steps on the target, the same in all arms.
    pub steps: u64,
    /// The steps at which the averaged generator is measured against the validation block; the last step always is.
    pub looks: Vec<u64>,
    /// What the headline figures are measured against.
    pub split: HeldOut,
    /// The device, as `--device` takes it.
    pub device: String,
    /// How images are read, the source's and the target's, and which are held out.
    #[serde(default, skip_serializing_if = "Reading::is_usual")]
    pub reading: Reading,
    /// The recipe from which each arm's is made; a run's seed takes the place of its seed.
    pub recipe: Recipe,
}

impl Settings {
    /// Reads the target.
    ///
    /// # Errors
    /// Those of [`Parts::read`].
    pub fn read_target(&self) -> Result<Parts> {
        Parts::read(&self.target.parse()?, &self.reading.of_size(self.recipe.architecture.size))
    }

    /// The same with paths that do not depend on the working folder.
    ///
    /// # Errors
    /// [`Error::Usage`] where something is no data set's name. A source that was a checkpoint and is gone stays as it is named.
    pub fn absolute(&self) -> Result<Settings> {
        Ok(Settings {
            source: Source::parse(&self.source).map_or_else(|_| self.source.clone(), |source| source.absolute()),
            target: self.target.parse::<Spec>()?.absolute().to_string(),
            reading: self.reading.absolute()?,
            ..self.clone()
        })
    }

    /// The steps of an arm on the target: the comparison's, and what it has beyond them.
    pub fn steps_of(&self, arm: &Arm) -> u64 {
        let extra = || Some(arm.choices().ok()?.extra_steps(&arm.learning(self.learning()).ok()?));
        self.steps + extra().unwrap_or(0)
    }

    /// The steps at which a run of `steps` is looked at before its last one. An arm that takes more steps than the others is looked at as
    /// often from there on as all are at last.
    pub fn looks_of(&self, steps: u64) -> Vec<u64> {
        let spacing = self.looks.iter().filter(|&&look| look < self.steps).max().map(|last| self.steps - last);
        let on = spacing.map(|spacing| (self.steps..).step_by(spacing as usize));
        let before = self.looks.iter().copied().filter(|&look| look < steps.min(self.steps));
        before.chain(on.into_iter().flatten().take_while(|&look| look < steps)).collect()
    }

    /// How sources are learned where an arm says nothing else.
    pub fn learning(&self) -> Learning {
        let Settings { source_steps, feature_steps, source_style, .. } = *self;
        Learning { source: None, source_steps, feature_steps, source_lr: self.recipe.lr, source_style }
    }
}

/// The steps at which generators are measured unless something else is said: often at first, where curves bend.
pub fn standard_looks(steps: u64) -> Vec<u64> {
    let often = [0, 250].into_iter().chain((500..2000).step_by(500));
    often.chain((2000..steps).step_by(1000)).filter(|&step| step < steps).collect()
}

/// The seeds of an arm at a number of target images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The arm's name.
    pub arm: String,
    /// The number of target images.
    pub size: usize,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// The digests of the images of a comparison, by which they are known wherever they lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// Of the target's training images, less the validation block.
    pub target: String,
    /// Of the source's images, or of the checkpoint that it is; none in what was written before checkpoints were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Of the images that figures are measured on; none in what was written before they were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<String>,
    /// Of the sources that arms have of their own, by arm; none of what was written before they were looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
}

impl Digests {
    /// These, with those of arms that came later.
    fn with_arms_of(self, later: Option<&Digests>) -> Digests {
        let mut sources = later.map(|later| later.sources.clone()).unwrap_or_default();
        sources.extend(self.sources);
        let source = self.source.or_else(|| later?.source.clone());
        Digests { source, sources, ..self }
    }
}

/// A comparison as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// The hash of the judge; none while it is not trained.
    pub judge: Option<String>,
    /// Which images it learns from; none where a version wrote it that did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Digests>,
    /// How many judges measure.
    #[serde(default, skip_serializing_if = "Judges::is_one")]
    pub judges: Judges,
    /// What all runs share.
    pub settings: Settings,
    /// The arms.
    pub arms: Vec<Arm>,
    /// Which runs there are of them.
    pub cells: Vec<Row>,
    /// The search whose trials the arms are; none where it is a comparison of arms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
}

/// One run of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The way of training.
    pub arm: Arm,
    /// The number of target images.
    pub size: usize,
    /// The seed of everything: the subset, the source, the networks, the latents.
    pub seed: u64,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} images, seed {}", self.arm, self.size, self.seed)
    }
}

impl Cell {
    /// The folder of its run.
    pub fn folder(&self, root: &Path) -> PathBuf {
        run_folder(root, &self.arm.name, self.size, self.seed)
    }

    /// Its run's folder, and those of what its seed learned of the source.
    ///
    /// # Errors
    /// [`Error::Usage`] where the arm's method is unknown.
    pub fn folders(&self, root: &Path) -> Result<Folders> {
        Folders::shared(&self.folder(root), &root.join(format!("source-seed{}", self.seed)), &self.arm, Some(self.size))
    }

    /// The folder of what it learns of the source, which only one run at a time trains; none where it learns nothing.
    pub fn learned(&self, root: &Path) -> Result<Option<PathBuf>> {
        let folders = self.folders(root)?;
        Ok((self.arm.method != SCRATCH).then_some(folders.source))
    }

    /// The folder of what the transfer in `run`, by its settings a comparison's, learned of its source; none where it learned nothing, or
    /// `run` is no folder of a comparison's run.
    ///
    /// # Errors
    /// [`Error::Usage`] where the arm's method is unknown.
    pub fn learned_by(run: &Path, plan: &Plan) -> Result<Option<PathBuf>> {
        let run = run.canonicalize().unwrap_or_else(|_| run.to_path_buf());
        let root = run.parent().and_then(Path::parent).filter(|root| root.join(FILE).is_file());
        let Some((root, size)) = root.zip(plan.subset) else { return Ok(None) };
        let cell = Cell { arm: plan.arm.clone(), size, seed: plan.recipe.seed };
        if cell.folder(root) == run { cell.learned(root) } else { Ok(None) }
    }

    /// The steps on the target: the comparison's, and what the arm has beyond them.
    pub fn steps(&self, settings: &Settings) -> u64 {
        settings.steps_of(&self.arm)
    }

    /// Everything that determines its run.
    pub fn plan(&self, settings: &Settings, jobs: Jobs) -> Plan {
        Plan {
            source: settings.source.clone(),
            source_style: settings.source_style,
            source_steps: settings.source_steps,
            feature_steps: settings.feature_steps,
            target: settings.target.clone(),
            subset: Some(self.size),
            subset_plain: settings.subset_plain,
            steps: self.steps(settings),
            scratch: false,
            source_changed: None,
            device: settings.device.clone(),
            threads: jobs.threads_each(),
            checkpoint_every: jobs.checkpoint_every,
            sample_every: self.steps(settings),
            keep: None,
            keep_every: None,
            on_nan: OnNan::Stop,
            // A judge measures it, so that it learns from what is not held out.
            evaluate_every: Some(self.steps(settings)),
            class_free: false,
            reading: settings.reading.clone(),
            arm: self.arm.clone(),
            recipe: Recipe { seed: self.seed, ..settings.recipe.clone() },
        }
    }
}

impl Design {
    /// All arms at all sizes. An arm named in `fewer` has only so many of the seeds, the first ones: a control that needs less
    /// evidence, fixed before anything runs.
    ///
    /// # Errors
    /// [`Error::Usage`] where something is named twice or not at all, or no run can be made of it.
    pub fn new(
        settings: Settings,
        arms: Vec<Arm>,
        sizes: &[usize],
        seeds: &[u64],
        fewer: &BTreeMap<String, usize>,
    ) -> Result<Design> {
        let once = |what: &str, twice: Option<String>| match twice {
            Some(name) => Err(Error::Usage(format!("{what} {name} is named twice; name it once"))),
            None => Ok(()),
        };
        let arms = arms.iter().map(Arm::resolved).collect::<Result<Vec<_>>>()?;
        once("the arm", repeated(arms.iter().map(|arm| arm.name.clone())))?;
        once("the size", repeated(sizes.iter().map(usize::to_string)))?;
        once("the seed", repeated(seeds.iter().map(u64::to_string)))?;
        if arms.is_empty() || sizes.is_empty() || seeds.is_empty() {
            return Err(Error::Usage("a comparison needs an arm, a number of images and a seed".to_string()));
        }
        for (name, &count) in fewer {
            if !arms.iter().any(|arm| arm.name == *name) {
                let meant = did_you_mean(name, arms.iter().map(|arm| arm.name.as_str()));
                return Err(Error::option("arm-seeds", format!("names {name}{meant}, which is not among the arms")));
            }
            if count == 0 || count > seeds.len() {
                let problem = format!("gives {name} {count} seeds: take 1 to the {} of the comparison", seeds.len());
                return Err(Error::option("arm-seeds", problem));
            }
        }
        let seeds_of = |arm: &Arm| seeds[..fewer.get(&arm.name).copied().unwrap_or(seeds.len())].to_vec();
        let row = |arm: &Arm, &size: &usize| Row { arm: arm.name.clone(), size, seeds: seeds_of(arm) };
        let cells = arms.iter().flat_map(|arm| sizes.iter().map(move |size| row(arm, size))).collect();
        let design = Design { judge: None, images: None, judges: Judges::One, settings, arms, cells, search: None };
        design.check()?;
        design.cells().iter().try_for_each(|cell| cell.plan(&design.settings, Jobs::ONE).check())?;
        Ok(design)
    }

    /// All trials of a search, at numbers of target images: against the validation block whatever `settings` say, with a look at each
    /// halving.
    ///
    /// # Errors
    /// Those of [`Design::new`] and [`Search::trials`]; [`Error::Usage`] where a halving is not before the runs' end.
    pub fn of_search(search: Search, mut settings: Settings, sizes: &[usize]) -> Result<Design> {
        if let Some(Halving { step, .. }) = search.halvings.last().filter(|halving| halving.step >= settings.steps) {
            let steps = settings.steps;
            return Err(Error::Usage(format!(
                "a halving is at step {step}, and runs end at {steps}: halve before that"
            )));
        }
        settings.split = HeldOut::Validation;
        settings.looks.extend(search.halvings.iter().map(|halving| halving.step));
        settings.looks.sort_unstable();
        settings.looks.dedup();
        let arms = search.trials()?.into_iter().map(|trial| trial.arm).collect();
        let design = Design::new(settings, arms, sizes, &search.seeds, &BTreeMap::new())?;
        Ok(Design { search: Some(search), ..design })
    }

    /// The same of the target's images as they were read, and with networks for these.
    ///
    /// # Errors
    /// [`Error::Usage`] where options do not suit such networks.
    pub fn of_images(self, reading: Reading, architecture: Architecture) -> Result<Design> {
        let recipe = Recipe { architecture, ..self.settings.recipe };
        let settings = Settings { reading, recipe, ..self.settings }.absolute()?;
        let design = Design { settings, ..self };
        design.check()?;
        Ok(design)
    }

    fn check(&self) -> Result<()> {
        if self.settings.steps == 0 || self.settings.looks.iter().any(|&step| step > self.settings.steps) {
            return Err(Error::option("looks", format!("takes steps up to the {} of a run", self.settings.steps)));
        }
        self.cells().iter().try_for_each(|cell| cell.plan(&self.settings, Jobs::ONE).check_options())
    }

    /// Whether a folder holds a comparison.
    pub fn is_in(root: &Path) -> bool {
        root.join(FILE).exists()
    }

    /// Reads the design of the comparison in a folder; none where there is none yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the file cannot be one that [`Design::write`] wrote; [`Error::Io`] where it cannot be read.
    pub fn read(root: &Path) -> Result<Option<Design>> {
        let path = root.join(FILE);
        let text = atomic::if_there(std::fs::read_to_string(&path)).map_err(Error::io("read", &path))?;
        let Some(text) = text else { return Ok(None) };
        let broken = |error: &dyn std::fmt::Display| {
            Error::invalid(format!("{}: {error}; put back what `graft compare` wrote there", path.display()))
        };
        let mut design: Design = toml::from_str(&text).map_err(|error| broken(&error.message()))?;
        design.arms = design.arms.iter().map(Arm::resolved).collect::<Result<_>>().map_err(|error| broken(&error))?;
        design.check().map_err(|error| broken(&error))?;
        design.search.as_ref().map_or(Ok(()), Search::check).map_err(|error| broken(&error))?;
        Ok(Some(design))
    }

    /// Writes it into the folder of its comparison, and a search's copy beside it.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Error::invalid(format!("{FILE}: {error}")))?;
        atomic::write(&root.join(FILE), text.as_bytes())?;
        self.search.as_ref().map_or(Ok(()), |search| search.write(root))
    }

    /// This design and the runs of another: what a comparison becomes when more of it is asked for.
    ///
    /// # Errors
    /// The first setting in which the two differ, in a sentence.
    pub fn extended(&self, asked: &Design) -> Result<Design, String> {
        let refused = |what: &str, ours: &Json, theirs: &Json| {
            format!("the comparison was begun with {what} {ours}, and now {theirs} is asked for")
        };
        // Where the images lie is no setting; whether they are the same is looked at elsewhere.
        let Settings { source, target, reading, .. } = asked.settings.clone();
        let reading = Reading { held_out: reading.held_out, ..self.settings.reading.clone() };
        let settings = Settings { source, target, reading, ..self.settings.clone() };
        match (&self.search, &asked.search) {
            (Some(_), None) => return Err("a search is in the folder, and none is asked for now".to_string()),
            (None, Some(_)) => return Err("a comparison is in the folder, and a search is asked for now".to_string()),
            (Some(own), Some(asked)) => own.check_extension(asked)?,
            (None, None) => {}
        }
        // Looks follow from them.
        if settings.steps != asked.settings.steps {
            return Err(refused("steps", &json!(settings.steps), &json!(asked.settings.steps)));
        }
        let found_alike = asked.settings.reading.found_as(&settings.reading);
        let asked_settings = Settings { reading: found_alike, ..asked.settings.clone() };
        if let Some((name, ours, theirs)) = difference("", &json!(settings), &json!(asked_settings)) {
            if name.starts_with("reading") && self.settings.reading.is_usual() && self.images.is_none() {
                return Err("the comparison was begun by version 0.1, which kept no names of classes and held out other images of folders: \
                     what it found can be read and reported, and a comparison that goes on is begun anew"
                    .to_string());
            }
            return Err(refused(&name, &ours, &theirs));
        }
        if let (Some(ours), Some(theirs)) = (&self.judge, &asked.judge)
            && ours != theirs
        {
            let [short, other] = [ours, theirs].map(|hash| hash.get(..12).unwrap_or(hash));
            return Err(format!(
                "the comparison's judge is {short}, and {other} would measure now (one that is trained anew is the same on a device that \
                 rounds alike only): measure by the comparison's own, the judge.safetensors of its folder"
            ));
        }
        let mut design = Design { search: asked.search.clone(), settings, ..self.clone() };
        design.judge = self.judge.clone().or(asked.judge.clone());
        let images = self.images.clone().or(asked.images.clone());
        design.images = images.map(|images| images.with_arms_of(asked.images.as_ref()));
        design.judges = self.judges.max(asked.judges);
        for arm in &asked.arms {
            match self.arms.iter().find(|own| own.name == arm.name) {
                Some(own) if own == arm => {}
                Some(own) => {
                    let (name, ours, theirs) = difference("", &json!(own), &json!(arm)).unwrap_or_default();
                    return Err(refused(
                        &format!("the {} of the arm {}", name.replace('.', " "), arm.name),
                        &ours,
                        &theirs,
                    ));
                }
                None => design.arms.push(arm.clone()),
            }
        }
        for row in &asked.cells {
            match design.cells.iter_mut().find(|own| (&own.arm, own.size) == (&row.arm, row.size)) {
                Some(own) => {
                    let new: Vec<u64> = row.seeds.iter().copied().filter(|seed| !own.seeds.contains(seed)).collect();
                    own.seeds.extend(new);
                }
                None => design.cells.push(row.clone()),
            }
        }
        Ok(design)
    }

    /// Every run: seed by seed, so that what is finished can be paired.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for row in &self.cells {
            let Some(arm) = self.arms.iter().find(|arm| arm.name == row.arm) else { continue };
            let of_seed = |(place, &seed): (usize, &u64)| (place, Cell { arm: arm.clone(), size: row.size, seed });
            cells.extend(row.seeds.iter().enumerate().map(of_seed));
        }
        cells.sort_by_key(|(place, cell)| (*place, cell.size));
        cells.into_iter().map(|(_, cell)| cell).collect()
    }

    /// Numbers of target images.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.cells.iter().map(|row| row.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The arms that have all of another but something of what is transferred: one of its method's control options beside the same others.
    pub fn controls(&self, arm: &Arm) -> Vec<&Arm> {
        let controls = arm.kind().map_or(&[][..], |kind| kind.controls);
        // A control has no controls.
        if controls.iter().any(|(option, value)| arm.options.get(*option).is_some_and(|said| said == value)) {
            return Vec::new();
        }
        let with = |(option, value): &(&str, &str)| {
            let mut options = arm.options.clone();
            options.insert(option.to_string(), value.to_string());
            self.arms.iter().find(|other| other.method == arm.method && other.options == options)
        };
        controls.iter().filter_map(with).collect()
    }

    /// What the comparison may claim: every arm but those that train from scratch, those that are another's control and oracles is
    /// a candidate. Nothing is claimed of a search's trials.
    pub fn protocol(&self) -> Protocol {
        if self.search.is_some() {
            return Protocol { baselines: Vec::new(), candidates: Vec::new(), asked: Vec::new() };
        }
        let is_control = |arm: &Arm| self.arms.iter().any(|other| self.controls(other).contains(&arm));
        let claims = |arm: &&Arm| arm.method != SCRATCH && !is_control(arm) && !arm.is_oracle();
        let candidates = self.arms.iter().filter(claims);
        let candidate = |arm: &Arm| Candidate {
            arm: arm.name.clone(),
            controls: self.controls(arm).into_iter().map(|control| control.name.clone()).collect(),
        };
        Protocol {
            baselines: self.arms.iter().filter(|arm| arm.method == SCRATCH).map(|arm| arm.name.clone()).collect(),
            candidates: candidates.map(candidate).collect(),
            asked: self.cells.iter().map(|row| (row.arm.clone(), row.size)).collect(),
        }
    }
}

/// The folder of a run.
pub(super) fn run_folder(root: &Path, arm: &str, size: usize, seed: u64) -> PathBuf {
    root.join(CELLS).join(format!("{arm}-{size}-seed{seed}"))
}

fn repeated(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
    (1..names.len()).find(|&place| names[..place].contains(&names[place])).map(|place| names[place].clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::starting_recipe;

    fn design(arms: &[&str]) -> Design {
        let settings = Settings {
            source: "synthetic:strokes".into(),
            source_style: None,
            source_steps: 1,
            feature_steps: 1,
            target: "synthetic:street".into(),
            subset_plain: false,
            steps: 1,
            looks: vec![0],
            split: HeldOut::Test,
            device: "cpu".into(),
            reading: Reading::default(),
            recipe: starting_recipe(0, 32, 3),
        };
        let arms = arms.iter().map(|arm| Arm::parse(arm).unwrap()).collect();
        Design::new(settings, arms, &[10], &[0], &BTreeMap::new()).unwrap()
    }

    #[test]
    fn controls_are_found_by_what_options_mean_and_nothing_is_claimed_of_oracles() {
        let arms = [
            "scratch",
            "a=ctgan{lr=1e-3}",
            "ctgan-shuffled",
            "b=tgan{g-init=source,extractor=autoencoder}",
            "tgan-untrained",
            "tgan-target",
            "tgan",
            "c=ctgan{lr=0.1}",
            "d=ctgan{labels=true}",
        ];
        let Protocol { baselines, candidates, .. } = design(&arms).protocol();
        assert_eq!(baselines, ["scratch"]);
        let found: Vec<(&str, String)> =
            candidates.iter().map(|candidate| (candidate.arm.as_str(), candidate.controls.join(" "))).collect();
        let expected =
            [("a", "ctgan-shuffled"), ("b", "tgan-untrained"), ("tgan", "tgan-untrained tgan-target"), ("c", "")];
        assert_eq!(found, expected.map(|(arm, controls)| (arm, controls.to_string())));
    }

    #[test]
    fn an_arm_with_more_steps_is_looked_at_to_its_end() {
        let settings =
            |steps, looks: &[u64]| Settings { steps, looks: looks.to_vec(), ..design(&["scratch"]).settings };
        let looks = settings(4000, &standard_looks(4000)).looks_of(8000);
        assert_eq!(looks[5..], [2000, 3000, 4000, 5000, 6000, 7000]);
        assert_eq!(settings(4000, &[0, 500]).looks_of(4000), [0, 500]);
        assert_eq!(settings(4000, &[0, 500]).looks_of(9000), [0, 500, 4000, 7500]);
        assert_eq!(settings(4000, &[]).looks_of(9000), [0u64; 0]);
    }

    #[test]
    fn arms_that_learn_the_same_of_a_source_take_turns() {
        let design = design(&["scratch", "trgan", "tgan", "tgan-untrained", "ctgan"]);
        let learned: Vec<Option<PathBuf>> =
            design.cells().iter().map(|cell| cell.learned(Path::new("")).unwrap()).collect();
        assert_eq!(learned[0], None);
        assert!(learned[1] == learned[2] && learned[2] == learned[3], "{learned:?}");
        assert_ne!(learned[1], learned[4], "the source of ctgan knows classes");
        let own =
            self::design(&["trgan", "a=trgan{source-steps=2}", "b=trgan{features=8}", "c=trgan{freeze-d=1,batch=8}"]);
        let learned: Vec<_> = own.cells().iter().map(|cell| cell.learned(Path::new("")).unwrap().unwrap()).collect();
        assert_eq!(learned.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{learned:?}");
        assert_eq!(learned[0], learned[3], "what is the target's alone needs no other source");
    }
}
