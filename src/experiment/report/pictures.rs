//! Pictures in a page: alone, beside each other, above each other, and one after the other on a slider.

use super::Element;
use crate::data::{Images, picture};
use crate::error::{Error, Result};
use crate::html::{Html, base64};

/// A picture with its caption; what the page shows of it are its own pixels, enlarged without blur.
#[derive(Clone, Debug)]
pub struct Picture {
    caption: String,
    png: Vec<u8>,
    width: u32,
    height: u32,
}

impl Picture {
    /// A picture that is a PNG already.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the bytes are no PNG.
    pub fn png(caption: impl Into<String>, bytes: Vec<u8>) -> Result<Picture> {
        let caption = caption.into();
        let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR").and_then(|rest| rest.first_chunk::<8>());
        let Some([a, b, c, d, e, f, g, h]) = header.copied() else {
            return Err(Error::invalid(format!("the picture of {caption} is no PNG; make it again")));
        };
        let (width, height) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        Ok(Picture { caption, png: bytes, width, height })
    }

    /// Images as one grid of `columns` columns.
    ///
    /// # Panics
    /// Where there are no images or no columns, or the images have neither 1 nor 3 channels.
    #[track_caller]
    pub fn grid(caption: impl Into<String>, images: &Images, columns: usize) -> Picture {
        const MARGIN: usize = 2;
        let png = picture::encode_png(&picture::grid(images, columns, MARGIN), 0);
        Picture::png(caption, png).expect("what was just encoded is a PNG")
    }

    /// The bytes that it adds to a page, in base64.
    pub(super) fn bytes(&self) -> usize {
        self.png.len().div_ceil(3) * 4
    }

    fn render(&self, html: &mut Html, captioned: bool) {
        let data = format!("data:image/png;base64,{}", base64(&self.png));
        html.element("figure", &[("class", "picture")], |html| {
            html.void(
                "img",
                &[
                    ("src", &data),
                    ("alt", &self.caption),
                    ("width", &self.width.to_string()),
                    ("height", &self.height.to_string()),
                ],
            );
            if captioned {
                html.leaf("figcaption", &[], &self.caption);
            }
        });
    }
}

/// Pictures to be compared.
#[derive(Clone, Debug)]
pub struct Pictures {
    title: String,
    class: &'static str,
    pictures: Vec<Picture>,
    note: Option<String>,
}

impl Pictures {
    /// Pictures side by side where there is room, as scratch against transfer against real images.
    pub fn beside(title: impl Into<String>) -> Pictures {
        Pictures { title: title.into(), class: "beside", pictures: Vec::new(), note: None }
    }

    /// Pictures of one width above each other, so that columns correspond, as G_s(z) over G_t(z).
    pub fn stacked(title: impl Into<String>) -> Pictures {
        Pictures { class: "stacked", ..Pictures::beside(title) }
    }

    /// With one more.
    pub fn picture(mut self, picture: Picture) -> Pictures {
        self.pictures.push(picture);
        self
    }

    /// With a sentence below.
    pub fn note(mut self, text: impl Into<String>) -> Pictures {
        self.note = Some(text.into());
        self
    }
}

impl Element for Pictures {
    fn render(&self, html: &mut Html) {
        html.element("section", &[("class", "card")], |html| {
            html.leaf("h3", &[], &self.title);
            html.element("div", &[("class", self.class)], |html| {
                for picture in &self.pictures {
                    picture.render(html, true);
                }
            });
            if let Some(note) = &self.note {
                html.leaf("p", &[("class", "soft")], note);
            }
        });
    }
}

/// Pictures over time: each place of the slider shows those of one moment, side by side.
#[derive(Clone, Debug)]
pub struct Slider {
    title: String,
    frames: Vec<(String, Vec<Picture>)>,
    budget: usize,
}

impl Slider {
    /// The most that a slider's pictures add to a page, in bytes, unless said otherwise.
    pub const BUDGET: usize = 4 << 20;

    /// A slider without pictures.
    pub fn new(title: impl Into<String>) -> Slider {
        Slider { title: title.into(), frames: Vec::new(), budget: Slider::BUDGET }
    }

    /// With the pictures of one more moment, called `label` ("step 250").
    pub fn frame(mut self, label: impl Into<String>, pictures: Vec<Picture>) -> Slider {
        self.frames.push((label.into(), pictures));
        self
    }

    /// With another bound to the bytes that its pictures add.
    pub fn budget(mut self, bytes: usize) -> Slider {
        self.budget = bytes;
        self
    }

