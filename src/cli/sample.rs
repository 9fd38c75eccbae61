//! `graft sample`: images from a checkpoint's generator.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::arguments::one_of;
use super::{Compute, count, named, seed, tell};
use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::data::{Images, animation, picture, read_rows};
use crate::error::{Error, Result, did_you_mean};
use crate::gan::{Architecture, FeatureSource, Generator, Latents, interpolate, load_generator, sample_of};
use crate::memory::available_memory;
use crate::random::Purpose;
use crate::run::Named;

/// How many images there are unless something else is said.
const COUNT: usize = 64;

/// Draw images from a trained generator
#[derive(Args)]
#[command(after_help = "Examples:\n  graft sample runs/dcgan-strokes-0 --count 64 --out digits.png\n  \
    graft sample last.safetensors --count 1000 --format npy --out digits.npy\n  \
    graft sample last.safetensors --class 7 --format png --out sevens/\n  graft sample runs/tgan-street-0 --feature-source mix\n  \
    graft sample runs/trgan-street-0 --interpolate 8\n  graft sample runs/trgan-street-0@best --frames 40 --count 16 --out walk.gif")]
pub struct Sample {
    /// A checkpoint, the folder of a run, or RUN@STEP or RUN@best for a checkpoint that was kept
    checkpoint: PathBuf,
    /// How many images [default: 64, or as many as --latents has]
    #[arg(long, value_name = "N", value_parser = count)]
    count: Option<usize>,
    /// Seed of the latents
    #[arg(long, default_value_t = 0, value_name = "S", value_parser = seed())]
    seed: u64,
    /// Only this class, by name or number (of a generator trained with --conditional; else all classes in turn)
    #[arg(long, value_name = "K")]
    class: Option<String>,
    /// How features are drawn (of a generator trained by tgan, or with --ctgan-features): one of the bank's, from a normal
    /// distribution with its mean and covariance, or between two of them
    #[arg(long, value_parser = one_of::<FeatureSource>(), value_name = "SOURCE", hide_short_help = true)]
    feature_source: Option<FeatureSource>,
    /// Draw components of latents again until they are within PSI of 0
    ///
    /// PSI is a number from 0.01 up: the smaller, the more alike samples are, and often the better
    #[arg(long, value_name = "PSI", value_parser = bound)]
    truncation: Option<f64>,
    /// Latents of one's own, [n, latent], as `graft invert` writes them
    #[arg(long, value_name = "FILE.npy", conflicts_with = "truncation")]
    latents: Option<PathBuf>,
    /// Rows of N images each, a row from one latent to the next
    ///
    /// --count is rounded down to whole rows. In a .gif the columns are frames
    #[arg(long, value_name = "N", value_parser = count, conflicts_with = "frames")]
    interpolate: Option<usize>,
    /// An animation of N frames, each of --count latents going to the next
    ///
    /// The file is a .gif, or a .png, which is then an animated PNG
    #[arg(long, value_name = "N", value_parser = count)]
    frames: Option<usize>,
    /// One picture, a grid; a folder of PNGs; or one u8 array [n, h, w, c] in NumPy's format
    #[arg(long, value_enum, default_value_t = Format::Grid)]
    format: Format,
    /// Where to write, a grid as its name ends: .png, .jpg or .gif
    ///
    /// Nothing there is replaced [default: samples.png, samples or samples.npy; samples.gif with --frames]
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

/// What a grid is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Picture {
    Png,
    /// A PNG that moves where there are steps of a way.
    Apng,
    Jpeg,
    Gif,
}

impl Picture {
    /// What a name ends in; PNG where it ends in nothing.
    fn of(path: &Path) -> Option<Picture> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            None | Some("png") => Some(Picture::Png),
            Some("apng") => Some(Picture::Apng),
            Some("jpg" | "jpeg") => Some(Picture::Jpeg),
            Some("gif") => Some(Picture::Gif),
            _ => None,
        }
    }
}

/// A bound on components of latents.
fn bound(text: &str) -> Result<f64, String> {
    let bound = text.parse().ok().filter(|bound: &f64| bound.is_finite() && *bound >= Latents::LEAST_BOUND);
    bound.ok_or_else(|| format!("takes a number from {} up", Latents::LEAST_BOUND))
}

