//! `graft predict`: a trained classifier's classes of new pictures.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::inversion::pictures;
use super::reading::ReadingOptions;
use super::{Compute, named, tell};
use crate::data::csv::quoted;
use crate::data::{Dataset, Reading};
use crate::error::{Error, Result, either};
use crate::experiment::classify::{Design, KeptClassifier, classifier_path};

/// Endings of files with a JSON object a line.
const LINES: [&str; 2] = ["jsonl", "ndjson"];

/// Write which class each picture is of, by a classifier that `graft classify` trained
#[derive(Args)]
#[command(
    after_help = "A file that ends in .csv has a row a picture: its name, its class, and the probability of each class; one that ends in .jsonl an object \
    a line. Pictures need no labels, may lie in sub-folders, and are read as those that the classifier learned from, unless options say otherwise.\n\nExamples:\n  \
    graft predict runs/classify/cells/selftrain-5-seed0 --data folder:NEW --out labels.csv\n  \
    graft predict classifier.safetensors --data folder:NEW --out labels.jsonl"
)]
pub struct Predict {
    /// The run's folder, or its classifier.safetensors
    #[arg(value_name = "RUN|FILE")]
    run: PathBuf,
    /// The pictures, or the file of one; `graft data --help` lists the kinds
    #[arg(long, value_name = "SPEC|FILE")]
    data: String,
    /// Where to write: a .csv or .jsonl file; nothing there is replaced
    #[arg(long, default_value = "labels.csv", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    compute: Compute,
}

/// Refuses the folder of an experiment where one of its runs is asked for.
///
/// # Errors
/// [`Error::Invalid`] naming those that have ended.
pub(super) fn refuse_experiment(folder: &Path) -> Result<()> {
    if !Design::is_in(folder) {
        return Ok(());
    }
    let cells = Design::read(folder)?.map_or(Vec::new(), |design| design.cells());
    let folders = cells.iter().map(|cell| cell.folder(folder));
    let ended: Vec<String> =
        folders.filter(|run| classifier_path(run).exists()).map(|run| run.display().to_string()).collect();
    let which =
        if ended.is_empty() { "no run of it has ended".to_string() } else { format!("take {}", either(&ended)) };
    Err(Error::invalid(format!("{} is an experiment of several runs: {which}", folder.display())))
}

impl Predict {
    /// The pictures that are asked about: a file's, each of a folder or an archive, wherever it lies there, or of arrays the training split.
    fn pictures(&self, kept: &KeptClassifier) -> Result<Dataset> {
        let design = kept.classifier.design();
        // As the classifier's own pictures were read; folders are no classes, since nobody asks for labels.
        let reading = self.reading.over(kept.reading.of_more());
        let reading = Reading { unlabelled: true, together: true, ..reading };
        pictures(std::slice::from_ref(&self.data), usize::MAX, &reading, (design.size, design.channels))
    }

    pub fn run(&self) -> Result<()> {
        let ending = self.out.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        let in_lines = LINES.contains(&ending.as_str());
        if !in_lines && ending != "csv" {
            return Err(Error::Usage(format!("--out takes a .csv or a .jsonl file, not {}", self.out.display())));
        }
        super::check_vacant("out", &self.out)?;
        let path = if self.run.is_dir() { classifier_path(&self.run) } else { self.run.clone() };
        if !path.exists() {
            refuse_experiment(&self.run)?;
        }
        if !path.exists() {
            return Err(Error::invalid(format!(
                "{} holds no trained classifier: give the folder of a run that has ended, such as runs/classify/cells/selftrain-5-seed0",
                self.run.display()
            )));
        }
        self.compute.run(|device| {
            let kept = KeptClassifier::read(&path, device)?;
            let data = self.pictures(&kept)?;
            let count = data.len();
            // Images of arrays have numbers.
            let names: Vec<String> = match &data.files {
                Some(files) => files.iter().map(|file| file.to_string()).collect(),
                None => (0..count).map(|index| index.to_string()).collect(),
            };
            let (labels, probabilities) = kept.predict(data)?;
            let rows = probabilities.chunks_exact(kept.classes.len());
            let mut text = Vec::new();
            if !in_lines {
                let head = ["file", "class"].into_iter().chain(kept.classes.names().iter().map(String::as_str));
                text.extend(head.map(quoted).collect::<Vec<_>>().join(",").into_bytes());
                text.push(b'\n');
            }
            for ((file, &label), row) in names.iter().zip(&labels).zip(rows) {
                let class = &kept.classes.names()[label as usize];
                let line = match in_lines {
                    true => {
                        let of = |(name, share): (&String, &f32)| (name.clone(), json!(share));
                        let shares: serde_json::Map<_, _> = kept.classes.names().iter().zip(row).map(of).collect();
                        json!({ "file": file, "class": class, "probabilities": shares }).to_string()
                    }
                    false => {
                        let shares = row.iter().map(|share| format!("{share:.6}"));
                        [quoted(file), quoted(class)].into_iter().chain(shares).collect::<Vec<_>>().join(",")
                    }
                };
                writeln!(text, "{line}").expect("memory takes it");
            }
            crate::atomic::write(&self.out, &text)?;
            let pictures = if count == 1 { "picture" } else { "pictures" };
            let fields = json!({ "path": named(&self.out), "count": count });
            tell("predictions", fields, format!("{}: the classes of {count} {pictures}", self.out.display()));
            Ok(())
        })
    }
}
