//! Training on the target alone: what every transfer is measured against.

use super::options::Choices;
use super::{Grafted, Kind, Workshop};
use crate::error::Result;
use crate::gan::Plain;
use crate::options::options;
use crate::transfer::surgery::LayerReport;

pub(super) const KIND: Kind = Kind {
    name: "scratch",
    about: "nothing is transferred: the target's images alone",
    arms: &[("scratch", ""), ("scratch+augment", "augment=color,translation")],
    control: None,
    labelled_source: false,
    new: || Box::new(Scratch {}),
};

options! {
    /// Scratch has no options.
    #[derive(Clone, Debug, PartialEq)]
    struct Scratch {} {} {}
}

impl Choices for Scratch {
    fn prepare(&self, _workshop: &mut Workshop<'_>) -> Result<Option<Grafted>> {
        Ok(Some(Grafted {
            method: Box::new(Plain { classes: 0 }),
            classes: 0,
            condition_features: 0,
            report: LayerReport::default(),
            notes: Vec::new(),
        }))
    }
}
