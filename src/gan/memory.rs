//! What training takes: its steps on a device that counts.

use super::sampling::{BATCH, sample};
use super::{Plain, Recipe, Trainer};
use crate::backend::Device;
use crate::data::Dataset;
use crate::error::Result;
use crate::memory::{Amount, Limits, Need};
use crate::random::Purpose;
use crate::ranks::{self, Ranks};

impl Trainer {
    /// What a run like this one takes, where the trainer is on a device that counts: makes the steps that take most and the samples of
    /// a picture, and gives the bytes that its checkpoint has on the host.
    ///
    /// # Errors
    /// Those of sampling.
    pub(crate) fn rehearse(&mut self) -> Result<u64> {
        /// A checkpoint and the file that is made of it; a tensor on its way into it.
        const COPIES: u64 = 2;
        // One step with a penalty, and one that finds what a step leaves.
        for _ in 0..2 {
            drop(self.step());
        }
        if self.go_on_from_waiting() {
            drop(self.step());
        }
        self.average().estimate_statistics(self.steps());
        let Recipe { architecture, seed, .. } = *self.recipe();
        for network in [Some(self.average().network()), self.method().counterpart()].into_iter().flatten() {
            sample(network, &architecture, seed, Purpose::GridLatents, BATCH, None)?;
        }
        let state = self.state_bytes();
        // A tensor is downloaded in its stored order, and then becomes bytes.
        Ok(COPIES * (state.iter().sum::<u64>() + state.into_iter().max().unwrap_or_default()))
    }
}

impl Recipe {
    /// What training by this recipe takes.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) where the recipe is none.
    pub fn need(&self, device: &Device) -> Result<Need> {
        let architecture = self.architecture;
        let data = Dataset::blank(architecture.size, architecture.channels, architecture.classes);
        Need::of(device, |device| {
            Trainer::with_method(self, Box::new(Plain { classes: architecture.classes }), data, device)?.rehearse()
        })
    }

    /// Refuses to start what does not fit into a device: into its memory, where that is the host's, or its largest tensor.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming what is needed, what there is, and the batch that fits.
    pub fn check_fits(&self, device: &Device) -> Result<()> {
        self.check_within(&Limits::of(device), device)
    }

    /// As [`Recipe::check_fits`], within given limits.
    ///
    /// # Errors
    /// As [`Recipe::check_fits`].
    pub fn check_within(&self, limits: &Limits, device: &Device) -> Result<()> {
        self.check_need(limits, |batch| Recipe { batch, ..self.clone() }.need(device))
    }

    /// Refuses a run by this recipe of which `need` tells what it takes at each batch.
    pub(crate) fn check_need(&self, limits: &Limits, need: impl FnMut(usize) -> Result<Need>) -> Result<()> {
        // Of several ranks each has its rows, and tries other numbers of them alone.
        let ranks = ranks::current();
        let (features, batch) = (self.architecture.features, self.batch.div_ceil(ranks.count()));
        let elements = self.architecture.size.pow(2) * self.architecture.channels + self.architecture.latent;
        let what = format!("training with {features} features and batch {batch}");
        let otherwise = format!("use fewer features than {features} or a shorter latent");
        Ranks::default().within(|| limits.check(&what, &otherwise, Amount::batch(batch, elements), need))
    }
}
