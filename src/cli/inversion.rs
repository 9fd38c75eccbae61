//! What commands share that find latents of pictures: which pictures, of which classes, and how they are sought.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::output::is_quiet;
use super::progress::Progress;
use super::{count, steps};
use crate::backend::Device;
use crate::data::{Classes, Dataset, Reading, Spec, Split, of_path, read_files};
use crate::error::{Error, Result, did_you_mean};
use crate::gan::{Architecture, Descent, Found, Generator, guessed, invert, nearer, nearest_samples};
use crate::random::Purpose;
use crate::run::Event;

/// How latents of pictures, the argument `images`, are sought.
#[derive(Args)]
pub struct Seeking {
    /// Steps of the descent on a picture's error
    #[arg(long, default_value_t = Descent::default().steps, value_name = "N", value_parser = steps(), requires = "images")]
    pub steps: u64,
    /// Steps in which an encoder learns first, on the generator's samples, to guess latents, as pays for many pictures; 0 for no guess
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1_000_000), requires = "images")]
    pub guess_steps: u64,
    /// Samples whose nearest a descent starts from, where it is nearer than the guess
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count, requires = "images")]
    pub starts: usize,
}

/// The first pictures of files, of a folder of them or of a data set, in a network's size and channels.
pub fn pictures(images: &[String], most: usize, reading: &Reading, form: (usize, usize)) -> Result<Dataset> {
    let reading = reading.of_size(form.0);
    let files = || {
        let paths: Vec<PathBuf> = images.iter().take(most).map(PathBuf::from).collect();
        read_files(&paths, form, &reading)
    };
    let [one] = images else { return files() };
    let spec = match one.parse::<Spec>() {
        Ok(spec) => spec,
        Err(error) => match of_path(one) {
            Some(form) => form.parse()?,
            None if one.contains(':') && !Path::new(one).is_file() => return Err(error),
            None => return files(),
        },
    };
    spec.read(Split::Train, &reading)?.first(most).fit(form.0, form.1)
}

/// The class of each picture, by a generator's numbers: the one that is asked for, or their own; None where the generator has none.
pub fn classes_of(asked: Option<&str>, names: &Classes, data: &Dataset) -> Result<Option<Vec<u32>>> {
    if names.is_empty() {
        return match asked {
            None => Ok(None),
            Some(_) => {
                let text = "--class needs a generator that was trained with --conditional, or by ctgan";
                Err(Error::Usage(text.to_string()))
            }
        };
    }
    if let Some(class) = asked {
        let label = names.find(class).ok_or_else(|| {
            let meant = did_you_mean(class, names.names().iter().map(String::as_str));
            Error::Usage(format!("--class {class} is none of this generator's classes{meant}: {names}"))
        })?;
        return Ok(Some(vec![label; data.len()]));
    }
    let own = |index: usize| -> Result<u32> {
        let label = data.labels.as_ref().map(|labels| labels[index] as usize);
        label.and_then(|label| names.named(&data.classes.names()[label])).ok_or_else(|| {
            Error::Usage(format!(
                "the generator is conditioned on classes, and the pictures' are not known to be of them: say --class, one of {names}"
            ))
        })
    };
    (0..data.len()).map(own).collect::<Result<_>>().map(Some)
}

impl Seeking {
    /// The latents of pictures, of these classes where the generator has such; features of a condition are as they are drawn. People are told
    /// how far it is, and may stop it.
    pub fn found(
        &self,
        network: &Generator,
        architecture: &Architecture,
        data: &Dataset,
        classes: Option<&[u32]>,
        seed: u64,
    ) -> Result<Found> {
        let pictures = &data.images;
        let conditions = conditions(network, architecture, classes, pictures.count, seed)?;
        let conditions = conditions.as_deref();
        let mut start = nearest_samples(network, architecture, pictures, conditions, (seed, self.starts))?;
        if self.guess_steps > 0 {
            let key = (seed, self.guess_steps);
            let guess = watched("encoder", key.1, |watcher| guessed(network, architecture, pictures, key, watcher))?;
            start = nearer(network, architecture, pictures, conditions, [&guess, &start])?;
        }
        let descent = Descent { steps: self.steps, ..Descent::default() };
        let batches = pictures.count.div_ceil(Descent::BATCH) as u64;
        watched("descent", self.steps * batches, |watcher| {
            invert(network, architecture, pictures, conditions, &start, &descent, watcher)
        })
    }
}

/// The condition of each picture, where the generator is conditioned.
fn conditions(
    network: &Generator,
    architecture: &Architecture,
    classes: Option<&[u32]>,
    count: usize,
    seed: u64,
) -> Result<Option<Vec<f32>>> {
    if architecture.condition_length() == 0 {
        return Ok(None);
    }
    let device = Device::cpu();
    let mut rows = Vec::new();
    for index in 0..count {
        let key = (seed, Purpose::SampleLatents, 0);
        let class = classes.map(|classes| classes[index]);
        let row = network.conditions().draw(&device, key, index, 1, class);
        rows.extend(row.expect("a conditioned generator").to_vec::<f32>()?);
    }
    Ok(Some(rows))
}

/// What `work` gives, of whose steps and errors people are told, and which they may stop.
fn watched<T>(
    name: &str,
    steps: u64,
    work: impl FnOnce(&mut dyn FnMut(u64, f64) -> ControlFlow<()>) -> Result<Option<T>>,
) -> Result<T> {
    let mut progress = Progress::new(name, steps, is_quiet());
    let begun = Instant::now();
    let mut told = Ok(());
    let given = work(&mut |step, error| {
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
    given?.ok_or_else(|| {
        let text = "did not come to its end, and nothing was written; run the command again";
        Error::invalid(format!("stopped: the {name} {text}"))
    })
}
