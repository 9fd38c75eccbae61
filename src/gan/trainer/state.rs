//! The state of a run in a checkpoint: what is written, what a run continues from, and what a rollback makes of it.

use serde_json::{Value as Json, json};

use super::super::PenaltyStep;
use super::super::conditions::TRAINED_ON;
use super::super::heads::Heads;
use super::super::sampling::{DISCRIMINATOR, PREFIX as AVERAGE, RAW};
use super::{LAZY, Trainer};
use crate::checkpoint::{Checkpoint, differ_in_data_alone, difference};
use crate::error::{Error, Result};
use crate::nn::{Optimiser, Parameter};

/// The version of the checkpoint's layout.
const FORMAT: u64 = 1;

/// The header's field of the method's settings.
const METHOD: &str = "method";

/// The header's field that counts rollbacks; missing where there was none.
const ROLLBACKS: &str = "rollbacks";

/// The header's field of the data that the run had before; missing where they never changed.
const EARLIER: &str = "earlier_data";

/// The header's field of how many ranks trained together up to there; missing where one alone did. Any number may go on.
const RANKS: &str = "ranks";

/// What a rollback makes of both learning rates.
const ROLLBACK_FACTOR: f64 = 0.5;

/// No run gets there, and updates of the discriminator can be counted up to it.
const MOST_STEPS: u64 = 1 << 48;

