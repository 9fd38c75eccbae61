//! Many processes on one experiment, started by hand or by Slurm: the options, and the script of an array of jobs.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use super::command::quoted;
use super::output::is_quiet;
use super::signals::{interrupted, minutes};
use super::{count, steps, tell, warn};
use crate::backend::Device;
use crate::claims::{Claims, LIMIT};
use crate::error::{Error, Result};
use crate::experiment::engine::Jobs;
use crate::experiment::workers::Workers;

/// Seconds before the end of a job at which Slurm asks it to stop: the longest step, a checkpoint, and what is measured in between.
const NOTICE: u64 = 300;
/// More than the plan says, as machines differ.
const MARGIN: f64 = 1.5;
/// A job's least time.
const LEAST_MINUTES: u64 = 30;

/// How a process works on an experiment, alone or together with others
#[derive(Args)]
pub struct WorkerOptions {
    /// Runs at once, which share the threads; results do not depend on it
    #[arg(long, default_value_t = 1, value_name = "J", value_parser = count)]
    jobs: usize,
    /// Steps between checkpoints; results do not depend on it
    #[arg(long, default_value_t = Jobs::ONE.checkpoint_every, value_name = "N", value_parser = steps(), hide_short_help = true)]
    checkpoint_every: u64,
    /// End after N minutes, as Ctrl-C does
    #[arg(long, value_name = "N", value_parser = minutes, hide_short_help = true)]
    pub minutes: Option<f64>,
    /// Work beside processes that compute with another microkernel: results then depend on who does a run, and say so
    #[arg(long, hide_short_help = true)]
    pub mixed: bool,
    /// Other processes take over this one's runs where nothing is heard of it for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = LIMIT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400), hide_short_help = true)]
    take_over_after: u64,
    /// With --plan: print a script for Slurm with an array of N jobs that work on this together
    #[arg(long, value_name = "N", requires = "plan", value_parser = clap::value_parser!(u64).range(1..=10_000), hide_short_help = true)]
    slurm: Option<u64>,
}

impl WorkerOptions {
    /// How this process carries out so many runs, or an unknown number, on the threads of the pool that it is called in: no more at once than
    /// there are.
    pub fn jobs(&self, runs: Option<usize>) -> Jobs {
        /// Each run at once takes a thread or more.
        const MOST: usize = 1000;
        let count = self.jobs.min(runs.unwrap_or(MOST).clamp(1, MOST));
        Jobs { count, threads: rayon::current_num_threads(), checkpoint_every: self.checkpoint_every }
    }

    /// This process's claims in an experiment's folder.
    pub fn open(&self, out: &Path) -> Result<Claims> {
        Claims::open(out, Duration::from_secs(self.take_over_after))
    }

    pub fn with<'a>(&self, claims: &'a Claims, jobs: Jobs) -> Workers<'a> {
        Workers { claims, jobs, mixed: self.mixed }
    }

    /// Tells a plan of so many runs, or the script that carries it out.
    pub fn plan(
        &self,
        mut fields: Json,
        text: String,
        (runs, seconds): (usize, f64),
        device: &Device,
        jobs: Jobs,
    ) -> Result<()> {
        // Where nothing is left there is nothing to submit.
        match self.slurm.filter(|_| runs > 0) {
            None => tell("plan", fields, text),
            Some(count) => {
                let words: Option<Vec<String>> = std::env::args_os().map(|word| word.into_string().ok()).collect();
                let words = words.ok_or_else(|| {
                    Error::Usage(
                        "--slurm writes the command into a script, and part of it is no text in UTF-8".to_string(),
                    )
                })?;
                // More jobs than there are runs for would wait for others.
                let most = runs.div_ceil(jobs.count) as u64;
                if count > most {
                    warn(format!("note: {runs} runs give work to {most} jobs, not to {count}"));
                }
                let script = script(
                    &command(&words),
                    &text,
                    count.min(most),
                    seconds,
                    jobs.threads,
                    !["cpu", "reference"].contains(&device.name()),
                );
                fields["slurm"] = script.clone().into();
                tell("plan", fields, script);
            }
        }
        Ok(())
    }
}

/// The command of each job: that which was given, without what asked for the script.
fn command(words: &[String]) -> String {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--plan" => {}
            "--slurm" => drop(words.next()),
            word if word.starts_with("--slurm=") => {}
            word => kept.push(quoted(word)),
        }
    }
    kept.join(" ")
}

/// An array of jobs that share a folder. A job that is preempted, or whose time is over, leaves a checkpoint, from which the others go on.
fn script(command: &str, plan: &str, jobs: u64, seconds: f64, threads: usize, of_gpu: bool) -> String {
    let minutes = ((seconds * MARGIN / 60.0 / jobs as f64).ceil() as u64).max(LEAST_MINUTES);
    let time = format!("{}:{:02}:00", minutes / 60, minutes % 60);
    let gpu = if of_gpu { "#SBATCH --gres=gpu:1\n" } else { "" };
    let plan: Vec<String> = plan.lines().map(|line| format!("# {line}")).collect();
    format!(
        "#!/bin/bash\n{}\n#SBATCH --job-name=graft\n#SBATCH --array=1-{jobs}\n#SBATCH --cpus-per-task={threads}\n{gpu}#SBATCH --time={time}\n\
         #SBATCH --signal=B:TERM@{NOTICE}\n#SBATCH --requeue\n#SBATCH --open-mode=append\n\
         # Each job takes runs that nobody has, and goes on with those that others left. The folder must lie on a disk that all nodes see.\n\
         cd {} || exit 1\nexec {command}",
        plan.join("\n"),
        quoted(&std::env::current_dir().unwrap_or_default().display().to_string())
    )
}

/// Waiting for what another process makes: said once.
pub struct Patience {
    what: &'static str,
    said: bool,
}

impl Patience {
    /// For this.
    pub fn new(what: &'static str) -> Patience {
        Patience { what, said: false }
    }

    /// Whether to go on waiting.
    pub fn go_on(&mut self) -> bool {
        if !self.said && !is_quiet() {
            warn(format!("waiting for {}, which another process makes", self.what));
        }
        self.said = true;
        !interrupted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_repeats_the_command_without_what_asked_for_it() {
        let words = ["graft", "compare", "--plan", "--arms", "a b", "--slurm", "4", "--slurm=4", "--out", "runs/x"];
        let command = command(&words.map(str::to_string));
        assert_eq!(command, "graft compare --arms 'a b' --out runs/x");
        let script = script(&command, "two\nlines", 4, 8.0 * 3600.0, 16, true);
        for line in [
            "#!/bin/bash\n# two\n# lines\n#SBATCH",
            "#SBATCH --array=1-4\n",
            "#SBATCH --cpus-per-task=16\n#SBATCH --gres=gpu:1\n",
            "#SBATCH --time=3:00:00\n",
            "#SBATCH --signal=B:TERM@300\n",
            "\nexec graft compare --arms 'a b' --out runs/x",
        ] {
            assert!(script.contains(line), "{line} is not in\n{script}");
        }
        let script = super::script(&command, "", 100, 60.0, 1, false);
        assert!(script.contains("--time=0:30:00") && !script.contains("gpu"), "{script}");
    }
}
