//! `metrics.jsonl`: the losses of a run, one object a step.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::atomic;
use crate::error::{Error, Result};
use crate::gan::StepLosses;
use crate::tensor::Tensor;

/// The numbers of one step, read back.
pub struct Numbers {
    /// The step.
    pub step: u64,
    /// The discriminator's loss.
    pub d_loss: f64,
    /// The generator's loss.
    pub g_loss: f64,
    /// The mean score of real images.
    pub real_score: f64,
    /// The mean score of made ones.
    pub fake_score: f64,
    penalty: Option<f64>,
    heads_loss: Option<f64>,
    /// How long the run took up to it.
    pub seconds: f64,
    rollbacks: u32,
}

impl Numbers {
    /// Reads the losses of some steps back, all at once; with each, how many seconds the run took up to it.
    pub fn read(steps: &[(StepLosses, f64)], rollbacks: u32) -> Result<Vec<Numbers>> {
        let tensors: Vec<&Tensor> = steps.iter().flat_map(|(losses, _)| losses.each()).collect();
        let mut read = Tensor::items(&tensors)?.into_iter();
        let mut next = || read.next().expect("each tensor has an element");
        let numbers = |(losses, seconds): &(StepLosses, f64)| Numbers {
            step: losses.step,
            d_loss: next(),
            g_loss: next(),
            real_score: next(),
            fake_score: next(),
            penalty: losses.penalty.is_some().then(&mut next),
            heads_loss: losses.heads_loss.is_some().then(&mut next),
            seconds: *seconds,
            rollbacks,
        };
        Ok(steps.iter().map(numbers).collect())
    }

    /// Those of a step with this loss of the discriminator and these scores of real and made images.
    #[cfg(test)]
    pub fn of(step: u64, d_loss: f64, [real_score, fake_score]: [f64; 2]) -> Numbers {
        let (g_loss, seconds) = (1.0, 0.0);
        Numbers { step, d_loss, g_loss, real_score, fake_score, penalty: None, heads_loss: None, seconds, rollbacks: 0 }
    }

    /// The first number that is not finite, said in words; `None` where all are.
    pub fn broken(&self) -> Option<String> {
        let named = [
            ("discriminator's loss", Some(self.d_loss)),
            ("generator's loss", Some(self.g_loss)),
            ("penalty", self.penalty),
            ("loss of the heads", self.heads_loss),
            ("mean score of real images", Some(self.real_score)),
            ("mean score of generated images", Some(self.fake_score)),
        ];
        let broken =
            named.into_iter().find_map(|(name, value)| Some((name, value.filter(|value| !value.is_finite())?)));
        broken.map(|(name, value)| format!("the {name} is {value} at step {}", self.step))
    }

    fn json(&self) -> Json {
        let mut line = json!({
            "step": self.step,
            "d_loss": self.d_loss,
            "g_loss": self.g_loss,
            "real_score": self.real_score,
            "fake_score": self.fake_score,
            "seconds": self.seconds,
        });
        for (name, value) in [("penalty", self.penalty), ("heads_loss", self.heads_loss)] {
            if let Some(value) = value {
                line[name] = json!(value);
            }
        }
        if self.rollbacks > 0 {
            line["rollbacks"] = json!(self.rollbacks);
        }
        line
    }
}

/// The file, open behind its last line.
pub struct Metrics {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Metrics {
    /// Opens the file behind the line of step `step`: what a killed run wrote after its last checkpoint is cut off. Gives the seconds
    /// that the run took up to there, too.
    pub fn open(path: &Path, step: u64) -> Result<(Metrics, f64)> {
        let of_run = |line: &&str| {
            let line: Option<Json> = serde_json::from_str(line).ok();
            line.and_then(|line| line.get("step")?.as_u64()).is_some_and(|number| number <= step)
        };
        let bytes = atomic::if_there(fs::read(path)).map_err(Error::io("read", path))?.unwrap_or_default();
        // A line that lost its end, or bytes that are no text, are what a machine that lost power leaves.
        let text = String::from_utf8_lossy(&bytes);
        let kept: String = text.lines().filter(of_run).flat_map(|line| [line, "\n"]).collect();
        let seconds = last_seconds(&kept);
        atomic::write(path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io("write", path))?;
        Ok((Metrics { path: path.to_path_buf(), file: BufWriter::new(file) }, seconds))
    }

    /// Writes a step's numbers; gives the object that was written.
    pub fn write(&mut self, numbers: &Numbers) -> Result<Json> {
        let line = numbers.json();
        writeln!(self.file, "{line}").map_err(Error::io("write", &self.path))?;
        Ok(line)
    }

    /// Brings everything to the disk, where it must be before the checkpoint of its last step.
    pub fn sync(&mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_data()).map_err(Error::io("write", &self.path))
    }
}

/// The seconds of the last line of such a file's text.
pub fn last_seconds(lines: &str) -> f64 {
    let last: Option<Json> = lines.lines().last().and_then(|line| serde_json::from_str(line).ok());
    last.and_then(|line| line.get("seconds")?.as_f64()).unwrap_or(0.0)
}
