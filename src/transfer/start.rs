//! Where a target's networks start: from the source's or fresh, and which layers of the discriminator stay as they are.

use std::collections::BTreeSet;

use super::surgery::{self, LayerReport, Transplant};
use super::{Choices, MethodOption, SourceGan, Takes, Workshop};
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Discriminator, Generator, Role, Schedule};

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
    from: From,
    generator: Transplant,
    discriminator: Transplant,
    frozen: BTreeSet<String>,
}

/// Options that do not go together.
pub(super) fn check(choices: &Choices) -> Result<()> {
    if choices.is("d-init", "fresh") && choices.count("freeze-d") > 0 {
        return Err(Error::Usage("--freeze-d holds what came from the source: it needs --d-init source".to_string()));
    }
    Ok(())
}

/// Refuses a start that cannot be, before anything is trained.
pub(super) fn inspect(from: From, target: &Architecture, workshop: &Workshop<'_>) -> Result<()> {
    let (device, seed) = (workshop.device, workshop.seed());
    match workshop.given_gan()? {
        Some(source) => Start::new(&source, target, from, device, seed).map(drop),
        // A source that is trained here has the target's layers and colours.
        None => check_depth(from.freeze, &Discriminator::new(device, target, seed)),
    }
}

fn check_depth(freeze: usize, discriminator: &Discriminator) -> Result<()> {
    let depth = discriminator.depth();
    if freeze > depth {
        return Err(Error::Usage(format!(
            "--freeze-d takes at most {depth}, the layers below the discriminator's score"
        )));
    }
    Ok(())
}

impl From {
    /// What the options of a method say that starts from the source's generator.
    pub fn of(choices: &Choices) -> From {
        From {
            generator: true,
            discriminator: choices.is("d-init", "source"),
            freeze: choices.count("freeze-d"),
            allow_colour_blind: choices.flag("allow-colour-blind"),
        }
    }
}

impl Start {
    /// The start of networks of the shapes `target`, drawn by `seed` where they are fresh.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the source does not fit; [`Error::Usage`] where layers cannot be frozen.
    pub fn new(source: &SourceGan, target: &Architecture, from: From, device: &Device, seed: u64) -> Result<Start> {
        if from.generator || from.discriminator {
            // A discriminator that stays behind may have any norm.
            let d_norm = if from.discriminator { source.architecture.d_norm } else { target.d_norm };
            surgery::check(&Architecture { d_norm, ..source.architecture }, target)?;
        }
        let (generator, discriminator) =
            (Generator::new(device, target, seed), Discriminator::new(device, target, seed));
        let own = [generator.parameters(), generator.statistics()].concat();
        let theirs = [source.generator.parameters(), source.generator.statistics()].concat();
        let moved = |given: bool, role, theirs: &[_], own: &[_]| {
            if given { Transplant::new(role, theirs, own) } else { Ok(Transplant::fresh(role, own)) }
        };
        let for_generator = moved(from.generator, Role::Generator, &theirs, &own)?;
        let own = [discriminator.parameters(), discriminator.statistics()].concat();
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
        let for_discriminator = moved(from.discriminator, Role::Discriminator, &theirs, &own)?;
        check_depth(from.freeze, &discriminator)?;
        let lowest = discriminator.lowest(from.freeze);
        let frozen: BTreeSet<String> = lowest.iter().map(|parameter| parameter.name().to_string()).collect();
        let blind = frozen.iter().find(|name| for_discriminator.is_colour_blind(name));
        if let Some(name) = blind.filter(|_| !from.allow_colour_blind) {
            return Err(Error::Usage(format!(
                "--freeze-d would hold {name}, which came from a grey source and treats all colours alike; train a source of 3 \
                 channels, or say --allow-colour-blind"
            )));
        }
        Ok(Start { from, generator: for_generator, discriminator: for_discriminator, frozen })
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
        if role == Role::Discriminator && self.frozen.contains(parameter) { 0.0 } else { 1.0 }
    }

    /// A transferred generator waits for a fresh discriminator.
    pub fn schedule(&self) -> Schedule {
        if self.from.generator && !self.from.discriminator {
            return Schedule { discriminator_only: WARM_UP, rate_ramp: WARM_UP, ..Schedule::default() };
        }
        Schedule::default()
    }

    /// What became of each layer.
    pub fn report(&self) -> LayerReport {
        let generator = self.generator.rows(|_| false);
        let discriminator = self.discriminator.rows(|name| self.frozen.contains(name));
        let shown =
            |row: &surgery::Row| !["running_mean", "running_var", "weight_u"].iter().any(|end| row.name.ends_with(end));
        LayerReport(generator.into_iter().chain(discriminator).filter(shown).collect())
    }
}
