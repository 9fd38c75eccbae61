//! Training on the target alone: what every transfer is measured against.

use super::{Grafted, Kind, RATE};
use crate::gan::Plain;
use crate::transfer::surgery::LayerReport;

pub(super) const KIND: Kind = Kind {
    name: "scratch",
    about: "nothing is transferred: the target's images alone",
    options: &[],
    arms: &[("scratch", ""), ("scratch+augment", "augment=color,translation")],
    control: None,
    learns_from_images: |_| false,
    oracle: |_| false,
    labelled_source: false,
    rate: |_| RATE,
    check: |_| Ok(()),
    inspect: |_, _| Ok(()),
    prepare: |_, _| {
        Ok(Some(Grafted {
            method: Box::new(Plain { classes: 0 }),
            classes: 0,
            condition_features: 0,
            report: LayerReport::default(),
            notes: Vec::new(),
        }))
    },
};
