//! `graft report`: makes the report of a run, a comparison, or an experiment of classifiers again.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{compare, named, tell, train_command, transfer};
use crate::error::Result;
use crate::experiment::classify;
use crate::experiment::compare::Design;
use crate::experiment::report;
use crate::run::{Named, RunFolder, split};
use crate::transfer::TrainedOn;

/// Write the report.html of a run, a comparison or a classify again, from what lies in its folder
#[derive(Args)]
#[command(after_help = "Examples:\n  graft report runs/dcgan-strokes-0\n  graft report runs/compare")]
pub struct Report {
    /// The folder of a run, of a comparison, or of `graft classify`, also of one that is still going on
    run: PathBuf,
}

impl Report {
    pub fn run(&self) -> Result<()> {
        if Design::is_in(&self.run) {
            let report = named(compare::write_report(&self.run)?);
            tell("report", json!({ "report": report }), &report);
            return Ok(());
        }
        if classify::Design::is_in(&self.run) {
            let report = named(super::classify::write_report(&self.run)?);
            tell("report", json!({ "report": report }), &report);
            return Ok(());
        }
        // A checkpoint of a run names the run, whose report it is, if it is there.
        let run = split(&self.run).map(|(run, _)| run).filter(|run| !self.run.exists() && run.is_dir());
        run.map(|_| Named::find(&self.run)).transpose()?;
        let folder = RunFolder::open(run.unwrap_or(&self.run))?;
        let commands = match TrainedOn::read(&folder)? {
            TrainedOn::Train(settings) => train_command::commands(&settings),
            TrainedOn::Transfer(plan) => transfer::commands(&plan)?,
        };
        let report = report::write(&folder, &commands, None)?;
        tell("report", json!({ "report": named(&report) }), report.display());
        Ok(())
    }
}
