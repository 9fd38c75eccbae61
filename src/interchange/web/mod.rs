//! `--format web`: a page in which a generator draws, on the viewer's own gpu through WebGPU, by the shaders of the native device.
//!
//! The page holds recordings of forward passes (`passes`), the weights, and programs that know no network: `card.js` replays a recording on
//! the gpu, `processor.js` on the cpu, in a worker with one loop a kind of kernel (`loops.js`); `draws.js` draws latents and conditions,
//! `link.js` has the view and its link, `grid.js` the pictures, and `page.js` is what a person does. It asks nothing of a network, and a
//! policy forbids the browser to.

mod conditions;
mod directions;
mod functions;
mod markup;
mod passes;
mod weights;

use std::path::Path;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::networks::check_raw;
use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator, Role, load_generator, load_raw_generator};
use crate::html::{Html, STYLE, base64};
use crate::transfer::surgery::Surgery;
use weights::{Precision, Weights};

/// What is drawn: a generator, and where it was transferred the one that it came from.
#[derive(Debug)]
pub struct Drawn {
    architecture: Architecture,
    generator: Generator,
    source: Option<Generator>,
}

impl Drawn {
    /// The generator of a checkpoint: its average, or where `raw` the weights as training left them.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the checkpoint is none of graft's, or its tensors do not fit its header.
    pub fn load(checkpoint: &Checkpoint, raw: bool) -> Result<Drawn> {
        let device = Device::cpu();
        let (architecture, generator) = match raw {
            false => load_generator(checkpoint, &device)?,
            true => {
                check_raw(checkpoint)?;
                let (architecture, average) = load_raw_generator(checkpoint, &device)?;
                (architecture, average.into_network())
            }
        };
        Ok(Drawn { architecture, generator, source: None })
    }

    /// The generator of a source's checkpoint, in the shape that a transfer to this one gives it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where that fits neither as it is nor by the changes of a transfer.
    pub fn source(&self, source: &Checkpoint) -> Result<Generator> {
        let device = Device::cpu();
        let (architecture, theirs) = load_generator(source, &device)?;
        if architecture.latent != self.architecture.latent {
            return Err(Error::invalid(format!(
                "the source's generator takes {} latents and the target's {}",
                architecture.latent, self.architecture.latent
            )));
        }
        let surgery = Surgery::new(Role::Generator, &architecture, &self.architecture)?;
        let moved = surgery.tensors(&[theirs.parameters(), theirs.statistics()].concat(), &device)?;
        let generator = Generator::new(&device, &self.architecture, 0);
        // What the source has no place for, matrices of conditions, is drawn as zeros.
        moved.apply(&[generator.parameters(), generator.statistics()].concat());
        Ok(generator)
    }

    /// With the generator that it came from beside it.
    pub fn beside(self, source: Generator) -> Drawn {
        Drawn { source: Some(source), ..self }
    }
}

/// The part of a page in which a generator draws.
#[derive(Clone, Debug)]
pub struct Live {
    title: String,
    about: String,
    shown: Shown,
    recording: String,
    weights: Vec<String>,
}

/// What there are controls for.
#[derive(Clone, Debug)]
struct Shown {
    pair: bool,
    classes: Vec<String>,
    /// Whether classes have probabilities, by which they are drawn; else they come in turn.
    by_frequency: bool,
    /// Where not all rows of the bank of features travel: how many do, of how many.
    thinned: Option<[usize; 2]>,
    directions: usize,
}

impl Live {
    /// The program that has to stand behind it.
    pub(crate) const SCRIPT: &str = concat!(
        include_str!("card.js"),
        include_str!("processor.js"),
        include_str!("draws.js"),
        include_str!("link.js"),
        include_str!("grid.js"),
        include_str!("page.js"),
    );
    /// The style that it has beside that of all pages.
    pub(crate) const STYLE: &str = include_str!("page.css");

