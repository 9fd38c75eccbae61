//! Where a target's networks start: from the source's or fresh, and which layers of the discriminator stay as they are.

use std::collections::BTreeSet;

use super::surgery::{self, LayerReport, Surgery, Transplant};
use super::{Choices, MethodOption, SourceGan, Takes};
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Discriminator, Generator, Role, Schedule};
use crate::nn::{lowest, maps, slots};

/// A fresh discriminator trains alone for this many steps before a transferred generator follows it, and the generator's rate
/// then rises over as many: it would forget what it knows under the gradients of a discriminator that knows nothing.
const WARM_UP: u64 = 200;

/// `--d-init`
pub(super) const D_INIT: MethodOption = MethodOption {
    name: "d-init",
    takes: Takes::OneOf(&["source", "fresh"]),
    default: "source",
    help: "Start the discriminator from the source's (TransferGAN), or fresh, with 200 updates of its own first",
};

/// `--freeze-d`
pub(super) const FREEZE_D: MethodOption = MethodOption {
    name: "freeze-d",
    takes: Takes::Count,
    default: "0",
    help: "Hold this many of the discriminator's lowest layers (FreezeD)",
};

/// `--allow-colour-blind`
pub(super) const COLOUR_BLIND: MethodOption = MethodOption {
    name: "allow-colour-blind",
    takes: Takes::Flag,
    default: "false",
    help: "Freeze a layer that was made from a grey source's, and so treats all colours alike",
};

/// Which networks of a source a target's start from.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    pub generator: bool,
    pub discriminator: bool,
    /// Lowest layers of the discriminator to freeze.
    pub freeze: usize,
    pub allow_colour_blind: bool,
}

/// The start of a target's networks.
#[derive(Debug)]
pub(super) struct Start {
    plan: Grafting,
    generator: Transplant,
    discriminator: Transplant,
}

/// What becomes of a target's networks: known before anything is trained.
#[derive(Debug)]
pub(super) struct Grafting {
    from: From,
    generator: Surgery,
    discriminator: Surgery,
    frozen: BTreeSet<String>,
}

/// Options that do not go together.
pub(super) fn check(choices: &Choices) -> Result<()> {
    if choices.is("d-init", "fresh") && choices.count("freeze-d") > 0 {
        return Err(Error::Usage("--freeze-d holds what came from the source: it needs --d-init source".to_string()));
    }
    Ok(())
}

impl Grafting {
    /// What becomes of networks of the shapes `target`, given a source's shapes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the source does not fit; [`Error::Usage`] where layers cannot be frozen.
    pub fn new(source: &Architecture, target: &Architecture, from: From) -> Result<Grafting> {
        if from.generator || from.discriminator {
            // A discriminator that stays behind may have any norm.
            let d_norm = if from.discriminator { source.d_norm } else { target.d_norm };
            surgery::check(&Architecture { d_norm, ..*source }, target)?;
        }
        let surgery = |moved: bool, role| {
            if moved { Surgery::new(role, source, target) } else { Ok(Surgery::fresh(role, target)) }
        };
        let generator = surgery(from.generator, Role::Generator)?;
        let discriminator = surgery(from.discriminator, Role::Discriminator)?;
        let layers = target.discriminator();
        if from.freeze > maps(&layers) {
            return Err(Error::Usage(format!(
                "--freeze-d takes at most {}, the layers below the discriminator's score",
                maps(&layers)
            )));
        }
        let trained = slots(lowest(&layers, from.freeze)).into_iter().filter(|slot| slot.kind.is_trained());
        let frozen: BTreeSet<String> = trained.map(|slot| slot.name).collect();
        let blind = discriminator.colour_blind(frozen.iter());
        if let Some(name) = blind.filter(|_| !from.allow_colour_blind) {
            return Err(Error::Usage(format!(
                "--freeze-d would hold {name}, which came from a grey source and treats all colours alike; train a source of 3 \
                 channels, or say --allow-colour-blind"
            )));
        }
        Ok(Grafting { from, generator, discriminator, frozen })
    }
}

impl Start {
    /// The start of networks of the shapes `target` from a source's.
    ///
    /// # Errors
    /// Those of [`Grafting::new`]; [`Error::Invalid`] where the source has no discriminator to start from.
    pub fn new(source: &SourceGan, target: &Architecture, from: From, device: &Device) -> Result<Start> {
        let plan = Grafting::new(&source.architecture, target, from)?;
        let theirs = [source.generator.parameters(), source.generator.statistics()].concat();
        let generator = plan.generator.tensors(&theirs, device)?;
        let theirs = match &source.discriminator {
            Some(theirs) => [theirs.parameters(), theirs.statistics()].concat(),
            None if from.discriminator => {
                return Err(Error::invalid(
                    "the source's checkpoint holds no discriminator to start from; start a fresh one with --d-init fresh, or \
                     name a checkpoint that has one (`graft import` takes it as --discriminator)",
                ));
            }
            None => Vec::new(),
        };
        let discriminator = plan.discriminator.tensors(&theirs, device)?;
        Ok(Start { plan, generator, discriminator })
    }

    /// Gives networks their start.
    pub fn apply(&self, generator: &Generator, discriminator: &Discriminator) {
        self.apply_to_generator(generator);
        self.discriminator.apply(&[discriminator.parameters(), discriminator.statistics()].concat());
    }

    /// Gives a generator its start.
    pub fn apply_to_generator(&self, generator: &Generator) {
        self.generator.apply(&[generator.parameters(), generator.statistics()].concat());
    }

    /// The factor on the rate of a parameter: 0 where it is frozen.
    pub fn rate(&self, role: Role, parameter: &str) -> f64 {
        if role == Role::Discriminator && self.plan.frozen.contains(parameter) { 0.0 } else { 1.0 }
    }

    /// A transferred generator waits for a fresh discriminator.
    pub fn schedule(&self) -> Schedule {
        if self.plan.from.generator && !self.plan.from.discriminator {
            return Schedule { discriminator_only: WARM_UP, rate_ramp: WARM_UP, ..Schedule::default() };
        }
        Schedule::default()
    }

    /// What became of each layer.
    pub fn report(&self) -> LayerReport {
        let generator = self.plan.generator.rows(|_| false);
        let discriminator = self.plan.discriminator.rows(|name| self.plan.frozen.contains(name));
        LayerReport([generator, discriminator].concat())
    }
}
