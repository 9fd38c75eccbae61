//! Who measures a comparison: a judge, or that and a panel.

use std::sync::Arc;

use crate::error::Result;
use crate::metrics::{Judge, Panel, RealImages, Reference};

/// The judge of a comparison, and the panel beside it where three measure.
#[derive(Clone, Debug)]
pub struct Judging {
    /// The judge.
    pub judge: Arc<Judge>,
    /// Those beside it.
    pub panel: Option<Arc<Panel>>,
}

impl Judging {
    pub(super) fn reference(&self, real: &RealImages<'_>) -> Result<Reference> {
        Reference::under(self.judge.clone(), self.panel.as_ref(), real)
    }

    /// By the judge, without those beside it.
    pub(super) fn alone(&self, real: &RealImages<'_>) -> Result<Reference> {
        Reference::new(self.judge.clone(), real)
    }
}
