//! `graft invert`: latents of pictures, by descent through a generator.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::inversion::{Seeking, classes_of, pictures};
use super::reading::ReadingOptions;
use super::{Compute, count, named, seed, tell};
use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::data::{Dataset, Images, Reading, picture};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Found, load_generator};
use crate::run::Named;
use crate::transfer::TrainedOn;

/// How many pictures of a folder or a data set are sought where nothing else is said.
const USUAL: usize = 64;
/// What is written.
const LATENTS: &str = "latents.npy";
const PAIRS: &str = "pairs.png";
const ERRORS: &str = "errors.json";
/// Columns of pairs, and pixels between them.
const COLUMNS: usize = 8;
const MARGIN: usize = 2;

/// Find the latents of pictures, by descent through a generator
#[derive(Args)]
#[command(
    after_help = "The folder holds latents.npy, [n, latent], which `graft sample --latents` takes; pairs.png, the pictures over what the \
    generator makes of their latents; and errors.json, the root mean squared error of each, of pixels from 0 to 1.\n\n\
    Examples:\n  graft invert runs/dcgan-strokes-0 three.png seven.png --out found\n  graft invert runs/trgan-svhn-0 folder:DIR --count 16\n  \
    graft sample runs/dcgan-strokes-0 --latents found/latents.npy --frames 40 --out between.gif"
)]
pub struct Invert {
    /// A checkpoint, the folder of a run, or RUN@STEP or RUN@best
    checkpoint: PathBuf,
    /// Files of pictures, a folder of them, or a data set (`graft data --help` lists the kinds)
    #[arg(required = true, value_name = "IMAGES")]
    images: Vec<String>,
    /// The first N of them only [default: all files that are named, 64 of a folder or a data set]
    #[arg(long, value_name = "N", value_parser = count)]
    count: Option<usize>,
    /// Their class, by name or number, where the generator has classes [default: their own]
    #[arg(long, value_name = "K")]
    class: Option<String>,
    #[command(flatten)]
    seeking: Seeking,
    /// Seed of samples and encoder
    #[arg(long, default_value_t = 0, value_name = "S", value_parser = seed())]
    seed: u64,
    /// The folder to write; there must be none yet
    #[arg(long, default_value = "inverted", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    compute: Compute,
}

impl Invert {
    pub fn run(&self) -> Result<()> {
        super::check_vacant("out", &self.out)?;
        let Named { file: path, folder } = Named::find(&self.checkpoint)?;
        // As the run read the pictures that it learned from.
        let trained_on = folder.as_ref().map(TrainedOn::read).transpose()?;
        let reading = trained_on.map_or_else(Reading::default, |run| run.reading().of_more());
        let checkpoint = Checkpoint::read(&path)?;
        let of_file = |error: Error| Error::invalid(format!("{}: {error}", path.display()));
        let architecture = Architecture::of(&checkpoint).map_err(of_file)?;
        let usual = if self.images.len() > 1 { self.images.len() } else { USUAL };
        let data = pictures(
            &self.images,
            self.count.unwrap_or(usual),
            &self.reading.over(reading),
            (architecture.size, architecture.channels),
        )?;
        self.compute.run(|device| {
            let (architecture, network) = load_generator(&checkpoint, device).map_err(of_file)?;
            let names = network.conditions().names();
            let classes = classes_of(self.class.as_deref(), names, &data)?;
            let found = self.seeking.found(&network, &architecture, &data, classes.as_deref(), self.seed)?;
            self.write(&data, &found, architecture.latent)
        })
    }

    fn write(&self, data: &Dataset, found: &Found, latent: usize) -> Result<()> {
        let name = |index: usize| data.files.as_ref().map(|files| files[index].to_string());
        let each: Vec<Json> = (0..data.len())
            .map(|index| json!({ "image": index, "file": name(index), "error": found.errors[index] }))
            .collect();
        let mean = found.errors.iter().sum::<f64>() / found.errors.len() as f64;
        let report = json!({ "mean_error": mean, "images": each });
        atomic::folder(&self.out, |folder| {
            picture::write_rows(&folder.join(LATENTS), &found.latents, latent)?;
            picture::write_png(&folder.join(PAIRS), &pairs(&data.images, &found.images), 0)?;
            let text = serde_json::to_string_pretty(&report).expect("figures are JSON");
            atomic::write(&folder.join(ERRORS), text.as_bytes())
        })?;
        let latents = self.out.join(LATENTS);
        tell(
            "inverted",
            json!({ "latents": named(&latents), "pairs": named(self.out.join(PAIRS)), "count": data.len(), "mean_error": mean, "images": each }),
            format!("{}: {} latents, a mean error of {mean:.4}", latents.display(), data.len()),
        );
        Ok(())
    }
}

/// A grid in which rows of pictures stand over rows of what was made for them.
fn pairs(pictures: &Images, made: &Images) -> Images {
    let columns = COLUMNS.min(pictures.count);
    let rows = (0..pictures.count).step_by(columns);
    let mut pixels = Vec::new();
    for first in rows.clone() {
        for images in [pictures, made] {
            let within = (first..pictures.count.min(first + columns)).collect::<Vec<_>>();
            pixels.extend(images.select(&within).into_pixels());
            // The last row may not be full.
            pixels.resize(pixels.len() + (columns - within.len()) * images.bytes_per_image(), 0);
        }
    }
    let [_, height, width, channels] = pictures.shape();
    let all = Images::new([2 * columns * rows.count(), height, width, channels], pixels);
    picture::grid(&all, columns, MARGIN)
}