    /// The frames that are shown: all, or so many, evenly chosen with the first and the last, as fit the budget. The last
    /// is always there.
    fn shown(&self) -> Vec<&(String, Vec<Picture>)> {
        let bytes = |frame: &(String, Vec<Picture>)| frame.1.iter().map(Picture::bytes).sum::<usize>();
        let last = self.frames.len().saturating_sub(1);
        for count in (2..=self.frames.len()).rev() {
            let chosen: Vec<_> = (0..count).map(|index| &self.frames[index * last / (count - 1)]).collect();
            if chosen.iter().map(|frame| bytes(frame)).sum::<usize>() <= self.budget {
                return chosen;
            }
        }
        self.frames.last().into_iter().collect()
    }
}

impl Element for Slider {
    fn render(&self, html: &mut Html) {
        let shown = self.shown();
        let Some(((last_label, _), last)) = shown.last().map(|frame| (*frame, shown.len() - 1)) else { return };
        html.element("section", &[("class", "slider card")], |html| {
            html.leaf("h3", &[], &self.title);
            if last > 0 {
                html.element("div", &[("class", "controls")], |html| {
                    html.leaf("button", &[("type", "button")], "Play");
                    let most = last.to_string();
                    let range = [("type", "range"), ("min", "0"), ("max", &most), ("value", &most), ("step", "1")];
                    let spoken = [("aria-label", self.title.as_str()), ("aria-valuetext", last_label)];
                    html.void("input", &[&range[..], &spoken[..]].concat());
                    html.leaf("output", &[], last_label);
                });
            }
            for (index, (label, pictures)) in shown.iter().enumerate() {
                let hidden = [("hidden", "")];
                let attributes = [("class", "step beside"), ("data-label", label.as_str())];
                let hidden = if index < last { &hidden[..] } else { &[] };
                html.element("div", &[&attributes[..], hidden].concat(), |html| {
                    for picture in pictures {
                        // The slider's label says of a single one what there is to say.
                        picture.render(html, pictures.len() > 1);
                    }
                });
            }
            let left_out = self.frames.len() - shown.len();
            if left_out > 0 {
                let text = format!("{left_out} of {} are left out to keep this file small.", self.frames.len());
                html.leaf("p", &[("class", "soft")], &text);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: usize) -> Picture {
        let pixels = (0..3 * 32 * 32).map(|i| (i * i * 31 + seed * i) as u8).collect();
        Picture::grid(format!("grid {seed}"), &Images::new([1, 32, 32, 3], pixels), 1)
    }

    fn html(element: &impl Element) -> String {
        let mut html = Html::default();
        element.render(&mut html);
        html.finish()
    }

    #[test]
    fn a_picture_knows_its_size_and_only_a_png_is_one() {
        let rendered = html(&Pictures::beside("title").picture(noise(0)));
        assert!(rendered.contains("width=\"36\" height=\"36\"") && rendered.contains("alt=\"grid 0\""), "{rendered}");
        assert!(rendered.contains("src=\"data:image/png;base64,iVBORw0KGgo"), "{rendered}");
        for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", b"<svg onload=alert(1)>"] {
            let error = Picture::png("step 5", bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains("step 5") && error.contains("no PNG"), "{error}");
        }
    }

    #[test]
    fn a_slider_starts_at_its_last_frame_and_hides_the_others() {
        let slider = Slider::new("over time").frame("step 1", vec![noise(1)]).frame("step 2", vec![noise(2)]);
        let rendered = html(&slider);
        assert!(rendered.contains("data-label=\"step 1\" hidden=\"\">"), "{rendered}");
        assert!(rendered.contains("data-label=\"step 2\">") && rendered.contains("aria-valuetext=\"step 2\""));
        assert_eq!(rendered.matches("<img").count(), 2);
        assert_eq!(html(&Slider::new("nothing")), "");
        assert!(!html(&Slider::new("one").frame("step 1", vec![noise(1)])).contains("<input"));
    }

    #[test]
    fn a_slider_thins_its_frames_evenly_to_its_budget() {
        let each = noise(0).bytes();
        let slider = (0..31).fold(Slider::new("s"), |s, i| s.frame(i.to_string(), vec![noise(0)]));
        let labels = |budget: usize| -> Vec<String> {
            slider.clone().budget(budget).shown().into_iter().map(|frame| frame.0.clone()).collect()
        };
        assert_eq!(labels(31 * each).len(), 31);
        assert_eq!(labels(4 * each), ["0", "10", "20", "30"]);
        assert_eq!(labels(0), ["30"], "the last is always there");
        assert!(html(&slider.clone().budget(4 * each)).contains("27 of 31 are left out"));
    }
}
