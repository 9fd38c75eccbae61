//! `graft data`: what a data set holds.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::reading::ReadingOptions;
use super::sample::write_grid;
use super::{count, named, tell};
use crate::data::{Images, Reading, Spec, Split};
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
    /// Side of the images that training would see [default: 32, or 64 for larger ones]
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Show arrays of images as they are stored, not as training sees them
    #[arg(long, conflicts_with = "size")]
    raw: bool,
    /// Write its first images as one PNG grid; nothing there is replaced
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
        if let Some(out) = self.out.as_ref().filter(|out| out.exists()) {
            return Err(Error::invalid(format!("{} exists: choose another --out", out.display())));
        }
        let split = match self.split {
            Part::Train => Split::Train,
            Part::Validation => Split::Validation,
            Part::Test => Split::Test,
        };
        let reading = Reading { size: self.size, ..self.reading.reading() };
        let data = self.spec.parse::<Spec>()?.read(split, &reading)?;
        let (height, width, channels) = (data.images.height, data.images.width, data.images.channels);
        // What training will see, unless somebody wants to see what there is.
        let size = self.size.unwrap_or(data.images.fitting_size());
        let data = if self.raw { data } else { data.fit(size, channels)? };
        let stored = if (height, width) == (data.images.height, data.images.width) {
            String::new()
        } else {
            format!(" (stored as {height}x{width})")
        };
        let images = &data.images;
        if let Some(out) = &self.out {
            let shown: Vec<usize> = (0..self.count.min(images.count)).collect();
            write_grid(out, &images.select(&shown))?;
        }
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
            format!("{} ({split}): {count} images of {height}x{width}x{channels}{stored}\n{classes}", data.name);
        if !splits.is_empty() {
            text += &format!("\nits sub-folders are splits: {}", splits.join(", "));
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
            "grid": self.out.as_ref().map(named),
        });
        tell("data", fields, text);
        Ok(())
    }
}
