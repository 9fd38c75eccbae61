//! `graft sample`: images from a checkpoint's generator.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::arguments::one_of;
use super::{Compute, count, named, seed, tell};
use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::data::{Images, picture};
use crate::error::{Error, Result};
use crate::gan::{Architecture, FeatureSource, interpolate, load_generator, sample};
use crate::memory::available_memory;
use crate::random::Purpose;
use crate::run::RunFolder;

/// Draw images from a trained generator
#[derive(Args)]
#[command(after_help = "Examples:\n  graft sample runs/dcgan-strokes-0 --count 64 --out digits.png\n  \
    graft sample last.safetensors --count 1000 --format npy --out digits.npy\n  \
    graft sample last.safetensors --class 7 --format png --out sevens/\n  graft sample runs/tgan-street-0 --feature-source mix\n  \
    graft sample runs/trgan-street-0 --interpolate 8")]
pub struct Sample {
    /// A checkpoint, or the folder of a run
    checkpoint: PathBuf,
    /// How many images
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count)]
    count: usize,
    /// Seed of the latents
    #[arg(long, default_value_t = 0, value_name = "S", value_parser = seed())]
    seed: u64,
    /// Only this class, by name or number (of a generator trained with --conditional; else all classes in turn)
    #[arg(long, value_name = "K")]
    class: Option<String>,
    /// How features are drawn (of a generator trained by tgan, or with --ctgan-features): one of the bank's, from a normal
    /// distribution with its mean and covariance, or between two of them
    #[arg(long, value_parser = one_of::<FeatureSource>(), value_name = "SOURCE")]
    feature_source: Option<FeatureSource>,
    /// Rows of N images each, a row from one latent to the next; --count is rounded down to whole rows
    #[arg(long, value_name = "N", value_parser = count)]
    interpolate: Option<usize>,
    /// One PNG grid, a folder of PNGs, or one u8 array [n, h, w, c] in NumPy's format
    #[arg(long, value_enum, default_value_t = Format::Grid)]
    format: Format,
    /// Where to write; nothing there is replaced [default: samples.png, samples or samples.npy]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Grid,
    Png,
    Npy,
}

impl Sample {
    pub fn run(&self) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| {
            PathBuf::from(match self.format {
                Format::Grid => "samples.png",
                Format::Png => "samples",
                Format::Npy => "samples.npy",
            })
        });
        super::check_vacant(&out)?;
        if let Some(steps) = self.interpolate.filter(|&steps| steps < 2 || steps > self.count) {
            return Err(Error::Usage(format!(
                "--interpolate takes a number from 2 to --count {}, not {steps}",
                self.count
            )));
        }
        if !self.checkpoint.exists() {
            return Err(Error::invalid(format!(
                "there is no {}; name a checkpoint, or the folder of a run that `graft train` wrote",
                self.checkpoint.display()
            )));
        }
        let path = if self.checkpoint.is_dir() {
            RunFolder::open(&self.checkpoint)?.written_checkpoint()?
        } else {
            self.checkpoint.clone()
        };
        let checkpoint = Checkpoint::read(&path)?;
        let images = self.compute.run(|device| {
            let (architecture, mut network) = load_generator(&checkpoint, device)
                .map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
            if let Some(feature_source) = self.feature_source {
                if !network.conditions().has_features() {
                    let text = "--feature-source needs a generator that is given features: one trained by tgan";
                    return Err(Error::Usage(text.to_string()));
                }
                network.set_conditions(network.conditions().clone().with_feature_source(feature_source));
            }
            let names = network.conditions().names();
            match self.class.as_ref().map(|class| (class, names.find(class))) {
                Some(_) if architecture.classes == 0 => Err(Error::Usage(
                    "--class needs a generator that was trained with --conditional, or by ctgan".to_string(),
                )),
                Some((class, None)) => {
                    let last = architecture.classes - 1;
                    let numbered = names.names().iter().enumerate().all(|(number, name)| *name == number.to_string());
                    let names = if numbered { String::new() } else { format!(" or {names}") };
                    Err(Error::Usage(format!("--class {class} is none of this generator's classes 0 to {last}{names}")))
                }
                asked => {
                    let class = asked.and_then(|(_, class)| class);
                    self.check_memory(&architecture)?;
                    if let Some(steps) = self.interpolate {
                        let key = (self.seed, Purpose::SampleLatents);
                        return interpolate(&network, &architecture, key, [self.count / steps, steps], class);
                    }
                    sample(&network, &architecture, self.seed, Purpose::SampleLatents, self.count, class)
                }
            }
        })?;
        match self.format {
            Format::Grid => match self.interpolate {
                Some(steps) => write_columns(&out, &images, steps)?,
                None => write_grid(&out, &images)?,
            },
            Format::Npy => picture::write_npy(&out, &images)?,
            Format::Png => {
                atomic::folder(&out, |folder| {
                    (0..images.count).try_for_each(|index| {
                        atomic::write(&folder.join(format!("{index:06}.png")), &picture::encode_png(&images, index))
                    })
                })?;
            }
        }
        tell("samples", json!({ "path": named(&out), "count": images.count }), out.display());
        Ok(())
    }

    /// Refuses more images than memory holds.
    fn check_memory(&self, architecture: &Architecture) -> Result<()> {
        /// A number comes from the network in four bytes (twice that while the list of them grows), becomes a byte, and is
        /// copied into the grid and into the file.
        const BYTES_A_NUMBER: f64 = 8.0 + 3.0;
        let each = (architecture.size * architecture.size * architecture.channels) as f64 * BYTES_A_NUMBER;
        let most = available_memory().map_or(usize::MAX, |bytes| (bytes as f64 / each) as usize);
        if self.count > most {
            return Err(Error::invalid(format!(
                "{} images do not fit into memory: take --count {most} at most, and more with another --seed",
                self.count
            )));
        }
        Ok(())
    }
}

/// Writes images as one nearly square grid.
pub fn write_grid(path: &Path, images: &Images) -> Result<()> {
    write_columns(path, images, (images.count as f64).sqrt().ceil() as usize)
}

/// Writes images as one grid of so many columns.
fn write_columns(path: &Path, images: &Images, columns: usize) -> Result<()> {
    const MARGIN: usize = 2;
    picture::write_png(path, &picture::grid(images, columns, MARGIN), 0)
}