impl Sample {
    pub fn run(&self) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| {
            PathBuf::from(match self.format {
                Format::Grid if self.frames.is_some() => "samples.gif",
                Format::Grid => "samples.png",
                Format::Png => "samples",
                Format::Npy => "samples.npy",
            })
        });
        super::check_vacant("out", &out)?;
        let written = self.written_as(&out)?;
        let given = self.latents.as_deref().map(read_rows).transpose()?;
        let count = self.counted(given.as_ref().map(|([count, _], _)| *count))?;
        let path = Named::find(&self.checkpoint)?.file;
        let checkpoint = Checkpoint::read(&path)?;
        let steps = self.interpolate.or(self.frames);
        // Of an animation each of so many images has its own way.
        let rows = if self.frames.is_some() { count } else { count / steps.unwrap_or(1) };
        let images = self.compute.run(|device| {
            let (architecture, network) = self.generator(&checkpoint, device).map_err(|error| match error {
                // Of the checkpoint's header, and no option of this command.
                Error::Invalid(_) | Error::Option { .. } => Error::invalid(format!("{}: {error}", path.display())),
                other => other,
            })?;
            let latents = self.drawn(given.as_ref(), &architecture)?;
            let class = self.class(&network, &architecture)?;
            let over = if self.frames.is_some() { steps.unwrap_or(1) } else { 1 };
            let words = match over {
                1 => ("images", ", and more with another --seed"),
                _ => ("images over all frames", ", or fewer --frames, and more with another --seed"),
            };
            check_memory(&architecture, count, over, words)?;
            let key = (self.seed, Purpose::SampleLatents);
            match steps {
                Some(steps) => interpolate(&network, &architecture, key, latents, [rows, steps], class),
                None => sample_of(&network, &architecture, key, latents, count, class),
            }
        })?;
        match self.format {
            Format::Grid => atomic::write(&out, &encoded(&images, written, steps, self.frames.is_some())?)?,
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

    /// What a grid is written as; refuses names that end in something else than what would be written.
    fn written_as(&self, out: &Path) -> Result<Picture> {
        let out_ends = |what: &str| Err(Error::Usage(format!("--out {} {what}", out.display())));
        let picture = Picture::of(out);
        let has_ending = out.extension().is_some();
        match self.format {
            Format::Grid => match picture {
                Some(Picture::Jpeg) if self.frames.is_some() => {
                    out_ends("cannot hold --frames: name a file that ends in .gif, or in .png for an animated PNG")
                }
                Some(picture) => Ok(picture),
                None => out_ends("ends in no picture's name: name a file that ends in .png, .jpg or .gif"),
            },
            _ if self.frames.is_some() => {
                let problem = "--frames makes one picture that moves: leave out --format, and name a .gif or .png";
                Err(Error::Usage(problem.to_string()))
            }
            Format::Npy if has_ending && out.extension() != Some("npy".as_ref()) => {
                out_ends("is written as NumPy's array: name a file that ends in .npy, or leave out --format npy")
            }
            Format::Png if has_ending && picture.is_some() => {
                out_ends("is written as a folder of PNGs: name a folder, or leave out --format png for one picture")
            }
            _ => Ok(Picture::Png),
        }
    }

    /// How many images, of so many latents where they are given.
    fn counted(&self, given: Option<usize>) -> Result<usize> {
        let count = self.count.unwrap_or(given.unwrap_or(COUNT));
        if let Some(steps) = self.interpolate.filter(|&steps| steps < 2 || steps > count && given.is_none()) {
            return Err(Error::Usage(format!("--interpolate takes a number from 2 to --count {count}, not {steps}")));
        }
        if self.frames.is_some_and(|frames| frames < 2) {
            return Err(Error::Usage("--frames takes a number from 2 up".to_string()));
        }
        let Some(given) = given else { return Ok(count) };
        // Of ways between them there is one less.
        let ways = given - 1;
        let (most, count) = match (self.interpolate, self.frames) {
            (None, None) => (given, count),
            (Some(steps), _) => (ways * steps, self.count.unwrap_or(ways * steps)),
            (None, Some(_)) => (ways, self.count.unwrap_or(ways)),
        };
        match count {
            0 => Err(Error::Usage("--latents has one latent: a way needs another to go to".to_string())),
            _ if count > most => {
                Err(Error::Usage(format!("--count {count} is more than --latents has: take at most {most}")))
            }
            _ if self.interpolate.is_some_and(|steps| steps > count) => {
                let steps = self.interpolate.unwrap_or_default();
                Err(Error::Usage(format!("--interpolate takes a number from 2 to --count {count}, not {steps}")))
            }
            _ => Ok(count),
        }
    }

    /// The generator, drawing its features as asked for.
    fn generator(&self, checkpoint: &Checkpoint, device: &crate::backend::Device) -> Result<(Architecture, Generator)> {
        let (architecture, mut network) = load_generator(checkpoint, device)?;
        if let Some(feature_source) = self.feature_source {
            if !network.conditions().has_features() {
                let text = "--feature-source needs a generator that is given features: one trained by tgan";
                return Err(Error::Usage(text.to_string()));
            }
            network.set_conditions(network.conditions().clone().with_feature_source(feature_source));
        }
        Ok((architecture, network))
    }

    /// Where its latents come from.
    fn drawn<'l>(&self, given: Option<&'l ([usize; 2], Vec<f32>)>, architecture: &Architecture) -> Result<Latents<'l>> {
        match (given, self.truncation) {
            (Some(([_, length], rows)), _) if *length == architecture.latent => Ok(Latents::Given(rows)),
            (Some(([_, length], _)), _) => Err(Error::Usage(format!(
                "--latents has rows of {length} numbers, and this generator's latents have {}",
                architecture.latent
            ))),
            (None, Some(bound)) => Ok(Latents::Within(bound)),
            (None, None) => Ok(Latents::Drawn),
        }
    }

    /// The class that is asked for.
    fn class(&self, network: &Generator, architecture: &Architecture) -> Result<Option<u32>> {
        let names = network.conditions().names();
        match self.class.as_ref().map(|class| (class, names.find(class))) {
            Some(_) if architecture.classes == 0 => Err(Error::Usage(
                "--class needs a generator that was trained with --conditional, or by ctgan".to_string(),
            )),
            Some((class, None)) => {
                let last = architecture.classes - 1;
                let numbered = names.names().iter().enumerate().all(|(number, name)| *name == number.to_string());
                let meant = did_you_mean(class, names.names().iter().map(String::as_str));
                let names = if numbered { String::new() } else { format!(" or {names}") };
                Err(Error::Usage(format!(
                    "--class {class} is none of this generator's classes 0 to {last}{names}{meant}"
                )))
            }
            asked => Ok(asked.and_then(|(_, class)| class)),
        }
    }
}

