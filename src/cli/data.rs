//! `graft data`: what a data set holds.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::sample::write_grid;
use super::{count, named, tell};
use crate::data::{Dataset, Images, Spec, Split};
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
    /// Write its first images as one PNG grid; nothing there is replaced
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// How many images the grid shows
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = count)]
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Train,
    Test,
}

impl Data {
    pub fn run(&self) -> Result<()> {
        if let Some(out) = self.out.as_ref().filter(|out| out.exists()) {
            return Err(Error::invalid(format!("{} exists: choose another --out", out.display())));
        }
        let split = match self.split {
            Part::Train => Split::Train,
            Part::Test => Split::Test,
        };
        let data: Dataset = self.spec.parse::<Spec>()?.load(split)?;
        let images = &data.images;
        if let Some(out) = &self.out {
            let shown: Vec<usize> = (0..self.count.min(images.count)).collect();
            write_grid(out, &images.select(&shown))?;
        }
        let counts = data.labels.as_ref().map(|_| data.class_counts());
        let classes = match &counts {
            Some(counts) => {
                let counts = counts.iter().enumerate().map(|(class, count)| format!("{class}: {count}"));
                format!("classes: {}", counts.collect::<Vec<_>>().join(", "))
            }
            None => "no labels".to_string(),
        };
        let Images { count, height, width, channels, .. } = images;
        let mut text = format!("{} ({split}): {count} images of {height}x{width}x{channels}\n{classes}", data.name);
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
            "grid": self.out.as_ref().map(named),
        });
        tell("data", fields, text);
        Ok(())
    }
}
