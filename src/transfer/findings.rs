//! What came of a transfer beside its curves and pictures, and `outcome.json`, which keeps it.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::{Error, Result, Way};
use crate::metrics::{Evaluation, Floors};
use crate::run::RunFolder;

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// What became of each layer: the network, the parameter, its shape, and a word.
    pub layers: Vec<[String; 4]>,
    /// What else a person should read.
    pub notes: Vec<String>,
    /// The figures of the last step.
    pub judged: Judged,
}

/// Figures, or why there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judged {
    /// Why nothing was measured.
    Not(String),
    /// The figures of each arm, the run's own first, with their floors.
    Figures {
        /// What they are measured against.
        against: String,
        /// The judge's accuracy on that.
        accuracy: Option<f64>,
        /// Evaluations by the arms' names.
        arms: Vec<(String, Evaluation)>,
        /// What real images get.
        #[serde(flatten)]
        floors: Box<Floors>,
    },
}

impl Findings {
    /// Keeps them in a run's folder.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be written.
    pub fn write(&self, folder: &RunFolder) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("findings are JSON");
        atomic::write(&folder.outcome(), text.as_bytes())
    }

    /// Those that a run's folder keeps; None where it has none yet.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be read, [`Error::Folder`] where they are none.
    pub fn read(folder: &RunFolder) -> Result<Option<Findings>> {
        let path = folder.outcome();
        let text = atomic::if_there(fs::read_to_string(&path)).map_err(Error::io("read", &path))?;
        let Some(text) = text else { return Ok(None) };
        let findings = serde_json::from_str(&text);
        findings.map(Some).map_err(|error| {
            let problem = format!("{} holds no findings ({error})", path.display());
            Error::folder(problem, [Way::Continue(folder.path().to_path_buf())])
        })
    }

    /// Removes those of a shorter run: they are not those of one that goes on.
    ///
    /// # Errors
    /// [`Error::Io`] where they cannot be removed.
    pub fn remove(folder: &RunFolder) -> Result<()> {
        let path = folder.outcome();
        atomic::if_there(fs::remove_file(&path)).map(drop).map_err(Error::io("remove", &path))
    }
}
