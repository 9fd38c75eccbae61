//! Processes that work on one experiment: their claims, and what they compute with. Results are the same whoever does a run as long as that is
//! the same, so that a process of another kind has to be let in.

use std::path::Path;

use serde::Deserialize;

use crate::backend::Device;
use crate::claims::{Claim, Claims};
use crate::error::{Error, Result, Way};
use crate::experiment::engine::{Jobs, read_json, write_json};
use crate::run;

/// What is claimed by who changes the design of an experiment.
pub(super) const DESIGN: &str = "design";
/// The microkernels of those that joined.
const FILE: &str = "workers.json";
/// Between them, where results name more than one.
const BETWEEN: &str = " and ";

/// How a process works with others.
pub struct Workers<'a> {
    /// Its claims on runs.
    pub claims: &'a Claims,
    /// How many runs it does at once.
    pub jobs: Jobs,
    /// Whether it joins those that compute with something else.
    pub mixed: bool,
}

impl Workers<'_> {
    /// Joins those that worked in a folder before, of whom its `result` may say more than they themselves left.
    ///
    /// # Errors
    /// Those of [`check_kind`]; what files say.
    pub(super) fn join(&self, root: &Path, result: &str, device: &Device) -> Result<()> {
        let turn = self.claims.wait(&root.join("workers"), &mut || Ok(true))?;
        check_kind(root, result, device, self.mixed)?;
        let mut kinds = kinds(root, result)?;
        let own = device.backend().rounding().to_string();
        if !kinds.contains(&own) {
            kinds.push(own);
            kinds.sort();
        }
        let path = root.join(FILE);
        if read_json::<Vec<String>>(&path)?.as_ref() != Some(&kinds) {
            turn.iter().try_for_each(Claim::check)?;
            write_json(&path, &kinds)?;
        }
        Ok(())
    }
}

/// Refuses a device that computes with another microkernel than what was made in a folder so far, unless it is let in. Changes nothing.
///
/// # Errors
/// [`Error::Folder`] naming both; what files say.
pub(super) fn check_kind(root: &Path, result: &str, device: &Device, mixed: bool) -> Result<()> {
    let (kinds, own) = (kinds(root, result)?, device.backend().rounding());
    if mixed || kinds.is_empty() || kinds.iter().any(|kind| kind == own) {
        return Ok(());
    }
    let problem = format!(
        "{}: its runs were made with {}, and this process computes with {own}, which rounds otherwise",
        root.display(),
        kinds.join(BETWEEN)
    );
    Err(Error::folder(problem, [Way::Do("work on a machine of that kind"), Way::Mix, Way::Elsewhere]))
}

/// Refuses a folder that holds something else than `what`, of which `is_there` says whether it is there by now; writes nothing.
///
/// # Errors
/// [`Error::Folder`] saying so.
pub(super) fn check_place(root: &Path, is_there: impl FnOnce() -> bool, what: &str) -> Result<()> {
    // In this order: another process may begin it in between, and its design is the first thing that it writes.
    if run::is_vacant(root)? || is_there() {
        return Ok(());
    }
    Err(Error::folder(format!("{} is not empty and holds no {what}", root.display()), [Way::Elsewhere]))
}

/// The microkernels of those that worked in a folder so far, in words; empty where nobody did.
pub(super) fn in_words(root: &Path, result: &str) -> Result<String> {
    Ok(kinds(root, result)?.join(BETWEEN))
}

/// As they are listed, else as the result of an earlier version has them.
fn kinds(root: &Path, result: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Written {
        protocol: Machine,
    }
    #[derive(Deserialize)]
    struct Machine {
        microkernel: String,
    }
    if let Some(known) = read_json(&root.join(FILE))? {
        return Ok(known);
    }
    let written: Option<Written> = read_json(&root.join(result))?;
    Ok(written
        .map_or_else(Vec::new, |written| written.protocol.microkernel.split(BETWEEN).map(str::to_string).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::LIMIT;

    #[test]
    fn what_another_process_begins_meanwhile_is_no_strange_folder() {
        let root = tempfile::tempdir().unwrap();
        let begins = || std::fs::write(root.path().join("design.toml"), "").unwrap();
        let looked_for_too_early = || {
            begins();
            false
        };
        check_place(root.path(), looked_for_too_early, "experiment").unwrap();
        begins();
        check_place(root.path(), || true, "experiment").unwrap();
        let error = check_place(root.path(), || false, "experiment").unwrap_err().to_string();
        assert!(error.contains("is not empty and holds no experiment"), "{error}");
    }

    #[test]
    fn another_kind_joins_only_where_it_is_let_in_and_is_named_then() {
        let root = tempfile::tempdir().unwrap();
        let claims = Claims::open(root.path(), LIMIT).unwrap();
        let workers = |mixed| Workers { claims: &claims, jobs: Jobs::ONE, mixed };
        let (cpu, reference) = (Device::cpu(), Device::reference());
        let own = cpu.backend().rounding().to_string();
        let join = |root: &Path, device: &Device, mixed: bool| {
            workers(mixed).join(root, "result.json", device).map(|()| in_words(root, "result.json").unwrap())
        };
        assert_eq!(join(root.path(), &cpu, false).unwrap(), own);
        assert_eq!(join(root.path(), &cpu, false).unwrap(), own);
        let error = join(root.path(), &reference, false).unwrap_err().to_string();
        assert!(error.contains("computes with loops") && error.contains("work on a machine of that kind"), "{error}");
        let both = join(root.path(), &reference, true).unwrap();
        let expected = if own.as_str() < "loops" { format!("{own} and loops") } else { format!("loops and {own}") };
        assert_eq!(both, expected);
        assert_eq!(join(root.path(), &cpu, false).unwrap(), both, "who was let in stays in");
        // What an earlier version left.
        let old = tempfile::tempdir().unwrap();
        let left = |microkernel: &str| {
            let result = serde_json::json!({ "protocol": { "microkernel": microkernel } });
            write_json(&old.path().join("result.json"), &result).unwrap();
        };
        left("loops");
        assert!(join(old.path(), &cpu, false).is_err());
        left(&format!("loops and {own}"));
        assert_eq!(join(old.path(), &cpu, false).unwrap(), format!("loops and {own}"));
    }
}
