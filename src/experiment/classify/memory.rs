//! Whether the runs of an experiment of classifiers that go on at once fit into memory.

use std::path::Path;

use super::cell::Runs;
use super::{Cell, Data, Design, Settings};
use crate::backend::Device;
use crate::error::Result;
use crate::experiment::engine::{Jobs, largest};
use crate::memory::{Amount, Limits, Need};
use crate::transfer::{self, OfGenerator, Pretraining};

/// Refuses an experiment whose runs do not fit into a device: a run alone, or as many as go on at once. Trains and writes nothing.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) naming what is needed, what there is, and how many runs fit; what reading data says.
pub fn check_fits(design: &Design, data: &Data, device: &Device, jobs: Jobs) -> Result<()> {
    let cells = design.cells();
    let (limits, settings) = (Limits::of(device), &design.settings);
    let Settings { size, channels, width, batch, .. } = *settings;
    let mut most = Need::default();
    for cell in largest(&cells, |cell| &cell.arm.name, |cell| cell.shots) {
        let mut own = Need::default();
        let what = format!("a classifier of width {width} and batch {batch}");
        limits.check(&what, "use a smaller width or size", Amount::batch(batch, size.pow(2) * channels), |batch| {
            own = need(&Settings { batch, ..settings.clone() }, data, cell, device, jobs)?;
            Ok(own)
        })?;
        most = most.or(own);
    }
    jobs.check_fit("an experiment", "use a smaller batch, width or size", cells.len(), &most, device)
}

/// What a run takes: of its phases, of which one is in memory at a time, the one that takes most.
fn need(settings: &Settings, data: &Data, cell: &Cell, device: &Device, jobs: Jobs) -> Result<Need> {
    let root = Path::new("");
    let (teaching, drawn) = (cell.arm.teaching()?, data.drawn(cell.shots, cell.seed)?);
    let bytes = (drawn.all.len() * drawn.all.images.bytes_per_image()) as u64;
    let own = drawn.labelled();
    // Samples are as many to a batch as they are, whatever they show.
    let made = || OfGenerator {
        labels: own.known.iter().map(|(_, class)| *class).collect(),
        images: own.all.images.clone(),
        weight: teaching.samples,
    };
    let mut most = Need::of(device, |device| {
        let made = (teaching.samples > 0.0).then(made);
        Runs::rehearsed(root, settings, data, device, jobs)
            .training(cell, &teaching, drawn.clone(), made, None)?
            .rehearse()?;
        Ok(bytes)
    })?;
    if teaching.samples > 0.0 && teaching.transfer {
        let plan = Runs::rehearsed(root, settings, data, device, jobs).plan(cell, &drawn)?;
        most = most.or(transfer::need(&plan, &drawn.for_transfer(data.classes()), &data.of_gan, device)?);
    }
    if teaching.samples > 0.0 && !teaching.transfer {
        most = most.or(Need::of(device, |device| {
            Ok(Runs::rehearsed(root, settings, data, device, jobs).alone(cell.seed, &drawn)?.rehearse()? + bytes)
        })?);
    }
    Ok(most)
}
