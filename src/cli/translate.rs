//! `graft translate`: pairs of two domains, what both generators of a transfer make of the same latents.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::arguments::one_of;
use super::inversion::{Seeking, classes_of, pictures};
use super::judge::{interrupted, percent};
use super::output::is_quiet;
use super::progress::Progress;
use super::reading::ReadingOptions;
use super::sample::check_memory;
use super::signals::watch_for_interrupts;
use super::{Compute, count, named, seed, tell};
use crate::data::{Images, picture, read_rows};
use crate::error::{Error, Result};
use crate::experiment::report::{Facts, Page, Picture, Pictures, Slider};
use crate::experiment::translate::{Agreement, Pairs, Partners, Side, Translation};
use crate::gan::{Found, Latents};

/// Pairs in a grid, and in a row of it.
const SHOWN: usize = 50;
const COLUMNS: usize = 10;
const MARGIN: usize = 2;
/// Pictures of a pair.
const SIDES: usize = 2;
/// Pairs by which agreement is measured.
const MEASURED: usize = 2000;

/// Draw pairs of source and target from the same latents, or pictures of one side in the style of the other, and measure how far their classes agree
#[derive(Args)]
#[command(
    after_help = "RUN is one of `graft transfer`, or of a comparison, by TrGAN or CTGAN. The grid has rows of the source's samples, and below each the target's; where both know \
    classes, a pair is of one class. Of pictures, the grid has rows of them, below each what the generator of their own side makes of the latents that were found for them, and below that what the other's does.\n\nExamples:\n  graft translate runs/trgan-svhn-0\n  graft translate runs/ctgan-svhn-0 --class 3 --agreement --page threes.html --out threes.png\n  \
    graft translate runs/ctgan-svhn-0 --count 200 --files pairs --out many.png\n  graft translate runs/ctgan-svhn-0 seven.png --class 7 --out sevens.png\n  \
    graft translate runs/ctgan-svhn-0 folder:NUMBERS --of target --out numbers.png"
)]
pub struct Translate {
    /// The folder of a transfer's run
    run: PathBuf,
    /// Pictures to be drawn in the style of the other side: files, a folder of them, or a data set
    #[arg(value_name = "IMAGES", conflicts_with = "latents")]
    images: Vec<String>,
    /// The side that the pictures are of
    #[arg(long, value_name = "SIDE", value_parser = one_of::<Side>(), default_value_t = Side::Source, requires = "images")]
    of: Side,
    /// How many pairs [default: 50, or as many as --latents has or files are named; of a data set of pictures the first 50]
    #[arg(long, value_name = "N", value_parser = count)]
    count: Option<usize>,
    /// Latents of one's own, [n, latent], as `graft invert` writes them: pictures of the source, found through its generator, are then
    /// drawn in the target's style, and the other way
    #[arg(long, value_name = "FILE.npy", conflicts_with = "seed")]
    latents: Option<PathBuf>,
    /// Seed of the latents; of pictures, of what their latents are sought with
    #[arg(long, default_value_t = 0, value_name = "S", value_parser = seed())]
    seed: u64,
    /// A class of the target, by name or number, that both generators know, or that of the pictures [default: all of those in turn; of pictures their own]
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// The grid to write; nothing there is replaced
    #[arg(long, default_value = "pairs.png", value_name = "FILE.png")]
    out: PathBuf,
    /// A folder for the pairs, each in two PNG files; there must be none yet
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// A page with the pairs and a slider between both sides; nothing there is replaced
    #[arg(long, value_name = "FILE.html")]
    page: Option<PathBuf>,
    /// Measure in how many pairs judges of both domains see the same class, beside chance
    #[arg(long)]
    agreement: bool,
    #[command(flatten)]
    seeking: Seeking,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    compute: Compute,
}

/// Refuses more pairs than memory holds.
fn fits(translation: &Translation, pairs: usize) -> Result<()> {
    check_memory(translation.generator(Side::Target).0, pairs, SIDES, ("pictures of both sides", ""))
}

