//! `graft data`: what a data set holds.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::arguments::Preset;
use super::presets::OfTrain;
use super::reading::ReadingOptions;
use super::sample::write_grid;
use super::{count, named, side, tell};
use crate::data::{Block, Images, Reading, Spec, Split};
use crate::error::{Error, Result};

/// Show what a data set holds: count, size, class counts, and a grid to look at
#[derive(Args)]
#[command(
    after_help = "Examples:\n  graft data synthetic:strokes --out grid.png\n  graft data svhn:DIR --split test\n  graft data folder:DIR --out grid.png"
)]
pub struct Data {
    /// The data set
    #[arg(value_name = "SPEC", long_help = format!("The data set: {}", Spec::forms().collect::<Vec<_>>().join(", ")))]
    spec: String,
    /// Which part
    #[arg(long, value_enum, default_value_t = Part::Train)]
    split: Part,
    /// Side of the images, as training with this --size sees them [default: 32, or 64 where the shorter side is longer]
    #[arg(long, value_name = "PIXELS", value_parser = side)]
    size: Option<usize>,
    /// Show arrays of images as they are stored, not as training sees them; pictures of folder: and zip: have no one size
    #[arg(long, conflicts_with = "size")]
    raw: bool,
    /// Write its first images as one grid, a .png file; nothing there is replaced
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// How many images the grid shows
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = count)]
    count: usize,
    #[command(flatten)]
    reading: ReadingOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Train,
    Validation,
    Test,
}

impl Data {
    pub fn run(&self) -> Result<()> {
        self.out.as_deref().map_or(Ok(()), |out| super::check_vacant("out", out))?;
        self.out.as_deref().map_or(Ok(()), |out| super::check_ending("out", out, "png"))?;
        let split = match self.split {
            Part::Train => Split::Train,
            Part::Validation => Split::Validation,
            Part::Test => Split::Test,
        };
        let spec: Spec = self.spec.parse()?;
        if self.raw && spec.is_of_files() {
            return Err(Error::Usage(format!(
                "--raw shows arrays as they are stored, and {spec} has pictures of any size, each a file to look at: leave it out"
            )));
        }
        let reading = Reading { size: self.size, ..self.reading.reading() };
        let data = spec.read(split, &reading).map_err(|error| elsewhere(error, split, &spec))?;
        let (height, width, channels) = (data.images.height, data.images.width, data.images.channels);
        // What training will see, unless somebody wants to see what there is.
        let size = self.size.unwrap_or(data.images.fitting_size());
        let data = if self.raw { data } else { data.fit(size, channels)? };
        let usual = OfTrain::usual().architecture.size;
        let mut shown = if self.raw { "as stored".to_string() } else { format!("--size {size}") };
        if !self.raw && self.size.is_none() && size != usual {
            shown += &format!("; graft train takes {usual} unless it is told");
        }
        if (height, width) != (data.images.height, data.images.width) {
            shown += &format!("; stored as {height}x{width}");
        }
        let images = &data.images;
        let first = self.count.min(images.count);
        if let Some(out) = &self.out {
            write_grid(out, &images.select(&(0..first).collect::<Vec<usize>>()))?;
        }
        let files: Option<Vec<&str>> =
            data.files.as_ref().map(|files| files[..first].iter().map(|file| file.as_ref()).collect());
        let counts = data.labels.as_ref().map(|_| data.class_counts());
        let classes = match &counts {
            Some(counts) => {
                let counts = data.classes.names().iter().zip(counts).map(|(class, count)| format!("{class}: {count}"));
                format!("classes: {}", counts.collect::<Vec<_>>().join(", "))
            }
            None => "no labels".to_string(),
        };
        let splits: Vec<String> = data.splits.iter().map(Split::to_string).collect();
        let Images { count, height, width, channels, .. } = images;
        let mut text =
            format!("{} ({split}): {count} images of {height}x{width}x{channels} ({shown})\n{classes}", data.name);
        if !splits.is_empty() {
            text += &format!("\nits sub-folders are splits: {}", splits.join(", "));
        }
        if let Some(files) = &files {
            text += &format!("\nfiles: {}", first_of(files, *count));
        }
        if let Some(out) = &self.out {
            text += &format!("\n{}", out.display());
        }
        let fields = json!({
            "data": data.name,
            "split": split.to_string(),
            "count": count,
            "height": height,
            "width": width,
            "channels": channels,
            "classes": counts,
            "names": data.classes.names(),
            "splits": splits,
            "size": if self.raw { None } else { Some(size) },
            "files": files,
            "grid": self.out.as_ref().map(named),
        });
        tell("data", fields, text);
        Ok(())
    }
}

/// The first few names of so many.
fn first_of(files: &[&str], count: usize) -> String {
    const SHOWN: usize = 5;
    let shown = &files[..files.len().min(SHOWN)];
    let more = count - shown.len();
    let names = shown.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// Where images stand in for a split that is not there.
fn elsewhere(error: Error, split: Split, spec: &Spec) -> Error {
    match (error, split) {
        (Error::NoSplit(text), Split::Test) => Error::NoSplit(format!(
            "{text}; evaluate, transfer and compare take other images in its place with --held-out SPEC"
        )),
        (Error::NoSplit(text), Split::Validation) if spec.block() == Block::LastFifth => {
            Error::NoSplit(format!("{text}; see them with --split train"))
        }
        (error, _) => error,
    }
}
