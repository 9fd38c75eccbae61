//! `graft data`: what a data set holds.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::sample::write_grid;
use super::{count, say};
use crate::data::{Dataset, Spec, Split};
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
        say(format!(
            "{} ({split}): {} images of {}x{}x{}",
            data.name, images.count, images.height, images.width, images.channels
        ));
        if data.labels.is_some() {
            let counts = data.class_counts();
            let counts: Vec<String> =
                counts.iter().enumerate().map(|(class, count)| format!("{class}: {count}")).collect();
            say(format!("classes: {}", counts.join(", ")));
        } else {
            say("no labels");
        }
        if let Some(out) = &self.out {
            let shown: Vec<usize> = (0..self.count.min(images.count)).collect();
            write_grid(out, &images.select(&shown))?;
            say(out.display());
        }
        Ok(())
    }
}