/// Refuses more images than memory holds, each so many times over; they are called `images`, and `advice` follows how many fit.
pub(super) fn check_memory(
    architecture: &Architecture,
    count: usize,
    times: usize,
    (images, advice): (&str, &str),
) -> Result<()> {
    /// A number comes from the network in four bytes (twice that while the list of them grows), becomes a byte, and is
    /// copied into the grid and into the file.
    const BYTES_A_NUMBER: f64 = 8.0 + 3.0;
    let each = (architecture.size * architecture.size * architecture.channels) as f64 * BYTES_A_NUMBER * times as f64;
    let most = available_memory().map_or(usize::MAX, |bytes| (bytes as f64 / each) as usize);
    if count > most {
        return Err(Error::invalid(format!(
            "{} {images} do not fit into memory: take --count {most} at most{advice}",
            count.saturating_mul(times)
        )));
    }
    Ok(())
}

/// The bytes of a picture of all images: a grid, whose columns are the steps of a way where there is one; in a GIF, and where it moves, the
/// steps come one after the other.
fn encoded(images: &Images, written: Picture, steps: Option<usize>, moves: bool) -> Result<Vec<u8>> {
    let grid = |images: &Images, columns: usize| picture::grid(images, columns, MARGIN);
    if let Some(steps) = steps.filter(|_| moves || matches!(written, Picture::Gif | Picture::Apng)) {
        let at =
            |step: usize| images.select(&(0..images.count / steps).map(|row| row * steps + step).collect::<Vec<_>>());
        let frames: Vec<Images> = (0..steps).map(|step| grid(&at(step), nearly_square(images.count / steps))).collect();
        let [_, height, width, channels] = frames[0].shape();
        let pixels = frames.into_iter().flat_map(Images::into_pixels).collect();
        let frames = Images::new([steps, height, width, channels], pixels);
        check_sides(&frames, written)?;
        let is_gif = written == Picture::Gif;
        return Ok(if is_gif { animation::encode_gif(&frames) } else { animation::encode_apng(&frames) });
    }
    let grid = grid(images, steps.unwrap_or(nearly_square(images.count)));
    check_sides(&grid, written)?;
    Ok(match written {
        Picture::Png | Picture::Apng => picture::encode_png(&grid, 0),
        Picture::Jpeg => animation::encode_jpeg(&grid, 0),
        Picture::Gif => animation::encode_gif(&grid),
    })
}

/// Refuses a picture whose sides its format cannot count.
fn check_sides(grid: &Images, written: Picture) -> Result<()> {
    const MOST: usize = u16::MAX as usize;
    let fits = matches!(written, Picture::Png | Picture::Apng) || grid.width.max(grid.height) <= MOST;
    let (width, height) = (grid.width, grid.height);
    fits.then_some(()).ok_or_else(|| {
        Error::invalid(format!(
            "the picture has {width}x{height} pixels, and sides of JPEG and GIF end at {MOST}: take fewer images, or write a .png"
        ))
    })
}

/// Pixels between the images of a grid.
const MARGIN: usize = 2;

/// The columns of a nearly square grid.
fn nearly_square(count: usize) -> usize {
    (count as f64).sqrt().ceil() as usize
}

/// Writes images as one nearly square grid.
pub fn write_grid(path: &Path, images: &Images) -> Result<()> {
    picture::write_png(path, &picture::grid(images, nearly_square(images.count), MARGIN), 0)
}
