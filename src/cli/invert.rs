//! `graft invert`: latents of pictures, by descent through a generator.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::output::is_quiet;
use super::progress::Progress;
use super::reading::ReadingOptions;
use super::{Compute, count, named, seed, steps, tell};
use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::data::{Dataset, Images, Spec, Split, of_path, picture, read_files};
use crate::error::{Error, Result, did_you_mean};
use crate::gan::{Architecture, Descent, Found, Generator, invert, load_generator, nearest_samples};
use crate::random::Purpose;
use crate::run::{Event, Named};

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
    /// The first N of them only
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count)]
    count: usize,
    /// Their class, by name or number, where the generator has classes [default: their own]
    #[arg(long, value_name = "K")]
    class: Option<String>,
    /// Steps of the descent
    #[arg(long, default_value_t = Descent::default().steps, value_name = "N", value_parser = steps())]
    steps: u64,
    /// Samples whose nearest is the start of the descent
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count)]
    starts: usize,
    /// Seed of these samples
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
        super::check_vacant(&self.out)?;
        let path = Named::find(&self.checkpoint)?.file;
        let checkpoint = Checkpoint::read(&path)?;
        let of_file = |error: Error| Error::invalid(format!("{}: {error}", path.display()));
        let architecture = Architecture::of(&checkpoint).map_err(of_file)?;
        let data = self.pictures(&architecture)?;
        self.compute.run(|device| {
            let (architecture, network) = load_generator(&checkpoint, device).map_err(of_file)?;
            let conditions = self.conditions(&network, &architecture, &data)?;
            let conditions = conditions.as_deref();
            let key = (self.seed, self.starts);
            let start = nearest_samples(&network, &architecture, &data.images, conditions, key)?;
            let descent = Descent { steps: self.steps, ..Descent::default() };
            let batches = data.len().div_ceil(Descent::BATCH) as u64;
            let mut progress = Progress::new("descent", self.steps * batches, is_quiet());
            let begun = std::time::Instant::now();
            let mut told = Ok(());
            let found =
                invert(&network, &architecture, &data.images, conditions, &start, &descent, &mut |step, error| {
                    let rate = step as f64 / begun.elapsed().as_secs_f64();
                    match progress.watch(&Event::Losses { step, losses: &[("error", error)], rate }) {
                        Ok(wish) => wish,
                        Err(error) => {
                            told = Err(error);
                            ControlFlow::Break(())
                        }
                    }
                });
            progress.finish();
            told?;
            let found = found?.ok_or_else(|| {
                Error::invalid(
                    "stopped: the descent did not come to its end, and nothing was written; run the command again",
                )
            })?;
            self.write(&data, &found, architecture.latent)
        })
    }

    /// The pictures, in the generator's size and channels.
    fn pictures(&self, architecture: &Architecture) -> Result<Dataset> {
        let reading = self.reading.reading().of_size(architecture.size);
        let form = (architecture.size, architecture.channels);
        let files = || {
            let paths: Vec<PathBuf> = self.images.iter().take(self.count).map(PathBuf::from).collect();
            read_files(&paths, form, &reading)
        };
        let [one] = self.images.as_slice() else { return files() };
        let spec = match one.parse::<Spec>() {
            Ok(spec) => spec,
            Err(error) => match of_path(one) {
                Some(form) => form.parse()?,
                None if one.contains(':') => return Err(error),
                None => return files(),
            },
        };
        spec.read(Split::Train, &reading)?.first(self.count).fit(form.0, form.1)
    }

    /// The condition of each picture, where the generator is conditioned: its class, and features as they are drawn.
    fn conditions(&self, network: &Generator, architecture: &Architecture, data: &Dataset) -> Result<Option<Vec<f32>>> {
        let names = network.conditions().names();
        if architecture.classes == 0 && self.class.is_some() {
            let text = "--class needs a generator that was trained with --conditional, or by ctgan";
            return Err(Error::Usage(text.to_string()));
        }
        let asked = match &self.class {
            None => None,
            Some(class) => Some(names.find(class).ok_or_else(|| {
                let meant = did_you_mean(class, names.names().iter().map(String::as_str));
                Error::Usage(format!("--class {class} is none of this generator's classes{meant}: {names}"))
            })?),
        };
        if architecture.condition_length() == 0 {
            return Ok(None);
        }
        let own = |index: usize| -> Result<Option<u32>> {
            if architecture.classes == 0 || asked.is_some() {
                return Ok(asked);
            }
            let label = data.labels.as_ref().map(|labels| labels[index] as usize);
            let class = label.and_then(|label| names.named(&data.classes.names()[label]));
            class.map(Some).ok_or_else(|| {
                Error::Usage(format!(
                    "the generator is conditioned on classes, and the pictures' are not known to be of them: say --class, one of {names}"
                ))
            })
        };
        let device = crate::backend::Device::cpu();
        let mut rows = Vec::new();
        for index in 0..data.len() {
            let key = (self.seed, Purpose::SampleLatents, 0);
            let row = network.conditions().draw(&device, key, index, 1, own(index)?);
            rows.extend(row.expect("a conditioned generator").to_vec::<f32>()?);
        }
        Ok(Some(rows))
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
