//! Where a target's networks start: from the source's or fresh, and which layers of the discriminator stay as they are.

use std::collections::BTreeSet;

use super::surgery::{self, LayerReport, Surgery, Transplant};
use super::{Init, SourceGan};
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Discriminator, Generator, Origin, Role, Schedule};
use crate::nn::{lowest, maps, slots};
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

impl Grafting {
    /// What becomes of networks of the shapes `target`, given a source's shapes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the source does not fit; [`Error::Usage`] where layers cannot be frozen.
    pub fn new(source: &Architecture, target: &Architecture, from: From) -> Result<Grafting> {
        if from.generator == Init::Source || from.discriminator == Init::Source {
            // A discriminator that stays behind may have any norm.
            let d_norm = if from.discriminator == Init::Source { source.d_norm } else { target.d_norm };
            surgery::check(&Architecture { d_norm, ..*source }, target)?;
        }
        let surgery = |init: Init, role| {
            if init == Init::Source { Surgery::new(role, source, target) } else { Ok(Surgery::fresh(role, target)) }
        };
        let generator = surgery(from.generator, Role::Generator)?;
        let discriminator = surgery(from.discriminator, Role::Discriminator)?;
        let layers = target.discriminator();
        if from.freeze > maps(&layers) {
            let most = format!("takes at most {}, the layers below the discriminator's score", maps(&layers));
            return Err(Error::option("freeze-d", most));
        }
        let trained = slots(lowest(&layers, from.freeze)).into_iter().filter(|slot| slot.kind.is_trained());
        let frozen: BTreeSet<String> = trained.map(|slot| slot.name).collect();
        let blind = discriminator.colour_blind(frozen.iter());
        if let Some(name) = blind.filter(|_| !from.allow_colour_blind) {
            let what = format!(
                "would hold {name}, which came from a grey source and treats all colours alike; train a source of 3 channels, or say \
                 allow-colour-blind"
            );
            return Err(Error::option("freeze-d", what));
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
            None if from.discriminator == Init::Source => {
                return Err(Error::invalid(
                    "the source's checkpoint holds no discriminator to start from; start a fresh one with d-init fresh, or \
                     name a checkpoint that has one (`graft import` takes one beside the generator)",
                ));
            }
            None => Vec::new(),
        };
        let discriminator = plan.discriminator.tensors(&theirs, device)?;
        Ok(Start { plan, generator, discriminator })
    }

    /// Gives a generator its start.
    pub fn apply_to_generator(&self, generator: &Generator) {
        self.generator.apply(&[generator.parameters(), generator.statistics()].concat());
    }

    /// What became of each layer.
    pub fn report(&self) -> LayerReport {
        let generator = self.plan.generator.rows(|_| false);
        let discriminator = self.plan.discriminator.rows(|name| self.plan.frozen.contains(name));
        LayerReport([generator, discriminator].concat())
    }
}

impl Origin for Start {
    fn apply(&self, generator: &Generator, discriminator: &Discriminator) {
        self.apply_to_generator(generator);
        self.discriminator.apply(&[discriminator.parameters(), discriminator.statistics()].concat());
    }

    fn rate(&self, role: Role, parameter: &str) -> f64 {
        if role == Role::Discriminator && self.plan.frozen.contains(parameter) { 0.0 } else { 1.0 }
    }

    /// A transferred generator waits for a fresh discriminator.
    fn schedule(&self) -> Schedule {
        if (self.plan.from.generator, self.plan.from.discriminator) == (Init::Source, Init::Fresh) {
            return Schedule { discriminator_only: WARM_UP, rate_ramp: WARM_UP, ..Schedule::default() };
        }
        Schedule::default()
    }
}
