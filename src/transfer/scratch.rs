//! Training on the target alone: what every transfer is measured against.

use super::extractor::STEERED;
use super::options::{Choices, Learning, MOST_STEPS};
use super::{Grafted, Kind, Workshop};
use crate::error::Result;
use crate::gan::Plain;
use crate::options::{Takes, options};
use crate::run::SCRATCH;
use crate::transfer::surgery::LayerReport;

pub(super) const KIND: Kind = Kind {
    name: SCRATCH,
    about: "nothing is transferred: the target's images alone",
    arms: &[(SCRATCH, ""), ("scratch+augment", "augment=translation"), ("scratch-long", "long=true")],
    controls: &[],
    labelled_source: false,
    read_old: |_| {},
    new: || Box::new(Scratch::default()),
};

/// The options that say how long it trains, and nothing of a step.
pub const OF_LENGTH: [&str; 2] = ["long", "more-steps"];

options! {
    /// The options of training from scratch.
    #[derive(Clone, Debug, PartialEq)]
    struct Scratch {} {
        /// In a comparison, train on for as many steps as the other arms' source takes
        "long", "true|false", Takes::Flag, "false", long: bool;
        /// In a comparison, train on for so many steps: as many as other arms have minutes for, say
        "more-steps", "N", Takes::Whole(0, MOST_STEPS), "0", more_steps: u64;
    } {}
}

impl Choices for Scratch {
    fn extra_steps(&self, learning: &Learning) -> u64 {
        self.more_steps + if self.long { learning.source_steps } else { 0 }
    }

    fn ada(&self) -> f64 {
        STEERED
    }

    fn prepare(&self, _workshop: &mut Workshop<'_>) -> Result<Option<Grafted>> {
        Ok(Some(Grafted {
            method: Box::new(Plain { classes: 0 }),
            classes: 0,
            condition_features: 0,
            report: LayerReport::default(),
            notes: Vec::new(),
            labeller: None,
        }))
    }
}
