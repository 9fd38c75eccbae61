//! Reports: one HTML file each, which needs nothing beside it, asks nothing of a network, and reads well on a phone, on paper,
//! in light and in dark.
//!
//! A [`Page`] is a title, sentences, a command, and then [`Element`]s in order. [`write()`] writes that of a run; the page of a comparison is filled like this:
//!
//! ```
//! use graft::experiment::report::{Entry, Facts, Note, Page, Picture, Pictures, Plot, Series, Slider, Table, Verdict};
//! # use graft::data::Images;
//! # let images = Images::new([4, 2, 2, 1], vec![128; 16]);
//! # let (source, transferred, scratch, real) = (&images, &images, &images, &images);
//!
//! let fd = Plot::new("Judge-FD over target steps", "target steps")
//!     .log_y()
//!     .series(Series::new("scratch", [(0.0, 431.0), (500.0, 202.0), (1500.0, 96.0)]))
//!     .series(
//!         Series::new("trgan", [(0.0, 260.0), (500.0, 110.0), (1500.0, 61.0)])
//!             .band([(0.0, 251.0, 270.0), (500.0, 101.0, 119.0), (1500.0, 57.0, 66.0)]),
//!     )
//!     .reference("floor", 5.1);
//! let arms = Table::new("Arms", &["arm", "judge-FD", "against scratch"])
//!     .row(vec![Entry::text("scratch"), Entry::number(96.0, 1).floor(5.1), Entry::Missing])
//!     .row(vec![
//!         Entry::text("trgan"),
//!         Entry::number(61.0, 1).interval(57.0, 66.0).floor(5.1).best(),
//!         Entry::Verdict(Verdict::Helps),
//!     ]);
//! let page = Page::new("TrGAN on street")
//!     .summary("At equal steps FD 61 instead of 96.")
//!     .command("graft compare --arms scratch,trgan")
//!     .heading("Results")
//!     .with(arms)
//!     .with(fd)
//!     .with(Note::warning("One seed is no evidence."))
//!     .heading("Samples")
//!     .with(
//!         Pictures::stacked("The same latents")
//!             .picture(Picture::grid("G_s(z)", source, 4))
//!             .picture(Picture::grid("G_t(z)", transferred, 4)),
//!     )
//!     .with(
//!         Slider::new("Over target steps")
//!             .frame("step 0", vec![Picture::grid("scratch", scratch, 2), Picture::grid("trgan", source, 2)])
//!             .frame("step 1,500", vec![Picture::grid("scratch", scratch, 2), Picture::grid("trgan", transferred, 2)]),
//!     )
//!     .with(Pictures::beside("Real images").picture(Picture::grid("street", real, 2)))
//!     .with(Facts::new("Settings").fact("target", "synthetic:street").group("recipe").fact("batch", 64));
//! assert!(page.to_html().starts_with("<!doctype html>"));
//! ```

mod axis;
mod classification;
mod comparison;
mod number;
mod pictures;
mod plot;
mod run;
mod search;
mod series;
mod table;
mod transfer;
mod words;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use classification::of_classification;
pub use comparison::of_comparison;
pub use pictures::{Picture, Pictures, Slider};
pub use plot::Plot;
pub use run::{curves, of_run, samples, settings};
pub use series::Series;
pub use table::{Entry, Table};
pub use transfer::of_transfer;

pub use super::verdict::Verdict;
pub use crate::html::Html;
pub use words::{Facts, Note};

use crate::atomic;
use crate::data::Images;
use crate::error::Result;
use crate::html::{self, STYLE};
use crate::run::RunFolder;
use crate::transfer::TrainedOn;

/// The commands that a report shows.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// The one that makes the same run again.
    pub again: Option<String>,
    /// Of a transfer with `scratch` beside it, the one that compares the two over several seeds.
    pub compare: Option<String>,
}

/// Writes `report.html` of a run of [`RunFolder::train`] or [`transfer::run`](crate::transfer::run()) into its folder, as far as the
/// run got; gives its path. The report of a transfer shows images that it was trained on: those in `real`, where there are any.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) where files cannot be read or written; [`Error::Invalid`](crate::Error::Invalid) where they are not what
/// graft wrote.
pub fn write(folder: &RunFolder, commands: &Commands, real: Option<&Images>) -> Result<PathBuf> {
    page(folder, commands, real)?.write(&folder.report())?;
    Ok(folder.report())
}

/// The page that [`write()`] writes.
///
/// # Errors
/// As [`write()`].
pub fn page(folder: &RunFolder, commands: &Commands, real: Option<&Images>) -> Result<Page> {
    match TrainedOn::read(folder)? {
        TrainedOn::Train(_) => of_run(folder, commands),
        TrainedOn::Transfer(plan) => of_transfer(folder, &plan, real, commands),
    }
}

