//! The command that makes a run of `graft train` again.

use super::DEVICE;
use super::arguments::Preset;
use super::command::option;
use super::presets::OfTrain;
use super::reading;
use crate::data::Reading;
use crate::experiment::report::Commands;
use crate::run::{OnNan, Settings};

/// The commands that the report of a run shows.
pub fn commands(settings: &Settings) -> Commands {
    Commands { again: Some(equivalent_command(settings)), compare: None }
}

/// The command that names every setting that determines the results.
pub fn equivalent_command(settings: &Settings) -> String {
    let Settings { data, steps, recipe, .. } = settings;
    let mut command = format!("graft train{} --steps {steps}{}", option("data", data), OfTrain::words(recipe, &[]));
    if let Some(subset) = settings.subset {
        command += &format!(" --subset {subset}{}", if settings.subset_plain { " --subset-plain" } else { "" });
    }
    if let Some(every) = settings.evaluate_every {
        command += &format!(" --evaluate-every {every}");
    }
    if recipe.architecture.classes > 0 {
        command += " --conditional";
    }
    // What its classes are called is a setting of the transfer whose source it is.
    command += &reading::words(&Reading { map: Default::default(), ..settings.reading.clone() });
    if settings.on_nan == OnNan::Rollback {
        command += " --on-nan rollback";
    }
    if settings.device != DEVICE {
        command += &option("device", &settings.device);
    }
    command
}