impl Translate {
    pub fn run(&self) -> Result<()> {
        let written = [("out", Some(&self.out)), ("page", self.page.as_ref()), ("files", self.files.as_ref())];
        for (option, path) in written {
            path.map_or(Ok(()), |path| super::check_vacant(option, path))?;
        }
        super::check_ending("out", &self.out, "png")?;
        self.page.as_deref().map_or(Ok(()), |page| super::check_ending("page", page, "html"))?;
        let paths: Vec<&PathBuf> = written.iter().filter_map(|(_, path)| *path).collect();
        if let Some(twice) = (1..paths.len()).find(|&at| paths[..at].contains(&paths[at])) {
            return Err(Error::Usage(format!(
                "{} would be written twice: name a file for each",
                paths[twice].display()
            )));
        }
        // Pairs alone end at once.
        if self.agreement || !self.images.is_empty() {
            watch_for_interrupts();
        }
        self.compute.run(|device| {
            let translation = Translation::read(&self.run, device)?;
            let given = self.latents.as_deref().map(read_rows).transpose()?;
            let latents = match &given {
                Some(([_, length], rows)) if *length == translation.latent() => Latents::Given(rows),
                Some(([_, length], _)) => {
                    let own = translation.latent();
                    let problem = format!("has rows of {length} numbers, and these generators' latents have {own}");
                    return Err(Error::option("latents", problem));
                }
                None => Latents::Drawn,
            };
            let most = given.as_ref().map(|([rows, _], _)| *rows);
            let several = (self.images.len() > 1).then_some(self.images.len());
            let count = self.count.or(most).or(several).unwrap_or(SHOWN);
            if self.images.is_empty() {
                fits(&translation, count)?;
            }
            let found = (!self.images.is_empty()).then(|| self.found(&translation, count)).transpose()?;
            if let Some(most) = most.filter(|&most| count > most) {
                return Err(Error::option("count", format!("takes at most the {most} of the latents, not {count}")));
            }
            let pairs = match &found {
                Some(OfPictures { found, classes, .. }) => {
                    translation.pairs_of(self.seed, &found.latents, classes.clone())?
                }
                None => translation.pairs(self.seed, latents, count, self.class.as_deref())?,
            };
            let count = pairs.target.count;
            let agreement = match self.agreement {
                true => {
                    let mut progress = Progress::new("judge", 0, is_quiet());
                    let found = translation.agreement(self.seed, MEASURED, &mut |event| progress.watch(event));
                    progress.finish();
                    Some(found?.ok_or_else(interrupted)?)
                }
                false => None,
            };
            // Pictures above what their own side's generator makes of their latents, and that above the other's.
            let shown = match (&found, self.of) {
                (None, _) => vec![&pairs.source, &pairs.target],
                (Some(OfPictures { pictures, .. }), Side::Source) => vec![pictures, &pairs.source, &pairs.target],
                (Some(OfPictures { pictures, .. }), Side::Target) => vec![pictures, &pairs.target, &pairs.source],
            };
            let all = picture::grid(&in_rows(&shown), COLUMNS, MARGIN);
            picture::write_png(&self.out, &all, 0)?;
            let mut written = vec![self.out.clone()];
            if let Some(folder) = &self.files {
                written.extend(files(folder, &pairs)?);
            }
            if let Some(page) = &self.page {
                self.page_of(&pairs, found.as_ref().map(|of| &of.pictures), agreement.as_ref()).write(page)?;
                written.push(page.clone());
            }
            let fields = json!({
                "files": written.iter().map(named).collect::<Vec<_>>(),
                "count": count,
                "classes": pairs.asked.as_ref().map(|asked| {
                    asked.iter().map(|&label| &pairs.names.names()[label as usize]).collect::<Vec<_>>()
                }),
                "agreement": agreement,
                "errors": found.as_ref().map(|of| &of.found.errors),
            });
            let shown = [Some(self.out.clone()), self.files.clone(), self.page.clone()];
            let mut lines: Vec<String> = shown.into_iter().flatten().map(|path| path.display().to_string()).collect();
            lines.extend(found.iter().map(|of| {
                let errors = &of.found.errors;
                let mean = errors.iter().sum::<f64>() / errors.len() as f64;
                format!("{} pictures of the {}, found to a mean error of {mean:.4}", errors.len(), self.of)
            }));
            lines.extend(agreement.iter().map(sentence));
            tell("translation", fields, lines.join("\n"));
            Ok(())
        })
    }

    /// The latents of the pictures, through the generator of their side.
    fn found(&self, translation: &Translation, count: usize) -> Result<OfPictures> {
        let (architecture, network) = translation.generator(self.of);
        let data = pictures(
            &self.images,
            count,
            &self.reading.over(translation.reading(self.of)),
            (architecture.size, architecture.channels),
        )?;
        let data = translation.named(self.of, data)?;
        fits(translation, data.len())?;
        let own = classes_of(self.class.as_deref(), network.conditions().names(), &data)?;
        // What the other side has not is said before anything is sought.
        let classes = translation.partners(self.of, own.clone())?;
        let found = self.seeking.found(network, architecture, &data, own.as_deref(), self.seed)?;
        let (target, _) = translation.generator(Side::Target);
        let pictures = data.fit(target.size, target.channels)?.images;
        Ok(OfPictures { pictures, found, classes })
    }

