//! `graft report`: makes a run's report again.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{named, tell, train, transfer};
use crate::error::Result;
use crate::run::RunFolder;

/// Write a run's report.html again, from what lies in its folder
#[derive(Args)]
#[command(after_help = "Example:\n  graft report runs/dcgan-strokes-0")]
pub struct Report {
    /// The folder of a run, also of one that is still going on
    run: PathBuf,
}

impl Report {
    pub fn run(&self) -> Result<()> {
        let folder = RunFolder::open(&self.run)?;
        match folder.command() {
            Some("transfer") => transfer::write_report(&folder, &folder.read_settings()?)?,
            _ => train::write_report(&folder, &folder.settings()?)?,
        }
        tell("report", json!({ "report": named(folder.report()) }), folder.report().display());
        Ok(())
    }
}