    /// Of what is drawn, under a title; weights in all 32 bits where `exact`, else filters in 16.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a kernel runs that the page does not know, one image takes more than WebGPU grants, or a weight is not finite;
    /// the device's first failure.
    pub fn new(drawn: &Drawn, title: impl Into<String>, exact: bool) -> Result<Live> {
        let Drawn { architecture, generator, source } = drawn;
        let networks: Vec<&Generator> = source.iter().chain([generator]).collect();
        let weights = Weights::new(&networks, if exact { Precision::Full } else { Precision::Half })?;
        let mut recording = passes::passes(architecture)?;
        let described = recording["weights"].as_array_mut().expect("a list of weights");
        for (weight, half) in described.iter_mut().zip(&weights.halves) {
            weight["half"] = json!(half);
        }
        let directions = directions::directions(architecture, generator)?;
        let (conditions, thinned) = conditions::described(architecture, generator.conditions());
        let shown = Shown {
            pair: source.is_some(),
            classes: generator.conditions().names().names().to_vec(),
            by_frequency: generator.conditions().frequencies().is_some(),
            thinned,
            directions: directions.len(),
        };
        let about = format!(
            "{}'s generator of {size}x{size} images, width {}",
            architecture.network.title(),
            architecture.features,
            size = architecture.size,
        );
        let of_network = json!({
            "size": architecture.size, "channels": architecture.channels, "latent": architecture.latent,
            "directions": directions, "conditions": conditions,
        });
        let whole = [recording, of_network].into_iter().filter_map(|part| part.as_object().cloned());
        let whole: Map<String, Json> = whole.flatten().collect();
        Ok(Live {
            title: title.into(),
            about,
            shown,
            recording: escaped(&Json::Object(whole)),
            weights: weights.bytes.iter().map(|bytes| base64(bytes)).collect(),
        })
    }

    /// What it is called.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The file's text.
    pub fn to_html(&self) -> String {
        let mut html = Html::default();
        html.raw("<!doctype html>\n");
        html.element("html", &[("lang", "en")], |html| {
            html.element("head", &[], |html| {
                html.void("meta", &[("charset", "utf-8")]);
                html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
                html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
                let policy = format!(
                    "default-src 'none'; img-src data:; style-src 'sha256-{}' 'sha256-{}'; script-src 'sha256-{}'; worker-src blob:; \
                     base-uri 'none'; form-action 'none'",
                    digest(STYLE),
                    digest(Self::STYLE),
                    digest(Self::SCRIPT)
                );
                html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)]);
                // A title has no markup: marks (Unicode's isolates) keep letters from right to left to the name.
                html.leaf("title", &[], &format!("\u{2068}{}\u{2069} · graft", self.title));
                html.void("link", &[("rel", "icon"), ("href", "data:,")]);
                html.element("style", &[], |html| html.raw(STYLE));
                html.element("style", &[], |html| html.raw(Self::STYLE));
            });
            html.element("body", &[("class", "alone")], |html| {
                html.element("main", &[], |html| {
                    html.element("header", &[], |html| {
                        html.leaf("h1", &[], &self.title);
                        html.leaf("p", &[("class", "soft")], &format!("{}, drawn here by graft {}", self.about, env!("CARGO_PKG_VERSION")));
                    });
                    self.render(html);
                });
                html.element("script", &[], |html| html.raw(Self::SCRIPT));
            });
        });
        html.finish()
    }

    /// Writes the file; it is whole or absent.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        atomic::write(path, self.to_html().as_bytes())
    }

    /// Writes itself into a page that has its style and its program behind it.
    pub(crate) fn render(&self, html: &mut Html) {
        markup::section(html, &self.shown);
        let data = ("type", "text/plain");
        html.script(&[("type", "application/json"), ("id", "recording")], &self.recording);
        for weights in &self.weights {
            html.script(&[data, ("class", "weights")], weights);
        }
        html.script(&[data, ("id", "loops")], &(functions::functions() + include_str!("loops.js")));
    }
}

/// JSON that is safe within an element: nothing in it ends that, or begins another.
fn escaped(json: &Json) -> String {
    json.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A text's digest, as a policy names it.
fn digest(text: &str) -> String {
    base64(&Sha256::digest(text))
}
