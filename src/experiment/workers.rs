//! Processes that work on one experiment: their claims, and what they compute with. Results are the same whoever does a run as long as that is
//! the same, so that a process of another kind has to be let in.

use std::path::Path;

use crate::backend::Device;
use crate::claims::{Claim, Claims};
use crate::error::{Error, Result, Way};
use crate::experiment::engine::{Jobs, read_json, write_json};

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
    /// Joins those that worked in a folder before; `written` is what an earlier result says of them. Gives the microkernels of all, in words.
    ///
    /// # Errors
    /// Those of [`check_kind`]; what files say.
    pub(super) fn join(&self, root: &Path, device: &Device, written: Option<String>) -> Result<String> {
        let turn = self.claims.wait(&root.join("workers"), &mut || Ok(true))?;
        check_kind(root, device, self.mixed, written.as_deref())?;
        let mut kinds = kinds(root, written.as_deref())?;
        let own = device.backend().microkernel().to_string();
        if !kinds.contains(&own) {
            kinds.push(own);
            kinds.sort();
        }
        let path = root.join(FILE);
        if read_json::<Vec<String>>(&path)?.as_ref() != Some(&kinds) {
            turn.iter().try_for_each(Claim::check)?;
            write_json(&path, &kinds)?;
        }
        Ok(kinds.join(BETWEEN))
    }
}

/// Refuses a device that computes with another microkernel than what was made in a folder so far, unless it is let in; `written` is what a
/// result there says. Changes nothing.
///
/// # Errors
/// [`Error::Folder`] naming both; what files say.
pub(super) fn check_kind(root: &Path, device: &Device, mixed: bool, written: Option<&str>) -> Result<()> {
    let (kinds, own) = (kinds(root, written)?, device.backend().microkernel());
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

/// The microkernels of those that joined in a folder so far, in words.
pub(super) fn in_words(root: &Path) -> Result<Option<String>> {
    Ok(read_json::<Vec<String>>(&root.join(FILE))?.map(|kinds| kinds.join(BETWEEN)))
}

/// The microkernels of those that worked in a folder.
fn kinds(root: &Path, written: Option<&str>) -> Result<Vec<String>> {
    let known: Option<Vec<String>> = read_json(&root.join(FILE))?;
    let before = || written.iter().flat_map(|all| all.split(BETWEEN)).map(str::to_string).collect();
    Ok(known.unwrap_or_else(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::LIMIT;

    #[test]
    fn another_kind_joins_only_where_it_is_let_in_and_is_named_then() {
        let root = tempfile::tempdir().unwrap();
        let claims = Claims::open(root.path(), LIMIT).unwrap();
        let workers = |mixed| Workers { claims: &claims, jobs: Jobs::ONE, mixed };
        let (cpu, reference) = (Device::cpu(), Device::reference());
        let own = cpu.backend().microkernel().to_string();
        assert_eq!(workers(false).join(root.path(), &cpu, None).unwrap(), own);
        assert_eq!(workers(false).join(root.path(), &cpu, None).unwrap(), own);
        let error = workers(false).join(root.path(), &reference, None).unwrap_err().to_string();
        assert!(error.contains("computes with loops") && error.contains("work on a machine of that kind"), "{error}");
        let both = workers(true).join(root.path(), &reference, None).unwrap();
        let expected = if own.as_str() < "loops" { format!("{own} and loops") } else { format!("loops and {own}") };
        assert_eq!(both, expected);
        assert_eq!(workers(false).join(root.path(), &cpu, None).unwrap(), both, "who was let in stays in");
        // What an earlier version left.
        let old = tempfile::tempdir().unwrap();
        assert!(workers(false).join(old.path(), &cpu, Some("loops".into())).is_err());
        assert_eq!(
            workers(false).join(old.path(), &cpu, Some(format!("loops and {own}"))).unwrap(),
            format!("loops and {own}")
        );
    }
}
