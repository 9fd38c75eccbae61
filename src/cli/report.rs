//! `graft report`: makes the report of a run, a comparison, or an experiment of classifiers again.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::reading::if_readable;
use super::{compare, live, named, tell, train_command, transfer};
use crate::error::{Error, Result};
use crate::experiment::classify;
use crate::experiment::compare::Design;
use crate::experiment::report;
use crate::run::{Named, RunFolder, split};
use crate::transfer::TrainedOn;

/// Write the report.html of a run, a comparison or a classify again, from what lies in its folder
#[derive(Args)]
#[command(after_help = "Examples:\n  graft report runs/dcgan-strokes-0\n  graft report runs/compare\n  \
    graft report runs/trgan-street-0 --live")]
pub struct Report {
    /// The folder of a run, of a comparison, or of `graft classify`, also of one that is still going on
    run: PathBuf,
    /// With the generator in it, drawing on the viewer's own graphics card: of a transfer beside its source's, of a comparison that of the best arm
    #[arg(long)]
    live: bool,
}

impl Report {
    pub fn run(&self) -> Result<()> {
        if Design::is_in(&self.run) {
            let report = named(compare::write_report(&self.run, self.live)?);
            tell("report", json!({ "report": report }), &report);
            return Ok(());
        }
        if classify::Design::is_in(&self.run) {
            if self.live {
                return Err(Error::option("live", "is of generators: classifiers draw nothing"));
            }
            let report = named(super::classify::write_report(&self.run)?);
            tell("report", json!({ "report": report }), &report);
            return Ok(());
        }
        // A checkpoint of a run names the run, whose report it is, if it is there.
        let run = split(&self.run).map(|(run, _)| run).filter(|run| !self.run.exists() && run.is_dir());
        run.map(|_| Named::find(&self.run)).transpose()?;
        let folder = RunFolder::open(run.unwrap_or(&self.run))?;
        let (commands, real) = match TrainedOn::read(&folder)? {
            TrainedOn::Train(settings) => (train_command::commands(&settings), None),
            TrainedOn::Transfer(plan) => {
                let target = if_readable(plan.read_target().and_then(|target| plan.choose(&target)));
                (transfer::commands(&plan)?, target)
            }
        };
        let mut page = report::page(&folder, &commands, real.as_ref().map(|target| &target.images))?;
        if self.live {
            page = page.opening_with(live::of_path(&self.run)?);
        }
        page.write(&folder.report())?;
        tell("report", json!({ "report": named(folder.report()) }), folder.report().display());
        Ok(())
    }
}
