//! What to do about an error of the library, in the command line's options: what stands behind the error, or in place of its own words.

use super::command::quoted;
use crate::error::{Error, Way, either};
use crate::run::OnNan;

/// An error of any command.
pub fn advised(error: Error) -> Error {
    match error {
        Error::BrokenImages(text) => {
            let joint = joint(&text);
            Error::BrokenImages(format!("{text}{joint}mend or remove them, or leave them out with --skip-broken"))
        }
        Error::Folder { problem, ways } => {
            let said = |way: &Way| match way {
                Way::Do(words) => (*words).to_string(),
                Way::Take(_) | Way::Remove(_) => way.to_string(),
                Way::Elsewhere => "choose another --out".to_string(),
                Way::Continue(run) => {
                    format!("continue its run with --resume {}", quoted(&run.display().to_string()))
                }
                Way::Mix => format!("{way} with --mixed"),
                Way::GoOnChanged => format!("{way} with --data-changed"),
                Way::Replace => "replace the run that is there with --overwrite".to_string(),
            };
            Error::invalid(format!("{problem}: {}", either(&ways.iter().map(said).collect::<Vec<_>>())))
        }
        lost @ Error::Lost { .. } => Error::invalid(format!("{lost} with --resume")),
        error => error,
    }
}

/// An error of a run that goes on, of which images can be left out only if they may be others.
pub fn advised_of_going_on(error: Error) -> Error {
    match error {
        Error::BrokenImages(text) => Error::invalid(format!(
            "{text}{}mend them, or leave them out with --skip-broken --data-changed",
            joint(&text)
        )),
        error => error,
    }
}

/// What stands between an error's lines and what to do about them.
fn joint(text: &str) -> &'static str {
    if text.contains('\n') { "\n" } else { "; " }
}

/// An error of an experiment of many runs, which has no way to begin one of them again, or on other images, but in another folder.
pub fn advised_of_experiment(error: Error) -> Error {
    match error {
        Error::Folder { problem, ways } => {
            let is_there = |way: &Way| !matches!(way, Way::Continue(_) | Way::GoOnChanged | Way::Replace);
            let mut ways: Vec<Way> = ways.into_iter().filter(is_there).collect();
            if !ways.iter().any(|way| matches!(way, Way::Elsewhere)) {
                ways.push(Way::Elsewhere);
            }
            Error::folder(problem, ways)
        }
        lost @ Error::Lost { .. } => Error::invalid(format!("{lost} with the same command")),
        error => error,
    }
}

/// What an error says where there is nothing that else could be done about a folder, as where a report does without something.
pub fn without_ways(error: Error) -> String {
    match error {
        Error::Folder { problem, .. } => problem,
        error => error.to_string(),
    }
}

/// A training's error, where numbers may not be finite.
pub fn advised_of_rates(error: Error, on_nan: OnNan) -> Error {
    match (error, on_nan) {
        (Error::Diverged(what), OnNan::Stop) => {
            Error::Diverged(format!("{what}; use a smaller --lr or --d-lr, or --on-nan rollback"))
        }
        (Error::Diverged(what), OnNan::Rollback) => Error::Diverged(format!("{what}; use a smaller --lr or --d-lr")),
        (other, _) => other,
    }
}

/// An error of a command that measures against a test split, where that may not be there.
pub fn advised_to_hold_out(error: Error) -> Error {
    match error {
        Error::NoSplit(text) => Error::NoSplit(format!(
            "{text}; or name other held-out images with --held-out SPEC, or measure against the validation block with --split validation"
        )),
        error => error,
    }
}
