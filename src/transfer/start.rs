//! Where a target's networks start: from the source's or fresh, and which layers of the discriminator stay as they are.

use std::collections::BTreeSet;

use super::surgery::{self, LayerReport, Transplant};
use super::{Init, SourceGan};
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Discriminator, Generator, Role, Schedule};
use crate::options::{About, Takes, words_of};

/// A fresh discriminator trains alone for this many steps before a transferred generator follows it, and the generator's rate
/// then rises over as many: it would forget what it knows under the gradients of a discriminator that knows nothing.
const WARM_UP: u64 = 200;

/// What the discriminator starts from.
pub(super) const D_INIT: About = About {
    name: "d-init",
    value: "INIT",
    takes: Takes::OneOf(words_of::<Init>),
    default: "source",
    help: "Start the discriminator from the source's (TransferGAN), or fresh, with 200 updates of its own first",
};

/// FreezeD.
pub(super) const FREEZE_D: About = About {
    name: "freeze-d",
    value: "N",
    takes: Takes::Whole(0, u32::MAX as u64),
    default: "0",
    help: "Hold this many of the discriminator's lowest layers (FreezeD)",
};

/// Whether layers that know no colours may be frozen.
pub(super) const COLOUR_BLIND: About = About {
    name: "allow-colour-blind",
    value: "true|false",
    takes: Takes::Flag,
    default: "false",
    help: "Freeze a layer that was made from a grey source's, and so treats all colours alike",
};

/// Which networks of a source a target's start from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct From {
    pub generator: Init,
    pub discriminator: Init,
    /// Lowest layers of the discriminator to freeze.
    pub freeze: usize,
    pub allow_colour_blind: bool,
}

impl From {
    /// Both networks from the source's, nothing frozen.
    pub const SOURCE: From =
        From { generator: Init::Source, discriminator: Init::Source, freeze: 0, allow_colour_blind: false };

    /// Refuses to hold what did not come from the source.
    pub fn check(&self) -> Result<()> {
        if self.discriminator == Init::Fresh && self.freeze > 0 {
            return Err(Error::option("freeze-d", "holds what came from the source: it needs d-init source"));
        }
        Ok(())
    }
}

/// The start of a target's networks.
#[derive(Debug)]
pub(super) struct Start {
    from: From,
    generator: Transplant,
    discriminator: Transplant,
    frozen: BTreeSet<String>,
}

impl Start {
    /// The start of networks of the shapes `target`, drawn by `seed` where they are fresh.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the source does not fit; [`Error::Usage`] where layers cannot be frozen.
    pub fn new(source: &SourceGan, target: &Architecture, from: From, device: &Device, seed: u64) -> Result<Start> {
        let [generator_moves, discriminator_moves] = [from.generator, from.discriminator].map(|init| init == Init::Source);
        if generator_moves || discriminator_moves {
            // A discriminator that stays behind may have any norm.
            let d_norm = if discriminator_moves { source.architecture.d_norm } else { target.d_norm };
            surgery::check(&Architecture { d_norm, ..source.architecture }, target)?;
        }
        let (generator, discriminator) =
            (Generator::new(device, target, seed), Discriminator::new(device, target, seed));
        let own = [generator.parameters(), generator.statistics()].concat();
        let theirs = [source.generator.parameters(), source.generator.statistics()].concat();
        let moved = |given: bool, role, theirs: &[_], own: &[_]| {
            if given { Transplant::new(role, theirs, own) } else { Ok(Transplant::fresh(role, own)) }
        };
        let for_generator = moved(generator_moves, Role::Generator, &theirs, &own)?;
        let own = [discriminator.parameters(), discriminator.statistics()].concat();
        let theirs = match &source.discriminator {
            Some(theirs) => [theirs.parameters(), theirs.statistics()].concat(),
            None if discriminator_moves => {
                return Err(Error::invalid(
                    "the source's checkpoint holds no discriminator to start from; start a fresh one with d-init fresh, or \
                     name a checkpoint that has one (`graft import` takes it as --discriminator)",
                ));
            }
            None => Vec::new(),
        };
        let for_discriminator = moved(discriminator_moves, Role::Discriminator, &theirs, &own)?;
        if from.freeze > discriminator.depth() {
            let most = format!("takes at most {}, the layers below the discriminator's score", discriminator.depth());
            return Err(Error::option("freeze-d", most));
        }
        let lowest = discriminator.lowest(from.freeze);
        let frozen: BTreeSet<String> = lowest.iter().map(|parameter| parameter.name().to_string()).collect();
        let blind = frozen.iter().find(|name| for_discriminator.is_colour_blind(name));
        if let Some(name) = blind.filter(|_| !from.allow_colour_blind) {
            let what = format!(
                "would hold {name}, which came from a grey source and treats all colours alike; train a source of 3 channels, or say \
                 allow-colour-blind"
            );
            return Err(Error::option("freeze-d", what));
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
        if (self.from.generator, self.from.discriminator) == (Init::Source, Init::Fresh) {
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
