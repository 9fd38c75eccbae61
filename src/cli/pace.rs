//! How often a run writes and what it keeps, and when it ends by the clock: what `train` and `transfer` share.

use clap::Args;

use super::signals::minutes;
use super::steps;

/// How often a run writes, what it keeps, and when it ends by the clock
#[derive(Args)]
pub struct Pace {
    /// Steps between checkpoints
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = steps(), hide_short_help = true)]
    pub checkpoint_every: u64,
    /// Keep the last N checkpoints, each under its step: RUN@STEP names one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000), conflicts_with = "keep_every", hide_short_help = true)]
    pub keep: Option<u64>,
    /// Keep the checkpoint of every K steps
    #[arg(long, value_name = "K", value_parser = steps(), hide_short_help = true)]
    pub keep_every: Option<u64>,
    /// End after N minutes, as Ctrl-C does
    #[arg(long, value_name = "N", value_parser = minutes, hide_short_help = true)]
    pub minutes: Option<f64>,
    /// Steps between pictures
    #[arg(long, default_value_t = 250, value_name = "N", value_parser = steps(), hide_short_help = true)]
    pub sample_every: u64,
}