impl Trainer {
    /// All of the run's state: networks, optimisers, and the average with statistics made for it.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a tensor is not finite: such a state is never written. The device's first failure.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let state = self.state()?;
        match state.first_broken() {
            None => Ok(state),
            Some(name) => Err(Error::Diverged(format!(
                "training diverged: at step {} {name} is the first tensor that is not finite",
                self.step
            ))),
        }
    }

    /// The first tensor of the state, in a checkpoint's order, that is not finite.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn first_broken(&self) -> Result<Option<String>> {
        Ok(self.state()?.first_broken().map(str::to_string))
    }

    fn state(&self) -> Result<Checkpoint> {
        self.average.estimate_statistics(self.step);
        let mut checkpoint = Checkpoint::new(self.header());
        self.generator.conditions().store(&mut checkpoint, &self.device)?;
        for (prefix, parameters) in self.slots() {
            checkpoint.insert_parameters(prefix, &parameters)?;
        }
        Ok(checkpoint)
    }

    /// The averaged generator alone, with the statistics that it has: enough to sample from.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn average_checkpoint(&self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new(self.header());
        self.generator.conditions().store(&mut checkpoint, &self.device)?;
        let average = self.average.network();
        checkpoint.insert_parameters(AVERAGE, average.parameters().iter().chain(&average.statistics()))?;
        Ok(checkpoint)
    }

    /// Continues from a checkpoint, as if the run had never stopped. Returns a warning where results may differ in rounding, or where the
    /// data [may have changed](crate::data::Reading::changed) and have.
    ///
    /// # Errors
    /// [`Error::Changed`] where it is of other data; [`Error::Invalid`] where the checkpoint is of another recipe, or tensors are missing.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<Option<String>> {
        let theirs = &checkpoint.header;
        let ours = self.header();
        let changed = theirs.get("data") != ours.get("data");
        for field in ["format", "recipe", "data", METHOD] {
            let of = |header: &serde_json::Map<String, Json>| header.get(field).cloned().unwrap_or_default();
            if changed && field == "data" {
                if self.data.may_have_changed() {
                    continue;
                }
                let count = |data: Json| data.get("count").map_or("?".to_string(), Json::to_string);
                return Err(Error::Changed(format!(
                    "the checkpoint's data is not this run's: images were added, removed or changed since it was written ({} then, {} now)",
                    count(of(theirs)),
                    count(of(&ours))
                )));
            }
            // Of labels, say, that were found for the images.
            if changed && field == METHOD && differ_in_data_alone(&of(&ours), &of(theirs)) {
                continue;
            }
            let written = if field == METHOD { self.method.read_settings(of(theirs)) } else { of(theirs) };
            if let Some((name, own, other)) = difference(field, &of(&ours), &written) {
                let begun =
                    if field == METHOD { "; if an earlier build of graft began the run, begin it anew" } else { "" };
                return Err(Error::invalid(format!(
                    "the checkpoint's {field} is not this run's: {name} is {other} there and {own} here{begun}"
                )));
            }
        }
        let step = step_of(checkpoint)?;
        let rollbacks = theirs.get(ROLLBACKS).map_or(Some(0), Json::as_u64).and_then(|count| u32::try_from(count).ok());
        let rollbacks = rollbacks.ok_or_else(|| Error::invalid("the checkpoint's header counts no rollbacks"))?;
        for (prefix, parameters) in self.slots() {
            checkpoint.load_parameters(prefix, &parameters)?;
        }
        self.earlier = theirs.get(EARLIER).and_then(Json::as_array).cloned().unwrap_or_default();
        if changed {
            let mut before = theirs.get("data").cloned().unwrap_or_default();
            before["until"] = json!(step);
            self.earlier.push(before);
        }
        self.set_rollbacks(rollbacks);
        self.set_step(step);
        if changed {
            return Ok(Some(format!(
                "the images have changed since step {step}: the run goes on with {} of them, and its checkpoints say so",
                self.data.len()
            )));
        }
        let other = ["graft", "device", "microkernel"].into_iter().find(|&field| theirs.get(field) != ours.get(field));
        Ok(other.map(|field| {
            let text = |header: &serde_json::Map<String, Json>| header.get(field).and_then(Json::as_str).unwrap_or("?").to_string();
            format!(
                "the checkpoint was written with {field} {}, this is {}: results will differ in rounding from an unbroken run",
                text(theirs),
                text(&ours)
            )
        }))
    }

    /// Goes on from where another run of these networks ended: with its networks, optimisers and steps, and with this one's own labels and
    /// frozen networks.
    ///
    /// # Errors
    /// [`Error::Invalid`] where tensors are missing or of other shapes.
    pub(crate) fn take_over(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let step = step_of(checkpoint)?;
        for (prefix, parameters) in self.own_slots() {
            checkpoint.load_parameters(prefix, &parameters)?;
        }
        self.set_step(step);
        Ok(())
    }

    fn set_step(&mut self, step: u64) {
        self.step = step;
        self.g_adam.set_updates(self.schedule.generator_updates(step));
        let rounds = step * self.recipe.d_steps as u64;
        let own = if self.recipe.penalty_step == PenaltyStep::Own { rounds.div_ceil(LAZY) } else { 0 };
        self.d_adam.set_updates(rounds + own);
        if let Some(heads) = &mut self.heads {
            heads.set_updates(rounds);
        }
    }

    /// Whether it goes on, at the step where it stands, with other data than its checkpoint's.
    pub fn went_on_changed(&self) -> bool {
        let until = self.earlier.last().and_then(|before| before.get("until")?.as_u64());
        until == Some(self.step)
    }

    /// Goes back to a checkpoint of this run after numbers were no longer finite, and halves both learning rates.
    ///
    /// # Errors
    /// Those of [`Trainer::restore`].
    pub fn roll_back(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        // The checkpoint may be from before earlier rollbacks.
        let rollbacks = self.rollbacks + 1;
        self.restore(checkpoint)?;
        self.set_rollbacks(rollbacks);
        Ok(())
    }

    /// How often the run went back.
    pub fn rollbacks(&self) -> u32 {
        self.rollbacks
    }

    /// The learning rates of generator and discriminator as they are now.
    pub fn rates(&self) -> (f64, f64) {
        let factor = ROLLBACK_FACTOR.powi(self.rollbacks as i32);
        (self.recipe.lr * factor, self.recipe.d_lr * factor)
    }

    fn set_rollbacks(&mut self, rollbacks: u32) {
        self.rollbacks = rollbacks;
        let rate = self.rates().1;
        self.d_adam.set_rate(rate);
        if let Some(heads) = &mut self.heads {
            heads.set_rate(rate);
        }
    }

    /// What determines the bytes of its checkpoint beside the number of steps.
    pub(crate) fn identity(&self) -> Json {
        let mut header = self.header();
        header.remove("step");
        Json::Object(header)
    }

    /// What determines results, as the checkpoint's header has it.
    fn header(&self) -> serde_json::Map<String, Json> {
        let data =
            json!({ "digest": self.digest, "count": self.data.images.count, "classes": self.data.classes.len() });
        let header = json!({
            "format": FORMAT,
            "graft": env!("CARGO_PKG_VERSION"),
            "step": self.step,
            "recipe": self.recipe,
            "data": data,
            "device": self.device.name(),
            "microkernel": self.device.backend().rounding(),
        });
        let Json::Object(mut header) = header else { unreachable!("the header is written as an object") };
        if let Some(counts) = self.generator.conditions().trained_on() {
            header.insert(TRAINED_ON.to_string(), json!(counts));
        }
        if self.rollbacks > 0 {
            header.insert(ROLLBACKS.to_string(), json!(self.rollbacks));
        }
        if !self.ranks.is_alone() {
            header.insert(RANKS.to_string(), json!(self.ranks.count()));
        }
        if !self.earlier.is_empty() {
            header.insert(EARLIER.to_string(), json!(self.earlier));
        }
        let method = self.method.settings();
        if !method.is_null() {
            header.insert(METHOD.to_string(), method);
        }
        header
    }

    /// Every slot of the state with its prefix in checkpoints.
    pub(super) fn slots(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        [self.own_slots(), self.method.networks()].concat()
    }

    /// The slots of what is trained.
    fn own_slots(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        let all = |parameters: Vec<Parameter>, statistics: Vec<Parameter>| [parameters, statistics].concat();
        let average = self.average.network();
        let mut slots = vec![
            (RAW, all(self.generator.parameters(), self.generator.statistics())),
            (DISCRIMINATOR, all(self.discriminator.parameters(), self.discriminator.statistics())),
            (AVERAGE, all(average.parameters(), average.statistics())),
            ("adam.netG", self.g_adam.moments().cloned().collect()),
            ("adam.netD", self.d_adam.moments().cloned().collect()),
        ];
        let lecam = self.lecam.parameters();
        slots.extend((!lecam.is_empty()).then_some(("lecam", lecam)));
        slots.extend(self.ada.as_ref().map(|ada| ("ada", vec![ada.share().clone()])));
        slots.extend(self.heads.iter().flat_map(Heads::slots));
        slots
    }
}

/// The step of a checkpoint's state.
fn step_of(checkpoint: &Checkpoint) -> Result<u64> {
    let step = checkpoint.header.get("step").and_then(Json::as_u64).filter(|&step| step <= MOST_STEPS);
    step.ok_or_else(|| Error::invalid("the checkpoint's header names no step"))
}