const SCRIPT: &str = include_str!("page.js");

/// A part of a page.
pub trait Element {
    /// Writes itself.
    fn render(&self, html: &mut Html);

    /// The style and the program that the page needs for it, beside its own; a page has one such part at most.
    fn own(&self) -> Option<Own> {
        None
    }
}

/// What a part of a page brings with it.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    style: &'static str,
    script: &'static str,
}

#[cfg(feature = "gpu")]
impl Element for crate::interchange::Live {
    fn render(&self, html: &mut Html) {
        html.leaf("h2", &[], &format!("Drawn here: {}", self.title()));
        crate::interchange::Live::render(self, html);
    }

    fn own(&self) -> Option<Own> {
        Some(Own { style: Self::STYLE, script: Self::SCRIPT })
    }
}

/// A report.
pub struct Page {
    title: String,
    summary: Vec<String>,
    command: Option<String>,
    elements: Vec<Box<dyn Element>>,
}

impl Page {
    /// A page with a title alone.
    pub fn new(title: impl Into<String>) -> Page {
        Page { title: title.into(), summary: Vec::new(), command: None, elements: Vec::new() }
    }

    /// With one more sentence under the title: what came out.
    pub fn summary(mut self, sentence: impl Into<String>) -> Page {
        self.summary.push(sentence.into());
        self
    }

    /// With the command that makes the same again.
    pub fn command(mut self, command: impl Into<String>) -> Page {
        self.command = Some(command.into());
        self
    }

    /// With a heading over what follows.
    pub fn heading(self, text: impl Into<String>) -> Page {
        self.with(Heading(text.into()))
    }

    /// With one more part.
    pub fn with(mut self, element: impl Element + 'static) -> Page {
        self.elements.push(Box::new(element));
        self
    }

    /// With one more part, before all others.
    pub fn opening_with(mut self, element: impl Element + 'static) -> Page {
        self.elements.insert(0, Box::new(element));
        self
    }

    /// What a part brings with it, where one does.
    fn own(&self) -> Option<Own> {
        self.elements.iter().find_map(|element| element.own())
    }

    /// The file's text.
    pub fn to_html(&self) -> String {
        let mut html = Html::default();
        html.raw("<!doctype html>\n");
        html.element("html", &[("lang", "en")], |html| {
            html.element("head", &[], |html| self.head(html));
            html.element("body", &[], |html| {
                html.element("main", &[], |html| self.content(html));
                html.element("footer", &[], |html| html.text(&format!("graft {}", env!("CARGO_PKG_VERSION"))));
                html.element("script", &[], |html| html.raw(SCRIPT));
                if let Some(own) = self.own() {
                    html.element("script", &[], |html| html.raw(own.script));
                }
            });
        });
        html.finish()
    }

    /// Writes the file; it is whole or absent.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        atomic::write(path, self.to_html().as_bytes())
    }

    fn head(&self, html: &mut Html) {
        html.void("meta", &[("charset", "utf-8")]);
        html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
        html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
        // The browser itself refuses every request, and every script but this one.
        let digest = |script: &str| format!("'sha256-{}'", html::base64(&Sha256::digest(script)));
        // A part that computes does so in a worker, which the page makes of a text in it.
        let (scripts, workers) = match self.own() {
            Some(own) => (format!("{} {}", digest(SCRIPT), digest(own.script)), "worker-src blob:; "),
            None => (digest(SCRIPT), ""),
        };
        let policy = format!(
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {scripts}; {workers}base-uri 'none'; form-action 'none'"
        );
        html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)]);
        html.leaf("title", &[], &format!("{} · graft", self.title));
        html.void("link", &[("rel", "icon"), ("href", "data:,")]);
        html.element("style", &[], |html| html.raw(STYLE));
        if let Some(own) = self.own() {
            html.element("style", &[], |html| html.raw(own.style));
        }
    }

    fn content(&self, html: &mut Html) {
        html.element("header", &[], |html| {
            html.leaf("h1", &[], &self.title);
            for sentence in &self.summary {
                html.leaf("p", &[("class", "lead")], sentence);
            }
            if let Some(command) = &self.command {
                html.element("pre", &[("class", "command")], |html| {
                    html.element("code", &[], |html| {
                        // Lines break between words, and not behind the hyphens of an option.
                        for (number, line) in command.lines().enumerate() {
                            html.text(if number > 0 { "\n" } else { "" });
                            for (index, word) in line.split(' ').enumerate() {
                                html.text(if index > 0 { " " } else { "" });
                                html.leaf("span", &[], word);
                            }
                        }
                    });
                });
            }
        });
        for element in &self.elements {
            element.render(html);
        }
    }
}

struct Heading(String);

impl Element for Heading {
    fn render(&self, html: &mut Html) {
        html.leaf("h2", &[], &self.0);
    }
}