    /// The pairs, behind the pictures that they are of, if there are any, and then with the pictures' own side first.
    fn page_of(&self, pairs: &Pairs, pictures: Option<&Images>, agreement: Option<&Agreement>) -> Page {
        let grid = |name: &str, images: &Images| Picture::grid(name, images, COLUMNS);
        let mut sides = [("source", &pairs.source), ("target", &pairs.target)];
        if self.of == Side::Target {
            sides.reverse();
        }
        let [own, other] = sides;
        let mut slider = Slider::new("From one side to the other");
        let mut beside = Pictures::beside("The same latents");
        if let Some(pictures) = pictures {
            slider = slider.frame("pictures", vec![grid("pictures", pictures)]);
            beside = beside.picture(grid("pictures", pictures));
        }
        let slider = slider
            .frame(own.0, vec![grid(own.0, own.1)])
            .frame("both, one over the other", vec![grid("mixed", &mixed(pairs))])
            .frame(other.0, vec![grid(other.0, other.1)]);
        let beside = beside.picture(grid(own.0, own.1)).picture(grid(other.0, other.1));
        let which = pictures.map_or(String::new(), |_| format!(", those found for pictures of the {}", self.of));
        let mut page = Page::new(format!("Pairs of {}", self.run.display())).summary(format!(
            "Both generators are given the same latents{which}; where both know classes, a pair is of one class."
        ));
        for sentence in agreement.iter().map(|agreement| sentence(agreement)) {
            page = page.summary(sentence);
        }
        let facts = Facts::new("Settings").fact("pairs", pairs.target.count).fact("seed", self.seed);
        page.heading("Pairs").with(slider).with(beside).heading("Settings").with(facts)
    }
}

/// Pictures in the target's size and channels, what was found for them, and their classes on both sides.
struct OfPictures {
    pictures: Images,
    found: Found,
    classes: Partners,
}

/// What was measured, in a sentence.
fn sentence(agreement: &Agreement) -> String {
    let Agreement { count, agreement, chance, shuffled, judge_fd, floor, source_sure, source_real_sure, .. } =
        agreement;
    format!(
        "judges see the same class in {} of {count} pairs ({} by chance, {} where pairs are shuffled); judge-FD of the target's side {judge_fd:.1}, fresh \
         real images {floor:.1}; the source's judge is surer than 0.9 of {} of its side, and of {} of real images",
        percent(*agreement),
        percent(*chance),
        percent(*shuffled),
        percent(*source_sure),
        percent(*source_real_sure)
    )
}

/// Rows of one set of images, each above that of the next; what is left of the last ones is empty.
fn in_rows(sides: &[&Images]) -> Images {
    let [count, height, width, channels] = sides[0].shape();
    let blank = vec![255; height * width * channels];
    let mut pixels = Vec::new();
    for start in (0..count).step_by(COLUMNS) {
        for side in sides {
            for index in start..start + COLUMNS {
                match index < count {
                    true => pixels.extend_from_slice(&side.image(index)),
                    false => pixels.extend_from_slice(&blank),
                }
            }
        }
    }
    Images::new([sides.len() * count.div_ceil(COLUMNS) * COLUMNS, height, width, channels], pixels)
}

/// The mean of both sides.
fn mixed(pairs: &Pairs) -> Images {
    let both = pairs.source.pixels().iter().zip(pairs.target.pixels().iter()).map(|(a, b)| a.midpoint(*b)).collect();
    Images::new(pairs.target.shape(), both)
}

/// Writes each pair in two files; gives their paths.
fn files(folder: &Path, pairs: &Pairs) -> Result<Vec<PathBuf>> {
    crate::atomic::folder(folder, |within| {
        let mut written = Vec::new();
        for number in 0..pairs.target.count {
            let class = pairs.asked.as_ref().map_or(String::new(), |asked| {
                let name = &pairs.names.names()[asked[number] as usize];
                format!("-{}", name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect::<String>())
            });
            for (side, images) in [("source", &pairs.source), ("target", &pairs.target)] {
                let name = format!("{number:05}{class}-{side}.png");
                picture::write_png(&within.join(&name), &images.select(&[number]), 0)?;
                written.push(folder.join(name));
            }
        }
        Ok(written)
    })
}
